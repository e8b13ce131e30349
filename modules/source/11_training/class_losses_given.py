"""Losses of classes and probabilities, beside cross-entropy: of log-probabilities, of distributions, of margins."""

from __future__ import annotations

import numpy as np

from tinytorch.core.engine import VJPS, Primitive, Rule, bind
from tinytorch.core.tensor import Tensor, from_array, where
from tinytorch.given.activation_functions import SOFTPLUS
from tinytorch.given.binary_loss import binary_cross_entropy_with_logits
from tinytorch.given.loss_support import (
    REDUCTIONS,
    Loss,
    LossError,
    check_class_targets,
    check_reduction,
    check_same_shape,
    check_tensors,
    class_factors,
    class_rows,
    reduce,
)
from tinytorch.given.settings import number, one_of, whole
from tinytorch.given.silence import quiet

#| face nn.functional: nll_loss, kl_div, binary_cross_entropy, multi_margin_loss
#| face nn.functional: soft_margin_loss, multilabel_soft_margin_loss
#| face nn: NLLLoss, KLDivLoss, BCELoss, MultiMarginLoss, SoftMarginLoss, MultiLabelSoftMarginLoss


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return minus the log-probability of the right class: what cross_entropy computes after its log_softmax.

    input: log-probabilities (N, classes, …) or (classes,). target: class numbers. weight: a factor for each class; the
    mean divides by the sum of those that count. ignore_index: a class number that does not count.
    """
    check_reduction(reduction)
    check_tensors("nll_loss", input, target)
    rows, classes = class_rows(input, target, 0.0, "nll_loss")
    numbers, ignore_index = classes.numpy(), whole(ignore_index, "nll_loss's ignore_index", low=-(2**63))
    check_class_targets(numbers, rows.shape[1], ignore_index, "nll_loss")
    counts = numbers != ignore_index
    right = np.where(counts, numbers, 0)
    factors = counts.astype(rows.dtype)
    if weight is not None:
        factors *= class_factors(weight, rows.shape[1], "nll_loss").numpy()[right]
    picked = where(from_array(counts), rows.gather(1, from_array(right[:, None])).squeeze(1), 0.0)
    values = -picked * from_array(factors)
    if reduction == "none":
        return values.reshape(target.shape)
    total = values.sum()
    return total if reduction == "sum" else total / float(factors.sum())


def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Return the Kullback-Leibler divergence target · (log target - input) of log-probabilities `input`.

    log_target: the target too holds logarithms. reduction: "batchmean" is the sum divided by the size of the first
    axis, the divergence itself; "mean" divides by the number of elements.
    """
    check_reduction(reduction, KLDivLoss.reductions)
    check_same_shape("kl_div", input, target)
    if log_target:
        values = target.exp() * (target - input)
    else:
        values = target * where(target == 0, 1.0, target).log() - target * input
    if reduction == "batchmean":
        return values.sum() / input.shape[0] if input.ndim else values
    return reduce(values, reduction)


def binary_cross_entropy_kernel(xp, x, y):
    """Return -y·log(x) - (1 - y)·log(1 - x), no logarithm being below -100, as in PyTorch."""
    return -y * xp.maximum(xp.log(x), -100) - (1 - y) * xp.maximum(xp.log1p(-x), -100)


BINARY_CROSS_ENTROPY = Primitive("binary_cross_entropy", quiet(binary_cross_entropy_kernel), promote="float")
VJPS["binary_cross_entropy"] = Rule(
    lambda g, s: g * (s.x - s.y) / ((1.0 - s.x) * s.x).clamp(min=1e-12),
    lambda g, s: g * ((1.0 - s.x).log().clamp(min=-100) - s.x.log().clamp(min=-100)),
    saves=("x", "y"),
)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Return the binary cross-entropy of probabilities and targets from 0 to 1. weight: a factor for each element.

    Of logits use binary_cross_entropy_with_logits: a probability that was rounded to 1 has lost its distance from 1.
    """
    check_same_shape("binary_cross_entropy", input, target)
    outside = ~((input >= 0) & (input <= 1))
    if bool(outside.any()):
        raise LossError(
            "binary_cross_entropy: expected probabilities from 0 to 1, found "
            f"{float(input.detach().numpy()[outside.numpy()][0]):.4g}. Use binary_cross_entropy_with_logits for logits."
        )
    if bool(((target < 0) | (target > 1)).any()):
        raise LossError("binary_cross_entropy: expected targets from 0 to 1, found others.")
    values = bind(BINARY_CROSS_ENTROPY, input, target)
    return reduce(values if weight is None else values * weight, reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the sum over the wrong classes of max(0, margin - right + wrong)**p, divided by the number of classes.

    input: scores (N, classes) or (classes,). target: class numbers. p: 1 or 2. weight: a factor for each right class.
    """
    check_reduction(reduction)
    check_tensors("multi_margin_loss", input, target)
    rows, classes = class_rows(input, target, 0.0, "multi_margin_loss", several=False)
    right, count = classes.numpy(), rows.shape[1]
    check_class_targets(right, count, None, "multi_margin_loss")
    gaps = (number(margin, "multi_margin_loss's margin") - rows.gather(1, classes.unsqueeze(1)) + rows).clamp(min=0)
    if one_of(p, "multi_margin_loss's p", (1, 2)) == 2:
        gaps = gaps * gaps
    wrong = (np.arange(count) != right[:, None]).astype(rows.dtype) / count
    if weight is not None:
        wrong = wrong * class_factors(weight, count, "multi_margin_loss").numpy()[right][:, None]
    values = (gaps * from_array(wrong.astype(rows.dtype))).sum(1)
    return values.reshape(target.shape) if reduction == "none" else reduce(values, reduction)


def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Return log(1 + e**(-target · input)) of scores and targets that are -1 or 1."""
    check_same_shape("soft_margin_loss", input, target)
    return reduce(bind(SOFTPLUS, -target * input), reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Return the mean over the last axis of the binary cross-entropy of logits. weight: a factor for each class."""
    values = binary_cross_entropy_with_logits(input, target, weight, "none")
    return reduce(values.mean(-1), reduction)


class NLLLoss(Loss):
    """Negative log-likelihood of log-probabilities; see nll_loss."""

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"):
        super().__init__(nll_loss, weight=weight, ignore_index=ignore_index, reduction=reduction)


class KLDivLoss(Loss):
    """Kullback-Leibler divergence; see kl_div."""

    reductions = ("batchmean", *REDUCTIONS)

    def __init__(self, reduction: str = "mean", log_target: bool = False):
        super().__init__(kl_div, reduction=reduction, log_target=log_target)


class BCELoss(Loss):
    """Binary cross-entropy of probabilities; see binary_cross_entropy."""

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean"):
        super().__init__(binary_cross_entropy, weight=weight, reduction=reduction)


class MultiMarginLoss(Loss):
    """Margins between the right class and the others; see multi_margin_loss."""

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, reduction: str = "mean"):
        p, margin = one_of(p, "MultiMarginLoss's p", (1, 2)), number(margin, "MultiMarginLoss's margin")
        super().__init__(multi_margin_loss, p=p, margin=margin, weight=weight, reduction=reduction)


class SoftMarginLoss(Loss):
    """Two classes, named -1 and 1; see soft_margin_loss."""

    def __init__(self, reduction: str = "mean"):
        super().__init__(soft_margin_loss, reduction=reduction)


class MultiLabelSoftMarginLoss(Loss):
    """Several yes-or-no questions at once; see multilabel_soft_margin_loss."""

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean"):
        super().__init__(multilabel_soft_margin_loss, weight=weight, reduction=reduction)
