"""A module's file as typed cells. jupytext splits it (so that a notebook is split in the same way)."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tito.errors import SourceError

MARKER = re.compile(r"#\s*%%")
DIRECTIVE = re.compile(r"#\|\s*([A-Za-z_]+)\b[ \t]*(.*?)\s*$")


@dataclass(frozen=True)
class Directive:
    """A `#| key value` line. `line` counts from 1 in the file."""

    key: str
    value: str
    line: int


@dataclass(frozen=True)
class Cell:
    """One cell. `source` is its text; `line` (from 1) is the file line on which the text begins.

    `kind` is "code", "markdown" or "raw"; `quoted` tells that a markdown cell is written as a triple-quoted string.
    """

    kind: str
    source: str
    line: int
    nbgrader: dict[str, Any]
    quoted: bool = False

    @property
    def grade_id(self) -> str | None:
        """nbgrader's name of the cell; None for a plain cell."""
        return self.nbgrader.get("grade_id")

    @property
    def name(self) -> str:
        """The cell as an error names it."""
        return f"cell {self.grade_id!r}" if self.grade_id else f"the cell at line {self.line}"

    @property
    def is_solution(self) -> bool:
        """A code cell that the student writes in."""
        return self.kind == "code" and bool(self.nbgrader.get("solution"))

    @property
    def is_test(self) -> bool:
        """An automatically graded cell."""
        return self.kind == "code" and bool(self.nbgrader.get("grade")) and not self.nbgrader.get("solution")

    @property
    def is_question(self) -> bool:
        """A manually graded answer (a markdown cell that the student writes in)."""
        return self.kind == "markdown" and bool(self.nbgrader.get("grade"))

    @property
    def points(self) -> float:
        """Points of a graded cell; 0 for any other."""
        return float(self.nbgrader.get("points", 0)) if self.nbgrader.get("grade") else 0.0

    @cached_property
    def directives(self) -> tuple[Directive, ...]:
        """The `#|` lines at the head of a code cell (comments and blank lines may stand between them)."""
        if self.kind != "code":
            return ()
        found = []
        for number, line in enumerate(self.source.splitlines(), self.line):
            if line.strip() and not line.startswith("#"):
                break
            if match := DIRECTIVE.match(line):
                found.append(Directive(match[1], match[2], number))
        return tuple(found)

    def directive(self, key: str) -> Directive | None:
        """The first directive of that key."""
        return next((directive for directive in self.directives if directive.key == key), None)

    @cached_property
    def test_names(self) -> tuple[str, ...]:
        """Names of the top-level `test_*` functions of the cell."""
        if self.kind != "code":
            return ()
        functions = (node for node in ast.parse(self.source).body if isinstance(node, ast.FunctionDef))
        return tuple(node.name for node in functions if node.name.startswith("test_"))


def parse_python(text: str, name: str) -> ast.Module:
    """`text` parsed; raises SourceError with file, line and the line's text."""
    try:
        return ast.parse(text, filename=name)
    except SyntaxError as error:
        number, reason = error.lineno or 1, error.msg
        problem: Exception = error
    except ValueError as error:  # a NUL
        number, reason = text[: text.find("\0")].count("\n") + 1, str(error)
        problem = error
    except (RecursionError, MemoryError) as error:
        raise SourceError(
            f"{name}: expected Python, found an expression nested too deeply to be read: shorten it and try again"
        ) from error
    lines = text.splitlines()
    shown = lines[number - 1].strip()[:200] if number <= len(lines) else ""
    raise SourceError(
        f"{name}, line {number}: expected Python, found a syntax error ({reason}) in `{shown}`: "
        "mend that line and try again"
    ) from problem


def parse_cells(text: str, name: str) -> tuple[Cell, ...]:
    """The cells of a module's text (`\\n` line ends).

    Raises SourceError, naming `name` and the line, for Python or nbgrader metadata that cannot be read.
    """
    parse_python(text, name)
    if not text.strip():
        raise SourceError(f"{name}: expected cells, found an empty file: restore it (for example with git)")
    notebook_cells = _read_notebook(text, name)
    lines = text.splitlines()
    spans = _spans(lines)
    if len(spans) != len(notebook_cells):
        raise SourceError(
            f"{name}, line {_odd_marker(lines)}: expected {len(spans)} cells from the `# %%` lines, jupytext found "
            f"{len(notebook_cells)}: take `# %%` out of code, and text out of the place before the first cell"
        )
    cells = tuple(_cell(raw, lines, span, name) for raw, span in zip(notebook_cells, spans, strict=True))
    for cell in cells:
        _check_complete(cell, name)
    return cells


