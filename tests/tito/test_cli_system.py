"""`tito system doctor|info`: what is wrong, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tito.command import records, succeed, tito
from tests.tito.toy import Toy
from tito.doctor import Grade, check_requirement


def findings(toy: Toy, code: int = 0) -> dict[str, dict[str, Any]]:
    """What the doctor finds, by question."""
    done = tito(toy.project.root, "system", "doctor", "--json")
    assert done.returncode == code, done
    return {row["question"]: row for row in records(done.stdout)[:-1]}


def test_doctor_answers_every_question(toy: Toy) -> None:
    succeed(toy.project.root, "module", "export", "--all")
    found = findings(toy)
    assert {"Python", "numpy", "numba", "typer", "pytest", "project", "disk", "package", "processors", "BLAS"} <= set(
        found
    )
    assert found["package"]["grade"] == "ok" and "3 of 3 modules" in found["package"]["found"], found["package"]
    assert found["numpy"]["grade"] == "ok" and "(>=" in found["numpy"]["found"], found["numpy"]


def test_doctor_says_what_to_do_about_the_package(toy: Toy) -> None:
    assert "nothing is exported" in findings(toy)["package"]["found"]
    succeed(toy.project.root, "module", "export", "--all")
    toy.edit("beta", "box.double().add(box)", "box.add(box.double())")
    package = findings(toy)["package"]
    assert package["grade"] == "warn" and "tito module export" in package["advice"], package


def test_doctor_fails_where_the_project_cannot_be_written(toy: Toy) -> None:
    toy.project.root.chmod(0o555)
    try:
        project = findings(toy, code=1)["project"]
    finally:
        toy.project.root.chmod(0o755)
    assert project["grade"] == "fail" and "chmod u+w" in project["advice"], project


def test_doctor_table_ends_with_the_counts(toy: Toy) -> None:
    text = succeed(toy.project.root, "system", "doctor")
    assert text.splitlines()[-1].endswith("0 to mend."), text


@pytest.mark.parametrize(
    ("requirement", "grade", "found"),
    [
        ("numpy>=2.0", Grade.OK, "(>=2.0)"),
        ("numpy>=99", Grade.FAIL, ">=99 is required"),
        ("no-such-package>=1", Grade.FAIL, "missing, >=1 is required"),
    ],
)
def test_a_requirement_is_held_against_what_is_installed(requirement: str, grade: Grade, found: str) -> None:
    finding = check_requirement(requirement)
    assert finding.grade is grade and found in finding.found, finding
    assert bool(finding.advice) == (grade is Grade.FAIL), finding


def test_info(toy: Toy) -> None:
    row = records(succeed(toy.project.root, "system", "info", "--json"))[0]
    assert (row["modules"], row["exported"], row["project"]) == (3, 0, str(toy.project.root)), row
    assert row["kernels"] == {}, row


@pytest.mark.parametrize(
    ("environment", "kernels"),
    [
        ({"TINYTORCH_BACKEND": "numpy"}, "the reference alone"),
        ({"TINYTORCH_BACKEND": "foo"}, "expected one of auto, numpy, numba, found 'foo'"),
        ({}, "the reference alone"),
    ],
)
def test_info_names_the_kernels_that_would_run(tmp_path: Path, environment: dict[str, str], kernels: str) -> None:
    """The last machine has a Numba that cannot be imported."""
    if not environment:
        (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['llvmlite'] = None\n", encoding="utf-8")
        environment = {"PYTHONPATH": str(tmp_path)}
    done = tito(Path(__file__).parents[2], "system", "info", **environment, COLUMNS="200")
    assert done.returncode == 0 and kernels in " ".join(done.stdout.split()), done
