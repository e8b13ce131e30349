"""The package itself: are its files as they were exported, and read-only; is a commit about to change them by hand?"""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass

from tito.errors import TitoError
from tito.export.manifest import MANIFEST, edited_files, read_manifest
from tito.files import sha256
from tito.project import Project
from tito.protection import git

WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class PackageState:
    """Files that the manifest names; `writable` and `edited` are paths relative to the project."""

    exported: bool
    files: int
    writable: tuple[str, ...]
    edited: tuple[str, ...]


def package_state(project: Project) -> PackageState:
    """Hold every file of the package against the manifest."""
    manifest = read_manifest(project.package_dir)
    if manifest is None:
        return PackageState(False, 0, (), ())
    paths = [project.package_dir / name for name in sorted(manifest.files)]
    writable = tuple(project.relative(p) for p in paths if p.exists() and p.stat().st_mode & WRITE_BITS)
    edited = tuple(project.relative(project.package_dir / name) for name in edited_files(project.package_dir))
    return PackageState(True, len(paths), writable, edited)


def make_read_only(project: Project) -> int:
    """Take the write permission from every exported file that has one; returns how many had it."""
    state = package_state(project)
    for name in state.writable:
        path = project.root / name
        path.chmod(path.stat().st_mode & 0o777 & ~WRITE_BITS)
    return len(state.writable)


def check_commit(project: Project) -> list[str]:
    """Why the staged changes must not be committed, one sentence a file; empty when they may be.

    Compared with the manifest that would be committed, so that a commit always holds a package as tito exported it.
    """
    folder = project.package_dir.name
    if not git.is_repository(project) or not git.staged_paths(project, folder):
        return []
    manifest_path = f"{folder}/{MANIFEST}"
    manifest = git.index_bytes(project, manifest_path)
    if manifest is None:
        return [f"{manifest_path} is not staged: stage the whole package (git add {folder}), or none of it."]
    try:
        expected = {f"{folder}/{name}": entry["sha256"] for name, entry in json.loads(manifest)["files"].items()}
    except (ValueError, KeyError, TypeError) as problem:
        raise TitoError(
            f"expected {manifest_path} as tito exported it, found it damaged in the index: "
            "run `tito module export --all` and stage it again"
        ) from problem
    present = set(git.index_paths(project, folder)) - {manifest_path}
    sentences = [_why(project, path, expected.get(path)) for path in sorted(present | set(expected))]
    return [sentence for sentence in sentences if sentence]


def _why(project: Project, path: str, expected: str | None) -> str:
    content = git.index_bytes(project, path)
    if expected is None:
        return f"{path} was not exported by tito: change modules/source/ and export, or move it out of the package."
    if content is None:
        return f"{path} belongs to the exported package and is not staged: git add it."
    if sha256(content) != expected:
        return (
            f"{path} was edited by hand, or is staged from another export: change modules/source/, "
            "run `tito module export --all`, and stage the package again."
        )
    return ""
