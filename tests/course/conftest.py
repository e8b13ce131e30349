"""One examiner for all tests here; the cases that were selected start at once, two at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from tests.course.cases import Mutant, Stub, the_course
from tests.course.examiner import Examiner, Verdict

Verdicts = dict[tuple[str, str], Future[Verdict]]


@pytest.fixture(scope="session")
def examiner() -> Iterator[Examiner]:
    """An examiner of this repository's course."""
    with Examiner(*the_course()) as opened:
        yield opened


@pytest.fixture(scope="session")
def verdicts(request: pytest.FixtureRequest, examiner: Examiner) -> Verdicts:
    """(route, case) -> the verdict to come, for every selected test that has both parameters."""
    started: Verdicts = {}
    for item in request.session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        case, route = parameters.get("case"), parameters.get("route")
        if isinstance(case, Stub | Mutant) and isinstance(route, str):
            started[route, str(case)] = examiner.submit(route, case.module, case.source)
    return started
