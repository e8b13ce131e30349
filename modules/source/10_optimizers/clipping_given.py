"""Clipping, beyond the norm: collecting gradients, scaling them all, and limiting each element."""

from __future__ import annotations

from typing import Any

from tinytorch.core.engine import NON_DIFFERENTIABLE, Primitive
from tinytorch.core.tensor import Tensor
from tinytorch.given.parameter_groups import collect
from tinytorch.given.tensor_ops import quiet

#| face nn.utils: clip_grad_value_


def scale_kernel(xp, tensors, *, factor):
    """Multiply every array by `factor`, in place."""
    for t in tensors:
        t *= factor
    return tensors


def clamp_all_kernel(xp, tensors, *, limit):
    """Limit every element of every array to [-limit, limit], in place."""
    for t in tensors:
        xp.clip(t, -limit, limit, out=t)
    return tensors


SCALE_ = Primitive("scale_", quiet(scale_kernel), mutates=("tensors",))
CLAMP_ALL_ = Primitive("clamp_all_", clamp_all_kernel, mutates=("tensors",))
NON_DIFFERENTIABLE.update({"scale_", "clamp_all_"})


def gradients(parameters: Any, what: str) -> list[Tensor]:
    """Return the gradients of `parameters` that are there, detached, as a list. One tensor stands for a list of it."""
    parameters = collect([parameters] if isinstance(parameters, Tensor) else parameters, what)
    return [p.grad.detach() for p in parameters if p.grad is not None]


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Limit every element of every gradient to [-clip_value, clip_value], in place."""
    grads = gradients(parameters, "clip_grad_value_")
    if grads:
        CLAMP_ALL_(grads, limit=float(clip_value))
