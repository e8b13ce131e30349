"""The CPU kernels of module 06's operations: arrays in, arrays out, in the form that `bind` calls.

Images are channels-last in memory; an array that arrives in another order is copied once, as the reference does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.engine import primitive
from tinytorch.given import direct_convolution as direct
from tinytorch.given import normalising, winograd
from tinytorch.given.channel_order import images_from, pixels_of
from tinytorch.given.threads import get_num_threads

SAMPLE = 31     # pixels whose median tells where the numbers of a channel lie


def by_winograd(kernel: tuple, stride: tuple, inputs: int) -> bool:
    """Return whether Winograd's method serves: 3×3 kernels, stride 1, whole vectors of channels."""
    return kernel == (3, 3) and stride == (1, 1) and inputs % 8 == 0


def _wholly(x: Any) -> Any:
    """Return all numbers in one row, copied only if they do not lie so."""
    return np.ascontiguousarray(x).reshape(-1)


def _convolved(x: Any, weight: Any, bias: Any, size: tuple, stride: tuple, padding: int, turned: bool) -> Any:
    """Return the convolution of images x, of height and width `size`. turned: with the kernel turned round and its
    inputs and outputs exchanged, which makes the gradient of the images from that of the outputs; None if then a weight
    is not finite: its products with the margin are NaN, and that gradient knows no margin."""
    n, inputs, height, width = x.shape
    outputs, kernel = weight.shape[1 if turned else 0], weight.shape[2:]
    pixels, bias = pixels_of(x), np.zeros(outputs, np.float32) if bias is None else np.ascontiguousarray(bias)
    out = np.empty(n * size[0] * size[1] * outputs, np.float32)
    threads = get_num_threads()
    images = n, height, width, inputs, outputs
    if by_winograd(kernel, stride, inputs):
        planes, faults = winograd.new_planes(1, inputs, outputs), np.zeros(threads, np.float32)
        steps = (9 * outputs, 9, -1) if turned else (9, 9 * inputs, 1)
        winograd.transform_weights(_wholly(weight), *steps, inputs, outputs, planes[0], threads)
        division = winograd.division(n, *size, inputs, outputs, threads)
        winograd.convolve(pixels, planes[0], bias, out, faults, *images, padding, *size, *division, threads)
        if not np.isnan(faults).any():
            return images_from(out, n, *size, outputs)
    if turned and not np.isfinite(weight).all():
        return None
    taps = weight[:, :, ::-1, ::-1].transpose(2, 3, 0, 1) if turned else weight.transpose(2, 3, 1, 0)
    blocks = taps.reshape(kernel[0], kernel[1] * inputs, outputs // 16, 16).transpose(2, 0, 1, 3)
    window = kernel, tuple(stride), padding
    direct.convolve_directly(pixels, _wholly(blocks), bias, out, n, *_rows(window, height, width), inputs, outputs,
                             *kernel, padding, stride[0], *_rows(window, *size), threads)
    return images_from(out, n, *size, outputs)


def _rows(window: tuple, height: int, width: int) -> tuple:
    """Return the size of images for the direct kernels: to a window of one pixel an image is a single long row."""
    return (1, height * width) if window == ((1, 1), (1, 1), 0) else (height, width)


def conv2d(xp: Any, x: Any, weight: Any, bias: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """See module 06; for one group, no dilation, equal strides and paddings, a multiple of 16 output channels."""
    spans = zip(x.shape[2:], weight.shape[2:], strict=True)
    size = tuple((s + 2 * padding[0] - k) // stride[0] + 1 for s, k in spans)
    return _convolved(x, weight, bias, size, stride, padding[0], turned=False)


def conv2d_input_grad(
    xp: Any, g: Any, weight: Any, *, size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """With stride 1: the convolution of g with the kernel turned round, inputs and outputs exchanged."""
    found = _convolved(g, weight, None, tuple(size), stride, weight.shape[2] - 1 - padding[0], turned=True)
    if found is None:
        settings = {"size": size, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return primitive("conv2d_input_grad").kernel(xp, g, weight, **settings)
    return found


def conv2d_weight_grad(
    xp: Any, g: Any, x: Any, *, size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """See module 06."""
    pixels, sent, threads = pixels_of(x), pixels_of(g), get_num_threads()
    inputs, outputs = x.shape[1], g.shape[1]
    images = len(x), *x.shape[2:], inputs, outputs
    if by_winograd(tuple(size), stride, inputs):
        parts, tiles = winograd.division(len(g), *g.shape[2:], inputs, outputs, threads)
        planes, found = winograd.new_planes(parts, inputs, outputs), np.empty((outputs, inputs, *size), np.float32)
        winograd.weight_gradient(pixels, sent, planes, *images, padding[0], *g.shape[2:], parts, tiles, threads)
        winograd.collect_weights(planes, inputs, outputs, found.reshape(-1), threads)
        if np.isfinite(found).all():
            return found
    sums = np.empty((threads, size[0] * size[1] * inputs * outputs), np.float32)     # right also with NaN, infinities
    window = tuple(size), tuple(stride), padding[0]
    direct.weight_gradient_directly(pixels, sent, sums, len(x), *_rows(window, *x.shape[2:]), inputs, outputs, *size,
                                    padding[0], stride[0], *_rows(window, *g.shape[2:]), threads)
    return np.ascontiguousarray(sums.sum(0).reshape(*size, inputs, outputs).transpose(3, 2, 0, 1))


# ---- batch normalisation ------------------------------------------------------------------------------------------


def _middle(pixels: Any, channels: int) -> Any:
    """Return a finite number amid those of each channel: the median of some pixels, far apart, so no outlier is it."""
    rows = pixels.reshape(-1, channels)
    some = np.sort(rows[:: len(rows) // SAMPLE | 1], axis=0)
    middle = some[len(some) // 2]
    return np.where(np.isfinite(middle), middle, np.float32(0))


def batch_norm_stats(xp: Any, x: Any) -> tuple:
    """See module 06. One pass: squared distances to a number amid each channel, corrected to those from the mean."""
    pixels, channels = pixels_of(x), x.shape[1]
    count, threads = pixels.size // channels, get_num_threads()
    pivot = _middle(pixels, channels)
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
    xp: Any, g: Any, x: Any, weight: Any, bias: Any, mean: Any, var: Any, out: Any, *, training: bool,
    eps: float, **pooling: Any,
) -> tuple:
    """Return (dx, dweight, dbias): dx = scale·d + slope·x + level for each channel, d being g behind pool and ReLU.

    Without `pooling`: d being g behind ReLU.
    """
    n, channels, height, width = x.shape
    pixels, sent, threads = pixels_of(x), pixels_of(g), get_num_threads()
    scale, shift = _scale_and_shift(weight, bias, mean, var, eps)
    sums, count = np.empty((threads, 2 * channels)), n * height * width
    sizes = (n, height, width, channels, threads) if pooling else (count, channels, threads)
    if pooling and _invertible(weight, bias):
        one, zero = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        normalising.relu_gradient_sums(pixels_of(out), sent, one, zero, zero if bias is None else bias, sums,
                                       g.size // channels, channels, threads)
        sums[:, channels:] /= scale
    elif pooling:
        normalising.fused_gradient_sums(pixels, sent, scale, shift, mean, sums, *sizes)
    else:
        normalising.relu_gradient_sums(pixels, sent, scale, shift, mean, sums, *sizes)
    factors, dweight, dbias = _factors(sums, scale, mean, var, count if training else 0, eps)
    dx = np.empty_like(pixels)
    find = normalising.fused_gradient if pooling else normalising.relu_gradient
    find(pixels, sent, scale, shift, factors, dx, *sizes)
    return images_from(dx, n, height, width, channels), dweight, dbias


def _invertible(weight: Any, bias: Any) -> bool:
    """Return whether x - mean can be had from out - bias at the maxima, where all that is summed lies.

    Then the sums need the pooled quarter only. Where the weight is next to nothing beside the bias, out has lost x.
    """
    if weight is None:
        return bias is None or bool((np.abs(bias) <= 64).all())
    size = np.abs(weight)
    return bool((size > 1e-6).all() and (bias is None or (np.abs(bias) <= 64 * size).all()))


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


def sum_of_channels(xp: Any, a: Any, *, dim: tuple, keepdim: bool) -> Any:
    """The operation `sum` over all but the channels of images: the gradient of a convolution's bias."""
    channels, pivot = a.shape[1], np.zeros(a.shape[1], np.float32)
    sums = np.empty((get_num_threads(), 2 * channels))
    normalising.channel_sums(pixels_of(a), a.size // channels, channels, pivot, sums, len(sums))
    total = sums.sum(0)[:channels].astype(np.float32)
    return total.reshape(1, -1, 1, 1) if keepdim else total


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
