"""What users write as arguments of tensor operations, checked and brought into one form: axes, shapes, indices."""

import math
import operator
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tinytorch.given.errors import DTypeError, IndexingError, ShapeError
from tinytorch.given.promotion import check_dtype

LARGEST = sys.maxsize // 8      # so many numbers of 8 bytes have addresses


def whole(value: Any, expected: str) -> int:
    """Return `value` as an int, or say what was expected."""
    if type(value) is int:
        return value
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except (TypeError, RuntimeError):
        raise DTypeError(f"{expected}, found {' '.join(repr(value).split()):.60}.") from None


def axis(dim: int, ndim: int, what: str) -> int:
    """Return `dim` counted from the front, or say that it is out of range."""
    dim = whole(dim, f"{what}: expected dim to be an int")
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise IndexingError(
            f"{what}: expected dim from {-max(ndim, 1)} to {max(ndim, 1) - 1} for {ndim} dimensions, found {dim}."
        )
    return dim % max(ndim, 1)


def axes(dim: Any, ndim: int, what: str) -> tuple[int, ...] | None:
    """Return a reduction's axes counted from the front; None means all of them, and so does an empty tuple."""
    if dim is None or (isinstance(dim, tuple | list) and not dim):
        return None
    found = tuple(axis(d, ndim, what) for d in (dim if isinstance(dim, tuple | list) else (dim,)))
    if len(set(found)) < len(found):
        raise ShapeError(f"{what}: expected each axis once, found dim={dim!r} for {ndim} dimensions.")
    return found if ndim else None


def sizes(shape: tuple) -> tuple[int, ...]:
    """Return a shape given as f(2, 3) or f((2, 3)) as a tuple of ints; -1 is for reshape and expand."""
    if len(shape) == 1 and isinstance(shape[0], tuple | list):
        shape = tuple(shape[0])
    return tuple(whole(size, "Expected a shape of ints") for size in shape)


def new_shape(shape: tuple) -> tuple[int, ...]:
    """Return the shape of a tensor to be made; no size may be negative."""
    found = sizes(shape)
    if any(size < 0 for size in found):
        raise ShapeError(f"Expected sizes of 0 or more for a new tensor, found shape {found}.")
    if math.prod(found) > LARGEST:
        raise ShapeError(f"Expected a new tensor of at most {LARGEST} elements, found shape {found}.")
    return found


def count_of(value: Any, what: str) -> int:
    """Return a number of things, a whole number of 0 or more."""
    count = whole(value, f"{what}: expected a whole number of 0 or more")
    if count < 0:
        raise ShapeError(f"{what}: expected a whole number of 0 or more, found {count}.")
    return count


def with_dtype(method: Callable) -> Callable:
    """Return a reduction that also takes `dtype`: self is converted to it first, and the result has it."""

    @wraps(method)
    def reduction(self: Any, *args: Any, dtype: Any = None, **kwargs: Any) -> Any:
        if dtype is None:
            return method(self, *args, **kwargs)
        return method(self.to(check_dtype(dtype)), *args, **kwargs).to(check_dtype(dtype))

    return reduction


def also_named(name: str) -> Callable:
    """Return a decorator for methods that take f(2, 3) or f((2, 3)): they may be given by name, f(name=(2, 3))."""

    def decorate(method: Callable) -> Callable:
        @wraps(method)
        def taking(self: Any, *given: Any, **named: Any) -> Any:
            return method(self, *given, *([named.pop(name)] if name in named else []), **named)

        return taking

    return decorate


def together(what: str, *shapes: tuple) -> tuple[int, ...]:
    """Return the shape that several broadcast to, or say that they do not fit."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        found = " and ".join(map(str, shapes))
        raise ShapeError(f"{what}: expected sizes equal or 1, from the right, found shapes {found}.") from error


def check_positions(what: str, index: np.ndarray, length: int, negative: bool = False) -> None:
    """Refuse indices outside of an axis of this length; those that count from the end only if `negative`."""
    lowest = -length if negative else 0
    if index.size and not lowest <= index.min() <= index.max() < length:
        raise IndexingError(
            f"{what}: expected indices from {lowest} to {length - 1}, found {index.min()} … {index.max()}."
        )


def check_device(device: Any) -> None:
    """Refuse every device but "cpu" (None means it too)."""
    if device not in (None, "cpu"):
        raise NotImplementedError(
            f'device="{device}": the GPU backend arrives in module 13_kernels; only "cpu" is here now.'
        )
