"""A batch of `tito train cifar10` on the real images, loading included: 391 of these steps are an epoch.

Same network, recipe and images in both libraries. TinyTorch reads them as `tito train` does: a data set with transforms
behind a DataLoader. PyTorch gets the fastest loading that it allows without further packages: all images in one tensor,
a whole batch gathered, shifted and mirrored at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.libraries import Library
from benchmarks.workloads.cnn import network
from tito.training.recipes import RECIPES

RECIPE = RECIPES["cifar10"]
RECORD = 1 + 3 * 32 * 32  # bytes: the label, then the pixels, channel by channel
STEPS = RECIPE.epochs * -(-50_000 // RECIPE.batch_size)


def folder() -> Path:
    """Where the unpacked binary archive lies."""
    root = os.environ.get("TINYTORCH_DATA")
    return (Path(root) if root else Path.home() / ".cache" / "tinytorch") / "cifar-10-batches-bin"


def read_images() -> tuple[np.ndarray, np.ndarray]:
    """The training images (50000, 3, 32, 32), uint8, and their labels, int64."""
    files = [folder() / f"data_batch_{i}.bin" for i in range(1, 6)]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise SystemExit(f"expected CIFAR-10, found no {missing[0]}: fetch it with `tito data get cifar10`.")
    records = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, RECORD) for file in files])
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


def statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel, of numbers in [0, 1]."""
    pixels = images.transpose(1, 0, 2, 3).reshape(3, -1)
    return (pixels.mean(1) / 255).astype("float32"), (pixels.std(1) / 255).astype("float32")


def our_batches(images: np.ndarray) -> Iterator[tuple[Any, Any]]:
    """Batches without end, as `tito train` loads them."""
    from tinytorch.datasets import CIFAR10
    from tinytorch.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToFloat
    from tinytorch.utils.data import DataLoader

    vary = [RandomCrop(32, padding=RECIPE.crop), RandomHorizontalFlip()]
    dataset = CIFAR10(train=True, transform=Compose([ToFloat(), Normalize(*statistics(images)), *vary]))
    loader = DataLoader(dataset, batch_size=RECIPE.batch_size, shuffle=True)
    while True:
        yield from loader


def their_batches(torch: Any, images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[Any, Any]]:
    """The same in PyTorch: one gather for the window of every image of a batch."""
    mean, std = (torch.from_numpy(each).reshape(1, 3, 1, 1) for each in statistics(images))
    ready = (torch.from_numpy(images).float() / 255 - mean) / std
    pad, size = RECIPE.crop, 32
    padded = torch.nn.functional.pad(ready, (pad,) * 4).permute(0, 2, 3, 1).contiguous()
    wanted, span = torch.from_numpy(labels), torch.arange(size)
    while True:
        for chosen in torch.randperm(len(labels)).split(RECIPE.batch_size):
            count = len(chosen)
            top, left = torch.randint(0, 2 * pad + 1, (2, count, 1))
            flipped = torch.where(torch.rand(count, 1) < 0.5, span.flip(0), span)
            rows, columns = top + span, left + flipped
            batch = padded[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]
            yield batch.permute(0, 3, 1, 2), wanted[chosen]


def prepare(library: Library) -> Callable[[], float]:
    """A step on the next batch; it returns what must agree: the loss of the untrained network on the first images."""
    torch, (images, labels) = library.torch, read_images()
    model = library.network(network(torch))
    mean, std = (each.reshape(1, 3, 1, 1) for each in statistics(images))
    first = library.images(((images[:128] / np.float32(255) - mean) / std).astype("float32"))
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=RECIPE.label_smoothing)
    with torch.no_grad():
        loss_at_first = criterion(model(first), torch.from_numpy(labels[:128])).item()
    settings = {"lr": RECIPE.lr, "momentum": RECIPE.momentum, "nesterov": True, "weight_decay": RECIPE.weight_decay}
    optimizer = library.optimizer("SGD", model, **settings)
    rate = {"max_lr": RECIPE.lr, "total_steps": STEPS, "pct_start": RECIPE.warmup, "cycle_momentum": False}
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, **rate)
    batches = their_batches(torch, images, labels) if library.is_pytorch else our_batches(images)

    def step() -> float:
        x, y = next(batches)
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), RECIPE.clip_norm)
        optimizer.step()
        if scheduler.last_epoch < STEPS - 1:
            scheduler.step()
        loss.item()
        return loss_at_first

    return step
