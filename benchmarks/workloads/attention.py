"""(j) Attention over 1,024 positions, forward and backward: 8 heads of 64 features, batch 1, causal.

Its time stands beside PyTorch's fused attention; its memory (attention_memory.py) beside PyTorch's plain form, which
keeps the square of weights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.libraries import Library

LENGTH, HEADS, FEATURES = 1024, 8, 64


def prepare(library: Library, length: int = LENGTH) -> Callable[[], float]:
    """Attend, then all three gradients; the value of a step is a sum that they all take part in."""
    arrays = np.random.default_rng(0).normal(size=(4, 1, HEADS, length, FEATURES)).astype("float32")
    *inputs, g = (library.torch.from_numpy(array) for array in arrays)
    for x in inputs:
        x.requires_grad_()
    return partial(_step, library.torch.nn.functional.scaled_dot_product_attention, inputs, g)


def _step(attend: Any, inputs: list[Any], g: Any) -> float:
    for x in inputs:
        x.grad = None
    out = attend(*inputs, is_causal=True)
    out.backward(g)
    return float((out.detach() * g).sum().item()) + sum(float((x.grad * x.detach()).sum().item()) for x in inputs)
