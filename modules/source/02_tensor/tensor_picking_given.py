"""One index for each place: gather, scatter and their kin. Rows of indices, whatever the number of axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, IndexingError, ShapeError
from tinytorch.given.storage import TensorBase
from tinytorch.given.tables import Primitive
from tinytorch.given.tensor_arguments import check_positions
from tinytorch.given.tensor_properties import TensorProperties


def _places(xp, indices, dim):
    places = list(xp.indices(indices.shape, sparse=True))
    places[dim] = indices
    return tuple(places)


def scatter_kernel(xp, target, indices, source, *, dim):
    """Write source[..., j, ...] to target[..., indices[..., j, ...], ...]; of several for one place the last stays."""
    target[_places(xp, indices, dim)] = source
    return target


def scatter_add_kernel(xp, target, indices, source, *, dim):
    """Add source[..., j, ...] to target[..., indices[..., j, ...], ...]; several for one place are all added."""
    xp.add.at(target, _places(xp, indices, dim), source)
    return target


SCATTER_ = Primitive("scatter_", ops.quiet(scatter_kernel), mutates=("target",))
SCATTER_ADD_ = Primitive("scatter_add_", ops.quiet(scatter_add_kernel), mutates=("target",))


class TensorPicking(TensorProperties):
    """Methods that read or write single elements, one for each index."""

    def gather(self, dim: int, index: Any) -> Any:
        """Return x picked along `dim`: one index for each place of the result, which has the shape of `index`."""
        place = self._check_index("gather", dim, index, self.shape)
        if index.numel() == 0 or 0 in (self.ndim, index.ndim):
            return self.reshape(-1)[index.reshape(-1)].reshape(index.shape)
        return ops.TAKE_ALONG(_front(self, index, place), index, dim=place)

    def scatter_(self, dim: int, index: Any, src: Any, *, reduce: str | None = None) -> Any:
        """Write src, a tensor or a number, to the places along `dim` that `index` names: the reverse of gather.

        reduce: "add" adds instead, as scatter_add_. If an index names a place twice, the last value stays, and the
        gradient reaches both values, as in PyTorch.
        """
        if reduce not in (None, "add"):
            raise DTypeError(f'scatter_: expected reduce=None or "add", found {reduce!r}.')
        return self._scattered(SCATTER_ if reduce is None else SCATTER_ADD_, dim, index, src)

    def scatter_add_(self, dim: int, index: Any, src: Any) -> Any:
        """Add src to the places along `dim` that `index` names; a place named twice receives both."""
        if not isinstance(src, TensorBase):
            raise DTypeError(f"scatter_add_: expected a Tensor as src, found {type(src).__name__}.")
        return self._scattered(SCATTER_ADD_, dim, index, src)

    def scatter(self, dim: int, index: Any, src: Any, *, reduce: str | None = None) -> Any:
        """Return a copy with `scatter_` done."""
        return self.clone().scatter_(dim, index, src, reduce=reduce)

    def scatter_add(self, dim: int, index: Any, src: Any) -> Any:
        """Return a copy with `scatter_add_` done."""
        return self.clone().scatter_add_(dim, index, src)

    def take(self, index: Any) -> Any:
        """Return the elements that `index` names in the flattened tensor, in the shape of `index`."""
        if not isinstance(index, TensorBase) or index.dtype.kind not in "iu":
            raise DTypeError(f"take: expected an integer tensor, found {getattr(index, 'dtype', index)!r}.")
        check_positions("take", index._array, self.numel(), negative=True)
        return self.reshape(-1)[index.long()]

    def take_along_dim(self, indices: Any, dim: int | None = None) -> Any:
        """Return x picked along `dim` (None: of the flattened tensor), all other axes being broadcast."""
        if dim is None:
            return self.reshape(-1).gather(0, indices.reshape(-1))
        place = ops.axis(dim, self.ndim, "take_along_dim")
        if indices.ndim != self.ndim:
            raise ShapeError(f"take_along_dim: expected indices with {self.ndim} axes, found shape {indices.shape}.")
        drop = [tuple(n for i, n in enumerate(t.shape) if i != place) for t in (self, indices)]
        shape = list(ops.together("take_along_dim", *drop))
        x, index = (t.expand((*shape[:place], t.shape[place], *shape[place:])) for t in (self, indices))
        return x.gather(place, index)

    def _scattered(self, operation: Primitive, dim: int, index: Any, src: Any) -> Any:
        what = operation.name
        place = self._check_index(what, dim, index, self.shape)
        if not isinstance(src, TensorBase):
            src = self._result(np.asarray(src).astype(self.dtype)).expand(index.shape)
        if src.dtype != self.dtype:
            raise DTypeError(f"{what}: expected a src of self's {self.dtype}, found {src.dtype}. Convert it.")
        if index.numel() == 0:                    # of whatever shape: nothing is written
            index, src = (t.reshape(-1)[:0].reshape((0,) * max(self.ndim, 1)) for t in (index, src))
        if src.ndim != index.ndim or any(n > m for n, m in zip(index.shape, src.shape, strict=True)):
            raise ShapeError(f"{what}: expected an index no longer than src, found {index.shape} and {src.shape}.")
        if index.ndim == 0:
            index, src = index.reshape(1), src.reshape(1)
        src = src if src.shape == index.shape else src[tuple(slice(n) for n in index.shape)]
        if self.ndim == 0:
            return self.copy_(src.reshape(()) if operation is SCATTER_ else self + src.reshape(-1).sum())
        return operation(self, index, src, dim=place)

    def _check_index(self, what: str, dim: int, index: Any, shape: tuple) -> int:
        place = ops.axis(dim, self.ndim, what)
        if not isinstance(index, TensorBase) or index.dtype not in (np.int32, np.int64):
            found = getattr(index, "dtype", index)
            raise DTypeError(f"{what}: expected an integer tensor as index, found {found!r}. Use index.long().")
        if index.numel() == 0:
            return place
        same_axes = max(index.ndim, 1) == max(self.ndim, 1)
        others = [(n, m) for i, (n, m) in enumerate(zip(index.shape, shape, strict=False)) if i != place]
        if not same_axes or any(n > m for n, m in others):
            raise ShapeError(
                f"{what}: expected an index with {self.ndim} axes, none but axis {dim} longer than in {shape}, "
                f"found {index.shape}."
            )
        check_positions(what, index._array, shape[place] if shape else 1)
        return place


def _front(x: Any, index: Any, place: int) -> Any:
    """Return the part of x that a smaller index can reach: its front along every axis but `place`."""
    if all(n == m for i, (n, m) in enumerate(zip(index.shape, x.shape, strict=False)) if i != place):
        return x
    return x[tuple(slice(None) if i == place else slice(n) for i, n in enumerate(index.shape))]


__all__ = ["SCATTER_", "SCATTER_ADD_", "IndexingError", "TensorPicking"]
