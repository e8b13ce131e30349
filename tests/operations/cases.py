"""Inputs for the operation table: Hypothesis strategies of `Case`.

Hypothesis chooses shapes, settings, a memory layout and a seed, and shrinks them; the numbers come from the seed. So a
case is drawn in a fraction of a millisecond, and a failure is reported at the smallest shape that shows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Shape = tuple[int, ...]
Fill = Callable[[np.random.Generator, Shape], np.ndarray]
LAYOUTS = ("contiguous", "transposed", "strided", "reversed")


@dataclass(frozen=True)
class Case:
    """Inputs of one call.

    arrays: float64, int64 or bool arrays, in the order of the call's tensors; None for an optional one left out.
    settings: keyword arguments. layout: how the tensors lie in memory, one of LAYOUTS.
    """

    arrays: tuple[np.ndarray | None, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    layout: str = "contiguous"


def case(*arrays: Any, layout: str = "contiguous", **settings: Any) -> Case:
    """Return a Case written by hand: floats become float64."""
    found = tuple(None if a is None else np.asarray(a) for a in arrays)
    return Case(tuple(a.astype(np.float64) if a is not None and a.dtype.kind == "f" else a for a in found),
                settings, layout)


def lay_out(array: np.ndarray, layout: str) -> np.ndarray:
    """Return an array with the same elements that lies in memory as `layout` says."""
    if layout == "transposed":
        return np.array(array.T, order="C").T
    if layout == "strided":
        room = np.zeros([2 * n for n in array.shape], array.dtype)
        view = room[(slice(None, None, 2),) * array.ndim + (...,)]
        view[...] = array
        return view
    if layout == "reversed":
        turned = (slice(None, None, -1),) * array.ndim + (...,)
        return np.array(array[turned], order="C")[turned]
    return np.array(array, order="C")


# ---- numbers ---------------------------------------------------------------------------------------------------


def real(scale: float = 1.0) -> Fill:
    """Normally distributed numbers of both signs."""
    return lambda rng, shape: np.asarray(scale * rng.normal(size=shape))


def interval(low: float, high: float) -> Fill:
    """Numbers between two bounds, none nearer to a bound than a twentieth of the way."""
    margin = 0.05 * (high - low)
    return lambda rng, shape: np.asarray(rng.uniform(low + margin, high - margin, shape))


def positive() -> Fill:
    """Numbers from 0.5 to 2."""
    return lambda rng, shape: np.asarray(rng.uniform(0.5, 2.0, shape))


def nonzero() -> Fill:
    """Numbers of both signs, 0.5 to 2 away from 0."""
    return lambda rng, shape: np.asarray(rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape))


def distinct(offset: float = 0.0, step: float = 0.1) -> Fill:
    """Numbers of both signs in random order, `step` apart: no ties, and no corner of a multiple of `step` nearby.

    Two inputs of one operation differ in `offset` (0.02, say), so that neither ties with the other.
    """

    def fill(rng: np.random.Generator, shape: Shape) -> np.ndarray:
        count = math.prod(shape)
        return np.asarray((rng.permutation(count).reshape(shape) - count // 2 + 0.25) * step + offset)

    return fill


def integers(low: int, high: int) -> Fill:
    """int64 from low to high - 1."""
    return lambda rng, shape: np.asarray(rng.integers(low, high, shape))


def whole(low: int, high: int) -> Fill:
    """Whole numbers from low to high - 1 as floats: with ties."""
    return lambda rng, shape: np.asarray(rng.integers(low, high, shape), dtype=np.float64)


def booleans() -> Fill:
    """True or False."""
    return lambda rng, shape: np.asarray(rng.integers(0, 2, shape), dtype=bool)


# ---- cases -----------------------------------------------------------------------------------------------------


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3) -> st.SearchStrategy[Shape]:
    """Shapes, with axes of size 0 and 1 and none at all among them."""
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


def broadcasting(count: int = 2, **limits: int) -> st.SearchStrategy[tuple[Shape, ...]]:
    """`count` shapes that broadcast to each other."""
    limits = {"max_dims": 3, "min_side": 0, "max_side": 3} | limits
    return hnp.mutually_broadcastable_shapes(num_shapes=count, **limits).map(lambda found: found.input_shapes)


def choose(settings: Any, found: tuple[Shape, ...]) -> st.SearchStrategy[dict]:
    """Return a strategy of settings: from a dict of values or strategies, or from a function of the shapes to one."""
    if callable(settings):
        settings = settings(*found)
    if isinstance(settings, st.SearchStrategy):
        return settings
    return st.fixed_dictionaries(
        {name: v if isinstance(v, st.SearchStrategy) else st.just(v) for name, v in (settings or {}).items()}
    )


@st.composite
def cases(draw: Callable, found: st.SearchStrategy, *fills: Fill, settings: Any = None) -> Case:
    """Cases with one array for each fill; `found` draws as many shapes.

    settings: {name: value or strategy}, or a function of the shapes that returns that or a strategy of dicts.
    """
    drawn = draw(found)
    chosen = draw(choose(settings, drawn))
    layout = draw(st.sampled_from(LAYOUTS))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    return Case(tuple(fill(rng, shape) for fill, shape in zip(fills, drawn, strict=True)), chosen, layout)


def unary(fill: Fill | None = None, settings: Any = None, **limits: int) -> st.SearchStrategy[Case]:
    """Cases of one tensor of any shape."""
    return cases(shapes(**limits).map(lambda shape: (shape,)), fill or real(), settings=settings)


def binary(a: Fill | None = None, b: Fill | None = None, settings: Any = None, **limits: int) -> Any:
    """Cases of two tensors whose shapes broadcast."""
    return cases(broadcasting(2, **limits), a or real(), b or a or real(), settings=settings)


def ternary(a: Fill, b: Fill, c: Fill, settings: Any = None, **limits: int) -> st.SearchStrategy[Case]:
    """Cases of three tensors whose shapes broadcast."""
    return cases(broadcasting(3, **limits), a, b, c, settings=settings)


def same_shape(*fills: Fill, settings: Any = None, **limits: int) -> st.SearchStrategy[Case]:
    """Cases of several tensors of one shape."""
    return cases(shapes(**limits).map(lambda shape: (shape,) * len(fills)), *fills, settings=settings)


def fixed_shapes(*found: Any) -> st.SearchStrategy[tuple]:
    """One of the tuples of shapes written here."""
    return st.sampled_from([tuple(each) for each in found])


# ---- settings --------------------------------------------------------------------------------------------------


def an_axis(shape: Shape) -> st.SearchStrategy[int]:
    """An axis of `shape`, counted from either end."""
    return st.integers(-max(len(shape), 1), max(len(shape), 1) - 1)


def along(shape: Shape, *others: Shape) -> dict[str, st.SearchStrategy]:
    """The setting `dim`, one axis."""
    return {"dim": an_axis(shape)}


def along_keepdim(shape: Shape, *others: Shape) -> dict[str, st.SearchStrategy]:
    """The settings `dim`, one axis, and `keepdim`."""
    return {"dim": an_axis(shape), "keepdim": st.booleans()}


def over(shape: Shape, *others: Shape) -> dict[str, st.SearchStrategy]:
    """The settings `dim` (None, one axis or several) and `keepdim` of a reduction."""
    several = st.lists(an_axis(shape), min_size=1, max_size=3, unique_by=lambda d: d % max(len(shape), 1)).map(tuple)
    return {"dim": st.none() | an_axis(shape) | several, "keepdim": st.booleans()}
