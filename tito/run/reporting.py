"""A long-running child that reports what it does: events as JSON Lines, Ctrl-C passed on.

The first Ctrl-C asks the child to finish its step, save and stop; a second one ends it at once, and what was saved last
remains.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tito.errors import ChildError, TitoError
from tito.project import Project
from tito.run.child import TITO_HOME

ENDS = ("result", "stopped")
LONGEST = 16_000_000  # bytes of an event: a child that never ends its line must not fill the memory
GRACE = 10.0  # seconds for the step under way and for saving
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

Event = dict[str, Any]


class RunError(TitoError):
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


def reported(project: Project, arguments: Sequence[str], threads: int) -> Generator[Event, None, None]:
    """Run `python -m ARGUMENTS` until it ends; yield its events, the last one being "result", "stopped" or "killed".

    Raises RunError with the child's own sentence, ChildError when it died without one.
    """
    with tempfile.TemporaryFile() as errors, _asked_to_stop() as stop:
        process = _start(project, arguments, threads, errors.fileno())
        stop.process = process
        last: Event = {}
        with process:
            try:
                assert process.stdout is not None
                while line := process.stdout.readline(LONGEST):
                    last = _event(line)
                    if last["event"] == "error":
                        raise RunError(str(last.get("error")), detail=str(last.get("detail")))
                    yield last
            finally:
                if process.poll() is None and last.get("event") not in ENDS:
                    _let_it_save(process)
        if last.get("event") in ENDS:
            return
        errors.seek(0)
        said = errors.read().decode(errors="replace")
        if _ended_by(stop, process.returncode, said):
            yield {"event": "killed"}
        else:
            raise _died(said, process.returncode)


def _let_it_save(process: subprocess.Popen[bytes]) -> None:
    """End a child to which nobody listens any more (`tito train gpt | head`), with a moment to save what it has."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def _ended_by(stop: Stop, code: int, stderr: str) -> bool:
    """Whether the child died of the wish to stop: of the second one, or of a first one that came before it listened."""
    if stop.requests > 1 and code == -signal.SIGKILL:
        return True
    return stop.requests > 0 and (code == -signal.SIGINT or stderr.rstrip().endswith("KeyboardInterrupt"))


def _event(line: bytes) -> Event:
    """The event on one line. Raises ChildError for anything else."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise ChildError(
            f"expected an event from the child process, found {line[:60]!r}: the program must leave its standard "
            "output to print()"
        )
    return event


def _start(project: Project, arguments: Sequence[str], threads: int, errors: int) -> subprocess.Popen[bytes]:
    path = [str(project.root), str(TITO_HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
    }
    try:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
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
        found = "it killed (most often: the memory was used up); try a smaller batch size"
    elif lines:
        found = f"{lines[-1]}; add --verbose to see where"
    else:
        found = f"exit code {code} and no word"
    return ChildError(f"expected the child process to report a result, found {found}", detail=stderr)
