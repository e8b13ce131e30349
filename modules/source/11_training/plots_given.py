"""Pictures of a training run as files, drawn with matplotlib (an optional extra)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.given.diagnostics import TrainingError

#| face training: plot_training_history, plot_confusion_matrix


def plot_training_history(history: dict[str, list[float]], path: str | os.PathLike = "training_history.png") -> Path:
    """Draw losses, accuracies and the learning rate by epoch; write them to `path` (.png, .pdf, .svg) and return it.

    history: what `Trainer.fit` returns.
    """
    panels = [(part, [k for k in history if k.endswith(part)]) for part in ("loss", "accuracy", "lr")]
    panels = [(part, keys) for part, keys in panels if keys]
    if not panels:
        raise TrainingError(
            f"plot_training_history: expected losses in the history, found {sorted(history) or 'nothing'}."
        )
    figure = _figure(4.5 * len(panels), 3.5)
    for number, (part, keys) in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), number)
        for key in keys:
            axes.plot(range(1, len(history[key]) + 1), history[key], marker=".", label=key.removesuffix(f"_{part}"))
        axes.set(title=part, xlabel="epoch")
        axes.grid(alpha=0.3)
        if len(keys) > 1:
            axes.legend()
    return _write(figure, path)


def plot_confusion_matrix(
    matrix: Any, names: Sequence[str] | None = None, path: str | os.PathLike = "confusion_matrix.png"
) -> Path:
    """Draw a confusion matrix, shaded by the share of each true class; write it to `path` and return that.

    matrix: (classes, classes) counts, rows true, columns predicted. names: of the classes; by default their numbers.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise TrainingError(f"plot_confusion_matrix: expected a square matrix, found shape {matrix.shape}.")
    labels = [str(n) for n in (names if names is not None else range(len(matrix)))]
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = max(4.0, 0.6 * len(matrix) + 1.5)
    figure = _figure(size, size)
    axes = figure.add_subplot(1, 1, 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(matrix))
    axes.set_xticks(ticks, labels, rotation=45, ha="right")
    axes.set_yticks(ticks, labels)
    axes.set(xlabel="predicted", ylabel="true")
    for i in ticks:
        for j in ticks:
            axes.text(
                j,
                i,
                str(int(matrix[i, j])),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if share[i, j] > 0.5 else "black",
            )
    return _write(figure, path)


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise TrainingError("Plots need matplotlib, which is not installed: pip install 'tinytorch[plot]'.") from None
    return Figure(figsize=(width, height), layout="constrained")


def _write(figure: Any, path: str | os.PathLike) -> Path:
    target = Path(path)
    if not target.parent.is_dir():
        raise TrainingError(f"Expected an existing folder for {target.name}, found no {target.parent}.")
    if target.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise TrainingError(f"Expected a path that ends in .png, .pdf or .svg, found {target.name}.")
    figure.savefig(target, dpi=120)
    return target
