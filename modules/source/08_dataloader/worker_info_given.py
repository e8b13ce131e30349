"""Who am I? What code in a worker process can ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#| face utils.data: get_worker_info


@dataclass(frozen=True)
class WorkerInfo:
    """A worker process: its number `id` out of `num_workers`, its `seed`, and its own copy of the `dataset`."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


HERE: list[WorkerInfo] = []  # holds one entry in a worker process, none elsewhere


def get_worker_info() -> WorkerInfo | None:
    """The worker process that this code runs in, or None in the main process.

    An IterableDataset asks it in `__iter__`, so that each worker goes through a part of the data of its own.
    """
    return HERE[0] if HERE else None
