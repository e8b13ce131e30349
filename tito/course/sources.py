"""The bytes of a module: its taught file, given files and assets, and the hash over all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tito.course.model import Module
from tito.errors import SourceError
from tito.files import explain_os_error, unix_newlines
from tito.project import Project

GIVEN_SUFFIX = "_given.py"


@dataclass(frozen=True)
class ModuleSources:
    """What a module consists of on disk; Python text has `\\n` line ends.

    `dev`: bytes of name_dev.py. `given`: file name ("rows_given.py") -> bytes. `assets`: file name -> bytes.
    """

    module: Module
    dev: bytes
    given: dict[str, bytes] = field(default_factory=dict)
    assets: dict[str, bytes] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """Hash over every name and byte: changes whenever anything of the module changes."""
        return hash_named([(self.module.dev_name, self.dev), *self.given_items()])

    def given_items(self) -> Iterator[tuple[str, bytes]]:
        """Given files and assets by name, sorted: what is exported whatever the student writes."""
        yield from sorted(self.given.items())
        yield from ((f"assets/{name}", data) for name, data in sorted(self.assets.items()))


def hash_named(items: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 over (name, bytes) pairs; lengths are hashed too, so that no two lists read alike."""
    total = hashlib.sha256()
    for name, data in items:
        total.update(f"{name}\0{len(data)}\0".encode())
        total.update(data)
    return total.hexdigest()


def read_sources(project: Project, module: Module) -> ModuleSources:
    """Read a module from disk. Raises SourceError when its taught file is missing."""
    return ModuleSources(module, read_dev(project, module), *read_given(project, module))


def read_dev(project: Project, module: Module) -> bytes:
    """The bytes of the taught file, with `\\n` line ends."""
    path = module.dev_file(project)
    with _explained(path):
        there = path.is_file()
    if not there:
        raise SourceError(
            f"expected the source of {module.name} at {module.dev_path}, found no such file: "
            "restore it (for example with git) and try again"
        )
    return unix_newlines(_read(path))


def read_given(project: Project, module: Module) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The module's given files and its assets, each file name -> bytes."""
    folder = module.folder(project)
    with _explained(folder):
        given = {path.name: unix_newlines(_read(path)) for path in sorted(folder.glob(f"*{GIVEN_SUFFIX}"))}
        assets_dir = folder / "assets"
        paths = sorted(assets_dir.iterdir()) if assets_dir.is_dir() else []
    assets: dict[str, bytes] = {}
    for path in paths:
        if path.name.startswith((".", "__")):
            continue
        if not path.is_file():
            raise SourceError(
                f"{module.folder_path}/assets: expected files only, found the folder {path.name}: move its files up"
            )
        assets[path.name] = _read(path)
    return given, assets


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"expected to read {path}, {explain_os_error(error)}") from error


def _read(path: Path) -> bytes:
    with _explained(path):
        return path.read_bytes()
