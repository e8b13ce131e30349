"""Rows of reading and writing by index: slices along an axis, lists of indices, masks, one index for each place."""

import numpy as np

import tinytorch
from tests.operations.cases import booleans, broadcasting, case, cases, integers, real, same_shape, unary
from tests.operations.table import Operation, Refused
from tinytorch import DTypeError, IndexingError, ShapeError, ones, tensor
from tinytorch.core.engine import primitive

SAME = {"float16": "float16", "uint8": "uint8", "int32": "int32"}
X = np.arange(1.0, 25.0).reshape(2, 3, 4) ** 1.5
ROWS_ONCE, ROWS_TWICE, NO_ROWS = np.array([2, 0]), np.array([1, 1]), np.zeros(0, np.int64)
MASK = np.array([[True, False, True], [False, True, True]])


# ---- x[…] -----------------------------------------------------------------------------------------------------

INDICES = {
    "int": 1,
    "negative": -1,
    "slices": (slice(None), slice(2, 0, -1), slice(None, None, 3)),
    "newaxis": (None, 0, None),
    "dots": (..., 2),
    "two ints": (1, slice(None), 3),
    "list": [1, 0, 1],
    "array": (slice(None), np.array([[0, 2], [1, 1]])),
    "pairs": (np.array([0, 1, 0]), np.array([2, 0, 2])),
    "broadcast": (np.array([[0], [1]]), np.array([2, -1])),
    "apart": (np.array([0, 1]), slice(None), np.array([3, 3])),
    "mask": MASK,
    "mask and int": (MASK, 2),
    "mask of an axis": (slice(None), np.array([True, False, True])),
    "all False": np.zeros((2, 3, 4), bool),
    "mask and array": (np.array([True, True]), np.array([2, 1])),
    "0-d": (np.array(1), np.array(-1)),
    "none": NO_ROWS,
    "true": True,
    "range": range(2),
    "dots and list": (..., [0, 0]),
}


def as_tensors(index):
    """The same index with tensors for its arrays."""
    if isinstance(index, tuple):
        return tuple(as_tensors(i) for i in index)
    return tensor(index) if isinstance(index, np.ndarray) else index


def written(a, value, index):
    result = np.array(a)
    result[index] = value
    return result


def set_item(a, value, index):
    result = a * 1.0
    result[as_tensors(index)] = value
    return result


def read_row(index):
    return Operation(
        name="Tensor.__getitem__",
        call=lambda a: a[as_tensors(index)],
        reference=lambda a: a[index],
        forms=(),
        cases=[case(X), case(X, layout="reversed"), case(X, layout="transposed")],
        primitives=("getitem", "getitem_grad"),
    )


def write_row(index):
    shape = X[index].shape
    values = [np.array(0.5), np.arange(float(np.prod(shape))).reshape(shape)]
    twice = any(isinstance(i, np.ndarray | list) for i in (index if isinstance(index, tuple) else (index,)))
    return Operation(
        name="Tensor.__setitem__",
        call=lambda a, value: set_item(a, value, index),
        forms=(),
        primitives=("setitem_",),
        reference=lambda a, value: written(a, value, index),
        cases=[case(X, v) for v in values],
        inputs=(0,) if twice else None,
    )


BESIDE = (0, slice(None), np.array([1, 2]))  # PyTorch chooses the 0 first: (3, 2); NumPy counts it as an array: (2, 3)

# ---- along an axis ---------------------------------------------------------------------------------------------


def put(operation):
    """A reference that writes to a copy: operation(copy, place, …)."""

    def reference(a, index, *values, dim, **settings):
        result = np.array(a)
        operation(result, (slice(None),) * (dim % a.ndim) + (index,), *values, **settings)
        return result

    return reference


def add_at(result, place, source, alpha=1):
    np.add.at(result, place, alpha * source)


