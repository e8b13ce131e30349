"""What stands in the brackets of x[…], brought into the form that NumPy understands, with the result of PyTorch."""

import operator
from typing import Any

import numpy as np

from tinytorch.given.errors import IndexingError
from tinytorch.given.storage import TensorBase
from tinytorch.given.tensor_arguments import whole


def to_index(index: Any, shape: tuple) -> tuple:
    """Return what stands in the brackets of x[…], x having this shape, as a tuple that NumPy understands.

    An index of ints and slices ends in `...`, so that even one element comes back as a view. Tensors become arrays of
    their own: whoever changes his index afterwards changes no history.
    """
    parts = index if isinstance(index, tuple) else (index,)
    if isinstance(index, list) and any(isinstance(i, list | tuple | slice) or getattr(i, "ndim", 0) for i in index):
        raise IndexingError(
            "A list of lists or tensors as the only index is ambiguous: write x[i, j] for one index along each axis, "
            "x[tinytorch.tensor(…)] for one with several axes."
        )
    found = tuple(_part(part) for part in parts)
    if all(isinstance(i, int | slice | type(None)) for i in found):
        return (*found, ...)
    mixed = any(type(i) is int for i in found) and any(isinstance(i, np.ndarray) for i in found)
    return _ints_chosen_first(found, shape) if mixed else found


def _part(part: Any) -> Any:
    if part is None or part is ... or type(part) in (int, bool):
        return part
    if isinstance(part, slice):
        return slice(*(None if end is None else whole(end, "Expected ints in a slice") for end in _ends(part)))
    if isinstance(part, list | range):
        part = _array_of(list(part))
    if isinstance(part, TensorBase | np.ndarray | np.generic):
        return _index_array(np.asarray(part._array if isinstance(part, TensorBase) else part))
    if hasattr(part, "__index__"):
        return operator.index(part)
    raise IndexingError(f"Expected an int, a slice, a tensor, None or ... as index, found {part!r:.60}.")


def _ends(part: slice) -> tuple:
    return part.start, part.stop, part.step


def _array_of(values: list) -> np.ndarray:
    """Return a list of ints, bools, tensors or further lists as an array."""
    try:
        array = np.asarray([_array_of(v) if isinstance(v, list | tuple) else v for v in values])
    except (ValueError, TypeError) as error:
        raise IndexingError(f"Expected rows of equal length in an index, found {values!r:.60}.") from error
    return array.astype(np.int64) if array.size == 0 else array


def _index_array(array: np.ndarray) -> Any:
    if array.dtype == np.uint8:
        raise IndexingError("Expected an index of int64 or bool, found uint8: use x.long() to count, x.bool() to mask.")
    if array.dtype.kind not in "bi":
        raise IndexingError(f"Expected an index of integers or bools, found {array.dtype}. Use x.long().")
    return array.item() if array.ndim == 0 else array.copy()     # a copy: whoever changes his index changes no history


# ---- ints beside arrays: NumPy counts an int as an array, PyTorch chooses it first, so their results may differ in the
# order of the axes: x[0, :, [1, 2]] of shape (4, 5, 6) is (2, 5) in NumPy, (5, 2) in PyTorch.


def _ints_chosen_first(index: tuple, shape: tuple) -> tuple:
    """Return an index by which NumPy gives PyTorch's order of axes; the same one, if it does so already."""
    parts = _spelled_out(index, len(shape))
    if parts is None:
        return index
    rest = [i for i in parts if type(i) is not int]
    places = [i for i, part in enumerate(rest) if isinstance(part, np.ndarray)]
    fancy = [i for i, part in enumerate(parts) if type(part) is int or isinstance(part, np.ndarray)]
    together_there, together_here = (p[-1] - p[0] + 1 == len(p) for p in (fancy, places))
    if together_there or not together_here or places[0] == 0:
        return index
    return _by_coordinates(parts, places[0], len(rest) - len(places), shape)


def _spelled_out(index: tuple, ndim: int) -> list | None:
    """Return one part for each axis, and the Nones; None if NumPy should judge the index (too long, a lone bool)."""
    parts: list = []
    for part in index:
        mask = isinstance(part, np.ndarray) and part.dtype == np.bool_
        parts += part.nonzero() if mask else [part]
    missing = ndim - sum(part is not None and part is not ... for part in parts)
    if missing < 0 or any(type(part) is bool for part in parts) or sum(part is ... for part in parts) > 1:
        return None
    at = next((i for i, part in enumerate(parts) if part is ...), len(parts))
    return [*parts[:at], *[slice(None)] * missing, *parts[at + 1 :]]


def _by_coordinates(parts: list, before: int, slices: int, shape: tuple) -> tuple:
    """Return coordinates for every place of the result: `before` axes, those of the arrays, then the other slices."""
    arrays = np.broadcast_arrays(*(p for p in parts if isinstance(p, np.ndarray)))
    depth, after = arrays[0].ndim, slices - before
    several, found = iter(arrays), []
    place, axis_of_x = 0, 0
    for part in parts:
        if isinstance(part, np.ndarray):
            found.append(next(several).reshape((1,) * before + arrays[0].shape + (1,) * after))
        elif isinstance(part, slice):
            behind = slices - place - 1 + (depth if place < before else 0)
            found.append(np.arange(shape[axis_of_x])[part].reshape((-1,) + (1,) * behind))
        elif part is not None:
            found.append(part)
        place += part is None or isinstance(part, slice)
        axis_of_x += part is not None
    return tuple(found)
