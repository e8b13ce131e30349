"""What every script here starts from: the same data and the same initial weights on either library, drawn by NumPy."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

DIGITS = Path(__file__).parents[2] / "modules" / "source" / "08_dataloader" / "assets" / "digits.npz"
TEXT = """the sea was calm that night and the ship went slowly. nobody on board had slept, for the lamp on the shore
was dark. then the wind came, first a breath and then a storm, and the men went up to take in the sails. the captain
stood at the wheel and sang an old song of the sea. when the morning came the shore was near, and the lamp was lit.
"""


def digits(count: int, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`count` digits, each once: images (count, 1, 8, 8) between 0 and 1, and labels (count,)."""
    with np.load(DIGITS) as file:
        images, labels = file["images"], file["labels"]
    order = np.random.default_rng(0).permutation(len(images))[start : start + count]
    return images[order, None] / 16.0, labels[order].astype(np.int64)


def characters() -> tuple[np.ndarray, int]:
    """A short text as numbers, and how many different characters it has."""
    alphabet = sorted(set(TEXT))
    return np.array([alphabet.index(c) for c in TEXT], dtype=np.int64), len(alphabet)


def initialise(torch: Any, model: Any, dtype: str, seed: int = 0) -> Any:
    """Give every parameter values that depend on its name, its shape and `seed` alone; return the model in `dtype`.

    Matrices and kernels: normal, variance 1 / fan-in. Scales (`weight` with one axis): 1. Biases: 0. Buffers stay.
    """
    model.to(getattr(torch, dtype))
    for name, p in model.named_parameters():
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        shape = tuple(p.shape)
        if len(shape) > 1:
            values = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        else:
            values = np.full(shape, float(name.rpartition(".")[2].startswith("weight")))
        with torch.no_grad():
            p.copy_(torch.from_numpy(values.astype(dtype)))
    return model
