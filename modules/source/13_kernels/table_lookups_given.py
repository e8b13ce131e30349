"""The gradient of an embedding: rows added into a table. (Copying rows out of one is a single call of NumPy.)

The reference sorts the places, collects the rows in that order and sums run by run. Adding each row where it
belongs needs no sorting; that no two threads meet in one row, each has some *columns* of all rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from tinytorch.core.engine import primitive
from tinytorch.given.compiling import compiled, threaded
from tinytorch.given.row_passes import load_rest, store_rest, threads_for
from tinytorch.given.vectors import LANES, broadcast


@compiled
def add_some(g, places, skipped, table, first, last, n):
    """table[places[i]] += g[i] in columns `first` to `last`, for every i, in order; the row `skipped` stays."""
    zero = broadcast(np.float32(0))
    for i in range(len(places)):
        at, source = places[i] * n, i * n
        if places[i] != skipped:
            for c in range(first, last, LANES):
                rest = last - c
                value = load_rest(table, at + c, rest, zero) + load_rest(g, source + c, rest, zero)
                store_rest(table, at + c, rest, value)


@threaded
def add_all(g, places, skipped, table, n, threads):
    """All columns, a part of them in each thread."""
    for thread in prange(threads):
        add_some(g, places, skipped, table, thread * n // threads, (thread + 1) * n // threads, n)


def embedding_grad(xp: Any, g: Any, indices: Any, *, num_embeddings: int, padding_idx: int | None = None) -> Any:
    """See module 04. The kernel checks no bounds: a wrong index is the reference's to refuse."""
    if indices.min() < 0 or indices.max() >= num_embeddings:
        settings = {"num_embeddings": num_embeddings, "padding_idx": padding_idx}
        return primitive("embedding_grad").kernel(xp, g, indices, **settings)
    n = g.shape[-1]
    table, skipped = np.zeros((num_embeddings, n), np.float32), -1 if padding_idx is None else padding_idx
    arrays, threads = (g.reshape(-1), indices.reshape(-1), skipped, table.reshape(-1)), threads_for(g.size)
    if threads == 1:
        add_some(*arrays, 0, n, n)
    else:
        add_all(*arrays, n, threads)
    return table
