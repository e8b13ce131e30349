"""The simplest order of an epoch, and what the arguments and the state of a loader must be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sized

from tinytorch.core.engine import DTypeError, TinyTorchError

#| face utils.data: Sampler, SequentialSampler


class Sampler:
    """Produces item numbers. A subclass defines `__iter__` and `__len__`.

    If it has a method `set_epoch(epoch)`, the loader calls it before each epoch.
    """


class SequentialSampler(Sampler):
    """0, 1, 2, … in order. A stream has no numbers: for it, None for ever."""

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator:
        return itertools.repeat(None) if is_stream(self.data_source) else iter(range(len(self.data_source)))

    def __len__(self) -> int:
        if not hasattr(self.data_source, "__len__"):
            raise DTypeError(f"Expected a data set with a length, found {type(self.data_source).__name__} without one.")
        return len(self.data_source)


def check_batch_size(batch_size: object) -> None:
    """Raise TinyTorchError unless it is a whole number of at least 1."""
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise TinyTorchError(f"Expected a batch_size that is a whole number of at least 1, found {batch_size!r}.")


def check_samples(num_samples: object) -> int | None:
    """`num_samples`, if it is None (all) or a whole number of at least 1; else TinyTorchError."""
    if num_samples is None or (isinstance(num_samples, int) and not isinstance(num_samples, bool) and num_samples >= 1):
        return num_samples
    raise TinyTorchError(f"Expected num_samples as a whole number of at least 1, found {num_samples!r}.")


def check_loader(
    dataset: object, batch_size: int | None, shuffle: bool, sampler: object, batch_sampler: object, drop_last: bool
) -> None:
    """Raise TinyTorchError for arguments of a DataLoader that contradict each other."""
    if sampler is not None and shuffle:
        raise TinyTorchError("Expected shuffle=True or a sampler, found both: the sampler alone decides the order.")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise TinyTorchError("Expected a batch_sampler alone, found batch_size, shuffle, sampler or drop_last too.")
    if batch_size is None and drop_last:
        raise TinyTorchError("Expected drop_last=False with batch_size=None, found True: single items have no rest.")
    if is_stream(dataset) and (shuffle or sampler is not None or batch_sampler is not None):
        raise TinyTorchError("Expected a stream without shuffle and samplers, found one: it decides its order itself.")


def is_stream(dataset: object) -> bool:
    """Whether the data set is an IterableDataset: items come one after the other and have no numbers."""
    return getattr(dataset, "streams", False)


def check_state(state: Mapping[str, int], measure: Mapping[str, int | None]) -> None:
    """Raise TinyTorchError unless the state of a loader is complete and comes from one with the same `measure`."""
    missing = {"seed", "epoch", "position", *measure} - set(state)
    if missing:
        raise TinyTorchError(f"Expected the state of a loader, found one without {', '.join(sorted(missing))}.")
    saved = {key: state[key] for key in measure}
    if saved != measure:
        raise TinyTorchError(
            f"Expected the state of a loader with {dict(measure)}, found one with {saved}: a position in the epoch "
            "only means something for the same data and batch size."
        )
