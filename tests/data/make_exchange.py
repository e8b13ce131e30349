"""Make exchange.safetensors: models of every kind as PyTorch saves them, with an input and an output of each.

Run with a Python that has PyTorch and safetensors: `python tests/data/make_exchange.py`. Names are "model:parameter",
"model>input" and "model>output"; the metadata holds the order of the names in each state_dict.
"""

import json
from pathlib import Path

import torch
from exchange_models import models
from safetensors.torch import save_file
from torch import nn


def main() -> None:
    """Write the file."""
    torch.manual_seed(6)
    tensors, keys = {}, {}
    for name, (model, shape) in models(nn).items():
        whole = isinstance(shape[-1], str)
        draw = (lambda shape=shape: torch.randint(int(shape[-1]), shape[:-1])) if whole else lambda: torch.randn(shape)  # noqa: B023
        for p in model.parameters():
            nn.init.normal_(p, std=0.4)
        model(draw())                                    # running statistics that are not the first ones
        x = draw()
        with torch.no_grad():
            tensors[f"{name}>input"], tensors[f"{name}>output"] = x, model.eval()(x).clone()
        state = model.state_dict()
        keys[name] = list(state)
        tensors.update({f"{name}:{key}": value.clone().contiguous() for key, value in state.items()})
    target = Path(__file__).with_name("exchange.safetensors")
    save_file(tensors, target, {"keys": json.dumps(keys)})
    print(f"{len(keys)} models, {len(tensors)} tensors, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
