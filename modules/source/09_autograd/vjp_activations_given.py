"""Gradient rules of the activations of module 03.

Where the output says it all, the output is kept: the next operation keeps it too.
"""

from __future__ import annotations

import math

from tinytorch.core.engine import VJPS, Rule, primitive
from tinytorch.given import activation_slopes as slopes
from tinytorch.given import vjp_activation_functions as vjp_activation_functions  # adds rows to VJPS
from tinytorch.given.activation_grads import LOG_SOFTMAX_GRAD, SOFTMAX_GRAD

VJPS["relu"] = Rule(lambda g, s: slopes.RELU_GRAD(g, s.out), saves=("out",))
VJPS["leaky_relu"] = Rule(lambda g, s, negative_slope: primitive("where")(s.x > 0, g, g * negative_slope), saves=("x",))
VJPS["sigmoid"] = Rule(lambda g, s: slopes.SIGMOID_GRAD(g, s.out), saves=("out",))
VJPS["tanh"] = Rule(lambda g, s: slopes.TANH_GRAD(g, s.out), saves=("out",))
VJPS["erf"] = Rule(lambda g, s: g * (-s.x * s.x).exp() * (2.0 / math.sqrt(math.pi)), saves=("x",))
VJPS["erfc"] = Rule(lambda g, s: g * (-s.x * s.x).exp() * (-2.0 / math.sqrt(math.pi)), saves=("x",))
VJPS["erfinv"] = Rule(lambda g, s: g * (s.out * s.out).exp() * (math.sqrt(math.pi) / 2.0), saves=("out",))
VJPS["silu"] = Rule(lambda g, s: slopes.SILU_GRAD(g, s.x), saves=("x",))
VJPS["gelu"] = Rule(lambda g, s, approximate: slopes.GELU_GRAD(g, s.x, approximate=approximate), saves=("x",))
VJPS["softmax"] = Rule(lambda g, s, dim: SOFTMAX_GRAD(g, s.out, dim=dim), saves=("out",))
VJPS["log_softmax"] = Rule(lambda g, s, dim: LOG_SOFTMAX_GRAD(g, s.out, dim=dim), saves=("out",))
