"""The cases of the tests here start with the session and run beside all other tests; these come last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.course.background import Background
from tests.course.cases import Case

BACKGROUND = pytest.StashKey[Background]()


def _is_here(item: pytest.Item) -> bool:
    return Path(__file__).parent in item.path.parents


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests here wait for the examiner, so they come when it has had most time."""
    items.sort(key=_is_here)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start every selected case that has a route: one at a time beside other tests, two when there are none."""
    cases = {}
    for item in session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        case, route = parameters.get("case"), parameters.get("route")
        if isinstance(case, Case) and isinstance(route, str):
            cases[route, str(case)] = case
    if cases and not session.config.option.collectonly:
        workers = 2 if all(map(_is_here, session.items)) else 1
        session.stash[BACKGROUND] = Background(cases, workers)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what still runs."""
    if BACKGROUND in session.stash:
        session.stash[BACKGROUND].close()


@pytest.fixture(scope="session")
def background(request: pytest.FixtureRequest) -> Background:
    """The verdicts on all selected cases, by (route, name of the case)."""
    return request.session.stash[BACKGROUND]
