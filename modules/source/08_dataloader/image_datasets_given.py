"""Data sets of images: all images in one uint8 array, so that a batch is one index operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tinytorch.core.engine import IndexingError
from tinytorch.core.tensor import as_tensor, from_numpy
from tinytorch.given.dataset_base import Dataset
from tinytorch.given.image_files import CIFAR10_CLASSES, read_cifar10, read_digits, read_mnist
from tinytorch.given.random import Generator
from tinytorch.given.synthetic import CLASSES, draw_images
from tinytorch.given.transform_base import apply_transform

#| face datasets: CIFAR10, MNIST, Digits, SyntheticImages


class ImageDataset(Dataset):
    """Images uint8 (N, C, H, W), labels int64 (N,). Item i is (image Tensor, label int); a batch is [images, labels].

    `transform` receives arrays: the whole batch if it has `batched = True`, else one image (C, H, W) at a time.
    Without one, images come as uint8 Tensors.
    """

    classes: ClassVar[Sequence[str]] = ()

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Callable | None = None):
        self.images, self.labels, self.transform = images, np.asarray(labels, dtype=np.int64), transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        if not -len(self) <= index < len(self):
            raise IndexingError(f"Expected an index below {len(self)}, found {index}.")
        image = self.images[index].copy()
        if self.transform is not None:
            image = apply_transform(self.transform, image, None)
        return as_tensor(image), int(self.labels[index])

    def get_batch(self, indices: Sequence[int], generator: Generator | None = None) -> list | None:
        """[images, labels] of these numbers; None if the transform wants one image at a time."""
        if self.transform is not None and not getattr(self.transform, "batched", False):
            return None
        rows = np.asarray(indices)
        images = self.images[rows]
        if self.transform is not None:
            images = apply_transform(self.transform, images, generator)
        return [as_tensor(images), from_numpy(self.labels[rows])]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} images {self.images.shape[1:]}, {len(self.classes)} classes)"


def data_folder(name: str, root: str | Path | None, download: bool) -> Path:
    """Return the folder of the data set `name`; `download` fetches what is missing."""
    from tinytorch.given.downloads import fetch, find  # the libraries of the network, only when data are asked for

    return fetch(name, root) if download else find(name, root)


class CIFAR10(ImageDataset):
    """50,000 training or 10,000 test images (3, 32, 32) in ten classes.

    `root`: the folder of data sets (default: TINYTORCH_DATA, or the cache). `download` fetches what is missing, else
    DataNotFound is raised. Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """

    classes = CIFAR10_CLASSES

    def __init__(self, root: Path | str | None = None, train: bool = True, transform: Callable | None = None, *,
                 download: bool = False):
        folder = data_folder("cifar10", root, download)
        super().__init__(*read_cifar10(folder, train), transform)


class MNIST(ImageDataset):
    """60,000 training or 10,000 test images (1, 28, 28) of handwritten digits. `root` and `download` as for CIFAR10.

    Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
    """

    classes = tuple("0123456789")

    def __init__(self, root: Path | str | None = None, train: bool = True, transform: Callable | None = None, *,
                 download: bool = False):
        images, labels = read_mnist(data_folder("mnist", root, download), train)
        super().__init__(images[:, None], labels, transform)


class Digits(ImageDataset):
    """1,437 training or 360 test images (1, 8, 8) of digits: four fifths of the embedded file, and the rest."""

    classes = tuple("0123456789")

    def __init__(self, train: bool = True, transform: Callable | None = None):
        images, labels = read_digits()
        part = slice(None, 1437) if train else slice(1437, None)
        super().__init__(images[part, None], labels[part], transform)


class SyntheticImages(ImageDataset):
    """Drawn images (3, 32, 32) of ten figures: a function of (seed, train); by default 10,000 or 2,000."""

    classes = CLASSES

    def __init__(self, train: bool = True, size: int | None = None, seed: int = 0, transform: Callable | None = None):
        count = size if size is not None else 10_000 if train else 2_000
        super().__init__(*draw_images(count, 2 * seed + (0 if train else 1)), transform)
