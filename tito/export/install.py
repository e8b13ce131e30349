"""Putting a composed package in place, all or nothing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tito.course.model import Course, Module
from tito.course.sources import read_sources
from tito.errors import EditedPackageError, InstallError
from tito.export.compose import compose
from tito.export.manifest import edited_files, package_files, read_manifest
from tito.files import explain_os_error, locked
from tito.project import Project
from tito.run.child import run_python

READ_ONLY = 0o444
STAGING = ".tinytorch-export-"

IMPORT_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import tinytorch
assert tinytorch.__file__.startswith(sys.argv[1]), tinytorch.__file__
"""


@dataclass(frozen=True)
class Installed:
    """What an installation changed: paths relative to the package.

    `kept_aside` is the folder with the hand-edited files that the caller let it overwrite, if there were any.
    """

    modules: tuple[str, ...]
    written: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    kept_aside: Path | None = None


def export(project: Project, course: Course, modules: Iterable[Module], *, overwrite_edits: bool = False) -> Installed:
    """Compose exactly `modules` and install them as the project's package."""
    chosen = course.ordered(module.name for module in modules)
    files = compose(course, chosen, {module.name: read_sources(project, module) for module in chosen})
    return install(project, files, overwrite_edits=overwrite_edits)


def export_check(project: Project, course: Course, modules: Iterable[Module] | None = None) -> list[str]:
    """Paths (relative to the package) that differ from what the sources give; default: all modules."""
    chosen = course.modules if modules is None else course.ordered(module.name for module in modules)
    files = compose(course, chosen, {module.name: read_sources(project, module) for module in chosen})
    present = package_files(project.package_dir) if project.package_dir.is_dir() else []
    changed = {path for path in files if not _has_content(project.package_dir / path, files[path])}
    return sorted(changed | (set(present) - set(files)))


def exported_modules(project: Project) -> tuple[str, ...]:
    """Names of the modules in the installed package, in course order; empty when there is no package."""
    manifest = read_manifest(project.package_dir)
    return tuple(sorted(manifest.modules)) if manifest else ()


def install(
    project: Project, files: Mapping[str, bytes], *, package_dir: Path | None = None, overwrite_edits: bool = False
) -> Installed:
    """Write `files` beside the package, import it in a child, then swap. On any failure all stays as it was.

    Files are read-only (0444); one with equal bytes keeps its time stamp. `overwrite_edits` moves hand-edited files
    to .tito/kept/ instead of refusing. Raises EditedPackageError, InstallError.
    """
    package = package_dir or project.package_dir
    with locked(project.state_dir / "export.lock"), _explained(package):
        _recover(package)
        edited = edited_files(package)
        if edited and not overwrite_edits:
            raise _edited_error(edited)
        old = set(package_files(package)) if package.is_dir() else set()
        unchanged = {path for path in files if path in old and _has_content(package / path, files[path])}
        result = Installed(
            modules=(),
            written=tuple(sorted(set(files) - unchanged)),
            removed=tuple(sorted(old - set(files))),
            unchanged=tuple(sorted(unchanged)),
            kept_aside=_keep_aside(project, package, edited) if edited else None,
        )
        if result.written or result.removed or not package.is_dir():
            _replace(package, files, unchanged)
        else:
            _protect(package, files)
    return _with_modules(result, package)


def _replace(package: Path, files: Mapping[str, bytes], unchanged: set[str]) -> None:
    """Stage, import, swap. The staging folder holds `tinytorch` (new) and, during the swap, `old`."""
    staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=package.parent))
    try:
        staged = staging / "tinytorch"
        staged.mkdir(mode=0o755)
        for path, data in files.items():
            _write(staged / path, data, package / path if path in unchanged else None)
        check_import(staged)
        _swap(package, staged, staging / "old")
    finally:
        _discard(staging)


