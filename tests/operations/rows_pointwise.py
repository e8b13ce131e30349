"""Rows of the pointwise operations of module 02."""

import numpy as np

import tinytorch
from tests.operations.cases import binary, distinct, positive, real, unary
from tests.operations.table import Edge, Operation, Refused
from tinytorch import DTypeError, ShapeError, tensor

INF, NAN = float("inf"), float("nan")
FLOATING = {"float16": "float16", "uint8": "float32", "int64": "float32", "bool": "float32"}
SAME = {"float16": "float16", "uint8": "uint8", "int32": "int32", "int64": "int64"}


def quiet(function):
    """A NumPy function without its warnings at the edges of its domain."""

    def reference(*arrays, **settings):
        with np.errstate(all="ignore"):
            return function(*arrays, **settings)

    return reference


ROWS = [
    Operation(
        name="exp", call=tinytorch.exp, reference=np.exp, cases=unary(real()), primitives=("exp",), dtypes=FLOATING,
        errors=[Refused(lambda: tinytorch.exp("x"), DTypeError, "expected numbers")],
        edges=[Edge([[-INF, 0.0, INF, NAN]], [0.0, 1.0, INF, NAN], [[0.0, 1.0, INF, NAN]])],
    ),
    Operation(
        name="log", call=tinytorch.log, reference=quiet(np.log), cases=unary(positive()), primitives=("log",),
        dtypes=FLOATING, edges=[Edge([[0.0, -1.0, INF, NAN]], [-INF, NAN, INF, NAN], [[INF, -1.0, 0.0, NAN]])],
    ),
    Operation(
        name="add", call=tinytorch.add, reference=np.add, cases=binary(real()), primitives=("add",),
        in_place=("add_", "__iadd__"), forms=("Tensor.add", "Tensor.__add__", "Tensor.__radd__"),
        dtypes=SAME | {"bool": "bool"},
        errors=[Refused(lambda: tensor([1.0, 2.0]) + tensor([1.0, 2.0, 3.0]), ShapeError, "add")],
        edges=[Edge([[INF, NAN], [1.0, 1.0]], [INF, NAN], [[1.0, 1.0], [1.0, 1.0]])],
    ),
    Operation(
        name="maximum", call=tinytorch.maximum, reference=np.maximum, cases=binary(distinct(), distinct(0.02)),
        primitives=("maximum",), dtypes=SAME,
        edges=[Edge([[1.0, NAN, 2.0], [1.0, 0.0, NAN]], [1.0, NAN, NAN])],
    ),
    Operation(
        name="isnan", call=tinytorch.isnan, reference=np.isnan, cases=unary(real()), primitives=("isnan",),
        gradient="a comparison", dtypes={"int64": "bool", "float16": "bool", "bool": "bool"},
        edges=[Edge([[NAN, INF, 0.0]], [True, False, False])],
    ),
]
