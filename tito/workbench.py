"""The first cell of every module: import `tinytorch` as it was before this module."""

from __future__ import annotations

from pathlib import Path

from tito.course.model import Module
from tito.project import Project


def modules_before(name: str) -> None:
    """Put a package of the modules before `name` (and its own given files) first on sys.path.

    Raises WorkbenchError when another `tinytorch` is already imported.
    """
    raise NotImplementedError


def package_before(project: Project, module: Module) -> Path:
    """The folder to put on sys.path: holds `tinytorch`, composed of the modules before `module`; cached by content."""
    raise NotImplementedError
