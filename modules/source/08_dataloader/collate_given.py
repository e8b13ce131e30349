"""Many items become one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError
from tinytorch.core.tensor import Tensor, from_numpy, stack
from tinytorch.given.random import Generator

#| face utils.data: default_collate


def default_collate(samples: list) -> Any:
    """One batch out of a list of items of equal structure; its tensors have one more axis in front.

    Tensors and arrays are stacked; numbers become a Tensor (int64, float64, bool, as in PyTorch); strings stay a list;
    dicts stay dicts; tuples and lists become a list of batches. Raises ShapeError for arrays of several shapes,
    DTypeError for anything else.
    """
    first = samples[0]
    if isinstance(first, str):
        return list(samples)
    if isinstance(first, Tensor | np.ndarray):
        _check_one_shape(samples)
        return stack(samples) if isinstance(first, Tensor) else from_numpy(np.stack(samples))
    if isinstance(first, bool | int | float | np.generic):
        return from_numpy(np.array(samples))
    if isinstance(first, dict):
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, tuple | list):
        _check_one_length(samples)
        return [default_collate(list(column)) for column in zip(*samples, strict=True)]
    raise DTypeError(
        f"Expected tensors, arrays, numbers, strings, tuples, lists or dicts in a batch, found {type(first).__name__}: "
        "give the DataLoader a collate_fn."
    )


def fetch_batch(
    dataset: Any, indices: Sequence[int], generator: Generator | None = None, collate_fn: Callable | None = None
) -> Any:
    """The batch of these items: at once if the data set can and no `collate_fn` is given, else collated."""
    batch = quick_batch(dataset, indices, generator) if collate_fn is None else None
    return (collate_fn or default_collate)([dataset[int(i)] for i in indices]) if batch is None else batch


def quick_batch(dataset: Any, indices: Sequence[int], generator: Generator | None = None) -> Any:
    """The batch of these items by the data set's `get_batch`, or None if it has no such way.

    A class that overrides `__getitem__` below the class that defines `get_batch` would be passed over by it: then None.
    """
    for cls in type(dataset).__mro__:
        if "get_batch" in vars(cls):
            return dataset.get_batch(indices, generator)
        if "__getitem__" in vars(cls):
            return None
    return None


def _check_one_shape(samples: list) -> None:
    shapes = sorted({tuple(np.shape(sample)) for sample in samples})
    if len(shapes) > 1:
        raise ShapeError(
            f"Expected items of one shape in a batch, found {', '.join(map(str, shapes))}: crop or pad them, or give "
            "the DataLoader a collate_fn that does."
        )


def _check_one_length(samples: list) -> None:
    lengths = sorted({len(sample) for sample in samples})
    if len(lengths) > 1:
        raise ShapeError(f"Expected items with equally many parts in a batch, found {lengths} parts.")
