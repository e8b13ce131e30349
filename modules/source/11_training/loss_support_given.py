"""What the losses share: shapes and targets that are checked, the last reduction, and class axes in any place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinytorch.core.engine import DTypeError, IndexingError, ShapeError, TinyTorchError
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor

REDUCTIONS = ("mean", "sum", "none")


class LossError(TinyTorchError, ValueError):
    """A setting that a loss does not have; the message says which there are."""


def check_tensors(name: str, input: Any, target: Any) -> None:
    """Refuse an input or a target that is no Tensor."""
    if not isinstance(input, Tensor) or not isinstance(target, Tensor):
        raise DTypeError(f"{name}: expected two tensors, found {type(input).__name__} and {type(target).__name__}.")


def check_same_shape(name: str, input: Tensor, target: Tensor) -> None:
    """Refuse an input and a target that differ in shape: (N,) against (N, 1) would broadcast to (N, N), quietly."""
    check_tensors(name, input, target)
    if input.shape != target.shape:
        same = input.numel() == target.numel()
        hint = (
            "They hold equally many numbers: reshape one of them."
            if same
            else "Is a batch cut short, or the last layer too wide?"
        )
        raise ShapeError(
            f"{name}: expected input and target of the same shape, found {input.shape} and {target.shape}. {hint}"
        )


def check_reduction(reduction: str) -> str:
    """Return the reduction, or say which there are."""
    if reduction not in REDUCTIONS:
        raise LossError(f"Expected reduction 'mean', 'sum' or 'none', found {reduction!r}.")
    return reduction


def reduce(values: Tensor, reduction: str) -> Tensor:
    """Return the mean, the sum, or the values themselves."""
    check_reduction(reduction)
    if reduction == "none":
        return values
    return values.mean() if reduction == "mean" else values.sum()


def check_class_targets(target: Any, classes: int, ignore_index: int) -> None:
    """Refuse class numbers outside of 0 … classes-1; `ignore_index` may stand anywhere."""
    if target.size == 0:
        return
    low, high = int(target.min()), int(target.max())
    if low >= 0 and high < classes:
        return
    wrong = (target != ignore_index) & ((target < 0) | (target >= classes))
    if wrong.any():
        place = int(wrong.argmax())
        raise IndexingError(
            f"cross_entropy: expected classes from 0 to {classes - 1}, as the logits have {classes}, found "
            f"{int(target[place])} at position {place}. Do labels start at 1, or is the last layer too narrow?"
        )


def class_rows(input: Tensor, target: Tensor, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """Return logits as (N, classes) and class numbers as (N,), from (classes,), (N, classes) or (N, classes, d1, …)."""
    if not 0.0 <= label_smoothing <= 1.0:
        raise LossError(f"cross_entropy: expected label_smoothing from 0 to 1, found {label_smoothing!r}.")
    if input.ndim == 0 or input.dtype.kind != "f":
        raise ShapeError(
            f"cross_entropy: expected floating logits with a class axis, found {input.dtype} {input.shape}."
        )
    expected = input.shape[:1] + input.shape[2:] if input.ndim > 1 else ()
    if target.shape != expected:
        raise ShapeError(
            f"cross_entropy: for logits {input.shape} expected classes {expected} or probabilities {input.shape}, "
            f"found {target.dtype} {target.shape}. Logits have one number for each class, targets one for each sample."
        )
    if target.dtype.kind not in "iu":
        raise DTypeError(
            f"cross_entropy: expected integer class numbers, found {target.dtype}. Convert them: target.long()."
        )
    if input.ndim == 1:
        return input.reshape(1, -1), target.reshape(1)
    if input.ndim > 2:
        input = input.permute(0, *range(2, input.ndim), 1)
    return input.reshape(-1, input.shape[-1]), target.reshape(-1)


def mean_of(value: Any, total: Any) -> Any:
    """Return value / total in the dtype of value; NaN if nothing counts, as in PyTorch."""
    return value / value.dtype.type(total) if total else value * math.nan


def soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    """Return the cross-entropy of logits and probabilities, in plain operations: differentiable in both."""
    dim = 1 if input.ndim > 1 else 0
    wanted = target * (1 - smoothing) + smoothing / input.shape[dim]
    if weight is not None:
        wanted = wanted * weight.reshape(-1, *(1,) * (input.ndim - dim - 1))
    rows = -(wanted * input.log_softmax(dim)).sum(dim)
    return reduce(rows, reduction)


class Loss(Module):
    """A loss function with its settings, as a Module. Tensors among the settings are buffers."""

    def __init__(self, function: Callable, **settings: Any):
        super().__init__()
        self.function, self.settings = function, settings
        check_reduction(settings["reduction"])
        for name in ("weight", "pos_weight"):
            if name in settings:
                self.register_buffer(name, settings.pop(name))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss of outputs and targets."""
        return self.function(input, target, **dict(self.named_buffers()), **self.settings)

    def extra_repr(self) -> str:
        """Return the settings."""
        return ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
