"""One knob for the number of threads: the kernels', Numba's, and those of the BLAS libraries behind NumPy and SciPy.

When OpenBLAS has nothing to do its threads wait by running in a circle, ready for the next product, and take the cores
from a kernel that comes in between: a step of training can take ten times as long. So from the first kernel on BLAS
works with one thread, until the reference kernels are chosen again. The kernels compute large products of matrices
themselves, in threads of their own.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

#| face tinytorch: get_num_threads, set_num_threads
from tinytorch.core.engine import SETTINGS, DTypeError

MOST_A_CORE = 8
_CHOSEN: list[int] = []          # empty until somebody sets it
_BLAS_FOUND: list[int] = []      # BLAS's own number of threads, before it was first changed
_NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads64_",
          "openblas_{}_num_threads")


@cache
def _usable() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def get_num_threads() -> int:
    """Return how many threads the kernels use: all cores of this process, if nothing else was set."""
    return _CHOSEN[0] if _CHOSEN else _usable()


def set_num_threads(count: int) -> None:
    """Use `count` threads from now on; at least 1. More than there are cores does not help, far more are not taken."""
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
        raise DTypeError(f"set_num_threads: expected an int of at least 1, found {count!r}.")
    _CHOSEN[:] = [min(int(count), MOST_A_CORE * _usable())]     # kernels keep memory for each
    share_cores()


def share_cores() -> None:
    """Give Numba and BLAS their numbers of threads. Called when kernels are first compiled, and at every change."""
    compiling = "tinytorch.given.compiling" in sys.modules
    if compiling:
        import numba

        numba.set_num_threads(min(get_num_threads(), numba.config.NUMBA_NUM_THREADS))
    alone = compiling and SETTINGS["backend"] != "numpy"
    if alone or _CHOSEN or _BLAS_FOUND:
        _limit_blas(1 if alone else None)


def _limit_blas(count: int | None) -> None:
    """Let every OpenBLAS of this process use `count` threads; None: as many as were set, or found at first."""
    for ask, give in _blas():
        if not _BLAS_FOUND:
            _BLAS_FOUND.append(ask())
        give(count or (get_num_threads() if _CHOSEN else _BLAS_FOUND[0]))


def _blas() -> list[tuple[Any, Any]]:
    """Return the functions that ask for and set the threads of each OpenBLAS that is loaded (found on Linux only)."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text(encoding="utf-8").splitlines() if maps.exists() else []
    paths = {line.split(maxsplit=5)[5] for line in lines if "openblas" in line}
    libraries = sorted(path for path in paths if "openblas" in Path(path).name and ".so" in Path(path).name)
    return [pair for path in libraries for pair in _functions(path)]


@cache
def _functions(path: str) -> list[tuple[Any, Any]]:
    try:
        library = ctypes.CDLL(path)
    except OSError:      # replaced on disk since it was loaded: it keeps its number of threads
        return []
    known = [name for name in _NAMES if hasattr(library, name.format("set"))]
    return [(getattr(library, name.format("get")), getattr(library, name.format("set"))) for name in known[:1]]
