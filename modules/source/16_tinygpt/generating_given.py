"""Around the generation of text: prompts, windows, and the loop over positions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from tinytorch.core.autograd import no_grad
from tinytorch.core.engine import DEFAULT_GENERATOR, DTypeError, ShapeError, TinyTorchError, watchers
from tinytorch.given.decoding import Decoder, can_decode
from tinytorch.given.gpt_config import GPTConfig
from tinytorch.given.gpt_parts import check_known, check_sampling
from tinytorch.given.inspection import inference
from tinytorch.given.random import BLOCK, Generator, random_uniform
from tinytorch.given.settings import whole
from tinytorch.given.tokenizer_base import token_array

CHUNK = 256 * BLOCK  # positions that get room, and draws, at a time: a text may be stopped long before its end


def window_start(length: int, context: int) -> int:
    """Return the first of `length` positions that the model still sees.

    0 as long as all fit. Then the window moves on by half a context at a time, not by one: a cache has to be filled
    anew whenever it moves, because every position's number changes.
    """
    if length <= context:
        return 0
    step = max(1, context // 2)
    return -(-(length - context) // step) * step


def aligned(prompts: Iterable[Sequence[int]], config: GPTConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the prompts in one array (rows, longest), int64, and their lengths.

    All their tokens are checked here: the decoder checks none.
    """
    if isinstance(prompts, str) or not isinstance(prompts, Iterable):
        raise _no_prompt(prompts)
    rows = [_row(prompt) for prompt in prompts]
    if not rows:
        raise ShapeError("TinyGPT.generate: expected a prompt of at least one token, found an empty one.")
    lengths = np.array([row.size for row in rows])
    ids = np.zeros((len(rows), int(lengths.max())), np.int64)
    for line, row in zip(ids, rows, strict=True):
        check_known(row, config)
        line[: row.size] = row
    return ids, lengths


def _row(prompt: Any) -> np.ndarray:
    """Return one prompt as an array (length,) of whole numbers."""
    if isinstance(prompt, str):
        raise _no_prompt(prompt)
    row = token_array(prompt, "TinyGPT.generate")
    if row.size == 0:
        raise ShapeError("TinyGPT.generate: expected a prompt of at least one token, found an empty one.")
    if row.ndim != 1:
        raise ShapeError(
            f"TinyGPT.generate: expected each prompt to be a row of tokens, as in [[1, 2, 3]], found one of shape "
            f"{row.shape}."
        )
    return row


def _no_prompt(found: Any) -> DTypeError:
    """Return the error for what is no row of tokens at all."""
    hint = ": encode the text with the model's tokenizer" if isinstance(found, str) else ""
    return DTypeError(f"TinyGPT.generate: expected prompts as rows of tokens, found {type(found).__name__}{hint}.")


def with_room(ids: np.ndarray, end: int) -> np.ndarray:
    """Return ids (rows, length) with room for as many positions more, a chunk at least, and none behind `end`."""
    rows, length = ids.shape
    return np.concatenate([ids, np.zeros((rows, min(max(length, CHUNK), end - length)), np.int64)], axis=1)


