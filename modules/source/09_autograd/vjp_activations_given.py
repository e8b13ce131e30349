"""Gradient rules of the activations of module 03.

Where the output says it all, the output is kept: the next operation keeps it too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.engine import VJPS, Primitive, Rule, primitive
from tinytorch.given import activation_slopes as slopes
from tinytorch.given import vjp_activation_functions as vjp_activation_functions  # adds rows to VJPS
from tinytorch.given.activation_grads import LOG_SOFTMAX_GRAD, SOFTMAX_GRAD


def from_output(gradient: Primitive) -> Callable:
    """Return the rule that hands g and the output to `gradient`; arrays (see `apply_small`) to its own kernel."""

    def vjp(g: Any, saved: Any) -> Any:
        return gradient.kernel(np, g, saved.out) if type(g) is np.ndarray else gradient(g, saved.out)

    vjp.arithmetic = True
    return vjp


VJPS["relu"] = Rule(from_output(slopes.RELU_GRAD), saves=("out",))
VJPS["leaky_relu"] = Rule(lambda g, s, negative_slope: primitive("where")(s.x > 0, g, g * negative_slope), saves=("x",))
VJPS["sigmoid"] = Rule(from_output(slopes.SIGMOID_GRAD), saves=("out",))
VJPS["tanh"] = Rule(from_output(slopes.TANH_GRAD), saves=("out",))
VJPS["erf"] = Rule(lambda g, s: g * (-s.x * s.x).exp() * (2.0 / math.sqrt(math.pi)), saves=("x",))
VJPS["erfc"] = Rule(lambda g, s: g * (-s.x * s.x).exp() * (-2.0 / math.sqrt(math.pi)), saves=("x",))
VJPS["erfinv"] = Rule(lambda g, s: g * (s.out * s.out).exp() * (math.sqrt(math.pi) / 2.0), saves=("out",))
VJPS["silu"] = Rule(lambda g, s: slopes.SILU_GRAD(g, s.x), saves=("x",))
VJPS["gelu"] = Rule(lambda g, s, approximate: slopes.GELU_GRAD(g, s.x, approximate=approximate), saves=("x",))
VJPS["softmax"] = Rule(lambda g, s, dim: SOFTMAX_GRAD(g, s.out, dim=dim), saves=("out",))
VJPS["log_softmax"] = Rule(lambda g, s, dim: LOG_SOFTMAX_GRAD(g, s.out, dim=dim), saves=("out",))
