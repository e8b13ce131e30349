"""Division with and without a remainder, rounding, comparisons with names, logic and bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, TinyTorchError
from tinytorch.given.promotion import result_dtype
from tinytorch.given.storage import TensorBase
from tinytorch.given.tensor_arguments import whole
from tinytorch.given.tensor_mathematics import operand
from tinytorch.given.tensor_properties import TensorProperties


def _rounding(name: str) -> Callable:
    def kernel(xp, a):
        if a.dtype.kind == "b":
            raise DTypeError(f"{name}: expected integers or floats, found bool. Convert it: x.int().")
        return getattr(xp, name)(a) if a.dtype.kind == "f" else a.copy()

    return kernel


def _round_kernel(xp, a, *, decimals):
    """Round to the nearest, halves to the even neighbour; integers stay what they are."""
    if a.dtype.kind == "b" or (a.dtype.kind != "f" and decimals):
        raise DTypeError(f"round: expected floats to round to {decimals} decimals, found {a.dtype}.")
    return xp.round(a, decimals) if a.dtype.kind == "f" else a.copy()


def _dividing(name: str, function: str) -> Callable:
    def kernel(xp, a, b):
        kind = np.result_type(a, b).kind
        if kind == "b":
            raise DTypeError(f"{name}: expected integers or floats, found bool. Convert it: x.int().")
        if kind in "iu" and xp.any(xp.equal(b, 0)):
            raise TinyTorchError(f"{name}: expected integers other than 0 to divide by, found a 0. Use floats for inf.")
        return getattr(xp, function)(a, b)

    return kernel


FLOOR, CEIL, TRUNC = (ops.pointwise(name, _rounding(name)) for name in ("floor", "ceil", "trunc"))
ROUND = ops.pointwise("round", _round_kernel)
FLOOR_DIVIDE = ops.pointwise("floor_divide", _dividing("floor_divide", "floor_divide"))
REMAINDER = ops.pointwise("remainder", _dividing("remainder", "remainder"))
FMOD = ops.pointwise("fmod", _dividing("fmod", "fmod"))
BITWISE_XOR = ops.pointwise("bitwise_xor", lambda xp, a, b: xp.bitwise_xor(a, b))
LEFT_SHIFT = ops.pointwise("bitwise_left_shift", lambda xp, a, b: xp.left_shift(a, b))
RIGHT_SHIFT = ops.pointwise("bitwise_right_shift", lambda xp, a, b: xp.right_shift(a, b))
SIGNBIT = ops.pointwise("signbit", lambda xp, a: xp.signbit(a) if a.dtype.kind == "f" else a < 0)


def true(value: Any) -> Any:
    """Return where a tensor, or whether a number, is not 0."""
    return ops.NE(value, 0) if isinstance(value, TensorBase) else bool(value)


def _signed(tensor: Any) -> Any:
    """Return bools and unsigned integers in int64, where differences do not wrap around."""
    return tensor.to(np.int64) if tensor.dtype.kind in "bu" else tensor


class TensorRounding(TensorProperties):
    """Methods that divide, round, compare and combine bits."""

    # ---- dividing
    def div(self, other: Any, *, rounding_mode: str | None = None) -> Any:
        """Return x / other; rounding_mode "floor" rounds the quotient down, "trunc" towards zero."""
        if rounding_mode is None:
            return ops.DIV(self, other)
        if rounding_mode not in ("floor", "trunc"):
            raise TinyTorchError(f'div: expected rounding_mode None, "floor" or "trunc", found {rounding_mode!r}.')
        if rounding_mode == "floor":
            return FLOOR_DIVIDE(self, other)
        floats = "f" in (self.dtype.kind, result_dtype([getattr(other, "_array", other)]).kind)
        return TRUNC(ops.DIV(self, other)) if floats else FLOOR_DIVIDE(self - FMOD(self, other), other)

    def floor_divide(self, other: Any) -> Any:
        """Return x / other rounded down; integers stay integers, and refuse 0."""
        return FLOOR_DIVIDE(self, other)

    def remainder(self, other: Any) -> Any:
        """Return x - other · floor(x / other), Python's %: it has the sign of `other`."""
        return REMAINDER(self, other)

    def fmod(self, other: Any) -> Any:
        """Return x - other · trunc(x / other), C's fmod: it has the sign of x."""
        return FMOD(self, other)

    def __floordiv__(self, other: Any) -> Any:
        return FLOOR_DIVIDE(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return FLOOR_DIVIDE(other, self)

    def __mod__(self, other: Any) -> Any:
        return REMAINDER(self, other)

    def __rmod__(self, other: Any) -> Any:
        return REMAINDER(other, self)

    # ---- rounding
    def floor(self) -> Any:
        """Return the largest whole number up to x."""
        return FLOOR(self)

    def ceil(self) -> Any:
        """Return the smallest whole number from x on."""
        return CEIL(self)

    def trunc(self) -> Any:
        """Return x without its decimals: rounded towards zero."""
        return TRUNC(self)

    fix = trunc

    def round(self, *, decimals: int = 0) -> Any:
        """Return x rounded to `decimals` places (negative: tens, hundreds …), halves to the even neighbour."""
        return ROUND(self, decimals=whole(decimals, "round: expected decimals to be an int"))

    def frac(self) -> Any:
        """Return the decimals of x, with its sign."""
        return self - TRUNC(self)

    # ---- signs
    def positive(self) -> Any:
        """Return x itself; bools are refused."""
        if self.dtype.kind == "b":
            raise DTypeError("positive: expected numbers, found bool. Convert it: x.int().")
        return self

    __pos__ = positive

    def sgn(self) -> Any:
        """Return -1, 0 or 1, as `sign` does."""
        return ops.SIGN(self)

    def signbit(self) -> Any:
        """Return where the sign is minus, that of -0.0 included."""
        return SIGNBIT(self)

    # ---- larger and smaller, numbers winning over NaN
    def fmax(self, other: Any) -> Any:
        """Return the larger of two tensors; a number wins over NaN."""
        other = operand(self, other)
        return ops.WHERE(ops.GE(self, other) | ops.NE(other, other), self, other)

    def fmin(self, other: Any) -> Any:
        """Return the smaller of two tensors; a number wins over NaN."""
        other = operand(self, other)
        return ops.WHERE(ops.LE(self, other) | ops.NE(other, other), self, other)

    # ---- comparing
    def eq(self, other: Any) -> Any:
        """Return where x equals `other`."""
        return ops.EQ(self, other)

    def ne(self, other: Any) -> Any:
        """Return where x differs from `other`; NaN differs from everything."""
        return ops.NE(self, other)

    def lt(self, other: Any) -> Any:
        """Return where x < other."""
        return ops.LT(self, other)

    def le(self, other: Any) -> Any:
        """Return where x <= other."""
        return ops.LE(self, other)

    def gt(self, other: Any) -> Any:
        """Return where x > other."""
        return ops.GT(self, other)

    def ge(self, other: Any) -> Any:
        """Return where x >= other."""
        return ops.GE(self, other)

    not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge

    def isinf(self) -> Any:
        """Return where x is infinite, of either sign."""
        return ops.EQ(ops.ABS(self), float("inf"))

    def isposinf(self) -> Any:
        """Return where x is +inf."""
        return ops.EQ(self, float("inf"))

    def isneginf(self) -> Any:
        """Return where x is -inf."""
        return ops.EQ(self, float("-inf"))

    def isclose(self, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
        """Return where |x - other| <= atol + rtol·|other|; infinities are close to themselves only."""
        other, equal = operand(self, other), ops.EQ(self, other)
        gap = ops.ABS(_signed(self) - _signed(other))
        close = equal | (ops.ISFINITE(gap) & (gap <= atol + rtol * ops.ABS(other)))
        return close | (ops.NE(self, self) & ops.NE(other, other)) if equal_nan else close

    def nan_to_num(self, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
        """Return x with NaN replaced by `nan`, and inf and -inf by numbers: the dtype's largest and smallest."""
        if self.dtype.kind != "f":
            return self.clone()
        limits = np.finfo(self.dtype)
        high = float(limits.max) if posinf is None else posinf
        low = float(limits.min) if neginf is None else neginf
        finite = ops.WHERE(self.isposinf(), high, ops.WHERE(self.isneginf(), low, self))
        return ops.WHERE(ops.ISNAN(self), nan, finite)

    # ---- logic: everything but 0 is true
    def logical_and(self, other: Any) -> Any:
        """Return where both are true."""
        return ops.BITWISE_AND(true(self), true(other))

    def logical_or(self, other: Any) -> Any:
        """Return where one or both are true."""
        return ops.BITWISE_OR(true(self), true(other))

    def logical_xor(self, other: Any) -> Any:
        """Return where exactly one is true."""
        return ops.NE(true(self), true(other))

    def logical_not(self) -> Any:
        """Return where x is 0."""
        return ops.EQ(self, 0)

    # ---- bits of integers and bools
    def bitwise_not(self) -> Any:
        """Return every bit turned over."""
        return ops.BITWISE_NOT(self)

    def bitwise_and(self, other: Any) -> Any:
        """Return the bits that both have."""
        return ops.BITWISE_AND(self, other)

    def bitwise_or(self, other: Any) -> Any:
        """Return the bits that one or both have."""
        return ops.BITWISE_OR(self, other)

    def bitwise_xor(self, other: Any) -> Any:
        """Return the bits that exactly one has."""
        return BITWISE_XOR(self, other)

    def bitwise_left_shift(self, other: Any) -> Any:
        """Return x · 2**other, in integers."""
        return LEFT_SHIFT(self, other)

    def bitwise_right_shift(self, other: Any) -> Any:
        """Return x / 2**other rounded down, in integers."""
        return RIGHT_SHIFT(self, other)

    def __xor__(self, other: Any) -> Any:
        return BITWISE_XOR(self, other)

    __rxor__ = __xor__

    def __lshift__(self, other: Any) -> Any:
        return LEFT_SHIFT(self, other)

    def __rlshift__(self, other: Any) -> Any:
        return LEFT_SHIFT(other, self)

    def __rshift__(self, other: Any) -> Any:
        return RIGHT_SHIFT(self, other)

    def __rrshift__(self, other: Any) -> Any:
        return RIGHT_SHIFT(other, self)

    # ---- other names of what there is
    def multiply(self, other: Any) -> Any:
        """Same as `mul`."""
        return ops.MUL(self, other)

    def subtract(self, other: Any, *, alpha: float = 1) -> Any:
        """Same as `sub`."""
        return self.sub(other, alpha=alpha)

    def true_divide(self, other: Any) -> Any:
        """Same as `div`, without rounding."""
        return ops.DIV(self, other)

    def divide(self, other: Any, *, rounding_mode: str | None = None) -> Any:
        """Same as `div`."""
        return self.div(other, rounding_mode=rounding_mode)

    def negative(self) -> Any:
        """Same as `neg`."""
        return ops.NEG(self)

    def absolute(self) -> Any:
        """Same as `abs`."""
        return ops.ABS(self)
