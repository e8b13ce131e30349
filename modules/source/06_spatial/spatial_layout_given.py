"""How images lie in memory here, and the arithmetic of windows over them.

A batch of images has shape (N, C, H, W), as in PyTorch. Its *memory* may be ordered otherwise: here kernels keep the
channels of one pixel together (channels-last: N, H, W, C) and hand out a transposed view. A window of a convolution
then copies in long runs, and a normalisation reads whole rows. An array that arrives in another order is copied once.

Work goes in blocks that fit into the processor's cache: a block is still there when the next step reads it.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError
from tinytorch.given.arguments import expect_tensor

BLOCK_BYTES = 1 << 20  # about what stays in a core's L2 cache
ROWS_PER_BLOCK = 4096

Pair = tuple[int, int]


# ---- arguments ------------------------------------------------------------------------------------------------------


def several(value: Any, count: int, what: str, least: int = 1) -> tuple[int, ...]:
    """Return an int, or one for each of `count` axes, as a tuple; `least` is the smallest value allowed."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * count
    if len(values) != count or not all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in values):
        counted = _COUNTED.get(count, f"{count} ints")
        raise DTypeError(f"Expected {what} to be an int or {counted}, found {value!r}.")
    if min(values) < least:
        raise ShapeError(f"Expected {what} of at least {least}, found {value!r}.")
    return tuple(int(v) for v in values)


_COUNTED = {1: "a tuple of one int", 2: "a pair of ints"}


def pair(value: Any, what: str, least: int = 1) -> Pair:
    """Return an int, or two of them (rows, columns), as a pair; `least` is the smallest value allowed."""
    rows, columns = several(value, 2, what, least)
    return rows, columns


def single(value: Any, what: str, least: int = 1) -> int:
    """Return an int, or a tuple of one, as an int: a setting of an operation on sequences."""
    return several(value, 1, what, least)[0]


def each_batch(axes: int) -> Callable:
    """Return a decorator: the function, whose first argument is a batch, also takes one example without the batch axis.

    axes: how many axes a batch has: 3 for sequences (N, C, L), 4 for images (N, C, H, W). Others are refused.
    """
    shape = {3: "(N, C, L) or (C, L)", 4: "(N, C, H, W) or (C, H, W)"}[axes]

    def decorate(function: Callable) -> Callable:
        @wraps(function)
        def with_batch(input: Any, *args: Any, **kwargs: Any) -> Any:
            if expect_tensor(input, function.__name__).ndim == axes:
                return function(input, *args, **kwargs)
            if input.ndim != axes - 1:
                raise ShapeError(f"{function.__name__}: expected an input of shape {shape}, found {input.shape}.")
            return function(input.unsqueeze(0), *args, **kwargs).squeeze(0)

        return with_batch

    return decorate


def check_convolution(name: str, x: Any, weight: Any, bias: Any, groups: int) -> None:
    """Refuse a batch, weights (out, in / groups, …) and a bias whose axes or channels do not fit each other."""
    if expect_tensor(weight, f"{name}'s weight").ndim != x.ndim:
        sizes = {3: "k", 4: "kH, kW"}[x.ndim]
        raise ShapeError(f"{name}: expected a weight of shape (out, in / groups, {sizes}), found {weight.shape}.")
    if single(groups, "groups") and weight.shape[0] % groups:
        raise ShapeError(
            f"{name}: expected out_channels divisible by groups, found {weight.shape[0]} and groups={groups}."
        )
    if x.shape[1] != weight.shape[1] * groups:
        raise ShapeError(
            f"{name}: expected an input with {weight.shape[1] * groups} channels (weight {weight.shape}, "
            f"groups={groups}), found {x.shape[1]} in shape {x.shape}."
        )
    check_bias(name, bias, weight.shape[0])


def check_bias(name: str, bias: Any, channels: int) -> None:
    """Refuse a bias that has not one number for each output channel."""
    if bias is not None and expect_tensor(bias, f"{name}'s bias").shape != (channels,):
        raise ShapeError(f"{name}: expected a bias of shape ({channels},), one number a channel, found {bias.shape}.")


def refuse_indices(return_indices: bool, name: str) -> None:
    """Refuse return_indices=True: no operation here could use them."""
    if return_indices:
        raise TinyTorchError(f"{name}: expected return_indices=False, found True: only the maxima are returned.")


def check_pooling(name: str, x: Any, kernel_size: Pair, padding: Pair, dilation: Pair = (1, 1)) -> None:
    """Refuse windows larger than the padded images, and padding so wide that a window could lie in it entirely."""
    if any(2 * p > k for p, k in zip(padding, kernel_size, strict=True)):
        raise ShapeError(f"{name}: expected padding of at most half of kernel_size={kernel_size}, found {padding}.")
    spans = (d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True))
    if any(span > n + 2 * p for span, n, p in zip(spans, x.shape[2:], padding, strict=True)):
        raise ShapeError(
            f"{name}: expected images of at least the window's size, found {x.shape} with kernel_size={kernel_size}, "
            f"dilation={dilation}, padding={padding}."
        )


