"""How the kernels here are compiled: what every one of them has in common, in one place.

Numba compiles a function when it is first called with new types, and keeps the machine code on disk. By itself it
looks for changes in the file of that function only, not in those of the helpers it calls, and begins anew when the
package lies elsewhere. Here the folder is named by a hash of all given sources and of what the function itself says: an
edited helper takes effect at once, and equal functions share their machine code wherever they lie.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import UserProvidedCacheLocator
from platformdirs import user_cache_path

from tinytorch.core.engine import SETTINGS
from tinytorch.given.allocation import keep_freed_memory
from tinytorch.given.threads import share_cores

_GIVEN = Path(__file__).resolve().parent
_COMPILES = (b"import numba", b"from numba", b"from llvmlite", b"from tinytorch.given.compiling")
_MARK = "__tinytorch_kernel__"
FUNCTIONS: list[Any] = []     # everything that was given to Numba to compile, in this process


def cache_folder() -> Path:
    """Return the folder that holds all machine code of TinyTorch's kernels."""
    return user_cache_path("tinytorch") / "kernels"


@cache
def _sources() -> str:
    """Return a hash of all given sources of kernels, and of what compiles them."""
    digest = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    for path in sorted(_GIVEN.glob("*.py")):
        source = path.read_bytes()
        if any(line.startswith(_COMPILES) for line in source.splitlines()):
            digest.update(path.name.encode() + b"\0" + source)
    return digest.hexdigest()[:16]


def _saying(function: Callable) -> str:
    """Return a hash of a function's instructions and constants, and of the module's constants that it names."""
    code, known = function.__code__, function.__globals__
    named = {name: known[name] for name in code.co_names if isinstance(known.get(name), int | float | str | tuple)}
    parts = (function.__qualname__, code.co_code, code.co_consts, code.co_names, code.co_varnames, named)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


class BySources(UserProvidedCacheLocator):
    """Names the cache folder of a function by the sources that it may depend on."""

    def __init__(self, py_func: Any, py_file: str):
        super().__init__(py_func, py_file)
        self._cache_path = str(cache_folder() / _sources() / _saying(py_func))

    def get_source_stamp(self) -> str:
        """The folder's name says it all; where the text lies does not matter."""
        return ""

    def get_disambiguator(self) -> str:
        """As the stamp."""
        return ""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """Return a locator for a kernel of TinyTorch; None for any other function."""
        if not hasattr(py_func, _MARK):
            return None
        locator = cls(py_func, py_file)
        locator.ensure_cache_path()
        return locator


@cache
def why_not_kept() -> str:
    """Return "" if machine code can be kept on disk, else the reason in a sentence."""
    folder = cache_folder() / _sources()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".{id(folder)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return f"TinyTorch cannot keep compiled kernels in {folder} ({error.strerror}): each process compiles them."
    return ""


@cache
def _kept() -> bool:
    """Return whether machine code can be kept; if not, say so once."""
    if why_not_kept():
        print(why_not_kept(), file=sys.stderr)
    return not why_not_kept()


def counts() -> tuple[int, int]:
    """Return how many functions this process has compiled, each for its types, and how many it read from disk."""
    read = sum(sum(function.stats.cache_hits.values()) for function in FUNCTIONS)
    return sum(len(function.signatures) for function in FUNCTIONS) - read, read


@cache
def _prepare() -> None:
    """Set up Numba, the allocator and the threads before the first kernel is compiled."""
    others = numba.config.CACHE_LOCATOR_CLASSES or (
        "UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator,IPythonCacheLocator,ZipCacheLocator"
    )
    numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.BySources,{others}"
    numba.config.THREADING_LAYER = "omp"
    keep_freed_memory()
    share_cores()
    # A copy of this process has none of its threads, and OpenMP ends one that asks for them: there the reference works.
    os.register_at_fork(after_in_child=lambda: SETTINGS.update(backend="numpy"))


def _compiler(**options: Any) -> Callable:
    """Return a decorator that compiles a function, keeping the machine code if there is a place for it."""

    def compile_function(function: Callable) -> Callable:
        _prepare()
        setattr(function, _MARK, True)
        has_file = Path(function.__code__.co_filename).exists()     # a notebook's cell has none
        FUNCTIONS.append(numba.njit(cache=has_file and _kept(), **options)(function))
        return FUNCTIONS[-1]

    return compile_function


compiled = _compiler(error_model="numpy", nogil=True)
threaded = _compiler(error_model="numpy", nogil=True, parallel=True)
# A helper: compiled as a part of its callers, and never called from Python.
inlined = numba.njit(error_model="numpy", nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
