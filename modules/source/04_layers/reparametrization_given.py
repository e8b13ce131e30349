"""`tinytorch.nn.utils` of whole modules: all parameters as one vector, and weights made of other parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor, cat, from_array
from tinytorch.given import tensor_ops as ops
from tinytorch.given.initialization import unrecorded
from tinytorch.given.parameter import Parameter

#| face nn.utils: parameters_to_vector, vector_to_parameters, weight_norm, remove_weight_norm


def _tensors(parameters: Any, what: str) -> list[Tensor]:
    """Return parameters as a list, or say what was found."""
    found = list(parameters) if isinstance(parameters, Iterable) and not isinstance(parameters, Tensor) else None
    if not found or not all(isinstance(p, Tensor) for p in found):
        kind = type(parameters).__name__
        raise DTypeError(f"{what}: expected tensors, as model.parameters() gives them, found {kind}.")
    return found


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return all numbers of the parameters as one vector, in their order; differentiable."""
    return cat([p.reshape(-1) for p in _tensors(parameters, "parameters_to_vector")], 0)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Overwrite the parameters by the numbers of a vector, in their order: the reverse of parameters_to_vector."""
    found = _tensors(parameters, "vector_to_parameters")
    count = sum(p.numel() for p in found)
    if not isinstance(vec, Tensor) or vec.shape != (count,):
        shown = getattr(vec, "shape", type(vec).__name__)
        raise ShapeError(f"vector_to_parameters: expected a vector of {count} numbers, found {shown}.")
    start = 0
    with unrecorded():
        for p in found:
            p.copy_(vec.detach()[start : start + p.numel()].reshape(p.shape))
            start += p.numel()


class WeightNorm:
    """The hook that makes a weight anew before each forward: direction v, length g along all axes but `dim`."""

    def __init__(self, name: str, dim: int | None):
        self.name, self.dim = name, dim

    def length(self, v: Tensor) -> Tensor:
        """Return the norm of v, with all axes but `dim` reduced to size 1."""
        axes = tuple(i for i in range(v.ndim) if i != self.dim)
        return (v * v).sum(axes, keepdim=self.dim is not None).sqrt() if axes else v.abs()

    def weight(self, module: Module) -> Tensor:
        """Return g · v / |v|."""
        v = getattr(module, f"{self.name}_v")
        return v * (getattr(module, f"{self.name}_g") / self.length(v))

    def __call__(self, module: Module, args: Any) -> None:
        object.__setattr__(module, self.name, self.weight(module))


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Let a module's weight be g · v / |v|: the parameters `name`_g and `name`_v take its place. Return the module.

    dim: the axis whose slices each have a length; None or -1: one length for all. Salimans and Kingma, 2016.
    """
    if not isinstance(module, Module):
        raise DTypeError(f"weight_norm: expected a Module, found {type(module).__name__}.")
    weight = module._parameters.get(name)
    if weight is None:
        known = ", ".join(module._parameters) or "none"
        kind = type(module).__name__
        raise TinyTorchError(f"weight_norm: expected a parameter of {kind} ({known}), found {name!r}.")
    hook = WeightNorm(name, None if dim in (None, -1) else ops.axis(dim, weight.ndim, "weight_norm"))
    del module._parameters[name]
    with unrecorded():
        length = from_array(np.array(hook.length(weight.detach()).numpy()))
    module.register_parameter(f"{name}_g", Parameter(length))
    module.register_parameter(f"{name}_v", weight)
    module.register_forward_pre_hook(hook)
    hook(module, ())
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Turn a weight that weight_norm split back into one parameter; return the module."""
    for key, (hook, _) in list(module._forward_pre_hooks.items()):
        if isinstance(hook, WeightNorm) and hook.name == name:
            del module._forward_pre_hooks[key]
            weight = Parameter(hook.weight(module).detach())
            for part in (f"{name}_g", f"{name}_v"):
                del module._parameters[part]
            module.__dict__.pop(name, None)
            module.register_parameter(name, weight)
            return module
    kind = type(module).__name__
    raise TinyTorchError(f"remove_weight_norm: expected weight_norm on {name!r} of {kind}, found none.")
