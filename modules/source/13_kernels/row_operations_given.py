"""Operations on the rows of a matrix: log-softmax and layer normalisation. (Softmax is the taught kernel.)

Each takes a row through all of its steps while it lies in the cache; the reference writes a whole matrix after each.
A row may end in the middle of a vector: its rest is done one number at a time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tinytorch.given.compiling import inlined, threaded
from tinytorch.given.exponentials import exponential
from tinytorch.given.threads import get_num_threads
from tinytorch.given.vectors import LANES, broadcast, fma, lane_sum, load, store


@inlined
def row_maximum(x, at, n):
    """Return the largest of n numbers; NaN if one of them is."""
    largest = x[at]
    for i in range(1, n):
        value = x[at + i]
        largest = value if value > largest or value != value else largest
    return largest


@inlined
def exponentials_of_row(x, at, n, shift, out):
    """Write e**(x - shift) of n numbers to out and return their sum."""
    moved = broadcast(np.float32(-shift))
    total = broadcast(np.float32(0))
    whole = n - n % LANES
    for i in range(0, whole, LANES):
        power = exponential(load(x, at + i) + moved)
        store(out, at + i, power)
        total = total + power
    rest = np.float32(0)
    for i in range(whole, n):
        out[at + i] = np.float32(math.exp(x[at + i] - shift))
        rest += out[at + i]
    return lane_sum(total) + rest


@threaded
def log_softmax_rows(x, out, rows, n, threads):
    """out = x - log Σ e**x of each row."""
    for thread in prange(threads):
        for row in range(thread * rows // threads, (thread + 1) * rows // threads):
            at = row * n
            largest = row_maximum(x, at, n)
            logarithm = np.float32(math.log(exponentials_of_row(x, at, n, largest, out)))
            for i in range(at, at + n):
                out[i] = (x[i] - largest) - logarithm


@threaded
def layer_norm_rows(x, weight, bias, out, means, rstds, rows, n, eps, threads):
    """out = (x - mean)·rstd·weight + bias of each row; two passes for the statistics, both in the cache."""
    for thread in prange(threads):
        for row in range(thread * rows // threads, (thread + 1) * rows // threads):
            at = row * n
            total = np.float64(0)
            for i in range(at, at + n):
                total += x[i]
            mean = np.float32(total / n)
            squares = np.float64(0)
            for i in range(at, at + n):
                squares += (x[i] - mean) * (x[i] - mean)
            rstd = np.float32(1 / math.sqrt(squares / n + eps))
            means[row], rstds[row] = mean, rstd
            whole = n - n % LANES
            slope, level = broadcast(rstd), broadcast(np.float32(-mean * rstd))
            for i in range(0, whole, LANES):
                z = fma(load(x, at + i), slope, level)
                store(out, at + i, fma(z, load(weight, i), load(bias, i)))
            for i in range(whole, n):
                out[at + i] = (x[at + i] - mean) * rstd * weight[i] + bias[i]


# ---- in the form that `bind` calls ----------------------------------------------------------------------------------


def log_softmax(xp: Any, x: Any, *, dim: int) -> Any:
    """See module 03; along the last axis."""
    out = np.empty_like(x)
    n = x.shape[-1]
    log_softmax_rows(x.reshape(-1), out.reshape(-1), x.size // n, n, get_num_threads())
    return out


def layer_norm(xp: Any, x: Any, weight: Any, bias: Any, *, normalized_ndim: int, eps: float) -> tuple:
    """See module 06."""
    lead, shape = x.shape[: x.ndim - normalized_ndim], x.shape[x.ndim - normalized_ndim :]
    n = math.prod(shape)
    rows = x.size // n
    weight = np.ones(n, np.float32) if weight is None else weight.reshape(-1)
    bias = np.zeros(n, np.float32) if bias is None else bias.reshape(-1)
    out, means, rstds = np.empty_like(x), np.empty(rows, np.float32), np.empty(rows, np.float32)
    layer_norm_rows(
        x.reshape(-1), weight, bias, out.reshape(-1), means, rstds, rows, n, np.float32(eps), get_num_threads()
    )
    kept = lead + (1,) * normalized_ndim
    return out, means.reshape(kept), rstds.reshape(kept)
