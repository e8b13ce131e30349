"""Rows of the pointwise operations of module 02."""

import operator

import numpy as np
from hypothesis import strategies as st

import tinytorch
from tests.operations.cases import binary, booleans, case, distinct, nonzero, positive, real, ternary, unary, whole
from tests.operations.table import Edge, Operation, Refused
from tests.operations.values import FLOATING, INF, NAN, SAME
from tinytorch import DTypeError, ShapeError, TinyTorchError, tensor
from tinytorch.core.engine import primitive


def does_not_broadcast(call):
    """A pair of shapes that do not fit."""
    return Refused(lambda: call(tensor([1.0, 2.0]), tensor([1.0, 2.0, 3.0])), ShapeError, r"\(2,\).*\(3,\)")


def no_tensor(call):
    """A text where a number belongs."""
    return Refused(lambda: call(tensor([1.0]), "x"), TinyTorchError, "str")


def bad_pair(call):
    """The refusals of an operation on two operands."""
    return [does_not_broadcast(call), no_tensor(call)]


ARITHMETIC = [
    Operation(
        name="add", call=tinytorch.add, reference=lambda a, b, alpha: a + alpha * b,
        cases=binary(real(), settings={"alpha": st.sampled_from([1, 2, -0.5])}), primitives=("add", "mul"),
        in_place="add_", dtypes={"float16": "float16"}, errors=bad_pair(tinytorch.add),
    ),
    Operation(
        name="Tensor.__add__", call=operator.add, reference=np.add, cases=binary(real()), primitives=("add", "add_"),
        in_place=("add_", "__iadd__"), forms=("Tensor.__add__", "Tensor.__radd__"),
        dtypes=SAME | {"bool": "bool"}, errors=bad_pair(operator.add),
        edges=[Edge([[INF, NAN], [1.0, 1.0]], [INF, NAN], [[1.0, 1.0], [1.0, 1.0]])],
    ),
    Operation(
        name="sub", call=tinytorch.sub, reference=lambda a, b, alpha: a - alpha * b,
        cases=binary(real(), settings={"alpha": st.sampled_from([1, 2, -0.5])}), primitives=("sub", "mul"),
        forms=("sub", "Tensor.sub", "subtract", "Tensor.subtract"), in_place=("sub_", "subtract_"),
        dtypes={"float16": "float16"}, errors=bad_pair(tinytorch.sub),
    ),
    Operation(
        name="Tensor.__sub__", call=operator.sub, reference=np.subtract, cases=binary(real()),
        primitives=("sub", "sub_"), in_place=("sub_", "__isub__"), forms=("Tensor.__sub__", "Tensor.__rsub__"),
        dtypes=SAME, errors=bad_pair(operator.sub),
        edges=[Edge([[INF, INF], [1.0, INF]], [INF, NAN], [[1.0, 1.0], [-1.0, -1.0]])],
    ),
    Operation(
        name="mul", call=tinytorch.mul, reference=np.multiply, cases=binary(real()), primitives=("mul", "mul_"),
        in_place=("mul_", "__imul__", "multiply_"),
        forms=("mul", "Tensor.mul", "Tensor.__mul__", "Tensor.__rmul__", "multiply", "Tensor.multiply"),
        dtypes=SAME | {"bool": "bool"}, errors=bad_pair(tinytorch.mul),
        edges=[Edge([[0.0, INF], [INF, 2.0]], [NAN, INF], [[INF, 2.0], [0.0, INF]])],
    ),
    Operation(
        name="div", call=tinytorch.div, reference=np.divide, cases=binary(real(), nonzero()),
        primitives=("div", "div_"),
        in_place=("div_", "__itruediv__", "divide_", "true_divide_"),
        forms=("div", "Tensor.div", "Tensor.__truediv__", "Tensor.__rtruediv__", "divide", "Tensor.divide",
               "true_divide", "Tensor.true_divide"), dtypes=FLOATING,
        errors=bad_pair(tinytorch.div),
        edges=[Edge([[1.0, 0.0, -1.0], [0.0, 0.0, INF]], [INF, NAN, 0.0], [[INF, INF, 0.0], [-INF, NAN, 0.0]])],
    ),
    Operation(
        name="pow", call=tinytorch.pow, reference=np.power, cases=binary(positive(), real()), primitives=("pow",),
        forms=("pow", "Tensor.pow", "Tensor.__pow__", "Tensor.__rpow__"), in_place=("pow_", "__ipow__"),
        dtypes=SAME, errors=bad_pair(tinytorch.pow),
        edges=[
            Edge([[0.0, 0.0, 0.0], [0.0, 1.0, 2.0]], [1.0, 0.0, 0.0], [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]),
            Edge([[2.0, -1.0], [0.0, 0.5]], [1.0, NAN]),
            Edge([[0.0, 0.0], [-1.0, 3.0]], [INF, 0.0], [[-INF, 0.0], [-INF, 0.0]]),
        ],
    ),
    Operation(
        name="pow", call=tinytorch.pow, reference=np.power, primitives=("pow",), forms=(), inputs=(0,),
        cases=[case([-0.7, 0.7, -1.5], [0.0, 2.0, 3.0]), case([0.7, 0.0], [[0.0], [2.0]])],
    ),
    Operation(
        name="pow", call=lambda x, exponent: x**exponent, reference=lambda a, exponent: a**exponent,
        cases=unary(nonzero(), {"exponent": st.sampled_from([0, 1, 2, 3, -1, -2.0])}), primitives=("pow",),
        forms=("pow", "Tensor.pow"),
        edges=[
            Edge([[0.0, 0.0]], [1.0, 1.0], [[0.0, 0.0]], {"exponent": 0}),
            Edge([[0.0, -2.0, INF, NAN]], [0.0, 4.0, INF, NAN], [[0.0, -4.0, INF, NAN]], {"exponent": 2}),
            Edge([[0.0]], [INF], [[-INF]], {"exponent": -1.0}),
        ],
    ),
    Operation(
        name="pow", call=lambda x, base: base**x, reference=lambda a, base: base**a,
        cases=unary(real(), {"base": st.sampled_from([0.5, 2.0, 3])}), primitives=("pow",), forms=(),
        edges=[Edge([[0.0, 2.0]], [1.0, 0.0], [[0.0, 0.0]], {"base": 0.0}),
               Edge([[1.0]], [0.3], [[0.3 * np.log(0.3)]], {"base": 0.3})],
    ),
]

