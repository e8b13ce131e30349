"""Transforms made of functions and of other transforms, and those that erase a part of each image."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError
from tinytorch.core.tensor import Tensor
from tinytorch.given.random import Generator
from tinytorch.given.resampling import draw_boxes, inside
from tinytorch.given.transform_arguments import interval, pair, probability
from tinytorch.given.transform_base import Compose, Transform, apply_transform

#| face transforms: Lambda, RandomApply, RandomErasing, Cutout


class Lambda(Transform):
    """A function as a transform: called with each image (C, H, W) as array, or, with `whole`, with the batch."""

    def __init__(self, lambd: Callable, whole: bool = False):
        if not callable(lambd):
            raise DTypeError(f"Expected a function of an image, found {lambd!r}.")
        self.lambd, self.whole = lambd, whole

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        if self.whole:
            return _array(self.lambd(images))
        results = [_array(self.lambd(image)) for image in images]
        if len({result.shape for result in results}) > 1:
            raise ShapeError(f"Expected images of one shape from the function, found {[r.shape for r in results][:4]}.")
        return np.stack(results) if results else images.copy()


class RandomApply(Transform):
    """Applies the transforms to each image with probability `p`; they must keep shape and dtype."""

    def __init__(self, transforms: Iterable[Callable], p: float = 0.5):
        self.transforms, self.p = Compose(transforms), probability(p)
        self.batched = self.transforms.batched

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        rows = np.flatnonzero(generator.uniform((len(images),)) < self.p)
        out = images.copy()
        if not len(rows):
            return out
        if self.batched:
            changed = _array(apply_transform(self.transforms, images[rows], generator))
        else:
            changed = np.stack([_array(apply_transform(self.transforms, image, generator)) for image in images[rows]])
        if changed.shape[1:] != images.shape[1:] or changed.dtype != images.dtype:
            raise ShapeError(
                f"Expected transforms that keep {images.dtype} {images.shape[1:]} in RandomApply, found "
                f"{changed.dtype} {changed.shape[1:]}."
            )
        out[rows] = changed
        return out


class RandomErasing(Transform):
    """Erases a random box of each image with probability `p`.

    `scale`: the box's share of the area; `ratio`: its height over its width; `value`: what it is filled with, one
    number, one for each channel, or "random" for standard normal noise. An image in which no box fits stays as it is.
    Source: Zhong et al., "Random erasing data augmentation", 2020.
    """

    def __init__(self, p: float = 0.5, scale: Any = (0.02, 0.33), ratio: Any = (0.3, 3.3), value: Any = 0):
        self.p, self.scale = probability(p), interval(scale, "scale")
        self.ratio, self.value = interval(ratio, "ratio", least=1e-6), value

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        chosen = generator.uniform((len(images),)) < self.p
        low, high = self.ratio
        boxes, found = draw_boxes(generator, len(images), images.shape[2:], self.scale, (1 / high, 1 / low))
        mask = inside(boxes, images.shape[2:]) & (chosen & found)[:, None, None, None]
        return np.where(mask, self._filling(images, generator), images)

    def _filling(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        if isinstance(self.value, str):
            if self.value != "random" or images.dtype.kind != "f":
                raise DTypeError(
                    f'Expected value "random" with float images, or numbers, found {self.value!r} with {images.dtype}.'
                )
            return generator.normal(images.shape, images.dtype)
        value = np.asarray(self.value).reshape(-1, 1, 1)
        if len(value) not in (1, images.shape[1]):
            raise ShapeError(f"Expected one value or {images.shape[1]}, one for each channel, found {len(value)}.")
        return value.astype(images.dtype)


class Cutout(Transform):
    """Erases a window of `size` around a random pixel of each image; what lies outside of the image is cut off.

    Source: DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
    """

    def __init__(self, size: Any, fill: float = 0):
        self.size, self.fill = pair(size), fill

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        count, _, height, width = images.shape
        rows = generator.integers(0, height, (count,)) - self.size[0] // 2
        columns = generator.integers(0, width, (count,)) - self.size[1] // 2
        boxes = np.stack([rows, columns, np.full(count, self.size[0]), np.full(count, self.size[1])], axis=1)
        return np.where(inside(boxes, (height, width)), np.asarray(self.fill).astype(images.dtype), images)


def _array(value: Any) -> np.ndarray:
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)
