"""Two younger steps: Lion, which moves by signs, and Muon, which moves a weight matrix by an orthogonal one."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.core.engine import NON_DIFFERENTIABLE, Primitive
from tinytorch.given.tensor_ops import quiet


def lion_step_kernel(xp, params, grads, exp_avgs, *, lr, betas, weight_decay, maximize):
    """Step by lr · sign(β₁ m + (1 - β₁) g), then m = β₂ m + (1 - β₂) g; the decay apart. Chen et al., 2023."""
    beta1, beta2 = betas
    for p, g, m in zip(params, grads, exp_avgs, strict=True):
        if maximize:
            g = -g
        if weight_decay:
            p *= 1 - lr * weight_decay
        p -= lr * xp.sign(beta1 * m + (1 - beta1) * g)
        m *= beta2
        m += (1 - beta2) * g
    return params


def orthogonalise(xp: Any, matrix: Any, coefficients: tuple, steps: int, eps: float) -> Any:
    """Return a matrix with nearly the singular vectors of `matrix` and singular values near 1, by Newton-Schulz steps.

    x becomes a x + (b A + c A A) x with A = x xᵀ, which acts on each singular value alone. It is begun with norm 1, on
    the wide form, so that A is the small one.
    """
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / xp.maximum(xp.linalg.norm(x), eps)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.T if tall else x


def muon_scale(shape: tuple[int, int], adjust_lr_fn: str | None) -> float:
    """Return the factor on the learning rate of a weight of shape (outputs, inputs): see `optim.Muon`."""
    if adjust_lr_fn == "match_rms_adamw":
        return 0.2 * math.sqrt(max(shape))
    return math.sqrt(max(1.0, shape[0] / shape[1]))


def muon_step_kernel(
    xp, params, grads, buffers, *, lr, weight_decay, momentum, nesterov, ns_coefficients, eps, ns_steps, adjust_lr_fn
):
    """b = momentum · b + (1 - momentum) g; the step is the orthogonal matrix nearest to b. Jordan et al., 2024."""
    for p, g, b in zip(params, grads, buffers, strict=True):
        b *= momentum
        b += (1 - momentum) * g
        update = (1 - momentum) * g + momentum * b if nesterov else b
        if not p.size:
            continue
        p *= 1 - lr * weight_decay
        p -= lr * muon_scale(p.shape, adjust_lr_fn) * orthogonalise(xp, update, ns_coefficients, ns_steps, eps)
    return params


LION_STEP = Primitive("lion_step", quiet(lion_step_kernel), mutates=("params", "exp_avgs"))
MUON_STEP = Primitive("muon_step", quiet(muon_step_kernel), mutates=("params", "buffers"))
NON_DIFFERENTIABLE.update({"lion_step", "muon_step"})
