"""Attention and its gradient in the form that `bind` calls: where the heads lie in memory, and room to work in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinytorch.given.attention_blocks import attend_all, room
from tinytorch.given.attention_blocks_backward import attend_all_backward
from tinytorch.given.random_masks import settings_of
from tinytorch.given.threads import get_num_threads


def memory_of(x: Any) -> Any:
    """Return the memory between the first and the last number of a view, as one row."""
    extent = 1 + sum((n - 1) * step for n, step in zip(x.shape, x.strides, strict=True)) // 4
    return as_strided(x, (extent,), (4,))


def geometry_of(*arrays: Any) -> Any:
    """Return for each array: heads in a batch, then the distances between batches, heads and rows, in numbers."""
    rows = []
    for x in arrays:
        *lead, _, _ = x.shape
        batch, head = (0, 0, *x.strides[:-2])[-2:]
        rows.append((lead[-1] if lead else 1, batch // 4, head // 4, x.strides[-2] // 4))
    return np.array(rows, np.int64)


def like(x: Any, features: int) -> Any:
    """Return an empty array in the order of x, with so many features, which are neighbours.

    NumPy's `empty_like` does not promise that: heads that are all one (stride 0) would become the last axis in memory.
    """
    order = sorted(range(x.ndim - 1), key=lambda axis: -x.strides[axis])
    shape = [x.shape[axis] for axis in order]
    return np.empty((*shape, features), np.float32).transpose(*np.argsort(order), x.ndim - 1)


def _settings(q: Any, k: Any, v: Any, is_causal: bool, scale: float, *dropout: Any) -> tuple:
    sizes = q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1]
    return math.prod(q.shape[:-2]), sizes, bool(is_causal), np.float32(scale), settings_of(*dropout)


def scaled_dot_product_attention(
    xp: Any, q: Any, k: Any, v: Any, attn_mask: None, *, is_causal: bool, scale: float, dropout_p: float, seed: int,
    offset: int,
) -> tuple:
    """See module 07; without a mask other than the causal one."""
    heads, sizes, *rest = _settings(q, k, v, is_causal, scale, dropout_p, seed, offset)
    out, logsumexp = like(q, v.shape[-1]), np.empty(q.shape[:-1], np.float32)
    threads = min(get_num_threads(), heads)
    works = np.empty((threads, room(sizes)), np.float32)
    flat = (memory_of(x) for x in (q, k, v, out))
    attend_all(*flat, logsumexp.reshape(-1), geometry_of(q, k, v, out), heads, sizes, *rest, works, threads)
    return out, logsumexp


def scaled_dot_product_attention_grad(
    xp: Any, g: Any, q: Any, k: Any, v: Any, attn_mask: None, out: Any, logsumexp: Any, *, is_causal: bool,
    scale: float, dropout_p: float, seed: int, offset: int,
) -> tuple:
    """See module 07; without a mask other than the causal one."""
    heads, sizes, *rest = _settings(q, k, v, is_causal, scale, dropout_p, seed, offset)
    grads = tuple(like(x, x.shape[-1]) for x in (q, k, v))
    threads = min(get_num_threads(), heads)
    works = np.empty((threads, room(sizes, backward=True)), np.float32)
    arrays = [memory_of(x) for x in (g, q, k, v, out)]
    attend_all_backward(*arrays, logsumexp.reshape(-1), *(memory_of(x) for x in grads),
                        geometry_of(g, q, k, v, out, *grads), heads, sizes, *rest, works, threads)
    return grads
