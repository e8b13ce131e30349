"""One library in a process of its own, kept alive; it makes steps when it is told to.

    python -m benchmarks.worker LIBRARY WORKLOAD THREADS [--keep-memory]

It speaks JSON Lines. First it writes {"facts": …, "losses": […]} after its first steps; then for each line
{"steps": 5} on standard input it makes that many steps and writes {"seconds": […], "cpu_seconds": …}. It ends when its
input ends. What the library itself prints goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from benchmarks.libraries import load

FIRST_STEPS = 3  # kernels are compiled or chosen, buffers found


def serve(step: Callable[[], Any], requests: Iterable[str], answers: TextIO) -> None:
    """Answer each request by its steps; one step before them is not counted: the other library has used the caches."""
    for line in requests:
        request = json.loads(line)
        step()
        cpu, seconds = time.process_time(), []
        for _ in range(request["steps"]):
            started = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - started)
        write(answers, seconds=seconds, cpu_seconds=time.process_time() - cpu)


def write(answers: TextIO, **record: Any) -> None:
    """One line of JSON."""
    answers.write(json.dumps(record) + "\n")
    answers.flush()


def main(library_name: str, workload: str, threads: int, keep_memory: bool, answers: TextIO) -> None:
    """Prepare, make the first steps, report, serve."""
    library = load(library_name, threads, keep_memory)
    step = importlib.import_module(f"benchmarks.workloads.{workload}").prepare(library)
    losses = [step() for _ in range(FIRST_STEPS)]
    write(answers, facts=library.facts(), losses=losses)
    serve(step, sys.stdin, answers)


if __name__ == "__main__":
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    name, wanted, count, *options = sys.argv[1:]
    main(name, wanted, int(count), "--keep-memory" in options, own)
