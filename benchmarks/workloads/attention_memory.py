"""(j) The memory that a step of `attention` needs, beside that of PyTorch's plain attention (its backend MATH).

Counted is what the process holds at most during the steps, less what it held before them: inputs, interpreter and
machine code are in neither number.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from benchmarks.libraries import Library
from benchmarks.workloads import attention
from benchmarks.workloads.memory import forget_peak, peak

SHORT = 64  # positions of the steps that compile or choose kernels


def in_child(library: Library, steps: int) -> dict[str, Any]:
    """The peak of `steps` steps above what was there before, in bytes."""
    with plain_attention(library):
        warm, step = attention.prepare(library, SHORT), attention.prepare(library)
        for _ in range(3):
            warm()
        forget_peak()
        before = peak()
        for _ in range(steps):
            step()
    return {"bytes": peak() - before, "facts": library.facts()}


def plain_attention(library: Library) -> Any:
    """Within this PyTorch computes all weights, as the formula says; it would else take its fused attention."""
    if not library.is_pytorch:
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel(SDPBackend.MATH)
