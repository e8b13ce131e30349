"""Operations in place: the method with an underscore overwrites its tensor with what the method without one returns.

The result is computed from a copy and then written with `copy_`, so autograd sees two ordinary operations, and what
the first one saves for its gradient is not what the second one overwrites.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, ShapeError
from tinytorch.given.promotion import can_hold
from tinytorch.given.tensor_properties import TensorProperties


def overwriting(name: str) -> Callable:
    """Return the in-place form of the method `name`."""

    def method(self: Any, *args: Any, **settings: Any) -> Any:
        result = getattr(self.clone() if self.requires_grad else self, name)(*args, **settings)
        if result.shape != self.shape:
            raise ShapeError(
                f"{name}_ expected a result of the target's shape {self.shape}, found {result.shape}: "
                f"an in-place operation cannot grow its target. Use {name} instead."
            )
        if not can_hold(self.dtype, result.dtype):
            raise DTypeError(
                f"{name}_ gives {result.dtype}, which does not fit its target of {self.dtype}. "
                f"Use {name} instead, or convert the target first."
            )
        return ops.COPY_(self, result)

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"Overwrite self with `self.{name}(…)`; return self."
    return method


class TensorOverwriting(TensorProperties):
    """Methods that overwrite; `add_`, `sub_`, `mul_`, `div_` and `copy_` have primitives of their own."""

    abs_, neg_, square_, sqrt_, rsqrt_ = map(overwriting, ("abs", "neg", "square", "sqrt", "rsqrt"))
    reciprocal_, exp_, exp2_, expm1_ = map(overwriting, ("reciprocal", "exp", "exp2", "expm1"))
    log_, log2_, log10_, log1p_, logit_ = map(overwriting, ("log", "log2", "log10", "log1p", "logit"))
    sin_, cos_, tan_, asin_, acos_, atan_ = map(overwriting, ("sin", "cos", "tan", "asin", "acos", "atan"))
    sinh_, cosh_, tanh_ = map(overwriting, ("sinh", "cosh", "tanh"))
    asinh_, acosh_, atanh_ = map(overwriting, ("asinh", "acosh", "atanh"))
    atan2_, hypot_, copysign_, xlogy_ = map(overwriting, ("atan2", "hypot", "copysign", "xlogy"))
    erf_, erfc_, erfinv_, sigmoid_, relu_ = map(overwriting, ("erf", "erfc", "erfinv", "sigmoid", "relu"))
    sign_, sgn_, floor_, ceil_, trunc_ = map(overwriting, ("sign", "sgn", "floor", "ceil", "trunc"))
    round_, frac_, nan_to_num_ = map(overwriting, ("round", "frac", "nan_to_num"))
    pow_, floor_divide_, remainder_, fmod_ = map(overwriting, ("pow", "floor_divide", "remainder", "fmod"))
    clamp_min_, clamp_max_, clip_ = map(overwriting, ("clamp_min", "clamp_max", "clip"))
    lerp_, addcmul_, addcdiv_ = map(overwriting, ("lerp", "addcmul", "addcdiv"))
    bitwise_not_, bitwise_and_, bitwise_or_ = map(overwriting, ("bitwise_not", "bitwise_and", "bitwise_or"))
    bitwise_xor_, bitwise_left_shift_ = map(overwriting, ("bitwise_xor", "bitwise_left_shift"))
    bitwise_right_shift_ = overwriting("bitwise_right_shift")
    logical_and_, logical_or_ = map(overwriting, ("logical_and", "logical_or"))
    logical_xor_, logical_not_ = map(overwriting, ("logical_xor", "logical_not"))

    def _div_rounded_(self, other: Any, rounding_mode: str) -> Any:
        return self.divide_(other, rounding_mode=rounding_mode)

    divide_, multiply_, subtract_, true_divide_ = map(overwriting, ("divide", "multiply", "subtract", "true_divide"))
    cumsum_, cumprod_, tril_, triu_ = map(overwriting, ("cumsum", "cumprod", "tril", "triu"))
    negative_, absolute_, fix_ = neg_, abs_, trunc_
    __ipow__, __ifloordiv__, __imod__ = pow_, floor_divide_, remainder_
    __iand__, __ior__, __ixor__ = bitwise_and_, bitwise_or_, bitwise_xor_
    __ilshift__, __irshift__ = bitwise_left_shift_, bitwise_right_shift_
