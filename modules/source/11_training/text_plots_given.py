"""Pictures for a terminal: a curve and a confusion matrix as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

SHADES = " ░▒▓█"


def text_curve(values: Sequence[float], width: int = 60, height: int = 10, label: str = "") -> str:
    """Return a curve of `values` as `height` lines of text, with the highest and lowest value at the left.

    Values that are not finite leave a gap. More values than `width` are averaged in groups.
    """
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return f"{label} (nothing to draw)"
    columns = [_mean(group) for group in np.array_split(np.asarray(values, dtype=np.float64), min(width, len(values)))]
    low, high = min(finite), max(finite)
    span = high - low or 1.0
    rows = [None if not math.isfinite(c) else round((c - low) / span * (height - 1)) for c in columns]
    left = max(len(f"{v:.4g}") for v in (low, high))
    lines = [label] if label else []
    for level in range(height - 1, -1, -1):
        edge = f"{high:.4g}" if level == height - 1 else f"{low:.4g}" if level == 0 else ""
        lines.append(f"{edge:>{left}} │" + "".join("•" if row == level else " " for row in rows).rstrip())
    lines.append(" " * left + " └" + "─" * len(columns))
    return "\n".join(lines)


def _mean(group: np.ndarray) -> float:
    kept = group[np.isfinite(group)]
    return float(kept.mean()) if kept.size else math.nan


def text_confusion_matrix(matrix: Any, names: Sequence[str] | None = None) -> str:
    """Return a confusion matrix as a table: rows are true classes, columns predictions, each row with its accuracy.

    matrix: (classes, classes) counts. names: of the classes; by default their numbers.
    """
    matrix = np.asarray(matrix)
    names = [str(n) for n in (names if names is not None else range(len(matrix)))]
    left, cell = max(len(n) for n in names), max(5, len(str(int(matrix.max(initial=0)))) + 1)
    lines = [" " * left + "  " + "".join(f"{name[: cell - 1]:>{cell}}" for name in names) + "  correct"]
    for number, (name, row) in enumerate(zip(names, matrix, strict=True)):
        total = int(row.sum())
        share = f"{row[number] / total:8.1%}" if total else "       –"
        shade = "".join(SHADES[min(4, math.ceil(4 * v / total))] if total else " " for v in row)
        lines.append(f"{name:>{left}}  " + "".join(f"{int(v):>{cell}}" for v in row) + f" {share}  {shade}")
    return "\n".join(lines)
