"""Primitives of the same kind as those that module 02 teaches: pointwise, comparing, reducing, selecting, joining.

Each is a name and a one-line reference kernel over an array namespace `xp`. Kernels are silent about inf and NaN, as
PyTorch is; all but `add`, the smallest, for which even that would cost a tenth of its time.
"""

from collections.abc import Callable

import numpy as np

from tinytorch.given.errors import DTypeError, ShapeError
from tinytorch.given.mutation import in_place
from tinytorch.given.promotion import promote_operands, result_dtype
from tinytorch.given.silence import quiet
from tinytorch.given.tables import Primitive
from tinytorch.given.tensor_arguments import (
    also_named,
    axes,
    axis,
    check_device,
    new_shape,
    sizes,
    together,
    with_dtype,
)
from tinytorch.given.tensor_index import to_index

__all__ = [
    "also_named", "axes", "axis", "check_device", "new_shape", "quiet", "sizes", "to_index", "together", "with_dtype",
]


def _named(kernel: Callable, name: str) -> Callable:
    kernel.__qualname__ = kernel.__name__ = name
    return kernel


def pointwise(name: str, kernel: Callable, promote: str = "same") -> Primitive:
    """Return the Primitive `name` for an element-wise kernel, silent at the edges of its domain."""
    return Primitive(name, _named(quiet(kernel), f"{name}_kernel"), promote=promote)


def add_kernel(xp, a, b):
    """Return a + b."""
    return xp.add(a, b)


def sub_kernel(xp, a, b):
    """Return a - b."""
    return xp.subtract(a, b)


def mul_kernel(xp, a, b):
    """Return a · b, element by element."""
    return xp.multiply(a, b)


ADD = Primitive("add", add_kernel, promote="same", ufunc=np.add)
SUB = Primitive("sub", quiet(sub_kernel), promote="same", ufunc=np.subtract)
MUL = Primitive("mul", quiet(mul_kernel), promote="same", ufunc=np.multiply)
DIV = pointwise("div", lambda xp, a, b: xp.true_divide(a, b), "float")
NEG = pointwise("neg", lambda xp, a: xp.negative(a))
ABS = pointwise("abs", lambda xp, a: xp.abs(a))
SIGN = pointwise("sign", lambda xp, a: xp.sign(a) if a.dtype.kind != "b" else a.copy())
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
BITWISE_NOT = pointwise("bitwise_not", lambda xp, a: xp.invert(a))
BITWISE_AND = pointwise("bitwise_and", lambda xp, a, b: xp.bitwise_and(a, b))
BITWISE_OR = pointwise("bitwise_or", lambda xp, a, b: xp.bitwise_or(a, b))
ISNAN = pointwise("isnan", lambda xp, a: xp.isnan(a))
ISFINITE = pointwise("isfinite", lambda xp, a: xp.isfinite(a))


def clamp_kernel(xp, a, *, min, max):
    """Limit to [min, max]; None leaves a side open. NaN stays NaN."""
    return xp.clip(a, min, max)


def where_kernel(xp, condition, a, b):
    """Take a where the condition holds, else b. a and b meet in one dtype first."""
    if getattr(condition, "dtype", None) != np.bool_:
        found = getattr(condition, "dtype", type(condition).__name__)
        raise DTypeError(f"where: expected a bool tensor as condition, found {found}. Compare first, as in x > 0.")
    a, b = promote_operands("same", [a, b])
    return xp.where(condition, a, b).astype(result_dtype([a, b]), copy=False)


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


# ---- shapes, selecting, joining ---------------------------------------------------------------------------------


def reshape_kernel(xp, a, *, shape):
    """Return the same elements in another shape: a view where strides allow it, else a copy."""
    return xp.reshape(a, shape)


def permute_kernel(xp, a, *, order):
    """Put the axes in another order; `order` names each of them once."""
    return xp.transpose(a, order)


def expand_kernel(xp, a, *, shape):
    """Repeat axes of size 1, and new leading axes, without copying."""
    return xp.broadcast_to(a, shape)


def getitem_kernel(xp, a, *, index):
    """Return a[index], a view where ints and slices select."""
    return a[index]


def take_along_kernel(xp, a, indices, *, dim):
    """Pick a[..., indices, ...] along `dim`: one index for each place of the result."""
    return xp.take_along_axis(a, indices, axis=dim)


def put_along_kernel(xp, values, indices, *, dim, size):
    """The reverse of take_along: zeros of length `size` along `dim`, with `values` added at `indices`."""
    dim %= max(values.ndim, 1)
    result = xp.zeros((*values.shape[:dim], size, *values.shape[dim + 1 :]), values.dtype)
    places = list(xp.indices(indices.shape, sparse=True))
    places[dim] = indices
    xp.add.at(result, tuple(places), values)
    return result


def names_once(index: tuple) -> bool:
    """Return whether an index can name no place twice: it has ints, slices and masks only."""
    return all(isinstance(i, int | slice | type(None) | type(...)) or i.dtype == np.bool_ for i in index)


def getitem_grad_kernel(xp, g, *, index, shape):
    """Zeros of `shape` with `g` added at `index`; an element picked twice receives both."""
    result = xp.zeros(shape, g.dtype)
    if names_once(index):
        result[index] = g
    else:
        xp.add.at(result, index, g)
    return result


def cat_kernel(xp, *tensors, dim):
    """Join along an axis that exists."""
    shapes = [t.shape for t in tensors]
    ndim = len(shapes[0])
    others = {tuple(n for i, n in enumerate(shape) if i != dim % max(ndim, 1)) for shape in shapes}
    if ndim == 0 or len(others) > 1 or len({len(shape) for shape in shapes}) > 1:
        raise ShapeError(
            f"cat: expected equal sizes on every axis but {dim}, and at least one axis, found shapes {shapes}."
        )
    return xp.concatenate(tensors, axis=dim)


RESHAPE = Primitive("reshape", reshape_kernel, view=True)
PERMUTE = Primitive("permute", permute_kernel, view=True)
EXPAND = Primitive("expand", expand_kernel, view=True)
GETITEM = Primitive("getitem", getitem_kernel, view=True)
TAKE_ALONG = Primitive("take_along", take_along_kernel)
PUT_ALONG = Primitive("put_along", put_along_kernel)
GETITEM_GRAD = Primitive("getitem_grad", getitem_grad_kernel)
CAT = Primitive("cat", cat_kernel, promote="same")


def copy_into_kernel(xp, target, source):
    """Overwrite `target` with `source`, broadcast and converted to its dtype."""
    with np.errstate(all="ignore"):
        xp.copyto(target, source, casting="unsafe")
    return target


COPY_ = Primitive("copy_", copy_into_kernel, mutates=("target",))
ADD_, SUB_, MUL_, DIV_, CLAMP_ = in_place(ADD), in_place(SUB), in_place(MUL), in_place(DIV), in_place(CLAMP)
