"""The cases of the course: its solutions, every one replaced by its stub, and the mutants under tests/mutants/."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.course.until import Sought
from tito.course.cells import parse_cells
from tito.course.model import Course, Module, load_course
from tito.course.solutions import find_regions, stub_out
from tito.course.sources import read_dev
from tito.project import Project, find_project

ROOT = Path(__file__).parents[2]
EXPECTED = ("AssertionError", "NotImplementedError")  # how a test says that a solution is missing


@dataclass(frozen=True)
class Solved:
    """A module as it stands; `source` is its text."""

    module: Module
    source: str
    sought: None = None  # every test runs

    def __str__(self) -> str:
        return self.module.name


@dataclass(frozen=True)
class Stub:
    """One solution of `module` replaced by its stub; `source` is the module's whole text with it.

    `part` counts the solutions of one function from 1.
    """

    module: Module
    qualname: str
    part: int
    source: str
    line: int

    def __str__(self) -> str:
        return f"{self.module.name}-{self.qualname}" + (f"-part{self.part}" if self.part > 1 else "")

    @property
    def sought(self) -> Sought:
        """A failure whose message names the function: `Linear.forward`, `forward`, or `Linear` for `__init__`."""
        owner, _, function = self.qualname.rpartition(".")
        names = [self.qualname, function, *([owner] if owner and function.startswith("__") else [])]
        named = rf"(?<!\w)({'|'.join(map(re.escape, names))})(?!\w)"
        return Sought(rf": ({'|'.join(EXPECTED)}): (.|\n)*{named}", self.line, " ".join(names))


@dataclass(frozen=True)
class Mutant:
    """A plausible wrong solution; the checkpoint's failure must contain `message`."""

    module: Module
    name: str
    source: str
    message: str

    def __str__(self) -> str:
        return f"{self.module.name}-{self.name}"

    @property
    def sought(self) -> Sought:
        """A failure with the message."""
        return Sought(re.escape(self.message), about=self.message)


Case = Solved | Stub | Mutant


def the_course() -> tuple[Project, Course]:
    """This repository's own project and course."""
    project = find_project(ROOT)
    return project, load_course(project)


def solved_source(project: Project, module: Module) -> str:
    """The module's text with all its solutions."""
    return read_dev(project, module).decode("utf-8")


def stubs(project: Project, module: Module) -> list[Stub]:
    """Every solution of the module as a stub, in file order."""
    source = solved_source(project, module)
    regions = find_regions(source, module.dev_path)
    parts: Counter[str] = Counter()
    found = []
    for region in regions:
        parts[region.qualname] += 1
        found.append(Stub(module, region.qualname, parts[region.qualname], stub_out(source, region), region.start))
    return found


def mutants(project: Project, module: Module) -> list[Mutant]:
    """The module's mutants. A row that does not apply exactly once is a mistake in its file."""
    path = project.root / "tests" / "mutants" / f"{module.name}.toml"
    source = solved_source(project, module)
    cells = {cell.grade_id: cell for cell in parse_cells(source, module.dev_path)}
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"] if path.is_file() else []
    return [_mutant(path, module, source, cells[row["cell"]].source, row) for row in rows]


def _mutant(path: Path, module: Module, source: str, cell: str, row: dict[str, str]) -> Mutant:
    for text, where in ((cell, row["find"]), (source, cell)):
        if text.count(where) != 1:
            raise ValueError(f"{path.name}, {row['name']}: {where[:60]!r} stands {text.count(where)} times, not once")
    changed = source.replace(cell, cell.replace(row["find"], row["replace"]))
    return Mutant(module, row["name"], changed, row["message"])
