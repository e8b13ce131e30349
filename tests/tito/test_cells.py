"""Cells, directives, solutions and stubs of a module's text."""

from __future__ import annotations

import pytest

from tests.tito.toy import Toy, code, markdown, meta
from tito.course.cells import parse_cells
from tito.course.solutions import find_regions, strip_solutions, stub_out
from tito.errors import SourceError
from tito.files import decode_source

CLASS = '''\
class Box:
    def add(self, other):
        """Sum.

        TASK: add
        """
        total = 0
        ### BEGIN SOLUTION
        total = self.value + other.value
        return total
        ### END SOLUTION

def outer():
    def inner():
        ### BEGIN SOLUTION
        return 1
        ### END SOLUTION
    ### BEGIN SOLUTION
    # nothing yet
    ### END SOLUTION
'''


def test_cells_carry_their_text_line_and_metadata(toy: Toy) -> None:
    text = toy.dev("beta").read_text(encoding="utf-8")
    lines = text.splitlines()
    cells = parse_cells(text, "beta_dev.py")
    assert all(lines[cell.line - 1] == cell.source.split("\n")[0] for cell in cells)
    assert [cell.grade_id for cell in cells if cell.is_solution] == ["beta-triple"]
    assert [cell.test_names for cell in cells if cell.is_test] == [("test_triple",), ("test_module",)]
    assert [cell.points for cell in cells if cell.is_question] == [1, 1, 1]
    (triple,) = (cell for cell in cells if cell.is_solution)
    assert [(directive.key, directive.value) for directive in triple.directives] == [
        ("export", ""),
        ("face", "nn.functional: triple"),
    ]


def test_a_marker_inside_a_string_opens_no_cell() -> None:
    text = code('text = """\n# %% not a cell\n"""\nx = 1') + markdown("Words") + code("y = 2")
    cells = parse_cells(text, "x_dev.py")
    assert [cell.kind for cell in cells] == ["code", "markdown", "code"]
    assert cells[2].line == text[: text.index("y = 2")].count("\n") + 1


def test_code_before_the_first_marker_is_a_cell() -> None:
    header = "# ---\n# jupyter:\n#   jupytext:\n#     text_representation:\n#       extension: .py\n# ---\n\n"
    cells = parse_cells(header + "x = 1\n\n# %%\ny = 2\n", "x_dev.py")
    assert [cell.source.split("\n")[-1] for cell in cells] == ["x = 1", "y = 2"]


def test_a_syntax_error_names_file_line_and_text(toy: Toy) -> None:
    toy.edit("gamma", "return Box(-box.value)", "return Box(-box.value))")
    text = toy.dev("gamma").read_text(encoding="utf-8")
    number = text[: text.index("-box.value))")].count("\n") + 1
    with pytest.raises(SourceError, match=rf"gamma_dev.py, line {number}: .* in `return Box\(-box.value\)\)`"):
        parse_cells(text, "gamma_dev.py")


def test_broken_metadata_names_its_line() -> None:
    with pytest.raises(SourceError, match=r"x_dev.py, line 4: expected cell metadata as key=JSON"):
        parse_cells('# %%\nx = 1\n\n# %% nbgrader={"grade": fals}\ny = 2\n', "x_dev.py")


def test_a_broken_header_is_one_sentence() -> None:
    with pytest.raises(
        SourceError, match=r"found one that jupytext cannot read \('display_name' is .*\): mend"
    ) as caught:
        parse_cells("# ---\n# jupyter:\n#   kernelspec:\n#     name: python3\n# ---\n\n# %%\nx = 1\n", "x_dev.py")
    assert "\n" not in caught.value.message


def test_missing_metadata_makes_a_plain_cell() -> None:
    (cell,) = parse_cells("# %%\nx = 1\n", "x_dev.py")
    assert cell.grade_id is None and not cell.is_solution and cell.points == 0


def test_text_that_is_not_utf8_names_its_line() -> None:
    with pytest.raises(SourceError, match=r"x_dev.py, line 2: expected UTF-8 text, found byte 0xe9"):
        decode_source(b"x = 1\r\ny = '\xe9'\n", "x_dev.py")


def test_regions_know_their_function() -> None:
    regions = find_regions(code(CLASS, meta("box", grade=False, locked=False, solution=True)), "x_dev.py")
    assert [region.qualname for region in regions] == ["Box.add", "outer.inner", "outer"]
    assert [region.grade_id for region in regions] == ["box"] * 3
    assert regions[0].docstring == "Sum.\n\nTASK: add"


def test_a_stub_keeps_all_but_the_solution() -> None:
    text = code(CLASS)
    stubbed = stub_out(text, find_regions(text, "x_dev.py")[0])
    solution = text[text.index("        ### BEGIN SOLUTION\n        total") : text.index("\ndef outer")]
    assert stubbed == text.replace(solution, '        raise NotImplementedError("Box.add: not implemented yet")\n')


def test_stripping_leaves_no_solution(toy: Toy) -> None:
    text = toy.dev("alpha").read_text(encoding="utf-8")
    stripped = strip_solutions(text, "alpha_dev.py")
    assert "SOLUTION" not in stripped and "TABLE[name](*values)" not in stripped
    assert stripped.count("raise NotImplementedError(") == len(find_regions(text, "alpha_dev.py")) == 3
    assert [cell.grade_id for cell in parse_cells(stripped, "a")] == [cell.grade_id for cell in parse_cells(text, "a")]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f():\n    ### BEGIN SOLUTION\n    return 1\n", "expected `### END SOLUTION` after"),
        ("def f():\n    return 1\n    ### END SOLUTION\n", "found `### END SOLUTION` without its partner"),
        ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n", "expected a solution inside a function or method"),
        (
            "class A:\n    ### BEGIN SOLUTION\n    x = 1\n    ### END SOLUTION\n",
            "expected a solution inside a function",
        ),
    ],
)
def test_misplaced_markers_are_refused(source: str, message: str) -> None:
    with pytest.raises(SourceError, match=rf"x_dev.py, line \d+: {message}"):
        find_regions(code(source), "x_dev.py")
