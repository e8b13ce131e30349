"""Solution regions: where they are, and how a stub takes their place."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from tito.course.cells import Cell, parse_cells, parse_python
from tito.errors import SourceError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Region:
    """Lines `start`..`end` (from 1, markers included) of a solution; `qualname` is "Tensor.__add__" or "relu".

    `grade_id` is that of its cell; `docstring` that of its function ("" without one).
    """

    start: int
    end: int
    indent: str
    qualname: str
    grade_id: str | None
    docstring: str

    @property
    def function(self) -> str:
        """The last part of `qualname`: "__add__"."""
        return self.qualname.rsplit(".", 1)[-1]

    @property
    def stub(self) -> str:
        """The line that stands in place of the solution."""
        return f'{self.indent}raise NotImplementedError("{self.qualname}: not implemented yet")'


def find_regions(source: str, name: str) -> tuple[Region, ...]:
    """Every solution region of a module's text. Raises SourceError for an unpaired marker or one outside a function."""
    tree = parse_python(source, name)
    lines = source.split("\n")
    cells = [cell for cell in parse_cells(source, name) if cell.kind == "code"]
    regions = []
    for cell in cells:
        for start, end in marked_spans(cell.source, BEGIN, END, cell.line, name):
            regions.append(_region(tree, lines, cell, start, end, name))
    return tuple(regions)


def marked_spans(text: str, begin: str, end: str, first_line: int, name: str) -> list[tuple[int, int]]:
    """Line spans (markers included, numbered from `first_line`) between pairs of marker lines.

    Raises SourceError when a marker has no partner.
    """
    spans: list[tuple[int, int]] = []
    opened: int | None = None
    for number, line in enumerate(text.split("\n"), first_line):
        word = line.strip()
        if word == begin and opened is None:
            opened = number
        elif word == end and opened is not None:
            spans.append((opened, number))
            opened = None
        elif word in (begin, end):
            raise SourceError(f"{name}, line {number}: found `{word}` without its partner: put the pair back")
    if opened is not None:
        raise SourceError(
            f"{name}, line {opened}: expected `{end}` after `{begin}` in the same cell, found none: add it"
        )
    return spans


def stub_out(source: str, region: Region) -> str:
    """`source` with that one region replaced by `raise NotImplementedError("<qualname>: not implemented yet")`."""
    lines = source.split("\n")
    lines[region.start - 1 : region.end] = [region.stub]
    return "\n".join(lines)


def strip_solutions(source: str, name: str = "the module") -> str:
    """`source` with every solution replaced by its stub: what a student starts from."""
    for region in reversed(find_regions(source, name)):
        source = stub_out(source, region)
    return source


def _region(tree: ast.Module, lines: list[str], cell: Cell, start: int, end: int, name: str) -> Region:
    parts, function = _enclosing(tree, lines, start)
    if function is None:
        raise SourceError(
            f"{name}, line {start}: expected a solution inside a function or method, found one in {cell.name} outside: "
            "move the markers into the function"
        )
    marker = lines[start - 1]
    return Region(
        start=start,
        end=end,
        indent=marker[: len(marker) - len(marker.lstrip())],
        qualname=".".join(parts),
        grade_id=cell.grade_id,
        docstring=ast.get_docstring(function) or "",
    )


def _enclosing(tree: ast.Module, lines: list[str], start: int) -> tuple[list[str], Function | None]:
    """Names down to the innermost function that holds line `start`, and that function."""
    parts: list[str] = []
    function: Function | None = None
    node: ast.AST = tree
    while inner := _definition_around(node, lines, start):
        parts.append(inner.name)
        function = inner if isinstance(inner, Function) else None
        node = inner
    return parts, function


def _definition_around(node: ast.AST, lines: list[str], start: int) -> Function | ast.ClassDef | None:
    """The outermost function or class below `node` that holds line `start`."""
    for child in ast.walk(node):
        if child is node or not isinstance(child, Function | ast.ClassDef):
            continue
        if child.lineno < start <= _last_line(child, lines):
            return child
    return None


def _last_line(node: Function | ast.ClassDef, lines: list[str]) -> int:
    """The last line of a definition, indented comments behind its last statement included (markers are comments)."""
    last = node.end_lineno or node.lineno
    for number in range(last + 1, len(lines) + 1):
        line = lines[number - 1]
        text = line.lstrip()
        if text and (not text.startswith("#") or len(line) - len(text) <= node.col_offset):
            break
        if text:
            last = number
    return last
