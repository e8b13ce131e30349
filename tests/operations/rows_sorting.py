"""Rows of order and membership: sorting, the different values, looking values up, counting into bins."""

import numpy as np
from hypothesis import strategies as st

import tinytorch
from tests.operations.cases import an_axis, case, cases, distinct, fixed_shapes, integers, same_shape, unary, whole
from tests.operations.table import Edge, Operation, Refused
from tinytorch import DTypeError, IndexingError, ShapeError, ones, tensor

INF, NAN = float("inf"), float("nan")
SAME = {"float16": "float16", "uint8": "uint8", "int32": "int32"}
INDICES = {"float16": "int64", "uint8": "int64", "int32": "int64", "bool": "int64"}


def order(a, dim=-1, descending=False):
    """A stable order by insertion, one line at a time: element by element, without NumPy's sort."""
    lines = np.moveaxis(np.asarray(a), dim, -1)
    found = np.zeros(lines.shape, np.int64)
    for place in np.ndindex(lines.shape[:-1]):
        line, chosen = lines[place], []
        for i in range(len(line)):
            behind = [k for k, j in enumerate(chosen) if (line[i] > line[j] if descending else line[i] < line[j])]
            chosen.insert(behind[0] if behind else len(chosen), i)
        found[place] = chosen
    return np.moveaxis(found, -1, dim)


def picked(a, indices, dim):
    return np.take_along_axis(a, indices, axis=dim), indices


def ordered(a, dim=-1, descending=False):
    return picked(a, order(a, dim, descending), dim)


def best(a, k, dim=-1, largest=True):
    return picked(a, np.take(order(a, dim, largest), range(k), axis=dim), dim)


def kth(a, k, dim=-1, keepdim=False):
    found = picked(a, np.take(order(a, dim), [k - 1], axis=dim), dim)
    return found if keepdim else tuple(f.squeeze(dim) for f in found)


def how_to_sort(shape):
    return {"dim": an_axis(shape), "descending": st.booleans()}


def how_many(shape):
    return an_axis(shape).flatmap(
        lambda dim: st.fixed_dictionaries(
            {"k": st.integers(0, shape[dim]), "dim": st.just(dim), "largest": st.booleans()}
        )
    )


def which(shape):
    return an_axis(shape).flatmap(
        lambda dim: st.fixed_dictionaries(
            {"k": st.integers(1, shape[dim]), "dim": st.just(dim), "keepdim": st.booleans()}
        )
    )


def counted(a, weights=None, minlength=0):
    found = np.zeros(max(minlength, a.max(initial=-1) + 1), np.int64 if weights is None else np.float64)
    for place, i in enumerate(a):
        found[i] += 1 if weights is None else weights[place]
    return found


def placed(sequence, a, right=False):
    return np.array([sum(s <= v if right else s < v for s in sequence) for v in a.ravel()], np.int64).reshape(a.shape)


def placed_in_rows(sequences, a, right=False):
    return np.stack([placed(s, v, right) for s, v in zip(sequences, a, strict=True)])


SORTED, ROWS_SORTED = np.array([1.0, 3.0, 3.0, 5.0]), np.array([[1.0, 3.0, 5.0], [2.0, 4.0, 4.0]])
LINES = {"min_dims": 1, "max_side": 4}
SLICES = np.array([[2.0, 1.0, 2.0], [0.0, 5.0, 0.0], [2.0, 1.0, 2.0]])


