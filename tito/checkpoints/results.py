"""What a checkpoint's run gives: one Result per test, one Outcome for the whole.

While the tests run they are written as JSON Lines (report.py writes, `read` reads):

    {"event": "test", "test": "test_matmul", "outcome": "failed", "exception": …, "message": …, "where": …, …}
    {"event": "end", "exit": 1, "not_run": 0}        # missing when the process died
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tito.course.model import Checkpoint

REFUSED = "exported_from_present_source"  # the one test of a checkpoint file whose package is stale


@dataclass(frozen=True)
class Result:
    """One test: `outcome` is passed, failed or skipped; exception, message and where are empty unless it failed.

    `data` names the data set that it used, if it says so by pytest's `record_property("data", …)`.
    """

    test: str
    outcome: str
    exception: str = ""
    message: str = ""
    where: str = ""
    seconds: float = 0.0
    data: str = ""


@dataclass(frozen=True)
class Outcome:
    """A checkpoint's run. `problem` is one sentence when it could not run (stale export, timeout, crash).

    `sources` are the hashes of the module sources that it rests on; `output` is what pytest printed.
    """

    checkpoint: Checkpoint
    results: tuple[Result, ...]
    problem: str
    output: str
    seconds: float
    sources: dict[str, str]

    @property
    def passed(self) -> bool:
        """At least one test ran, every test passed, and the run came to its end on the present export."""
        return not self.problem and bool(self.results) and not self.failures

    @property
    def failures(self) -> tuple[Result, ...]:
        """The tests that did not pass; a skipped test has not passed."""
        return tuple(result for result in self.results if result.outcome != "passed")

    @property
    def data(self) -> str:
        """The data sets that the tests used, real ones or what stood in for them; empty where none was needed."""
        return ", ".join(dict.fromkeys(result.data for result in self.results if result.data))

    @property
    def message(self) -> str:
        """Why it did not pass, in short; empty when it did."""
        if self.problem or not self.failures:
            return self.problem
        return f"{self.failures[0].test}: {self.failures[0].message}"


@dataclass(frozen=True)
class End:
    """How pytest ended: its exit status, and the number of tests that it had not run to their end."""

    exit: int
    not_run: int


def read(target: Path) -> tuple[tuple[Result, ...], End | None]:
    """The results in `target` and pytest's end; None when the process did not come to its end."""
    results: list[Result] = []
    end: End | None = None
    text = target.read_text(encoding="utf-8", errors="replace") if target.exists() else ""
    for line in text.split("\n")[:-1]:  # a line that a kill cut short is left out
        row = json.loads(line)
        if row.pop("event") == "end":
            end = End(**row)
        else:
            results.append(Result(**row))
    return tuple(results), end


def judge(
    checkpoint: Checkpoint,
    target: Path,
    *,
    output: str,
    seconds: float,
    sources: dict[str, str],
    ended: str = "",
) -> Outcome:
    """The outcome of a run that wrote its results to `target`.

    `ended` says in a few words how the process ended if it did not end by itself ("it ran past 300 s").
    """
    results, end = read(target)
    name = f"checkpoint {checkpoint.number:02d}"
    refusal = next((result for result in results if result.test == REFUSED), None)
    if refusal:
        results, problem = (), refusal.message
    elif ended:
        problem = f"expected {name} to come to its end, found that {ended}: look for a loop that never ends"
    elif end is None:
        lines = output.split("\n")
        last = next((f" ({line.strip()[:200]})" for line in reversed(lines) if line.strip()), "")
        problem = (
            f"expected {name} to come to its end, found that its process died{last}: "
            f"run `tito checkpoint run {checkpoint.number} --verbose`"
        )
    elif not results:
        problem = f"expected tests in {checkpoint.file_name}, found that none ran (pytest's exit status {end.exit})"
    elif end.not_run:
        problem = (
            f"expected every test of {checkpoint.file_name} to run, found {end.not_run} that did not: "
            "what is tested must not end pytest"
        )
    elif end.exit != 0 and all(result.outcome == "passed" for result in results):
        problem = (
            f"expected pytest to end with 0, found {end.exit}: run `tito checkpoint run {checkpoint.number} --verbose`"
        )
    else:
        problem = ""
    return Outcome(checkpoint, results, problem, output, seconds, sources)
