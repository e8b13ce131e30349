"""Function forms of Tensor's methods (`tinytorch.exp(x)` is `x.exp()`), and the dtypes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.given.storage import TensorBase
from tinytorch.given.tables import SERVICES
from tinytorch.given.tensor_arguments import also_named

#| face tinytorch: add, sub, mul, div, neg, pow, abs, exp, log, sqrt, maximum, minimum, clamp
#| face tinytorch: matmul, sum, mean, var, std, max, min, argmax, argmin
#| face tinytorch: reshape, transpose, permute, squeeze, unsqueeze, flatten, broadcast_to
#| face tinytorch: isnan, isfinite, allclose, equal
#| face tinytorch: float16, float32, float64, int8, int16, int32, int64, uint8, bool


def function_of(name: str) -> Callable:
    """Return the function form of a method of Tensor."""

    def function(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, TensorBase):
            input = SERVICES["Tensor"](input)
        return getattr(input, name)(*args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Same as `Tensor.{name}`, the tensor being the first argument."
    return function


add, sub, mul, div = (function_of(n) for n in ("add", "sub", "mul", "div"))
neg, pow, abs, exp, log, sqrt = (function_of(n) for n in ("neg", "pow", "abs", "exp", "log", "sqrt"))
maximum, minimum, clamp, matmul = (function_of(n) for n in ("maximum", "minimum", "clamp", "matmul"))
sum, mean, var, std = (function_of(n) for n in ("sum", "mean", "var", "std"))
max, min, argmax, argmin = (function_of(n) for n in ("max", "min", "argmax", "argmin"))
transpose, squeeze, unsqueeze, flatten = (function_of(n) for n in ("transpose", "squeeze", "unsqueeze", "flatten"))
reshape, permute, broadcast_to = (function_of(n) for n in ("reshape", "permute", "broadcast_to"))
reshape = also_named("shape")(reshape)
isnan, isfinite, allclose, equal = (function_of(n) for n in ("isnan", "isfinite", "allclose", "equal"))

float16, float32, float64 = np.dtype("float16"), np.dtype("float32"), np.dtype("float64")
int8, int16, int32, int64, uint8 = (np.dtype(n) for n in ("int8", "int16", "int32", "int64", "uint8"))
bool = np.dtype("bool")
