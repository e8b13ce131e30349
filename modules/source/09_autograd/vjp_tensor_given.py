"""Gradient rules of the remaining tensor operations.

At ties max, min and the like share the gradient evenly, unless an index was chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from tinytorch.core.engine import VJPS, Rule, primitive
from tinytorch.given import vjp_pointwise as vjp_pointwise  # adds rows to VJPS
from tinytorch.given.applying import is_arithmetic
from tinytorch.given.tensor_ops import names_once


def _call(name: str, *inputs: Any, **params: Any) -> Any:
    return primitive(name)(*inputs, **params)


def restore_axes(t: Any, shape: tuple, dim: Any) -> Any:
    """Return a reduction's result with the axes `dim` (an int, a tuple, or None for all) put back with size 1.

    Of all, the result is a single number, which needs no axes to be repeated along any.
    """
    if dim is None:
        return t
    dims = (dim,) if isinstance(dim, int) else dim
    return t.reshape(tuple(1 if i in dims else size for i, size in enumerate(shape)))


def as_matrices(rule: Callable, which: str) -> Callable:
    """Return a matmul rule that also takes vectors: they become matrices with one row (a) or one column (b) first."""

    def vjp(g: Any, saved: Any) -> Any:      # of tensors, or of arrays: see `apply_small`
        a, b = saved.a, saved.b
        if a.ndim > 1 and b.ndim > 1:
            return rule(g, saved)
        g = g[..., None] if b.ndim == 1 else g
        g = g[..., None, :] if a.ndim == 1 else g
        as_matrix = SimpleNamespace(a=a[None] if a.ndim == 1 else a, b=b[..., None] if b.ndim == 1 else b)
        found = rule(g, as_matrix)
        return found[..., 0] if which == "b" and b.ndim == 1 else found

    vjp.arithmetic = is_arithmetic(rule, ("a", "b"))
    return vjp


# ---- pointwise


def _pow_base(g: Any, saved: Any) -> Any:
    """d(a**b)/da = b·a**(b-1), and 0 for b = 0 whatever a is."""
    if not hasattr(saved.b, "_array"):
        return g * 0.0 if saved.b == 0 else g * saved.b * saved.a ** (saved.b - 1)
    flat = saved.b == 0
    return _call("where", flat, 0.0, g * saved.b * saved.a ** _call("where", flat, saved.b, saved.b - 1))


def _pow_exponent(g: Any, saved: Any) -> Any:
    """d(a**b)/db = a**b·log(a), and 0 where a = 0 and b >= 0."""
    flat = (saved.a == 0) & (saved.b >= 0)
    return g * saved.out * (saved.a + flat.to(g.dtype)).log()


def _where_larger(g: Any, a: Any, b: Any) -> Any:
    """g where a > b or one of them is NaN, half of it at ties, 0 elsewhere."""
    return g * (1.0 - ((a < b).to(g.dtype) + (a <= b)) * 0.5)


def _clamp(g: Any, saved: Any, *, min: Any, max: Any) -> Any:
    inside = saved.a == saved.a if min is None else saved.a >= min
    return _call("where", inside if max is None else inside & (saved.a <= max), g, 0.0)


VJPS["abs"] = Rule(lambda g, s: g * s.a.sign(), saves=("a",))
VJPS["pow"] = Rule(_pow_base, _pow_exponent, saves=("a", "b", "out"))
VJPS["sqrt"] = Rule(lambda g, s: g * 0.5 / s.out, saves=("out",))
VJPS["sin"] = Rule(lambda g, s: g * s.a.cos(), saves=("a",))
VJPS["cos"] = Rule(lambda g, s: -g * s.a.sin(), saves=("a",))
VJPS["maximum"] = Rule(
    lambda g, s: _where_larger(g, s.a, s.b), lambda g, s: _where_larger(g, s.b, s.a), saves=("a", "b")
)
VJPS["minimum"] = Rule(
    lambda g, s: _where_larger(g, s.b, s.a), lambda g, s: _where_larger(g, s.a, s.b), saves=("a", "b")
)
VJPS["clamp"] = Rule(_clamp, saves=("a",))
VJPS["where"] = Rule(
    None,
    lambda g, s: _call("where", s.condition, g, 0.0),
    lambda g, s: _call("where", s.condition, 0.0, g),
    saves=("condition",),
)
VJPS["cast"] = Rule(lambda g, s, dtype: g)
VJPS["copy"] = Rule(lambda g, s: g)


# ---- reductions


def _extreme_vjp(g: Any, saved: Any, *, dim: Any, keepdim: bool) -> Any:
    shape = saved.shape("a")
    ties = (saved.a == restore_axes(saved.out, shape, dim)) | saved.a.isnan()      # NaN wins
    return ties * (restore_axes(g, shape, dim) / ties.sum(dim, keepdim=True))


def _picked_vjp(gs: tuple, saved: Any, *, dim: int, keepdim: bool) -> Any:
    if gs[0] is None:
        return None
    shape = saved.shape("a")
    g, indices = restore_axes(gs[0], shape, dim), restore_axes(saved.indices, shape, dim)
    return _call("put_along", g, indices, dim=dim, size=shape[dim])


VJPS["amax"] = VJPS["amin"] = Rule(_extreme_vjp, saves=("a", "out"))
VJPS["max"] = VJPS["min"] = Rule(_picked_vjp, saves=("indices",))


# ---- shapes, selecting, joining


def _setitem_target(g: Any, saved: Any, *, index: Any) -> Any:
    cleared = g.clone()
    _call("setitem_", cleared, 0.0, index=index)
    return cleared


def written(g: Any, saved: Any, *, index: Any) -> Any:
    """Return the gradient of a value that was written to `index`; its shape may have further 1s in front."""
    g, shape = _call("getitem", g, index=index), saved.shape("value")
    return g.reshape((1,) * (len(shape) - g.ndim) + g.shape)


def _accumulate_part(whole: Any, g: Any, *, index: tuple) -> bool:
    if not names_once(index):
        return False
    whole[index] += g
    return True


def _cat(g: Any, saved: Any, *, dim: int) -> list:
    """Cut the gradient where the pieces were joined."""
    parts, start = [], 0
    for need, shape in zip(saved.needs, saved.shapes, strict=True):
        stop = start + shape[dim]
        parts.append(_call("getitem", g, index=(slice(None),) * dim + (slice(start, stop), ...)) if need else None)
        start = stop
    return parts


VJPS["expand"] = Rule(lambda g, s, shape: g)
VJPS["getitem"] = Rule(
    lambda g, s, index: _call("getitem_grad", g, index=index, shape=s.shape("a")), accumulate=_accumulate_part
)
VJPS["getitem_grad"] = Rule(lambda g, s, index, shape: _call("getitem", g, index=index))
VJPS["setitem_"] = Rule(_setitem_target, written)
VJPS["copy_"] = Rule(lambda g, s: None, lambda g, s: g)
VJPS["take_along"] = Rule(
    lambda g, s, dim: _call("put_along", g, s.indices, dim=dim, size=s.shape("a")[dim]), saves=("indices",)
)
VJPS["put_along"] = Rule(lambda g, s, dim, size: _call("take_along", g, s.indices, dim=dim), saves=("indices",))
VJPS["cat"] = Rule(joint=_cat)
