"""What a data set is, and data sets made of some items of another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.core.engine import IndexingError, ShapeError, TinyTorchError
from tinytorch.given.collate import quick_batch
from tinytorch.given.random import DEFAULT_GENERATOR, Generator

#| face utils.data: Dataset, Subset, random_split


class Dataset:
    """A collection of items by number. A subclass defines `__len__` and `__getitem__`.

    It may also define `get_batch(indices, generator)`, which returns the collated batch of these items at once, or None
    if it has no fast way today; random transforms then draw from `generator`.
    """

    def __getitem__(self, index: int) -> Any:
        raise TinyTorchError(f"Expected {type(self).__name__} to define __getitem__(index), found only Dataset's own.")

    def __add__(self, other: Any) -> Any:
        """The items of this data set, then those of the other."""
        from tinytorch.given.dataset_kinds import ConcatDataset  # which is a Dataset itself

        return ConcatDataset([self, other])


class Subset(Dataset):
    """The items of `dataset` whose numbers are in `indices`. It owns no data: it passes every question on."""

    def __init__(self, dataset: Any, indices: Sequence[int]):
        self.dataset, self.indices = dataset, [int(i) for i in indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexingError(f"Expected an index below {len(self)}, found {index}.")
        return self.dataset[self.indices[index]]

    def get_batch(self, indices: Sequence[int], generator: Generator | None = None) -> Any:
        """The batch of these items, if the data set behind has a fast way, else None."""
        return quick_batch(self.dataset, [self.indices[i] for i in indices], generator)


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """Disjoint random subsets of these lengths: numbers of items, or fractions that add up to 1.

    Drawn from `generator`, by default from the one that `manual_seed` sets. Lengths that do not add up raise
    ShapeError.
    """
    sizes = _split_sizes(lengths, len(dataset))
    order = (generator or DEFAULT_GENERATOR).permutation(len(dataset))
    ends = np.cumsum(sizes)
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]


def _split_sizes(lengths: Sequence[float], count: int) -> list[int]:
    """Whole numbers that add up to `count`; fractions are rounded down, and the rest goes one each to the first."""
    if not all(isinstance(length, int | float) and length >= 0 for length in lengths):
        raise ShapeError(f"Expected lengths or fractions of at least 0, found {list(lengths)}.")
    if math.isclose(sum(lengths), 1) and any(isinstance(length, float) for length in lengths):
        sizes = [math.floor(count * length) for length in lengths]
        for i in range(count - sum(sizes)):
            sizes[i % len(sizes)] += 1
        return sizes
    if sum(lengths) != count or any(length != int(length) for length in lengths):
        raise ShapeError(f"Expected lengths that add up to the {count} items of the data set, found {list(lengths)}.")
    return [int(length) for length in lengths]
