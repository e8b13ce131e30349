"""Every row of the operation table: results, derivatives, dtypes, in-place forms, refusals, edges.

`HYPOTHESIS_PROFILE=thorough` runs 200 cases for each where usually there are a few.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from tests.operations import checks
from tests.operations.cases import Case
from tests.operations.table import Edge, Operation, Refused, table

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
ROWS = table()
DIFFERENTIABLE = [row for row in ROWS if row.gradient is True]


def for_all(operation: Operation, check: Callable[[Case], None], examples: int) -> None:
    """Run `check` at a few cases of a row, the same ones each time; report the smallest that fails."""
    if not isinstance(operation.cases, SearchStrategy):
        for case in operation.cases:
            check(case)
        return

    @settings(max_examples=200 if THOROUGH else examples, derandomize=not THOROUGH, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(operation.cases)
    def run(case: Case) -> None:
        check(case)

    run()


@pytest.mark.parametrize("row", [row for row in ROWS if callable(row.reference)], ids=str)
def test_result_is_the_references(row: Operation) -> None:
    def check(case: Case) -> None:
        checks.check_forward(row, case, "float64")
        checks.check_forward(row, case, "float32")

    for_all(row, check, 12)


@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=str)
def test_gradient_is_the_slope(row: Operation) -> None:
    for_all(row, lambda case: checks.check_gradient(row, case), 10)


@pytest.mark.parametrize("row", [row for row in DIFFERENTIABLE if row.second is True], ids=str)
def test_second_derivative_is_the_slope_of_the_gradient(row: Operation) -> None:
    for_all(row, lambda case: checks.check_second(row, case), 8)


@pytest.mark.parametrize("row", [row for row in ROWS if row.gradient is not True], ids=str)
def test_without_a_gradient_nothing_is_recorded(row: Operation) -> None:
    for_all(row, lambda case: checks.check_no_gradient(row, case), 2)


@pytest.mark.parametrize(("row", "dtype"), [(row, d) for row in ROWS for d in row.dtypes], ids=str)
def test_dtype_of_the_result(row: Operation, dtype: str) -> None:
    for_all(row, lambda case: checks.check_dtype(row, case, dtype, row.dtypes[dtype]), 3)


@pytest.mark.parametrize("row", [row for row in ROWS if row.in_place], ids=str)
def test_in_place_is_the_same(row: Operation) -> None:
    def check(case: Case) -> None:
        for form in checks.in_place_forms(row):
            checks.check_in_place(row, case, form, recorded=False)
            checks.check_in_place(row, case, form, recorded=True)

    for_all(row, check, 8)


@pytest.mark.parametrize(
    "refused", [pytest.param(e, id=f"{row}-{i}") for row in ROWS for i, e in enumerate(row.errors)]
)
def test_bad_input_is_refused_in_a_sentence(refused: Refused) -> None:
    with pytest.raises(refused.error, match=refused.words) as raised:
        refused.call()
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("row", "edge"), [pytest.param(row, e, id=f"{row}-{i}") for row in ROWS for i, e in enumerate(row.edges)]
)
def test_edge_behaves_as_written(row: Operation, edge: Edge) -> None:
    checks.check_edge(row, edge)