FUNCTIONS = [
    Operation(
        name="neg", call=tinytorch.neg, reference=np.negative, cases=unary(), primitives=("neg",), dtypes=SAME,
        forms=("neg", "Tensor.neg", "Tensor.__neg__", "negative", "Tensor.negative"), in_place=("neg_", "negative_"),
        edges=[Edge([[INF, NAN]], [-INF, NAN], [[-1.0, -1.0]])],
    ),
    Operation(
        name="abs", call=tinytorch.abs, reference=np.abs, cases=unary(nonzero()), primitives=("abs",), dtypes=SAME,
        forms=("abs", "Tensor.abs", "Tensor.__abs__", "absolute", "Tensor.absolute"), in_place=("abs_", "absolute_"),

        edges=[Edge([[0.0, -INF, NAN]], [0.0, INF, NAN], [[0.0, -1.0, NAN]])],
    ),
    Operation(
        name="exp", call=tinytorch.exp, reference=np.exp, cases=unary(), primitives=("exp",), in_place="exp_",
        dtypes=FLOATING,
        errors=[Refused(lambda: tinytorch.exp("x"), DTypeError, "expected numbers")],
        edges=[Edge([[-INF, 0.0, INF, NAN]], [0.0, 1.0, INF, NAN], [[0.0, 1.0, INF, NAN]])],
    ),
    Operation(
        name="log", call=tinytorch.log, reference=np.log, cases=unary(positive()), primitives=("log",), in_place="log_",
        dtypes=FLOATING, edges=[Edge([[0.0, -1.0, INF, NAN]], [-INF, NAN, INF, NAN], [[INF, -1.0, 0.0, NAN]])],
    ),
    Operation(
        name="sqrt", call=tinytorch.sqrt, reference=np.sqrt, cases=unary(positive()), primitives=("sqrt",),
        in_place="sqrt_", dtypes=FLOATING,
        edges=[Edge([[0.0, -1.0, INF, NAN]], [0.0, NAN, INF, NAN], [[INF, NAN, 0.0, NAN]])],
    ),
    Operation(
        name="sin", call=tinytorch.sin, reference=np.sin, cases=unary(), primitives=("sin", "cos"), in_place="sin_",
        dtypes=FLOATING, edges=[Edge([[0.0, INF, NAN]], [0.0, NAN, NAN], [[1.0, NAN, NAN]])],
    ),
    Operation(
        name="cos", call=tinytorch.cos, reference=np.cos, cases=unary(), primitives=("cos", "sin"), in_place="cos_",
        dtypes=FLOATING, edges=[Edge([[0.0, INF, NAN]], [1.0, NAN, NAN], [[0.0, NAN, NAN]])],
    ),
    Operation(
        name="sign", call=tinytorch.sign, reference=np.sign, cases=unary(nonzero()), primitives=("sign",),
        forms=("sign", "sgn", "Tensor.sign", "Tensor.sgn"), in_place=("sign_", "sgn_"),
        dtypes=SAME | {"bool": "bool"},
        edges=[Edge([[0.0, -INF, NAN]], [0.0, -1.0, NAN], [[0.0, 0.0, 0.0]])],
    ),
]


