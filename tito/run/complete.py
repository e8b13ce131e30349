"""Completing a module: test, export, checkpoint, record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tito import progress
from tito.course.cells import parse_cells
from tito.course.model import Checkpoint, Course, Module
from tito.course.sources import ModuleSources, read_sources
from tito.errors import SourceError
from tito.export.install import Installed, export, undone_by_interrupt
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
    Raises SourceError, ExportError, ProjectError, each leaving package and progress as they were; so does Ctrl-C.
    """
    done = progress.load(project).modules
    sources = read_sources(project, module)
    check_graded_cells(sources)
    tests = run_module_tests(project, module, course=course, timeout=timeout)
    checkpoint = course.checkpoint_of(module)
    if not tests.passed:
        return Completion(module, tests, None, checkpoint, None, False, None)
    check_unchanged(project, sources)
    with undone_by_interrupt(project):
        beside = course.ordered({module.name, *done})
        installed = export(project, course, beside, beside=True, tested=sources, overwrite_edits=overwrite_edits)
        outcome = run_checkpoint(project, course, checkpoint) if run_checkpoint and checkpoint else None
    if outcome is not None and not outcome.passed:
        return Completion(module, tests, installed, checkpoint, outcome, False, None)
    with progress.editing(project) as edited:
        edited.modules[module.name] = progress.ModuleRecord(progress.now(), sources.sha256)
    following = next_module(course, set(edited.modules))
    return Completion(module, tests, installed, checkpoint, outcome, True, following)


def next_module(course: Course, completed: set[str]) -> Module | None:
    """The first module of the course that is not completed, or None at the end."""
    return next((module for module in course.modules if module.name not in completed), None)


def check_graded_cells(sources: ModuleSources) -> None:
    """Refuse a module from which graded cells were removed: what is not tested would pass. Raises SourceError."""
    module = sources.module
    cells = parse_cells(decode_source(sources.dev, module.dev_path), module.dev_path)
    points = sum(cell.points for cell in cells)
    if points < module.points:
        raise SourceError(
            f"{module.dev_path}: expected graded cells for {module.points} points, found {points:g}: "
            "restore the test and question cells that were removed"
        )
    names = [cell.grade_id for cell in cells if cell.grade_id]
    for cell in cells:
        if cell.grade_id and names.count(cell.grade_id) > 1:
            raise SourceError(
                f"{module.dev_path}, line {cell.line}: expected one cell for each grade_id, found "
                f"{names.count(cell.grade_id)} called {cell.grade_id!r}: remove the copy"
            )


def check_unchanged(project: Project, tested: ModuleSources) -> None:
    """What was tested is what still stands there. Raises SourceError."""
    module = tested.module
    if read_sources(project, module).sha256 != tested.sha256:
        raise SourceError(
            f"expected {module.folder_path} to stay as it was while its tests ran, found it changed: "
            f"run `tito module complete {module.short}` again"
        )
