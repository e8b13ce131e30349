"""Check that PyTorch takes what tinytorch.save wrote, and predicts the same.

In two steps, as no environment needs both: `python tests/data/check_exchange.py write FOLDER` with TinyTorch saves
freshly drawn models with their outputs; `python tests/data/check_exchange.py read FOLDER` with PyTorch and safetensors
loads each with strict=True and compares.
"""

import sys
from pathlib import Path

from exchange_models import models


def write(folder: Path) -> None:
    """Save each model, and beside it an input and an output."""
    import tinytorch
    from tinytorch import nn

    tinytorch.manual_seed(11)
    for name, (model, shape) in models(nn).items():
        whole = isinstance(shape[-1], str)
        x = tinytorch.randint(int(shape[-1]), shape[:-1]) if whole else tinytorch.randn(*shape)
        model(x)
        with tinytorch.no_grad():
            tinytorch.save({"input": x, "output": model.eval()(x)}, folder / f"{name}.example.safetensors")
        tinytorch.save(model.state_dict(), folder / f"{name}.safetensors")


def read(folder: Path) -> None:
    """Load each model with PyTorch and compare its output."""
    import torch
    from safetensors.torch import load_file
    from torch import nn

    for name, (model, _) in models(nn).items():
        model.load_state_dict(load_file(folder / f"{name}.safetensors"), strict=True)
        example = load_file(folder / f"{name}.example.safetensors")
        with torch.no_grad():
            gap = (model.eval()(example["input"]) - example["output"]).abs().max().item()
        print(f"{name}: {gap:.1e}")
        if not gap < 1e-5:
            raise SystemExit(f"{name}: expected the same output in PyTorch, found a difference of {gap}")


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
