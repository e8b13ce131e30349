"""Batch normalisation, ReLU and 2×2 max pooling of channels-last images, alone and as one operation.

Each of them reads and writes whole images and computes almost nothing: they cost what the memory costs. Fused, the
convolution's output is read once forward and twice backward, and nothing but the pooled quarter is written forward;
where the maximum lay is found again by comparing, not remembered. A pass that follows another one goes the other way:
it begins with what the first has left in the cache.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinytorch.given.compiling import inlined, threaded
from tinytorch.given.vectors import LANES, broadcast, fma, larger, load, store, where_equal, where_greater, where_nan

CHUNK = 512     # pixels that are summed in float32 before the sum is added to a float64
STRIP = 4096    # numbers that are summed before the next channels have their turn: few enough for the first cache


@inlined
def move_lanes(part, sums):
    """Add float32 sums to float64 ones, and begin them anew."""
    for i in range(len(part)):
        sums[i] += part[i]
        part[i] = 0


@threaded
def channel_sums(x, pixels, channels, pivot, sums, threads):
    """sums[thread] = (Σ (x - pivot), Σ (x - pivot)²) of each channel, over the thread's pixels, in float64.

    With a pivot near the data nothing cancels when the variance is taken from these sums.
    """
    for thread in prange(threads):
        own, part, strip = sums[thread], np.zeros(2 * channels, np.float32), max(1, STRIP // channels)
        own[:] = 0
        start = thread * pixels // threads
        for last in range((thread + 1) * pixels // threads, start, -CHUNK):
            first = max(last - CHUNK, start)
            for begin in range(first, last, strip):
                for c in range(0, channels, LANES):
                    centre, total, squares = load(pivot, c), load(part, c), load(part, channels + c)
                    for pixel in range(begin, min(begin + strip, last)):
                        value = load(x, pixel * channels + c) - centre
                        total, squares = total + value, fma(value, value, squares)
                    store(part, c, total)
                    store(part, channels + c, squares)
            move_lanes(part, own)


@threaded
def scale_and_shift(x, scale, shift, out, pixels, channels, threads):
    """out = x·scale + shift for each channel."""
    for thread in prange(threads):
        for pixel in range(thread * pixels // threads, (thread + 1) * pixels // threads):
            for c in range(0, channels, LANES):
                y = fma(load(x, pixel * channels + c), load(scale, c), load(shift, c))
                store(out, pixel * channels + c, y)


@threaded
def scale_shift_relu_pool(x, scale, shift, out, images, height, width, channels, threads):
    """out = the maximum over 2×2 pixels of max(x·scale + shift, 0)."""
    line = width * channels
    for thread in prange(threads):
        nothing = broadcast(np.float32(0))
        for image in range(thread * images // threads, (thread + 1) * images // threads):
            for row in range(height // 2):
                at = (image * height + 2 * row) * line
                target = (image * (height // 2) + row) * (width // 2) * channels
                for _ in range(width // 2):
                    for c in range(0, channels, LANES):
                        a, b = load(scale, c), load(shift, c)
                        upper = larger(fma(a, load(x, at + c), b), fma(a, load(x, at + channels + c), b))
                        lower = larger(fma(a, load(x, at + line + c), b), fma(a, load(x, at + line + channels + c), b))
                        store(out, target + c, larger(larger(upper, lower), nothing))
                    at += 2 * channels
                    target += channels


@inlined
def share(x, top, rest):
    """Return what a pixel takes of `rest`, all if x is the maximum, and what it leaves: of infinity 0, not NaN."""
    nothing = broadcast(np.float32(0))
    return where_equal(x, top, rest, nothing), where_equal(x, top, nothing, rest)


@inlined
def share_nan(x, top, rest):
    """The same where NaN counts as a maximum."""
    own, left = share(x, top, rest)
    return where_nan(x, rest, own), where_nan(x, broadcast(np.float32(0)), left)


@inlined
def linear(scale, slope, level, sent, x):
    """Return scale·sent + slope·x + level. Without a slope x does not count, even if it is infinite."""
    nothing = broadcast(np.float32(0))
    return fma(scale, sent, fma(slope, where_equal(slope, nothing, nothing, x), level))


@inlined
def through_pool(x, at, line, channels, c, scale, shift, sent):
    """Return the four pixels of x, and what of `sent` reaches each through ReLU and maximum: the first one takes it."""
    nothing = broadcast(np.float32(0))
    a, b = load(scale, c), load(shift, c)
    x0, x1 = load(x, at + c), load(x, at + channels + c)
    x2, x3 = load(x, at + line + c), load(x, at + line + channels + c)
    y0, y1, y2, y3 = fma(a, x0, b), fma(a, x1, b), fma(a, x2, b), fma(a, x3, b)
    top = larger(larger(y0, y1), larger(y2, y3))
    d0, rest = share(y0, top, where_greater(top, nothing, sent, sent * nothing))
    d1, rest = share(y1, top, rest)
    d2, rest = share(y2, top, rest)
    d3, _ = share(y3, top, rest)
    return x0, x1, x2, x3, d0, d1, d2, d3


@threaded
def pool(x, out, images, height, width, channels, threads):
    """out = the maximum over 2×2 pixels of x; NaN is larger than every number."""
    line = width * channels
    for thread in prange(threads):
        for row in range(thread * images * (height // 2) // threads, (thread + 1) * images * (height // 2) // threads):
            at, target = 2 * row * line, row * (width // 2) * channels
            for _ in range(width // 2):
                for c in range(0, channels, LANES):
                    upper = larger(load(x, at + c), load(x, at + channels + c))
                    lower = larger(load(x, at + line + c), load(x, at + line + channels + c))
                    store(out, target + c, larger(upper, lower))
                at += 2 * channels
                target += channels


@threaded
def pool_gradient(x, g, out, images, height, width, channels, threads):
    """out = g at the first maximum of each 2×2 pixels of x, 0 elsewhere; the first NaN counts as a maximum."""
    line = width * channels
    for thread in prange(threads):
        for row in range(thread * images * (height // 2) // threads, (thread + 1) * images * (height // 2) // threads):
            at, source = 2 * row * line, row * (width // 2) * channels
            for _ in range(width // 2):
                for c in range(0, channels, LANES):
                    x0, x1 = load(x, at + c), load(x, at + channels + c)
                    x2, x3 = load(x, at + line + c), load(x, at + line + channels + c)
                    top, rest = larger(larger(x0, x1), larger(x2, x3)), load(g, source + c)
                    d0, rest = share_nan(x0, top, rest)
                    d1, rest = share_nan(x1, top, rest)
                    d2, rest = share_nan(x2, top, rest)
                    d3, rest = share_nan(x3, top, rest)
                    store(out, at + c, d0)
                    store(out, at + channels + c, d1)
                    store(out, at + line + c, d2)
                    store(out, at + line + channels + c, d3)
                at += 2 * channels
                source += channels


@threaded
def gradient_sums(x, g, pivot, sums, pixels, channels, threads):
    """sums[thread] = (Σ g, Σ g·(x - pivot)) of each channel, over the thread's pixels, in float64."""
    for thread in prange(threads):
        own, part, strip = sums[thread], np.zeros(2 * channels, np.float32), max(1, STRIP // channels)
        own[:] = 0
        end = (thread + 1) * pixels // threads
        for first in range(thread * pixels // threads, end, CHUNK):
            last = min(first + CHUNK, end)
            for begin in range(first, last, strip):
                for c in range(0, channels, LANES):
                    centre, total, moment = load(pivot, c), load(part, c), load(part, channels + c)
                    for pixel in range(begin, min(begin + strip, last)):
                        sent = load(g, pixel * channels + c)
                        total, moment = total + sent, fma(sent, load(x, pixel * channels + c) - centre, moment)
                    store(part, c, total)
                    store(part, channels + c, moment)
            move_lanes(part, own)


@threaded
def gradient(x, g, factors, out, pixels, channels, threads):
    """out = factors[0]·g + factors[1]·x + factors[2] for each channel."""
    for thread in prange(threads):
        for pixel in range((thread + 1) * pixels // threads - 1, thread * pixels // threads - 1, -1):
            for c in range(0, channels, LANES):
                at = pixel * channels + c
                k, b, d = load(factors, c), load(factors, channels + c), load(factors, 2 * channels + c)
                store(out, at, linear(k, b, d, load(g, at), load(x, at)))


@inlined
def through_relu(x, at, scale, shift, c, sent):
    """Return x, and what of `sent` reaches it through ReLU: where that is closed, 0·sent."""
    nothing, value = broadcast(np.float32(0)), load(x, at)
    return value, where_greater(fma(load(scale, c), value, load(shift, c)), nothing, sent, sent * nothing)


@threaded
def relu_gradient_sums(x, g, scale, shift, pivot, sums, pixels, channels, threads):
    """sums[thread] = (Σ d, Σ d·(x - pivot)) of each channel, d being g behind ReLU, in float64."""
    for thread in prange(threads):
        own, part, strip = sums[thread], np.zeros(2 * channels, np.float32), max(1, STRIP // channels)
        own[:] = 0
        end = (thread + 1) * pixels // threads
        for first in range(thread * pixels // threads, end, CHUNK):
            last = min(first + CHUNK, end)
            for begin in range(first, last, strip):
                for c in range(0, channels, LANES):
                    centre, total, moment = load(pivot, c), load(part, c), load(part, channels + c)
                    for pixel in range(begin, min(begin + strip, last)):
                        at = pixel * channels + c
                        value, sent = through_relu(x, at, scale, shift, c, load(g, at))
                        total, moment = total + sent, fma(sent, value - centre, moment)
                    store(part, c, total)
                    store(part, channels + c, moment)
            move_lanes(part, own)


@threaded
def relu_gradient(x, g, scale, shift, factors, out, pixels, channels, threads):
    """out = factors[0]·d + factors[1]·x + factors[2] for each channel, d being g behind ReLU."""
    for thread in prange(threads):
        for pixel in range((thread + 1) * pixels // threads - 1, thread * pixels // threads - 1, -1):
            for c in range(0, channels, LANES):
                at = pixel * channels + c
                value, sent = through_relu(x, at, scale, shift, c, load(g, at))
                k, b, d = load(factors, c), load(factors, channels + c), load(factors, 2 * channels + c)
                store(out, at, linear(k, b, d, sent, value))


@threaded
def fused_gradient_sums(x, g, scale, shift, pivot, sums, images, height, width, channels, threads):
    """sums[thread] = (Σ d, Σ d·(x - pivot)) of each channel, d being g behind pooling and ReLU, in float64."""
    line = width * channels
    for thread in prange(threads):
        own, part = sums[thread], np.zeros(2 * channels, np.float32)
        own[:] = 0
        for image in range(thread * images // threads, (thread + 1) * images // threads):
            for row in range(height // 2):
                for c in range(0, channels, LANES):
                    centre, total, moment = load(pivot, c), load(part, c), load(part, channels + c)
                    at = (image * height + 2 * row) * line
                    source = (image * (height // 2) + row) * (width // 2) * channels
                    for _ in range(width // 2):
                        x0, x1, x2, x3, d0, d1, d2, d3 = through_pool(
                            x, at, line, channels, c, scale, shift, load(g, source + c)
                        )
                        total = total + ((d0 + d1) + (d2 + d3))
                        moment = fma(d0, x0 - centre, fma(d1, x1 - centre, moment))
                        moment = fma(d2, x2 - centre, fma(d3, x3 - centre, moment))
                        at += 2 * channels
                        source += channels
                    store(part, c, total)
                    store(part, channels + c, moment)
            move_lanes(part, own)


@threaded
def fused_gradient(x, g, scale, shift, factors, out, images, height, width, channels, threads):
    """out = factors[0]·d + factors[1]·x + factors[2] for each channel, d being g behind pooling and ReLU."""
    line = width * channels
    for thread in prange(threads):
        for image in range((thread + 1) * images // threads - 1, thread * images // threads - 1, -1):
            for row in range(height // 2):
                at = (image * height + 2 * row) * line
                source = (image * (height // 2) + row) * (width // 2) * channels
                for _ in range(width // 2):
                    for c in range(0, channels, LANES):
                        k, b, d = load(factors, c), load(factors, channels + c), load(factors, 2 * channels + c)
                        x0, x1, x2, x3, d0, d1, d2, d3 = through_pool(
                            x, at, line, channels, c, scale, shift, load(g, source + c)
                        )
                        store(out, at + c, linear(k, b, d, d0, x0))
                        store(out, at + channels + c, linear(k, b, d, d1, x1))
                        store(out, at + line + c, linear(k, b, d, d2, x2))
                        store(out, at + line + channels + c, linear(k, b, d, d3, x3))
                    at += 2 * channels
                    source += channels
