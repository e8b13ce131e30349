"""The tables of the two tokenizers: how they are made, saved and asked. What encodes is written in module 16."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import index
from typing import Any

from tinytorch.core.engine import TinyTorchError
from tinytorch.given.pair_merging import BYTES, Pair, fast_merges
from tinytorch.given.piece_encoding import fast_tokens
from tinytorch.given.text_pieces import count_pieces, pieces, to_bytes, to_text, unfinished
from tinytorch.given.tokenizer_base import Tokenizer

LONG = 64  # bytes of a piece that is no word any more
MOST_KNOWN = 1 << 16  # pieces that are remembered: more than most texts have words
MOST_BYTES = 1 << 24  # of all tokens together: 40 merges of a token with itself would make a terabyte


class CharacterTable(Tokenizer, abstract=True):
    """The characters of a text in sorted order, each with its number."""

    def __init__(self, characters: str):
        self.characters = tuple(sorted(set(self.checked_text(characters))))
        self.numbers = {character: number for number, character in enumerate(self.characters)}

    @property
    def vocab_size(self) -> int:
        """How many characters there are."""
        return len(self.characters)

    def unknown(self, text: str) -> TinyTorchError:
        """Return the error that names the first character which has no number."""
        place = next(i for i, character in enumerate(text) if character not in self.numbers)
        return TinyTorchError(
            f"{type(self).__name__}.encode: expected only the {self.vocab_size} characters that it was made from, "
            f"found {text[place]!r} at position {place}: leave it out."
        )

    def state(self) -> dict[str, Any]:
        """Return {"characters"}."""
        return {"characters": "".join(self.characters)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Tokenizer:
        """Return the tokenizer of these characters."""
        return cls(state["characters"])


class BytePairTable(Tokenizer, abstract=True):
    """The pairs that are merged, in the order learned, and the bytes that each token stands for."""

    def __init__(self, merges: Iterable[Pair] = ()):
        self.merges = _pairs(merges)
        self.ranks = {pair: n for n, pair in enumerate(self.merges)}
        self.parts, room = [bytes([n]) for n in range(BYTES)], MOST_BYTES - BYTES
        for first, second in self.merges:
            if not 0 <= min(first, second) <= max(first, second) < len(self.parts):
                raise TinyTorchError(
                    f"BPETokenizer: expected pairs of tokens that are there already, below {len(self.parts)}, found "
                    f"({first}, {second})."
                )
            room -= len(self.parts[first]) + len(self.parts[second])
            if room < 0:
                raise TinyTorchError(
                    f"BPETokenizer: expected tokens of at most {MOST_BYTES:,} bytes in all, found more from token "
                    f"{len(self.parts)} on: learn the merges from a text of words."
                )
            self.parts.append(self.parts[first] + self.parts[second])
        self._known: dict[str, list[int]] = {}

    @classmethod
    def train(cls, text: str, vocab_size: int) -> Tokenizer:
        """Return a tokenizer of at most vocab_size tokens (256 or more) whose pairs were learned from a text."""
        if isinstance(vocab_size, bool) or not isinstance(vocab_size, int) or vocab_size < BYTES:
            raise TinyTorchError(
                f"{cls.__name__}.train: expected a vocab_size of {BYTES}, the bytes, or more, found {vocab_size!r}."
            )
        return cls(fast_merges(count_pieces(cls().checked_text(text)), vocab_size - BYTES))

    @property
    def vocab_size(self) -> int:
        """256 bytes, and a token for each merge."""
        return len(self.parts)

    def encode_piece(self, data: bytes) -> list[int]:
        """Return the tokens of a few bytes: written in module 16."""
        raise NotImplementedError(f"{type(self).__name__}.encode_piece: not implemented yet")

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, piece by piece; words seen before are remembered."""
        tokens: list[int] = []
        for piece in pieces(self.checked_text(text)):
            known = self._known.get(piece)
            tokens += self._encode_new(piece) if known is None else known
        return tokens

    def _encode_new(self, piece: str) -> list[int]:
        """Return the tokens of a piece, and remember them; all others are forgotten when there are too many.

        A piece that is longer than any word, a run of blanks or letters, takes the given fast way to the same tokens,
        and is not remembered.
        """
        data = to_bytes(piece)
        if len(data) > LONG:
            return fast_tokens(data, self.ranks)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        tokens = self._known[piece] = self.encode_piece(data)
        return tokens

    def stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """Yield the text of tokens as they come; the bytes of a character that is not whole yet wait for the others."""
        waiting = b""
        for token in tokens:
            waiting += self.parts[self.checked_tokens([token])[0]]
            whole = len(waiting) - unfinished(waiting)
            if whole:
                yield to_text(waiting[:whole])
                waiting = waiting[whole:]
        if waiting:
            yield to_text(waiting)

    def state(self) -> dict[str, Any]:
        """Return {"merges"}."""
        return {"merges": [list(pair) for pair in self.merges]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Tokenizer:
        """Return the tokenizer of these merges."""
        return cls(state["merges"])


def _pairs(merges: Any) -> list[Pair]:
    """Return the pairs as tuples of two int."""
    try:
        return [(index(first), index(second)) for first, second in merges]
    except (TypeError, ValueError) as error:
        raise TinyTorchError(
            f"BPETokenizer: expected merges as pairs of tokens, as in [(97, 98)], found {merges!r:.40}."
        ) from error
