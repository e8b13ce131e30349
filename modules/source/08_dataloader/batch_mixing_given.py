"""MixUp and CutMix: each image of a batch mixed with its neighbour, and the targets with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError
from tinytorch.core.tensor import Tensor, from_numpy
from tinytorch.given.random import DEFAULT_GENERATOR, Generator
from tinytorch.given.resampling import inside
from tinytorch.given.seeds import fold_in

#| face transforms: MixUp, CutMix


class BatchMixing:
    """Called with a batch of images (N, C, H, W) and its labels; returns mixed images and soft targets (N, classes).

    Labels are class numbers (N,), which need `num_classes`, or probabilities (N, classes). The share of an image's own
    part is drawn from Beta(alpha, alpha), once a batch; the other part comes from the image before it. In a loader's
    `collate_fn` the draw is a function of (seed, epoch, position). A subclass defines `mix(images, share, generator)`.
    """

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None):
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < np.inf:
            raise TinyTorchError(f"Expected alpha as a number above 0, found {alpha!r}.")
        self.alpha, self.num_classes = float(alpha), num_classes

    def __call__(self, images: Any, labels: Any, generator: Generator | None = None) -> tuple[Any, Any]:
        generator = generator or DEFAULT_GENERATOR
        array, targets = _array(images), _array(labels)
        if array.ndim != 4 or len(targets) != len(array):
            raise ShapeError(
                f"Expected images (N, C, H, W) and N labels, found shapes {array.shape} and {targets.shape}."
            )
        targets = self._soft(targets)
        share = np.random.Generator(np.random.Philox(key=fold_in(*generator.reserve(1)))).beta(self.alpha, self.alpha)
        mixed, share = self.mix(array, share, generator)
        share = targets.dtype.type(share)
        targets = share * targets + (1 - share) * np.roll(targets, 1, axis=0)
        return tuple(from_numpy(a) if isinstance(images, Tensor) else a for a in (mixed, targets))

    def mix(self, images: np.ndarray, share: float, generator: Generator) -> tuple[np.ndarray, float]:
        """The mixed images, and the share that each image has kept."""
        raise NotImplementedError(f"{type(self).__name__}.mix: not implemented yet")

    def _soft(self, labels: np.ndarray) -> np.ndarray:
        """Targets float (N, classes)."""
        if labels.ndim == 2 and labels.dtype.kind == "f":
            return labels
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise DTypeError(
                f"Expected labels as class numbers (N,) or probabilities (N, classes), found {labels.dtype} of shape "
                f"{labels.shape}."
            )
        if self.num_classes is None:
            raise TinyTorchError(f"Expected num_classes in {type(self).__name__} for class numbers, found None.")
        if labels.size and not 0 <= labels.min() <= labels.max() < self.num_classes:
            raise TinyTorchError(
                f"Expected labels below num_classes={self.num_classes}, found {labels.min()} to {labels.max()}."
            )
        return np.eye(self.num_classes, dtype=np.float32)[labels]


class MixUp(BatchMixing):
    """Weighted means of pairs of images. Source: Zhang et al., "mixup: beyond empirical risk minimization", 2018."""

    def mix(self, images: np.ndarray, share: float, generator: Generator) -> tuple[np.ndarray, float]:
        if images.dtype.kind != "f":
            raise DTypeError(f"Expected float images in MixUp, found {images.dtype}: put ToFloat() before it.")
        part = images.dtype.type(share)
        return part * images + (1 - part) * np.roll(images, 1, axis=0), share


class CutMix(BatchMixing):
    """A box of each image replaced by that of its neighbour. Source: Yun et al., "CutMix", 2019."""

    def mix(self, images: np.ndarray, share: float, generator: Generator) -> tuple[np.ndarray, float]:
        height, width = images.shape[2:]
        row, column = (int(generator.integers(0, side, ())) for side in (height, width))
        reach = 0.5 * np.sqrt(1.0 - share)
        top, bottom = max(row - int(reach * height), 0), min(row + int(reach * height), height)
        left, right = max(column - int(reach * width), 0), min(column + int(reach * width), width)
        box = np.array([[top, left, bottom - top, right - left]])
        mixed = np.where(inside(box, (height, width)), np.roll(images, 1, axis=0), images)
        return mixed, 1.0 - (bottom - top) * (right - left) / (height * width)


def _array(value: Any) -> np.ndarray:
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)
