"""Which CPU kernels serve the element-wise operations, dropout, and the gradient of an embedding.

The rules decide by dtype, shape and memory order alone; whatever they refuse runs on the reference.
"""

from __future__ import annotations

from typing import Any

from tinytorch.core.engine import KERNELS
from tinytorch.given.kernel_conditions import CompiledKernel, float32, row_major
from tinytorch.given.sizes_that_pay import PAYS, always

LEAST = 256     # numbers; fewer take the reference as long as a kernel needs to begin


def one_piece(x: Any) -> bool:
    """Return whether the numbers of x lie without gaps, row-major or as channels-last images."""
    return x.flags.c_contiguous or (x.ndim == 4 and x.transpose(0, 2, 3, 1).flags.c_contiguous)


def supports_elements(x: Any, **settings: Any) -> bool:
    """Float32 without gaps."""
    return float32(x) and x.size >= LEAST and one_piece(x)


def supports_slopes(g: Any, x: Any, **settings: Any) -> bool:
    """The same, g in the order of x."""
    return float32(g, x) and g.shape == x.shape and g.strides == x.strides and supports_elements(x)


def supports_dropout(x: Any, **settings: Any) -> bool:
    """Row-major float32."""
    return float32(x) and x.size >= LEAST and row_major(x)


def supports_embedding_gradient(g: Any, indices: Any, **settings: Any) -> bool:
    """Row-major float32, int64 indices."""
    plain = float32(g) and row_major(g, indices) and indices.dtype == "int64"
    return plain and g.ndim > 0 and g.shape[:-1] == indices.shape and g.size >= LEAST


ROWS = {
    "pointwise_kernels": {
        **dict.fromkeys(("sigmoid", "silu", "gelu"), supports_elements),
        **dict.fromkeys(("relu_grad", "sigmoid_grad", "tanh_grad", "silu_grad", "gelu_grad"), supports_slopes),
    },
    "random_masks": {"dropout": supports_dropout},
    "table_lookups": {"embedding_grad": supports_embedding_gradient},
}
for _file, _rows in ROWS.items():
    for _name, _supports in _rows.items():
        KERNELS[_name, "numba"] = CompiledKernel(f"tinytorch.given.{_file}:{_name}", _supports, PAYS.get(_name, always))
