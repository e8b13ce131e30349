"""Rows of the functions behind the layers of module 04."""

from types import SimpleNamespace

import numpy as np
from hypothesis import strategies as st

import tinytorch
from tests.operations.cases import case, cases, fixed_shapes, integers, real, unary
from tests.operations.table import Edge, Operation, Refused
from tests.operations.values import NAN, ONLY_FLOATS
from tinytorch import DTypeError, IndexingError, ShapeError, TinyTorchError, tensor
from tinytorch.core.engine import primitive, random_uniform
from tinytorch.given.embedding_gradient import embedding_grad_kernel
from tinytorch.nn import functional as F


def linear(x, weight, bias=None):
    """x·Wᵀ + b, written out."""
    return np.einsum("...i,oi->...o", x, weight) + (0 if bias is None else bias)


def seeded(call):
    """A call that draws, from the same place of the stream each time."""

    def function(*inputs, seed, **settings):
        tinytorch.manual_seed(seed)
        return call(*inputs, **settings)

    return function


def dropout(a, p, training=True, seed=0):
    """Numbers below p are dropped, the others grow."""
    if not training or p == 0:
        return a
    kept = random_uniform(np, seed, 0, a.shape) >= p
    return a * kept / (1 - p) if p < 1 else a * 0.0


def embedding_grad(g, indices, num_embeddings, padding_idx=None):
    """Each row of g is added to the row of the table that it was taken from."""
    out = np.zeros((num_embeddings, g.shape[-1]))
    for row, i in zip(g.reshape(-1, g.shape[-1]), indices.ravel(), strict=True):
        if i != padding_idx:
            out[i] += row
    return out


def on_another_library(g, indices, **settings):
    """The kernel as any array library but NumPy runs it, with no more than that."""
    library = SimpleNamespace(zeros=np.zeros, add=np.add)
    return tensor(embedding_grad_kernel(library, g.detach().numpy(), indices.numpy(), **settings))


ROWS_OF_A_TABLE = [case(np.arange(12.0).reshape(2, 2, 3), np.array([[2, 0], [1, 1]]), num_embeddings=4, **more)
                   for more in ({}, {"padding_idx": 1})]
LOOK_UPS = fixed_shapes([(2, 2), (4, 3)], [(3,), (4, 2)], [(), (4, 2)], [(0,), (4, 2)])

ROWS = [
    Operation(
        name="nn.functional.linear", call=F.linear, reference=linear, primitives=("linear",), dtypes=ONLY_FLOATS,
        cases=cases(fixed_shapes(*([shape, (4, 3), (4,)] for shape in [(2, 3), (3,), (2, 2, 3), (0, 3), (1, 3)]),
                                 [(2, 0), (4, 0), (4,)]), real(), real(), real()),
        errors=[
            Refused(lambda: F.linear(tinytorch.ones(2, 3), tinytorch.ones(4, 2)), ShapeError, r"\(2, 3\).*\(4, 2\)"),
            Refused(lambda: F.linear([1.0], tinytorch.ones(1, 1)), DTypeError, "list"),
        ],
    ),
    Operation(
        name="nn.functional.linear", call=lambda x, w: F.linear(x, w, None), reference=linear, primitives=("linear",),
        cases=cases(fixed_shapes([(2, 3), (4, 3)], [(2, 2, 3), (1, 3)]), real(), real()), forms=(),
    ),
    Operation(
        name="nn.functional.dropout", call=seeded(F.dropout), reference=dropout, primitives=("dropout", "dropout_"),
        cases=unary(real(), {
            "p": st.sampled_from([0.4, 0.0, 1.0]), "training": st.booleans(), "seed": st.integers(0, 9)}),
        forms=(), in_place=seeded(lambda x, **settings: F.dropout(x, inplace=True, **settings)
                                  if settings["training"] and settings["p"] else x.add_(0.0)),
        dtypes=ONLY_FLOATS,
        errors=[Refused(lambda: F.dropout(tensor([1.0]), 1.5), TinyTorchError, "from 0 to 1, found 1.5"),
                Refused(lambda: F.dropout([1.0]), DTypeError, "list")],
        edges=[Edge([[NAN]], [NAN], None, {"p": 0.0, "seed": 1})],
    ),
    Operation(
        name="nn.functional.embedding", call=F.embedding, reference=lambda i, w, padding_idx=None: w[i],
        cases=cases(LOOK_UPS, integers(0, 4), real()), primitives=("embedding", "embedding_grad"),
        dtypes=ONLY_FLOATS, errors=[
            Refused(lambda: F.embedding(tensor([4]), tinytorch.ones(4, 2)), IndexingError, "from 0 to 3, found 4"),
            Refused(lambda: F.embedding(tensor([0.5]), tinytorch.ones(4, 2)), DTypeError, "integer indices"),
            Refused(lambda: F.embedding(tensor([0]), tinytorch.ones(4)), ShapeError, "a table of shape"),
        ],
        edges=[Edge([[1, 0, 1, 2], [[1.0], [2.0], [3.0]]], [[2.0], [1.0], [2.0], [3.0]], [[[1.0], [0.0], [1.0]]],
                    {"padding_idx": 1})],
    ),
    Operation(
        name="primitive.embedding_grad", call=primitive("embedding_grad"), reference=embedding_grad, forms=(),
        cases=ROWS_OF_A_TABLE, primitives=("embedding_grad", "embedding"),
    ),
    Operation(
        name="primitive.embedding_grad", call=on_another_library, reference=embedding_grad, forms=(),
        cases=ROWS_OF_A_TABLE, primitives=("embedding_grad",), gradient="the kernel alone, without its primitive",
    ),
]  # fmt: skip
