"""Functions of mathematics, element by element: powers and logarithms, angles, hyperbolas; and of several numbers.

All give NaN outside of their domain, as in PyTorch. Integers are computed in float32.
"""

from __future__ import annotations

import math
from typing import Any

from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError
from tinytorch.given.promotion import result_dtype
from tinytorch.given.storage import TensorBase
from tinytorch.given.tables import SERVICES, primitive
from tinytorch.given.tensor_properties import TensorProperties

EXPM1 = ops.pointwise("expm1", lambda xp, a: xp.expm1(a), "float")
EXP2 = ops.pointwise("exp2", lambda xp, a: xp.exp2(a), "float")
LOG1P = ops.pointwise("log1p", lambda xp, a: xp.log1p(a), "float")
LOG2 = ops.pointwise("log2", lambda xp, a: xp.log2(a), "float")
LOG10 = ops.pointwise("log10", lambda xp, a: xp.log10(a), "float")
TAN = ops.pointwise("tan", lambda xp, a: xp.tan(a), "float")
ASIN = ops.pointwise("asin", lambda xp, a: xp.arcsin(a), "float")
ACOS = ops.pointwise("acos", lambda xp, a: xp.arccos(a), "float")
ATAN = ops.pointwise("atan", lambda xp, a: xp.arctan(a), "float")
SINH = ops.pointwise("sinh", lambda xp, a: xp.sinh(a), "float")
COSH = ops.pointwise("cosh", lambda xp, a: xp.cosh(a), "float")
ASINH = ops.pointwise("asinh", lambda xp, a: xp.arcsinh(a), "float")
ACOSH = ops.pointwise("acosh", lambda xp, a: xp.arccosh(a), "float")
ATANH = ops.pointwise("atanh", lambda xp, a: xp.arctanh(a), "float")
ATAN2 = ops.pointwise("atan2", lambda xp, a, b: xp.arctan2(a, b), "float")
HYPOT = ops.pointwise("hypot", lambda xp, a, b: xp.hypot(a, b), "float")
COPYSIGN = ops.pointwise("copysign", lambda xp, a, b: xp.copysign(a, b), "float")
LOGADDEXP = ops.pointwise("logaddexp", lambda xp, a, b: xp.logaddexp(a, b), "float")
XLOGY = ops.pointwise("xlogy", lambda xp, a, b: xp.where((a == 0) & (b == b), a * 0, a * xp.log(b)), "float")


def numbers(what: str, *values: Any) -> None:
    """Refuse settings that are not numbers."""
    if not all(isinstance(v, int | float) for v in values):
        raise DTypeError(f"{what}: expected a number, found {', '.join(type(v).__name__ for v in values)}.")


def operand(tensor: Any, value: Any) -> Any:
    """Return a number beside `tensor` as a 0-d tensor of the dtype in which they meet; a tensor as it is."""
    if isinstance(value, TensorBase):
        return value
    return SERVICES["Tensor"](value, result_dtype([tensor._array, value]))


