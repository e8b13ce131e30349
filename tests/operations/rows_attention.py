"""Rows of attention, module 07."""

import math

import numpy as np
from hypothesis import strategies as st

import tinytorch
from tests.operations.cases import booleans, case, cases, fixed_shapes, real
from tests.operations.rows_layers import seeded
from tests.operations.table import Edge, Operation, Refused
from tests.operations.values import INF, ONLY_FLOATS
from tinytorch import ShapeError, TinyTorchError
from tinytorch.core.engine import primitive, random_uniform
from tinytorch.nn import functional as F


def attention(q, k, v, mask=None, is_causal=False, scale=None, dropout_p=0.0, seed=0):
    """Query by query; one that may look nowhere gets zeros."""
    scores = np.einsum("...le,...se->...ls", q, k) * (1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else scale)
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -INF)
    if mask is not None:
        scores = np.where(mask, scores, -INF) if mask.dtype == bool else scores + mask
    highest = scores.max(axis=-1, keepdims=True, initial=-1e300)
    weights = np.exp(scores - highest)
    total = weights.sum(axis=-1, keepdims=True)
    weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    if dropout_p:
        weights = weights * (random_uniform(np, seed, 0, weights.shape) >= dropout_p) / (1 - dropout_p)
    return np.einsum("...ls,...se->...le", weights, v)


SHAPES = [
    [(2, 2, 3), (2, 4, 3), (2, 4, 2)], [(1, 3), (2, 3), (2, 1)], [(2, 1, 2, 3), (1, 2, 2, 3), (1, 2, 2, 2)],
    [(2, 3), (1, 3), (1, 2)], [(0, 3), (2, 3), (2, 2)], [(2, 0), (3, 0), (3, 2)], [(2, 3), (0, 3), (0, 2)],
]  # fmt: skip
QKV = fixed_shapes(*SHAPES)
MASKED = fixed_shapes(*([*shapes, (q[-2], k[-2])] for shapes in SHAPES for q, k, _ in [shapes]),
                      [(2, 2, 3), (2, 4, 3), (2, 4, 2), (2, 1, 4)])
MASKS = fixed_shapes(*([*shapes, (q[-2], k[-2])] for shapes in SHAPES[:2] for q, k, _ in [shapes]))
ATTENTION = ("scaled_dot_product_attention", "scaled_dot_product_attention_grad")
SETTINGS = st.sampled_from([{}, {"is_causal": True}, {"scale": 0.7}, {"is_causal": True, "scale": 1.5}])
SQUARES = [tinytorch.ones(2, 2)] * 3
TOO_FEW = tinytorch.ones(2, 3), tinytorch.ones(4, 2), tinytorch.ones(4, 2)

ROWS = [
    Operation(
        name="nn.functional.scaled_dot_product_attention", call=F.scaled_dot_product_attention, reference=attention,
        cases=cases(QKV, real(), real(), real(), settings=lambda *_: SETTINGS), primitives=ATTENTION,
        dtypes=ONLY_FLOATS,
        errors=[
            Refused(lambda: F.scaled_dot_product_attention(*TOO_FEW), ShapeError, r"\(2, 3\).*\(4, 2\)"),
            Refused(lambda: F.scaled_dot_product_attention(*TOO_FEW[1:], tinytorch.ones(4)), ShapeError, "two axes"),
            Refused(lambda: F.scaled_dot_product_attention(*SQUARES, dropout_p=2), TinyTorchError, "2"),
        ],
    ),
    Operation(
        name="nn.functional.scaled_dot_product_attention", call=F.scaled_dot_product_attention, reference=attention,
        cases=cases(MASKED, real(), real(), real(), real(), settings={"is_causal": st.booleans()}), forms=(),
        primitives=(*ATTENTION, "scaled_dot_product_attention_mask_grad"),
    ),
    Operation(
        name="nn.functional.scaled_dot_product_attention", call=F.scaled_dot_product_attention, reference=attention,
        cases=cases(MASKS, real(), real(), real(), real()), primitives=ATTENTION, forms=(), inputs=(3,),
    ),
    Operation(
        name="nn.functional.scaled_dot_product_attention", call=F.scaled_dot_product_attention, reference=attention,
        cases=cases(MASKS, real(), real(), real(), booleans()), primitives=ATTENTION, forms=(),
        edges=[Edge([[[1.0]], [[1.0]], [[5.0]], [[False]]], [[0.0]], [[[0.0]], [[0.0]], [[0.0]]])],
    ),
    Operation(
        name="nn.functional.scaled_dot_product_attention", call=seeded(F.scaled_dot_product_attention), forms=(),
        reference=attention, primitives=ATTENTION,
        cases=cases(fixed_shapes(*SHAPES[:3]), real(), real(), real(),
                    settings={"dropout_p": 0.3, "seed": st.integers(0, 9)}),
    ),
]  # fmt: skip

G, Q, K, V = (np.random.default_rng(7).normal(size=shape) for shape in [(2, 2, 2), (2, 2, 3), (2, 4, 3), (2, 4, 2)])
PLAIN = {"is_causal": False, "scale": 0.7, "dropout_p": 0.0, "seed": 0, "offset": 0}
DROPPING = PLAIN | {"dropout_p": 0.3, "seed": 5}


def gradient_kernel(name):
    """A gradient kernel as a function of what it depends on: result and logsumexp belong to q, k and v."""

    def function(g, q, k, v, **settings):
        out = primitive("scaled_dot_product_attention")(q.detach(), k.detach(), v.detach(), None, **settings)
        logsumexp = (q.detach() @ k.detach().mT * settings["scale"]).exp().sum(-1).log()
        return primitive(name)(g, q, k, v, None, out, logsumexp, **settings)

    return function


ROWS += [
    Operation(
        name=f"primitive.{name}", call=gradient_kernel(name), primitives=(name,), forms=(), cases=settings,
        reference="derivative of attention: the rows above compare it with differences",
    )
    for name, settings in (
        ("scaled_dot_product_attention_grad", [case(G, Q, K, V, **PLAIN), case(G, Q, K, V, **DROPPING)]),
        ("scaled_dot_product_attention_mask_grad", [case(G, Q, K, V, **PLAIN)]),
    )
]  # fmt: skip
