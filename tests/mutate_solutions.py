"""The table mutants × killed by: every graded solution changed in one place after another, and what notices it.

    python -m tests.mutate_solutions                  all modules (half an hour)
    python -m tests.mutate_solutions tensor layers    some modules
    python -m tests.mutate_solutions --sample 100     so many mutants, spread evenly over the modules named
    python -m tests.mutate_solutions --list           show the mutants, run nothing

The rules are in tests/course/mutation.py. A mutant runs against its module's own tests and, if they pass, against the
module's checkpoint; one that needs more than CPU_SECONDS is killed too. A survivor must stand, with the reason, in
tests/mutants/survivors.toml. Ends with 1 if one does not, if a row there is out of date, or if too few are killed.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.course.cases import solved_source, the_course
from tests.course.examiner import Examiner
from tests.course.mutation import Mutation, mutations
from tests.course.until import Sought
from tito.console import say, table
from tito.course.model import Module

SURVIVORS = Path(__file__).parent / "mutants" / "survivors.toml"
AT_LEAST = 0.9  # of the mutants must be killed
CPU_SECONDS = 30  # the slowest module's tests take 3
TESTS, CHECKPOINT, SURVIVES = "module tests", "checkpoint", "survives"

Key = tuple[str, str, str]  # module, function, change


def key(mutation: Mutation) -> Key:
    """What a row of survivors.toml names a mutant by."""
    return mutation.module.name, mutation.qualname, mutation.change


def explained() -> dict[Key, str]:
    """The survivors that are known, each with the reason why it may live."""
    rows = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivor", [])
    return {(row["module"], row["function"], row["change"].strip()): row["reason"] for row in rows}


def sample(items: Sequence[Mutation], count: int | None) -> list[Mutation]:
    """`count` of the items at even distances, the same ones each time; all without a count."""
    if count is None or count >= len(items):
        return list(items)
    return [items[(2 * i + 1) * len(items) // (2 * count)] for i in range(count)]


def killer(examiner: Examiner, mutation: Mutation) -> str:
    """What notices the mutant: TESTS, CHECKPOINT or nothing (SURVIVES)."""
    any_failure = Sought(line=mutation.line)
    if not examiner.module_tests(mutation.module, mutation.source, any_failure, CPU_SECONDS).passed:
        return TESTS
    verdict = examiner.checkpoint(mutation.module, mutation.source, any_failure, CPU_SECONDS)
    return SURVIVES if verdict.passed else CHECKPOINT


def refuse_a_broken_course(examiner: Examiner, modules: Sequence[Module]) -> None:
    """Raise RuntimeError unless the solutions pass as they are: tests that fail anyway would kill every mutant."""
    for module in modules:
        source = solved_source(examiner.project, module)
        for examined in (examiner.module_tests, examiner.checkpoint):
            verdict = examined(module, source, Sought(), CPU_SECONDS)
            if not verdict.passed:
                raise RuntimeError(f"{module.name} does not pass as it is, so no mutant says anything: {verdict}")


def examine(found: Sequence[Mutation], workers: int) -> list[str]:
    """The killer of every mutant, in order."""
    project, course = the_course()
    killers = []
    with Examiner(project, course, workers) as examiner, ThreadPoolExecutor(workers) as pool:
        refuse_a_broken_course(examiner, list(dict.fromkeys(mutation.module for mutation in found)))
        for done in pool.map(lambda mutation: killer(examiner, mutation), found):
            killers.append(done)
            print(f"\r{len(killers)} of {len(found)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return killers


def report(found: Sequence[Mutation], killers: Sequence[str], *, whole: bool) -> int:
    """Print the table and the survivors; return the exit code. `whole`: no mutant of these modules was left out."""
    counts = Counter((mutation.module.name, by) for mutation, by in zip(found, killers, strict=True))
    names = list(dict.fromkeys(mutation.module.name for mutation in found))
    totals = {by: sum(counts[name, by] for name in names) for by in (TESTS, CHECKPOINT, SURVIVES)}
    rows = [(name, *(counts[name, by] for by in totals)) for name in names] + [("total", *totals.values())]
    table(("module", "mutants", *totals), [(name, str(sum(each)), *map(str, each)) for name, *each in rows])
    known = explained()
    living = {key(mutation): mutation for mutation, by in zip(found, killers, strict=True) if by == SURVIVES}
    for where, mutation in living.items():
        say(f"\n{mutation}\n{mutation.change}\n  {known.get(where, 'NOT EXPLAINED in ' + SURVIVORS.name)}")
    unexplained = [where for where in living if where not in known]
    dated = [where for where in known if whole and where[0] in names and where not in living]
    for where in dated:
        say(f"\nNO LONGER A SURVIVOR, take it out of {SURVIVORS.name}: {where[0]} {where[1]}\n{where[2]}")
    share = 1 - totals[SURVIVES] / len(found)
    say(f"\n{len(found) - totals[SURVIVES]} of {len(found)} mutants killed ({share:.1%}); "
        f"{len(living) - len(unexplained)} survivors explained, {len(unexplained)} not.")  # fmt: skip
    return 1 if unexplained or dated or share < AT_LEAST else 0


def main(arguments: Sequence[str]) -> int:
    """Read the options, run, report."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutate_solutions")
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--sample", type=int, metavar="N")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    options = parser.parse_args(arguments)
    project, course = the_course()
    modules = [course.module(name) for name in options.modules] or course.modules
    every = [mutation for module in modules for mutation in mutations(project, module)]
    found = sample(every, options.sample)
    if options.list:
        for mutation in found:
            say(f"{mutation}\n{mutation.change}\n")
        return 0
    return report(found, examine(found, options.workers), whole=len(found) == len(every))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
