"""How far a wrong solution is examined: until one test has failed as it must.

A wrong solution must fail a test with a certain message. The tests behind that one, the training runs among them, say
nothing more about it: so the tests nearest to it run first, and the first fitting failure is the last. Right solutions
run every test (test_solved_module_passes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import pytest

from tito.checkpoints.results import read

WORD = re.compile(r"[A-Za-z_]\w{2,}")


@dataclass(frozen=True)
class Sought:
    """The failure that a wrong solution must bring.

    pattern: a regular expression for "test: exception: message". line: where the wrong solution begins in its module.
    about: text that has words in common with the tests of a checkpoint that are near.
    """

    pattern: str = ""
    line: int = 0
    about: str = ""

    def fits(self, test: str, exception: str, message: str) -> bool:
        """Whether this is the failure."""
        return re.search(self.pattern, f"{test}: {exception}: {message}") is not None

    def nearness(self, text: str) -> int:
        """How much a test's text has in common with what is sought; most, if it says the same sentence."""
        wanted, there = (set(WORD.findall(each)) for each in (self.about, text))
        return len(wanted & there) + 1000 * (self.about in text)


class Until:
    """A plugin for pytest that orders a checkpoint's tests and stops when their results in `target` say enough."""

    def __init__(self, sought: Sought, target: Path) -> None:
        self.sought, self.target = sought, target

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """The nearest tests first."""
        self.session = session
        nearness = {item: self._nearness(item) for item in items}
        items.sort(key=lambda item: -nearness[item])

    def pytest_runtest_logfinish(self) -> None:
        """Look at what has failed so far."""
        failed = [each for each in read(self.target)[0] if each.outcome != "passed"]
        if any(self.sought.fits(each.test, each.exception, each.message) for each in failed):
            self.session.shouldfail = "the failure sought has come"

    def _nearness(self, item: pytest.Item) -> int:
        code = getattr(getattr(item, "function", None), "__code__", None)
        return self.sought.nearness("\n".join([item.name, *_texts(code)])) if code else 0


def _texts(code: CodeType) -> Iterator[str]:
    """Names and strings of a function: quicker to come by than its source."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _texts(constant)
        elif isinstance(constant, str):
            yield constant
