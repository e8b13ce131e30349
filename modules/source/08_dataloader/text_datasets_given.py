"""Data sets of text: characters as numbers, cut into windows; the target of each character is the next one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.core.engine import IndexingError, TinyTorchError
from tinytorch.core.tensor import from_numpy
from tinytorch.given.dataset_base import Dataset
from tinytorch.given.image_datasets import data_folder
from tinytorch.given.random import Generator

#| face datasets: CharacterDataset, TinyShakespeare


class CharacterDataset(Dataset):
    """Windows of a text: item i is (x, y), int64 (block_size,) each; y is x moved on by one character.

    `vocabulary` (default: the sorted characters of the text) gives each character its number; a character that is not
    in it raises TinyTorchError. A text of n characters has n - block_size items.
    """

    def __init__(self, text: str, block_size: int = 64, vocabulary: Sequence[str] | None = None):
        if not isinstance(block_size, int) or isinstance(block_size, bool) or block_size < 1:
            raise TinyTorchError(f"Expected block_size as a whole number of at least 1, found {block_size!r}.")
        if len(text) <= block_size:
            raise TinyTorchError(f"Expected a text longer than block_size={block_size}, found {len(text)} characters.")
        self.vocabulary = tuple(sorted(set(text)) if vocabulary is None else vocabulary)
        self.block_size, self._numbers = block_size, {c: number for number, c in enumerate(self.vocabulary)}
        self.ids = self.encode(text)

    def encode(self, text: str) -> np.ndarray:
        """The numbers of the characters: int64 (len(text),)."""
        unknown = sorted(set(text) - set(self._numbers))
        if unknown:
            raise TinyTorchError(
                f"Expected the {len(self.vocabulary)} characters of the vocabulary, found {unknown[0]!r} too."
            )
        return np.array([self._numbers[character] for character in text], dtype=np.int64)

    def decode(self, ids: Any) -> str:
        """The text of these numbers."""
        return "".join(self.vocabulary[int(i)] for i in np.asarray(ids).reshape(-1))

    def __len__(self) -> int:
        return len(self.ids) - self.block_size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not -len(self) <= index < len(self):
            raise IndexingError(f"Expected an index below {len(self)}, found {index}.")
        start = index % len(self)
        window = self.ids[start : start + self.block_size + 1].copy()
        return from_numpy(window[:-1]), from_numpy(window[1:])

    def get_batch(self, indices: Sequence[int], generator: Generator | None = None) -> list:
        """[x, y] of these windows, int64 (B, block_size) each, by one index operation."""
        starts = np.asarray(indices)
        if starts.size and not (-len(self) <= starts.min() and starts.max() < len(self)):
            raise IndexingError(f"Expected indices below {len(self)}, found {starts.min()} to {starts.max()}.")
        places = starts[:, None] % len(self) + np.arange(self.block_size)
        return [from_numpy(self.ids[places]), from_numpy(self.ids[places + 1])]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.ids):,} characters, {len(self.vocabulary)} different ones)"


class TinyShakespeare(CharacterDataset):
    """40,000 lines of Shakespeare: the first nine tenths to train, the rest to test; one vocabulary of 65 characters.

    `root`: the folder of data sets (default: TINYTORCH_DATA, or the cache). `download` fetches what is missing, else
    DataNotFound is raised. Source: Karpathy, "The unreasonable effectiveness of recurrent neural networks", 2015.
    """

    def __init__(self, root: Path | str | None = None, train: bool = True, block_size: int = 64, *,
                 download: bool = False):
        from tinytorch.given.text_files import read_tinyshakespeare  # which knows the network

        text = read_tinyshakespeare(data_folder("tinyshakespeare", root, download))
        cut = len(text) * 9 // 10
        super().__init__(text[:cut] if train else text[cut:], block_size, sorted(set(text)))
