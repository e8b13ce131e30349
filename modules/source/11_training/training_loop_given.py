"""The frame of the Trainer: what is around the loop that module 11 teaches.

`Trainer` adds train_step, train_epoch, finish_epoch, state_dict and load_state_dict. Here are the arguments and their
checks, the counters, the calls to callbacks, Ctrl-C, and the files.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tinytorch.core.engine import DEFAULT_GENERATOR
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.given.callbacks import Callback
from tinytorch.given.diagnostics import Health, TrainingError, TrainingWarning
from tinytorch.given.interrupts import InterruptGuard
from tinytorch.given.parameter_groups import ParameterGroups
from tinytorch.given.random import manual_seed
from tinytorch.given.schedulers import LRScheduler
from tinytorch.given.serialization import load, save


def nothing_seen() -> dict[str, float]:
    """Return the running sums of an epoch that has not begun."""
    return {"loss": 0.0, "correct": 0, "count": 0, "seconds": 0.0}


def averages(sums: dict[str, float]) -> dict[str, float]:
    """Return {"loss", "accuracy"} from sums over batches; without an accuracy where it is not defined (NaN)."""
    if not sums["count"]:
        raise TrainingError("Expected at least one batch with targets, found none. Is the loader empty?")
    found = {"loss": sums["loss"] / sums["count"], "accuracy": sums["correct"] / sums["count"]}
    return {name: value for name, value in found.items() if name == "loss" or not math.isnan(value)}


class TrainingLoop:
    """Counters, callbacks and files of a training run.

    epoch: epochs finished. batch: batches of the running epoch that are done. steps: optimizer steps so far. sums: of
    the running epoch. history: {"train_loss": [one value per epoch], …}. stop_reason: None, or why fit ended early.
    warnings: sentences.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Any,
        loss: Any,
        scheduler: Any = None,
        callbacks: Iterable[Callback] = (),
        accumulate: int = 1,
        clip_norm: float | None = None,
        device: str = "cpu",
        seed: int | None = None,
        scheduler_interval: str | None = None,
    ):
        _check(model, optimizer, loss, scheduler, accumulate, clip_norm, device)
        self.model, self.optimizer, self.loss, self.scheduler = model, optimizer, loss, scheduler
        self.callbacks = sorted(callbacks, key=lambda c: c.order)
        self.accumulate, self.clip_norm = accumulate, clip_norm
        self.scheduler_interval = scheduler_interval or getattr(scheduler, "interval", "epoch")
        if self.scheduler_interval not in ("epoch", "step"):
            raise TrainingError(
                f"Trainer: expected scheduler_interval 'epoch' or 'step', found {self.scheduler_interval!r}."
            )
        if seed is not None:
            manual_seed(seed)
        self.epoch = self.batch = self.steps = self.epochs = 0
        self.batches: int | None = None
        self.sums, self.history, self.warnings = nothing_seen(), {}, []
        self.stop_reason: str | None = None
        self.interrupted = self.in_step = False
        self.grad_norm, self.health = 0.0, Health()
        self.exhausted = False  # the loader has no more batches for this epoch
        self.skip = 0  # batches of the running epoch to pass over, once
        self.loader_state: dict | None = None  # position in the data behind the last step; None: the loader cannot tell
        self.generator_state = DEFAULT_GENERATOR.get_state()  # and the random state there
        self.to_restore: dict[str, Any] = {}  # what fit must put in place before it goes on

    # ---- fit

    def fit(self, train_loader: Any, validation_loader: Any = None, epochs: int = 1) -> dict[str, list[float]]:
        """Train until `epochs` epochs are done in all (those before a resume count); return the history.

        train_loader, validation_loader: iterables of (inputs, targets), best a DataLoader. Ctrl-C finishes the step and
        stops; so does `stop(reason)`. Calling fit again, after `load` elsewhere too, goes on at the next batch.
        """
        self._begin(train_loader, epochs)
        try:
            with InterruptGuard(self._interrupt), np.errstate(all="ignore"):  # `inspect` says it better than NumPy
                self._run(train_loader, validation_loader)
        except KeyboardInterrupt as error:
            if self.in_step:  # in the middle of a step nothing consistent can be saved
                self._call("on_error", error)
                raise
            self._interrupt()
        except BaseException as error:
            self._call("on_error", error)
            raise
        if self.batch:
            self.to_restore = {"loader": self.loader_state, "generator": self.generator_state}
        self._call("on_fit_end")
        return self.history

    def _run(self, train_loader: Any, validation_loader: Any) -> None:
        self._call("on_fit_begin")
        while self.epoch < self.epochs and self.stop_reason is None:
            self._call("on_epoch_begin")
            if not self.train_epoch(train_loader):
                return
            self._remember_place(train_loader)
            self.finish_epoch(validation_loader)

    def _begin(self, loader: Any, epochs: int) -> None:
        if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 0:
            raise TrainingError(f"fit: expected a whole number of epochs >= 0, found {epochs!r}.")
        if not isinstance(loader, Iterable) or hasattr(loader, "__next__"):
            raise TrainingError(
                f"fit: expected a loader to be read anew each epoch, found {type(loader).__name__}. Try DataLoader."
            )
        self.epochs, self.batches = epochs, len(loader) if hasattr(loader, "__len__") else None
        if self.batches == 0:
            raise TrainingError("fit: expected batches to train on, found a loader of length 0. Is the data set empty?")
        self.stop_reason, self.interrupted, self.in_step = None, False, False
        self.skip = 0 if self.exhausted else self.batch
        if self.to_restore.get("loader") is not None and hasattr(loader, "load_state_dict"):
            loader.load_state_dict(self.to_restore["loader"])
            self.skip = 0
        if "generator" in self.to_restore:
            DEFAULT_GENERATOR.set_state(self.to_restore["generator"])
        self.to_restore = {}

    def remaining(self, loader: Any) -> Iterator:
        """Yield the batches of this epoch that are not done; a loader that cannot skip is read from its start."""
        if self.exhausted:
            return
        skip, self.skip = self.skip, 0
        for number, batch in enumerate(loader):
            if number >= skip:
                yield batch
        self.exhausted = True

    def advance(self, window: list, loader: Any) -> None:
        """Take one step on the micro-batches of `window`, and count it."""
        started = time.perf_counter()
        self.in_step = True
        loss, correct, count = self.train_step(window)
        self.in_step = False
        self.steps, self.batch = self.steps + 1, self.batch + len(window)
        for key, value in (("loss", loss * count), ("correct", correct), ("count", count)):
            self.sums[key] += value
        lr = self.optimizer.param_groups[0]["lr"]
        if self.scheduler is not None and self.scheduler_interval == "step":
            self.scheduler.step()
        self._remember_place(loader)
        self.sums["seconds"] += time.perf_counter() - started
        self._call("on_step_end", {"loss": loss, "lr": lr, "grad_norm": self.grad_norm})

    def _remember_place(self, loader: Any) -> None:
        self.loader_state = loader.state_dict() if hasattr(loader, "state_dict") else None
        self.generator_state = DEFAULT_GENERATOR.get_state()

    def inspect(self, loss: float, window: list) -> None:
        """Look at a step before it is taken: a NaN raises TrainingError, what is only suspicious warns once."""
        for message in self.health.check(self.model, loss, self.grad_norm, window):
            self.warn(message)

    def record(self, metrics: dict[str, float]) -> None:
        """Enter the metrics of an epoch into the history, move scheduler and counters on, and tell the callbacks."""
        metrics = {**metrics, "lr": self.optimizer.param_groups[0]["lr"], "seconds": self.sums["seconds"]}
        for key, value in metrics.items():
            self.history.setdefault(key, []).append(value)
        if self.scheduler is not None and self.scheduler_interval == "epoch":
            self.scheduler.step()
        self.epoch, self.batch, self.exhausted, self.sums = self.epoch + 1, 0, False, nothing_seen()
        self.generator_state = DEFAULT_GENERATOR.get_state()
        self._call("on_epoch_end", metrics)

    # ---- stopping, warning, calling

    def stop(self, reason: str) -> None:
        """Ask fit to end after this step."""
        self.stop_reason = self.stop_reason or reason

    def _interrupt(self) -> None:
        self.interrupted = True
        self.stop("interrupted by Ctrl-C")

    def warn(self, message: str) -> None:
        """Hand a sentence to the callbacks; if none of them listens, issue a Python warning."""
        self.warnings.append(message)
        if all(type(c).on_warning is Callback.on_warning for c in self.callbacks):
            warnings.warn(message, TrainingWarning, stacklevel=2)
        self._call("on_warning", message)

    def _call(self, event: str, *details: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *details)

    # ---- files

    def save(self, path: str | os.PathLike) -> None:
        """Write everything that the rest of the run depends on to one file."""
        save(self.state_dict(), path)

    def load(self, path: str | os.PathLike) -> None:
        """Take up a run from the file that `save` wrote; then call fit with the same arguments."""
        state = load(path)
        if not isinstance(state, dict) or "progress" not in state:
            raise TrainingError(
                f"Trainer.load: expected the state of a run, found something else in {path}. Is it only a model?"
            )
        saved, here = state["scheduler"] is not None, self.scheduler is not None
        if saved != here:
            name = {True: "a scheduler", False: "no scheduler"}
            raise TrainingError(
                f"Trainer.load: this Trainer has {name[here]}, the run in {path} has {name[saved]}. Make them equal."
            )
        self.load_state_dict(state)

    def progress(self) -> dict[str, Any]:
        """Return the counters and the running sums."""
        counters = {name: getattr(self, name) for name in ("epoch", "batch", "steps", "exhausted")}
        return {**counters, "sums": dict(self.sums)}

    def restore_progress(self, progress: dict[str, Any]) -> None:
        """Put counters and running sums back."""
        for name, value in progress.items():
            setattr(self, name, dict(value) if isinstance(value, dict) else value)

    def callback_states(self) -> list[list]:
        """Return [class name, state] of each callback."""
        return [[type(c).__name__, c.state_dict()] for c in self.callbacks]

    def restore_callbacks(self, states: list[list]) -> None:
        """Hand each saved state to the first callback of its class that has none yet; drop it if there is none."""
        waiting = list(self.callbacks)
        for name, state in states:
            callback = next((c for c in waiting if type(c).__name__ == name), None)
            if callback is not None:
                waiting.remove(callback)
                callback.load_state_dict(state)


