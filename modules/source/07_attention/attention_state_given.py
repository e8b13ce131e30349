"""What a multi-head attention owns and how it is called: PyTorch's parameters, layouts and masks.

The attention itself, `attend`, is written in module 07.
"""

from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError
from tinytorch.core.layers import Dropout, Linear, Module, Parameter, linear
from tinytorch.core.tensor import empty, from_array, where, zeros
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.initialization import xavier_uniform_, zeros_
from tinytorch.given.settings import number, whole


class AttentionState(Module):
    """Parameters, layouts and masks of MultiheadAttention.

    embed_dim: features, divided evenly among num_heads. dropout: share of the weights dropped in training. kdim, vdim:
    features of key and value, if other than embed_dim. batch_first: (N, L, E) in place of (L, N, E). A single sequence
    (L, E) is taken too.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        name = "MultiheadAttention"
        embed_dim, num_heads = whole(embed_dim, f"{name}'s embed_dim"), whole(num_heads, f"{name}'s num_heads")
        dropout = number(dropout, f"{name}'s dropout", 0, 1)
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ShapeError(
                f"MultiheadAttention: expected embed_dim divisible by num_heads, found {embed_dim} and {num_heads}."
            )
        if add_bias_kv or add_zero_attn:
            raise NotImplementedError("MultiheadAttention: add_bias_kv and add_zero_attn are not part of this course.")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.dropout, self.batch_first = dropout, batch_first
        self.kdim = whole(kdim or embed_dim, f"{name}'s kdim", low=1)
        self.vdim = whole(vdim or embed_dim, f"{name}'s vdim", low=1)
        together = self.kdim == self.vdim == embed_dim
        self.in_proj_weight = Parameter(empty(3 * embed_dim, embed_dim)) if together else None
        self.q_proj_weight = None if together else Parameter(empty(embed_dim, embed_dim))
        self.k_proj_weight = None if together else Parameter(empty(embed_dim, self.kdim))
        self.v_proj_weight = None if together else Parameter(empty(embed_dim, self.vdim))
        self.in_proj_bias = Parameter(zeros(3 * embed_dim)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias)
        self.drop = Dropout(dropout)  # for weights that are asked for; else the attention drops by itself
        self.to(dtype=dtype, device=device)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the projections anew (Xavier), and set the biases to 0."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                zeros_(bias)

    def project(self, query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
        """Return queries, keys and values (N, length, embed_dim): one matrix product if all are the same tensor."""
        e, bias = self.embed_dim, self.in_proj_bias
        if query is key is value and self.in_proj_weight is not None:
            joined = linear(query, self.in_proj_weight, bias)
            return joined[..., :e], joined[..., e : 2 * e], joined[..., 2 * e :]
        if self.in_proj_weight is None:
            weights = self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        else:
            weights = tuple(self.in_proj_weight[i * e : (i + 1) * e] for i in range(3))
        biases = (None, None, None) if bias is None else tuple(bias[i * e : (i + 1) * e] for i in range(3))
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))
        return q, k, v

    def attend(self, query: Any, key: Any, value: Any, attn_mask: Any, is_causal: bool, need_weights: bool) -> Any:
        """Return (output (N, L, E), weights (N, heads, L, S) or None): written in module 07."""
        raise NotImplementedError("MultiheadAttention.attend: not implemented yet")

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """Return (output, weights): weights (N, L, S), per head (N, heads, L, S), or None.

        key_padding_mask: (N, S), bool: True where a key is padding. attn_mask: (L, S) or (N · heads, L, S), bool: True
        where a query may *not* look (the opposite of scaled_dot_product_attention's); float masks are added.
        """
        self._check(query, key, value)
        for mask in (attn_mask, key_padding_mask):
            if mask is not None:
                expect_tensor(mask, "MultiheadAttention's mask")
        single = query.ndim == 2
        same = query is key is value
        key_padding = key_padding_mask.unsqueeze(0) if single and key_padding_mask is not None else key_padding_mask
        inputs = [
            x.unsqueeze(0) if single else x if self.batch_first else x.transpose(0, 1) for x in (query, key, value)
        ]
        if same:
            inputs = [inputs[0]] * 3
        sizes = (inputs[0].shape[0], self.num_heads, inputs[0].shape[1], inputs[1].shape[1])
        mask = merge_masks(attn_mask, key_padding, sizes)
        out, weights = self.attend(*inputs, mask, is_causal, need_weights)
        if weights is not None and average_attn_weights:
            weights = weights.mean(1)
        if single:
            return out.squeeze(0), None if weights is None else weights.squeeze(0)
        return (out if self.batch_first else out.transpose(0, 1)), weights

    def _check(self, query: Any, key: Any, value: Any) -> None:
        for tensor in (query, key, value):
            expect_tensor(tensor, "MultiheadAttention")
        shapes = f"query {query.shape}, key {key.shape}, value {value.shape}"
        if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
            raise ShapeError(f"MultiheadAttention: expected three inputs of two or three axes, found {shapes}.")
        features = (self.embed_dim, self.kdim, self.vdim)
        if (query.shape[-1], key.shape[-1], value.shape[-1]) != features or key.shape[:-1] != value.shape[:-1]:
            raise ShapeError(
                f"MultiheadAttention: expected {features[0]}, {features[1]} and {features[2]} features, "
                f"key and value of one length and batch, found {shapes}."
            )
        batch = 0 if self.batch_first else 1
        if query.ndim == 3 and query.shape[batch] != key.shape[batch]:
            raise ShapeError(f"MultiheadAttention: expected one batch size (axis {batch}), found {shapes}.")

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}, batch_first={self.batch_first}"


def merge_masks(attn_mask: Any, key_padding_mask: Any, sizes: tuple[int, int, int, int]) -> Any:
    """Return one mask for scaled_dot_product_attention (True: may look; or additive) from those of MultiheadAttention.

    sizes: (N, heads, L, S).
    """
    n, heads, length, keys = sizes
    shapes = (
        ("attn_mask", attn_mask, ((length, keys), (n * heads, length, keys))),
        ("key_padding_mask", key_padding_mask, ((n, keys),)),
    )
    for name, mask, allowed in shapes:
        if mask is not None and mask.shape not in allowed:
            expected = " or ".join(map(str, allowed))
            raise ShapeError(f"MultiheadAttention: expected {name} of shape {expected}, found {mask.shape}.")
        if mask is not None and mask.dtype.kind not in "bf":
            raise DTypeError(f"MultiheadAttention: expected a bool or floating {name}, found {mask.dtype}.")
    masks = []
    if attn_mask is not None:
        masks.append(attn_mask.reshape(n, heads, length, keys) if attn_mask.ndim == 3 else attn_mask)
    if key_padding_mask is not None:
        masks.append(key_padding_mask.reshape(n, 1, 1, keys))
    if not masks:
        return None
    if all(mask.dtype == np.bool_ for mask in masks):
        hidden = masks[0] if len(masks) == 1 else masks[0] | masks[1]
        return ~hidden
    added = [_additive(mask) for mask in masks]
    return added[0] if len(added) == 1 else added[0] + added[1]


def _additive(mask: Any) -> Any:
    """Return a mask that is added to scores: -inf where a bool one hides."""
    if mask.dtype != np.bool_:
        return mask
    nothing, hidden = from_array(np.float32(0.0)), from_array(np.float32(-np.inf))
    return where(mask, hidden, nothing)
