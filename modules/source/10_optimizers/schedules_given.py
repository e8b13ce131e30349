"""Further schedules as functions of time: steps, lines, powers, waves, and functions of one's own.

Arguments, defaults and numbers are PyTorch's. t is the number of steps so far, PyTorch's `last_epoch`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from tinytorch.given.parameter_groups import OptimizerError
from tinytorch.given.schedulers import LRScheduler, at_least_one, for_each_group, number_in, require_optimizer

#| face optim.lr_scheduler: MultiStepLR, ExponentialLR, ConstantLR, LinearLR, PolynomialLR
#| face optim.lr_scheduler: LambdaLR, MultiplicativeLR, CosineAnnealingWarmRestarts, CyclicLR


class MultiStepLR(LRScheduler):
    """Multiply the rate by `gamma` at each of the `milestones`."""

    def __init__(self, optimizer: Any, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1):
        if isinstance(milestones, str) or not isinstance(milestones, Iterable):
            raise OptimizerError(f"MultiStepLR: expected milestones to be a list of epochs, found {milestones!r:.60}.")
        self.milestones = sorted(number_in(m, "MultiStepLR: milestones", 0) for m in milestones)
        self.gamma = number_in(gamma, "MultiStepLR: gamma")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return η₀ · gamma^(milestones reached)."""
        factor = self.gamma ** bisect_right(self.milestones, self.last_epoch)
        return [base * factor for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiply the rate by `gamma` in every step."""

    def __init__(self, optimizer: Any, gamma: float, last_epoch: int = -1):
        self.gamma = number_in(gamma, "ExponentialLR: gamma")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return η₀ · gamma^t."""
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """Hold the rate at `factor` times itself for the first `total_iters` steps."""

    def __init__(self, optimizer: Any, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1):
        self.factor = number_in(factor, "ConstantLR: factor", 0, 1)
        self.total_iters = number_in(total_iters, "ConstantLR: total_iters", 0)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return η₀ · factor, then η₀."""
        return [base * (self.factor if self.last_epoch < self.total_iters else 1.0) for base in self.base_lrs]


class LinearLR(LRScheduler):
    """Move the rate on a line from start_factor to end_factor times itself in `total_iters` steps."""

    def __init__(
        self, optimizer: Any, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5,
        last_epoch: int = -1,
    ):
        self.start_factor = number_in(start_factor, "LinearLR: start_factor", 0, 1)
        if start_factor == 0:
            raise OptimizerError("LinearLR: expected start_factor above 0, found 0.")
        self.end_factor = number_in(end_factor, "LinearLR: end_factor", 0, 1)
        self.total_iters = at_least_one(total_iters, "LinearLR: total_iters")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the height of the line."""
        done = min(self.last_epoch, self.total_iters) / self.total_iters
        return [base * (self.start_factor + (self.end_factor - self.start_factor) * done) for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """Let the rate fall to zero in `total_iters` steps, as a power of the time that is left."""

    def __init__(self, optimizer: Any, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        self.total_iters = at_least_one(total_iters, "PolynomialLR: total_iters")
        self.power = number_in(power, "PolynomialLR: power")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return η₀ · (1 - t / total_iters)^power."""
        left = 1.0 - min(self.last_epoch, self.total_iters) / self.total_iters
        return [base * left**self.power for base in self.base_lrs]


class LambdaLR(LRScheduler):
    """Set the rate to the initial one times a function of t: one function, or one for each group.

    The functions are not part of `state_dict()`: they are code.
    """

    absolute = True

    def __init__(self, optimizer: Any, lr_lambda: Callable | list[Callable], last_epoch: int = -1):
        name = type(self).__name__
        require_optimizer(optimizer, name)
        several = isinstance(lr_lambda, list | tuple)
        self.lr_lambdas = list(lr_lambda) if several else [lr_lambda] * len(optimizer.param_groups)
        if len(self.lr_lambdas) != len(optimizer.param_groups) or not all(callable(f) for f in self.lr_lambdas):
            raise OptimizerError(
                f"{name}: expected a function, or one for each of {len(optimizer.param_groups)} groups, found "
                f"{lr_lambda!r:.60}."
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return η₀ · f(t)."""
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(LambdaLR):
    """Multiply the rate in every step by a function of t. As in LambdaLR, the functions are not part of the state."""

    absolute = False

    def get_lr(self) -> list[float]:
        """Return the last rate of this schedule times f(t); at t = 0 the initial one."""
        if self.last_epoch < 1:
            return list(self.base_lrs)
        return [own * f(self.last_epoch) for own, f in zip(self.own_lrs, self.lr_lambdas, strict=True)]

    def begin(self) -> None:
        """Start over from f(0) times the rates as they are now, as in PyTorch: this schedule knows no others."""
        self.restart()
        for group, f in zip(self.optimizer.param_groups, self.lr_lambdas, strict=True):
            group["lr"] *= f(0)


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine over T_0 steps, then again and again, T_mult times as long each (Loshchilov and Hutter, 2017)."""

    absolute = True

    def __init__(self, optimizer: Any, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_0 = at_least_one(T_0, "CosineAnnealingWarmRestarts: T_0")
        self.T_mult = at_least_one(T_mult, "CosineAnnealingWarmRestarts: T_mult")
        self.eta_min = number_in(eta_min, "CosineAnnealingWarmRestarts: eta_min")
        self.T_i, self.T_cur = T_0, last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the wave's height, T_cur steps into a wave of T_i."""
        wave = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * wave for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Move on by one step, or to `epoch`, which may be a fraction (`epoch + batch / batches`)."""
        epoch = self.last_epoch + 1 if epoch is None else number_in(epoch, "CosineAnnealingWarmRestarts: epoch", 0)
        start, self.T_i = 0, self.T_0
        while epoch >= start + self.T_i:
            start, self.T_i = start + self.T_i, self.T_i * self.T_mult
            if self.T_mult == 1:
                start = self.T_0 * (epoch // self.T_0)
        self.T_cur, self.last_epoch = epoch - start, math.floor(epoch)
        self._move_rates()


class CyclicLR(LRScheduler):
    """Rise from base_lr to max_lr in step_size_up steps and fall back, again and again (Smith, 2017).

    mode: "triangular"; "triangular2" halves the height in each cycle; "exp_range" shrinks it by gamma in each step.
    scale_fn: the height as a function of the cycle (from 1) or of the step, as scale_mode "cycle" or "iterations" says.
    """

    interval = "step"
    absolute = True

    def __init__(
        self, optimizer: Any, base_lr: Any, max_lr: Any, step_size_up: int = 2000, step_size_down: int | None = None,
        mode: str = "triangular", gamma: float = 1.0, scale_fn: Callable | None = None, scale_mode: str = "cycle",
        cycle_momentum: bool = True, base_momentum: Any = 0.8, max_momentum: Any = 0.9, last_epoch: int = -1,
    ):
        lows = for_each_group(base_lr, optimizer, "CyclicLR: base_lr")
        self.max_lrs = for_each_group(max_lr, optimizer, "CyclicLR: max_lr")
        up = at_least_one(step_size_up, "CyclicLR: step_size_up")
        down = up if step_size_down is None else at_least_one(step_size_down, "CyclicLR: step_size_down")
        self.total_size, self.rise = up + down, up / (up + down)
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise OptimizerError(f"CyclicLR: expected mode triangular, triangular2 or exp_range, found {mode!r}.")
        if scale_mode not in ("cycle", "iterations"):
            raise OptimizerError(f"CyclicLR: expected scale_mode 'cycle' or 'iterations', found {scale_mode!r}.")
        self.mode, self.gamma, self.scale_fn, self.scale_mode = mode, gamma, scale_fn, scale_mode
        groups = optimizer.param_groups
        self.momentum_key = next((k for k in ("momentum", "betas") if k in groups[0]), None) if cycle_momentum else None
        if cycle_momentum and self.momentum_key is None:
            raise OptimizerError("CyclicLR: the optimizer has no momentum to cycle; pass cycle_momentum=False.")
        self.base_momentums = for_each_group(base_momentum, optimizer, "CyclicLR: base_momentum")
        self.max_momentums = for_each_group(max_momentum, optimizer, "CyclicLR: max_momentum")
        if last_epoch == -1:
            for group, low in zip(groups, lows, strict=True):
                group["lr"] = low
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def get_lr(self) -> list[float]:
        """Return the rate of each group; on the way, set its momentum, which falls while the rate rises."""
        cycle = self.last_epoch // self.total_size
        place = self.last_epoch / self.total_size - cycle
        height = place / self.rise if place <= self.rise else (1 - place) / (1 - self.rise)
        height *= self._scale(cycle + 1)
        for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True):
            momentum = high - (high - low) * height
            if self.momentum_key == "momentum":
                group["momentum"] = momentum
            elif self.momentum_key == "betas":
                group["betas"] = (momentum, group["betas"][1])
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def _scale(self, cycle: int) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "triangular2":
            return 0.5 ** (cycle - 1)
        return self.gamma**self.last_epoch if self.mode == "exp_range" else 1.0
