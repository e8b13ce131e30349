"""Rows of the products of vectors, matrices and batches of them."""

import numpy as np

import tinytorch
from tests.operations.cases import case, cases, fixed_shapes, real
from tests.operations.table import Operation, Refused
from tinytorch import DTypeError, ShapeError, ones

SAME = {"float16": "float16", "int64": "int64", "int32": "int32"}
MATRICES = fixed_shapes(((2, 3), (3, 4)), ((1, 2), (2, 1)), ((2, 0), (0, 3)), ((0, 2), (2, 2)))
BATCHES = fixed_shapes(((3, 2, 3), (3, 3, 2)), ((1, 2, 1), (1, 1, 2)), ((0, 2, 3), (0, 3, 2)))
VECTORS = fixed_shapes(((3,), (3,)), ((1,), (1,)), ((0,), (0,)))


def einsum(equation, *shapes):
    """A case list and functions for one formula."""
    rng = np.random.default_rng(len(equation))
    arrays = [rng.normal(size=shape) for shape in shapes]
    return [case(*arrays), case(*arrays, layout="transposed")]


def einsum_row(equation, *shapes):
    return Operation(
        name="einsum", call=lambda *tensors: tinytorch.einsum(equation, *tensors),
        reference=lambda *arrays: np.einsum(equation, *arrays), cases=einsum(equation, *shapes), forms=(),
    )


def added(a, b, c, beta=1, alpha=1):
    return beta * a + alpha * (b @ c)


SCALED = {"beta": 3, "alpha": 2}

