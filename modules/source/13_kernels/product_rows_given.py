"""Which products of matrices the CPU kernel computes; all others are NumPy's, which asks BLAS.

The rules decide by dtype, shape and memory order alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.engine import KERNELS
from tinytorch.given.kernel_conditions import CompiledKernel, float32, of_shape

LEAST = 1 << 18        # multiplications; fewer are done before a kernel has begun
DEEPEST = 1 << 14      # terms of a sum, taken one after the other in float32
BLOCK = 6, 16          # rows and columns of the smallest product


def _worthwhile(numbers: int, depth: int, columns: int) -> bool:
    """Return whether a product with so many numbers in its left factor is large enough, and not too deep."""
    least_rows, least_columns = BLOCK
    large = numbers * columns >= LEAST and columns >= least_columns
    return large and depth <= DEEPEST and numbers >= least_rows * depth


def supports_matmul(a: Any, b: Any) -> bool:
    """Float32, one matrix on the right."""
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)) or b.ndim != 2 or a.ndim < 2:
        return False      # a number is refused by the reference
    depth, columns = b.shape
    return _worthwhile(a.size, depth, columns) and a.shape[-1] == depth and float32(a, b)


def supports_linear(x: Any, weight: Any, bias: Any) -> bool:
    """Float32."""
    if weight.ndim != 2 or x.ndim < 1:
        return False
    columns, depth = weight.shape
    plain = _worthwhile(x.size, depth, columns) and x.shape[-1] == depth
    return plain and float32(x, weight, bias) and of_shape((columns,), bias)


KERNELS["matmul", "numba"] = CompiledKernel("tinytorch.given.matrix_products:matmul", supports_matmul)
KERNELS["linear", "numba"] = CompiledKernel("tinytorch.given.matrix_products:linear", supports_linear)
