"""Rows of what cuts tensors apart, and puts several together."""

import math

import numpy as np
from hypothesis import strategies as st

import tinytorch
from tests.operations.cases import an_axis, broadcasting, case, cases, fixed_shapes, real, same_shape, unary
from tests.operations.rows_shapes import SAME, one_of, shape_row
from tests.operations.table import Edge, Operation, Refused
from tinytorch import DTypeError, IndexingError, ShapeError, arange, ones, tensor


def windows(a, dimension, size, step):
    dimension %= a.ndim
    found = np.lib.stride_tricks.sliding_window_view(a, size, axis=dimension)
    return np.take(found, np.arange(0, found.shape[dimension], step), axis=dimension)


def split_at(a, size, dim):
    return np.split(a, range(size, a.shape[dim], size), axis=dim)


def joined(name, function, *shapes, **more):
    """A row of a function of a list of tensors."""
    return Operation(
        name=name,
        call=lambda *parts, **settings: getattr(tinytorch, name)(parts, **settings),
        forms=(),
        dtypes=SAME,
        reference=lambda *parts, **settings: function(parts, **settings),
        cases=cases(fixed_shapes(*shapes), real(), real()),
        **more,
    )


def least(count):
    return {1: np.atleast_1d, 2: np.atleast_2d, 3: np.atleast_3d}[count]


