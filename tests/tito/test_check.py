"""`tito course check`: a module in good form has no findings, and each rule finds its own departure."""

from __future__ import annotations

import pytest

from tests.tito.toy import Toy, markdown
from tito.course.check import check_course, check_stubs
from tito.course.solutions import find_regions, stub_out


def messages(toy: Toy) -> str:
    """All findings, one a line."""
    return "\n".join(map(str, check_course(toy.project, toy.course)))


def test_the_toy_course_keeps_the_form(toy: Toy) -> None:
    assert messages(toy) == ""


TEST_META = '"grade_id": "test-gamma-minus", "locked": true, "points": 2'
SOLUTION_META = '"grade_id": "gamma-minus", "locked": false'


@pytest.mark.parametrize(
    ("find", "replace", "message"),
    [
        ("# Module 03: Gamma", "# Gamma", "expected a section `# Module NN: title`"),
        ("# Module 03: Gamma", "# Module 04: Gamma", "expected `# Module 03: …`"),
        ("## Mathematical background", "## Maths", "expected a section `## Mathematical background`"),
        ("## Systems analysis", "## Production context", "expected a section `## Systems analysis`"),
        ("## Integration", "Words", "expected a section `## Integration`"),
        ("## Comprehensive test", "## Test", "expected a section `## Comprehensive test`"),
        ("## 🤔 ML Systems Thinking: Interactive Questions", "## Questions", "expected a section `## 🤔"),
        ("## 🎯 MODULE SUMMARY: Gamma", "## Summary", "expected the module summary as the last cell"),
        ('modules_before("03_gamma")', 'modules_before("02_beta")', "expected the workbench as the first code cell"),
        ('"gamma-workbench"', '"gamma-first"', 'expected the first code cell locked, with grade_id "gamma-workbench"'),
        ('"""\n## Integration\n"""', "# ## Integration", "as a triple-quoted string, found comments"),
        ("## Integration\n", "## Integration\n%%time\n", "found `%%` at the start of a markdown line"),
        (
            "def analyze_gamma():",
            'TEXT = """\n# %% x\n"""\n\n\ndef analyze_gamma():',
            "found `# %%` inside a code cell",
        ),
        ("def analyze_gamma():", "def analyze_gamma():\n    # %% here", "take `# %%` out of code"),
        ("def analyze_gamma():", "def analyze_gamma():\n# %% here", "a `# %%` line inside a function splits it"),
        ('"gamma-q2"', '"gamma-q3"', "expected grade_id \"gamma-q2\", found 'gamma-q3'"),
        (
            '"gamma-minus"',
            '"beta-triple"',
            "the grade_id 'beta-triple' is taken by modules/source/02_beta/beta_dev.py:",
        ),
        ('"gamma-minus"', '"minus"', "expected a grade_id like \"gamma-…\", found 'minus'"),
        (TEST_META, TEST_META.replace("true", '"yes"'), "expected nbgrader 'locked' of type bool, found 'yes'"),
        (TEST_META, TEST_META.replace("true", "false"), "expected cell 'test-gamma-minus' locked and with points"),
        (TEST_META, TEST_META.replace("2", "3"), "expected 20 points (course.toml), found 21 in its cells"),
        (SOLUTION_META, SOLUTION_META.replace("false", "true"), '"solution": true, "locked": false, "grade": false'),
        ("    ### BEGIN SOLUTION\n", "", "found `### END SOLUTION` without its partner"),
        ("APPROACH", "HOW", "in the docstring of minus, found no APPROACH"),
        ("def test_minus():", "def test_minus(x=1):", "expected test_minus without arguments"),
        ("def test_minus():", "def probe_minus():", "expected a `test_…` function in cell 'test-gamma-minus'"),
        ("def test_module():", "def test_minus():", "found a second test_minus"),
        ("def test_module():", "def test_all():", "expected a comprehensive `test_module`"),
        ("    test_minus()\n    analyze", "    analyze", "expected the main block to call test_minus()"),
        (
            "    test_minus()\n    analyze_gamma()\n    test_module()",
            "    test_module()\n    test_minus()",
            "as the last test",
        ),
        ("def analyze_gamma", "def measure_gamma", "expected an `analyze_…` function"),
        ("def analyze_gamma", "print('hello')\n\n\ndef analyze_gamma", "found `print('hello')` at the top level"),
        (
            "def analyze_gamma",
            "with open('x'):\n    pass\n\n\ndef analyze_gamma",
            "at the top level: only the main block",
        ),
        (
            "def analyze_gamma",
            "def test_more():\n    pass\n\n\ndef analyze_gamma",
            "expected test_more in a locked graded cell",
        ),
        (
            "def analyze_gamma",
            "### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS\ndef analyze_gamma",
            "hidden tests in graded",
        ),
        (
            '    assert minus(Box(2)).value == -2, "minus: of 2 is -2"',
            "    minus(Box(2))",
            "expected test_minus to assert",
        ),
        ('if __name__ == "__main__":', "if True:", 'expected one `if __name__ == "__main__":`, found 0'),
        ("def minus(box):", "def minus(box:", "expected Python, found a syntax error"),
        ("#| face nn: minus", "#| face nn: plus", "the face nn offers `plus`"),
        ("import Box", "import Box\n" + "\n" * 60, "expected at most 60 lines in a code cell"),
        ("Words.", "Words.\n" * 1000, "expected at most 1000 lines, found"),
    ],
)
def test_each_departure_is_found(toy: Toy, find: str, replace: str, message: str) -> None:
    toy.edit("gamma", find, replace)
    found = messages(toy)
    assert "modules/source/03_gamma/gamma_dev.py:" in found and message in found, found


