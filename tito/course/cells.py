"""A module's file as typed cells. jupytext splits it (so that a notebook is split in the same way)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Directive:
    """A `#| key value` line. `line` counts from 1 in the file."""

    key: str
    value: str
    line: int


@dataclass(frozen=True)
class Cell:
    """One cell. `source` is its text as it stands in the file; `line` (from 1) is the file line of its first line."""

    kind: str  # "code" or "markdown"
    source: str
    line: int
    nbgrader: dict[str, Any]

    @property
    def grade_id(self) -> str | None:
        """nbgrader's name of the cell; None for a plain cell."""
        return self.nbgrader.get("grade_id")

    @property
    def is_solution(self) -> bool:
        """A code cell that the student writes in."""
        return self.kind == "code" and bool(self.nbgrader.get("solution"))

    @property
    def is_test(self) -> bool:
        """A locked, automatically graded cell."""
        return self.kind == "code" and bool(self.nbgrader.get("grade")) and not self.nbgrader.get("solution")

    @property
    def is_question(self) -> bool:
        """A manually graded answer (a markdown cell that the student writes in)."""
        return self.kind == "markdown" and bool(self.nbgrader.get("grade"))

    @property
    def points(self) -> float:
        """Points of a graded cell; 0 for any other."""
        raise NotImplementedError

    @property
    def directives(self) -> tuple[Directive, ...]:
        """The `#|` lines at the head of a code cell."""
        raise NotImplementedError

    @property
    def test_names(self) -> tuple[str, ...]:
        """Names of the top-level `test_*` functions of the cell."""
        raise NotImplementedError


def parse_cells(text: str, name: str) -> tuple[Cell, ...]:
    """The cells of a module's text. Raises SourceError (naming `name` and the line) for Python or metadata that
    cannot be read."""
    raise NotImplementedError
