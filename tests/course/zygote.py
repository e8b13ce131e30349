"""A process that has imported NumPy, pytest and tito, and forks a child for each case: 0.2 s instead of 1.5 s.

    with Zygote() as zygote:
        zygote.run("tests", ["…/tensor_dev.py", "stub.py", "events.jsonl"], cwd=…, output=…)
        zygote.run("pytest", ["checkpoint_01.py", …, "results.jsonl"], cwd=…, output=…)

The child never sees a `tinytorch` that another case imported: the zygote itself imports none.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from tests.course.until import Sought, Until

# Several zygotes share the processors, and a thread that waits for another one's processor spins meanwhile.
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
TIMEOUT = 120.0
MEMORY = 4 << 30  # bytes, of a case with a time limit


class Zygote:
    """The parent's end: starts the process, sends one case at a time, waits for its answer."""

    def __init__(self) -> None:
        environment = {**os.environ, **ONE_THREAD, "PYTHONOPTIMIZE": ""}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        for name in ("PYTEST_ADDOPTS", "PYTHONDONTWRITEBYTECODE"):  # a package is compiled once, not in every child
            environment.pop(name, None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.course.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env=environment,
            text=True,
            start_new_session=True,
        )

    def run(
        self,
        kind: str,
        arguments: list[str],
        *,
        cwd: Path,
        output: Path,
        sought: Sought | None = None,
        cpu_seconds: int | None = None,
    ) -> int:
        """Run one case in a forked child, its output into the file `output`. Returns its exit code (< 0: a signal).

        It stops at the failure that is `sought`. `cpu_seconds` ends a case that does not come to an end by itself; then
        it may not take more than 4 GiB either.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        request = {"kind": kind, "arguments": arguments, "cwd": str(cwd), "output": str(output), "cpu": cpu_seconds}
        request["sought"] = asdict(sought) if sought else None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the zygote process died with {self._process.wait()} while it ran {request}")
        return int(json.loads(answer)["code"])

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


def serve() -> None:
    """The process itself: import once, then fork for every line on standard input."""
    _warm_up()
    gc.collect()
    gc.freeze()  # the children need not look through all this for garbage
    for line in sys.stdin:
        print(json.dumps({"code": _fork(json.loads(line))}), flush=True)


def _warm_up() -> None:
    """Import all that every case needs, pytest's plugins included."""
    import numpy
    import pytest

    import tito.run.child_tests
    import tito.workbench

    assert numpy and tito.run.child_tests and tito.workbench
    kept = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # pytest must be the one that imports its plugins
    pytest.main(["--version", "-ptito.checkpoints.plugin", "-ptito.checkpoints.report", "--checkpoint-report="])
    os.dup2(kept, 1)
    assert "tinytorch" not in sys.modules


def _fork(request: dict[str, Any]) -> int:
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = _run_case(request)
        except BaseException:  # whatever a student's code raises ends this child alone, and is told
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return _wait(child)


def _wait(child: int) -> int:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _run_case(request: dict[str, Any]) -> int:
    """In the child: everything printed goes to the case's file, then run it as its own process would."""
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(request["cwd"])
    arguments = request["arguments"]
    if request["cpu"] is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (request["cpu"], request["cpu"]))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sought = Sought(**request["sought"]) if request["sought"] else None
    if request["kind"] == "pytest":
        import pytest

        sys.path.insert(0, request["cwd"])
        *arguments, target = arguments
        if sought is None:
            return int(pytest.main(arguments))
        return int(pytest.main([*arguments, "--tb=line"], plugins=[Until(sought, Path(target))]))
    from tito.run import child_tests

    with open(arguments[2], "a", encoding="utf-8") as events:
        if sought is None:
            child_tests.main(Path(arguments[0]), Path(arguments[1]), events)
        else:
            _until(sought, Path(arguments[0]), Path(arguments[1]), events)
    return 0


def _until(sought: Sought, file: Path, text_file: Path, events: IO[str]) -> None:
    """As `child_tests.main`, but the tests behind the sought line come first, and the sought failure is the last."""
    from tito.run import child_tests

    def report(event: str, **data: Any) -> None:
        events.write(json.dumps({"event": event, **data}) + "\n")
        events.flush()

    try:
        module = child_tests.load(file, text_file.read_text(encoding="utf-8"))
    except BaseException as error:  # a module may raise anything, SystemExit included; the parent is told
        report("import failed", **child_tests.describe(error, file))
        return
    tests = child_tests.tests_of(module, file)
    for name, test in sorted(tests, key=lambda each: each[1].__code__.co_firstlineno < sought.line):
        outcome = child_tests.run_test(test, file)
        report("end", name=name, **outcome)
        if not outcome["passed"] and sought.fits(name, outcome["exception"], outcome["message"]):
            return


if __name__ == "__main__":
    sys.path.pop(0)  # the folder in which it was started
    serve()
