"""Transforms that move pixels: padding, mirroring, cutting, changing the size."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.engine import ShapeError, TinyTorchError
from tinytorch.given.random import Generator
from tinytorch.given.resampling import check_mode, draw_boxes, resample, whole_image
from tinytorch.given.transform_arguments import borders, interval, pair, probability
from tinytorch.given.transform_base import Transform

#| face transforms: Pad, RandomVerticalFlip, CenterCrop, Resize, RandomResizedCrop

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


class Pad(Transform):
    """Adds a border. `padding`: one number, (left/right, top/bottom), or (left, top, right, bottom).

    `padding_mode` "constant" fills with `fill`, one number or one for each channel; "edge" repeats the last pixel,
    "reflect" mirrors at the last pixel, "symmetric" mirrors with it.
    """

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant"):
        if padding_mode not in PADDING_MODES:
            raise TinyTorchError(f"Expected padding_mode out of {', '.join(PADDING_MODES)}, found {padding_mode!r}.")
        self.padding, self.fill, self.padding_mode = borders(padding), fill, padding_mode

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        left, top, right, bottom = self.padding
        if not any(self.padding):
            return images.copy()
        if self.padding_mode != "constant":
            return np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)), mode=self.padding_mode)
        count, channels, height, width = images.shape
        fill = np.asarray(self.fill).reshape(-1, 1, 1)
        if len(fill) not in (1, channels):
            raise ShapeError(f"Expected one fill value or {channels}, one for each channel, found {len(fill)}.")
        padded = np.empty((count, channels, top + height + bottom, left + width + right), dtype=images.dtype)
        padded[...] = fill.astype(images.dtype)  # a copy that converts each number is slow
        padded[:, :, top : top + height, left : left + width] = images
        return padded


class CropPadding(Transform):
    """The padding before a random crop: `padding` (or None), then, with `if_needed`, up to `size` on both sides."""

    def __init__(self, size: Any, padding: Any, if_needed: bool, fill: Any, padding_mode: str):
        self.size, self.if_needed = pair(size), if_needed
        self.pad = Pad(0 if padding is None else padding, fill, padding_mode)

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        padded = self.pad.apply(images, generator) if any(self.pad.padding) else images
        if not self.if_needed:
            return padded
        rows, columns = (max(0, wanted - found) for wanted, found in zip(self.size, padded.shape[2:], strict=True))
        return Pad((columns, rows), self.pad.fill, self.pad.padding_mode).apply(padded, generator)


class RandomVerticalFlip(Transform):
    """Mirrors each image top to bottom with probability `p`."""

    def __init__(self, p: float = 0.5):
        self.p = probability(p)

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        chosen = generator.uniform((len(images),)) < self.p
        out = images.copy()
        out[chosen] = images[chosen, :, ::-1]
        return out


class CenterCrop(Transform):
    """Cuts a window of `size` out of the middle; an image that is smaller is padded with zeros first."""

    def __init__(self, size: Any):
        self.size = pair(size)

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        missing = [max(0, wanted - found) for wanted, found in zip(self.size, images.shape[2:], strict=True)]
        (top, left), (height, width) = (n // 2 for n in missing), self.size
        images = Pad((left, top, missing[1] - left, missing[0] - top)).apply(images, generator)
        top, left = (round((found - n) / 2) for found, n in zip(images.shape[2:], self.size, strict=True))
        return images[:, :, top : top + height, left : left + width].copy()


class Resize(Transform):
    """Images of another size: (height, width), or one number for the shorter side, the other in proportion.

    `interpolation`: "bilinear" or "nearest". `antialias` takes the mean over all pixels when shrinking, as Pillow does.
    """

    def __init__(self, size: Any, interpolation: str = "bilinear", antialias: bool = True):
        self.size = int(pair(size)[0]) if isinstance(size, int | np.integer) else pair(size)
        self.interpolation, self.antialias = check_mode(interpolation), antialias

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        size = self.size
        if isinstance(size, int):
            height, width = images.shape[2:]
            size = (size, size * width // height) if height <= width else (size * height // width, size)
        return resample(images, whole_image(images), size, self.interpolation, self.antialias)


class RandomResizedCrop(Transform):
    """A random box of each image, resized to `size`.

    `scale`: the box's share of the area; `ratio`: its width over its height. Where no box fits in ten attempts, the
    largest in the middle of an allowed ratio is taken. Source: Szegedy et al., "Going deeper with convolutions", 2015.
    """

    def __init__(self, size: Any, scale: Any = (0.08, 1.0), ratio: Any = (3 / 4, 4 / 3),
                 interpolation: str = "bilinear", antialias: bool = True):
        self.size, self.scale = pair(size), interval(scale, "scale")
        self.ratio = interval(ratio, "ratio", least=1e-6)
        self.interpolation, self.antialias = check_mode(interpolation), antialias

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        size = images.shape[2:]
        boxes, found = draw_boxes(generator, len(images), size, self.scale, self.ratio)
        boxes[~found] = self._middle(*size)
        return resample(images, boxes, self.size, self.interpolation, self.antialias)

    def _middle(self, height: int, width: int) -> tuple[int, int, int, int]:
        """The largest box in the middle whose ratio is allowed."""
        low, high = self.ratio
        h, w = height, width
        if width / height < low:
            h = max(1, round(width / low))
        elif width / height > high:
            w = max(1, round(height * high))
        return (height - h) // 2, (width - w) // 2, h, w
