"""Rows of the convolutions of sequences, the transposed ones, and what is done with windows: pooling, fold."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.operations.cases import Case, distinct, real
from tests.operations.table import Edge, Operation, Refused
from tinytorch import DTypeError, ShapeError, TinyTorchError, ones
from tinytorch.nn import functional as F

NAN = float("nan")
HALF = {"float16": "float16"}
RNG = np.random.default_rng(31)


def made(*shapes: Any, fill: Any = None, layout: str = "contiguous", **settings: Any) -> Case:
    """A case of arrays of these shapes (None: no input), drawn once."""
    fill = real() if fill is None else fill
    return Case(tuple(None if s is None else fill(RNG, s) for s in shapes), settings, layout)


def several(value: Any, axes: int) -> tuple:
    return tuple(value) if isinstance(value, tuple) else (value,) * axes


# ---- references: loops over windows, in any number of axes -----------------------------------------------------------


def around(x: np.ndarray, padding: tuple, axes: int, value: float = 0.0) -> np.ndarray:
    widths = [(0, 0)] * (x.ndim - axes) + [p if isinstance(p, tuple) else (p, p) for p in padding]
    return np.pad(x, widths, constant_values=value)


def window(start: tuple, k: tuple, d: tuple) -> tuple:
    return (..., *(slice(s, s + dd * (kk - 1) + 1, dd) for s, kk, dd in zip(start, k, d, strict=True)))


def convolve(x, weight, bias, stride=1, padding=0, dilation=1, groups=1):
    axes, batch = weight.ndim - 2, x if x.ndim == weight.ndim else x[None]
    stride, dilation, k = several(stride, axes), several(dilation, axes), weight.shape[2:]
    if padding == "same":
        rest = [d * (n - 1) for d, n in zip(dilation, k, strict=True)]
        padding = tuple((r // 2, r - r // 2) for r in rest)
    wide = around(batch, several(0 if padding == "valid" else padding, axes), axes)
    spans = [d * (n - 1) + 1 for d, n in zip(dilation, k, strict=True)]
    size = [(n - span) // s + 1 for n, span, s in zip(wide.shape[2:], spans, stride, strict=True)]
    out = np.zeros((len(batch), len(weight), *size))
    inner, outer = weight.shape[1], len(weight) // groups
    for o, *place in np.ndindex(len(weight), *size):
        seen = wide[window(tuple(p * s for p, s in zip(place, stride, strict=True)), k, dilation)]
        seen = seen[:, o // outer * inner : (o // outer + 1) * inner]
        out[(slice(None), o, *place)] = (seen * weight[o]).sum(axis=tuple(range(1, seen.ndim)))
    out = out if bias is None else out + bias.reshape(-1, *(1,) * axes)
    return out if x.ndim == weight.ndim else out[0]


def transposed(x, weight, bias, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Every number of x adds its kernel, weighted, to the window that starts at its place times the stride."""
    axes, batch = weight.ndim - 2, x if x.ndim == weight.ndim else x[None]
    stride, padding, more, dilation = (several(v, axes) for v in (stride, padding, output_padding, dilation))
    k, inner, outer = weight.shape[2:], len(weight) // groups, weight.shape[1]
    full = [(n - 1) * s + d * (kk - 1) + 1 + m
            for n, s, d, kk, m in zip(batch.shape[2:], stride, dilation, k, more, strict=True)]
    out = np.zeros((len(batch), outer * groups, *full))
    for c, *place in np.ndindex(*batch.shape[1:]):
        group = slice(c // inner * outer, (c // inner + 1) * outer)
        spot = out[:, group][window(tuple(p * s for p, s in zip(place, stride, strict=True)), k, dilation)]
        spot += batch[(slice(None), c, *place)].reshape(-1, *(1,) * (axes + 1)) * weight[c]
    inside = tuple(slice(p, n - p) for p, n in zip(padding, full, strict=True))
    out = out[(..., *inside)]
    out = out if bias is None else out + bias.reshape(-1, *(1,) * axes)
    return out if x.ndim == weight.ndim else out[0]


def pooled(reduce, value, x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """`reduce` of each window of the last axis, the padding filled with `value`."""
    stride = kernel_size if stride is None else stride
    room = x.shape[-1] + 2 * padding - dilation * (kernel_size - 1) - 1
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    count -= ceil_mode and (count - 1) * stride >= x.shape[-1] + padding
    wide = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(padding, padding + stride)], constant_values=value)
    starts = [i * stride for i in range(count)]
    return np.stack([reduce(wide[..., s : s + dilation * (kernel_size - 1) + 1 : dilation], -1) for s in starts], -1)