ROWS = [
    # ---- cutting
    *(
        shape_row(
            name,
            lambda a, split_size_or_sections, dim: split_at(a, split_size_or_sections, dim),
            unary(
                real(),
                lambda s: {"split_size_or_sections": st.integers(1, 3), "dim": an_axis(s)},
                min_dims=1,
                min_side=1,
            ),
            call=lambda a, split_size_or_sections, dim: a.split(split_size_or_sections, dim),
            forms=(),
            errors=[
                Refused(
                    lambda: ones(3).split([1, 1]),
                    ShapeError,
                    r"split: expected sizes that add up to 3 along axis 0, found \(1, 1\)",
                ),
                Refused(lambda: ones(3).split(0), ShapeError, "split: expected a size of 1 or more"),
                Refused(lambda: ones(3).split(1, 1), IndexingError, "split: expected dim from -1 to 0"),
            ],
        )
        for name in ("split",)
    ),
    Operation(
        name="split",
        call=lambda a: tinytorch.split(a, [1, 0, 2], dim=-1),
        forms=(),
        reference=lambda a: np.split(a, [1, 1], axis=-1),
        cases=cases(one_of((3,), (2, 3), (0, 3)), real()),
    ),
    shape_row(
        "chunk",
        lambda a, chunks, dim: split_at(a, -(-a.shape[dim] // chunks), dim),
        unary(real(), lambda s: {"chunks": st.integers(1, 4), "dim": an_axis(s)}, min_dims=1, min_side=1),
        errors=[
            Refused(lambda: ones(2).chunk(0), ShapeError, "chunk: expected 1 chunk or more"),
            Refused(lambda: tensor(1.0).chunk(2), IndexingError, "chunk: expected a tensor with at least one axis"),
        ],
    ),
    Operation(
        name="tensor_split",
        call=lambda a, parts, dim: a.tensor_split(parts, dim),
        forms=(),
        dtypes=SAME,
        reference=lambda a, parts, dim: np.array_split(a, parts, axis=dim),
        cases=unary(
            real(),
            lambda s: {"parts": st.integers(1, 4) | st.just([1, 2]) | st.just([-1]), "dim": an_axis(s)},
            min_dims=1,
        ),
        errors=[Refused(lambda: ones(2).tensor_split(0), ShapeError, "tensor_split: expected 1 section or more")],
    ),
    shape_row(
        "unbind",
        lambda a, dim: [np.take(a, i, axis=dim) for i in range(a.shape[dim])],
        unary(real(), lambda s: {"dim": an_axis(s)}, min_dims=1, min_side=1),
        errors=[
            Refused(lambda: tensor(1.0).unbind(), IndexingError, "unbind: expected a tensor with at least one axis")
        ],
    ),
    shape_row(
        "narrow",
        lambda a, dim, start, length: np.take(a, range(start, start + length), axis=dim),
        cases(
            one_of((3,), (3, 2), (3, 3, 0)),
            real(),
            settings={"dim": 0, "start": st.integers(0, 1), "length": st.integers(0, 2)},
        ),
        errors=[
            Refused(lambda: ones(3).narrow(0, 2, 2), IndexingError, "narrow: expected start and length within 0 … 3"),
            Refused(lambda: ones(3).narrow(0, 0, -1), ShapeError, "narrow: expected a whole number"),
        ],
        edges=[Edge([[1.0, 2.0, 3.0]], [2.0, 3.0], [[0.0, 1.0, 1.0]], {"dim": 0, "start": -2, "length": 2})],
    ),
    shape_row(
        "select",
        lambda a, dim, index: np.take(a, index, axis=dim),
        unary(real(), lambda s: {"dim": an_axis(s), "index": st.sampled_from([0, -1])}, min_dims=1, min_side=1),
        errors=[
            Refused(lambda: ones(3).select(0, 3), IndexingError, "select: expected an index from -3 to 2 on axis 0")
        ],
    ),
    Operation(
        name="Tensor.unfold",
        call=tinytorch.Tensor.unfold,
        reference=windows,
        primitives=("windows",),
        dtypes=SAME,
        forms=(),
        cases=unary(
            real(),
            lambda s: {"dimension": an_axis(s), "size": 2, "step": st.integers(1, 2)},
            min_dims=1,
            min_side=4,
            max_side=5,
        ),
        errors=[
            Refused(lambda: ones(3).unfold(0, 4, 1), ShapeError, "unfold: expected a size from 0 to 3"),
            Refused(lambda: ones(3).unfold(0, 2, 0), ShapeError, "a step from 1"),
            Refused(lambda: ones(3).unfold(0, 2.0, 1), DTypeError, "size and step as ints"),
        ],
    ),
    # ---- joining
    *(
        joined(
            name,
            np.concatenate,
            ((2, 3), (2, 3)),
            ((0, 2), (1, 2)),
            errors=[
                Refused(
                    lambda f=name: getattr(tinytorch, f)([ones(2, 2), ones(2, 3)]),
                    ShapeError,
                    "cat: expected equal sizes",
                )
            ],
            edges=[Edge([[], [[1.0, 2.0]]], [[1.0, 2.0]], [[], [[1.0, 1.0]]])],
        )
        for name in ("concat", "concatenate")
    ),
    joined(
        "hstack",
        np.hstack,
        ((2,), (3,)),
        ((2, 3), (2, 1)),
        ((), ()),
        ((2, 1, 2), (2, 2, 2)),
        errors=[
            Refused(lambda: tinytorch.hstack([ones(2, 2), ones(3, 2)]), ShapeError, "equal sizes on every axis but 1")
        ],
    ),
    joined(
        "vstack",
        np.vstack,
        ((2,), (2,)),
        ((2, 3), (1, 3)),
        ((), ()),
        ((3,), (2, 3)),
        errors=[Refused(lambda: tinytorch.vstack([ones(2), ones(3)]), ShapeError, "equal sizes on every axis but 0")],
    ),
    joined(
        "dstack",
        np.dstack,
        ((2,), (2,)),
        ((2, 3), (2, 3)),
        ((2, 1, 2), (2, 1, 3)),
        errors=[Refused(lambda: tinytorch.dstack([1.0]), DTypeError, "dstack: expected a list or tuple")],
    ),
    *(
        Operation(
            name=f"atleast_{n}d",
            call=getattr(tinytorch, f"atleast_{n}d"),
            reference=least(n),
            cases=unary(real()),
            dtypes=SAME,
            errors=[
                Refused(lambda n=n: getattr(tinytorch, f"atleast_{n}d")(1.0), DTypeError, f"atleast_{n}d: expected")
            ],
        )
        for n in (1, 2, 3)
    ),
    Operation(
        name="atleast_2d",
        call=lambda a, b: tinytorch.atleast_2d([a, b]),
        reference=lambda a, b: np.atleast_2d(a, b),
        cases=same_shape(real(), real()),
        forms=(),
    ),
    Operation(
        name="broadcast_tensors",
        call=tinytorch.broadcast_tensors,
        reference=np.broadcast_arrays,
        dtypes=SAME,
        cases=cases(broadcasting(2), real(), real()),
        errors=[
            Refused(lambda: tinytorch.broadcast_tensors(ones(2), ones(3)), ShapeError, r"found \[\(2,\), \(3,\)\]")
        ],
    ),
    Operation(
        name="broadcast_shapes",
        call=lambda: arange(math.prod(tinytorch.broadcast_shapes((2, 1), 3, (1, 1, 1)))),
        forms=(),
        reference=lambda: np.arange(6),
        cases=[case()],
        gradient="a shape",
        errors=[
            Refused(lambda: tinytorch.broadcast_shapes((2,), (3,)), ShapeError, "broadcast_shapes: expected sizes"),
            Refused(lambda: tinytorch.broadcast_shapes(("a",)), DTypeError, "shape of ints"),
        ],
    ),
    Operation(
        name="meshgrid",
        call=tinytorch.meshgrid,
        dtypes=SAME,
        reference=lambda *a, indexing: np.meshgrid(*a, indexing=indexing),
        cases=cases(
            fixed_shapes(((2,), (3,), (2,)), ((0,), (2,), (1,))),
            real(),
            real(),
            real(),
            settings={"indexing": st.sampled_from(["ij", "xy"])},
        ),
        errors=[
            Refused(lambda: tinytorch.meshgrid(ones(2, 2)), ShapeError, "meshgrid: expected vectors"),
            Refused(lambda: tinytorch.meshgrid(ones(2), indexing="yx"), DTypeError, 'indexing "ij" or "xy"'),
        ],
    ),
]
