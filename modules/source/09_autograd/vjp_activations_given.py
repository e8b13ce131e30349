"""Gradient rules of the activations of module 03.

Where the output says it all, the output is kept: the next operation keeps it too.
"""

from __future__ import annotations

import math
from typing import Any

from tinytorch.core.engine import VJPS, Rule, primitive
from tinytorch.given import vjp_activation_functions as vjp_activation_functions  # adds rows to VJPS
from tinytorch.given.activation_grads import LOG_SOFTMAX_GRAD, SOFTMAX_GRAD


def _silu(g: Any, saved: Any) -> Any:
    gate = primitive("sigmoid")(saved.x)
    return g * gate * (1.0 + saved.x * (1.0 - gate))


def _gelu(g: Any, saved: Any, *, approximate: str) -> Any:
    """(x·Φ(x))' = Φ(x) + x·φ(x); for the tanh form its own derivative (Hendrycks and Gimpel, 2016)."""
    x = saved.x
    if approximate == "none":
        cumulative = 0.5 * (1.0 + primitive("erf")(x * math.sqrt(0.5)))
        return g * (cumulative + x * (x * x * -0.5).exp() * (1.0 / math.sqrt(2.0 * math.pi)))
    scale, cubic = math.sqrt(2.0 / math.pi), 0.044715
    t = primitive("tanh")(scale * (x + cubic * x * x * x))
    return g * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * scale * (1.0 + 3.0 * cubic * x * x))


VJPS["relu"] = Rule(lambda g, s: g * (s.out > 0), saves=("out",))
VJPS["leaky_relu"] = Rule(lambda g, s, negative_slope: primitive("where")(s.x > 0, g, g * negative_slope), saves=("x",))
VJPS["sigmoid"] = Rule(lambda g, s: g * s.out * (1.0 - s.out), saves=("out",))
VJPS["tanh"] = Rule(lambda g, s: g * (1.0 - s.out * s.out), saves=("out",))
VJPS["erf"] = Rule(lambda g, s: g * (-s.x * s.x).exp() * (2.0 / math.sqrt(math.pi)), saves=("x",))
VJPS["erfc"] = Rule(lambda g, s: g * (-s.x * s.x).exp() * (-2.0 / math.sqrt(math.pi)), saves=("x",))
VJPS["erfinv"] = Rule(lambda g, s: g * (s.out * s.out).exp() * (math.sqrt(math.pi) / 2.0), saves=("out",))
VJPS["silu"] = Rule(_silu, saves=("x",))
VJPS["gelu"] = Rule(_gelu, saves=("x",))
VJPS["softmax"] = Rule(lambda g, s, dim: SOFTMAX_GRAD(g, s.out, dim=dim), saves=("out",))
VJPS["log_softmax"] = Rule(lambda g, s, dim: LOG_SOFTMAX_GRAD(g, s.out, dim=dim), saves=("out",))
