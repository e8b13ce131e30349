"""Activations and their gradients: every number is read once and written once, whatever the formula.

The reference makes a new array for each step of a formula. All functions are in one compiled kernel, which costs less
time to compile than one for each. Tanh has none: NumPy's own is faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange

from tinytorch.given.activation_curves import (
    approximate_gelu_slope,
    approximate_share,
    gelu_curve,
    gelu_slope,
    logistic,
    number,
    silu_slope,
)
from tinytorch.given.compiling import compiled, threaded
from tinytorch.given.row_passes import load_rest, store_rest, threads_for
from tinytorch.given.vectors import LANES, where_greater

SIGMOID, SILU, GELU, GELU_TANH, RELU_GRAD, SIGMOID_GRAD, TANH_GRAD, SILU_GRAD, GELU_GRAD, GELU_TANH_GRAD = range(10)


@compiled
def some_elements(kind, g, x, out, first, last):
    """out = a function of x, or g times the slope at x, of elements `first` to `last`.

    x is the output of the function where the slope is known from that: of ReLU, sigmoid and tanh.
    """
    zero, one = number(0), number(1)
    for i in range(first, last, LANES):
        rest = last - i
        value = load_rest(x, i, rest, zero)
        if kind == SIGMOID:
            result = logistic(value)
        elif kind == SILU:
            result = value * logistic(value)
        elif kind == GELU:
            result = gelu_curve(value)
        elif kind == GELU_TANH:
            result = value * approximate_share(value)
        else:
            if kind == RELU_GRAD:
                slope = where_greater(value, zero, one, zero)
            elif kind == SIGMOID_GRAD:
                slope = value * (one - value)
            elif kind == TANH_GRAD:
                slope = one - value * value
            elif kind == SILU_GRAD:
                slope = silu_slope(value)
            elif kind == GELU_GRAD:
                slope = gelu_slope(value)
            else:
                slope = approximate_gelu_slope(value)
            result = load_rest(g, i, rest, zero) * slope
        store_rest(out, i, rest, result)


@threaded
def all_elements(kind, g, x, out, size, threads):
    """The same for all elements, a part of them in each thread."""
    for thread in prange(threads):
        some_elements(kind, g, x, out, thread * size // threads, (thread + 1) * size // threads)


def over_elements(kind: int, g: Any, x: Any) -> Any:
    """Return the result in the memory order of x, which is that of g."""
    out, threads = np.empty_like(x), threads_for(x.size)
    arrays = g.ravel("K"), x.ravel("K"), out.ravel("K")
    if threads == 1:
        some_elements(kind, *arrays, 0, x.size)
    else:
        all_elements(kind, *arrays, x.size, threads)
    return out


# ---- in the form that `bind` calls ----------------------------------------------------------------------------------


def _function(kind: int) -> Callable:
    return lambda xp, x: over_elements(kind, x, x)


def _gradient(kind: int) -> Callable:
    return lambda xp, g, x: over_elements(kind, g, x)


sigmoid, silu = _function(SIGMOID), _function(SILU)
relu_grad, sigmoid_grad, tanh_grad, silu_grad = (
    _gradient(kind) for kind in (RELU_GRAD, SIGMOID_GRAD, TANH_GRAD, SILU_GRAD)
)


def gelu(xp: Any, x: Any, *, approximate: str) -> Any:
    """See module 03."""
    return over_elements(GELU_TANH if approximate == "tanh" else GELU, x, x)


def gelu_grad(xp: Any, g: Any, x: Any, *, approximate: str) -> Any:
    """See module 09."""
    return over_elements(GELU_TANH_GRAD if approximate == "tanh" else GELU_GRAD, g, x)
