"""Steps that scale each parameter by its own history: Adagrad, Adadelta, Adamax, NAdam, RAdam.

As the taught steps, each is a primitive on lists and works in place. g is the gradient after sign and L2 decay.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tinytorch.core.engine import NON_DIFFERENTIABLE, Primitive
from tinytorch.given.tensor_ops import quiet


def directions(params: list, grads: list, weight_decay: float, maximize: bool) -> Iterator[tuple]:
    """Yield (parameter, g): the gradient with its sign turned if we maximize, and L2 decay added."""
    for p, g in zip(params, grads, strict=True):
        if maximize:
            g = -g
        yield p, g + weight_decay * p if weight_decay else g


def decoupled(params: list, lr: float, weight_decay: float, apart: bool) -> float:
    """Shrink the parameters by lr · weight_decay if the decay stands apart; return the decay left for the gradient."""
    if not apart:
        return weight_decay
    for p in params:
        p *= 1 - lr * weight_decay
    return 0.0


def move_average(average: Any, value: Any, decay: float) -> None:
    """Let an average forget a part of its past: average = decay · average + (1 - decay) · value."""
    average *= decay
    average += (1 - decay) * value


def adagrad_step_kernel(xp, params, grads, sums, *, lr, lr_decay, weight_decay, eps, maximize, steps):
    """s = s + g², then p = p - lr / (1 + (t - 1) lr_decay) · g / (√s + eps). Duchi, Hazan and Singer, 2011."""
    pairs = directions(params, grads, weight_decay, maximize)
    for (p, g), s, t in zip(pairs, sums, steps, strict=True):
        s += g * g
        p -= lr / (1 + (t - 1) * lr_decay) * g / (xp.sqrt(s) + eps)
    return params


def adadelta_step_kernel(xp, params, grads, square_avgs, acc_deltas, *, lr, rho, eps, weight_decay, maximize):
    """The step is g · √(mean of past steps² + eps) / √(mean of g² + eps). Zeiler, 2012, algorithm 1, times lr."""
    pairs = directions(params, grads, weight_decay, maximize)
    for (p, g), v, a in zip(pairs, square_avgs, acc_deltas, strict=True):
        move_average(v, g * g, rho)
        delta = xp.sqrt(a + eps) / xp.sqrt(v + eps) * g
        move_average(a, delta * delta, rho)
        p -= lr * delta
    return params


def adamax_step_kernel(xp, params, grads, exp_avgs, exp_infs, *, lr, betas, eps, weight_decay, maximize, steps):
    """Adam with the decayed maximum u of |g| + eps in place of √v. Kingma and Ba, 2015, algorithm 2."""
    beta1, beta2 = betas
    pairs = directions(params, grads, weight_decay, maximize)
    for (p, g), m, u, t in zip(pairs, exp_avgs, exp_infs, steps, strict=True):
        move_average(m, g, beta1)
        u *= beta2
        xp.maximum(u, xp.abs(g) + eps, out=u)
        p -= lr / (1 - beta1**t) * m / u
    return params


def nadam_momenta(beta1: float, momentum_decay: float, step: int) -> tuple[float, float]:
    """Return the momenta of this step and of the next; they rise from beta1 / 2 to beta1."""
    now, following = (beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay)) for t in (step, step + 1))
    return now, following


def nadam_step_kernel(
    xp, params, grads, exp_avgs, exp_avg_sqs, *, lr, betas, eps, weight_decay, momentum_decay, decoupled_weight_decay,
    maximize, steps, mu_products,
):
    """Adam that looks one step ahead as Nesterov does. Dozat, 2016. mu_products: Π of the momenta up to this step."""
    beta1, beta2 = betas
    left = decoupled(params, lr, weight_decay, decoupled_weight_decay)
    pairs = directions(params, grads, left, maximize)
    for (p, g), m, v, t, product in zip(pairs, exp_avgs, exp_avg_sqs, steps, mu_products, strict=True):
        now, following = nadam_momenta(beta1, momentum_decay, t)
        move_average(m, g, beta1)
        move_average(v, g * g, beta2)
        scale = xp.sqrt(v / (1 - beta2**t)) + eps
        p -= (lr * (1 - now) / (1 - product) * g + lr * following / (1 - product * following) * m) / scale
    return params


def radam_step_kernel(
    xp, params, grads, exp_avgs, exp_avg_sqs, *, lr, betas, eps, weight_decay, decoupled_weight_decay, maximize, steps
):
    """Adam that scales by √v only once enough steps make v trustworthy. Liu et al., 2020, algorithm 2."""
    beta1, beta2 = betas
    left = decoupled(params, lr, weight_decay, decoupled_weight_decay)
    longest = 2 / (1 - beta2) - 1
    pairs = directions(params, grads, left, maximize)
    for (p, g), m, v, t in zip(pairs, exp_avgs, exp_avg_sqs, steps, strict=True):
        move_average(m, g, beta1)
        move_average(v, g * g, beta2)
        missing = 1 - beta2**t
        length = longest - 2 * t * beta2**t / missing
        change = lr / (1 - beta1**t) * m
        if length > 5:
            trust = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            change = change * (math.sqrt(trust * missing) / (xp.sqrt(v) + eps))
        p -= change
    return params


ADAGRAD_STEP = Primitive("adagrad_step", quiet(adagrad_step_kernel), mutates=("params", "sums"))
ADADELTA_STEP = Primitive("adadelta_step", quiet(adadelta_step_kernel), mutates=("params", "square_avgs", "acc_deltas"))
ADAMAX_STEP = Primitive("adamax_step", quiet(adamax_step_kernel), mutates=("params", "exp_avgs", "exp_infs"))
NADAM_STEP = Primitive("nadam_step", quiet(nadam_step_kernel), mutates=("params", "exp_avgs", "exp_avg_sqs"))
RADAM_STEP = Primitive("radam_step", quiet(radam_step_kernel), mutates=("params", "exp_avgs", "exp_avg_sqs"))
NON_DIFFERENTIABLE.update({"adagrad_step", "adadelta_step", "adamax_step", "nadam_step", "radam_step"})
