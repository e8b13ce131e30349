"""The weights with the lowest validation loss of a run: a model that learned its text by heart writes no better."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Any

from tito.training.runs import BEST

Callback: Any = import_module("tinytorch.training").Callback


class Best(Callback):  # type: ignore[misc]
    """Writes the weights to BEST in `folder` whenever a check finds a lower validation loss than all before.

    loss, step: of these weights. The validation text chooses them, so its loss flatters them a little. A run that is
    taken up between that file and its state writes the same file again.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.loss, self.step = folder / BEST, math.inf, 0

    def on_epoch_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Write the weights if they are the best so far."""
        from tinytorch import save

        if metrics["validation_loss"] < self.loss:
            self.loss, self.step = metrics["validation_loss"], trainer.steps
            save(trainer.model.state_dict(), self.path)

    def put_back(self, trainer: Any) -> int:
        """Give the model its best weights, if these are not its present ones; return the step that they are of."""
        from tinytorch import load

        if self.step in (0, trainer.steps):  # 0: no loss was a number
            return int(trainer.steps)
        trainer.model.load_state_dict(load(self.path))
        return self.step

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"loss": self.loss, "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the best so far."""
        self.loss, self.step = state["loss"], state["step"]
