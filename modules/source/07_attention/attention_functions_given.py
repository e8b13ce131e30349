"""Attention as a function: arguments checked, then the primitive; its weights alone, for whoever asks to see them."""

from typing import Any

import numpy as np

from tinytorch.core.engine import DEFAULT_GENERATOR, DTypeError, ShapeError, primitive, random_uniform
from tinytorch.core.networks import MULTIPLY_ADDS
from tinytorch.core.tensor import from_array, where
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.settings import number

#| face nn.functional: scaled_dot_product_attention


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return softmax(query · keyᵀ · scale) · value, masked. Vaswani et al., "Attention is all you need", 2017.

    query (…, L, E), key (…, S, E), value (…, S, Ev) -> (…, L, Ev); the leading axes (batch, heads) broadcast.
    attn_mask: broadcasts to (…, L, S); bool: True where a query may look; float: added to the scores. is_causal: query
    i sees keys 0 … i. scale: 1/√E by default. dropout_p: share of the weights set to 0, whatever the mode.
    A query that may look nowhere gets zeros. enable_gqa: key and value have fewer heads (axis -3), each of which serves
    a group of neighbouring heads of the query (Ainslie et al., 2023).
    """
    if enable_gqa:
        key, value = (shared_heads(query, x) for x in (key, value))
    check_attention(query, key, value, attn_mask, dropout_p)
    if attn_mask is not None and attn_mask.dtype != np.bool_:
        attn_mask = attn_mask.to(query.dtype)
    seed = offset = 0
    if dropout_p:
        mask = () if attn_mask is None else attn_mask.shape[:-2]
        batch = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], mask)
        seed, offset = DEFAULT_GENERATOR.reserve(int(np.prod(batch)) * query.shape[-2] * key.shape[-2])
    return primitive("scaled_dot_product_attention", "module 07_attention")(
        query,
        key,
        value,
        attn_mask,
        is_causal=is_causal,
        scale=default_scale(query) if scale is None else number(scale, "scaled_dot_product_attention's scale"),
        dropout_p=float(dropout_p),
        seed=seed,
        offset=offset,
    )


def default_scale(query: Any) -> float:
    """Return 1/√E of a query with E features; without features all scores are 0, whatever they are scaled by."""
    return float(max(query.shape[-1], 1) ** -0.5)


def shared_heads(query: Any, x: Any) -> Any:
    """Return keys or values (…, heads, S, E), each head repeated until there are as many as the query has."""
    expect_tensor(query, "scaled_dot_product_attention"), expect_tensor(x, "scaled_dot_product_attention")
    if query.ndim < 3 or x.ndim < 3 or x.shape[-3] == 0 or query.shape[-3] % x.shape[-3]:
        raise ShapeError(
            "scaled_dot_product_attention: with enable_gqa expected the query's heads (axis -3) to be a multiple of "
            f"the key's and value's, found shapes {query.shape} and {x.shape}."
        )
    *batch, heads, length, features = x.shape
    times = query.shape[-3] // heads
    repeated = x.unsqueeze(-3).expand(*batch, heads, times, length, features)
    return repeated.reshape(*batch, heads * times, length, features)


def check_attention(query: Any, key: Any, value: Any, attn_mask: Any, dropout_p: float) -> None:
    """Refuse sizes and dtypes that do not fit each other."""
    name = "scaled_dot_product_attention"
    for what, tensor in (("query", query), ("key", key), ("value", value)):
        expect_tensor(tensor, f"{name}'s {what}")
    shapes = f"query {query.shape}, key {key.shape}, value {value.shape}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError(f"{name}: expected at least two axes (length, features) each, found {shapes}.")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ShapeError(
            f"{name}: expected query and key with equally many features, key and value of equal length; found {shapes}."
        )
    if len({query.dtype, key.dtype, value.dtype}) > 1 or query.dtype.kind != "f":
        found = f"{query.dtype}, {key.dtype}, {value.dtype}"
        raise DTypeError(f"{name}: expected query, key and value of one floating dtype, found {found}.")
    number(dropout_p, f"{name}'s dropout_p", 0, 1)
    try:
        scores = (
            *np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2]),
            query.shape[-2],
            key.shape[-2],
        )
    except ValueError:
        raise ShapeError(f"{name}: the leading axes (batch, heads) do not fit each other: {shapes}.") from None
    if attn_mask is None:
        return
    if expect_tensor(attn_mask, f"{name}'s attn_mask").dtype.kind not in "bf":
        raise DTypeError(f"{name}: expected a bool or floating attn_mask, found {attn_mask.dtype}.")
    fits = attn_mask.ndim <= len(scores)
    if not fits or any(m not in (1, n) for m, n in zip(reversed(attn_mask.shape), reversed(scores), strict=False)):
        raise ShapeError(
            f"{name}: expected attn_mask to broadcast to the scores' shape {scores}, found {attn_mask.shape}."
        )


def kept_weights(xp: Any, shape: tuple[int, ...], dropout_p: float, seed: int, offset: int, dtype: Any) -> Any:
    """Return what dropout multiplies weights by: 0 with probability dropout_p, else 1 / (1 - dropout_p)."""
    keep = random_uniform(xp, seed, offset, shape) >= dropout_p
    return keep * np.dtype(dtype).type(1 / (1 - dropout_p) if dropout_p < 1 else 0.0)


def attention_weights(query: Any, key: Any, attn_mask: Any, *, is_causal: bool, scale: float) -> Any:
    """Return the weights (…, L, S) that the attention gives, before dropout, as an expression in Tensors."""
    scores = (query @ key.mT) * scale
    allowed = None
    if attn_mask is not None and attn_mask.dtype == np.bool_:
        allowed = attn_mask
    elif attn_mask is not None:
        scores, allowed = scores + attn_mask, attn_mask.detach() > -np.inf
    if is_causal:
        past = from_array(np.tri(query.shape[-2], key.shape[-2], dtype=bool))
        allowed = past if allowed is None else allowed & past
    if allowed is None:
        return scores.softmax(-1)
    sees = allowed.any(-1, keepdim=True)  # a query that sees nothing: equal scores, then weights of 0
    floor = from_array(np.where(sees.numpy(), -np.inf, 0.0).astype(scores.dtype))
    return where(allowed, scores, floor).softmax(-1) * sees


def attention_work(inputs: tuple, outputs: tuple) -> int:
    """Return the multiply-adds of an attention: each score needs E of them, each number of the output S."""
    query, key, out = inputs[0], inputs[1], outputs[0]
    scores = out.numel() // max(out.shape[-1], 1) * key.shape[-2]
    return scores * (query.shape[-1] + out.shape[-1])


MULTIPLY_ADDS["scaled_dot_product_attention"] = attention_work
