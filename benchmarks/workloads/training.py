"""The training step of the networks here, written once for both libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.libraries import Library


def training_step(library: Library, model: Any, optimizer: Any, shape: tuple[int, ...]) -> Callable[[], float]:
    """A function that makes one step on random data of `shape` with ten classes, and returns the loss before it."""
    rng = np.random.default_rng(1)
    data = rng.normal(size=shape).astype("float32")
    x = library.images(data) if len(shape) == 4 else library.torch.from_numpy(data)
    y = library.torch.from_numpy(rng.integers(0, 10, shape[0]))
    cross_entropy = library.torch.nn.functional.cross_entropy

    def step() -> float:
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
