"""Convolution by its definition, with blocks of results in registers; for kernels of any size, and any stride.

In channels-last order the part of a kernel's row that an output pixel sees, kW · channels numbers, lies in one piece.
So a convolution is a matrix product without a matrix: row r of the block is the r-th of six neighbouring pixels, and
its numbers are read in place. im2col would first write every number kH · kW times.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinytorch.given.compiling import inlined, threaded
from tinytorch.given.tiles import tile_1, tile_2, tile_3, tile_4, tile_6
from tinytorch.given.winograd import place_image


@inlined
def pixels_of_a_row(
    canvas, at, step, line, weights, w_at, kernel_height, depth, bias, block, out, out_at, width, outputs
):
    """Compute one row of output pixels for 16 output channels."""
    done = 0
    while done < width:
        x_at, target = at + done * step, out_at + done * outputs
        if width - done >= 6:
            tile_6(canvas, x_at, step, 1, weights, w_at, 16, depth, kernel_height, line, depth * 16,
                   bias, block, 0, out, target, outputs)
            done += 6
        elif width - done >= 4:
            tile_4(canvas, x_at, step, 1, weights, w_at, 16, depth, kernel_height, line, depth * 16,
                   bias, block, 0, out, target, outputs)
            done += 4
        elif width - done >= 2:
            tile_2(canvas, x_at, step, 1, weights, w_at, 16, depth, kernel_height, line, depth * 16,
                   bias, block, 0, out, target, outputs)
            done += 2
        else:
            tile_1(canvas, x_at, step, 1, weights, w_at, 16, depth, kernel_height, line, depth * 16,
                   bias, block, 0, out, target, outputs)
            done += 1


@threaded
def convolve_directly(
    x, weights, bias, out, images, height, width, inputs, outputs, kernel_height, kernel_width, padding, stride,
    out_height, out_width, threads,
):
    """out = x ⋆ weights + bias. Flat channels-last arrays; weights [outputs / 16][kH][kW · inputs][16]."""
    depth = kernel_width * inputs
    canvas_width = max(width + 2 * padding, (out_width - 1) * stride + kernel_width)
    canvas_height = max(height + 2 * padding, (out_height - 1) * stride + kernel_height)
    line = canvas_width * inputs
    for thread in prange(threads):
        canvas = np.zeros(canvas_height * line, np.float32)
        for image in range(thread * images // threads, (thread + 1) * images // threads):
            place_image(x, image, height, width, inputs, padding, canvas, canvas_width)
            for block in range(0, outputs, 16):
                for row in range(out_height):
                    pixels_of_a_row(canvas, row * stride * line, stride * inputs, line, weights,
                                    block * kernel_height * depth, kernel_height, depth, bias, block, out,
                                    (image * out_height + row) * out_width * outputs + block, out_width, outputs)


@threaded
def weight_gradient_directly(
    x, g, sums, images, height, width, inputs, outputs, kernel_height, kernel_width, padding, stride,
    out_height, out_width, threads,
):
    """sums[thread] = Σ over the thread's images of the weight's gradient, [kH][kW · inputs][outputs]."""
    depth = kernel_width * inputs
    canvas_width = max(width + 2 * padding, (out_width - 1) * stride + kernel_width)
    canvas_height = max(height + 2 * padding, (out_height - 1) * stride + kernel_height)
    line, step = canvas_width * inputs, stride * inputs
    for thread in prange(threads):
        canvas = np.zeros(canvas_height * line, np.float32)
        own = sums[thread]
        own[:] = 0
        for image in range(thread * images // threads, (thread + 1) * images // threads):
            place_image(x, image, height, width, inputs, padding, canvas, canvas_width)
            g_image = image * out_height * out_width * outputs
            for block in range(0, outputs, 16):
                for row in range(kernel_height):
                    q = 0
                    while q < depth:
                        x_at, at, g_at = row * line + q, (row * depth + q) * outputs + block, g_image + block
                        if depth - q >= 6:
                            tile_6(canvas, x_at, 1, step, g, g_at, outputs, out_width, out_height, stride * line,
                                   out_width * outputs, own, at, outputs, own, at, outputs)
                            q += 6
                        elif depth - q >= 3:
                            tile_3(canvas, x_at, 1, step, g, g_at, outputs, out_width, out_height, stride * line,
                                   out_width * outputs, own, at, outputs, own, at, outputs)
                            q += 3
                        else:
                            tile_1(canvas, x_at, 1, step, g, g_at, outputs, out_width, out_height, stride * line,
                                   out_width * outputs, own, at, outputs, own, at, outputs)
                            q += 1
