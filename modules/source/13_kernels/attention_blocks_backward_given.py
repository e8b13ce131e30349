"""The gradient of attention, in the same blocks as the attention itself: see `attention_blocks_given.py`.

With P the weights and D = Σ g·out of each query: dV = Pᵀ·g, dP = g·Vᵀ, dS = P·(dP - D), dQ = dS·K, dK = dSᵀ·Q. A block
of P and of dS is made once and used three times before it leaves the cache.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinytorch.given.attention_blocks import (
    BLOCK,
    WIDE,
    add_product,
    copy_columns,
    copy_rows,
    drop_weights,
    give_back,
    hide_future,
    padded,
    place,
    scores_of,
)
from tinytorch.given.compiling import inlined, threaded
from tinytorch.given.exponentials import exponential_below
from tinytorch.given.random_masks import draw
from tinytorch.given.row_passes import load_rest, row_product
from tinytorch.given.tiles import COLUMNS, ROWS, tile_6
from tinytorch.given.vectors import LANES, broadcast, store


@inlined
def add_turned_product(x, w, w_at, depth, visible, out, out_at, rows, columns):
    """out[j, c] += Σ x[r, j]·w[r, c] over the rows r < depth of x, a block of scores, to which column j is visible."""
    for c in range(0, columns, COLUMNS):
        for j in range(0, rows, ROWS):
            at, r = out_at + j * columns + c, max(j + 1 - visible, 0)
            tile_6(x, r * WIDE + j, 1, WIDE, w, w_at + r * columns + c, columns, depth - r, 1, 0, 0,
                   out, at, columns, out, at, columns)


@inlined
def weights_and_score_gradient(scores, grad, row, columns, logsumexp, level):
    """Turn a row of scores into weights, and of `grad`, the gradient of the weights, into that of the scores.

    Behind the last column the tiles of a product find zeros.
    """
    at = row * WIDE
    moved = broadcast(np.float32(0) if logsumexp == -np.inf else -logsumexp)
    middle, least = broadcast(level), broadcast(np.float32(-np.inf))
    for j in range(0, min(columns + ROWS - 1, WIDE), LANES):
        weight = exponential_below(load_rest(scores, at + j, columns - j, least) + moved)
        store(scores, at + j, weight)
        sent = load_rest(grad, at + j, columns - j, middle) - middle
        store(grad, at + j, sent * weight)


@inlined
def copy_block(q, g, out, logsumexp, geometry, head, first, rows, sizes, scale, queries, sent, results, levels):
    """Copy a block of queries, of gradients and of outputs; levels[r] = Σ g·out. Return NaN if something is broken."""
    features, width, one = len(queries) // BLOCK, len(sent) // BLOCK, np.float32(1)
    at = place(geometry, 1, head) + first * geometry[1, 3]
    broken = copy_rows(q, at, geometry[1, 3], rows, sizes[2], scale, queries, features)
    at = place(geometry, 0, head) + first * geometry[0, 3]
    broken += copy_rows(g, at, geometry[0, 3], rows, sizes[3], one, sent, width)
    at = place(geometry, 4, head) + first * geometry[4, 3]
    broken += copy_rows(out, at, geometry[4, 3], rows, sizes[3], one, results, width)
    for r in range(rows):
        levels[r] = row_product(sent, results, r * width, width)
        broken += np.float32(0) if logsumexp[first + r] == -np.inf else logsumexp[first + r] * np.float32(0)
    return broken


@inlined
def attend_backward(g, q, k, v, out, logsumexp, dq, dk, dv, geometry, head, sizes, causal, scale, dropout, work):
    """The gradients of one head. sizes, work: as in `attend`. Rows of `geometry`: g, q, k, v, out, dq, dk, dv."""
    length, keys, features, width = sizes[0], sizes[1], padded(sizes[2], COLUMNS), padded(sizes[3], COLUMNS)
    long, end, one = padded(keys, WIDE), 0, np.float32(1)
    turned, end = work[end : end + features * long], end + features * long
    turned_values, end = work[end : end + width * long], end + width * long
    plain, end = work[end : end + long * features], end + long * features
    key_grads, end = work[end : end + long * features], end + long * features
    value_grads, end = work[end : end + long * width], end + long * width
    queries, end = work[end : end + BLOCK * features], end + BLOCK * features
    query_grads, end = work[end : end + BLOCK * features], end + BLOCK * features
    sent, end = work[end : end + BLOCK * width], end + BLOCK * width
    results, levels = work[end : end + BLOCK * width], np.empty(BLOCK, np.float32)
    factors = np.empty(WIDE, np.float32)
    scores, grad = np.empty(BLOCK * WIDE, np.float32), np.empty(BLOCK * WIDE, np.float32)
    copy_columns(k, place(geometry, 2, head), geometry[2, 3], keys, sizes[2], turned, long)
    copy_columns(v, place(geometry, 3, head), geometry[3, 3], keys, sizes[3], turned_values, long)
    broken = copy_rows(k, place(geometry, 2, head), geometry[2, 3], keys, sizes[2], one, plain, features)
    broken += copy_rows(v, place(geometry, 3, head), geometry[3, 3], keys, sizes[3], one, value_grads, width)
    if causal:
        for first in range(0, length, BLOCK):
            broken += copy_block(q, g, out, logsumexp, geometry, head, first, min(BLOCK, length - first), sizes, scale,
                                 queries, sent, results, levels)
    key_grads[:] = 0
    value_grads[:] = 0
    for first in range(0, length, BLOCK):
        rows = min(BLOCK, length - first)
        copy_block(q, g, out, logsumexp, geometry, head, first, rows, sizes, scale, queries, sent, results, levels)
        query_grads[:] = 0
        hidden = causal and broken == 0
        seen = min(keys, padded(first + rows, ROWS)) if hidden else keys
        for key in range(0, seen, WIDE):
            columns = min(WIDE, seen - key)
            visible = first + 1 - key if hidden else columns
            scores_of(queries, features, turned, key, long, visible, scores, rows, columns)
            scores_of(sent, width, turned_values, key, long, visible, grad, rows, columns)
            if causal and not hidden:
                hide_future(scores, rows, columns, first + 1 - key)
            for r in range(rows):
                end = min(columns, visible + r)
                if dropout[0] > 0:
                    draw(factors, end, (head * length + first + r) * keys + key, *dropout)
                    drop_weights(grad, r, end, factors)
                weights_and_score_gradient(scores, grad, r, end, logsumexp[first + r], levels[r])
                if dropout[0] > 0:
                    drop_weights(scores, r, end, factors)
            add_product(grad, plain, key * features, columns, visible, query_grads, rows, features)
            add_turned_product(grad, queries, 0, rows, visible, key_grads, key * features, columns, features)
            add_turned_product(scores, sent, 0, rows, visible, value_grads, key * width, columns, width)
        for r in range(rows):
            at = place(geometry, 5, head) + (first + r) * geometry[5, 3]
            give_back(query_grads, features, r, sizes[2], scale, dq, at)
    for r in range(keys):
        give_back(key_grads, features, r, sizes[2], one, dk, place(geometry, 6, head) + r * geometry[6, 3])
        give_back(value_grads, width, r, sizes[3], one, dv, place(geometry, 7, head) + r * geometry[7, 3])


@threaded
def attend_all_backward(
    g, q, k, v, out, logsumexp, dq, dk, dv, geometry, heads, sizes, causal, scale, dropout, works, threads
):
    """The gradients of all heads, a part of them in each thread."""
    for thread in prange(threads):
        for head in range(thread * heads // threads, (thread + 1) * heads // threads):
            own = logsumexp[head * sizes[0] : (head + 1) * sizes[0]]
            work = works[thread]
            attend_backward(g, q, k, v, out, own, dq, dk, dv, geometry, head, sizes, causal, scale, dropout, work)
