"""The table notices wrong gradient rules: one mutant of each kind. All of them: python -m tests.mutate_vjps."""

from __future__ import annotations

import os

from tests.mutate_vjps.rules import Mutant, all_mutants
from tests.mutate_vjps.run import run, suite_of

RULES = ("mul", "div", "matmul", "exp", "relu", "maximum", "where", "tanh", "softmax", "mean", "sum", "neg")


def representatives() -> list[Mutant]:
    """Return the first mutant of each kind."""
    found: dict[str, Mutant] = {}
    for mutant in all_mutants(RULES):
        if mutant.function.startswith(("rule of", "mul_vjp", "div_vjp", "exp_vjp", "sum_vjp", "_softmax", "mul")):
            found.setdefault(mutant.what, mutant)
    return list(found.values())


def test_one_mutant_of_each_kind_is_killed() -> None:
    mutants = representatives()
    assert len(mutants) >= 12, f"expected a dozen kinds of mutants, found {sorted(m.what for m in mutants)}"
    survivors = run(mutants, jobs=max(1, min(2, len(os.sched_getaffinity(0)))))
    assert not survivors, "\n".join(m.name for m in survivors)


def test_the_right_rules_pass_what_kills_the_mutants() -> None:
    for check in suite_of(name for m in representatives() for name in m.primitives):
        check()
