"""Rows of the reductions of module 02, and of the matrix product."""

import operator

import numpy as np
from hypothesis import strategies as st

import tinytorch
from tests.operations.cases import (
    along_keepdim,
    an_axis,
    booleans,
    case,
    cases,
    distinct,
    fixed_shapes,
    over,
    real,
    unary,
    whole,
)
from tests.operations.table import Edge, Operation, Refused
from tests.operations.values import COUNTING, INF, NAN, ONLY_FLOATS, SAME, quiet
from tinytorch import DTypeError, IndexingError, ShapeError, Tensor, TinyTorchError, tensor


def along(function):
    """A NumPy reduction called with PyTorch's names."""
    return quiet(lambda a, dim=None, keepdim=False: function(a, axis=dim if a.ndim else None, keepdims=keepdim))


def bad_dims(call):
    """The refusals of every reduction."""
    return [
        Refused(lambda: call(tensor([1.0]), 1), IndexingError, "expected dim from -1 to 0"),
        Refused(lambda: call(tensor([[1.0]]), 0.5), TinyTorchError, "dim"),
    ]


TWICE = Refused(lambda: tensor([[1.0]]).sum((0, -2)), ShapeError, "each axis once")


def spread(root):
    """Variance, or standard deviation; n - correction below zero counts as zero."""

    def reference(a, dim=None, correction=1, keepdim=False):
        dim = dim if a.ndim else None
        squares = ((a - a.mean(axis=dim, keepdims=True)) ** 2).sum(axis=dim, keepdims=keepdim)
        count = a.size if dim is None else int(np.prod([a.shape[d] for d in np.atleast_1d(dim)]))
        found = squares / (max(count - correction, 0) or NAN)
        return np.sqrt(found) if root else found

    return quiet(reference)


def over_with_correction(shape):
    """The settings of var and std."""
    return over(shape) | {"correction": st.sampled_from([0, 1])}


def extremes(pick, place):
    """Values and indices along an axis."""

    def reference(a, dim, keepdim=False):
        return pick(a, axis=dim, keepdims=keepdim), place(a, axis=dim, keepdims=keepdim)

    return reference


SUMS = [
    Operation(
        name="sum", call=tinytorch.sum, reference=along(np.sum), cases=unary(real(), over), primitives=("sum",),
        dtypes=COUNTING, errors=[*bad_dims(tinytorch.sum), TWICE],
        edges=[Edge([[[INF, 1.0], [-INF, NAN]]], [INF, NAN], [[[1.0, 1.0], [1.0, 1.0]]], {"dim": 1})],
    ),
    Operation(
        name="mean", call=tinytorch.mean, reference=along(np.mean), cases=unary(real(), over, min_side=1),
        primitives=("sum", "div"), dtypes=ONLY_FLOATS,
        errors=[*bad_dims(tinytorch.mean), Refused(lambda: tensor([1]).mean(), DTypeError, "floating")],
        edges=[Edge([[]], NAN, [[]]), Edge([[INF, 1.0]], INF, [[0.5, 0.5]])],
    ),
    Operation(
        name="var", call=tinytorch.var, reference=spread(False),
        cases=unary(real(), over_with_correction, min_side=2, min_dims=1), dtypes=ONLY_FLOATS,
        errors=bad_dims(tinytorch.var), edges=[Edge([[3.0]], NAN), Edge([[3.0]], 0.0, [[0.0]], {"correction": 0})],
    ),
    Operation(
        name="std", call=tinytorch.std, reference=spread(True),
        cases=unary(real(), over_with_correction, min_side=2, min_dims=1),
        dtypes=ONLY_FLOATS, errors=bad_dims(tinytorch.std), edges=[Edge([[2.0, 2.0]], 0.0, [[0.0, 0.0]])],
    ),
]

