"""Losses of pairs and triples: which of them should be close, which far apart, which of two should rank higher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.core.engine import DTypeError, ShapeError
from tinytorch.core.tensor import Tensor, where
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.loss_support import Loss, LossError, check_same_shape, reduce
from tinytorch.given.settings import number
from tinytorch.given.similarity import PairwiseDistance, pairwise_distance

#| face nn.functional: cosine_embedding_loss, margin_ranking_loss, hinge_embedding_loss
#| face nn.functional: triplet_margin_loss, triplet_margin_with_distance_loss
#| face nn: CosineEmbeddingLoss, MarginRankingLoss, HingeEmbeddingLoss
#| face nn: TripletMarginLoss, TripletMarginWithDistanceLoss


def _broadcast(name: str, *tensors: Any) -> None:
    """Refuse what is no tensor, and shapes that do not broadcast against each other."""
    shapes = [expect_tensor(t, name).shape for t in tensors]
    for axes in zip(*(reversed(shape) for shape in shapes), strict=False):
        if len({size for size in axes if size != 1}) > 1:
            raise ShapeError(f"{name}: expected shapes that broadcast against each other, found {shapes}.")


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Return 1 - cos where the target is 1, and max(0, cos - margin) where it is -1.

    inputs: (N, D) and target (N,), or (D,) and a target without axes.
    """
    check_same_shape("cosine_embedding_loss", input1, input2)
    expect_tensor(target, "cosine_embedding_loss")
    if input1.ndim not in (1, 2) or target.shape != input1.shape[:-1]:
        raise ShapeError(
            "cosine_embedding_loss: expected inputs (N, D) and a target (N,), or (D,) and a target without axes, "
            f"found inputs {input1.shape} and target {target.shape}."
        )
    margin = number(margin, "cosine_embedding_loss's margin")
    squares = ((input1 * input1).sum(-1) + 1e-12) * ((input2 * input2).sum(-1) + 1e-12)
    cosine = (input1 * input2).sum(-1) / squares.sqrt()
    apart = where(target == -1, (cosine - margin).clamp(min=0), 0.0)
    return reduce(where(target == 1, 1 - cosine, apart), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Return max(0, margin - target · (input1 - input2)): target 1 asks that input1 be larger, -1 that input2 be."""
    check_same_shape("margin_ranking_loss", input1, input2)
    check_same_shape("margin_ranking_loss", input1, target)
    margin = number(margin, "margin_ranking_loss's margin")
    return reduce((-target * (input1 - input2) + margin).clamp(min=0), reduction)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Return the input (a distance) where the target is 1, and max(0, margin - input) where it is -1."""
    _broadcast("hinge_embedding_loss", input, target)
    apart = (number(margin, "hinge_embedding_loss's margin") - input).clamp(min=0)
    values = where(target == 1, 0.0, apart) + where(target == -1, 0.0, input)
    return reduce(values, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return max(0, d(anchor, positive) - d(anchor, negative) + margin) for any distance of two tensors.

    distance_function: pairwise_distance by default. swap: take d(positive, negative) where it is the smaller one.
    """
    distance = pairwise_distance if distance_function is None else distance_function
    if not callable(distance):
        raise DTypeError(f"triplet_margin_with_distance_loss: expected a function, found {type(distance).__name__}.")
    _broadcast("triplet_margin_with_distance_loss", anchor, positive, negative)
    if not anchor.ndim == positive.ndim == negative.ndim:
        shapes = f"{anchor.shape}, {positive.shape} and {negative.shape}"
        raise ShapeError(f"triplet_margin_with_distance_loss: expected equally many axes, found {shapes}.")
    margin = number(margin, "triplet_margin_with_distance_loss's margin", low=0)
    if margin == 0:
        raise LossError("triplet_margin_with_distance_loss: expected a margin above 0, found 0.")
    far = distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduce((distance(anchor, positive) - far + margin).clamp(min=0), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return max(0, d(anchor, positive) - d(anchor, negative) + margin), d being the p-norm of the difference.

    (N, D) or (D,) each. swap: take d(positive, negative) where it is the smaller one (Balntas et al., 2016).
    """

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=distance, margin=margin, swap=swap, reduction=reduction
    )


class CosineEmbeddingLoss(Loss):
    """Pairs of vectors, alike (1) or not (-1), by their angle; see cosine_embedding_loss."""

    def __init__(self, margin: float = 0.0, reduction: str = "mean"):
        super().__init__(cosine_embedding_loss, margin=margin, reduction=reduction)


class MarginRankingLoss(Loss):
    """Which of two scores should be larger; see margin_ranking_loss."""

    def __init__(self, margin: float = 0.0, reduction: str = "mean"):
        super().__init__(margin_ranking_loss, margin=margin, reduction=reduction)


class HingeEmbeddingLoss(Loss):
    """Distances of pairs, alike (1) or not (-1); see hinge_embedding_loss."""

    def __init__(self, margin: float = 1.0, reduction: str = "mean"):
        super().__init__(hinge_embedding_loss, margin=margin, reduction=reduction)


class TripletMarginLoss(Loss):
    """Anchor, positive, negative; see triplet_margin_loss."""

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"
    ):
        super().__init__(triplet_margin_loss, margin=margin, p=p, eps=eps, swap=swap, reduction=reduction)


class TripletMarginWithDistanceLoss(Loss):
    """Anchor, positive, negative, by a distance of your own; see triplet_margin_with_distance_loss."""

    def __init__(
        self,
        *,
        distance_function: Callable | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ):
        super().__init__(
            triplet_margin_with_distance_loss,
            distance_function=PairwiseDistance() if distance_function is None else distance_function,
            margin=margin, swap=swap, reduction=reduction,
        )
