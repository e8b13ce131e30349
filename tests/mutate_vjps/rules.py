"""The functions that a gradient rule consists of, and the mutants of each."""

from __future__ import annotations

import ast
import difflib
import functools
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutate_vjps.mutations import changes
from tinytorch.core.engine import BROADCASTING, PRIMITIVES, VJPS, Rule

NOT_OURS = ("tables.py", "graph.py", "walk.py", "engine.py", "silence.py", "storage.py", "special_functions.py")


@dataclass
class Mutant:
    """One wrong version. install: makes it take effect in this process, for good."""

    primitives: tuple[str, ...]
    function: str
    what: str
    diff: str
    targets: list = field(default_factory=list, repr=False)
    code: types.CodeType | None = None

    @property
    def name(self) -> str:
        """A name that stays the same as long as the source does."""
        return f"{self.function}: {self.what}: {self.diff.strip()}"

    def install(self) -> None:
        """Put the wrong code in the place of the right one (or forget that the primitive broadcasts)."""
        if self.code is None:
            BROADCASTING.difference_update(self.primitives)
        for target in self.targets:
            target.__code__ = self.code


def functions_of(rule: Rule, name: str) -> Iterator[types.FunctionType]:
    """Yield a rule's own functions, and those of the primitive's kernel and decomposition if it is a gradient."""
    own = [rule.joint] if rule.joint else [f for f in rule.per_input if f is not None]
    yield from (f for f in own if not is_machinery(f))
    made = PRIMITIVES[name]
    if name.endswith(("_grad", "_pick")):
        yield made.kernel
    if made.decompose is not None:
        yield made.decompose


def is_machinery(function: object) -> bool:
    """Return whether a function belongs to the engine, or to no Python file of the framework."""
    code = getattr(function, "__code__", None)
    path = Path(code.co_filename) if code else Path()
    return "tinytorch" not in path.parts or path.name in NOT_OURS


def with_helpers(function: object, seen: set) -> Iterator[types.FunctionType]:
    """Yield a function and what it is made of: wrapped functions, those in its closure, helpers of the same file."""
    function = getattr(function, "func", function)
    if not isinstance(function, types.FunctionType) or function in seen:
        return
    seen.add(function)
    if not is_machinery(function):
        yield function
    for cell in function.__closure__ or ():
        yield from with_helpers(cell.cell_contents, seen)
    if is_machinery(function):
        return
    for name in names_in(function.__code__):
        helper = function.__globals__.get(name)
        if isinstance(helper, types.FunctionType) and helper.__code__.co_filename == function.__code__.co_filename:
            yield from with_helpers(helper, seen)


def names_in(code: types.CodeType) -> Iterator[str]:
    """Yield the names that code and the code inside it look up."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from names_in(inner)


@functools.cache
def parsed(path: str) -> tuple[ast.Module, list[types.CodeType]]:
    """Return a file's tree and all code in it."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    return tree, codes_in(compile(tree, path, "exec", dont_inherit=True))


def codes_in(code: types.CodeType) -> list[types.CodeType]:
    """Return code and the code inside it, in a fixed order."""
    return [code, *(c for inner in code.co_consts if isinstance(inner, types.CodeType) for c in codes_in(inner))]


def node_of(code: types.CodeType, tree: ast.Module) -> ast.AST:
    """Return the lambda or function that code was compiled from."""
    wanted = ast.Lambda if code.co_name == "<lambda>" else ast.FunctionDef
    found = [n for n in ast.walk(tree) if isinstance(n, wanted) and n.lineno == code.co_firstlineno]
    if wanted is ast.Lambda and len(found) > 1:
        spots = {(line, column) for line, _, column, _ in code.co_positions() if column and line}
        found = [n for n in found if any(holds(n.body, spot) for spot in spots)]
    if len(found) != 1:
        raise LookupError(f"{code.co_qualname} at {code.co_filename}:{code.co_firstlineno}: found {len(found)} nodes")
    return found[0]


def holds(node: ast.AST, spot: tuple[int, int]) -> bool:
    """Return whether a place lies inside a node."""
    return (node.lineno, node.col_offset) <= spot < (node.end_lineno, node.end_col_offset)


def mutants_of(twins: list, primitives: tuple[str, ...], saves: tuple[str, ...]) -> Iterator[Mutant]:
    """Yield the mutants of one function; `twins` are all the functions that share its code."""
    function = twins[0]
    path = function.__code__.co_filename
    tree, codes = parsed(path)
    place = codes.index(function.__code__)
    node = node_of(function.__code__, tree)
    before, seen = ast.unparse(node), set()
    arguments = [a.arg for a in node.args.args]
    gradient = arguments[0] if arguments and arguments[0] in ("g", "h", "gs") else None
    label = function.__code__.co_qualname if function.__name__ != "<lambda>" else "rule of " + " ".join(primitives)
    for change in changes(node, saves, gradient):
        change.swap()
        after = ast.unparse(node)
        wrong = codes_in(compile(tree, path, "exec", dont_inherit=True))[place]
        change.swap()
        if after == before or after in seen or wrong.co_freevars != function.__code__.co_freevars:
            continue
        seen.add(after)
        yield Mutant(primitives, label, change.what, difference(before, after), twins, wrong)


def difference(before: str, after: str) -> str:
    """Return the changed lines of two versions."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return textwrap.indent("\n".join(line for line in lines if line[:2] not in ("--", "++", "@@")), "    ")


def all_mutants(only: tuple[str, ...] = ()) -> list[Mutant]:
    """Return the mutants of all rows of VJPS, of helpers and gradient kernels, each with the rows that it concerns."""
    owners: dict[types.CodeType, dict[str, tuple]] = {}
    twins: dict[types.CodeType, list] = {}
    rules = dict(VJPS) | {n: Rule(joint=None) for n, p in PRIMITIVES.items() if p.decompose and n not in VJPS}
    for name, rule in rules.items():
        seen: set = set()
        for top in functions_of(rule, name):
            for function in with_helpers(top, seen):
                code = function.__code__
                owners.setdefault(code, {})[name] = rule.saves
                if function not in twins.setdefault(code, []):
                    twins[code].append(function)
    found = []
    for code, rows in owners.items():
        if only and not set(only) & set(rows):
            continue
        saves = tuple(dict.fromkeys(s for row in rows.values() for s in row))
        found += mutants_of(twins[code], tuple(rows), saves)
    forgetful = [n for n in BROADCASTING if n in VJPS and (not only or n in only)]
    found += [Mutant((n,), n, "broadcasting not undone", "", []) for n in sorted(forgetful)]
    return found
