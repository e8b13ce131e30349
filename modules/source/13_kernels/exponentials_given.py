"""e**x of eight float32 at a time.

The compiler has no vector form of it, and one number after the other costs ten times as much as reading it. So:
e**x = 2**n · e**r with n = round(x / ln 2) and |r| <= ln 2 / 2, where a polynomial of degree 6 is exact to the last
bit or two; 2**n is written straight into the exponent. Source: Cody and Waite, "Software manual for the elementary
functions", 1980. Largest relative error, over all floats: 1.2e-7. The coefficients have the smallest largest error.

x / ln 2 is rounded by adding a number so large that its last bit counts ones; n then stands in the last bits of it.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from tinytorch.given.vectors import LANES, VECTOR, constant, emit_fma, float32x8

WHOLE = ir.VectorType(ir.IntType(32), LANES)
LARGEST, SMALLEST = 88.72283172607422, -87.33654022216797     # beyond: infinity, and 0 (denormals are flushed)
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4               # their sum is ln 2; the first has few bits
COEFFICIENTS = (1.3836835582e-3, 8.374824160e-3, 4.1668226198e-2, 1.6666420071e-1, 4.9999992075e-1, 1.0, 1.0)
ROUNDING = 1.5 * 2**23


def _parts(builder: Any, x: Any) -> tuple[Any, Any]:
    """Return e**r, and ROUNDING + n as the integer that its bits spell."""
    rounded = emit_fma(builder, x, constant(1 / math.log(2)), constant(ROUNDING))
    n = builder.fsub(rounded, constant(ROUNDING))
    r = emit_fma(builder, n, constant(-LN2_HIGH), x)
    r = emit_fma(builder, n, constant(-LN2_LOW), r)
    power = constant(COEFFICIENTS[0])
    for coefficient in COEFFICIENTS[1:]:
        power = emit_fma(builder, power, r, constant(coefficient))
    return power, builder.bitcast(rounded, WHOLE)


def _whole(value: int) -> Any:
    return ir.Constant(WHOLE, [value] * LANES)


def _two_to(builder: Any, n: Any) -> Any:
    """Return 2**n for integers from -126 to 127; of their bits only the last nine count."""
    return builder.bitcast(builder.shl(builder.add(n, _whole(127)), _whole(23)), VECTOR)


@intrinsic
def exponential(typing: Any, x: Any) -> Any:
    """Return e**x in each lane; 0 below -87.3, infinity above 88.7, NaN for NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x,) = arguments
        inside = builder.select(builder.fcmp_ordered("<", x, constant(LARGEST)), x, constant(LARGEST))
        inside = builder.select(builder.fcmp_ordered(">", inside, constant(SMALLEST)), inside, constant(SMALLEST))
        power, n = _parts(builder, inside)
        n = builder.sub(n, builder.bitcast(constant(ROUNDING), WHOLE))
        half = builder.ashr(n, _whole(1))     # n may be 128, which has no exponent of its own: two halves
        power = builder.fmul(power, _two_to(builder, half))
        power = builder.fmul(power, _two_to(builder, builder.sub(n, half)))
        power = builder.select(builder.fcmp_ordered(">", x, constant(LARGEST)), constant(math.inf), power)
        power = builder.select(builder.fcmp_ordered("<", x, constant(SMALLEST)), constant(0.0), power)
        return builder.select(builder.fcmp_unordered("uno", x, x), x, power)

    return float32x8(float32x8), generate


@intrinsic
def exponential_below(typing: Any, x: Any) -> Any:
    """Return e**x in each lane for x of at most 88, as softmax needs it; 0 below -87.3, NaN for NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x,) = arguments
        inside = builder.select(builder.fcmp_ordered("<", x, constant(SMALLEST)), constant(SMALLEST), x)
        power, n = _parts(builder, inside)
        power = builder.fmul(power, _two_to(builder, n))
        return builder.select(builder.fcmp_ordered("<", x, constant(SMALLEST)), constant(0.0), power)

    return float32x8(float32x8), generate
