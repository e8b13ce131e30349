"""How each checkpoint stands: passed, failed, stale (a source changed since) or not run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tito.checkpoints import guard
from tito.course.model import Checkpoint, Course
from tito.progress import CheckpointRecord, load
from tito.project import Project


class State(Enum):
    """The state of a checkpoint."""

    PASSED = "passed"
    FAILED = "failed"
    STALE = "stale"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Status:
    """A checkpoint and its state. `changed` names the modules whose source is no longer the one that was examined."""

    checkpoint: Checkpoint
    state: State
    record: CheckpointRecord | None
    changed: tuple[str, ...]


def checkpoint_statuses(project: Project, course: Course) -> list[Status]:
    """Every checkpoint of the course with its state, in order."""
    records = load(project).checkpoints
    present = guard.present_hashes(project, course.modules)
    return [
        _status(course, checkpoint, records.get(f"{checkpoint.number:02d}"), present)
        for checkpoint in course.checkpoints
    ]


def _status(course: Course, checkpoint: Checkpoint, record: CheckpointRecord | None, present: dict[str, str]) -> Status:
    if record is None:
        return Status(checkpoint, State.NOT_RUN, None, ())
    required = [module.name for module in guard.required_modules(course, checkpoint)]
    changed = tuple(name for name in required if record.sources.get(name) != present[name])
    if changed:
        return Status(checkpoint, State.STALE, record, changed)
    return Status(checkpoint, State.PASSED if record.passed else State.FAILED, record, ())
