"""One examiner for all tests here. Its cases start with the session and run beside all other tests; these come last."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.course.cases import Mutant, Stub, the_course
from tests.course.examiner import Examiner, Verdict

Verdicts = dict[tuple[str, str], Future[Verdict]]
EXAMINER = pytest.StashKey[Examiner]()
VERDICTS = pytest.StashKey[Verdicts]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests here wait for the examiner, so they come when it has had most time."""
    items.sort(key=lambda item: Path(__file__).parent in item.path.parents)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start every selected case: (route, case) -> the verdict to come."""
    if session.config.option.collectonly:
        return
    started: Verdicts = {}
    for item in session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        case, route = parameters.get("case"), parameters.get("route")
        if isinstance(case, Stub | Mutant) and isinstance(route, str):
            examiner = session.stash.get(EXAMINER, None) or _open(session)
            started[route, str(case)] = examiner.submit(route, case.module, case.source)
    session.stash[VERDICTS] = started


def _open(session: pytest.Session) -> Examiner:
    session.stash[EXAMINER] = examiner = Examiner(*the_course())
    return examiner


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what still runs."""
    examiner = session.stash.get(EXAMINER, None)
    if examiner is not None:
        examiner.__exit__()


@pytest.fixture(scope="session")
def examiner(request: pytest.FixtureRequest) -> Examiner:
    """An examiner of this repository's course."""
    return request.session.stash.get(EXAMINER, None) or _open(request.session)


@pytest.fixture(scope="session")
def verdicts(request: pytest.FixtureRequest) -> Verdicts:
    """(route, case) -> the verdict to come, for every selected test that has both parameters."""
    return request.session.stash[VERDICTS]
