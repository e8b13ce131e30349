"""Averages of the weights over training: exponential (EMA) and equal (SWA); they often generalise better than the last.

Sources: Polyak and Juditsky, 1992; Izmailov et al., "Averaging weights leads to wider optima and better
generalization", 2018. Names and numbers of torch.optim.swa_utils.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from tinytorch.core.autograd import no_grad
from tinytorch.core.engine import DTypeError, ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.given.parameter_groups import OptimizerError
from tinytorch.given.schedulers import LRScheduler, for_each_group, number_in

#| face optim.swa_utils: AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn, get_swa_avg_fn, get_swa_multi_avg_fn
#| face optim.swa_utils: update_bn, SWALR


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """Return the rule average = decay · average + (1 - decay) · weight, for one pair of tensors."""
    number_in(decay, "get_ema_avg_fn: decay", 0, 1)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """Return the same rule for two lists of tensors, in place."""
    average = get_ema_avg_fn(decay)
    return _over_lists(average)


def get_swa_avg_fn() -> Callable:
    """Return the rule of the plain mean, for one pair of tensors: average + (weight - average) / (count + 1)."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (int(num_averaged) + 1)

    return swa_update


def get_swa_multi_avg_fn() -> Callable:
    """Return the same rule for two lists of tensors, in place."""
    return _over_lists(get_swa_avg_fn())


def _over_lists(rule: Callable) -> Callable:
    @no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], num_averaged: Any) -> None:
        for average, value in zip(averaged, current, strict=True):
            average.copy_(rule(average, value, num_averaged))

    return update


class AveragedModel(Module):
    """A copy of a model whose weights are the average of the model's, over the calls of `update_parameters(model)`.

    The first call copies. avg_fn: the rule for one pair of tensors (average, weight, count), by default the plain mean;
    or multi_avg_fn for two lists. use_buffers: average the buffers too; otherwise they are copied.
    """

    def __init__(
        self, model: Module, device: Any = None, avg_fn: Callable | None = None, multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ):
        super().__init__()
        if not isinstance(model, Module):
            raise DTypeError(f"AveragedModel: expected a Module, found {type(model).__name__}.")
        if avg_fn is not None and multi_avg_fn is not None:
            raise OptimizerError("AveragedModel: expected avg_fn or multi_avg_fn, found both.")
        self.module = deepcopy(model) if device is None else deepcopy(model).to(device)
        self.register_buffer("n_averaged", Tensor(np.array(0, np.int64)))
        self.use_buffers = use_buffers
        self.average = multi_avg_fn or _over_lists(avg_fn or get_swa_avg_fn())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the averaged model."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the weights of `model` into the average."""
        buffers = (list(self.module.buffers()), list(model.buffers()))
        weights = (list(self.module.parameters()), list(model.parameters()))
        for ours, theirs in (weights, buffers):
            _refuse_other_shapes(ours, theirs)
        pairs = zip(weights, buffers, strict=True)
        averaged, current = (list(chain(w, b)) if self.use_buffers else w for w, b in pairs)
        copied = () if self.use_buffers else zip(*buffers, strict=True)
        if int(self.n_averaged.item()) == 0:
            copied = chain(zip(averaged, current, strict=True), copied)
        elif averaged:
            self.average([t.detach() for t in averaged], [t.detach() for t in current], self.n_averaged)
        for ours, theirs in copied:
            ours.detach().copy_(theirs.detach())
        self.n_averaged.add_(1)


def _refuse_other_shapes(ours: list[Tensor], theirs: list[Tensor]) -> None:
    expected, found = [t.shape for t in ours], [t.shape for t in theirs]
    if expected != found:
        raise ShapeError(
            f"AveragedModel: expected the model that was averaged, with tensors {expected[:4]}, found {found[:4]}."
        )


@no_grad()
def update_bn(loader: Iterable, model: Module, device: Any = None) -> None:
    """Compute the running statistics of every batch norm anew, as the mean over all batches of `loader`.

    Averaged weights were never run, so their statistics are those of other weights. loader: batches of inputs, or
    lists whose first element is one.
    """
    layers = [m for m in model.modules() if getattr(m, "running_mean", None) is not None]
    if not layers:
        return
    was_training = [(module, module.training) for module in model.modules()]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.running_mean.zero_()
        layer.running_var.fill_(1.0)
        layer.num_batches_tracked.zero_()
    model.train()
    try:
        for layer in layers:
            layer.momentum = None                       # the plain mean over all batches
        for batch in loader:
            inputs = batch[0] if isinstance(batch, list | tuple) else batch
            model(inputs if device is None else inputs.to(device))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for module, training in was_training:
            module.training = training


class SWALR(LRScheduler):
    """Move the rate to a constant `swa_lr` in `anneal_epochs` steps, on a line or on half a cosine wave."""

    def __init__(
        self, optimizer: Any, swa_lr: Any, anneal_epochs: int = 10, anneal_strategy: str = "cos", last_epoch: int = -1
    ):
        self.swa_lrs = for_each_group(swa_lr, optimizer, "SWALR: swa_lr")
        if anneal_strategy not in ("cos", "linear"):
            raise OptimizerError(f"SWALR: expected anneal_strategy 'cos' or 'linear', found {anneal_strategy!r}.")
        self.anneal_epochs = number_in(anneal_epochs, "SWALR: anneal_epochs", 0)
        self.anneal_strategy = anneal_strategy
        self.start_lrs = [group["lr"] for group in optimizer.param_groups]
        super().__init__(optimizer, last_epoch)

    def step(self) -> None:
        """Move on by one step; what another scheduler has done to the rate since then is blended in too."""
        self.last_epoch += 1
        before, now = (self.fraction(t) for t in (self.last_epoch - 1, self.last_epoch))
        for group, target in zip(self.optimizer.param_groups, self.swa_lrs, strict=True):
            start = target if before == 1 else (group["lr"] - before * target) / (1 - before)
            group["lr"] = target * now + start * (1 - now)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def fraction(self, step: int) -> float:
        """Return how much of the way is done after `step` steps, from 0 to 1."""
        if self.anneal_epochs == 0:
            step = max(1, step)
        done = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return done if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * done)) / 2

    def get_lr(self) -> list[float]:
        """Return the rates as they are."""
        return [group["lr"] for group in self.optimizer.param_groups]
