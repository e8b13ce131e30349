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

prange = range     # in Python; inside of a function compiled with parallel=True, Numba's own: iterations in threads


class Compiled:
    """What `jit` returns. Call it as the function; `python` is the function itself, for comparison."""

    def __init__(self, function: Callable, parallel: bool):
        self.python, self.parallel = function, parallel
        self._machine: Callable | None = None
        update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        """Run the machine code; the first call with new types compiles it."""
        if self._machine is not None:
            return self._machine(*arguments)
        self._machine = self._compile()
        with warnings.catch_warnings():     # "no transformation for parallel execution": a loop that is not written yet
            warnings.simplefilter("ignore", _performance_warning())
            return self._machine(*arguments)

    def _compile(self) -> Callable:
        import numba

        from tinytorch.given.compiling import compiled, threaded

        own = self.python
        known = {**own.__globals__, "prange": numba.prange}
        function = types.FunctionType(own.__code__, known, own.__name__, own.__defaults__, own.__closure__)
        function.__qualname__, function.__doc__ = own.__qualname__, own.__doc__
        function.__module__ = __name__     # one that can be imported wherever the machine code is read again
        return (threaded if self.parallel else compiled)(function)

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
