"""Is the training healthy? NaN and infinite losses, gradients that explode or vanish, and a loss that does not move.

What cannot go on raises TrainingError before the optimizer steps, so the weights stay as they were. What is only
suspicious is said once, as a sentence with something to try.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import fmean, median
from typing import Any

from tinytorch.core.engine import TinyTorchError
from tinytorch.core.tensor import Tensor

#| face training: TrainingError


class TrainingError(TinyTorchError):
    """Training cannot go on as it is; the message says what was seen and what to try."""


class TrainingWarning(UserWarning):
    """Training goes on, but something looks wrong."""


class Health:
    """Looks at the loss and the gradient norm of every step.

    recent: how many steps the usual norm is taken over. explosion: how many times the usual norm is too much.
    tiny: below this norm the gradients have vanished. window: over how many steps a loss may stand still.
    """

    def __init__(self, recent: int = 50, explosion: float = 1000.0, tiny: float = 1e-7, window: int = 100):
        self.explosion, self.tiny, self.window = explosion, tiny, window
        self.norms: deque[float] = deque(maxlen=recent)
        self.losses: deque[float] = deque(maxlen=window)
        self.first: list[float] = []
        self.small_in_a_row, self.said = 0, set()

    def check(self, model: Any, loss: float, norm: float, batches: list) -> list[str]:
        """Return warnings about a step that is about to be taken; raise TrainingError if it must not be.

        loss: its mean loss. norm: total norm of the gradients before clipping. batches: [(inputs, targets), …].
        """
        if not math.isfinite(loss):
            raise TrainingError(f"The loss became {loss}: {_cause(model, batches)}")
        if not math.isfinite(norm):
            raise TrainingError(
                f"The gradients became {norm} with a finite loss of {loss:.4g}, first in {_first_bad_gradient(model)}: "
                "look for a division, log or sqrt at 0, or lower the learning rate."
            )
        found = [self._exploding(norm), self._vanishing(norm, loss), self._stuck(loss)]
        self.norms.append(norm)
        return [message for message in found if message]

    def _exploding(self, norm: float) -> str:
        usual = median(self.norms) if len(self.norms) >= 20 else math.inf
        if norm <= self.explosion * max(usual, self.tiny):
            return ""
        return self._once(
            "exploding",
            f"The gradient norm jumped to {norm:.3g}, {norm / max(usual, self.tiny):,.0f} times the usual "
            f"{usual:.3g}: lower the learning rate, or clip it with clip_norm={5 * max(usual, self.tiny):.1g}.",
        )

    def _vanishing(self, norm: float, loss: float) -> str:
        self.small_in_a_row = self.small_in_a_row + 1 if norm < self.tiny and loss > 1e-3 else 0
        if self.small_in_a_row < 20:
            return ""
        return self._once(
            "vanishing",
            f"The gradient norm has been below {self.tiny:g} for 20 steps (now {norm:.3g}) with a loss of {loss:.4g}: "
            "nothing is learnt. Look for dead ReLUs or saturated sigmoids; try normalisation layers or another "
            "initialisation.",
        )

    def _stuck(self, loss: float) -> str:
        if len(self.first) < self.window:
            self.first.append(loss)
            return ""
        self.losses.append(loss)
        if len(self.losses) < self.window:
            return ""
        before, now = fmean(self.first), fmean(self.losses)
        if now < before - 1e-3 * abs(before) or now < 1e-3:
            self.said.add("stuck")
            return ""
        return self._once(
            "stuck",
            f"The loss has not moved in {2 * self.window} steps ({before:.4g} then, {now:.4g} now): try learning rates "
            "ten times smaller and larger, and check that inputs are normalised and that labels fit them.",
        )

    def _once(self, kind: str, message: str) -> str:
        if kind in self.said:
            return ""
        self.said.add(kind)
        return message


def _finite(tensor: Any) -> bool:
    return not isinstance(tensor, Tensor) or tensor.dtype.kind != "f" or bool(tensor.detach().isfinite().all())


def _cause(model: Any, batches: list) -> str:
    """Return where the first NaN or inf is: in the data, in the weights, or in the computation."""
    if not all(_finite(part) for batch in batches for part in batch):
        return "the batch itself holds NaN or inf. Clean the data."
    for name, parameter in model.named_parameters():
        if not _finite(parameter):
            return (
                f"the parameter {name} holds NaN or inf since an earlier step. Resume from a checkpoint, with a lower "
                "learning rate."
            )
    return "data and weights are finite, so the forward pass overflowed. Lower the learning rate, or set clip_norm=1.0."


def _first_bad_gradient(model: Any) -> str:
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not _finite(parameter.grad):
            return name
    return "no single parameter (their sum overflows)"
