"""Gradient rules of scans, diagonals, windows, and of writing by index."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.core.engine import NON_DIFFERENTIABLE, VJPS, Rule, primitive
from tinytorch.core.tensor import full
from tinytorch.given.tensor_shapes import diagonal_places
from tinytorch.given.vjp_tensor import restore_axes, written

NON_DIFFERENTIABLE.update(
    ("cumargmax", "cumargmin", "argsort", "nonzero", "unique", "bincount", "histc", "searchsorted", "isin")
)


def _call(name: str, *inputs: Any, **params: Any) -> Any:
    return primitive(name)(*inputs, **params)


# ---- products and scans


def _delayed(y: Any, first: float, dim: int) -> Any:
    """Return y one place later along `dim`, with `first` in front."""
    front = full(tuple(min(n, 1) if i == dim else n for i, n in enumerate(y.shape)), first, dtype=y.dtype)
    return _call("cat", front, y.narrow(dim, 0, max(y.shape[dim] - 1, 0)), dim=dim)


def _accumulated(g: Any, a: Any, dim: int) -> Any:
    """Return the gradient that reaches b[t] of y[t] = b[t] + a[t] · y[t-1]: the same recurrence, backwards in time."""
    return _call("linear_recurrence", _delayed(a.flip(dim), 0, dim), g.flip(dim), dim=dim).flip(dim)


def _prod(g: Any, saved: Any, *, dim: int | None, keepdim: bool) -> Any:
    """Each factor receives the product of all others: of those before it and those behind it, so zeros do no harm."""
    if dim is None:
        return g
    before = _delayed(saved.a.cumprod(dim), 1, dim)
    behind = _delayed(saved.a.flip(dim).cumprod(dim), 1, dim).flip(dim)
    return restore_axes(g, saved.shape("a"), dim) * before * behind


def _cumprod(g: Any, saved: Any, *, dim: int) -> Any:
    return _accumulated(g, saved.a, dim) * _delayed(saved.out, 1, dim)


def _recurrence_factor(g: Any, saved: Any, *, dim: int) -> Any:
    return _accumulated(g, saved.a, dim) * _delayed(saved.out, 0, dim)


def _logsumexp(g: Any, saved: Any, *, dim: Any, keepdim: bool) -> Any:
    """The softmax; 0 where nothing but -inf was summed."""
    shape = saved.shape("a")
    out = restore_axes(saved.out, shape, dim)
    share = (saved.a - _call("where", out == -math.inf, 0.0, out)).exp()
    return restore_axes(g, shape, dim) * share


VJPS["prod"] = Rule(_prod, saves=("a",))
VJPS["cumsum"] = Rule(lambda g, s, dim: g.flip(dim).cumsum(dim).flip(dim))
VJPS["cumprod"] = Rule(_cumprod, saves=("a", "out"))
VJPS["linear_recurrence"] = Rule(
    _recurrence_factor, lambda g, s, dim: _accumulated(g, s.a, dim), saves=("a", "out")
)
VJPS["logsumexp"] = Rule(_logsumexp, saves=("a", "out"))


# ---- views


def _diagonal(g: Any, saved: Any, *, offset: int, dim1: int, dim2: int) -> Any:
    shape = saved.shape("a")
    matrix = (shape[dim1], shape[dim2])
    rest = tuple(n for i, n in enumerate(shape) if i not in (dim1, dim2))
    index = (..., *diagonal_places(*matrix, offset))
    return _call("getitem_grad", g, index=index, shape=(*rest, *matrix)).movedim((-2, -1), (dim1, dim2))


def _windows(g: Any, saved: Any, *, dim: int, size: int, step: int) -> Any:
    """A place receives from every window that it lies in."""
    shape = saved.shape("a")
    rest = tuple(n for i, n in enumerate(shape) if i != dim)
    places = np.arange(g.shape[dim])[:, None] * step + np.arange(size)
    g = _call("getitem_grad", g.movedim(dim, -2), index=(..., places), shape=(*rest, shape[dim]))
    return g.movedim(-1, dim)


VJPS["diagonal"] = Rule(_diagonal)
VJPS["windows"] = Rule(_windows)


# ---- writing by index


def _overwritten(g: Any, saved: Any, *, dim: int) -> Any:
    """What was overwritten receives nothing."""
    cleared = g.clone()
    _call("scatter_", cleared, saved.indices, 0.0, dim=dim)
    return cleared


def _picked(g: Any, saved: Any, *, dim: int) -> Any:
    return g.gather(dim, saved.indices)


VJPS["accumulate_"] = Rule(lambda g, s, index: g, written)
VJPS["scatter_"] = Rule(_overwritten, None, _picked, saves=("indices",))
VJPS["scatter_add_"] = Rule(lambda g, s, dim: g, None, _picked, saves=("indices",))
