"""The training step of the networks here, written once for both libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.libraries import Library


def random_data(library: Library, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Random inputs of `shape`, and labels of ten classes."""
    rng = np.random.default_rng(1)
    data = rng.normal(size=shape).astype("float32")
    x = library.images(data) if len(shape) == 4 else library.torch.from_numpy(data)
    return x, library.torch.from_numpy(rng.integers(0, 10, shape[0]))


def training_step(library: Library, model: Any, optimizer: Any) -> Callable[[Any, Any], float]:
    """A function that makes one step on inputs and labels, and returns the loss before it."""
    cross_entropy = library.torch.nn.functional.cross_entropy

    def step(x: Any, y: Any) -> float:
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step
