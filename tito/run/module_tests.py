"""A module's own `test_*` functions, run in a child against a package of the modules before it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tito.course.model import Course, Module, load_course
from tito.course.sources import read_dev
from tito.errors import ChildError
from tito.files import decode_source
from tito.project import Project
from tito.run.child import ChildResult, run_python
from tito.workbench import package_before

HERE = Path(__file__).parent


@dataclass(frozen=True)
class TestOutcome:
    """One test function. When it failed: `exception` its type, `message` its first line, `where` "tensor_dev.py:12"."""

    __test__ = False

    name: str
    passed: bool
    seconds: float = 0.0
    exception: str = ""
    message: str = ""
    where: str = ""
    traceback: str = ""
    output: str = ""

    def __str__(self) -> str:
        return (
            f"{self.name}: passed" if self.passed else f"{self.name}: {self.exception}: {self.message} ({self.where})"
        )


@dataclass(frozen=True)
class TestReport:
    """All tests of a module.

    `problem` is one sentence when the run as a whole failed (import error, no tests, time limit); `exception` and
    `traceback` are those of a failed import. `output` is what the module printed outside its tests.
    """

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
    course: Course | None = None,
    source: str | None = None,
    timeout: float = 120.0,
    warnings_as_errors: bool = False,
) -> TestReport:
    """Import the module under its own name in a child and call its tests in file order.

    `source` replaces the text of the file on disk (a stub, a mutant), which is not touched. Raises SourceError or
    ExportError when the package of the modules before it cannot be composed, ChildError.
    """
    # Composed here, so that its errors are the project's; first on the path, even where the first cell was deleted.
    package = package_before(project, module, course or load_course(project))
    with _text_file(project, module, source) as (text_file, folder):
        events_file = folder / "events.jsonl"
        elsewhere = folder / "empty"  # what a test writes or deletes by a relative path is nobody's work
        elsewhere.mkdir()
        child = run_python(
            [str(HERE / "child_tests.py"), str(module.dev_file(project)), str(text_file), str(events_file)],
            cwd=elsewhere,
            path=[package],
            timeout=timeout,
            warnings_as_errors=warnings_as_errors,
        )
        events = _read_events(events_file, child)
    return _report(module, events, child, timeout)


def run_module_file(
    project: Project, module: Module, *, source: str | None = None, timeout: float = 120.0
) -> ChildResult:
    """Run the module's file as a script (its main block) in a child; `source` replaces its text."""
    file = module.dev_file(project)
    if source is None:
        return run_python([str(file)], cwd=module.folder(project), timeout=timeout)
    with _text_file(project, module, source) as (text_file, _):
        arguments = [str(HERE / "child_file.py"), str(file), str(text_file)]
        return run_python(arguments, cwd=module.folder(project), timeout=timeout)


@contextmanager
def _text_file(project: Project, module: Module, source: str | None) -> Iterator[tuple[Path, Path]]:
    """The text to run as a file of its own, in a folder for this run."""
    if source is None:
        source = decode_source(read_dev(project, module), module.dev_path)
    with tempfile.TemporaryDirectory(prefix="tito-") as name:
        text_file = Path(name) / "source.txt"
        text_file.write_text(source, encoding="utf-8")
        yield text_file, Path(name)


def _read_events(path: Path, child: ChildResult) -> list[dict[str, Any]]:
    """The complete lines of the child's report; a line that a kill cut short is left out."""
    if not path.is_file():
        raise ChildError(
            f"expected the test process to start, found exit code {child.returncode}: see the traceback (--verbose)",
            detail=child.stderr,
        )
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    try:
        return [json.loads(line) for line in lines[:-1]]
    except ValueError as error:
        raise ChildError(
            f"expected the test process to report in {path.name}, found something else written there ({error}): "
            "a module must not write to files that it did not open"
        ) from error


def _report(module: Module, events: list[dict[str, Any]], child: ChildResult, timeout: float) -> TestReport:
    outcomes: list[TestOutcome] = []
    running: str | None = None
    failed_import: dict[str, Any] = {}
    for event in events:
        data = {key: value for key, value in event.items() if key != "event"}
        if event["event"] == "start":
            running = data["name"]
        elif event["event"] == "end":
            running = None
            outcomes.append(TestOutcome(**data))
        elif event["event"] == "import failed":
            failed_import = data
    finished = bool(events) and events[-1]["event"] in ("done", "import failed")
    problem = _problem(module, outcomes, running, failed_import, finished, child, timeout)
    if running is not None:
        outcomes.append(
            TestOutcome(
                name=running,
                passed=False,
                exception="TimeoutError" if child.timed_out else "SystemExit",
                message=problem,
            )
        )
    return TestReport(
        module=module.name,
        outcomes=tuple(outcomes),
        problem=problem,
        exception=failed_import.get("exception", ""),
        traceback=failed_import.get("traceback", ""),
        output=child.stdout + child.stderr,
        seconds=child.seconds,
    )


def _problem(
    module: Module,
    outcomes: list[TestOutcome],
    running: str | None,
    failed_import: dict[str, Any],
    finished: bool,
    child: ChildResult,
    timeout: float,
) -> str:
    """One sentence when the run as a whole failed; "" when every test came to its own end."""
    doing = f"{running}()" if running else (f"after {outcomes[-1].name}()" if outcomes else "importing the module")
    if child.timed_out:
        return (
            f"expected the tests to end within {timeout:g} s, found {doing} still running: "
            "look for a loop that does not end"
        )
    if failed_import:
        where = failed_import["where"] or module.dev_name
        message = f": {failed_import['message']}" if failed_import["message"] else ""
        return (
            f"expected {module.dev_name} to be imported, found {failed_import['exception']} at {where}{message}: "
            "mend that and try again"
        )
    if not finished:
        code = f"signal {-child.returncode}" if child.returncode < 0 else f"exit code {child.returncode}"
        return f"expected every test to return, found the process ended in {doing} ({code}): a test must not end Python"
    if not outcomes:
        return f"expected test functions in {module.dev_name}, found none: restore the test cells"
    return ""
