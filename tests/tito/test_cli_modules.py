"""`tito module`: what a student does all day."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tito.command import fail, records, succeed, tito
from tests.tito.toy import Toy
from tito.course.solutions import strip_solutions

CHECKPOINT = '''"""Can I box a number?"""

from tinytorch import Box


def test_box() -> None:
    assert Box(2).double().value == 4, "Box.double: twice 2 is 4"
'''


@pytest.fixture
def course(toy: Toy) -> Toy:
    """The toy course with a checkpoint that asks something."""
    (toy.project.checkpoints_dir / "checkpoint_00_boxes.py").write_text(CHECKPOINT, encoding="utf-8")
    return toy


def test_complete_names_the_next_step(course: Toy) -> None:
    text = succeed(course.project.root, "module", "complete", "alpha")
    assert "4 tests passed" in text and "✓ 00 boxes" in text and "complete: Alpha" in text, text
    assert "tito module complete beta" in text, text
    rows = records(succeed(course.project.root, "module", "list", "--json"))
    assert rows[0]["completed"] and rows[0]["checkpoint_state"] == "passed", rows[0]
    assert rows[-1] == {"event": "list", "modules": 3, "completed": 1}


def test_complete_refuses_a_module_whose_test_fails(course: Toy) -> None:
    succeed(course.project.root, "module", "complete", "alpha")
    before, progress = course.package(), course.project.progress_file.read_bytes()
    course.edit("alpha", "return self.add(self)", "return self")
    text = fail(course.project.root, "module", "complete", "1")
    assert "test_double" in text and "Box.double: twice 2 is 4" in text, text
    assert "Nothing was exported" in text, text
    assert (course.package(), course.project.progress_file.read_bytes()) == (before, progress)


def test_complete_runs_the_checkpoint_unless_told_not_to(course: Toy) -> None:
    path = course.project.checkpoints_dir / "checkpoint_00_boxes.py"
    path.write_text(CHECKPOINT.replace("== 4", "== 5").replace("is 4", "is 5"), encoding="utf-8")
    text = fail(course.project.root, "module", "complete", "alpha")
    assert "Box.double: twice 2 is 5" in text and "not complete" in text, text
    assert "was skipped" in succeed(course.project.root, "module", "complete", "alpha", "--skip-test")


def test_status_tells_taught_from_given(toy: Toy) -> None:
    text = succeed(toy.project.root, "module", "status", "beta")
    assert "you write (1): triple" in text and "given in helpers_given.py" in text, text
    path = toy.project.root / "modules/source/02_beta/beta_dev.py"
    path.write_text(strip_solutions(path.read_text(encoding="utf-8")), encoding="utf-8")
    text = succeed(toy.project.root, "module", "status", "beta")
    assert "you write (1): triple" in text, f"a student's file has no solution markers: {text}"
    row = records(succeed(toy.project.root, "module", "status", "alpha", "--json"))[-1]
    assert row["taught"] == ["bind", "Box.add", "Box.double"] and row["export"] == "not exported", row


def test_test_names_the_test_and_its_message(toy: Toy) -> None:
    toy.edit("alpha", "return TABLE[name](*values)", "return 4")
    text = fail(toy.project.root, "module", "test", "01_alpha")
    assert "test_table" in text and "bind: 1 + 2 is 3" in text and "alpha_dev.py:" in text, text
    done = tito(toy.project.root, "module", "test", "--all", "--json")
    assert done.returncode == 1
    assert records(done.stdout)[-1] == {"event": "result", "passed": 1, "total": 3}


def test_asserts_count_whatever_the_environment_says(toy: Toy) -> None:
    toy.edit("alpha", "return TABLE[name](*values)", "return 4")
    assert tito(toy.project.root, "module", "test", "alpha", PYTHONOPTIMIZE="1").returncode == 1


def test_course_check_names_file_and_line(toy: Toy) -> None:
    assert "3 modules keep the form" in succeed(toy.project.root, "course", "check")
    toy.edit("beta", "## Systems analysis", "## Something else")
    text = fail(toy.project.root, "course", "check")
    assert "modules/source/02_beta/beta_dev.py:" in text and "Systems analysis" in text, text
    rows = records(tito(toy.project.root, "course", "check", "beta", "--json").stdout)
    assert rows[-1]["findings"] == len(rows) - 1 > 0, rows


def test_a_syntax_error_is_one_sentence(toy: Toy) -> None:
    toy.edit("alpha", "return TABLE[name](*values)", "return TABLE[name](*values")
    for command in (("test", "alpha"), ("export", "alpha"), ("complete", "alpha")):
        text = fail(toy.project.root, "module", *command)
        assert "alpha_dev.py" in text and "never closed" in text, text
    assert toy.package() == {}


def test_export_one_module_keeps_the_others(toy: Toy) -> None:
    root = toy.project.root
    assert "alpha" in fail(root, "module", "export", "beta")
    succeed(root, "module", "export", "alpha")
    succeed(root, "module", "export", "beta")
    assert {"core/alpha.py", "core/beta.py"} <= set(toy.package())
    assert "core/gamma.py" in fail(root, "module", "export", "--all", "--check")
    succeed(root, "module", "export", "--all")
    succeed(root, "module", "export", "--all", "--check")


def test_export_refuses_to_overwrite_an_edited_file(toy: Toy) -> None:
    root = toy.project.root
    succeed(root, "module", "export", "--all")
    edited = toy.project.package_dir / "core" / "alpha.py"
    edited.chmod(0o644)
    edited.write_text(edited.read_text() + "# mine\n")
    assert "core/alpha.py" in fail(root, "module", "export", "--all")
    assert edited.read_text().endswith("# mine\n")
    text = succeed(root, "module", "export", "--all", "--force")
    kept = Path(text.strip().splitlines()[-1].split("kept in ")[1])
    assert (kept / "core" / "alpha.py").read_text().endswith("# mine\n")
    succeed(root, "module", "export", "--all", "--check")


def test_export_in_a_read_only_project(toy: Toy) -> None:
    root = toy.project.root
    succeed(root, "module", "export", "alpha")
    before = toy.package()
    root.chmod(0o555)
    try:
        text = fail(root, "module", "export", "--all")
    finally:
        root.chmod(0o755)
    assert "no permission" in text and text.count("\n") == 1, text
    assert toy.package() == before


def test_notebooks_never_overwrite_an_edited_one(toy: Toy) -> None:
    root = toy.project.root
    path = root / "notebooks" / "01_alpha.ipynb"
    assert "written   notebooks/01_alpha.ipynb" in succeed(root, "module", "notebooks", "alpha")
    first = path.read_bytes()
    assert "unchanged" in succeed(root, "module", "notebooks", "alpha")
    assert path.read_bytes() == first
    toy.edit("alpha", "Words.", "Other words.")
    assert "renewed" in succeed(root, "module", "notebooks", "alpha")
    notebook = json.loads(path.read_bytes())
    notebook["cells"][0]["source"] = ["my own words"]
    path.write_text(json.dumps(notebook))
    mine = path.read_bytes()
    text = succeed(root, "module", "notebooks", "alpha")
    assert "kept" in text and "01_alpha.from-source.ipynb" in text, text
    assert path.read_bytes() == mine


def test_a_notebook_holds_every_cell_with_its_grade_id(toy: Toy) -> None:
    succeed(toy.project.root, "module", "notebooks", "alpha")
    notebook = json.loads((toy.project.root / "notebooks" / "01_alpha.ipynb").read_bytes())
    ids = [cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in notebook["cells"]]
    assert {"alpha-workbench", "alpha-box", "test-alpha-box", "alpha-q1"} <= set(ids), ids
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


def test_a_broken_notebook_is_left_alone(toy: Toy) -> None:
    path = toy.project.root / "notebooks" / "01_alpha.ipynb"
    path.parent.mkdir()
    path.write_text("{ half a notebook")
    assert "notebooks/01_alpha.ipynb" in fail(toy.project.root, "module", "notebooks", "alpha", code=2)
    assert path.read_text() == "{ half a notebook"
