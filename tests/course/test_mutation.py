"""The generic mutants of the solutions: what the rules make, and that a mutant is examined as it should be.

The whole table is `python -m tests.mutate_solutions`, which takes too long to be a test.
"""

from __future__ import annotations

import ast
import textwrap

import pytest

from tests.course.cases import solved_source, the_course
from tests.course.examiner import Examiner
from tests.course.mutation import mutated_regions, mutations
from tests.course.until import Sought
from tests.mutate_solutions import CHECKPOINT, SURVIVES, TESTS, examine, explained, key, sample
from tito.course.solutions import find_regions

PROJECT, COURSE = the_course()
MUTATIONS = [mutation for module in COURSE.modules for mutation in mutations(PROJECT, module)]


def changes(body: str, head: str = "def f(x, n=2):") -> set[str]:
    """Every mutation of a function with that body, as "before -> after" of the lines that differ."""
    lines = ["### BEGIN SOLUTION", *textwrap.dedent(body).strip().split("\n"), "### END SOLUTION"]
    source = "# %%\n" + head + "\n" + textwrap.indent("\n".join(lines), "    ") + "\n"
    (region,) = find_regions(source, "a text")
    found = set()
    for _, change, text in mutated_regions(source, ast.parse(source), region):
        compile(text, "a mutant", "exec")
        assert text != source
        found.add(change.replace("- ", "", 1).replace("\n+ ", " -> "))
    return found


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return x + n", {"return x - n", "return x", "return n"}),
        ("return x - n", {"return x + n", "return n - x", "return x", "return n"}),
        ("return x @ n", {"return n @ x", "return x", "return n"}),
        ("return -x", {"return x"}),
        ("return x < n", {"return x <= n", "return x > n"}),
        ("return x is n", {"return x is not n"}),
        ("return x and n", {"return x or n", "return x", "return n"}),
        ("return x if n else f", {"return x if not n else f", "return x", "return f"}),
        ("return x.sum(axis=1)", {"return x.sum(axis=2)", "return x.sum(axis=0)", "return x.sum()", "return x",
                                  "return x.mean(axis=1)"}),
        ("return f(x, keepdims=True)", {"return f(x, keepdims=False)", "return f(x)", "return x"}),
        ("return f(x, n)", {"return f(n, x)", "return x"}),
        ("return range(n)", {"return range(n - 1)", "return n"}),
        ("return x[n:]", {"return x[:]"}),
        ("return [y for y in x if y]", {"return [y for y in x if not y]", "return [y for y in x]"}),
        ("x.update(n)\nreturn x", {"x.update(n) -> pass"}),
        ("x.n = None\nreturn x", {"x.n = None -> pass"}),
        ("x += n\nreturn x", {"x += n -> x -= n", "x += n -> x = n", "x += n -> pass"}),
        ("y = x\nreturn y", set()),
        ("raise ValueError(f'{x + 1} is ' + 'wrong')", {"raise ValueError(f'{x + 1} is ' + 'wrong') -> pass"}),
        ("'text'\nreturn 'text'", set()),
    ],
)  # fmt: skip
def test_rules(body: str, expected: set[str]) -> None:
    line = body.split("\n")[0]
    wanted = {each if " -> " in each else f"{line} -> {each}" for each in expected}
    assert changes(body) == wanted | {"+ n = 2"}, "an argument with a default can also be ignored"


def test_every_module_is_mutated_and_no_text_comes_twice() -> None:
    counts = {module.name: sum(each.module is module for each in MUTATIONS) for module in COURSE.modules}
    assert min(counts.values()) >= 50, f"too few mutants: {counts}"
    assert len({(each.module.name, each.source) for each in MUTATIONS}) == len(MUTATIONS)


def test_a_sample_is_spread_evenly_and_the_same_each_time() -> None:
    assert sample(range(10), 2) == [2, 7] and sample(range(3), 5) == [0, 1, 2] and len(sample(range(99), 13)) == 13


def test_every_explained_survivor_is_a_mutant_of_today() -> None:
    rows, there = explained(), {key(mutation) for mutation in MUTATIONS}
    gone = [where for where in rows if where not in there]
    assert not gone, f"tests/mutants/survivors.toml explains mutants that do not exist (any more): {gone}"
    assert all(len(reason) > 10 for reason in rows.values())


def test_survivors_are_fewer_than_one_in_ten() -> None:
    rows = explained()
    living = sum(key(mutation) in rows for mutation in MUTATIONS)
    assert 0 < living <= 0.1 * len(MUTATIONS), f"{living} of {len(MUTATIONS)} mutants are listed as survivors"


def test_mutants_are_examined() -> None:
    rows = explained()
    living = next(each for each in MUTATIONS if key(each) in rows)
    dead = next(each for each in MUTATIONS if each.module is living.module and key(each) not in rows)
    assert examine([living, dead], workers=1) in ([SURVIVES, TESTS], [SURVIVES, CHECKPOINT])


def test_a_solution_that_never_ends_is_killed() -> None:
    module = COURSE.module("03_activations")
    source = solved_source(PROJECT, module)
    region = find_regions(source, module.dev_path)[0]
    lines = source.split("\n")
    lines.insert(region.start, f"{region.indent}while True: pass")
    with Examiner(PROJECT, COURSE, workers=1) as examiner:
        verdict = examiner.module_tests(module, "\n".join(lines), Sought(line=region.start), cpu_seconds=2)
    assert verdict.ended.startswith("the tests ended with -9")
