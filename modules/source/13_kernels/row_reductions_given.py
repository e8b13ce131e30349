"""Sums of rows: eight numbers at a time, a part of the rows in each thread. (The largest number is NumPy's to find.)"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tinytorch.given.compiling import compiled, threaded
from tinytorch.given.cpu_spatial import sum_of_channels
from tinytorch.given.row_passes import row_sum, threads_for


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


def sum(xp: Any, a: Any, *, dim: Any, keepdim: bool) -> Any:
    """See module 02; over the last axes, or over all but the channels of images."""
    if dim == (0, 2, 3) and a.ndim == 4:
        return sum_of_channels(xp, a, dim=dim, keepdim=keepdim)
    lead = a.shape[: a.ndim - len(dim)]
    rows, threads = math.prod(lead), threads_for(a.size)
    out = np.empty(rows, np.float32)
    if threads == 1:
        add_up_some(a.reshape(-1), out, 0, rows, a.size // rows)
    else:
        add_up_all(a.reshape(-1), out, rows, a.size // rows, threads)
    return out.reshape(*lead, *(1,) * len(dim)) if keepdim else out.reshape(lead)
