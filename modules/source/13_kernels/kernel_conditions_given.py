"""What the rows of the compiled kernels have in common.

Their rules of where a kernel may run are made of questions about arrays, answered in less than a microsecond: by loops,
for a generator expression takes twice as long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from tinytorch.core.engine import Kernel
from tinytorch.given.sizes_that_pay import always

FLOAT32 = np.dtype(np.float32)


@dataclass
class CompiledKernel(Kernel):
    """A kernel that is not compiled again for inputs that may only be read: to Numba their type is another one.

    pays: whether it is faster than the reference, asked of arrays that it supports.
    """

    pays: Callable[..., bool] = always

    def accepts(self, arrays: list, params: dict) -> bool:
        """Return whether this kernel can take these arrays, and should."""
        return super().accepts(arrays, params) and self.pays(*arrays, **params)

    def load(self) -> Callable:
        """Return the function, importing it on first use."""
        if isinstance(self.function, str):
            self.function = for_any_input(super().load())
        return self.function


def for_any_input(kernel: Callable) -> Callable:
    """Return a kernel that is given arrays of one type only. It must neither write to its inputs nor return them."""

    @wraps(kernel)
    def run(xp: Any, *arrays: Any, **params: Any) -> Any:
        return kernel(xp, *[as_writeable(a) if isinstance(a, np.ndarray) else a for a in arrays], **params)

    return run


def as_writeable(x: Any) -> Any:
    """Return x; if it may only be read, another array at the same place that says otherwise."""
    return x if x.flags.writeable else np.asarray(_Place(x))


class _Place:
    """Tells NumPy where the numbers of an array lie, and keeps them alive."""

    def __init__(self, x: Any):
        told = x.__array_interface__
        self.owner, self.__array_interface__ = x, told | {"data": (told["data"][0], False)}


def float32(*arrays: Any) -> bool:
    """Return whether each is a float32 array with numbers in it, or None."""
    for a in arrays:      # noqa: SIM110
        if a is not None and (getattr(a, "dtype", None) != FLOAT32 or a.size == 0):
            return False
    return True


def of_shape(shape: tuple, *arrays: Any) -> bool:
    """Return whether each has this shape, or is None."""
    for a in arrays:      # noqa: SIM110
        if a is not None and a.shape != shape:
            return False
    return True


def row_major(*arrays: Any) -> bool:
    """Return whether the numbers of each lie without gaps in the order of their indices, or it is None."""
    for a in arrays:      # noqa: SIM110
        if a is not None and not a.flags.c_contiguous:
            return False
    return True
