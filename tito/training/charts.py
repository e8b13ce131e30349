"""Curves and tables as text, for the terminal and for logs alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

BLOCKS = " ▁▂▃▄▅▆▇█"


def curve(values: Sequence[float], *, width: int = 60, height: int = 8) -> list[str]:
    """A curve as `height` lines: the highest value on top, each column the mean of its share of `values`.

    Values that are not finite are left out. Without values there are no lines.
    """
    columns = _columns([value for value in values if abs(value) < float("inf")], width)
    if not columns:
        return []
    low, high = min(columns), max(columns)
    span = (high - low) or 1.0
    eighths = [round((value - low) / span * (height * 8 - 1)) + 1 for value in columns]
    labels = {height - 1: f"{high:.3g}", 0: f"{low:.3g}"}
    margin = max(map(len, labels.values()))
    lines = []
    for row in reversed(range(height)):
        bars = "".join(BLOCKS[max(0, min(8, level - row * 8))] for level in eighths)
        lines.append(f"{labels.get(row, ''):>{margin}} ┤{bars}".rstrip())
    return lines


def _columns(values: list[float], width: int) -> list[float]:
    """At most `width` means of consecutive shares of the values."""
    count = min(width, len(values))
    bounds = [round(index * len(values) / count) for index in range(count + 1)] if count else []
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(bounds)]


def confusion(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> list[str]:
    """A confusion matrix as lines: a row for each true class with its accuracy, a column for each predicted one."""
    width = max(4, *(len(str(count)) for row in matrix for count in row)) + 1
    margin = max(map(len, names))
    head = "".join(f"{name[: width - 1]:>{width}}" for name in names)
    lines = [f"{'true ↓  predicted →':<{margin}}", f"{'':<{margin}}{head}"]
    for name, row, own in zip(names, matrix, range(len(names)), strict=True):
        share = row[own] / max(sum(row), 1)
        lines.append(f"{name:<{margin}}{''.join(f'{count:>{width}}' for count in row)}  {share:>5.1%}")
    return lines
