"""Callbacks: what can be hooked into a training run without touching the Trainer.

A callback may stop the run with `trainer.stop(reason)`. If it remembers something that a resumed run needs, it says so
in `state_dict`. Callbacks are called in the order in which they were given, those with a higher `order` later.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Any, TextIO

from tinytorch.given.diagnostics import TrainingError

#| face training: Callback, EarlyStopping, ProgressBar


class Callback:
    """Does nothing at each event; a subclass overrides what it needs.

    metrics of a step: "loss", "lr", "grad_norm". Of an epoch: "train_loss", "validation_loss", … as in the history.
    """

    order = 0

    def on_fit_begin(self, trainer: Any) -> None:
        """Called once, before the first step; `trainer.epochs` and `trainer.batches` say how much is planned."""

    def on_epoch_begin(self, trainer: Any) -> None:
        """Called before the first batch of an epoch (or of the rest of one, after a resume)."""

    def on_step_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Called after every optimizer step; `trainer.steps` counts them."""

    def on_epoch_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Called after validation; `trainer.epoch` already counts this epoch."""

    def on_fit_end(self, trainer: Any) -> None:
        """Called at the end, also of a run that was stopped or interrupted; `trainer.stop_reason` says why."""

    def on_warning(self, trainer: Any, message: str) -> None:
        """Called with a sentence when something looks wrong."""

    def on_error(self, trainer: Any, error: BaseException) -> None:
        """Called when an error ends the run; it is raised again afterwards."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to know."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()`."""


class Monitor:
    """Remembers the best value of one metric.

    name: the metric; None: "validation_loss", or "train_loss" without validation. mode: "min" or "max"; None: "max"
    if the name speaks of accuracy, else "min". min_delta: by how much a value must be better to count.
    """

    def __init__(self, name: str | None, mode: str | None = None, min_delta: float = 0.0):
        if mode not in (None, "min", "max"):
            raise TrainingError(f"Expected mode 'min' or 'max', found {mode!r}.")
        self.name, self.mode, self.min_delta, self.best = name, mode, min_delta, math.nan

    def improved(self, metrics: dict[str, float]) -> bool:
        """Take the metrics of an epoch; return whether they are the best so far."""
        name = self.name or ("validation_loss" if "validation_loss" in metrics else "train_loss")
        if name not in metrics:
            raise TrainingError(
                f"Expected the metric {name!r} to monitor, found {', '.join(metrics)}. Is there a validation loader?"
            )
        value, mode = metrics[name], self.mode or ("max" if "accuracy" in name else "min")
        better = value > self.best + self.min_delta if mode == "max" else value < self.best - self.min_delta
        if better or math.isnan(self.best):
            self.best = value
            return True
        return False


class EarlyStopping(Callback):
    """Stop when a metric has not improved for `patience` epochs in a row; see Monitor for monitor, mode and min_delta.

    restore_best: put the weights of the best epoch back when stopping.
    """

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = False,
    ):
        if patience < 1:
            raise TrainingError(f"EarlyStopping: expected patience >= 1, found {patience!r}.")
        self.monitor, self.patience = Monitor(monitor, mode, min_delta), patience
        self.waited, self.restore_best, self.best_weights = 0, restore_best, None

    def on_fit_begin(self, trainer: Any) -> None:
        """A run that was stopped before stays stopped."""
        self._stop_if_due(trainer)

    def on_epoch_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Count epochs without improvement."""
        if self.monitor.improved(metrics):
            self.waited = 0
            if self.restore_best:
                self.best_weights = {name: t.detach().clone() for name, t in trainer.model.state_dict().items()}
            return
        self.waited += 1
        if self._stop_if_due(trainer) and self.best_weights is not None:
            trainer.model.load_state_dict(self.best_weights)

    def _stop_if_due(self, trainer: Any) -> bool:
        if self.waited >= self.patience:
            trainer.stop(f"no improvement for {self.waited} epochs; the best value was {self.monitor.best:.4g}")
        return self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Return the best value, the epochs waited, and the best weights if they are kept."""
        return {"best": self.monitor.best, "waited": self.waited, "best_weights": self.best_weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue waiting."""
        self.monitor.best, self.waited, self.best_weights = state["best"], state["waited"], state["best_weights"]


class TimeBudget(Callback):
    """Stop after the step in which `seconds` have passed since fit began."""

    def __init__(self, seconds: float):
        self.seconds, self.started = seconds, 0.0

    def on_fit_begin(self, trainer: Any) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def on_step_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Look at the clock."""
        if time.monotonic() - self.started >= self.seconds:
            trainer.stop(f"the time budget of {self.seconds:g} s is used up")


class ProgressBar(Callback):
    """One line that moves while an epoch runs and stays with its result; silent where the stream is no terminal.

    stream: by default stderr. always: write the lines of the epochs also where there is no terminal.
    """

    order = 5

    def __init__(self, stream: TextIO | None = None, always: bool = False, width: int = 24):
        self.stream, self.always, self.width = stream if stream is not None else sys.stderr, always, width
        self.moving, self.shown = False, 0.0

    def on_fit_begin(self, trainer: Any) -> None:
        """Find out whether anybody is looking."""
        self.moving = bool(getattr(self.stream, "isatty", lambda: False)())

    def on_step_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Redraw the line, ten times a second at most."""
        now = time.monotonic()
        if not self.moving or (now - self.shown < 0.1 and trainer.batch != trainer.batches):
            return
        self.shown = now
        total = trainer.batches or trainer.batch
        done = round(self.width * trainer.batch / total)
        bar = "█" * done + "░" * (self.width - done)
        self._write(
            f"\r{self._epoch(trainer.epoch + 1, trainer)} {bar} {trainer.batch}/{total}  loss {metrics['loss']:.4f}"
        )

    def on_epoch_end(self, trainer: Any, metrics: dict[str, float]) -> None:
        """Write the line that stays."""
        shown = {k: v for k, v in metrics.items() if k not in ("lr", "seconds")}
        self._line(
            self._epoch(trainer.epoch, trainer)
            + "".join(f"  {k} {v:.4f}" for k, v in shown.items())
            + f"  {metrics['seconds']:.1f} s"
        )

    def on_warning(self, trainer: Any, message: str) -> None:
        """Write the warning on a line of its own."""
        self._line(f"Warning: {message}")

    def on_fit_end(self, trainer: Any) -> None:
        """Say why the run ended, if it ended early."""
        if trainer.stop_reason:
            self._line(f"Stopped: {trainer.stop_reason}.")

    def on_error(self, trainer: Any, error: BaseException) -> None:
        """End the moving line, so that the error stands on its own."""
        if self.moving:
            self._write("\n")

    def _epoch(self, number: int, trainer: Any) -> str:
        return f"epoch {number}/{trainer.epochs}"

    def _line(self, text: str) -> None:
        if self.moving or self.always:
            self._write(f"\r\x1b[K{text}\n" if self.moving else f"{text}\n")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
