"""The ratio of every compiled kernel to the reference kernel of the same operation."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from tito.bench.events import Child, Event, check_kernels
from tito.bench.machine import describe_machine
from tito.errors import UsageError
from tito.files import atomic_write
from tito.project import Project

ROUNDS = 9
FORMAT = 1


def measure_kernels(
    project: Project, names: Sequence[str] = (), threads: int | None = None, rounds: int = ROUNDS
) -> Generator[Event, None, None]:
    """Yield an event "kernel" for each size of each kernel called `names` (all, if none is named), then "result".

    threads: of the kernels and of the reference (default: all cores). Raises UsageError for numbers below 1, BenchError
    when there are no kernels, or one of them fails.
    """
    for name, value in (("threads", threads), ("rounds", rounds)):
        if value is not None and value < 1:
            raise UsageError(f"expected --{name} of at least 1, found {value}: leave it out for the default")
    check_kernels(project)
    with Child(project, ["measure", str(rounds), str(threads or 0), *names], threads) as child:
        yield from child.events()


def write_results(path: Path, project: Project, found: Sequence[Event]) -> None:
    """Write all that was measured, with the machine and the last event, as JSON."""
    result = {key: value for key, value in found[-1].items() if key != "event"}
    passed_over = ("event", "done", "all")
    kernels: list[dict[str, Any]] = [
        {key: value for key, value in event.items() if key not in passed_over}
        for event in found
        if event["event"] == "kernel"
    ]
    record = {"format": FORMAT, "machine": describe_machine(project.root), **result, "kernels": kernels}
    atomic_write(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
