"""`jit`: a function of loops that becomes machine code when it is first called.

Importing Numba takes half a second, and compiling a function up to several. So nothing of that happens before a kernel
is needed: `@jit` only remembers the function.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from tinytorch.given.errors import TinyTorchError
from tinytorch.given.tables import FORKED, REFERENCE_ONLY, why_missing

prange = range     # in Python; inside of a function compiled with parallel=True, Numba's own: iterations in threads


class Compiled:
    """What `jit` returns. Call it as the function; `python` is the function itself, for comparison."""

    def __init__(self, function: Callable, parallel: bool):
        self.python, self.parallel = function, parallel
        self._machine: Callable | None = None
        self._ran = False
        update_wrapper(self, function)

    def in_threads(self) -> bool:
        """Return whether this function, or one that it calls, divides its loops among threads."""
        return self.parallel or any(other is not self and other.in_threads() for other in self._called().values())

    def _called(self) -> dict[str, Compiled]:
        """Return the functions of this kind that it names."""
        known = self.python.__globals__
        return {name: known[name] for name in self.python.__code__.co_names if isinstance(known.get(name), Compiled)}

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Run the machine code; the first call with new types compiles it."""
        if FORKED in REFERENCE_ONLY and self.in_threads():
            return self.python(*arguments, **named)
        if self.python.__kwdefaults__:     # Numba asks for them
            named = self.python.__kwdefaults__ | named
        if self._ran:
            return self.machine()(*arguments, **named)
        machine, self._ran = self.machine(), True
        with warnings.catch_warnings():     # "no transformation for parallel execution": a loop that is not written yet
            warnings.simplefilter("ignore", _performance_warning())
            return machine(*arguments, **named)

    def machine(self) -> Callable:
        """Return Numba's function, for use in another; it compiles at its first call."""
        if self._machine is None:
            self._machine = self._compile()
        return self._machine

    def _compile(self) -> Callable:
        if missing := why_missing("numba"):
            raise TinyTorchError(f"{self!r}: expected Numba to compile it, found {missing}: pip install numba.")
        import numba

        from tinytorch.given.compiling import compiled, threaded

        own = self.python
        known = {**own.__globals__, "prange": numba.prange}
        known.update({name: other.machine() for name, other in self._called().items() if other is not self})
        function = types.FunctionType(own.__code__, known, own.__name__, own.__defaults__, own.__closure__)
        function.__kwdefaults__ = own.__kwdefaults__
        function.__qualname__, function.__doc__ = own.__qualname__, own.__doc__
        function.__module__ = __name__     # one that can be imported wherever the machine code is read again
        machine = (threaded if self.parallel else compiled)(function)
        known.update({name: machine for name, other in self._called().items() if other is self})
        return machine

    def __repr__(self) -> str:
        return f"jit({self.python.__qualname__})"


def _performance_warning() -> type[Warning]:
    from numba.core.errors import NumbaPerformanceWarning

    return NumbaPerformanceWarning


def jit(function: Callable | None = None, *, parallel: bool = False) -> Any:
    """Compile a function with Numba at its first call: `@jit`, or `@jit(parallel=True)` to run `prange` in threads."""
    if function is None:
        return lambda function: Compiled(function, parallel)
    return Compiled(function, parallel)
