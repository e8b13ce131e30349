"""Schedules made of schedules, one behind the other or all at once; and one that waits for the loss to stop falling."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from tinytorch.given.parameter_groups import OptimizerError
from tinytorch.given.schedulers import LRScheduler, for_each_group, number_in, require_optimizer

#| face optim.lr_scheduler: ReduceLROnPlateau, SequentialLR, ChainedScheduler


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rate by `factor` when a measure has not improved for more than `patience` steps.

    mode: "min" if small is good, or "max". threshold: what counts as better: a share ("rel") or a step ("abs").
    cooldown: steps to wait after a reduction. min_lr: lower bound, or one for each group. eps: smaller changes wait.
    """

    def __init__(
        self, optimizer: Any, mode: str = "min", factor: float = 0.1, patience: int = 10, threshold: float = 1e-4,
        threshold_mode: str = "rel", cooldown: int = 0, min_lr: Any = 0, eps: float = 1e-8,
    ):
        name = "ReduceLROnPlateau"
        require_optimizer(optimizer, name)
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise OptimizerError(
                f"{name}: expected mode 'min' or 'max' and threshold_mode 'rel' or 'abs', found {mode!r} and "
                f"{threshold_mode!r}."
            )
        if number_in(factor, f"{name}: factor", 0) >= 1:
            raise OptimizerError(f"{name}: expected factor below 1, found {factor!r}; the rate must fall.")
        self.optimizer, self.mode, self.factor = optimizer, mode, factor
        self.patience = number_in(patience, f"{name}: patience", 0)
        self.threshold, self.threshold_mode = number_in(threshold, f"{name}: threshold"), threshold_mode
        self.cooldown, self.eps = number_in(cooldown, f"{name}: cooldown", 0), number_in(eps, f"{name}: eps", 0)
        self.min_lrs = for_each_group(min_lr, optimizer, f"{name}: min_lr")
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = self.last_epoch = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]

    def step(self, metrics: Any = None) -> None:
        """Look at a measure (a number, or a tensor of one element); reduce the rates if it has been long enough."""
        try:
            current = float(metrics)
        except (TypeError, ValueError, RuntimeError):
            raise OptimizerError(
                f"ReduceLROnPlateau.step: expected the measure to watch, as in step(loss), found {metrics!r:.60}."
            ) from None
        self.last_epoch += 1
        if self.is_better(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def is_better(self, current: float) -> bool:
        """Return whether `current` beats the best so far by the threshold."""
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            bound = self.best * (1 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return current > bound if self.mode == "max" else current < bound

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            raise OptimizerError(
                f"ReduceLROnPlateau: expected {len(self.min_lrs)} groups, as when it was made, found {len(groups)}."
            )
        for group, lowest in zip(groups, self.min_lrs, strict=True):
            lr = max(group["lr"] * self.factor, lowest)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr


class _Composed(LRScheduler):
    """What SequentialLR and ChainedScheduler share: the parts, checked, and their states."""

    def _take(self, optimizer: Any, schedulers: Sequence[LRScheduler]) -> None:
        name = type(self).__name__
        if not isinstance(schedulers, list | tuple) or not schedulers:
            raise OptimizerError(f"{name}: expected a list of schedulers, at least one, found {schedulers!r:.60}.")
        for part in schedulers:
            if not isinstance(part, LRScheduler) or isinstance(part, ReduceLROnPlateau):
                raise OptimizerError(
                    f"{name}: expected schedulers that step by themselves, found {type(part).__name__}; "
                    "ReduceLROnPlateau needs a measure and must be stepped apart."
                )
        self.optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        require_optimizer(self.optimizer, name)
        if any(part.optimizer is not self.optimizer for part in schedulers):
            raise OptimizerError(f"{name}: expected schedulers of one optimizer, found several optimizers.")
        self._schedulers = list(schedulers)
        self.interval = schedulers[0].interval

    def get_lr(self) -> list[float]:
        """Return the rates as they are: the parts move them."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return the own numbers, and the states of the parts under "_schedulers"."""
        own = {key: value for key, value in vars(self).items() if key not in ("optimizer", "_schedulers")}
        return own | {"_schedulers": [part.state_dict() for part in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict()` was taken, in every part."""
        self._check_state(state_dict)
        states = state_dict["_schedulers"]
        if not isinstance(states, list) or len(states) != len(self._schedulers):
            found = len(states) if isinstance(states, list) else type(states).__name__
            raise OptimizerError(
                f"{type(self).__name__}: expected the states of {len(self._schedulers)} schedulers, found {found}."
            )
        for part, state in zip(self._schedulers, states, strict=True):
            part.load_state_dict(state)
        vars(self).update({key: value for key, value in state_dict.items() if key != "_schedulers"})


class SequentialLR(_Composed):
    """One schedule after another: at each of the `milestones` the next one begins, from the initial rate."""

    def __init__(self, optimizer: Any, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1):
        self._take(optimizer, schedulers)
        if not isinstance(milestones, list | tuple) or len(milestones) != len(schedulers) - 1:
            raise OptimizerError(
                f"SequentialLR: expected {len(schedulers) - 1} milestones, one less than schedulers, found "
                f"{milestones!r:.60}."
            )
        self._milestones = [number_in(m, "SequentialLR: milestones", 0) for m in milestones]
        if self._milestones != sorted(self._milestones):
            raise OptimizerError(f"SequentialLR: expected rising milestones, found {milestones!r:.60}.")
        self.last_epoch = last_epoch + 1
        self._schedulers[bisect_right(self._milestones, 0)].begin()
        self._last_lr = self.get_lr()

    def step(self) -> None:
        """Step the schedule whose turn it is."""
        self.last_epoch += 1
        turn = bisect_right(self._milestones, self.last_epoch)
        if turn > 0 and self._milestones[turn - 1] == self.last_epoch:
            self._schedulers[turn].begin()
        else:
            self._schedulers[turn].step()
        self._last_lr = self.get_lr()

    def restart(self) -> None:
        """Start over with the first schedule."""
        self.last_epoch = 0
        self._schedulers[bisect_right(self._milestones, 0)].restart()


class ChainedScheduler(_Composed):
    """Several schedules at once: each changes what the one before it has left, in every step."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Any = None):
        self._take(optimizer, schedulers)
        self._last_lr = self.get_lr()

    def step(self) -> None:
        """Step all schedules in order."""
        for part in self._schedulers:
            part.step()
        self._last_lr = self.get_lr()

    def restart(self) -> None:
        """Start all schedules over, each on top of the one before it."""
        for part in self._schedulers:
            part.restart()
