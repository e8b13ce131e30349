"""The gradient kernels of attention: primitives of their own, so that a faster backend may replace them.

With P the weights and D = Σ g·out of each query: dV = Pᵀ·g, dP = g·Vᵀ, and the scores' gradient is P·(dP - D). P is
computed anew from the scores and their logsumexp: keeping it would cost memory that grows with the square of the
length. Dao et al., "FlashAttention", 2022, appendix B.
"""

from typing import Any

import numpy as np

from tinytorch.core.engine import Primitive
from tinytorch.core.tensor import from_array
from tinytorch.given.attention_functions import attention_weights, kept_weights
from tinytorch.given.silence import quiet


def _weights_and_score_grad(xp: Any, arrays: tuple, is_causal: bool, scale: float, dropout: tuple) -> tuple[Any, Any]:
    """Return the weights as the values met them, and the gradient of the scores."""
    g, q, k, v, attn_mask, out, logsumexp = arrays
    scores = (q * scale) @ xp.swapaxes(k, -1, -2)
    if attn_mask is not None and attn_mask.dtype == np.bool_:
        scores = xp.where(attn_mask, scores, -np.inf)
    elif attn_mask is not None:
        scores += attn_mask
    if is_causal:
        scores = xp.where(xp.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    scores -= xp.where(logsumexp == -np.inf, 0, logsumexp)[..., None]
    weights = xp.exp(scores, out=scores)
    grad = g @ xp.swapaxes(v, -1, -2)
    met = weights
    if dropout[0]:
        kept = kept_weights(xp, weights.shape, *dropout, weights.dtype)
        grad *= kept
        met = weights * kept
    grad -= (g * out).sum(axis=-1, keepdims=True)
    grad *= weights
    return met, grad


def scaled_dot_product_attention_grad_kernel(
    xp, g, q, k, v, attn_mask, out, logsumexp, *, is_causal, scale, dropout_p, seed, offset
):
    """Return the gradients (dq, dk, dv)."""
    arrays, dropout = (g, q, k, v, attn_mask, out, logsumexp), (dropout_p, seed, offset)
    met, grad = _weights_and_score_grad(xp, arrays, is_causal, scale, dropout)
    grad *= scale
    return grad @ k, xp.swapaxes(grad, -1, -2) @ q, xp.swapaxes(met, -1, -2) @ g


def scaled_dot_product_attention_mask_grad_kernel(
    xp, g, q, k, v, attn_mask, out, logsumexp, *, is_causal, scale, dropout_p, seed, offset
):
    """Return the gradient of the scores (…, L, S): that of an additive mask, before its broadcast is undone."""
    arrays, dropout = (g, q, k, v, attn_mask, out, logsumexp), (dropout_p, seed, offset)
    return _weights_and_score_grad(xp, arrays, is_causal, scale, dropout)[1]


def _in_tensors(g, q, k, v, attn_mask, is_causal, scale, dropout_p, seed, offset):
    """The same two values in Tensors; the weights are computed anew, because they depend on q and k."""
    weights = attention_weights(q, k, attn_mask, is_causal=is_causal, scale=scale)
    met, grad = weights, g @ v.mT
    if dropout_p:
        kept = from_array(kept_weights(np, weights.shape, dropout_p, seed, offset, weights.dtype))
        met, grad = weights * kept, grad * kept
    return met, weights * (grad - (weights * grad).sum(-1, keepdim=True))


def grad_in_tensors(g, q, k, v, attn_mask, out, logsumexp, *, scale, **settings):
    """The decomposition of scaled_dot_product_attention_grad."""
    met, grad = _in_tensors(g, q, k, v, attn_mask, scale=scale, **settings)
    return (grad @ k) * scale, (grad.mT @ q) * scale, met.mT @ g


def mask_grad_in_tensors(g, q, k, v, attn_mask, out, logsumexp, **settings):
    """The decomposition of scaled_dot_product_attention_mask_grad."""
    return _in_tensors(g, q, k, v, attn_mask, **settings)[1]


ATTENTION_GRAD = Primitive(
    "scaled_dot_product_attention_grad",
    quiet(scaled_dot_product_attention_grad_kernel),
    outputs=("dq", "dk", "dv"),
    decompose=grad_in_tensors,
)
ATTENTION_MASK_GRAD = Primitive(
    "scaled_dot_product_attention_mask_grad",
    quiet(scaled_dot_product_attention_mask_grad_kernel),
    decompose=mask_grad_in_tensors,
)
