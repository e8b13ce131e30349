"""Gradient rules of the layers of module 04."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.core.engine import VJPS, Rule, primitive


def _rows(t: Any) -> Any:
    """All leading axes joined: (..., n) → (N, n)."""
    return t if t.ndim == 2 else t.reshape(math.prod(t.shape[:-1]), t.shape[-1])


def _linear_weight(g: Any, saved: Any) -> Any:
    return _rows(g).mT @ _rows(saved.x)          # (out, N) @ (N, in)


def _linear_bias(g: Any, saved: Any) -> Any:
    return _rows(g).sum(0)


_linear_weight.arithmetic = _linear_bias.arithmetic = True      # of tensors, or of arrays: see `apply_small`


def _embedding(g: Any, saved: Any, *, padding_idx: int | None = None) -> Any:
    rows = saved.shape("weight")[0]
    return primitive("embedding_grad")(g, saved.indices, num_embeddings=rows, padding_idx=padding_idx)


def _embedding_grad(h: Any, saved: Any, *, num_embeddings: int, padding_idx: int | None = None) -> Any:
    found = primitive("embedding")(h, saved.indices)
    return found if padding_idx is None else found * (saved.indices != padding_idx).unsqueeze(-1)


VJPS["linear"] = Rule(lambda g, s: g @ s.weight, _linear_weight, _linear_bias, saves=("x", "weight"))
VJPS["dropout"] = Rule(lambda g, s, **settings: primitive("dropout")(g, **settings))
VJPS["embedding"] = Rule(_embedding, saves=("indices",))
VJPS["embedding_grad"] = Rule(_embedding_grad, saves=("indices",))
