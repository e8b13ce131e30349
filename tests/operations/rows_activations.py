"""Rows of the activations that module 03 teaches."""

import math

import numpy as np
from hypothesis import strategies as st
from scipy import special

import tinytorch
from tests.operations.cases import along, case, distinct, real, unary
from tests.operations.table import Edge, Operation, Refused
from tests.operations.values import FLOATING, INF, NAN, SAME
from tinytorch import DTypeError, IndexingError, Tensor, TinyTorchError, tensor
from tinytorch.core.engine import primitive
from tinytorch.nn import functional as F


def no_tensor(call):
    """A list where a tensor belongs."""
    return Refused(lambda: call([1.0, 2.0]), DTypeError, "expected a Tensor, found list")


def overwriting(call):
    """The in-place form of an activation that takes `inplace`."""
    return lambda x, **settings: call(x, inplace=True, **settings)


def gelu(a, approximate="none"):
    """Hendrycks and Gimpel, 2016."""
    if approximate == "none":
        return a * 0.5 * special.erfc(-a / math.sqrt(2))
    return 0.5 * a * (1 + np.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)))


POINTWISE = [
    Operation(
        name="relu", call=F.relu, reference=lambda a: np.where(a > 0, a, 0.0), cases=unary(distinct()),
        primitives=("relu", "relu_", "relu_grad"), in_place=("relu_", overwriting(F.relu)), dtypes=SAME,
        errors=[no_tensor(F.relu)],
        edges=[Edge([[0.0, -INF, INF, NAN]], [0.0, 0.0, INF, NAN], [[0.0, 0.0, 1.0, 0.0]])],
    ),
    Operation(
        name="nn.functional.leaky_relu", call=F.leaky_relu,
        reference=lambda a, negative_slope=0.01: np.where(a > 0, a, a * negative_slope),
        cases=unary(distinct(), lambda _: st.sampled_from([{}, {"negative_slope": 0.3}, {"negative_slope": -1.0}])),
        primitives=("leaky_relu", "leaky_relu_"), in_place=overwriting(F.leaky_relu),
        dtypes={"float16": "float16", "int64": "float32"}, errors=[no_tensor(F.leaky_relu)],
        edges=[Edge([[0.0, NAN]], [0.0, NAN], [[0.01, 0.01]])],
    ),
    Operation(
        name="sigmoid", call=F.sigmoid, reference=special.expit, cases=unary(real(2.0)),
        primitives=("sigmoid", "sigmoid_grad"), dtypes=FLOATING, errors=[no_tensor(F.sigmoid)],
        in_place="sigmoid_",
        edges=[Edge([[-INF, -800.0, 0.0, 800.0, NAN]], [0.0, 0.0, 0.5, 1.0, NAN], [[0.0, 0.0, 0.25, 0.0, NAN]])],
    ),
    Operation(
        name="tanh", call=F.tanh, reference=np.tanh, cases=unary(), primitives=("tanh", "tanh_grad"), dtypes=FLOATING,
        errors=[no_tensor(F.tanh)],
        in_place="tanh_", edges=[Edge([[-INF, 0.0, 800.0, NAN]], [-1.0, 0.0, 1.0, NAN], [[0.0, 1.0, 0.0, NAN]])],
    ),
    Operation(
        name="nn.functional.silu", call=F.silu, reference=lambda a: a * special.expit(a), cases=unary(real(2.0)),
        primitives=("silu", "silu_", "silu_grad", "sigmoid"), in_place=overwriting(F.silu),
        dtypes={"float16": "float16", "int64": "float32"},
        errors=[no_tensor(F.silu)], edges=[Edge([[0.0, 800.0, NAN]], [0.0, 800.0, NAN], [[0.5, 1.0, NAN]])],
    ),
    Operation(
        name="nn.functional.gelu", call=F.gelu, reference=gelu, primitives=("gelu", "gelu_grad", "erf", "tanh"),
        cases=unary(real(2.0), {"approximate": "none"}),
        dtypes={"float16": "float16", "int64": "float32"},
        errors=[no_tensor(F.gelu),
                Refused(lambda: F.gelu(tensor([1.0]), "erf"), TinyTorchError, '"none" or "tanh", found \'erf\'')],
        edges=[Edge([[0.0, 40.0, -40.0, NAN]], [0.0, 40.0, 0.0, NAN], [[0.5, 1.0, 0.0, NAN]])],
    ),
    Operation(
        name="nn.functional.gelu", call=F.gelu, reference=gelu, primitives=("gelu", "gelu_grad", "tanh"),
        cases=unary(real(2.0), {"approximate": "tanh"}),
        edges=[Edge([[0.0, 40.0, -40.0]], [0.0, 40.0, 0.0], [[0.5, 1.0, 0.0]], {"approximate": "tanh"})],
    ),
    Operation(
        name="primitive.erf", call=primitive("erf"), reference=special.erf, cases=unary(), primitives=("erf",),
        forms=(),
        edges=[Edge([[0.0, INF, NAN]], [0.0, 1.0, NAN], [[2 / math.sqrt(math.pi), 0.0, NAN]])],
    ),
    Operation(
        name="primitive.softplus", call=primitive("softplus"), reference=lambda a: np.logaddexp(a, 0),
        cases=unary(real(2.0)), primitives=("softplus",), forms=(),
        edges=[Edge([[-800.0, 800.0, NAN]], [0.0, 800.0, NAN], [[0.0, 1.0, NAN]])],
    ),
]


