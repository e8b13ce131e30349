"""Make promotion.json: the dtype that PyTorch gives to an operation on every pair of operands.

Run with a Python that has PyTorch: `python tests/data/make_promotion.py`. A row reads
[operation, left dtype, left form, right dtype, right form, result]; the form is "tensor" (with an axis), "0-d" or
"scalar" (a Python number). The result of an operation that PyTorch refuses is null.
"""

import json
import operator
from itertools import product
from pathlib import Path

import torch

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
SCALARS = {"bool": True, "int": 2, "float": 2.5}
OPERATIONS = {"add": operator.add, "mul": operator.mul, "truediv": operator.truediv, "gt": operator.gt}
OPERATIONS |= {"where": lambda a, b: torch.where(torch.tensor([True]), a, b)}
OPERATIONS |= {"iadd": lambda a, b: a.clone().add_(b)}


def operand(dtype: str, form: str) -> object:
    """A tensor of one element, or a Python number."""
    if form == "scalar":
        return SCALARS[dtype]
    return torch.ones((1,) if form == "tensor" else (), dtype=getattr(torch, dtype))


def result(operation: str, left: object, right: object) -> str | None:
    """The name of the resulting dtype; None where PyTorch raises."""
    try:
        return str(OPERATIONS[operation](left, right).dtype).removeprefix("torch.")
    except (RuntimeError, TypeError):
        return None


def main() -> None:
    """Write the table, one row a line."""
    kinds = [*product(DTYPES, ("tensor", "0-d")), *product(SCALARS, ("scalar",))]
    rows = [
        [name, *left, *right, result(name, operand(*left), operand(*right))]
        for name, left, right in product(OPERATIONS, kinds, kinds)
        if left[1] != "scalar" or (right[1] != "scalar" and name != "iadd")
    ]
    text = "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"
    Path(__file__).with_name("promotion.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
