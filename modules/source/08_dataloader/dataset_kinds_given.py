"""Data sets made of data sets, and data sets that are streams."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tinytorch.core.engine import DTypeError, IndexingError, ShapeError, TinyTorchError
from tinytorch.given.collate import default_collate, default_convert, drawing_from, fetch_batch
from tinytorch.given.dataset_base import Dataset
from tinytorch.given.random import Generator
from tinytorch.given.seeds import fold_in

#| face utils.data: IterableDataset, ConcatDataset, ChainDataset, StackDataset


class IterableDataset(Dataset):
    """A stream of items. A subclass defines `__iter__`, and `__len__` if the length is known.

    With worker processes every worker runs `__iter__` of its own copy. To give each item once, let it ask
    `get_worker_info()` and go through its own share, for example `items[info.id :: info.num_workers]`.
    """

    streams = True

    def __iter__(self) -> Iterator:
        raise TinyTorchError(f"Expected {type(self).__name__} to define __iter__(), found only IterableDataset's own.")

    def __add__(self, other: IterableDataset) -> ChainDataset:
        return ChainDataset([self, other])


class ConcatDataset(Dataset):
    """The items of several data sets, one data set after the other."""

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise TinyTorchError("Expected at least one data set to join, found none.")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise DTypeError("Expected data sets with numbered items, found a stream: join streams by ChainDataset.")
        self.cumulative_sizes = list(itertools.accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexingError(f"Expected an index below {len(self)}, found {index}.")
        index %= len(self)
        number = bisect.bisect_right(self.cumulative_sizes, index)
        return self.datasets[number][index - (self.cumulative_sizes[number - 1] if number else 0)]


class ChainDataset(IterableDataset):
    """The items of several streams, one stream after the other."""

    def __init__(self, datasets: Iterable[IterableDataset]):
        self.datasets = list(datasets)
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise DTypeError(
                    f"Expected streams (IterableDataset), found {type(dataset).__name__}: join it by ConcatDataset."
                )

    def __iter__(self) -> Iterator:
        for dataset in self.datasets:
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)


class StackDataset(Dataset):
    """Items of several data sets side by side: item i is (a[i], b[i]), or {"x": a[i], "y": b[i]} of named ones."""

    def __init__(self, *args: Any, **kwargs: Any):
        if bool(args) == bool(kwargs):
            raise TinyTorchError(f"Expected data sets in order or by name, found {'both' if args else 'none'}.")
        self.datasets = kwargs or args
        lengths = [len(dataset) for dataset in (kwargs.values() if kwargs else args)]
        if len(set(lengths)) > 1:
            raise ShapeError(f"Expected data sets of one length, found {lengths} items.")
        self._length = lengths[0]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, Mapping):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def get_batch(self, indices: Sequence[int], generator: Generator | None = None) -> Any:
        """The batch of these items: a batch of each data set, side by side."""
        if isinstance(self.datasets, Mapping):
            return {name: fetch_batch(dataset, indices, generator) for name, dataset in self.datasets.items()}
        return [fetch_batch(dataset, indices, generator) for dataset in self.datasets]


def stream_batches(
    dataset: IterableDataset, batch_size: int | None, drop_last: bool, collate_fn: Callable | None, seed: int
) -> Iterator:
    """The batches of one pass through a stream. What batch n draws is a function of (seed, n)."""
    with drawing_from(Generator(seed)):
        items = iter(dataset)
    for number in itertools.count():
        with drawing_from(Generator(fold_in(seed, number))):
            batch = list(itertools.islice(items, batch_size or 1))
            if not batch or (drop_last and len(batch) < (batch_size or 1)):
                return
            if batch_size is None:
                batch = (collate_fn or default_convert)(batch[0])
            else:
                batch = (collate_fn or default_collate)(batch)
        yield batch
