"""Gradient rules of the spatial operations of module 06.

A convolution is linear in images and weight, pooling (once the places of the maxima are known) in images: their
gradient kernels are each other's derivatives. The gradients of the normalisations are differentiated through their
`decompose`.
"""

from __future__ import annotations

from typing import Any

from tinytorch.core.engine import VJPS, Rule, primitive
from tinytorch.given import vjp_spatial_functions as vjp_spatial_functions  # adds rows to VJPS

# ---- convolution ----------------------------------------------------------------------------------------


def _input_grad(g: Any, weight: Any, size: Any, settings: dict) -> Any:
    return primitive("conv2d_input_grad")(g, weight, size=tuple(size), **settings)


def _weight_grad(g: Any, x: Any, size: Any, settings: dict) -> Any:
    return primitive("conv2d_weight_grad")(g, x, size=tuple(size), **settings)


VJPS["conv2d"] = Rule(
    lambda g, s, **settings: _input_grad(g, s.weight, s.shape("x")[2:], settings),
    lambda g, s, **settings: _weight_grad(g, s.x, s.shape("weight")[2:], settings),
    lambda g, s, **settings: g.sum((0, 2, 3)),
    saves=("x", "weight"),
)
VJPS["conv2d_input_grad"] = Rule(
    lambda h, s, size, **settings: primitive("conv2d")(h, s.weight, None, **settings),
    lambda h, s, size, **settings: _weight_grad(s.g, h, s.shape("weight")[2:], settings),
    saves=("g", "weight"),
)
VJPS["conv2d_weight_grad"] = Rule(
    lambda h, s, size, **settings: primitive("conv2d")(s.x, h, None, **settings),
    lambda h, s, size, **settings: _input_grad(s.g, h, s.shape("x")[2:], settings),
    saves=("g", "x"),
)


# ---- pooling, padding, unfolding ------------------------------------------------------------------------


def _cut(g: Any, saved: Any, *, widths: Any, value: Any) -> Any:
    """Padding undone: a place that was cut off receives nothing, one that was added gives nothing back."""
    return primitive("pad")(g, widths=tuple((-before, -after) for before, after in widths), value=0)


def _to_maxima(g: Any, saved: Any, **settings: Any) -> Any:
    """Each window's g goes to the place of its first maximum in x. Where that is does not change under a small step."""
    return primitive("max_pool2d_grad")(g, saved.x.detach(), saved.out.detach(), **settings)


def _from_maxima(h: Any, saved: Any, **settings: Any) -> Any:
    """The values of h at these places."""
    return primitive("max_pool2d_pick")(h, saved.x.detach(), saved.out.detach(), **settings)


VJPS["max_pool2d"] = Rule(_to_maxima, saves=("x", "out"))
VJPS["max_pool2d_grad"] = Rule(_from_maxima, None, None, saves=("x", "out"))
VJPS["max_pool2d_pick"] = Rule(_to_maxima, None, None, saves=("x", "out"))
VJPS["avg_pool2d"] = Rule(lambda g, s, **settings: primitive("avg_pool2d_grad")(g, size=s.shape("x")[2:], **settings))
VJPS["avg_pool2d_grad"] = Rule(lambda h, s, size, **settings: primitive("avg_pool2d")(h, **settings))
VJPS["pad"] = Rule(_cut)
VJPS["unfold"] = Rule(lambda g, s, **settings: primitive("unfold_grad")(g, size=s.shape("x")[2:], **settings))
VJPS["unfold_grad"] = Rule(lambda h, s, size, **settings: primitive("unfold")(h, **settings))


# ---- normalisation --------------------------------------------------------------------------------------


def _batch_norm(g: Any, saved: Any, **settings: Any) -> tuple:
    return *primitive("batch_norm_grad")(g, saved.x, saved.weight, saved.mean, saved.var, **settings), None, None


def _layer_norm(g: Any, saved: Any, **settings: Any) -> tuple:
    return primitive("layer_norm_grad")(g, saved.x, saved.weight, saved.mean, saved.rstd, **settings)


VJPS["batch_norm"] = Rule(joint=_batch_norm, saves=("x", "weight", "mean", "var"))
VJPS["layer_norm"] = Rule(joint=_layer_norm, saves=("x", "weight", "mean", "rstd"))
