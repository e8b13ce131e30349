"""The import lines of an exported file: gathered from its cells, without repeats, in the usual order."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field

from tito.errors import ExportError
from tito.export.chunks import Chunk

LINE_LENGTH = 120
PACKAGE = "tinytorch"


@dataclass(frozen=True)
class Binding:
    """One name that an import binds: `from module import member as asname` (`member` None for `import module`)."""

    module: str
    member: str | None
    asname: str

    @property
    def name(self) -> str:
        """The name bound in the importing file."""
        return self.asname or self.member or self.module.split(".")[0]


@dataclass
class ImportBlock:
    """Imports to write.

    `plain`: (module, asname). `members`: module -> (member, asname). `verbatim`: text with a comment -> module.
    """

    plain: set[tuple[str, str]] = field(default_factory=set)
    members: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    verbatim: dict[str, str] = field(default_factory=dict)

    def add_chunk(self, chunk: Chunk) -> None:
        """Take in a chunk that holds imports only."""
        for node in chunk.nodes:
            check_import(node, chunk.place)
        first = chunk.nodes[0]
        if isinstance(first, ast.ImportFrom) and first.module == "__future__":
            return
        if "#" in chunk.text:
            self.verbatim.setdefault(chunk.text, _module_of(first))
            return
        for node in chunk.nodes:
            for binding in bindings(node):
                self.add(binding)

    def add(self, binding: Binding) -> None:
        """Take in one binding."""
        if binding.member is None:
            self.plain.add((binding.module, binding.asname))
        else:
            self.members.setdefault(binding.module, set()).add((binding.member, binding.asname))

    def render(self) -> str:
        """The lines: standard library, third party, tinytorch; "" when there are none."""
        groups: dict[int, list[tuple[int, str, str]]] = {}
        for module, asname in self.plain:
            line = f"import {module}" + (f" as {asname}" if asname else "")
            groups.setdefault(_group(module), []).append((0, module, line))
        for module, names in self.members.items():
            groups.setdefault(_group(module), []).append((1, module, _from_line(module, names)))
        for text, module in self.verbatim.items():
            groups.setdefault(_group(module), []).append((int("from " in text), module, text))
        return "\n\n".join("\n".join(line for *_, line in sorted(groups[key])) for key in sorted(groups))


def is_import(chunk: Chunk) -> bool:
    """The chunk holds import statements and nothing else."""
    return bool(chunk.nodes) and all(isinstance(node, ast.Import | ast.ImportFrom) for node in chunk.nodes)


def bindings(node: ast.stmt) -> list[Binding]:
    """What an import statement binds; nothing for any other statement."""
    if isinstance(node, ast.Import):
        return [Binding(item.name, None, item.asname or "") for item in node.names]
    if isinstance(node, ast.ImportFrom):
        return [Binding(node.module or "", item.name, item.asname or "") for item in node.names]
    return []


def check_import(node: ast.stmt, place: str) -> None:
    """Refuse relative and star imports: an exported cell moves to another file."""
    if isinstance(node, ast.ImportFrom) and node.level:
        raise ExportError(
            f"{place}: expected an absolute import, found `{ast.unparse(node)}`: write `from tinytorch.core.… import …`"
        )
    if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
        raise ExportError(f"{place}: expected imported names, found `{ast.unparse(node)}`: name what you use")


def _module_of(node: ast.stmt) -> str:
    return bindings(node)[0].module


def _group(module: str) -> int:
    top = module.split(".")[0]
    if top == PACKAGE:
        return 2
    return 0 if top in sys.stdlib_module_names else 1


def from_import(module: str, names: list[str]) -> str:
    """`from module import …` with names as given, wrapped like ruff does."""
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= LINE_LENGTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _from_line(module: str, names: set[tuple[str, str]]) -> str:
    ordered = sorted(names, key=lambda pair: (_kind(pair[0]), pair[0].lower(), pair))
    return from_import(module, [f"{name} as {asname}" if asname else name for name, asname in ordered])


def _kind(name: str) -> int:
    """CONSTANTS, Classes, functions: the order ruff keeps."""
    if name.isupper() and len(name) > 1:
        return 0
    return 1 if name[0].isupper() else 2
