"""Wrong versions of a function's syntax tree, one change each: what may go wrong in a gradient rule."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FLIPPED = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.Lt, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
BORDER = {ast.Gt: ast.GtE, ast.Lt: ast.LtE, ast.GtE: ast.Gt, ast.LtE: ast.Lt}
BYPASSED = {"sum", "exp", "log", "sign", "sin", "cos", "flip", "cumsum", "expand", "reshape", "unsqueeze", "squeeze",
            "permute", "to", "mean", "sqrt", "transpose", "astype", "clone", "copy"}
COMMUTATIVE = {"add": 0, "multiply": 0, "minimum": 0, "maximum": 0, "swapaxes": 1}      # the first that may be swapped


@dataclass
class Change:
    """`old`, found at `place` of its parent, becomes `new`."""

    what: str
    parent: ast.AST
    field: str
    index: int | None
    new: Any

    def swap(self) -> None:
        """Make the change; called again, take it back."""
        found = getattr(self.parent, self.field)
        if self.index is None:
            setattr(self.parent, self.field, self.new)
            self.new = found
        else:
            found[self.index], self.new = self.new, found[self.index]


def places(function: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, Any]]:
    """Yield (parent, field, index, node) of everything inside a function but annotations, defaults and docstrings.

    Left alone as well is what cannot change a result: see `without_effect`.
    """
    idle = {id(node) for node in ast.walk(function) if isinstance(node, ast.Call) for node in without_effect(node)}
    for parent in ast.walk(function):
        for field, value in ast.iter_fields(parent):
            if field in ("defaults", "kw_defaults"):      # no part of the code that a mutant replaces
                continue
            if field in ("annotation", "returns", "args", "type_params", "decorator_list") and not isinstance(
                parent, ast.Call
            ):
                continue
            if isinstance(value, list):
                yield from ((parent, field, i, v) for i, v in enumerate(value)
                            if isinstance(v, ast.AST) and id(v) not in idle)
            elif isinstance(value, ast.AST) and id(value) not in idle:
                yield parent, field, None, value


def without_effect(node: ast.Call) -> Iterator[ast.AST]:
    """Yield the parts of a call that change no result.

    How much work a block has; `strict` of a zip whose parts are equally long; which negative number stands for the
    rest in a reshape.
    """
    if isinstance(node.func, ast.Name) and node.func.id == "image_blocks":
        for work in node.args[1:]:
            yield from ast.walk(work)
    if isinstance(node.func, ast.Name) and node.func.id == "zip":
        yield from node.keywords
    if isinstance(node.func, ast.Attribute) and node.func.attr == "reshape":
        waiting = [*node.args]
        while waiting:
            part = waiting.pop()
            if isinstance(part, ast.UnaryOp):
                yield from ast.walk(part)
            elif not isinstance(part, ast.Subscript | ast.Call):
                waiting += ast.iter_child_nodes(part)


def changes(function: ast.Lambda | ast.FunctionDef, saves: tuple[str, ...], gradient: str | None) -> Iterator[Change]:
    """Yield every change to a function.

    saves: what its rule keeps, which may be mistaken for each other. gradient: the name of its first argument, g.
    """
    for parent, field, index, node in places(function):
        for what, new in variants(node, saves, gradient):
            for fresh in ast.walk(new):
                ast.copy_location(fresh, node)
            yield Change(what, parent, field, index, new)
        if is_result(parent, field, node):
            for what, new in wrong_results(node):
                for fresh in ast.walk(new):
                    ast.copy_location(fresh, node)
                yield Change(what, parent, field, index, new)


def variants(node: ast.AST, saves: tuple[str, ...], gradient: str | None) -> Iterator[tuple[str, Any]]:
    """Yield (what was changed, the new node) for one node."""
    if isinstance(node, ast.BinOp):
        yield from binary(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield "sign dropped", node.operand
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for table, what in ((FLIPPED, "comparison flipped"), (BORDER, "border moved")):
            if type(node.ops[0]) in table:
                yield what, ast.Compare(node.left, [table[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "constant changed", ast.Constant(node.value + 1)
    elif isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool):
        yield f"{node.arg} turned", ast.keyword(node.arg, ast.Constant(not node.value.value))
    elif isinstance(node, ast.IfExp):
        yield "always the first branch", node.body
        yield "always the second branch", node.orelse
    elif isinstance(node, ast.If):
        yield "condition turned", ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub | ast.Mult):
        yield "statement dropped", ast.Pass()
    elif isinstance(node, ast.Attribute) and node.attr in saves and isinstance(node.value, ast.Name):
        yield from (("saved value mistaken", ast.Attribute(node.value, other, node.ctx)) for other in saves
                    if other != node.attr)
        if gradient is not None:
            yield "g instead of a saved value", ast.Name(gradient, ast.Load())
    elif isinstance(node, ast.Attribute) and node.attr in ("mT", "T"):
        yield "transpose dropped", node.value
    elif isinstance(node, ast.Call):
        yield from called(node)


def binary(node: ast.BinOp) -> Iterator[tuple[str, Any]]:
    """Yield an operation with an operand dropped, operands swapped, another operator."""
    left, right = node.left, node.right
    if isinstance(node.op, ast.Mult | ast.Div):
        yield "factor dropped", left
        if isinstance(node.op, ast.Mult):
            yield "factor dropped", right
        other = ast.Div() if isinstance(node.op, ast.Mult) else ast.Mult()
        yield "multiplied for divided, or the reverse", ast.BinOp(left, other, right)
    elif isinstance(node.op, ast.Add | ast.Sub):
        yield "term dropped", left
        if isinstance(node.op, ast.Add):
            yield "term dropped", right
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield "plus for minus, or the reverse", ast.BinOp(left, other, right)
    elif isinstance(node.op, ast.MatMult):
        yield "operands swapped", ast.BinOp(right, node.op, left)
    elif isinstance(node.op, ast.Pow):
        yield "power dropped", left
    elif isinstance(node.op, ast.BitAnd | ast.BitOr):
        yield "condition dropped", left
        yield "condition dropped", right


def called(node: ast.Call) -> Iterator[tuple[str, Any]]:
    """Yield a call with arguments swapped, a setting left out, or a method left out."""
    names = [a.value if isinstance(a, ast.Starred) else a for a in node.args]
    name = node.func.attr if isinstance(node.func, ast.Attribute) else None
    for i in range(len(names) - 1):
        plain = not any(isinstance(a, ast.Starred | ast.Constant) for a in node.args[i : i + 2])
        if plain and COMMUTATIVE.get(name) != i and ast.dump(names[i]) != ast.dump(names[i + 1]):
            args = [*node.args[:i], node.args[i + 1], node.args[i], *node.args[i + 2 :]]
            yield "arguments swapped", ast.Call(node.func, args, node.keywords)
    for i, setting in enumerate(node.keywords):
        if setting.arg in ("keepdim", "padding_idx", "keepdims"):
            yield f"{setting.arg} left out", ast.Call(node.func, node.args, node.keywords[:i] + node.keywords[i + 1 :])
    if isinstance(node.func, ast.Attribute) and node.func.attr in BYPASSED and not (
        isinstance(node.func.value, ast.Name) and node.func.value.id in ("np", "xp", "math")
    ):
        yield f"{node.func.attr} left out", node.func.value


def is_result(parent: ast.AST, field: str, node: ast.AST) -> bool:
    """Return whether a node is what the function returns, or one of several results."""
    return (isinstance(parent, ast.Return) or (isinstance(parent, ast.Lambda) and field == "body")) and not (
        isinstance(node, ast.Constant) and node.value is None)


def wrong_results(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Yield a result with the wrong sign or scale; of several results, each in turn."""
    if not isinstance(node, ast.Tuple | ast.List):
        yield "sign flipped", ast.UnaryOp(ast.USub(), node)
        yield "doubled", ast.BinOp(node, ast.Mult(), ast.Constant(2.0))
        yield "nothing", ast.BinOp(node, ast.Mult(), ast.Constant(0.0))
        return
    for i, part in enumerate(node.elts):
        if isinstance(part, ast.Constant):
            continue
        wrong = [*node.elts]
        if isinstance(part, ast.Starred):
            wrong[i] = ast.Starred(flipped(part.value), ast.Load())
        else:
            wrong[i] = ast.UnaryOp(ast.USub(), part)
        yield f"sign of result {i} flipped", type(node)(wrong, ast.Load())


def flipped(results: ast.expr) -> ast.expr:
    """Return the expression of these results, each with the wrong sign (None stays)."""
    return ast.parse(f"[None if r is None else -r for r in {ast.unparse(results)}]", mode="eval").body