def clamp(a, min=None, max=None):
    """The bounds one after the other."""
    a = a if min is None else np.where(a < min, min, a)
    return a if max is None else np.where(a > max, max, a)


BOUNDS = st.sampled_from([{"min": -0.1, "max": 0.2}, {"min": 0.0}, {"max": 0.1}, {"min": 0.2, "max": -0.1}])

SELECTING = [
    Operation(
        name="maximum", call=tinytorch.maximum, reference=np.maximum, cases=binary(distinct(), distinct(0.02)),
        primitives=("maximum",), dtypes=SAME, errors=bad_pair(tinytorch.maximum),
        edges=[
            Edge([[1.0, INF, -INF], [1.0, INF, 0.0]], [1.0, INF, 0.0], [[0.5, 0.5, 0.0], [0.5, 0.5, 1.0]]),
            Edge([[NAN, 2.0], [0.0, NAN]], [NAN, NAN], [[1.0, 1.0], [1.0, 1.0]]),
        ],
    ),
    Operation(
        name="minimum", call=tinytorch.minimum, reference=np.minimum, cases=binary(distinct(), distinct(0.02)),
        primitives=("minimum",), dtypes=SAME, errors=bad_pair(tinytorch.minimum),
        edges=[
            Edge([[1.0, INF, -INF], [1.0, INF, 0.0]], [1.0, INF, -INF], [[0.5, 0.5, 1.0], [0.5, 0.5, 0.0]]),
            Edge([[NAN, 2.0], [0.0, NAN]], [NAN, NAN], [[1.0, 1.0], [1.0, 1.0]]),
        ],
    ),
    Operation(
        name="clamp", call=tinytorch.clamp, reference=clamp, cases=unary(distinct(0.03), lambda shape: BOUNDS),
        primitives=("clamp", "clamp_"),
        forms=("clamp", "Tensor.clamp", "clip", "Tensor.clip"), in_place=("clamp_", "clip_"),
        dtypes={"float16": "float16", "int64": "float32"},
        errors=[Refused(lambda: tensor([1.0]).clamp(), DTypeError, "min, max")],
        edges=[
            Edge([[0.0, 1.0, NAN, INF, -INF]], [0.0, 1.0, NAN, 1.0, 0.0], [[1.0, 1.0, 0.0, 0.0, 0.0]],
                 {"min": 0.0, "max": 1.0}),
            Edge([[-1.0, 2.0]], [0.0, 2.0], [[0.0, 1.0]], {"min": 0.0}),
        ],
    ),
    Operation(
        name="where", call=tinytorch.where, reference=np.where, cases=ternary(booleans(), real(), real()),
        primitives=("where",), forms=("where",), dtypes=SAME | {"bool": "bool"},
        errors=[Refused(lambda: tinytorch.where(tensor([1]), 1.0, 0.0), DTypeError, "bool tensor as condition")],
        edges=[Edge([[True, False], [NAN, NAN], [1.0, 1.0]], [NAN, 1.0], [[1.0, 0.0], [0.0, 1.0]])],
    ),
    Operation(
        name="Tensor.where", call=lambda condition, a, b: a.where(condition, b), reference=np.where,
        cases=ternary(booleans(), real(), real()), primitives=("where",), forms=(),
    ),
]

COMPARISONS = [
    Operation(
        name=f"Tensor.__{short}__", call=getattr(operator, short), reference=getattr(np, long),
        cases=binary(whole(-1, 2)), primitives=(short,), gradient="a comparison",
        forms=(f"Tensor.__{short}__", short, f"Tensor.{short}",
               *(f"{face}{name}" for face in ("", "Tensor.") for name in more)),
        dtypes={"float16": "bool", "uint8": "bool", "int64": "bool", "bool": "bool"},
        errors=[does_not_broadcast(getattr(operator, short))],
        edges=[Edge([[NAN, INF, INF], [NAN, INF, 0.0]], edge)],
    )
    for short, long, more, edge in (
        ("eq", "equal", (), [False, True, False]), ("ne", "not_equal", ("not_equal",), [True, False, True]),
        ("lt", "less", ("less",), [False, False, False]), ("le", "less_equal", ("less_equal",), [False, True, False]),
        ("gt", "greater", ("greater",), [False, False, True]),
        ("ge", "greater_equal", ("greater_equal",), [False, True, True]),
    )
]  # fmt: skip

