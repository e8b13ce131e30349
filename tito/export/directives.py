"""What the `#|` lines of a module ask for: which cells go to which target, and which names go to which face.

#| default_exp core.tensor      where `#| export` cells of this file go
#| export                       export this cell to the default target
#| export core.engine           … to another target of the module
#| face nn: Linear, Dropout     offer these names as tinytorch.nn.Linear … ("name as other" renames)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tito.course.cells import DIRECTIVE, Cell, Directive, parse_cells, parse_python
from tito.course.model import Course, Module
from tito.course.solutions import BEGIN, BEGIN_HIDDEN, END, END_HIDDEN, marked_spans
from tito.errors import ExportError

KEYS = ("default_exp", "export", "face")
FACE_ITEM = re.compile(r"([A-Za-z_]\w*)(?:\s+as\s+([A-Za-z_]\w*))?")


@dataclass(frozen=True)
class FaceRow:
    """`tinytorch.<face>.<alias>` is `name` of `tinytorch.<origin>`; `module` and `place` say who declared it."""

    face: str
    name: str
    alias: str
    origin: str
    module: str
    place: str


@dataclass(frozen=True)
class ExportedCell:
    """The cleaned text of one cell (no directives, markers or hidden tests); `place` names it in errors."""

    text: str
    place: str


@dataclass(frozen=True)
class ModuleExports:
    """What one taught file exports: target -> its cells in order, and the face rows."""

    cells: dict[str, tuple[ExportedCell, ...]]
    faces: tuple[FaceRow, ...]


def read_exports(course: Course, module: Module, text: str) -> ModuleExports:
    """The exports of a module's taught file. Raises SourceError, ExportError."""
    cells = [cell for cell in parse_cells(text, module.dev_path) if cell.kind == "code"]
    for cell in cells:
        _check_directives(module, cell)
    default = _default_target(module, cells)
    exported: dict[str, list[ExportedCell]] = {}
    faces: list[FaceRow] = []
    for cell in cells:
        target = _cell_target(module, cell, default)
        place = f"{module.dev_path}, {cell.name}"
        if target:
            exported.setdefault(target, []).append(ExportedCell(clean(cell, module.dev_path), place))
        for directive in cell.directives:
            if directive.key == "face":
                faces += _face_rows(course, module, directive, target, f"{module.dev_path}, line {directive.line}")
    for target in module.exports:
        if target not in exported:
            raise ExportError(
                f"{module.dev_path}: expected a cell exported to {target} (course.toml lists it), found none: "
                f"write `#| export {target}` at the head of a cell, or take the target out of course.toml"
            )
    return ModuleExports({target: tuple(exported[target]) for target in module.exports}, tuple(faces))


def read_given(course: Course, module: Module, file_name: str, text: str) -> tuple[str, tuple[FaceRow, ...]]:
    """A given file without its `#| face` lines, and its face rows."""
    path = f"{module.folder_path}/{file_name}"
    parse_python(text, path)
    origin = given_origin(file_name)
    kept: list[str] = []
    faces: list[FaceRow] = []
    dropped = False  # the line before this one was a directive: of the blank lines around it, one is enough
    for number, line in enumerate(text.split("\n"), 1):
        match = DIRECTIVE.match(line)
        if match is None:
            if line.strip() or not dropped or (kept and kept[-1].strip()):
                kept.append(line)
            dropped = False
            continue
        dropped = True
        if match[1] != "face":
            raise ExportError(
                f"{path}, line {number}: expected `#| face …` (a given file is exported whole), found `{line}`: "
                "remove it"
            )
        faces += _face_rows(course, module, Directive(match[1], match[2], number), origin, f"{path}, line {number}")
    return "\n".join(kept), tuple(faces)


def given_origin(file_name: str) -> str:
    """Where a given file goes: "rows_given.py" -> "given.rows"."""
    return "given." + file_name.removesuffix("_given.py")


def clean(cell: Cell, name: str) -> str:
    """A cell's code as it stands in the package: without directives, solution markers and hidden tests."""
    dropped = {directive.line for directive in cell.directives}
    for start, end in marked_spans(cell.source, BEGIN_HIDDEN, END_HIDDEN, cell.line, name):
        dropped.update(range(start, end + 1))
    for start, end in marked_spans(cell.source, BEGIN, END, cell.line, name):
        dropped.update((start, end))
    lines = enumerate(cell.source.split("\n"), cell.line)
    return "\n".join(line.rstrip() if not line.strip() else line for number, line in lines if number not in dropped)


def _check_directives(module: Module, cell: Cell) -> None:
    at_head = {directive.line for directive in cell.directives}
    for number, line in enumerate(cell.source.split("\n"), cell.line):
        if line.startswith("#|") and number not in at_head:
            raise ExportError(
                f"{module.dev_path}, line {number}: expected `{line.strip()}` at the head of its cell, before code, "
                "as `#| key value`: move or mend it"
            )
    for directive in cell.directives:
        if directive.key not in KEYS:
            raise ExportError(
                f"{module.dev_path}, line {directive.line}: expected one of {', '.join(KEYS)} after `#|`, found "
                f"{directive.key!r}: correct it"
            )


def _default_target(module: Module, cells: list[Cell]) -> str | None:
    found = [directive for cell in cells for directive in cell.directives if directive.key == "default_exp"]
    if len(found) > 1:
        raise ExportError(
            f"{module.dev_path}: expected one `#| default_exp`, found {len(found)} (lines {found[0].line} and "
            f"{found[1].line}): remove one"
        )
    if not found:
        return None
    return _known_target(module, found[0])


def _known_target(module: Module, directive: Directive) -> str:
    if directive.value not in module.exports:
        raise ExportError(
            f"{module.dev_path}, line {directive.line}: expected a target that course.toml lists for {module.name} "
            f"({', '.join(module.exports)}), found {directive.value!r}: correct one of the two"
        )
    return directive.value


def _cell_target(module: Module, cell: Cell, default: str | None) -> str | None:
    directive = cell.directive("export")
    if directive is None:
        return None
    if directive.value:
        return _known_target(module, directive)
    if default is None:
        suggested = module.exports[0] if module.exports else f"core.{module.short}"
        raise ExportError(
            f"{module.dev_path}, line {directive.line}: `#| export` needs a target, found no `#| default_exp` in the "
            f"file: write `#| default_exp {suggested}` in the first cell"
        )
    return default


def _face_rows(course: Course, module: Module, directive: Directive, origin: str | None, place: str) -> list[FaceRow]:
    face, colon, names = directive.value.partition(":")
    face = face.strip()
    if origin is None:
        raise ExportError(f"{place}: a face offers exported names, found no `#| export` in this cell: add it")
    if not colon or face not in course.faces:
        raise ExportError(
            f"{place}: expected `#| face NAME: a, b` with NAME one of {', '.join(course.faces)}, found "
            f"`#| face {directive.value}`: correct it"
        )
    rows = []
    for item in filter(None, (part.strip() for part in names.split(","))):
        match = FACE_ITEM.fullmatch(item)
        if match is None:
            raise ExportError(f"{place}: expected names separated by commas, found {item!r}: correct it")
        rows.append(FaceRow(face, match[1], match[2] or match[1], origin, module.name, place))
    if not rows:
        raise ExportError(f"{place}: expected at least one name after `#| face {face}:`, found none: add it")
    return rows
