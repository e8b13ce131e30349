"""What works on rows of numbers: softmax, norms, losses; the sizes are those of a small GPT and a CNN."""

from __future__ import annotations

from typing import Any

import numpy as np

from tito.bench.child.sizes import RNG, Case, Cases, numbers, shape_of, sizes

WIDTH, LENGTH, CLASSES = 384, 256, 10
LOSS = {"ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}
LAYER = {"normalized_ndim": 1, "eps": 1e-5}


def hidden(n: int) -> Any:
    """Activations: n sequences in a batch of 1,000 positions."""
    return numbers(16 * n, WIDTH)


def scores(n: int) -> Any:
    """Attention scores: n heads, an eighth of their rows."""
    return numbers(n, LENGTH // 8, LENGTH)


def over_rows(n: int) -> Cases:
    for x in (scores(n), numbers(16 * n, 100)):
        yield Case(shape_of(x), [x], {"dim": x.ndim - 1})


def gradients_of_rows(n: int) -> Cases:
    for case in over_rows(n):
        (x,) = case.arrays
        powers = np.exp(x)
        yield Case(case.size, [numbers(*x.shape), powers / powers.sum(-1, keepdims=True)], case.params)


@sizes
def softmax(n: int) -> Cases:
    yield from over_rows(n)


@sizes
def log_softmax(n: int) -> Cases:
    yield from over_rows(n)


@sizes
def softmax_grad(n: int) -> Cases:
    yield from gradients_of_rows(n)


@sizes
def log_softmax_grad(n: int) -> Cases:
    for case in gradients_of_rows(n):
        g, probabilities = case.arrays
        yield Case(case.size, [g, np.log(probabilities)], case.params)


@sizes
def layer_norm(n: int) -> Cases:
    x = hidden(n)
    yield Case(shape_of(x), [x, numbers(WIDTH), numbers(WIDTH)], LAYER)


@sizes
def rms_norm(n: int) -> Cases:
    x = hidden(n)
    yield Case(shape_of(x), [x, numbers(WIDTH)], LAYER)


@sizes
def layer_norm_grad(n: int) -> Cases:
    x = hidden(n)
    mean, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
    yield Case(shape_of(x), [numbers(*x.shape), x, numbers(WIDTH), mean, 1 / np.sqrt(var + np.float32(1e-5))], LAYER)


@sizes
def rms_norm_grad(n: int) -> Cases:
    x = hidden(n)
    rstd = 1 / np.sqrt((x * x).mean(1, keepdims=True) + np.float32(1e-5))
    yield Case(shape_of(x), [numbers(*x.shape), x, numbers(WIDTH), rstd], LAYER)


def logits(n: int) -> Any:
    """Logits and classes: of images, and of the characters of a text."""
    for rows, classes in ((2 * n, CLASSES), (64 * n, 65)):
        yield numbers(rows, classes), RNG.integers(0, classes, rows)


@sizes
def cross_entropy(n: int) -> Cases:
    for x, target in logits(n):
        yield Case(shape_of(x), [x, target, None], LOSS)


@sizes
def cross_entropy_grad(n: int) -> Cases:
    for x, target in logits(n):
        logsumexp = np.log(np.exp(x).sum(1))
        yield Case(shape_of(x), [np.array(0.5, np.float32), x, target, None, logsumexp], LOSS)
