"""Putting a composed package in place, all or nothing."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tito.course.model import Course, Module
from tito.course.sources import ModuleSources, read_sources
from tito.errors import EditedPackageError, InstallError
from tito.export import swap
from tito.export.compose import compose
from tito.export.manifest import edited_files, package_files, read_manifest
from tito.files import explain_os_error, locked
from tito.project import Project
from tito.run.child import run_python

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


def export(
    project: Project,
    course: Course,
    modules: Iterable[Module],
    *,
    beside: bool = False,
    tested: ModuleSources | None = None,
    overwrite_edits: bool = False,
) -> Installed:
    """Compose exactly `modules`, or with `beside` those and the ones already there, and install them as the package.

    `tested` are the sources of one module as they were tested; they are exported even if the file has changed since.
    Raises SourceError, ExportError.
    """
    with exporting(project, project.package_dir):  # what is already there is looked up while nobody else exports
        names = {module.name for module in modules} | (set(exported_modules(project)) if beside else set())
        chosen = course.ordered(names)
        sources = {module.name: read_sources(project, module) for module in chosen}
        if tested:
            sources[tested.module.name] = tested
        files = compose(course, chosen, sources)
        with _undone(project.package_dir):
            return _install(project, files, project.package_dir, overwrite_edits)


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
    with exporting(project, package):
        return _install(project, files, package, overwrite_edits)


@contextlib.contextmanager
def exporting(project: Project, package: Path) -> Iterator[None]:
    """Be the only one who exports; what a killed export left behind is mended first."""
    with locked(project.state_dir / "export.lock"), _explained(package):
        swap.recover(package)
        swap.refuse_what_is_no_folder(package)
        yield


def recover(project: Project) -> None:
    """Put a package back that a killed export has moved aside; elsewhere it does nothing."""
    if swap.was_killed(project.package_dir):
        with exporting(project, project.package_dir):
            pass


@contextlib.contextmanager
def undone_by_interrupt(project: Project) -> Iterator[None]:
    """Ctrl-C within the block puts the package back as it is now."""
    package = project.package_dir
    with _undone(package, lambda: exporting(project, package)):
        yield


@contextlib.contextmanager
def _undone(package: Path, lock: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext) -> Iterator[None]:
    before = {path: (package / path).read_bytes() for path in package_files(package)} if package.is_dir() else None
    try:
        yield
    except KeyboardInterrupt:
        with swap.uninterrupted(), lock():
            _put_back(package, before)
        raise


def _put_back(package: Path, before: Mapping[str, bytes] | None) -> None:
    """The package as it was, if it is another now; no package, if there was none."""
    same = before is not None and set(package_files(package)) == set(before)
    if before is not None and same and all(_has_content(package / path, data) for path, data in before.items()):
        return
    with swap.staging_folder(package) as staging:
        if before is not None:
            swap.stage(staging / "tinytorch", package, before, set())
            swap.swap(package, staging / "tinytorch")
        elif package.exists():
            package.rename(staging / "unwanted")


def _install(project: Project, files: Mapping[str, bytes], package: Path, overwrite_edits: bool) -> Installed:
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
        _replace(package, files, unchanged, edited)
    else:
        swap.make_read_only(package, files)
    return _with_modules(result, package)


def _replace(package: Path, files: Mapping[str, bytes], unchanged: set[str], edited: list[str]) -> None:
    """Stage, import, swap; `edited` are the files that were known to be edited by hand."""
    with swap.staging_folder(package) as staging:
        staged = staging / "tinytorch"
        swap.stage(staged, package, files, unchanged)
        check_import(staged)
        if newly := sorted(set(edited_files(package)) - set(edited)):  # edited while the new one was being made
            raise _edited_error(newly)
        with swap.uninterrupted():
            swap.swap(package, staged)


def check_import(staged: Path) -> None:
    """Import the package in a child, warnings as errors. Raises InstallError with the child's last line."""
    elsewhere = staged.with_name("empty")  # what a module deletes by a relative path is nothing
    elsewhere.mkdir()
    result = run_python(
        ["-B", "-c", IMPORT_SCRIPT, str(staged.parent)], cwd=elsewhere, timeout=120.0, warnings_as_errors=True
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


def _keep_aside(project: Project, package: Path, edited: list[str]) -> Path:
    """Copy hand-edited files to .tito/kept/<time>/."""
    folder = project.state_dir / "kept" / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    for path in edited:
        if (package / path).is_dir() and not (package / path).is_symlink():
            continue  # a folder where a file was exported: what is in it is in the list too
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / path, folder / path, follow_symlinks=False)
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
