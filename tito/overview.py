"""How each module stands: exported or not, in step or changed, completed, and what of it is taught and what given."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from tito.checkpoints.guard import present_hashes
from tito.checkpoints.status import State, checkpoint_statuses
from tito.course.cells import parse_python
from tito.course.model import Course, Module
from tito.course.sources import ModuleSources, read_sources
from tito.errors import SourceError
from tito.export.manifest import Manifest, read_manifest
from tito.files import decode_source
from tito.progress import ModuleRecord, load
from tito.project import Project


class ExportState(Enum):
    """How a module's source stands to the package."""

    EXPORTED = "exported"
    CHANGED = "changed since its export"
    NOT_EXPORTED = "not exported"
    NO_SOURCE = "source missing or unreadable"


@dataclass(frozen=True)
class ModuleStatus:
    """A module as it stands. `completed_source_changed` says that the source is not the one that was completed."""

    module: Module
    export: ExportState
    completed: ModuleRecord | None
    completed_source_changed: bool
    checkpoint: str | None  # "05 learning"
    checkpoint_state: State | None


@dataclass(frozen=True)
class Contents:
    """What a module consists of: `taught` is what the student writes, `given` the public names of each given file.

    `problem` is one sentence when a file is missing or cannot be read.
    """

    taught: tuple[str, ...] = ()
    given: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problem: str = ""


def module_statuses(project: Project, course: Course) -> list[ModuleStatus]:
    """Every module of the course, in order."""
    manifest = read_manifest(project.package_dir)
    records = load(project).modules
    sources = present_hashes(project, course.modules)
    states = {item.checkpoint.module: item for item in checkpoint_statuses(project, course)}
    statuses = []
    for module in course.modules:
        source = sources[module.name]
        record = records.get(module.name)
        checkpoint = states.get(module.name)
        statuses.append(
            ModuleStatus(
                module=module,
                export=_export_state(manifest, module, source),
                completed=record,
                completed_source_changed=record is not None and record.source != source,
                checkpoint=f"{checkpoint.checkpoint.number:02d} {checkpoint.checkpoint.name}" if checkpoint else None,
                checkpoint_state=checkpoint.state if checkpoint else None,
            )
        )
    return statuses


def _export_state(manifest: Manifest | None, module: Module, source: str) -> ExportState:
    entry = manifest.modules.get(module.name) if manifest else None
    if not source:
        return ExportState.NO_SOURCE
    if entry is None:
        return ExportState.NOT_EXPORTED
    return ExportState.EXPORTED if entry.source == source else ExportState.CHANGED


def contents(project: Project, module: Module) -> Contents:
    """What is taught in the module and what comes along with it."""
    try:
        sources = read_sources(project, module)
        tree = parse_python(decode_source(sources.dev, module.dev_path), module.dev_path)
        taught = tuple(dict.fromkeys(_tasks(tree)))
        return Contents(taught, {name: _public_names(sources, name) for name in sorted(sources.given)})
    except SourceError as error:
        return Contents(problem=str(error))


def _tasks(node: ast.AST, outer: str = "") -> Iterator[str]:
    """Qualified names of the functions whose docstring sets a TASK: those that the student writes.

    Solution markers would not do: a student's file has none.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and "TASK" in (ast.get_docstring(child) or ""):
            yield outer + child.name
        if isinstance(child, ast.ClassDef):
            yield from _tasks(child, f"{outer}{child.name}.")


def _public_names(sources: ModuleSources, name: str) -> tuple[str, ...]:
    path = f"{sources.module.folder_path}/{name}"
    tree = parse_python(decode_source(sources.given[name], path), path)
    definitions = (ast.FunctionDef, ast.ClassDef)
    return tuple(node.name for node in tree.body if isinstance(node, definitions) and not node.name.startswith("_"))
