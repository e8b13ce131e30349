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
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba.core.caching import FunctionCache, UserProvidedCacheLocator
from platformdirs import user_cache_path

from tinytorch.given.allocation import keep_freed_memory
from tinytorch.given.tables import FORKED, use_reference
from tinytorch.given.threads import share_cores

_GIVEN = Path(__file__).resolve().parent
_COMPILES = (b"import numba", b"from numba", b"from llvmlite", b"from tinytorch.given.compiling")
_MARK = "__tinytorch_kernel__"
FUNCTIONS: list[Any] = []     # everything that was given to Numba to compile, in this process
_TOLD: list[str] = []         # the notice about the folder, once it was given


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


def _given(code: CodeType) -> bool:
    return Path(code.co_filename).parent == _GIVEN


def _saying(function: Callable) -> str:
    """Return a hash of a function's instructions and constants, and of what it names outside of itself."""
    return hashlib.sha256(repr(_said(function, [])).encode()).hexdigest()[:16]


def _said(function: Any, above: list[CodeType]) -> Any:
    """Return what a function says, with all that it calls, in a form whose repr is equal in every process.

    above: the functions that led here, which may be called again. Another file than the given ones counts as a whole.
    """
    code, known = function.__code__, function.__globals__
    if code in above or (above and _given(code)):
        return function.__qualname__
    above = [*above, code]
    own = [_constant(cell.cell_contents, above) for cell in function.__closure__ or ()]
    source = "" if _given(code) else _digest(code.co_filename)
    return function.__qualname__, _instructions(code), own, _outside(_names(code), known, above), source


def _digest(path: str) -> str:
    file = Path(path)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _instructions(code: CodeType) -> tuple:
    """Return a code object's instructions and constants; the repr of the object itself holds its address."""
    constants = [_constant(value, []) for value in code.co_consts]
    return code.co_name, code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars


def _names(code: CodeType) -> set[str]:
    inner = [_names(value) for value in code.co_consts if isinstance(value, CodeType)]
    return set(code.co_names).union(*inner)


def _outside(names: set[str], known: dict[str, Any], above: list[CodeType]) -> list:
    """Return what each name stands for; of a module the parts that are named too."""
    found = {name: known[name] for name in names if name in known}
    for module in [value for value in found.values() if isinstance(value, ModuleType)]:
        parts = {f"{module.__name__}.{name}": vars(module)[name] for name in names if name in vars(module)}
        found.update(parts)
    return [(name, _constant(found[name], above)) for name in sorted(found)]


def _constant(value: Any, above: list[CodeType]) -> Any:
    """Return what a value says: all of a number, an array or a compiled function, of others the type."""
    if isinstance(value, ModuleType):
        return value.__name__
    function = getattr(value, "py_func", None) or getattr(value, "python", None)     # Numba's own, or ours
    if isinstance(function, FunctionType):
        return _said(function, above)
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()
    if isinstance(value, tuple | frozenset):
        parts = value if isinstance(value, tuple) else sorted(value, key=repr)
        return type(value).__name__, [_constant(part, above) for part in parts]
    if isinstance(value, CodeType):
        return _instructions(value)
    plain = value is None or isinstance(value, int | float | complex | str | bytes)
    return (type(value).__name__, repr(value)) if plain else type(value).__name__


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
        probe = folder / f".{os.getpid()}"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        return f"TinyTorch cannot keep compiled kernels in {folder} ({error.strerror}): each process compiles them."
    return ""


def _say(sentence: str) -> None:
    """Tell the first thing that goes wrong with the kept machine code, and no second one."""
    if not _TOLD:
        _TOLD.append(sentence)
        print(sentence, file=sys.stderr)


@cache
def _kept() -> bool:
    """Return whether machine code can be kept; if not, say so once."""
    if why_not_kept():
        _say(why_not_kept())
    return not why_not_kept()


class Kept(FunctionCache):
    """The machine code of one function on disk; whatever goes wrong there, the function is compiled."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code for these types, or None; a damaged file is deleted."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
            _say(f"TinyTorch cannot read a compiled kernel in {self._cache_path} ({found}): it is compiled again.")
            self._forget()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the machine code for these types, if that is possible."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            found = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            _say(f"TinyTorch cannot keep a compiled kernel in {self._cache_path} ({found}): each process compiles it.")

    def _forget(self) -> None:
        for path in Path(self._cache_path).glob("*"):
            with suppress(OSError):
                path.unlink()


def _keep(machine: Any) -> None:
    """Let a function keep its machine code, as Numba's cache=True does; without a folder it is only compiled."""
    try:
        machine._cache = Kept(machine.py_func)
    except OSError as error:
        found = f"{cache_folder()} ({error.strerror})"
        _say(f"TinyTorch cannot keep a compiled kernel in {found}: each process compiles it.")


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
    os.register_at_fork(after_in_child=lambda: use_reference(FORKED))


def _compiler(**options: Any) -> Callable:
    """Return a decorator that compiles a function, keeping the machine code if there is a place for it."""

    def compile_function(function: Callable) -> Callable:
        _prepare()
        setattr(function, _MARK, True)
        has_file = Path(function.__code__.co_filename).exists()     # a notebook's cell has none
        machine = numba.njit(**options)(function)
        if has_file and _kept():
            _keep(machine)
        FUNCTIONS.append(machine)
        return machine

    return compile_function


compiled = _compiler(error_model="numpy", nogil=True)
threaded = _compiler(error_model="numpy", nogil=True, parallel=True)
# A helper: compiled as a part of its callers, and never called from Python.
inlined = numba.njit(error_model="numpy", nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
