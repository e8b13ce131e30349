"""A whole sequence of a recurrent layer as one primitive, and its gradient kernel: backpropagation through time.

What the inputs contribute to the gates, `gates` (T, N, …), is one large matrix product made before; only the hidden
state's share has to wait for the step before. One primitive for all steps spares a graph of ten nodes a step, and a
faster backend can replace it. mask: (T, N, 1), bool, or None: where it is False a sequence is at rest, and its state
stays. Elman, 1990 (rnn); Hochreiter and Schmidhuber, 1997, Gers et al., 2000 (lstm); Cho et al., 2014 (gru).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.core.engine import SERVICES, Primitive
from tinytorch.core.networks import MULTIPLY_ADDS
from tinytorch.core.tensor import Tensor, stack, where
from tinytorch.given.silence import quiet


def sigmoid_of(xp: Any, x: Any) -> Any:
    """Return 1 / (1 + e**-x); where e**-x overflows this is 0."""
    return 1 / (1 + xp.exp(-x))


def _share(h: Any, weight: Any, bias: Any) -> Any:
    """Return what the state adds to the gates of a step."""
    return h @ weight.T if bias is None else h @ weight.T + bias


def _resting(xp: Any, mask: Any, t: int, moved: Any, still: Any) -> Any:
    """Return `moved` where the sequences go on, `still` where they rest."""
    return moved if mask is None else xp.where(mask[t], moved, still)


# ---- the sequences


def rnn_kernel(xp, gates, h, weight, bias, mask, *, nonlinearity):
    """Return the states (T, N, H) of h' = f(gates + weight · h + bias), f being "tanh" or "relu"."""
    out = xp.empty((*gates.shape[:2], h.shape[-1]), gates.dtype)
    for t in range(len(gates)):
        z = gates[t] + _share(h, weight, bias)
        h = out[t] = _resting(xp, mask, t, xp.tanh(z) if nonlinearity == "tanh" else xp.maximum(z, 0), h)
    return out


def lstm_kernel(xp, gates, h, c, weight, bias, mask):
    """Return (states (T, N, H), last cell (N, H), activations (T, N, 4H), cells (T, N, H)).

    The gates are input, forget, cell, output: c' = f · c + i · g, h' = o · tanh(c').
    """
    size = h.shape[-1]
    out, cells, acts = (xp.empty((*gates.shape[:2], n), gates.dtype) for n in (size, size, 4 * size))
    for t in range(len(gates)):
        z = gates[t] + _share(h, weight, bias)
        acts[t, :, : 2 * size] = sigmoid_of(xp, z[:, : 2 * size])
        acts[t, :, 2 * size : 3 * size] = xp.tanh(z[:, 2 * size : 3 * size])
        acts[t, :, 3 * size :] = sigmoid_of(xp, z[:, 3 * size :])
        i, f, g, o = (acts[t, :, k * size : (k + 1) * size] for k in range(4))
        new = f * c + i * g
        c = cells[t] = _resting(xp, mask, t, new, c)
        h = out[t] = _resting(xp, mask, t, o * xp.tanh(new), h)
    return out, xp.array(c), acts, cells


def gru_kernel(xp, gates, h, weight, bias, mask):
    """Return (states (T, N, H), activations (T, N, 3H), the state's share of the third gate (T, N, H)).

    The gates are reset, update, new: n = tanh(gates_n + r · (weight_n · h + bias_n)), h' = (1 - z) · n + z · h.
    """
    size = h.shape[-1]
    out, shares, acts = (xp.empty((*gates.shape[:2], n), gates.dtype) for n in (size, size, 3 * size))
    for t in range(len(gates)):
        share = _share(h, weight, bias)
        acts[t, :, : 2 * size] = sigmoid_of(xp, gates[t, :, : 2 * size] + share[:, : 2 * size])
        r, z, n = (acts[t, :, k * size : (k + 1) * size] for k in range(3))
        shares[t] = share[:, 2 * size :]
        n[...] = xp.tanh(gates[t, :, 2 * size :] + r * shares[t])
        h = out[t] = _resting(xp, mask, t, (1 - z) * n + z * h, h)
    return out, acts, shares


