"""Whole projects in a temporary folder, each with one module's source replaced: what a stub or a mutant is examined in.

A checkpoint passes only for code exported from the present source, so a wrong solution is given a project of its own:
its source, the package exported from it, the manifest. Nothing in the original is touched or read again.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from tito.checkpoints import guard
from tito.course.model import Course, Module
from tito.course.sources import ModuleSources, read_sources
from tito.export.compose import compose
from tito.project import Project

ALONGSIDE = ("modules/course.toml", "tests/data")


class ProjectCopies:
    """Copies of `project` below `folder`. All files but the replaced ones are shared (hard links), byte code too."""

    def __init__(self, project: Project, course: Course, folder: Path) -> None:
        self.project, self.course, self.folder = project, course, Path(folder).resolve()
        self._sources = {module.name: read_sources(project, module) for module in course.modules}
        self._bases: dict[str, Project] = {}
        self._count = 0

    def base(self, module: Module) -> Project:
        """The project as a student has it who has just completed `module`: the package holds it and all before it."""
        if module.name not in self._bases:
            base = Project(self.folder / f"base-{module.name}")
            self._lay_out(base, module)
            guard.refresh_bytecode(base)
            self._bases[module.name] = base
        return self._bases[module.name]

    def mutated(self, module: Module, source: str, *, exported: bool = True) -> Project:
        """A copy of `base(module)` with `source` as the module's taught file.

        The package is the one exported from it, or with `exported=False` still the one of the original source.
        """
        base = self.base(module)
        self._count += 1
        copy = Project(self.folder / f"{module.name}-{self._count:04d}")
        shutil.copytree(base.root, copy.root, copy_function=os.link)
        _write(module.dev_file(copy), source.encode("utf-8"))
        if not exported:
            return copy
        changed = {**self._sources, module.name: replace(self._sources[module.name], dev=source.encode("utf-8"))}
        for path, data in self._compose(module, changed).items():
            if (base.package_dir / path).read_bytes() != data:
                _write(copy.package_dir / path, data)
        return copy

    def _compose(self, module: Module, sources: dict[str, ModuleSources]) -> dict[str, bytes]:
        return compose(self.course, [*self.course.before(module), module], sources)

    def _lay_out(self, base: Project, module: Module) -> None:
        for name in ALONGSIDE:
            if (self.project.root / name).exists():
                _copy(self.project.root / name, base.root / name)
        for each in (*self.course.before(module), module):
            _copy(each.folder(self.project), each.folder(base))
        _copy(self.project.checkpoints_dir, base.checkpoints_dir)
        for path, data in self._compose(module, self._sources).items():
            _write(base.package_dir / path, data)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    else:
        shutil.copyfile(source, target)


def _write(path: Path, data: bytes) -> None:
    """Write a file anew: one that is shared with another copy is unlinked first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)
