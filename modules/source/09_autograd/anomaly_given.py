"""Anomaly mode: the first NaN names the operation that made it, and the line of the program that asked for it.

A watcher looks at every result. Going backward, the walk shows it what each rule returned. It costs several times the
usual time, so it is switched on to find a mistake, and then off again.
"""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from tinytorch.core.engine import GradientError, TensorBase, TinyTorchError, Watcher, overlay, watchers

#| face tinytorch: is_anomaly_enabled, is_anomaly_check_nan_enabled
#| face autograd: detect_anomaly, set_detect_anomaly

PACKAGE = str(Path(__file__).resolve().parents[1])


class Anomaly(Watcher):
    """Remembers where each recorded operation was asked for, and refuses the first NaN."""

    single_operations = True

    def __init__(self, check_nan: bool):
        self.check_nan = check_nan
        self.lines: WeakKeyDictionary = WeakKeyDictionary()

    def before_mutation(self, primitive: Any, inputs: tuple, params: dict) -> bool:
        """Return whether an in-place operation was given NaN: afterwards nobody can tell."""
        return self.check_nan and _any_nan(inputs)

    def after(
        self, primitive: Any, inputs: tuple, params: dict, outputs: tuple, backend: str, phase: str, note: Any = None
    ) -> None:
        """Note the line; refuse a result with NaN if none of the inputs had any."""
        for output in outputs:
            if output._node is not None:
                self.note_line(output._node)
        if not self.check_nan or phase == "backward" or not _any_nan(outputs):
            return
        had_nan = _any_nan(inputs) if note is None else note
        if not had_nan:
            raise GradientError(
                f"{primitive.name}: the first NaN was made here, going forward: {_describe('its inputs', inputs)}; "
                f"{_describe('its result', outputs)}. {where(user_line())}"
            )

    def note_line(self, node: Any) -> None:
        """Remember that the program's present line made this node."""
        self.lines.setdefault(node, user_line())

    def run(self, node: Any, gradients: list) -> Any:
        """Run a node's rule; an error says where the operation was asked for."""
        try:
            return node.backward(node, gradients)
        except TinyTorchError as error:
            error.add_note(f"{node.name}: {where(self.lines.get(node))}")
            raise

    def look_at(self, node: Any, arrived: list, results: list) -> None:
        """Refuse gradients with NaN: the node's rule has made them."""
        if not self.check_nan or not _any_nan(results) or _any_nan(arrived):
            return
        place = next(i for i, g in enumerate(results) if g is not None and _any_nan([g]))
        raise GradientError(
            f"{node.name}: the first NaN was made here, going backward: "
            f"{_describe('the gradient that arrived', arrived)}; "
            f"{_describe(f'that of input {place}', [results[place]])}. {where(self.lines.get(node))}"
        )


def _any_nan(values: Any) -> bool:
    for value in values:
        if isinstance(value, list | tuple):
            if _any_nan(value):
                return True
            continue
        array = value._array if isinstance(value, TensorBase) else value
        if isinstance(array, float | np.ndarray) and np.asarray(array).dtype.kind == "f" and np.isnan(array).any():
            return True
    return False


def _describe(what: str, values: Any) -> str:
    """Return the range of the numbers in some tensors, and how many NaN there are."""
    arrays = [np.ravel(v._array) for v in values if isinstance(v, TensorBase) and v._array.dtype.kind in "fiu"]
    arrays += [np.ravel(v) for v in values if isinstance(v, int | float)]
    numbers = np.concatenate(arrays) if arrays else np.zeros(0)
    if not numbers.size:
        return f"{what} had no numbers"
    missing, rest = int(np.isnan(numbers).sum()), numbers[~np.isnan(numbers)]
    span = f" from {rest.min():.4g} to {rest.max():.4g}" if rest.size else ""
    if not missing:
        return f"{what} went{span}"
    return f"{what} had {missing} NaN among {numbers.size} numbers{span and ', the others' + span}"


def user_line() -> tuple[str, int, str]:
    """Return (file, line, function) of the innermost frame outside of this package."""
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name


def where(place: tuple[str, int, str] | None) -> str:
    """Return the line of a program as a sentence."""
    if place is None:
        return "It was recorded before anomaly mode was on; begin the mode before the forward pass to see its line."
    file, line, function = place
    code = linecache.getline(file, line).strip()
    return f"{file}:{line}, in {function}" + (f": {code}" if code else "")


class set_detect_anomaly:
    """Switch anomaly mode on or off: from here on, or as a context manager until its end.

    check_nan: False remembers the lines, for errors of the backward pass, and lets NaN pass.
    """

    def __init__(self, mode: bool, check_nan: bool = True):
        self.scope = overlay(anomaly=Anomaly(bool(check_nan)) if mode else None)
        self.scope.__enter__()

    def __enter__(self) -> None:
        """Nothing to do: it took effect when it was called."""

    def __exit__(self, *exception: object) -> None:
        self.scope.__exit__(*exception)


class detect_anomaly:
    """Context manager: inside, the first NaN raises an error that names its operation and line, forward or backward.

    Put both the forward pass and `backward()` inside. check_nan: as in set_detect_anomaly.
    """

    def __init__(self, check_nan: bool = True):
        self.check_nan = bool(check_nan)

    def __enter__(self) -> None:
        self.scope = overlay(anomaly=Anomaly(self.check_nan))
        self.scope.__enter__()

    def __exit__(self, *exception: object) -> None:
        self.scope.__exit__(*exception)


def is_anomaly_enabled() -> bool:
    """Return whether anomaly mode is on in this context."""
    return watchers().get("anomaly") is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Return whether anomaly mode is on and refuses NaN."""
    anomaly = watchers().get("anomaly")
    return anomaly is not None and anomaly.check_nan
