"""Primitives of the same kind as those that module 02 teaches: pointwise, comparing, reducing, selecting, joining.

Each is a name and a one-line reference kernel over an array namespace `xp`. Kernels with a domain (log, division, powers) are
silent at its edges and give inf or NaN, as PyTorch does.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tinytorch.given.errors import DTypeError, IndexingError, ShapeError
from tinytorch.given.tables import Primitive


def quiet(kernel: Callable) -> Callable:
    """Return `kernel` without NumPy's warnings about inf and NaN: they are values here, not accidents."""

    @wraps(kernel)
    def silent(*args: Any, **params: Any) -> Any:
        with np.errstate(all="ignore"):
            return kernel(*args, **params)

    return silent


def _named(kernel: Callable, name: str) -> Callable:
    kernel.__qualname__ = kernel.__name__ = name
    return kernel


def pointwise(name: str, kernel: Callable, promote: str = "same") -> Primitive:
    """Return the Primitive `name` for an element-wise kernel."""
    return Primitive(name, _named(quiet(kernel), f"{name}_kernel"), promote=promote)


NEG = pointwise("neg", lambda xp, a: xp.negative(a))
ABS = pointwise("abs", lambda xp, a: xp.abs(a))
SIGN = pointwise("sign", lambda xp, a: xp.sign(a))
POW = pointwise("pow", lambda xp, a, b: xp.power(a, b))
EXP = pointwise("exp", lambda xp, a: xp.exp(a), "float")
LOG = pointwise("log", lambda xp, a: xp.log(a), "float")
SQRT = pointwise("sqrt", lambda xp, a: xp.sqrt(a), "float")
SIN = pointwise("sin", lambda xp, a: xp.sin(a), "float")
COS = pointwise("cos", lambda xp, a: xp.cos(a), "float")
MAXIMUM = pointwise("maximum", lambda xp, a, b: xp.maximum(a, b))
MINIMUM = pointwise("minimum", lambda xp, a, b: xp.minimum(a, b))

EQ = pointwise("eq", lambda xp, a, b: xp.equal(a, b))
NE = pointwise("ne", lambda xp, a, b: xp.not_equal(a, b))
LT = pointwise("lt", lambda xp, a, b: xp.less(a, b))
LE = pointwise("le", lambda xp, a, b: xp.less_equal(a, b))
GT = pointwise("gt", lambda xp, a, b: xp.greater(a, b))
GE = pointwise("ge", lambda xp, a, b: xp.greater_equal(a, b))
LOGICAL_NOT = pointwise("logical_not", lambda xp, a: xp.logical_not(a))
LOGICAL_AND = pointwise("logical_and", lambda xp, a, b: xp.logical_and(a, b))
LOGICAL_OR = pointwise("logical_or", lambda xp, a, b: xp.logical_or(a, b))
ISNAN = pointwise("isnan", lambda xp, a: xp.isnan(a))
ISFINITE = pointwise("isfinite", lambda xp, a: xp.isfinite(a))


def clamp_kernel(xp, a, *, min, max):
    """Limit to [min, max]; None leaves a side open. NaN stays NaN."""
    return xp.clip(a, min, max)


def where_kernel(xp, condition, a, b):
    """Take a where the condition holds, else b. a and b meet in one dtype first."""
    if condition.dtype != np.bool_:
        raise DTypeError(f"where: expected a bool condition, found {condition.dtype}. Compare first, as in x > 0.")
    from tinytorch.given.promotion import promote_operands

    a, b = promote_operands("same", [a, b]) if hasattr(a, "dtype") or hasattr(b, "dtype") else (np.float32(a), b)
    return xp.where(condition, a, b)


def cast_kernel(xp, a, *, dtype):
    """Convert to `dtype`; floats are cut towards zero on the way to integers."""
    with np.errstate(all="ignore"):
        return a.astype(dtype)


def copy_kernel(xp, a):
    """Return a contiguous copy."""
    return xp.array(a, order="C")


CLAMP = Primitive("clamp", clamp_kernel, promote="same")
WHERE = Primitive("where", where_kernel)
CAST = Primitive("cast", cast_kernel)
COPY = Primitive("copy", copy_kernel)


# ---- reductions ---------------------------------------------------------------------------------------------------


def amax_kernel(xp, a, *, dim, keepdim):
    """Largest value along `dim` (an int, a tuple, or None for all); NaN wins."""
    return a.max(axis=dim, keepdims=keepdim)


def amin_kernel(xp, a, *, dim, keepdim):
    """Smallest value along `dim`; NaN wins."""
    return a.min(axis=dim, keepdims=keepdim)


def _extreme_along(find: str) -> Callable:
    def kernel(xp, a, *, dim, keepdim):
        indices = xp.expand_dims(getattr(xp, find)(a, axis=dim), dim)
        values = xp.take_along_axis(a, indices, axis=dim)
        return (values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))

    return _named(kernel, f"{find}_along_kernel")


def _index_of(find: str) -> Callable:
    def kernel(xp, a, *, dim, keepdim):
        return xp.asarray(getattr(xp, find)(a, axis=dim, keepdims=keepdim), dtype=np.int64)

    return _named(kernel, f"{find}_kernel")


AMAX, AMIN = Primitive("amax", amax_kernel), Primitive("amin", amin_kernel)
MAX = Primitive("max", _extreme_along("argmax"), outputs=("values", "indices"))
MIN = Primitive("min", _extreme_along("argmin"), outputs=("values", "indices"))
ARGMAX, ARGMIN = Primitive("argmax", _index_of("argmax")), Primitive("argmin", _index_of("argmin"))


