"""Tensors made in the image of others: `*_like`, `new_*`, `logspace`; and how tensors are copied and handed on."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.given import tensor_arguments as arguments
from tinytorch.given.errors import DTypeError
from tinytorch.given.promotion import DEFAULT_DTYPE, check_dtype
from tinytorch.given.storage import TensorBase, wrap
from tinytorch.given.tables import SERVICES
from tinytorch.given.tensor_properties import TensorProperties

#| face tinytorch: empty_like, logspace, from_dlpack


def _made(array: np.ndarray, device: Any, requires_grad: bool) -> Any:
    arguments.check_device(device)
    return wrap(SERVICES["Tensor"], array).requires_grad_(requires_grad)


def empty_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Return a tensor of the shape and dtype of `input`, of whatever the memory held."""
    if not isinstance(input, TensorBase):
        raise DTypeError(f"empty_like: expected a Tensor, found {type(input).__name__}. Use empty(shape).")
    return input.new_empty(input.shape, dtype=dtype, device=device, requires_grad=requires_grad)


def logspace(
    start: float, end: float, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """Return `steps` values from base**start to base**end, evenly spaced in the exponent."""
    if not all(isinstance(v, int | float | np.number) for v in (start, end, base)):
        raise DTypeError(f"logspace: expected numbers as start, end and base, found {start!r}, {end!r} and {base!r}.")
    values = np.logspace(start, end, arguments.count_of(steps, "logspace"), base=base)
    return _made(values.astype(DEFAULT_DTYPE if dtype is None else check_dtype(dtype)), device, requires_grad)


def from_dlpack(ext_tensor: Any) -> Any:
    """Return a Tensor that shares the memory of another library's tensor on the CPU, through the DLPack protocol."""
    if not hasattr(ext_tensor, "__dlpack__"):
        raise DTypeError(
            f"from_dlpack: expected an object with __dlpack__, found {type(ext_tensor).__name__}. Use tensor(…)."
        )
    try:
        array = np.from_dlpack(ext_tensor)
    except (BufferError, RuntimeError) as error:
        raise DTypeError(
            f"from_dlpack: expected numbers on the CPU without a gradient, found what NumPy refuses: {error}"
        ) from error
    check_dtype(array.dtype)
    return _made(array, None, False)


class TensorCopies(TensorProperties):
    """Methods that make new tensors of the same dtype, and the protocols of `copy`."""

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
        """Return a new tensor with a copy of `data`, in the dtype of self."""
        arguments.check_device(device)
        return SERVICES["Tensor"](data, self._dtype(dtype), requires_grad)

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
        """Return zeros of this size, in the dtype of self."""
        return _made(np.zeros(arguments.new_shape(size), self._dtype(dtype)), device, requires_grad)

    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
        """Return ones of this size, in the dtype of self."""
        return _made(np.ones(arguments.new_shape(size), self._dtype(dtype)), device, requires_grad)

    def new_empty(self, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
        """Return a tensor of this size, in the dtype of self, of whatever the memory held."""
        return _made(np.empty(arguments.new_shape(size), self._dtype(dtype)), device, requires_grad)

    def new_full(
        self, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Any:
        """Return a tensor of this size filled with one number, in the dtype of self."""
        if not isinstance(fill_value, int | float | np.number):
            raise DTypeError(f"new_full: expected a number to fill with, found {type(fill_value).__name__}.")
        filled = np.full(arguments.new_shape((size,)), fill_value).astype(self._dtype(dtype))
        return _made(filled, device, requires_grad)

    def _dtype(self, dtype: Any) -> np.dtype:
        return self.dtype if dtype is None else check_dtype(dtype)

    def __copy__(self) -> Any:
        """A leaf that shares the memory, and requires a gradient if self does."""
        twin = wrap(type(self), self._array, self._storage)
        twin._requires_grad = self._requires_grad
        return twin

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        """What NumPy's functions of a tensor return: a Tensor, as in PyTorch."""
        return wrap(self._result, array) if array.dtype.kind in "biuf" else array

    def __reversed__(self) -> Any:
        """The rows from the last to the first."""
        return self if self.ndim == 0 else self.flip(0)
