"""What a transform is, and how transforms are chained."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinytorch.core.engine import ShapeError
from tinytorch.core.tensor import Tensor, from_numpy
from tinytorch.given.random import DEFAULT_GENERATOR, Generator

#| face transforms: Compose


class Transform:
    """Changes images, a whole batch at once. A subclass defines `apply(images, generator)` on arrays (N, C, H, W).

    Called with an array or Tensor (N, C, H, W), or with a single image (C, H, W), it returns the same kind. Random
    transforms draw from `generator`, by default from the one that `manual_seed` sets. Another shape raises
    ShapeError.
    """

    batched = True

    def __call__(self, images: Any, generator: Generator | None = None) -> Any:
        array = images.numpy() if isinstance(images, Tensor) else np.asarray(images)
        if array.ndim not in (3, 4):
            raise ShapeError(f"Expected images (N, C, H, W) or one image (C, H, W), found shape {array.shape}.")
        changed = self.apply(array if array.ndim == 4 else array[None], generator or DEFAULT_GENERATOR)
        changed = changed if array.ndim == 4 else changed[0]
        return from_numpy(changed) if isinstance(images, Tensor) else changed

    def apply(self, images: np.ndarray, generator: Generator) -> np.ndarray:
        """The changed images, a new array."""
        raise NotImplementedError(f"{type(self).__name__}.apply: not implemented yet")


class Compose(Transform):
    """Several transforms, one after the other; works on whole batches if all of them do."""

    def __init__(self, transforms: Iterable[Callable]):
        self.transforms = list(transforms)
        self.batched = all(getattr(transform, "batched", False) for transform in self.transforms)

    def __call__(self, images: Any, generator: Generator | None = None) -> Any:
        for transform in self.transforms:
            images = apply_transform(transform, images, generator)
        return images


def apply_transform(transform: Callable, images: Any, generator: Generator | None) -> Any:
    """Call a transform: ours receive the generator, any other callable just the images."""
    return transform(images, generator) if isinstance(transform, Transform) else transform(images)
