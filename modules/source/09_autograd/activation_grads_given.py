"""The gradient kernels of activations: primitives of their own, so that a faster backend may replace them.

Each takes g and what the rule kept, the input x or the output. Their own derivatives are those of their `decompose`.
"""

from __future__ import annotations

from typing import Any

from tinytorch.core.engine import Primitive
from tinytorch.given.silence import quiet


def softmax_grad_kernel(xp: Any, g: Any, out: Any, *, dim: int) -> Any:
    """Return g·J with J = diag(p) - p pᵀ along `dim`, p being the output."""
    grad = g - (g * out).sum(axis=dim, keepdims=True)
    grad *= out
    return grad


def log_softmax_grad_kernel(xp: Any, g: Any, out: Any, *, dim: int) -> Any:
    """Return g - p·Σ g along `dim`, the output being log p."""
    return g - xp.exp(out) * g.sum(axis=dim, keepdims=True)


def softmax_grad_in_tensors(g: Any, out: Any, *, dim: int) -> Any:
    """The same in Tensors."""
    return out * (g - (g * out).sum(dim, keepdim=True))


def log_softmax_grad_in_tensors(g: Any, out: Any, *, dim: int) -> Any:
    """The same in Tensors."""
    return g - out.exp() * g.sum(dim, keepdim=True)


SOFTMAX_GRAD = Primitive("softmax_grad", quiet(softmax_grad_kernel), promote="same", decompose=softmax_grad_in_tensors)
LOG_SOFTMAX_GRAD = Primitive(
    "log_softmax_grad", quiet(log_softmax_grad_kernel), promote="same", decompose=log_softmax_grad_in_tensors
)
