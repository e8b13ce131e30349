"""The operation table: one row for every public operation, and what a row consists of."""

from __future__ import annotations

import functools
import importlib
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis.strategies import SearchStrategy

import tinytorch
from tests.operations.cases import Case

FACES = ("", "Tensor.", "nn.functional.")


@dataclass(frozen=True)
class Refused:
    """A call that is an error: which, and words of its message (a regular expression)."""

    call: Callable[[], Any]
    error: type[Exception]
    words: str


@dataclass(frozen=True)
class Edge:
    """What happens at one awkward input: a tie, 0, inf, NaN.

    inputs: what the float64 tensors hold (bools and integers stay what they are). output: the result, or a tuple of
    results. gradient: that of the sum of the results, one for each floating input; None where it is not looked at.
    """

    inputs: Sequence[Any]
    output: Any
    gradient: Sequence[Any] | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Operation:
    """One row. See README.md beside this file."""

    name: str
    call: Callable
    reference: Callable | str
    cases: SearchStrategy[Case] | Sequence[Case]
    primitives: tuple[str, ...] = ()
    gradient: bool | str = True
    second: bool | str = True
    inputs: tuple[int, ...] | None = None
    in_place: str | Callable | tuple | None = None
    dtypes: dict[str, str] = field(default_factory=dict)
    errors: Sequence[Refused] = ()
    edges: Sequence[Edge] = ()
    forms: tuple[str, ...] | None = None
    loose: float = 1.0

    def __str__(self) -> str:
        return self.name

    @property
    def spellings(self) -> tuple[str, ...]:
        """The public names that take the same arguments as `call`: by default those called the same."""
        if self.forms is not None:
            return self.forms
        last = self.name.rpartition(".")[2]
        if last.startswith("__"):
            return (self.name,)
        return tuple(face + last for face in FACES if callable(find(face + last)))

    @property
    def covers(self) -> set[str]:
        """All public names that this row proves: its own, its spellings, in-place forms, and methods behind functions.

        `tinytorch.NAME` is often a form of `Tensor.NAME` (its docstring says so), and a lambda may call the method.
        """
        last = self.name.rpartition(".")[2]
        forms = self.in_place if isinstance(self.in_place, tuple) else (self.in_place,)
        found = {self.name, *self.spellings, *(f"Tensor.{form}" for form in forms if isinstance(form, str))}
        if is_form_of_a_method(last) or (find(f"Tensor.{last}") and last in attributes(self.call)):
            found.add(f"Tensor.{last}")
        if any(f"{last}_" in attributes(form) for form in forms):
            found.add(f"Tensor.{last}_")
        if f"Tensor.{last}_" in found and is_form_of_a_method(f"{last}_"):
            found.add(f"{last}_")
        return found


def is_form_of_a_method(name: str) -> bool:
    """Return whether `tinytorch.NAME` is made from `Tensor.NAME`, as its docstring says."""
    return (getattr(find(name), "__doc__", None) or "").startswith("Same as `Tensor.")


def attributes(function: Any) -> tuple[str, ...]:
    """Return the names that a function written in a row looks up."""
    return function.__code__.co_names if hasattr(function, "__code__") else ()


@functools.cache
def find(path: str) -> Any:
    """Return what the public `path` below tinytorch names; None if there is nothing."""
    value: Any = tinytorch
    for part in path.split("."):
        value = getattr(value, part, None)
    return value


def resolve(path: str) -> Callable:
    """Return the function of a public path; a reflected operator (`Tensor.__rsub__`) takes its operands in order."""
    function = find(path)
    last = path.rpartition(".")[2]
    if function is None:
        raise AttributeError(f"tinytorch.{path} is named in the operation table, but does not exist.")
    if last.startswith("__r") and hasattr(operator, f"__{last[3:]}"):
        return lambda a, b: function(b, a)
    return function


@functools.cache
def table() -> tuple[Operation, ...]:
    """Return the rows of all files `rows_*.py`, in the order of the files."""
    here = Path(__file__).parent
    files = [importlib.import_module(f"tests.operations.{path.stem}") for path in sorted(here.glob("rows_*.py"))]
    return tuple(row for file in files for row in file.ROWS)


def rows_of(primitive: str) -> tuple[Operation, ...]:
    """Return the rows that prove a primitive."""
    return tuple(row for row in table() if primitive in row.primitives)
