"""Tokens cut into windows; the target of each token is the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, IndexingError, TinyTorchError
from tinytorch.core.tensor import from_numpy
from tinytorch.given.dataset_base import Dataset
from tinytorch.given.settings import whole

#| face datasets: TokenDataset


class TokenDataset(Dataset):
    """Windows of tokens: item i is (x, y), int64 (context,) each; y is x moved on by one.

    tokens: whole numbers, at least context + 1. stride: from the start of a window to that of the next one; 1 for every
    window there is, `context` for windows that do not overlap.
    """

    def __init__(self, tokens: Sequence[int], context: int, stride: int = 1):
        self.context = whole(context, "TokenDataset's context", 1)
        self.stride = whole(stride, "TokenDataset's stride", 1)
        self.tokens = np.asarray(tokens)
        if self.tokens.ndim != 1 or (self.tokens.size and self.tokens.dtype.kind not in "iu"):
            raise DTypeError(
                f"TokenDataset: expected one row of whole numbers, found {self.tokens.dtype} {self.tokens.shape}."
            )
        if len(self.tokens) <= self.context:
            raise TinyTorchError(
                f"TokenDataset: expected more than context={self.context} tokens, found {len(self.tokens)}."
            )
        self.tokens = self.tokens.astype(np.int64)

    def __len__(self) -> int:
        return (len(self.tokens) - self.context - 1) // self.stride + 1

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        x, y = self.get_batch([index])
        return x[0], y[0]

    def get_batch(self, indices: Sequence[int], generator: Any = None) -> list[Any]:
        """Return [x, y] of these windows, int64 (B, context) each, by one index operation."""
        numbers = np.asarray(indices)
        if numbers.size and not (-len(self) <= numbers.min() and numbers.max() < len(self)):
            raise IndexingError(f"TokenDataset: expected indices below {len(self)}, found {numbers.tolist()!r:.60}.")
        places = (numbers % len(self) * self.stride)[:, None] + np.arange(self.context)
        return [from_numpy(self.tokens[places]), from_numpy(self.tokens[places + 1])]

    def __repr__(self) -> str:
        return f"TokenDataset({len(self.tokens):,} tokens, {len(self):,} windows of {self.context})"
