"""Convolution with 3×3 kernels by Winograd's method: 36 multiplications where the definition needs 144.

The outputs of a 4×4 tile depend on a 6×6 patch of the input. Three small linear transforms turn the convolution of a
patch into 36 separate products, which over all tiles and channels are 36 matrix products:

    outputs = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ patch B) ] A

The transforms cost additions and are exact in exact arithmetic; in float32 the result is about four times less
accurate than that of the definition (2·10⁻⁶ instead of 5·10⁻⁷, relative). Source: Lavin and Gray, "Fast algorithms for
convolutional neural networks", 2016.

Why it is fast: a thread takes so many tiles at a time that their transforms stay in its L2 cache, and its products
run on blocks held in registers. The number of tiles that a plane has room for is odd: with a power of two the 36
planes would fall onto the same lines of the cache.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinytorch.given.compiling import compiled, inlined, threaded
from tinytorch.given.tiles import tile_2, tile_4, tile_6, transform
from tinytorch.given.vectors import LANES, broadcast, fma, lane_sum, load, store

TILE, PATCH = 4, 6
PLANES = PATCH * PATCH
TILES = 96           # tiles that a thread transforms at a time
ROOM = 101           # places in a plane: odd, see above; a block of 6 rows may reach 5 beyond the last tile

B_T = ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0),
       (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1))
G = ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6),
     (1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1))
A_T = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


def _transposed(matrix: tuple) -> tuple:
    return tuple(zip(*matrix, strict=True))


transform_patch = transform(B_T, "transform_patch")                         # 6×6 -> 6×6
transform_weight = transform(G, "transform_weight")                         # 3×3 -> 6×6
transform_outputs = transform(A_T, "transform_outputs")                     # 6×6 -> 4×4
spread_outputs = transform(_transposed(A_T), "spread_outputs")              # 4×4 -> 6×6, its transpose
collect_weight = transform(_transposed(G), "collect_weight")                # 6×6 -> 3×3, its transpose


# ---- pieces ---------------------------------------------------------------------------------------------------------


@inlined
def place_image(x, image, height, width, channels, padding, canvas, canvas_width):
    """Copy one channels-last image into the middle of a canvas of zeros."""
    for row in range(height):
        source = (image * height + row) * width * channels
        target = ((row + padding) * canvas_width + padding) * channels
        canvas[target : target + width * channels] = x[source : source + width * channels]


@inlined
def place_of_tile(tile, down, across):
    """Return (image, row, column) of a tile, counted through all images."""
    return tile // (down * across), tile // across % down, tile % across


@inlined
def multiply_planes(planes, tiles, channels, weights, outputs, products, zeros):
    """products[plane] = planes[plane] · weights[plane] for the 36 planes."""
    for plane in range(PLANES):
        x_from, out_from = plane * ROOM * channels, plane * ROOM * outputs
        for block in range(0, outputs, 16):
            w_from = (plane * outputs + block) * channels
            for tile in range(0, tiles, 6):
                tile_6(planes, x_from + tile * channels, channels, 1, weights, w_from, 16, channels, 1, 0, 0,
                       zeros, 0, 0, products, out_from + tile * outputs + block, outputs)


@inlined
def add_bias_and_write(scratch, bias, channels, out, at, line, rows, columns):
    """Write the part of a 4×4 tile that lies inside of the image, with the bias; return 0, or NaN after NaN and inf."""
    nothing = broadcast(np.float32(0))
    fault = nothing
    for i in range(rows):
        for j in range(columns):
            for c in range(0, channels, LANES):
                value = load(scratch, (i * TILE + j) * channels + c) + load(bias, c)
                fault = fma(value, nothing, fault)
                store(out, at + i * line + j * channels + c, value)
    return lane_sum(fault)


# ---- the three operations -------------------------------------------------------------------------------------------


@compiled
def transformed_weights(weight, inputs, outputs):
    """Return G w Gᵀ of a weight [3][3][inputs][outputs], as [plane][outputs / 16][inputs][16]."""
    result = np.empty(PLANES * inputs * outputs, np.float32)
    size = inputs * outputs
    for c in range(inputs):
        for o in range(0, outputs, LANES):
            target = ((o // 16) * inputs + c) * 16 + o % 16
            transform_weight(weight, c * outputs + o, 3 * size, size, result, target, PATCH * size, size)
    return result


@threaded
def convolve(
    x, weights, bias, out, faults, images, height, width, inputs, outputs, padding, out_height, out_width, threads
):
    """out = x ⋆ weights + bias. All arrays flat and channels-last; `weights` as made by `transformed_weights`.

    One infinity spoils its whole tile here, where by the definition it reaches only the pixels that see it. So
    faults[thread] becomes NaN if a result is not finite: then the definition has to be used.
    """
    down, across = -(-out_height // TILE), -(-out_width // TILE)
    canvas_width = TILE * across + 2
    line, plane_in, plane_out = canvas_width * inputs, ROOM * inputs, ROOM * outputs
    for thread in prange(threads):
        canvas = np.zeros((TILE * down + 2) * line, np.float32)
        planes, products = np.empty(PLANES * plane_in, np.float32), np.empty(PLANES * plane_out, np.float32)
        scratch, zeros = np.empty(TILE * TILE * outputs, np.float32), np.zeros(16, np.float32)
        fault = np.float32(0)
        current, end = -1, (thread + 1) * images // threads * down * across
        for first in range(thread * images // threads * down * across, end, TILES):
            count = min(TILES, end - first)
            for t in range(count):
                image, i, j = place_of_tile(first + t, down, across)
                if image != current:
                    place_image(x, image, height, width, inputs, padding, canvas, canvas_width)
                    current = image
                at = TILE * (i * line + j * inputs)
                for c in range(0, inputs, LANES):
                    transform_patch(canvas, at + c, line, inputs, planes, t * inputs + c, PATCH * plane_in, plane_in)
            multiply_planes(planes, count, inputs, weights, outputs, products, zeros)
            for t in range(count):
                image, i, j = place_of_tile(first + t, down, across)
                for c in range(0, outputs, LANES):
                    transform_outputs(products, t * outputs + c, PATCH * plane_out, plane_out,
                                      scratch, c, TILE * outputs, outputs)
                at = ((image * out_height + TILE * i) * out_width + TILE * j) * outputs
                fault += add_bias_and_write(scratch, bias, outputs, out, at, out_width * outputs,
                                            min(TILE, out_height - TILE * i), min(TILE, out_width - TILE * j))
        faults[thread] = fault


@inlined
def add_products(planes, tiles, channels, gradients, outputs, sums):
    """sums[plane] += planes[plane]ᵀ · gradients[plane] for the 36 planes: (channels, outputs) each."""
    for plane in range(PLANES):
        x_from, g_from = plane * ROOM * channels, plane * ROOM * outputs
        for block in range(0, outputs, 16):
            c = 0
            while c < channels:
                at = (plane * channels + c) * outputs + block
                if channels - c >= 6:
                    tile_6(planes, x_from + c, 1, channels, gradients, g_from + block, outputs, tiles, 1, 0, 0,
                           sums, at, outputs, sums, at, outputs)
                    c += 6
                elif channels - c >= 4:
                    tile_4(planes, x_from + c, 1, channels, gradients, g_from + block, outputs, tiles, 1, 0, 0,
                           sums, at, outputs, sums, at, outputs)
                    c += 4
                else:
                    tile_2(planes, x_from + c, 1, channels, gradients, g_from + block, outputs, tiles, 1, 0, 0,
                           sums, at, outputs, sums, at, outputs)
                    c += 2


@threaded
def weight_gradient(x, g, sums, images, height, width, inputs, outputs, padding, out_height, out_width, threads):
    """sums[thread] = Σ over the thread's images of the transformed gradient of the weight, [plane][inputs][outputs]."""
    down, across = -(-out_height // TILE), -(-out_width // TILE)
    canvas_width, sent_line = TILE * across + 2, TILE * across * outputs
    line, plane_in, plane_out = canvas_width * inputs, ROOM * inputs, ROOM * outputs
    for thread in prange(threads):
        canvas = np.zeros((TILE * down + 2) * line, np.float32)
        sent = np.zeros(TILE * down * sent_line, np.float32)
        planes, gradients = np.empty(PLANES * plane_in, np.float32), np.empty(PLANES * plane_out, np.float32)
        own = sums[thread]
        own[:] = 0
        current, end = -1, (thread + 1) * images // threads * down * across
        for first in range(thread * images // threads * down * across, end, TILES):
            count = min(TILES, end - first)
            for t in range(count):
                image, i, j = place_of_tile(first + t, down, across)
                if image != current:
                    place_image(x, image, height, width, inputs, padding, canvas, canvas_width)
                    place_image(g, image, out_height, out_width, outputs, 0, sent, TILE * across)
                    current = image
                at, sent_at = TILE * (i * line + j * inputs), TILE * (i * sent_line + j * outputs)
                for c in range(0, inputs, LANES):
                    transform_patch(canvas, at + c, line, inputs, planes, t * inputs + c, PATCH * plane_in, plane_in)
                for c in range(0, outputs, LANES):
                    spread_outputs(sent, sent_at + c, sent_line, outputs,
                                   gradients, t * outputs + c, PATCH * plane_out, plane_out)
            add_products(planes, count, inputs, gradients, outputs, own)


@compiled
def collected_weights(sums, inputs, outputs):
    """Return Gᵀ (Σ over threads) G as a weight [3][3][inputs][outputs]."""
    size = inputs * outputs
    result = np.empty(9 * size, np.float32)
    total = sums[0]
    for thread in range(1, len(sums)):
        for i in range(0, PLANES * size, LANES):
            store(total, i, load(total, i) + load(sums[thread], i))
    for i in range(0, size, LANES):
        collect_weight(total, i, PATCH * size, size, result, i, 3 * size, size)
    return result