ROWS = [
    Operation(
        name="mm", call=tinytorch.mm, reference=np.matmul, cases=cases(MATRICES, real(), real()),
        primitives=("matmul",), dtypes=SAME,
        errors=[
            Refused(lambda: tinytorch.mm(ones(2, 3), ones(2, 3)), ShapeError, r"mm: .*\(2, 3\) and \(2, 3\)"),
            Refused(lambda: tinytorch.mm(ones(3), ones(3, 2)), ShapeError, r"mm: expected input with 2 axes"),
            Refused(lambda: tinytorch.mm(ones(3, 3), 2.0), DTypeError, "mm: expected a Tensor as mat2, found float"),
        ],
    ),
    Operation(
        name="bmm", call=tinytorch.bmm, reference=np.matmul, cases=cases(BATCHES, real(), real()), dtypes=SAME,
        errors=[
            Refused(lambda: tinytorch.bmm(ones(2, 2, 3), ones(1, 3, 2)), ShapeError, "bmm: expected sizes that fit"),
            Refused(lambda: tinytorch.bmm(ones(2, 3), ones(3, 2)), ShapeError, "bmm: expected input with 3 axes"),
        ],
    ),
    Operation(
        name="mv", call=tinytorch.mv, reference=np.matmul, dtypes=SAME,
        cases=cases(fixed_shapes(((2, 3), (3,)), ((0, 2), (2,)), ((2, 0), (0,))), real(), real()),
        errors=[Refused(lambda: tinytorch.mv(ones(2, 3), ones(2)), ShapeError, r"mv: .*\(2, 3\) and \(2,\)")],
    ),
    *(
        Operation(
            name=name, call=getattr(tinytorch, name), reference=np.dot, cases=cases(VECTORS, real(), real()),
            dtypes=SAME,
            errors=[Refused(lambda f=name: getattr(tinytorch, f)(ones(2), ones(3)), ShapeError, "dot: expected sizes")],
        )
        for name in ("dot", "vdot")
    ),
    Operation(
        name="outer", call=tinytorch.outer, reference=np.outer, dtypes=SAME,
        cases=cases(fixed_shapes(((2,), (3,)), ((1,), (0,)), ((0,), (2,))), real(), real()),
        errors=[Refused(lambda: tinytorch.outer(ones(2, 2), ones(3)), ShapeError, "outer: expected input with 1 axes")],
    ),
    Operation(
        name="inner", call=tinytorch.inner, reference=np.inner, dtypes=SAME,
        cases=cases(fixed_shapes(((2, 3), (4, 3)), ((3,), (2, 2, 3)), ((), (2, 3)), ((0,), (0,))), real(), real()),
        errors=[Refused(lambda: tinytorch.inner(ones(2, 3), ones(2)), ShapeError, "inner: expected equal last sizes")],
    ),
    Operation(
        name="addmm", call=tinytorch.addmm, reference=added, dtypes=SAME,
        cases=cases(
            fixed_shapes(((2, 4), (2, 3), (3, 4)), ((4,), (2, 3), (3, 4)), ((2, 1), (2, 0), (0, 4))),
            real(), real(), real(), settings=SCALED,
        ),
        errors=[
            Refused(lambda: ones(3).addmm(ones(2, 3), ones(3, 4)), ShapeError, r"broadcasts to \(2, 4\), found shape"),
            Refused(lambda: ones(4).addmm(ones(2, 3), ones(2, 4)), ShapeError, "addmm: expected sizes that fit"),
        ],
    ),
    Operation(
        name="addmv", call=tinytorch.addmv, reference=added, dtypes=SAME,
        cases=cases(fixed_shapes(((2,), (2, 3), (3,)), ((1,), (2, 3), (3,))), real(), real(), real(), settings=SCALED),
        errors=[Refused(lambda: ones(3).addmv(ones(2, 3), ones(3)), ShapeError, "addmv: expected an input")],
    ),
    Operation(
        name="baddbmm", call=tinytorch.baddbmm, reference=added, dtypes=SAME,
        cases=cases(
            fixed_shapes(((3, 2, 4), (3, 2, 3), (3, 3, 4)), ((4,), (2, 2, 3), (2, 3, 4))),
            real(), real(), real(), settings=SCALED,
        ),
        errors=[Refused(lambda: ones(1).baddbmm(ones(2, 3), ones(3, 2)), ShapeError, "baddbmm: expected batch1")],
    ),
    Operation(
        name="trace", call=tinytorch.trace, reference=np.trace, dtypes=SAME | {"int32": "int64"},
        cases=cases(fixed_shapes(((3, 3),), ((2, 4),), ((0, 2),), ((3, 1),)), real()),
        errors=[Refused(lambda: tinytorch.trace(ones(3)), ShapeError, "trace: expected input with 2 axes")],
    ),
    Operation(
        name="tensordot", call=lambda a, b: tinytorch.tensordot(a, b, dims=([2, 0], [1, 2])), forms=(), dtypes=SAME,
        reference=lambda a, b: np.tensordot(a, b, axes=([2, 0], [1, 2])),
        cases=cases(fixed_shapes(((2, 3, 4), (5, 4, 2)), ((1, 2, 0), (2, 0, 1))), real(), real()),
        errors=[
            Refused(lambda: tinytorch.tensordot(ones(2, 3), ones(2, 3), 1), ShapeError, r"equal sizes along dims=1"),
            Refused(lambda: tinytorch.tensordot(ones(2), ones(2), 2), ShapeError, "dims from 0 to 1, found 2"),
            Refused(lambda: tinytorch.tensordot(ones(2), ones(2), ([0], [])), ShapeError, "two lists of one length"),
            Refused(lambda: tinytorch.tensordot(ones(2), 3), DTypeError, "expected two Tensors"),
        ],
    ),
    Operation(
        name="tensordot", call=tinytorch.tensordot, forms=(),
        reference=lambda a, b, dims: np.tensordot(a, b, axes=dims),
        cases=cases(fixed_shapes(((2, 3), (2, 3)), ((4, 2, 3), (2, 3, 5))), real(), real(), settings={"dims": 2}),
    ),
    *(
        einsum_row(*formula)
        for formula in (
            ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ba,bc->ac", (2, 3), (2, 4)),
            ("ii", (3, 3)), ("iij->ij", (3, 3, 2)), ("iii->i", (2, 2, 2)), ("a...a->...", (3, 2, 3)),
            ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("i,j->ij", (2,), (3,)), ("i,i", (3,), (3,)),
            ("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)), ("...ij,...jk->...ik", (4, 1, 2, 3), (2, 3, 2)),
            ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)), ("abc,cd,ae->bde", (2, 3, 2), (2, 4), (2, 2)),
            ("ij,ij,ij->i", (2, 3), (2, 3), (2, 3)), ("bi,bj->b", (2, 3), (2, 2)), ("ij,jk->ik", (2, 0), (0, 2)),
            (",i->i", (), (3,)), ("...,...->...", (2, 3), (3,)), ("zdc,abc", (2, 3, 2), (2, 1, 2)),
        )
    ),
    Operation(
        name="einsum", call=lambda a, b: tinytorch.einsum("ij,jk->ik", [a, b]), forms=(), dtypes=SAME,
        reference=np.matmul, cases=cases(MATRICES, real(), real()),
        errors=[
            Refused(lambda: tinytorch.einsum("ij,jk", ones(2, 3), ones(2, 3)), ShapeError, "'j' .* sizes 3 and 2"),
            Refused(lambda: tinytorch.einsum("ij", ones(2, 3, 4)), ShapeError, "names 2 axes, the operand has 3"),
            Refused(lambda: tinytorch.einsum("ij->ik", ones(2, 3)), ShapeError, "each letter behind '->' once"),
            Refused(lambda: tinytorch.einsum("i,j", ones(2)), ShapeError, "speaks of 2 operands, found 1"),
            Refused(lambda: tinytorch.einsum("i1->i", ones(2, 3)), ShapeError, "expected letters"),
            Refused(lambda: tinytorch.einsum("ii->i", ones(2, 3)), ShapeError, "'i' stands for sizes 2 and 3"),
            Refused(lambda: tinytorch.einsum(ones(2), ones(2)), DTypeError, "expected a formula"),
        ],
    ),
]
