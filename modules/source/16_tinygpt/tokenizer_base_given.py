"""What tokenizers share: checks, files, and text that comes token by token."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tinytorch.core.engine import DTypeError, IndexingError, ShapeError, TinyTorchError
from tinytorch.given.serialization import check_path, check_source, check_target

FORMAT = 1


class Tokenizer:
    """A text as numbers and back. A subclass has `kind`, `vocab_size`, `encode`, `decode`, `state`, `from_state`."""

    kind = ""
    kinds: ClassVar[dict[str, type[Tokenizer]]] = {}

    def __init_subclass__(cls, *, abstract: bool = False, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if not abstract:
            cls.kinds[cls.kind] = cls

    @property
    def vocab_size(self) -> int:
        """How many different tokens there are."""
        raise NotImplementedError(f"{type(self).__name__}.vocab_size: not implemented yet")

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        raise NotImplementedError(f"{type(self).__name__}.encode: not implemented yet")

    def decode(self, tokens: Any) -> str:
        """Return the text of tokens."""
        raise NotImplementedError(f"{type(self).__name__}.decode: not implemented yet")

    def state(self) -> dict[str, Any]:
        """Return all that makes this tokenizer, in values that JSON has."""
        raise NotImplementedError(f"{type(self).__name__}.state: not implemented yet")

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Tokenizer:
        """Return the tokenizer that `state()` described."""
        raise NotImplementedError(f"{cls.__name__}.from_state: not implemented yet")

    def checked_text(self, text: Any) -> str:
        """Return `text` if it is one."""
        if not isinstance(text, str):
            raise DTypeError(f"{type(self).__name__}.encode: expected a text, found {type(text).__name__}.")
        return text

    def checked_tokens(self, tokens: Any) -> list[int]:
        """Return tokens (a Tensor, an array or numbers) as a list, every one of them known."""
        whole = tokens if isinstance(tokens, Iterable) else [tokens]
        array = token_array(tokens if hasattr(tokens, "numpy") else list(whole), f"{type(self).__name__}.decode")
        if array.ndim > 1:
            raise ShapeError(
                f"{type(self).__name__}.decode: expected one row of tokens, found an array {array.shape}: decode each "
                "row by itself."
            )
        found = [int(token) for token in array.reshape(-1)]
        for token in found:
            if not 0 <= token < self.vocab_size:
                raise IndexingError(
                    f"{type(self).__name__}.decode: expected tokens from 0 to {self.vocab_size - 1}, found {token}: "
                    "was the text encoded by another tokenizer?"
                )
        return found

    def stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """Yield the text of each token as it comes."""
        return (self.decode([token]) for token in tokens)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tokenizer as JSON: to a temporary file that then takes the name."""
        target = Path(check_path(path, "Tokenizer.save", "a path"))
        check_target(target, "Tokenizer.save")
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(describe(self), file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.vocab_size} tokens)"


def token_array(tokens: Any, name: str) -> np.ndarray:
    """Return tokens (a Tensor, an array, or lists) as an array of whole numbers; `name` is who asks."""
    try:
        array = np.asarray(tokens.numpy() if hasattr(tokens, "numpy") else tokens)
    except ValueError:
        raise ShapeError(f"{name}: expected a row of tokens, found lists of different lengths.") from None
    if array.size and array.dtype.kind not in "iu":
        raise DTypeError(f"{name}: expected whole numbers as tokens, found {array.dtype}.")
    return array


def describe(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the tokenizer in values that JSON has."""
    return {"format": FORMAT, "kind": tokenizer.kind, **tokenizer.state()}


def tokenizer_of(description: Any, place: str) -> Tokenizer:
    """Return the tokenizer that `describe` described; `place` says where that was found."""
    try:
        state = dict(description)
        if state.pop("format") != FORMAT:
            raise ValueError("an unknown format")
        return Tokenizer.kinds[state.pop("kind")].from_state(state)
    except (KeyError, TypeError, ValueError, TinyTorchError) as error:
        raise TinyTorchError(
            f"load_tokenizer: expected a tokenizer as tinytorch saved it, found something else in {place} ({error!r}): "
            "save it again."
        ) from error


def load_tokenizer(path: str | os.PathLike[str]) -> Tokenizer:
    """Return the tokenizer that `save` wrote."""
    source = Path(check_path(path, "load_tokenizer", "a path"))
    check_source(source, "load_tokenizer")
    try:
        description = json.loads(source.read_bytes())
    except (ValueError, RecursionError) as error:
        raise TinyTorchError(f"load_tokenizer: expected JSON in {source}, found a damaged file ({error}).") from error
    return tokenizer_of(description, str(source))
