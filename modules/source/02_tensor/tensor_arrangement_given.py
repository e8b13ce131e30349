"""Methods of Tensor that rearrange, convert or overwrite: more of the kind that module 02 teaches."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinytorch.given import tensor_arguments as arguments
from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import ShapeError
from tinytorch.given.promotion import check_dtype
from tinytorch.given.storage import TensorBase
from tinytorch.given.tables import service
from tinytorch.given.tensor_properties import TensorProperties


class TensorArrangement(TensorProperties):
    """What can be done with a tensor without computing; `reshape` and indexing are taught."""

    def view(self, *shape: Any) -> Any:
        """Return the same elements in another shape, without copying."""
        result = self.reshape(*shape)
        if self.numel() and result._storage is not self._storage:
            raise ShapeError(
                f"view: expected elements that lie in order in memory, found strides {self._array.strides}. Use "
                "reshape."
            )
        return result

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Any:
        """Return the axes from start_dim to end_dim (included) joined into one."""
        start, end = ops.axis(start_dim, self.ndim, "flatten"), ops.axis(end_dim, self.ndim, "flatten")
        if start > end:
            raise ShapeError(
                f"flatten: expected start_dim <= end_dim, found {start_dim} and {end_dim} for {self.ndim} dimensions."
            )
        joined = prod(self.shape[start : end + 1])
        return self.reshape(*self.shape[:start], joined, *self.shape[end + 1 :])

    @ops.also_named("dims")
    def permute(self, *order: Any) -> Any:
        """Return a view with the axes in another order."""
        places = tuple(ops.axis(d, self.ndim, "permute") for d in ops.sizes(order))
        if sorted(places) != list(range(self.ndim)):
            raise ShapeError(f"permute: expected each of the {self.ndim} axes once, found {order}.")
        return ops.PERMUTE(self, order=places)

    def transpose(self, dim0: int, dim1: int) -> Any:
        """Return a view with two axes swapped."""
        ndim = self.ndim
        order = list(range(ndim))
        a, b = ops.axis(dim0, ndim, "transpose"), ops.axis(dim1, ndim, "transpose")
        if ndim:
            order[a], order[b] = order[b], order[a]
        return ops.PERMUTE(self, order=tuple(order))

    def squeeze(self, dim: Any = None) -> Any:
        """Return a view without the axes of size 1 (or without those of `dim`, an int or several, whose size is 1)."""
        drop = {i for i, n in enumerate(self.shape) if n == 1}
        if dim is not None:
            drop &= set(() if dim in ((), []) else ops.axes(dim, self.ndim, "squeeze") or ())
        return self.reshape(tuple(n for i, n in enumerate(self.shape) if i not in drop))

    def unsqueeze(self, dim: int) -> Any:
        """Return a view with a new axis of size 1 at `dim`."""
        place = ops.axis(dim, self.ndim + 1, "unsqueeze")
        return self.reshape((*self.shape[:place], 1, *self.shape[place:]))

    @ops.also_named("size")
    def expand(self, *shape: Any) -> Any:
        """Return a view with axes of size 1 repeated, and new leading axes; -1 keeps a size."""
        wanted = ops.sizes(shape)
        new = len(wanted) - self.ndim
        if new < 0:
            raise ShapeError(f"expand: expected at least {self.ndim} axes for shape {self.shape}, found {wanted}.")
        shape = tuple(self.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(wanted))
        return ops.EXPAND(self, shape=shape)

    def broadcast_to(self, size: Any) -> Any:
        """Return a view of shape `size`, axes of size 1 repeated."""
        return self.expand(size)

    def clone(self) -> Any:
        """Return a copy with a history."""
        return ops.COPY(self)

    def contiguous(self) -> Any:
        """Return self if its elements lie in row-major order, else a copy that does."""
        return self if self.is_contiguous() else ops.COPY(self)

    # ---- dtypes
    def to(
        self, *targets: Any, dtype: Any = None, device: Any = None, non_blocking: Any = False, copy: Any = False
    ) -> Any:
        """Return self in another dtype (that of a tensor, if one is given) or on a device.

        self, if nothing changes and no copy is asked for. non_blocking changes nothing on a CPU.
        """
        for target in targets:
            if isinstance(target, str) and target.split(":")[0] in ("cpu", "cuda", "gpu"):
                device = target
            else:
                dtype = target.dtype if isinstance(target, TensorBase) else check_dtype(target)
        arguments.check_device(device)
        wanted = self.dtype if dtype is None else check_dtype(dtype)
        if self.dtype != wanted:
            return ops.CAST(self, dtype=wanted)
        return self.clone() if copy else self

    def float(self) -> Any:
        """Return self as float32."""
        return self.to(np.float32)

    def double(self) -> Any:
        """Return self as float64."""
        return self.to(np.float64)

    def long(self) -> Any:
        """Return self as int64."""
        return self.to(np.int64)

    def bool(self) -> Any:
        """Return self as bool: True where not zero."""
        return self.to(np.bool_)

    # ---- in place: each overwrites self and returns it
    def add_(self, other: Any, *, alpha: Any = 1) -> Any:
        """Add alpha · other to self."""
        return ops.ADD_(self, other if alpha == 1 else other * alpha)

    def sub_(self, other: Any, *, alpha: Any = 1) -> Any:
        """Subtract alpha · other from self."""
        return ops.SUB_(self, other if alpha == 1 else other * alpha)

    def mul_(self, other: Any) -> Any:
        """Multiply self by `other`."""
        return ops.MUL_(self, other)

    def div_(self, other: Any, *, rounding_mode: Any = None) -> Any:
        """Divide self by `other`; rounding_mode as in `div`."""
        return ops.DIV_(self, other) if rounding_mode is None else self._div_rounded_(other, rounding_mode)

    def clamp_(self, min: Any = None, max: Any = None) -> Any:
        """Limit self to [min, max], numbers or tensors."""
        if isinstance(min, TensorBase) or isinstance(max, TensorBase):
            return self.clip_(min, max)
        return ops.CLAMP_(self, min=min, max=max)

    def copy_(self, source: Any) -> Any:
        """Overwrite self with `source`, broadcast and converted."""
        if isinstance(source, TensorBase):
            return ops.COPY_(self, source)
        exact = self.dtype if isinstance(source, float) and self.dtype.kind == "f" else None    # not by way of float32
        made = service("Tensor", "module 02_tensor")(source, dtype=exact)
        return ops.COPY_(self, made)

    def fill_(self, value: Any) -> Any:
        """Overwrite every element with one number."""
        return self.copy_(value)

    def zero_(self) -> Any:
        """Overwrite every element with 0."""
        return self.copy_(0)

    __iadd__, __isub__, __imul__, __itruediv__ = add_, sub_, mul_, div_
