"""Gradient rules of the recurrent sequences (module 07). What their gradient kernels are is said by their `decompose`.

The kernels walk back through the steps; the gradients of weight and bias are one product and one sum over all steps.
"""

from __future__ import annotations

from typing import Any

from tinytorch.core.engine import VJPS, Rule, primitive


def _weight_and_bias(share: Any, saved: Any, weight_needs: bool, bias_needs: bool) -> tuple[Any, Any]:
    """Return their gradients from that of the state's share of the gates (T, N, G)."""
    t, n, size = share.shape
    weight = bias = None
    if weight_needs:
        before = primitive("cat")(saved.h.unsqueeze(0), saved.out[:-1], dim=0)
        weight = share.reshape(t * n, size).mT @ before.reshape(t * n, before.shape[-1])
    if bias_needs:
        bias = share.sum((0, 1))
    return weight, bias


def _rnn(g: Any, saved: Any, *, nonlinearity: str) -> tuple:
    kept = saved.gates, saved.h, saved.weight, saved.bias, saved.mask, saved.out.detach()
    gates, h = primitive("rnn_grad")(g, *kept, nonlinearity=nonlinearity)
    return gates, h, *_weight_and_bias(gates, saved, *saved.needs[2:4]), None


def _lstm(g: tuple, saved: Any) -> tuple:
    kept = saved.gates, saved.h, saved.c, saved.weight, saved.bias, saved.mask, saved.acts, saved.cells
    states, cell = (kept[-1] * 0.0 if g[0] is None else g[0]), (kept[2].detach() * 0.0 if g[1] is None else g[1])
    gates, h, c = primitive("lstm_grad")(states, cell, *kept)
    return gates, h, c, *_weight_and_bias(gates, saved, *saved.needs[3:5]), None


def _gru(g: Any, saved: Any) -> tuple:
    kept = saved.gates, saved.h, saved.weight, saved.bias, saved.mask, saved.out.detach(), saved.acts, saved.shares
    gates, share, h = primitive("gru_grad")(g, *kept)
    return gates, h, *_weight_and_bias(share, saved, *saved.needs[2:4]), None


VJPS["rnn"] = Rule(joint=_rnn, saves=("gates", "h", "weight", "bias", "mask", "out"))
VJPS["lstm"] = Rule(joint=_lstm, saves=("gates", "h", "c", "weight", "bias", "mask", "out", "acts", "cells"))
VJPS["gru"] = Rule(joint=_gru, saves=("gates", "h", "weight", "bias", "mask", "out", "acts", "shares"))
