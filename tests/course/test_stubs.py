"""A solution that is not written is noticed, by every route, with a message that names the function."""

from __future__ import annotations

import pytest

from tests.course.background import Background
from tests.course.cases import EXPECTED, Solved, Stub, solved_source, stubs, the_course
from tests.course.examiner import Verdict

PROJECT, COURSE = the_course()
STUBS = {module.name: stubs(PROJECT, module) for module in COURSE.modules}
EVERY_STUB = [stub for each in STUBS.values() for stub in each]
FIRST_OF_A_MODULE = [each[0] for each in STUBS.values()]
MIDDLE_OF_A_MODULE = [each[len(each) // 2] for each in STUBS.values()]  # a notebook runs as far as that
BESIDE_THE_SOLVED_PACKAGE = [
    *(("command", stub) for stub in FIRST_OF_A_MODULE),
    *(("file", stub) for stub in FIRST_OF_A_MODULE),
    *(("notebook", stub) for stub in MIDDLE_OF_A_MODULE),
]


def assert_noticed(stub: Stub, verdict: Verdict) -> None:
    """Some test failed as a test does, and said the function's name; nothing failed for lack of an import."""
    assert verdict.failures, f"{stub}: nothing fails when it is not implemented ({verdict})"
    named = any(stub.sought.fits(f.test, f.exception, f.message) for f in verdict.failures)
    assert named, f"{stub}: no {' or '.join(EXPECTED)} names {stub.qualname}:\n{verdict}"
    imports = [f for f in verdict.failures if f.exception in ("ImportError", "ModuleNotFoundError", "")]
    assert not imports, f"{stub}: a failed import hides the reason:\n{verdict}"


@pytest.mark.parametrize("case", EVERY_STUB, ids=str)
@pytest.mark.parametrize("route", ["module_tests", "checkpoint"])
def test_stub_is_noticed(route: str, case: Stub, background: Background) -> None:
    assert_noticed(case, background.verdict((route, str(case))))


@pytest.mark.parametrize(("route", "case"), BESIDE_THE_SOLVED_PACKAGE, ids=str)
def test_stub_is_noticed_beside_the_solved_package(route: str, case: Stub, background: Background) -> None:
    assert_noticed(case, background.verdict((route, str(case))))


@pytest.mark.parametrize("case", [Solved(each, solved_source(PROJECT, each)) for each in COURSE.modules], ids=str)
@pytest.mark.parametrize("route", ["module_tests", "checkpoint"])
def test_solved_module_passes(route: str, case: Solved, background: Background) -> None:
    verdict = background.verdict((route, str(case)))
    assert verdict.passed, f"{case} does not pass by {route}:\n{verdict}"
