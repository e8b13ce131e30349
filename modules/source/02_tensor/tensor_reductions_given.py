"""Reductions beyond sum and mean: products, norms, variances, counts, and those that leave NaN out."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, ShapeError
from tinytorch.given.promotion import check_dtype
from tinytorch.given.tables import Primitive
from tinytorch.given.tensor_properties import TensorProperties


class MinMax(NamedTuple):
    """What `aminmax` returns."""

    min: Any
    max: Any


def prod_kernel(xp, a, *, dim, keepdim):
    """Product along `dim` (an int, or None for all); bools and integers in int64."""
    return xp.prod(a, axis=dim, keepdims=keepdim, dtype=np.int64 if a.dtype.kind in "biu" else a.dtype)


def logsumexp_kernel(xp, a, *, dim, keepdim):
    """log Σ e**a along `dim`: the largest element is taken out first, so that nothing overflows."""
    top = xp.max(a, axis=dim, keepdims=True, initial=-np.inf)
    top = xp.where(xp.isfinite(top), top, 0).astype(a.dtype, copy=False)
    total = xp.log(xp.sum(xp.exp(a - top), axis=dim, keepdims=True)) + top
    return total if keepdim else total.squeeze(dim)


PROD = Primitive("prod", ops.quiet(prod_kernel))
LOGSUMEXP = Primitive("logsumexp", ops.quiet(logsumexp_kernel), promote="float")


class TensorReductions(TensorProperties):
    """Methods that remove axes."""

    # ---- products and sums
    @ops.with_dtype
    def prod(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Return the product of all elements, or along one axis."""
        if dim is None:
            return PROD(self.reshape(-1), dim=0, keepdim=False)
        place = ops.axis(dim, self.ndim, "prod")
        return PROD(self, dim=place if self.ndim else None, keepdim=keepdim)

    def logsumexp(self, dim: Any, keepdim: bool = False) -> Any:
        """Return log Σ e**x along `dim` (an int or several), without overflow; -inf where every x is."""
        dims = ops.axes(dim, self.ndim, "logsumexp")
        return LOGSUMEXP(self, dim=tuple(range(self.ndim)) if dims is None else dims, keepdim=keepdim)

    @ops.with_dtype
    def nansum(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Return the sum of what is not NaN."""
        return self.where(~self.isnan(), self._zero()).sum(dim, keepdim)

    @ops.with_dtype
    def nanmean(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Return the mean of what is not NaN; NaN where there is nothing else."""
        if self.dtype.kind != "f":
            raise DTypeError(f"nanmean: expected a floating dtype, found {self.dtype}. Convert first: x.float().")
        return self.nansum(dim, keepdim) / (~self.isnan()).sum(dim, keepdim)

    def count_nonzero(self, dim: Any = None) -> Any:
        """Return how many elements are not zero, as int64."""
        return (self != 0).sum(dim)

    def _zero(self) -> Any:
        """Return a 0-d zero of the same dtype."""
        return self._result(np.zeros((), self.dtype))

    # ---- variance
    def var(
        self, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
    ) -> Any:
        """Return the variance along `dim`: the squared distance to the mean, divided by n - correction.

        correction: 1 by default. unbiased: the older way to say it, True for 1 and False for 0; `x.var(False)` works.
        """
        return self.var_mean(dim, unbiased, keepdim, correction=correction)[0]

    def std(
        self, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
    ) -> Any:
        """Return the standard deviation along `dim`; arguments as of `var`."""
        return _root(self.var(dim, unbiased, keepdim, correction=correction))

    def var_mean(
        self, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
    ) -> tuple[Any, Any]:
        """Return (variance, mean) along `dim`."""
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if unbiased is not None and correction is not None:
            raise DTypeError("var: expected correction or unbiased, found both. Leave out unbiased.")
        if self.dtype.kind != "f":
            raise DTypeError(f"var: expected a floating dtype, found {self.dtype}. Convert first: x.float().")
        dims = ops.axes(dim, self.ndim, "var")
        less = (1 if unbiased in (None, True) else 0) if correction is None else correction
        count = math.prod(self.shape if dims is None else [self.shape[d] for d in dims])
        mean = self.mean(dims, keepdim=True)
        distance = self - mean
        variance = (distance * distance).sum(dims, keepdim) / float(max(count - less, 0))
        return variance, mean if keepdim else mean.reshape(variance.shape)

    def std_mean(
        self, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None
    ) -> tuple[Any, Any]:
        """Return (standard deviation, mean) along `dim`."""
        variance, mean = self.var_mean(dim, unbiased, keepdim, correction=correction)
        return _root(variance), mean

    # ---- extremes
    def aminmax(self, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
        """Return (smallest, largest), of everything or along one axis."""
        return MinMax(self.amin(dim, keepdim), self.amax(dim, keepdim))

    def norm(self, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
        """Return the p-norm along `dim` (an int, several, or None for all): (Σ |x|**p)**(1/p).

        p: a number, inf or -inf (the largest, the smallest |x|), 0 (how many are not 0); "fro" is 2.
        """
        if p not in ("fro", None) and not isinstance(p, int | float):
            raise DTypeError(f"norm: expected p as a number, inf, -inf or 'fro', found {p!r}.")
        return vector_norm(self, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


def _root(variance: Any) -> Any:
    constant = variance == 0                # where the root has no slope: there the gradient is 0, as in PyTorch
    return (variance + constant).sqrt() - constant


def vector_norm(x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the norm of order `ord` of the elements along `dim`, as vectors; the gradient at 0 is 0."""
    if not isinstance(ord, int | float):
        raise DTypeError(f"vector_norm: expected ord as a number, found {ord!r}.")
    x = x if dtype is None else x.to(check_dtype(dtype))
    if x.dtype.kind != "f":
        raise DTypeError(f"norm: expected a floating dtype, found {x.dtype}. Convert first: x.float().")
    size = x.abs()
    if ord in (math.inf, -math.inf):
        return size.amax(dim, keepdim) if ord > 0 else size.amin(dim, keepdim)
    if ord == 0:
        return (x != 0).sum(dim, keepdim).to(x.dtype)
    if ord == 1:
        return size.sum(dim, keepdim)
    if ord < 0:
        return (size**ord).sum(dim, keepdim) ** (1 / ord)
    zero = (size == 0).to(x.dtype)          # 0 ** ord has no slope below ord = 1, and the root has none at 0
    powers = x * x if ord == 2 else (size + zero) ** ord - zero
    total = powers.sum(dim, keepdim)
    nothing = (total == 0).to(x.dtype)
    total = total + nothing
    return (total.sqrt() if ord == 2 else total ** (1 / ord)) - nothing


def matrix_norm(x: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return a norm of the matrices along two axes.

    ord: "fro", or 1, -1 (largest, smallest sum of |column|), inf, -inf (of |row|).
    """
    if ord not in ("fro", 1, -1, math.inf, -math.inf):
        raise DTypeError(f"matrix_norm: expected ord 'fro', 1, -1, inf or -inf, found {ord!r}.")
    rows, columns = (ops.axis(d, x.ndim, "matrix_norm") for d in dim)
    if x.ndim < 2 or rows == columns:
        raise ShapeError(f"matrix_norm: expected two axes of a matrix, found dim={dim} of shape {x.shape}.")
    if ord == "fro":
        return vector_norm(x, 2, dim, keepdim, dtype=dtype)
    summed, chosen = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = vector_norm(x, 1, summed, True, dtype=dtype)
    found = sums.amax(chosen, True) if ord > 0 else sums.amin(chosen, True)
    return found if keepdim else found.squeeze((rows, columns))


def norm(x: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return a norm: of matrices if `dim` are two axes (or x has two) and ord is given, else of vectors."""
    pair = x.ndim == 2 if dim is None else isinstance(dim, tuple | list) and len(dim) == 2
    if ord is None:
        return vector_norm(x, 2, dim, keepdim, dtype=dtype)
    if pair:
        return matrix_norm(x, ord, (0, 1) if dim is None else tuple(dim), keepdim, dtype=dtype)
    if dim is None and x.ndim > 2:
        raise ShapeError(f"norm: expected dim, or a tensor of at most 2 axes, with ord={ord!r}; found shape {x.shape}.")
    return vector_norm(x, ord, dim, keepdim, dtype=dtype)
