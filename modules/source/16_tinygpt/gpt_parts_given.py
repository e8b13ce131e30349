"""Parts of a TinyGPT that are made, not understood: layers with their sizes, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.attention import split_heads
from tinytorch.core.engine import DTypeError, IndexingError, ShapeError, TinyTorchError
from tinytorch.core.layers import Linear, Module
from tinytorch.core.networks import Sequential
from tinytorch.core.tensor import Tensor, from_array, zeros
from tinytorch.given.activation_modules import GELU
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.gpt_config import GPTConfig
from tinytorch.given.group_norms import RMSNorm
from tinytorch.given.normalisation import LayerNorm
from tinytorch.given.rotary_positions import RotaryPositions
from tinytorch.given.settings import SettingError, number, whole

COLDEST = 1e-9  # the lowest temperature: below, logits divided by it overflow


def norm_of(config: GPTConfig) -> Module:
    """Return a new normalisation of the kind that the configuration asks for."""
    return RMSNorm(config.width, eps=1e-5) if config.norm == "rms" else LayerNorm(config.width)


def mlp_of(config: GPTConfig) -> Module:
    """Return the small network of a block: four times as wide inside."""
    width, bias = config.width, config.bias
    return Sequential(Linear(width, 4 * width, bias=bias), GELU(), Linear(4 * width, width, bias=bias))


class AttentionParts(Module):
    """Projections, heads and positions of a causal self-attention."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.shared_heads, config.head_dim
        self.dropout = config.dropout
        together = (config.heads + 2 * config.shared_heads) * config.head_dim
        self.qkv = Linear(config.width, together, bias=config.bias)
        self.out = Linear(config.width, config.width, bias=config.bias)
        rotary = config.positions == "rotary"
        self.rotary = RotaryPositions(config.head_dim, config.context) if rotary else None

    def project(self, x: Any, start: int) -> tuple[Any, Any, Any]:
        """Return queries (N, heads, L, head_dim), keys and values (N, kv_heads, L, head_dim) of x (N, L, width).

        start: the position of the first; rotary positions turn queries and keys by it.
        """
        heads = self.heads, self.kv_heads, self.kv_heads
        parts = self.qkv(x).split([n * self.head_dim for n in heads], -1)
        queries, keys, values = (split_heads(part, n) for part, n in zip(parts, heads, strict=True))
        if self.rotary is not None:
            queries, keys = self.rotary(queries, start), self.rotary(keys, start)
        return queries, keys, values


def causal_mask(new: int, total: int) -> Tensor:
    """Return the bool mask (new, total): True where the query of one of the last `new` positions may look."""
    return from_array(np.tri(new, total, total - new, dtype=bool))


class CacheState:
    """Keys and values of one layer: room for `context` positions, of which `length` are filled."""

    def __init__(self, rows: int, heads: int, context: int, head_dim: int, dtype: Any = "float32"):
        self.keys = zeros(rows, heads, context, head_dim, dtype=np.dtype(dtype))
        self.values = zeros(rows, heads, context, head_dim, dtype=np.dtype(dtype))
        self.length = 0

    def check(self, k: Any, v: Any) -> None:
        """Refuse what does not fit behind what is there."""
        rows, heads, context, head_dim = self.keys.shape
        if k.shape != v.shape or k.shape[:2] != (rows, heads) or k.shape[3] != head_dim:
            raise ShapeError(
                f"KV cache: expected keys and values ({rows}, {heads}, length, {head_dim}), found {k.shape} and "
                f"{v.shape}: a cache serves one batch."
            )
        if self.length + k.shape[2] > context:
            raise ShapeError(
                f"KV cache: expected at most {context} positions, found {k.shape[2]} behind {self.length} that are "
                "there: begin anew with the last tokens."
            )
        if k.requires_grad:
            raise TinyTorchError("KV cache: it is for generation, not for training: call the model within no_grad().")


class CacheStack:
    """A cache for each block of a model. first: the position of the text at which it begins."""

    layer: type[CacheState] = CacheState

    def __init__(self, config: GPTConfig, rows: int = 1, dtype: Any = "float32"):
        sizes = rows, config.shared_heads, config.context, config.head_dim
        self.layers = [self.layer(*sizes, dtype) for _ in range(config.layers)]
        self.first = 0

    @property
    def length(self) -> int:
        """Positions that are filled."""
        return self.layers[0].length

    def restart(self, first: int) -> None:
        """Forget everything; the next position is number `first` of the text."""
        self.first = first
        for layer in self.layers:
            layer.length = 0


def check_tokens(tokens: Any, config: GPTConfig, start: int) -> None:
    """Refuse tokens that the model has no row for, and more of them than it can see."""
    expect_tensor(tokens, "TinyGPT")
    if tokens.ndim != 2 or tokens.shape[1] == 0:
        raise ShapeError(f"TinyGPT: expected tokens (batch, length) with a length of 1 or more, found {tokens.shape}.")
    if tokens.dtype.kind not in "iu":
        raise DTypeError(f"TinyGPT: expected whole numbers as tokens, found {tokens.dtype}.")
    if start + tokens.shape[1] > config.context:
        behind = f" behind {start} in the cache" if start else ""
        raise ShapeError(
            f"TinyGPT: expected at most {config.context} positions, its context, found {tokens.shape[1]}{behind}: hand "
            "over the last ones only."
        )
    check_known(tokens.numpy(), config)


def check_known(tokens: np.ndarray, config: GPTConfig) -> None:
    """Refuse tokens that the model has no row for."""
    if tokens.size and not (tokens.min() >= 0 and tokens.max() < config.vocab_size):
        raise IndexingError(
            f"TinyGPT: expected tokens from 0 to {config.vocab_size - 1}, found {tokens.min()} to {tokens.max()}: does "
            "the tokenizer belong to this model?"
        )


def check_sampling(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Refuse settings of sampling that mean nothing."""
    if 0 < number(temperature, "temperature", 0) < COLDEST:
        raise SettingError(
            f"temperature: expected 0, which takes the likeliest token, or {COLDEST:g} or more, found {temperature!r}."
        )
    if top_k is not None:
        whole(top_k, "top_k", 1)
    if top_p is not None:
        number(top_p, "top_p", 0, 1)
