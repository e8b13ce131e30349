"""tinytorch/manifest.json: which sources made which files, with hashes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tito.errors import ExportError
from tito.export.manifest_check import MANIFEST as MANIFEST
from tito.export.manifest_check import differences
from tito.files import sha256

FORMAT = 1


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


def manifest_bytes(version: str, modules: Mapping[str, ModuleEntry], files: Mapping[str, bytes]) -> bytes:
    """The manifest of a package made of `files`."""
    data = {
        "format": FORMAT,
        "version": version,
        "modules": {name: {"source": e.source, "files": sorted(e.files)} for name, e in modules.items()},
        "files": {path: asdict(FileEntry(sha256(files[path]), len(files[path]))) for path in sorted(files)},
    }
    return (json.dumps(data, indent=2) + "\n").encode()


def read_manifest(package_dir: Path) -> Manifest | None:
    """The manifest of an installed package; None when there is no package. Raises ExportError when it is damaged."""
    path = package_dir / MANIFEST
    try:
        data: dict[str, Any] = json.loads(path.read_bytes())
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']}, not {FORMAT}")
        modules = {n: ModuleEntry(str(e["source"]), tuple(e["files"])) for n, e in data["modules"].items()}
        files = {n: FileEntry(str(e["sha256"]), int(e["bytes"])) for n, e in data["files"].items()}
        if outside := [name for name in files if name.startswith("/") or ".." in name.split("/")]:
            raise ValueError(f"a file outside the package, {outside[0]!r}")
        return Manifest(str(data["version"]), modules, files)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ExportError(
            f"expected {path} as tito wrote it, found it damaged ({error}): "
            "move the package folder away and run `tito module export --all`"
        ) from error


def edited_files(package_dir: Path) -> list[str]:
    """Files changed or added by hand since the export (relative paths, sorted); missing files are not among them.

    Without a manifest every file counts as added.
    """
    if not package_dir.is_dir():
        return []
    manifest = read_manifest(package_dir)
    known = {name: asdict(entry) for name, entry in manifest.files.items()} if manifest else {}
    edited = {name for name, state in differences(package_dir, known).items() if state == "edited"}
    added = {name for name in package_files(package_dir) if name not in known and name != MANIFEST}
    return sorted(edited | added)


def missing_files(package_dir: Path) -> list[str]:
    """Files that the manifest names and that are not there, the manifest itself included (sorted)."""
    manifest = read_manifest(package_dir)
    if manifest is None:
        return [MANIFEST]
    return sorted(name for name in manifest.files if not (package_dir / name).is_file())


def package_files(package_dir: Path) -> list[str]:
    """Every file in a package folder but byte code and hidden files, relative, sorted; a link counts as a file."""
    return [path for path in _files(package_dir) if not _is_hidden(path) and not _is_bytecode(path)]


def hidden_files(package_dir: Path) -> list[str]:
    """Files that tito neither writes nor removes: those with a name, or in a folder, that begins with a dot."""
    return [path for path in _files(package_dir) if _is_hidden(path) and not _is_bytecode(path)]


def _files(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _is_bytecode(path: str) -> bool:
    return "__pycache__" in path.split("/")
