"""Make scripts.npz and scripts.safetensors: what PyTorch computes with the training scripts of tests/scripts.

Run with a Python that has PyTorch, safetensors and SciPy, in the repository's root:

    PYTHONPATH=. python tests/data/make_scripts.py                the curves, the trained weights, their predictions
    PYTHONPATH=. python tests/data/make_scripts.py --round-trip   writes nothing: trains with TinyTorch, hands each
                                                                  state_dict to PyTorch and back, and compares
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

import tinytorch
from tests.scripts.library import NAMES, on

HERE = Path(__file__).parent


def freeze() -> None:
    """Train every script with PyTorch, in float64 and float32; keep the weights of the latter."""
    torch.set_num_threads(1)
    arrays, weights = {"torch": np.array(torch.__version__)}, {}
    for name in NAMES:
        script = on("torch", name)
        for dtype in ("float64", "float32"):
            losses, model = script.train(dtype)
            arrays[f"{name}/{dtype}"] = np.array(losses)
        with torch.no_grad():
            arrays[f"{name}/prediction"] = script.predict(model.eval(), "float32").numpy()
        weights |= {f"{name}/{key}": tensor.clone() for key, tensor in model.state_dict().items()}
    np.savez_compressed(HERE / "scripts.npz", **arrays)
    safetensors.torch.save_file(weights, HERE / "scripts.safetensors")


def round_trip(name: str, folder: Path) -> tuple[float, float]:
    """TinyTorch -> file -> PyTorch -> file -> TinyTorch: how far predictions differ in PyTorch, and at the end."""
    ours, theirs = on("tinytorch", name), on("torch", name)
    _, model = ours.train("float32", steps=10)
    expected = ours.predict(model.eval(), "float32").detach().numpy()
    tinytorch.save(model.state_dict(), folder / "there.safetensors")

    other = theirs.build()
    other.load_state_dict(safetensors.torch.load_file(folder / "there.safetensors"), strict=True)
    with torch.no_grad():
        predicted = theirs.predict(other.eval(), "float32").numpy()
    state = {key: tensor.clone() for key, tensor in other.state_dict().items()}
    safetensors.torch.save_file(state, folder / "back.safetensors")

    again = ours.build()
    again.load_state_dict(tinytorch.load(folder / "back.safetensors"), strict=True)
    back = ours.predict(again.eval(), "float32").detach().numpy()
    scale = np.abs(expected).max()
    return float(np.abs(predicted - expected).max() / scale), float(np.abs(back - expected).max())


def main() -> None:
    """Freeze, or show the round trip."""
    if "--round-trip" not in sys.argv:
        freeze()
        return
    print(f"{'script':12}  in PyTorch (relative)  back again (absolute)")
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            there, back = round_trip(name, Path(folder))
        print(f"{name:12}  {there:21.1e}  {back:21.1e}")
        assert there < 1e-5 and back == 0.0, name


if __name__ == "__main__":
    main()
