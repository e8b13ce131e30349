"""A module's own `test_*` functions, run in a child against a package of the modules before it."""

from __future__ import annotations

from dataclasses import dataclass

from tito.course.model import Module
from tito.project import Project
from tito.run.child import ChildResult


@dataclass(frozen=True)
class TestOutcome:
    """One test function. When it failed: `exception` its type, `message` its first line, `where` "tensor_dev.py:120"."""

    __test__ = False

    name: str
    passed: bool
    seconds: float
    exception: str = ""
    message: str = ""
    where: str = ""
    traceback: str = ""
    output: str = ""


@dataclass(frozen=True)
class TestReport:
    """All tests of a module. `problem` is one sentence when the run as a whole failed (import error, no tests, time)."""

    __test__ = False

    module: str
    outcomes: tuple[TestOutcome, ...]
    problem: str
    exception: str
    traceback: str
    output: str
    seconds: float

    @property
    def passed(self) -> bool:
        """At least one test ran, all passed, and the run came to its end."""
        return not self.problem and bool(self.outcomes) and all(outcome.passed for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[TestOutcome, ...]:
        """The tests that failed."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)


def run_module_tests(
    project: Project,
    module: Module,
    *,
    source: str | None = None,
    timeout: float = 120.0,
    warnings_as_errors: bool = False,
) -> TestReport:
    """Import the module under its own name in a child and call its tests in file order.

    `source` replaces the text of the file on disk (a stub, a mutant), which is not touched.
    """
    raise NotImplementedError


def run_module_file(
    project: Project, module: Module, *, source: str | None = None, timeout: float = 120.0
) -> ChildResult:
    """Run the module's file as a script (its main block) in a child; `source` replaces its text."""
    raise NotImplementedError
