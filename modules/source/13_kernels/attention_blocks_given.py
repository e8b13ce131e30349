"""Scaled dot-product attention in blocks of 48 queries and 144 keys; the matrix of all weights never exists.

The reference writes L × S scores, and goes over them five times forward and seven times backward. Here a block of them
is made in the first-level cache, used, and forgotten. What a query needs of all its keys at once, the maximum and the
sum of its exponentials, is corrected whenever a later block brings a larger maximum (Milakov and Gimelshein, "Online
normalizer calculation for softmax", 2018); backward the weights are computed anew from the logsumexp (Dao et al.,
"FlashAttention", 2022). What a causal mask hides is left out: blocks above its diagonal, and within a block on it each
row's end, which is called `visible`: row r of the block sees the columns below `visible` + r. That halves the work.

Products take place in registers (see `tiles_given.py`) on copies in which all rows begin side by side, so the arrays
may be any views whose features are neighbours in memory, as the heads of one matrix product are.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from tinytorch.given.compiling import inlined, threaded
from tinytorch.given.exponentials import exponential_below
from tinytorch.given.random_masks import draw
from tinytorch.given.row_passes import load_rest, row_maximum, store_rest
from tinytorch.given.tiles import COLUMNS, ROWS, tile_6, turn
from tinytorch.given.vectors import LANES, broadcast, fma, lane_sum, load, store

BLOCK, WIDE = 48, 144     # queries and keys of a block: multiples of a tile's rows and columns


@inlined
def add_product(x, w, w_at, depth, visible, out, rows, columns):
    """out[r, j] += Σ x[r, k]·w[k, j] over the visible k < depth, x being a block of scores.

    More rows and columns are written, up to whole tiles, whose rows share the end of the last one.
    """
    for j in range(0, columns, COLUMNS):
        for r in range(0, rows, ROWS):
            at, seen = r * columns + j, min(depth, visible + r + ROWS - 1)
            tile_6(x, r * WIDE, WIDE, 1, w, w_at + j, columns, seen, 1, 0, 0, out, at, columns, out, at, columns)


@inlined
def copy_rows(x, at, step, rows, columns, factor, out, width):
    """out[r, c] = factor·x[at + r·step + c], zeros up to `width` columns; return 0, or NaN if some x is not finite."""
    zero, scale = broadcast(np.float32(0)), broadcast(np.float32(factor))
    found = zero
    for r in range(rows):
        for c in range(0, width, LANES):
            value = load_rest(x, at + r * step + c, max(columns - c, 0), zero)
            found = fma(value, zero, found)
            store(out, r * width + c, value * scale)
    return lane_sum(found)


@inlined
def copy_columns(x, at, step, rows, columns, out, width):
    """out[c, r] = x[at + r·step + c]; zeros up to `width` rows, and up to a multiple of a tile's columns."""
    out[:] = 0
    long, wide = rows - rows % LANES, columns - columns % LANES
    for r in range(0, long, LANES):
        for c in range(0, wide, LANES):
            turn(x, at + r * step + c, step, out, c * width + r, width)
    for c in range(columns):
        for r in range(long if c < wide else 0, rows):
            out[c * width + r] = x[at + r * step + c]


@inlined
def give_back(sums, width, row, columns, factor, out, at):
    """out[at + c] = factor·sums[row, c]."""
    scale = broadcast(factor)
    for c in range(0, columns, LANES):
        store_rest(out, at + c, columns - c, load(sums, row * width + c) * scale)


@inlined
def padded(count, multiple):
    """Return the next multiple."""
    return (count + multiple - 1) // multiple * multiple


@inlined
def scores_of(queries, features, keys, key, long, visible, scores, rows, columns):
    """Write the visible scores of a block of queries and the keys from number `key` on, of which there are `long`."""
    nothing = np.zeros(COLUMNS, np.float32)
    for r in range(0, rows, ROWS):
        for j in range(0, min(columns, visible + r + ROWS - 1), COLUMNS):
            tile_6(queries, r * features, features, 1, keys, key + j, long, features, 1, 0, 0,
                   nothing, 0, 0, scores, r * WIDE + j, WIDE)


@inlined
def hide_future(scores, rows, columns, visible):
    """Set to -inf what a causal query may not see, where all scores are computed because some are no numbers."""
    for r in range(rows):
        for j in range(max(visible + r, 0), columns):
            scores[r * WIDE + j] = -np.inf


