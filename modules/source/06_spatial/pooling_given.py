"""Pooling as functions and layers around the kernel that module 06 teaches; average pooling, the same with a sum."""

from typing import Any

import numpy as np

from tinytorch.core.engine import Primitive, primitive
from tinytorch.core.layers import Module
from tinytorch.core.tensor import from_array
from tinytorch.given.silence import quiet
from tinytorch.given.spatial_grads import window_counts
from tinytorch.given.spatial_layout import (
    check_pooling,
    each_batch,
    outputs_of,
    pad_images,
    pair,
    places,
    reach,
    refuse_indices,
    several,
    tap,
)

#| face nn.functional: max_pool2d, avg_pool2d, adaptive_avg_pool2d
#| face nn: MaxPool2d, AvgPool2d, AdaptiveAvgPool2d


def avg_pool2d_kernel(xp, x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """Return the mean of each window, (N, C, OH, OW), channels-last in memory."""
    outputs = outputs_of(x.shape[2:], kernel_size, stride, padding, (1, 1), ceil_mode)
    padded = pad_images(xp, x, padding, reach(outputs, kernel_size, stride))
    out = xp.zeros((len(x), *outputs, x.shape[1]), x.dtype)
    for place in places(kernel_size):
        out += tap(padded, place, outputs, stride)
    border = count_include_pad, divisor_override
    return out.transpose(0, 3, 1, 2) / window_counts(
        x.shape[2:], outputs, kernel_size, stride, padding, *border, x.dtype
    )


AVG_POOL2D = Primitive("avg_pool2d", quiet(avg_pool2d_kernel), promote="float")


@each_batch(4)
def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the maximum of each window of images (N, C, H, W); the stride is the kernel's size unless given."""
    kernel_size, stride = pair(kernel_size, "kernel_size"), pair(kernel_size if stride is None else stride, "stride")
    padding, dilation = pair(padding, "padding", least=0), pair(dilation, "dilation")
    refuse_indices(return_indices, "max_pool2d")
    check_pooling("max_pool2d", input, kernel_size, padding, dilation)
    return primitive("max_pool2d")(
        input, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
    )


@each_batch(4)
def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the mean of each window of images (N, C, H, W); the stride is the kernel's size unless given."""
    kernel_size, stride = pair(kernel_size, "kernel_size"), pair(kernel_size if stride is None else stride, "stride")
    padding = pair(padding, "padding", least=0)
    check_pooling("avg_pool2d", input, kernel_size, padding)
    return primitive("avg_pool2d")(
        input,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor_override=divisor_override,
    )


@each_batch(4)
def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Return averages over a grid of output_size (rows, columns) cells; None keeps the size of that axis.

    Cell i of n covers the rows from ⌊i·H/n⌋ to ⌈(i+1)·H/n⌉, so cells may overlap by one row, as in PyTorch.
    """
    size = input.shape[2:]
    cells = wanted_cells(output_size, size)
    if all(n % c == 0 for n, c in zip(size, cells, strict=True)):
        kernel_size = tuple(n // c for n, c in zip(size, cells, strict=True))
        return avg_pool2d(input, kernel_size)
    rows, columns = (_averages(n, c, input.dtype) for n, c in zip(size, cells, strict=True))
    return from_array(rows) @ input @ from_array(columns.T)


def wanted_cells(output_size: Any, size: tuple[int, ...]) -> tuple[int, ...]:
    """Return how many cells an adaptive pooling makes of each axis; None keeps the size of an axis."""
    wanted = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * len(size)
    if len(wanted) == len(size):
        wanted = tuple(n if w is None else w for w, n in zip(wanted, size, strict=True))
    return several(wanted, len(size), "output_size")


def _averages(length: int, cells: int, dtype: Any) -> np.ndarray:
    """Return the matrix (cells, length) whose row i averages over cell i."""
    start = np.arange(cells) * length // cells
    stop = -(-(np.arange(cells) + 1) * length // cells)
    places = np.arange(length)
    inside = (places >= start[:, None]) & (places < stop[:, None])
    return (inside / (stop - start)[:, None]).astype(dtype)


class MaxPool2d(Module):
    """The maximum of each window. See `max_pool2d`."""

    pool = staticmethod(max_pool2d)

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        refuse_indices(return_indices, type(self).__name__)
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.dilation, self.ceil_mode = dilation, ceil_mode

    def forward(self, x: Any) -> Any:
        """Return the pooled images."""
        return self.pool(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of each window. See `avg_pool2d`."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, x: Any) -> Any:
        """Return the pooled images."""
        border = self.ceil_mode, self.count_include_pad, self.divisor_override
        return avg_pool2d(x, self.kernel_size, self.stride, self.padding, *border)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """Averages over a grid of `output_size` cells, whatever the size of the images."""

    def __init__(self, output_size: Any):
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        """Return images of size `output_size`."""
        return adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        """Return the setting, for `print(model)`."""
        return f"output_size={self.output_size}"
