"""Sums of rows, and of columns: eight numbers at a time, a part of the rows in each thread.

NumPy adds up columns as fast, but in one thread. (The largest number is NumPy's to find.)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tinytorch.given.compiling import compiled, threaded
from tinytorch.given.cpu_spatial import sum_of_channels
from tinytorch.given.row_passes import load_rest, row_sum, store_rest, threads_for
from tinytorch.given.vectors import LANES, broadcast

CHUNK = 256     # rows that are summed in float32


@compiled
def add_up_some(x, out, first, last, n):
    """out[row] = the sum of each of the rows `first` to `last` of n numbers."""
    for row in range(first, last):
        out[row] = np.float32(row_sum(x, row * n, n))


@threaded
def add_up_all(x, out, rows, n, threads):
    """The same for all rows, a part of them in each thread."""
    for thread in prange(threads):
        add_up_some(x, out, thread * rows // threads, (thread + 1) * rows // threads, n)


@compiled
def add_up_some_columns(x, sums, part, first, last, n):
    """sums[i] = the sum of column i over the rows `first` to `last` of n numbers."""
    zero = broadcast(np.float32(0))
    sums[:] = 0
    for start in range(first, last, CHUNK):
        part[:] = 0
        for row in range(start, min(start + CHUNK, last)):
            for i in range(0, n, LANES):
                total = load_rest(part, i, n - i, zero) + load_rest(x, row * n + i, n - i, zero)
                store_rest(part, i, n - i, total)
        for i in range(n):
            sums[i] += part[i]


@threaded
def add_up_all_columns(x, sums, parts, rows, n, threads):
    """The same for all rows, a part of them in each thread."""
    for thread in prange(threads):
        first, last = thread * rows // threads, (thread + 1) * rows // threads
        add_up_some_columns(x, sums[thread], parts[thread], first, last, n)


def sum_of_columns(a: Any, shape: tuple) -> Any:
    """Return the sum over the first axes; of the last ones, which remain, this is the shape."""
    n, threads = math.prod(shape), threads_for(a.size)
    sums, parts = np.empty((threads, n)), np.empty((threads, n), np.float32)
    add_up_all_columns(a.reshape(-1), sums, parts, a.size // n, n, threads)
    return sums.sum(0).astype(np.float32).reshape(shape)


def sum(xp: Any, a: Any, *, dim: Any, keepdim: bool) -> Any:
    """See module 02; over the last axes, over the first ones, or over all but the channels of images."""
    if dim == (0, 2, 3) and a.ndim == 4:
        return sum_of_channels(xp, a, dim=dim, keepdim=keepdim)
    if 0 in dim:
        total = sum_of_columns(a, a.shape[len(dim) :])
        return total.reshape((1,) * len(dim) + total.shape) if keepdim else total
    lead = a.shape[: a.ndim - len(dim)]
    rows, threads = math.prod(lead), threads_for(a.size)
    out = np.empty(rows, np.float32)
    if threads == 1:
        add_up_some(a.reshape(-1), out, 0, rows, a.size // rows)
    else:
        add_up_all(a.reshape(-1), out, rows, a.size // rows, threads)
    return out.reshape(*lead, *(1,) * len(dim)) if keepdim else out.reshape(lead)
