"""A training run as its callbacks see it: reported to tito, stopped on request."""

from __future__ import annotations

import time
from importlib import import_module
from pathlib import Path
from typing import Any

from tito.training.child.report import Report, StopRequest

Callback: Any = import_module("tinytorch.training").Callback


class Follow(Callback):  # type: ignore[misc]
    """Reports every step and epoch, and hands a wish to stop on to the Trainer.

    losses: of every step. epoch_seconds: of every epoch, from its first batch to its last step; without evaluation.
    seconds: of the whole run, the time before a stop included.
    """

    def __init__(self, report: Report, stop: StopRequest, started: float) -> None:
        self.report, self.stop = report, stop
        self.started, self.before = started, 0.0  # of this process; and the seconds of those before it
        self.losses: list[float] = []
        self.epoch_seconds: list[float] = []
        self.running, self.mark = 0.0, 0.0  # seconds of the epoch under way, and when they were counted last

    @property
    def seconds(self) -> float:
        """Seconds of the whole run so far."""
        return self.before + time.monotonic() - self.started

    def on_epoch_begin(self, trainer: Any) -> None:
        """Start the clock."""
        self.mark = time.monotonic()

    def on_step_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Report the step; stop if that was asked for."""
        now = time.monotonic()
        self.running, self.mark = self.running + now - self.mark, now
        self.losses.append(metrics["loss"])
        self.report.live(
            "step",
            last=trainer.batch == trainer.batches,
            epoch=trainer.epoch + 1,
            epochs=trainer.epochs,
            step=trainer.steps,
            steps=trainer.epochs * trainer.batches,
            loss=metrics["loss"],
            accuracy=trainer.sums["correct"] / trainer.sums["count"],
            lr=metrics["lr"],
        )
        if self.stop.made:
            trainer.stop("asked to stop")

    def on_epoch_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Report the epoch; what the Trainer calls validation are the test images."""
        self.epoch_seconds.append(self.running)
        self.running = 0.0
        self.report(
            "epoch",
            epoch=trainer.epoch,
            epochs=trainer.epochs,
            train_loss=metrics["train_loss"],
            train_accuracy=metrics["train_accuracy"],
            test_loss=metrics["validation_loss"],
            test_accuracy=metrics["validation_accuracy"],
            lr=metrics["lr"],
            seconds=self.epoch_seconds[-1],
        )

    def on_warning(self, trainer: Any, message: str) -> None:
        """Pass on what the Trainer finds suspicious."""
        self.report("notice", message=message)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: losses and times so far."""
        return {
            "losses": self.losses,
            "epoch_seconds": self.epoch_seconds,
            "running": self.running,
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue the lists."""
        self.losses, self.epoch_seconds = list(state["losses"]), list(state["epoch_seconds"])
        self.running, self.before = state["running"], state["seconds"]


class Save(Callback):  # type: ignore[misc]
    """Writes the state of the run after every epoch, at the end, and every so many steps in between.

    Not the package's Checkpointer, which also keeps the best epoch: best by the test images would be no fair result.
    """

    order = 10  # after the others, so that what they remember is saved with the same step

    def __init__(self, path: Path, every: int = 200) -> None:
        self.path, self.every = path, every

    def on_step_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Save every so many steps, so that a killed run loses no more than these."""
        if trainer.steps % self.every == 0:
            trainer.save(self.path)

    def on_epoch_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Save the finished epoch."""
        trainer.save(self.path)

    def on_fit_end(self, trainer: Any) -> None:
        """Save where the run was stopped."""
        trainer.save(self.path)
