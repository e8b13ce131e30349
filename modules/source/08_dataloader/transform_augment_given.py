"""RandAugment: a few operations out of a list, for each image others, all at one strength."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.engine import TinyTorchError
from tinytorch.given.random import Generator
from tinytorch.given.transform_arguments import check_bytes, check_colours
from tinytorch.given.transform_base import Transform
from tinytorch.given.transform_colour import adjust_brightness, adjust_contrast, adjust_saturation

#| face transforms: RandAugment

ROTATION, SHEAR, SHIFT, COLOUR = 30.0, 0.3, 150 / 331, 0.9  # the strongest: degrees, slope, share of the side, factor


def move(images: np.ndarray, matrices: np.ndarray, fill: float = 0) -> np.ndarray:
    """Images seen through `matrices` (N, 2, 3), which take a place (x, y, 1) of the result to its source.

    Places are measured from the middle of the image, in pixels; the nearest pixel is taken, outside there is `fill`.
    """
    height, width = images.shape[2:]
    y, x = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    places = np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    source_x, source_y = np.moveaxis(matrices @ places, 1, 0)  # (N, H * W) each
    columns = np.rint(source_x + (width - 1) / 2).astype(int).reshape(-1, height, width)
    rows = np.rint(source_y + (height - 1) / 2).astype(int).reshape(-1, height, width)
    outside = (rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)
    numbers = np.arange(len(images))[:, None, None]
    taken = images[numbers, :, np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]  # (N, H, W, C)
    taken[outside] = fill
    return np.ascontiguousarray(taken.transpose(0, 3, 1, 2))


def _matrices(images: np.ndarray, xx: Any = 1.0, xy: Any = 0.0, x: Any = 0.0, yx: Any = 0.0, yy: Any = 1.0,
              y: Any = 0.0) -> np.ndarray:
    entries = np.broadcast_arrays(np.zeros(len(images)), xx, xy, x, yx, yy, y)[1:]
    return np.stack(entries, axis=1).reshape(-1, 2, 3).astype(np.float64)


def shear_x(images: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Rows shifted in proportion to their distance from the middle."""
    return move(images, _matrices(images, xy=SHEAR * strength))


def shear_y(images: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Columns shifted in proportion to their distance from the middle."""
    return move(images, _matrices(images, yx=SHEAR * strength))


def translate_x(images: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Shifted to the side by whole pixels."""
    return move(images, _matrices(images, x=-np.trunc(SHIFT * images.shape[3] * strength)))


def translate_y(images: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Shifted up or down by whole pixels."""
    return move(images, _matrices(images, y=-np.trunc(SHIFT * images.shape[2] * strength)))


def rotate(images: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Turned about the middle, for positive strength against the clock."""
    angle = np.deg2rad(ROTATION * strength)
    return move(images, _matrices(images, np.cos(angle), -np.sin(angle), 0.0, np.sin(angle), np.cos(angle)))


def posterize(images: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Fewer bits for each colour: 8 down to 4."""
    lost = np.rint(4 * np.abs(strength)).astype(np.uint8)[:, None, None, None]
    return (images >> lost) << lost


def solarize(images: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Values above a threshold inverted."""
    threshold = 255.0 * (1.0 - np.abs(strength))[:, None, None, None]
    return np.where(images >= threshold, 255 - images, images)


def autocontrast(images: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """The darkest value of each channel becomes 0, the brightest 255."""
    low = images.min(axis=(2, 3), keepdims=True).astype(np.float32)
    high = images.max(axis=(2, 3), keepdims=True).astype(np.float32)
    flat = high == low
    scaled = (images - low) * (np.float32(255) / np.where(flat, 1, high - low))
    return np.where(flat, images, np.clip(scaled, 0, 255).astype(np.uint8))


OPERATIONS = {
    "identity": lambda images, strength: images,
    "shear_x": shear_x,
    "shear_y": shear_y,
    "translate_x": translate_x,
    "translate_y": translate_y,
    "rotate": rotate,
    "brightness": lambda images, strength: adjust_brightness(images, 1 + COLOUR * strength),
    "saturation": lambda images, strength: adjust_saturation(images, 1 + COLOUR * strength),
    "contrast": lambda images, strength: adjust_contrast(images, 1 + COLOUR * strength),
    "posterize": posterize,
    "solarize": solarize,
    "autocontrast": autocontrast,
}


class RandAugment(Transform):
    """Applies `num_ops` random operations to each uint8 image, at strength `magnitude` out of num_magnitude_bins - 1.

    The operations are the table OPERATIONS: torchvision's without sharpness and equalising; images are sheared about
    their middle, and the nearest pixel is taken. Source: Cubuk et al., "RandAugment", 2020.
    """

    def __init__(self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31):
        if not all(isinstance(n, int) and not isinstance(n, bool) for n in (num_ops, magnitude, num_magnitude_bins)):
            raise TinyTorchError("Expected num_ops, magnitude and num_magnitude_bins as whole numbers, found others.")
        if num_ops < 0 or num_magnitude_bins < 2 or not 0 <= magnitude < num_magnitude_bins:
            raise TinyTorchError(
                f"Expected num_ops of at least 0 and a magnitude below num_magnitude_bins={num_magnitude_bins}, found "
                f"num_ops={num_ops}, magnitude={magnitude}."
            )
        self.num_ops, self.strength = num_ops, magnitude / (num_magnitude_bins - 1)

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        check_bytes(images, "RandAugment")
        check_colours(images, "RandAugment")
        out = images.copy()
        for _ in range(self.num_ops):
            choice = generator.integers(0, len(OPERATIONS), (len(images),))
            signs = 1.0 - 2.0 * generator.integers(0, 2, (len(images),))
            for number, operation in enumerate(OPERATIONS.values()):
                rows = np.flatnonzero(choice == number)
                if len(rows):
                    out[rows] = operation(out[rows], self.strength * signs[rows])
        return out
