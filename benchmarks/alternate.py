"""Steps of both libraries in turns: each round gives one ratio, so whatever slows the machine slows both."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median
from typing import Any

from benchmarks.libraries import OURS, THEIRS, TITLES
from benchmarks.setting import ROOT, BenchmarkError, Setting
from tito.bench.ratios import compare

LOSS_TOLERANCE = 1e-2  # relative; two libraries that compute the same network agree to about 1e-5
MOST_STEPS = 1000


class Worker:
    """A library in a process of its own (see worker.py), for use in a `with` block."""

    def __init__(self, library: str, workload: str, setting: Setting) -> None:
        options = ["--keep-memory"] if setting.keep_memory else []
        command = [setting.python(library), "-m", "benchmarks.worker", library, workload, str(setting.threads)]
        self.title = TITLES[library]
        self.process = subprocess.Popen(
            [*command, *options], cwd=ROOT, env=setting.environment(library), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,  # Ctrl-C reaches us alone
        )  # fmt: skip

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        if exception[0] is not None:
            self.process.kill()
        self.process.communicate()  # closes its input, at which it ends

    def read(self) -> dict[str, Any]:
        """The next record. Raises BenchmarkError if the process has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise BenchmarkError(
                f"expected steps of {self.title}, found that its process ended with exit code {self.process.wait()}: "
                "what it wrote stands above."
            )
        record: dict[str, Any] = json.loads(line)
        return record

    def steps(self, count: int) -> dict[str, Any]:
        """Make `count` steps; their times."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"steps": count}) + "\n")
        self.process.stdin.flush()
        return self.read()


def steps_in_turns(workload: str, setting: Setting, progress: Callable[[int], None] = lambda done: None) -> dict:
    """Measure `workload`: one ratio a round, and for each library its facts and its times (see `measurement`)."""
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(name, workload, setting)) for name in (OURS, THEIRS)}
        started = {name: worker.read() for name, worker in workers.items()}
        check_same_work(workload, {name: record["losses"] for name, record in started.items()})
        count = steps_for(setting.seconds, [worker.steps(1)["seconds"][0] for worker in workers.values()])
        turns: dict[str, list[dict]] = {name: [] for name in workers}
        for number in range(setting.rounds):
            for name in (OURS, THEIRS) if number % 2 else (THEIRS, OURS):
                turns[name].append(workers[name].steps(count))
            progress(number + 1)
    return measurement(turns, {name: record["facts"] for name, record in started.items()})


def steps_for(seconds: float, one: list[float]) -> int:
    """How many steps keep the slower library busy for `seconds`: the same number for both."""
    return max(1, min(MOST_STEPS, round(seconds / max(one))))


def check_same_work(workload: str, losses: dict[str, list[float]]) -> None:
    """Refuse to compare what does not compute the same: the first losses must agree."""
    for ours, theirs in zip(losses[OURS], losses[THEIRS], strict=True):
        if not abs(ours - theirs) <= LOSS_TOLERANCE * max(abs(theirs), 1e-3):
            raise BenchmarkError(
                f"{workload}: expected PyTorch's losses {losses[THEIRS]}, found {losses[OURS]}: "
                "make both compute the same before comparing their times."
            )


def measurement(turns: dict[str, list[dict]], facts: dict[str, dict]) -> dict[str, Any]:
    """Ratios of the median step times and of the CPU times, round by round, with all they were computed from."""
    libraries = {}
    for name, answers in turns.items():
        seconds = [median(answer["seconds"]) for answer in answers]
        cpu = [answer["cpu_seconds"] / len(answer["seconds"]) for answer in answers]
        libraries[name] = {"facts": facts[name], "step_seconds": seconds, "step_cpu_seconds": cpu}
    ours, theirs = libraries[OURS], libraries[THEIRS]
    cpu = compare(ours["step_cpu_seconds"], theirs["step_cpu_seconds"])["ratios"]
    steps = len(turns[OURS][0]["seconds"])
    found = compare(ours["step_seconds"], theirs["step_seconds"])
    return {**found, "cpu_ratios": cpu, "steps_a_turn": steps, "libraries": libraries}
