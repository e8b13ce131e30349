"""Methods that give the same elements another shape or order; views wherever strides can say it, as in PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, ShapeError
from tinytorch.given.storage import TensorBase
from tinytorch.given.tables import Primitive
from tinytorch.given.tensor_arguments import count_of, whole
from tinytorch.given.tensor_properties import TensorProperties


def diagonal_kernel(xp, a, *, offset, dim1, dim2):
    """The elements a[..., i, i + offset] of the axes dim1 and dim2, as the last axis: a view."""
    rows, columns = a.shape[dim1], a.shape[dim2]
    start_row, start_column = max(-offset, 0), max(offset, 0)
    length = max(min(rows - start_row, columns - start_column), 0)
    rest = [i for i in range(a.ndim) if i not in (dim1, dim2)]
    first = [slice(None)] * a.ndim
    if length:
        first[dim1], first[dim2] = slice(start_row, None), slice(start_column, None)
    shape = (*(a.shape[i] for i in rest), length)
    strides = (*(a.strides[i] for i in rest), a.strides[dim1] + a.strides[dim2])
    return xp.lib.stride_tricks.as_strided(a[tuple(first)], shape, strides)


def windows_kernel(xp, a, *, dim, size, step):
    """Every window of `size` elements along `dim`, `step` apart; the window's elements are the last axis: a view."""
    shape, strides = list(a.shape), list(a.strides)
    shape[dim], strides[dim] = (a.shape[dim] - size) // step + 1, strides[dim] * step
    return xp.lib.stride_tricks.as_strided(a, (*shape, size), (*strides, a.strides[dim]))


DIAGONAL = Primitive("diagonal", diagonal_kernel, view=True)
WINDOWS = Primitive("windows", windows_kernel, view=True)


