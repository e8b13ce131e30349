"""The package as a pure function of the sources: same sources + same set of modules -> same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from tito import __version__
from tito.course.model import Course, Module
from tito.course.sources import ModuleSources
from tito.errors import ExportError
from tito.export import manifest_check, missing_names
from tito.export.directives import FaceRow, given_origin, read_exports, read_given
from tito.export.faces import check_faces, face_files
from tito.export.header import module_header, shared_header
from tito.export.manifest import MANIFEST, ModuleEntry, manifest_bytes
from tito.export.names import bound_names
from tito.export.references import check_references
from tito.export.target import Target, build_targets
from tito.files import decode_source


@dataclass
class Draft:
    """A package in the making. `owners` says which module a path is from, `names` what each origin binds."""

    files: dict[str, str | bytes] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    names: dict[str, frozenset[str]] = field(default_factory=dict)
    faces: list[FaceRow] = field(default_factory=list)
    loads: dict[str, str] = field(default_factory=dict)  # target -> module

    def add(self, path: str, content: str | bytes, owner: str) -> None:
        """Take in a file; raises ExportError when another module has given one of that name."""
        if path in self.files:
            raise ExportError(
                f"expected one source per package file, found tinytorch/{path} from both {self.owners[path]} and "
                f"{owner}: rename one of the two sources"
            )
        self.files[path], self.owners[path] = content, owner


def compose(
    course: Course,
    modules: Iterable[Module],
    sources: Mapping[str, ModuleSources],
    *,
    bench: Module | None = None,
) -> dict[str, bytes]:
    """Every file of the package: path relative to `tinytorch/` -> bytes.

    `modules` must be closed under `requires`; `sources` holds at least theirs, by module name. `bench` is a module
    under test: only its given files and assets are added, none of its own targets and no faces. Raises ExportError,
    SourceError.
    """
    chosen = course.ordered(module.name for module in modules)
    check_closed(course, chosen)
    draft = Draft()
    for module in chosen:
        _add_taught(draft, course, module, sources[module.name])
        _add_given(draft, course, module, sources[module.name], with_faces=True)
    if bench is not None:
        _add_given(draft, course, bench, sources[bench.name], with_faces=False)
    check_faces(course, draft.faces, draft.names)
    _add_shared(draft, course)
    files = {path: _bytes(content) for path, content in sorted(draft.files.items())}
    entries = {module.name: _entry(draft, module, sources[module.name]) for module in chosen}
    files[MANIFEST] = manifest_bytes(__version__, entries, files)
    return files


def check_closed(course: Course, modules: Iterable[Module]) -> None:
    """Raises ExportError, naming what is missing, unless the set holds all that its modules require."""
    for name, lacking in course.missing(modules).items():
        raise ExportError(
            f"expected everything that {name} requires, found {', '.join(lacking)} missing: "
            f"complete {'it' if len(lacking) == 1 else 'them'} first (`tito module complete {lacking[0]}`)"
        )


def _add_taught(draft: Draft, course: Course, module: Module, source: ModuleSources) -> None:
    targets, faces = _read_taught(course, module, source.dev)
    for target in targets:
        path = target.name.replace(".", "/") + ".py"
        draft.add(path, module_header(module, module.dev_path) + target.text, module.name)
        draft.names[target.name] = target.names
        draft.loads[target.name] = module.name
    draft.faces += faces


@lru_cache(maxsize=64)
def _read_taught(course: Course, module: Module, data: bytes) -> tuple[tuple[Target, ...], tuple[FaceRow, ...]]:
    """A taught file's targets and face rows (kept, for a package is often composed again with one module changed)."""
    exports = read_exports(course, module, decode_source(data, module.dev_path))
    targets = build_targets(module, exports)
    for target in targets:
        check_references(course, module, target.text, f"{module.dev_path} ({target.name})")
    return targets, exports.faces


def _add_given(draft: Draft, course: Course, module: Module, source: ModuleSources, *, with_faces: bool) -> None:
    for file_name, data in sorted(source.given.items()):
        text, names, faces = _read_given(course, module, file_name, data)
        origin = given_origin(file_name)
        header = module_header(module, f"{module.folder_path}/{file_name}")
        draft.add(origin.replace(".", "/") + ".py", header + text.strip("\n") + "\n", module.name)
        draft.names[origin] = names
        draft.faces += faces if with_faces else ()
    for name, data in sorted(source.assets.items()):
        draft.add(f"assets/{name}", data, module.name)


@lru_cache(maxsize=256)
def _read_given(
    course: Course, module: Module, file_name: str, data: bytes
) -> tuple[str, frozenset[str], tuple[FaceRow, ...]]:
    """A given file's text, the names that it binds, and its face rows."""
    path = f"{module.folder_path}/{file_name}"
    text, faces = read_given(course, module, file_name, decode_source(data, path))
    check_references(course, module, text, path)
    return text, frozenset(bound_names(text)), faces


def _add_shared(draft: Draft, course: Course) -> None:
    """Faces, package markers, the list of modules and the check for edits: what belongs to no single module."""
    folders = {path.split("/")[0] for path in draft.files if path.endswith(".py")}
    for folder in sorted(folders):
        owners = dict.fromkeys(owner for path, owner in draft.owners.items() if path.startswith(f"{folder}/"))
        what = {"core": "what the modules teach", "given": "what the modules bring along"}[folder]
        draft.add(f"{folder}/__init__.py", shared_header(what, owners) + f'"""{what.capitalize()}."""\n', "tito")
    if draft.loads:
        lines = [f"import tinytorch.{target}  # {module}" for target, module in draft.loads.items()]
        head = shared_header("the exported modules", dict.fromkeys(draft.loads.values()))
        title = '"""Every exported target, in course order: importing one fills its rows into the engine\'s tables."""'
        draft.add("_modules.py", f"{head}{title}\n\n" + "\n".join(lines) + "\n", "tito")
    for part in (manifest_check, missing_names):
        source = Path(str(part.__file__))
        text = f"# Copied by tito from {part.__name__}: do not edit.\n{source.read_text(encoding='utf-8')}"
        draft.add(f"_{source.name}", text, "tito")
    draft.add(missing_names.PYTORCH, Path(__file__).with_name("pytorch_names.json").read_text(encoding="utf-8"), "tito")
    for path, text in face_files(course, draft.faces, draft.loads, __version__).items():
        draft.add(path, text, "tito")


def _entry(draft: Draft, module: Module, source: ModuleSources) -> ModuleEntry:
    return ModuleEntry(source.sha256, tuple(path for path, owner in draft.owners.items() if owner == module.name))


def _bytes(content: str | bytes) -> bytes:
    return content.encode("utf-8") if isinstance(content, str) else content
