"""Rows of what module 02 rearranges, selects, joins, converts and overwrites."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinytorch
from tests.operations.cases import Case, an_axis, case, cases, fixed_shapes, integers, real, same_shape, unary
from tests.operations.table import Edge, Operation, Refused
from tests.operations.values import NAN, SAME
from tinytorch import DTypeError, IndexingError, ShapeError, Tensor, tensor

KEPT = SAME | {"bool": "bool"}
ONES = tinytorch.ones(2, 3)


def refactored(shape):
    """Other shapes with as many elements."""
    count = int(np.prod(shape))
    found = [(count,), (1, count), (count, 1, 1), shape[::-1]]
    return {"shape": st.sampled_from(found + ([(-1,), (-1, 1)] if count else []) + ([()] if count == 1 else []))}


def an_order(shape):
    """The axes in some order, counted from either end."""
    return {"order": st.permutations(range(len(shape))).flatmap(
        lambda order: st.tuples(*(st.sampled_from([d, d - len(shape)]) for d in order)))}


def two_axes(shape):
    """Two axes, which may be the same."""
    return {"dim0": an_axis(shape), "dim1": an_axis(shape)}


def larger(shape):
    """Shapes to which `shape` expands."""
    grown = st.tuples(*(st.integers(0, 3) if n == 1 else st.just(n) for n in shape))
    return {"shape": st.tuples(st.sampled_from([(), (2,), (1, 3)]), grown).map(lambda parts: parts[0] + parts[1])}


def a_span(shape):
    """The axes that flatten joins."""
    last = max(len(shape) - 1, 0)
    return st.tuples(st.integers(0, last), st.integers(0, last)).map(
        lambda ends: {"start_dim": min(ends), "end_dim": max(ends) - last - 1})


def flattened(a, start_dim, end_dim):
    """The axes from start_dim to end_dim in one."""
    if a.ndim == 0:
        return a.reshape(1)
    end = end_dim % a.ndim
    return a.reshape(*a.shape[:start_dim], int(np.prod(a.shape[start_dim : end + 1])), *a.shape[end + 1 :])


def squeezed(a, dim=None):
    """Axes of size 1 dropped, or one of them if it has size 1."""
    return np.squeeze(a, dim) if dim is None or (a.ndim and a.shape[dim] == 1) else a


RESHAPING = [
    Operation(
        name="reshape", call=lambda x, shape: tinytorch.reshape(x, shape), reference=lambda a, shape: a.reshape(shape),
        cases=unary(real(), refactored), primitives=("reshape",), forms=(), dtypes=KEPT,
        errors=[
            Refused(lambda: ONES.reshape(4), ShapeError, r"6 elements do not fit shape \(4,\)"),
            Refused(lambda: ONES.reshape(-1, -1), ShapeError, "one may be -1"),
            Refused(lambda: ONES.reshape(1.5), DTypeError, "ints"),
        ],
    ),
    Operation(
        name="Tensor.reshape", call=lambda x, shape: x.reshape(*shape), reference=lambda a, shape: a.reshape(shape),
        cases=unary(real(), refactored), primitives=("reshape",), forms=(),
    ),
    Operation(
        name="Tensor.view", call=lambda x, shape: x.contiguous().view(shape),
        reference=lambda a, shape: a.reshape(shape), cases=unary(real(), refactored), primitives=("reshape", "copy"),
        forms=(),
        errors=[Refused(lambda: ONES.T.view(6), ShapeError, "Use reshape")],
    ),
    Operation(
        name="permute", call=lambda x, order: tinytorch.permute(x, order),
        reference=lambda a, order: a.transpose(order), cases=unary(real(), an_order), primitives=("permute",), forms=(),
        dtypes=KEPT, errors=[
            Refused(lambda: ONES.permute(0, 0), ShapeError, "each of the 2 axes once"),
            Refused(lambda: ONES.permute(0, 2), IndexingError, "from -2 to 1"),
        ],
    ),
    Operation(
        name="Tensor.permute", call=lambda x, order: x.permute(*order), reference=lambda a, order: a.transpose(order),
        cases=unary(real(), an_order), primitives=("permute",), forms=(),
    ),
    Operation(
        name="transpose", call=tinytorch.transpose, cases=unary(real(), two_axes), primitives=("permute",),
        reference=lambda a, dim0, dim1: a.swapaxes(dim0, dim1) if a.ndim else a, dtypes=KEPT,
        errors=[Refused(lambda: ONES.transpose(0, 2), IndexingError, "from -2 to 1")],
    ),
    Operation(
        name="squeeze", call=tinytorch.squeeze, reference=squeezed, dtypes=KEPT, primitives=("reshape",),
        cases=unary(real(), lambda shape: st.just({}) | an_axis(shape).map(lambda dim: {"dim": dim}), max_side=2),
        errors=[Refused(lambda: ONES.squeeze(2), IndexingError, "from -2 to 1")],
    ),
    Operation(
        name="unsqueeze", call=tinytorch.unsqueeze, reference=lambda a, dim: np.expand_dims(a, dim), dtypes=KEPT,
        cases=unary(real(), lambda shape: {"dim": st.integers(-len(shape) - 1, len(shape))}), primitives=("reshape",),
        errors=[Refused(lambda: ONES.unsqueeze(3), IndexingError, "from -3 to 2")],
    ),
    Operation(
        name="flatten", call=tinytorch.flatten, reference=flattened, cases=unary(real(), a_span), dtypes=KEPT,
        primitives=("reshape",), errors=[Refused(lambda: ONES.flatten(1, 0), ShapeError, "start_dim <= end_dim")],
    ),
    Operation(
        name="broadcast_to", call=lambda x, shape: tinytorch.broadcast_to(x, size=shape), forms=(),
        reference=lambda a, shape: np.broadcast_to(a, shape),
        cases=unary(real(), larger), primitives=("expand",), dtypes=KEPT,
        errors=[
            Refused(lambda: ONES.broadcast_to((3, 3)), ShapeError, r"\(2, 3\).*\(3, 3\)"),
            Refused(lambda: ONES.expand(3), ShapeError, "at least 2 axes"),
        ],
    ),
    Operation(
        name="Tensor.expand", call=lambda x, shape: x.expand(*shape), cases=unary(real(), larger),
        reference=lambda a, shape: np.broadcast_to(a, shape), primitives=("expand",), forms=(),
    ),
    Operation(
        name="Tensor.expand", call=lambda x: x.expand(2, -1, 3), reference=lambda a: np.broadcast_to(a, (2, 2, 3)),
        cases=[case([[1.0], [2.0]]), case([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])], primitives=("expand",), forms=(),
    ),
]  # fmt: skip


def indexed(call):
    """`call` with the index as a setting: NumPy arrays in it become tensors."""

    def function(*inputs, index):
        return call(*inputs, tuple(tensor(i) if isinstance(i, np.ndarray) else i for i in index))

    return function


MASK = np.array([[True, False, True, False], [False, True, True, False], [False] * 4])
PLACES = [
    (1,), (slice(None), slice(1, 3)), (slice(None, None, -2),), (None, ..., 0), (np.array([2, 0, 2]),),
    (np.array([[0], [1]]), np.array([1, 1, 3])), (MASK,), (slice(0, 0),), (..., np.array([0, 0])), (-1, -1),
    (slice(1, None), np.array([3, 1])), (np.array([True, False, True]),), (np.array([], np.int64),),
]  # fmt: skip


def set_at(x, value, index):
    """`x` with `value` written at `index`, on a copy with a history."""
    y = x.clone()
    y[index] = value
    return y


def set_reference(a, value, index):
    """The same in NumPy."""
    a = np.array(a)
    a[index] = value
    return a


BASIC = hnp.basic_indices((3, 4), allow_newaxis=True).map(
    lambda index: Case((np.arange(12.0).reshape(3, 4),), {"index": index if isinstance(index, tuple) else (index,)})
)
WRITES = [
    case(np.arange(12.0).reshape(3, 4), value, index=index)
    for index, value in (
        ((1,), [9.0, 8.0, 7.0, 6.0]), ((slice(None), slice(1, 3)), 5.0), ((slice(None, None, 2),), [[1.0], [2.0]]),
        ((np.array([2, 0]),), [[1.0, 2.0, 3.0, 4.0]]), ((MASK,), [1.0, 2.0, 3.0, 4.0]), ((MASK,), 7.0),
        ((np.array([0, 1]), np.array([1, 3])), [1.0, 2.0]), ((..., -1), [1.0, 2.0, 3.0]), ((slice(0, 0),), 1.0),
    )
]  # fmt: skip

SELECTING = [
    Operation(
        name="Tensor.__getitem__", call=indexed(Tensor.__getitem__), reference=lambda a, index: a[index],
        cases=[case(np.arange(12.0).reshape(3, 4), index=index) for index in PLACES],
        primitives=("getitem", "getitem_grad"), forms=(), dtypes=KEPT,
        errors=[
            Refused(lambda: ONES["a"], IndexingError, "'a'"), Refused(lambda: ONES[1.5], IndexingError, "1.5"),
            Refused(lambda: ONES[0, 0, 0], IndexingError, "too many indices"),
            Refused(lambda: ONES[2], IndexingError, "out of bounds"),
            Refused(lambda: ONES[tensor([0.5])], IndexingError, "integers or bools"),
        ],
    ),
    Operation(
        name="Tensor.__getitem__", call=indexed(Tensor.__getitem__), reference=lambda a, index: a[index],
        cases=BASIC, primitives=("getitem", "getitem_grad"), forms=(),
    ),
    Operation(
        name="Tensor.__setitem__", call=indexed(set_at), reference=set_reference, cases=WRITES,
        primitives=("setitem_", "copy", "getitem"), forms=(),
        errors=[
            Refused(lambda: tinytorch.ones(2).__setitem__(5, 1.0), IndexingError, "out of bounds"),
            Refused(lambda: tinytorch.ones(2).__setitem__(slice(None), [1.0, 2.0, 3.0]), ShapeError, r"\(3,\)"),
        ],
    ),
    Operation(
        name="Tensor.gather", call=lambda x, index, dim: x.gather(dim, index),
        reference=lambda a, index, dim: np.take_along_axis(
            a[tuple(slice(None) if i == dim % a.ndim else slice(n) for i, n in enumerate(index.shape))], index, dim),
        cases=cases(
            fixed_shapes([(3, 4), (3, 2)], [(3, 3), (2, 3)], [(3,), (5,)], [(3, 3, 3), (1, 2, 2)], [(3, 3), (0, 3)]),
            real(), integers(0, 3), settings=lambda shape, index: {"dim": st.sampled_from([0, -len(shape)])
                                                                   if index[0] != shape[0] or shape == (3,) else
                                                                   st.sampled_from([len(shape) - 1, -1])},
        ),
        primitives=("take_along", "put_along"), forms=(), dtypes=KEPT,
        errors=[
            Refused(lambda: ONES.gather(1, tensor([0])), ShapeError, "gather: expected an index with 2 axes"),
            Refused(lambda: ONES.gather(1, tensor([[0.5]])), DTypeError, "integer tensor"),
            Refused(lambda: ONES.gather(0, tensor([[7]])), IndexingError, "found 7"),
        ],
    ),
]  # fmt: skip


def joined(function):
    """A function of a sequence, called with its elements."""
    return lambda *parts, dim: function(list(parts), dim)


DIFFERENT = fixed_shapes([(2, 1), (2, 3), (2, 0)], [(2, 2), (2, 2), (2, 1)])
JOINING = [
    Operation(
        name="cat", call=joined(tinytorch.cat), reference=joined(np.concatenate), primitives=("cat",), forms=(),
        cases=cases(DIFFERENT, real(), real(), real(), settings={"dim": st.sampled_from([1, -1])}), dtypes=KEPT,
        errors=[
            Refused(lambda: tinytorch.cat([]), DTypeError, "cat"),
            Refused(lambda: tinytorch.cat([np.ones(2)]), DTypeError, "cat"),
            Refused(lambda: tinytorch.cat([ONES, tinytorch.ones(2)]), ShapeError, "equal sizes on every axis but"),
            Refused(lambda: tinytorch.cat([tensor(1.0)]), ShapeError, "at least one axis"),
            Refused(lambda: tinytorch.cat([ONES], 2), IndexingError, "cat"),
        ],
    ),
    Operation(
        name="cat", call=joined(tinytorch.cat), reference=joined(np.concatenate), primitives=("cat",), forms=(),
        cases=same_shape(real(), real(), settings=lambda shape, _: {"dim": an_axis(shape)}, min_dims=1),
    ),
    Operation(
        name="stack", call=joined(tinytorch.stack), reference=joined(np.stack), primitives=("cat", "reshape"), forms=(),
        cases=same_shape(real(), real(), settings=lambda shape, _: {"dim": st.integers(-len(shape) - 1, len(shape))}),
        dtypes=KEPT, errors=[
            Refused(lambda: tinytorch.stack([]), DTypeError, "stack"),
            Refused(lambda: tinytorch.stack([ONES, tinytorch.ones(2)]), ShapeError, "stack"),
        ],
    ),
]



CONVERTING = [
    Operation(
        name="Tensor.clone", call=Tensor.clone, reference=np.copy, cases=unary(), primitives=("copy",), dtypes=KEPT,
        edges=[Edge([[NAN]], [NAN], [[1.0]])],
    ),
    Operation(
        name="Tensor.contiguous", call=Tensor.contiguous, reference=np.copy, cases=unary(), primitives=("copy",),
        dtypes=KEPT,
    ),
    Operation(
        name="Tensor.to", call=lambda x: x.to(tinytorch.float64), reference=lambda a: a, primitives=("cast",), forms=(),
        cases=unary(), dtypes={"float16": "float64", "int64": "float64", "bool": "float64", "float32": "float64"},
        errors=[
            Refused(lambda: ONES.to("complex64"), DTypeError, "complex64"),
            Refused(lambda: ONES.to("cuda:0"), NotImplementedError, "13_kernels"),
        ],
    ),
    Operation(
        name="Tensor.double", call=lambda x: x.double(), reference=lambda a: a, primitives=("cast",), forms=(),
        cases=unary(), dtypes={"float16": "float64", "int64": "float64", "bool": "float64", "float32": "float64"},
    ),
    Operation(
        name="Tensor.float", call=Tensor.float, reference=lambda a: a.astype(float), primitives=("cast",),
        cases=[case([1, 0, -2]), case([True, False])], gradient="of integers", dtypes={"float64": "float32"},
    ),
    Operation(
        name="Tensor.float", call=Tensor.float, reference="rounds float64 to float32; the row above has the values",
        cases=[], primitives=("cast",), forms=(), edges=[Edge([[1.5, -2.0]], [1.5, -2.0], [[1.0, 1.0]])],
    ),
    Operation(
        name="Tensor.long", call=Tensor.long, reference=lambda a: np.trunc(a).astype(np.int64), cases=unary(real(2.0)),
        primitives=("cast",), gradient="integers have none", dtypes={"uint8": "int64", "bool": "int64"},
    ),
    Operation(
        name="Tensor.bool", call=Tensor.bool, reference=lambda a: a != 0, cases=[case([0.0, -0.0, 2.0])],
        primitives=("cast",), gradient="bools have none", dtypes={"uint8": "bool"}, forms=(),
        edges=[Edge([[NAN]], [True])],
    ),
]  # fmt: skip


CONVERTING += [
    Operation(
        name=f"Tensor.{name}", call=getattr(Tensor, name), reference=lambda a, kind=kind: np.asarray(a).astype(kind),
        cases=[case([1, 0, 3]), case([True, False]), case(np.zeros((0, 2), np.int64))], primitives=("cast",),
        gradient="of integers", forms=(), dtypes={"float64": kind, "float32": kind},
    )
    for name, kind in (
        ("half", "float16"), ("byte", "uint8"), ("char", "int8"), ("short", "int16"), ("int", "int32"),
    )
]  # fmt: skip
CONVERTING += [
    Operation(
        name="Tensor.type_as", call=Tensor.type_as, reference=lambda a, like: a.astype(like.dtype),
        cases=[case([1.5, -2.0], [1]), case([1.5, -2.0], [True])], primitives=("cast",), gradient="integers have none",
    ),
    Operation(
        name="Tensor.__reversed__", call=Tensor.__reversed__, reference=lambda a: a[::-1], cases=unary(min_dims=1),
        primitives=(), dtypes=KEPT,
    ),
]


OVERWRITING = [
    Operation(
        name="Tensor.copy_", call=lambda x, v: (x * 1.0).copy_(v), reference=lambda a, v: np.broadcast_to(v, a.shape),
        cases=cases(fixed_shapes([(2, 3), (3,)], [(2, 3), (2, 3)], [(2, 2), ()], [(0, 2), (2,)]), real(), real()),
        primitives=("copy_",), in_place="copy_", forms=(),
        errors=[Refused(lambda: tinytorch.ones(2).copy_(ONES), ShapeError, r"\(2, 3\)")],
    ),
    Operation(
        name="Tensor.fill_", call=lambda x, value: x * 0 + value,
        reference=lambda a, value: np.full(a.shape, float(value)),
        cases=unary(real(), {"value": st.sampled_from([0.0, 2.5, -1])}), primitives=("copy_",), in_place="fill_",
        forms=(),
    ),
    Operation(
        name="Tensor.zero_", call=lambda x: x * 0, reference=np.zeros_like, cases=unary(), primitives=("copy_",),
        in_place="zero_", forms=(),
    ),
]

ROWS = [*RESHAPING, *SELECTING, *JOINING, *CONVERTING, *OVERWRITING]
