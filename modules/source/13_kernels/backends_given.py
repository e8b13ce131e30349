"""Which kernels run: choosing and inspecting the backends.

    tinytorch.backends.use("numpy")            from now on the reference kernels alone, and nothing fused
    with tinytorch.backends.use("numba"): …    within this block
    TINYTORCH_BACKEND=numpy python train.py    for one run
"""

from __future__ import annotations

import os
from importlib.util import find_spec

#| face backends: use, current, available, kernels_of
from tinytorch.core.engine import KERNELS, PRIMITIVES, SETTINGS, DTypeError, TinyTorchError
from tinytorch.given.tables import REFERENCE_ONLY, UNTRIED, use_reference, why_missing
from tinytorch.given.threads import share_cores

NAMES = {"numpy": "the reference kernels of the modules", "numba": "compiled kernels for the processor"}


class use:
    """Choose a backend: "numpy", "numba", or "auto", the fastest that serves. The end of a `with` block undoes it.

    The choice holds at once, and for the whole process, all threads of it.
    """

    def __init__(self, name: str):
        if name != "auto" and name not in NAMES:
            expected = ", ".join(repr(each) for each in ("auto", *NAMES))
            raise DTypeError(f"backends.use: expected one of {expected}, found {name!r}.")
        if name == "numba" and not available()["numba"]:
            raise TinyTorchError("backends.use: expected Numba to be installed, found it is not: pip install numba.")
        if name == "numba" and (broken := why_missing("numba")):
            raise TinyTorchError(f"backends.use: expected Numba to be whole, found {broken}: pip install numba.")
        self.before = SETTINGS["backend"]
        _set(_setting(name))

    def __enter__(self) -> use:
        return self

    def __exit__(self, *exception: object) -> None:
        _set(self.before)


def _set(backend: str | None) -> None:
    SETTINGS["backend"] = "numpy" if REFERENCE_ONLY else backend
    share_cores()


def _setting(name: str) -> str | None:
    """Return what the engine understands: None for every backend, of which without Numba only the reference is left."""
    if name == "auto":
        return None if available()["numba"] else "numpy"
    return name


def current() -> str:
    """Return "numpy", "numba" or "auto"."""
    return SETTINGS["backend"] or "auto"


def available() -> dict[str, bool]:
    """Return, for each backend, whether its library is installed."""
    return {"numpy": True, "numba": find_spec("numba") is not None}


def kernels_of(name: str) -> list[str]:
    """Return the backends that have a kernel for the primitive `name`, the preferred one first."""
    if name not in PRIMITIVES:
        raise DTypeError(f"kernels_of: expected the name of a primitive such as 'conv2d', found {name!r}.")
    return [backend for owner, backend in KERNELS if owner == name] + ["numpy"]


def _initial() -> str | None:
    """Return the backend to begin with: the environment's wish; without Numba the reference."""
    wanted = os.environ.get("TINYTORCH_BACKEND", "auto")
    if wanted not in ("auto", *NAMES):
        expected = ", ".join(("auto", *NAMES))
        raise DTypeError(f"TINYTORCH_BACKEND: expected one of {expected}, found {wanted!r}.")
    if wanted != "numpy" and not available()["numba"]:
        use_reference("Numba is not installed")
        return "numpy"
    return _setting(wanted)


UNTRIED.add("numba")
SETTINGS["backend"] = _initial()
