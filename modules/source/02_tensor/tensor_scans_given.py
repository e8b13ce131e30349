"""Running sums and products along an axis, and the linear recurrence that their gradients are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.given import tensor_ops as ops
from tinytorch.given.tables import Primitive
from tinytorch.given.tensor_properties import TensorProperties


def cumsum_kernel(xp, a, *, dim):
    """Sum of everything up to each element; bools and integers in int64."""
    return xp.cumsum(a, axis=dim, dtype=np.int64 if a.dtype.kind in "biu" else a.dtype)


def cumprod_kernel(xp, a, *, dim):
    """Product of everything up to each element; bools and integers in int64."""
    return xp.cumprod(a, axis=dim, dtype=np.int64 if a.dtype.kind in "biu" else a.dtype)


def linear_recurrence_kernel(xp, a, b, *, dim):
    """y[t] = b[t] + a[t] · y[t-1] along `dim`, with y[-1] = 0."""
    factors, y = xp.moveaxis(a, dim, 0), xp.moveaxis(xp.array(b), dim, 0)
    for t in range(1, len(y)):
        y[t] += factors[t] * y[t - 1]
    return xp.moveaxis(y, 0, dim)


CUMSUM = Primitive("cumsum", ops.quiet(cumsum_kernel))
CUMPROD = Primitive("cumprod", ops.quiet(cumprod_kernel))
LINEAR_RECURRENCE = Primitive("linear_recurrence", ops.quiet(linear_recurrence_kernel))


class TensorScans(TensorProperties):
    """Methods that accumulate along an axis."""

    @ops.with_dtype
    def cumsum(self, dim: int) -> Any:
        """Return the running sum along `dim`; integers and bools give int64."""
        place = ops.axis(dim, self.ndim, "cumsum")
        return CUMSUM(self, dim=place) if self.ndim else CUMSUM(self.reshape(1), dim=0).reshape(())

    @ops.with_dtype
    def cumprod(self, dim: int) -> Any:
        """Return the running product along `dim`; integers and bools give int64."""
        place = ops.axis(dim, self.ndim, "cumprod")
        return CUMPROD(self, dim=place) if self.ndim else CUMPROD(self.reshape(1), dim=0).reshape(())