TESTS = [
    Operation(
        name=name, call=getattr(tinytorch, name), reference=getattr(np, name), cases=unary(), primitives=primitives,
        gradient="a comparison", dtypes={"float16": "bool", "int64": "bool", "bool": "bool"},
        edges=[Edge([[NAN, INF, -INF, 0.0, -0.0]], edge)],
    )
    for name, primitives, edge in (
        ("isnan", ("isnan",), [True, False, False, False, False]),
        ("isfinite", ("isfinite",), [False, False, False, True, True]),
        ("isinf", ("eq", "abs"), [False, True, True, False, False]),
        ("isposinf", ("eq",), [False, True, False, False, False]),
        ("isneginf", ("eq",), [False, False, True, False, False]),
        ("signbit", ("signbit",), [False, False, True, False, True]),
    )
]

LOGIC = [
    Operation(
        name=f"bitwise_{short}", call=function, reference=getattr(np, long),
        cases=[*pairs, case([True, False], [[True], [False]])], primitives=(long,), gradient="of integers and bools",
        forms=(long, f"Tensor.{long}", f"Tensor.__{short}__", f"Tensor.__r{short}__"),
        in_place=(f"{long}_", f"__i{short}__"),
        errors=[Refused(lambda f=function: f(tensor([1.0]), tensor([1.0])), TinyTorchError, "bitwise")],
    )
    for short, long, function, pairs in (
        ("and", "bitwise_and", operator.and_, [case([6, 3, -1], [3, 3, 5])]),
        ("or", "bitwise_or", operator.or_, [case([6, 3, -1], [3, 3, 5])]),
        ("xor", "bitwise_xor", operator.xor, [case([6, 3, -1], [3, 3, 5])]),
    )
] + [
    Operation(
        name=name, call=function, reference=reference, primitives=(name,),
        cases=[case([6, 3, -5, 0], [1, 0, 2, 3]), case([[1], [2]], [3, 1])], gradient="of integers",
        forms=(name, f"Tensor.{name}", f"Tensor.__{short}__", f"Tensor.__r{short}__"),
        in_place=(f"{name}_", f"__i{short}__"),
        errors=[Refused(lambda f=function: f(tensor([1.0]), tensor([1.0])), TinyTorchError, "shift")],
    )
    for name, short, function, reference in (
        ("bitwise_left_shift", "lshift", operator.lshift, np.left_shift),
        ("bitwise_right_shift", "rshift", operator.rshift, np.right_shift),
    )
] + [
    Operation(
        name="bitwise_not", call=operator.invert, reference=np.invert, in_place="bitwise_not_",
        forms=("bitwise_not", "Tensor.bitwise_not", "Tensor.__invert__"),
        cases=[case([True, False]), case([0, 5, -1]), case(np.zeros((0, 2), bool))], primitives=("bitwise_not",),
        gradient="of integers and bools",
    )
] + [
    Operation(
        name=name, call=getattr(tinytorch, name), reference=getattr(np, name), in_place=f"{name}_",
        cases=[case([True, False, True], [[True], [False]]), case([1.5, 0.0, NAN], [0.0, 0.0, 2.0]), case([3, 0], 0)],
        gradient="a comparison", dtypes={}, errors=[does_not_broadcast(getattr(tinytorch, name))],
    )
    for name in ("logical_and", "logical_or", "logical_xor")
] + [
    Operation(
        name="logical_not", call=tinytorch.logical_not, reference=np.logical_not, in_place="logical_not_",
        cases=[case([True, False]), case([1.5, 0.0, NAN]), case([[3, 0]])], gradient="a comparison",
    )
]  # fmt: skip

AGAINST_A_NUMBER = [
    Operation(
        name=name, call=lambda x, f=name: primitive(f)(x, 0.03), reference=lambda a, f=reference: f(a, 0.03), forms=(),
        cases=unary(distinct()), primitives=(name,), edges=[Edge([[0.03, NAN]], [0.03, NAN], [[0.5, 1.0]])],
    )
    for name, reference in (("maximum", np.maximum), ("minimum", np.minimum))
]

ROWS = [*ARITHMETIC, *FUNCTIONS, *SELECTING, *COMPARISONS, *TESTS, *LOGIC, *AGAINST_A_NUMBER]
