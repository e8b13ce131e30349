"""Where things lie: a project is the folder that holds modules/course.toml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tito.errors import ProjectError

COURSE_FILE = Path("modules") / "course.toml"


@dataclass(frozen=True)
class Project:
    """The folders of one TinyTorch project. `root` is absolute."""

    root: Path

    @property
    def course_file(self) -> Path:
        """modules/course.toml: order, titles, requirements, points, hints, checkpoints."""
        return self.root / COURSE_FILE

    @property
    def source_dir(self) -> Path:
        """modules/source: what students and contributors edit."""
        return self.root / "modules" / "source"

    @property
    def package_dir(self) -> Path:
        """tinytorch: the generated package."""
        return self.root / "tinytorch"

    @property
    def checkpoints_dir(self) -> Path:
        """tests/checkpoints: one file per capability question."""
        return self.root / "tests" / "checkpoints"

    @property
    def state_dir(self) -> Path:
        """.tito: progress, locks and cached packages; never committed."""
        return self.root / ".tito"

    @property
    def progress_file(self) -> Path:
        """.tito/progress.json: what was completed, with which sources."""
        return self.state_dir / "progress.json"

    @property
    def packages_dir(self) -> Path:
        """.tito/packages: composed packages that modules are tested against."""
        return self.state_dir / "packages"

    def relative(self, path: Path) -> str:
        """`path` as a person would name it: relative to the project where possible, with forward slashes."""
        path = Path(path)
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()


def find_project(start: Path | str | None = None) -> Project:
    """The project around `start` (a file or folder; default: the current folder), searched upwards.

    Raises ProjectError when no folder above holds modules/course.toml.
    """
    origin = Path(start if start is not None else Path.cwd()).resolve()
    for folder in (origin, *origin.parents):
        if (folder / COURSE_FILE).is_file():
            return Project(folder)
    raise ProjectError(
        f"expected {COURSE_FILE.as_posix()} in {origin} or a folder above it, found none: "
        "change into your TinyTorch project and try again"
    )
