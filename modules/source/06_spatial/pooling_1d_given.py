"""Pooling of sequences, and adaptive maxima: a sequence is an image of one row."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.given.pooling import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    MaxPool2d,
    adaptive_avg_pool2d,
    avg_pool2d,
    max_pool2d,
    wanted_cells,
)
from tinytorch.given.spatial_layout import each_batch, refuse_indices, single

#| face nn.functional: max_pool1d, avg_pool1d, adaptive_avg_pool1d, adaptive_max_pool1d, adaptive_max_pool2d
#| face nn: MaxPool1d, AvgPool1d, AdaptiveAvgPool1d, AdaptiveMaxPool1d, AdaptiveMaxPool2d


@each_batch(3)
def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the maximum of each window of sequences (N, C, L); the stride is the kernel's size unless given."""
    refuse_indices(return_indices, "max_pool1d")
    k, s = single(kernel_size, "kernel_size"), single(kernel_size if stride is None else stride, "stride")
    around, d = single(padding, "padding", least=0), single(dilation, "dilation")
    return max_pool2d(input.unsqueeze(-2), (1, k), (1, s), (0, around), (1, d), ceil_mode).squeeze(-2)


@each_batch(3)
def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Return the mean of each window of sequences (N, C, L); the stride is the kernel's size unless given."""
    k, s = single(kernel_size, "kernel_size"), single(kernel_size if stride is None else stride, "stride")
    around = single(padding, "padding", least=0)
    return avg_pool2d(input.unsqueeze(-2), (1, k), (1, s), (0, around), ceil_mode, count_include_pad).squeeze(-2)


@each_batch(3)
def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Return averages over `output_size` cells of sequences (N, C, L); see `adaptive_avg_pool2d`."""
    (cells,) = wanted_cells(output_size, input.shape[2:])
    return adaptive_avg_pool2d(input.unsqueeze(-2), (1, cells)).squeeze(-2)


@each_batch(4)
def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return maxima over a grid of output_size (rows, columns) cells; None keeps the size of that axis.

    The cells are those of `adaptive_avg_pool2d`. Of equal maxima the first receives the gradient.
    """
    refuse_indices(return_indices, "adaptive_max_pool2d")
    size = input.shape[2:]
    cells = wanted_cells(output_size, size)
    if all(size) and not any(n % c for n, c in zip(size, cells, strict=True)):
        return max_pool2d(input, tuple(n // c for n, c in zip(size, cells, strict=True)))
    rows, columns = (_cells(n, c) for n, c in zip(size, cells, strict=True))
    across = input[:, :, :, columns].max(-1)[0]                 # (N, C, H, cells of a row)
    return across[:, :, rows].max(3)[0]


def _cells(length: int, cells: int) -> np.ndarray:
    """Return the places of each cell, (cells, longest); a shorter cell names its last place more than once."""
    start = np.arange(cells) * length // cells
    stop = -(-(np.arange(cells) + 1) * length // cells)
    return np.minimum(start[:, None] + np.arange((stop - start).max()), stop[:, None] - 1)


@each_batch(3)
def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return maxima over `output_size` cells of sequences (N, C, L); see `adaptive_max_pool2d`."""
    refuse_indices(return_indices, "adaptive_max_pool1d")
    (cells,) = wanted_cells(output_size, input.shape[2:])
    return adaptive_max_pool2d(input.unsqueeze(-2), (1, cells)).squeeze(-2)


class MaxPool1d(MaxPool2d):
    """The maximum of each window of sequences. See `max_pool1d`."""

    pool = staticmethod(max_pool1d)


class AvgPool1d(AvgPool2d):
    """The mean of each window of sequences. See `avg_pool1d`."""

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        step = single(kernel_size if stride is None else stride, "stride")
        window, around = single(kernel_size, "kernel_size"), single(padding, "padding", least=0)
        super().__init__((window,), (step,), (around,), ceil_mode, count_include_pad)

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled sequences."""
        return avg_pool1d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """Averages over `output_size` cells, whatever the length of the sequences."""

    def forward(self, x: Tensor) -> Tensor:
        """Return sequences of length `output_size`."""
        return adaptive_avg_pool1d(x, self.output_size)


class AdaptiveMaxPool2d(Module):
    """Maxima over a grid of `output_size` cells, whatever the size of the images."""

    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__()
        refuse_indices(return_indices, type(self).__name__)
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """Return images of size `output_size`."""
        return adaptive_max_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        """Return the setting, for `print(model)`."""
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(AdaptiveMaxPool2d):
    """Maxima over `output_size` cells, whatever the length of the sequences."""

    def forward(self, x: Tensor) -> Tensor:
        """Return sequences of length `output_size`."""
        return adaptive_max_pool1d(x, self.output_size)
