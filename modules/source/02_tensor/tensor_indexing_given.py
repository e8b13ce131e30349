"""Reading and writing by index along one axis, or by lists of indices: `x.index_add_(0, rows, values)` and its kin.

Everything is one of three primitives: read (getitem), overwrite (setitem_), add to (accumulate_). A gradient flows to
the target and to the values of each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, IndexingError, ShapeError
from tinytorch.given.promotion import can_hold
from tinytorch.given.storage import TensorBase
from tinytorch.given.tables import Primitive, primitive
from tinytorch.given.tensor_arguments import check_positions
from tinytorch.given.tensor_index import to_index
from tinytorch.given.tensor_properties import TensorProperties


def accumulate_kernel(xp, target, value, *, index):
    """Add `value` to target[index]; a place that the index names twice receives both."""
    xp.add.at(target, index, value)
    return target


ACCUMULATE_ = Primitive("accumulate_", ops.quiet(accumulate_kernel), mutates=("target",))


class TensorIndexing(TensorProperties):
    """Methods that read or write whole slices."""

    def index_select(self, dim: int, index: Any) -> Any:
        """Return the slices along `dim` that a vector of int64 names, copied in its order."""
        place, rows = self._rows("index_select", dim, index)
        return self[(slice(None),) * place + (rows,)] if self.ndim else self.clone()

    def index_add_(self, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
        """Add alpha · source to the slices of self that `index` names; a slice named twice receives both."""
        place, rows = self._rows("index_add_", dim, index)
        self._check_source("index_add_", place, rows, source)
        value = source if alpha == 1 else source * alpha
        return ACCUMULATE_(self, value, index=(slice(None),) * place + (rows._array,))

    def index_copy_(self, dim: int, index: Any, source: Any) -> Any:
        """Overwrite the slices of self that `index` names with those of `source`."""
        place, rows = self._rows("index_copy_", dim, index)
        self._check_source("index_copy_", place, rows, source)
        return self._overwrite((slice(None),) * place + (rows,), source)

    def index_fill_(self, dim: int, index: Any, value: Any) -> Any:
        """Overwrite the slices of self that `index` names with one number."""
        place, rows = self._rows("index_fill_", dim, index, negative=True)
        if isinstance(value, TensorBase) and value.ndim:
            raise ShapeError(f"index_fill_: expected one number as value, found shape {value.shape}.")
        if self.ndim == 0:
            return self.fill_(value) if rows.numel() else self
        once = np.unique(rows._array % self.shape[place])      # a slice named twice counts once in the value's gradient
        return self._overwrite((slice(None),) * place + (once,), value)

    def index_put_(self, indices: Any, values: Any, accumulate: bool = False) -> Any:
        """Write `values` (broadcast) to the places that a tuple of index tensors names; with `accumulate` add them."""
        if not isinstance(indices, tuple | list) or not all(i is None or isinstance(i, TensorBase) for i in indices):
            raise IndexingError(f"index_put_: expected a tuple of tensors, one for each axis, found {indices!r:.60}.")
        index = tuple(slice(None) if i is None else i for i in indices)
        if not accumulate:
            return self._overwrite(index, values)
        if isinstance(values, TensorBase) and not can_hold(self.dtype, values.dtype):
            raise DTypeError(f"index_put_: cannot add {values.dtype} to {self.dtype}: convert one of them first.")
        return ACCUMULATE_(self, values, index=to_index(index, self.shape))

    def index_add(self, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
        """Return a copy with `index_add_` done."""
        return self.clone().index_add_(dim, index, source, alpha=alpha)

    def index_copy(self, dim: int, index: Any, source: Any) -> Any:
        """Return a copy with `index_copy_` done."""
        return self.clone().index_copy_(dim, index, source)

    def index_fill(self, dim: int, index: Any, value: Any) -> Any:
        """Return a copy with `index_fill_` done."""
        return self.clone().index_fill_(dim, index, value)

    def index_put(self, indices: Any, values: Any, accumulate: bool = False) -> Any:
        """Return a copy with `index_put_` done."""
        return self.clone().index_put_(indices, values, accumulate)

    # ---- masks
    def masked_fill_(self, mask: Any, value: Any) -> Any:
        """Overwrite self with one number where a bool mask, broadcast to self, is True."""
        where = self._mask("masked_fill_", mask, value)
        return self._overwrite((where.expand(self.shape),), value)

    def masked_fill(self, mask: Any, value: Any) -> Any:
        """Return self with one number where a bool mask, broadcast with self, is True."""
        where = self._mask("masked_fill", mask, value)
        made = value if isinstance(value, TensorBase) else self._result(value)
        return ops.WHERE(where, made.to(self.dtype), self)

    def masked_select(self, mask: Any) -> Any:
        """Return the elements where a bool mask, broadcast with self, is True, along one axis."""
        where = self._mask("masked_select", mask, False)
        shape = ops.together("masked_select", self.shape, where.shape)
        return self.expand(shape)[where.expand(shape)]

    # ---- helpers
    def _overwrite(self, index: tuple, value: Any) -> Any:
        return primitive("setitem_", "module 02_tensor")(self, value, index=to_index(index, self.shape))

    def _rows(self, what: str, dim: int, index: Any, negative: bool = False) -> tuple[int, Any]:
        place = ops.axis(dim, self.ndim, what)
        if not isinstance(index, TensorBase) or index.dtype not in (np.int32, np.int64):
            found = getattr(index, "dtype", type(index).__name__)
            raise DTypeError(f"{what}: expected an int64 tensor as index, found {found}. Use index.long().")
        if index.ndim > 1:
            raise ShapeError(f"{what}: expected an index with one axis, found shape {index.shape}.")
        check_positions(what, index._array, self.shape[place] if self.ndim else 1, negative)
        return place, index.reshape(-1)

    def _check_source(self, what: str, place: int, rows: Any, source: Any) -> None:
        if not isinstance(source, TensorBase):
            raise DTypeError(f"{what}: expected a Tensor as source, found {type(source).__name__}.")
        if source.dtype != self.dtype:
            raise DTypeError(f"{what}: expected a source of self's {self.dtype}, found {source.dtype}. Convert it.")
        wanted = (*self.shape[:place], rows.numel(), *self.shape[place + 1 :]) if self.ndim else (rows.numel(),)
        if source.shape != wanted:
            raise ShapeError(f"{what}: expected a source of shape {wanted}, found {source.shape}.")

    def _mask(self, what: str, mask: Any, value: Any) -> Any:
        if not isinstance(mask, TensorBase) or mask.dtype != np.bool_:
            found = getattr(mask, "dtype", type(mask).__name__)
            raise DTypeError(f"{what}: expected a bool tensor as mask, found {found}. Compare first, as in x > 0.")
        if not isinstance(value, TensorBase | int | float) or (isinstance(value, TensorBase) and value.ndim):
            raise ShapeError(f"{what}: expected one number as value, found {getattr(value, 'shape', value)!r}.")
        kind = value.dtype if isinstance(value, TensorBase) else np.dtype(type(value))
        if not can_hold(self.dtype, kind):
            found = kind if isinstance(value, TensorBase) else type(value).__name__
            raise DTypeError(f"{what}: a value of {found} does not fit a tensor of {self.dtype}. Convert one of them.")
        return mask