@inlined
def weigh(scores, row, columns, top, total, mixed, width):
    """Turn a row of scores into e**(score - top) and correct `mixed`, the sum of weighted values, if top has changed.

    Behind the last column the tiles of a product find zeros. top, total: the maximum and the sum of exponentials of
    every query, so far.
    """
    at, before = row * WIDE, top[row]
    largest = row_maximum(scores, at, columns)
    if before == before and not largest <= before:
        top[row] = largest
    shift = np.float32(0) if top[row] == -np.inf else top[row]
    moved, least, part = broadcast(-shift), broadcast(np.float32(-np.inf)), broadcast(np.float32(0))
    for j in range(0, min(columns + ROWS - 1, WIDE), LANES):
        power = exponential_below(load_rest(scores, at + j, columns - j, least) + moved)
        part = part + power
        store(scores, at + j, power)
    if before == -np.inf:
        total[row] = lane_sum(part)
    elif before != shift:
        change = np.float32(math.exp(before - shift))
        total[row] = total[row] * change + lane_sum(part)
        give_back(mixed, width, row, width, change, mixed, row * width)
    else:
        total[row] += lane_sum(part)


@inlined
def drop_weights(scores, row, columns, factors):
    """Multiply a row of weights, or of their gradients, by its factors of dropout."""
    zero = broadcast(np.float32(0))
    for j in range(0, columns, LANES):
        weight = load_rest(scores, row * WIDE + j, columns - j, zero) * load_rest(factors, j, columns - j, zero)
        store_rest(scores, row * WIDE + j, columns - j, weight)


@inlined
def place(geometry, array, head):
    """Return where in memory a head of an array begins. Row of `geometry`: heads in a batch, three distances."""
    heads = geometry[array, 0]
    return head // heads * geometry[array, 1] + head % heads * geometry[array, 2]


@inlined
def attend(q, k, v, out, logsumexp, geometry, head, sizes, causal, scale, dropout, work):
    """Attention of one head.

    sizes: numbers of queries, keys, features, features of the values. dropout: see `random_masks.settings_of`; with
    the limit 0 nothing is dropped. work: room for the copies. See `place`.
    """
    length, keys, features, width = sizes[0], sizes[1], padded(sizes[2], COLUMNS), padded(sizes[3], COLUMNS)
    long, end = padded(keys, WIDE), 0
    turned, end = work[end : end + features * long], end + features * long
    values, end = work[end : end + long * width], end + long * width
    queries, end = work[end : end + BLOCK * features], end + BLOCK * features
    mixed, scores = work[end : end + BLOCK * width], np.empty(BLOCK * WIDE, np.float32)
    top, total, factors = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32), np.empty(WIDE, np.float32)
    copy_columns(k, place(geometry, 1, head), geometry[1, 3], keys, sizes[2], turned, long)
    broken = copy_rows(v, place(geometry, 2, head), geometry[2, 3], keys, sizes[3], np.float32(1), values, width)
    for first in range(0, length, BLOCK):
        rows = min(BLOCK, length - first)
        hidden = causal and broken == 0     # otherwise what is no number spreads, as in the reference
        seen = min(keys, padded(first + rows, ROWS)) if hidden else keys
        at = place(geometry, 0, head) + first * geometry[0, 3]
        copy_rows(q, at, geometry[0, 3], rows, sizes[2], scale, queries, features)
        mixed[:] = 0
        top[:] = -np.inf
        for key in range(0, seen, WIDE):
            columns = min(WIDE, seen - key)
            visible = first + 1 - key if hidden else columns
            scores_of(queries, features, turned, key, long, visible, scores, rows, columns)
            if causal and not hidden:
                hide_future(scores, rows, columns, first + 1 - key)
            for r in range(rows):
                end = min(columns, visible + r)
                weigh(scores, r, end, top, total, mixed, width)
                if dropout[0] > 0:
                    draw(factors, end, (head * length + first + r) * keys + key, *dropout)
                    drop_weights(scores, r, end, factors)
            add_product(scores, values, key * width, columns, visible, mixed, rows, width)
        for r in range(rows):
            empty = total[r] == 0
            share = np.float32(1) if empty else np.float32(1) / total[r]
            give_back(mixed, width, r, sizes[3], share, out, place(geometry, 3, head) + (first + r) * geometry[3, 3])
            logsumexp[first + r] = -np.inf if empty else top[r] + np.float32(math.log(total[r]))


@threaded
def attend_all(q, k, v, out, logsumexp, geometry, heads, sizes, causal, scale, dropout, works, threads):
    """Attention of all heads, a part of them in each thread."""
    for thread in prange(threads):
        for head in range(thread * heads // threads, (thread + 1) * heads // threads):
            own = logsumexp[head * sizes[0] : (head + 1) * sizes[0]]
            attend(q, k, v, out, own, geometry, head, sizes, causal, scale, dropout, works[thread])


def room(sizes: tuple, backward: bool = False) -> int:
    """Return how many numbers `work` holds, forward or backward."""
    _, keys, features, width = sizes
    long, features, width = (-(-n // m) * m for n, m in ((keys, WIDE), (features, COLUMNS), (width, COLUMNS)))
    return long * (3 * features + 2 * width) + 2 * BLOCK * (features + width) if backward else (
        (long + BLOCK) * (features + width)
    )
