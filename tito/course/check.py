"""`tito course check`: the form that every module keeps, as findings `file:line: sentence`."""

from __future__ import annotations

from dataclasses import dataclass

from tito.course.model import Course, Module
from tito.project import Project


@dataclass(frozen=True, order=True)
class Finding:
    """One departure from the form. `file` is relative to the project."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def check_course(project: Project, course: Course, modules: tuple[Module, ...] | None = None) -> list[Finding]:
    """Everything that can be read without running anything; empty when the form is kept."""
    raise NotImplementedError


def check_stubs(project: Project, course: Course, module: Module) -> list[Finding]:
    """Slow: put the stub in place of each solution in turn; the module's own tests must fail and name it."""
    raise NotImplementedError
