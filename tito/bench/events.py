"""A child that imports the student's package and reports events, one JSON object a line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from tito.errors import ChildError, TitoError
from tito.export import exported_modules
from tito.project import Project
from tito.run.child import TITO_HOME

NEEDED = "13_kernels"
CHILD = "tito.bench.child"
SECONDS = 1800.0  # then the child is ended: a student's kernel may never return
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Event = dict[str, Any]


class BenchError(TitoError):
    """Nothing could be measured or compiled; the message is the child's own sentence."""


def check_kernels(project: Project) -> None:
    """Raises BenchError unless the exported package has kernels."""
    if NEEDED not in exported_modules(project):
        raise BenchError(
            f"expected the compiled kernels of {NEEDED} in the exported package, found that it is not exported: "
            f"continue with `tito module complete kernels`"
        )


class Child:
    """`python -m tito.bench.child ARGUMENTS`, for use in a `with` block, at whose end it is ended.

    `threads`: of its libraries (default: what the environment says). `stdin`: a file descriptor that it may read.
    """

    def __init__(
        self, project: Project, arguments: Sequence[str], threads: int | None = None, stdin: int | None = None
    ) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed at the end of the block)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", CHILD, *arguments],
                cwd=project.root,
                env=_environment(project, threads),
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=subprocess.PIPE,
                stderr=self._errors.fileno(),
                start_new_session=True,  # a terminal's Ctrl-C reaches tito alone, which ends the child
            )
        except OSError as error:
            self._errors.close()
            raise ChildError(
                f"expected to start {sys.executable}, found: {error.strerror}: check that Python is installed"
            ) from error
        self._watch = threading.Timer(SECONDS, self.end)

    def __enter__(self) -> Child:
        self._watch.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._watch.cancel()
        self.end()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()

    def end(self) -> None:
        """End the child, and everything that it started, if it still runs."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def events(self) -> Iterator[Event]:
        """What it reports; the last event is "result".

        Raises BenchError with the child's own sentence, ChildError when it ended without one.
        """
        last: Event = {}
        assert self.process.stdout is not None
        for line in self.process.stdout:
            last = json.loads(line)
            if last["event"] == "error":
                raise BenchError(last["error"], detail=last["detail"])
            yield last
        if last.get("event") != "result":
            raise self._died()

    def _died(self) -> ChildError:
        code = self.process.wait()
        self._errors.seek(0)
        stderr = self._errors.read().decode(errors="replace")
        lines = stderr.strip().splitlines()
        found = f"{lines[-1]}; add --verbose to see where" if lines else f"exit code {code} and no word"
        return ChildError(f"expected the process with your kernels to report a result, found {found}", detail=stderr)


def _environment(project: Project, threads: int | None) -> dict[str, str]:
    path = [str(project.root), str(TITO_HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}
    return environment if threads is None else environment | dict.fromkeys(THREAD_VARIABLES, str(threads))
