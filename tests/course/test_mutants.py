"""A plausible wrong solution fails the checkpoint, with a message that names the misconception."""

from __future__ import annotations

import pytest

from tests.course.background import Background
from tests.course.cases import Mutant, mutants, the_course

PROJECT, COURSE = the_course()
MUTANTS = {module.name: mutants(PROJECT, module) for module in COURSE.modules}
AT_LEAST = 3


@pytest.mark.parametrize("route", ["checkpoint"])
@pytest.mark.parametrize("case", [mutant for each in MUTANTS.values() for mutant in each], ids=str)
def test_mutant_fails_its_checkpoint(case: Mutant, route: str, background: Background) -> None:
    verdict = background.verdict((route, str(case)))
    assert verdict.failures, f"{case} passes its checkpoint ({verdict})"
    assert case.message in str(verdict), f"{case}: expected {case.message!r} in the failures, found:\n{verdict}"


@pytest.mark.parametrize("name", MUTANTS)
def test_every_module_has_mutants(name: str) -> None:
    assert len(MUTANTS[name]) >= AT_LEAST, f"{name}: {len(MUTANTS[name])} mutants in tests/mutants, not {AT_LEAST}"