def _odd_marker(lines: list[str]) -> int:
    """The line (from 1) of the first indented cell marker, which jupytext takes for a cell; 1 when there is none."""
    return next((number for number, line in enumerate(lines, 1) if re.match(r"\s+#\s*%%", line)), 1)


def _check_complete(cell: Cell, name: str) -> None:
    """A code cell is Python by itself; it is not when a `# %%` stands inside a function."""
    if cell.kind != "code":
        return
    try:
        ast.parse(cell.source)
    except SyntaxError as error:
        raise SourceError(
            f"{name}, line {cell.line}: expected a cell that is complete by itself, found one that is not "
            f"({error.msg}): a `# %%` line inside a function splits it"
        ) from error


def _read_notebook(text: str, name: str) -> list[Any]:
    import jupytext

    try:
        return list(jupytext.reads(text, fmt="py:percent").cells)
    except Exception as error:  # jupytext and the YAML reader below it raise many kinds
        reason = str(error).split("\n")[0]
        raise SourceError(
            f"{name}: expected a jupytext percent file, found one that jupytext cannot read ({reason}): mend its header"
        ) from error


def _spans(lines: list[str]) -> list[tuple[int, int]]:
    """Line spans [marker, end) of the cells, counted from 0; a marker inside a string opens no cell."""
    from jupytext.stringparser import StringParser

    starts: list[int] = []
    parser = StringParser("python")
    for number, line in enumerate(lines):
        if not parser.is_quoted() and MARKER.match(line):
            starts.append(number)
            parser = StringParser("python")
        parser.read_line(line)
    spans = list(zip(starts, [*starts[1:], len(lines)], strict=True))
    first = starts[0] if starts else len(lines)
    head = [line for line in lines[:first] if line.strip() and not line.startswith("#")]
    return [(-1, first), *spans] if head else spans


def _check_metadata(nbgrader: dict[str, Any], place: str) -> None:
    """A grade_id is text, points a number that is not negative."""
    grade_id, points = nbgrader.get("grade_id", ""), nbgrader.get("points", 0)
    if not isinstance(grade_id, str):
        raise SourceError(f"{place}: expected a grade_id in quotation marks, found {grade_id!r}: restore the line")
    if isinstance(points, bool) or not isinstance(points, int | float) or not points >= 0:
        raise SourceError(f"{place}: expected points as a number from 0 up, found {points!r}: restore the line")


def _cell(raw: Any, lines: list[str], span: tuple[int, int], name: str) -> Cell:
    start, end = span
    if "incorrectly_encoded_metadata" in raw.metadata:
        raise SourceError(
            f"{name}, line {start + 1}: expected cell metadata as key=JSON, found "
            f"`{raw.metadata['incorrectly_encoded_metadata']}`: correct the `# %%` line"
        )
    nbgrader = raw.metadata.get("nbgrader", {})
    if not isinstance(nbgrader, dict):
        raise SourceError(
            f"{name}, line {start + 1}: expected nbgrader metadata as a JSON object, found {nbgrader!r}: "
            "restore the line"
        )
    _check_metadata(nbgrader, f"{name}, line {start + 1}")
    if raw.cell_type != "code":
        quoted = str(raw.metadata.get("cell_marker", "")).endswith(('"""', "'''"))
        return Cell(raw.cell_type, raw.source, start + (3 if quoted else 2), dict(nbgrader), quoted)
    body = lines[start + 1 : end]
    while body and not body[-1].strip():
        body.pop()
    skipped = 0
    while skipped < len(body) and not body[skipped].strip():
        skipped += 1
    return Cell("code", "\n".join(body[skipped:]), start + 2 + skipped, dict(nbgrader))