def bad_axis(call):
    """The refusals of an operation along one axis."""
    return [
        Refused(lambda: call(tensor([[1.0]]), 2), IndexingError, "from -2 to 1 for 2 dimensions, found 2"),
        no_tensor(lambda x: call(x, 0)),
    ]


ALONG = [
    Operation(
        name="softmax", call=F.softmax, reference=lambda a, dim: special.softmax(a, dim) if a.ndim else np.ones(()),
        cases=unary(real(2.0), along, min_side=1), primitives=("softmax", "softmax_grad"),
        dtypes={"float16": "float16"},
        errors=[*bad_axis(F.softmax), Refused(lambda: F.softmax(tensor([[1.0]])), DTypeError, "found dim=None")],
        edges=[
            Edge([[1000.0, 1000.0, -INF]], [0.5, 0.5, 0.0], [[0.0, 0.0, 0.0]], {"dim": 0}),
            Edge([[1.0, NAN]], [NAN, NAN], [[NAN, NAN]], {"dim": 0}),
            Edge([np.zeros((0, 3))], np.zeros((0, 3)), None, {"dim": 1}),
        ],
    ),
    Operation(
        name="softmax", call=Tensor.softmax, reference=lambda a, dim: special.softmax(a, dim), forms=(),
        cases=[case([[1.0, -2.0], [0.5, 3.0]], dim=0)], primitives=("softmax", "softmax_grad"),
    ),
    Operation(
        name="log_softmax", call=F.log_softmax,
        reference=lambda a, dim: special.log_softmax(a, dim) if a.ndim else np.zeros(()),
        cases=unary(real(2.0), along, min_side=1), primitives=("log_softmax", "log_softmax_grad"),
        dtypes={"float16": "float16"},
        errors=[*bad_axis(F.log_softmax),
                Refused(lambda: F.log_softmax(tensor([[1.0]])), DTypeError, "found dim=None")],
        edges=[
            Edge([[1000.0, 1000.0, -INF]], [-math.log(2), -math.log(2), -INF], [[-0.5, -0.5, 1.0]], {"dim": 0}),
            Edge([[1.0, NAN]], [NAN, NAN], [[NAN, NAN]], {"dim": 0}),
        ],
    ),
    Operation(
        name="softmax", call=lambda x, dim: tinytorch.softmax(x, dim, dtype="float64"), forms=(),
        reference=lambda a, dim: special.softmax(a, dim), cases=[case([[1.0, -2.0], [0.5, 3.0]], dim=-1)],
        primitives=("softmax", "cast"), dtypes={"float32": "float64"},
    ),
]  # fmt: skip

RNG = np.random.default_rng(3)
DERIVED = "derivative of a row above, which compares it with differences"
GRADIENTS = [
    Operation(
        name=f"primitive.{name}", call=primitive(name), reference=DERIVED, primitives=(name,), forms=(),
        cases=[case(RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3)), dim=dim) for dim in (0, 1)],
    )
    for name in ("softmax_grad", "log_softmax_grad")
] + [
    Operation(
        name=f"primitive.{name}", call=primitive(name), reference=DERIVED, primitives=(name,), forms=(),
        cases=[case(RNG.normal(size=(2, 3)), distinct()(RNG, (2, 3)), **settings)],
    )
    for name, settings in (
        ("relu_grad", {}), ("sigmoid_grad", {}), ("tanh_grad", {}), ("silu_grad", {}),
        ("gelu_grad", {"approximate": "none"}), ("gelu_grad", {"approximate": "tanh"}),
    )
]

ROWS = [*POINTWISE, *ALONG, *GRADIENTS]
