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

from tinytorch.given.compiling import inlined, threaded
from tinytorch.given.tiles import tile_2, tile_4, tile_6, transform
from tinytorch.given.vectors import LANES, broadcast, fma, lane_sum, load, store

TILE, PATCH = 4, 6
PLANES = PATCH * PATCH

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


def division(images, out_height, out_width, inputs, outputs, threads):
    """Return into how many parts the threads divide the tiles, and how many of them a thread transforms at a time.

    If there are more weights than tiles, the threads divide the output channels instead: then each weight is read by
    one of them only. And the more weights there are, the more tiles shall each reading serve: a multiple of 6, the
    rows of a block.
    """
    all_tiles, weights = images * -(-out_height // TILE) * -(-out_width // TILE), inputs * outputs
    return threads if all_tiles >= outputs else 1, 36 if weights <= 1 << 13 else 72 if weights < 1 << 17 else 144


def new_planes(count, inputs, outputs):
    """Return room for the 36 planes of weights, or of their gradient, `count` times."""
    return np.empty((count, PLANES * (inputs * outputs + 16)), np.float32)


@inlined
def place_of_tile(tile, down, across):
    """Return (image, row, column) of a tile, counted through all images."""
    return tile // (down * across), tile // across % down, tile % across


@inlined
def share_of(thread, threads, parts, tiles, outputs):
    """Return the work of a thread, (first tile, last, first output, last): the tiles are divided into `parts`."""
    part, group, groups = thread % parts, thread // parts, threads // parts
    blocks = outputs // 16
    return (part * tiles // parts, (part + 1) * tiles // parts,
            group * blocks // groups * 16, (group + 1) * blocks // groups * 16)


@inlined
def multiply_planes(planes, tiles, room, channels, weights, outputs, first_output, last_output, products, zeros):
    """products[plane] = planes[plane] · weights[plane] for the 36 planes."""
    for plane in range(PLANES):
        x_from, out_from = plane * room * channels, plane * room * outputs
        for block in range(first_output, last_output, 16):
            w_from = plane * plane_size(channels, outputs) + block * channels
            for tile in range(0, tiles, 6):
                tile_6(planes, x_from + tile * channels, channels, 1, weights, w_from, 16, channels, 1, 0, 0,
                       zeros, 0, 0, products, out_from + tile * outputs + block, outputs)


@inlined
def add_bias_and_write(scratch, bias, channels, first, last, out, at, line, rows, columns):
    """Write the part of a 4×4 tile that lies inside of the image, with the bias; return 0, or NaN after NaN and inf."""
    nothing = broadcast(np.float32(0))
    fault = nothing
    for i in range(rows):
        for j in range(columns):
            for c in range(first, last, LANES):
                value = load(scratch, (i * TILE + j) * channels + c) + load(bias, c)
                fault = fma(value, nothing, fault)
                store(out, at + i * line + j * channels + c, value)
    return lane_sum(fault)


# ---- the three operations -------------------------------------------------------------------------------------------


@threaded
def transform_weights(weight, in_step, out_step, tap_step, inputs, outputs, result, threads):
    """result = G w Gᵀ as [plane][outputs / 16][inputs][16], with a gap behind each plane: see `plane_size`.

    weight: flat, the tap k of input c for output o lying at c·in_step + o·out_step + k·tap_step, from the first number
    or, if tap_step is -1, from the last tap on: then it is turned round.
    """
    size = plane_size(inputs, outputs)
    start = 0 if tap_step > 0 else 8
    for thread in prange(threads):
        taps = np.empty(9 * 16, np.float32)
        for block in range(thread * (outputs // 16) // threads, (thread + 1) * (outputs // 16) // threads):
            for c in range(inputs):
                at = c * in_step + block * 16 * out_step + start
                for o in range(16):
                    for k in range(9):
                        taps[k * 16 + o] = weight[at + o * out_step + k * tap_step]
                target = (block * inputs + c) * 16
                transform_weight(taps, 0, 48, 16, result, target, PATCH * size, size)
                transform_weight(taps, LANES, 48, 16, result, target + LANES, PATCH * size, size)


@inlined
def plane_size(inputs, outputs):
    """Return the distance between two planes of weights: not a power of two, see above."""
    return inputs * outputs + 16


@threaded
def convolve(
    x, weights, bias, out, faults, images, height, width, inputs, outputs, padding, out_height, out_width, parts,
    tiles, threads,
):
    """out = x ⋆ weights + bias. All arrays flat and channels-last; `weights` as made by `transform_weights`.

    One infinity spoils its whole tile here, where by the definition it reaches only the pixels that see it. So
    faults[thread] becomes NaN if a result is not finite: then the definition has to be used.
    """
    room = tiles + 5      # a block of 6 rows may reach 5 beyond the last tile; odd, see above
    down, across = -(-out_height // TILE), -(-out_width // TILE)
    canvas_width = TILE * across + 2
    line, plane_in, plane_out = canvas_width * inputs, room * inputs, room * outputs
    for thread in prange(threads):
        canvas = np.zeros((TILE * down + 2) * line, np.float32)
        planes, products = np.empty(PLANES * plane_in, np.float32), np.empty(PLANES * plane_out, np.float32)
        scratch, zeros = np.empty(TILE * TILE * outputs, np.float32), np.zeros(16, np.float32)
        fault, current = np.float32(0), -1
        start, end, begin, last = share_of(thread, threads, parts, images * down * across, outputs)
        for first in range(start, end, tiles):
            count = min(tiles, end - first)
            for t in range(count):
                image, i, j = place_of_tile(first + t, down, across)
                if image != current:
                    place_image(x, image, height, width, inputs, padding, canvas, canvas_width)
                    current = image
                at = TILE * (i * line + j * inputs)
                for c in range(0, inputs, LANES):
                    transform_patch(canvas, at + c, line, inputs, planes, t * inputs + c, PATCH * plane_in, plane_in)
            multiply_planes(planes, count, room, inputs, weights, outputs, begin, last, products, zeros)
            for t in range(count):
                image, i, j = place_of_tile(first + t, down, across)
                for c in range(begin, last, LANES):
                    transform_outputs(products, t * outputs + c, PATCH * plane_out, plane_out,
                                      scratch, c, TILE * outputs, outputs)
                at = ((image * out_height + TILE * i) * out_width + TILE * j) * outputs
                fault += add_bias_and_write(scratch, bias, outputs, begin, last, out, at, out_width * outputs,
                                            min(TILE, out_height - TILE * i), min(TILE, out_width - TILE * j))
        faults[thread] = fault


@inlined
def row_room(channels):
    """Return the distance of two tiles in a plane that is read across: with long rows not a power of two either."""
    return channels + 16 if channels >= 128 else channels


@inlined
def add_products(planes, tiles, room, channels, gradients, outputs, first_output, last_output, so_far, sums):
    """sums[plane] = so_far[plane] + planes[plane]ᵀ · gradients[plane] for the 36 planes; so_far: sums, or 16 zeros."""
    x_row, g_row = row_room(channels), row_room(outputs)
    start_row = outputs if len(so_far) == len(sums) else 0
    for plane in range(PLANES):
        x_from, g_from = plane * room * x_row, plane * room * g_row
        for block in range(first_output, last_output, 16):
            c = 0
            while c < channels:
                at = plane * plane_size(channels, outputs) + c * outputs + block
                start = at if start_row else 0
                if channels - c >= 6:
                    tile_6(planes, x_from + c, 1, x_row, gradients, g_from + block, g_row, tiles, 1, 0, 0,
                           so_far, start, start_row, sums, at, outputs)
                    c += 6
                elif channels - c >= 4:
                    tile_4(planes, x_from + c, 1, x_row, gradients, g_from + block, g_row, tiles, 1, 0, 0,
                           so_far, start, start_row, sums, at, outputs)
                    c += 4
                else:
                    tile_2(planes, x_from + c, 1, x_row, gradients, g_from + block, g_row, tiles, 1, 0, 0,
                           so_far, start, start_row, sums, at, outputs)
                    c += 2


@threaded
def weight_gradient(
    x, g, sums, images, height, width, inputs, outputs, padding, out_height, out_width, parts, tiles, threads
):
    """sums[part] = Σ over a part of the tiles of the transformed gradient of the weight, [plane][inputs][outputs]."""
    room = tiles + 5      # a block of 6 rows may reach 5 beyond the last tile; odd, see above
    down, across = -(-out_height // TILE), -(-out_width // TILE)
    canvas_width, sent_line, line = TILE * across + 2, TILE * across * outputs, (TILE * across + 2) * inputs
    row_in, row_out = row_room(inputs), row_room(outputs)
    plane_in, plane_out = room * row_in, room * row_out
    for thread in prange(threads):
        canvas, zeros = np.zeros((TILE * down + 2) * line, np.float32), np.zeros(16, np.float32)
        sent = np.zeros(TILE * down * sent_line, np.float32)
        planes, gradients = np.empty(PLANES * plane_in, np.float32), np.empty(PLANES * plane_out, np.float32)
        own, current = sums[thread % parts], -1
        start, end, begin, last = share_of(thread, threads, parts, images * down * across, outputs)
        for first in range(start, end, tiles):
            count = min(tiles, end - first)
            for t in range(count):
                image, i, j = place_of_tile(first + t, down, across)
                if image != current:
                    place_image(x, image, height, width, inputs, padding, canvas, canvas_width)
                    place_image(g, image, out_height, out_width, outputs, 0, sent, TILE * across)
                    current = image
                at, sent_at = TILE * (i * line + j * inputs), TILE * (i * sent_line + j * outputs)
                for c in range(0, inputs, LANES):
                    transform_patch(canvas, at + c, line, inputs, planes, t * row_in + c, PATCH * plane_in, plane_in)
                for c in range(begin, last, LANES):
                    spread_outputs(sent, sent_at + c, sent_line, outputs,
                                   gradients, t * row_out + c, PATCH * plane_out, plane_out)
            so_far = zeros if first == start else own
            add_products(planes, count, room, inputs, gradients, outputs, begin, last, so_far, own)
        if start == end:
            own[:] = 0


@threaded
def collect_weights(sums, inputs, outputs, result, threads):
    """result = Gᵀ (Σ over the rows of sums) G, as a flat weight [outputs][inputs][3][3]."""
    size = plane_size(inputs, outputs)
    for thread in prange(threads):
        total, taps = np.empty(PLANES * LANES, np.float32), np.empty(9 * LANES, np.float32)
        for c in range(thread * inputs // threads, (thread + 1) * inputs // threads):
            for o in range(0, outputs, LANES):
                for plane in range(PLANES):
                    part = load(sums[0], plane * size + c * outputs + o)
                    for row in range(1, len(sums)):
                        part = part + load(sums[row], plane * size + c * outputs + o)
                    store(total, plane * LANES, part)
                collect_weight(total, 0, PATCH * LANES, LANES, taps, 0, 3 * LANES, LANES)
                for lane in range(LANES):
                    for k in range(9):
                        result[((o + lane) * inputs + c) * 9 + k] = taps[k * LANES + lane]
