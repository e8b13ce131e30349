"""modules/course.toml as typed data: the one place for order, titles, requirements, points, hints and checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tito.project import Project


@dataclass(frozen=True)
class Module:
    """One module of the course.

    `name` "02_tensor", `number` 2, `short` "tensor"; `exports` the targets it writes ("core.tensor");
    `requires` names of earlier modules; `hints` grade_id -> hints, weakest first.
    """

    name: str
    number: int
    short: str
    title: str
    exports: tuple[str, ...]
    requires: tuple[str, ...]
    points: int
    summary: str
    hints: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def dev_name(self) -> str:
        """Name of the taught file: "tensor_dev.py"."""
        return f"{self.short}_dev.py"

    def folder(self, project: Project) -> Path:
        """modules/source/02_tensor."""
        return project.source_dir / self.name

    def dev_file(self, project: Project) -> Path:
        """modules/source/02_tensor/tensor_dev.py."""
        return self.folder(project) / self.dev_name


@dataclass(frozen=True)
class Checkpoint:
    """A capability question; `module` is the module whose completion runs it."""

    number: int
    name: str
    question: str
    module: str

    @property
    def file_name(self) -> str:
        """checkpoint_05_learning.py."""
        return f"checkpoint_{self.number:02d}_{self.name}.py"

    def file(self, project: Project) -> Path:
        """tests/checkpoints/checkpoint_05_learning.py."""
        return project.checkpoints_dir / self.file_name


@dataclass(frozen=True)
class Course:
    """The whole course, modules and checkpoints in order; `faces` are the public faces a module may declare."""

    title: str
    faces: tuple[str, ...]
    modules: tuple[Module, ...]
    checkpoints: tuple[Checkpoint, ...]

    def module(self, text: str) -> Module:
        """The module named by number ("2", "02"), folder ("02_tensor") or short name ("tensor").

        Raises UsageError with the nearest name.
        """
        raise NotImplementedError

    def checkpoint(self, text: str) -> Checkpoint:
        """The checkpoint named by number ("5", "05") or name ("learning"). Raises UsageError."""
        raise NotImplementedError

    def checkpoint_of(self, module: Module) -> Checkpoint | None:
        """The checkpoint that completing `module` runs, if it has one."""
        raise NotImplementedError

    def before(self, module: Module) -> tuple[Module, ...]:
        """All modules that stand before `module` in the course."""
        raise NotImplementedError

    def after(self, module: Module) -> Module | None:
        """The module that follows `module`, or None at the end."""
        raise NotImplementedError

    def closure(self, module: Module) -> tuple[Module, ...]:
        """`module` and all it requires, directly or not, in course order."""
        raise NotImplementedError


def load_course(project: Project) -> Course:
    """Read and check modules/course.toml. Raises CourseError naming the entry that is wrong."""
    raise NotImplementedError
