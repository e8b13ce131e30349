"""Convolution, normalisation and pooling: the layers of the reference CNN."""

from __future__ import annotations

from typing import Any

import numpy as np

from tito.bench.child.sizes import Case, Cases, images, numbers, shape_of, sizes

LAYERS = ((3, 32, 32), (32, 64, 16), (64, 128, 8))  # channels in, channels out, height and width
PLAIN = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
POOL = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}
NORM = {"training": True, "eps": 1e-5}
WINDOW = (3, 3)


@sizes
def conv2d(n: int) -> Cases:
    for inner, outer, side in LAYERS:
        x = images(n, inner, side, side)
        yield Case(f"{shape_of(x)} to {outer}, 3×3", [x, numbers(outer, inner, *WINDOW), None], PLAIN)


@sizes
def conv2d_input_grad(n: int) -> Cases:
    for inner, outer, side in LAYERS[1:]:
        g = images(n, outer, side, side)
        params = PLAIN | {"size": (side, side)}
        yield Case(f"{shape_of(g)} to {inner}, 3×3", [g, numbers(outer, inner, *WINDOW)], params)


@sizes
def conv2d_weight_grad(n: int) -> Cases:
    for inner, outer, side in LAYERS:
        x, g = images(n, inner, side, side), images(n, outer, side, side)
        yield Case(f"{shape_of(x)} to {outer}, 3×3", [g, x], PLAIN | {"size": WINDOW})


def outputs(n: int) -> Any:
    """What the first and the last convolution give."""
    for _, outer, side in (LAYERS[0], LAYERS[2]):
        yield images(n, outer, side, side)


def affine(x: Any) -> list[Any]:
    """Weight, bias, mean and variance of a batch norm."""
    return [*numbers(3, x.shape[1]), np.abs(numbers(x.shape[1])) + np.float32(0.1)]


def pooled(x: Any) -> Any:
    """A gradient of the shape of the pooled images."""
    n, c, h, w = x.shape
    return images(n, c, h // 2, w // 2)


@sizes
def batch_norm_stats(n: int) -> Cases:
    for x in outputs(n):
        yield Case(shape_of(x), [x], {})


@sizes
def batch_norm(n: int) -> Cases:
    for x in outputs(n):
        yield Case(shape_of(x), [x, *affine(x)], NORM)


@sizes
def batch_norm_grad(n: int) -> Cases:
    for x in outputs(n):
        weight, _, mean, var = affine(x)
        yield Case(shape_of(x), [images(*x.shape), x, weight, mean, var], NORM)


@sizes
def max_pool2d(n: int) -> Cases:
    for x in outputs(n):
        yield Case(shape_of(x), [x], POOL)


@sizes
def max_pool2d_grad(n: int) -> Cases:
    for x in outputs(n):
        windows = x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2)
        out = np.ascontiguousarray(windows.max((3, 5)).transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        yield Case(shape_of(x), [pooled(x), x, out], POOL)


@sizes
def batch_norm_relu(n: int) -> Cases:
    yield from batch_norm(n)


@sizes
def batch_norm_relu_max_pool2d(n: int) -> Cases:
    for x in outputs(n):
        yield Case(shape_of(x), [x, *affine(x)], NORM | POOL)


@sizes
def batch_norm_relu_max_pool2d_grad(n: int) -> Cases:
    for x in outputs(n):
        yield Case(shape_of(x), [pooled(x), x, *affine(x), pooled(x)], NORM | POOL)


@sizes
def sum(n: int) -> Cases:
    for x in outputs(n):
        yield Case(f"{shape_of(x)}, over all but the channels", [x], {"dim": (0, 2, 3), "keepdim": False})
    x = numbers(16 * n, 384)
    for dim, what in enumerate(("columns", "rows")):
        yield Case(f"{shape_of(x)}, its {what}", [x], {"dim": (dim,), "keepdim": False})
