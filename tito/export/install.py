"""Putting a composed package in place, all or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tito.course.model import Course, Module
from tito.project import Project


@dataclass(frozen=True)
class Installed:
    """What an installation changed: paths relative to the package."""

    modules: tuple[str, ...]
    written: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    kept_aside: Path | None = None  # where hand-edited files went, if the caller let them be overwritten


def export(
    project: Project, course: Course, modules: Iterable[Module], *, overwrite_edits: bool = False
) -> Installed:
    """Compose exactly `modules` and install them as the project's package."""
    raise NotImplementedError


def install(
    project: Project, files: Mapping[str, bytes], *, package_dir: Path | None = None, overwrite_edits: bool = False
) -> Installed:
    """Write `files` beside the package, import it in a child, then swap. On any failure all stays as it was.

    Raises EditedPackageError (a file there was edited by hand), InstallError.
    """
    raise NotImplementedError


def export_check(project: Project, course: Course, modules: Iterable[Module] | None = None) -> list[str]:
    """Paths (relative to the package) that differ from what the sources give; default: all modules."""
    raise NotImplementedError


def exported_modules(project: Project) -> tuple[str, ...]:
    """Names of the modules in the installed package, in course order; empty when there is no package."""
    raise NotImplementedError
