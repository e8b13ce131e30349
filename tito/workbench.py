"""The first cell of every module: import `tinytorch` as it was before this module.

    from tito.workbench import modules_before

    modules_before("02_tensor")

A module is tried out and tested beside the modules before it only, never beside an exported copy of itself, where the
old, exported class would pass for the one being written. The package for that is composed in .tito/packages/, once for
each state of the sources.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import time
from pathlib import Path

from tito import __version__
from tito.course.model import Course, Module, load_course
from tito.course.sources import ModuleSources, hash_named, read_dev, read_given
from tito.errors import ExportError, ProjectError, WorkbenchError
from tito.files import explain_os_error, locked
from tito.project import Project, find_project

PACKAGE = "tinytorch"
KEPT_PACKAGES = 40
IN_USE_SECONDS = 3600.0  # a younger package may still be imported from
READY = ".ready"  # written last: its time is that of the last use


def modules_before(name: str) -> None:
    """Put a package of the modules before `name` (and its own given files) first on sys.path.

    The project is found from the calling file, or from the current folder in a notebook. Raises WorkbenchError when
    another `tinytorch` is already imported.
    """
    caller = sys._getframe(1).f_globals.get("__file__")
    project = find_project(caller if caller and Path(caller).is_file() else None)
    course = load_course(project)
    folder = package_before(project, course.module(name), course)
    _refuse_other_package(name, folder)
    if str(folder) in sys.path:
        sys.path.remove(str(folder))
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()


def package_before(project: Project, module: Module, course: Course | None = None) -> Path:
    """The folder to put on sys.path: holds `tinytorch`, composed of the modules before `module`; cached by content.

    Raises SourceError, ExportError, ProjectError.
    """
    course = course or load_course(project)
    before = modules_on_bench(project, course, module)
    sources = {item.name: ModuleSources(item, read_dev(project, item), *read_given(project, item)) for item in before}
    sources[module.name] = ModuleSources(module, b"", *read_given(project, module))
    folder = project.packages_dir / f"{module.name}-{_key(project, sources)[:20]}"
    try:
        if not _is_fit(folder):
            _compose_into(folder, project, course, before, module, sources)
        with contextlib.suppress(OSError):  # where nothing can be written nothing is pruned either
            os.utime(folder / READY)
    except OSError as error:
        raise ProjectError(
            f"expected to write the package for {module.name} under {project.relative(project.packages_dir)}, "
            f"{explain_os_error(error)}"
        ) from error
    return folder


def _is_fit(folder: Path) -> bool:
    """The package is there, whole, and as it was composed; one that is not is moved out of the way."""
    from tito.export.manifest import edited_files, missing_files

    if not (folder / READY).is_file():
        return False
    package = folder / PACKAGE
    with contextlib.suppress(ExportError):  # a damaged manifest
        if not edited_files(package) and not missing_files(package):
            return True
    folder.rename(folder.with_name(f".damaged-{folder.name}-{time.time_ns()}"))
    return False


def modules_on_bench(project: Project, course: Course, module: Module) -> tuple[Module, ...]:
    """The modules before `module`; of those that it does not require, the ones that are there with all they require."""
    required = course.closure(module)
    chosen: list[Module] = []
    for item in course.before(module):
        if item in required or (item.dev_file(project).is_file() and not course.missing([*chosen, item])):
            chosen.append(item)
    return tuple(chosen)


def _key(project: Project, sources: dict[str, ModuleSources]) -> str:
    """Hash of all that the composed package depends on: sources, course.toml, and the exporter itself."""
    exporter = Path(__file__).parent
    code = [*(exporter / "export").glob("*.py"), *(exporter / "course").glob("*.py")]
    items = [(path.name, path.read_bytes()) for path in sorted(code)]
    items.append(("course.toml", project.course_file.read_bytes()))
    items += [(name, source.sha256.encode()) for name, source in sources.items()]
    return hash_named([("version", __version__.encode()), *items])


def _compose_into(
    folder: Path,
    project: Project,
    course: Course,
    before: tuple[Module, ...],
    module: Module,
    sources: dict[str, ModuleSources],
) -> None:
    """Write the package beside `folder` and rename it there; another process may get there first."""
    import shutil
    import tempfile

    from tito.export.compose import compose

    files = compose(course, before, sources, bench=module)
    project.packages_dir.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".new-", dir=project.packages_dir))
    try:
        for path, data in files.items():
            target = staging / PACKAGE / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            target.chmod(0o444)
        (staging / READY).touch()
        try:
            os.rename(staging, folder)
        except OSError:
            if not (folder / READY).is_file():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    _prune(project)


def _prune(project: Project) -> None:
    """Keep the newest packages; never one that was used within the last hour."""
    import shutil

    with locked(project.state_dir / "packages.lock"):
        used: list[tuple[float, Path]] = []
        for folder in project.packages_dir.iterdir():
            with contextlib.suppress(FileNotFoundError):
                stamp = folder / READY if (folder / READY).exists() else folder
                used.append((stamp.stat().st_mtime, folder))
        oldest_in_use = time.time() - IN_USE_SECONDS
        for last_use, folder in sorted(used, reverse=True)[KEPT_PACKAGES:]:
            if last_use < oldest_in_use:
                shutil.rmtree(folder, ignore_errors=True)


def _refuse_other_package(name: str, folder: Path) -> None:
    imported = sys.modules.get(PACKAGE)
    if imported is None:
        return
    found = Path(getattr(imported, "__file__", None) or "an unknown place")
    if found.is_relative_to(folder):
        return
    raise WorkbenchError(
        f"expected `{PACKAGE}` not to be imported before the first cell of {name}, found it imported from "
        f"{found.parent}: restart the kernel (or Python) and run the first cell first"
    )
