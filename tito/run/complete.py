"""Completing a module: test, export, checkpoint, record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tito.course.model import Checkpoint, Course, Module
from tito.export.install import Installed
from tito.project import Project
from tito.run.module_tests import TestReport


class CheckpointOutcome(Protocol):
    """What a checkpoint run tells `complete`; the checkpoints library returns its own richer type."""

    @property
    def passed(self) -> bool:
        """Every test of the checkpoint passed on code exported from the present sources."""


@dataclass(frozen=True)
class Completion:
    """How far a completion came. `installed` is None when a module test failed (then nothing was changed)."""

    module: Module
    tests: TestReport
    installed: Installed | None
    checkpoint: Checkpoint | None
    checkpoint_outcome: CheckpointOutcome | None
    completed: bool
    next_module: Module | None


def complete(
    project: Project,
    course: Course,
    module: Module,
    *,
    run_checkpoint: Callable[[Project, Course, Checkpoint], CheckpointOutcome] | None = None,
    overwrite_edits: bool = False,
    timeout: float = 120.0,
) -> Completion:
    """Test `module`, export it beside what is already exported or completed, run its checkpoint, record.

    `run_checkpoint=None` skips the checkpoint. `completed` is False when a test or the checkpoint failed; a failed
    checkpoint leaves the new package in place (it is what the checkpoint examines) and records nothing.
    """
    raise NotImplementedError
