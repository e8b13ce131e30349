"""A pytest plugin that writes the results of a checkpoint's tests as JSON Lines (results.py reads them back)."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

OPTION = "--checkpoint-report"
MESSAGE_CHARACTERS = 2_000
ERROR_LINE = re.compile(r"^E +(.*)$", re.MULTILINE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that names the file."""
    parser.addoption(OPTION, metavar="FILE", required=True, help="write each test's result to FILE as JSON Lines")


def pytest_configure(config: pytest.Config) -> None:
    """Start writing."""
    config.pluginmanager.register(Reporter(Path(config.getoption(OPTION))))


class Reporter:
    """Writes one line per test to `target`, and one at the end."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.waiting: set[str] = set()  # node ids of the tests that have not come to their end

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """What is to run."""
        self.waiting = {item.nodeid for item in session.items}

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """One less."""
        self.waiting.discard(nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A line when the test was called, and one for a fixture that failed."""
        report = yield
        if report.when == "call" or report.outcome != "passed":
            exception, where = _origin(call)
            message = _message(report.longrepr) if report.outcome != "passed" else ""
            self._write(
                {
                    "event": "test",
                    "test": item.name,
                    "outcome": report.outcome,
                    "exception": exception,
                    "message": message,
                    "where": where,
                    "seconds": round(report.duration, 4),
                    "data": str(dict(report.user_properties).get("data", "")),
                }
            )
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A line for a file that could not be imported: none of its tests ran."""
        if report.failed:
            errors = ERROR_LINE.findall(str(report.longrepr)) or str(report.longrepr).strip().splitlines()
            self._write({"event": "test", "test": "import", "outcome": "failed", "message": errors[-1]})

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """The last line: the process came to its end."""
        self._write({"event": "end", "exit": int(exitstatus), "not_run": len(self.waiting)})

    def _write(self, row: dict[str, Any]) -> None:
        with self.target.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _origin(call: pytest.CallInfo[None]) -> tuple[str, str]:
    """Type of the exception and `file:line` where it was raised; empty when there was none."""
    if call.excinfo is None:
        return "", ""
    where = ""
    if call.excinfo.traceback:
        entry = call.excinfo.traceback[-1]
        where = f"{Path(str(entry.path)).name}:{entry.lineno + 1}"
    return call.excinfo.type.__name__, where


def _message(longrepr: Any) -> str:
    """What the assertion says, without the values that pytest adds to a message that is there already."""
    crash = getattr(longrepr, "reprcrash", None)
    text = crash.message if crash else str(longrepr or "")
    text = text.removeprefix("AssertionError: ").removeprefix("Failed: ")
    head, found, _ = text.partition("\nassert ")
    return (head if found else text)[:MESSAGE_CHARACTERS]
