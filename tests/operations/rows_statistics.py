"""Rows of the statistics, norms, products and running sums."""

import numpy as np
from hypothesis import strategies as st
from scipy.special import logsumexp

import tinytorch
from tests.operations.cases import along, along_keepdim, distinct, nonzero, over, real, same_shape, unary, whole
from tests.operations.table import Edge, Operation, Refused
from tinytorch import DTypeError, IndexingError, ShapeError, arange, ones, zeros

INF, NAN = float("inf"), float("nan")
COUNTED = {"float16": "float16", "uint8": "int64", "int32": "int64", "int64": "int64", "bool": "int64"}
FLOATS = {"float16": "float16", "float32": "float32"}
SAME = {"float16": "float16", "uint8": "uint8", "int32": "int32"}


def axes(function, **fixed):
    """A NumPy reduction that takes PyTorch's names of the settings, and is silent."""

    def reference(array, dim=None, keepdim=None, **settings):
        names = {"axis": dim} if keepdim is None else {"axis": dim, "keepdims": keepdim}
        with np.errstate(all="ignore"):
            return function(array, **(names if array.ndim or dim is None else {}), **fixed, **settings)

    return reference


def both(first, second):
    return lambda array, **settings: (first(array, **settings), second(array, **settings))


def p_norm(array, p, dim=None, keepdim=False):
    size = np.abs(array)
    if np.isinf(p):
        return axes(np.max if p > 0 else np.min)(size, dim, keepdim)
    if p == 0:
        return axes(np.sum)((array != 0).astype(float), dim, keepdim)
    return np.asarray(axes(np.sum)(size**p, dim, keepdim)) ** (1 / p)


