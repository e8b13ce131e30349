"""Run the operation table on mutants: each in a forked child, which stops at the first check that fails."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from tests.mutate_vjps.rules import Mutant
from tests.operations import checks
from tests.operations.cases import Case
from tests.operations.table import Operation, rows_of

SECONDS = 60


@functools.cache
def cases_of(row: Operation, examples: int) -> tuple[Case, ...]:
    """Return cases of a row as the suite draws them."""
    found = []
    if not isinstance(row.cases, SearchStrategy):
        return tuple(row.cases)

    @settings(max_examples=examples, derandomize=True, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(row.cases)
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return tuple(found)


def checks_of(row: Operation) -> Iterator[Callable[[], None]]:
    """Yield what the suite demands of a row's derivatives and values, as the suite does.

    The values too: a helper that the forward pass and its gradient share may be wrong in both alike.
    """
    for case in cases_of(row, 10) if row.gradient is True else ():
        yield functools.partial(checks.check_gradient, row, case)
    if row.gradient is True and row.second is True:
        for case in cases_of(row, 8):
            yield functools.partial(checks.check_second, row, case)
    for edge in row.edges:
        yield functools.partial(checks.check_edge, row, edge)
    for case in cases_of(row, 12) if callable(row.reference) else ():
        for dtype in ("float64", "float32"):
            yield functools.partial(checks.check_forward, row, case, dtype)
    if row.in_place and row.gradient is True:
        for case in cases_of(row, 8):
            for form in checks.in_place_forms(row):
                yield functools.partial(checks.check_in_place, row, case, form, True)


def suite_of(primitives: Iterable[str]) -> list[Callable[[], None]]:
    """Return the checks of all rows that prove these primitives."""
    rows = dict.fromkeys(row for name in primitives for row in rows_of(name))
    return [check for row in rows for check in checks_of(row)]


def survives(mutant: Mutant) -> bool:
    """Return whether no check fails with the mutant in place. Only in a child: nothing is put back."""
    suite = suite_of(mutant.primitives)
    mutant.install()
    for check in suite:
        try:
            with np.errstate(all="ignore"):
                check()
        except Exception:
            return False
    return True


def run(mutants: list[Mutant], jobs: int = 2) -> list[Mutant]:
    """Return the mutants that survive."""
    waiting, running, survivors = list(enumerate(mutants)), {}, []
    while waiting or running:
        while waiting and len(running) < jobs:
            place, mutant = waiting.pop(0)
            suite_of(mutant.primitives)                 # drawn here once, not in each child
            child = os.fork()
            if child == 0:
                os._exit(in_child(mutant))
            running[child] = place
        child, status = os.wait()
        place = running.pop(child, None)
        if place is not None and os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            survivors.append(place)
    return [mutants[place] for place in sorted(survivors)]


def in_child(mutant: Mutant) -> int:
    """Return 0 if the mutant survives, 1 if it is killed; one that hangs is killed by the alarm."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    with suppress(BaseException), open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        return 0 if survives(mutant) else 1
    return 1
