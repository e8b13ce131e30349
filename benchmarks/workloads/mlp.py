"""(c) A small dense network on 64 digits: 784 → 512 → 10, with Adam."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.libraries import Library
from benchmarks.workloads.training import random_data, training_step


def network(torch):
    """Two linear layers and a ReLU."""
    nn = torch.nn
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))


def prepare(library: Library, batch: int = 64) -> Callable[[], float]:
    """A whole step."""
    model = library.network(network(library.torch))
    step = training_step(library, model, library.optimizer("Adam", model, lr=1e-5))
    return partial(step, *random_data(library, (batch, 784)))