def lower_median(array, dim, keepdim=False):
    order = np.argsort(array, axis=dim, kind="stable")
    index = np.take(order, [(array.shape[dim] - 1) // 2], axis=dim)
    values = np.take_along_axis(array, index, axis=dim)
    return (values, index) if keepdim else (values.squeeze(dim), index.squeeze(dim))


def so_far(a, dim, find):
    """The place of the best so far, one prefix after the other."""
    lines = np.moveaxis(a, dim, 0)
    found = [find(lines[: t + 1], axis=0) for t in range(len(lines))]
    return np.moveaxis(np.stack(found), 0, dim) if found else np.zeros(a.shape, np.int64)


def corrected(shape):
    return st.fixed_dictionaries({**over(shape), "correction": st.sampled_from([0, 1])})


def spread(shape):
    """Settings under which every variance is one of two numbers or more."""
    return corrected(shape).filter(lambda s: _count(shape, s["dim"]) > 1)


def _count(shape, dim):
    dims = range(len(shape)) if dim is None else dim if isinstance(dim, tuple) else (dim,)
    return int(np.prod([shape[d] for d in dims]))


def variance(array, dim=None, keepdim=False, correction=1):
    return axes(np.var)(array, dim, keepdim, ddof=correction)


def deviation(array, dim=None, keepdim=False, correction=1):
    return axes(np.std)(array, dim, keepdim, ddof=correction)


def average(array, dim=None, keepdim=False, correction=1):
    return axes(np.mean)(array, dim, keepdim)


SPREAD = {"settings": spread, "min_dims": 1, "min_side": 2}

ROWS = [
    Operation(
        name="prod", call=tinytorch.prod, reference=axes(np.prod), cases=unary(whole(-2, 3), along_keepdim),
        primitives=("prod",), dtypes=COUNTED | {"float16": "float16"},
        errors=[
            Refused(lambda: ones(2, 3).prod(2), IndexingError, "prod: expected dim from -2 to 1"),
            Refused(lambda: ones(2).prod((0,)), DTypeError, "prod: expected dim to be an int"),
        ],
        edges=[
            Edge([[0.0, 2.0, 3.0]], 0.0, [[6.0, 0.0, 0.0]]), Edge([[0.0, 2.0, 0.0]], 0.0, [[0.0, 0.0, 0.0]]),
            Edge([[]], 1.0, [[]]), Edge([[INF, 0.0]], NAN, [[0.0, INF]]),
        ],
    ),
    Operation(
        name="cumsum", call=tinytorch.cumsum, reference=axes(np.cumsum), cases=unary(real(), along, min_dims=1),
        primitives=("cumsum",), dtypes=COUNTED, in_place="cumsum_",
        errors=[Refused(lambda: ones(2).cumsum(1), IndexingError, "cumsum: expected dim from -1 to 0")],
        edges=[Edge([3.0], 3.0, [1.0], {"dim": 0}), Edge([[1.0, NAN, 2.0]], [1.0, NAN, NAN], settings={"dim": 0})],
    ),
    Operation(
        name="cumprod", call=tinytorch.cumprod, reference=axes(np.cumprod), primitives=("cumprod",), dtypes=COUNTED,
        in_place="cumprod_",
        cases=unary(whole(-2, 3), along, min_dims=1),
        errors=[Refused(lambda: ones(2).cumprod(1), IndexingError, "cumprod: expected dim from -1 to 0")],
        edges=[
            Edge([[0.0, 2.0, 3.0]], [0.0, 0.0, 0.0], [[9.0, 0.0, 0.0]], {"dim": 0}),
            Edge([[2.0, 0.0, 3.0, 0.0]], [2.0, 0.0, 0.0, 0.0], [[1.0, 8.0, 0.0, 0.0]], {"dim": 0}),
            Edge([3.0], 3.0, [1.0], {"dim": -1}),
        ],
    ),
    Operation(
        name="logsumexp", call=tinytorch.logsumexp, reference=axes(logsumexp), primitives=("logsumexp",),
        cases=unary(real(), lambda shape: over(shape) | {"dim": over(shape)["dim"].filter(lambda d: d is not None)},
                    min_dims=1, min_side=1),
        dtypes={"float16": "float16", "int64": "float32", "bool": "float32"},
        errors=[Refused(lambda: ones(2).logsumexp(1), IndexingError, "logsumexp: expected dim from -1 to 0")],
        edges=[
            Edge([[-INF, -INF]], -INF, [[0.0, 0.0]], {"dim": 0}), Edge([[-INF, 0.0]], 0.0, [[0.0, 1.0]], {"dim": 0}),
            Edge([[1e4, 1e4]], 1e4 + np.log(2), [[0.5, 0.5]], {"dim": 0}),
            Edge([[INF, 1.0]], INF, settings={"dim": 0}),
            Edge([[NAN, 1.0]], NAN, settings={"dim": 0}), Edge([np.zeros((0, 2))], [-INF, -INF], settings={"dim": 0}),
        ],
    ),
    Operation(
        name="nansum", call=tinytorch.nansum, reference=axes(np.nansum), cases=unary(real(), over), dtypes=COUNTED,
        edges=[Edge([[NAN, 2.0]], 2.0, [[0.0, 1.0]]), Edge([[NAN]], 0.0, [[0.0]])],
    ),
    Operation(
        name="nanmean", call=tinytorch.nanmean, reference=axes(np.mean), cases=unary(real(), over, min_side=1),
        dtypes=FLOATS,
        errors=[Refused(lambda: arange(3).nanmean(), DTypeError, "nanmean: expected a floating dtype")],
        edges=[Edge([[NAN, 2.0, 4.0]], 3.0, [[0.0, 0.5, 0.5]]), Edge([[NAN]], NAN)],
    ),
    Operation(
        name="count_nonzero", call=tinytorch.count_nonzero, gradient="a count",
        reference=lambda a, dim=None: np.asarray(axes(np.count_nonzero)(a, dim), np.int64),
        cases=unary(whole(-1, 2), lambda shape: {"dim": over(shape)["dim"]}, min_dims=1),
        dtypes={"float16": "int64", "bool": "int64", "uint8": "int64"}, edges=[Edge([[NAN, 0.0, INF]], 2)],
    ),
    Operation(
        name="var", call=tinytorch.var, reference=variance, cases=unary(real(), **SPREAD), dtypes=FLOATS,
        errors=[
            Refused(lambda: arange(3).var(), DTypeError, "var: expected a floating dtype, found int64"),
            Refused(lambda: ones(3).var(0, False, correction=0), DTypeError, "correction or unbiased, found both"),
        ],
        edges=[
            Edge([[1.0]], NAN), Edge([[1.0, 3.0]], INF, settings={"correction": 2}),
            Edge([[1.0, 1.0]], 0.0, [[0.0, 0.0]]), Edge([[1.0, 3.0]], 1.0, settings={"unbiased": False}),
        ],
    ),
    Operation(
        name="std", call=tinytorch.std, reference=deviation, cases=unary(distinct(), **SPREAD), dtypes=FLOATS,
        edges=[Edge([[1.0]], NAN), Edge([[1.0, 1.0]], 0.0, [[0.0, 0.0]]),
               Edge([[1.0, 3.0]], 1.0, settings={"dim": 0, "unbiased": False})],
    ),
    Operation(
        name="var_mean", call=tinytorch.var_mean, reference=both(variance, average), cases=unary(real(), **SPREAD),
        dtypes=FLOATS, errors=[Refused(lambda: arange(3).var_mean(), DTypeError, "var: expected a floating dtype")],
    ),
    Operation(
        name="std_mean", call=tinytorch.std_mean, reference=both(deviation, average), cases=unary(distinct(), **SPREAD),
        dtypes=FLOATS,
    ),
    Operation(
        name="aminmax", call=tinytorch.aminmax, reference=both(axes(np.min), axes(np.max)), dtypes=SAME,
        cases=unary(distinct(), along_keepdim, min_dims=1, min_side=1),
    ),
    Operation(
        name="median", call=tinytorch.median, reference=lower_median, dtypes=SAME,
        cases=unary(distinct(), along_keepdim, min_dims=1, min_side=1),
        errors=[Refused(lambda: zeros(0, 2).median(0), IndexingError, "median: expected elements along axis 0")],
        edges=[
            Edge([[3.0, 1.0, 2.0, 4.0]], 2.0, [[0.0, 0.0, 1.0, 0.0]]), Edge([[1.0, NAN, 0.0]], NAN, [[0.0, 1.0, 0.0]]),
            Edge([[1.0, NAN]], (NAN, 1), settings={"dim": 0}), Edge([[]], NAN),
            Edge([2.0], (2.0, 0), settings={"dim": 0}),
        ],
    ),
    *(
        Operation(
            name="norm", call=tinytorch.norm, reference=p_norm, dtypes=FLOATS if p == 2 else {},
            cases=unary(distinct(0.03), lambda shape, p=p: over(shape) | {"p": st.just(p)}, min_side=1),
            gradient=True if p else "a count",
        )
        for p in (2, 1, 3, 0.5, 0, -1, INF, -INF)
    ),
    Operation(
        name="norm", call=lambda a: a.norm(), reference=lambda a: np.sqrt((a * a).sum()), forms=(),
        cases=unary(nonzero(), min_side=1),
        errors=[
            Refused(lambda: arange(3).norm(), DTypeError, "norm: expected a floating dtype, found int64"),
            Refused(lambda: ones(3).norm("nuc"), DTypeError, "expected p as a number"),
        ],
        edges=[
            Edge([[0.0, 0.0]], 0.0, [[0.0, 0.0]]), Edge([[3.0, 4.0]], 5.0, [[0.6, 0.8]]), Edge([[]], 0.0, [[]]),
            Edge([[INF, 1.0]], INF), Edge([[NAN, 1.0]], NAN),
        ],
    ),
    Operation(
        name="linalg.vector_norm", call=tinytorch.linalg.vector_norm, forms=(),
        reference=lambda a, ord, dim, keepdim: p_norm(a, ord, dim, keepdim),
        cases=unary(distinct(0.03), lambda shape: over(shape) | {"ord": st.sampled_from([2, 3, INF])}, min_side=1),
        errors=[Refused(lambda: tinytorch.linalg.vector_norm(ones(2), "fro"), DTypeError, "expected ord as a number")],
    ),
    Operation(
        name="linalg.matrix_norm", call=tinytorch.linalg.matrix_norm, forms=(),
        reference=lambda a, ord: np.linalg.norm(a, ord, axis=(-2, -1)),
        cases=unary(distinct(0.03), {"ord": st.sampled_from(["fro", 1, -1, INF, -INF])}, min_dims=2, min_side=1),
        errors=[
            Refused(lambda: tinytorch.linalg.matrix_norm(ones(2, 2), 2), DTypeError, "expected ord 'fro', 1, -1"),
            Refused(lambda: tinytorch.linalg.matrix_norm(ones(2, 2), 1, (0, 0)), ShapeError, "two axes of a matrix"),
        ],
    ),
    Operation(
        name="linalg.norm", call=tinytorch.linalg.norm, forms=(),
        reference=lambda a, ord: np.linalg.norm(a) if ord is None else np.linalg.norm(a, ord),
        cases=unary(distinct(0.03), {"ord": st.sampled_from([None, 1, INF])}, min_dims=1, max_dims=2, min_side=1),
        errors=[Refused(lambda: tinytorch.linalg.norm(ones(2, 2, 2), 1), ShapeError, "at most 2 axes")],
    ),
    # ---- distributions
    *(
        Operation(
            name=name, call=getattr(tinytorch, name), dtypes=SAME, cases=unary(distinct(), along, min_dims=1),
            reference=lambda a, dim, f=extreme, g=find: (f.accumulate(a, axis=dim), g(a, dim)),
            primitives=(f"cumarg{name[3:]}", "take_along", "put_along"),
            errors=[Refused(lambda f=name: getattr(ones(2), f)(1), IndexingError, f"{name}: expected dim from -1")],
            edges=[
                Edge([[1.0, 1.0]], ([1.0, 1.0], [0, 1]), [[1.0, 1.0]], {"dim": 0}),
                Edge([[1.0, NAN, 2.0]], ([1.0, NAN, NAN], [0, 1, 1]), settings={"dim": 0}),
                Edge([3.0], (3.0, 0), [1.0], {"dim": 0}),
            ],
        )
        for name, extreme, find in (
            ("cummax", np.maximum, lambda a, dim: so_far(a, dim, np.argmax)),
            ("cummin", np.minimum, lambda a, dim: so_far(a, dim, np.argmin)),
        )
    ),
    Operation(
        name="diff", call=tinytorch.diff, reference=lambda a, n, dim: np.diff(a, n, axis=dim),
        cases=unary(real(), lambda shape: along(shape) | {"n": st.integers(0, 2)}, min_dims=1),
        dtypes={"float16": "float16", "int64": "int64"},
        errors=[
            Refused(lambda: zeros(()).diff(), ShapeError, "diff: expected at least one axis"),
            Refused(lambda: ones(2).diff(-1), ShapeError, "diff: expected a whole number"),
        ],
    ),
    Operation(
        name="diff", call=lambda a, b: a.diff(prepend=b, append=b), forms=(),
        cases=same_shape(real(), real(), min_dims=1),
        reference=lambda a, b: np.diff(a, prepend=b, append=b),
    ),
    Operation(
        name="quantile", call=tinytorch.quantile,
        reference=lambda a, q, dim, keepdim, interpolation: np.quantile(
            a, q, axis=dim, keepdims=keepdim, method=interpolation
        ),
        cases=unary(
            distinct(),
            lambda shape: along_keepdim(shape) | {
                "q": st.sampled_from([0.0, 0.3, 0.5, 1.0]),
                "interpolation": st.sampled_from(["linear", "lower", "higher", "midpoint", "nearest"]),
            },
            min_dims=1, min_side=1, max_side=4,
        ),
        dtypes={"float32": "float32"}, edges=[Edge([[1.0, NAN]], NAN, settings={"q": 0.5})],
        errors=[
            Refused(lambda: ones(2).quantile(1.5), ShapeError, "quantile: expected q from 0 to 1"),
            Refused(lambda: arange(2).quantile(0.5), DTypeError, "quantile: expected floating input"),
            Refused(lambda: ones(2).quantile(0.5, interpolation="cubic"), DTypeError, "interpolation as one of"),
            Refused(lambda: zeros(0).quantile(0.5), ShapeError, "quantile: expected elements along axis 0"),
        ],
    ),
    Operation(
        name="cov", call=tinytorch.cov, reference=lambda a, correction: np.cov(a, ddof=correction),
        cases=unary(real(), {"correction": st.sampled_from([0, 1])}, min_dims=1, max_dims=2, min_side=2),
        dtypes={"float16": "float16", "int64": "float32"},
        errors=[Refused(lambda: ones(2, 2, 2).cov(), ShapeError, "cov: expected at most 2 axes")],
    ),
    Operation(
        name="corrcoef", call=tinytorch.corrcoef, reference=np.corrcoef,
        cases=unary(real(), min_dims=2, max_dims=2, min_side=3, max_side=4), gradient=True, second=True,
    ),
    Operation(
        name="dist", call=tinytorch.dist, reference=lambda a, b, p: p_norm(a - b, p),
        cases=same_shape(distinct(), distinct(0.03), settings={"p": st.sampled_from([1, 2, 3])}, min_side=1),
    ),
    Operation(
        name="primitive.linear_recurrence", forms=(), primitives=("linear_recurrence",),
        call=lambda a, b: tinytorch.core.engine.primitive("linear_recurrence")(a, b, dim=a.ndim - 1),
        reference=lambda a, b: np.stack(list(_steps(a, b)), -1) if a.shape[-1] else b,
        cases=same_shape(real(), real(), min_dims=1),
    ),
]


def _steps(a, b):
    y = np.zeros(a.shape[:-1])
    for t in range(a.shape[-1]):
        y = b[..., t] + a[..., t] * y
        yield y
