"""Transforms that change colours. Bytes are 0 … 255, floats 0 … 1; results stay within."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.engine import ShapeError, TinyTorchError
from tinytorch.given.random import Generator
from tinytorch.given.transform_arguments import check_colours, factors, interval, probability
from tinytorch.given.transform_base import Transform

#| face transforms: ToTensor, Grayscale, RandomGrayscale, ColorJitter

RED, GREEN, BLUE = (np.float32(weight) for weight in (0.2989, 0.587, 0.114))  # of ITU-R BT.601, as everybody has them


class ToTensor(Transform):
    """Bytes 0 … 255 become float32 0 … 1; floats stay. PyTorch's name for what ToFloat does."""

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        return images / np.float32(255) if images.dtype == np.uint8 else images.copy()


def grey(images: np.ndarray) -> np.ndarray:
    """Brightness (N, 1, H, W): a weighted mean of red, green and blue; of bytes a float32 whole number."""
    if images.shape[1] == 1:
        return images.astype(np.float32) if images.dtype == np.uint8 else images
    values = RED * images[:, 0:1] + GREEN * images[:, 1:2] + BLUE * images[:, 2:3]
    return np.floor(values) if images.dtype == np.uint8 else values.astype(images.dtype)


def blend(images: np.ndarray, other: Any, factor: np.ndarray) -> np.ndarray:
    """factor · images + (1 - factor) · other, clipped; factor (N,): 0 gives the other, 1 the images."""
    bound, exact = (1.0, images.dtype) if images.dtype.kind == "f" else (255.0, np.float32)
    factor = np.asarray(factor, dtype=exact)[:, None, None, None]
    return np.clip(factor * images + (1 - factor) * other, 0, bound).astype(images.dtype)


def adjust_brightness(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Blend with black."""
    return blend(images, np.float32(0), factor)


def adjust_contrast(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Blend with each image's mean brightness."""
    return blend(images, grey(images).mean(axis=(1, 2, 3), keepdims=True), factor)


def adjust_saturation(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Blend with grey; a grey image stays as it is."""
    return images if images.shape[1] == 1 else blend(images, grey(images), factor)


def adjust_hue(images: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Turn the circle of colours by `shift` (N,), in turns: 1 is all the way round; a grey image stays as it is."""
    if images.shape[1] == 1:
        return images
    exact = images if images.dtype.kind == "f" else images.astype(np.float32) / np.float32(255)
    hue, chroma, high = _hue(exact)
    hue = (hue + np.asarray(shift, dtype=exact.dtype)[:, None, None] * 6) % 6
    places = (hue[:, None] + np.array([5, 3, 1], dtype=exact.dtype)[:, None, None]) % 6  # red, green, blue
    out = high[:, None] - chroma[:, None] * np.clip(np.minimum(places, 4 - places), 0, 1)
    return out if images.dtype.kind == "f" else (out * np.float32(255.999)).astype(images.dtype)


def _hue(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hue 0 … 6, the largest minus the smallest, and the largest of the three colours: (N, H, W) each.

    Source: Smith, "Color gamut transform pairs", SIGGRAPH 1978.
    """
    red, green, blue = images.transpose(1, 0, 2, 3)
    high = images.max(axis=1)
    chroma = high - images.min(axis=1)
    unit = np.where(chroma == 0, 1, chroma)
    hue = np.where(high == green, 2 + (blue - red) / unit, 4 + (red - green) / unit)
    return np.where(high == red, (green - blue) / unit, hue) % 6, chroma, high


class Grayscale(Transform):
    """Brightness instead of colour, in one channel or, with `num_output_channels=3`, three equal ones."""

    def __init__(self, num_output_channels: int = 1):
        if num_output_channels not in (1, 3):
            raise ShapeError(f"Expected 1 or 3 output channels, found {num_output_channels!r}.")
        self.num_output_channels = num_output_channels

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        check_colours(images, "Grayscale")
        return np.repeat(grey(images).astype(images.dtype), self.num_output_channels, axis=1)


class RandomGrayscale(Transform):
    """Each image becomes grey with probability `p`; the number of channels stays."""

    def __init__(self, p: float = 0.1):
        self.p = probability(p)

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        check_colours(images, "RandomGrayscale")
        chosen = generator.uniform((len(images),)) < self.p
        out = images.copy()
        out[chosen] = grey(images[chosen]).astype(images.dtype)
        return out


class ColorJitter(Transform):
    """Changes brightness, contrast, saturation and hue of each image by random amounts, in a random order.

    A number v draws the factor from max(0, 1 - v) … 1 + v, a pair from that range. `hue` is a shift in turns: a number
    of at most 0.5 draws from -hue … hue.
    """

    STEPS = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
    NEUTRAL = ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.0, 0.0))

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0):
        named = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        self.ranges = (*(factors(value, name) for name, value in named.items()), _shifts(hue))

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        check_colours(images, "ColorJitter")
        low, high = np.array(self.ranges).T
        factor = low + (high - low) * generator.uniform((len(images), len(self.STEPS)), np.float64)
        order = generator.uniform((len(images), len(self.STEPS))).argsort(axis=1)
        out = images.copy()
        for turn in range(len(self.STEPS)):
            for number, step in enumerate(self.STEPS):
                rows = np.flatnonzero(order[:, turn] == number)
                if len(rows) and self.ranges[number] != self.NEUTRAL[number]:
                    out[rows] = step(out[rows], factor[rows, number])
        return out


def _shifts(hue: Any) -> tuple[float, float]:
    low, high = (-hue, hue) if isinstance(hue, int | float) else interval(hue, "hue", least=-0.5)
    if not -0.5 <= low <= high <= 0.5:
        raise TinyTorchError(f"Expected hue as a number from 0 to 0.5 or a range within -0.5 to 0.5, found {hue!r}.")
    return float(low), float(high)
