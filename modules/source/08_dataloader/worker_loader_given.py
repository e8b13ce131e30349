"""What a DataLoader adds when it does not just make its batches itself: worker processes, and streams."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

from tinytorch.core.engine import TinyTorchError
from tinytorch.given.dataset_kinds import IterableDataset, stream_batches
from tinytorch.given.seeds import fold_in

PREFETCH = 2  # batches that each worker makes ahead


class WorkerLoader:
    """The part of DataLoader that deals with worker processes and streams; its settings mean what PyTorch's do.

    Every worker makes `prefetch_factor` batches ahead (default 2). Batches come in the order of the samplers, whichever
    worker is ready first, and are the same as without workers: what is drawn for a batch is a function of (seed, epoch,
    position). `timeout`: seconds to wait for a batch, 0 for ever. `worker_init_fn(id)` runs once in each worker.
    `persistent_workers` lives on after the epoch. `pin_memory` is accepted and has no meaning without a GPU.
    """

    def __init__(
        self, num_workers: int, pin_memory: bool, timeout: float, worker_init_fn: Callable | None,
        multiprocessing_context: str | None, prefetch_factor: int | None, persistent_workers: bool,
    ):
        _check(num_workers, timeout, worker_init_fn, multiprocessing_context, prefetch_factor, persistent_workers)
        self.num_workers, self.pin_memory, self.timeout = num_workers, pin_memory, timeout
        self.worker_init_fn, self.multiprocessing_context = worker_init_fn, multiprocessing_context
        self.prefetch_factor = (prefetch_factor or PREFETCH) if num_workers else None
        self.persistent_workers = persistent_workers
        self._idle: Any = None  # the pool that waits for the next epoch

    @property
    def _simple(self) -> bool:
        """Whether batches are made in this process, from numbered items."""
        return self.num_workers == 0 and not isinstance(self.dataset, IterableDataset)

    def _count_batches(self) -> int | None:
        """The number of batches in an epoch; None for a stream whose length nobody knows."""
        try:
            return len(self.batch_sampler)
        except TypeError:
            return None

    def _other_batches(self, epoch: int, start: int) -> Iterator:
        """The batches of one epoch from position `start` on, with workers or from a stream."""
        stream = isinstance(self.dataset, IterableDataset)
        source = self._worker_batches(epoch, start) if self.num_workers else self._stream_batches(epoch)
        with closing(source):
            for position, batch in enumerate(source, 0 if stream else start):
                if position >= start:  # a stream can only be continued by going through it again
                    self._place = (epoch, position + 1)
                    yield batch
        self._place = (epoch + 1, 0)

    def _stream_batches(self, epoch: int) -> Iterator:
        return stream_batches(
            self.dataset, self.batch_size, self.drop_last, self.collate_fn, fold_in(self.seed, epoch, 0)
        )

    def _worker_batches(self, epoch: int, start: int) -> Iterator:
        """Batches from the workers, in order: each batch under way has its worker, which then gets the next one."""
        pool, under_way = self._take_pool(epoch), deque()
        try:
            tasks, workers = self._tasks(epoch, start), itertools.cycle(range(self.num_workers))
            for task in itertools.islice(tasks, self.num_workers * self.prefetch_factor):
                under_way.append(next(workers))
                pool.ask(under_way[-1], *task)
            while under_way:
                worker = under_way.popleft()
                answer = pool.receive(worker)
                if answer[0] == "end":
                    continue
                for task in itertools.islice(tasks, 1):
                    under_way.append(worker)
                    pool.ask(worker, *task)
                yield answer[1]
        except GeneratorExit:
            raise  # the loop was left: the workers are in order
        except BaseException:
            pool.close()
            raise
        finally:
            self._give_back(pool, under_way)

    def _take_pool(self, epoch: int) -> Any:
        """Workers that are ready for this epoch: those of the epoch before if they live on, else new ones."""
        from tinytorch.given.worker_pool import WorkerPool  # processes and sockets, only when they are needed
        from tinytorch.given.worker_process import Job

        seeds = [fold_in(self.seed, epoch, worker) for worker in range(self.num_workers)]
        pool, self._idle = self._idle, None
        if pool is None:
            job = Job(self.dataset, self.collate_fn, self.worker_init_fn, self.batch_size, self.drop_last)
            pool = WorkerPool(self.num_workers, job, self.timeout, seeds)
        for worker, seed in enumerate(seeds):
            pool.send(worker, ("epoch", seed))
        return pool

    def _give_back(self, pool: Any, under_way: Iterable[int]) -> None:
        """Keep the pool for the next epoch, or close it. Answers that are still on their way are for nobody."""
        if not self.persistent_workers or not pool.close.alive or self._idle is not None:
            pool.close()
            return
        for worker in under_way:
            pool.stale[worker] += 1
        self._idle = pool

    def _tasks(self, epoch: int, start: int) -> Iterator[tuple]:
        """(seed, indices) for each position from `start` on; without end for a stream."""
        if isinstance(self.dataset, IterableDataset):
            return itertools.repeat((0, None))
        if hasattr(self.batch_sampler, "set_epoch"):
            self.batch_sampler.set_epoch(epoch)
        numbered = itertools.islice(enumerate(self.batch_sampler), start, None)
        return ((fold_in(self.seed, epoch, position), indices) for position, indices in numbered)


def _check(
    num_workers: Any, timeout: Any, worker_init_fn: Any, context: Any, prefetch_factor: Any, persistent_workers: Any
) -> None:
    """Raise TinyTorchError for settings of workers that mean nothing, or contradict each other."""
    if not _whole(num_workers, 0):
        raise TinyTorchError(f"Expected num_workers as a whole number of at least 0, found {num_workers!r}.")
    if prefetch_factor is not None and not _whole(prefetch_factor, 1):
        raise TinyTorchError(f"Expected prefetch_factor as a whole number of at least 1, found {prefetch_factor!r}.")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0:
        raise TinyTorchError(f"Expected timeout in seconds, 0 for none, found {timeout!r}.")
    if worker_init_fn is not None and not callable(worker_init_fn):
        raise TinyTorchError(f"Expected worker_init_fn as a function of the worker's number, found {worker_init_fn!r}.")
    if context not in (None, "spawn"):
        raise TinyTorchError(
            f"Expected multiprocessing_context None or 'spawn', found {context!r}: workers are always fresh processes."
        )
    if num_workers == 0 and (prefetch_factor is not None or persistent_workers or context is not None):
        raise TinyTorchError(
            "Expected num_workers above 0 with prefetch_factor, persistent_workers or multiprocessing_context, found 0."
        )


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
