"""Products of vectors, matrices and batches of them: all of them ways to reach `matmul`, which module 02 teaches."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, ShapeError
from tinytorch.given.storage import TensorBase
from tinytorch.given.tables import primitive
from tinytorch.given.tensor_properties import TensorProperties


def check_axes(what: str, **wanted: tuple[Any, int]) -> None:
    """Refuse operands that are not tensors with the number of axes wanted, as in check_axes("mv", vec=(v, 1))."""
    for name, (tensor, ndim) in wanted.items():
        if not isinstance(tensor, TensorBase):
            raise DTypeError(f"{what}: expected a Tensor as {name}, found {type(tensor).__name__}.")
        if tensor.ndim != ndim:
            raise ShapeError(f"{what}: expected {name} with {ndim} axes, found shape {tensor.shape}.")


def _product(what: str, a: Any, b: Any) -> Any:
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner or (a.ndim == b.ndim == 3 and a.shape[0] != b.shape[0]):
        raise ShapeError(f"{what}: expected sizes that fit each other, found shapes {a.shape} and {b.shape}.")
    return primitive("matmul", "module 02_tensor")(a, b)


class TensorLinearAlgebra(TensorProperties):
    """Linear algebra beyond `@`."""

    def mm(self, mat2: Any) -> Any:
        """Return the product of two matrices, (n, m) and (m, p)."""
        check_axes("mm", input=(self, 2), mat2=(mat2, 2))
        return _product("mm", self, mat2)

    def bmm(self, mat2: Any) -> Any:
        """Return the products of two batches of matrices, (b, n, m) and (b, m, p); batches are not broadcast."""
        check_axes("bmm", input=(self, 3), mat2=(mat2, 3))
        return _product("bmm", self, mat2)

    def mv(self, vec: Any) -> Any:
        """Return the product of a matrix (n, m) and a vector (m,)."""
        check_axes("mv", input=(self, 2), vec=(vec, 1))
        return _product("mv", self, vec)

    def dot(self, tensor: Any) -> Any:
        """Return the sum of the products of two vectors of one length, a 0-d tensor."""
        check_axes("dot", input=(self, 1), tensor=(tensor, 1))
        return _product("dot", self, tensor)

    vdot = dot      # they differ for complex numbers only

    def outer(self, vec2: Any) -> Any:
        """Return every product of an element of self (n,) and one of vec2 (m,), as a matrix (n, m)."""
        check_axes("outer", input=(self, 1), vec2=(vec2, 1))
        return self.unsqueeze(1) * vec2

    def inner(self, other: Any) -> Any:
        """Return the sums of products over the last axis of both; a number scales."""
        if not isinstance(other, TensorBase) or self.ndim == 0 or other.ndim == 0:
            return self * other
        if self.shape[-1] != other.shape[-1]:
            raise ShapeError(f"inner: expected equal last sizes, found shapes {self.shape} and {other.shape}.")
        return tensordot(self, other, dims=([-1], [-1]))

    def addmm(self, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        """Return beta · self + alpha · (mat1 @ mat2), self being broadcast; with beta = 0 self is not read."""
        check_axes("addmm", mat1=(mat1, 2), mat2=(mat2, 2))
        return _added("addmm", self, _product("addmm", mat1, mat2), beta, alpha)

    def addmv(self, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        """Return beta · self + alpha · (mat @ vec)."""
        check_axes("addmv", mat=(mat, 2), vec=(vec, 1))
        return _added("addmv", self, _product("addmv", mat, vec), beta, alpha)

    def baddbmm(self, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        """Return beta · self + alpha · (batch1 @ batch2) for batches of matrices."""
        check_axes("baddbmm", batch1=(batch1, 3), batch2=(batch2, 3))
        return _added("baddbmm", self, _product("baddbmm", batch1, batch2), beta, alpha)

    def trace(self) -> Any:
        """Return the sum of the diagonal of a matrix."""
        check_axes("trace", input=(self, 2))
        return self.diagonal().sum()


def _added(what: str, x: Any, product: Any, beta: float, alpha: float) -> Any:
    lengths = zip(reversed(x.shape), reversed(product.shape), strict=False)
    if x.ndim > product.ndim or any(n not in (1, m) for n, m in lengths):
        raise ShapeError(f"{what}: expected an input that broadcasts to {product.shape}, found shape {x.shape}.")
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    return ops.ADD(x if beta == 1 else x * beta, product)


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Return the sum of products over axes of `a` and of `b`.

    dims: how many of the last axes of a and the first of b; or a pair of lists of axes, as in ([0, 2], [1, 0]).
    """
    if not isinstance(a, TensorBase) or not isinstance(b, TensorBase):
        raise DTypeError(f"tensordot: expected two Tensors, found {type(a).__name__} and {type(b).__name__}.")
    left, right = _contracted(a, b, dims)
    sizes, others = tuple(a.shape[i] for i in left), tuple(b.shape[i] for i in right)
    if sizes != others:
        raise ShapeError(f"tensordot: expected equal sizes along dims={dims}, found shapes {a.shape} and {b.shape}.")
    kept_a = [i for i in range(a.ndim) if i not in left]
    kept_b = [i for i in range(b.ndim) if i not in right]
    shape = [a.shape[i] for i in kept_a] + [b.shape[i] for i in kept_b]
    rows, count = math.prod(a.shape[i] for i in kept_a), math.prod(sizes)
    a = a.permute(*kept_a, *left).reshape(rows, count)
    b = b.permute(*right, *kept_b).reshape(count, math.prod(shape[len(kept_a) :]))
    return _product("tensordot", a, b).reshape(tuple(shape))


def _contracted(a: Any, b: Any, dims: Any) -> tuple[list[int], list[int]]:
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: expected dims from 0 to {min(a.ndim, b.ndim)}, found {dims}.")
        return list(range(a.ndim - dims, a.ndim)), list(range(dims))
    pair = [[d] if isinstance(d, int) else list(d) for d in dims] if isinstance(dims, list | tuple) else []
    if len(pair) != 2 or len(pair[0]) != len(pair[1]):
        raise ShapeError(f"tensordot: expected dims as a number, or two lists of one length, found {dims!r}.")
    left, right = (ops.axes(tuple(d), t.ndim, "tensordot") or () for d, t in zip(pair, (a, b), strict=True))
    return list(left), list(right)
