"""The gradient kernels of module 06, as primitives of their own, so that a faster backend may replace each.

g is always the gradient of the forward operation's output. A convolution is linear in images and weights, so its two
gradients are derivatives of each other's and need nothing new for second derivatives; so are a pooling and its
gradient. The two normalisations say what they are in Tensors (`decompose`), and are differentiated through that.
"""

from typing import Any

import numpy as np

from tinytorch.core.engine import Primitive
from tinytorch.given.silence import quiet
from tinytorch.given.spatial_layout import (
    as_rows,
    column_sum,
    from_rows,
    image_blocks,
    pad_images,
    padded_size,
    places,
    reach,
    row_blocks,
    tap,
)

# ---- convolution -----------------------------------------------------------------------------------------------------


def conv2d_input_grad_kernel(xp, g, weight, *, size, stride, padding, dilation, groups):
    """Return the gradient of the images, of height and width `size`.

    Each output pixel sends its gradient back to the window that it saw: one matrix product gives what every place of
    every window receives, and overlapping windows are added up (col2im).
    """
    (n, _, *outputs), (_, inner, *kernel) = g.shape, weight.shape
    matrices = _group_matrices(weight, groups)
    canvas = padded_size(size, padding, reach(outputs, kernel, stride, dilation))
    pixels = xp.ascontiguousarray(g.transpose(0, 2, 3, 1))
    out = xp.empty((n, *size, groups * inner), g.dtype)
    for block in image_blocks(n, 4 * weight[0].size * groups * outputs[0] * outputs[1]):
        for group, matrix in enumerate(matrices):
            images = slice(group * inner, (group + 1) * inner)
            sent = pixels[block, ..., group * matrix.shape[1] : (group + 1) * matrix.shape[1]].reshape(
                -1, matrix.shape[1]
            )
            columns = (sent @ matrix.T).reshape(-1, *outputs, *kernel, inner)
            received = xp.zeros((len(columns), *canvas, inner), g.dtype)
            for i, j in places(kernel):
                spot = tap(received, (i, j), outputs, stride, dilation)
                spot += columns[:, :, :, i, j]
            out[block, ..., images] = received[:, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
    return out.transpose(0, 3, 1, 2)


def conv2d_weight_grad_kernel(xp, g, x, *, size, stride, padding, dilation, groups):
    """Return the gradient of the weight, whose kernel has height and width `size`: what each weight saw, times g."""
    (n, out_channels, *outputs), inner, outer = g.shape, x.shape[1] // groups, g.shape[1] // groups
    padded = pad_images(xp, x, padding, reach(outputs, kernel_size=size, stride=stride, dilation=dilation))
    pixels = xp.ascontiguousarray(g.transpose(0, 2, 3, 1))
    out = xp.zeros((groups, *size, inner, outer), g.dtype)
    for block in image_blocks(n, 4 * size[0] * size[1] * x.shape[1] * outputs[0] * outputs[1]):
        for group in range(groups):
            seen = _columns(
                xp, padded[block, ..., group * inner : (group + 1) * inner], size, outputs, stride, dilation
            )
            sent = pixels[block, ..., group * outer : (group + 1) * outer].reshape(-1, outer)
            out[group] += (seen.T @ sent).reshape(*size, inner, outer)
    return xp.ascontiguousarray(out.transpose(0, 4, 3, 1, 2)).reshape(out_channels, inner, *size)


def _group_matrices(weight: Any, groups: int) -> Any:
    """Return the weight as one matrix (kH·kW·in, out) for each group."""
    per_group = weight.shape[0] // groups
    return weight.transpose(2, 3, 1, 0).reshape(-1, groups, per_group).transpose(1, 0, 2)


def _columns(xp: Any, padded: Any, kernel: Any, outputs: Any, stride: Any, dilation: Any) -> Any:
    """Return im2col of padded channels-last images, by strides: a matrix with one row for each window."""
    n, _, _, c = padded.shape
    image, row, column, channel = padded.strides
    (down, right), (far_down, far_right) = stride, dilation
    strides = (image, row * down, column * right, row * far_down, column * far_right, channel)
    windows = xp.lib.stride_tricks.as_strided(padded, (n, *outputs, *kernel, c), strides)
    return windows.reshape(-1, kernel[0] * kernel[1] * c)


CONV2D_INPUT_GRAD = Primitive("conv2d_input_grad", quiet(conv2d_input_grad_kernel), promote="same")
CONV2D_WEIGHT_GRAD = Primitive("conv2d_weight_grad", quiet(conv2d_weight_grad_kernel), promote="same")


# ---- pooling ---------------------------------------------------------------------------------------------------------


def _hits(xp: Any, x: Any, out: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Yield for each place of a window: the place, and where the window's first maximum lies there (N, OH, OW, C).

    NaN is larger than every number: of a window that holds one the first NaN counts. The padding, NaN as well because
    that equals nothing, never counts.
    """
    largest = out.transpose(0, 2, 3, 1)
    outputs = out.shape[2:]
    covered = reach(outputs, kernel_size, stride, dilation)
    padded = pad_images(xp, x, padding, covered, np.nan)
    free = xp.ones(largest.shape, bool)
    broken = largest.size and bool(xp.isnan(largest.max()))
    if broken:
        not_numbers = pad_images(xp, xp.isnan(x), padding, covered)
    for place in places(kernel_size):
        seen = tap(padded, place, outputs, stride, dilation)
        hit = seen == largest
        if broken:
            hit |= tap(not_numbers, place, outputs, stride, dilation)
        hit &= free
        free ^= hit
        yield place, hit


def max_pool2d_grad_kernel(xp, g, x, out, *, kernel_size, stride, padding, dilation, ceil_mode):
    """Return the gradient of the images: each window's g goes to its first maximum, and to nothing else."""
    n, c, *size = x.shape
    outputs = out.shape[2:]
    pixels = g.transpose(0, 2, 3, 1)
    canvas = padded_size(size, padding, reach(outputs, kernel_size, stride, dilation))
    received = xp.zeros((n, *canvas, c), g.dtype)
    disjoint = all(s > d * (k - 1) for s, d, k in zip(stride, dilation, kernel_size, strict=True))
    for place, hit in _hits(xp, x, out, kernel_size, stride, padding, dilation):
        spot = tap(received, place, outputs, stride, dilation)
        if disjoint:
            xp.multiply(pixels, hit, out=spot)
        else:
            spot += pixels * hit
    return _crop(xp, received, size, padding)


def max_pool2d_pick_kernel(xp, values, x, out, *, kernel_size, stride, padding, dilation, ceil_mode):
    """Return, for each window, the value that lies where x has its first maximum: the transpose of max_pool2d_grad."""
    outputs = out.shape[2:]
    padded = pad_images(xp, values, padding, reach(outputs, kernel_size, stride, dilation))
    picked = xp.zeros((len(x), *outputs, x.shape[1]), values.dtype)
    for place, hit in _hits(xp, x, out, kernel_size, stride, padding, dilation):
        picked += tap(padded, place, outputs, stride, dilation) * hit
    return picked.transpose(0, 3, 1, 2)


def avg_pool2d_grad_kernel(
    xp, g, *, size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    """Return the gradient of images of height and width `size`: every place of a window receives its share of g."""
    n, c, *outputs = g.shape
    share = g / window_counts(size, outputs, kernel_size, stride, padding, count_include_pad, divisor_override, g.dtype)
    pixels = share.transpose(0, 2, 3, 1)
    received = xp.zeros((n, *padded_size(size, padding, reach(outputs, kernel_size, stride)), c), g.dtype)
    for place in places(kernel_size):
        spot = tap(received, place, outputs, stride)
        spot += pixels
    return _crop(xp, received, size, padding)


def window_counts(size, outputs, kernel_size, stride, padding, count_include_pad, divisor_override, dtype):
    """Return by how much an average pooling divides: `divisor_override`, or an array (OH, OW), a number a window.

    With count_include_pad the zeros of the padding count, though not the rows that ceil_mode adds behind it, as in
    PyTorch.
    """
    if divisor_override is not None:
        return np.dtype(dtype).type(divisor_override)
    counts = []
    for length, number, k, s, p in zip(size, outputs, kernel_size, stride, padding, strict=True):
        first = np.arange(number) * s - p
        last = np.minimum(first + k, length + p)
        if not count_include_pad:
            first, last = np.maximum(first, 0), np.minimum(last, length)
        counts.append(last - first)
    return np.multiply.outer(*counts).astype(dtype)


def _crop(xp: Any, received: Any, size: Any, padding: Any) -> Any:
    """Return channels-last images without their padding, as (N, C, H, W)."""
    (top, left), (height, width) = padding, size
    inside = received[:, top : top + height, left : left + width]
    return xp.ascontiguousarray(inside).transpose(0, 3, 1, 2)


MAX_POOL2D_GRAD = Primitive("max_pool2d_grad", max_pool2d_grad_kernel)
MAX_POOL2D_PICK = Primitive("max_pool2d_pick", max_pool2d_pick_kernel)
AVG_POOL2D_GRAD = Primitive("avg_pool2d_grad", quiet(avg_pool2d_grad_kernel))


# ---- normalisation ---------------------------------------------------------------------------------------------------


def batch_norm_grad_kernel(xp, g, x, weight, mean, var, *, training, eps):
    """Return the gradients (dx, dweight, dbias) of a batch normalisation.

    With z = (x - mean)·rstd: dbias = Σ g, dweight = Σ g·z. In training the statistics depend on x as well, and
    dx = weight·rstd·(g - (dbias + z·dweight) / count). Ioffe and Szegedy, "Batch normalization", 2015.
    """
    gradients, rows = as_rows(xp, g), as_rows(xp, x)
    rstd = 1 / xp.sqrt(var + eps)
    dbias, dweight = xp.zeros_like(rstd), xp.zeros_like(rstd)
    for sent, block in row_blocks(gradients, rows):
        centred = block - mean
        centred *= sent
        dbias += column_sum(xp, sent)
        dweight += column_sum(xp, centred)
    dweight *= rstd
    scale = rstd if weight is None else rstd * weight
    out = xp.empty_like(rows)
    slope = -scale * rstd * dweight / len(rows)
    level = -scale * dbias / len(rows)
    for sent, block, target in row_blocks(gradients, rows, out):
        xp.multiply(sent, scale, out=target)
        if training:
            centred = block - mean
            centred *= slope
            centred += level
            target += centred
    return from_rows(xp, out, x.shape), dweight, dbias


def batch_norm_grad_in_tensors(g, x, weight, mean, var, *, training, eps):
    """The same in Tensors. In training the statistics are computed anew, because they depend on x."""
    axes = (0, *range(2, x.ndim))
    per_channel = (1, x.shape[1]) + (1,) * (x.ndim - 2)
    if training:
        centred = x - x.mean(axes, keepdim=True)
        rstd = ((centred * centred).mean(axes, keepdim=True) + eps) ** -0.5
    else:
        centred, rstd = x - mean.reshape(per_channel), ((var + eps) ** -0.5).reshape(per_channel)
    z = centred * rstd
    scaled = g if weight is None else g * weight.reshape(per_channel)
    dx = scaled * rstd
    if training:
        dx = rstd * (scaled - scaled.mean(axes, keepdim=True) - z * (scaled * z).mean(axes, keepdim=True))
    return dx, (g * z).sum(axes), g.sum(axes)


def layer_norm_grad_kernel(xp, g, x, weight, mean, rstd, *, normalized_ndim, eps):
    """Return the gradients (dx, dweight, dbias) of a layer normalisation over the last `normalized_ndim` axes."""
    shape = x.shape[x.ndim - normalized_ndim :]
    sent, z = g.reshape(-1, _size(shape)), x.reshape(-1, _size(shape)) - mean.reshape(-1, 1)
    z *= rstd.reshape(-1, 1)
    dweight, dbias = column_sum(xp, sent * z).reshape(shape), column_sum(xp, sent).reshape(shape)
    scaled = sent if weight is None else sent * weight.reshape(-1)
    share = (scaled * z).mean(axis=1, keepdims=True)
    z *= -share
    z += scaled
    z -= scaled.mean(axis=1, keepdims=True)
    z *= rstd.reshape(-1, 1)
    return z.reshape(x.shape), dweight, dbias


def layer_norm_grad_in_tensors(g, x, weight, mean, rstd, *, normalized_ndim, eps):
    """The same in Tensors; the statistics are computed anew, because they depend on x."""
    axes = tuple(range(x.ndim - normalized_ndim, x.ndim))
    centred = x - x.mean(axes, keepdim=True)
    rstd = ((centred * centred).mean(axes, keepdim=True) + eps) ** -0.5
    z = centred * rstd
    scaled = g if weight is None else g * weight
    dx = rstd * (scaled - scaled.mean(axes, keepdim=True) - z * (scaled * z).mean(axes, keepdim=True))
    return dx, sum_in_front(g * z, normalized_ndim), sum_in_front(g, normalized_ndim)


def sum_in_front(x: Any, kept: int) -> Any:
    """Return the sum of a Tensor over all axes but the last `kept`."""
    return x.unsqueeze(0).sum(tuple(range(x.ndim + 1 - kept)))


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


BATCH_NORM_GRAD = Primitive(
    "batch_norm_grad",
    quiet(batch_norm_grad_kernel),
    outputs=("dx", "dweight", "dbias"),
    promote="same",
    decompose=batch_norm_grad_in_tensors,
)
LAYER_NORM_GRAD = Primitive(
    "layer_norm_grad",
    quiet(layer_norm_grad_kernel),
    outputs=("dx", "dweight", "dbias"),
    promote="same",
    decompose=layer_norm_grad_in_tensors,
)
