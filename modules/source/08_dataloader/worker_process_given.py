"""A worker process: receives tasks, makes batches, sends them back.

It runs on NumPy alone, with one thread: a worker that entered a multi-threaded kernel would fight with the others for
the same cores. It ends with the process that started it, whichever way that one ends.
"""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import threading
import traceback
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import spawn
from typing import Any

import numpy as np

from tinytorch.core.engine import SETTINGS
from tinytorch.given.collate import fetch_batch
from tinytorch.given.dataset_kinds import IterableDataset, stream_batches
from tinytorch.given.random import DEFAULT_GENERATOR, Generator
from tinytorch.given.seeds import fold_in
from tinytorch.given.transport import NOT_PICKLED, Slot, receive, send
from tinytorch.given.worker_info import HERE, WorkerInfo


@dataclass(frozen=True)
class Job:
    """What all workers of a loader share. For an IterableDataset batch_size and drop_last say how to cut it."""

    dataset: Any
    collate_fn: Any
    worker_init_fn: Any
    batch_size: int | None
    drop_last: bool


@dataclass(frozen=True)
class Failure:
    """An error in a worker, as text: `stage` is "start" or "batch"."""

    stage: str
    error: str
    notes: str
    traceback: str


def main(handle: int) -> None:
    """Serve the loader at the other end of the socket `handle` until it says stop, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the loader, and the loader ends us
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    SETTINGS["backend"] = "numpy"
    np.empty(31 * 2**20, dtype=np.uint8)  # once freed, glibc keeps memory of that size at hand: no page faults a batch
    link = socket.socket(fileno=handle)
    threading.Thread(target=_end_with, args=(link,), daemon=True).start()
    try:
        worker = _start(link)
        while worker is not None and (task := receive(link)) is not None:
            worker.serve(task)
    except (EOFError, ConnectionError):
        pass  # the loader has gone: nobody is left to tell


def _end_with(link: socket.socket) -> None:
    """End this process at once when the other end is closed, also in the middle of a batch."""
    poller = select.poll()
    poller.register(link.fileno(), 0)  # a hang-up is always reported
    poller.poll()
    os._exit(0)


def _start(link: socket.socket) -> Worker | None:
    """The worker, ready to serve; None if it could not start (the loader has been told why)."""
    try:
        number, count, seed, script = receive(link)
        HERE[:] = [WorkerInfo(number, count, seed, None)]  # a script that starts workers when it is imported is told
        if script is not None:
            spawn.prepare(script)
        return Worker(link, receive(link, share=True), number, count, seed)
    except (EOFError, ConnectionError):
        raise
    except Exception as error:
        send(link, failure("start", error))
        return None


class Worker:
    """One worker: a copy of the data set, and the answers to the loader's tasks."""

    def __init__(self, link: socket.socket, job: Job, number: int, count: int, seed: int):
        self.link, self.job, self.seed = link, job, seed
        self.stream: Iterator | None = None  # one pass through an IterableDataset
        self.slots: dict[int, Slot] = defaultdict(Slot)
        HERE[:] = [WorkerInfo(number, count, seed, job.dataset)]
        seed_all(seed)
        if job.worker_init_fn is not None:
            job.worker_init_fn(number)

    def serve(self, task: tuple) -> None:
        """Do one task: ("epoch", seed) begins an epoch; ("batch", seed, indices, slot) is answered with a batch."""
        if task[0] == "epoch":
            self.seed, self.stream = task[1], None
            return
        _, seed, indices, number = task
        try:
            answer = self.batch(seed, indices)
        except Exception as error:
            answer = failure("batch", error)
        try:
            send(self.link, answer, self.slots[number])
        except NOT_PICKLED as error:
            send(self.link, failure("batch", error), self.slots[number])

    def batch(self, seed: int, indices: Any) -> tuple:
        """("batch", the batch), or ("end",) when a stream is at its end."""
        job = self.job
        if not isinstance(job.dataset, IterableDataset):
            seed_all(seed)
            return "batch", fetch_batch(job.dataset, indices, Generator(seed), job.collate_fn)
        if self.stream is None:
            seed_all(self.seed)
            self.stream = stream_batches(job.dataset, job.batch_size, job.drop_last, job.collate_fn, self.seed)
        for batch in self.stream:
            return "batch", batch
        return ("end",)


def seed_all(seed: int) -> None:
    """Seed every generator that a data set may draw from: ours, Python's and NumPy's."""
    DEFAULT_GENERATOR.manual_seed(fold_in(seed, 0))
    random.seed(seed)
    np.random.seed(seed % 2**32)


def failure(stage: str, error: Exception) -> Failure:
    """The error as text."""
    text = "".join(traceback.format_exception(error)).rstrip()
    headline = f"{type(error).__name__}: {error}".rstrip(": ")
    return Failure(stage, headline, " ".join(getattr(error, "__notes__", ())), text)
