"""Rows of the functions of module 04 that compare vectors, and of the dropouts of whole channels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinytorch
from tests.operations.cases import case, cases, fixed_shapes, real, unary
from tests.operations.table import Edge, Operation, Refused
from tinytorch import DTypeError, IndexingError, ShapeError, TinyTorchError, ones, tensor, zeros
from tinytorch.nn import functional as F

INF = float("inf")
HALF = {"float16": "float16"}


def norm(x: np.ndarray, p: float, dim: Any, keepdim: bool = True) -> np.ndarray:
    if p == 0:
        return (x != 0).sum(axis=dim, keepdims=keepdim).astype(float)
    if p == INF:
        return np.abs(x).max(axis=dim, keepdims=keepdim)
    return (np.abs(x) ** p).sum(axis=dim, keepdims=keepdim) ** (1 / p)


def normalized(x: np.ndarray, p: float, dim: Any, eps: float = 1e-12) -> np.ndarray:
    return x / np.maximum(norm(x, p, dim), eps)


def cosine(a: np.ndarray, b: np.ndarray, dim: int, eps: float = 1e-8) -> np.ndarray:
    a, b = np.broadcast_arrays(a, b)
    lengths = np.maximum(norm(a, 2, dim), eps) * np.maximum(norm(b, 2, dim), eps)
    return (a * b / lengths).sum(axis=dim)


def distance(a: np.ndarray, b: np.ndarray, p: float, keepdim: bool, eps: float = 1e-6) -> np.ndarray:
    return norm(a - b + eps, p, -1, keepdim)


def bilinear(a: np.ndarray, b: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    out = np.einsum("...i,kij,...j->...k", a, weight, b)
    return out if bias is None else out + bias


def bagged(weight, x, offsets, mode, padding_idx=None, include_last_offset=False):
    """Bag by bag."""
    if offsets is None:
        bags = list(x)
    else:
        ends = list(offsets) if include_last_offset else [*offsets, len(x)]
        bags = [x[a:b] for a, b in pairwise(ends)]
    out = np.zeros((len(bags), weight.shape[1]))
    for i, bag in enumerate(bags):
        rows = weight[[token for token in bag if token != padding_idx]]
        if len(rows):
            out[i] = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode](rows, axis=0)
    return out


TABLE = np.random.default_rng(6).permutation(12).reshape(4, 3) / 7.0
PAIRS = fixed_shapes(((2, 3), (2, 3)), ((2, 1, 3), (4, 3)), ((0, 2), (0, 2)))

# ---- dropout: the call starts the stream anew, and the reference reads the same numbers of it

SEED = 5


def drawn(function: Callable) -> Callable:
    def call(x: Any, **settings: Any) -> Any:
        tinytorch.manual_seed(SEED)
        return function(x, **settings)

    return call


def kept(shape: tuple, p: float) -> np.ndarray:
    return (tinytorch.Generator(SEED).uniform(shape) >= p).astype(float)


def channels(x: np.ndarray, features: int) -> tuple:
    return (*x.shape[: x.ndim - features], *(1,) * features)


def without_channels(features: int) -> Callable:
    return lambda x, p: x * kept(channels(x, features), p) / (1 - p)


def alpha(x: np.ndarray, p: float, training: bool, shape: tuple | None = None) -> np.ndarray:
    """Klambauer et al. 2017, section "New dropout technique": a·(x·d + α'·(1 - d)) + b."""
    floor = -1.0507009873554805 * 1.6732632423543772
    a = ((1 - p) * (1 + p * floor**2)) ** -0.5
    d = kept(x.shape if shape is None else shape, p)
    return a * (x * d + floor * (1 - d)) - a * p * floor


DROPOUTS = [
    Operation(
        name=f"nn.functional.dropout{n}d", call=drawn(getattr(F, f"dropout{n}d")), reference=without_channels(n),
        cases=cases(fixed_shapes(((3, 4) + (2,) * n,), ((5,) + (3,) * n,)), real(), settings={"p": 0.4}), forms=(),
        dtypes=HALF, in_place=drawn(partial(getattr(F, f"dropout{n}d"), inplace=True)),
        errors=[
            Refused(lambda n=n: getattr(F, f"dropout{n}d")(ones(3)), ShapeError, f"dropout{n}d: expected an input"),
            Refused(lambda n=n: getattr(F, f"dropout{n}d")(ones(1, 1, 1), 2), TinyTorchError, "from 0 to 1, found 2"),
        ],
    )
    for n in (1, 2)
]

ROWS = [
    Operation(
        name="nn.functional.one_hot", call=F.one_hot, gradient="integers",
        reference=lambda x, num_classes: (x[..., None] == np.arange(num_classes)).astype(np.int64),
        cases=[
            case(np.array([[2, 0], [1, 1]]), num_classes=3), case(np.array(1), num_classes=4),
            case(np.zeros((0, 2), np.int64), num_classes=2),
        ],
        edges=[Edge([np.array([2, 0])], [[0, 0, 1], [1, 0, 0]])],
        errors=[
            Refused(lambda: F.one_hot(ones(2)), DTypeError, "one_hot: expected integers, found float32"),
            Refused(lambda: F.one_hot(tensor([3]), 3), IndexingError, "from 0 to 2, found 3 to 3"),
            Refused(lambda: F.one_hot(tensor([1]), 0), DTypeError, "num_classes to be an int of 1 or more"),
            Refused(lambda: F.one_hot(zeros(0, dtype="int64")), ShapeError, "expected num_classes"),
        ],
    ),
    Operation(
        name="nn.functional.normalize", call=F.normalize, reference=normalized, dtypes=HALF,
        cases=unary(
            real(), lambda shape: {"p": st.sampled_from([1, 2.0, 3.0, INF]), "dim": st.sampled_from([0, -1, (0, -1)])},
            min_dims=2, min_side=1,
        ),
        edges=[
            Edge([[[0.0, 0.0]]], [[0.0, 0.0]], [[[1e12, 1e12]]]),
            Edge([[[3.0, 4.0]]], [[0.3, 0.4]], [[[0.1, 0.1]]], {"eps": 10.0}),
        ],
        errors=[Refused(lambda: F.normalize(ones(2, 2), -1.0), TinyTorchError, "normalize's p: .* 0 or more")],
    ),
    Operation(
        name="nn.functional.cosine_similarity", call=F.cosine_similarity, reference=cosine, dtypes=HALF,
        cases=cases(PAIRS, real(), real(), settings={"dim": st.sampled_from([-1, 1])}),
        edges=[Edge([[[0.0, 0.0]], [[3.0, 4.0]]], [0.0], [[[6e7, 8e7]], [[0.0, 0.0]]])],
        errors=[Refused(lambda: F.cosine_similarity(ones(2), 1.0), DTypeError, "cosine_similarity's x2")],
    ),
    Operation(
        name="nn.functional.pairwise_distance", call=F.pairwise_distance, reference=distance, dtypes=HALF,
        cases=cases(
            fixed_shapes(((2, 3), (2, 3)), ((2, 1, 3), (4, 3)), ((3,), (3,)), ((0, 2), (0, 2))), real(), real(),
            settings={"p": st.sampled_from([0.5, 1.0, 2.0, 3.0, INF]), "keepdim": st.booleans()},
        ),
        edges=[
            Edge([[1.0, 2.0], [1.0, 2.0]], 0.0, [[0.0, 0.0], [0.0, 0.0]], {"p": p, "eps": 0.0})
            for p in (0.5, 1.0, 2.0, 3.0, INF)
        ],
    ),
    Operation(
        name="nn.functional.bilinear", call=F.bilinear, reference=bilinear, dtypes=HALF,
        cases=cases(
            fixed_shapes(((2, 3), (2, 2), (4, 3, 2), (4,)), ((3,), (2,), (1, 3, 2), (1,)),
                         ((2, 2, 1), (2, 2, 3), (2, 1, 3), (2,)), ((0, 3), (0, 2), (4, 3, 2), (4,))),
            real(), real(), real(), real(),
        ),
        errors=[
            Refused(lambda: F.bilinear(ones(2, 3), ones(2, 3), ones(1, 3, 2)), ShapeError, "…, 3.* and .*…, 2"),
            Refused(lambda: F.bilinear(ones(3), ones(3), ones(1, 3, 3), ones(3)), ShapeError, r"bias of shape \(1,\)"),
        ],
    ),
    Operation(
        name="nn.functional.embedding_bag", forms=(), dtypes=HALF, reference=bagged,
        call=lambda weight, x, offsets, **settings: F.embedding_bag(x, weight, offsets, **settings),
        cases=[
            case(TABLE, np.array([[0, 1], [3, 3]]), None, mode=mode, padding_idx=padding)
            for mode in ("sum", "mean", "max") for padding in (None, 3)
        ] + [
            case(TABLE, np.array([2, 0, 1, 3, 3]), np.array([0, 2, 2, 5]), mode=mode) for mode in ("sum", "mean", "max")
        ] + [
            case(TABLE, np.array([2, 0, 1, 3]), np.array([0, 3, 4]), mode="mean", include_last_offset=True),
            case(TABLE, np.zeros(0, np.int64), np.array([0, 0]), mode="mean"),
            case(TABLE, np.zeros(0, np.int64), np.array([0]), mode="max"),
        ],
        errors=[
            Refused(lambda: F.embedding_bag(ones(2), ones(4, 2)), DTypeError, "expected integers, found float32"),
            Refused(lambda: F.embedding_bag(tensor([1]), ones(4, 2)), ShapeError, "with offsets None"),
            Refused(lambda: F.embedding_bag(tensor([1]), ones(4, 2), tensor([1])), ShapeError, "begin with 0"),
            Refused(lambda: F.embedding_bag(tensor([[4]]), ones(4, 2)), IndexingError, "from 0 to 3, found 4"),
            Refused(lambda: F.embedding_bag(tensor([[1]]), ones(4, 2), per_sample_weights=ones(1, 1)), TinyTorchError,
                    "only with mode='sum'"),
        ],
    ),
    *DROPOUTS,
    Operation(
        name="nn.functional.alpha_dropout", call=drawn(F.alpha_dropout), reference=alpha, forms=(), dtypes=HALF,
        cases=unary(real(), {"p": st.sampled_from([0.3, 0.6]), "training": True}),
        in_place=drawn(partial(F.alpha_dropout, inplace=True)),
    ),
    Operation(
        name="nn.functional.feature_alpha_dropout", call=drawn(F.feature_alpha_dropout), forms=(), dtypes=HALF,
        reference=lambda x, p, training: alpha(x, p, training, (*x.shape[:2], *(1,) * (x.ndim - 2))),
        cases=unary(real(), {"p": st.sampled_from([0.3, 0.6]), "training": True}, min_dims=2),
        errors=[Refused(lambda: F.feature_alpha_dropout(ones(2)), ShapeError, "expected an input")],
    ),
]