def _check(model: Any, optimizer: Any, loss: Any, scheduler: Any, accumulate: Any, clip_norm: Any, device: str) -> None:
    expected = (
        (model, Module, "a Module as model"),
        (optimizer, ParameterGroups, "an Optimizer"),
        (scheduler, LRScheduler | None, "an LRScheduler or None"),
    )
    for value, kind, what in expected:
        if not isinstance(value, kind):
            raise TrainingError(f"Trainer: expected {what}, found {type(value).__name__}.")
    if not callable(loss):
        raise TrainingError(
            f"Trainer: expected a loss that can be called with (outputs, targets), found {type(loss).__name__}."
        )
    if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
        raise TrainingError(f"Trainer: expected accumulate to be a whole number >= 1, found {accumulate!r}.")
    if clip_norm is not None and not clip_norm > 0:
        raise TrainingError(f"Trainer: expected clip_norm > 0 or None, found {clip_norm!r}.")
    if device != "cpu":
        raise NotImplementedError(
            f'device="{device}": the GPU backend arrives in module 13_kernels; only "cpu" is here now.'
        )
    mine = {id(p) for p in model.parameters()}
    if not any(id(p) in mine for p in optimizer.parameters()):
        raise TrainingError(
            "Trainer: the optimizer has none of the model's parameters. Was the model made anew after the optimizer?"
        )


def targets_of(batch: Any) -> tuple[Any, Tensor]:
    """Return (inputs, targets) of a batch, or say what a batch must be."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        found = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
        raise TrainingError(
            f"Expected batches of two parts (inputs, targets), found {found}. See collate_fn of the DataLoader."
        )
    return batch[0], batch[1]
