"""Cross-entropy and its gradient, each in one journey over the logits.

The reference writes the wanted distribution, the exponentials and their products as whole matrices. Here a row of
logits is read, and all that is written of it is one number forward, and its gradient backward.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tinytorch.given.compiling import compiled, threaded
from tinytorch.given.loss_support import check_class_targets, mean_of
from tinytorch.given.row_passes import (
    exponentials_of_row,
    load_rest,
    row_maximum,
    row_sum,
    store_rest,
    sum_of_exponentials,
    threads_for,
)
from tinytorch.given.vectors import LANES, broadcast, fma


@compiled
def count_targets(target, n, ignored):
    """Return how many class numbers are not ignored; -1 if one of them is not from 0 to n - 1."""
    count = 0
    for number in target:
        if number != ignored:
            if number < 0 or number >= n:
                return -1
            count += 1
    return count


@compiled
def some_losses(x, target, ignored, smoothing, losses, logsumexps, first, last, n):
    """The loss of each row, (1 - s)·(L - x[target]) + s·(L - mean of x), and L, its logsumexp; s is the smoothing."""
    for row in range(first, last):
        at = row * n
        largest = row_maximum(x, at, n)
        logarithm = math.log(sum_of_exponentials(x, at, n, largest))
        logsumexps[row] = largest + np.float32(logarithm)
        loss = 0.0
        if target[row] != ignored:
            if smoothing != 1:
                loss += (1 - smoothing) * (logarithm - (x[at + target[row]] - largest))
            if smoothing != 0:
                loss += smoothing * (logarithm - (row_sum(x, at, n) / n - largest))
        losses[row] = np.float32(loss)


@compiled
def some_loss_gradients(scales, step, x, target, ignored, smoothing, logsumexps, out, first, last, n):
    """out = scale·(p - q) of each row; p are the probabilities, q the wanted ones. Row r has scales[r·step]."""
    none = broadcast(np.float32(0))
    for row in range(first, last):
        at, end = row * n, (row + 1) * n
        sum_of_p = exponentials_of_row(x, at, n, logsumexps[row], out)
        scale = scales[row * step] if target[row] != ignored else np.float32(0)
        factor, level = broadcast(np.float32(scale / sum_of_p)), broadcast(np.float32(-scale * smoothing / n))
        for i in range(at, end, LANES):
            store_rest(out, i, end - i, fma(load_rest(out, i, end - i, none), factor, level))
        if target[row] != ignored:
            out[at + target[row]] -= scale * np.float32(1 - smoothing)


@threaded
def all_losses(x, target, ignored, smoothing, losses, logsumexps, rows, n, threads):
    """The losses of all rows, a part of them in each thread."""
    for thread in prange(threads):
        first, last = thread * rows // threads, (thread + 1) * rows // threads
        some_losses(x, target, ignored, smoothing, losses, logsumexps, first, last, n)


@threaded
def all_loss_gradients(scales, step, x, target, ignored, smoothing, logsumexps, out, rows, n, threads):
    """The gradients of all rows, a part of them in each thread."""
    for thread in prange(threads):
        first, last = thread * rows // threads, (thread + 1) * rows // threads
        some_loss_gradients(scales, step, x, target, ignored, smoothing, logsumexps, out, first, last, n)


# ---- in the form that `bind` calls ----------------------------------------------------------------------------------


def checked(target: Any, n: int, ignore_index: int) -> int:
    """Return how many class numbers count, or say which is out of range."""
    count = count_targets(target, n, ignore_index) if type(ignore_index) is int else -1
    if count < 0:
        check_class_targets(target, n, ignore_index)
        count = int((target != ignore_index).sum())
    return count


def cross_entropy(
    xp: Any, logits: Any, target: Any, weight: None, *, ignore_index: int, reduction: str, label_smoothing: float
) -> tuple:
    """See module 11; without weights of the classes."""
    rows, n = logits.shape
    count = checked(target, n, ignore_index)
    losses, logsumexps = np.empty(rows, np.float32), np.empty(rows, np.float32)
    settings, threads = (ignore_index, float(label_smoothing)), threads_for(logits.size)
    if threads == 1:
        some_losses(logits.reshape(-1), target, *settings, losses, logsumexps, 0, rows, n)
    else:
        all_losses(logits.reshape(-1), target, *settings, losses, logsumexps, rows, n, threads)
    if reduction == "none":
        return losses, logsumexps
    total = losses.sum()
    return mean_of(total, count) if reduction == "mean" else total, logsumexps


def cross_entropy_grad(
    xp: Any, g: Any, logits: Any, target: Any, weight: None, logsumexp: Any, *, ignore_index: int, reduction: str,
    label_smoothing: float,
) -> Any:
    """See module 11; without weights of the classes."""
    rows, n = logits.shape
    count = checked(target, n, ignore_index)
    share = mean_of(g, count or 1) if reduction == "mean" else g
    scales, step = (g, 1) if reduction == "none" else (share.reshape(1), 0)
    out, threads = np.empty_like(logits), threads_for(logits.size)
    arrays = logits.reshape(-1), target, ignore_index, float(label_smoothing), logsumexp, out.reshape(-1)
    if threads == 1:
        some_loss_gradients(scales, step, *arrays, 0, rows, n)
    else:
        all_loss_gradients(scales, step, *arrays, rows, n, threads)
    return out
