"""Rows of the activations beside those that module 03 teaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinytorch
from tests.operations.cases import cases, distinct, fixed_shapes, real, unary
from tests.operations.table import Edge, Operation, Refused
from tinytorch import DTypeError, ShapeError, TinyTorchError, ones
from tinytorch.nn import functional as F

INF, NAN = float("inf"), float("nan")
FLOATING = {"float16": "float16", "int64": "float32"}
LINES = unary(distinct())
POINTS = [-INF, -1000.0, 0.0, 1000.0, INF, NAN]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def softplus(x: np.ndarray, beta: float = 1.0, threshold: float = 20.0) -> np.ndarray:
    return np.where(x * beta > threshold, x, np.logaddexp(0.0, x * beta) / beta)


def elu(x: np.ndarray, alpha: float = 1.0, stretch: float = 1.0) -> np.ndarray:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / stretch))


def relu6(x: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(x, 0), 6)


def in_place(name: str) -> Callable:
    """The function with a trailing underscore where there is one, else with `inplace=True`."""
    return getattr(F, f"{name}_", partial(getattr(F, name), inplace=True))


def row(name: str, reference: Callable, drawn: Any = LINES, forms: Any = None, **more: Any) -> Operation:
    """A row of nn.functional, whose dtypes are those of most activations unless told otherwise."""
    path = f"nn.functional.{name}"
    settings = {"dtypes": FLOATING, "forms": (path,) if forms is None else forms} | more
    return Operation(name=path, call=getattr(F, name), reference=reference, cases=drawn, **settings)


def glu(x: np.ndarray, dim: int = -1) -> np.ndarray:
    a, b = np.split(x, 2, axis=dim)
    return a * sigmoid(b)


def prelu(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    out = np.array(x)
    for place in np.ndindex(x.shape):
        slope = weight.reshape(-1)[place[1] if weight.size > 1 else 0]
        out[place] = x[place] if x[place] > 0 else slope * x[place]
    return out


def softmin(x: np.ndarray, dim: int) -> np.ndarray:
    e = np.exp(x.min(axis=dim, keepdims=True) - x)
    return e / e.sum(axis=dim, keepdims=True)


def drawn_gumbel(logits: Any, **settings: Any) -> Any:
    tinytorch.manual_seed(11)
    return F.gumbel_softmax(logits, **settings)


def gumbel(logits: np.ndarray, tau: float, dim: int) -> np.ndarray:
    """The softmax of the logits plus Gumbel noise, -log of an exponential number, made from the same uniform ones."""
    uniform = tinytorch.Generator(11).uniform(logits.shape, np.float64)
    return softmin((np.log(-np.log1p(-uniform)) - logits) / tau, dim)


ROWS = [
    row(
        "elu", elu, unary(distinct(), {"alpha": st.sampled_from([1.0, 0.3, 2.0])}), in_place=in_place("elu"),
        primitives=("elu",),
        edges=[Edge([POINTS], [-2.0, -2.0, 0.0, 1000.0, INF, NAN], [[0.0, 0.0, 2.0, 1.0, 1.0, 1.0]], {"alpha": 2.0})],
        errors=[
            Refused(lambda: F.elu(1.0), DTypeError, "elu: expected a Tensor, found float"),
            Refused(lambda: F.elu(ones(2), "1"), DTypeError, "elu's alpha: expected a number"),
        ],
    ),
    row(
        "selu", lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772), in_place=in_place("selu"),
        primitives=("elu",),
    ),
    row(
        "celu", lambda x, alpha: elu(x, alpha, alpha), unary(distinct(), {"alpha": st.sampled_from([1.0, 0.4, 2.5])}),
        in_place=in_place("celu"), primitives=("elu",),
        edges=[Edge([[-INF, 0.0, NAN]], [-2.0, 0.0, NAN], [[0.0, 1.0, 1.0]], {"alpha": 2.0})],
        errors=[Refused(lambda: F.celu(ones(2), 0), TinyTorchError, "celu: expected an alpha other than 0")],
    ),
    row(
        "softplus", softplus,
        unary(distinct(step=0.5), {"beta": st.sampled_from([1.0, 3.0]), "threshold": st.sampled_from([20.0, 1.3])}),
        primitives=("softplus",),
        edges=[
            Edge([POINTS], [0.0, 0.0, np.log(2), 1000.0, INF, NAN], [[0.0, 0.0, 0.5, 1.0, 1.0, NAN]]),
            Edge([[20.0]], [20 + np.log1p(np.exp(-20.0))], [[sigmoid(np.array(20.0))]]),
            Edge([[0.75]], [0.75], [[1.0]], {"beta": 2.0, "threshold": 1.0}),
        ],
        errors=[Refused(lambda: F.softplus(ones(2), 0), TinyTorchError, "softplus: expected a beta other than 0")],
    ),
    row(
        "logsigmoid", lambda x: -softplus(-x), unary(real(3.0)), primitives=("softplus",),
        edges=[Edge([POINTS], [-INF, -1000.0, -np.log(2), 0.0, 0.0, NAN], [[1.0, 1.0, 0.5, 0.0, 0.0, NAN]])],
    ),
    row(
        "mish", lambda x: x * np.tanh(softplus(x)), unary(real(2.0)), in_place=in_place("mish"),
        primitives=("softplus",), edges=[Edge([[-1000.0, 0.0, 1000.0, NAN]], [0.0, 0.0, 1000.0, NAN])],
    ),
    row(
        "softsign", lambda x: x / (1 + np.abs(x)),
        edges=[Edge([[0.0, INF, NAN]], [0.0, NAN, NAN], [[1.0, NAN, NAN]])],
    ),
    row(
        "hardtanh", lambda x, min_val, max_val: np.minimum(np.maximum(x, min_val), max_val),
        unary(distinct(), {"min_val": st.sampled_from([-1.0, -0.2]), "max_val": st.sampled_from([0.5, 0.0])}),
        in_place=in_place("hardtanh"), primitives=("hardtanh",),
        edges=[Edge([[-INF, -1.0, 0.0, 0.5, INF, NAN]], [-1.0, -1.0, 0.0, 0.5, 0.5, NAN],
                    [[0.0, 0.0, 1.0, 0.0, 0.0, 1.0]], {"min_val": -1.0, "max_val": 0.5})],
        errors=[Refused(lambda: F.hardtanh(ones(2), 1, -1), TinyTorchError, "expected min_val <= max_val")],
    ),
    row(
        "relu6", relu6, unary(distinct(step=0.7)), in_place=in_place("relu6"), primitives=("hardtanh",),
        edges=[Edge([[-INF, 0.0, 6.0, INF]], [0.0, 0.0, 6.0, 6.0], [[0.0, 0.0, 0.0, 0.0]])],
    ),
    row(
        "hardsigmoid", lambda x: relu6(x + 3) / 6, unary(distinct(step=0.7)), in_place=in_place("hardsigmoid"),
        edges=[Edge([[-INF, -3.0, 0.0, 3.0, INF]], [0.0, 0.0, 0.5, 1.0, 1.0], [[0.0, 0.0, 1 / 6, 0.0, 0.0]])],
    ),
    row(
        "hardswish", lambda x: x * relu6(x + 3) / 6, unary(distinct(step=0.7)), in_place=in_place("hardswish"),
        edges=[Edge([[-INF, -3.0, 0.0, 3.0, INF]], [NAN, 0.0, 0.0, 3.0, INF], [[0.0, 0.0, 0.5, 1.0, 1.0]])],
    ),
    row(
        "threshold", lambda x, threshold, value: np.where(x > threshold, x, value),
        unary(distinct(), {"threshold": st.sampled_from([0.0, 0.2]), "value": st.sampled_from([0.0, -7.0])}),
        in_place=in_place("threshold"), dtypes={"float16": "float16"},
        edges=[Edge([[1.0, 2.0, NAN]], [20.0, 2.0, NAN], [[0.0, 1.0, 1.0]], {"threshold": 1.0, "value": 20.0})],
    ),
    row(
        "tanhshrink", lambda x: x - np.tanh(x), unary(real(2.0)),
        edges=[Edge([[-INF, 0.0, INF, NAN]], [-INF, 0.0, INF, NAN], [[1.0, 0.0, 1.0, NAN]])],
    ),
    row(
        "softshrink", lambda x, lambd: np.sign(x) * np.maximum(np.abs(x) - lambd, 0),
        unary(distinct(), {"lambd": st.sampled_from([0.5, 0.2, 0.0])}), dtypes={"float16": "float16"},
        edges=[Edge([[-INF, -0.5, 0.0, 0.5, 2.0, NAN]], [-INF, 0.0, 0.0, 0.0, 1.5, NAN],
                    [[1.0, 0.0, 0.0, 0.0, 1.0, 1.0]], {"lambd": 0.5})],
        errors=[Refused(lambda: F.softshrink(ones(2), -1.0), TinyTorchError, "softshrink's lambd: .* 0 or more")],
    ),
    row(
        "hardshrink", lambda x, lambd: np.where(np.abs(x) > lambd, x, 0.0),
        unary(distinct(), {"lambd": st.sampled_from([0.5, 0.2, 0.0])}), dtypes={"float16": "float16"},
        edges=[Edge([[-INF, -0.5, 0.0, 0.5, 2.0, NAN]], [-INF, 0.0, 0.0, 0.0, 2.0, NAN],
                    [[1.0, 0.0, 0.0, 0.0, 1.0, 1.0]], {"lambd": 0.5})],
    ),
    row(
        "prelu", prelu,
        cases(fixed_shapes(((2, 3, 2), (3,)), ((4,), (1,)), ((), ()), ((0, 2), (1,))), distinct(), real()),
        dtypes={"float16": "float16"},
        edges=[Edge([[-INF, 0.0, INF, NAN], 0.25], [-INF, 0.0, INF, NAN], [[0.25, 0.25, 1.0, 0.25], NAN])],
        errors=[Refused(lambda: F.prelu(ones(2, 3), ones(2)), ShapeError, "1 number or of 3")],
    ),
    row(
        "glu", glu,
        cases(fixed_shapes(((4,),), ((2, 4),), ((2, 2, 4),), ((6, 0),)), real(),
              settings=lambda shape: {"dim": st.sampled_from([0, -len(shape), -1])}),
        errors=[Refused(lambda: F.glu(ones(3)), ShapeError, "glu: expected an even size along dim=-1")],
    ),
    row(
        "softmin", softmin, unary(real(), lambda shape: {"dim": st.integers(-len(shape), len(shape) - 1)}, min_dims=1,
                                  min_side=1),
        errors=[Refused(lambda: F.softmin(ones(3)), DTypeError, "softmin: expected the axis")],
        edges=[Edge([[-1000.0, 1000.0]], [1.0, 0.0], [[0.0, 0.0]], {"dim": 0})],
    ),
    Operation(
        name="nn.functional.gumbel_softmax", call=drawn_gumbel, reference=gumbel, forms=(),
        cases=unary(real(), {"tau": st.sampled_from([1.0, 0.7]), "dim": -1}, min_dims=1, min_side=1),
        errors=[Refused(lambda: F.gumbel_softmax(ones(3), "1"), DTypeError, "gumbel_softmax's tau")],
    ),
]


# ---- the functions that overwrite their input, here of a fresh copy --------------------------------------------------


def overwriting(name: str) -> Callable:
    def call(x: Any, **settings: Any) -> Any:
        copy = x * 1.0
        found = getattr(F, name)(copy, **settings)
        assert found is copy, f"{name} must return its input"
        return found

    return call


ROWS += [
    Operation(
        name="nn.functional.relu_", call=overwriting("relu_"), reference=lambda x: np.maximum(x, 0), cases=LINES,
        primitives=("relu_",), forms=(), errors=[Refused(lambda: F.relu_(1.0), DTypeError, "relu_: expected a Tensor")],
    ),
    Operation(
        name="nn.functional.leaky_relu_", call=overwriting("leaky_relu_"), forms=(), primitives=("leaky_relu_",),
        reference=lambda x, negative_slope: np.where(x > 0, x, negative_slope * x),
        cases=unary(distinct(), {"negative_slope": st.sampled_from([0.01, 0.3])}),
        errors=[Refused(lambda: F.leaky_relu_(ones(1), "1"), DTypeError, "leaky_relu_'s negative_slope")],
    ),
    *(
        replace(row, name=f"{row.name}_", call=overwriting(name), forms=(), in_place=None, errors=(), edges=(),
                dtypes={}, primitives=tuple(f"{p}_" for p in row.primitives))
        for row in ROWS
        if (name := f"{row.name.rpartition('.')[2]}_") in ("elu_", "selu_", "celu_", "hardtanh_", "threshold_")
    ),
]
