"""Bags of tokens: the sum, mean or maximum of the rows that each bag names, without the rows one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError
from tinytorch.core.layers import Embedding, Module, embedding
from tinytorch.core.tensor import Tensor, empty, from_array
from tinytorch.given import tensor_ops as ops
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.embedding_table import PretrainedTable
from tinytorch.given.parameter import Parameter, parameter_dtype
from tinytorch.given.settings import one_of, whole

#| face nn.functional: embedding_bag
#| face nn: EmbeddingBag

MODES = ("sum", "mean", "max")


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    *,
    mode: str = "mean",
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Return (bags, d): the rows of `weight` (n, d) that each bag names, taken together.

    input: integers (bags, length), or (count,) with `offsets`, the place where each bag begins; with
    include_last_offset also where the last one ends. mode: "sum", "mean" or "max"; an empty bag gives zeros.
    per_sample_weights: of the shape of input, with mode="sum" only. padding_idx: rows that do not count.
    """
    one_of(mode, "embedding_bag's mode", MODES)
    if expect_tensor(input, "embedding_bag").dtype.kind not in "iu":
        raise DTypeError(f"embedding_bag: expected integers, found {input.dtype}. Convert them: x.long().")
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.shape != input.shape):
        raise TinyTorchError(
            f"embedding_bag: expected per_sample_weights only with mode='sum' and of shape {input.shape}, found "
            f"mode={mode!r} and shape {per_sample_weights.shape}."
        )
    if padding_idx is not None:
        padding_idx = ops.axis(padding_idx, expect_tensor(weight, "embedding_bag's weight").shape[0], "padding_idx")
    places, counts = _bags(input, offsets, include_last_offset)
    tokens = input.reshape(-1)[places] if input.numel() else from_array(places)
    if padding_idx is not None:
        counts = counts & (tokens.numpy() != padding_idx)
    rows = embedding(tokens, weight, padding_idx)
    valid = from_array(counts[..., None])
    if mode == "max":
        lowest = ops.WHERE(valid, rows, float("-inf"))
        largest = lowest.max(1)[0] if places.shape[1] else rows.sum(1)
        return ops.WHERE(from_array(counts.any(1, keepdims=True)), largest, 0.0)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1)[places].unsqueeze(-1)
    total = ops.WHERE(valid, rows, 0.0).sum(1)
    if mode == "sum":
        return total
    return total / from_array(np.maximum(counts.sum(1, keepdims=True), 1).astype(total.dtype))


def _bags(input: Any, offsets: Any, include_last_offset: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return (places in the flattened input (bags, longest), which of them count)."""
    if input.ndim == 2 and offsets is None:
        return np.arange(input.numel()).reshape(input.shape), np.ones(input.shape, bool)
    if input.ndim != 1 or not isinstance(offsets, Tensor) or offsets.ndim != 1 or offsets.dtype.kind not in "iu":
        found = getattr(offsets, "shape", offsets)
        raise ShapeError(
            "embedding_bag: expected an input (bags, length), or (count,) with offsets, a tensor (bags,) of integers, "
            f"found {input.shape} with offsets {found}."
        )
    bounds = offsets.numpy() if include_last_offset else np.append(offsets.numpy(), input.numel())
    if not len(bounds) or bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] > input.numel():
        raise ShapeError(
            f"embedding_bag: expected offsets that begin with 0, do not fall and stay within {input.numel()} tokens, "
            f"found {offsets.tolist()}."
        )
    lengths = np.diff(bounds)
    steps = np.arange(lengths.max(initial=0))
    inside = steps < lengths[:, None]
    return np.where(inside, bounds[:-1, None] + steps, 0), inside


class EmbeddingBag(PretrainedTable, Module):
    """Bags of tokens, by the sum, mean or maximum of their rows. See `embedding_bag`. Parameter: `weight`."""

    reset_parameters = Embedding.reset_parameters

    def __init__(
        self, num_embeddings: int, embedding_dim: int, *, mode: str = "mean", include_last_offset: bool = False,
        padding_idx: int | None = None, device: Any = None, dtype: Any = None,
    ):
        super().__init__()
        self.num_embeddings = whole(num_embeddings, "EmbeddingBag's num_embeddings", 1)
        self.embedding_dim = whole(embedding_dim, "EmbeddingBag's embedding_dim", 1)
        self.padding_idx = None if padding_idx is None else ops.axis(padding_idx, num_embeddings, "padding_idx")
        self.weight = Parameter(empty(num_embeddings, embedding_dim, dtype=parameter_dtype(dtype, device)))
        self.reset_parameters()
        self.mode, self.include_last_offset = one_of(mode, "EmbeddingBag's mode", MODES), include_last_offset

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """Return (bags, embedding_dim)."""
        return embedding_bag(
            input, self.weight, offsets, mode=self.mode, per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset, padding_idx=self.padding_idx,
        )

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}, mode={self.mode!r}"
