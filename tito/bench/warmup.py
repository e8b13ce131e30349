"""Compile every kernel now, so that no later program has to wait for it."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack

from tito.bench.events import Child, Event, check_kernels
from tito.bench.machine import usable_cores
from tito.errors import TitoError
from tito.project import Project

TASKS = bytes(range(256))  # one byte each: the number of a kernel; there are fewer
MOST_PROCESSES = 8


class _Crew:
    """Some children, for use in a `with` block, and what they report, in the order in which it comes."""

    def __init__(self, children: list[Child]) -> None:
        self.children, self.reports = children, queue.Queue[Event | TitoError]()
        self._listeners = [threading.Thread(target=self._listen, args=(child,)) for child in children]

    def __enter__(self) -> _Crew:
        for listener in self._listeners:
            listener.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for child in self.children:
            child.end()
        for listener in self._listeners:
            listener.join()

    def _listen(self, child: Child) -> None:
        try:
            for event in child.events():
                self.reports.put(event)
        except TitoError as problem:
            self.reports.put(problem)


def warm_kernels(
    project: Project, names: Sequence[str] = (), processes: int | None = None
) -> Generator[Event, None, None]:
    """Yield "start", an event "kernel" for each that is ready, then "result" with the sums; `names`: only these.

    Compiling keeps one core busy, so `processes` children (default: one for each core) take kernel after kernel from
    one pipe. Raises BenchError if Numba is missing, the cache cannot be written, or a kernel cannot be compiled.
    """
    check_kernels(project)
    started = time.monotonic()
    count = processes or min(usable_cores(), MOST_PROCESSES)
    totals = {"compiled": 0, "read": 0}
    done, told = 0, False
    with ExitStack() as stack:
        crew = stack.enter_context(_Crew([stack.enter_context(child) for child in _start(project, count, names)]))
        running = count
        while running:
            event = crew.reports.get()
            if isinstance(event, TitoError):
                raise event
            if event["event"] == "result":
                running -= 1
            elif event["event"] == "kernel":
                done += 1
                totals = {key: totals[key] + event[key] for key in totals}
                yield event | {"done": done}
            elif not told:
                told = True
                yield event
    yield {"event": "result", "kernels": done, **totals, "processes": count, "seconds": time.monotonic() - started}


def _start(project: Project, count: int, names: Sequence[str]) -> list[Child]:
    """Children that share a pipe: whoever is free takes the next byte out of it."""
    reading, writing = os.pipe()
    try:
        os.write(writing, TASKS)
        os.close(writing)
        return [Child(project, ["warm", *names], stdin=reading) for _ in range(count)]
    finally:
        os.close(reading)