# ---- backwards through time
#
# `behind` is the gradient of a state as the steps behind it see it; where a sequence rests, it passes unchanged.


def rnn_grad_kernel(xp, g, gates, h, weight, bias, mask, out, *, nonlinearity):
    """Return the gradients of gates (T, N, H) and of the first state (N, H)."""
    grad, behind = xp.empty_like(out), xp.zeros_like(h)
    for t in reversed(range(len(out))):
        here = behind + g[t]
        slope = 1 - out[t] * out[t] if nonlinearity == "tanh" else out[t] > 0
        grad[t] = _resting(xp, mask, t, here * slope, 0)
        behind = _resting(xp, mask, t, grad[t] @ weight, here)
    return grad, behind


def lstm_grad_kernel(xp, g, g_cell, gates, h, c, weight, bias, mask, acts, cells):
    """Return the gradients of gates (T, N, 4H), first state and first cell (N, H)."""
    size = h.shape[-1]
    grad, behind, cell = xp.empty_like(acts), xp.zeros_like(h), g_cell
    for t in reversed(range(len(acts))):
        i, f, new, o = (acts[t, :, k * size : (k + 1) * size] for k in range(4))
        here, bent = behind + g[t], xp.tanh(cells[t])
        inner = cell + here * o * (1 - bent * bent)
        grad[t, :, :size] = inner * new * i * (1 - i)
        grad[t, :, size : 2 * size] = inner * (cells[t - 1] if t else c) * f * (1 - f)
        grad[t, :, 2 * size : 3 * size] = inner * i * (1 - new * new)
        grad[t, :, 3 * size :] = here * bent * o * (1 - o)
        grad[t] = _resting(xp, mask, t, grad[t], 0)
        cell = _resting(xp, mask, t, inner * f, cell)
        behind = _resting(xp, mask, t, grad[t] @ weight, here)
    return grad, behind, cell


def gru_grad_kernel(xp, g, gates, h, weight, bias, mask, out, acts, shares):
    """Return the gradients of gates (T, N, 3H), of the state's share of them (T, N, 3H) and of the first state."""
    size = h.shape[-1]
    grad, share, behind = xp.empty_like(acts), xp.empty_like(acts), xp.zeros_like(h)
    for t in reversed(range(len(acts))):
        r, z, n = (acts[t, :, k * size : (k + 1) * size] for k in range(3))
        here = behind + g[t]
        inner = here * (1 - z) * (1 - n * n)
        grad[t, :, :size] = inner * shares[t] * r * (1 - r)
        grad[t, :, size : 2 * size] = here * ((out[t - 1] if t else h) - n) * z * (1 - z)
        grad[t, :, 2 * size :] = inner
        grad[t] = _resting(xp, mask, t, grad[t], 0)
        share[t] = grad[t]
        share[t, :, 2 * size :] *= r
        behind = _resting(xp, mask, t, share[t] @ weight + here * z, here)
    return grad, share, behind


# ---- the same in Tensors, for gradients of gradients


def rnn_in_tensors(gates, h, weight, bias, mask, *, nonlinearity):
    """The decomposition of rnn."""
    out = []
    for t in range(len(gates)):
        z = gates[t] + _share(h, weight, bias)
        h = _going_on(mask, t, z.tanh() if nonlinearity == "tanh" else z.relu(), h)
        out.append(h)
    return stack(out)


def lstm_in_tensors(gates, h, c, weight, bias, mask):
    """The decomposition of lstm: its two visible outputs."""
    out, size = [], h.shape[-1]
    for t in range(len(gates)):
        z = gates[t] + _share(h, weight, bias)
        i, f, g, o = (z[:, k * size : (k + 1) * size] for k in range(4))
        new = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = _going_on(mask, t, o.sigmoid() * new.tanh(), h)
        c = _going_on(mask, t, new, c)
        out.append(h)
    return stack(out), c


