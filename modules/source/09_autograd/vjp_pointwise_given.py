"""Gradient rules of the functions of mathematics, of rounding and of remainders."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.core.engine import BROADCASTING, NON_DIFFERENTIABLE, VJPS, Rule, primitive

NON_DIFFERENTIABLE.update(
    ("bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "signbit")
)
BROADCASTING.update(("atan2", "hypot", "copysign", "logaddexp", "xlogy", "floor_divide", "remainder", "fmod"))


def _where(condition: Any, a: Any, b: Any) -> Any:
    return primitive("where")(condition, a, b)


def _angle(g: Any, saved: Any) -> Any:
    """g / (a² + b²), and 0 at the origin, where there is no angle."""
    length = saved.a * saved.a + saved.b * saved.b
    return g / _where(length == 0, math.inf, length)


def _flat(g: Any, saved: Any, **params: Any) -> Any:
    return g * 0.0


def _xlogy_a(g: Any, saved: Any) -> Any:
    """log(b), and 0 where a is 0 and log(b) is -inf or NaN."""
    flat = (saved.a == 0) & (saved.b <= 0)
    return g * _where(flat, 1.0, saved.b).log()


# ---- powers, exponentials, logarithms
VJPS["expm1"] = Rule(lambda g, s: g * (s.out + 1.0), saves=("out",))
VJPS["exp2"] = Rule(lambda g, s: g * s.out * math.log(2.0), saves=("out",))
VJPS["log1p"] = Rule(lambda g, s: g / (s.a + 1.0), saves=("a",))
VJPS["log2"] = Rule(lambda g, s: g / (s.a * math.log(2.0)), saves=("a",))
VJPS["log10"] = Rule(lambda g, s: g / (s.a * math.log(10.0)), saves=("a",))

# ---- angles and hyperbolas
VJPS["tan"] = Rule(lambda g, s: g * (1.0 + s.out * s.out), saves=("out",))
VJPS["asin"] = Rule(lambda g, s: g / (1.0 - s.a * s.a).sqrt(), saves=("a",))
VJPS["acos"] = Rule(lambda g, s: -g / (1.0 - s.a * s.a).sqrt(), saves=("a",))
VJPS["atan"] = Rule(lambda g, s: g / (1.0 + s.a * s.a), saves=("a",))
VJPS["sinh"] = Rule(lambda g, s: g * s.a.cosh(), saves=("a",))
VJPS["cosh"] = Rule(lambda g, s: g * s.a.sinh(), saves=("a",))
VJPS["asinh"] = Rule(lambda g, s: g / (s.a * s.a + 1.0).sqrt(), saves=("a",))
VJPS["acosh"] = Rule(lambda g, s: g / (s.a * s.a - 1.0).sqrt(), saves=("a",))
VJPS["atanh"] = Rule(lambda g, s: g / (1.0 - s.a * s.a), saves=("a",))

# ---- functions of two numbers
VJPS["atan2"] = Rule(lambda g, s: _angle(g, s) * s.b, lambda g, s: -_angle(g, s) * s.a, saves=("a", "b"))
VJPS["hypot"] = Rule(lambda g, s: g * (s.a / s.out), lambda g, s: g * (s.b / s.out), saves=("a", "b", "out"))
VJPS["copysign"] = Rule(lambda g, s: g * s.a.sign() * s.out.sign(), _flat, saves=("a", "out"))
VJPS["logaddexp"] = Rule(
    lambda g, s: g / (1.0 + (s.b - s.a).exp()), lambda g, s: g / (1.0 + (s.a - s.b).exp()), saves=("a", "b")
)
VJPS["xlogy"] = Rule(_xlogy_a, lambda g, s: g * s.a / s.b, saves=("a", "b"))

# ---- rounding: flat between the steps
VJPS["floor_divide"] = Rule(_flat, _flat)
VJPS["sign"] = VJPS["floor"] = VJPS["ceil"] = VJPS["trunc"] = VJPS["round"] = Rule(_flat)
VJPS["remainder"] = Rule(lambda g, s: g, lambda g, s: -g * primitive("floor_divide")(s.a, s.b), saves=("a", "b"))
VJPS["fmod"] = Rule(lambda g, s: g, lambda g, s: -g * (s.a / s.b).trunc(), saves=("a", "b"))
