"""Layer norm, RMS norm and their gradients. RMS norm is layer norm with the mean taken as 0.

A row is read from memory once; all further passes find it in the cache. The gradient of the scale is a sum over rows:
each thread adds up its own rows, a few hundred in float32 before they are added to a float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tinytorch.given.compiling import compiled, threaded
from tinytorch.given.row_passes import load_rest, row_sum, squared_distances, store_rest, threads_for
from tinytorch.given.vectors import LANES, broadcast, fma, lane_sum

CHUNK = 256     # rows that are summed in float32


@compiled
def some_norms(centred, x, weight, bias, out, means, rstds, first, last, n, eps):
    """out = (x - mean)·rstd·weight + bias of rows `first` to `last`; the mean counts as 0 if not `centred`."""
    zero = broadcast(np.float32(0))
    for row in range(first, last):
        at = row * n
        mean = np.float32(row_sum(x, at, n) / n) if centred else np.float32(0)
        rstd = np.float32(1 / math.sqrt(squared_distances(x, at, n, mean) / n + eps))
        if centred:
            means[row] = mean
        rstds[row] = rstd
        middle, slope = broadcast(mean), broadcast(rstd)
        for i in range(0, n, LANES):
            z = (load_rest(x, at + i, n - i, zero) - middle) * slope
            store_rest(out, at + i, n - i, fma(z, load_rest(weight, i, n - i, zero), load_rest(bias, i, n - i, zero)))


@compiled
def some_norm_gradients(centred, g, x, weight, means, rstds, out, sums, part, first, last, n):
    """dx of rows `first` to `last`, and their share of dweight and dbias in the 2·n float64 of `sums`.

    With z = (x - mean)·rstd and h = g·weight: dx = rstd·(h - z·mean(h·z) - mean(h)), dweight = Σ g·z, dbias = Σ g.
    """
    zero = broadcast(np.float32(0))
    sums[:] = 0
    for start in range(first, last, CHUNK):
        part[:] = 0
        for row in range(start, min(start + CHUNK, last)):
            at = row * n
            middle = broadcast(means[row] if centred else np.float32(0))
            slope, total, moment = broadcast(rstds[row]), zero, zero
            for i in range(0, n, LANES):
                sent = load_rest(g, at + i, n - i, zero)
                z = (load_rest(x, at + i, n - i, middle) - middle) * slope
                h = sent * load_rest(weight, i, n - i, zero)
                total, moment = total + h, fma(h, z, moment)
                store_rest(part, i, n - i, fma(sent, z, load_rest(part, i, n - i, zero)))
                store_rest(part, n + i, n - i, sent + load_rest(part, n + i, n - i, zero))
            share = broadcast(np.float32(-lane_sum(moment) / n))
            level = broadcast(np.float32(-lane_sum(total) / n) if centred else np.float32(0))
            for i in range(0, n, LANES):
                z = (load_rest(x, at + i, n - i, zero) - middle) * slope
                h = load_rest(g, at + i, n - i, zero) * load_rest(weight, i, n - i, zero)
                store_rest(out, at + i, n - i, fma(z, share, h + level) * slope)
        for i in range(2 * n):
            sums[i] += part[i]


@threaded
def all_norms(centred, x, weight, bias, out, means, rstds, rows, n, eps, threads):
    """The same for all rows, a part of them in each thread."""
    for thread in prange(threads):
        first, last = thread * rows // threads, (thread + 1) * rows // threads
        some_norms(centred, x, weight, bias, out, means, rstds, first, last, n, eps)


@threaded
def all_norm_gradients(centred, g, x, weight, means, rstds, out, sums, parts, rows, n, threads):
    """The same for all rows, a part of them in each thread."""
    for thread in prange(threads):
        first, last = thread * rows // threads, (thread + 1) * rows // threads
        some_norm_gradients(centred, g, x, weight, means, rstds, out, sums[thread], parts[thread], first, last, n)


def _sizes(x: Any, normalized_ndim: int) -> tuple[int, int]:
    n = math.prod(x.shape[x.ndim - normalized_ndim :])
    return x.size // n, n


def _normalised(centred: bool, x: Any, weight: Any, bias: Any, normalized_ndim: int, eps: float) -> tuple:
    rows, n = _sizes(x, normalized_ndim)
    weight = np.ones(n, np.float32) if weight is None else weight.reshape(-1)
    bias = np.zeros(n, np.float32) if bias is None else bias.reshape(-1)
    out, (means, rstds) = np.empty_like(x), np.empty((2, rows), np.float32)
    arrays, threads = (centred, x.reshape(-1), weight, bias, out.reshape(-1), means, rstds), threads_for(x.size)
    if threads == 1:
        some_norms(*arrays, 0, rows, n, float(eps))
    else:
        all_norms(*arrays, rows, n, float(eps), threads)
    kept = x.shape[: x.ndim - normalized_ndim] + (1,) * normalized_ndim
    return out, means.reshape(kept), rstds.reshape(kept)


def _gradients(centred: bool, g: Any, x: Any, weight: Any, mean: Any, rstd: Any, normalized_ndim: int) -> tuple:
    rows, n = _sizes(x, normalized_ndim)
    weight = np.ones(n, np.float32) if weight is None else weight.reshape(-1)
    out, threads = np.empty_like(x), threads_for(x.size)
    sums, parts = np.empty((threads, 2 * n)), np.empty((threads, 2 * n), np.float32)
    arrays = centred, g.reshape(-1), x.reshape(-1), weight, mean.reshape(-1), rstd.reshape(-1), out.reshape(-1)
    if threads == 1:
        some_norm_gradients(*arrays, sums[0], parts[0], 0, rows, n)
    else:
        all_norm_gradients(*arrays, sums, parts, rows, n, threads)
    dweight, dbias = sums.sum(0).astype(np.float32).reshape(2, *x.shape[x.ndim - normalized_ndim :])
    return out, dweight, dbias


# ---- in the form that `bind` calls ----------------------------------------------------------------------------------


def layer_norm(xp: Any, x: Any, weight: Any, bias: Any, *, normalized_ndim: int, eps: float) -> tuple:
    """See module 06."""
    return _normalised(True, x, weight, bias, normalized_ndim, eps)


def layer_norm_grad(
    xp: Any, g: Any, x: Any, weight: Any, mean: Any, rstd: Any, *, normalized_ndim: int, eps: float
) -> tuple:
    """See module 06."""
    return _gradients(True, g, x, weight, mean, rstd, normalized_ndim)


def rms_norm(xp: Any, x: Any, weight: Any, *, normalized_ndim: int, eps: float) -> tuple:
    """See module 06."""
    out, _, rstd = _normalised(False, x, weight, None, normalized_ndim, eps)
    return out, rstd


def rms_norm_grad(xp: Any, g: Any, x: Any, weight: Any, rstd: Any, *, normalized_ndim: int, eps: float) -> tuple:
    """See module 06."""
    return _gradients(False, g, x, weight, rstd, rstd, normalized_ndim)[:2]
