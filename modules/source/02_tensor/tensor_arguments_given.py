"""What users write as arguments of tensor operations, checked and brought into one form: axes, shapes, indices."""

import operator
from typing import Any

import numpy as np

from tinytorch.given.errors import DTypeError, IndexingError, ShapeError
from tinytorch.given.storage import TensorBase


def _whole(value: Any, expected: str) -> int:
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
    dim = _whole(dim, f"{what}: expected dim to be an int")
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
    return tuple(_whole(size, "Expected a shape of ints") for size in shape)


def new_shape(shape: tuple) -> tuple[int, ...]:
    """Return the shape of a tensor to be made; no size may be negative."""
    found = sizes(shape)
    if any(size < 0 for size in found):
        raise ShapeError(f"Expected sizes of 0 or more for a new tensor, found shape {found}.")
    return found


def count_of(value: Any, what: str) -> int:
    """Return a number of things, a whole number of 0 or more."""
    count = _whole(value, f"{what}: expected a whole number of 0 or more")
    if count < 0:
        raise ShapeError(f"{what}: expected a whole number of 0 or more, found {count}.")
    return count


def check_device(device: Any) -> None:
    """Refuse every device but "cpu" (None means it too)."""
    if device not in (None, "cpu"):
        raise NotImplementedError(
            f'device="{device}": the GPU backend arrives in module 13_kernels; only "cpu" is here now.'
        )


def to_index(index: Any) -> tuple:
    """Return what stands in x[…] as a tuple that NumPy understands, tensors turned into arrays.

    An index of ints and slices ends in `...`, so that even one element comes back as a view.
    """
    parts = index if isinstance(index, tuple) else (index,)
    found = tuple(_index_part(part) for part in parts)
    basic = all(isinstance(i, int | np.integer | slice | type(None)) for i in found)
    return (*found, ...) if basic else found


def _index_part(part: Any) -> Any:
    array = part._array if isinstance(part, TensorBase) else part
    if isinstance(array, list):
        array = np.asarray([i._array if isinstance(i, TensorBase) else i for i in array])
        array = array.astype(np.int64) if array.size == 0 else array
    if isinstance(array, np.ndarray):
        if array.dtype.kind not in "biu":
            raise IndexingError(f"Expected an index of integers or bools, found {array.dtype}. Convert it: x.long().")
        return int(array) if array.ndim == 0 and array.dtype.kind in "iu" else array
    if isinstance(array, float | str):
        raise IndexingError(f"Expected an int, a slice, a tensor, None or ... as index, found {part!r}.")
    return array
