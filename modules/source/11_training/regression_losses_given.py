"""Losses of predicted numbers, beside the mean squared error: absolute and robust ones, and negative log-likelihoods.

Input and target must have the same shape (PyTorch broadcasts them, with a warning at most).
"""

from __future__ import annotations

import math

from tinytorch.core.tensor import Tensor, from_array, where
from tinytorch.given.loss_support import Loss, LossError, check_same_shape, check_tensors, reduce
from tinytorch.given.settings import number

#| face nn.functional: l1_loss, smooth_l1_loss, huber_loss, poisson_nll_loss, gaussian_nll_loss
#| face nn: L1Loss, SmoothL1Loss, HuberLoss, PoissonNLLLoss, GaussianNLLLoss


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Return the mean absolute error; weight: a factor for each element, and then the mean divides by their sum."""
    check_same_shape("l1_loss", input, target)
    error = (input - target).abs()
    if weight is None:
        return reduce(error, reduction)
    check_same_shape("l1_loss's weight", input, weight)
    total = reduce(error * weight, "sum" if reduction == "mean" else reduction)
    return total / weight.sum() if reduction == "mean" else total


def _bent(error: Tensor, bend: float) -> Tensor:
    """Return error²/2 up to `bend`, and beyond it the tangent bend · (error - bend/2). error: not negative.

    What lies outside of a piece is replaced before it is computed, so that an infinite error harms no gradient.
    """
    small = error < bend
    inside, outside = where(small, error, 0.0), where(small, 0.5 * bend, error)
    return 0.5 * inside * inside + bend * (outside - 0.5 * bend)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Return |error| with its corner rounded: error²/(2 beta) below beta, |error| - beta/2 above. Girshick, 2015."""
    check_same_shape("smooth_l1_loss", input, target)
    beta = number(beta, "smooth_l1_loss's beta", low=0)
    error = (input - target).abs()
    return reduce(error if beta == 0 else _bent(error, beta) / beta, reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Return the Huber loss: error²/2 up to delta, delta · (|error| - delta/2) beyond. Huber, 1964.

    weight: a factor for each element; the mean divides by the number of elements, as in PyTorch.
    """
    check_same_shape("huber_loss", input, target)
    delta = number(delta, "huber_loss's delta", low=0)
    if delta == 0:
        raise LossError("huber_loss: expected a delta above 0, found 0.")
    values = _bent((input - target).abs(), delta)
    if weight is not None:
        check_same_shape("huber_loss's weight", input, weight)
        values = values * weight
    return reduce(values, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """Return the negative log-likelihood of counts under a Poisson distribution, without its constant log(target!).

    log_input: the input is the logarithm of the rate. full: add Stirling's approximation of the constant where
    target > 1. eps: keeps the logarithm of a rate of 0 finite.
    """
    check_same_shape("poisson_nll_loss", input, target)
    if log_input:
        values = input.exp() - target * input
    else:
        values = input - target * (input + number(eps, "poisson_nll_loss's eps")).log()
    if full:
        large = target > 1
        count = where(large, target, 1.0)
        stirling = count * count.log() - count + 0.5 * (2 * math.pi * count).log()
        values = values + where(large, stirling, 0.0)
    return reduce(values, reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """Return the negative log-likelihood under normal distributions with means `input` and variances `var`.

    var: a number, or of the input's shape, or with its last axis of size 1 or left out. A variance below eps counts as
    eps, though its gradient passes. full: add the constant log(2π)/2. Nix and Weigend, 1994.
    """
    check_same_shape("gaussian_nll_loss", input, target)
    if not isinstance(var, Tensor):
        var = from_array(input.detach().numpy() * 0 + number(var, "gaussian_nll_loss's var", low=0))
    if var.shape == input.shape[:-1] and var.shape != input.shape:
        var = var.unsqueeze(-1)
    if var.shape not in (input.shape, (*input.shape[:-1], 1)):
        expected = f"{input.shape}, {(*input.shape[:-1], 1)} or {input.shape[:-1]}"
        raise LossError(f"gaussian_nll_loss: expected var of shape {expected}, found {var.shape}.")
    if bool((var < 0).any()):
        raise LossError("gaussian_nll_loss: expected variances of 0 or more, found a negative one.")
    eps = number(eps, "gaussian_nll_loss's eps", low=0)
    var = var + (var.detach().clamp(min=eps) - var.detach())
    values = 0.5 * (var.log() + (input - target) ** 2 / var)
    return reduce(values + 0.5 * math.log(2 * math.pi) if full else values, reduction)


class L1Loss(Loss):
    """Mean absolute error; see l1_loss."""

    def __init__(self, reduction: str = "mean"):
        super().__init__(l1_loss, reduction=reduction)


class SmoothL1Loss(Loss):
    """Absolute error with a rounded corner; see smooth_l1_loss."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0):
        super().__init__(smooth_l1_loss, reduction=reduction, beta=number(beta, "SmoothL1Loss's beta", low=0))


class HuberLoss(Loss):
    """Squared near 0, absolute far away; see huber_loss."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(huber_loss, reduction=reduction, delta=number(delta, "HuberLoss's delta", low=0))


class PoissonNLLLoss(Loss):
    """Negative log-likelihood of counts; see poisson_nll_loss."""

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"):
        super().__init__(poisson_nll_loss, log_input=log_input, full=full, eps=eps, reduction=reduction)


class GaussianNLLLoss(Loss):
    """Negative log-likelihood of normal distributions, called with (input, target, var); see gaussian_nll_loss."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        super().__init__(gaussian_nll_loss, full=full, eps=eps, reduction=reduction)

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        """Return the loss of means, targets and variances."""
        check_tensors("GaussianNLLLoss", input, target)
        return super().forward(input, target, var)
