"""Optimizer steps: the parameters of the reference CNN, and one large matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from tito.bench.child.sizes import Case, Cases, numbers, sizes

CNN = ((32, 3, 3, 3), (32,), (32,), (64, 32, 3, 3), (64,), (64,), (128, 64, 3, 3), (128,), (128,), (10, 2048), (10,))
SGD = {"dampening": 0.0, "weight_decay": 5e-4, "maximize": False, "lr": 1e-3}
ADAM = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "maximize": False}


def parameters(n: int) -> Any:
    """Shapes, in words and in numbers."""
    yield "the CNN's parameters", CNN
    yield f"{16 * n}×1024", ((16 * n, 1024),)


def lists(shapes: Any, count: int) -> list[Any]:
    """So many lists of arrays; positive, as averages of squares are."""
    return [[np.abs(numbers(*shape)) for shape in shapes] for _ in range(count)]


@sizes
def sgd_step(n: int) -> Cases:
    for words, shapes in parameters(n):
        steps = {"steps": (2,) * len(shapes)}
        yield Case(f"{words}, momentum", lists(shapes, 3), SGD | {"momentum": 0.9, "nesterov": True} | steps)
        yield Case(words, [*lists(shapes, 2), None], SGD | {"momentum": 0.0, "nesterov": False} | steps)


@sizes
def adam_step(n: int) -> Cases:
    for words, shapes in parameters(n):
        yield Case(words, [*lists(shapes, 4), None], ADAM | {"decoupled": False, "steps": (2,) * len(shapes)})
