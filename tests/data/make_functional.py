"""Make functional.npz: what torch.autograd.functional gives for a few functions, to hold ours against.

Run with a Python that has PyTorch: `python tests/data/make_functional.py`. The functions take arrays of either library
and are written out again in tests/engine/test_autograd_functional.py.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch.autograd import functional

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.data import flat_file


def mixed(x, y):
    """Two inputs, two outputs."""
    return (x * y).exp().sum(0), (x[:, 0] * y.sin())[1:]


def energy(x, y):
    """Two inputs, one element."""
    return (x * x * x).sum() + (x.sum(0) * y).sum() ** 2


def flat(value) -> list[np.ndarray]:
    """Return the tensors of a nest in order."""
    return [value.numpy()] if isinstance(value, torch.Tensor) else [a for part in value for a in flat(part)]


def main() -> None:
    """Write functional.npz beside this file."""
    rng = np.random.default_rng(5)
    given = {
        "x": rng.uniform(0.2, 1.0, (2, 2)), "y": rng.uniform(0.2, 1.0, 2), "u": rng.normal(size=2),
        "w": rng.normal(size=1), "vx": rng.normal(size=(2, 2)), "vy": rng.normal(size=2),
    }
    x, y, u, w, vx, vy = (torch.tensor(a) for a in given.values())
    found = {
        "jacobian": functional.jacobian(mixed, (x, y)),
        "hessian": functional.hessian(energy, (x, y)),
        "vjp": functional.vjp(mixed, (x, y), (u, w)),
        "jvp": functional.jvp(mixed, (x, y), (vx, vy)),
        "hvp": functional.hvp(energy, (x, y), (vx, vy)),
        "vhp": functional.vhp(energy, (x, y), (vx, vy)),
    }
    arrays = given | {f"{name}/{i}": a for name, nest in found.items() for i, a in enumerate(flat(nest))}
    flat_file.write(Path(__file__).with_name("functional.npz"), {"torch": torch.__version__}, arrays)


if __name__ == "__main__":
    main()
