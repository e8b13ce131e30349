"""Boxes of images, and images of another size: resampling as a product with a matrix for each axis.

Bilinear resampling gives each output pixel a weighted mean of the inputs around its place. The weights of rows and of
columns are independent, so the whole is W_rows @ image @ W_columns.T, for a batch of different boxes as well.
"""

from __future__ import annotations

import numpy as np

from tinytorch.core.engine import TinyTorchError
from tinytorch.given.random import Generator

MODES = ("nearest", "bilinear")
ATTEMPTS = 10  # boxes drawn for each image; the first that fits is taken


def check_mode(mode: str) -> str:
    """`mode`, if it is one that we have; else TinyTorchError."""
    if mode not in MODES:
        raise TinyTorchError(f"Expected interpolation out of {', '.join(MODES)}, found {mode!r}.")
    return mode


def resample(
    images: np.ndarray, boxes: np.ndarray, size: tuple[int, int], mode: str = "bilinear", antialias: bool = True
) -> np.ndarray:
    """The boxes of images (N, C, H, W), each brought to `size`: (N, C, *size), of the same dtype (integers rounded).

    boxes: int (N, 4) or (1, 4), each (top, left, height, width). With `antialias` shrinking takes the mean over all
    pixels that an output pixel covers, as Pillow does; without, only of its nearest neighbours.
    """
    rows = axis_weights(boxes[:, 0], boxes[:, 2], images.shape[2], size[0], mode, antialias)
    columns = axis_weights(boxes[:, 1], boxes[:, 3], images.shape[3], size[1], mode, antialias)
    exact = images if images.dtype.kind == "f" else images.astype(np.float32)
    rows, columns = (weights.astype(exact.dtype)[:, None] for weights in (rows, columns))  # (N or 1, 1, out, in)
    out = np.matmul(np.matmul(rows, exact), columns.swapaxes(-1, -2))
    if images.dtype.kind == "f":
        return out
    bounds = np.iinfo(images.dtype)
    return np.clip(np.rint(out), bounds.min, bounds.max).astype(images.dtype)


def axis_weights(
    starts: np.ndarray, lengths: np.ndarray, size_in: int, size_out: int, mode: str, antialias: bool
) -> np.ndarray:
    """Weights float64 (N, size_out, size_in): row i says of which input pixels output pixel i is the mean.

    Pixel j covers [j, j + 1]; pixels outside of start … start + length have no weight.
    """
    starts, lengths = np.asarray(starts)[:, None, None], np.asarray(lengths)[:, None, None]
    scale = lengths / size_out
    places, pixels = np.arange(size_out)[:, None], np.arange(size_in)
    if mode == "nearest":
        return (pixels == starts + np.floor(places * scale)).astype(np.float64)
    centres = starts + (places + 0.5) * scale
    reach = np.maximum(scale, 1.0) if antialias else 1.0
    weights = np.maximum(0.0, 1.0 - np.abs(pixels + 0.5 - centres) / reach)
    weights *= (pixels >= starts) & (pixels < starts + lengths)
    return weights / weights.sum(axis=2, keepdims=True)


def whole_image(images: np.ndarray) -> np.ndarray:
    """The one box that is all of an image: (1, 4)."""
    return np.array([[0, 0, *images.shape[2:]]])


def draw_boxes(
    generator: Generator, count: int, size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """`count` random boxes int64 (count, 4) inside an image of `size`, and for each whether one was found, (count,).

    `scale`: the box's share of the area; `ratio`: width over height, evenly spread on a logarithmic scale.
    """
    height, width = size
    share, shape, down, across = generator.uniform((4, count, ATTEMPTS), np.float64)
    area = height * width * (scale[0] + (scale[1] - scale[0]) * share)
    low, high = np.log(ratio)
    aspect = np.exp(low + (high - low) * shape)
    heights, widths = (np.rint(np.sqrt(area / aspect)).astype(int), np.rint(np.sqrt(area * aspect)).astype(int))
    fits = (heights > 0) & (heights <= height) & (widths > 0) & (widths <= width)
    first = np.arange(count), fits.argmax(axis=1)
    h, w = np.clip(heights[first], 1, height), np.clip(widths[first], 1, width)
    top, left = (down[first] * (height - h + 1)).astype(int), (across[first] * (width - w + 1)).astype(int)
    return np.stack([top, left, h, w], axis=1), fits.any(axis=1)


def inside(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask bool (N, 1, H, W): which pixels lie in their image's box."""
    rows, columns = np.arange(size[0])[:, None], np.arange(size[1])
    top, left, height, width = boxes.T[:, :, None, None]
    return ((rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width))[:, None]
