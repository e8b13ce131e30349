"""Data sets that the worker processes of the tests import."""

import os
import random
import signal
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import tinytorch
from tinytorch.utils.data import Dataset, IterableDataset, get_worker_info


class Pair(NamedTuple):
    image: Any
    label: int


class Squares(Dataset):
    """Items (i, i squared)."""

    def __init__(self, count: int = 10):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[int, int]:
        return index, index * index


class Drawing(Squares):
    """Items with random numbers from all three generators, and the number of the worker that drew them."""

    def __getitem__(self, index: int) -> dict:
        here = get_worker_info()
        return {
            "index": index,
            "ours": tinytorch.rand(2),
            "python": random.random(),
            "numpy": np.random.rand(),
            "worker": -1 if here is None else here.id,
        }


class Rich(Squares):
    """Items of every kind."""

    def __getitem__(self, index: int) -> Pair:
        return Pair({"x": np.full((2, 3), index, np.float32), "name": f"n{index}"}, index)


class Failing(Squares):
    """Item 7 is broken in the way `how` says."""

    def __init__(self, how: str):
        super().__init__()
        self.how = how

    def __getitem__(self, index: int) -> int:
        if index == 7 and self.how == "raise":
            raise ValueError("seven is bad")
        if index == 7 and self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if index == 7 and self.how == "sleep":
            time.sleep(60)
        return (lambda: index) if index == 7 and self.how == "lambda" else index


class Endless(Squares):
    """Slow items, so that a worker is always in the middle of one; each leaves its process number in a file."""

    def __init__(self, folder: str, seconds: float):
        super().__init__(1000)
        self.folder, self.seconds = folder, seconds

    def __getitem__(self, index: int) -> int:
        open(f"{self.folder}/{os.getpid()}", "w").close()
        time.sleep(self.seconds)
        return index


class Stream(IterableDataset):
    """0, 1, 2 … `count`; each worker goes through its share."""

    def __init__(self, count: int):
        self.count = count

    def __iter__(self) -> Iterator[int]:
        here = get_worker_info()
        return iter(range(self.count)) if here is None else iter(range(here.id, self.count, here.num_workers))


class MeasuredStream(Stream):
    def __len__(self) -> int:
        return self.count


def describe_worker(number: int) -> None:
    """A worker_init_fn: puts into the data set what the worker knows about itself."""
    here = get_worker_info()
    assert here is not None and here.id == number
    here.dataset.count += 100


class Settings(Squares):
    """Items tell about the process that they are made in."""

    def __getitem__(self, index: int) -> str:
        here = get_worker_info()
        assert here is not None
        threads = os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"]
        return f"{here.id} of {here.num_workers} seed {here.seed} count {self.count} threads {threads} {os.getpid()}"
