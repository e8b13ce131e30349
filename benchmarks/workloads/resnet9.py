"""(b) A ResNet-9 for images of 32×32, on 64 of them: eight convolutions, two shortcuts, one linear layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.libraries import Library
from benchmarks.workloads.training import random_data, training_step


def network(torch, width=64):
    """64 → 128 → 256 → 512 channels; a residual block at 128 and at 512 channels."""
    nn = torch.nn

    def block(inner, outer, pool=False):
        layers = [nn.Conv2d(inner, outer, 3, padding=1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]
        return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))

    class Residual(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.inner = nn.Sequential(block(channels, channels), block(channels, channels))

        def forward(self, x):
            return x + self.inner(x)

    return nn.Sequential(
        block(3, width), block(width, 2 * width, pool=True), Residual(2 * width),
        block(2 * width, 4 * width, pool=True), block(4 * width, 8 * width, pool=True), Residual(8 * width),
        nn.MaxPool2d(4), nn.Flatten(), nn.Linear(8 * width, 10),
    )  # fmt: skip


def prepare(library: Library, batch: int = 64, width: int = 64) -> Callable[[], float]:
    """A whole step with SGD and momentum."""
    model = library.network(network(library.torch, width))
    settings = {"lr": 1e-4, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
    step = training_step(library, model, library.optimizer("SGD", model, **settings))
    return partial(step, *random_data(library, (batch, 3, 32, 32)))
