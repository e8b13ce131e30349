"""Further optimizers: their settings and the call of their step. `Optimizer` (core.optimizers) is mixed in there.

Arguments, defaults and numbers are those of PyTorch's optimizer of the same name, but for Lion, which PyTorch has not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.core.engine import ShapeError, bind, primitive
from tinytorch.given.adaptive_steps import (
    ADADELTA_STEP,
    ADAGRAD_STEP,
    ADAMAX_STEP,
    NADAM_STEP,
    RADAM_STEP,
    nadam_momenta,
)
from tinytorch.given.modern_steps import LION_STEP, MUON_STEP
from tinytorch.given.parameter_groups import ParameterGroups


class Steps(ParameterGroups):
    """An optimizer whose step takes the state tensors `slots` and all settings of the group, and counts or does not."""

    slots: tuple[str, ...] = ()
    step_primitive: Any = None
    counts = True               # the step wants `steps`: for each parameter the number of this step, from 1
    gather: Callable[..., tuple]    # Optimizer's

    def update(self, group: dict[str, Any]) -> None:
        """Take one step on the parameters of `group`."""
        params, grads, steps, *columns = self.gather(group, self.slots)
        if params:
            counted = {"steps": tuple(steps)} if self.counts else {}
            bind(self.step_primitive, params, grads, *columns, **counted, **self.settings(group, params))

    def settings(self, group: dict[str, Any], params: list) -> dict[str, Any]:
        """Return the settings of the group that the step takes."""
        return {name: group[name] for name in self.defaults}


class RMSpropSteps(Steps):
    """Settings and step of RMSprop; grad_avg and momentum_buffer only exist if they are needed."""

    def __init__(
        self, params: Any, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
        momentum: float = 0, centered: bool = False, *, maximize: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum,
            "centered": centered, "maximize": maximize,
        })

    def update(self, group: dict[str, Any]) -> None:
        """Take one RMSprop step on the parameters of `group`."""
        wanted = {"square_avg": True, "grad_avg": group["centered"], "momentum_buffer": group["momentum"] > 0}
        slots = tuple(slot for slot, needed in wanted.items() if needed)
        params, grads, _, *columns = self.gather(group, slots)
        if not params:
            return
        state = dict(zip(slots, columns, strict=True))
        settings = {n: group[n] for n in ("lr", "alpha", "eps", "weight_decay", "momentum", "maximize")}
        bind(primitive("rmsprop_step"), params, grads, *(state.get(slot) for slot in wanted), **settings)


class AdagradSteps(Steps):
    """Settings and step of Adagrad."""

    slots, step_primitive = ("sum",), ADAGRAD_STEP

    def __init__(
        self, params: Any, lr: float = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, *, maximize: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "eps": eps, "maximize": maximize,
        })

    def settings(self, group: dict[str, Any], params: list) -> dict[str, Any]:
        """Return the settings of the step; sums of parameters in their first step begin where they are asked to."""
        start = group["initial_accumulator_value"]
        for p in params:
            if start and self.state[p]["step"] == 1:
                self.state[p]["sum"].fill_(start)
        return {name: group[name] for name in self.defaults if name != "initial_accumulator_value"}


class AdadeltaSteps(Steps):
    """Settings and step of Adadelta."""

    slots, step_primitive, counts = ("square_avg", "acc_delta"), ADADELTA_STEP, False

    def __init__(
        self, params: Any, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0, *,
        maximize: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
        })


class AdamaxSteps(Steps):
    """Settings and step of Adamax."""

    slots, step_primitive = ("exp_avg", "exp_inf"), ADAMAX_STEP

    def __init__(
        self, params: Any, lr: float = 2e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0, *,
        maximize: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
        })


class NAdamSteps(Steps):
    """Settings and step of NAdam."""

    slots, step_primitive = ("exp_avg", "exp_avg_sq"), NADAM_STEP

    def __init__(
        self, params: Any, lr: float = 2e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *, maximize: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize,
        })

    def settings(self, group: dict[str, Any], params: list) -> dict[str, Any]:
        """Return the settings of the step, with each parameter's product of momenta, moved on by one."""
        for p in params:
            state = self.state[p]
            now, _ = nadam_momenta(group["betas"][0], group["momentum_decay"], state["step"])
            state["mu_product"] = state.get("mu_product", 1.0) * now
        return super().settings(group, params) | {"mu_products": tuple(self.state[p]["mu_product"] for p in params)}


class RAdamSteps(Steps):
    """Settings and step of RAdam."""

    slots, step_primitive = ("exp_avg", "exp_avg_sq"), RADAM_STEP

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0,
        decoupled_weight_decay: bool = False, *, maximize: bool = False,
    ):
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize,
        })


class LionSteps(Steps):
    """Settings and step of Lion."""

    slots, step_primitive, counts = ("exp_avg",), LION_STEP, False

    def __init__(
        self, params: Any, lr: float = 1e-4, betas: tuple = (0.9, 0.99), weight_decay: float = 0, *,
        maximize: bool = False,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize})


class MuonSteps(Steps):
    """Settings and step of Muon: weight matrices only."""

    slots, step_primitive, counts = ("momentum_buffer",), MUON_STEP, False

    def __init__(
        self, params: Any, lr: float = 1e-3, weight_decay: float = 0.1, momentum: float = 0.95, nesterov: bool = True,
        ns_coefficients: tuple = (3.4445, -4.775, 2.0315), eps: float = 1e-7, ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        super().__init__(params, {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
            "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn,
        })

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add weight matrices with settings of their own."""
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if p.ndim != 2:
                self.param_groups.pop()
                raise ShapeError(
                    f"Muon: expected weight matrices (2 axes), found a parameter of shape {p.shape}; give biases, "
                    "embeddings and convolutions to AdamW."
                )
