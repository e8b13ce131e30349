"""Order and membership: sort, topk, median, unique, searchsorted, histograms. NaN counts as larger than anything.

An order is a tensor of indices without a gradient; values are then picked by it, which has one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, IndexingError, ShapeError
from tinytorch.given.storage import TensorBase
from tinytorch.given.tables import Primitive
from tinytorch.given.tensor_arguments import count_of
from tinytorch.given.tensor_properties import TensorProperties


class Ordered(NamedTuple):
    """What `sort`, `topk`, `kthvalue` and `median` along an axis return."""

    values: Any
    indices: Any


def argsort_kernel(xp, a, *, dim, descending):
    """Indices that sort `a` along `dim`; equal elements keep their order, NaN is the largest."""
    if not descending:
        return xp.argsort(a, axis=dim, kind="stable").astype(np.int64, copy=False)
    backwards = xp.argsort(xp.flip(a, dim), axis=dim, kind="stable")
    return xp.flip(a.shape[dim] - 1 - backwards, dim).astype(np.int64)


def nonzero_kernel(xp, a):
    """Coordinates of what is not zero, one row for each, in row-major order."""
    return xp.stack(xp.nonzero(a), axis=-1) if a.ndim else xp.zeros((int(bool(a)), 0), np.int64)


def unique_kernel(xp, a, *, dim):
    """Sorted different values (slices, if `dim` is given), where each element's is among them, and how often it is."""
    values, inverse, counts = xp.unique(a, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    return values, inverse.reshape(a.shape if dim is None else -1), counts


def bincount_kernel(xp, a, weights, *, minlength):
    """How often each number from 0 on occurs, or the sum of its weights (in float64, float32 weights included)."""
    return xp.bincount(a, weights, minlength).astype(np.int64 if weights is None else np.float64, copy=False)


def histc_kernel(xp, a, *, bins, min, max):
    """How many elements lie in each of `bins` equal parts of [min, max]; others are left out."""
    inside = a[(a >= min) & (a <= max)]
    places = xp.floor((inside - a.dtype.type(min)) / (max - min) * bins).astype(np.int64)
    return xp.bincount(xp.minimum(places, bins - 1), minlength=bins).astype(a.dtype)


def searchsorted_kernel(xp, sequence, a, *, right):
    """Where each element would go to keep the last axis of `sequence` sorted; leading axes are equal, or it has one."""
    side = "right" if right else "left"
    if sequence.ndim == 1:
        return xp.asarray(xp.searchsorted(sequence, a, side=side), np.int64)
    rows, wanted = sequence.reshape(-1, sequence.shape[-1]), a.reshape(-1, a.shape[-1])
    found = [xp.searchsorted(row, values, side=side) for row, values in zip(rows, wanted, strict=True)]
    return xp.stack(found).reshape(a.shape).astype(np.int64) if found else xp.zeros(a.shape, np.int64)


def isin_kernel(xp, a, b, *, invert):
    """True where an element of `a` is one of those of `b`."""
    return xp.isin(a, b, invert=invert)


ARGSORT, NONZERO = Primitive("argsort", argsort_kernel), Primitive("nonzero", nonzero_kernel)
UNIQUE = Primitive("unique", unique_kernel, outputs=("values", "inverse", "counts"))
BINCOUNT, HISTC = Primitive("bincount", bincount_kernel), Primitive("histc", ops.quiet(histc_kernel))
SEARCHSORTED, ISIN = Primitive("searchsorted", searchsorted_kernel), Primitive("isin", isin_kernel, promote="same")


class TensorSorting(TensorProperties):
    """Methods that order, and that look values up."""

    def argsort(self, dim: int = -1, descending: bool = False, *, stable: bool = True) -> Any:
        """Return the int64 indices that sort self along `dim`; equal elements always keep their order."""
        place = ops.axis(dim, self.ndim, "argsort")
        if self.ndim == 0:
            return self.reshape(1).argsort(0).reshape(())
        return ARGSORT(self, dim=place, descending=bool(descending))

    def sort(self, dim: int = -1, descending: bool = False, *, stable: bool = True) -> Ordered:
        """Return (values, indices) sorted along `dim`; equal elements always keep their order."""
        return self._ordered(self.argsort(dim, descending), dim)

    def msort(self) -> Any:
        """Return self sorted along its first axis."""
        return self.sort(0).values

    def topk(self, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Ordered:
        """Return the k largest (or smallest) along `dim`, as (values, indices), the best one first."""
        length = self.size(dim) if self.ndim else 1
        if count_of(k, "topk") > length:
            raise ShapeError(f"topk: expected k from 0 to {length} along axis {dim}, found {k}.")
        order = self.argsort(dim, descending=largest)
        return self._ordered(order.narrow(dim, 0, k) if self.ndim else order, dim)

    def kthvalue(self, k: int, dim: int = -1, keepdim: bool = False) -> Ordered:
        """Return the k-th smallest along `dim`, k counting from 1, as (value, index)."""
        length = self.size(dim) if self.ndim else 1
        if not 1 <= count_of(k, "kthvalue") <= length:
            raise ShapeError(f"kthvalue: expected k from 1 to {length} along axis {dim}, found {k}.")
        return self._one(self.argsort(dim), k - 1, dim, keepdim)

    def median(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Return the median, the lower one of two; with `dim` (values, indices) along it. NaN wins."""
        if dim is None:
            if self.numel() == 0:
                nothing = np.nan if self.dtype.kind == "f" else np.iinfo(self.dtype).min
                return self._result(np.full((), nothing, self.dtype))
            return self.reshape(-1).median(0).values
        length = self.size(dim) if self.ndim else 1
        if length == 0:
            raise IndexingError(f"median: expected elements along axis {dim}, found shape {self.shape}.")
        order = self.argsort(dim)
        if self.ndim and self.dtype.kind == "f":      # NaN is sorted last, and wins
            nan = self.isnan()
            first = nan.to(np.int8).argmax(dim, keepdim=True)
            order = order.narrow(dim, (length - 1) // 2, 1)
            return self._one(ops.WHERE(nan.any(dim, keepdim=True), first, order), 0, dim, keepdim)
        return self._one(order, (length - 1) // 2, dim, keepdim)

    def _ordered(self, order: Any, dim: int) -> Ordered:
        place = ops.axis(dim, self.ndim, "sort")
        return Ordered(ops.TAKE_ALONG(self, order, dim=place) if self.ndim else self.clone(), order)

    def _one(self, order: Any, position: int, dim: int, keepdim: bool) -> Ordered:
        if self.ndim == 0:
            return Ordered(self.clone(), order)
        values, indices = self._ordered(order.narrow(dim, position, 1), dim)
        return Ordered(values, indices) if keepdim else Ordered(values.squeeze(dim), indices.squeeze(dim))

    # ---- looking up
    def nonzero(self, *, as_tuple: bool = False) -> Any:
        """Return the coordinates of what is not zero: one row for each, or (as_tuple) one vector for each axis."""
        if as_tuple:
            return (self.reshape(1) if self.ndim == 0 else self).nonzero().unbind(1)
        return NONZERO(self)

    def argwhere(self) -> Any:
        """Return the coordinates of what is not zero, one row for each."""
        return NONZERO(self)

    def unique(
        self, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
    ) -> Any:
        """Return the different values, always sorted (with `dim` the different slices); NaN differs from nothing.

        return_inverse, return_counts: also where each element's value stands, and how often each value occurs.
        """
        place = None if dim is None else ops.axis(dim, self.ndim, "unique")
        values, inverse, counts = UNIQUE(self, dim=place)
        found = (values, *([inverse] if return_inverse else ()), *([counts] if return_counts else ()))
        return found if len(found) > 1 else values

    def bincount(self, weights: Any = None, minlength: int = 0) -> Any:
        """Return how often each number from 0 on occurs in a vector, or the sum of its weights."""
        if self.dtype.kind not in "iu" or self.ndim != 1 or (self.numel() and self._array.min() < 0):
            raise DTypeError(f"bincount: expected a vector of integers of 0 or more, found {self.dtype} {self.shape}.")
        if weights is not None and weights.shape != self.shape:
            raise ShapeError(f"bincount: expected weights of shape {self.shape}, found {weights.shape}.")
        found = BINCOUNT(self, weights, minlength=count_of(minlength, "bincount"))
        return found if weights is None or weights.dtype != np.float32 else found.to(np.float32)

    def histc(self, bins: int = 100, min: float = 0, max: float = 0) -> Any:
        """Return how many elements lie in each of `bins` equal parts of [min, max]; of self, if both are equal."""
        if self.dtype.kind != "f":
            raise DTypeError(f"histc: expected a floating dtype, found {self.dtype}. Convert first: x.float().")
        if min == max and self.numel():
            min, max = self.amin().item(), self.amax().item()
        if min == max:
            min, max = min - 1, max + 1
        if count_of(bins, "histc") == 0 or not (np.isfinite((min, max)).all() and min < max):
            raise ShapeError(f"histc: expected 1 bin or more and finite min < max, found {bins}, {min} and {max}.")
        return HISTC(self, bins=bins, min=min, max=max)


def searchsorted(
    sorted_sequence: Any, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Return where each element of `input` would go to keep the last axis of `sorted_sequence` sorted.

    right (or side="right"): behind equal elements, else in front of them. sorter: indices that sort the sequence.
    """
    if not isinstance(sorted_sequence, TensorBase):
        raise DTypeError(f"searchsorted: expected a Tensor to search in, found {type(sorted_sequence).__name__}.")
    if side not in (None, "left", "right") or (side == "left" and right):
        raise DTypeError(f'searchsorted: expected side "left" or "right", in agreement with right, found {side!r}.')
    sequence = sorted_sequence if sorter is None else sorted_sequence.gather(-1, sorter)
    wanted = input if isinstance(input, TensorBase) else sorted_sequence._result(input)
    if sequence.ndim != 1 and sequence.shape[:-1] != wanted.shape[:-1]:
        raise ShapeError(
            f"searchsorted: expected a vector, or leading axes equal to those of the input, found {sequence.shape} "
            f"and {wanted.shape}."
        )
    found = SEARCHSORTED(sequence, wanted, right=right or side == "right")
    return found.to(np.int32) if out_int32 else found


def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """Return in which bucket between the sorted `boundaries` each element lies; right: the upper one of two."""
    if not isinstance(boundaries, TensorBase) or boundaries.ndim != 1:
        found = getattr(boundaries, "shape", boundaries)
        raise ShapeError(f"bucketize: expected a vector of boundaries, found {found!r}.")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Return True where an element is one of `test_elements` (invert: is none of them); one of both may be a number."""
    if not isinstance(elements, TensorBase) and not isinstance(test_elements, TensorBase):
        raise DTypeError("isin: expected a Tensor as elements or as test_elements, found none.")
    return ISIN(elements, test_elements, invert=invert)
