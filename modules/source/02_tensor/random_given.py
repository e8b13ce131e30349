"""Random numbers from a counter: the i-th number is a function of (seed, i) alone.

So a stream can be cut, resumed and repeated exactly, on every backend, and an operation that needs randomness
(dropout) takes (seed, offset) as settings and draws nothing itself. The function is Philox 4x64-10 (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC 2011), as NumPy implements it: block k of four 64-bit numbers comes
from counter k.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np

from tinytorch.given.errors import DTypeError, TinyTorchError
from tinytorch.given.promotion import DEFAULT_DTYPE, check_dtype

#| face tinytorch: Generator, manual_seed, initial_seed

BLOCK = 4     # 64-bit numbers made from one value of the counter: a stream is cut at multiples of it


def random_bits(seed: int, offset: int, count: int) -> np.ndarray:
    """Return `count` uint64 numbers of the stream of `seed`, from block `offset` on."""
    return np.random.Philox(key=seed, counter=offset).random_raw(count)


def random_uniform(xp: Any, seed: int, offset: int, shape: tuple[int, ...], dtype: Any = DEFAULT_DTYPE) -> Any:
    """Return numbers in [0, 1), evenly spaced at the precision of `dtype` (24 bits for float32, 53 for float64)."""
    digits = _digits(dtype)
    values = (random_bits(seed, offset, _count(shape)) >> np.uint64(64 - digits)) * 2.0**-digits
    return xp.asarray(values.astype(dtype).reshape(shape))


def random_normal(xp: Any, seed: int, offset: int, shape: tuple[int, ...], dtype: Any = DEFAULT_DTYPE) -> Any:
    """Return standard normal numbers: each two neighbours are made from two uniform numbers (Box and Muller, 1958)."""
    _digits(dtype)
    count = _count(shape)
    uniform = random_uniform(np, seed, offset, ((count + 1) // 2, 2), np.float64)
    radius, angle = np.sqrt(-2.0 * np.log1p(-uniform[:, 0])), 2.0 * np.pi * uniform[:, 1]
    values = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:count]
    return xp.asarray(values.astype(dtype).reshape(shape))


def _count(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _digits(dtype: Any) -> int:
    if check_dtype(dtype).kind != "f":
        raise DTypeError(f"Expected a floating dtype for random numbers, found {dtype}. Use randint for integers.")
    return np.finfo(dtype).nmant + 1


class Generator:
    """A stream of random numbers: a seed, and how far it has been read.

    seed: an integer in [0, 2**64). Every draw moves `offset` (in blocks of four 64-bit numbers); `get_state` and
    `set_state` cut and resume the stream exactly. Safe to use from several threads.
    """

    def __init__(self, seed: int = 0):
        self._lock = threading.Lock()
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed` from its beginning; return self."""
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**64:
            raise DTypeError(f"Expected a seed that is an integer from 0 to 2**64 - 1, found {seed!r}.")
        self.seed, self.offset = int(seed), 0
        return self

    def initial_seed(self) -> int:
        """Return the seed."""
        return self.seed

    def reserve(self, count: int) -> tuple[int, int]:
        """Take the next `count` numbers of the stream; return the (seed, offset) that they are made from."""
        with self._lock:
            offset = self.offset
            self.offset += -(-int(count) // BLOCK)
            return self.seed, offset

    def get_state(self) -> dict[str, int]:
        """Return {"seed", "offset"}: all there is to know."""
        with self._lock:
            return {"seed": self.seed, "offset": self.offset}

    def set_state(self, state: dict[str, int]) -> None:
        """Continue where `get_state` was called."""
        if set(state) != {"seed", "offset"} or not all(isinstance(v, int) and v >= 0 for v in state.values()):
            raise TinyTorchError(
                f"Expected a generator's state with whole numbers 'seed' and 'offset', found {dict(state)!r}."
            )
        self.manual_seed(state["seed"])
        self.offset = state["offset"]

    # What the creation functions and the modules draw; each returns an array and moves the stream.

    def uniform(self, shape: tuple[int, ...], dtype: Any = DEFAULT_DTYPE) -> np.ndarray:
        """Return an array of uniform numbers in [0, 1)."""
        return random_uniform(np, *self.reserve(_count(shape)), shape, dtype)

    def normal(self, shape: tuple[int, ...], dtype: Any = DEFAULT_DTYPE) -> np.ndarray:
        """Return an array of standard normal numbers."""
        return random_normal(np, *self.reserve(_count(shape)), shape, dtype)

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> np.ndarray:
        """Return int64 numbers in [low, high)."""
        if not all(isinstance(v, int | np.integer) and -(2**63) <= v < 2**63 for v in (low, high)) or high <= low:
            raise TinyTorchError(f"Expected integers low < high for random integers, found low={low!r}, high={high!r}.")
        count = _count(shape)
        bits = random_bits(*self.reserve(count), count)
        return (low + (bits % np.uint64(int(high) - int(low))).astype(np.int64)).reshape(shape)

    def permutation(self, count: int) -> np.ndarray:
        """Return the numbers 0 … count-1 in a random order."""
        return np.argsort(random_bits(*self.reserve(count), count), kind="stable")

    def __repr__(self) -> str:
        return f"Generator(seed={self.seed}, offset={self.offset})"


DEFAULT_GENERATOR = Generator(int.from_bytes(os.urandom(6), "little"))


def drawing_from(generator: Any) -> Generator:
    """Return the generator to draw from: the default one if None."""
    if generator is not None and not isinstance(generator, Generator):
        raise DTypeError(f"generator: expected a Generator or None, found {type(generator).__name__}.")
    return DEFAULT_GENERATOR if generator is None else generator


def manual_seed(seed: int) -> Generator:
    """Seed the generator that is used where none is given; return it."""
    return DEFAULT_GENERATOR.manual_seed(seed)


def initial_seed() -> int:
    """Return the seed of the default generator."""
    return DEFAULT_GENERATOR.seed
