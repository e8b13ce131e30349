"""One target file (`core/tensor.py`) from the cells that are exported to it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from tito.course.model import Module
from tito.errors import ExportError
from tito.export.chunks import Chunk, split_chunks
from tito.export.directives import ExportedCell, ModuleExports
from tito.export.imports import PACKAGE, Binding, ImportBlock, bindings, is_import
from tito.export.join import join_chunks
from tito.export.names import bound_names, defined_names, needed_names


@dataclass(frozen=True)
class Target:
    """A composed file without its header. `name` "core.tensor"; `names` what it binds at module level."""

    name: str
    text: str
    names: frozenset[str]


def build_targets(module: Module, exports: ModuleExports) -> tuple[Target, ...]:
    """The targets of one module, in the order of course.toml.

    In the notebook all cells share one namespace. In the package a target that uses a name of another target of its
    module, or an import made there, gets the import line written for it. Raises ExportError.
    """
    chunks = {name: _chunks(cells) for name, cells in exports.cells.items()}
    shared = {binding.name: binding for items in chunks.values() for binding in _imported(items)}
    targets: list[Target] = []
    for name, cells in exports.cells.items():
        block, body = _body(chunks[name])
        text = _layout(block.render(), body)
        for needed in sorted(needed_names(text)):
            block.add(_supply(module, name, needed, targets, shared, cells))
        text = _with_head(module, name, block, body)
        targets.append(Target(name, text, frozenset(bound_names(text))))
    _check_shadowing(module, chunks)
    return tuple(targets)


def _chunks(cells: tuple[ExportedCell, ...]) -> list[Chunk]:
    return [chunk for cell in cells for chunk in split_chunks(cell.text, cell.place)]


def _imported(chunks: list[Chunk]) -> list[Binding]:
    return [binding for chunk in chunks for node in chunk.nodes for binding in bindings(node)]


def _body(chunks: list[Chunk]) -> tuple[ImportBlock, list[Chunk]]:
    """The imports, and everything else with its classes joined."""
    block = ImportBlock()
    rest: list[Chunk] = []
    for chunk in chunks:
        if is_import(chunk):
            block.add_chunk(chunk)
        else:
            rest.append(chunk)
    return block, join_chunks(rest)


def _supply(
    module: Module,
    target: str,
    needed: str,
    earlier: list[Target],
    shared: Mapping[str, Binding],
    cells: tuple[ExportedCell, ...],
) -> Binding:
    """Where a target can import a name from that its own cells do not bind. Raises ExportError when nowhere."""
    if needed in shared:
        return shared[needed]
    for other in earlier:
        if needed in other.names:
            return Binding(f"{PACKAGE}.{other.name}", needed, "")
    place = next((cell.place for cell in cells if needed in needed_names(cell.text)), module.dev_path)
    raise ExportError(
        f"{place}: {target} uses `{needed}`, which no cell exported to it (or to an earlier target of {module.name}) "
        "defines or imports: export the cell that does"
    )


def _check_shadowing(module: Module, chunks: Mapping[str, list[Chunk]]) -> None:
    """Refuse one name defined in two targets of a module: in the notebook the second replaces the first."""
    seen: dict[str, str] = {}
    for target, items in chunks.items():
        for name in {name for chunk in items for node in chunk.nodes for name in defined_names(node)}:
            if name in seen and name != "_":
                raise ExportError(
                    f"{module.dev_path}: found `{name}` defined both in {seen[name]} and in {target}: rename one "
                    "(in the notebook the second would replace the first)"
                )
            seen[name] = target


def _with_head(module: Module, name: str, block: ImportBlock, body: list[Chunk]) -> str:
    """Docstring, future import, imports, body."""
    if body and isinstance(body[0].node, ast.Expr) and ast.get_docstring(ast.parse(body[0].text)) is not None:
        docstring, body = body[0].text, body[1:]
    else:
        docstring = f'"""{module.title} ({name}), built in module {module.name}."""'
    imports = block.render()
    return f"{docstring}\n\nfrom __future__ import annotations\n\n{_layout(imports, body)}"


def _layout(imports: str, body: list[Chunk]) -> str:
    """Two blank lines around definitions; elsewhere the author's blank lines, at least one between cells."""
    parts = [imports] if imports else []
    previous: Chunk | None = None
    for chunk in body:
        if parts:
            parts.append("\n" * _blank_lines(previous, chunk))
        parts.append(f"\n{chunk.text.rstrip()}" if parts else chunk.text.rstrip())
        previous = chunk
    return "".join(parts) + "\n" if parts else ""


def _blank_lines(previous: Chunk | None, chunk: Chunk) -> int:
    if chunk.is_definition or (previous is not None and previous.is_definition):
        return 2
    if previous is None or previous.place != chunk.place:
        return 1
    return min(chunk.gap, 2)
