"""The cases of the tests here start with the session and run beside all other tests; these come last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.course.background import Background
from tests.course.cases import Mutant, Stub, the_course
from tests.course.examiner import Examiner

BACKGROUND = pytest.StashKey[Background]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests here wait for the examiner, so they come when it has had most time."""
    items.sort(key=lambda item: Path(__file__).parent in item.path.parents)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start every selected case that has a route."""
    cases = {}
    for item in session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        case, route = parameters.get("case"), parameters.get("route")
        if isinstance(case, Stub | Mutant) and isinstance(route, str):
            cases[route, str(case)] = case
    if cases and not session.config.option.collectonly:
        session.stash[BACKGROUND] = Background(cases)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what still runs."""
    if BACKGROUND in session.stash:
        session.stash[BACKGROUND].close()


@pytest.fixture(scope="session")
def background(request: pytest.FixtureRequest) -> Background:
    """The verdicts on all selected cases, by (route, name of the case)."""
    return request.session.stash[BACKGROUND]


@pytest.fixture(scope="session")
def examiner() -> Iterator[Examiner]:
    """An examiner of this repository's course, for whatever is not a case."""
    with Examiner(*the_course()) as opened:
        yield opened
