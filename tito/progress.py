"""What the student has completed: .tito/progress.json, written atomically under a lock.

    with editing(project) as progress:
        progress.modules["02_tensor"] = ModuleRecord(completed="…", source="…")
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from tito.project import Project

FORMAT = 1


@dataclass
class ModuleRecord:
    """A completed module: when (ISO 8601, UTC) and the hash of its source then (course.sources.ModuleSources.sha256)."""

    completed: str
    source: str


@dataclass
class CheckpointRecord:
    """The last run of a checkpoint: when, whether it passed, and the source hash of every module it rests on."""

    tested: str
    passed: bool
    sources: dict[str, str]
    message: str = ""


@dataclass
class Progress:
    """`modules`: name -> ModuleRecord. `checkpoints`: number as two digits ("05") -> CheckpointRecord."""

    modules: dict[str, ModuleRecord] = field(default_factory=dict)
    checkpoints: dict[str, CheckpointRecord] = field(default_factory=dict)


def load(project: Project) -> Progress:
    """The present progress (empty when there is none yet).

    Raises ProjectError when the file is damaged or of another format; the file is then kept aside as
    progress.json.damaged-<n>, so the next command starts afresh.
    """
    raise NotImplementedError("progress.load")


@contextlib.contextmanager
def editing(project: Project) -> Iterator[Progress]:
    """The progress, to be changed in place; saved on leaving the block unless it raised."""
    raise NotImplementedError("progress.editing")
    yield
