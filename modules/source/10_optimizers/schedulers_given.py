"""What schedulers share, and the 1cycle policy with its phases and its many ways to say how long it lasts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

from tinytorch.given.parameter_groups import OptimizerError, ParameterGroups

#| face optim.lr_scheduler: LRScheduler, OneCycleLR


class LRScheduler:
    """Base of the schedulers: moves every group's lr to what `get_lr` says, at once and after each `step()`.

    `get_lr` is a function of time: the rates after `last_epoch` steps, if nobody else changed them. If somebody did (a
    second scheduler, the user), a step multiplies what it finds by the ratio of its own new rate to its own old one, as
    PyTorch's schedulers do; so several can drive an optimizer together.

    interval: whether `step()` is meant to be called after each "epoch" or after each optimizer "step". absolute: set
    the rate whatever it was before.
    """

    interval = "epoch"
    absolute = False

    def __init__(self, optimizer: Any, last_epoch: int = -1):
        name = type(self).__name__
        require_optimizer(optimizer, name)
        if isinstance(last_epoch, bool) or not isinstance(last_epoch, int) or last_epoch < -1:
            raise OptimizerError(f"{name}: expected last_epoch to be a whole number >= -1, found {last_epoch!r}.")
        for group in optimizer.param_groups:
            if last_epoch != -1 and "initial_lr" not in group:
                raise OptimizerError(
                    f"{name}: last_epoch={last_epoch} needs groups with 'initial_lr', found none. Load a saved state."
                )
            group.setdefault("initial_lr", group["lr"])
        self.optimizer, self.last_epoch = optimizer, last_epoch
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.own_lrs = list(self.base_lrs) if last_epoch == -1 else self.get_lr()
        self.step()

    def get_lr(self) -> list[float]:
        """Return the learning rate of each group after `last_epoch` steps: each scheduler writes its own."""
        raise NotImplementedError(f"{type(self).__name__}.get_lr: a scheduler must say which rate it wants.")

    def step(self) -> None:
        """Count one epoch (or step) and move the learning rates."""
        self.last_epoch += 1
        self._move_rates()

    def begin(self) -> None:
        """Start over from the groups' initial rates, whatever they are now: a SequentialLR has come to this one."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self.restart()

    def restart(self) -> None:
        """Start over on top of the rates as they are now."""
        self.last_epoch, self.own_lrs = -1, list(self.base_lrs)
        self.step()

    def _move_rates(self) -> None:
        groups, wanted = self.optimizer.param_groups, self.get_lr()
        floor = getattr(self, "eta_min", 0.0)           # the ratio concerns what lies above the lowest rate
        if len(wanted) != len(groups):
            raise OptimizerError(
                f"{type(self).__name__}: expected {len(groups)} rates, one for each group, found {len(wanted)}. Add "
                "groups before making the scheduler."
            )
        for group, own, lr in zip(groups, self.own_lrs, wanted, strict=True):
            undisturbed = self.absolute or group["lr"] == own or own == floor
            group["lr"] = lr if undisturbed else floor + (group["lr"] - floor) * (
                (lr - floor) / (own - floor)
            )
        self.own_lrs = list(wanted)
        self._last_lr = [group["lr"] for group in groups]

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of each group as it was after the last step of this scheduler."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer and functions, as plain numbers and lists."""
        return {key: value for key, value in vars(self).items() if key != "optimizer" and not _is_code(value)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where `state_dict()` was taken. The rates themselves belong to the optimizer's own state."""
        self._check_state(state_dict)
        vars(self).update(state_dict)

    def _check_state(self, state_dict: Any) -> None:
        name = type(self).__name__
        if not isinstance(state_dict, dict):
            raise OptimizerError(f"{name}: expected the state of a scheduler, found {state_dict!r:.60}.")
        differing = set(state_dict) ^ set(self.state_dict())
        if differing:
            raise OptimizerError(f"{name}: the saved state is of another scheduler: {min(differing)!r} does not fit.")


def require_optimizer(optimizer: Any, name: str) -> None:
    """Refuse what is no optimizer: the first argument of a scheduler."""
    if not isinstance(optimizer, ParameterGroups):
        raise OptimizerError(f"{name}: expected an Optimizer as first argument, found {type(optimizer).__name__}.")


def _is_code(value: Any) -> bool:
    return callable(value) or (isinstance(value, list | tuple) and any(callable(v) for v in value))


def number_in(value: Any, what: str, low: float = -math.inf, high: float = math.inf) -> Any:
    """Return `value` if it is a number from low to high, or say that it is not."""
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
        bounds = f" from {low:g} to {high:g}" if high < math.inf else f" >= {low:g}" if low > -math.inf else ""
        raise OptimizerError(f"{what}: expected a number{bounds}, found {value!r}.")
    return value


def for_each_group(value: Any, optimizer: Any, what: str) -> list[float]:
    """Return one number for each group: one for all, or a list of as many."""
    require_optimizer(optimizer, what.partition(":")[0])
    groups = len(optimizer.param_groups)
    values = list(value) if isinstance(value, list | tuple) else [value] * groups
    if len(values) != groups:
        raise OptimizerError(f"{what}: expected one for each of {groups} groups, found {len(values)}.")
    return [float(number_in(v, what)) for v in values]


@dataclass(frozen=True)
class Phase:
    """Part of a cycle: the step at which it ends, and (from, to) of learning rate and momentum."""

    end: float
    lr: tuple[float, float]
    momentum: tuple[float, float]


class OneCycleLR(LRScheduler):
    """The 1cycle policy (Smith and Topin, 2018): one rise and one fall of the rate; arguments and numbers of PyTorch.

    max_lr: the highest rate (or one for each group). total_steps: length of the cycle; or epochs and steps_per_epoch.
    pct_start: part of the cycle that rises. div_factor: max_lr / initial rate. final_div_factor: initial / lowest rate.
    """

    interval = "step"
    absolute = True

    def __init__(
        self,
        optimizer: Any,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        self.total_steps = _length(total_steps, epochs, steps_per_epoch)
        if anneal_strategy not in ("cos", "linear"):
            raise OptimizerError(f"OneCycleLR: expected anneal_strategy 'cos' or 'linear', found {anneal_strategy!r}.")
        if not 0 <= pct_start <= 1:
            raise OptimizerError(f"OneCycleLR: expected pct_start from 0 to 1, found {pct_start!r}.")
        self.max_lrs = for_each_group(max_lr, optimizer, "OneCycleLR: max_lr")
        groups = optimizer.param_groups
        self.momentum_key = next((k for k in ("momentum", "betas") if k in groups[0]), None) if cycle_momentum else None
        if cycle_momentum and self.momentum_key is None:
            raise OptimizerError("OneCycleLR: the optimizer has no momentum to cycle; pass cycle_momentum=False.")
        self.pct_start, self.three_phase, self.anneal_strategy = pct_start, three_phase, anneal_strategy
        self.final_div_factor, self.momenta = final_div_factor, [base_momentum, max_momentum]
        if last_epoch == -1:
            for group, high in zip(groups, self.max_lrs, strict=True):
                group["initial_lr"] = high / div_factor
        super().__init__(optimizer, last_epoch)

    def phases(self, start: float, high: float) -> list[Phase]:
        """Return the phases from the rate `start` up to `high` and down: two, or three with `three_phase`."""
        low, top = self.momenta
        lowest, last = start / self.final_div_factor, self.total_steps - 1
        rise = self.pct_start * self.total_steps - 1
        if not self.three_phase:
            return [Phase(rise, (start, high), (top, low)), Phase(last, (high, lowest), (low, top))]
        return [
            Phase(rise, (start, high), (top, low)),
            Phase(2 * rise, (high, start), (low, top)),
            Phase(last, (start, lowest), (top, top)),
        ]

    def get_lr(self) -> list[float]:
        """Return the rate of each group; on the way, set its momentum (SGD, RMSprop) or first beta (Adam)."""
        if self.last_epoch > self.total_steps:
            raise OptimizerError(
                f"OneCycleLR: the cycle has {self.total_steps} steps, found step {self.last_epoch}. Plan a longer one."
            )
        rates = []
        for group, base, high in zip(self.optimizer.param_groups, self.base_lrs, self.max_lrs, strict=True):
            phases = self.phases(base, high)
            number, fraction = self.position(self.last_epoch, [phase.end for phase in phases])
            rates.append(self.anneal(*phases[number].lr, fraction))
            momentum = self.anneal(*phases[number].momentum, fraction)
            if self.momentum_key == "momentum":
                group["momentum"] = momentum
            elif self.momentum_key == "betas":
                group["betas"] = (momentum, group["betas"][1])
        return rates

    def anneal(self, start: float, end: float, fraction: float) -> float:
        """Return the value at `fraction` (0 to 1) of the way from start to end: on half a cosine wave, or straight."""
        if self.anneal_strategy == "linear":
            return start + (end - start) * fraction
        return end + (start - end) / 2 * (1 + math.cos(math.pi * fraction))

    def position(self, step: int, ends: list[float]) -> tuple[int, float]:
        """Return (phase number, fraction of it that is done) at `step`; after the last end the last phase goes on."""
        start = 0.0
        for number, end in enumerate(ends[:-1]):
            if step <= end:
                return number, (step - start) / (end - start)
            start = end
        return len(ends) - 1, (step - start) / (ends[-1] - start)


def at_least_one(value: Any, what: str) -> int:
    """Return `value` if it is a whole number >= 1, or say that it is not."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise OptimizerError(f"{what}: expected a whole number >= 1, found {value!r}.")
    return value


def _length(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is None:
        if epochs is None or steps_per_epoch is None:
            raise OptimizerError("OneCycleLR: expected total_steps, or epochs and steps_per_epoch; found neither.")
        total_steps = epochs * steps_per_epoch
    return at_least_one(total_steps, "OneCycleLR: total_steps")