def gru_in_tensors(gates, h, weight, bias, mask):
    """The decomposition of gru, and what its gradient needs beside: the shares of the state, step by step."""
    out, shares, size = [], [], h.shape[-1]
    for t in range(len(gates)):
        share = _share(h, weight, bias)
        r, z = (
            (gates[t, :, k * size : (k + 1) * size] + share[:, k * size : (k + 1) * size]).sigmoid() for k in range(2)
        )
        n = (gates[t, :, 2 * size :] + r * share[:, 2 * size :]).tanh()
        h = _going_on(mask, t, (1 - z) * n + z * h, h)
        out.append(h)
        shares.append(share)
    return stack(out), shares


def _going_on(mask: Any, t: int, moved: Any, still: Any) -> Any:
    return moved if mask is None else where(mask[t], moved, still)


def _differentiated(function: Callable, gs: tuple, inputs: list) -> tuple:
    """Return the gradients of `function(*inputs)` = (outputs, what to differentiate by), as Tensors with a history."""
    with SERVICES["enable_grad"]():
        own = [x.detach().requires_grad_() if isinstance(x, Tensor) and not x.requires_grad else x for x in inputs]
        outputs, wanted = function(*own)
        return tuple(SERVICES["grad"](outputs, wanted, list(gs), create_graph=True))


def rnn_grad_in_tensors(g, gates, h, weight, bias, mask, out, *, nonlinearity):
    """The decomposition of rnn_grad: the gradient of the decomposition of rnn."""

    def forward(gates, h, weight, bias):
        return [rnn_in_tensors(gates, h, weight, bias, mask, nonlinearity=nonlinearity)], [gates, h]

    return _differentiated(forward, (g,), [gates, h, weight, bias])


def lstm_grad_in_tensors(g, g_cell, gates, h, c, weight, bias, mask, acts, cells):
    """The decomposition of lstm_grad."""

    def forward(gates, h, c, weight, bias):
        return list(lstm_in_tensors(gates, h, c, weight, bias, mask)), [gates, h, c]

    return _differentiated(forward, (g, g_cell), [gates, h, c, weight, bias])


def gru_grad_in_tensors(g, gates, h, weight, bias, mask, out, acts, shares):
    """The decomposition of gru_grad."""

    def forward(gates, h, weight, bias):
        states, steps = gru_in_tensors(gates, h, weight, bias, mask)
        return [states], [gates, h, *steps]

    first, state, *steps = _differentiated(forward, (g,), [gates, h, weight, bias])
    return first, stack(steps), state


RNN_SEQUENCE = Primitive("rnn", quiet(rnn_kernel), promote=None, decompose=rnn_in_tensors)
LSTM_SEQUENCE = Primitive(
    "lstm", quiet(lstm_kernel), outputs=("out", "cell"), residuals=("acts", "cells"), decompose=lstm_in_tensors
)
GRU_SEQUENCE = Primitive(
    "gru", quiet(gru_kernel), residuals=("acts", "shares"), decompose=lambda *inputs: gru_in_tensors(*inputs)[0]
)
RNN_GRAD = Primitive("rnn_grad", quiet(rnn_grad_kernel), outputs=("gates", "h"), decompose=rnn_grad_in_tensors)
LSTM_GRAD = Primitive(
    "lstm_grad", quiet(lstm_grad_kernel), outputs=("gates", "h", "c"), decompose=lstm_grad_in_tensors
)
GRU_GRAD = Primitive(
    "gru_grad", quiet(gru_grad_kernel), outputs=("gates", "share", "h"), decompose=gru_grad_in_tensors
)


def sequence_work(inputs: tuple, outputs: tuple) -> int:
    """Return the multiply-adds of a sequence: each number of its gates needs as many as the state has features."""
    return inputs[0].numel() * inputs[1].shape[-1]


MULTIPLY_ADDS.update(dict.fromkeys(("rnn", "lstm", "gru"), sequence_work))
