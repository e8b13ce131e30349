"""Softmax, log-softmax, and their gradients.

Each takes a row through all of its steps while it lies in the cache; the reference writes a whole matrix after each.
The steps are those of the taught `softmax_rows`; what makes them faster is the exponential of eight numbers at a time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tinytorch.given.compiling import compiled, threaded
from tinytorch.given.exponentials import exponential, exponential_below
from tinytorch.given.row_passes import (
    load_rest,
    row_maximum,
    row_product,
    row_sum,
    store_rest,
    sum_of_exponentials,
    threads_for,
)
from tinytorch.given.vectors import LANES, broadcast, fma

SOFTMAX, LOG_SOFTMAX, SOFTMAX_GRAD, LOG_SOFTMAX_GRAD = range(4)


@compiled
def some_rows(kind, g, x, out, first, last, n):
    """Rows `first` to `last` of out: softmax or log-softmax of x; or the gradient g through one of them, x its output.

    e**x / Σ e**x;   x - log Σ e**x;   x·(g - Σ g·x);   g - e**x·Σ g
    """
    zero = broadcast(np.float32(0))
    for at in range(first * n, last * n, n):
        end = at + n
        if kind == SOFTMAX:
            largest = row_maximum(x, at, n)
            share = broadcast(np.float32(1 / sum_of_exponentials(x, at, n, largest)))
            moved = broadcast(np.float32(-largest))
            for i in range(at, end, LANES):
                store_rest(out, i, end - i, exponential_below(load_rest(x, i, end - i, zero) + moved) * share)
        elif kind == LOG_SOFTMAX:
            largest = row_maximum(x, at, n)
            logarithm = broadcast(np.float32(-math.log(sum_of_exponentials(x, at, n, largest))))
            moved = broadcast(np.float32(-largest))
            for i in range(at, end, LANES):
                store_rest(out, i, end - i, (load_rest(x, i, end - i, zero) + moved) + logarithm)
        elif kind == SOFTMAX_GRAD:
            level = broadcast(np.float32(-row_product(g, x, at, n)))
            for i in range(at, end, LANES):
                sent = load_rest(g, i, end - i, zero) + level
                store_rest(out, i, end - i, sent * load_rest(x, i, end - i, zero))
        else:
            total = broadcast(np.float32(-row_sum(g, at, n)))
            for i in range(at, end, LANES):
                power = exponential(load_rest(x, i, end - i, zero))
                store_rest(out, i, end - i, fma(power, total, load_rest(g, i, end - i, zero)))


@threaded
def all_rows(kind, g, x, out, rows, n, threads):
    """The same for all rows, a part of them in each thread."""
    for thread in prange(threads):
        some_rows(kind, g, x, out, thread * rows // threads, (thread + 1) * rows // threads, n)


def _over_rows(kind: int, g: Any, x: Any) -> Any:
    out, n, threads = np.empty_like(x), x.shape[-1], threads_for(x.size)
    arrays = g.reshape(-1), x.reshape(-1), out.reshape(-1)
    if threads == 1:
        some_rows(kind, *arrays, 0, x.size // n, n)
    else:
        all_rows(kind, *arrays, x.size // n, n, threads)
    return out


# ---- in the form that `bind` calls ----------------------------------------------------------------------------------


def softmax(xp: Any, x: Any, *, dim: int) -> Any:
    """See module 03; along the last axis."""
    return _over_rows(SOFTMAX, x, x)


def log_softmax(xp: Any, x: Any, *, dim: int) -> Any:
    """See module 03; along the last axis."""
    return _over_rows(LOG_SOFTMAX, x, x)


def softmax_grad(xp: Any, g: Any, out: Any, *, dim: int) -> Any:
    """See module 09; along the last axis."""
    return _over_rows(SOFTMAX_GRAD, g, out)


def log_softmax_grad(xp: Any, g: Any, out: Any, *, dim: int) -> Any:
    """See module 09; along the last axis."""
    return _over_rows(LOG_SOFTMAX_GRAD, g, out)
