"""A generator of small colour images in ten classes: CIFAR's shape without CIFAR's files.

An image shows one figure (disc, ring, cross, stripes …) of random colour, size, tilt and place before a darker, uneven
background, with noise over all of it. The class is the figure. Colour and place tell nothing, so comparing images
pixel by pixel (nearest neighbours) gets only part of the way, and a network that finds the figure wherever it lies
gets far.

Every image is a function of (seed, its number): the same on every machine, and the first 100 of 1,000 are the first
100 of 5,000.
"""

from __future__ import annotations

import numpy as np

from tinytorch.given.random import Generator

CLASSES = ("disc", "ring", "square", "frame", "triangle", "cross", "rows", "columns", "chequers", "dots")
SIZE = 32
CHUNK = 500  # images drawn together: the arrays in between stay in the cache
SETTINGS = 16  # random numbers that describe one image before its noise


def draw_images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` images uint8 (count, 3, 32, 32) and their labels int64 (count,), every class equally likely."""
    images = np.empty((count, 3, SIZE, SIZE), dtype=np.uint8)
    labels = np.empty(count, dtype=np.int64)
    for start in range(0, count, CHUNK):
        stop = min(start + CHUNK, count)
        random = Generator((seed * 1_000_003 + start // CHUNK) % 2**64)
        settings = random.uniform((CHUNK, SETTINGS))[: stop - start]
        noise = random.uniform((CHUNK, 3, SIZE, SIZE))[: stop - start]
        images[start:stop], labels[start:stop] = _draw_chunk(settings, noise)
    return images, labels


def _draw_chunk(settings: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels from random numbers in [0, 1): settings (n, 16), noise (n, 3, 32, 32)."""
    labels = (settings[:, 0] * len(CLASSES)).astype(np.int64)
    mask = _figures(labels, *_coordinates(settings[:, 1:5]))  # (n, 32, 32), 1 inside
    back, figure = _colours(settings[:, 5:11])
    shade = _shade(settings[:, 11:14])[:, None]  # (n, 1, 32, 32)
    colour = back[:, :, None, None] + mask[:, None] * (figure - back)[:, :, None, None]
    strength = 0.1 + 0.3 * settings[:, 14]
    values = colour + shade + (noise - 0.5) * strength[:, None, None, None]
    return (np.clip(values, 0, 1) * 255).astype(np.uint8), labels


def _coordinates(settings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (n, 32, 32) in which each figure lies upright in [-1, 1]²: undo its place, size and tilt."""
    line = (np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2) / (SIZE / 2)
    x, y = line[None, None, :], line[None, :, None]
    place_x, place_y, size, tilt = settings.astype(np.float32).T[:, :, None, None]
    size, tilt = 0.42 + 0.28 * size, 0.6 * (tilt - 0.5)
    x, y = x - 0.8 * (place_x - 0.5), y - 0.8 * (place_y - 0.5)
    return (np.cos(tilt) * x + np.sin(tilt) * y) / size, (np.cos(tilt) * y - np.sin(tilt) * x) / size


def _figures(labels: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """1 where the figure of the label is, else 0: float32 (n, 32, 32). u runs to the right, v down."""
    mask = np.zeros(u.shape, dtype=np.float32)
    for label, inside in enumerate(FIGURES):
        rows = labels == label
        mask[rows] = inside(u[rows], v[rows])
    return mask


def _box(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v))


def _round(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.sqrt(u * u + v * v)


def _waves(t: np.ndarray) -> np.ndarray:
    return np.sin(2.5 * np.pi * t)


# In the order of CLASSES.
FIGURES = (
    lambda u, v: _round(u, v) < 1,
    lambda u, v: (_round(u, v) < 1) & (_round(u, v) > 0.55),
    lambda u, v: _box(u, v) < 0.9,
    lambda u, v: (_box(u, v) < 0.95) & (_box(u, v) > 0.5),
    lambda u, v: (v < 0.8) & (v > 2 * np.abs(u) - 1),
    lambda u, v: (_box(u, v) < 1) & (np.minimum(np.abs(u), np.abs(v)) < 0.28),
    lambda u, v: (_box(u, v) < 1) & (_waves(v) > 0),
    lambda u, v: (_box(u, v) < 1) & (_waves(u) > 0),
    lambda u, v: (_box(u, v) < 1) & (_waves(u) * _waves(v) > 0),
    lambda u, v: (_box(u, v) < 1) & (_waves(u) > 0) & (_waves(v) > 0),
)


def _colours(settings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Background and figure, float32 (n, 3) each: a dark colour and one that is brighter in every channel."""
    back = 0.05 + 0.4 * settings[:, :3]
    figure = back + 0.12 + 0.38 * settings[:, 3:]
    return back.astype(np.float32), figure.astype(np.float32)


def _shade(settings: np.ndarray) -> np.ndarray:
    """A slope of light over the image, float32 (n, 32, 32), at most 0.15 up or down."""
    line = np.linspace(-1, 1, SIZE, dtype=np.float32)
    angle, amount, _ = settings.astype(np.float32).T[:, :, None, None]
    across, down = np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)
    return 0.15 * amount * (across * line[None, None, :] + down * line[None, :, None])
