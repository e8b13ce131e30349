"""From which size on a compiled kernel is faster than its reference. Smaller calls are left to the reference.

A kernel has to be called, and some have to prepare: Winograd's method transforms the weights, attention lays out its
blocks. NumPy begins sooner. The limits were measured with one thread (`tito bench kernels --threads 1`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

PRODUCTS = 1 << 14        # numbers of a gradient that is no more than a product
SUMMED = 1 << 12          # numbers of images that are summed
COLUMNS_SUMMED = 1 << 15  # numbers of columns that are: as many as several threads share
SIDE = 4                  # output pixels in each direction, for each pixel of stride
PIXELS = 128              # output pixels of a whole batch
DECAYING, BARE = 1 << 13, 1 << 15      # numbers of a parameter on average, in steps without momentum
SCORES = 1 << 14          # of causal attention, in all heads: half of the blocks are left out
ALL_SCORES = 1 << 17      # where none is
KEPT_SCORES = 1 << 19     # in the gradient of that, whose gain is the memory that is not needed


def always(*arrays: Any, **settings: Any) -> bool:
    """Return True: the kernel begins as soon as the reference."""
    return True


def many_products(g: Any, x: Any) -> bool:
    """Return whether a product is slow enough in NumPy."""
    return g.size >= PRODUCTS


def several_in_a_row(x: Any, *others: Any, dim: int) -> bool:
    """Return whether rows have more than one number; a step of NumPy over a column is one over all of them."""
    return x.shape[-1] > 1


def several_in_an_example(x: Any, *others: Any, normalized_ndim: int, eps: float) -> bool:
    """The same for what is normalised together."""
    return math.prod(x.shape[x.ndim - normalized_ndim :]) > 1


def several_classes(logits: Any, *others: Any, **settings: Any) -> bool:
    """The same for classes."""
    return logits.shape[1] > 1


def several_classes_in_gradient(g: Any, logits: Any, *others: Any, **settings: Any) -> bool:
    """The same for what comes back."""
    return logits.shape[1] > 1


def worth_summing(a: Any, *, dim: Any, keepdim: bool) -> bool:
    """Return whether what is summed together is long: rows of more than one number, columns and images of many."""
    if dim == (0, 2, 3) and a.ndim == 4:
        return a.size >= SUMMED and a.size >= 4 * a.shape[1] ** 2
    if 0 in dim:
        return a.size >= COLUMNS_SUMMED and math.prod(a.shape[len(dim) :]) <= a.size >> 7
    return math.prod(a.shape[: a.ndim - len(dim)]) < a.size


def many_pixels(x: Any) -> bool:
    """Return whether a channel has at least as many pixels as there are channels."""
    return x.size >= x.shape[1] ** 2


def large_outputs(count: int, height: int, width: int, window: tuple, stride: int) -> bool:
    """Return whether a convolution's output fills tiles; a single pixel of a window is a product that BLAS computes."""
    apart = stride > 1 and window == (1, 1)
    return min(height, width) >= SIDE * stride and count * height * width >= PIXELS and not apart


def large_convolution(x: Any, weight: Any, bias: Any, *, stride: Any, padding: Any, **settings: Any) -> bool:
    """The same of a convolution's input."""
    (count, _, height, width), (_, _, *window), step = x.shape, weight.shape, stride[0]
    rows, columns = height + 2 * padding[0] - window[0], width + 2 * padding[1] - window[1]
    return large_outputs(count, rows // step + 1, columns // step + 1, tuple(window), step)


def large_input_gradient(g: Any, weight: Any, *, stride: Any, **settings: Any) -> bool:
    """The same of its gradient."""
    return large_outputs(len(g), *g.shape[2:], weight.shape[2:], stride[0])


def large_weight_gradient(g: Any, x: Any, *, size: Any, stride: Any, **settings: Any) -> bool:
    """The same of its gradient."""
    return large_outputs(len(g), *g.shape[2:], tuple(size), stride[0])


def large_steps(params: list, *others: Any, momentum: float, weight_decay: float, **settings: Any) -> bool:
    """Return whether a step has enough to do: momentum, or large parameters."""
    return bool(momentum) or sum(p.size for p in params) >= len(params) * (DECAYING if weight_decay else BARE)


def many_scores(q: Any, k: Any, *others: Any, is_causal: bool, **settings: Any) -> bool:
    """Return whether there are blocks enough."""
    return math.prod(q.shape[:-1]) * k.shape[-2] >= (SCORES if is_causal else ALL_SCORES)


def many_scores_in_gradient(g: Any, q: Any, k: Any, *others: Any, is_causal: bool, **settings: Any) -> bool:
    """The same; the gradient makes several passes over them."""
    return math.prod(q.shape[:-1]) * k.shape[-2] >= (2 * SCORES if is_causal else KEPT_SCORES)


PAYS: dict[str, Callable[..., bool]] = {
    **dict.fromkeys(("relu_grad", "sigmoid_grad", "tanh_grad"), many_products),
    **dict.fromkeys(("log_softmax", "softmax_grad", "log_softmax_grad"), several_in_a_row),
    **dict.fromkeys(("layer_norm", "layer_norm_grad", "rms_norm", "rms_norm_grad"), several_in_an_example),
    "cross_entropy": several_classes,
    "cross_entropy_grad": several_classes_in_gradient,
    "sum": worth_summing,
    "batch_norm_stats": many_pixels,
    "conv2d": large_convolution,
    "conv2d_input_grad": large_input_gradient,
    "conv2d_weight_grad": large_weight_gradient,
    "sgd_step": large_steps,
    "scaled_dot_product_attention": many_scores,
    "scaled_dot_product_attention_grad": many_scores_in_gradient,
}
