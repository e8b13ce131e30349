"""New seeds out of old ones: what makes an order a function of (seed, epoch), and not of everything drawn before."""

from __future__ import annotations

from tinytorch.given.random import DEFAULT_GENERATOR, Generator

ONES = 2**64 - 1


def fold_in(seed: int, *numbers: int) -> int:
    """A new 64-bit seed, a pure function of a seed and further numbers: fold_in(seed, epoch, 7)."""
    for number in numbers:
        seed = scramble(seed ^ scramble(number))
    return seed


def scramble(number: int) -> int:
    """A 64-bit number whose bits all depend on all bits of `number`.

    Source: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
    """
    number = (number + 0x9E3779B97F4A7C15) & ONES
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & ONES
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & ONES
    return number ^ (number >> 31)


def new_seed(generator: Generator | None = None) -> int:
    """A seed drawn from `generator`, by default from the one that `manual_seed` sets."""
    return fold_in(*(generator or DEFAULT_GENERATOR).reserve(1))
