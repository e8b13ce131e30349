"""Which names a piece of Python needs, and which it binds, at the level of its module."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator

MODULE_NAMES = frozenset(("__name__", "__file__", "__doc__", "__spec__", "__package__", "__path__", "__loader__"))
BUILTINS = frozenset(dir(builtins)) | MODULE_NAMES


def bound_names(text: str) -> set[str]:
    """Names that the text binds at module level (imports included)."""
    top = symtable.symtable(text, "exported", "exec")
    names = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    for table in _below(top):
        names.update(s.get_name() for s in table.get_symbols() if s.is_declared_global() and s.is_assigned())
    return names


def needed_names(text: str) -> set[str]:
    """Names that the text looks up at module level, in any of its functions and classes, and does not bind itself."""
    top = symtable.symtable(text, "exported", "exec")
    names = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    for table in _below(top):
        names.update(s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced())
    return names - bound_names(text) - BUILTINS


def defined_names(node: ast.stmt) -> list[str]:
    """Names that a top-level statement defines: a function, a class, or plain assignments."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        targets: list[ast.expr] = [node.target] if node.value is not None else []
    else:
        targets = node.targets if isinstance(node, ast.Assign) else []
    leaves = (leaf for target in targets for leaf in ast.walk(target))
    return [leaf.id for leaf in leaves if isinstance(leaf, ast.Name) and isinstance(leaf.ctx, ast.Store)]


def eager_names(node: ast.AST) -> set[str]:
    """Names that running the statement looks up at once: not those inside the bodies of functions and lambdas."""
    if isinstance(node, ast.Lambda):
        return _all_eager(_defaults(node.args))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return _all_eager([*node.decorator_list, *_defaults(node.args)])
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Load) else set()
    if isinstance(node, ast.AnnAssign):
        return _all_eager([node.value] if node.value else [])
    return _all_eager(list(ast.iter_child_nodes(node)))


def _all_eager(nodes: list[ast.expr] | list[ast.AST]) -> set[str]:
    return {name for node in nodes for name in eager_names(node)}


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [*arguments.defaults, *(default for default in arguments.kw_defaults if default is not None)]


def _below(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _below(child)
