"""Completing a module: test, export, checkpoint, record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tito import progress
from tito.course.cells import parse_cells
from tito.course.model import Checkpoint, Course, Module
from tito.course.sources import read_sources
from tito.errors import SourceError
from tito.export.install import Installed, export, exported_modules
from tito.files import decode_source
from tito.project import Project
from tito.run.module_tests import TestReport, run_module_tests


class CheckpointOutcome(Protocol):
    """What a checkpoint run tells `complete`; the checkpoints library returns its own richer type."""

    @property
    def passed(self) -> bool:
        """Every test of the checkpoint passed on code exported from the present sources."""


RunCheckpoint = Callable[[Project, Course, Checkpoint], CheckpointOutcome]


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
    run_checkpoint: RunCheckpoint | None = None,
    overwrite_edits: bool = False,
    timeout: float = 120.0,
) -> Completion:
    """Test `module`, export it beside what is already exported or completed, run its checkpoint, record.

    `run_checkpoint=None` skips the checkpoint. `completed` is False when a test or the checkpoint failed; a failed
    checkpoint leaves the new package in place (it is what the checkpoint examines) and records nothing.
    Raises SourceError, ExportError, ProjectError, each leaving package and progress as they were.
    """
    record = progress.load(project)
    check_points(project, module)
    source = read_sources(project, module).sha256
    tests = run_module_tests(project, module, course=course, timeout=timeout)
    checkpoint = course.checkpoint_of(module)
    if not tests.passed:
        return Completion(module, tests, None, checkpoint, None, False, None)
    names = {module.name, *exported_modules(project), *record.modules}
    installed = export(project, course, course.ordered(names), overwrite_edits=overwrite_edits)
    outcome = run_checkpoint(project, course, checkpoint) if run_checkpoint and checkpoint else None
    if outcome is not None and not outcome.passed:
        return Completion(module, tests, installed, checkpoint, outcome, False, None)
    with progress.editing(project) as edited:
        edited.modules[module.name] = progress.ModuleRecord(progress.now(), source)
    following = next_module(course, set(edited.modules))
    return Completion(module, tests, installed, checkpoint, outcome, True, following)


def next_module(course: Course, completed: set[str]) -> Module | None:
    """The first module of the course that is not completed, or None at the end."""
    return next((module for module in course.modules if module.name not in completed), None)


def check_points(project: Project, module: Module) -> None:
    """Refuse a module from which graded cells were removed: what is not tested would pass. Raises SourceError."""
    text = decode_source(read_sources(project, module).dev, module.dev_path)
    points = sum(cell.points for cell in parse_cells(text, module.dev_path))
    if points < module.points:
        raise SourceError(
            f"{module.dev_path}: expected graded cells for {module.points} points, found {points:g}: "
            "restore the test and question cells that were removed"
        )
