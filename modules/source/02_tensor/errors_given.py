"""The errors of the framework: one tree, and the sentence a failed kernel becomes.

    TinyTorchError (RuntimeError)
    ├── ShapeError      (also a ValueError)   sizes that do not fit each other
    ├── DTypeError      (also a TypeError)    a dtype or a type that an operation cannot take
    ├── IndexingError   (also an IndexError)  an index outside of a tensor
    └── GradientError                         something the autograd rules forbid

PyTorch raises RuntimeError, ValueError, TypeError and IndexError here; code that catches those keeps working.
"""

from typing import NoReturn

import numpy as np

#| face tinytorch: TinyTorchError, ShapeError, DTypeError, IndexingError, GradientError


class TinyTorchError(RuntimeError):
    """Base of every error that the framework raises itself."""


class ShapeError(TinyTorchError, ValueError):
    """Sizes do not fit; the message shows them."""


class DTypeError(TinyTorchError, TypeError):
    """A dtype or an argument's type cannot be used here; the message names what can."""


class IndexingError(TinyTorchError, IndexError):
    """An index points outside of a tensor; the message shows both."""


class GradientError(TinyTorchError):
    """A rule of automatic differentiation was broken; the message says which and what to do."""


# What NumPy raises for operands that do not fit. Everything else (a NotImplementedError of an unfinished
# exercise, a KeyboardInterrupt) passes through untouched.
KERNEL_ERRORS = (ValueError, TypeError, IndexError, OverflowError)


def describe(value: object) -> str:
    """Return `value` as an error message shows it: "float32 (2, 3)" for an array, the value itself for a scalar."""
    if isinstance(value, np.ndarray) or hasattr(value, "__cuda_array_interface__"):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, list | tuple) and any(hasattr(v, "dtype") for v in value):
        return f"[{', '.join(describe(v) for v in value[:3])}{', …' if len(value) > 3 else ''}]"
    return repr(value)


# What NumPy says, and what we say instead.
_CLEARER = (
    ("broadcast", "the shapes cannot be broadcast: aligned at the last axis, sizes must be equal or 1"),
    (
        "read-only",
        "the memory must not be written to (a read-only array, or an expanded tensor, whose elements share places): "
        "clone() it first",
    ),
    ("numpy boolean", "bool tensors have no minus: use ~x to invert, x != y to compare, or convert with x.float()"),
    ("not supported for the input types", "there is no such operation for this dtype; convert first, as in x.long()"),
    ("did not contain a loop", "there is no such operation for this dtype; convert first, as in x.float()"),
    ("boolean array indexing", "a mask takes one value, or a vector with one for each place where the mask is True"),
    ("zero-size array", "there are no elements to choose from"),
    ("only integers, slices", "an index is made of ints, slices, None, ... and tensors or lists of ints or bools"),
)


def raise_kernel_failure(name: str, arrays: list, params: dict, error: Exception) -> NoReturn:
    """Raise the framework's error for a kernel that raised `error`: operation, operands, reason, in one sentence.

    An error of the framework's own that names the operation passes unchanged: whoever raised it knew more.
    """
    if isinstance(error, TinyTorchError) and str(error).startswith(name.rstrip("_")):
        try:
            raise error
        finally:
            del error       # its traceback leads here: without a name for it here, no cycle keeps the tensors alive
    operands = ", ".join(describe(a) for a in arrays if a is not None)
    settings = "".join(f", {key}={describe(value)}" for key, value in params.items())
    reason = str(error).replace("\n", " ").strip().rstrip(".") or type(error).__name__
    reason = next((clearer for word, clearer in _CLEARER if word in reason), reason)
    raise _kind_for(error)(f"{name}({operands}{settings}) failed: {reason}.") from error


def _kind_for(error: Exception) -> type[TinyTorchError]:
    if isinstance(error, TinyTorchError):
        return type(error)
    if isinstance(error, IndexError):
        return IndexingError
    return DTypeError if isinstance(error, TypeError | OverflowError) else ShapeError
