"""Sequences of different lengths in one batch: padded to the longest, or packed without padding, step by step.

A PackedSequence holds the first step of all sequences, then the second of those that have one, and so on; the
sequences stand in the order of falling length.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError
from tinytorch.core.tensor import Tensor, cat, from_array, full, stack
from tinytorch.given.settings import number, one_of

#| face nn.utils.rnn: PackedSequence, pad_sequence, unpad_sequence
#| face nn.utils.rnn: pack_padded_sequence, pad_packed_sequence, pack_sequence


class PackedSequence(NamedTuple):
    """data (sum of lengths, *): the steps; batch_sizes (T,): how many sequences have that step.

    sorted_indices: the places in the batch by falling length. unsorted_indices: the way back. None: sorted already.
    """

    data: Any
    batch_sizes: Any
    sorted_indices: Any = None
    unsorted_indices: Any = None


def _tensors(sequences: Any, what: str) -> list:
    """Return a list of tensors that agree in all axes but the first."""
    found = list(sequences) if isinstance(sequences, list | tuple) else []
    if not found or not all(isinstance(t, Tensor) for t in found):
        raise DTypeError(f"{what}: expected a list of tensors, at least one, found {type(sequences).__name__}.")
    if any(t.ndim == 0 or t.shape[1:] != found[0].shape[1:] for t in found):
        shapes = [t.shape for t in found[:5]]
        raise ShapeError(f"{what}: expected tensors (length, *) that differ in the first axis only, found {shapes}.")
    return found


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Return tensors (length, *) of different lengths as one, filled up to the longest: (T, N, *) or (N, T, *)."""
    found = _tensors(sequences, "pad_sequence")
    one_of(padding_side, "pad_sequence's padding_side", ("right", "left"))
    padding_value = number(padding_value, "pad_sequence's padding_value")
    longest = max(t.shape[0] for t in found)
    rows = []
    for t in found:
        missing = longest - t.shape[0]
        if missing:
            filling = full((missing, *t.shape[1:]), padding_value, dtype=t.dtype)
            t = cat([t, filling] if padding_side == "right" else [filling, t], 0)
        rows.append(t)
    return stack(rows, 0 if batch_first else 1)


def _lengths(lengths: Any, batch: int, steps: int, what: str) -> np.ndarray:
    """Return lengths as an array of ints from 1 to `steps`, one for each of `batch` sequences."""
    found = lengths.numpy() if isinstance(lengths, Tensor) else np.asarray(lengths)
    if found.shape != (batch,) or found.dtype.kind not in "iu":
        raise ShapeError(f"{what}: expected {batch} whole numbers as lengths, found {found.dtype} {found.shape}.")
    if batch and (found.min() < 1 or found.max() > steps):
        raise TinyTorchError(f"{what}: expected lengths from 1 to {steps}, found {found.min()} to {found.max()}.")
    return found.astype(np.int64)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list:
    """Return the sequences of a padded batch, each of its own length."""
    if not isinstance(padded_sequences, Tensor) or padded_sequences.ndim < 2:
        found = getattr(padded_sequences, "shape", type(padded_sequences).__name__)
        raise ShapeError(f"unpad_sequence: expected a tensor (T, N, *) or (N, T, *), found {found}.")
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    found = _lengths(lengths, rows.shape[0], rows.shape[1], "unpad_sequence")
    return [rows[i, : int(n)] for i, n in enumerate(found)]


def pack_padded_sequence(input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True) -> Any:
    """Return the PackedSequence of a padded batch (T, N, *), or (N, T, *) if batch_first.

    lengths: one for each sequence, from 1 to T. enforce_sorted: refuse lengths that do not fall.
    """
    if not isinstance(input, Tensor) or input.ndim < 2:
        found = getattr(input, "shape", type(input).__name__)
        raise ShapeError(f"pack_padded_sequence: expected a tensor (T, N, *) or (N, T, *), found {found}.")
    steps = input.transpose(0, 1) if batch_first else input
    sizes = _lengths(lengths, steps.shape[1], steps.shape[0], "pack_padded_sequence")
    order = None
    if not enforce_sorted:
        order = np.argsort(-sizes, kind="stable")
        steps, sizes = steps[:, from_array(order)], sizes[order]
    elif (np.diff(sizes) > 0).any():
        raise TinyTorchError(
            "pack_padded_sequence: expected falling lengths, found a longer sequence behind a shorter one. Sort the "
            "batch, or pass enforce_sorted=False."
        )
    present = np.arange(sizes[0])[:, None] < sizes
    data = steps[from_array(np.nonzero(present)[0]), from_array(np.nonzero(present)[1])]
    indices = (None, None) if order is None else (from_array(order), from_array(np.argsort(order)))
    return PackedSequence(data, from_array(present.sum(1)), *indices)


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> Any:
    """Return the PackedSequence of a list of tensors (length, *)."""
    found = _tensors(sequences, "pack_sequence")
    return pack_padded_sequence(pad_sequence(found), [t.shape[0] for t in found], enforce_sorted=enforce_sorted)


def padded_steps(packed: Any, padding_value: float = 0.0, total_length: int | None = None) -> tuple[Any, np.ndarray]:
    """Return (steps (T, N, *) in the sorted order, mask (T, N, 1): True where a sequence goes on)."""
    sizes = packed.batch_sizes.numpy()
    present = np.arange(sizes[0]) < sizes[:, None]
    if total_length is not None:
        present = np.concatenate([present, np.zeros((total_length - len(sizes), sizes[0]), bool)])
    places = np.where(present, np.cumsum(present).reshape(present.shape) - 1, len(packed.data))
    filling = full((1, *packed.data.shape[1:]), padding_value, dtype=packed.data.dtype)
    return cat([packed.data, filling], 0)[from_array(places)], present[..., None]


def packed_like(steps: Any, packed: Any) -> Any:
    """Return padded steps (T, N, *), in the sorted order, packed as `packed` is."""
    sizes = packed.batch_sizes.numpy()
    present = np.nonzero(np.arange(sizes[0]) < sizes[:, None])
    return packed._replace(data=steps[from_array(present[0]), from_array(present[1])])


def pad_packed_sequence(
    sequence: Any, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple:
    """Return (padded batch (T, N, *) or (N, T, *), lengths (N,)) of a PackedSequence, in its original order.

    total_length: pad up to it; at least the longest length.
    """
    if not isinstance(sequence, PackedSequence):
        raise DTypeError(f"pad_packed_sequence: expected a PackedSequence, found {type(sequence).__name__}.")
    longest = len(sequence.batch_sizes)
    if total_length is not None and total_length < longest:
        raise ShapeError(f"pad_packed_sequence: expected a total_length of {longest} or more, found {total_length}.")
    steps, mask = padded_steps(sequence, padding_value, total_length)
    lengths = mask[..., 0].sum(0)
    if sequence.unsorted_indices is not None:
        back = sequence.unsorted_indices
        steps, lengths = steps[:, back], lengths[back.numpy()]
    return steps.transpose(0, 1) if batch_first else steps, from_array(lengths)
