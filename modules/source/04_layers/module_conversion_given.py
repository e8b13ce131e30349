"""Converting a module: the dtype and the device of all that it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, check_dtype
from tinytorch.core.tensor import Tensor
from tinytorch.given.tensor_arguments import check_device


class ModuleConversion:
    """`to` and its short forms."""

    parameters: Callable
    buffers: Callable

    def to(self, *targets: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False) -> Any:
        """Convert every floating parameter and buffer to a dtype, in place; return the module. Integers stay.

        targets: a dtype, "cpu", both, or a tensor whose dtype is meant; other devices arrive with module 13.
        non_blocking: without effect on the CPU.
        """
        for target in targets:
            if isinstance(target, Tensor):
                dtype = target.dtype
            elif isinstance(target, str) and target not in np.sctypeDict:
                device = target
            elif target is not None:
                dtype = target
        check_device(device)
        if dtype is None:
            return self
        dtype = check_dtype(dtype)
        if dtype.kind != "f":
            raise DTypeError(f"{type(self).__name__}.to: expected a floating dtype for weights, found {dtype}.")
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.dtype.kind == "f" and tensor.dtype != dtype:
                tensor._array = tensor._array.astype(dtype)
                tensor._storage.version += 1               # what a graph saved of it is no longer there
                tensor.grad = None if tensor.grad is None else tensor.grad.to(dtype)
        return self

    def type(self, dst_type: Any) -> Any:
        """Convert to a dtype; return the module."""
        return self.to(dst_type)

    def half(self) -> Any:
        """Convert to float16; return the module."""
        return self.to(np.float16)

    def float(self) -> Any:
        """Convert to float32; return the module."""
        return self.to(np.float32)

    def double(self) -> Any:
        """Convert to float64; return the module."""
        return self.to(np.float64)

    def cpu(self) -> Any:
        """Return the module: it is there already."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Any:
        """Move to the GPU, which arrives with module 13."""
        return self.to("cuda" if device is None else f"cuda:{device}")
