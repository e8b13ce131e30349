"""Cutting a tensor into parts, which are views, and putting several together."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, IndexingError, ShapeError
from tinytorch.given.promotion import check_dtype
from tinytorch.given.storage import TensorBase
from tinytorch.given.tensor_arguments import count_of, whole
from tinytorch.given.tensor_creation import cat, from_array, stack, tensors_of
from tinytorch.given.tensor_properties import TensorProperties

#| face tinytorch: hstack, vstack, dstack, cat as concat, cat as concatenate
#| face tinytorch: broadcast_tensors, broadcast_shapes, meshgrid, tril_indices, triu_indices
#| face tinytorch: atleast_1d, atleast_2d, atleast_3d


class TensorSplitting(TensorProperties):
    """Methods that cut."""

    def narrow(self, dim: int, start: Any, length: int) -> Any:
        """Return a view of `length` places along `dim`, from `start` on."""
        place, size = self._along(dim, "narrow")
        first, count = whole(start, "narrow: expected start to be an int"), count_of(length, "narrow")
        first += size if first < 0 else 0
        if not 0 <= first <= size - count:
            raise IndexingError(f"narrow: expected start and length within 0 … {size}, found {start} and {length}.")
        return self[(slice(None),) * place + (slice(first, first + count),)]

    def select(self, dim: int, index: int) -> Any:
        """Return a view of one place along `dim`, which disappears."""
        place, size = self._along(dim, "select")
        found = whole(index, "select: expected index to be an int")
        if not -size <= found < size:
            raise IndexingError(f"select: expected an index from {-size} to {size - 1} on axis {dim}, found {index}.")
        return self[(slice(None),) * place + (found,)]

    def unbind(self, dim: int = 0) -> tuple:
        """Return every place along `dim` as a view."""
        place, length = self._along(dim, "unbind")
        return tuple(self[(slice(None),) * place + (i,)] for i in range(length))

    def split(self, split_size: Any, dim: int = 0) -> tuple:
        """Return parts of `split_size` along `dim` (the last one may be smaller), or parts of the sizes in a list."""
        place, length = self._along(dim, "split")
        if isinstance(split_size, tuple | list):
            sizes = ops.new_shape(tuple(split_size))
            if sum(sizes) != length:
                raise ShapeError(f"split: expected sizes that add up to {length} along axis {dim}, found {sizes}.")
            return self._parts(np.cumsum([0, *sizes]).tolist(), place)
        size = count_of(split_size, "split")
        if size == 0 and length:
            raise ShapeError(f"split: expected a size of 1 or more for {length} places along axis {dim}, found 0.")
        return self._parts([*range(0, length, size or 1), length] if length else [0, 0], place)

    def chunk(self, chunks: int, dim: int = 0) -> tuple:
        """Return at most `chunks` parts of equal size along `dim`; the last one may be smaller."""
        if count_of(chunks, "chunk") == 0:
            raise ShapeError("chunk: expected 1 chunk or more, found 0.")
        place, length = self._along(dim, "chunk")
        return self.split(-(-length // chunks), place) if length else self._parts([0] * (chunks + 1), place)

    def tensor_split(self, indices_or_sections: Any, dim: int = 0) -> tuple:
        """Return so many parts along `dim`, the first ones longer by 1 if need be; or the parts between indices."""
        place, length = self._along(dim, "tensor_split")
        if isinstance(indices_or_sections, TensorBase):
            indices_or_sections = indices_or_sections.tolist()
        if isinstance(indices_or_sections, tuple | list):
            cuts = [min(max(i + length if i < 0 else i, 0), length) for i in ops.sizes((indices_or_sections,))]
            return self._parts([0, *cuts, length], place)
        parts = count_of(indices_or_sections, "tensor_split")
        if parts == 0:
            raise ShapeError("tensor_split: expected 1 section or more, found 0.")
        return self.split([length // parts + (i < length % parts) for i in range(parts)], place)

    def _along(self, dim: int, what: str) -> tuple[int, int]:
        """Return an axis counted from the front, and its length."""
        place = ops.axis(dim, self.ndim, what)
        if self.ndim == 0:
            raise IndexingError(f"{what}: expected a tensor with at least one axis, found a 0-d tensor.")
        return place, self.shape[place]

    def _parts(self, cuts: list[int], place: int) -> tuple:
        return tuple(self[(slice(None),) * place + (slice(start, stop),)] for start, stop in pairwise(cuts))


# ---- joining


def atleast_1d(*tensors: Any) -> Any:
    """Return each tensor with at least one axis: a number becomes a vector. Several come back as a tuple."""
    return _each(tensors, "atleast_1d", lambda t: t.reshape(1) if t.ndim == 0 else t)


def atleast_2d(*tensors: Any) -> Any:
    """Return each tensor with at least two axes: a vector becomes a row. Several come back as a tuple."""
    return _each(tensors, "atleast_2d", lambda t: t.reshape((1,) * (2 - t.ndim) + t.shape) if t.ndim < 2 else t)


def atleast_3d(*tensors: Any) -> Any:
    """Return each tensor with at least three axes: (n,) becomes (1, n, 1), (m, n) becomes (m, n, 1)."""
    return _each(tensors, "atleast_3d", lambda t: t if t.ndim > 2 else atleast_2d(t).unsqueeze(-1))


def hstack(tensors: Any) -> Any:
    """Return the tensors side by side: joined along axis 1, vectors along their only one."""
    parts = [atleast_1d(t) for t in tensors_of(tensors, "hstack")]
    return cat(parts, dim=min(1, parts[0].ndim - 1))


def vstack(tensors: Any) -> Any:
    """Return the tensors one below the other; vectors are rows."""
    return cat([atleast_2d(t) for t in tensors_of(tensors, "vstack")], dim=0)


def dstack(tensors: Any) -> Any:
    """Return the tensors one behind the other, joined along axis 2."""
    return cat([atleast_3d(t) for t in tensors_of(tensors, "dstack")], dim=2)


def _each(tensors: tuple, what: str, function: Any) -> Any:
    several = len(tensors) == 1 and isinstance(tensors[0], tuple | list)
    found = tuple(function(t) for t in tensors_of(tensors[0] if several else tensors, what))
    return found if several or len(found) > 1 else found[0]


# ---- broadcasting


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """Return the shape that tensors of all these shapes broadcast to; an int is a shape of one axis."""
    wanted = [ops.new_shape((shape,) if isinstance(shape, int) else tuple(shape)) for shape in shapes]
    try:
        return np.broadcast_shapes(*wanted)
    except ValueError as error:
        raise ShapeError(
            f"broadcast_shapes: expected sizes that are equal or 1, from the right, found {wanted}."
        ) from error


def broadcast_tensors(*tensors: Any) -> tuple:
    """Return views of the tensors, all in the shape that they broadcast to."""
    parts = tensors_of(tensors, "broadcast_tensors")
    shape = broadcast_shapes(*(t.shape for t in parts))
    return tuple(t.expand(shape) for t in parts)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple:
    """Return a grid of coordinates for each of n vectors: n views of n axes.

    indexing: "ij": axis k belongs to vector k; "xy": the first two axes are swapped, as in an image.
    """
    several = len(tensors) == 1 and isinstance(tensors[0], tuple | list)
    parts = tensors_of(tensors[0] if several else tensors, "meshgrid")
    if any(t.ndim > 1 for t in parts):
        raise ShapeError(f"meshgrid: expected vectors or numbers, found shapes {[t.shape for t in parts]}.")
    if indexing not in ("ij", "xy"):
        raise DTypeError(f'meshgrid: expected indexing "ij" or "xy", found {indexing!r}.')
    shape, count = tuple(t.numel() for t in parts), len(parts)
    grids = [t.reshape((-1,) + (1,) * (count - 1 - i)).expand(shape) for i, t in enumerate(parts)]
    return tuple(g.transpose(0, 1) if indexing == "xy" and count > 1 else g for g in grids)


# ---- the places of a triangle


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = np.int64, device: Any = None) -> Any:
    """Return the places on and below a diagonal of a matrix, (2, n): rows, then columns."""
    return _places("tril_indices", row, col, lambda rows, columns: columns - rows <= offset, dtype, device)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = np.int64, device: Any = None) -> Any:
    """Return the places on and above a diagonal of a matrix, (2, n): rows, then columns."""
    return _places("triu_indices", row, col, lambda rows, columns: columns - rows >= offset, dtype, device)


def _places(what: str, row: int, col: int, inside: Any, dtype: Any, device: Any) -> Any:
    ops.check_device(device)
    rows, columns = np.ogrid[: count_of(row, what), : count_of(col, what)]
    return from_array(np.stack(np.nonzero(inside(rows, columns))).astype(check_dtype(dtype)))


__all__ = ["TensorSplitting", "stack"]
