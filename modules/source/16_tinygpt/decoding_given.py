"""One more token for each row of a batch, in plain array operations: the model taken apart for that purpose.

A single token costs little arithmetic, so what surrounds the arithmetic decides: a hundred operations through the
door, each with its checks and its record, take longer than the numbers in them. Here the weights are fetched once for
a whole text, and a token is some thirty array operations for each block. What it computes is what the model's own
`forward` computes behind a cache; a model with hooks, or of another class, goes through that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.core.activations import gelu_kernel
from tinytorch.core.layers import Embedding, Linear
from tinytorch.core.networks import Sequential
from tinytorch.given.activation_modules import GELU
from tinytorch.given.group_norms import RMSNorm
from tinytorch.given.normalisation import LayerNorm


@dataclass
class Affine:
    """A linear layer's arrays: weight (in, out), a view, and bias or None."""

    weight: np.ndarray
    bias: np.ndarray | None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return x (N, in) · weight + bias."""
        out = x @ self.weight
        if self.bias is not None:
            out += self.bias
        return out


@dataclass
class Norm:
    """A normalisation's arrays; centred: of LayerNorm."""

    weight: np.ndarray
    bias: np.ndarray | None
    eps: float
    centred: bool

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return x (N, W) normalised."""
        share = x.dtype.type(1 / x.shape[1])
        if self.centred:
            x = x - np.add.reduce(x, axis=1, keepdims=True) * share
        variance = np.add.reduce(x * x, axis=1, keepdims=True) * share
        out = x * (1 / np.sqrt(variance + x.dtype.type(self.eps)))
        out *= self.weight
        if self.bias is not None:
            out += self.bias
        return out


@dataclass
class Step:
    """A block's parts, and the room for its keys and values (N, kv_heads, context, head_dim)."""

    norm1: Norm
    norm2: Norm
    qkv: Affine
    out: Affine
    wide: Affine
    narrow: Affine
    approximate: str
    keys: np.ndarray
    values: np.ndarray

    def __call__(self, x: np.ndarray, place: int, turn: Any) -> np.ndarray:
        """Return x (N, W) of position `place` behind the block; its keys and values are written to their place."""
        x = x + self.out(self.attend(self.qkv(self.norm1(x)), place, turn))
        return x + self.narrow(gelu_kernel(np, self.wide(self.norm2(x)), approximate=self.approximate))

    def attend(self, joined: np.ndarray, place: int, turn: Any) -> np.ndarray:
        """Return the mean of the values (N, W) for queries, keys and values side by side (N, …)."""
        rows, shared, _, size = self.keys.shape
        parts = joined.reshape(rows, -1, size)
        heads = parts.shape[1] - 2 * shared
        if turn is not None:
            parts[:, : heads + shared] = turned(parts[:, : heads + shared], *turn)
        self.keys[:, :, place] = parts[:, heads : heads + shared]
        self.values[:, :, place] = parts[:, heads + shared :]
        queries = parts[:, :heads].reshape(rows, shared, heads // shared, size)
        scores = queries @ self.keys[:, :, : place + 1].swapaxes(2, 3)
        scores *= scores.dtype.type(size**-0.5)
        scores -= np.maximum.reduce(scores, axis=3, keepdims=True)
        weights = np.exp(scores, out=scores)
        weights /= np.add.reduce(weights, axis=3, keepdims=True)
        return (weights @ self.values[:, :, : place + 1]).reshape(rows, heads * size)


def turned(x: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    """Return heads (N, H, head_dim) turned by the angles of one position: see RotaryPositions."""
    half = x.shape[2] // 2
    first, second = x[:, :, :half], x[:, :, half:]
    return np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=2)


class Decoder:
    """Takes a model and its cache apart; `step` returns what the model would for one more token in each row."""

    def __init__(self, model: Any, cache: Any):
        self.cache, self.context = cache, model.config.context
        self.tokens = model.tokens.weight.detach().numpy()
        self.positions = None if model.positions is None else model.positions.weight.detach().numpy()
        self.turns = _turns(model, self.tokens.dtype)
        self.steps = [_step(block, layer) for block, layer in zip(model.blocks, cache.layers, strict=True)]
        self.norm = _norm(model.norm)
        table = self.tokens if model.head is None else model.head.weight.detach().numpy()
        self.head = Affine(table.T, None)

    def step(self, tokens: np.ndarray) -> np.ndarray:
        """Return the logits (N, V) behind one token for each row (N,); the cache grows by one position."""
        place = self.cache.length
        x = self.tokens[tokens]
        if self.positions is not None:
            x = x + self.positions[place]
        turn = None if self.turns is None else (self.turns[0][place], self.turns[1][place])
        for step in self.steps:
            x = step(x, place, turn)
        for layer in self.cache.layers:
            layer.length = place + 1
        return self.head(self.norm(x))


def can_decode(model: Any) -> bool:
    """Whether the model is made of what it was built of, and no hook wants to see it run."""
    hooks = ("_forward_hooks", "_forward_pre_hooks")
    ends = type(model.tokens) is Embedding and (model.head is None or type(model.head) is Linear)
    built = ends and _is_norm(model.norm) and all(map(_as_built, model.blocks))
    return built and not any(getattr(m, table) for m in model.modules() for table in hooks)


def _as_built(block: Any) -> bool:
    from tinytorch.core.tinygpt import Block, CausalSelfAttention  # which imports this file

    if type(block) is not Block:
        return False
    if type(block.attention) is not CausalSelfAttention or type(block.mlp) is not Sequential:
        return False
    parts = block.attention.qkv, block.attention.out, *block.mlp
    kinds = Linear, Linear, Linear, GELU, Linear
    return tuple(map(type, parts)) == kinds and _is_norm(block.norm1) and _is_norm(block.norm2)


def _is_norm(layer: Any) -> bool:
    return type(layer) in (LayerNorm, RMSNorm) and layer.weight is not None


def _affine(layer: Any) -> Affine:
    return Affine(layer.weight.detach().numpy().T, None if layer.bias is None else layer.bias.detach().numpy())


def _norm(layer: Any) -> Norm:
    bias = getattr(layer, "bias", None)
    centred = not isinstance(layer, RMSNorm)
    return Norm(layer.weight.detach().numpy(), None if bias is None else bias.detach().numpy(), layer.eps, centred)


def _step(block: Any, layer: Any) -> Step:
    attention, (wide, gelu, narrow) = block.attention, block.mlp
    return Step(
        norm1=_norm(block.norm1),
        norm2=_norm(block.norm2),
        qkv=_affine(attention.qkv),
        out=_affine(attention.out),
        wide=_affine(wide),
        narrow=_affine(narrow),
        approximate=gelu.approximate,
        keys=layer.keys.numpy(),
        values=layer.values.numpy(),
    )


def _turns(model: Any, dtype: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """The cosines and sines of all positions (context, head_dim / 2), if positions are rotary."""
    rotary = model.blocks[0].attention.rotary
    if rotary is None:
        return None
    return rotary.cos.numpy().astype(dtype), rotary.sin.numpy().astype(dtype)
