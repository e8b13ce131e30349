"""Wrong solutions made by rule: every graded solution of a module, changed in one place after another.

    for mutation in mutations(project, module):
        mutation.qualname, mutation.rule, mutation.change, mutation.source

A rule looks at one node of the syntax tree and yields what may stand in its place. What stands in a `raise`, an
annotation or a text is left alone: the wording of a message is nobody's mistake. The order is that of the file.
"""

from __future__ import annotations

import ast
import copy
import difflib
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.course.cases import solved_source
from tito.course.model import Module
from tito.course.solutions import Region, find_regions
from tito.project import Project

Rule = Callable[[ast.AST, ast.AST | None], Iterator[ast.AST]]  # (node, its parent) -> what may take the node's place

OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
CHANGEABLE = (ast.stmt, ast.expr, ast.comprehension, ast.keyword, ast.withitem, ast.excepthandler)
ORDERED = (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)
COMPARISONS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
RELATIVES = {
    name: other
    for pair in ("min max", "any all", "maximum minimum", "argmax argmin", "zeros ones", "zeros_like ones_like",
                 "sum mean", "var std", "sin cos", "floor ceil", "exp log", "add subtract")
    for name, other in (pair.split(), pair.split()[::-1])
}  # fmt: skip
SYMMETRIC = ("max", "min", "maximum", "minimum", "may_share_memory", "isinstance")  # or refuses to be called so


@dataclass(frozen=True)
class Mutation:
    """One changed place of one solution; `source` is the module's whole text with it, `line` where the solution begins.

    `change` shows the lines before and after, as `ast.unparse` writes them.
    """

    module: Module
    qualname: str
    rule: str
    change: str
    line: int
    source: str

    def __str__(self) -> str:
        return f"{self.module.name} {self.qualname}: {self.rule}"


def swap_operator(node: ast.AST, _: ast.AST | None) -> Iterator[ast.AST]:
    """`a + b` -> `a - b`, `a += b` -> `a -= b`."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATORS:
        yield _with(node, op=OPERATORS[type(node.op)]())


def drop_a_term(node: ast.AST, _: ast.AST | None) -> Iterator[ast.AST]:
    """`a + b` -> `a`, `b`; `a and b` -> `a`, `b`; `-a` -> `a`; `a += b` -> `a = b`."""
    if isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
    elif isinstance(node, ast.BoolOp):
        for dropped in node.values:
            rest = [value for value in node.values if value is not dropped]
            yield rest[0] if len(rest) == 1 else _with(node, values=rest)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Invert):
        yield node.operand
    elif isinstance(node, ast.AugAssign):
        yield ast.Assign([node.target], node.value, lineno=0)


def swap_operands(node: ast.AST, _: ast.AST | None) -> Iterator[ast.AST]:
    """`a - b` -> `b - a`, where that is not the same."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ORDERED):
        yield _with(node, left=node.right, right=node.left)


def change_a_comparison(node: ast.AST, _: ast.AST | None) -> Iterator[ast.AST]:
    """`a < b` -> `a <= b`, `a > b`."""
    if isinstance(node, ast.Compare):
        for i, old in enumerate(node.ops):
            for new in COMPARISONS[type(old)]:
                yield _with(node, ops=[*node.ops[:i], new(), *node.ops[i + 1 :]])


def negate_a_condition(node: ast.AST, _: ast.AST | None) -> Iterator[ast.AST]:
    """`if a` -> `if not a`, also of `while`, `x if a else y` and comprehensions; `a and b` -> `a or b`."""
    if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, ast.Compare):
        yield _with(node, test=_opposite(node.test))
    elif isinstance(node, ast.comprehension):
        for i, test in enumerate(node.ifs):
            yield _with(node, ifs=[*node.ifs[:i], _opposite(test), *node.ifs[i + 1 :]])
            yield _with(node, ifs=[*node.ifs[:i], *node.ifs[i + 1 :]])
    elif isinstance(node, ast.BoolOp):
        yield _with(node, op=ast.And() if isinstance(node.op, ast.Or) else ast.Or())


def take_one_branch(node: ast.AST, _: ast.AST | None) -> Iterator[ast.AST]:
    """`x if a else y` -> `x`, `y`."""
    if isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)


