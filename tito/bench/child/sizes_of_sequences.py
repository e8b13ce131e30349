"""Attention: the heads of a small GPT."""

from __future__ import annotations

from typing import Any

import numpy as np

from tito.bench.child.sizes import Case, Cases, numbers, shape_of, sizes

HEADS, LENGTH, WIDTH = 6, 256, 64
PLAIN = {"dropout_p": 0.0, "seed": 0, "offset": 0, "scale": WIDTH**-0.5}


def heads(texts: int) -> Any:
    """Heads as a layer of attention makes them: they lie side by side in the rows of one product."""
    return numbers(texts, LENGTH, HEADS, WIDTH).swapaxes(1, 2)


def attention(n: int) -> Cases:
    """One text for eight rows: queries, keys, values, all of one size."""
    texts = (n + 7) // 8
    q, k, v = (heads(texts) for _ in range(3))
    yield Case(f"{shape_of(q)}, causal", [q, k, v, None], PLAIN | {"is_causal": True})
    q, k, v = numbers(3, texts, HEADS, LENGTH, WIDTH)
    yield Case(f"{shape_of(q)}, to every position", [q, k, v, None], PLAIN | {"is_causal": False})


@sizes
def scaled_dot_product_attention(n: int) -> Cases:
    yield from attention(n)


@sizes
def scaled_dot_product_attention_grad(n: int) -> Cases:
    from tinytorch.core.engine import primitive

    forward = primitive("scaled_dot_product_attention").kernel
    for case in attention(n):
        out, logsumexp = forward(np, *case.arrays, **case.params)
        yield Case(case.size, [numbers(*out.shape), *case.arrays, out, logsumexp], case.params)
