"""Checks of arguments that the functions of several modules share."""

from typing import Any

from tinytorch.core.engine import DTypeError
from tinytorch.core.tensor import Tensor
from tinytorch.given import tensor_ops as ops


def expect_tensor(value: Any, what: str) -> Any:
    """Return `value` if it is a Tensor, else say what was found. `what` names the function and its argument."""
    if not isinstance(value, Tensor):
        raise DTypeError(f"{what}: expected a Tensor, found {type(value).__name__}. Wrap it in tinytorch.tensor(…).")
    return value


def expect_dim(input: Any, dim: int | None, what: str) -> int:
    """Return `dim` counted from the front. None is refused: a normalisation must say along which axis it sums to 1."""
    if dim is None:
        raise DTypeError(
            f"{what}: expected the axis along which the result sums to 1, found dim=None. For scores of shape "
            f"(batch, classes) write dim=1; the input here has shape {expect_tensor(input, what).shape}."
        )
    return ops.axis(dim, expect_tensor(input, what).ndim, what)
