"""What a finished run leaves behind: accuracy, confusion matrix, curves, pictures, files."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import Any

from tito.files import atomic_write
from tito.training.child.follow import Follow
from tito.training.child.images import Images
from tito.training.child.network import Kit
from tito.training.runs import MODEL, RESULT

CURVE, CONFUSION = "training_history.png", "confusion_matrix.png"


def conclude(kit: Kit, images: Images, trainer: Any, follow: Follow, folder: Path) -> dict[str, Any]:
    """Judge the network on the test images, save it and draw the pictures; return all that there is to say."""
    from tinytorch import save
    from tinytorch.training import compute_confusion_matrix

    matrix = compute_confusion_matrix(kit.model, kit.test_loader).tolist()
    result = {
        "source": images.source,
        "title": images.title,
        "test": len(images.test),
        "test_accuracy": sum(matrix[i][i] for i in range(len(matrix))) / len(images.test),
        "epochs": trainer.epoch,
        "epoch_seconds": fmean(follow.epoch_seconds),
        "history": trainer.history,
        "losses": follow.losses,
        "classes": list(images.test.classes),
        "confusion": matrix,
    }
    save(kit.model.state_dict(), folder / MODEL)
    pictures = _draw(trainer.history, matrix, result["classes"], folder)
    result["files"] = [MODEL, RESULT, *pictures]
    return result


def write_result(result: dict[str, Any], folder: Path) -> None:
    """Write result.json: from now on the run is finished."""
    atomic_write(folder / RESULT, json.dumps(result, indent=1) + "\n")


def texts(result: dict[str, Any]) -> list[str]:
    """Loss curve and confusion matrix for a terminal."""
    from tinytorch.given.text_plots import text_confusion_matrix, text_curve

    return [
        text_curve(result["losses"], label="Training loss, step by step"),
        "Confusion matrix on the test images (rows: true, columns: predicted)\n"
        + text_confusion_matrix(result["confusion"], result["classes"]),
    ]


def _draw(history: dict[str, list[float]], matrix: list[list[int]], names: list[str], folder: Path) -> list[str]:
    """The same as pictures, if matplotlib is installed; the names of the files."""
    from tinytorch.training import plot_confusion_matrix, plot_training_history

    if find_spec("matplotlib") is None:
        return []
    plot_training_history(history, folder / CURVE)
    plot_confusion_matrix(matrix, names, folder / CONFUSION)
    return [CURVE, CONFUSION]
