"""What works on single numbers, and on rows of a table: the activations between the layers of a small GPT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tito.bench.child.sizes import RNG, SIZES, Case, Cases, numbers, shape_of, sizes

WIDTH, WORDS = 384, 65


def hidden(n: int) -> Any:
    """Activations: 64 positions for each row."""
    return numbers(64 * n, WIDTH)


def of_elements(inputs: int, **params: Any) -> Callable[[int], Cases]:
    """A function of so many arrays of one shape."""

    def function(n: int) -> Cases:
        arrays = [hidden(n) for _ in range(inputs)]
        yield Case(shape_of(arrays[0]), arrays, params)

    return function


SIZES |= {name: of_elements(1) for name in ("relu", "sigmoid", "silu")}
SIZES |= {name: of_elements(2) for name in ("relu_grad", "sigmoid_grad", "tanh_grad", "silu_grad")}
SIZES["dropout"] = of_elements(1, p=0.1, seed=0, offset=0)


def of_both_kinds(inputs: int, n: int) -> Cases:
    """The exact GELU, and the one with a tanh."""
    for kind in ("none", "tanh"):
        for case in of_elements(inputs, approximate=kind)(n):
            yield Case(f"{case.size}, approximate={kind!r}", case.arrays, case.params)


@sizes
def gelu(n: int) -> Cases:
    yield from of_both_kinds(1, n)


@sizes
def gelu_grad(n: int) -> Cases:
    yield from of_both_kinds(2, n)


@sizes
def embedding_grad(n: int) -> Cases:
    g = numbers(n, 64, WIDTH)
    params = {"num_embeddings": WORDS, "padding_idx": None}
    yield Case(f"{shape_of(g)} to {WORDS} words", [g, RNG.integers(0, WORDS, (n, 64))], params)
