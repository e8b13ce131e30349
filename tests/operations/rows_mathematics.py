"""Rows of the functions of mathematics and of rounding in module 02, and of the error functions."""

import operator
from functools import partial

import numpy as np
import scipy.special
from hypothesis import strategies as st

import tinytorch
from tests.operations.cases import (
    binary,
    case,
    distinct,
    integers,
    interval,
    nonzero,
    positive,
    real,
    ternary,
    unary,
)
from tests.operations.rows_pointwise import bad_pair
from tests.operations.table import Edge, Operation, Refused
from tests.operations.values import FLOATING, INF, NAN, SAME, quiet
from tinytorch import DTypeError, ShapeError, Tensor, TinyTorchError, tensor

HALF = {"float16": "float16"}


def also(*names):
    """The function and the method of each name."""
    return tuple(face + name for name in names for face in ("", "Tensor."))


def function(name, reference, fill, primitives=None, more=(), edges=(), dtypes=None, **flags):
    """The row of a function of one tensor."""
    return Operation(
        name=name,
        call=getattr(tinytorch, name),
        reference=reference,
        cases=unary(fill),
        forms=also(name, *more),
        primitives=(name,) if primitives is None else primitives,
        edges=edges,
        in_place=flags.pop("in_place", f"{name}_" if hasattr(Tensor, f"{name}_") else None),
        dtypes=FLOATING if dtypes is None else dtypes,
        **flags,
    )


POWERS = [
    function(
        "square",
        np.square,
        real(),
        ("pow",),
        dtypes={**SAME, "bool": "int64"},
        edges=[Edge([[INF, NAN, -0.0]], [INF, NAN, 0.0], [[INF, NAN, 0.0]])],
    ),
    function("reciprocal", np.reciprocal, nonzero(), ("div",), edges=[Edge([[0.0, -INF]], [INF, 0.0], [[-INF, 0.0]])]),
    function(
        "rsqrt",
        lambda a: a**-0.5,
        positive(),
        ("div", "sqrt"),
        edges=[Edge([[0.0, -1.0, INF]], [INF, NAN, 0.0], [[-INF, NAN, 0.0]])],
    ),
    function("expm1", np.expm1, real(), edges=[Edge([[-INF, 1e-20, INF]], [-1.0, 1e-20, INF], [[0.0, 1.0, INF]])]),
    function("exp2", np.exp2, real(), edges=[Edge([[-INF, 3.0, INF]], [0.0, 8.0, INF])]),
    function(
        "log1p", np.log1p, positive(), edges=[Edge([[-1.0, 1e-20, -2.0]], [-INF, 1e-20, NAN], [[INF, 1.0, -1.0]])]
    ),
    function("log2", np.log2, positive(), edges=[Edge([[0.0, 8.0, -1.0]], [-INF, 3.0, NAN])]),
    function("log10", np.log10, positive(), edges=[Edge([[0.0, 1000.0, -1.0]], [-INF, 3.0, NAN])]),
    function(
        "logit",
        scipy.special.logit,
        interval(0, 1),
        ("log", "div"),
        dtypes=HALF,
        edges=[
            Edge([[0.0, 1.0, 2.0]], [-INF, INF, NAN], [[INF, INF, -0.5]]),
            Edge([[0.0, 0.5]], [np.log(0.25 / 0.75), 0.0], [[0.0, 4.0]], {"eps": 0.25}),
        ],
    ),
]

