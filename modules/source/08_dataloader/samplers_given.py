"""The simplest order of an epoch, and what the arguments and the state of a loader must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized

from tinytorch.core.engine import TinyTorchError

#| face utils.data: Sampler, SequentialSampler


class Sampler:
    """Produces item numbers. A subclass defines `__iter__` and `__len__`.

    If it has a method `set_epoch(epoch)`, the loader calls it before each epoch.
    """


class SequentialSampler(Sampler):
    """0, 1, 2, … in order."""

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


def check_batch_size(batch_size: object) -> None:
    """Raise TinyTorchError unless it is a whole number of at least 1."""
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise TinyTorchError(f"Expected a batch_size that is a whole number of at least 1, found {batch_size!r}.")


def check_loader(
    batch_size: int, shuffle: bool, sampler: object, batch_sampler: object, num_workers: int, drop_last: bool
) -> None:
    """Raise TinyTorchError for arguments of a DataLoader that contradict each other or that it cannot serve."""
    if num_workers != 0:
        raise TinyTorchError(
            f"Expected num_workers=0, found {num_workers!r}: batches are made in the process that asks for them."
        )
    if sampler is not None and shuffle:
        raise TinyTorchError("Expected shuffle=True or a sampler, found both: the sampler alone decides the order.")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise TinyTorchError("Expected a batch_sampler alone, found batch_size, shuffle, sampler or drop_last too.")


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
