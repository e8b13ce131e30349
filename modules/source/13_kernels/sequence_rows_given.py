"""Which CPU kernels serve the operations on rows: softmax and its like, normalisations of examples, cross-entropy.

The rules decide by dtype, shape and memory order alone; whatever they refuse runs on the reference.
"""

from __future__ import annotations

import math
from typing import Any

from tinytorch.core.engine import KERNELS, Kernel
from tinytorch.given.kernel_conditions import float32, of_shape, row_major

LONGEST = 1 << 14     # numbers of a row whose normalisation is summed in float32


def supports_rows(x: Any, *, dim: int) -> bool:
    """Row-major float32, along the last axis."""
    return float32(x) and row_major(x) and dim == x.ndim - 1


def supports_row_gradient(g: Any, out: Any, *, dim: int) -> bool:
    """The same, for what comes back."""
    return float32(g) and g.shape == out.shape and row_major(g) and supports_rows(out, dim=dim)


def supports_layer_norm(x: Any, weight: Any, bias: Any, *, normalized_ndim: int, eps: float) -> bool:
    """Row-major float32, rows of a few thousand numbers at most."""
    shape = x.shape[x.ndim - normalized_ndim :]
    fits = float32(x, weight, bias) and math.prod(shape) <= LONGEST
    return fits and row_major(x, weight, bias) and of_shape(shape, weight, bias)


def supports_rms_norm(x: Any, weight: Any, *, normalized_ndim: int, eps: float) -> bool:
    """As layer norm."""
    return supports_layer_norm(x, weight, None, normalized_ndim=normalized_ndim, eps=eps)


def supports_norm_gradient(g: Any, x: Any, weight: Any, *statistics: Any, normalized_ndim: int, eps: float) -> bool:
    """As the operation itself; one number of each statistic for a row."""
    kept = x.shape[: x.ndim - normalized_ndim] + (1,) * normalized_ndim
    fits = float32(g, *statistics) and g.shape == x.shape and row_major(g, *statistics) and of_shape(kept, *statistics)
    return fits and supports_layer_norm(x, weight, None, normalized_ndim=normalized_ndim, eps=eps)


def supports_cross_entropy(logits: Any, target: Any, weight: Any, **settings: Any) -> bool:
    """Row-major float32 logits, int64 class numbers, no weights of the classes."""
    plain = weight is None and float32(logits) and logits.ndim == 2 and row_major(logits, target)
    return plain and target.dtype == "int64" and target.shape == logits.shape[:1]


def supports_cross_entropy_gradient(
    g: Any, logits: Any, target: Any, weight: Any, logsumexp: Any, *, reduction: str, **settings: Any
) -> bool:
    """The same; g is one number, or one for each row."""
    rows = logits.shape[:1]
    fits = float32(g, logsumexp) and row_major(g, logsumexp) and logsumexp.shape == rows
    return fits and g.shape == (rows if reduction == "none" else ()) and supports_cross_entropy(logits, target, weight)


ROWS = {
    "row_operations": {
        "log_softmax": supports_rows,
        "softmax_grad": supports_row_gradient,
        "log_softmax_grad": supports_row_gradient,
    },
    "row_norms": {
        "layer_norm": supports_layer_norm,
        "layer_norm_grad": supports_norm_gradient,
        "rms_norm": supports_rms_norm,
        "rms_norm_grad": supports_norm_gradient,
    },
    "row_losses": {
        "cross_entropy": supports_cross_entropy,
        "cross_entropy_grad": supports_cross_entropy_gradient,
    },
}
for _file, _rows in ROWS.items():
    for _name, _supports in _rows.items():
        KERNELS[_name, "numba"] = Kernel(f"tinytorch.given.{_file}:{_name}", _supports)
