"""The backward hooks of modules: gates that let tensors through, and see their gradients on the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.core.engine import SERVICES, GradientError, TensorBase
from tinytorch.given.custom_function import Function


class Gate(Function):
    """Tensors, unchanged. On the way back `see(gradients)` may replace their gradients."""

    @staticmethod
    def forward(ctx: Any, see: Callable, *tensors: Any) -> tuple:
        """Return the tensors."""
        ctx.see = see
        return tensors

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple:
        """Return what `see` makes of the gradients."""
        return (None, *ctx.see(gradients))


class Watch:
    """One call of a module: what its hooks must know of the backward pass."""

    def __init__(self, module: Any, args: tuple):
        self.module, self.count = module, len(args)
        self.places = [i for i, a in enumerate(args) if isinstance(a, TensorBase) and a.requires_grad]
        self.grad_output: tuple = ()

    def replaced(self, old: tuple, new: Any, what: str) -> tuple:
        """Return what a hook gave back in place of `old`, as a tuple of the same length."""
        if new is None:
            return old
        new = new if isinstance(new, tuple | list) else (new,)
        if len(new) != len(old):
            raise GradientError(f"{what} of {type(self.module).__name__}: expected {len(old)} gradients or None, "
                                f"found {len(new)}.")
        return tuple(new)

    def outputs_seen(self, gradients: tuple) -> tuple:
        """The gradients of the outputs have arrived."""
        for (hook,) in tuple(self.module._backward_pre_hooks.values()):
            gradients = self.replaced(gradients, hook(self.module, gradients), "full backward pre-hook")
        self.grad_output = tuple(gradients)
        if not self.places:
            self.run((None,) * self.count)
        return gradients

    def inputs_seen(self, gradients: tuple) -> tuple:
        """The gradients of the inputs have arrived: those that need one, in order."""
        known = dict(zip(self.places, gradients, strict=True))
        found = self.run(tuple(known.get(i) for i in range(self.count)))
        return tuple(found[i] for i in self.places)

    def run(self, grad_input: tuple) -> tuple:
        """Call the hooks."""
        for (hook,) in tuple(self.module._backward_hooks.values()):
            found = hook(self.module, grad_input, self.grad_output)
            grad_input = self.replaced(grad_input, found, "full backward hook")
        return grad_input


def watch_module_backward(module: Any, args: tuple) -> tuple[tuple, Callable]:
    """Return (arguments for forward, a function for its output) that let the module's hooks see the backward pass."""
    watch = Watch(module, args)
    if watch.places:
        behind = iter(Gate.apply(watch.inputs_seen, *(args[i] for i in watch.places)))
        args = tuple(next(behind) if i in watch.places else a for i, a in enumerate(args))

    def finish(output: Any) -> Any:
        several = isinstance(output, tuple | list)
        parts = tuple(output) if several else (output,)
        if not all(isinstance(part, TensorBase) for part in parts):
            raise GradientError(
                f"{type(module).__name__} has a backward hook: expected its output to be a tensor or a tuple of them, "
                f"found {[type(part).__name__ for part in parts]}."
            )
        behind = Gate.apply(watch.outputs_seen, *parts)
        return type(output)(behind) if type(output) in (tuple, list) else tuple(behind) if several else behind[0]

    return args, finish


SERVICES["watch_module_backward"] = watch_module_backward
