"""What every optimizer has beside its step: parameter groups, checked settings, and a state that can be saved.

A *group* is a dict: the list under "params", and one value for each setting (lr, momentum, …). Groups let a bias learn
at another rate than a weight. `state` maps each parameter to what is remembered about it (momentum, averages).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from numbers import Real
from typing import Any

import numpy as np

from tinytorch.core.autograd import enable_grad, no_grad
from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError
from tinytorch.core.tensor import Tensor


class OptimizerError(TinyTorchError, ValueError):
    """A setting, a list of parameters or a saved state that an optimizer cannot use; the message says what would do."""


NOT_NEGATIVE = ("lr", "weight_decay", "momentum", "lr_decay", "initial_accumulator_value", "momentum_decay")
FRACTIONS = ("alpha", "rho", "betas")
FLAGS = ("nesterov", "maximize", "amsgrad", "centered", "decoupled_weight_decay")
CHOICES = {"adjust_lr_fn": (None, "original", "match_rms_adamw")}
SEVERAL = {"betas": 2, "ns_coefficients": 3}
BESIDE = {"params", "initial_lr", "name"}     # what a group may hold that is no setting of the optimizer


def check_settings(name: str, settings: dict[str, Any]) -> None:
    """Refuse settings outside of their range.

    lr, weight_decay, momentum … >= 0; eps > 0; alpha, rho and betas in [0, 1); switches True or False.
    """
    for key, value in settings.items():
        wanted = _wanted(key, value)
        if wanted:
            raise OptimizerError(f"{name}: expected {key} {wanted}, found {value!r:.60}.")
    looks_ahead = settings.get("nesterov") and "dampening" in settings
    if looks_ahead and (settings["momentum"] <= 0 or settings["dampening"] != 0):
        raise OptimizerError(
            f"{name}: nesterov=True needs momentum > 0 and dampening=0, found momentum={settings['momentum']!r} and "
            f"dampening={settings['dampening']!r}."
        )


def _wanted(key: str, value: Any) -> str:
    """Return what a setting should have been; nothing if it is fine."""
    values = value if isinstance(value, tuple | list) else (value,)
    if key in SEVERAL and (len(values) != SEVERAL[key] or not all(map(_number, values))):
        count = {2: "two", 3: "three"}[SEVERAL[key]]
        return f"to be {count} betas in [0, 1)" if key == "betas" else f"to be {count} numbers"
    if key in NOT_NEGATIVE and not (_number(value) and value >= 0):
        return "to be a number >= 0"
    if key == "eps" and not (_number(value) and value > 0):
        return "to be a number > 0"
    if key == "dampening" and not _number(value):
        return "to be a number"
    if key in FRACTIONS and not all(_number(v) and 0 <= v < 1 for v in values):
        return "in [0, 1), for 1 would never forget"
    if key in FLAGS and not isinstance(value, bool | np.bool):
        return "to be True or False"
    if key == "ns_steps" and not (isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 100):
        return "to be a whole number from 1 to 99"
    if key in CHOICES and value not in CHOICES[key]:
        return f"to be one of {CHOICES[key]}"
    return ""


def _number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and value == value


def collect(params: Any, what: str) -> list[Tensor]:
    """Return `params` as a list of leaf tensors that require a gradient, or say what is wrong with it."""
    if isinstance(params, Tensor):
        raise DTypeError(f"{what}: expected a list of parameters, found one Tensor {params.shape}. Write [parameter].")
    if not isinstance(params, Iterable):
        found_type = type(params).__name__
        raise DTypeError(f"{what}: expected a list of parameters, found {found_type}. Try model.parameters().")
    found = list(params)
    for p in found:
        if not isinstance(p, Tensor):
            hint = "model.parameters()" if isinstance(p, str | tuple) else "tensors only"
            raise DTypeError(f"{what}: expected parameters, found {type(p).__name__} {p!r:.60}. Use {hint}.")
        if not p.is_leaf:
            raise OptimizerError(
                f"{what}: expected leaf tensors, found the result of {p.grad_fn.name!r} of shape {p.shape}; the next "
                f"forward pass would make it anew. Optimize what it was computed from."
            )
        if not p.requires_grad and p.dtype.kind != "f":
            raise OptimizerError(f"{what}: expected floating parameters, found {p.dtype} of shape {p.shape}.")
    return found


class ParameterGroups:
    """Base of `Optimizer`: `param_groups`, `state`, and saving both.

    params: tensors, or dicts {"params": tensors, setting: value, …}. defaults: settings of groups that give none.
    """

    def __init__(self, params: Any, defaults: dict[str, Any]):
        self.defaults = defaults
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        name = type(self).__name__
        given = [params] if isinstance(params, Tensor) else list(params) if isinstance(params, Iterable) else params
        if isinstance(params, Tensor) or not isinstance(given, list):
            collect(params, name)
        if not given:
            raise OptimizerError(
                f"{name}: expected at least one parameter, found none. Was model.parameters() used up before?"
            )
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own; settings not given are the defaults."""
        name = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise DTypeError(f"{name}: expected a group {{'params': [...], ...}}, found {type(param_group).__name__}.")
        unknown = set(param_group) - set(self.defaults) - BESIDE
        if unknown:
            raise OptimizerError(f"{name}: unknown setting {min(unknown)!r}; there are {', '.join(self.defaults)}.")
        params = param_group["params"]
        params = collect([params] if isinstance(params, Tensor) else params, name)
        group = {**self.defaults, **param_group}
        group = {key: tuple(v) if isinstance(v, list) else v for key, v in group.items()} | {"params": params}
        check_settings(name, {key: value for key, value in group.items() if key != "params"})
        known = {id(p) for p in self.parameters()}
        for p in group["params"]:
            if id(p) in known:
                raise OptimizerError(f"{name}: the parameter {p.shape} appears twice; a step would update it twice.")
            known.add(id(p))
        self.param_groups.append(group)

    def parameters(self) -> Iterator[Tensor]:
        """Yield the parameters of all groups in order."""
        for group in self.param_groups:
            yield from group["params"]

    def step(self, closure: Any = None) -> Any:
        """Take one step; `update` says how. closure: computes loss and gradients anew; then its loss is returned."""
        loss = None
        if closure is not None:
            if not callable(closure):
                found = type(closure).__name__
                raise OptimizerError(f"step: expected a function that returns the loss as closure, found {found}.")
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                self.update(group)
        return loss

    def update(self, group: dict[str, Any]) -> None:
        """Update the parameters of one group: each optimizer writes its own."""
        raise NotImplementedError(f"{type(self).__name__}.update: an optimizer must say how it steps.")

    def state_dict(self) -> dict[str, Any]:
        """Return settings and state as dicts, lists, numbers and tensors; a parameter is replaced by its position."""
        position = {id(p): i for i, p in enumerate(self.parameters())}
        groups = [{**group, "params": [position[id(p)] for p in group["params"]]} for group in self.param_groups]
        return {"state": {position[id(p)]: dict(s) for p, s in self.state.items() if s}, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take settings and state from the `state_dict()` of an optimizer of the same kind and the same shapes."""
        name = type(self).__name__
        saved = self._check_state(name, state_dict)
        parameters, state = list(self.parameters()), defaultdict(dict)
        for index, values in state_dict["state"].items():
            p = parameters[int(index)]
            state[p] = {key: _own(name, key, value, p) for key, value in values.items()}
        for group, loaded in zip(self.param_groups, saved, strict=True):
            group.update({k: tuple(v) if isinstance(v, list) else v for k, v in loaded.items() if k != "params"})
        self.state = state

    def _check_state(self, name: str, state_dict: Any) -> list[dict[str, Any]]:
        """Return the saved groups, if the state is one, and of an optimizer like this."""
        if not isinstance(state_dict, dict) or not {"state", "param_groups"} <= set(state_dict):
            raise OptimizerError(f"{name}: expected a state with 'state' and 'param_groups', found {state_dict!r:.60}.")
        saved, state = state_dict["param_groups"], state_dict["state"]
        if not isinstance(saved, list) or not all(isinstance(g, dict) and "params" in g for g in saved):
            raise OptimizerError(f"{name}: expected 'param_groups' to be a list of groups, found {saved!r:.60}.")
        sizes, expected = [len(g["params"]) for g in saved], [len(g["params"]) for g in self.param_groups]
        if sizes != expected:
            raise OptimizerError(f"{name}: expected groups of {expected} parameters, found {sizes} in the saved state.")
        for group in saved:
            differing = set(self.defaults) ^ (set(group) - BESIDE)
            if differing:
                raise OptimizerError(
                    f"{name}: the saved state is of another optimizer: {min(differing)!r} does not fit."
                )
            check_settings(f"{name}.load_state_dict", {key: group[key] for key in self.defaults})
        positions = {str(i) for i in range(sum(expected))}
        fits = isinstance(state, dict) and set(map(str, state)) <= positions
        if not fits or not all(isinstance(s, dict) for s in state.values()):
            raise OptimizerError(
                f"{name}: expected 'state' to be a dict from the places 0 to {sum(expected) - 1} of the parameters to "
                f"what is known about each, found {state!r:.60}."
            )
        return saved

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number, group in enumerate(self.param_groups):
            lines.append(f"  group {number}: {sum(p.numel() for p in group['params']):,} parameters")
            lines += [f"    {key}: {value}" for key, value in sorted(group.items()) if key != "params"]
        return "\n".join([*lines, ")"])


def _own(name: str, key: str, value: Any, parameter: Tensor) -> Any:
    """Return a copy of a saved state value, checked against the parameter that it belongs to."""
    if not isinstance(value, Tensor):
        return value
    if value.shape != parameter.shape:
        raise ShapeError(f"{name}: expected {key} of shape {parameter.shape}, found {value.shape} in the saved state.")
    return Tensor(value, dtype=parameter.dtype)