ROWS = [
    Operation(
        name="argsort", call=tinytorch.argsort, reference=order, cases=unary(whole(0, 3), how_to_sort, **LINES),
        gradient="an order", dtypes=INDICES,
        errors=[Refused(lambda: ones(2).argsort(1), IndexingError, "argsort: expected dim from -1 to 0")],
        edges=[
            Edge([[NAN, 1.0, INF, NAN]], [1, 2, 0, 3]),
            Edge([[NAN, 1.0, INF, NAN]], [0, 3, 2, 1], settings={"descending": True}), Edge([3.0], 0),
        ],
    ),
    Operation(
        name="sort", call=tinytorch.sort, reference=ordered, cases=unary(distinct(), how_to_sort, **LINES), dtypes=SAME,
        errors=[Refused(lambda: ones(2).sort(1), IndexingError, "sort: expected dim from -1 to 0")],
        edges=[
            Edge([[2.0, 1.0, 2.0]], ([1.0, 2.0, 2.0], [1, 0, 2])),
            Edge([[NAN, 1.0, INF]], ([1.0, INF, NAN], [1, 2, 0]), [[1.0, 1.0, 1.0]]),
            Edge([[1.0, 2.0, 1.0]], ([2.0, 1.0, 1.0], [1, 0, 2]), settings={"descending": True}),
            Edge([3.0], (3.0, 0), [1.0]),
        ],
    ),
    Operation(
        name="msort", call=tinytorch.msort, reference=lambda a: ordered(a, 0)[0], cases=unary(distinct(), **LINES),
        dtypes=SAME,
    ),
    Operation(
        name="topk", call=tinytorch.topk, reference=best, cases=unary(distinct(), how_many, **LINES), dtypes=SAME,
        errors=[
            Refused(lambda: ones(2).topk(3), ShapeError, "topk: expected k from 0 to 2 along axis -1, found 3"),
            Refused(lambda: ones(2).topk(-1), ShapeError, "topk: expected a whole number"),
            Refused(lambda: ones(2).topk(1.0), DTypeError, "topk: expected a whole number"),
        ],
        edges=[Edge([[1.0, NAN, 3.0]], ([NAN, 3.0], [1, 2]), [[0.0, 1.0, 1.0]], {"k": 2})],
    ),
    Operation(
        name="kthvalue", call=tinytorch.kthvalue, reference=kth, dtypes=SAME,
        cases=unary(distinct(), which, min_side=1, **LINES),
        errors=[
            Refused(lambda: ones(2).kthvalue(0), ShapeError, "kthvalue: expected k from 1 to 2"),
            Refused(lambda: ones(2).kthvalue(3), ShapeError, "kthvalue: expected k from 1 to 2"),
        ],
    ),
    # ---- the different values
    Operation(
        name="unique", call=tinytorch.unique, gradient="values without a history",
        reference=lambda a, **s: tuple(np.unique(a, **s)) if len(s) > 1 else np.unique(a),
        cases=[
            case(np.array([[3.0, 1.0, 3.0], [2.0, 1.0, 3.0]])), case(np.zeros((0, 2))), case(np.array(2.0)),
            case(np.array([[3.0, 1.0], [2.0, 1.0]]), return_inverse=True, return_counts=True),
        ],
        dtypes={"uint8": "uint8", "float16": "float16"}, edges=[Edge([[NAN, 1.0, NAN]], [1.0, NAN, NAN])],
        errors=[Refused(lambda: ones(2).unique(dim=1), IndexingError, "unique: expected dim from -1 to 0")],
    ),
    Operation(
        name="unique", call=lambda a, dim: a.unique(return_inverse=True, return_counts=True, dim=dim), forms=(),
        gradient="values without a history", cases=[case(SLICES, dim=0), case(SLICES, dim=-1)],
        reference=lambda a, dim: (
            (a[[1, 0]], np.array([1, 0, 1]), np.array([1, 2])) if dim == 0
            else (a[:, [1, 0]], np.array([1, 0, 1]), np.array([1, 2]))
        ),
    ),
    Operation(
        name="isin", call=tinytorch.isin, reference=lambda a, b, **s: np.isin(a, b, **s), gradient="a truth value",
        cases=cases(fixed_shapes([(2, 3), (2,)], [(0,), (3,)], [(3,), (0,)], [(), (2, 2)]), whole(0, 3), whole(0, 3),
                    settings={"invert": st.booleans()}),
        dtypes={"int32": "bool", "float16": "bool"}, edges=[Edge([[NAN], [NAN]], [False])],
        errors=[Refused(lambda: tinytorch.isin(1, 2), DTypeError, "isin: expected a Tensor")],
    ),
    # ---- looking up
    Operation(
        name="searchsorted", call=tinytorch.searchsorted, reference=placed, gradient="places",
        cases=[case(SORTED, np.array(v), right=r) for v in (3.0, [0.0, 3.0, 9.0], [[5.0, 4.0]]) for r in (False, True)],
        dtypes={"float16": "int64", "int32": "int64"},
        edges=[
            Edge([SORTED, [NAN, INF, -INF]], [4, 4, 0]), Edge([SORTED, [3.0]], [3], settings={"side": "right"}),
            Edge([[5.0, 1.0, 3.0], [2.0]], [1], settings={"sorter": tensor([1, 2, 0])}),
        ],
        errors=[
            Refused(lambda: tinytorch.searchsorted(ones(2, 3), ones(3)), ShapeError, "leading axes equal"),
            Refused(lambda: tinytorch.searchsorted([1.0], ones(3)), DTypeError, "expected a Tensor to search in"),
            Refused(lambda: tinytorch.searchsorted(ones(2), 1.0, side="up"), DTypeError, 'side "left" or "right"'),
        ],
    ),
    Operation(
        name="searchsorted", call=tinytorch.searchsorted, reference=placed_in_rows, gradient="places",
        cases=[case(ROWS_SORTED, np.array([[3.0, 0.0], [4.0, 9.0]]), right=r) for r in (False, True)],
    ),
    Operation(
        name="bucketize", call=tinytorch.bucketize, gradient="places",
        reference=lambda a, boundaries, right: placed(boundaries, a, right),
        cases=[case(np.array([[0.0, 3.0], [4.0, 9.0]]), SORTED, right=r) for r in (False, True)],
        errors=[Refused(lambda: tinytorch.bucketize(ones(2), ones(2, 2)), ShapeError, "a vector of boundaries")],
    ),
    # ---- counting
    Operation(
        name="bincount", call=tinytorch.bincount, reference=counted, gradient="a count",
        cases=unary(integers(0, 5), {"minlength": st.sampled_from([0, 7])}, min_dims=1, max_dims=1),
        errors=[
            Refused(lambda: ones(2).bincount(), DTypeError, "bincount: expected a vector of integers of 0 or more"),
            Refused(lambda: tensor([-1]).bincount(), DTypeError, "integers of 0 or more"),
            Refused(lambda: tensor([1]).bincount(ones(2)), ShapeError, r"expected weights of shape \(1,\)"),
        ],
    ),
    Operation(
        name="bincount", call=tinytorch.bincount, reference=counted, gradient="a count",
        cases=same_shape(integers(0, 5), distinct(), min_dims=1, max_dims=1),
    ),
    Operation(
        name="histc", call=tinytorch.histc, gradient="a count", dtypes={"float16": "float16"},
        reference=lambda a, bins, min, max: np.histogram(a, bins, (min, max))[0].astype(float),
        cases=unary(whole(-2, 4), {"bins": st.integers(1, 4), "min": st.just(-1.0), "max": st.just(2.0)}),
        edges=[
            Edge([[1.0, 3.0]], [1.0, 1.0], settings={"bins": 2}), Edge([[2.0, 2.0]], [0.0, 2.0], settings={"bins": 2}),
            Edge([[]], [0.0], settings={"bins": 1}),
        ],
        errors=[
            Refused(lambda: ones(2).histc(0), ShapeError, "histc: expected 1 bin or more"),
            Refused(lambda: ones(2).histc(2, 3, 1), ShapeError, "finite min < max"),
            Refused(lambda: tensor([1]).histc(), DTypeError, "histc: expected a floating dtype"),
        ],
    ),
]
