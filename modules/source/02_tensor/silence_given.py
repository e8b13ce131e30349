"""Kernels that keep silent about inf and NaN: these are values here, not accidents, as in PyTorch.

`np.errstate` is the way to ask NumPy for silence. It works out its setting anew each time, which costs more than a
small operation itself. NumPy keeps that setting in a context variable; so it is worked out once, and then only set
and put back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from functools import wraps
from typing import Any

import numpy as np


def _silence() -> tuple[ContextVar, Any]:
    """Return the context variable that np.seterr sets, and its value for silence."""

    def settings_of(mode: str) -> Context:
        np.seterr(all=mode)
        return copy_context()

    silent, loud = (copy_context().run(settings_of, mode) for mode in ("ignore", "warn"))
    ((variable, value),) = ((v, silent[v]) for v in silent if v not in loud or loud[v] is not silent[v])
    return variable, value


SETTING, SILENT = _silence()


def quiet(kernel: Callable) -> Callable:
    """Return `kernel` without NumPy's warnings about overflow, division by zero and NaN.

    A primitive takes the kernel itself, `quiet(kernel).loud`, and has `bind` keep the silence.
    """

    @wraps(kernel)
    def silent(*args: Any, **params: Any) -> Any:
        before = SETTING.set(SILENT)
        try:
            return kernel(*args, **params)
        finally:
            SETTING.reset(before)

    silent.loud = kernel
    return silent
