"""Padding: numbers, mirror images, edges or the other end of an axis put around a tensor; as function and as layers.

Constant padding is a primitive. The other modes are slices joined to the tensor, and have their gradients from that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinytorch.core.engine import DTypeError, Primitive, ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor, cat
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.settings import number, one_of
from tinytorch.given.spatial_layout import several

#| face nn.functional: pad
#| face nn: ConstantPad1d, ConstantPad2d, ZeroPad1d, ZeroPad2d
#| face nn: ReflectionPad1d, ReflectionPad2d, ReplicationPad1d, ReplicationPad2d, CircularPad1d, CircularPad2d

MODES = ("constant", "reflect", "replicate", "circular")


def pad_kernel(xp, x, *, widths, value):
    """Return x with `widths[i] = (before, after)` places of `value` around axis i; negative widths cut."""
    kept = x[
        tuple(slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in zip(x.shape, widths, strict=True))
    ]
    added = [(max(before, 0), max(after, 0)) for before, after in widths]
    out = xp.full([n + before + after for n, (before, after) in zip(kept.shape, added, strict=True)], value, x.dtype)
    out[tuple(slice(before, before + n) for n, (before, _) in zip(kept.shape, added, strict=True))] = kept
    return out


PAD = Primitive("pad", pad_kernel)


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Return `input` with something around it.

    pad: (before, after) for the last axis, then for the one before it, and so on; negative numbers cut. mode:
    "constant" puts `value` (0) there; "reflect" the mirror image, the edge not repeated; "replicate" the edge;
    "circular" what lies at the other end.
    """
    one_of(mode, "pad's mode", MODES)
    widths = _widths(expect_tensor(input, "pad"), pad)
    if mode == "constant":
        return PAD(input, widths=widths, value=0 if value is None else number(value, "pad's value"))
    if value is not None:
        raise DTypeError(f'pad: expected a value only with mode="constant", found {value!r} with mode={mode!r}.')
    if any(min(width) < 0 for width in widths):
        input = PAD(input, widths=tuple((min(before, 0), min(after, 0)) for before, after in widths), value=0)
    for axis, (before, after) in enumerate(widths):
        if before > 0 or after > 0:
            input = _extended(input, axis, max(before, 0), max(after, 0), mode)
    return input


def _widths(input: Any, pad: Any) -> tuple[tuple[int, int], ...]:
    """Return (before, after) for each axis."""
    if not isinstance(pad, tuple | list) or len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ShapeError(f"pad: expected (before, after) for at most {input.ndim} axes, found {pad!r}.")
    sizes = several(tuple(pad), len(pad), "pad", least=-(2**62)) if pad else ()
    widths = [(0, 0)] * (input.ndim - len(sizes) // 2)
    widths += [(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 2, -1, -2)]
    for size, (before, after) in zip(input.shape, widths, strict=True):
        if size + before + after < 0 or min(before, after) < -size:
            raise ShapeError(f"pad: cannot cut {tuple(pad)} from shape {input.shape}; sizes must not fall below 0.")
    return tuple(widths)


def _extended(x: Any, axis: int, before: int, after: int, mode: str) -> Any:
    """Return x with `before` and `after` places more along one axis."""
    size, ahead = x.shape[axis], (slice(None),) * axis
    most = {"reflect": size - 1, "circular": size, "replicate": max(before, after) if size else 0}[mode]
    if max(before, after) > most:
        raise ShapeError(
            f"pad: expected at most {most} more places on either side of axis {axis} of {x.shape} with mode={mode!r}, "
            f"found {before} and {after}."
        )
    if mode == "replicate":
        first, last = x[(*ahead, slice(0, 1))], x[(*ahead, slice(size - 1, size))]
        pieces = [_stretched(first, axis, before), x, _stretched(last, axis, after)]
    elif mode == "circular":
        pieces = [x[(*ahead, slice(size - before, size))], x, x[(*ahead, slice(0, after))]]
    else:
        mirrored = slice(size - 2, size - 2 - after if after < size - 1 else None, -1)
        pieces = [x[(*ahead, slice(before, 0, -1))], x, x[(*ahead, mirrored)]]
    return cat([piece for piece in pieces if piece.shape[axis]], dim=axis)


def _stretched(edge: Any, axis: int, count: int) -> Any:
    return edge.expand(*edge.shape[:axis], count, *edge.shape[axis + 1 :])


class Padding(Module):
    """Padding as a layer. A subclass says for how many axes, and how.

    padding: an int for all sides, or (before, after) of the last axis, then of the one before it.
    """

    features: int
    mode: str

    def __init__(self, padding: Any):
        super().__init__()
        self.padding = several(padding, 2 * self.features, f"{type(self).__name__}'s padding", least=-(2**62))

    def forward(self, input: Tensor) -> Tensor:
        """Return the padded input."""
        axes = expect_tensor(input, type(self).__name__).ndim
        if axes not in (self.features + 1, self.features + 2):
            shape = {1: "(N, C, L) or (C, L)", 2: "(N, C, H, W) or (C, H, W)"}[self.features]
            raise ShapeError(f"{type(self).__name__}: expected an input of shape {shape}, found {input.shape}.")
        return pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """Return the widths, for `print(model)`."""
        return f"{self.padding}"


class ConstantPad1d(Padding):
    """Sequences (N, C, L) with `value` around them."""

    features, mode = 1, "constant"

    def __init__(self, padding: Any, value: float):
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Return the padded input."""
        return pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """Images (N, C, H, W) with `value` around them."""

    features = 2


class ZeroPad1d(Padding):
    """Sequences (N, C, L) with zeros around them."""

    features, mode = 1, "constant"


class ZeroPad2d(ZeroPad1d):
    """Images (N, C, H, W) with zeros around them."""

    features = 2


class ReflectionPad1d(Padding):
    """Sequences (N, C, L) with their mirror image around them."""

    features, mode = 1, "reflect"


class ReflectionPad2d(ReflectionPad1d):
    """Images (N, C, H, W) with their mirror image around them."""

    features = 2


class ReplicationPad1d(Padding):
    """Sequences (N, C, L) with their first and last number around them."""

    features, mode = 1, "replicate"


class ReplicationPad2d(ReplicationPad1d):
    """Images (N, C, H, W) with their edges around them."""

    features = 2


class CircularPad1d(Padding):
    """Sequences (N, C, L) as if they went on in a circle."""

    features, mode = 1, "circular"


class CircularPad2d(CircularPad1d):
    """Images (N, C, H, W) as if they went on in a circle."""

    features = 2
