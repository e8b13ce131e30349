"""How a tensor is shown: `repr` in PyTorch's layout, and `set_printoptions`.

All numbers of a tensor share one format: whole numbers as `1.`, others with four decimals, or all in scientific
notation where sizes differ by more than 1000. A tensor of more than 1000 elements shows three at each end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinytorch.given.errors import DTypeError
from tinytorch.given.tensor_arguments import count_of

#| face tinytorch: set_printoptions

SHOWN_WITHOUT_DTYPE = ("float32", "int64", "bool")


@dataclass(frozen=True)
class PrintOptions:
    """What can be set: decimals, when and how much to leave out, the width of a line, scientific notation or not."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=float("inf")),
}
CURRENT = {"options": PROFILES["default"]}


def set_printoptions(
    precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
    linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None,
) -> None:
    """Set how tensors are shown; what is None stays as it is, except `sci_mode`: None lets the numbers decide.

    profile: "default", "short" (2 decimals, 2 elements at each end) or "full" (nothing left out); it is set first.
    """
    if profile is not None and profile not in PROFILES:
        raise DTypeError(f'set_printoptions: expected profile "default", "short" or "full", found {profile!r}.')
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if name != "threshold" or value != float("inf"):
            count_of(value, f"set_printoptions: {name}")
    base = CURRENT["options"] if profile is None else PROFILES[profile]
    CURRENT["options"] = replace(base, **given, sci_mode=sci_mode)


def text_of(array: np.ndarray, prefix: str, suffixes: list[str]) -> str:
    """Return `prefix` + the numbers in nested brackets + the suffixes, a line at most as wide as set."""
    options = CURRENT["options"]
    summarised = array.size > options.threshold
    if array.size == 0:
        body = "[]"
    else:
        shown = _ends(array, options.edgeitems) if summarised else array
        body = _nested(array, len(prefix), _format_of(shown, options), summarised, options)
    text = prefix + body
    room = len(text) - text.rfind("\n") - 1
    for suffix in suffixes:
        if room + len(suffix) + 2 > options.linewidth:
            text, room = f"{text},\n{' ' * len(prefix)}{suffix}", len(prefix) + len(suffix)
        else:
            text, room = f"{text}, {suffix}", room + len(suffix) + 2
    return text + ")"


def _ends(array: np.ndarray, count: int) -> np.ndarray:
    """Return the elements that a summary shows."""
    for axis, size in enumerate(array.shape):
        if size > 2 * count:
            array = np.take(array, [*range(count), *range(size - count, size)], axis=axis)
    return array


def _format_of(array: np.ndarray, options: PrintOptions) -> Callable[[Any], str]:
    """Return the function that writes one element, all of them equally wide."""
    if array.dtype.kind != "f":
        width = max(len(str(value)) for value in array.flat)
        return lambda value: str(value).rjust(width)
    sizes = np.abs(array[np.isfinite(array) & (array != 0)]).astype(np.float64)
    whole = bool((sizes == np.ceil(sizes)).all())
    spread = bool(sizes.size) and (sizes.max() / sizes.min() > 1000 or sizes.max() > 1e8)
    scientific = spread or (bool(sizes.size) and not whole and sizes.min() < 1e-4)
    if options.sci_mode is not None:
        scientific = options.sci_mode

    def write(value: Any) -> str:
        if scientific:
            return f"{value:.{options.precision}e}"
        if whole:
            return f"{value:.0f}." if np.isfinite(value) else str(float(value))
        return f"{value:.{options.precision}f}"

    width = max((len(write(value)) for value in array.flat if np.isfinite(value) and value != 0), default=1)
    return lambda value: write(value).rjust(width)


def _nested(array: np.ndarray, indent: int, write: Callable, summarised: bool, options: PrintOptions) -> str:
    if array.ndim == 0:
        return write(array[()])
    edge = options.edgeitems
    cut = summarised and len(array) > 2 * edge
    if array.ndim == 1:
        parts = [write(value) for value in (array if not cut else array[:edge])]
        if cut:
            parts += [" ...", *(write(value) for value in array[len(array) - edge :])]
        per_line = max(1, (options.linewidth - indent) // (len(parts[0]) + 2)) if parts else 1
        lines = [", ".join(parts[i : i + per_line]) for i in range(0, len(parts), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    rows = [_nested(row, indent + 1, write, summarised, options) for row in (array if not cut else array[:edge])]
    if cut:
        rows.append("...")
        rows += [_nested(row, indent + 1, write, summarised, options) for row in array[len(array) - edge :]]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(rows) + "]"


def suffixes_of(tensor: Any) -> list[str]:
    """Return what is unusual about a tensor: its size if it is empty, its dtype, how it takes part in autograd."""
    parts = []
    empty = tensor.numel() == 0
    if empty and tensor.ndim != 1:
        parts.append(f"size={tensor.shape}")
    if tensor.dtype.name not in SHOWN_WITHOUT_DTYPE or (empty and tensor.dtype != np.float32):
        parts.append(f"dtype=tinytorch.{tensor.dtype}")
    if tensor.grad_fn is not None:
        words = tensor.grad_fn.name.split("_")
        parts.append(f"grad_fn=<{''.join(word[:1].upper() + word[1:] for word in words)}Backward0>")
    elif tensor.requires_grad:
        parts.append("requires_grad=True")
    return parts
