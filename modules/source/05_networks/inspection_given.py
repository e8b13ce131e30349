"""Looking at a model without changing it: running it once on zeros, and the table that `summary` returns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tinytorch.core.engine import ShapeError, Watcher, overlay
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor, zeros
from tinytorch.given import tensor_ops as ops


@contextmanager
def inference(model: Module) -> Iterator[None]:
    """Switch a model to inference, and each part of it back to what it was, whatever happens."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def run_once(model: Module, input_shape: Any, dtype: Any, watcher: Watcher) -> None:
    """Run a model in inference on one example of zeros, unrecorded, under the eyes of `watcher`.

    input_shape: the shape of one example, without the batch axis.
    """
    shape = ops.sizes((input_shape,))
    if any(size < 1 for size in shape):
        raise ShapeError(f"Expected the shape of one example, without the batch axis, found {shape}.")
    with inference(model), overlay(autograd=None, inspection=watcher):
        model(zeros(1, *shape, dtype=dtype))


@dataclass(frozen=True)
class Layer:
    """One row of a summary: a module without submodules, in the order in which it ran."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    flops: int


@dataclass(frozen=True)
class Summary:
    """What `summary` found; printing it shows a table. output_shape is that of a batch of one."""

    layers: tuple[Layer, ...]
    parameters: int
    trainable: int
    flops: int

    def __str__(self) -> str:
        head = ("layer", "kind", "output", "parameters", "FLOPs")
        rows = [(r.name, r.kind, str(r.output_shape), f"{r.parameters:,}", f"{r.flops:,}") for r in self.layers]
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
        lines = ["  ".join(_cell(row[i], widths[i], i) for i in range(len(head))).rstrip() for row in (head, *rows)]
        total = f"{self.parameters:,} parameters ({self.trainable:,} trainable), {self.flops:,} FLOPs an example"
        rule = "-" * max(len(total), *(len(line) for line in lines))
        return "\n".join([lines[0], rule, *lines[1:], rule, total])

    __repr__ = __str__


def _cell(text: str, width: int, column: int) -> str:
    return text.rjust(width) if column >= 3 else text.ljust(width)


def shape_of(output: Any) -> tuple[int, ...]:
    """Return the shape of what a layer returned; of several outputs that of the first."""
    while isinstance(output, tuple | list) and output:
        output = output[0]
    return output.shape if isinstance(output, Tensor) else ()
