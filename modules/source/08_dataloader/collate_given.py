"""Many items become one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError
from tinytorch.core.tensor import Tensor, from_numpy, stack
from tinytorch.given.random import DEFAULT_GENERATOR, Generator
from tinytorch.given.seeds import fold_in

#| face utils.data: default_collate, default_convert


def default_collate(samples: list) -> Any:
    """One batch out of a list of items of equal structure; its tensors have one more axis in front.

    Tensors and arrays are stacked; numbers become a Tensor (int64, float64, bool, as in PyTorch); strings and bytes
    stay a list; dicts and named tuples stay what they are; tuples and lists become a list of batches. Raises
    ShapeError for arrays of several shapes, DTypeError for items of several kinds or of another kind.
    """
    if not isinstance(samples, Sequence) or isinstance(samples, str) or not samples:
        raise DTypeError(f"Expected a list of at least one item to collate, found {samples!r:.60}.")
    first = samples[0]
    _check_one_kind(samples)
    if isinstance(first, str | bytes):
        return list(samples)
    if isinstance(first, Tensor | np.ndarray):
        _check_one_shape(samples)
        return stack(samples) if isinstance(first, Tensor) else from_numpy(np.stack(samples))
    if isinstance(first, bool | int | float | np.generic):
        return from_numpy(np.array(samples))
    if isinstance(first, Mapping):
        _check_same_keys(samples)
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, tuple | list):
        _check_one_length(samples)
        columns = [default_collate(list(column)) for column in zip(*samples, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    raise DTypeError(
        f"Expected tensors, arrays, numbers, strings, tuples, lists or dicts in a batch, found {type(first).__name__}: "
        "give the DataLoader a collate_fn."
    )


def default_convert(item: Any) -> Any:
    """One item with its arrays and NumPy numbers as Tensors, everything else as it was: for `batch_size=None`."""
    if isinstance(item, np.ndarray | np.generic) and np.asarray(item).dtype.kind in "biuf":
        return from_numpy(np.asarray(item))
    if isinstance(item, Mapping):
        return {key: default_convert(value) for key, value in item.items()}
    if isinstance(item, tuple) and hasattr(item, "_fields"):
        return type(item)(*(default_convert(value) for value in item))
    if isinstance(item, tuple | list):
        return [default_convert(value) for value in item]
    return item


def fetch_batch(
    dataset: Any, indices: Sequence[int] | int, generator: Generator | None = None, collate_fn: Callable | None = None
) -> Any:
    """The batch of these items: at once if the data set can and no `collate_fn` is given, else collated.

    What is drawn on the way, from `generator` or by default, is a function of `generator`'s state. A single number
    instead of a list gives that item, converted (a loader with `batch_size=None`). An error says which item it was.
    """
    with drawing_from(generator):
        if not isinstance(indices, Sequence | np.ndarray):
            return (collate_fn or default_convert)(_item(dataset, indices))
        batch = quick_batch(dataset, indices, generator) if collate_fn is None else None
        return (collate_fn or default_collate)([_item(dataset, i) for i in indices]) if batch is None else batch


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


@contextmanager
def drawing_from(generator: Generator | None) -> Iterator[None]:
    """Within, the default generator draws a stream that depends on `generator`'s state alone; None changes nothing."""
    if generator is None:
        yield
        return
    kept = DEFAULT_GENERATOR.get_state()
    DEFAULT_GENERATOR.manual_seed(fold_in(generator.seed, generator.offset, 1))
    try:
        yield
    finally:
        DEFAULT_GENERATOR.set_state(kept)


def _item(dataset: Any, index: Any) -> Any:
    try:
        return dataset[int(index) if isinstance(index, np.integer | Tensor) else index]
    except Exception as error:
        error.add_note(f"This was item {index} of {type(dataset).__name__}.")
        raise


def _check_one_kind(samples: Sequence) -> None:
    """Raise DTypeError for items whose kinds do not go together; numbers of several kinds do."""
    kinds = (str, bytes, Tensor, np.ndarray, (bool, int, float, np.generic), Mapping, (tuple, list))
    kind = next((kind for kind in kinds if isinstance(samples[0], kind)), object)
    others = [sample for sample in samples if not isinstance(sample, kind)]
    if others:
        raise DTypeError(
            f"Expected items of one kind in a batch, found {type(samples[0]).__name__} and {type(others[0]).__name__}: "
            "give the DataLoader a collate_fn."
        )


def _check_one_shape(samples: Sequence) -> None:
    shapes = sorted({tuple(np.shape(sample)) for sample in samples})
    if len(shapes) > 1:
        raise ShapeError(
            f"Expected items of one shape in a batch, found {', '.join(map(str, shapes))}: crop or pad them, or give "
            "the DataLoader a collate_fn that does."
        )


def _check_same_keys(samples: Sequence) -> None:
    for sample in samples:
        if set(sample) != set(samples[0]):
            raise ShapeError(f"Expected items with the same keys, found {list(samples[0])} and {list(sample)}.")


def _check_one_length(samples: Sequence) -> None:
    lengths = sorted({len(sample) for sample in samples})
    if len(lengths) > 1:
        raise ShapeError(f"Expected items with equally many parts in a batch, found {lengths} parts.")
