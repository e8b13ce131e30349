"""Rows of what gives the same elements another shape or order."""

import numpy as np
from hypothesis import strategies as st

import tinytorch
from tests.operations.cases import an_axis, case, cases, fixed_shapes, real, unary
from tests.operations.table import Edge, Operation, Refused
from tinytorch import IndexingError, ShapeError, ones, tensor

SAME = {"float16": "float16", "uint8": "uint8", "int32": "int32", "bool": "bool"}


def shape_row(name, reference, inputs, **more):
    """A row of a method that moves elements around and computes nothing."""
    more = {"call": getattr(tinytorch, name, None) or getattr(tinytorch.Tensor, name), "dtypes": SAME} | more
    return Operation(name=name, reference=reference, cases=inputs, **more)


def method(name):
    return f"Tensor.{name}"


def moved(shape):
    several = st.permutations(range(len(shape))).map(tuple)
    return {"source": several, "destination": several} if len(shape) > 1 else {"source": 0, "destination": -1}


def flipped(shape):
    dims = st.lists(an_axis(shape), max_size=2, unique_by=lambda d: d % max(len(shape), 1)).map(tuple)
    return {"dims": dims if shape else st.just(())}


def diagonals(shape):
    pairs = st.permutations(range(len(shape))).map(lambda order: order[:2])
    return st.builds(
        lambda pair, offset: {"offset": offset, "dim1": pair[0], "dim2": pair[1] - len(shape)},
        pairs,
        st.integers(-2, 2),
    )


def embedded(a, offset=0):
    size = a.shape[-1] + abs(offset)
    found = np.zeros((*a.shape[:-1], size, size))
    for i in range(a.shape[-1]):
        found[..., i + max(-offset, 0), i + max(offset, 0)] = a[..., i]
    return found


def one_of(*shapes):
    """Shapes of one input."""
    return fixed_shapes(*((shape,) for shape in shapes))


MATRIX = {"min_dims": 2, "max_dims": 3}
LINE = {"min_dims": 1}

