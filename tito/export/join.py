"""The chunks of one target as a file in one go: re-opened classes joined, nothing defined twice."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from tito.errors import ExportError
from tito.export.chunks import Chunk, Definition, class_parts
from tito.export.names import defined_names, eager_names

REDEFINING = ("setter", "getter", "deleter", "overload", "register")


@dataclass
class JoinedClass:
    """A class and the pieces that re-opened it. `methods` says in which cell each method stands."""

    chunk: Chunk
    pieces: list[Chunk] = field(default_factory=list)
    methods: dict[str, str] = field(default_factory=dict)


def join_chunks(chunks: list[Chunk]) -> list[Chunk]:
    """`chunks` with every `class X(X):` joined into the class X before it. Raises ExportError."""
    classes: dict[str, JoinedClass] = {}
    owners: dict[str, Chunk] = {}
    joined: list[Chunk] = []
    for chunk in chunks:
        node = chunk.node
        if isinstance(node, ast.ClassDef) and reopens(node):
            _reopen(classes, node, chunk)
            continue
        _claim(owners, chunk)
        if isinstance(node, ast.ClassDef):
            classes[node.name] = JoinedClass(chunk)
            _claim_methods(classes[node.name], node, chunk)
        joined.append(chunk)
    for name, joined_class in classes.items():
        if joined_class.pieces:
            joined = _place(joined, name, joined_class)
    return joined


def reopens(node: ast.ClassDef) -> bool:
    """`class X(X):` (perhaps with more bases, which `_reopen` refuses)."""
    return any(isinstance(base, ast.Name) and base.id == node.name for base in node.bases)


def _claim(owners: dict[str, Chunk], chunk: Chunk) -> None:
    """Refuse a second definition of a name; plain assignments may repeat within their cell."""
    for node in chunk.nodes:
        for name in defined_names(node):
            owner = owners.get(name)
            again = owner is not None and not (owner.place == chunk.place and not isinstance(node, Definition))
            if again and owner is not None and name != "_" and not _may_redefine(node):
                raise ExportError(
                    f"{chunk.place}: found a second definition of `{name}` (the first: {owner.place}): "
                    "rename or remove one"
                )
            owners[name] = chunk


def _may_redefine(node: ast.stmt) -> bool:
    """Decorated so that it adds to the earlier definition: @x.setter, @overload, @f.register."""
    decorators = node.decorator_list if isinstance(node, Definition) else []
    bare = [decorator.func if isinstance(decorator, ast.Call) else decorator for decorator in decorators]
    names = [item.attr if isinstance(item, ast.Attribute) else getattr(item, "id", "") for item in bare]
    return any(name in REDEFINING for name in names)


def _reopen(classes: dict[str, JoinedClass], node: ast.ClassDef, chunk: Chunk) -> None:
    name = node.name
    if len(node.bases) > 1 or node.keywords or node.decorator_list:
        raise ExportError(
            f"{chunk.place}: expected `class {name}({name}):` to re-open {name} without other bases, keywords or "
            "decorators: put them on the first piece"
        )
    if name not in classes:
        raise ExportError(
            f"{chunk.place}: `class {name}({name}):` re-opens a class that no earlier cell of this target defines: "
            "export it to the target that does, or give it another name"
        )
    _claim_methods(classes[name], node, chunk)
    classes[name].pieces.append(chunk)


def _claim_methods(joined: JoinedClass, node: ast.ClassDef, chunk: Chunk) -> None:
    for statement in node.body:
        for name in defined_names(statement):
            first = joined.methods.get(name)
            if first is not None and isinstance(statement, Definition) and not _may_redefine(statement):
                raise ExportError(
                    f"{chunk.place}: found a second `{node.name}.{name}` (the first: {first}): rename or remove one"
                )
            joined.methods[name] = chunk.place


def _place(chunks: list[Chunk], name: str, joined: JoinedClass) -> list[Chunk]:
    """`chunks` with the whole class where its first piece stood, or behind what its later pieces need at once."""
    here = chunks.index(joined.chunk)
    needed = {need for piece in joined.pieces for need in eager_names(piece.nodes[0])} - {name}
    later = [i for i, chunk in enumerate(chunks) if i > here and needed & _defines(chunk)]
    target = later[-1] if later else here
    for chunk in chunks[here + 1 : target + 1]:
        if any(name in eager_names(node) for node in chunk.nodes):
            raise ExportError(
                f"{joined.pieces[-1].place}: joined into class {name}, this piece needs names that {chunk.place} "
                f"defines, which in turn needs {name}: use them inside a method, or move them before class {name}"
            )
    whole = _whole(joined)
    return [*chunks[:here], *chunks[here + 1 : target + 1], whole, *chunks[target + 1 :]]


def _defines(chunk: Chunk) -> set[str]:
    return {name for node in chunk.nodes for name in defined_names(node)}


def _whole(joined: JoinedClass) -> Chunk:
    first = joined.chunk
    parts = [class_parts(first, first=True), *(class_parts(piece, first=False) for piece in joined.pieces)]
    bodies = [part.body for part in parts if part.body]
    return Chunk("\n".join([parts[0].head, "\n\n".join(bodies) or "    pass"]), first.nodes, first.gap, first.place)
