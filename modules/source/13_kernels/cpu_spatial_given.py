"""The CPU kernels of module 06's operations: arrays in, arrays out, in the form that `bind` calls.

Images are channels-last in memory; an array that arrives in another order is copied once, as the reference does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.given import direct_convolution as direct
from tinytorch.given import normalising, winograd
from tinytorch.given.threads import get_num_threads, quiet_blas


def pixels_of(x: Any) -> Any:
    """Return images (N, C, H, W) as a flat channels-last array, without a copy if they lie so already."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(-1)


def images_from(flat: Any, n: int, height: int, width: int, channels: int) -> Any:
    """Return a flat channels-last array as images (N, C, H, W)."""
    return flat.reshape(n, height, width, channels).transpose(0, 3, 1, 2)


def by_winograd(kernel: tuple, stride: tuple, inputs: int) -> bool:
    """Return whether Winograd's method serves: 3×3 kernels, stride 1, whole vectors of channels."""
    return kernel == (3, 3) and stride == (1, 1) and inputs % 8 == 0


def _convolved(pixels: Any, taps: Any, bias: Any, sizes: tuple, stride: tuple, padding: int) -> Any:
    """Return the convolution, flat, with `taps` [kH][kW][inputs][outputs]; sizes (N, H, W, OH, OW)."""
    quiet_blas()
    n, height, width, out_height, out_width = sizes
    kernel_height, kernel_width, inputs, outputs = taps.shape
    bias = np.zeros(outputs, np.float32) if bias is None else np.ascontiguousarray(bias)
    out = np.empty(n * out_height * out_width * outputs, np.float32)
    threads = get_num_threads()
    if by_winograd((kernel_height, kernel_width), stride, inputs):
        weights, faults = winograd.transformed_weights(_flat(taps), inputs, outputs), np.zeros(threads, np.float32)
        winograd.convolve(pixels, weights, bias, out, faults, n, height, width, inputs, outputs, padding,
                          out_height, out_width, threads)
        if not np.isnan(faults).any():
            return out
    blocks = taps.reshape(kernel_height, kernel_width * inputs, outputs // 16, 16).transpose(2, 0, 1, 3)
    direct.convolve_directly(
        pixels, _flat(blocks), bias, out, n, height, width, inputs, outputs,
        kernel_height, kernel_width, padding, stride[0], out_height, out_width, threads,
    )
    return out


def _flat(array: Any) -> Any:
    """Return all numbers in one row, copied only if they do not lie so."""
    return np.ascontiguousarray(array).reshape(-1)


def conv2d(xp: Any, x: Any, weight: Any, bias: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """See module 06; for one group, no dilation, equal strides and paddings, a multiple of 16 output channels."""
    n, _, height, width = x.shape
    outputs, _, *kernel = weight.shape
    size = [(s + 2 * padding[0] - k) // stride[0] + 1 for s, k in zip((height, width), kernel, strict=True)]
    taps = weight.transpose(2, 3, 1, 0)
    out = _convolved(pixels_of(x), taps, bias, (n, height, width, *size), stride, padding[0])
    return images_from(out, n, *size, outputs)


def conv2d_input_grad(
    xp: Any, g: Any, weight: Any, *, size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """With stride 1: the convolution of g with the kernel turned round, inputs and outputs exchanged."""
    n, _, out_height, out_width = g.shape
    turned = weight[:, :, ::-1, ::-1].transpose(2, 3, 0, 1)
    sizes = (n, out_height, out_width, *size)
    out = _convolved(pixels_of(g), turned, None, sizes, stride, weight.shape[2] - 1 - padding[0])
    return images_from(out, n, *size, weight.shape[1])


def conv2d_weight_grad(
    xp: Any, g: Any, x: Any, *, size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """See module 06."""
    quiet_blas()
    n, inputs, height, width = x.shape
    _, outputs, out_height, out_width = g.shape
    threads, taps = get_num_threads(), None
    if by_winograd(tuple(size), stride, inputs):
        sums = np.empty((threads, winograd.PLANES * inputs * outputs), np.float32)
        winograd.weight_gradient(pixels_of(x), pixels_of(g), sums, n, height, width, inputs, outputs, padding[0],
                                 out_height, out_width, threads)
        taps = winograd.collected_weights(sums, inputs, outputs)
    if taps is None or not np.isfinite(taps).all():     # the definition: always right, also with NaN and infinities
        sums = np.empty((threads, size[0] * size[1] * inputs * outputs), np.float32)
        direct.weight_gradient_directly(
            pixels_of(x), pixels_of(g), sums, n, height, width, inputs, outputs, *size, padding[0], stride[0],
            out_height, out_width, threads,
        )
        taps = sums.sum(0)
    return np.ascontiguousarray(taps.reshape(*size, inputs, outputs).transpose(3, 2, 0, 1))


# ---- batch normalisation ------------------------------------------------------------------------------------------


def batch_norm_stats(xp: Any, x: Any) -> tuple:
    """See module 06. One pass: squared distances to a pixel of each channel, corrected to those from the mean."""
    pixels, channels = pixels_of(x), x.shape[1]
    count, threads = pixels.size // channels, get_num_threads()
    pivot = np.where(np.isfinite(pixels[:channels]), pixels[:channels], np.float32(0))
    sums = np.empty((threads, 2 * channels))
    normalising.channel_sums(pixels, count, channels, pivot, sums, threads)
    total, squares = sums.sum(0).reshape(2, channels) / count
    return (pivot + total).astype(np.float32), np.maximum(squares - total * total, 0).astype(np.float32)


def _scale_and_shift(weight: Any, bias: Any, mean: Any, var: Any, eps: float) -> tuple:
    scale = 1 / np.sqrt(var + np.float32(eps))
    scale = scale if weight is None else scale * weight
    shift = -mean * scale
    return scale, shift if bias is None else shift + bias


def batch_norm(
    xp: Any, x: Any, weight: Any, bias: Any, mean: Any, var: Any, *, training: bool, eps: float
) -> Any:
    """See module 06."""
    n, channels, height, width = x.shape
    pixels = pixels_of(x)
    out = np.empty_like(pixels)
    scale, shift = _scale_and_shift(weight, bias, mean, var, eps)
    normalising.scale_and_shift(pixels, scale, shift, out, n * height * width, channels, get_num_threads())
    return images_from(out, n, height, width, channels)


def batch_norm_relu_max_pool2d(
    xp: Any, x: Any, weight: Any, bias: Any, mean: Any, var: Any, *, training: bool, eps: float, **pooling: Any
) -> Any:
    """The same with ReLU and 2×2 max pooling behind it."""
    n, channels, height, width = x.shape
    out = np.empty(n * (height // 2) * (width // 2) * channels, np.float32)
    scale, shift = _scale_and_shift(weight, bias, mean, var, eps)
    normalising.scale_shift_relu_pool(pixels_of(x), scale, shift, out, n, height, width, channels, get_num_threads())
    return images_from(out, n, height // 2, width // 2, channels)


def batch_norm_relu_max_pool2d_grad(
    xp: Any, g: Any, x: Any, weight: Any, bias: Any, mean: Any, var: Any, *, training: bool, eps: float, **pooling: Any
) -> tuple:
    """Return (dx, dweight, dbias): dx = scale·d + slope·x + level for each channel, d being g behind pool and ReLU."""
    n, channels, height, width = x.shape
    pixels, sent, threads = pixels_of(x), pixels_of(g), get_num_threads()
    scale, shift = _scale_and_shift(weight, bias, mean, var, eps)
    sums = np.empty((threads, 2 * channels))
    sizes = (n, height, width, channels, threads)
    normalising.fused_gradient_sums(pixels, sent, scale, shift, mean, sums, *sizes)
    factors, dweight, dbias = _factors(sums, scale, mean, var, n * height * width if training else 0, eps)
    dx = np.empty_like(pixels)
    normalising.fused_gradient(pixels, sent, scale, shift, factors, dx, *sizes)
    return images_from(dx, n, height, width, channels), dweight, dbias


def batch_norm_grad(
    xp: Any, g: Any, x: Any, weight: Any, mean: Any, var: Any, *, training: bool, eps: float
) -> tuple:
    """The same with nothing behind the normalisation: d is g."""
    n, channels, height, width = x.shape
    pixels, sent, threads = pixels_of(x), pixels_of(g), get_num_threads()
    scale, _ = _scale_and_shift(weight, None, mean, var, eps)
    sums, count = np.empty((threads, 2 * channels)), n * height * width
    normalising.gradient_sums(pixels, sent, mean, sums, count, channels, threads)
    factors, dweight, dbias = _factors(sums, scale, mean, var, count if training else 0, eps)
    dx = np.empty_like(pixels)
    normalising.gradient(pixels, sent, factors, dx, count, channels, threads)
    return images_from(dx, n, height, width, channels), dweight, dbias


def _factors(sums: Any, scale: Any, mean: Any, var: Any, count: int, eps: float) -> tuple:
    """Return (scale, slope, level) in one row, and dweight and dbias. count: pixels that the statistics depend on."""
    dbias, moment = sums.sum(0).reshape(2, -1)
    rstd = 1 / np.sqrt(var.astype(np.float64) + eps)
    dweight = moment * rstd
    slope = -scale * rstd * dweight / count if count else np.zeros(len(scale))
    level = -scale * dbias / count - slope * mean if count else np.zeros(len(scale))
    factors = np.concatenate([scale, slope, level]).astype(np.float32)
    return factors, dweight.astype(np.float32), dbias.astype(np.float32)


# ---- pooling --------------------------------------------------------------------------------------------------------


def max_pool2d(xp: Any, x: Any, **pooling: Any) -> Any:
    """See module 06; for windows of 2×2 that cover the images without remainder."""
    n, channels, height, width = x.shape
    out = np.empty(n * (height // 2) * (width // 2) * channels, np.float32)
    normalising.pool(pixels_of(x), out, n, height, width, channels, get_num_threads())
    return images_from(out, n, height // 2, width // 2, channels)


def max_pool2d_grad(xp: Any, g: Any, x: Any, out: Any, **pooling: Any) -> Any:
    """See module 06: each window's g goes to its first maximum. `out` is not read: finding the maximum is free."""
    n, channels, height, width = x.shape
    pixels = pixels_of(x)
    dx = np.empty_like(pixels)
    normalising.pool_gradient(pixels, pixels_of(g), dx, n, height, width, channels, get_num_threads())
    return images_from(dx, n, height, width, channels)
