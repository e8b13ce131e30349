"""Rules on the code of a module: solutions, tests, and that importing it runs nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tito.course.cells import Cell
from tito.course.solutions import BEGIN_HIDDEN, END_HIDDEN
from tito.course.view import ModuleView, Remark, Rule

DOCSTRING_WORDS = ("TASK", "APPROACH", "EXAMPLE")
CONSTRUCTORS = ("Primitive",)
HARMLESS = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
    ast.Pass,
)


def solutions(view: ModuleView) -> Iterator[Remark]:
    """A solution cell has solutions, open to the student, whose docstrings say what to do."""
    for cell in view.code:
        regions = view.regions_of(cell)
        if cell.is_solution and not regions:
            yield cell.line, f"expected a solution region in {cell.name}, found none: mark it or make the cell plain"
        if regions and (not cell.is_solution or cell.nbgrader.get("locked") or cell.nbgrader.get("grade")):
            yield cell.line, f'expected {cell.name} with "solution": true, "locked": false, "grade": false'
        for region in regions:
            lacking = [word for word in DOCSTRING_WORDS if word not in region.docstring]
            if lacking:
                yield (
                    region.start,
                    f"expected TASK, APPROACH and EXAMPLE in the docstring of {region.qualname}, found no "
                    f"{', '.join(lacking)}: the stub must be enough to work from",
                )


def tests(view: ModuleView) -> Iterator[Remark]:
    """Tests are functions without arguments in locked graded cells with points."""
    for cell in view.code:
        functions = _test_functions(cell)
        if cell.is_test:
            if not cell.nbgrader.get("locked") or cell.points <= 0:
                yield cell.line, f"expected {cell.name} locked and with points: correct its metadata"
            if not functions:
                yield cell.line, f"expected a `test_…` function in {cell.name}, found none"
        elif functions:
            yield cell.line, f"expected {functions[0].name} in a locked graded cell, found it in {cell.name}"
        if not cell.is_test and (BEGIN_HIDDEN in cell.source or END_HIDDEN in cell.source):
            yield cell.line, f"expected hidden tests in graded test cells only, found them in {cell.name}"
        for function in functions:
            line = cell.line + function.lineno - 1
            arguments = function.args
            if arguments.posonlyargs or arguments.args or arguments.kwonlyargs or arguments.vararg or arguments.kwarg:
                yield line, f"expected {function.name} without arguments: take them out"
            if not any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(function)) and not _calls_tests(
                function
            ):
                yield line, f"expected {function.name} to assert something, found no assert"


def unique_tests(view: ModuleView) -> Iterator[Remark]:
    """A second test of one name would replace the first, which then never runs."""
    seen: set[str] = set()
    for cell in view.code:
        for function in _test_functions(cell):
            if function.name in seen:
                yield cell.line + function.lineno - 1, f"found a second {function.name}: rename one"
            seen.add(function.name)


def main_block(view: ModuleView) -> Iterator[Remark]:
    """One cell runs everything: each test, then test_module."""
    blocks = [(cell, node) for cell in view.code for node in ast.parse(cell.source).body if is_main_block(node)]
    if len(blocks) != 1:
        yield 1, f'expected one `if __name__ == "__main__":`, found {len(blocks)}'
        return
    cell, block = blocks[0]
    if len(ast.parse(cell.source).body) != 1:
        yield cell.line, "expected the main block alone in its cell: move the rest to another cell"
    called = [name for node in ast.walk(block) if (name := _called_name(node))]
    names = [function.name for other in view.code for function in _test_functions(other)]
    for name in names:
        if name not in called:
            yield cell.line, f"expected the main block to call {name}(), found no such call: add it"
    tests_called = [name for name in called if name.startswith("test_")]
    if "test_module" not in names:
        yield 1, "expected a comprehensive `test_module`, found none: write it under `## Comprehensive test`"
    elif tests_called and tests_called[-1] != "test_module":
        yield cell.line, f"expected test_module() as the last test of the main block, found {tests_called[-1]}()"


def nothing_runs(view: ModuleView) -> Iterator[Remark]:
    """Importing the module runs nothing but the workbench and rows of tables."""
    for index, cell in enumerate(view.code):
        for node in ast.parse(cell.source).body:
            workbench = index == 0 and _called_name(node) == "modules_before"
            if not (workbench or is_main_block(node) or is_harmless(node)):
                line = cell.line + node.lineno - 1
                yield line, f"found `{_shown(node)}` at the top level: only the main block runs anything; move it there"


def analysis(view: ModuleView) -> Iterator[Remark]:
    """The systems analysis measures: at least one `analyze_…` function, called in the main block."""
    names = [
        node.name
        for cell in view.code
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("analyze_")
    ]
    if not names:
        yield 1, "expected an `analyze_…` function that measures by running code, found none"


def is_main_block(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":`."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("__name__ == '__main__'", "'__main__' == __name__")


def is_harmless(node: ast.stmt) -> bool:
    """A definition, an import, an assignment, or the insertion of a row into a table."""
    if isinstance(node, HARMLESS):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or _inserts_row(node.value)
    if isinstance(node, ast.For):
        return all(is_harmless(inner) for inner in [*node.body, *node.orelse])
    if isinstance(node, ast.If):
        return ast.unparse(node.test).endswith("TYPE_CHECKING") and all(is_harmless(inner) for inner in node.body)
    return False


def _inserts_row(node: ast.expr) -> bool:
    """`TABLE.update(…)`, `TABLE[…].add(…)` on a table in capitals, or a `Primitive(…)`."""
    if not isinstance(node, ast.Call):
        return False
    root: ast.expr = node.func
    while isinstance(root, ast.Attribute | ast.Subscript):
        root = root.value
    if not isinstance(root, ast.Name):
        return False
    return root.id in CONSTRUCTORS if root is node.func else root.id.isupper()


def _test_functions(cell: Cell) -> list[ast.FunctionDef]:
    nodes = ast.parse(cell.source).body
    return [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def _calls_tests(function: ast.FunctionDef) -> bool:
    return any((_called_name(node) or "").startswith(("test_", "check_", "assert_")) for node in ast.walk(function))


def _called_name(node: ast.AST) -> str | None:
    """The plain name that a call (or a statement that is one) calls."""
    call = node.value if isinstance(node, ast.Expr) else node
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
        return call.func.id
    return None


def _shown(node: ast.stmt) -> str:
    line = ast.unparse(node).split("\n")[0]
    return line if len(line) <= 60 else line[:57] + "…"


RULES: tuple[Rule, ...] = (solutions, tests, unique_tests, main_block, nothing_runs, analysis)
