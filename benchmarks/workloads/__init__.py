"""What is measured: one row a workload. The order is that of the table.

A workload with a file of its own name here makes steps in both libraries in turns; the others measure in their own way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.alternate import steps_in_turns
from benchmarks.setting import Setting
from benchmarks.workloads import importing, loading, memory, overhead, starting


@dataclass(frozen=True)
class Workload:
    """`targets`: by number of threads, the ratio to PyTorch that we want to stay below; `measure` returns the record
    of alternate.measurement, or one with its own contents besides `ratios`."""

    name: str
    title: str
    targets: dict[int, float]
    measure: Callable[[Setting], dict[str, Any]]
    pytorch: bool = True
    on_request: bool = False  # measured only if it is named: it needs data that not everybody has


def in_turns(name: str, title: str, targets: dict[int, float], **more: bool) -> Workload:
    """A workload whose steps stand in workloads/NAME.py."""
    return Workload(name, title, targets, partial(steps_in_turns, name), **more)


def alone(name: str, title: str, target: float, measure: Callable[[Setting], dict[str, Any]]) -> Workload:
    """A workload that needs no PyTorch: its ratio is to something else, which the title names."""
    return Workload(name, title, {1: target, 2: target}, measure, pytorch=False)


WORKLOADS = {
    workload.name: workload
    for workload in (
        in_turns("cnn", "CNN 3→32→64→128, batch 128, training step", {1: 0.5, 2: 0.5}),
        in_turns("resnet9", "ResNet-9, batch 64, training step", {2: 0.6}),
        in_turns("mlp", "MLP 784-512-10 and Adam, batch 64, training step", {2: 0.8}),
        in_turns("chain", "100 operations on 8×8, forward and backward", {2: 1.5}),
        in_turns("gpt", "GPT 4×128, context 128, batch 16, training step", {1: 0.9, 2: 0.9}),
        in_turns("generation", "the same GPT writes 127 characters, with a cache", {1: 0.67, 2: 0.67}),
        in_turns("attention", "attention over 1,024 positions, forward and backward", {}),
        Workload(
            "attention_memory",
            "its memory ÷ PyTorch's plain attention's",
            {1: 1.0, 2: 1.0},
            partial(memory.measure, "attention_memory"),
        ),
        alone("loading", "loading, crop, flip beside (a): share of a core", 0.1, loading.measure),
        Workload("importing", "import", {1: 0.3, 2: 0.3}, importing.measure),
        Workload("starting", "process start to the end of the first step of (a)", {2: 1.0}, starting.measure),
        Workload("memory", "peak memory of (a)", {2: 1.0}, partial(memory.measure, "memory")),
        alone("forward", "addition of 8×8 ÷ np.add", 4.5, partial(overhead.measure, "forward, autograd watching")),
        alone("recorded", "the same, recorded for the gradient", 6.5, partial(overhead.measure, "recorded")),
        in_turns("cifar10", "a step of `tito train cifar10`, loading included", {2: 0.6}, on_request=True),
    )
}
