"""Solution regions: where they are, and how a stub takes their place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """Lines `start`..`end` (from 1, markers included) of a solution; `qualname` is "Tensor.__add__" or "relu"."""

    start: int
    end: int
    indent: str
    qualname: str
    grade_id: str | None
    docstring: str


def find_regions(source: str, name: str) -> tuple[Region, ...]:
    """Every solution region of a module's text. Raises SourceError for an unpaired marker or one outside a function."""
    raise NotImplementedError


def stub_out(source: str, region: Region) -> str:
    """`source` with that one region replaced by `raise NotImplementedError("<qualname>: not implemented yet")`."""
    raise NotImplementedError


def strip_solutions(source: str, name: str = "module") -> str:
    """`source` with every solution replaced by its stub: what a student starts from."""
    raise NotImplementedError
