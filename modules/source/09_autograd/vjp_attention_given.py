"""Gradient rule of scaled dot-product attention (module 07). What its gradients are is said by their `decompose`."""

from __future__ import annotations

from typing import Any

from tinytorch.core.engine import VJPS, Rule, primitive


def _attention(g: Any, saved: Any, **settings: Any) -> tuple:
    kept = g, saved.q, saved.k, saved.v, saved.attn_mask, saved.out.detach(), saved.logsumexp
    dmask = primitive("scaled_dot_product_attention_mask_grad")(*kept, **settings) if saved.needs[3] else None
    return *primitive("scaled_dot_product_attention_grad")(*kept, **settings), dmask


VJPS["scaled_dot_product_attention"] = Rule(joint=_attention, saves=("q", "k", "v", "attn_mask", "out", "logsumexp"))