def line(index, *others, dim=1):
    """Cases of a (2, 3, 4) tensor, an index along `dim`, and a source of as many slices."""
    shape = [*X.shape[:dim], len(index), *X.shape[dim + 1 :]]
    made = {"source": np.arange(float(np.prod(shape))).reshape(shape)}
    return case(X, index, *(made[o] if isinstance(o, str) else o for o in others), dim=dim)


def places(index, dim):
    found = list(np.indices(index.shape, sparse=True))
    found[dim] = index
    return tuple(found)


def scattered(add):
    def reference(a, index, src, dim):
        result = np.array(a)
        if add:
            np.add.at(result, places(index, dim), src[tuple(slice(n) for n in index.shape)])
        else:
            result[places(index, dim)] = src[tuple(slice(n) for n in index.shape)]
        return result

    return reference


def by(error, words, *calls):
    return [Refused(call, error, words) for call in calls]


A, PICK, ORDER = X[0], np.array([[2, 0], [1, 1]]), np.array([[2, 0, 1, 2], [1, 2, 0, 1]])
SOURCE = np.arange(12.0).reshape(3, 4)
PAIR = {"indices": (tensor([0, 1, 0]), tensor([2, 2, 2]))}


def put_pairs(a, values, accumulate=False):
    result = np.array(a)
    (np.add.at if accumulate else np.ndarray.__setitem__)(result, ([0, 1, 0], [2, 2, 2]), values)
    return result