def check_import(staged: Path) -> None:
    """Import the package in a child, warnings as errors. Raises InstallError with the child's last line."""
    result = run_python(
        ["-B", "-c", IMPORT_SCRIPT, str(staged.parent)], cwd=staged.parent, timeout=120.0, warnings_as_errors=True
    )
    if result.timed_out:
        raise InstallError(
            f"expected the new package to be imported, found it still busy after {result.seconds:.0f} s: "
            "importing a module must run nothing; the package stays as it was"
        )
    if result.returncode != 0:
        raise InstallError(
            f"expected the new package to be imported, found {import_problem(result.stderr, staged)}: "
            "mend that; the package stays as it was",
            detail=result.stderr,
        )


def import_problem(stderr: str, staged: Path) -> str:
    """The last line of a traceback, with the line of the package in which it arose and that file's source."""
    lines = [line.strip() for line in stderr.split("\n") if line.strip()]
    last = lines[-1] if lines else "no output"
    frames = [number for number, line in enumerate(lines) if line.startswith(f'File "{staged}')]
    if not frames:
        return last
    file = Path(lines[frames[-1]].split('"')[1])
    source = re.search(r" from (modules/\S+):", file.read_text(encoding="utf-8").split("\n")[0])
    return f"{last} at `{lines[frames[-1] + 1]}` in {source[1] if source else file.relative_to(staged).as_posix()}"


def _swap(package: Path, staged: Path, old: Path) -> None:
    """Two renames; whatever interrupts them, the old package is put back."""
    had_one = package.exists()
    try:
        if had_one:
            os.rename(package, old)
        os.rename(staged, package)
    except BaseException:
        if had_one and old.exists() and not package.exists():
            os.rename(old, package)
        raise


def _recover(package: Path) -> None:
    """Clear away what a killed export left behind; a package it had already moved aside is put back."""
    for leftover in sorted(package.parent.glob(f"{STAGING}*")):
        if not package.exists() and (leftover / "old").is_dir():
            os.rename(leftover / "old", package)
        _discard(leftover)


def _write(path: Path, data: bytes, same: Path | None) -> None:
    """Write a read-only file; `same` is an old file with these bytes, whose time stamp is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if same is not None:
        shutil.copystat(same, path)
    os.chmod(path, READ_ONLY)


def _protect(package: Path, files: Iterable[str]) -> None:
    """Make every file read-only again."""
    for path in files:
        os.chmod(package / path, READ_ONLY)


def _discard(folder: Path) -> None:
    """Remove a folder of read-only files."""

    def make_writable(function: Callable[[str], object], path: str, _: object) -> None:
        os.chmod(path, 0o700)
        function(path)

    if folder.exists():
        shutil.rmtree(folder, onerror=make_writable)


def _keep_aside(project: Project, package: Path, edited: list[str]) -> Path:
    """Copy hand-edited files to .tito/kept/<time>/."""
    folder = project.state_dir / "kept" / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    for path in edited:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / path, folder / path)
    return folder


def _has_content(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False


def _edited_error(edited: list[str]) -> EditedPackageError:
    shown = ", ".join(f"tinytorch/{path}" for path in edited[:3]) + (" …" if len(edited) > 3 else "")
    return EditedPackageError(
        f"expected the package as tito wrote it, found {len(edited)} file(s) edited or added by hand ({shown}): carry "
        "the change over to modules/source/, then export with --force (the edited files are kept under .tito/kept/)"
    )


@contextlib.contextmanager
def _explained(package: Path) -> Iterator[None]:
    """File-system errors as one sentence."""
    try:
        yield
    except OSError as error:
        raise InstallError(
            f"expected to write the package {package.name} in {package.parent}, {explain_os_error(error)} "
            "(the package stays as it was)"
        ) from error


def _with_modules(result: Installed, package: Path) -> Installed:
    manifest = read_manifest(package)
    modules = tuple(manifest.modules) if manifest else ()
    return Installed(modules, result.written, result.removed, result.unchanged, result.kept_aside)
