"""Rules on the form of a module: its sections, its cells, their metadata and their lengths."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tito.course.cells import Cell
from tito.course.view import ModuleView, Remark, Rule

MAX_FILE_LINES = 1000
MAX_CELL_LINES = 60
QUESTIONS = r"## 🤔 ML Systems Thinking: Interactive Questions"
SUMMARY = r"## 🎯 MODULE SUMMARY: \S"
SECTIONS = (
    ("# Module NN: title", r"# Module \d\d: \S"),
    ("## Mathematical background", r"## Mathematical background"),
    ("## Implementation", r"## Implementation"),
    ("## Systems analysis", r"## Systems analysis"),
    ("## Integration", r"## Integration"),
    ("## Production context", r"## Production context"),
    ("## Comprehensive test", r"## Comprehensive test"),
    ("## 🤔 ML Systems Thinking: Interactive Questions", QUESTIONS),
    ("## 🎯 MODULE SUMMARY: …", SUMMARY),
)
METADATA = {"grade": bool, "grade_id": str, "locked": bool, "schema_version": int, "solution": bool, "task": bool}


def first_cells(view: ModuleView) -> Iterator[Remark]:
    """The introduction comes first, and the first code cell is the workbench."""
    if not view.cells or view.cells[0].kind != "markdown":
        yield 1, "expected the introduction as the first cell, found code or nothing: begin with `# Module NN: …`"
    module = view.module
    if not view.code:
        yield 1, "expected code cells, found none"
        return
    first = view.code[0]
    source = "from tito.workbench import modules_before\n\nmodules_before(" + f'"{module.name}")'
    allowed = [f"#| default_exp {target}\n{source}" for target in module.exports]
    if first.source not in allowed:
        yield first.line, f"expected the workbench as the first code cell, exactly:\n{allowed[-1]}"
    if first.grade_id != f"{module.short}-workbench" or not first.nbgrader.get("locked"):
        yield first.line, f'expected the first code cell locked, with grade_id "{module.short}-workbench"'


def sections(view: ModuleView) -> Iterator[Remark]:
    """Every section is there, in order."""
    last_index, last_name = -1, ""
    for name, pattern in SECTIONS:
        index = view.index_of(pattern)
        if index is None:
            yield 1, f"expected a section `{name}`, found none: write it"
            continue
        if index < last_index:
            yield view.cells[index].line, f"expected `{name}` after `{last_name}`, found it before: move it"
        last_index, last_name = index, name
    title = next((text for _, _, text in view.headings()), "")
    number = re.match(r"# Module (\d\d):", title)
    if number and int(number[1]) != view.module.number:
        yield 1, f"expected `# Module {view.module.number:02d}: …`, found `{title}`: correct the number"


def last_cell(view: ModuleView) -> Iterator[Remark]:
    """The summary closes the module."""
    if view.cells and not re.search(SUMMARY, view.cells[-1].source):
        yield view.cells[-1].line, "expected the module summary as the last cell: move it to the end"


def markdown(view: ModuleView) -> Iterator[Remark]:
    """Markdown cells are triple-quoted strings without `%%` at the start of a line."""
    for cell in view.cells:
        if cell.kind == "raw":
            yield cell.line, "expected code and markdown cells only, found a raw cell: make it markdown"
        if cell.kind != "markdown":
            continue
        if not cell.quoted:
            yield cell.line, "expected a markdown cell as a triple-quoted string, found comments: quote it"
        for number, line in enumerate(cell.source.split("\n"), cell.line):
            if line.startswith("%%"):
                yield number, "found `%%` at the start of a markdown line, where jupytext splits the cell: indent it"


def markers(view: ModuleView) -> Iterator[Remark]:
    """No `# %%` inside a code cell."""
    for cell in view.code:
        for number, line in enumerate(cell.source.split("\n"), cell.line):
            if re.match(r"\s*#\s*%%", line):
                yield number, "found `# %%` inside a code cell, where jupytext splits it: write it differently"


def metadata(view: ModuleView) -> Iterator[Remark]:
    """nbgrader metadata is complete, of the right types, and named after the module."""
    for cell in view.cells:
        if not cell.nbgrader:
            continue
        wanted = dict(METADATA, points=int) if cell.nbgrader.get("grade") else METADATA
        for key, kind in wanted.items():
            value = cell.nbgrader.get(key)
            if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
                yield cell.line - 1, f"expected nbgrader {key!r} of type {kind.__name__}, found {value!r}: correct it"
        if cell.nbgrader.get("schema_version") not in (3, None):
            yield cell.line - 1, f"expected nbgrader schema_version 3, found {cell.nbgrader['schema_version']!r}"
        prefix = f"test-{view.module.short}-" if cell.is_test else f"{view.module.short}-"
        if not str(cell.grade_id).startswith(prefix):
            yield cell.line - 1, f'expected a grade_id like "{prefix}…", found {cell.grade_id!r}: rename it'


def lengths(view: ModuleView) -> Iterator[Remark]:
    """A module has at most 1,000 lines, a code cell 60."""
    if len(view.lines) > MAX_FILE_LINES:
        yield MAX_FILE_LINES, f"expected at most {MAX_FILE_LINES} lines, found {len(view.lines)}: shorten the module"
    for cell in view.code:
        count = cell.source.count("\n") + 1
        if count > MAX_CELL_LINES:
            yield cell.line, f"expected at most {MAX_CELL_LINES} lines in a code cell, found {count}: split it"


def questions(view: ModuleView) -> Iterator[Remark]:
    """Three or four manually graded answers, all under the heading of the questions."""
    heading = view.index_of(QUESTIONS)
    found = [(index, cell) for index, cell in enumerate(view.cells) if cell.is_question]
    if not 3 <= len(found) <= 4:
        yield 1, f"expected 3 or 4 manually graded questions, found {len(found)}"
    for number, (index, cell) in enumerate(found, 1):
        if heading is not None and index < heading:
            yield cell.line, "expected questions under their heading, found one before it: move it"
        if cell.grade_id != f"{view.module.short}-q{number}":
            yield cell.line, f'expected grade_id "{view.module.short}-q{number}", found {cell.grade_id!r}'
        if cell.nbgrader.get("locked") or not cell.nbgrader.get("solution") or cell.points <= 0:
            yield cell.line, 'expected a question with "solution": true, "locked": false and points: correct it'


def points(view: ModuleView) -> Iterator[Remark]:
    """The points of the cells add up to what course.toml says."""
    total = sum(cell.points for cell in view.cells)
    if total != view.module.points:
        yield 1, f"expected {view.module.points} points (course.toml), found {total:g} in its cells: correct one"


def pieces(view: ModuleView) -> Iterator[Remark]:
    """A piece is followed at once by a markdown cell and its test; before every test stands a markdown cell."""
    for index, cell in enumerate(view.cells):
        following = view.cells[index + 1 : index + 3]
        if cell.is_solution and not _is_test_with_text(following):
            yield (
                cell.line,
                f"expected {cell.name} to be followed at once by a markdown cell saying what the next test tests and "
                "why, and by that graded test",
            )
        if cell.is_test and (index == 0 or view.cells[index - 1].kind != "markdown"):
            yield cell.line, f"expected a markdown cell before {cell.name} that says what it tests and why"


def _is_test_with_text(cells: tuple[Cell, ...]) -> bool:
    return len(cells) == 2 and cells[0].kind == "markdown" and cells[1].is_test


RULES: tuple[Rule, ...] = (
    first_cells,
    sections,
    last_cell,
    markdown,
    markers,
    metadata,
    lengths,
    questions,
    points,
    pieces,
)
