"""Settings of layers and losses, checked: a number where a number belongs, a size where a size does."""

from __future__ import annotations

import math
import numbers
from typing import Any

from tinytorch.core.engine import DTypeError, TinyTorchError
from tinytorch.core.tensor import Tensor


class SettingError(TinyTorchError, ValueError):
    """A setting of the right kind with a value that is not possible; the message says which are."""


def _shown(value: Any) -> str:
    """Return how a message calls a value: itself if it is short, else its type."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else type(value).__name__


def number(value: Any, what: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return `value` as a float from `low` to `high`, or say what was found. `what` names the setting and its owner."""
    if isinstance(value, Tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise DTypeError(f"{what}: expected a number, found {_shown(value)}.")
    if not low <= value <= high:
        bounds = f"from {low:g} to {high:g}" if high < math.inf else f"of {low:g} or more"
        raise SettingError(f"{what}: expected a number {bounds}, found {_shown(value)}.")
    return float(value)


def whole(value: Any, what: str, low: int = 0) -> int:
    """Return `value` as an int of at least `low`, or say what was found."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise DTypeError(f"{what}: expected a whole number, found {_shown(value)}.")
    if value < low:
        raise SettingError(f"{what}: expected a whole number of {low} or more, found {value}.")
    return int(value)


def one_of(value: Any, what: str, choices: tuple) -> Any:
    """Return `value` if it is one of `choices`, else say which there are."""
    if not isinstance(value, type(choices[0])) or value not in choices:
        raise SettingError(f"{what}: expected {' or '.join(map(repr, choices))}, found {_shown(value)}.")
    return value