def diagonal_places(rows: int, columns: int, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and column of each place on a diagonal."""
    length = max(min(rows - max(-offset, 0), columns - max(offset, 0)), 0)
    return np.arange(length) + max(-offset, 0), np.arange(length) + max(offset, 0)


class TensorShapes(TensorProperties):
    """What can be done with the axes of a tensor."""

    # ---- joining and splitting axes
    def ravel(self) -> Any:
        """Return all elements along one axis."""
        return self.reshape(-1)

    def unflatten(self, dim: int, sizes: Any) -> Any:
        """Return the axis `dim` split into axes of these sizes; one may be -1."""
        place, wanted = ops.axis(dim, self.ndim, "unflatten"), ops.sizes((sizes,) if isinstance(sizes, int) else sizes)
        known = math.prod(n for n in wanted if n != -1)
        length = self.shape[place] if self.ndim else 1
        fits = length % known == 0 if known and wanted.count(-1) == 1 else known == length and -1 not in wanted
        if not wanted or not fits or min(wanted) < -1:
            raise ShapeError(f"unflatten: expected sizes that multiply to {length}, found {wanted}.")
        return self.reshape((*self.shape[:place], *_filled(wanted, length, known), *self.shape[place + 1 :]))

    def view_as(self, other: Any) -> Any:
        """Return self in the shape of `other`, without copying."""
        return self.view(other.shape)

    def reshape_as(self, other: Any) -> Any:
        """Return self in the shape of `other`."""
        return self.reshape(other.shape)

    def expand_as(self, other: Any) -> Any:
        """Return self expanded to the shape of `other`."""
        return self.expand(other.shape)

    # ---- order of the axes
    def t(self) -> Any:
        """Return a matrix transposed; a vector or a number as it is."""
        if self.ndim > 2:
            raise ShapeError(f"t: expected at most 2 axes, found shape {self.shape}. Use transpose or mT.")
        return self.permute(*reversed(range(self.ndim)))

    def swapaxes(self, axis0: int, axis1: int) -> Any:
        """Return a view with two axes swapped."""
        return self.transpose(axis0, axis1)

    def swapdims(self, dim0: int, dim1: int) -> Any:
        """Return a view with two axes swapped."""
        return self.transpose(dim0, dim1)

    def movedim(self, source: Any, destination: Any) -> Any:
        """Return a view with axes moved to other places, the rest keeping their order: an int each, or several."""
        froms, tos = (
            tuple(ops.axis(d, self.ndim, "movedim") for d in (dims if isinstance(dims, tuple | list) else (dims,)))
            for dims in (source, destination)
        )
        if len(froms) != len(tos) or len(set(froms)) < len(froms) or len(set(tos)) < len(tos):
            raise ShapeError(f"movedim: expected as many different places as axes, found {source} to {destination}.")
        order = [i for i in range(self.ndim) if i not in froms]
        for to, axis in sorted(zip(tos, froms, strict=True)):
            order.insert(to, axis)
        return self.permute(*order) if self.ndim else self

    moveaxis = movedim

    @ops.also_named("dims")
    def flip(self, *dims: Any) -> Any:
        """Return a copy with the order along each of `dims` reversed."""
        places = ops.axes(ops.sizes(dims), self.ndim, "flip") or ()
        reversed_axes = tuple(slice(None, None, -1) if i in places else slice(None) for i in range(self.ndim))
        return self[reversed_axes].clone()

    def fliplr(self) -> Any:
        """Return a copy with the columns (axis 1) in reverse order."""
        return self.flip(1)

    def flipud(self) -> Any:
        """Return a copy with the rows (axis 0) in reverse order."""
        return self.flip(0)

    def rot90(self, k: int = 1, dims: Any = (0, 1)) -> Any:
        """Return a copy turned by k quarter turns, from the first of `dims` towards the second."""
        places = ops.axes(tuple(dims), self.ndim, "rot90") or ()
        if len(places) != 2:
            raise ShapeError(f"rot90: expected two axes, found dims={dims} for shape {self.shape}.")
        turned = {0: self.clone, 1: lambda: self.flip(places[1]).transpose(*places), 2: lambda: self.flip(*places)}
        return turned.get(k % 4, lambda: self.transpose(*places).flip(places[1]))()

    def roll(self, shifts: Any, dims: Any = None) -> Any:
        """Return the elements moved along each of `dims` by `shifts`, what falls off coming in at the other end."""
        if dims is None:
            return self.reshape(-1).roll(shifts, 0).reshape(self.shape)
        shifts, dims = (list(v) if isinstance(v, list | tuple) else [v] for v in (shifts, dims))
        if len(shifts) != len(dims):
            raise ShapeError(f"roll: expected a shift for each axis, found shifts={shifts} and dims={dims}.")
        result = self
        for shift, dim in zip(shifts, dims, strict=True):
            place = ops.axis(dim, self.ndim, "roll")
            cut = -whole(shift, "roll: expected shifts as ints") % max(self.shape[place], 1) if self.ndim else 0
            if cut:
                ends = (result.narrow(place, cut, self.shape[place] - cut), result.narrow(place, 0, cut))
                result = ops.CAT(*ends, dim=place)
        return result.clone() if result is self else result

    # ---- repeating
    @ops.also_named("repeats")
    def repeat(self, *repeats: Any) -> Any:
        """Return self beside itself so many times along each axis; further numbers in front make new axes."""
        times = ops.new_shape(repeats)
        if len(times) < self.ndim:
            raise ShapeError(f"repeat: expected a number for each axis of shape {self.shape}, found {times}.")
        shape = (1,) * (len(times) - self.ndim) + self.shape
        apart = self.reshape(tuple(n for size in shape for n in (1, size)))
        apart = apart.expand(tuple(n for pair in zip(times, shape, strict=True) for n in pair))
        return apart.clone().reshape(tuple(m * n for m, n in zip(times, shape, strict=True)))

    @ops.also_named("dims")
    def tile(self, *dims: Any) -> Any:
        """Return self beside itself so many times along the last axes."""
        times = ops.new_shape(dims)
        return self.repeat((1,) * (self.ndim - len(times)) + times)

    def repeat_interleave(self, repeats: Any, dim: int | None = None) -> Any:
        """Return each element along `dim` (None: of the flattened tensor) `repeats` times, a number or a vector."""
        if dim is None:
            return self.reshape(-1).repeat_interleave(repeats, 0)
        place = ops.axis(dim, self.ndim, "repeat_interleave")
        given = repeats._array if isinstance(repeats, TensorBase) else count_of(repeats, "repeat_interleave")
        counts = np.asarray(given)
        length = self.shape[place] if self.ndim else 1
        if counts.dtype.kind not in "iu" or counts.ndim > 1 or counts.size not in (1, length) or (counts < 0).any():
            raise ShapeError(
                f"repeat_interleave: expected a number of 0 or more, or {length} of them, found {counts.tolist()}."
            )
        return self.reshape(self.shape or (1,)).index_select(place, self._result(np.repeat(np.arange(length), counts)))

    # ---- parts
    def diagonal(self, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
        """Return a view of a diagonal of the axes dim1 and dim2, as the last axis; offset > 0 lies above it."""
        first, second = ops.axis(dim1, self.ndim, "diagonal"), ops.axis(dim2, self.ndim, "diagonal")
        if first == second:
            raise ShapeError(f"diagonal: expected two different axes, found {dim1} and {dim2} of shape {self.shape}.")
        return DIAGONAL(self, offset=offset, dim1=first, dim2=second)

    def diag(self, diagonal: int = 0) -> Any:
        """Return the diagonal of a matrix, or the matrix that has this vector as its diagonal and zeros elsewhere."""
        if self.ndim not in (1, 2):
            raise ShapeError(f"diag: expected 1 or 2 axes, found shape {self.shape}. Use diagonal or diag_embed.")
        return self.diag_embed(diagonal) if self.ndim == 1 else self.diagonal(diagonal).clone()

    def diag_embed(self, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
        """Return matrices, in the axes dim1 and dim2 of the result, whose diagonal is the last axis of self."""
        if self.ndim == 0:
            raise ShapeError("diag_embed: expected at least one axis, found a 0-d tensor.")
        size = self.shape[-1] + abs(offset)
        index = (..., *diagonal_places(size, size, offset))
        made = ops.GETITEM_GRAD(self, index=index, shape=(*self.shape[:-1], size, size))
        places = [ops.axis(d, made.ndim, "diag_embed") for d in (dim1, dim2)]
        if places[0] == places[1]:
            raise ShapeError(f"diag_embed: expected two different axes, found {dim1} and {dim2}.")
        return made.movedim((-2, -1), places)

    def tril(self, diagonal: int = 0) -> Any:
        """Return the matrices of the last two axes with zeros above a diagonal."""
        diagonal = whole(diagonal, "tril: expected diagonal as an int")
        return self._triangle("tril", lambda rows, columns: columns - rows <= diagonal)

    def triu(self, diagonal: int = 0) -> Any:
        """Return the matrices of the last two axes with zeros below a diagonal."""
        diagonal = whole(diagonal, "triu: expected diagonal as an int")
        return self._triangle("triu", lambda rows, columns: columns - rows >= diagonal)

    def _triangle(self, what: str, inside: Any) -> Any:
        if self.ndim < 2:
            raise ShapeError(f"{what}: expected at least 2 axes, found shape {self.shape}.")
        rows, columns = np.ogrid[: self.shape[-2], : self.shape[-1]]
        return self.where(self._result(inside(rows, columns)), self._zero())

    def unfold(self, dimension: int, size: int, step: int) -> Any:
        """Return a view of every window of `size` elements along an axis, `step` apart; a window is the last axis."""
        place = ops.axis(dimension, self.ndim, "unfold")
        length = self.shape[place] if self.ndim else 1
        if not isinstance(size, int) or not isinstance(step, int):
            raise DTypeError(f"unfold: expected size and step as ints, found {size!r} and {step!r}.")
        if not 0 <= size <= length or step < 1:
            raise ShapeError(f"unfold: expected a size from 0 to {length} and a step from 1, found {size} and {step}.")
        return WINDOWS(self, dim=place, size=size, step=step) if self.ndim else self.reshape(1)[:size]


def _filled(wanted: tuple, length: int, known: int) -> tuple[int, ...]:
    return tuple(length // known if n == -1 else n for n in wanted)
