"""What an exported file may import from the package: earlier modules that it requires, never a later one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tito.course.cells import parse_python
from tito.course.model import Course, Module
from tito.errors import ExportError
from tito.export.imports import PACKAGE


def check_references(course: Course, module: Module, text: str, place: str) -> None:
    """Raises ExportError for an import of a target that `module` does not require, or of a face at import time."""
    allowed = {target for other in course.closure(module) for target in other.exports}
    owners = {target: other.name for other in course.modules for target in other.exports}
    tree = parse_python(text, place)
    for name in _imported_modules(tree):
        target = ".".join(name.split(".")[1:3])
        if target in owners and target not in allowed:
            raise ExportError(
                f"{place}: found an import of {PACKAGE}.{target}, which comes with {owners[target]}: import only from "
                f"modules that {module.name} requires (course.toml), or add it there if it stands earlier"
            )
        if target.startswith("core.") and target not in owners:
            raise ExportError(f"{place}: found an import of {PACKAGE}.{target}, which no module exports: correct it")
    for node in tree.body:
        for name in _imported_modules(node) if isinstance(node, ast.Import | ast.ImportFrom) else ():
            if name.split(".")[1:2] not in (["core"], ["given"]):
                raise ExportError(
                    f"{place}: found an import of the face {name} at the top of an exported file, which would import "
                    f"the package in a circle: import from the target itself, `from {PACKAGE}.core.… import …`"
                )


def _imported_modules(tree: ast.AST) -> Iterator[str]:
    """Full names of everything imported from the package anywhere in `tree`; a member counts as a part of the name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [item.name for item in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{item.name}" for item in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == PACKAGE)