def uniform_rows(place: tuple[int, int], count: int, rows: int) -> Iterator[np.ndarray]:
    """Yield `count` times a uniform number for each row, (rows,): the stream from (seed, offset) on, in chunks."""
    seed, offset = place
    for first in range(0, count, CHUNK):
        shape = min(CHUNK, count - first), rows
        yield from random_uniform(np, seed, offset + first * rows // BLOCK, shape, np.float64)


def draw(probabilities: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return one token for each row: where the running sum of its probabilities (N, V) passes a uniform number (N,)."""
    sums = probabilities.cumsum(axis=1)
    totals = sums[:, -1:]
    if not (totals > 0).all():
        raise TinyTorchError(
            f"TinyGPT.generate: expected probabilities, found {totals.min()} as the sum of a row: the logits are not "
            "finite; did the training diverge?"
        )
    sums /= totals
    return (sums <= uniform[:, None]).sum(axis=1)


class Generating:
    """The loop that generates. The model brings `next_logits`, `new_cache` and `next_probabilities`."""

    def stream(
        self, prompt: Sequence[int], tokens: int, *, temperature: float = 1.0, top_k: int | None = None,
        top_p: float | None = None, seed: int | None = None, cache: bool = True,
    ) -> Iterator[int]:
        """Yield the `tokens` tokens that follow the prompt, each as soon as it is known. See `generate`."""
        rows = aligned([prompt], self.config)  # type: ignore[attr-defined]
        for ids, position in self._positions(*rows, tokens, (temperature, top_k, top_p), seed, cache):
            yield int(ids[0, position])

    def generate(
        self, prompts: Iterable[Sequence[int]], tokens: int, *, temperature: float = 1.0, top_k: int | None = None,
        top_p: float | None = None, seed: int | None = None, cache: bool = True,
    ) -> list[list[int]]:
        """Return each prompt with `tokens` more tokens.

        prompts: tokens (rows, length), or lists of tokens, of different lengths if need be. temperature: 0 takes the
        likeliest token. top_k, top_p: see `next_probabilities`. seed: of the draws (default: manual_seed's stream).
        cache: keep keys and values of the past. Dropout is off; no gradients are recorded.
        """
        ids, lengths = aligned(prompts, self.config)  # type: ignore[attr-defined]
        for filled, _ in self._positions(ids, lengths, tokens, (temperature, top_k, top_p), seed, cache):
            ids = filled
        return [row[: length + tokens].tolist() for row, length in zip(ids, lengths, strict=True)]

    def _positions(
        self, ids: np.ndarray, lengths: np.ndarray, tokens: int, sampling: tuple, seed: int | None, cache: bool
    ) -> Iterator[tuple[np.ndarray, int]]:
        """Fill one position after the other; yield all ids and the position that was filled.

        All rows are read together from the end of the shortest prompt on. A longer prompt goes on with its own tokens
        while others are generated already. All draws are set aside beforehand; made they are when they are needed.
        """
        check_sampling(*sampling)
        count = whole(tokens, "TinyGPT.generate's number of tokens")
        generator = DEFAULT_GENERATOR if seed is None else Generator(seed)
        past = self.new_cache(len(ids)) if cache else None  # type: ignore[attr-defined]
        one = Decoder(self, past) if cache and type(self).__mro__[1] is Generating and can_decode(self) else None
        begin, end = int(lengths.min()), ids.shape[1] + count
        draws = uniform_rows(generator.reserve((end - begin) * len(ids)), end - begin, len(ids))
        for position, uniform in zip(range(begin, end), draws, strict=True):
            if position == ids.shape[1]:
                ids = with_room(ids, end)
            logits = self._logits(ids[:, :position], past, one)
            probabilities = self.next_probabilities(logits, *sampling)  # type: ignore[attr-defined]
            drawn = draw(probabilities, uniform)
            ids[:, position] = np.where(position < lengths, ids[:, position], drawn)
            yield ids, position

    def _logits(self, ids: np.ndarray, past: Any, one: Decoder | None) -> np.ndarray:
        """Return next_logits, without dropout and unrecorded; between two tokens the modes are the caller's.

        Where a single new token follows a filled cache, and nobody watches, the decoder finds the same sooner.
        """
        config = self.config  # type: ignore[attr-defined]
        drops = self.training and config.dropout > 0  # type: ignore[attr-defined]
        with no_grad(), inference(self) if drops else nullcontext():  # type: ignore[arg-type]
            if one is not None and not watchers().active:
                first, length = window_start(ids.shape[1], config.context), past.length
                if past.first == first and 0 < length == ids.shape[1] - first - 1:
                    return one.step(ids[:, -1])
            return self.next_logits(ids, past)  # type: ignore[attr-defined, no-any-return]