def check_batch_norm(x: Any, mean: Any, var: Any, weight: Any, bias: Any, training: bool) -> None:
    """Refuse what cannot be normalised per channel."""
    if expect_tensor(x, "batch_norm").ndim < 2:
        raise ShapeError(f"batch_norm: expected an input of shape (N, C, …), found {x.shape}.")
    expected = (x.shape[1],)
    for name, value in (("running_mean", mean), ("running_var", var), ("weight", weight), ("bias", bias)):
        if value is not None and expect_tensor(value, f"batch_norm's {name}").shape != expected:
            raise ShapeError(
                f"batch_norm: expected {name} of shape {expected} for input {x.shape}, found {value.shape}."
            )
    if not training and (mean is None or var is None):
        raise ShapeError("batch_norm: expected running_mean and running_var outside of training, found None.")
    if training and x.numel() <= x.shape[1]:
        raise ShapeError(
            f"batch_norm: expected more than one value per channel in training, found input {x.shape}: "
            "use a larger batch, or model.eval()."
        )


def per_channel(x: Any, *others: Any, **settings: Any) -> bool:
    """Return whether a batch normalisation of these is certain to succeed: one number a channel, all of x's dtype."""
    return all(t is None or (t.shape == x.shape[1:2] and t.dtype == x.dtype) for t in others)


# ---- windows --------------------------------------------------------------------------------------------------------


def outputs_of(
    size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool = False
) -> Pair:
    """Return how many windows fit, along rows and columns; in ceil_mode an incomplete step at the end counts too.

    A window that would begin behind the images and their padding in front does not count.
    """
    counts = []
    for n, k, s, p, d in zip(size, kernel_size, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        count = (-(-room // s) if ceil_mode else room // s) + 1
        counts.append(count - 1 if ceil_mode and (count - 1) * s >= n + p else count)
    return counts[0], counts[1]


def reach(outputs: Pair, kernel_size: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Pair:
    """Return the rows and columns that the windows of `outputs` places cover, from the first to the last."""
    rows, columns = (
        (n - 1) * s + d * (k - 1) + 1 for n, k, s, d in zip(outputs, kernel_size, stride, dilation, strict=True)
    )
    return rows, columns


def padded_size(size: Pair, padding: Pair, covered: Pair) -> Pair:
    """Return the size of images with `padding` in front, and behind as much as windows that reach to `covered` need."""
    rows, columns = (max(n + p, c) for n, p, c in zip(size, padding, covered, strict=True))
    return rows, columns


def pad_images(xp: Any, x: Any, padding: Pair, covered: Pair, value: float = 0) -> Any:
    """Return x (N, C, H, W) as a channels-last array (N, H', W', C), `value` around the images; see `padded_size`."""
    n, c, *size = x.shape
    (top, left), (rows, columns) = padding, padded_size(tuple(size), padding, covered)
    pixels = x.transpose(0, 2, 3, 1)
    if [rows, columns] == size:
        return xp.ascontiguousarray(pixels)
    padded = xp.full((n, rows, columns, c), value, x.dtype)
    padded[:, top : top + size[0], left : left + size[1]] = pixels
    return padded


def tap(padded: Any, place: Pair, outputs: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Any:
    """Return the view (N, OH, OW, C) of what every window sees at `place` (row, column inside of the window)."""
    rows, columns = (
        slice(i * d, i * d + (n - 1) * s + 1, s) for i, n, s, d in zip(place, outputs, stride, dilation, strict=True)
    )
    return padded[:, rows, columns]


def places(kernel_size: Pair) -> Iterator[Pair]:
    """Yield (row, column) of each place inside of a window, in reading order."""
    return ((i, j) for i in range(kernel_size[0]) for j in range(kernel_size[1]))


def image_blocks(images: int, bytes_per_image: int) -> Iterator[slice]:
    """Yield slices over the images whose work fits into the cache together; at least one image each."""
    step = max(1, BLOCK_BYTES // max(bytes_per_image, 1))
    return (slice(start, min(start + step, images)) for start in range(0, images, step))


# ---- rows: one row a pixel, one column a channel ------------------------------------------------------------------


def as_rows(xp: Any, x: Any) -> Any:
    """Return x (N, C) or (N, C, …) as a matrix with one column a channel; a view if x is channels-last in memory."""
    return xp.ascontiguousarray(xp.moveaxis(x, 1, -1)).reshape(-1, x.shape[1])


def from_rows(xp: Any, rows: Any, shape: tuple[int, ...]) -> Any:
    """Return the matrix of `as_rows` as a view of the original shape."""
    return xp.moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1)


def row_blocks(*matrices: Any) -> Iterator[Any]:
    """Yield blocks of rows: of one matrix the block, of several a tuple of blocks."""
    for start in range(0, len(matrices[0]), ROWS_PER_BLOCK):
        blocks = tuple(m[start : start + ROWS_PER_BLOCK] for m in matrices)
        yield blocks if len(blocks) > 1 else blocks[0]


def column_sum(xp: Any, block: Any) -> Any:
    """Return the sum of each column: ones @ block, which is many times faster than a sum along the first axis."""
    return xp.ones(len(block), block.dtype) @ block
