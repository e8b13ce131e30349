"""Switching recording off and on: no_grad, enable_grad, inference_mode, set_grad_enabled.

Each is a context manager and a decorator.

They are overlays over the watcher called "autograd", so they hold for the running context only: another thread is not
affected.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any

from tinytorch.core.engine import SERVICES, WATCHERS, overlay, watchers

#| face tinytorch: no_grad, enable_grad, inference_mode, set_grad_enabled, is_grad_enabled
#| face autograd: no_grad, enable_grad, inference_mode, set_grad_enabled


class _GradMode:
    """A context manager and decorator that records operations or does not."""

    def __init__(self, mode: bool):
        self.mode = mode
        self._open: list[overlay] = []

    def __enter__(self) -> None:
        scope = overlay(autograd=WATCHERS["autograd"] if self.mode else None)
        scope.__enter__()
        self._open.append(scope)

    def __exit__(self, *exception: object) -> None:
        self._open.pop().__exit__(*exception)

    def __call__(self, function: Callable) -> Callable:
        if isgeneratorfunction(function):
            return self._around_generator(function)

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with _GradMode(self.mode):
                return function(*args, **kwargs)

        return inside

    def _around_generator(self, function: Callable) -> Callable:
        """A generator runs in pieces: this mode holds in each of them, and not for the caller in between."""

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            generator, value = function(*args, **kwargs), None
            try:
                while True:
                    with _GradMode(self.mode):
                        item = generator.send(value)
                    value = yield item
            except StopIteration as end:
                return end.value
            finally:
                generator.close()

        return inside


def _mode(mode: bool) -> Callable:
    def switch(function: Callable | None = None) -> Any:
        return _GradMode(mode) if function is None else _GradMode(mode)(function)

    return switch


no_grad = _mode(False)
no_grad.__name__ = no_grad.__qualname__ = "no_grad"
no_grad.__doc__ = "Record nothing inside: `with no_grad(): …`, or `@no_grad()` above a function."

enable_grad = _mode(True)
enable_grad.__name__ = enable_grad.__qualname__ = "enable_grad"
enable_grad.__doc__ = (
    "Record inside, even within no_grad: `with enable_grad(): …`, or `@enable_grad()` above a function."
)


def inference_mode(mode: Any = True) -> Any:
    """Record nothing inside: no_grad, under the name that PyTorch users know; `inference_mode(False)` records.

    Tensors made inside are ordinary ones; PyTorch refuses to record with them later.
    """
    return _GradMode(False)(mode) if callable(mode) else _GradMode(not mode)


class set_grad_enabled(_GradMode):
    """Record from here on (True) or do not (False); as a context manager until its end.

    Takes effect when called, as in PyTorch.
    """

    def __init__(self, mode: bool):
        super().__init__(bool(mode))
        super().__enter__()

    def __enter__(self) -> None:
        """Nothing to do: it took effect when it was called."""

    def __call__(self, function: Callable) -> Callable:
        """As a decorator it holds inside the function only."""
        self.__exit__()
        return super().__call__(function)


def is_grad_enabled() -> bool:
    """Return whether operations are being recorded in this context."""
    return watchers().get("autograd") is not None


SERVICES["enable_grad"] = enable_grad
SERVICES["no_grad"] = no_grad
SERVICES["is_grad_enabled"] = is_grad_enabled
