"""A module as the rules of `tito course check` see it, and what a rule returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from tito.course.cells import Cell, parse_cells
from tito.course.model import Module
from tito.course.solutions import Region, find_regions

Remark = tuple[int, str]  # line (from 1) and sentence


@dataclass(frozen=True)
class ModuleView:
    """A module's text and everything that is read from it once."""

    module: Module
    text: str

    @property
    def path(self) -> str:
        """The file as findings name it."""
        return self.module.dev_path

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the file."""
        return self.text.splitlines()

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells. Raises SourceError."""
        return parse_cells(self.text, self.path)

    @cached_property
    def code(self) -> tuple[Cell, ...]:
        """The code cells."""
        return tuple(cell for cell in self.cells if cell.kind == "code")

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """The solution regions. Raises SourceError."""
        return find_regions(self.text, self.path)

    def regions_of(self, cell: Cell) -> list[Region]:
        """The solution regions inside a cell."""
        last = cell.line + cell.source.count("\n")
        return [region for region in self.regions if cell.line <= region.start <= last]

    def headings(self) -> Iterator[tuple[int, int, str]]:
        """(cell index, line, heading) of every `#` and `##` heading, in order."""
        for index, cell in enumerate(self.cells):
            if cell.kind != "markdown":
                continue
            for number, line in enumerate(cell.source.split("\n"), cell.line):
                if re.match(r"##? \S", line):
                    yield index, number, line

    def index_of(self, pattern: str) -> int | None:
        """Index of the first cell with a heading that matches `pattern`."""
        return next((index for index, _, text in self.headings() if re.match(pattern, text, re.IGNORECASE)), None)


Rule = Callable[[ModuleView], Iterator[Remark]]