def change_a_constant(node: ast.AST, _: ast.AST | None) -> Iterator[ast.AST]:
    """Off by one, twice as much, the other truth value. Texts are left alone."""
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        yield from (ast.Constant(value + 1), *([ast.Constant(value - 1)] if value > 0 else []))
    elif isinstance(value, float):
        yield ast.Constant(value * 2 if value else 1.0)


def drop_an_argument(node: ast.AST, _: ast.AST | None) -> Iterator[ast.AST]:
    """`f(x, axis=1)` -> `f(x)`."""
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg in ("strict", "out"):  # checks a length, saves an allocation: the value is the same
                continue
            yield _with(node, keywords=[each for each in node.keywords if each is not keyword])


def swap_arguments(node: ast.AST, _: ast.AST | None) -> Iterator[ast.AST]:
    """`f(a, b)` -> `f(b, a)`, each two neighbours."""
    if isinstance(node, ast.Call) and not any(isinstance(each, ast.Starred) for each in node.args):
        for i in range(len(node.args) - 1):
            first, second = node.args[i : i + 2]
            if ast.dump(first) != ast.dump(second) and ast.unparse(node.func).rpartition(".")[2] not in SYMMETRIC:
                yield _with(node, args=[*node.args[:i], second, first, *node.args[i + 2 :]])


def drop_a_call(node: ast.AST, parent: ast.AST | None) -> Iterator[ast.AST]:
    """`f(x)` -> `x`, `x.method()` -> `x`: one step of a computation is forgotten."""
    if not isinstance(node, ast.Call) or isinstance(parent, ast.Expr):
        return
    on_an_object = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) not in ("xp", "np", "math")
    if on_an_object and not node.args:
        yield node.func.value
    elif len(node.args) >= 1 and not isinstance(node.args[0], ast.Starred | ast.GeneratorExp):
        yield node.args[0]


def call_a_relative(node: ast.AST, parent: ast.AST | None) -> Iterator[ast.AST]:
    """`max` -> `min`, `xp.zeros` -> `xp.ones` …"""
    if isinstance(parent, ast.Call) and parent.func is node:
        if isinstance(node, ast.Attribute) and node.attr in RELATIVES:
            yield _with(node, attr=RELATIVES[node.attr])
        elif isinstance(node, ast.Name) and node.id in RELATIVES:
            yield _with(node, id=RELATIVES[node.id])