def average(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    sums = pooled(np.sum, 0.0, x, kernel_size, stride, padding)
    inside = pooled(np.sum, 0.0, np.ones_like(x), kernel_size, stride, padding)
    return sums / (kernel_size if count_include_pad else inside)


def cells(reduce, x, output_size, axes):
    """`reduce` over ⌊i·L/n⌋ … ⌈(i+1)·L/n⌉ along each of the last axes."""
    for axis, n in zip(range(x.ndim - axes, x.ndim), several(output_size, axes), strict=True):
        length = x.shape[axis]
        bounds = [] if n is None else [(i * length // n, -(-(i + 1) * length // n)) for i in range(n)]
        if n is not None:
            x = np.stack([reduce(x.take(range(a, b), axis), axis) for a, b in bounds], axis)
    return x


def folded(columns, output_size, kernel_size, dilation=1, padding=0, stride=1):
    size, k, d, p, s = (several(v, 2) for v in (output_size, kernel_size, dilation, padding, stride))
    batch = columns if columns.ndim == 3 else columns[None]
    channels = batch.shape[1] // (k[0] * k[1])
    counts = [(n + 2 * pp - dd * (kk - 1) - 1) // ss + 1 for n, pp, dd, kk, ss in zip(size, p, d, k, s, strict=True)]
    out = np.zeros((len(batch), channels, size[0] + 2 * p[0], size[1] + 2 * p[1]))
    pieces = batch.reshape(len(batch), channels, *k, *counts)
    for i, j in np.ndindex(*counts):
        out[window((i * s[0], j * s[1]), k, d)] += pieces[..., i, j]
    out = out[:, :, p[0] : p[0] + size[0], p[1] : p[1] + size[1]]
    return out if columns.ndim == 3 else out[0]


POOLS = [
    made((2, 3, 7), fill=distinct(), kernel_size=2), made((3, 8), fill=distinct(), kernel_size=3, stride=2),
    made((1, 2, 6), fill=distinct(), kernel_size=3, stride=1, padding=1, layout="strided"),
    made((0, 2, 4), fill=distinct(), kernel_size=2),
]
ROWS = [
    Operation(
        name="nn.functional.conv1d", call=F.conv1d, reference=convolve, dtypes=HALF, primitives=("conv2d",),
        cases=[
            made((2, 3, 6), (4, 3, 3), (4,)), made((3, 5), (2, 3, 2), None, padding="valid", layout="reversed"),
            made((2, 4, 7), (4, 2, 3), (4,), stride=2, padding=2, dilation=2, groups=2, layout="transposed"),
            made((1, 2, 5), (2, 2, 4), None, padding="same"),
            made((2, 2, 5), (2, 2, 3), None, padding="same", dilation=2),
            made((0, 2, 5), (3, 2, 3), (3,)), made((2, 3, 1), (2, 3, 1), (2,)),
        ],
        errors=[
            Refused(lambda: F.conv1d(ones(5), ones(1, 1, 1)), ShapeError, r"conv1d: .*\(N, C, L\) or \(C, L\)"),
            Refused(lambda: F.conv1d(ones(1, 2, 5), ones(3, 2, 1, 1)), ShapeError,
                    "weight of shape .out, in / groups, k"),
            Refused(lambda: F.conv1d(ones(1, 2, 5), ones(3, 3, 2)), ShapeError, "3 channels .* found 2"),
            Refused(lambda: F.conv1d(ones(1, 2, 5), ones(3, 2, 2), ones(2)), ShapeError, r"bias of shape \(3,\)"),
            Refused(lambda: F.conv1d(ones(1, 2, 5), ones(3, 2, 2), stride="2"), DTypeError, "stride to be an int"),
            Refused(lambda: F.conv1d(ones(1, 2, 5), ones(3, 2, 2), stride=2, padding="same"), ShapeError, "stride 1"),
        ],
    ),
    Operation(
        name="nn.functional.conv_transpose1d", call=F.conv_transpose1d, reference=transposed, dtypes=HALF,
        primitives=("conv2d_input_grad",),
        cases=[
            made((2, 3, 4), (3, 2, 3), (2,)), made((3, 4), (3, 2, 2), None, stride=2, layout="strided"),
            made((1, 4, 3), (4, 3, 3), (6,), stride=3, padding=2, output_padding=2, groups=2, dilation=2),
            made((0, 2, 3), (2, 1, 2), (1,)),
        ],
        errors=[
            Refused(lambda: F.conv_transpose1d(ones(1, 2, 3), ones(3, 2, 2)), ShapeError,
                    "conv_transpose1d: .* 2 channels"),
            Refused(lambda: F.conv_transpose1d(ones(1, 3, 3), ones(3, 2, 2), groups=2), ShapeError,
                    "divisible by groups"),
        ],
    ),
    Operation(
        name="nn.functional.conv_transpose2d", call=F.conv_transpose2d, reference=transposed, dtypes=HALF,
        primitives=("conv2d_input_grad",),
        cases=[
            made((2, 3, 2, 3), (3, 2, 2, 3), (2,)), made((2, 2, 3), (2, 2, 1, 2), None, stride=2, layout="transposed"),
            made((1, 2, 3, 2), (2, 1, 4, 4), (1,), stride=2, padding=1),
            made((1, 4, 2, 2), (4, 1, 3, 2), (2,), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2,
                 dilation=(1, 2), layout="reversed"),
        ],
        errors=[
            Refused(lambda: F.conv_transpose2d(ones(1, 1, 2, 2), ones(1, 1, 2, 2), output_padding=1), ShapeError,
                    "output_padding smaller than stride"),
            Refused(lambda: F.conv_transpose2d(ones(1, 1, 1, 1), ones(1, 1, 2, 2), padding=1), ShapeError,
                    "less padding"),
            Refused(lambda: F.conv_transpose2d(ones(1, 1, 2, 2), ones(1, 2, 2, 2), ones(1)), ShapeError,
                    "bias of shape"),
        ],
    ),
    Operation(
        name="nn.functional.max_pool1d", call=F.max_pool1d, dtypes=HALF, primitives=("max_pool2d",),
        reference=lambda x, **settings: pooled(np.max, -np.inf, x, **settings),
        cases=[*POOLS, made((2, 9), fill=distinct(), kernel_size=2, stride=3, dilation=3, ceil_mode=True)],
        edges=[
            Edge([[[1.0, 1.0, 0.0, 2.0]]], [[1.0, 2.0]], [[[1.0, 0.0, 0.0, 1.0]]], {"kernel_size": 2}),
            Edge([[[NAN, 1.0, 3.0, NAN]]], [[NAN, NAN]], [[[1.0, 0.0, 0.0, 1.0]]], {"kernel_size": 2}),
        ],
        errors=[
            Refused(lambda: F.max_pool1d(ones(2, 3), 2, return_indices=True), TinyTorchError, "return_indices=False"),
            Refused(lambda: F.max_pool1d(ones(2, 3), 4), ShapeError, "at least the window's size"),
            Refused(lambda: F.max_pool1d(ones(2, 3), 2, padding=2), ShapeError, "at most half"),
        ],
    ),
    Operation(
        name="nn.functional.avg_pool1d", call=F.avg_pool1d, dtypes=HALF, reference=average, primitives=("avg_pool2d",),
        cases=[*POOLS, made((2, 6), kernel_size=4, stride=2, padding=2, count_include_pad=False)],
        errors=[Refused(lambda: F.avg_pool1d(ones(2, 3), (2, 2)), DTypeError, "a tuple of one int")],
    ),
    Operation(
        name="nn.functional.adaptive_avg_pool1d", call=F.adaptive_avg_pool1d, dtypes=HALF,
        reference=lambda x, output_size: cells(np.mean, x, output_size, 1),
        cases=[made((2, 3, 7), output_size=n) for n in (1, 3, 7, 9)] + [made((2, 6), output_size=3)],
        errors=[Refused(lambda: F.adaptive_avg_pool1d(ones(2, 3), 0), ShapeError, "output_size of at least 1")],
    ),
    Operation(
        name="nn.functional.adaptive_max_pool1d", call=F.adaptive_max_pool1d, dtypes=HALF,
        reference=lambda x, output_size: cells(np.max, x, output_size, 1),
        cases=[made((2, 3, 7), fill=distinct(), output_size=n) for n in (1, 3, 7, 9)],
        edges=[Edge([[[1.0, 1.0, 1.0]]], [[1.0, 1.0]], [[[1.0, 1.0, 0.0]]], {"output_size": 2})],
    ),
    Operation(
        name="nn.functional.adaptive_max_pool2d", call=F.adaptive_max_pool2d, dtypes=HALF,
        reference=lambda x, output_size: cells(np.max, x, output_size, 2),
        cases=[
            made((2, 2, 4, 5), fill=distinct(), output_size=2), made((2, 4, 6), fill=distinct(), output_size=(2, 3)),
            made((1, 2, 3, 5), fill=distinct(), output_size=(None, 7), layout="transposed"),
        ],
        errors=[
            Refused(lambda: F.adaptive_max_pool2d(ones(1, 2, 2), 1, True), TinyTorchError, "return_indices=False"),
            Refused(lambda: F.adaptive_max_pool2d(ones(1, 2, 2), (1, 2, 3)), DTypeError, "a pair of ints"),
        ],
    ),
    Operation(
        name="nn.functional.fold", call=F.fold, dtypes=HALF, reference=folded, primitives=("unfold_grad",),
        cases=[
            made((2, 12, 6), output_size=(3, 4), kernel_size=(2, 2)),
            made((4, 4), output_size=4, kernel_size=2, stride=2),
            made((1, 8, 9), output_size=(5, 6), kernel_size=2, dilation=2, padding=1, stride=(2, 2), layout="strided"),
        ],
        errors=[Refused(lambda: F.fold(ones(1, 4, 5), 3, 2), ShapeError, r"fold: .* with 2·2 windows")],
    ),
]
