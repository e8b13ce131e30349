"""What the settings of transforms must be: sizes, probabilities, ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError


def pair(size: Any, name: str = "size") -> tuple[int, int]:
    """(height, width): one number stands for both. Numbers below 1 and other things raise ShapeError."""
    numbers = (size, size) if isinstance(size, int | np.integer) else size
    if not isinstance(numbers, tuple | list) or len(numbers) != 2 or not all(_whole(n) and n >= 1 for n in numbers):
        raise ShapeError(f"Expected {name} as one or two whole numbers of at least 1, found {size!r}.")
    return int(numbers[0]), int(numbers[1])


def borders(padding: Any) -> tuple[int, int, int, int]:
    """(left, top, right, bottom): one number stands for all, two for (left and right, top and bottom)."""
    numbers = padding if isinstance(padding, tuple | list) else (padding,)
    if len(numbers) not in (1, 2, 4) or not all(_whole(n) and n >= 0 for n in numbers):
        raise ShapeError(f"Expected padding as one, two or four whole numbers of at least 0, found {padding!r}.")
    left, top, right, bottom = {1: numbers * 4, 2: numbers * 2, 4: numbers}[len(numbers)]
    return int(left), int(top), int(right), int(bottom)


def probability(p: Any) -> float:
    """`p`, if it is a number from 0 to 1; else TinyTorchError."""
    if not _number(p) or not 0 <= p <= 1:
        raise TinyTorchError(f"Expected a probability p from 0 to 1, found {p!r}.")
    return float(p)


def interval(values: Any, name: str, least: float = 0.0) -> tuple[float, float]:
    """(low, high), if least <= low <= high; else TinyTorchError."""
    if not isinstance(values, tuple | list) or len(values) != 2 or not all(_number(v) for v in values):
        raise TinyTorchError(f"Expected {name} as two numbers (low, high), found {values!r}.")
    low, high = float(values[0]), float(values[1])
    if not least <= low <= high < np.inf:
        raise TinyTorchError(f"Expected {name} as (low, high) with {least:g} <= low <= high, found {values!r}.")
    return low, high


def factors(value: Any, name: str) -> tuple[float, float]:
    """The range of a factor: a number v means from max(0, 1 - v) to 1 + v."""
    if not _number(value):
        return interval(value, name)
    if not 0 <= value < np.inf:
        raise TinyTorchError(f"Expected {name} as a number of at least 0 or a range, found {value!r}.")
    return max(0.0, 1.0 - value), 1.0 + value


def check_bytes(images: np.ndarray, who: str) -> None:
    """Raise DTypeError unless the images are uint8."""
    if images.dtype != np.uint8:
        raise DTypeError(f"Expected uint8 images in {who}, found {images.dtype}: put {who} before ToFloat().")


def check_colours(images: np.ndarray, who: str) -> None:
    """Raise unless the images are uint8 or float, of one channel or three."""
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DTypeError(f"Expected uint8 or float images in {who}, found {images.dtype}.")
    if images.shape[1] not in (1, 3):
        raise ShapeError(f"Expected images of 1 or 3 channels in {who}, found shape {images.shape}.")


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
