"""tinytorch/manifest.json: which sources made which files, with hashes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ModuleEntry:
    """`source`: ModuleSources.sha256 at export. `files`: paths (relative to the package) that the module produced."""

    source: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class FileEntry:
    """SHA-256 and size of a generated file."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """The manifest of a package. `files` lists every generated file but the manifest itself."""

    version: str
    modules: dict[str, ModuleEntry]
    files: dict[str, FileEntry]


def read_manifest(package_dir: Path) -> Manifest | None:
    """The manifest of an installed package; None when there is no package. Raises ExportError when it is damaged."""
    raise NotImplementedError


def edited_files(package_dir: Path) -> list[str]:
    """Files changed or added by hand since the export (relative paths, sorted)."""
    raise NotImplementedError