ROWS = [
    # ---- the order of the axes
    shape_row(
        "t",
        np.transpose,
        unary(real(), max_dims=2),
        errors=[Refused(lambda: ones(1, 1, 1).t(), ShapeError, r"t: expected at most 2 axes")],
    ),
    *(
        shape_row(
            name,
            lambda a, **axes: np.swapaxes(a, *axes.values()),
            unary(real(), lambda shape, names=names: dict.fromkeys(names, an_axis(shape)), **LINE),
        )
        for name, names in (("swapaxes", ("axis0", "axis1")), ("swapdims", ("dim0", "dim1")))
    ),
    *(
        shape_row(
            name,
            np.moveaxis,
            unary(real(), moved, **LINE),
            errors=[
                Refused(lambda f=name: getattr(ones(2, 2), f)((0, 0), (0, 1)), ShapeError, "as many different places")
            ],
        )
        for name in ("movedim", "moveaxis")
    ),
    shape_row(
        "flip",
        lambda a, dims: np.flip(a, dims),
        unary(real(), flipped),
        errors=[Refused(lambda: ones(2).flip(1), IndexingError, "flip: expected dim from -1 to 0")],
    ),
    shape_row(
        "fliplr",
        np.fliplr,
        unary(real(), **MATRIX),
        errors=[Refused(lambda: ones(2).fliplr(), IndexingError, "flip: expected dim")],
    ),
    shape_row("flipud", np.flipud, unary(real(), **LINE)),
    shape_row(
        "rot90",
        lambda a, k, dims: np.rot90(a, k, dims),
        unary(real(), {"k": st.integers(-2, 5), "dims": st.sampled_from([(0, 1), (1, 0)])}, **MATRIX),
        errors=[Refused(lambda: ones(2, 2).rot90(1, (0,)), ShapeError, "rot90: expected two axes")],
    ),
    shape_row(
        "roll",
        lambda a, shifts, dims: np.roll(a, shifts, dims),
        unary(real(), lambda s: {"shifts": st.integers(-4, 4), "dims": an_axis(s)}, **LINE),
        errors=[Refused(lambda: ones(2, 2).roll((1, 1), 0), ShapeError, "roll: expected a shift for each axis")],
    ),
    Operation(
        name="roll",
        call=lambda a: a.roll((1, -2), (0, 1)),
        reference=lambda a: np.roll(a, (1, -2), (0, 1)),
        cases=unary(real(), **MATRIX),
        forms=(),
    ),
    Operation(name="roll", call=lambda a: a.roll(2), reference=lambda a: np.roll(a, 2), cases=unary(real()), forms=()),
    # ---- joining and splitting axes
    shape_row("ravel", np.ravel, unary(real())),
    shape_row(
        "unflatten",
        lambda a, dim, sizes: a.reshape(a.shape[0], 2, a.shape[1] // 2),
        cases(one_of((2, 4), (1, 2), (0, 6)), real(), settings={"dim": st.sampled_from([1, -1]), "sizes": (2, -1)}),
        errors=[
            Refused(
                lambda: ones(2, 4).unflatten(1, (3, -1)), ShapeError, "unflatten: expected sizes that multiply to 4"
            ),
            Refused(lambda: ones(2, 4).unflatten(1, (-1, -1)), ShapeError, "multiply to 4"),
        ],
    ),
    *(
        Operation(
            name=method(name),
            call=getattr(tinytorch.Tensor, name),
            reference=lambda a, b, f=function: f(a, b.shape),
            cases=[case(np.arange(6.0).reshape(shape), np.zeros(other))],
            inputs=(0,),
            forms=(),
            dtypes=SAME,
        )
        for name, function, shape, other in (
            ("view_as", np.reshape, (2, 3), (3, 2)),
            ("reshape_as", np.reshape, (2, 3), (6,)),
            ("expand_as", np.broadcast_to, (1, 6), (3, 6)),
        )
    ),
    # ---- repeating
    Operation(
        name="Tensor.repeat",
        call=lambda a: a.repeat(2, 1, 3),
        reference=lambda a: np.tile(a, (2, 1, 3)),
        dtypes=SAME,
        cases=unary(real()),
        forms=(),
        errors=[
            Refused(
                lambda: ones(2, 2).repeat(2), ShapeError, r"repeat: expected a number for each axis of shape \(2, 2\)"
            )
        ],
    ),
    Operation(
        name="tile",
        call=lambda a: tinytorch.tile(a, (2, 3)),
        reference=lambda a: np.tile(a, (2, 3)),
        dtypes=SAME,
        cases=unary(real()),
        forms=(),
    ),
    shape_row(
        "repeat_interleave",
        lambda a, repeats, dim: np.repeat(a, repeats, axis=dim),
        unary(real(), lambda s: {"repeats": st.integers(0, 3), "dim": st.none() | an_axis(s)}, **LINE),
        errors=[
            Refused(
                lambda: ones(2).repeat_interleave(tensor([1, 2, 3])), ShapeError, "a number of 0 or more, or 2 of them"
            ),
            Refused(lambda: ones(2).repeat_interleave(-1), ShapeError, "repeat_interleave: expected a whole number"),
        ],
    ),
    Operation(
        name="repeat_interleave",
        call=lambda a: a.repeat_interleave(tensor([2, 0, 1]), dim=1),
        forms=(),
        reference=lambda a: np.repeat(a, [2, 0, 1], axis=1),
        cases=cases(one_of((2, 3), (0, 3), (1, 3, 2)), real()),
    ),
    # ---- diagonals and triangles
    shape_row(
        "diagonal",
        lambda a, offset, dim1, dim2: np.diagonal(a, offset, dim1, dim2),
        unary(real(), diagonals, **MATRIX),
        primitives=("diagonal",),
        errors=[
            Refused(lambda: ones(2, 2).diagonal(0, 1, -1), ShapeError, "diagonal: expected two different axes"),
            Refused(lambda: ones(2).diagonal(), IndexingError, "diagonal: expected dim"),
        ],
    ),
    shape_row(
        "diag",
        lambda a, diagonal: np.diag(a, diagonal),
        unary(real(), {"diagonal": st.integers(-2, 2)}, min_dims=1, max_dims=2),
        errors=[Refused(lambda: ones(1, 1, 1).diag(), ShapeError, "diag: expected 1 or 2 axes")],
    ),
    shape_row(
        "diag_embed",
        embedded,
        unary(real(), {"offset": st.integers(-2, 2)}, min_dims=1),
        errors=[Refused(lambda: ones(2).diag_embed(0, 0, 0), ShapeError, "diag_embed: expected two different axes")],
    ),
    *(
        shape_row(
            name,
            lambda a, diagonal, f=function: f(a, diagonal),
            unary(real(), {"diagonal": st.integers(-2, 2)}, **MATRIX),
            in_place=f"{name}_",
            errors=[Refused(lambda f=name: getattr(ones(2), f)(), ShapeError, f"{name}: expected at least 2 axes")],
            edges=[
                Edge(
                    [[[np.nan, np.inf], [np.inf, 1.0]]],
                    [[np.nan, 0.0], [np.inf, 1.0]] if name == "tril" else [[np.nan, np.inf], [0.0, 1.0]],
                    [[[1.0, 0.0], [1.0, 1.0]] if name == "tril" else [[1.0, 1.0], [0.0, 1.0]]],
                )
            ],
        )
        for name, function in (("tril", np.tril), ("triu", np.triu))
    ),
    *(
        Operation(
            name=name,
            call=lambda f=name, **s: getattr(tinytorch, f)(3, 4, **s),
            forms=(),
            gradient="indices",
            reference=lambda f=function, offset=0: np.stack(f(3, offset, 4)),
            cases=[case(offset=k) for k in (-1, 0, 2)],
            errors=[
                Refused(lambda f=name: getattr(tinytorch, f)(-1, 2), ShapeError, f"{name}: expected a whole number")
            ],
        )
        for name, function in (("tril_indices", np.tril_indices), ("triu_indices", np.triu_indices))
    ),
]