class TensorMathematics(TensorProperties):
    """Methods that compute a function of mathematics at each element."""

    # ---- powers, exponentials, logarithms
    def square(self) -> Any:
        """Return x².  Bools become int64."""
        return self**2

    def reciprocal(self) -> Any:
        """Return 1 / x; infinite at 0."""
        return ops.DIV(1.0, self)

    def rsqrt(self) -> Any:
        """Return 1 / √x; infinite at 0, NaN below."""
        return ops.DIV(1.0, ops.SQRT(self))

    def expm1(self) -> Any:
        """Return e**x - 1, exact near 0."""
        return EXPM1(self)

    def exp2(self) -> Any:
        """Return 2**x."""
        return EXP2(self)

    def log1p(self) -> Any:
        """Return log(1 + x), exact near 0; -inf at -1, NaN below."""
        return LOG1P(self)

    def log2(self) -> Any:
        """Return the logarithm to base 2."""
        return LOG2(self)

    def log10(self) -> Any:
        """Return the logarithm to base 10."""
        return LOG10(self)

    def logit(self, eps: float | None = None) -> Any:
        """Return log(x / (1 - x)), the inverse of the sigmoid; with `eps` x is limited to [eps, 1 - eps] first."""
        if eps is not None:
            numbers("logit", eps)
            self = self.clamp(eps, 1.0 - eps)
        return ops.LOG(self) - LOG1P(ops.MUL(self, -1.0))

    # ---- angles, in radians
    def tan(self) -> Any:
        """Return the tangent."""
        return TAN(self)

    def asin(self) -> Any:
        """Return the angle in [-π/2, π/2] whose sine is x."""
        return ASIN(self)

    def acos(self) -> Any:
        """Return the angle in [0, π] whose cosine is x."""
        return ACOS(self)

    def atan(self) -> Any:
        """Return the angle in [-π/2, π/2] whose tangent is x."""
        return ATAN(self)

    def atan2(self, other: Any) -> Any:
        """Return the angle in [-π, π] of the point (other, self)."""
        return ATAN2(self, operand(self, other))

    def deg2rad(self) -> Any:
        """Return degrees as radians."""
        return self * (math.pi / 180.0)

    def rad2deg(self) -> Any:
        """Return radians as degrees."""
        return self * (180.0 / math.pi)

    # ---- hyperbolas
    def sinh(self) -> Any:
        """Return the hyperbolic sine."""
        return SINH(self)

    def cosh(self) -> Any:
        """Return the hyperbolic cosine."""
        return COSH(self)

    def asinh(self) -> Any:
        """Return the inverse of sinh."""
        return ASINH(self)

    def acosh(self) -> Any:
        """Return the inverse of cosh, at least 0; NaN below 1."""
        return ACOSH(self)

    def atanh(self) -> Any:
        """Return the inverse of tanh; infinite at -1 and 1, NaN outside."""
        return ATANH(self)

    arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
    arcsinh, arccosh, arctanh = asinh, acosh, atanh

    # ---- the error function (module 03 brings its kernels)
    def erf(self) -> Any:
        """Return the error function 2/√π ∫₀ˣ e^(-t²) dt."""
        return primitive("erf", "module 03_activations")(self)

    def erfc(self) -> Any:
        """Return 1 - erf(x), exact where erf is near 1."""
        return primitive("erfc", "module 03_activations")(self)

    def erfinv(self) -> Any:
        """Return the inverse of erf; infinite at -1 and 1, NaN outside."""
        return primitive("erfinv", "module 03_activations")(self)

    # ---- functions of several numbers
    def hypot(self, other: Any) -> Any:
        """Return √(self² + other²) without overflow."""
        return HYPOT(self, operand(self, other))

    def copysign(self, other: Any) -> Any:
        """Return |self| with the sign of `other`, that of a zero included."""
        return COPYSIGN(self, other)

    def logaddexp(self, other: Any) -> Any:
        """Return log(e**self + e**other) without overflow."""
        return LOGADDEXP(self, operand(self, other))

    def xlogy(self, other: Any) -> Any:
        """Return self · log(other), and 0 where self is 0, unless `other` is NaN."""
        return XLOGY(self, operand(self, other))

    def lerp(self, end: Any, weight: Any) -> Any:
        """Return self + weight · (end - self); weight is a number or a tensor. Exact at weight 0 and 1."""
        difference = end - self
        if not isinstance(weight, TensorBase):
            numbers("lerp", weight)
            return self + weight * difference if abs(weight) < 0.5 else end - difference * (1 - weight)
        return ops.WHERE(ops.LT(ops.ABS(weight), 0.5), self + weight * difference, end - difference * (1 - weight))

    def addcmul(self, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
        """Return self + value · tensor1 · tensor2."""
        product = tensor1 * tensor2
        return self + (product if value == 1 else value * product)

    def addcdiv(self, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
        """Return self + value · tensor1 / tensor2."""
        quotient = tensor1 / tensor2
        return self + (quotient if value == 1 else value * quotient)

    def clamp(self, min: Any = None, max: Any = None) -> Any:
        """Limit the values to [min, max], numbers or tensors, of which max counts more; None leaves a side open."""
        bounds = [b for b in (min, max) if b is not None]
        if not bounds or not all(isinstance(b, int | float | TensorBase) for b in bounds):
            raise DTypeError(f"clamp: expected numbers or tensors for min, max or both, found {min=}, {max=}.")
        if any(isinstance(b, TensorBase) for b in bounds):
            return self._between(min, max)
        return ops.CLAMP(self.to(result_dtype([self._array, *bounds])), min=min, max=max)

    def _between(self, low: Any, high: Any) -> Any:
        """Clamp to tensors: NaN in a bound gives NaN; at ties the gradient goes to self."""
        out = self
        if low is not None:
            low = operand(self, low)
            out = ops.WHERE((out < low) | ops.NE(low, low), low, out)
        if high is not None:
            high = operand(self, high)
            out = ops.WHERE((out > high) | ops.NE(high, high), high, out)
        return out

    def clamp_min(self, min: Any) -> Any:
        """Return max(x, min), min being a number or a tensor."""
        return self.clamp(min=min)

    def clamp_max(self, max: Any) -> Any:
        """Return min(x, max), max being a number or a tensor."""
        return self.clamp(max=max)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """Same as `clamp`."""
        return self.clamp(min, max)
