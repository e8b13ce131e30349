"""A checkpoint may pass only for code exported from the student's present source.

Three links are checked for the checkpoint's module and everything that it requires: the source's hash is the one in
the manifest; the exported file's hash is the one in the manifest; the imported `tinytorch` modules are those files.
"""

from __future__ import annotations

import importlib.util
import py_compile
import sys
from collections.abc import Iterable
from pathlib import Path

from tito.course.model import Checkpoint, Course, Module
from tito.course.sources import read_sources
from tito.errors import SourceError, TitoError
from tito.export.manifest import Manifest, edited_files, missing_files, read_manifest
from tito.files import explain_os_error
from tito.project import Project

HASH_BASED = 0b11  # flags of a .pyc that is checked against its source's hash, not its time stamp


class StaleExportError(TitoError):
    """What would be examined is not what the student's present source gives."""


def required_modules(course: Course, checkpoint: Checkpoint) -> tuple[Module, ...]:
    """The module of `checkpoint` and everything that it requires, in course order."""
    return course.closure(course.module(checkpoint.module))


def brings_kernels(course: Course, checkpoint: Checkpoint) -> bool:
    """Whether the module that makes others faster is among those that `checkpoint` judges."""
    return any("core.kernels" in module.exports for module in required_modules(course, checkpoint))


def source_hashes(project: Project, modules: Iterable[Module]) -> dict[str, str]:
    """Module name -> hash of its present source. Raises SourceError when a module's file is missing."""
    return {module.name: read_sources(project, module).sha256 for module in modules}


def present_hashes(project: Project, modules: Iterable[Module]) -> dict[str, str]:
    """As `source_hashes`, with "" for a module whose source is missing or cannot be read: no record fits that."""
    hashes = {}
    for module in modules:
        try:
            hashes[module.name] = read_sources(project, module).sha256
        except SourceError:
            hashes[module.name] = ""
    return hashes


def check_export(project: Project, course: Course, checkpoint: Checkpoint) -> None:
    """Hold the present sources and the exported files against the manifest.

    Raises StaleExportError that names the first stale module or file and the command that mends it.
    """
    manifest = read_manifest(project.package_dir)
    package = project.relative(project.package_dir)
    if manifest is None:
        raise StaleExportError(
            f"expected an exported package for checkpoint {checkpoint.number:02d}, found none in {package}/: "
            f"run `tito module export {course.module(checkpoint.module).short}`"
        )
    for module in required_modules(course, checkpoint):
        _check_source(project, manifest, module)
    missing = missing_files(project.package_dir)
    if different := missing or edited_files(project.package_dir):
        how = "missing" if missing else "changed by hand"
        raise StaleExportError(
            f"expected {package}/{different[0]} as it was exported, found it {how}: "
            "change the module's source instead, and run `tito module export --all`"
        )


def _check_source(project: Project, manifest: Manifest, module: Module) -> None:
    entry = manifest.modules.get(module.name)
    if entry is None:
        raise StaleExportError(
            f"expected module {module.name} in the exported package, found it missing: "
            f"run `tito module export {module.short}`"
        )
    present = read_sources(project, module).sha256
    if present != entry.source:
        raise StaleExportError(
            f"expected module {module.name} as it is now (source {present[:8]}), found an older export of it "
            f"({entry.source[:8]}): run `tito module export {module.short}`"
        )


class ImportGuard:
    """Every imported `tinytorch` module must be a file of the project's package that the manifest names."""

    def __init__(self, project: Project) -> None:
        manifest = read_manifest(project.package_dir)
        self._package = project.package_dir.resolve()
        self._known = {self._package / name for name in manifest.files} if manifest else set()
        self._seen: dict[str, str | None] = {}  # modules that were found in order, with their file

    def check(self) -> None:
        """Look at what is imported now. Raises StaleExportError naming a module that came from elsewhere."""
        for name in [name for name in sys.modules if name == "tinytorch" or name.startswith("tinytorch.")]:
            origin = getattr(sys.modules[name], "__file__", None)
            if name in self._seen and self._seen[name] == origin:
                continue
            if origin is None or Path(origin).resolve() not in self._known:
                raise StaleExportError(
                    f"expected {name} from the package exported to {self._package}, found it imported from "
                    f"{origin or 'nowhere'}: run the checkpoint by `tito checkpoint test`"
                )
            self._seen[name] = origin


def refresh_bytecode(project: Project, *, anew: bool = False) -> None:
    """Make sure that Python compiles what stands in the package's files now.

    By default Python trusts a .pyc whose source has the same size and the same time stamp in whole seconds, so a
    one-character edit exported within a second would go unseen. Bytecode checked by hash is not fooled. `anew` also
    compiles where such bytecode lies already: whoever wrote it may have compiled something else.
    """
    manifest = read_manifest(project.package_dir)
    for name in manifest.files if manifest else ():
        path = project.package_dir / name
        if path.suffix == ".py" and (anew or not _hash_checked(Path(importlib.util.cache_from_source(str(path))))):
            _compile(project, path)


def _compile(project: Project, path: Path) -> None:
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    try:
        py_compile.compile(str(path), doraise=True, invalidation_mode=mode)
    except FileExistsError as problem:
        raise StaleExportError(
            f"expected a plain file or nothing for the bytecode of {project.relative(path)}, found something else: "
            "delete the folder __pycache__ beside it"
        ) from problem
    except OSError as problem:
        raise StaleExportError(
            f"expected to write bytecode for {project.relative(path)}, {explain_os_error(problem)}"
        ) from problem
    except py_compile.PyCompileError as problem:
        raise StaleExportError(
            f"expected Python in {project.relative(path)}, found a syntax error ({problem.exc_value}): "
            "run `tito module export --all`"
        ) from problem


def _hash_checked(cached: Path) -> bool:
    try:
        with cached.open("rb") as file:
            header = file.read(8)
    except FileNotFoundError:
        return False
    return header[:4] == importlib.util.MAGIC_NUMBER and int.from_bytes(header[4:8], "little") == HASH_BASED
