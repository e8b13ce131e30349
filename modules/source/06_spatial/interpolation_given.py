"""Images of another size: each number of the result is a weighted sum of one, two or four numbers along each axis.

The axes are independent of each other, so they are resampled one after the other, by one primitive. Its gradient is
its transpose, and the reverse. Where a place of the result lies between those of the input is as in PyTorch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, Primitive, ShapeError, TinyTorchError
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.pooling import adaptive_avg_pool2d
from tinytorch.given.pooling_1d import adaptive_avg_pool1d
from tinytorch.given.settings import number, one_of
from tinytorch.given.silence import quiet
from tinytorch.given.spatial_layout import several

#| face nn.functional: interpolate, upsample
#| face nn: Upsample, UpsamplingNearest2d, UpsamplingBilinear2d

KINDS = {"nearest": "nearest", "nearest-exact": "nearest-exact", "linear": "linear", "bilinear": "linear",
         "bicubic": "cubic"}
AXES = {"nearest": (1, 2), "nearest-exact": (1, 2), "area": (1, 2), "linear": (1,), "bilinear": (2,), "bicubic": (2,)}
SHARPNESS = -0.75             # of the cubic curve; Keys, "Cubic convolution interpolation", 1981, with PyTorch's number


def resample_kernel(xp, x, *, dim, size, kind, align_corners, scale):
    """Return x with `size` places along `dim`."""
    return _gathered(xp, x, dim, taps(x.shape[dim], size, kind, align_corners, scale))


def resample_grad_kernel(xp, g, *, dim, length, size, kind, align_corners, scale):
    """Return the gradient of the input, `length` places along `dim`: each place the weighted sum of what it gave to."""
    return _gathered(xp, g, dim, reversed_taps(length, size, kind, align_corners, scale))


def _gathered(xp: Any, x: Any, dim: int, pairs: tuple) -> Any:
    """Return the sum over the pairs (places, weights) of weights · x[places], along one axis."""
    out = None
    for places, weights in pairs:
        part = xp.take(x, xp.asarray(places), axis=dim)
        if weights is not None:
            part *= xp.asarray(weights, dtype=x.dtype).reshape((-1,) + (1,) * (x.ndim - dim - 1))
        out = part if out is None else xp.add(out, part, out=out)
    return out


RESAMPLE = Primitive("resample", quiet(resample_kernel))
RESAMPLE_GRAD = Primitive("resample_grad", quiet(resample_grad_kernel))


@lru_cache(maxsize=64)
def taps(length: int, size: int, kind: str, align_corners: bool, scale: float) -> tuple:
    """Return pairs (places, weights): the result is the sum over the pairs of weights · input[places].

    length, size: places along the axis before and after. scale: how far apart two neighbours of the result lie in the
    input, 0 for length / size. weights None: 1. Places rise.
    """
    step = np.float32(scale or length / size)
    result = np.arange(size)
    if kind == "nearest":
        return ((_inside(np.floor(result * step), length), None),)
    if kind == "nearest-exact":
        return ((_inside(np.floor((result + np.float32(0.5)) * step), length), None),)
    if align_corners:
        positions = result * ((length - 1) / (size - 1) if size > 1 else 0.0)
    else:
        positions = (result + 0.5) * (scale or length / size) - 0.5
    if kind == "linear":
        positions = np.maximum(positions, 0.0)
    before = np.floor(positions)
    rest = positions - before
    if kind == "linear":
        after = _inside(before + 1, length)
        return (_inside(before, length), 1 - rest), (after, rest)
    return tuple((_inside(before + i, length), _cubic(np.abs(rest - i))) for i in (-1, 0, 1, 2))


@lru_cache(maxsize=64)
def reversed_taps(length: int, size: int, kind: str, align_corners: bool, scale: float) -> tuple:
    """Return pairs (places, weights) that do the reverse: from the result's gradient to that of the input.

    The places of `taps` rise, so what one place of the input gave to is a run in the result. Pair j holds the j-th of
    every run, with weight 0 where the run is shorter.
    """
    pairs = []
    for places, weights in taps(length, size, kind, align_corners, scale):
        start, stop = (np.searchsorted(places, np.arange(length), side) for side in ("left", "right"))
        weights = np.ones(size) if weights is None else weights
        for j in range((stop - start).max()):
            place = np.clip(start + j, 0, size - 1)
            pairs.append((place, np.where(start + j < stop, weights[place], 0.0)))
    return tuple(pairs)


def _inside(places: np.ndarray, length: int) -> np.ndarray:
    return np.clip(places, 0, length - 1).astype(np.int64)


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Return the weight of a neighbour at this distance, from 0 to 2."""
    a, near = SHARPNESS, ((SHARPNESS + 2) * distance - (SHARPNESS + 3)) * distance * distance + 1
    return np.where(distance <= 1, near, ((distance - 5) * distance + 8) * distance * a - 4 * a)


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Return sequences (N, C, L) or images (N, C, H, W) of another size.

    size or scale_factor: a number, or one for each axis; with scale_factor the size is rounded down. mode: "nearest",
    "nearest-exact" and "area" for both, "linear" for sequences, "bilinear" and "bicubic" for images. align_corners
    (linear, bilinear, bicubic): whether the centres of the corner pixels coincide, or the corners of these pixels.
    recompute_scale_factor: measure with the rounded size instead of the given factor.
    """
    one_of(mode, "interpolate's mode", tuple(AXES))
    axes = expect_tensor(input, "interpolate").ndim - 2
    if axes not in AXES[mode]:
        shapes = " or ".join({1: "(N, C, L)", 2: "(N, C, H, W)"}[n] for n in AXES[mode])
        raise ShapeError(f"interpolate: expected an input of shape {shapes} for mode={mode!r}, found {input.shape}.")
    if align_corners is not None and ("nearest" in mode or mode == "area"):
        raise TinyTorchError(f"interpolate: expected no align_corners with mode={mode!r}, found {align_corners!r}.")
    if antialias:
        raise TinyTorchError("interpolate: expected antialias=False, found True, which is not offered.")
    wanted, scales = _sizes(input, size, scale_factor, recompute_scale_factor)
    if 0 in input.shape[2:]:
        raise ShapeError(f"interpolate: expected at least one place along each axis, found shape {input.shape}.")
    if mode == "area":
        return adaptive_avg_pool1d(input, wanted) if axes == 1 else adaptive_avg_pool2d(input, wanted)
    if "nearest" not in mode and input.dtype.kind != "f":
        input = input.float()
    for axis, (places, scale) in enumerate(zip(wanted, scales, strict=True), start=2):
        input = RESAMPLE(
            input, dim=axis, size=places, kind=KINDS[mode], align_corners=bool(align_corners), scale=scale
        )
    return input


def _sizes(input: Any, size: Any, scale_factor: Any, recompute: bool | None) -> tuple[tuple, tuple]:
    """Return the size of the result along each axis, and the step in the input (0 if the sizes say it)."""
    lengths = input.shape[2:]
    if (size is None) == (scale_factor is None):
        raise DTypeError(f"interpolate: expected either size or scale_factor, found {size!r} and {scale_factor!r}.")
    if size is not None:
        if recompute:
            raise DTypeError("interpolate: expected recompute_scale_factor only with a scale_factor, found size.")
        return several(size, len(lengths), "interpolate's size"), (0.0,) * len(lengths)
    factors = scale_factor if isinstance(scale_factor, tuple | list) else (scale_factor,) * len(lengths)
    if len(factors) != len(lengths):
        raise ShapeError(f"interpolate: expected {len(lengths)} scale factors for {input.shape}, found {scale_factor}.")
    factors = tuple(number(factor, "interpolate's scale_factor", low=0) for factor in factors)
    wanted = tuple(int(n * factor) for n, factor in zip(lengths, factors, strict=True))
    if min(wanted) < 1:
        raise ShapeError(f"interpolate: expected a result of at least one place, found {wanted} for {input.shape}.")
    return wanted, (0.0,) * len(lengths) if recompute else tuple(1 / factor for factor in factors)


def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Any:
    """Return `interpolate` of the input: an older name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


class Upsample(Module):
    """Sequences or images of another size; see `interpolate`."""

    def __init__(
        self, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__()
        self.size = tuple(size) if isinstance(size, list) else size
        factors = tuple(map(float, scale_factor)) if isinstance(scale_factor, tuple | list) else scale_factor
        self.scale_factor = float(factors) if isinstance(factors, int | float) and factors else factors
        self.mode, self.align_corners, self.recompute_scale_factor = mode, align_corners, recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Return the input in the other size."""
        how = self.mode, self.align_corners, self.recompute_scale_factor
        return interpolate(input, self.size, self.scale_factor, *how)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        size = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{size}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Images made larger by repeating pixels."""

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Images made larger by bilinear interpolation, the centres of the corner pixels staying where they are."""

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, "bilinear", align_corners=True)
