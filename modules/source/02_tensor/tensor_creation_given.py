"""Functions that make tensors: the plain ones, beside those that module 02 teaches.

All take `dtype` (default: float32, or that of the data), `device` (only "cpu" for now) and `requires_grad`.
"""

from typing import Any

import numpy as np

from tinytorch.given import tensor_arguments as arguments
from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, ShapeError
from tinytorch.given.promotion import DEFAULT_DTYPE, check_dtype
from tinytorch.given.random import Generator, drawing_from
from tinytorch.given.storage import TensorBase, wrap
from tinytorch.given.tables import SERVICES

#| face tinytorch: tensor, as_tensor, from_numpy, zeros, ones, full, empty, eye, arange, linspace
#| face tinytorch: zeros_like, ones_like, full_like, rand, randint, randperm, where, cat, stack


def from_array(array: np.ndarray, requires_grad: bool = False) -> Any:
    """Return a Tensor around `array`, sharing its memory."""
    made = wrap(SERVICES["Tensor"], array)
    return made.requires_grad_() if requires_grad else made


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Return a new Tensor with a copy of `data`."""
    arguments.check_device(device)
    return SERVICES["Tensor"](data, dtype, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Any:
    """Return `data` as a Tensor, sharing memory where it can: a Tensor itself, an array's memory."""
    arguments.check_device(device)
    if isinstance(data, TensorBase):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and (dtype is None or data.dtype == check_dtype(dtype)):
        check_dtype(data.dtype)
        return from_array(data)
    return SERVICES["Tensor"](data, dtype)


