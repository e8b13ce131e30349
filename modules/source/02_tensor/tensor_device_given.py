"""Where tensors live: `device("cpu")`, and whether there is a GPU (the backend of a later module says so)."""

from __future__ import annotations

from typing import Any

from tinytorch.given.errors import DTypeError
from tinytorch.given.tables import SERVICES

#| face tinytorch: device
#| face cuda: is_available, device_count


class device(str):
    """A place for tensors: "cpu", "cuda" or "cuda:1". It is that text, and has `type` and `index` besides."""

    def __new__(cls, type: str = "cpu", index: int | None = None) -> Any:
        """Return the device of a text, or of a type and the number of the device."""
        kind, colon, number = str(type).partition(":")
        known = kind in ("cpu", "cuda") and (number.isdigit() or not colon)
        if not isinstance(type, str) or not known or (colon and index is not None):
            raise DTypeError(f'device: expected "cpu", "cuda" or "cuda:1", found {type!r} and index {index!r}.')
        return super().__new__(cls, type if index is None else f"{type}:{index}")

    @property
    def type(self) -> str:
        """The kind of device, "cpu" or "cuda"."""
        return str(self).partition(":")[0]

    @property
    def index(self) -> int | None:
        """The number of the device; None if it is not said."""
        number = str(self).partition(":")[2]
        return int(number) if number else None

    def __repr__(self) -> str:
        number = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{number})"


CPU = device("cpu")


def is_available() -> bool:
    """Return whether tensors can live on a GPU."""
    return device_count() > 0


def device_count() -> int:
    """Return the number of GPUs that the package can use: 0 until a backend for them is registered."""
    return SERVICES["cuda_device_count"]() if "cuda_device_count" in SERVICES else 0
