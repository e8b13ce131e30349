"""What the losses share: shapes and targets that are checked, the last reduction, and class axes in any place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinytorch.core.engine import DTypeError, GradientError, IndexingError, ShapeError, TinyTorchError
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.given.settings import number, whole

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


def check_reduction(reduction: str, choices: tuple[str, ...] = REDUCTIONS) -> str:
    """Return the reduction, or say which there are."""
    if reduction not in choices:
        shown = " or ".join((", ".join(map(repr, choices[:-1])), repr(choices[-1])))
        raise LossError(f"Expected reduction {shown}, found {reduction!r}.")
    return reduction


def reduce(values: Tensor, reduction: str) -> Tensor:
    """Return the mean, the sum, or the values themselves."""
    check_reduction(reduction)
    if reduction == "none":
        return values
    return values.mean() if reduction == "mean" else values.sum()


def check_class_targets(target: Any, classes: int, ignore_index: int | None, name: str = "cross_entropy") -> None:
    """Refuse class numbers outside of 0 … classes-1; `ignore_index` may stand anywhere."""
    if ignore_index is not None:
        whole(ignore_index, f"{name}'s ignore_index", low=-(2**63))
    if target.size == 0:
        return
    low, high = int(target.min()), int(target.max())
    if low >= 0 and high < classes:
        return
    wrong = (target != ignore_index) & ((target < 0) | (target >= classes))
    if wrong.any():
        place = int(wrong.argmax())
        raise IndexingError(
            f"{name}: expected classes from 0 to {classes - 1}, as the logits have {classes}, found "
            f"{int(target[place])} at position {place}. Do labels start at 1, or is the last layer too narrow?"
        )


def class_factors(weight: Any, classes: int, name: str, constant: bool = True) -> Tensor:
    """Return the weights of the classes if there is one for each, else say what was found.

    constant: whether they may not require a gradient.
    """
    if not isinstance(weight, Tensor):
        raise DTypeError(f"{name}: expected weight to be a Tensor or None, found {type(weight).__name__}.")
    if weight.shape != (classes,):
        raise ShapeError(f"{name}: expected one weight for each of {classes} classes, found shape {weight.shape}.")
    if constant and weight.requires_grad:
        raise GradientError(f"{name}: expected weights of classes without a gradient; pass weight.detach().")
    return weight


def class_rows(
    input: Tensor, target: Tensor, label_smoothing: float, name: str = "cross_entropy", several: bool = True
) -> tuple[Tensor, Tensor]:
    """Return logits as (N, classes) and class numbers as (N,), from (classes,), (N, classes) or (N, classes, d1, …).

    several: whether there may be axes behind the classes.
    """
    number(label_smoothing, f"{name}'s label_smoothing", 0, 1)
    if input.ndim == 0 or input.dtype.kind != "f":
        raise ShapeError(
            f"{name}: expected floating logits with a class axis, found {input.dtype} {input.shape}."
        )
    if input.ndim > 2 and not several:
        raise ShapeError(f"{name}: expected scores of shape (N, classes) or (classes,), found {input.shape}.")
    expected = input.shape[:1] + input.shape[2:] if input.ndim > 1 else ()
    if target.shape != expected:
        raise ShapeError(
            f"{name}: for logits {input.shape} expected classes {expected} or probabilities {input.shape}, "
            f"found {target.dtype} {target.shape}. Logits have one number for each class, targets one for each sample."
        )
    if target.dtype.kind not in "iu":
        raise DTypeError(
            f"{name}: expected integer class numbers, found {target.dtype}. Convert them: target.long()."
        )
    if input.ndim == 2:
        return input, target
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
    number(smoothing, "cross_entropy's label_smoothing", 0, 1)
    dim = 1 if input.ndim > 1 else 0
    wanted = target * (1 - smoothing) + smoothing / input.shape[dim]
    if weight is not None:
        factors = class_factors(weight, input.shape[dim], "cross_entropy", constant=False)
        wanted = wanted * factors.reshape(-1, *(1,) * (input.ndim - dim - 1))
    rows = -(wanted * input.log_softmax(dim)).sum(dim)
    return reduce(rows, reduction)


class Loss(Module):
    """A loss function with its settings, as a Module. Tensors among the settings are buffers."""

    reductions = REDUCTIONS

    def __init__(self, function: Callable, **settings: Any):
        super().__init__()
        self.function, self.names = function, tuple(settings)
        check_reduction(settings["reduction"], self.reductions)
        for name, value in settings.items():
            if name in ("weight", "pos_weight"):
                if value is not None and not isinstance(value, Tensor):
                    raise DTypeError(f"{type(self).__name__}: expected {name} to be a Tensor or None, found {value!r}.")
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the loss of outputs and targets."""
        return self.function(*inputs, **{name: getattr(self, name) for name in self.names})

    def extra_repr(self) -> str:
        """Return the settings, apart from tensors."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.names if name not in self._buffers)