ANGLES = [
    function("tan", np.tan, interval(-1.2, 1.2), edges=[Edge([[0.0, INF]], [0.0, NAN], [[1.0, NAN]])]),
    function(
        "asin",
        np.arcsin,
        interval(-1, 1),
        more=("arcsin",),
        dtypes=HALF,
        edges=[Edge([[1.0, 2.0]], [np.pi / 2, NAN], [[INF, NAN]])],
    ),
    function(
        "acos",
        np.arccos,
        interval(-1, 1),
        more=("arccos",),
        dtypes=HALF,
        edges=[Edge([[1.0, 2.0]], [0.0, NAN], [[-INF, NAN]])],
    ),
    function("atan", np.arctan, real(), more=("arctan",), edges=[Edge([[INF, 0.0]], [np.pi / 2, 0.0], [[0.0, 1.0]])]),
    function("sinh", np.sinh, real(), edges=[Edge([[-INF, 0.0]], [-INF, 0.0], [[INF, 1.0]])]),
    function("cosh", np.cosh, real(), edges=[Edge([[-INF, 0.0]], [INF, 1.0], [[-INF, 0.0]])]),
    function("asinh", np.arcsinh, real(), more=("arcsinh",), edges=[Edge([[-INF, 0.0]], [-INF, 0.0], [[0.0, 1.0]])]),
    function(
        "acosh",
        np.arccosh,
        interval(1.2, 3),
        more=("arccosh",),
        dtypes=HALF,
        edges=[Edge([[1.0, 0.5]], [0.0, NAN], [[INF, NAN]])],
    ),
    function(
        "atanh",
        np.arctanh,
        interval(-0.9, 0.9),
        more=("arctanh",),
        dtypes=HALF,
        edges=[Edge([[1.0, -1.0, 2.0]], [INF, -INF, NAN])],
    ),
    function("deg2rad", np.deg2rad, real(90.0), ("mul",)),
    function("rad2deg", np.rad2deg, real(), ("mul",)),
    function("erf", scipy.special.erf, real(), edges=[Edge([[-INF, 0.0, NAN]], [-1.0, 0.0, NAN])]),
    function("erfc", scipy.special.erfc, real(), edges=[Edge([[INF, 10.0]], [0.0, scipy.special.erfc(10.0)])]),
    function(
        "erfinv",
        scipy.special.erfinv,
        interval(-0.9, 0.9),
        dtypes=HALF,
        edges=[Edge([[1.0, -1.0, 2.0]], [INF, -INF, NAN])],
    ),
]


def pair(name, reference, a, b, primitives=None, edges=(), dtypes=None, **flags):
    """The row of a function of two tensors."""
    call = flags.pop("call", getattr(tinytorch, name))
    return Operation(
        name=name,
        call=call,
        reference=quiet(reference),
        cases=binary(a, b),
        primitives=primitives or (name,),
        in_place=flags.pop("in_place", f"{name}_" if hasattr(Tensor, f"{name}_") else None),
        edges=edges,
        errors=flags.pop("errors", bad_pair(call)),
        dtypes=FLOATING if dtypes is None else dtypes,
        **flags,
    )


PAIRS = [
    pair(
        "atan2",
        np.arctan2,
        nonzero(),
        nonzero(),
        forms=also("atan2", "arctan2"),
        edges=[Edge([[0.0, 1.0, 1.0], [0.0, 0.0, -INF]], [0.0, np.pi / 2, np.pi], [[0.0, 0.0, NAN], [0.0, -1.0, 0.0]])],
    ),
    pair(
        "hypot",
        np.hypot,
        nonzero(),
        nonzero(),
        edges=[
            Edge([[0.0, 3.0], [0.0, 4.0]], [0.0, 5.0], [[NAN, 0.6], [NAN, 0.8]]),
            Edge([[1e200], [1e200]], [2**0.5 * 1e200]),
        ],
    ),
    pair(
        "copysign",
        np.copysign,
        nonzero(),
        nonzero(),
        edges=[Edge([[0.0, 2.0, 2.0], [-1.0, -0.0, 3.0]], [-0.0, -2.0, 2.0], [[0.0, -1.0, 1.0], [0.0, 0.0, 0.0]])],
    ),
    pair(
        "logaddexp",
        np.logaddexp,
        real(),
        real(),
        edges=[Edge([[1000.0, -INF], [1000.0, 1.0]], [1000.0 + np.log(2.0), 1.0], [[0.5, 0.0], [0.5, 1.0]])],
    ),
    pair(
        "xlogy",
        scipy.special.xlogy,
        real(),
        positive(),
        edges=[
            Edge(
                [[0.0, 0.0, 0.0, 1.0], [0.0, -1.0, NAN, 0.0]],
                [0.0, 0.0, NAN, -INF],
                [[0.0, 0.0, NAN, -INF], [NAN, 0.0, NAN, INF]],
            ),
            Edge([[0.0, 2.0], [0.5, 0.5]], [0.0, 2 * np.log(0.5)], [[np.log(0.5), np.log(0.5)], [0.0, 4.0]]),
        ],
    ),
    pair(
        "fmax",
        np.fmax,
        distinct(),
        distinct(0.02),
        ("where", "ge", "ne"),
        dtypes=SAME,
        edges=[
            Edge(
                [[NAN, 1.0, 2.0, NAN], [1.0, NAN, 2.0, NAN]],
                [1.0, 1.0, 2.0, NAN],
                [[0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]],
            )
        ],
    ),
    pair(
        "fmin",
        np.fmin,
        distinct(),
        distinct(0.02),
        ("where", "le", "ne"),
        dtypes=SAME,
        edges=[
            Edge(
                [[NAN, 1.0, 2.0, NAN], [1.0, NAN, 2.0, NAN]],
                [1.0, 1.0, 2.0, NAN],
                [[0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]],
            )
        ],
    ),
]


