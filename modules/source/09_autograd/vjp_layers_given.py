"""Gradient rules of the layers of module 04."""

from __future__ import annotations

from typing import Any

from tinytorch.core.engine import VJPS, Rule, primitive


def _rows(t: Any) -> Any:
    """All leading axes joined: (..., n) → (N, n)."""
    return t.reshape(-1, t.shape[-1])


def _linear_weight(g: Any, saved: Any) -> Any:
    return _rows(g).mT @ _rows(saved.x)          # (out, N) @ (N, in)


def _linear_bias(g: Any, saved: Any) -> Any:
    return _rows(g).sum(0)


VJPS["linear"] = Rule(lambda g, s: g @ s.weight, _linear_weight, _linear_bias, saves=("x", "weight"))
VJPS["dropout"] = Rule(lambda g, s, **settings: primitive("dropout")(g, **settings))
VJPS["embedding"] = Rule(
    lambda g, s: primitive("embedding_grad")(g, s.indices, num_embeddings=s.shape("weight")[0]), saves=("indices",)
)
VJPS["embedding_grad"] = Rule(lambda g, s, num_embeddings: primitive("embedding")(g, s.indices), saves=("indices",))
