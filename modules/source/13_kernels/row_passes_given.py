"""One journey over a row of numbers: its maximum, its sums, its exponentials.

Eight numbers at a time; what is left at the end of a row goes through the same instructions, masked. Sums are taken in
float32 over a piece of the row, and the pieces are added in float64: as exact as adding pair by pair, at any length.
"""

from __future__ import annotations

import numpy as np

from tinytorch.given.compiling import inlined
from tinytorch.given.exponentials import exponential_below
from tinytorch.given.threads import get_num_threads
from tinytorch.given.vectors import (
    LANES,
    broadcast,
    fma,
    lane_maximum,
    lane_sum,
    larger,
    load,
    load_some,
    store,
    store_some,
)

PIECE = 2048         # numbers whose sum is taken in float32
FEW = 32768           # numbers that one thread is done with before a second one would have begun


def threads_for(size: int) -> int:
    """Return how many threads a kernel over `size` numbers is worth."""
    return 1 if size < FEW else get_num_threads()


@inlined
def load_rest(x, at, count, rest):
    """Return up to eight numbers; where the row has ended those of the vector `rest`."""
    return load(x, at) if count >= LANES else load_some(x, at, count, rest)


@inlined
def store_rest(x, at, count, vector):
    """Write up to eight numbers."""
    if count >= LANES:
        store(x, at, vector)
    else:
        store_some(x, at, count, vector)


@inlined
def row_maximum(x, at, n):
    """Return the largest of n numbers; NaN if one of them is."""
    least = broadcast(np.float32(-np.inf))
    largest = least
    for i in range(at, at + n, LANES):
        largest = larger(largest, load_rest(x, i, at + n - i, least))
    return lane_maximum(largest)


@inlined
def sum_of_exponentials(x, at, n, shift):
    """Return Σ e**(x - shift) of n numbers."""
    total, end = np.float64(0), at + n
    moved, least = broadcast(np.float32(-shift)), broadcast(np.float32(-np.inf))
    for first in range(at, end, PIECE):
        last = min(first + PIECE, end)
        part = broadcast(np.float32(0))
        for i in range(first, last, LANES):
            part = part + exponential_below(load_rest(x, i, last - i, least) + moved)
        total += lane_sum(part)
    return total


@inlined
def exponentials_of_row(x, at, n, shift, out):
    """Write e**(x - shift) of n numbers to the same places of out, and return their sum."""
    total, end = np.float64(0), at + n
    moved, least = broadcast(np.float32(-shift)), broadcast(np.float32(-np.inf))
    for first in range(at, end, PIECE):
        last = min(first + PIECE, end)
        part = broadcast(np.float32(0))
        for i in range(first, last, LANES):
            power = exponential_below(load_rest(x, i, last - i, least) + moved)
            part = part + power
            store_rest(out, i, last - i, power)
        total += lane_sum(part)
    return total


@inlined
def row_sum(x, at, n):
    """Return Σ x of n numbers."""
    total, end, zero = np.float64(0), at + n, broadcast(np.float32(0))
    for first in range(at, end, PIECE):
        last = min(first + PIECE, end)
        part = zero
        for i in range(first, last, LANES):
            part = part + load_rest(x, i, last - i, zero)
        total += lane_sum(part)
    return total


@inlined
def row_product(x, y, at, n):
    """Return Σ x·y of n numbers of each."""
    total, end, zero = np.float64(0), at + n, broadcast(np.float32(0))
    for first in range(at, end, PIECE):
        last = min(first + PIECE, end)
        part = zero
        for i in range(first, last, LANES):
            part = fma(load_rest(x, i, last - i, zero), load_rest(y, i, last - i, zero), part)
        total += lane_sum(part)
    return total


@inlined
def squared_distances(x, at, n, centre):
    """Return Σ (x - centre)² of n numbers."""
    total, end, middle = np.float64(0), at + n, broadcast(np.float32(centre))
    for first in range(at, end, PIECE):
        last = min(first + PIECE, end)
        part = broadcast(np.float32(0))
        for i in range(first, last, LANES):
            distance = load_rest(x, i, last - i, middle) - middle
            part = fma(distance, distance, part)
        total += lane_sum(part)
    return total
