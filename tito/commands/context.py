"""What every command starts from: the project around the current folder, and its course."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from tito.course.model import Course, Module
    from tito.project import Project


def here() -> Project:
    """The project around the current folder; a package that a killed export left moved aside is put back."""
    from tito.project import find_project

    project = find_project()
    if not project.package_dir.exists():
        from tito.export.install import recover

        recover(project)
    return project


def project_and_course() -> tuple[Project, Course]:
    """The project around the current folder and its course."""
    from tito.course.model import load_course

    project = here()
    return project, load_course(project)


def chosen_modules(course: Course, name: str | None, every: bool) -> tuple[Module, ...]:
    """The module called `name`, or all of them; naming both or neither is a mistake."""
    from tito.errors import UsageError

    if every == (name is not None):
        found = "both" if every else "neither"
        raise UsageError(f"expected one module's name or --all, found {found}: see `tito module list`")
    return course.modules if name is None else (course.module(name),)


def verbose(context: typer.Context) -> bool:
    """Whether --verbose was given, anywhere on the command line."""
    return bool(context.find_root().params["verbose"])
