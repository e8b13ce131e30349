"""Activation checkpointing: save no values in a part of the network, compute them again when backward needs them.

The graph is recorded as usual, so hooks, `grad` and second derivatives work; only what nodes *save* is left out. The
first node that asks for a saved value runs the part again and hands out everything. Source: Chen et al., "Training deep
nets with sublinear memory cost", 2016; PyTorch's `use_reentrant=False` works like this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.core.engine import DEFAULT_GENERATOR, SERVICES, WATCHERS, GradientError, TensorBase, overlay
from tinytorch.given.graph import FRAME
from tinytorch.given.pending import settle, waiting


class Frame:
    """One checkpointed call: what to run again, and the saved values once it has been."""

    def __init__(self, function: Callable, args: tuple):
        self.function, self.args, self.state = function, args, DEFAULT_GENERATOR.get_state()
        self.count = 0
        self.values: list | None = None            # None: not run again yet
        self.running = False

    def saved(self, kept: Callable) -> Any:
        """Called by `keep` for each node: a promise the first time, the values themselves while running again."""
        if self.running:
            self.values.append(kept())
            return self.values[-1]
        self.count += 1
        return Promise(self, self.count - 1)

    def run_again(self) -> None:
        """Compute all values; random numbers repeat, and buffers such as running statistics are not updated."""
        now = DEFAULT_GENERATOR.get_state()
        DEFAULT_GENERATOR.set_state(self.state)
        self.values, self.running = [], True
        token = FRAME.set(self)
        try:
            with overlay(phase="recompute", autograd=WATCHERS["autograd"]):
                self.function(*self.args)
        finally:
            FRAME.reset(token)
            self.running = False
            DEFAULT_GENERATOR.set_state(now)
        if len(self.values) != self.count:
            raise GradientError(
                f"checkpoint: the function saved {self.count} values when it first ran and {len(self.values)} "
                "when it ran again; it must do the same operations each time."
            )


class Promise:
    """Stands in for the saved values of one node until somebody needs them."""

    def __init__(self, frame: Frame, position: int):
        self.frame, self.position = frame, position

    def resolve(self) -> tuple:
        """Return the values, running the function again if that has not happened yet."""
        if self.frame.values is None:
            self.frame.run_again()
        value, self.frame.values[self.position] = self.frame.values[self.position], None
        return value


def checkpoint(function: Callable, *args: Any, use_reentrant: bool = False, **kwargs: Any) -> Any:
    """Return `function(*args, **kwargs)`, keeping none of its intermediate values for the backward pass.

    The function runs a second time during backward, with the same random numbers from the default generator. It must do
    the same operations again. use_reentrant: only False, PyTorch's recommendation, is supported.
    """
    if use_reentrant:
        raise GradientError("checkpoint: expected use_reentrant=False, the only way that is supported; found True.")
    if not callable(function):
        raise GradientError(f"checkpoint: expected a function, found {type(function).__name__}.")
    if not SERVICES["is_grad_enabled"]():
        return function(*args, **kwargs)
    for tensor in waiting():      # nothing that began outside may end inside, fused with what runs twice
        settle(tensor)

    def part(*given: Any) -> Any:
        return _settled(function(*given, **kwargs))

    frame = Frame(part, args)
    token = FRAME.set(frame)
    try:
        return part(*args)
    finally:
        FRAME.reset(token)


def _settled(value: Any) -> Any:
    """Return what a function returned, with every tensor in it executed."""
    if isinstance(value, TensorBase):
        return settle(value)
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        _settled(each)
    return value


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool = False, preserve_rng_state: bool = True
) -> Any:
    """Return what the `functions` (a Sequential, or a list) give one after the other, checkpointed in `segments` parts.

    The last part is not: backward begins there, so it would be computed again at once. With the root of the number of
    functions as segments the memory grows with that root. preserve_rng_state: only True, random numbers always repeat.
    """
    if not preserve_rng_state:
        raise GradientError("checkpoint_sequential: expected preserve_rng_state=True, the only way; found False.")
    steps = list(functions.children() if hasattr(functions, "children") else functions)
    if isinstance(segments, bool) or not isinstance(segments, int) or not 1 <= segments <= max(1, len(steps)):
        raise GradientError(
            f"checkpoint_sequential: expected 1 to {len(steps)} segments (there are so many functions), found "
            f"{segments!r}."
        )

    def run(first: int, last: int) -> Callable:
        def part(value: Any) -> Any:
            for step in steps[first:last]:
                value = step(value)
            return value

        return part

    size, start = len(steps) // segments, 0
    for _ in range(segments - 1):
        input = checkpoint(run(start, start + size), input, use_reentrant=use_reentrant)
        start += size
    return run(start, len(steps))(input)
