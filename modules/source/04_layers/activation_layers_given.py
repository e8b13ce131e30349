"""The activations of `activation_functions` as modules. They own nothing, but for PReLU, whose slope is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.core.activations import softmax
from tinytorch.core.engine import DTypeError, ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor, full
from tinytorch.given import activation_functions as functions
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.initialization import constant_
from tinytorch.given.parameter import Parameter
from tinytorch.given.settings import number

#| face nn: ELU, SELU, CELU, Softplus, LogSigmoid, Softsign, Mish
#| face nn: Hardtanh, ReLU6, Hardsigmoid, Hardswish, Threshold, Tanhshrink, Softshrink, Hardshrink
#| face nn: PReLU, GLU, Softmin, Softmax2d


class Activation(Module):
    """A function as a module: its settings are the attributes `settings`, in the order of the function's arguments."""

    function: Callable[..., Any]
    settings: tuple[str, ...] = ()

    def __init__(self, *values: Any):
        super().__init__()
        for name, value in zip(self.settings, values, strict=True):
            setattr(self, name, value)

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of the input, element by element."""
        return type(self).function(input, *(getattr(self, name) for name in self.settings))

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`; `inplace` only if it is on."""
        shown = [name for name in self.settings if name != "inplace" or self.inplace]
        return ", ".join(f"{name}={getattr(self, name)}" for name in shown)


class ELU(Activation):
    """x where positive, else alpha·(e^x - 1)."""

    function, settings = functions.elu, ("alpha", "inplace")

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__(alpha, inplace)


class SELU(Activation):
    """ELU with the constants that keep mean 0 and variance 1."""

    function, settings = functions.selu, ("inplace",)

    def __init__(self, inplace: bool = False):
        super().__init__(inplace)


class CELU(Activation):
    """x where positive, else alpha·(e^(x/alpha) - 1)."""

    function, settings = functions.celu, ("alpha", "inplace")

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__(alpha, inplace)


class Softplus(Activation):
    """log(1 + e^(beta·x)) / beta, and x itself where beta·x is above `threshold`."""

    function, settings = functions.softplus, ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        super().__init__(beta, threshold)


class LogSigmoid(Activation):
    """The logarithm of the sigmoid."""

    function = functions.logsigmoid

    def __init__(self) -> None:
        super().__init__()


class Softsign(Activation):
    """x / (1 + |x|)."""

    function = functions.softsign

    def __init__(self) -> None:
        super().__init__()


class Mish(Activation):
    """x·tanh(softplus(x))."""

    function, settings = functions.mish, ("inplace",)

    def __init__(self, inplace: bool = False):
        super().__init__(inplace)


class Hardtanh(Activation):
    """x limited to [min_val, max_val]."""

    function, settings = functions.hardtanh, ("min_val", "max_val", "inplace")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
        super().__init__(min_val, max_val, inplace)


class ReLU6(Activation):
    """x limited to [0, 6]."""

    function, settings = functions.relu6, ("inplace",)

    def __init__(self, inplace: bool = False):
        super().__init__(inplace)


class Hardsigmoid(Activation):
    """relu6(x + 3) / 6."""

    function, settings = functions.hardsigmoid, ("inplace",)

    def __init__(self, inplace: bool = False):
        super().__init__(inplace)


class Hardswish(Activation):
    """x·relu6(x + 3) / 6."""

    function, settings = functions.hardswish, ("inplace",)

    def __init__(self, inplace: bool = False):
        super().__init__(inplace)


class Threshold(Activation):
    """x where it is above `threshold`, else `value`."""

    function, settings = functions.threshold, ("threshold", "value", "inplace")

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        super().__init__(threshold, value, inplace)


class Tanhshrink(Activation):
    """x - tanh(x)."""

    function = functions.tanhshrink

    def __init__(self) -> None:
        super().__init__()


class Softshrink(Activation):
    """x moved towards 0 by `lambd`."""

    function, settings = functions.softshrink, ("lambd",)

    def __init__(self, lambd: float = 0.5):
        super().__init__(lambd)

    def extra_repr(self) -> str:
        """Return the setting alone, as PyTorch does."""
        return str(self.lambd)


class Hardshrink(Softshrink):
    """x where it is farther from 0 than `lambd`, else 0."""

    function = functions.hardshrink


class GLU(Activation):
    """a·sigmoid(b) of the two halves along `dim`."""

    function, settings = functions.glu, ("dim",)

    def __init__(self, dim: int = -1):
        super().__init__(dim)


class Softmin(Activation):
    """The softmax of -x along `dim` (required when it is used)."""

    function, settings = functions.softmin, ("dim",)

    def __init__(self, dim: int | None = None):
        super().__init__(dim)


class Softmax2d(Module):
    """The softmax over the channels at each place of images (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the shares of the channels; they sum to 1 at each place."""
        if expect_tensor(input, "Softmax2d").ndim not in (3, 4):
            raise ShapeError(f"Softmax2d: expected images (N, C, H, W) or (C, H, W), found shape {input.shape}.")
        return softmax(input, -3)


class PReLU(Module):
    """x where positive, else weight·x. Parameter: `weight` (num_parameters,): one number, or one a channel (axis 1)."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None):
        super().__init__()
        if not isinstance(num_parameters, int) or num_parameters < 1:
            raise DTypeError(f"PReLU: expected num_parameters to be an int of 1 or more, found {num_parameters!r}.")
        self.num_parameters, self.init = num_parameters, number(init, "PReLU's init")
        self.weight = Parameter(full((num_parameters,), self.init))
        self.to(dtype=dtype, device=device)

    def reset_parameters(self) -> None:
        """Set every slope to `init` again."""
        constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Return x with its negative part scaled."""
        return functions.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Return the setting, for `print(model)`."""
        return f"num_parameters={self.num_parameters}"
