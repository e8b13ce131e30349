"""Writing a run to disk while it runs, so that it can be taken up again at the same bit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tinytorch.given.callbacks import Callback, Monitor
from tinytorch.given.diagnostics import TrainingError

#| face training: Checkpointer


class Checkpointer(Callback):
    """Keep `last.safetensors` (every so many epochs or steps, and at the end) and `best.safetensors` in a folder.

    folder: made if it is not there. every_epochs, every_steps: how often `last` is written; None: not by this count.
    monitor, mode: what "best" means, see Monitor. Resume with `trainer.load(folder / "last.safetensors")`.
    A file is replaced only when the new one is whole; Ctrl-C in the middle leaves the old one.
    """

    order = 10  # after the others, so that what they remember of this epoch is saved with it

    def __init__(
        self,
        folder: str | os.PathLike,
        every_epochs: int | None = 1,
        every_steps: int | None = None,
        monitor: str | None = None,
        mode: str | None = None,
    ):
        for name, value in (("every_epochs", every_epochs), ("every_steps", every_steps)):
            if value is not None and value < 1:
                raise TrainingError(f"Checkpointer: expected {name} >= 1 or None, found {value!r}.")
        self.folder, self.every_epochs, self.every_steps = Path(folder), every_epochs, every_steps
        self.monitor, self.written_at = Monitor(monitor, mode), None

    @property
    def last(self) -> Path:
        """Where the newest state is."""
        return self.folder / "last.safetensors"

    @property
    def best(self) -> Path:
        """Where the state of the best epoch is."""
        return self.folder / "best.safetensors"

    def on_fit_begin(self, trainer: Any) -> None:
        """Make the folder; a place that cannot be written to shows before the first step, not after an hour."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not os.access(self.folder, os.W_OK):
            raise TrainingError(
                f"Checkpointer: expected a folder that can be written to, found {self.folder}. Choose another."
            )

    def on_step_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Write `last` every so many steps."""
        if self.every_steps and trainer.steps % self.every_steps == 0:
            self._write_last(trainer)

    def on_epoch_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Write `best` if it is, and `last` every so many epochs."""
        if self.monitor.improved(metrics):
            trainer.save(self.best)
        if self.every_epochs and trainer.epoch % self.every_epochs == 0:
            self._write_last(trainer)

    def on_fit_end(self, trainer: Any) -> None:
        """Write `last`, unless it is already that of this very moment."""
        if self.written_at != (trainer.epoch, trainer.steps, trainer.batch):
            self._write_last(trainer)

    def _write_last(self, trainer: Any) -> None:
        trainer.save(self.last)
        self.written_at = (trainer.epoch, trainer.steps, trainer.batch)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value so far."""
        return {"best": self.monitor.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the best value so far."""
        self.monitor.best = state["best"]
