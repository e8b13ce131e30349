"""Which CPU kernels serve the operations on rows: softmax and its like, normalisations of examples, cross-entropy.

The rules decide by dtype, shape and memory order alone; whatever they refuse runs on the reference.
"""

from __future__ import annotations

import math
from typing import Any

from tinytorch.core.engine import KERNELS
from tinytorch.given.kernel_conditions import CompiledKernel, float32, of_shape, row_major
from tinytorch.given.sizes_that_pay import PAYS, always

LEAST = 4096          # numbers; fewer are reduced by NumPy as soon
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


def supports_sum_of_rows(a: Any, *, dim: tuple | None, keepdim: bool) -> bool:
    """Row-major float32, over the last axes or the first ones; several sums, so that every thread has some."""
    if dim is None or not (0 < len(dim) < a.ndim and float32(a) and a.size >= LEAST and row_major(a)):
        return False
    axes = list(range(a.ndim))
    return sorted(dim) in (axes[-len(dim) :], axes[: len(dim)])


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


SHORTEST = 64     # queries and keys; shorter heads fill no block, and the reference is as fast


def heads_in_memory(*arrays: Any) -> bool:
    """Return whether each has at most two leading axes, and features that are neighbours in memory."""
    return all(2 <= x.ndim <= 4 and x.strides[-1] == 4 and min(x.strides) >= 0 for x in arrays)


def supports_attention(q: Any, k: Any, v: Any, attn_mask: Any, *, dropout_p: float, **settings: Any) -> bool:
    """Float32 heads without mask (a causal one is no array). Dropout is drawn four numbers at a time."""
    plain = attn_mask is None and float32(q, k, v) and heads_in_memory(q, k, v) and not (dropout_p and k.shape[-2] % 4)
    fits = plain and q.shape[:-2] == k.shape[:-2] == v.shape[:-2] and k.shape[-2] == v.shape[-2]
    return fits and q.shape[-1] == k.shape[-1] and min(q.shape[-2], k.shape[-2]) >= SHORTEST


def supports_attention_gradient(
    g: Any, q: Any, k: Any, v: Any, attn_mask: Any, out: Any, logsumexp: Any, **settings: Any
) -> bool:
    """The same, for what comes back."""
    shape = (*q.shape[:-1], v.shape[-1])
    fits = float32(g, out, logsumexp) and of_shape(shape, g, out) and logsumexp.shape == q.shape[:-1]
    fits = fits and row_major(logsumexp) and heads_in_memory(g, out)
    return fits and supports_attention(q, k, v, attn_mask, **settings)


ROWS = {
    "attention_kernels": {
        "scaled_dot_product_attention": supports_attention,
        "scaled_dot_product_attention_grad": supports_attention_gradient,
    },
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
        KERNELS[_name, "numba"] = CompiledKernel(f"tinytorch.given.{_file}:{_name}", _supports, PAYS.get(_name, always))
