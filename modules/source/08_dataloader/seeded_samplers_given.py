"""Samplers that choose: some of the items, some more often than others, every class equally often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError
from tinytorch.core.tensor import Tensor
from tinytorch.given.random import Generator
from tinytorch.given.samplers import Sampler, check_samples
from tinytorch.given.seeds import fold_in, new_seed

#| face utils.data: SubsetRandomSampler, WeightedRandomSampler, ClassBalancedSampler


class SeededSampler(Sampler):
    """An order that is a function of (seed, epoch). A subclass defines `draw(generator)` and `__len__`.

    Each iteration moves on to the next epoch; `set_epoch` says which one comes. The seed is drawn from `generator`, by
    default from the one that `manual_seed` sets.
    """

    def __init__(self, generator: Generator | None = None):
        self.seed, self.epoch = new_seed(generator), 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next iteration is."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = Generator(fold_in(self.seed, self.epoch))
        self.epoch += 1
        return iter(self.draw(generator).tolist())

    def draw(self, generator: Generator) -> np.ndarray:
        """The item numbers of one epoch: int64 (len(self),)."""
        raise NotImplementedError(f"{type(self).__name__}.draw: not implemented yet")


class SubsetRandomSampler(SeededSampler):
    """The given item numbers, each once, in a random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None):
        super().__init__(generator)
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def draw(self, generator: Generator) -> np.ndarray:
        return _array(self.indices).astype(np.int64)[generator.permutation(len(self.indices))]


class WeightedRandomSampler(SeededSampler):
    """`num_samples` item numbers; number i is drawn with a probability proportional to `weights[i]`.

    Weights are at least 0 and need not add up to 1. Without `replacement` no number comes twice, so num_samples may not
    exceed the number of weights above 0; the order is that of drawing one after the other (Efraimidis and Spirakis,
    "Weighted random sampling with a reservoir", 2006).
    """

    def __init__(
        self, weights: Any, num_samples: int, replacement: bool = True, generator: Generator | None = None
    ):
        super().__init__(generator)
        self.weights = _weights(weights)
        self.num_samples, self.replacement = _count(num_samples), replacement
        positive = int(np.count_nonzero(self.weights))
        if not replacement and num_samples > positive:
            raise TinyTorchError(
                f"Expected at most {positive} samples without replacement, the number of weights above 0, "
                f"found num_samples={num_samples}."
            )

    def __len__(self) -> int:
        return self.num_samples

    def draw(self, generator: Generator) -> np.ndarray:
        if self.replacement:
            ends = np.cumsum(self.weights)
            places = generator.uniform((self.num_samples,), np.float64) * ends[-1]
            return np.minimum(np.searchsorted(ends, places, side="right"), np.flatnonzero(self.weights)[-1])
        waits = -np.log1p(-generator.uniform(self.weights.shape, np.float64))
        with np.errstate(divide="ignore", invalid="ignore"):
            waits = np.where(self.weights > 0, waits / self.weights, np.inf)
        return np.argsort(waits, kind="stable")[: self.num_samples]


class ClassBalancedSampler(SeededSampler):
    """Item numbers in which every class occurs equally often, whatever the data hold.

    `labels`: the class of each item, int (N,). `num_samples` (default N) numbers are drawn, a fair share of each class
    (shares differ by one at most). An item comes again only after all others of its class have come.
    """

    def __init__(self, labels: Any, num_samples: int | None = None, generator: Generator | None = None):
        super().__init__(generator)
        labels = _array(labels)
        if labels.ndim != 1 or labels.size == 0 or labels.dtype.kind not in "iub":
            raise DTypeError(f"Expected integer labels of shape (N,), found {labels.dtype} of shape {labels.shape}.")
        self.classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        self.num_samples = check_samples(num_samples) or len(labels)

    def __len__(self) -> int:
        return self.num_samples

    def draw(self, generator: Generator) -> np.ndarray:
        share, rest = divmod(self.num_samples, len(self.classes))
        lucky = set(generator.permutation(len(self.classes))[:rest].tolist())
        chosen = [_rounds(items, share + (i in lucky), generator) for i, items in enumerate(self.classes)]
        return np.concatenate(chosen)[generator.permutation(self.num_samples)]


def _count(num_samples: Any) -> int:
    """A number of samples that has to be given."""
    if num_samples is None:
        raise TinyTorchError("Expected num_samples as a whole number of at least 1, found None.")
    return check_samples(num_samples)


def _rounds(items: np.ndarray, count: int, generator: Generator) -> np.ndarray:
    """`count` of the items: whole random orders of them, the last one cut off."""
    rounds = [items[generator.permutation(len(items))] for _ in range(-(-count // len(items)))]
    return np.concatenate([*rounds, items[:0]])[:count]


def _weights(weights: Any) -> np.ndarray:
    values = _array(weights)
    if values.dtype.kind not in "iufb" or values.ndim != 1 or values.size == 0:
        raise ShapeError(f"Expected weights as numbers of shape (N,), found {values.dtype} of shape {values.shape}.")
    values = values.astype(np.float64)
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise TinyTorchError("Expected finite weights of at least 0, some of them above 0, found others.")
    return values


def _array(values: Any) -> np.ndarray:
    return values.numpy() if isinstance(values, Tensor) else np.asarray(values)
