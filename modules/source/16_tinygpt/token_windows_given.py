"""Tokens in a row, checked; and cut into windows, where the target of each token is the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, IndexingError, ShapeError, TinyTorchError
from tinytorch.core.tensor import from_numpy
from tinytorch.given.dataset_base import Dataset
from tinytorch.given.settings import whole
from tinytorch.given.tokenizer_base import token_array

#| face datasets: TokenDataset


def token_row(tokens: Any, name: str) -> np.ndarray:
    """Return tokens (a Tensor, an array, or a list) as one row, int64 (length,); `name` is who asks."""
    row = token_array(tokens, name)
    if row.ndim != 1:
        raise ShapeError(f"{name}: expected one row of tokens, found an array {row.shape}.")
    return row.astype(np.int64)


def counted_rows(train: Any, validation: Any, vocab_size: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both texts as rows (length,) of tokens below vocab_size, for bigram_loss."""
    name, count = "bigram_loss", whole(vocab_size, "bigram_loss's vocab_size", 1)
    rows = token_row(train, name), token_row(validation, name)
    for row in rows:
        if row.size and not (row.min() >= 0 and row.max() < count):
            raise IndexingError(
                f"{name}: expected tokens from 0 to {count - 1}, found {row.min()} to {row.max()}: vocab_size is the "
                "tokenizer's."
            )
    if rows[1].size < 2:
        raise TinyTorchError(f"{name}: expected two tokens or more for validation, found {rows[1].size}.")
    return rows


class TokenDataset(Dataset):
    """Windows of tokens: item i is (x, y), int64 (context,) each; y is x moved on by one.

    tokens: whole numbers, at least context + 1. stride: from the start of a window to that of the next one; 1 for every
    window there is, `context` for windows that do not overlap.
    """

    def __init__(self, tokens: Sequence[int], context: int, stride: int = 1):
        self.context = whole(context, "TokenDataset's context", 1)
        self.stride = whole(stride, "TokenDataset's stride", 1)
        self.tokens = token_row(tokens, "TokenDataset")
        if len(self.tokens) <= self.context:
            raise TinyTorchError(
                f"TokenDataset: expected more than context={self.context} tokens, found {len(self.tokens)}."
            )

    def __len__(self) -> int:
        return (len(self.tokens) - self.context - 1) // self.stride + 1

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        x, y = self.get_batch([index])
        return x[0], y[0]

    def get_batch(self, indices: Sequence[int], generator: Any = None) -> list[Any]:
        """Return [x, y] of these windows, int64 (B, context) each, by one index operation."""
        numbers = np.asarray(indices)
        if numbers.size and numbers.dtype.kind not in "iu":
            raise DTypeError(f"TokenDataset: expected whole numbers as indices, found {list(indices)!r:.60}.")
        if numbers.size and not (-len(self) <= numbers.min() and numbers.max() < len(self)):
            raise IndexingError(f"TokenDataset: expected indices below {len(self)}, found {numbers.tolist()!r:.60}.")
        places = (numbers % len(self) * self.stride)[:, None] + np.arange(self.context)
        return [from_numpy(self.tokens[places]), from_numpy(self.tokens[places + 1])]

    def __repr__(self) -> str:
        return f"TokenDataset({len(self.tokens):,} tokens, {len(self):,} windows of {self.context})"
