"""What every optimizer has beside its step: parameter groups, checked settings, and a state that can be saved.

A *group* is a dict: the list under "params", and one value for each setting (lr, momentum, …). Groups let a bias learn
at another rate than a weight. `state` maps each parameter to what is remembered about it (momentum, averages).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from tinytorch.core.autograd import enable_grad, no_grad
from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError
from tinytorch.core.tensor import Tensor


class OptimizerError(TinyTorchError, ValueError):
    """A setting, a list of parameters or a saved state that an optimizer cannot use; the message says what would do."""


POSITIVE = ("eps",)
NOT_NEGATIVE = ("lr", "weight_decay", "momentum")
FRACTIONS = ("alpha", "betas")


def check_settings(name: str, settings: dict[str, Any]) -> None:
    """Refuse settings outside of their range: lr, weight_decay, momentum >= 0; eps > 0; alpha and betas in [0, 1)."""
    for key, value in settings.items():
        values = value if isinstance(value, tuple | list) else (value,)
        if key in NOT_NEGATIVE and not all(_number(v) and v >= 0 for v in values):
            raise OptimizerError(f"{name}: expected {key} to be a number >= 0, found {value!r}.")
        if key in POSITIVE and not all(_number(v) and v > 0 for v in values):
            raise OptimizerError(f"{name}: expected {key} to be a number > 0, found {value!r}.")
        if key in FRACTIONS and not all(_number(v) and 0 <= v < 1 for v in values):
            raise OptimizerError(f"{name}: expected {key} in [0, 1), found {value!r}; 1 would never forget.")
    if "betas" in settings and len(settings["betas"]) != 2:
        raise OptimizerError(f"{name}: expected two betas, found {settings['betas']!r}.")
    if settings.get("nesterov") and (settings["momentum"] <= 0 or settings["dampening"] != 0):
        raise OptimizerError(
            f"{name}: nesterov=True needs momentum > 0 and dampening=0, found momentum={settings['momentum']!r} and "
            f"dampening={settings['dampening']!r}."
        )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


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
        unknown = set(param_group) - set(self.defaults) - {"params", "initial_lr"}
        if unknown:
            raise OptimizerError(f"{name}: unknown setting {min(unknown)!r}; there are {', '.join(self.defaults)}.")
        params = param_group["params"]
        params = collect([params] if isinstance(params, Tensor) else params, name)
        group = {**self.defaults, **param_group, "params": params}
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
        if not isinstance(state_dict, dict) or set(state_dict) != {"state", "param_groups"}:
            raise OptimizerError(f"{name}: expected a state with 'state' and 'param_groups', found {state_dict!r:.60}.")
        saved = state_dict["param_groups"]
        sizes, expected = [len(g["params"]) for g in saved], [len(g["params"]) for g in self.param_groups]
        if sizes != expected:
            raise OptimizerError(f"{name}: expected groups of {expected} parameters, found {sizes} in the saved state.")
        for group in saved:
            missing = set(self.defaults) ^ (set(group) - {"params", "initial_lr"})
            if missing:
                raise OptimizerError(f"{name}: the saved state is of another optimizer: {min(missing)!r} does not fit.")
        parameters, state = list(self.parameters()), defaultdict(dict)
        for index, values in state_dict["state"].items():
            p = parameters[int(index)]
            state[p] = {key: _own(name, key, value, p) for key, value in values.items()}
        self.state = state
        for group, loaded in zip(self.param_groups, saved, strict=True):
            group.update({k: tuple(v) if isinstance(v, list) else v for k, v in loaded.items() if k != "params"})

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
