"""For every compiled kernel the arrays on which it is measured: those of the networks that the course trains.

A function `<name of the primitive>(n)` yields cases with n images, or n rows of a batch. `cases_of` finds them here and
in the files beside this one. A new row of KERNELS needs one: a test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

FULL = 64
FILES = ("elements", "images", "products", "rows", "sequences", "steps")


@dataclass(frozen=True)
class Case:
    """What a kernel gets. `size` says it in words."""

    size: str
    arrays: list[Any]
    params: dict[str, Any]


Cases = Iterator[Case]
SIZES: dict[str, Callable[[int], Cases]] = {}


def sizes(function: Callable[[int], Cases]) -> Callable[[int], Cases]:
    """Enter a function under its name."""
    SIZES[function.__name__] = function
    return function


def cases_of(name: str, n: int = FULL) -> list[Case]:
    """The cases of a primitive; none if nobody has written any."""
    for file in FILES:
        import_module(f"tito.bench.child.sizes_of_{file}")  # enters its own
    return list(SIZES[name](n)) if name in SIZES else []


def need_numba() -> None:
    """Raise a TinyTorchError unless Numba can compile here."""
    from tinytorch import TinyTorchError, backends
    from tinytorch.given.tables import why_missing

    found = why_missing("numba") if backends.available()["numba"] else "it is not installed"
    if found:
        raise TinyTorchError(f"expected Numba to compile the kernels, found {found}: pip install numba.")


def kernel_names(chosen: Sequence[str] = ()) -> list[str]:
    """The operations that have a compiled kernel: those in `chosen`, or all of them."""
    from tinytorch import TinyTorchError
    from tinytorch.core.engine import KERNELS

    names = [name for name, backend in KERNELS if backend == "numba"]
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise TinyTorchError(
            f"expected names of operations with a compiled kernel, found {unknown[0]!r}: they are "
            f"{', '.join(sorted(names))}."
        )
    return [name for name in names if name in chosen or not chosen]


RNG = np.random.default_rng(0)


def numbers(*shape: int) -> Any:
    """Normal random numbers, float32, row-major."""
    return RNG.normal(size=shape).astype("float32")


def images(n: int, c: int, h: int, w: int) -> Any:
    """Random images (N, C, H, W), channels-last in memory."""
    return numbers(n, h, w, c).transpose(0, 3, 1, 2)


def shape_of(array: Any) -> str:
    """Its size in words: 64×32×16×16."""
    return "×".join(map(str, array.shape))
