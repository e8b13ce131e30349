"""The table of milestones: examples/milestones.toml as typed data."""

from __future__ import annotations

import difflib
import operator
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tito.course.model import Course, Module
from tito.errors import CourseError, ProjectError, UsageError
from tito.project import Project

FOLDER, TABLE = "examples", "milestones.toml"
COMPARISONS = {">=": operator.ge, "<=": operator.le, "==": operator.eq}
EXPECTATION = re.compile(r"([a-z][a-z0-9_]*) (>=|<=|==) (\d+(?:\.\d+)?)")
FIELDS = {"name": str, "year": int, "question": str, "requires": list, "expected": list}


@dataclass(frozen=True)
class Expectation:
    """What is to come out: `text` "test_accuracy >= 0.97", in its three parts."""

    text: str
    metric: str
    comparison: str
    bound: float

    def met(self, values: Mapping[str, float]) -> bool:
        """Whether the numbers that came out are as expected."""
        return bool(COMPARISONS[self.comparison](values[self.metric], self.bound))


@dataclass(frozen=True)
class Milestone:
    """A milestone of the field. `requires`: the modules that it needs, without those that these need themselves."""

    name: str
    year: int
    question: str
    requires: tuple[str, ...]
    expected: tuple[Expectation, ...]

    @property
    def path(self) -> str:
        """The file as a person names it: "examples/1957_perceptron.py"."""
        return f"{FOLDER}/{self.year}_{self.name}.py"

    def file(self, project: Project) -> Path:
        """The file in `project`."""
        return project.root / self.path


def load_milestones(project: Project, course: Course) -> tuple[Milestone, ...]:
    """All milestones, oldest first. Raises ProjectError without the table, CourseError naming a wrong entry."""
    path = project.root / FOLDER / TABLE
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ProjectError(
            f"expected the table of milestones in {path}, found: {error.strerror}: restore it and try again"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"{FOLDER}/{TABLE}: expected TOML, found: {error}: mend the file and try again") from error
    return tuple(sorted((_milestone(entry, course) for entry in data.get("milestone", [])), key=lambda m: m.year))


def _milestone(entry: dict[str, Any], course: Course) -> Milestone:
    where = f"{TABLE}, {entry.get('name', 'an entry without a name')}"
    for key, kind in FIELDS.items():
        if not isinstance(entry.get(key), kind):
            raise CourseError(f"{where}: expected {key!r} ({kind.__name__}), found {entry.get(key)!r}: correct it")
    unknown = set(entry["requires"]) - {module.name for module in course.modules}
    if unknown:
        raise CourseError(f"{where}: expected modules of the course, found {', '.join(sorted(unknown))}: correct it")
    expected = tuple(_expectation(text, where) for text in entry["expected"])
    return Milestone(entry["name"], entry["year"], entry["question"], tuple(entry["requires"]), expected)


def _expectation(text: str, where: str) -> Expectation:
    parts = EXPECTATION.fullmatch(text)
    if parts is None:
        raise CourseError(f'{where}: expected something like "test_accuracy >= 0.97", found {text!r}: correct it')
    return Expectation(text, parts[1], parts[2], float(parts[3]))


def find_milestone(milestones: Iterable[Milestone], text: str) -> Milestone:
    """The milestone called by name ("resnet"), year or file. Raises UsageError with the nearest name."""
    known = {milestone.name: milestone for milestone in milestones}
    wanted = text.strip().lower().rsplit("/", 1)[-1].removesuffix(".py")
    for milestone in known.values():
        if wanted in (milestone.name, str(milestone.year), f"{milestone.year}_{milestone.name}"):
            return milestone
    close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else "see `tito milestone list`"
    raise UsageError(f"expected a milestone out of {', '.join(known)}, found {text!r}: {hint}")


def missing_modules(milestone: Milestone, course: Course, exported: Iterable[str]) -> tuple[Module, ...]:
    """The modules that the milestone needs and that are not exported, in course order."""
    here = set(exported)
    needed = {module.name for name in milestone.requires for module in course.closure(course.module(name))}
    return course.ordered(needed - here)
