"""In which dtype operands meet, held against PyTorch's answers for every pair (frozen in tests/data/promotion.json)."""

import json
import operator
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import DTypeError, ShapeError, tensor
from tinytorch.core.engine import promote_operands, result_dtype

ROWS = json.loads((Path(__file__).parents[1] / "data" / "promotion.json").read_text(encoding="utf-8"))
SCALARS = {"bool": True, "int": 2, "float": 2.5}
OPERATIONS = {
    "add": operator.add,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "gt": operator.gt,
    "where": lambda a, b: tinytorch.where(tensor([True]), a, b),
    "iadd": lambda a, b: a.add_(b),
}


def operand(dtype: str, form: str) -> object:
    """A tensor of one element, or a Python number."""
    return SCALARS[dtype] if form == "scalar" else tinytorch.ones((1,) if form == "tensor" else (), dtype=dtype)


def found(operation: str, left: object, right: object) -> str | None:
    """The name of the resulting dtype; None for a refusal."""
    try:
        return str(OPERATIONS[operation](left, right).dtype)
    except (DTypeError, ShapeError):
        return None


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_pair_as_in_pytorch(operation: str) -> None:
    rows = [row[1:] for row in ROWS if row[0] == operation]
    assert len(rows) > 300
    wrong = [
        f"{ld} {lf} and {rd} {rf}: expected {expected}, got {got}"
        for ld, lf, rd, rf, expected in rows
        if (got := found(operation, operand(ld, lf), operand(rd, rf))) != expected
    ]
    assert not wrong, f"{operation}: {len(wrong)} of {len(rows)} differ, e.g. " + "; ".join(wrong[:8])


def test_values_survive_promotion() -> None:
    total = tensor([200], dtype="uint8") + tensor([100], dtype="int16")
    assert total.tolist() == [300] and total.dtype == np.int16
    assert (tensor([1, 2]) / tensor([4, 4])).tolist() == [0.25, 0.5]
    assert (tensor([True]) + True).tolist() == [True]


@pytest.mark.parametrize("number", [np.float64(0.1), np.float32(0.1), np.int8(1), np.bool_(True)])
def test_a_numpy_scalar_counts_as_a_python_number(number: np.generic) -> None:
    x = tensor([1.0, 2.0])
    for result in (x + number, number + x, x * number, number * x):
        assert result.dtype == np.float32, f"float32 and {number!r}: got {result.dtype}"


def test_the_short_way_keeps_the_arrays_themselves() -> None:
    a, b = np.ones(2, "float32"), np.ones(2, "float32")
    assert promote_operands("same", [a, b])[0] is a
    assert promote_operands("float", [np.ones(2, "int64"), np.ones(2, "int64")])[0].dtype == np.float32
    assert promote_operands("same", [a, None])[1] is None


def test_python_integers_must_fit() -> None:
    with pytest.raises(DTypeError, match="300"):
        tensor([1], dtype="uint8") + 300


@pytest.mark.parametrize("foreign", ["1", b"1", [1.0], (1.0,), {1: 1}, None, 1j, object(), np.array(["a"])])
def test_foreign_operands_are_refused_with_a_sentence(foreign: object) -> None:
    x = tensor([1.0])
    for name, calculate in (("add", lambda: x + foreign), ("sub", lambda: foreign - x), ("div", lambda: x / foreign),
                            ("matmul", lambda: x @ foreign), ("maximum", lambda: x.maximum(foreign))):
        with pytest.raises((DTypeError, ShapeError), match=name):
            calculate()


def test_complex_and_text_are_no_dtypes() -> None:
    for dtype in ("complex64", "U3", "object", "nonsense", "datetime64[s]", "longdouble", None):
        with pytest.raises(DTypeError, match="floating dtype such as"):
            tinytorch.zeros(2).to(dtype)
    with pytest.raises(DTypeError, match="at least one"):
        result_dtype([None])


def test_bools_cannot_be_subtracted() -> None:
    with pytest.raises(DTypeError, match="sub"):
        tensor([True]) - tensor([True])
