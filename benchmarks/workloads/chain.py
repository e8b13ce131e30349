"""(d) One hundred small operations in a row, forward and backward: what a library costs when there is nothing to do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.libraries import Library

ROUNDS = 25  # of four operations


def prepare(library: Library) -> Callable[[], float]:
    """Matrix product, sum, tanh and product of 8×8 numbers, 25 times; then the gradients of two of the operands."""
    torch, rng = library.torch, np.random.default_rng(0)
    x, matrix, shift, scale = (torch.from_numpy(rng.normal(size=(8, 8)).astype("float32") / 3) for _ in range(4))
    matrix.requires_grad_()
    shift.requires_grad_()

    def step() -> float:
        matrix.grad = shift.grad = None
        y = x
        for _ in range(ROUNDS):
            y = torch.tanh(y @ matrix + shift) * scale
        loss = y.sum()
        loss.backward()
        return loss.item()

    return step
