"""(a) The reference network on 128 images: three blocks of convolution, batch norm, ReLU and max pooling."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.libraries import Library
from benchmarks.workloads.training import random_data, training_step


def network(torch):
    """3 → 32 → 64 → 128 channels, each block halves the image, then one linear layer."""
    nn, layers = torch.nn, []
    for inner, outer in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inner, outer, 3, padding=1, bias=False), nn.BatchNorm2d(outer), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4 * 4, 10))


def prepare(library: Library, batch: int = 128) -> Callable[[], float]:
    """A whole step: forward, cross-entropy, backward, and the optimizer of `tito train cifar10`."""
    data = random_data(library, (batch, 3, 32, 32))
    return partial(prepare_on_batches(library), *data)


def prepare_on_batches(library: Library) -> Callable[[Any, Any], float]:
    """The same step, on images and labels that are given to it."""
    model = library.network(network(library.torch))
    settings = {"lr": 1e-4, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    return training_step(library, model, library.optimizer("SGD", model, **settings))