ROWS = [
    *(read_row(index) for index in INDICES.values()),
    *(write_row(index) for index in INDICES.values()),
    Operation(
        name="Tensor.__getitem__",
        call=lambda a: a[as_tensors(BESIDE)],
        reference=lambda a: a[0][:, [1, 2]],
        forms=(),
        cases=[case(X)],
        dtypes=SAME | {"bool": "bool"},
        primitives=("getitem", "getitem_grad"),
        errors=[
            *by(IndexingError, "getitem.*out of bounds", lambda: ones(2)[2], lambda: ones(2)[[0, -3]]),
            *by(IndexingError, "getitem.*too many indices", lambda: ones(2)[0, 0], lambda: ones(2)[None, 0, 0, :]),
            *by(IndexingError, "getitem.*boolean index did not match", lambda: ones(2)[tensor([True])]),
            *by(IndexingError, "integers or bools", lambda: ones(2)[tensor([0.0])], lambda: ones(2)[["a"]]),
            *by(IndexingError, "Expected an int, a slice, a tensor", lambda: ones(2)[0.0], lambda: ones(2)["a"]),
            *by(IndexingError, "found uint8", lambda: ones(2)[tensor([0], dtype="uint8")]),
            *by(IndexingError, "ambiguous", lambda: ones(2, 2)[[[0, 1], [1, 0]]]),
            *by(IndexingError, "rows of equal length", lambda: ones(2, 2)[([[0, 1], [1]],)]),
            *by(DTypeError, "Expected ints in a slice", lambda: ones(2)[0:1.5]),
        ],
    ),
    Operation(
        name="Tensor.__setitem__",
        call=lambda a, v: set_item(a, v, BESIDE),
        forms=(),
        primitives=("setitem_",),
        reference=lambda a, v: written(a, v, (0, *np.ix_([0, 1, 2], [1, 2]))),
        cases=[case(X, SOURCE[:, :2]), case(X, np.ones(2)), case(X, np.ones((1, 1, 1, 2)))],
        errors=[
            *by(ShapeError, "setitem_.*cannot be broadcast", lambda: ones(3).__setitem__(slice(2), ones(3))),
            *by(IndexingError, "setitem_.*out of bounds", lambda: ones(3).__setitem__(3, 1.0)),
            *by(ShapeError, "a mask takes one value", lambda: ones(2).__setitem__(tensor([True, True]), ones(3))),
        ],
    ),
    Operation(
        name="index_select",
        forms=(),
        call=lambda a, index, dim: tinytorch.index_select(a, dim, index),
        dtypes=SAME,
        reference=lambda a, index, dim: np.take(a, index, axis=dim),
        cases=[line(ROWS_ONCE), line(ROWS_TWICE), line(NO_ROWS), line(np.array([3, 0]), dim=2)],
        errors=[
            *by(
                IndexingError,
                "index_select: expected indices from 0 to 1, found 2 … 2",
                lambda: ones(2).index_select(0, tensor([2])),
            ),
            *by(IndexingError, "found -1", lambda: ones(2).index_select(0, tensor([-1]))),
            *by(
                DTypeError, "expected an int64 tensor as index, found float32", lambda: ones(2).index_select(0, ones(1))
            ),
            *by(ShapeError, "an index with one axis", lambda: ones(2).index_select(0, tensor([[0]]))),
        ],
    ),
    Operation(
        name="index_add",
        call=lambda a, index, source, dim: a.index_add(dim, index, source),
        forms=(),
        reference=put(add_at),
        in_place=lambda a, index, source, dim: a.index_add_(dim, index, source),
        dtypes=SAME,
        cases=[line(ROWS_ONCE, "source"), line(ROWS_TWICE, "source"), line(NO_ROWS, "source")],
        primitives=("accumulate_",),
        errors=[
            *by(
                ShapeError,
                r"index_add_: expected a source of shape \(1, 2\), found \(2, 2\)",
                lambda: ones(3, 2).index_add(0, tensor([0]), ones(2, 2)),
            ),
            *by(
                DTypeError,
                "expected a source of self's float32, found int64",
                lambda: ones(3).index_add(0, tensor([0]), tensor([1])),
            ),
        ],
    ),
    Operation(
        name="index_add",
        call=lambda a, index, source, dim: tinytorch.index_add(a, dim, index, source, alpha=-2),
        reference=lambda *args, dim: put(add_at)(*args, dim=dim, alpha=-2),
        cases=[line(ROWS_TWICE, "source")],
        forms=(),
    ),
    Operation(
        name="index_copy",
        call=lambda a, index, source, dim: a.index_copy(dim, index, source),
        forms=(),
        reference=put(np.ndarray.__setitem__),
        dtypes=SAME,
        cases=[line(ROWS_ONCE, "source"), line(NO_ROWS, "source")],
        in_place=lambda a, index, source, dim: a.index_copy_(dim, index, source),
        errors=by(DTypeError, "expected a Tensor as source", lambda: ones(3).index_copy(0, tensor([0]), 1.0)),
    ),
    Operation(
        name="index_fill",
        call=lambda a, index, value, dim: a.index_fill(dim, index, value),
        forms=(),
        reference=put(np.ndarray.__setitem__),
        dtypes=SAME,
        cases=[line(ROWS_ONCE, np.array(0.5)), line(ROWS_TWICE, np.array(0.5)), line(NO_ROWS, np.array(2.0))],
        in_place=lambda a, index, value, dim: a.index_fill_(dim, index, value),
        errors=by(ShapeError, "expected one number as value", lambda: ones(3).index_fill(0, tensor([0]), ones(2))),
    ),
    Operation(
        name="index_put",
        call=lambda a, v: a.index_put(PAIR["indices"], v),
        reference=put_pairs,
        forms=(),
        inputs=(0,),
        cases=[case(SOURCE, np.array(0.5)), case(SOURCE, np.arange(3.0))],
        dtypes=SAME,
        in_place=lambda a, v: a.index_put_(PAIR["indices"], v),
        errors=by(IndexingError, "expected a tuple of tensors", lambda: ones(3).index_put(0, ones(1))),
    ),
    Operation(
        name="index_put",
        call=lambda a, v: tinytorch.index_put(a, PAIR["indices"], v, accumulate=True),
        forms=(),
        reference=lambda a, v: put_pairs(a, v, True),
        cases=[case(SOURCE, np.array(0.5)), case(SOURCE, np.arange(3.0))],
        in_place=lambda a, v: a.index_put_(PAIR["indices"], v, accumulate=True),
        dtypes=SAME,
        primitives=("accumulate_",),
        errors=by(
            DTypeError,
            "cannot add float32 to int64",
            lambda: tensor([1]).index_put((tensor([0]),), ones(1), accumulate=True),
        ),
    ),
    # ---- masks
    Operation(
        name="masked_fill",
        call=tinytorch.masked_fill,
        reference=lambda a, mask, value: np.where(mask, value, a),
        dtypes=SAME,
        cases=cases(broadcasting(2), real(), booleans(), settings={"value": 2}),
        in_place="masked_fill_",
        errors=[
            *by(DTypeError, "expected a bool tensor as mask", lambda: ones(2).masked_fill(tensor([0, 1]), 1.0)),
            *by(
                DTypeError,
                "a value of float does not fit a tensor of int64",
                lambda: tensor([1]).masked_fill(tensor([True]), 1.5),
            ),
            *by(ShapeError, "expected one number as value", lambda: ones(2).masked_fill(tensor([True, True]), ones(2))),
        ],
    ),
    Operation(
        name="masked_fill",
        call=lambda a, mask, value: a.masked_fill(mask, value),
        forms=(),
        in_place="masked_fill_",
        reference=lambda a, mask, value: np.where(mask, value, a),
        cases=[case(SOURCE, SOURCE > 4, np.array(0.5)), case(SOURCE, SOURCE[:, :1] > 4, np.array(0.5))],
    ),
    Operation(
        name="masked_select",
        call=tinytorch.masked_select,
        dtypes=SAME | {"bool": "bool"},
        reference=lambda a, mask: np.broadcast_to(a, np.broadcast_shapes(a.shape, mask.shape))[
            np.broadcast_to(mask, np.broadcast_shapes(a.shape, mask.shape))
        ],
        cases=cases(broadcasting(2), real(), booleans()),
        errors=by(ShapeError, r"masked_select.*\(2,\) and \(3,\)", lambda: ones(2).masked_select(tensor([True] * 3))),
    ),
    # ---- one index for each place
    Operation(
        name="gather",
        call=lambda a, index, dim: a.gather(dim, index),
        forms=(),
        primitives=("take_along", "put_along"),
        reference=lambda a, index, dim: a[places(index, dim)],
        dtypes=SAME | {"bool": "bool"},
        cases=[case(A, PICK, dim=1), case(A, PICK, dim=0), case(A, ORDER, dim=0), case(A, PICK[:0], dim=1)],
        errors=[
            *by(
                IndexingError, "gather: expected indices from 0 to 1, found -1", lambda: ones(2).gather(0, tensor([-1]))
            ),
            *by(DTypeError, "gather: expected an integer tensor", lambda: ones(2).gather(0, ones(1))),
            *by(ShapeError, "gather: expected an index with 2 axes", lambda: ones(2, 2).gather(0, tensor([0]))),
        ],
    ),
    Operation(
        name="take_along_dim",
        call=lambda a, index, dim: tinytorch.take_along_dim(a, index, dim=dim),
        forms=(),
        reference=lambda a, index, dim: np.take_along_axis(a, index, axis=dim),
        cases=[case(A, ORDER[:, :1], dim=0), case(A, PICK[:1], dim=1), case(A, np.array([3, 0]), dim=None)],
        errors=by(
            ShapeError, "take_along_dim: expected indices with 1 axes", lambda: ones(2).take_along_dim(tensor([[0]]), 0)
        ),
    ),
    Operation(
        name="take",
        call=tinytorch.take,
        reference=np.take,
        dtypes=SAME,
        cases=[case(A, PICK), case(A, np.array(-1)), case(A, NO_ROWS)],
        errors=[
            *by(IndexingError, "take: expected indices from -2 to 1", lambda: ones(2).take(tensor([2]))),
            *by(DTypeError, "take: expected an integer tensor", lambda: ones(2).take(ones(1))),
        ],
    ),
    Operation(
        name="scatter",
        call=lambda a, index, src, dim: a.scatter(dim, index, src),
        forms=(),
        reference=scattered(False),
        cases=[
            case(A, PICK[:1], SOURCE, dim=0),
            case(A, np.array([[2, 0], [1, 3]]), SOURCE, dim=1),
            case(A, PICK[:0], SOURCE, dim=1),
        ],
        in_place=lambda a, index, src, dim: a.scatter_(dim, index, src),
        primitives=("scatter_",),
        dtypes=SAME,
        errors=[
            *by(IndexingError, "scatter_: expected indices from 0 to 1", lambda: ones(2).scatter(0, tensor([2]), 1.0)),
            *by(ShapeError, "no longer than src", lambda: ones(3).scatter(0, tensor([0, 1]), ones(1))),
            *by(
                DTypeError, "a src of self's float32, found int64", lambda: ones(3).scatter(0, tensor([0]), tensor([1]))
            ),
            *by(DTypeError, "expected reduce=None", lambda: ones(3).scatter(0, tensor([0]), 1.0, reduce="max")),
        ],
    ),
    Operation(
        name="scatter",
        call=lambda a, index, dim: tinytorch.scatter(a, dim, index, 0.5),
        forms=(),
        reference=lambda a, index, dim: scattered(False)(a, index, np.full(index.shape, 0.5), dim),
        cases=[case(A, PICK, dim=1), case(A, ORDER, dim=0)],
        in_place=lambda a, index, dim: a.scatter_(dim, index, 0.5),
    ),
    *(
        Operation(
            name=name,
            call=call,
            forms=(),
            reference=scattered(True),
            primitives=("scatter_add_",),
            dtypes=SAME,
            cases=[case(A, PICK, SOURCE, dim=1), case(A, ORDER, SOURCE, dim=0), case(A, PICK[:0], SOURCE, dim=1)],
            in_place=in_place,
            errors=by(DTypeError, "expected a Tensor as src", lambda: ones(2).scatter_add(0, tensor([0]), 1.0)),
        )
        for name, call, in_place in (
            (
                "scatter_add",
                lambda a, index, src, dim: tinytorch.scatter_add(a, dim, index, src),
                lambda a, index, src, dim: a.scatter_add_(dim, index, src),
            ),
            (
                "scatter",
                lambda a, index, src, dim: a.scatter(dim, index, src, reduce="add"),
                lambda a, index, src, dim: a.scatter_(dim, index, src, reduce="add"),
            ),
        )
    ),
    # ---- where something is
    *(
        Operation(
            name=name,
            call=getattr(tinytorch, name),
            reference=np.argwhere,
            cases=unary(integers(-1, 2)),
            gradient="places",
            dtypes={"bool": "int64"},
        )
        for name in ("nonzero", "argwhere")
    ),
    Operation(
        name="where",
        call=tinytorch.where,
        forms=(),
        reference=np.where,
        cases=unary(booleans(), min_dims=1),
        gradient="places",
        errors=by(DTypeError, "both input and other, or neither", lambda: tinytorch.where(tensor([True]), 1.0)),
    ),
    Operation(
        name="where",
        call=lambda c, a, b: tinytorch.where(c, a, b),
        reference=np.where,
        primitives=("where",),
        cases=same_shape(booleans(), real(), real()),
        forms=(),
    ),
    Operation(
        name="primitive.put_along",
        call=lambda v, i: primitive("put_along")(v, i, dim=1, size=3),
        forms=(),
        reference=lambda v, i: scattered(True)(np.zeros((2, 3)), i, v, 1),
        cases=[case(SOURCE[:2, :2], PICK)],
        primitives=("put_along",),
    ),
]
