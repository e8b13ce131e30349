"""Clipping, beyond the norm: collecting gradients, scaling them all, and limiting each element."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from tinytorch.core.engine import NON_DIFFERENTIABLE, DTypeError, Primitive, TinyTorchError, primitive
from tinytorch.core.tensor import Tensor
from tinytorch.given.parameter_groups import collect
from tinytorch.given.settings import number
from tinytorch.given.tensor_ops import quiet

#| face nn.utils: clip_grad_value_, get_total_norm, clip_grads_with_norm_


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
    grads, limit = gradients(parameters, "clip_grad_value_"), number(clip_value, "clip_grad_value_'s clip_value")
    if grads:
        CLAMP_ALL_(grads, limit=limit)


def get_total_norm(
    tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """Return the norm of the norms of several tensors, as if they were one vector. Nothing is recorded.

    error_if_nonfinite: refuse inf and NaN. foreach: without effect.
    """
    found = [tensors] if isinstance(tensors, Tensor) or not isinstance(tensors, Iterable) else list(tensors)
    if not all(isinstance(t, Tensor) for t in found):
        raise DTypeError(f"get_total_norm: expected tensors, found {[type(t).__name__ for t in found][:5]}.")
    if not found:
        return Tensor(0.0)
    norm_type = number(norm_type, "get_total_norm's norm_type")
    total = primitive("total_norm")([t.detach() for t in found], norm_type=norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise TinyTorchError(f"get_total_norm: expected a finite norm, found {total.item()}.")
    return total


def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None) -> None:
    """Scale the gradients of `parameters` in place, whose norm is `total_norm`, to at most `max_norm`."""
    grads = gradients(parameters, "clip_grads_with_norm_")
    factor = number(max_norm, "clip_grads_with_norm_'s max_norm") / (float(total_norm) + 1e-6)
    if grads and factor < 1:
        SCALE_(grads, factor=factor)
