"""Which dtype the operands of one operation meet in: PyTorch's rule, which differs from NumPy's.

Categories: bool < integer < floating. The result has the highest category among the operands; within it tensors with
dimensions decide before 0-d tensors, and those before Python scalars. So float32 + int64 is float32 (NumPy: float64),
and int64 + 2.0 is float32, the default dtype. Source: "Type promotion" in PyTorch's documentation of tensor
attributes.
"""

from typing import Any

import numpy as np
from numpy import ndarray

from tinytorch.given.errors import DTypeError

DEFAULT_DTYPE = np.dtype("float32")
PYTHON_SCALARS = frozenset((int, float, bool))
_SCALAR_DTYPES = {bool: np.dtype("bool"), int: np.dtype("int64"), float: DEFAULT_DTYPE}
_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}


def promote_operands(mode: str, arrays: list) -> list:
    """Return `arrays` with one common dtype. mode "float": integers become the default dtype as well.

    Python scalars are left as they are: NumPy lets the array's dtype win over them. None stays None.
    """
    if _meet_already(mode, arrays):
        return arrays
    arrays = [a.item() if isinstance(a, np.generic) else a for a in arrays]
    common = result_dtype(arrays)
    if mode == "float" and common.kind != "f":
        common = DEFAULT_DTYPE
    return [a.astype(common, copy=False) if hasattr(a, "dtype") else a for a in arrays]


def _meet_already(mode: str, arrays: list) -> bool:
    """Whether the operands need no promotion: arrays of one dtype, maybe with numbers beside them, as nearly always."""
    dtype, numbers = None, False
    for a in arrays:
        kind = type(a)
        if kind is ndarray:
            if dtype is None:
                dtype = a.dtype
            elif a.dtype is not dtype:
                return False
        elif kind in PYTHON_SCALARS:
            numbers = True
        else:
            return False
    return dtype is not None and (dtype.kind == "f" or (mode == "same" and not numbers))


def result_dtype(arrays: list) -> np.dtype:
    """Return the dtype that PyTorch gives to an operation on these arrays and Python scalars."""
    groups: tuple[list, list, list] = ([], [], [])      # with dimensions, 0-d, Python scalars
    for array in arrays:
        if hasattr(array, "dtype"):
            groups[0 if array.ndim else 1].append(check_dtype(array.dtype))
        elif type(array) in PYTHON_SCALARS:
            groups[2].append(_SCALAR_DTYPES[type(array)])
        elif array is not None:
            raise DTypeError(
                f"expected tensors and numbers, found {type(array).__name__}: wrap it in tinytorch.tensor(…)"
            )
    result: np.dtype | None = None
    for group in groups:
        if group:
            candidate = _common(group)
            if result is None or _CATEGORY[candidate.kind] > _CATEGORY[result.kind]:
                result = candidate
    if result is None:
        raise DTypeError("expected at least one tensor or number, found none")
    return result


def _common(dtypes: list[Any]) -> np.dtype:
    highest = max(_CATEGORY[d.kind] for d in dtypes)
    return np.result_type(*[d for d in dtypes if _CATEGORY[d.kind] == highest])


def check_dtype(dtype: Any) -> np.dtype:
    """Return `dtype` (a NumPy dtype, its name, or bool, int, float) as a NumPy dtype, if a tensor can have it."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if dtype is None or found is None or found.kind not in _CATEGORY or not found.isnative or found.itemsize > 8:
        raise DTypeError(f"Expected a bool, integer or floating dtype such as tinytorch.float32, found {dtype!r}.")
    return found


def can_hold(target: np.dtype, source: np.dtype) -> bool:
    """Return whether an in-place operation may write `source` into `target`: no floats into integers."""
    return source.kind in _CATEGORY and _CATEGORY[source.kind] <= _CATEGORY[target.kind]