EXTREMES = [
    row
    for name, pick, place in (("max", np.max, np.argmax), ("min", np.min, np.argmin))
    for row in (
        Operation(
            name=f"Tensor.a{name}", call=getattr(Tensor, f"a{name}"), reference=along(pick),
            cases=unary(distinct(), over, min_side=1), primitives=(f"a{name}",), dtypes=SAME,
            errors=bad_dims(getattr(Tensor, f"a{name}")),
            edges=[
                Edge([[1.0, 2.0, 2.0] if name == "max" else [3.0, 2.0, 2.0]], 2.0, [[0.0, 0.5, 0.5]]),
                Edge([[1.0, NAN]], NAN, [[0.0, 1.0]]),
            ],
        ),
        Operation(
            name=name, call=lambda x, f=name: getattr(tinytorch, f)(x), reference=lambda a, f=pick: f(a),
            cases=unary(distinct(), min_side=1), primitives=(f"a{name}",), dtypes=SAME, forms=(f"Tensor.{name}",),
        ),
        Operation(
            name=name, call=getattr(tinytorch, name), reference=extremes(pick, place),
            cases=unary(distinct(), along_keepdim, min_side=1, min_dims=1), primitives=(name, "put_along"),
            dtypes=SAME, errors=[
                *bad_dims(getattr(tinytorch, name)),
                Refused(lambda f=name: getattr(tinytorch, f)(tinytorch.zeros(0, 3), 0), ShapeError, name),
            ],
            edges=[
                Edge([[[2.0, 2.0], [NAN, 0.0]]], ([2.0, NAN], [0, 0]), [[[1.0, 0.0], [1.0, 0.0]]], {"dim": 1}),
            ],
        ),
        Operation(
            name=name, call=getattr(tinytorch, name), reference=getattr(np, f"{name}imum"),
            cases=[case([1.0, 2.0], [[1.5], [0.5]])], primitives=(f"{name}imum",),
        ),
        Operation(
            name=f"arg{name}", call=getattr(tinytorch, f"arg{name}"), reference=along(place),
            cases=unary(whole(0, 3), lambda shape: {"dim": st.none() | an_axis(shape), "keepdim": st.booleans()},
                        min_side=1, min_dims=1),
            primitives=(f"arg{name}",), gradient="an index", dtypes={"float16": "int64", "int64": "int64"},
            errors=bad_dims(getattr(tinytorch, f"arg{name}")), edges=[Edge([[1.0, NAN, 3.0]], 1)],
        ),
    )
]  # fmt: skip

LOGIC = [
    Operation(
        name=f"Tensor.{name}", call=getattr(Tensor, name), reference=along(getattr(np, name)),
        cases=unary(booleans(), over), primitives=(name,), gradient="a comparison",
        errors=bad_dims(getattr(Tensor, name)), edges=[Edge([[NAN, 1.0]], True), Edge([[0.0, -0.0]], False)],
    )
    for name in ("all", "any")
]

SHAPES = fixed_shapes(
    [(2, 3), (3, 2)], [(3,), (3,)], [(3,), (3, 2)], [(2, 3), (3,)], [(2, 1, 2, 3), (3, 3, 2)], [(3,), (2, 3, 2)],
    [(2, 2, 3), (3,)], [(1, 2), (3, 2, 1)], [(0, 2), (2, 3)], [(2, 0), (0, 3)], [(2, 3), (2, 3, 0)],
)

PRODUCTS = [
    Operation(
        name="matmul", call=tinytorch.matmul, reference=np.matmul, cases=cases(SHAPES, real(), real()),
        primitives=("matmul",), forms=("matmul", "Tensor.matmul", "Tensor.__matmul__", "Tensor.__rmatmul__"),
        dtypes={"float16": "float16", "int64": "int64", "uint8": "uint8"},
        errors=[
            Refused(lambda: tinytorch.ones(2, 3) @ tinytorch.ones(2, 3), ShapeError, "inner sizes must agree"),
            Refused(lambda: tinytorch.ones(2, 3) @ 2.0, ShapeError, "operands with axes"),
            Refused(lambda: operator.matmul(tinytorch.ones(2, 2, 3), tinytorch.ones(3, 3, 4)), ShapeError, "matmul"),
        ],
        edges=[Edge([[[INF, 0.0]], [[0.0], [1.0]]], [[NAN]], [[[0.0, 1.0]], [[INF], [0.0]]])],
    ),
]

ROWS = [*SUMS, *EXTREMES, *LOGIC, *PRODUCTS]