def zero_refused(call):
    """Integers divided by zero."""
    return [Refused(lambda: call(tensor([1]), tensor([0])), TinyTorchError, "found a 0"), *bad_pair(call)]


DIVISION = [
    pair(
        "floor_divide",
        np.floor_divide,
        distinct(),
        distinct(0.52, 1.0),
        dtypes=SAME,
        forms=(*also("floor_divide"), "Tensor.__floordiv__", "Tensor.__rfloordiv__"),
        in_place=("floor_divide_", "__ifloordiv__"),
        errors=zero_refused(operator.floordiv),
        edges=[Edge([[1.0, -7.0, 0.0], [0.0, 2.0, 0.0]], [INF, -4.0, NAN], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])],
    ),
    pair(
        "remainder",
        np.remainder,
        distinct(),
        distinct(0.52, 1.0),
        dtypes=SAME,
        forms=(*also("remainder"), "Tensor.__mod__", "Tensor.__rmod__"),
        in_place=("remainder_", "__imod__"),
        errors=zero_refused(operator.mod),
        edges=[Edge([[-7.0, 7.0, -2.5], [3.0, -3.0, INF]], [2.0, -2.0, INF], [[1.0, 1.0, 1.0], [3.0, 3.0, 1.0]])],
    ),
    pair(
        "fmod",
        np.fmod,
        distinct(),
        distinct(0.52, 1.0),
        dtypes=SAME,
        errors=zero_refused(tinytorch.fmod),
        edges=[Edge([[-7.0, 7.0], [3.0, -3.0]], [-1.0, 1.0], [[1.0, 1.0], [2.0, 2.0]])],
    ),
    pair(
        "div",
        lambda a, b: np.trunc(a / b),
        distinct(),
        distinct(0.52, 1.0),
        ("trunc",),
        dtypes=SAME,
        call=lambda a, b: a.div(b, rounding_mode="trunc"),
        forms=(),
        errors=[],
        in_place=lambda a, b: a.div_(b, rounding_mode="trunc"),
    ),
    pair(
        "div",
        np.floor_divide,
        integers(-9, 9),
        integers(1, 4),
        ("floor_divide",),
        dtypes={},
        errors=[],
        call=lambda a, b: a.div(b, rounding_mode="floor"),
        forms=(),
        in_place=None,
        gradient="of integers",
    ),
    pair(
        "div",
        lambda a, b: np.trunc(a / b).astype(np.int64),
        integers(-9, 9),
        integers(1, 4),
        ("floor_divide", "fmod"),
        dtypes={},
        errors=[Refused(lambda: tensor([1.0]).div(2, rounding_mode="up"), TinyTorchError, "'up'")],
        call=lambda a, b: a.div(b, rounding_mode="trunc"),
        forms=(),
        in_place=None,
        gradient="of integers",
    ),
]

NO_BOOL = [Refused(lambda: tensor([True]).floor(), DTypeError, "found bool")]
ROUNDING = [
    function(
        "floor",
        np.floor,
        distinct(),
        dtypes=SAME,
        errors=NO_BOOL,
        edges=[Edge([[-0.5, INF, NAN]], [-1.0, INF, NAN], [[0.0] * 3])],
    ),
    function("ceil", np.ceil, distinct(), dtypes=SAME, edges=[Edge([[-0.5, INF, NAN]], [0.0, INF, NAN], [[0.0] * 3])]),
    function(
        "trunc", np.trunc, distinct(), more=("fix",), in_place=("trunc_", "fix_"), dtypes=SAME,
        edges=[Edge([[-1.5, 1.5]], [-1.0, 1.0], [[0.0] * 2])]
    ),
    Operation(
        name="round",
        call=tinytorch.round,
        reference=lambda a, decimals=0: np.round(a, decimals),
        in_place="round_",
        cases=unary(distinct(step=0.013), {"decimals": st.sampled_from([0, 1])}),
        primitives=("round",),
        dtypes=HALF,
        edges=[
            Edge([[0.5, 1.5, -2.5]], [0.0, 2.0, -2.0], [[0.0] * 3]),
            Edge([[1.25, 15.0]], [0.0, 20.0], [[0.0] * 2], {"decimals": -1}),
        ],
        errors=[Refused(lambda: tensor([1.0]).round(decimals="x"), DTypeError, "decimals to be an int")],
    ),
    function(
        "frac",
        lambda a: a - np.trunc(a),
        distinct(),
        ("sub", "trunc"),
        dtypes=HALF,
        edges=[Edge([[-1.5]], [-0.5], [[1.0]])],
    ),
    Operation(
        name="positive",
        call=tinytorch.positive,
        reference=np.positive,
        cases=unary(),
        dtypes=SAME,
        forms=(*also("positive"), "Tensor.__pos__"),
        errors=[Refused(lambda: +tensor([True]), DTypeError, "found bool")],
    ),
]

