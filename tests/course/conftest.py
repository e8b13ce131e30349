"""The cases of a file here are examined together, in processes of their own, from the first test on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.course.background import Background
from tests.course.cases import Case


@pytest.fixture(scope="module")
def background(request: pytest.FixtureRequest) -> Iterator[Background]:
    """The verdicts on all selected cases of the file, by (route, name of the case)."""
    cases = {}
    for item in request.session.items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        case, route = parameters.get("case"), parameters.get("route")
        if item.path == request.path and isinstance(case, Case) and isinstance(route, str):
            cases[route, str(case)] = case
    beside = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # processes that run tests
    with closing(Background(cases, workers=1 if beside > 1 else 2)) as started:
        yield started
