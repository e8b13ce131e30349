"""Binary cross-entropy: the loss of yes-or-no questions, for any number of them at once.

With σ(x) = 1/(1 + e**-x) the loss of a logit x and a target y is -y·log σ(x) - (1-y)·log(1 - σ(x)). For x = -200 the
first logarithm is of zero. With softplus(x) = log(1 + e**x) we have -log σ(x) = softplus(-x), and the loss is
(1-y)·x + softplus(-x).
"""

from __future__ import annotations

from tinytorch.core.engine import primitive
from tinytorch.core.tensor import Tensor
from tinytorch.given.loss_support import Loss, check_same_shape, reduce
from tinytorch.given.settings import number

#| face nn.functional: binary_cross_entropy_with_logits
#| face nn: BCEWithLogitsLoss


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | float | None = None,
) -> Tensor:
    """Return the binary cross-entropy of logits and targets from 0 to 1, of the same shape.

    weight: a factor for each element. pos_weight: a factor for the answer "yes", where it is rare.
    """
    check_same_shape("binary_cross_entropy_with_logits", input, target)
    surprise = primitive("softplus")(-input)
    if pos_weight is not None:
        if not isinstance(pos_weight, Tensor):
            pos_weight = number(pos_weight, "binary_cross_entropy_with_logits's pos_weight")
        surprise = (1 + (pos_weight - 1) * target) * surprise
    values = (1 - target) * input + surprise
    return reduce(values if weight is None else values * weight, reduction)


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of logits; see binary_cross_entropy_with_logits."""

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None):
        super().__init__(binary_cross_entropy_with_logits, weight=weight, reduction=reduction, pos_weight=pos_weight)
