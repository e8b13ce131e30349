"""Make losses.npz: PyTorch's losses and their gradients, to hold ours against.

Run with a Python that has PyTorch: `python tests/data/make_losses.py`. Everything is float64. For each case there are
input, target, loss and the gradient of the weighted sum of the loss; the settings stand in `cases`, as JSON.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

RNG = np.random.default_rng(12)
CLASS_WEIGHTS = [0.5, 2.0, 1.0, 3.0]
SHAPES: dict[str, tuple] = {"rows": (6, 4), "one": (4,), "pixels": (2, 4, 3), "images": (2, 4, 2, 3)}


def cross_entropy_cases() -> dict[str, dict[str, Any]]:
    """Return name -> {shape, probabilities, settings}."""
    cases = {}
    for shape in SHAPES:
        for reduction in ("mean", "sum", "none"):
            for smoothing in (0.0, 0.1):
                for weighted in (False, True):
                    for target in ("classes", "ignoring", "probabilities"):
                        if shape != "rows" and (smoothing, weighted) not in ((0.0, False), (0.1, True)):
                            continue
                        if shape == "one" and target == "ignoring":
                            continue
                        name = f"{shape}-{target}-{reduction}-{smoothing}-{'weighted' if weighted else 'plain'}"
                        settings = {"reduction": reduction, "label_smoothing": smoothing}
                        cases[name] = {"shape": shape, "target": target, "weighted": weighted, "settings": settings}
    return cases


def target_for(shape: tuple, kind: str) -> np.ndarray:
    """Return random classes (some of them to be ignored) or probabilities for logits of `shape`."""
    dim = 1 if len(shape) > 1 else 0
    if kind == "probabilities":
        raw = RNG.uniform(size=shape)
        return raw / raw.sum(axis=dim, keepdims=True)
    classes = RNG.integers(0, shape[dim], shape[:dim] + shape[dim + 1 :])
    if kind == "ignoring":
        classes.reshape(-1)[::3] = -100
    return classes


def measured(function: Any, x: np.ndarray, target: np.ndarray, **settings: Any) -> dict[str, np.ndarray]:
    """Return input, target, loss, gradient."""
    logits = torch.tensor(x, requires_grad=True)
    loss = function(logits, torch.tensor(target), **settings)
    g = torch.linspace(0.5, 1.5, loss.numel(), dtype=torch.float64).reshape(loss.shape)
    (loss * g).sum().backward()
    return {"input": x, "target": target, "loss": loss.detach().numpy(), "grad": logits.grad.numpy()}


def main() -> None:
    """Write losses.npz beside this file."""
    arrays: dict[str, np.ndarray] = {}
    cases = cross_entropy_cases()
    for name, case in cases.items():
        shape = SHAPES[case["shape"]]
        settings = dict(case["settings"])
        if case["weighted"]:
            settings["weight"] = torch.tensor(CLASS_WEIGHTS, dtype=torch.float64)
        found = measured(F.cross_entropy, RNG.normal(0, 2, shape), target_for(shape, case["target"]), **settings)
        arrays |= {f"cross_entropy/{name}/{key}": value for key, value in found.items()}
    for reduction in ("mean", "sum", "none"):
        x, y = RNG.normal(0, 3, (4, 3)), RNG.uniform(size=(4, 3))
        arrays |= {f"mse/{reduction}/{k}": v for k, v in measured(F.mse_loss, x, y, reduction=reduction).items()}
        for pos_weight in (None, 2.5):
            extra = {} if pos_weight is None else {"pos_weight": torch.tensor(pos_weight, dtype=torch.float64)}
            found = measured(F.binary_cross_entropy_with_logits, x * 20, y, reduction=reduction, **extra)
            arrays |= {f"bce/{reduction}-{pos_weight}/{k}": v for k, v in found.items()}
    meta = {"cross_entropy": cases, "weights": CLASS_WEIGHTS, "torch": torch.__version__}
    np.savez_compressed(Path(__file__).with_name("losses.npz"), cases=json.dumps(meta), **arrays)


if __name__ == "__main__":
    main()
