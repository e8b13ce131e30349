"""The curves of activations and their slopes, for eight numbers at a time.

All of them are made of one exponential. σ is the logistic function 1 / (1 + e**-x), Φ the normal distribution's share
below x, off by 7.5e-8 at most: Abramowitz and Stegun, "Handbook of mathematical functions", 1964, formula 7.1.26.
"""

from __future__ import annotations

import math

import numpy as np

from tinytorch.given.compiling import inlined
from tinytorch.given.exponentials import exponential, exponential_below
from tinytorch.given.vectors import broadcast, fma, larger, where_greater

CUBIC, SLOPE = 0.044715, math.sqrt(2 / math.pi)               # of GELU's approximation by tanh
NARROW, HALF_DENSITY = math.sqrt(0.5), math.sqrt(0.5 / math.pi)
ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
ERF_POLE = 0.3275911


@inlined
def number(value):
    """Return a vector with `value` in every lane."""
    return broadcast(np.float32(value))


@inlined
def logistic(x):
    """Return σ(x)."""
    return number(1) / (number(1) + exponential(number(0) - x))


@inlined
def normal_share(x):
    """Return Φ(x) and the density of the normal distribution at x."""
    bell = exponential_below(x * x * number(-0.5))
    t = number(1) / fma(larger(x, number(0) - x), number(ERF_POLE * NARROW), number(1))
    curve = number(ERF[0])
    for c in ERF[1:]:
        curve = fma(curve, t, number(c))
    tail = curve * t * bell * number(0.5)
    return where_greater(x, number(0), number(1) - tail, tail), bell * number(HALF_DENSITY)


@inlined
def gelu_curve(x):
    """Return x·Φ(x)."""
    share, _ = normal_share(x)
    return x * share


@inlined
def gelu_slope(x):
    """Return Φ(x) + x·density(x)."""
    share, density = normal_share(x)
    return fma(x, density, share)


@inlined
def approximate_share(x):
    """Return σ(2u), u = √(2/π)·(x + 0.044715 x³): what GELU's approximation takes for Φ. 1 + tanh u is twice that."""
    return logistic(fma(x * x * number(CUBIC), x, x) * number(2 * SLOPE))


@inlined
def approximate_gelu_slope(x):
    """Return the derivative of x·σ(2u)."""
    share = approximate_share(x)
    growth = fma(x * x, number(6 * CUBIC * SLOPE), number(2 * SLOPE))
    return fma(x * (share * (number(1) - share)), growth, share)


@inlined
def silu_slope(x):
    """Return the derivative of x·σ(x)."""
    gate = logistic(x)
    return gate * fma(x, number(1) - gate, number(1))
