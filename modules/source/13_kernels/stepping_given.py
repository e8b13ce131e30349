"""Optimizer steps: every number of a parameter and of its averages is read once and written once.

The reference makes a new array for each term of the formula; on a parameter larger than the cache each of them costs a
journey through memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange

from tinytorch.given.compiling import compiled, threaded
from tinytorch.given.row_passes import threads_for


@compiled
def descend(p, g, b, lr, momentum, sign, share, decay, nesterov):
    """p -= lr·d with d = sign·g + decay·p, through the momentum buffer b, which takes `share` of d."""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        if momentum != 0:
            b[i] = momentum * b[i] + share * d
            d = d + momentum * b[i] if nesterov else b[i]
        p[i] -= lr * d


@compiled
def adapt(p, g, m, v, beta1, rest1, beta2, rest2, sign, decay, shrink, rate, eps):
    """One step of Adam: p = shrink·p - rate·m / (√v + eps), m and v being the averages of d and d²."""
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        m[i] = beta1 * m[i] + rest1 * d
        v[i] = beta2 * v[i] + rest2 * d * d
        p[i] = p[i] * shrink - rate * m[i] / (np.sqrt(v[i]) + eps)


@threaded
def descend_all(p, g, b, lr, momentum, sign, share, decay, nesterov, threads):
    """A part of the parameter in each thread."""
    for thread in prange(threads):
        first, last = thread * p.size // threads, (thread + 1) * p.size // threads
        own = p[first:last], g[first:last], b[first:last]
        descend(*own, lr, momentum, sign, share, decay, nesterov)


@threaded
def adapt_all(p, g, m, v, beta1, rest1, beta2, rest2, sign, decay, shrink, rate, eps, threads):
    """A part of the parameter in each thread."""
    for thread in prange(threads):
        first, last = thread * p.size // threads, (thread + 1) * p.size // threads
        own = p[first:last], g[first:last], m[first:last], v[first:last]
        adapt(*own, beta1, rest1, beta2, rest2, sign, decay, shrink, rate, eps)


def _in_threads(some: Callable, everything: Callable, *arguments: Any) -> None:
    """Step on one parameter, the first argument: in this thread, or in as many as it is worth."""
    threads = threads_for(arguments[0].size)
    if threads == 1:
        some(*arguments)
    else:
        everything(*arguments, threads)


def sgd_step(
    xp: Any, params: list, grads: list, buffers: list | None, *, lr: float, momentum: float, dampening: float,
    weight_decay: float, nesterov: bool, maximize: bool, steps: Any,
) -> list:
    """See module 10."""
    kept = params if buffers is None else buffers        # without momentum no buffer is looked at
    for p, g, b, step in zip(params, grads, kept, steps, strict=True):
        share = 1 if step == 1 else 1 - dampening
        settings = (np.float32(s) for s in (lr, momentum, -1 if maximize else 1, share, weight_decay))
        _in_threads(descend, descend_all, p.reshape(-1), g.ravel(), b.reshape(-1), *settings, bool(nesterov))
    return params


def adam_step(
    xp: Any, params: list, grads: list, exp_avgs: list, exp_avg_sqs: list, max_exp_avg_sqs: None, *, lr: float,
    betas: tuple, eps: float, weight_decay: float, decoupled: bool, maximize: bool, steps: Any,
) -> list:
    """See module 10; without AMSGrad."""
    beta1, beta2 = betas
    decay, shrink = (0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1)
    known = {}     # the same for all parameters, as a rule
    for step in set(steps):
        root, rate = math.sqrt(1 - beta2**step), lr / (1 - beta1**step)     # m / (√v / root + eps), but one division
        numbers = (beta1, 1 - beta1, beta2, 1 - beta2, -1 if maximize else 1, decay, shrink, rate * root, eps * root)
        known[step] = [np.float32(number) for number in numbers]
    for p, g, m, v, step in zip(params, grads, exp_avgs, exp_avg_sqs, steps, strict=True):
        arrays = p.reshape(-1), g.ravel(), m.reshape(-1), v.reshape(-1)
        _in_threads(adapt, adapt_all, *arrays, *known[step])
    return params
