"""The table solutions × killed by: each solution replaced by its stub, and what notices it, by every route.

    python -m tests.solutions_table                  all modules (some minutes: a process or a kernel for each case)
    python -m tests.solutions_table tensor layers    some modules
    python -m tests.solutions_table --fast           the fork server in place of the three slow routes

In every route but `checkpoint` the solved course is exported beside the stub. Ends with 1 if a stub survives a route.
"""

from __future__ import annotations

import sys

from tests.course.cases import Stub, stubs, the_course
from tests.course.examiner import Examiner, Verdict
from tito.console import say, table

SLOW = {"command": "tito module test", "file": "running the file", "notebook": "notebook kernel"}
FAST = {"module_tests": "module tests"}
CHECKPOINT = {"checkpoint": "checkpoint"}


def killer(stub: Stub, verdict: Verdict) -> str:
    """The first failure that names the function, as the table shows it; `survives` if there is none."""
    for failure in verdict.failures:
        if stub.sought.fits(failure.test, failure.exception, failure.message):
            return f"{failure.test} ({failure.exception.removesuffix('Error')})"
    return f"SURVIVES: {verdict}".splitlines()[0]


def main(arguments: list[str]) -> int:
    """Print the table; return the exit code."""
    project, course = the_course()
    routes = {**(FAST if "--fast" in arguments else SLOW), **CHECKPOINT}
    names = [argument for argument in arguments if not argument.startswith("--")]
    modules = [course.module(name) for name in names] or list(course.modules)
    cases = [stub for module in modules for stub in stubs(project, module)]
    with Examiner(project, course, workers=2) as examiner:
        running = [
            [examiner.submit(route, case.module, case.source, case.sought) for route in routes] for case in cases
        ]
        rows = []
        for case, futures in zip(cases, running, strict=True):
            rows.append((str(case), *(killer(case, future.result()) for future in futures)))
            print(f"\r{len(rows)} of {len(cases)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    table(("solution replaced by its stub", *routes.values()), rows)
    survivors = sum(cell.startswith("SURVIVES") for row in rows for cell in row[1:])
    say(f"{len(cases)} solutions, {len(routes)} routes, {survivors} survivals.")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
