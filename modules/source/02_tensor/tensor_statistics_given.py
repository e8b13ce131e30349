"""Statistics beside the reductions: quantiles, running extremes, differences, covariances, distances.

All of them are compositions of operations that have gradients already.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, ShapeError
from tinytorch.given.storage import TensorBase
from tinytorch.given.tables import Primitive
from tinytorch.given.tensor_arguments import count_of
from tinytorch.given.tensor_properties import TensorProperties
from tinytorch.given.tensor_sorting import Ordered


def _running(better: str) -> Any:
    def kernel(xp, a, *, dim):
        lines = xp.moveaxis(a, dim, 0)
        found = xp.zeros(lines.shape, np.int64)
        for t in range(1, len(lines)):
            best = xp.take_along_axis(lines, found[t - 1 : t], axis=0)[0]
            now = lines[t]
            # NaN wins, and of equal ones the last, as in PyTorch
            found[t] = xp.where(getattr(xp, better)(now, best) | (now != now), t, found[t - 1])
            found[t] = xp.where((best != best) & (now == now), found[t - 1], found[t])
        return xp.moveaxis(found, 0, dim)

    kernel.__qualname__ = f"running_{better}_kernel"
    return kernel


CUMARGMAX, CUMARGMIN = (
    Primitive(name, ops.quiet(_running(better)))
    for name, better in (("cumargmax", "greater_equal"), ("cumargmin", "less_equal"))
)
INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


class TensorStatistics(TensorProperties):
    """Methods about the distribution of values."""

    def cummax(self, dim: int) -> Ordered:
        """Return (values, indices) of the largest so far along `dim`, the last among equals."""
        return self._running(CUMARGMAX, dim)

    def cummin(self, dim: int) -> Ordered:
        """Return (values, indices) of the smallest so far along `dim`, the last among equals."""
        return self._running(CUMARGMIN, dim)

    def _running(self, indices_of: Primitive, dim: int) -> Ordered:
        place = ops.axis(dim, self.ndim, indices_of.name.replace("arg", ""))
        if self.ndim == 0:
            return Ordered(self.clone(), self._result(np.zeros((), np.int64)))
        indices = indices_of(self, dim=place)
        return Ordered(ops.TAKE_ALONG(self, indices, dim=place), indices)

    def diff(self, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
        """Return the differences of neighbours along `dim`, n times over; prepend, append: added at the ends."""
        place = ops.axis(dim, self.ndim, "diff")
        if self.ndim == 0:
            raise ShapeError("diff: expected at least one axis, found a 0-d tensor.")
        parts = [t for t in (prepend, self, append) if t is not None]
        result = ops.CAT(*parts, dim=place) if len(parts) > 1 else self
        for _ in range(count_of(n, "diff")):
            length = max(result.shape[place] - 1, 0)
            start = min(1, result.shape[place])
            later, earlier = result.narrow(place, start, length), result.narrow(place, 0, length)
            result = later.logical_xor(earlier) if self.dtype == np.bool_ else later - earlier
        return result.clone() if result is self else result

    def quantile(
        self, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
    ) -> Any:
        """Return the values below which a part q (from 0 to 1) of the elements lies; NaN where there is a NaN.

        q: a number, or a vector, whose axis becomes the first. interpolation between two neighbours: "linear", "lower",
        "higher", "midpoint", "nearest".
        """
        q = q if isinstance(q, TensorBase) else self._result(q, dtype=self.dtype)
        if self.dtype.kind != "f" or q.dtype != self.dtype:
            raise DTypeError(f"quantile: expected floating input and q of one dtype, found {self.dtype} and {q.dtype}.")
        if interpolation not in INTERPOLATIONS:
            raise DTypeError(f"quantile: expected interpolation as one of {INTERPOLATIONS}, found {interpolation!r}.")
        if q.ndim > 1 or (q.numel() and not 0 <= q._array.min() <= q._array.max() <= 1):
            raise ShapeError(f"quantile: expected q from 0 to 1, a number or a vector, found {q.tolist()}.")
        x = self.reshape(-1) if dim is None or self.ndim == 0 else self
        place = ops.axis(0 if dim is None else dim, x.ndim, "quantile")
        if x.shape[place] == 0:
            raise ShapeError(f"quantile: expected elements along axis {place}, found shape {self.shape}.")
        found = _between(x.movedim(place, -1), q.reshape(-1)._array, interpolation).movedim(-1, 0)
        if keepdim:
            flat = dim is None or self.ndim == 0
            found = found.reshape((-1,) + (1,) * self.ndim) if flat else found.unsqueeze(place + 1)
        return found if q.ndim else found[0]

    def cov(self, *, correction: int = 1) -> Any:
        """Return the covariances of the rows of a matrix, its columns being observations; of a vector its variance."""
        if self.ndim > 2:
            raise ShapeError(f"cov: expected at most 2 axes, found shape {self.shape}.")
        x = self if self.dtype.kind == "f" else self.float()
        rows = x.reshape((1, -1)) if self.ndim < 2 else x
        away = rows - rows.mean(1, keepdim=True)
        found = (away @ away.mT) / float(max(rows.shape[1] - correction, 0))
        return found if self.ndim == 2 else found.reshape(())

    def corrcoef(self) -> Any:
        """Return the correlations of the rows of a matrix, its columns being observations."""
        covariance = self.cov()
        if covariance.ndim == 0:
            return covariance / covariance
        deviation = covariance.diagonal().sqrt()
        return (covariance / deviation.unsqueeze(1) / deviation).clamp(-1, 1)

    def dist(self, other: Any, p: float = 2) -> Any:
        """Return the p-norm of self - other."""
        return (self - other).norm(p)


def _between(x: Any, q: np.ndarray, interpolation: str) -> Any:
    """Return the quantiles q of the last axis."""
    ordered = x.sort(-1).values
    last = ordered.shape[-1] - 1
    rank = q * last
    below, above = np.floor(rank).astype(np.int64), np.ceil(rank).astype(np.int64)
    if interpolation == "nearest":
        below = above = np.round(rank).astype(np.int64)
    low, high = (ordered[..., x._result(i)] for i in (above if interpolation == "higher" else below, above))
    share = {"linear": rank - below, "midpoint": np.where(above > below, 0.5, 0.0)}.get(interpolation)
    found = low if share is None else low + (high - low) * x._result(share.astype(x.dtype))
    nan = x.isnan().any(-1, keepdim=True)
    return ops.WHERE(nan, x._result(np.asarray(np.nan, x.dtype)), found)