def all_kernel(xp, a, *, dim, keepdim):
    """True where every element is."""
    return xp.all(a, axis=dim, keepdims=keepdim)


def any_kernel(xp, a, *, dim, keepdim):
    """True where some element is."""
    return xp.any(a, axis=dim, keepdims=keepdim)


ALL, ANY = Primitive("all", all_kernel), Primitive("any", any_kernel)


# ---- shapes, selecting, joining ---------------------------------------------------------------------------------------


def expand_kernel(xp, a, *, shape):
    """Repeat axes of size 1, and new leading axes, without copying."""
    return xp.broadcast_to(a, shape)


def take_along_kernel(xp, a, indices, *, dim):
    """Pick a[..., indices, ...] along `dim`: one index for each place of the result."""
    return xp.take_along_axis(a, indices, axis=dim)


def put_along_kernel(xp, values, indices, *, dim, size):
    """The reverse of take_along: zeros of length `size` along `dim`, with `values` added at `indices`."""
    shape = list(values.shape)
    shape[dim] = size
    result = xp.zeros(shape, values.dtype)
    grid = list(np.indices(indices.shape, sparse=True))
    grid[dim] = indices
    xp.add.at(result, tuple(grid), values)
    return result


def getitem_grad_kernel(xp, g, *, index, shape):
    """Zeros of `shape` with `g` added at `index`; an element picked twice receives both."""
    result = xp.zeros(shape, g.dtype)
    if all(isinstance(i, int | slice | type(None) | type(...)) for i in index):
        result[index] = g
    else:
        xp.add.at(result, index, g)
    return result


def cat_kernel(xp, *tensors, dim):
    """Join along an axis that exists."""
    shapes = [t.shape for t in tensors]
    if len({len(s) for s in shapes}) > 1 or len({s[:dim % len(s)] + s[dim % len(s) + 1:] for s in shapes}) > 1:
        raise ShapeError(f"cat: expected equal sizes on every axis but {dim}, found shapes {shapes}.")
    return xp.concatenate(tensors, axis=dim)


EXPAND = Primitive("expand", expand_kernel, view=True)
TAKE_ALONG = Primitive("take_along", take_along_kernel)
PUT_ALONG = Primitive("put_along", put_along_kernel)
GETITEM_GRAD = Primitive("getitem_grad", getitem_grad_kernel)
CAT = Primitive("cat", cat_kernel)


def copy_into_kernel(xp, target, source):
    """Overwrite `target` with `source`, broadcast and converted to its dtype."""
    xp.copyto(target, source, casting="unsafe")
    return target


COPY_ = Primitive("copy_", copy_into_kernel, mutates=("target",))


# ---- arguments --------------------------------------------------------------------------------------------------------


def axis(dim: int, ndim: int, what: str) -> int:
    """Return `dim` counted from the front, or say that it is out of range."""
    if isinstance(dim, bool) or not isinstance(dim, int | np.integer):
        raise DTypeError(f"{what}: expected dim to be an int, found {dim!r}.")
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        raise IndexingError(f"{what}: expected dim from {-max(ndim, 1)} to {max(ndim, 1) - 1} for {ndim} dimensions, found {dim}.")
    return int(dim) % max(ndim, 1)


def axes(dim: Any, ndim: int, what: str) -> tuple[int, ...] | None:
    """Return a reduction's axes counted from the front; None means all of them."""
    if dim is None or (isinstance(dim, tuple | list) and not dim) or ndim == 0:
        return None
    found = tuple(axis(d, ndim, what) for d in (dim if isinstance(dim, tuple | list) else (dim,)))
    if len(set(found)) < len(found):
        raise ShapeError(f"{what}: expected each axis once, found dim={dim!r} for {ndim} dimensions.")
    return found


def sizes(shape: tuple) -> tuple[int, ...]:
    """Return a shape given as f(2, 3) or f((2, 3)) as a tuple of ints."""
    if len(shape) == 1 and isinstance(shape[0], tuple | list):
        shape = tuple(shape[0])
    for size in shape:
        if isinstance(size, bool) or not isinstance(size, int | np.integer):
            raise DTypeError(f"Expected a shape of ints, found {size!r} in {shape!r}.")
    return tuple(int(s) for s in shape)


def to_index(index: Any) -> tuple:
    """Return what stands in x[…] as a tuple that NumPy understands, tensors turned into arrays.

    An index of ints and slices ends in `...`, so that even one element comes back as a view.
    """
    parts = index if isinstance(index, tuple) else (index,)
    found = tuple(_index_part(part) for part in parts)
    basic = all(isinstance(i, int | np.integer | slice | type(None)) for i in found)
    return (*found, ...) if basic else found


def _index_part(part: Any) -> Any:
    array = getattr(part, "_array", part)
    if isinstance(array, list):
        array = np.asarray([getattr(i, "_array", i) for i in array])
        array = array.astype(np.int64) if array.size == 0 else array
    if isinstance(array, np.ndarray):
        if array.dtype.kind not in "biu":
            raise IndexingError(f"Expected an index of integers or bools, found {array.dtype}. Convert it: x.long().")
        return int(array) if array.ndim == 0 and array.dtype.kind in "iu" else array
    if isinstance(array, float | str):
        raise IndexingError(f"Expected an int, a slice, a tensor, None or ... as index, found {part!r}.")
    return array
