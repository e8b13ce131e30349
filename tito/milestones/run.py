"""A milestone seen from tito's side: a child that runs it, and the numbers that come out, judged here."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import asdict
from datetime import datetime

from tito.course.model import Course
from tito.errors import ChildError, ProjectError
from tito.export import exported_modules
from tito.files import locked
from tito.milestones.results import Result, folder_of, forget_state, numbers, stopped_state, write_result
from tito.milestones.table import Milestone, missing_modules
from tito.project import Project
from tito.run.reporting import Event, RunError, reported

CHILD = "tito.milestones.child"
LOCK = ".lock"


def check_unlocked(project: Project, course: Course, milestone: Milestone) -> None:
    """Raises RunError, naming what is missing, unless the milestone is unlocked; ProjectError without its file."""
    missing = missing_modules(milestone, course, exported_modules(project))
    if missing:
        names = ", ".join(module.name for module in missing)
        raise RunError(
            f"expected every module that {milestone.name} needs in the exported package, found {names} missing: "
            f"continue with `tito module complete {missing[0].short}`"
        )
    if not milestone.file(project).is_file():
        raise ProjectError(f"expected the milestone in {milestone.path}, found no such file: restore it and try again")


def run_milestone(
    project: Project, milestone: Milestone, threads: int, *, live: bool = False, fresh: bool = False
) -> Generator[Event, None, None]:
    """Run the milestone in a child; yield its events, the last one being "result", "stopped" or "killed".

    live: what it prints comes as it is written, not line by line. fresh: a run that was stopped is not continued.
    Raises what `reported` does, ChildError if main() returns no numbers, ProjectError when it already runs.
    """
    folder = folder_of(project, milestone)
    with locked(folder / LOCK, timeout=0.5):
        continued = stopped_state(folder) and not fresh
        if not continued:
            forget_state(folder)
        yield {"event": "start", "name": milestone.name, "continued": continued, "threads": threads}
        started = time.monotonic()
        arguments = [CHILD, str(milestone.file(project)), "live" if live else "lines"]
        for event in reported(project, arguments, threads):
            if event["event"] != "result":
                ended = event["event"] in ("stopped", "killed")
                yield event | ({"saved": stopped_state(folder)} if ended else {})
                continue
            seconds = time.monotonic() - started
            result = _judged(milestone, event.get("values"), seconds, continued, threads)
            write_result(folder, result)
            yield {"event": "result", "name": milestone.name, **asdict(result)}


def _judged(milestone: Milestone, returned: object, seconds: float, continued: bool, threads: int) -> Result:
    values = numbers(returned)
    absent = [each.metric for each in milestone.expected if each.metric not in values]
    if absent:
        found = ", ".join(values)
        raise ChildError(f"expected main() to return {', '.join(absent)} too, found only {found}: correct the example")
    met = all(each.met(values) for each in milestone.expected)
    return Result(values, met, seconds, continued, threads, datetime.now().isoformat(timespec="seconds"))
