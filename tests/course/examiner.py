"""Examine a module's text, right or wrong, by the routes that a student has.

Its own tests and its checkpoint (fast, in a forked child); `tito module test`, the file run as a script, a notebook.
"""

from __future__ import annotations

import json
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.course.until import Sought
from tests.course.zygote import Zygote
from tito.checkpoints import results
from tito.checkpoints.copies import ProjectCopies
from tito.checkpoints.run import pytest_arguments
from tito.course.model import Course, Module
from tito.project import Project

RUN_NOTEBOOK = Path(__file__).with_name("run_notebook.py")
ROUTE_SECONDS = 300.0


@dataclass(frozen=True)
class Failure:
    """One failing test (or cell): its name, the exception's type, and what it says."""

    test: str
    exception: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """What a route says of a module's text; `ended` is "" when it came to its end in order."""

    failures: tuple[Failure, ...]
    ended: str

    @property
    def passed(self) -> bool:
        """Nothing failed."""
        return not self.failures and not self.ended

    def __str__(self) -> str:
        lines = [f"{failure.test}: {failure.exception}: {failure.message}" for failure in self.failures]
        return "\n".join([*lines, self.ended]).strip() or "passed"


class Examiner:
    """Runs cases in forked children, as many at a time as it has workers. Close it with `with`."""

    def __init__(self, project: Project, course: Course, workers: int) -> None:
        self.project, self.course = project, course
        self._folder = Path(tempfile.mkdtemp(prefix="tito-examiner-"))
        self._copies = ProjectCopies(project, course, self._folder)
        self._copying = threading.Lock()
        self._zygotes: queue.Queue[Zygote] = queue.Queue()
        self._pool = ThreadPoolExecutor(workers)
        for _ in range(workers):
            self._zygotes.put(Zygote())

    def __enter__(self) -> Examiner:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        while not self._zygotes.empty():
            self._zygotes.get().__exit__(None, None, None)
        shutil.rmtree(self._folder)

    def submit(self, route: str, module: Module, source: str, sought: Sought | None = None) -> Future[Verdict]:
        """Start a route ("module_tests", "checkpoint", "command", "file", "notebook") as soon as a place is free.

        The first two stop at the failure that is sought; the others run as they do for a student.
        """
        stops = (sought,) if route in ("module_tests", "checkpoint") else ()
        return self._pool.submit(getattr(self, route), module, source, *stops)

    @contextmanager
    def _copy(self, module: Module, source: str, *, exported: bool) -> Iterator[Project]:
        with self._copying:
            copy = self._copies.mutated(module, source, exported=exported)
        try:
            yield copy
        finally:
            shutil.rmtree(copy.root)

    def _run(
        self,
        kind: str,
        arguments: list[str],
        cwd: Path,
        output: Path,
        sought: Sought | None,
        cpu_seconds: int | None,
    ) -> int:
        zygote = self._zygotes.get()
        try:
            return zygote.run(kind, arguments, cwd=cwd, output=output, sought=sought, cpu_seconds=cpu_seconds)
        finally:
            self._zygotes.put(zygote)

    def module_tests(
        self, module: Module, source: str, sought: Sought | None = None, cpu_seconds: int | None = None
    ) -> Verdict:
        """The module's own tests, beside a package of the modules before it."""
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            folder = Path(name)
            (folder / "source.txt").write_text(source, encoding="utf-8")
            events = folder / "events.jsonl"
            arguments = [str(module.dev_file(self.project)), str(folder / "source.txt"), str(events)]
            code = self._run(
                "tests", arguments, module.folder(self.project), folder / "output.txt", sought, cpu_seconds
            )
            lines = events.read_text(encoding="utf-8").splitlines() if events.exists() else []
            rows = [json.loads(line) for line in lines]
            output = (folder / "output.txt").read_text(encoding="utf-8", errors="replace")
        failed = [row for row in rows if row["event"] == "import failed" or row.get("passed") is False]
        failures = tuple(Failure(row.get("name", "import"), row["exception"], row["message"]) for row in failed)
        tested = any(row["event"] == "end" for row in rows)
        in_order = code == 0 and (tested or failures)
        return Verdict(failures, "" if in_order else f"the tests ended with {code}\n{output[-2000:]}")

    def checkpoint(
        self, module: Module, source: str, sought: Sought | None = None, cpu_seconds: int | None = None
    ) -> Verdict:
        """The checkpoint of the module, in a project of its own with the package exported from `source`."""
        checkpoint = self.course.checkpoint_of(module)
        assert checkpoint is not None, f"{module.name} has no checkpoint"
        with self._copy(module, source, exported=True) as copy:
            target, output = copy.root / "results.jsonl", copy.root / "output.txt"
            arguments = pytest_arguments(copy, checkpoint.file(copy), target)
            self._run("pytest", [*arguments, str(target)], copy.root, output, sought, cpu_seconds)
            text = output.read_text(encoding="utf-8", errors="replace")
            outcome = results.judge(checkpoint, target, output=text, seconds=0.0, sources={})
        failures = tuple(Failure(each.test, each.exception, each.message) for each in outcome.failures)
        return Verdict(failures, f"{outcome.problem}\n{text[-2000:]}" if outcome.problem else "")

    def command(self, module: Module, source: str) -> Verdict:
        """`tito module test`, where the solved course is exported and `source` stands in the module's file."""
        with self._copy(module, source, exported=False) as copy:
            done = _python(["-m", "tito", "module", "test", module.name, "--json"], copy.root)
        lines = done.stdout.splitlines()
        if done.returncode not in (0, 1) or not lines:
            return Verdict((), f"tito module test ended with {done.returncode}: {done.stderr[-2000:]}")
        report = json.loads(lines[0])
        failed = [row for row in report["outcomes"] if not row["passed"]]
        failures = tuple(Failure(row["name"], row["exception"], row["message"]) for row in failed)
        in_order = (done.returncode == 0) == (not failures)
        return Verdict(failures, report["problem"] or ("" if in_order else f"exit code {done.returncode}"))

    def file(self, module: Module, source: str) -> Verdict:
        """The module's file run as a script, where the solved course is exported."""
        with self._copy(module, source, exported=False) as copy:
            done = _python([str(module.dev_file(copy))], module.folder(copy))
        if done.returncode == 0:
            return Verdict((), "")
        last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
        exception, _, message = last.partition(":")
        where = re.search(r"\bin (test_\w+)", done.stderr)
        return Verdict((Failure(where[1] if where else "", exception, message.strip()),), "")

    def notebook(self, module: Module, source: str) -> Verdict:
        """The module as a notebook in a kernel, where the solved course is exported."""
        with self._copy(module, source, exported=False) as copy:
            done = _python([str(RUN_NOTEBOOK), str(module.dev_file(copy)), str(copy.root)], copy.root)
        if done.returncode != 0:
            return Verdict((), f"the notebook ended with {done.returncode}: {done.stderr[-2000:]}")
        error = json.loads(done.stdout.splitlines()[-1])
        return Verdict((Failure(**error),) if error else (), "")


def _python(arguments: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=ROUTE_SECONDS, check=False)