def off_by_one(node: ast.AST, _: ast.AST | None) -> Iterator[ast.AST]:
    """`range(n)` -> `range(n - 1)`; `x[a:b]` -> `x[a:]`, `x[:b]`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range" and node.args:
        place = 0 if len(node.args) == 1 else 1
        shorter = ast.BinOp(node.args[place], ast.Sub(), ast.Constant(1))
        yield _with(node, args=[*node.args[:place], shorter, *node.args[place + 1 :]])
    elif isinstance(node, ast.Slice):
        for bound in ("lower", "upper", "step"):
            if getattr(node, bound) is not None:
                yield _with(node, **{bound: None})


def drop_a_statement(node: ast.AST, _: ast.AST | None) -> Iterator[ast.AST]:
    """A statement is forgotten. One that first binds a name is not: without it nothing runs at all."""
    dropped = (ast.Expr, ast.AugAssign, ast.For, ast.While, ast.If, ast.Raise, ast.Continue, ast.Break, ast.Delete)
    is_a_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    names = isinstance(node, ast.Assign) and any(isinstance(each, ast.Name | ast.Tuple) for each in node.targets)
    if isinstance(node, (*dropped, ast.Assign)) and not is_a_docstring and not names:
        yield ast.Pass()
    elif isinstance(node, ast.With):
        yield ast.If(ast.Constant(True), node.body, [])


RULES: tuple[Rule, ...] = (
    swap_operator, drop_a_term, swap_operands, change_a_comparison, negate_a_condition, take_one_branch,
    change_a_constant, drop_an_argument, swap_arguments, drop_a_call, call_a_relative, off_by_one, drop_a_statement,
)  # fmt: skip


def mutations(project: Project, module: Module) -> list[Mutation]:
    """Every mutation of every graded solution of the module, each text once, in file order."""
    source = solved_source(project, module)
    found: dict[str, Mutation] = {}
    tree = ast.parse(source)
    for region in find_regions(source, module.dev_path):
        for rule, change, text in mutated_regions(source, tree, region):
            found.setdefault(text, Mutation(module, region.qualname, rule, change, region.start, text))
    found.pop(source, None)
    return list(found.values())


def mutated_regions(source: str, tree: ast.Module, region: Region) -> Iterator[tuple[str, str, str]]:
    """(rule, change, whole text) of every mutation of one region."""
    for statement in _statements(tree, region):
        before = ast.unparse(statement)
        for rule, changed in mutated_statements(statement):
            after = ast.unparse(changed)
            if after != before:
                yield rule, _change(before, after), _replace(source, statement, after)
    for name, default in _defaults(tree, region):
        line = f"{name} = {default}"
        yield "ignore_an_argument", f"+ {line}", _insert(source, region, line)


def mutated_statements(statement: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    """(rule, the statement changed in one place), for every place and rule."""
    places = list(_places(statement, None))
    for number, (node, _) in enumerate(places):
        node.number = number  # type: ignore[attr-defined]
    for number, (node, parent) in enumerate(places):
        for rule in RULES:
            for new in rule(node, parent):
                yield rule.__name__, _Put(number, new).visit(copy.deepcopy(statement))


class _Put(ast.NodeTransformer):
    """Puts `new` where the node of that number stands."""

    def __init__(self, number: int, new: ast.AST) -> None:
        self.number, self.new = number, copy.deepcopy(new)

    def visit(self, node: ast.AST) -> ast.AST:
        """The node, or what takes its place."""
        return self.new if getattr(node, "number", None) == self.number else self.generic_visit(node)


def _places(node: ast.AST, parent: ast.AST | None) -> Iterator[tuple[ast.AST, ast.AST | None]]:
    """The nodes that may be changed, each with its parent."""
    yield node, parent
    if isinstance(node, ast.Raise):
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "format_spec", "decorator_list") or isinstance(node, ast.Import):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, CHANGEABLE) and not _is_text(child) and getattr(child, "arg", "") != "strict":
                yield from _places(child, node)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _with(node: ast.AST, **fields: object) -> ast.AST:
    """A copy of `node` with other fields."""
    changed = copy.copy(node)
    vars(changed).pop("number", None)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _opposite(test: ast.expr) -> ast.expr:
    negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    return test.operand if negated else ast.UnaryOp(ast.Not(), test)


def _statements(tree: ast.AST, region: Region) -> Iterator[ast.stmt]:
    """The outermost statements that stand within the region."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.stmt) and region.start < child.lineno and (child.end_lineno or 0) < region.end:
            yield child
        elif _holds(child, region):
            yield from _statements(child, region)


def _holds(node: ast.AST, region: Region) -> bool:
    return isinstance(node, ast.stmt) and node.lineno < region.start < (node.end_lineno or 0)


def _defaults(tree: ast.AST, region: Region) -> Iterator[tuple[str, str]]:
    """Arguments with a default of the innermost function that holds the region, and those defaults."""
    inner = next((child for child in ast.iter_child_nodes(tree) if _holds(child, region)), None)
    if inner is not None:
        yield from _defaults(inner, region)
    elif isinstance(tree, ast.FunctionDef):
        arguments = tree.args
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs = [*zip(reversed(positional), reversed(arguments.defaults), strict=False)]
        pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
        yield from ((argument.arg, ast.unparse(default)) for argument, default in pairs)


def _change(before: str, after: str) -> str:
    lines = difflib.ndiff(before.split("\n"), after.split("\n"))
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines if line[0] in "-+")


def _replace(source: str, statement: ast.stmt, text: str) -> str:
    lines = source.split("\n")
    indented = textwrap.indent(text, " " * statement.col_offset)
    lines[statement.lineno - 1 : statement.end_lineno] = indented.split("\n")
    return "\n".join(lines)


def _insert(source: str, region: Region, line: str) -> str:
    lines = source.split("\n")
    lines.insert(region.start, region.indent + line)
    return "\n".join(lines)
