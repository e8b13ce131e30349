"""Python in a child process with a time limit and bounded output."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tito.errors import ChildError

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

TITO_HOME = Path(__file__).resolve().parents[2]  # the folder that holds the package tito
CUT = b"\n[... output beyond the limit dropped ...]\n"
DRAIN_SECONDS = 2.0  # a process that left the child's group may hold its pipes open for ever


@dataclass(frozen=True)
class ChildResult:
    """How a child ended. `returncode` is negative for a signal; `truncated`: output beyond the limit was dropped."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool
    truncated: bool

    @property
    def ok(self) -> bool:
        """It ended by itself with exit code 0."""
        return self.returncode == 0 and not self.timed_out


class _Tap(threading.Thread):
    """Reads a pipe to its end; keeps the first and the last half of `limit` bytes."""

    def __init__(self, pipe: IO[bytes], limit: int) -> None:
        super().__init__(daemon=True)
        self.pipe, self.half = os.dup(pipe.fileno()), max(limit // 2, 1)  # its own end: the other may be closed early
        self.first, self.last, self.truncated = b"", b"", False

    def run(self) -> None:
        while block := os.read(self.pipe, 65536):
            room = self.half - len(self.first)
            self.first += block[:room] if room > 0 else b""
            self.last += block[room:] if room > 0 else block
            if len(self.last) > self.half:
                self.last, self.truncated = self.last[-self.half :], True
        os.close(self.pipe)

    def text(self) -> str:
        """What was kept, as text."""
        data = self.first + (CUT if self.truncated else b"") + self.last
        return data.decode("utf-8", errors="replace").replace("\r\n", "\n")


def run_python(
    arguments: Sequence[str],
    *,
    cwd: Path | None = None,
    path: Sequence[Path] = (),
    timeout: float = 120.0,
    env: Mapping[str, str] | None = None,
    output_limit: int = 1_000_000,
    warnings_as_errors: bool = False,
) -> ChildResult:
    """Run `python *arguments` in its own process group, without input; after `timeout` seconds the group is killed.

    `path` are folders to import from before all others; `env` is added to the environment; `output_limit` is in bytes
    for each of stdout and stderr. The child can import tito. Ctrl-C kills the group too. Raises ChildError when Python
    cannot be started.
    """
    command = [sys.executable, *(["-W", "error"] if warnings_as_errors else []), *arguments]
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=_environment(path, env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ChildError(
            f"expected to start {sys.executable}, found: {error.strerror}: check that Python is installed"
        ) from error
    _bound_cpu(process, timeout)
    assert process.stdout is not None and process.stderr is not None
    with process:
        taps = [_Tap(process.stdout, output_limit), _Tap(process.stderr, output_limit)]
        for tap in taps:
            tap.start()
        timed_out = False
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            _kill_group(process)
            until = time.monotonic() + DRAIN_SECONDS
            for tap in taps:
                tap.join(max(until - time.monotonic(), 0.0))
    seconds = time.monotonic() - started
    out, err = taps
    return ChildResult(process.returncode, out.text(), err.text(), seconds, timed_out, out.truncated or err.truncated)


def _environment(first: Sequence[Path], extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: tito is importable there also when it runs from a source tree."""
    installed = TITO_HOME.name in ("site-packages", "dist-packages")
    places = [*map(str, first), os.environ.get("PYTHONPATH"), "" if installed else str(TITO_HOME)]
    path = os.pathsep.join(filter(None, places))
    fixed = {
        "PYTHONPATH": path,
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONOPTIMIZE": "",  # with it Python drops every assert, and all tests pass
    }
    return {**os.environ, **fixed, **extra}


def _bound_cpu(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Bound the child's processor time too: an endless loop must not outlive a tito that was itself killed."""
    if resource is not None and hasattr(resource, "prlimit"):
        seconds = int(timeout * (os.cpu_count() or 1)) + 10
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            resource.prlimit(process.pid, resource.RLIMIT_CPU, (seconds, seconds))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the child and everything it started, and wait for it."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        return
    finally:
        process.wait()
