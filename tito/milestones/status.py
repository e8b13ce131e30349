"""How far the milestones are: locked or not, stopped or finished, and what came out last."""

from __future__ import annotations

from dataclasses import dataclass

from tito.course.model import Course
from tito.export import exported_modules
from tito.milestones.results import Result, folder_of, read_result, stopped_state
from tito.milestones.table import Milestone, load_milestones, missing_modules
from tito.project import Project


@dataclass(frozen=True)
class Status:
    """A milestone; the modules that it still needs; its last result; whether a stopped run of it can go on."""

    milestone: Milestone
    missing: tuple[str, ...]
    result: Result | None
    stopped: bool


def milestone_statuses(project: Project, course: Course) -> list[Status]:
    """Every milestone, oldest first."""
    exported = exported_modules(project)
    return [
        Status(
            milestone=milestone,
            missing=tuple(module.name for module in missing_modules(milestone, course, exported)),
            result=read_result(folder_of(project, milestone)),
            stopped=stopped_state(folder_of(project, milestone)),
        )
        for milestone in load_milestones(project, course)
    ]
