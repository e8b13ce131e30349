"""A training run seen from tito's side: a child that trains, and the events it reports.

tito's own process never imports the student's package. The first Ctrl-C asks the child to finish its step, save and
stop; a second one ends it at once, and what was saved last remains.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tito.course.model import Course
from tito.errors import ChildError, TitoError
from tito.export import exported_modules
from tito.files import locked
from tito.project import Project
from tito.run.child import TITO_HOME
from tito.training.recipes import AnyRecipe, Recipe, TextRecipe
from tito.training.runs import LOCK, Job

NEEDED = {Recipe: "11_training", TextRecipe: "16_tinygpt"}
CHILD = "tito.training.child"
WRITER = "tito.training.child.write"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

Event = dict[str, Any]


class TrainError(TitoError):
    """A run came to no end; the message is the child's own sentence."""


@dataclass
class Stop:
    """How often the user has asked to stop, and what to do at the first time."""

    requests: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def __call__(self, *_: object) -> None:
        """Ask the child to stop; the second time end it."""
        self.requests += 1
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if self.requests == 1 else signal.SIGKILL)


def check_modules(project: Project, course: Course, recipe: type[AnyRecipe]) -> None:
    """Raises TrainError, naming the first module to complete, unless all that the recipe needs is exported."""
    exported = exported_modules(project)
    needed = course.module(NEEDED[recipe])
    missing = [module for module in course.closure(needed) if module.name not in exported]
    if missing:
        names = ", ".join(module.name for module in missing)
        raise TrainError(
            f"expected every module that this needs in the exported package, found {names} missing: continue with "
            f"`tito module complete {missing[0].short}`"
        )


def train(project: Project, job: Job[AnyRecipe], folder: Path) -> Generator[Event, None, None]:
    """Train in a child until it ends; yield its events, the last one being "result" or "stopped".

    Raises TrainError with the child's own sentence, ChildError when it died without one, ProjectError when another
    process is at work on the same run.
    """
    with locked(folder / LOCK, timeout=0.5):
        yield from _events([CHILD, str(folder)], project, job.threads)


def write(project: Project, model: Path, settings: Mapping[str, Any], threads: int) -> Generator[Event, None, None]:
    """Let a trained model write, in a child; yield its events, the last one being "result". Raises as `train` does."""
    yield from _events([WRITER, str(model), json.dumps(settings)], project, threads)


def _events(command: list[str], project: Project, threads: int) -> Generator[Event, None, None]:
    """Run a child module until it ends; yield its events, the last one being "result" or "stopped"."""
    with tempfile.TemporaryFile() as errors, _asked_to_stop() as stop:
        process = _start(command, project, threads, errors.fileno())
        stop.process = process
        last: Event = {}
        with process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    last = json.loads(line)
                    if last["event"] == "error":
                        raise TrainError(last["error"], detail=last["detail"])
                    yield last
            finally:
                if process.poll() is None and last.get("event") not in ("result", "stopped"):
                    process.kill()
        if last.get("event") in ("result", "stopped"):
            return
        if stop.requests > 1 and process.returncode == -signal.SIGKILL:
            yield {"event": "killed"}
        else:
            errors.seek(0)
            raise _died(errors.read().decode(errors="replace"), process.returncode)


def _start(command: list[str], project: Project, threads: int, errors: int) -> subprocess.Popen[bytes]:
    path = [str(project.root), str(TITO_HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
    }
    try:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=project.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # a terminal's Ctrl-C reaches tito alone, which passes it on
        )
    except OSError as error:
        raise ChildError(
            f"expected to start {sys.executable}, found: {error.strerror}: check that Python is installed"
        ) from error


@contextmanager
def _asked_to_stop() -> Iterator[Stop]:
    """While it lasts, Ctrl-C and a polite kill ask the child to stop."""
    stop = Stop()
    before: dict[signal.Signals, Callable[..., object] | int | None] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _died(stderr: str, code: int) -> ChildError:
    lines = stderr.strip().splitlines()
    if code == -signal.SIGKILL:
        found = "it killed (most often: the memory was used up); try a smaller --batch-size"
    elif lines:
        found = f"{lines[-1]}; add --verbose to see where"
    else:
        found = f"exit code {code} and no word"
    return ChildError(f"expected the child process to report a result, found {found}", detail=stderr)
