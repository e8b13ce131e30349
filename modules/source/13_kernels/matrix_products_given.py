"""Products of two matrices, out = a · b + bias: blocks of 6 × 16 results stay in registers for the whole depth.

A library packs both factors into an order of its own first. Of a dense layer on a small batch one factor is the whole
weight, used a few times only, and packing it costs a tenth of the product. Here only one factor is packed, into panels
of 16 columns, in such a layer the small one; the rows of the other are read where they lie. If instead its columns lie
in one piece, as in the gradient of a weight, rows are gathered first: whole lines of memory at once, for a line holds
parts of many rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from tinytorch.given.compiling import compiled, inlined, threaded
from tinytorch.given.threads import get_num_threads
from tinytorch.given.tiles import COLUMNS, ROWS, tile_6, turn
from tinytorch.given.vectors import LANES, load, prefetch, store

NEAR = 1 << 17     # numbers of the panels that are used together: they stay in a core's second cache
DEEP = 1 << 9      # terms of a sum that are gathered at a time
BLOCKS = 16        # blocks of rows that are gathered at a time: 96 rows are six lines of memory
APART = LANES * (DEEP + LANES)     # from one to the next: a power of two would have them all in one place of a cache
LINE = 1 << 4      # numbers of a line of memory
PANELS = 4         # panels that are packed at a time
MANY = 1 << 7      # rows of a thread with which its last block does not matter
LARGE = 1 << 20    # numbers of a factor of which not every thread gets panels of its own
FEW = 1 << 20      # multiplications that one thread is done with before a second one would help much


@compiled
def pack_panel(b, step, column, depth, columns, p, panels, begin, end):
    """Pack panel p, 0 behind the last column. Columns of b lie in one piece, or it is the last."""
    j, at = COLUMNS * p, COLUMNS * depth * p
    whole = end - (end - begin) % LANES if columns - j >= COLUMNS else begin
    for k in range(begin, whole, LANES):
        for half in range(0, COLUMNS, LANES):
            turn(b, (j + half) * column + k, column, panels, at + COLUMNS * k + half, COLUMNS)
    for k in range(whole, end):
        for i in range(COLUMNS):
            panels[at + COLUMNS * k + i] = b[k * step + (j + i) * column] if j + i < columns else np.float32(0)


@compiled
def pack_panels(b, step, column, depth, columns, panels, left, right, begin, end):
    """panels[p, k, i] = b[k, 16 p + i] for the panels p from `left` to `right` and the terms k from `begin` to `end`.

    Of rows that lie in one piece whole lines of memory are read, some panels at a time.
    """
    whole = max(left, min(right, columns // COLUMNS)) if column == 1 else left
    for nearest in range(left, whole, PANELS):
        for k in range(begin, end):
            for p in range(nearest, min(nearest + PANELS, whole)):
                for half in range(0, COLUMNS, LANES):
                    store(panels, COLUMNS * (depth * p + k) + half, load(b, k * step + COLUMNS * p + half))
    for p in range(whole, right):
        pack_panel(b, step, column, depth, columns, p, panels, begin, end)


@compiled
def gather_rows(a, r, step, begin, end, blocks, beside):
    """beside[block, k - begin, i] = a[r + 6 block + i, k] of rows that lie side by side; there are `step` of them.

    Eight numbers are copied at once where the last row is not near; the last two belong to the next block.
    """
    most = max(0, min(blocks, (step - r - LANES) // ROWS + 1))
    for k in range(begin, end):
        at = LANES * (k - begin)
        for block in range(most):
            store(beside, at + APART * block, load(a, r + ROWS * block + k * step))
        for block in range(most, blocks):
            for i in range(ROWS):
                beside[at + APART * block + i] = a[r + ROWS * block + i + k * step]


@inlined
def fetch_rows(a, r, step, begin, end):
    """Ask for the lines that gather_rows will read soon: they arrive while products are computed."""
    for k in range(begin, end):
        for i in range(0, ROWS * BLOCKS, LINE):
            prefetch(a, r + i + k * step)


@inlined
def narrow_block(x, x_at, x_row, x_step, panels, w_at, depth, bias, j, begin, block, out, at, out_row, wide):
    """out[at + i·out_row + c] = bias[j + c] + Σ x·w of six rows i and fewer than 16 columns c. begin: 0, or add."""
    for i in range(ROWS):
        for c in range(wide):
            block[COLUMNS * i + c] = bias[j + c] if begin == 0 else out[at + i * out_row + c]
    tile_6(x, x_at, x_row, x_step, panels, w_at, COLUMNS, depth, 1, 0, 0, block, 0, COLUMNS, block, 0, COLUMNS)
    for i in range(ROWS):
        for c in range(wide):
            out[at + i * out_row + c] = block[COLUMNS * i + c]


@inlined
def turned_block(x, x_at, x_row, panels, w_at, depth, bias, r, block, turned, out, at, out_column, wide):
    """out[at + i + c·out_column] = bias[r + i] + Σ x·w of six rows i and up to 16 columns c."""
    for i in range(ROWS):
        for c in range(COLUMNS):
            block[COLUMNS * i + c] = bias[r + i]
    tile_6(x, x_at, x_row, 1, panels, w_at, COLUMNS, depth, 1, 0, 0, block, 0, COLUMNS, block, 0, COLUMNS)
    for half in range(0, COLUMNS, LANES):
        turn(block, half, COLUMNS, turned, half * LANES, LANES)
    for c in range(wide):
        for i in range(ROWS):
            out[at + i + c * out_column] = turned[LANES * c + i]


@compiled
def six_rows(x, x_at, x_row, x_step, panels, depth, columns, bias, block, turned, out, out_row, out_column,
             r, begin, end, left, right):
    """The terms `begin` to `end` of the results in rows r to r + 6 and the panels `left` to `right`."""
    for p in range(left, right):
        j, w_at = COLUMNS * p, COLUMNS * (depth * p + begin)
        wide, goal = min(COLUMNS, columns - j), r * out_row + j * out_column
        if out_column != 1:
            turned_block(x, x_at, x_row, panels, w_at, depth, bias, r, block, turned, out, goal, out_column, wide)
        elif wide < COLUMNS:
            narrow_block(x, x_at, x_row, x_step, panels, w_at, end - begin, bias, j, begin, block,
                         out, goal, out_row, wide)
        elif begin == 0:
            tile_6(x, x_at, x_row, x_step, panels, w_at, COLUMNS, end, 1, 0, 0, bias, j, 0, out, goal, out_row)
        else:
            tile_6(x, x_at, x_row, x_step, panels, w_at, COLUMNS, end - begin, 1, 0, 0,
                   out, goal, out_row, out, goal, out_row)


@compiled
def some_rows(a, row, step, b, b_step, b_column, panels, depth, columns, bias, out, out_row, out_column,
              first, last, left, right):
    """Rows `first` to `last`, panels `left` to `right` of the product. Flat arrays; row, step, …: distances in memory.

    bias: of each column; of each row, if the product is written turned (out_row 1, step 1). A block that would end
    behind the last row begins earlier: rows that two blocks share are computed twice, equally; and all at once, when
    the rows above are complete, for nothing may be added to them afterwards.
    """
    beside, block = np.empty(max(LANES * depth, APART * BLOCKS), np.float32), np.zeros(LANES * COLUMNS, np.float32)
    turned = np.empty(COLUMNS * LANES, np.float32)
    deep = depth if step == 1 else min(depth, DEEP)
    group = max(1, NEAR // (COLUMNS * deep))
    for begin in range(0, depth, deep):
        end = min(begin + deep, depth)
        pack_panels(b, b_step, b_column, depth, columns, panels, left, right, begin, end)
        for nearest in range(left, right, group):
            behind = min(nearest + group, right)
            for top in range(first, last, ROWS * BLOCKS):
                blocks, rest = divmod(min(ROWS * BLOCKS, last - top), ROWS)
                if step != 1:
                    gather_rows(a, top, step, begin, end, blocks, beside)
                below, soon = (top + ROWS * BLOCKS, begin) if top + ROWS * BLOCKS < last else (first, end)
                for i in range(blocks):
                    r = top + ROWS * i
                    x, x_at, x_row, x_step = a, r * row + begin, row, 1
                    if step != 1:
                        fetch_rows(a, below, step, soon + i * deep // BLOCKS,
                                   min(soon + (i + 1) * deep // BLOCKS, depth))
                        x, x_at, x_row, x_step = beside, APART * i, 1, LANES
                    six_rows(x, x_at, x_row, x_step, panels, depth, columns, bias, block, turned,
                             out, out_row, out_column, r, begin, end, nearest, behind)
                if rest > 0 and end == depth:
                    r = last - ROWS
                    x, x_at, x_row, x_step = a, r * row, row, 1
                    if step != 1:
                        gather_rows(a, r, step, 0, depth, 1, beside)
                        x, x_at, x_row, x_step = beside, 0, 1, LANES
                    six_rows(x, x_at, x_row, x_step, panels, depth, columns, bias, block, turned,
                             out, out_row, out_column, r, 0, end, nearest, behind)


@threaded
def multiply(a, row, step, rows, b, b_step, b_column, columns, depth, bias, panels, out, out_row, out_column,
             by_columns, threads):
    """out = a · b + bias. Each thread packs the columns of b that it uses: the panels of another are in its cache.

    by_columns: the threads divide the columns among them, and the panels; else the rows, and each has all panels.
    """
    count, skipped = (columns + COLUMNS - 1) // COLUMNS, -panels.ctypes.data % (4 * LINE) // 4
    for thread in prange(threads):
        first, last, left, right, own = 0, rows, 0, count, panels[skipped:]     # from the beginning of a line
        if by_columns:
            left, right = thread * count // threads, (thread + 1) * count // threads
        else:
            first, last = thread * rows // threads, (thread + 1) * rows // threads
            own = panels[skipped + thread * count * COLUMNS * depth:]
        some_rows(a, row, step, b, b_step, b_column, own, depth, columns, bias, out, out_row, out_column,
                  first, last, left, right)


def divides_columns(rows: int, depth: int, columns: int, threads: int) -> bool:
    """Return whether threads divide the columns.

    Of few rows a part would leave much of its last block to be computed twice; a large factor is packed once only.
    """
    return depth * columns > LARGE or rows < min(MANY * threads, columns)


def product(a: Any, b: Any, bias: Any = None) -> Any:
    """Return a · b + bias of matrices (rows, depth), (depth, columns) and a vector (columns), or None."""
    (rows, depth), columns = a.shape, b.shape[1]
    out, distances = np.empty((rows, columns), np.float32), (columns, 1)
    bias = np.zeros(columns, np.float32) if bias is None else np.ascontiguousarray(bias)
    if b.flags.f_contiguous and rows * (depth + columns) < depth * columns:
        a, b, rows, columns, distances = b.T, a.T, columns, rows, (1, columns)      # the smaller one is packed
    threads = min(get_num_threads(), rows // ROWS) if rows * depth * columns > FEW else 1
    by_columns = divides_columns(rows, depth, columns, threads)
    copies = 1 if by_columns else threads
    panels = np.empty(copies * -(-columns // COLUMNS) * COLUMNS * depth + LINE, np.float32)
    factors = *in_one_piece(a), rows, *in_one_piece(b), columns, depth
    multiply(*factors, bias, panels, out.reshape(-1), *distances, by_columns, threads)
    return out


def in_one_piece(x: Any) -> tuple:
    """Return all numbers of a matrix as they lie, and how far apart its rows are, and its columns."""
    if x.flags.f_contiguous and not x.flags.c_contiguous:
        return x.T.reshape(-1), 1, x.shape[0]
    return np.ascontiguousarray(x).reshape(-1), x.shape[1], 1


# ---- in the form that `bind` calls ----------------------------------------------------------------------------------


def matmul(xp: Any, a: Any, b: Any) -> Any:
    """See module 02; for any number of rows and one matrix."""
    return product(a.reshape(-1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[1])


def linear(xp: Any, x: Any, weight: Any, bias: Any) -> Any:
    """See module 04."""
    return product(x.reshape(-1, x.shape[-1]), weight.T, bias).reshape(*x.shape[:-1], weight.shape[0])
