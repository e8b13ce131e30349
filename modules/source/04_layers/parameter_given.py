"""Parameter: a tensor that says "train me"."""

from __future__ import annotations

from typing import Any

from tinytorch.core.engine import DEFAULT_DTYPE, DTypeError, check_dtype
from tinytorch.core.tensor import Tensor, as_tensor
from tinytorch.given.storage import wrap
from tinytorch.given.tensor_arguments import check_device

#| face nn: Parameter


class Parameter(Tensor):
    """A tensor that a module owns and an optimizer changes. What is computed with it is an ordinary Tensor.

    data: a Tensor (its memory is shared), or whatever makes one. requires_grad: False for a frozen one.
    """

    def __new__(cls, data: Any, requires_grad: bool = True) -> Parameter:
        source = as_tensor(data)
        return wrap(cls, source._array, source._storage)

    def __init__(self, data: Any, requires_grad: bool = True):
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


def parameter_dtype(dtype: Any = None, device: Any = None) -> Any:
    """Return the dtype of a layer's new parameters: float32 unless another floating one is asked for, on the CPU."""
    check_device(device)
    found = DEFAULT_DTYPE if dtype is None else check_dtype(dtype)
    if found.kind != "f":
        raise DTypeError(f"Expected a floating dtype for the parameters of a layer, found {found}.")
    return found
