"""The gradient kernels of element-wise activations: g times the slope, in one primitive.

The slope is a function of the input x, or of the output where that says it all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinytorch.core.engine import Primitive, primitive
from tinytorch.given.silence import quiet
from tinytorch.given.special_functions import erf

CUBIC, SLOPE = 0.044715, math.sqrt(2.0 / math.pi)


def relu_grad_kernel(xp: Any, g: Any, out: Any) -> Any:
    """Return g where out > 0, else 0."""
    return g * (out > 0)


def sigmoid_grad_kernel(xp: Any, g: Any, out: Any) -> Any:
    """Return g·out·(1 - out)."""
    return g * out * (1 - out)


def tanh_grad_kernel(xp: Any, g: Any, out: Any) -> Any:
    """Return g·(1 - out²)."""
    return g * (1 - out * out)


def silu_grad_kernel(xp: Any, g: Any, x: Any) -> Any:
    """Return g·(x·σ(x))', σ being the logistic function."""
    gate = xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-xp.abs(x)))
    return g * gate * (1 + x * (1 - gate))


def gelu_grad_kernel(xp: Any, g: Any, x: Any, *, approximate: str) -> Any:
    """Return g·(x·Φ(x))' = g·(Φ(x) + x·φ(x)); for the tanh form its own derivative (Hendrycks and Gimpel, 2016)."""
    if approximate == "none":
        density = xp.exp(x * x * -0.5) * (1.0 / math.sqrt(2.0 * math.pi))
        return g * (0.5 * (1.0 + erf(xp, x * math.sqrt(0.5))) + x * density)
    t = xp.tanh(SLOPE * (x + CUBIC * x * x * x))
    return g * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * SLOPE * (1.0 + 3.0 * CUBIC * x * x))


def _silu_in_tensors(g: Any, x: Any) -> Any:
    gate = primitive("sigmoid")(x)
    return g * gate * (1.0 + x * (1.0 - gate))


def _gelu_in_tensors(g: Any, x: Any, *, approximate: str) -> Any:
    if approximate == "none":
        cumulative = 0.5 * (1.0 + primitive("erf")(x * math.sqrt(0.5)))
        return g * (cumulative + x * (x * x * -0.5).exp() * (1.0 / math.sqrt(2.0 * math.pi)))
    t = primitive("tanh")(SLOPE * (x + CUBIC * x * x * x))
    return g * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * SLOPE * (1.0 + 3.0 * CUBIC * x * x))


def _slope(name: str, kernel: Callable, decompose: Callable) -> Primitive:
    return Primitive(name, quiet(kernel), promote="same", decompose=decompose)


RELU_GRAD = _slope("relu_grad", relu_grad_kernel, lambda g, out: g * (out > 0))
SIGMOID_GRAD = _slope("sigmoid_grad", sigmoid_grad_kernel, lambda g, out: g * out * (1.0 - out))
TANH_GRAD = _slope("tanh_grad", tanh_grad_kernel, lambda g, out: g * (1.0 - out * out))
SILU_GRAD = _slope("silu_grad", silu_grad_kernel, _silu_in_tensors)
GELU_GRAD = _slope("gelu_grad", gelu_grad_kernel, _gelu_in_tensors)