def from_numpy(array: np.ndarray) -> Any:
    """Return a Tensor that shares the memory of a NumPy array."""
    if not isinstance(array, np.ndarray):
        raise DTypeError(f"from_numpy: expected a NumPy array, found {type(array).__name__}. Use tensor(…).")
    return as_tensor(array)


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Return a tensor of zeros."""
    return _made(np.zeros(arguments.new_shape(size), _or_default(dtype)), device, requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Return a tensor of ones."""
    return _made(np.ones(arguments.new_shape(size), _or_default(dtype)), device, requires_grad)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Return a tensor whose values are whatever the memory held."""
    return _made(np.empty(arguments.new_shape(size), _or_default(dtype)), device, requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Return a tensor of shape `size` filled with one value, in the dtype of tensor(fill_value)."""
    value = SERVICES["Tensor"](fill_value, dtype)
    if value.ndim:
        raise ShapeError(f"full: expected one number to fill with, found shape {value.shape}.")
    return _made(np.full(arguments.new_shape((size,)), value._array, value.dtype), device, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Return the identity matrix, n by n or n by m."""
    rows, columns = arguments.new_shape((n, n if m is None else m))
    return _made(np.eye(rows, columns, dtype=_or_default(dtype)), device, requires_grad)


def arange(
    start: float, end: float | None = None, step: float = 1, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """Return start, start + step, … up to but not including end; `arange(n)` counts from 0. int64 if all are ints."""
    start, end = (0, start) if end is None else (start, end)
    if not all(isinstance(v, int | float | np.number) for v in (start, end, step)):
        raise DTypeError(f"arange: expected numbers as start, end and step, found {start!r}, {end!r} and {step!r}.")
    if not all(np.isfinite((start, end, step))) or step == 0 or (end - start) * step < 0:
        raise ShapeError(f"arange: expected a step that leads from {start} to {end}, found {step}.")
    if dtype is None and all(isinstance(v, int | np.integer) for v in (start, end, step)):
        dtype = np.int64
    return _made(np.arange(start, end, step).astype(_or_default(dtype)), device, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """Return `steps` evenly spaced values from start to end, both included."""
    if not all(isinstance(v, int | float | np.number) for v in (start, end)):
        raise DTypeError(f"linspace: expected numbers as start and end, found {start!r} and {end!r}.")
    count = arguments.count_of(steps, "linspace")
    return _made(np.linspace(start, end, count).astype(_or_default(dtype)), device, requires_grad)


def zeros_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Return zeros of the shape and dtype of `input`."""
    made = _like("zeros_like", input, dtype)
    return zeros(input.shape, **made, device=device, requires_grad=requires_grad)


def ones_like(input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Any:
    """Return ones of the shape and dtype of `input`."""
    made = _like("ones_like", input, dtype)
    return ones(input.shape, **made, device=device, requires_grad=requires_grad)


def full_like(
    input: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """Return a tensor of the shape and dtype of `input` filled with one value."""
    made = _like("full_like", input, dtype)
    return full(input.shape, fill_value, **made, device=device, requires_grad=requires_grad)


def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    """Return uniform random numbers in [0, 1)."""
    drawn = drawing_from(generator).uniform(arguments.new_shape(size), _or_default(dtype))
    return _made(drawn, device, requires_grad)


def randint(
    low: int, high: Any = None, size: Any = None, *, generator: Generator | None = None, dtype: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Any:
    """Return random whole numbers in [low, high), in int64; `randint(high, size)` counts from 0."""
    if size is None:
        low, high, size = 0, low, high
    drawn = drawing_from(generator).integers(low, high, arguments.new_shape((size,)))
    return _made(drawn if dtype is None else drawn.astype(check_dtype(dtype)), device, requires_grad)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None) -> Any:
    """Return the numbers 0 … n-1 in a random order, in int64."""
    drawn = drawing_from(generator).permutation(arguments.count_of(n, "randperm"))
    return _made(drawn if dtype is None else drawn.astype(check_dtype(dtype)), device, False)


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """Return `input` where the condition (a bool tensor) holds, else `other`: tensors or numbers.

    Given the condition alone: its non-zero places, one vector for each axis.
    """
    if input is None and other is None:
        return as_tensor(condition).nonzero(as_tuple=True)
    if input is None or other is None:
        raise DTypeError("where: expected both input and other, or neither, found one of them.")
    return ops.WHERE(as_tensor(condition), input, other)


def cat(tensors: Any, dim: int = 0) -> Any:
    """Return the tensors joined along an axis that they have."""
    parts = tensors_of(tensors, "cat")
    parts = [t for t in parts if t.shape != (0,)] or parts      # an empty vector fits everything, as in PyTorch
    return ops.CAT(*parts, dim=ops.axis(dim, parts[0].ndim, "cat"))


def stack(tensors: Any, dim: int = 0) -> Any:
    """Return tensors of one shape joined along a new axis."""
    parts = tensors_of(tensors, "stack")
    shapes = [t.shape for t in parts]
    if len(set(shapes)) > 1:
        raise ShapeError(
            f"stack: expected tensors of one shape, found {shapes}. Use cat to join along an axis that is there."
        )
    place = ops.axis(dim, parts[0].ndim + 1, "stack")
    return cat([t.unsqueeze(place) for t in parts], dim=place)


def tensors_of(values: Any, what: str) -> list:
    """Return a list or tuple of tensors as a list; refuse an empty one, and anything else in it."""
    parts = list(values) if isinstance(values, list | tuple) else []
    if not parts or not all(isinstance(v, TensorBase) for v in parts):
        found = type(values).__name__ if not parts else sorted({type(v).__name__ for v in parts})
        raise DTypeError(f"{what}: expected a list or tuple with at least one tensor and nothing else, found {found}.")
    return parts


def _like(what: str, input: Any, dtype: Any) -> dict[str, Any]:
    if not isinstance(input, TensorBase):
        raise DTypeError(f"{what}: expected a Tensor, found {type(input).__name__}. Use {what[:-5]}(shape).")
    return {"dtype": input.dtype if dtype is None else dtype}


def _or_default(dtype: Any) -> np.dtype:
    return DEFAULT_DTYPE if dtype is None else check_dtype(dtype)


def _made(array: np.ndarray, device: Any, requires_grad: bool) -> Any:
    arguments.check_device(device)
    return from_array(array, requires_grad)