def test_a_piece_is_followed_by_words_and_its_test(toy: Toy) -> None:
    toy.edit("gamma", '# %% [markdown]\n"""\n### Test: minus\n"""\n\n', "")
    found = messages(toy)
    assert "expected cell 'gamma-minus' to be followed at once by a markdown cell" in found
    assert "expected a markdown cell before cell 'test-gamma-minus'" in found


def test_sections_out_of_order_are_found(toy: Toy) -> None:
    text = toy.dev("gamma").read_text(encoding="utf-8")
    moved = markdown("## Integration")
    toy.dev("gamma").write_text(text.replace(moved, "", 1).replace(markdown("## Implementation"), moved, 1))
    assert "expected a section `## Implementation`" in messages(toy)
    toy.dev("gamma").write_text(
        text.replace(moved, "", 1).replace(markdown("## Implementation"), moved + markdown("## Implementation"), 1)
    )
    assert "expected `## Integration` after `## Systems analysis`, found it before" in messages(toy)


def test_a_missing_module_checkpoint_or_hint_is_found(toy: Toy) -> None:
    toy.dev("gamma").unlink()
    (toy.project.checkpoints_dir / "checkpoint_00_boxes.py").unlink()
    (toy.project.source_dir / "09_extra").mkdir()
    toy.edit_course("beta-triple =", "beta-tripel =")
    found = messages(toy)
    assert "modules/source/03_gamma/gamma_dev.py:0: expected the source of 03_gamma" in found
    assert "tests/checkpoints/checkpoint_00_boxes.py:0: expected the checkpoint 00 here" in found
    assert "modules/source/09_extra is not listed" in found
    assert "no cell has the grade_id 'beta-tripel'" in found


def test_a_given_file_runs_nothing(toy: Toy) -> None:
    toy.add_given("beta", "helpers_given.py", "HELP = 3\nTABLE = {}\nTABLE.update(a=1)\nprint(HELP)\n")
    assert "02_beta/helpers_given.py:4: expected definitions and rows of tables only" in messages(toy)


def test_findings_of_one_module_only(toy: Toy) -> None:
    toy.edit("gamma", "## Integration", "Words")
    toy.edit("beta", "## Integration", "Words")
    found = check_course(toy.project, toy.course, (toy.module("beta"),))
    assert [finding.file for finding in found] == ["modules/source/02_beta/beta_dev.py"]


def test_stubs_that_fail_are_no_finding(toy: Toy) -> None:
    for name in ("alpha", "beta", "gamma"):
        assert check_stubs(toy.project, toy.course, toy.module(name)) == []


@pytest.mark.parametrize(
    ("find", "replace", "message"),
    [
        (
            'assert minus(Box(2)).value == -2, "minus: of 2 is -2"',
            "assert Box(2).value == 2",
            "all tests pass: test it",
        ),
        ("def analyze_gamma", "START = minus(Box(1))\n\n\ndef analyze_gamma", "the module cannot be imported"),
        (
            'assert minus(Box(2)).value == -2, "minus: of 2 is -2"',
            "try:\n        minus(Box(2))\n    except NotImplementedError:\n        raise TypeError('x') from None"
            "\n    assert True",
            "expected an AssertionError or NotImplementedError that names minus, found test_minus: TypeError: x",
        ),
        ("Box(-box.value)", "Box(box.value)", "expected the solved module to pass its own tests"),
    ],
)
def test_a_stub_that_is_not_caught_is_found(toy: Toy, find: str, replace: str, message: str) -> None:
    toy.edit("gamma", find, replace)
    (finding,) = check_stubs(toy.project, toy.course, toy.module("gamma"))
    assert message in finding.message
    text = toy.dev("gamma").read_text(encoding="utf-8")
    (region,) = find_regions(text, "gamma_dev.py")
    assert "NotImplementedError" in stub_out(text, region)