BLENDS = [
    Operation(
        name="lerp",
        call=tinytorch.lerp,
        reference=lambda a, b, w: a + w * (b - a),
        in_place="lerp_",
        dtypes=HALF,
        cases=ternary(real(), real(), distinct(0.03)),
        primitives=("where",),
        errors=[Refused(lambda: tensor([1.0]).lerp(tensor([2.0]), "x"), DTypeError, "expected a number")],
    ),
    Operation(
        name="lerp",
        call=tinytorch.lerp,
        reference=lambda a, b, weight: a + weight * (b - a),
        in_place="lerp_",
        cases=binary(settings={"weight": st.sampled_from([0.0, 0.25, 0.5, 1.0])}),
        dtypes=HALF,
    ),
    Operation(
        name="addcmul",
        call=tinytorch.addcmul,
        reference=lambda a, b, c, value: a + value * b * c,
        in_place="addcmul_",
        cases=ternary(real(), real(), real(), {"value": st.sampled_from([1, -0.5])}),
        dtypes=HALF,
    ),
    Operation(
        name="addcdiv",
        call=tinytorch.addcdiv,
        reference=lambda a, b, c, value: a + value * b / c,
        in_place="addcdiv_",
        cases=ternary(real(), real(), nonzero(), {"value": st.sampled_from([1, -0.5])}),
        dtypes=HALF,
    ),
    Operation(
        name="clamp",
        call=tinytorch.clamp,
        reference=lambda a, low, high: np.minimum(np.maximum(a, low), high),
        cases=ternary(distinct(), distinct(0.02), distinct(0.05)),
        primitives=("where",),
        dtypes=SAME,
        forms=also("clamp", "clip"),
        in_place=("clamp_", "clip_"),
        edges=[
            Edge(
                [[0.0, 1.0, NAN], [0.0, 2.0, 0.0], [1.0, 0.0, 1.0]],
                [0.0, 0.0, NAN],
                [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
            ),
            Edge([[0.0, 0.0], [NAN, -1.0], [1.0, NAN]], [NAN, NAN]),
        ],
        errors=[
            Refused(
                lambda: tensor([1.0]).clamp(tensor([1.0, 2.0]), tensor([1.0, 2.0, 3.0])), ShapeError, r"\(2,\).*\(3,\)"
            )
        ],
    ),
    *(
        Operation(
            name=name, call=getattr(tinytorch, name), reference=reference, cases=cases, in_place=f"{name}_", dtypes=HALF
        )
        for name, bound, one in (("clamp_min", "min", np.maximum), ("clamp_max", "max", np.minimum))
        for cases, reference in (
            (unary(distinct(0.03), {bound: st.sampled_from([-0.1, 0.2])}), lambda a, one=one, **s: one(a, *s.values())),
            (binary(distinct(), distinct(0.02)), one),
        )
    ),
    Operation(
        name="nan_to_num",
        call=tinytorch.nan_to_num,
        reference=np.nan_to_num,
        in_place="nan_to_num_",
        cases=[case([1.0, NAN, INF, -INF], nan=2.0, posinf=3.0, neginf=4.0), case([[1.0, NAN]], nan=0.5), case([NAN])],
        primitives=("where",),
        dtypes=HALF,
        gradient=True,
        second="slopes at NaN cannot be measured",
        inputs=(),
        edges=[
            Edge([[1.0, NAN, INF, -INF]], [1.0, 0.0, np.finfo(float).max, np.finfo(float).min], [[1.0, 0.0, 0.0, 0.0]])
        ],
    ),
    Operation(
        name="isclose",
        call=tinytorch.isclose,
        reference=partial(np.isclose),
        cases=[
            case([1.0, 1.0, INF, INF, NAN], [1.0 + 1e-7, 1.1, INF, -INF, NAN], equal_nan=True),
            case([1.0, NAN], [[1.05], [NAN]], rtol=0.1, atol=0.0),
            case([1, 5], [1, 6]),
            case([0.0], [0.01], atol=0.1), case([True, False], [True, True]),
        ],
        gradient="a comparison",
        errors=bad_pair(tinytorch.isclose),
    ),
]

ROWS = [*POWERS, *ANGLES, *PAIRS, *DIVISION, *ROUNDING, *BLENDS]
