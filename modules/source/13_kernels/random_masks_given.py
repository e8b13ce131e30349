"""Dropout: the random stream of module 02 made where it is used, in each thread its own part.

The i-th number of the stream depends on (seed, i) alone: Philox 4x64-10 (Salmon et al., "Parallel random numbers: as
easy as 1, 2, 3", 2011), ten rounds of two products of 64-bit numbers, whose upper halves are mixed with the lower ones.
The reference writes the numbers, then shifts, converts and compares them, an array for each; here four of them live in
registers, and all that is written is the result. The mask is the reference's, bit for bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from tinytorch.given.compiling import compiled, inlined, threaded
from tinytorch.given.row_passes import threads_for

MULTIPLIERS = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
INCREMENTS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)     # of the key, each round
ROUNDS, BLOCK, DIGITS = 10, 4, 24


@intrinsic
def upper_half(typing: Any, a: Any, b: Any) -> Any:
    """Return the upper 64 bits of the product of two 64-bit numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide, narrow = ir.IntType(128), ir.IntType(64)
        product = builder.mul(*(builder.zext(each, wide) for each in arguments))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), narrow)

    return types.uint64(types.uint64, types.uint64), generate


@inlined
def philox(counter, seed):
    """Return block number `counter` of the stream of `seed`: four numbers of 64 bits."""
    a, b, c, d = counter, np.uint64(0), np.uint64(0), np.uint64(0)
    key, other = seed, np.uint64(0)
    for _ in range(ROUNDS):
        first, second = upper_half(MULTIPLIERS[0], a), upper_half(MULTIPLIERS[1], c)
        a, b, c, d = second ^ b ^ key, MULTIPLIERS[1] * c, first ^ d ^ other, MULTIPLIERS[0] * a
        key, other = key + INCREMENTS[0], other + INCREMENTS[1]
    return a, b, c, d


@inlined
def drop(x, out, at, bits, limit, scale):
    """out = x·1·scale where the number of the stream reaches `limit`, else x·0·scale."""
    kept = np.float32(1) if bits >> np.uint64(64 - DIGITS) >= limit else np.float32(0)
    out[at] = x[at] * kept * scale


@compiled
def drop_some(x, out, limit, scale, seed, offset, first, last, size):
    """Drop in the blocks of four from number `first` to `last`; at `size` the array ends."""
    for block in range(first, last):
        a, b, c, d = philox(offset + np.uint64(block + 1), seed)
        at = block * BLOCK
        drop(x, out, at, a, limit, scale)
        if at + 3 < size:
            drop(x, out, at + 1, b, limit, scale)
            drop(x, out, at + 2, c, limit, scale)
            drop(x, out, at + 3, d, limit, scale)
        elif at + 1 < size:
            drop(x, out, at + 1, b, limit, scale)
            if at + 2 < size:
                drop(x, out, at + 2, c, limit, scale)


@threaded
def drop_all(x, out, limit, scale, seed, offset, blocks, size, threads):
    """The same for all blocks, a part of them in each thread."""
    for thread in prange(threads):
        first, last = thread * blocks // threads, (thread + 1) * blocks // threads
        drop_some(x, out, limit, scale, seed, offset, first, last, size)


@inlined
def factor(bits, limit, scale):
    """Return what dropout multiplies by: `scale` if the number of the stream reaches `limit`, else 0."""
    return scale if bits >> np.uint64(64 - DIGITS) >= limit else np.float32(0)


@inlined
def draw(out, count, first, limit, scale, seed, offset):
    """Write `count` factors, and up to three more, from number `first` of the stream on, a multiple of four."""
    for i in range(0, count, BLOCK):
        a, b, c, d = philox(offset + np.uint64((first + i) // BLOCK + 1), seed)
        out[i], out[i + 1] = factor(a, limit, scale), factor(b, limit, scale)
        out[i + 2], out[i + 3] = factor(c, limit, scale), factor(d, limit, scale)


def settings_of(p: float, seed: int, offset: int) -> tuple:
    """Return (limit, scale, seed, offset) as the kernels take them. A number n of 24 bits stands for n / 2**24."""
    limit = np.uint64(math.ceil(float(np.float32(p)) * 2**DIGITS))
    return limit, np.float32(1 / (1 - p) if p < 1 else 0.0), np.uint64(seed), np.uint64(offset)


def dropout(xp: Any, x: Any, *, p: float, seed: int, offset: int) -> Any:
    """See module 04."""
    out, blocks, threads = np.empty_like(x), -(-x.size // BLOCK), threads_for(4 * x.size)
    arrays = x.reshape(-1), out.reshape(-1), *settings_of(p, seed, offset)
    if threads == 1:
        drop_some(*arrays, 0, blocks, x.size)
    else:
        drop_all(*arrays, blocks, x.size, threads)
    return out
