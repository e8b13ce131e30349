"""Rows of the fused operations: batch norm, ReLU and max pooling as one primitive, against the three formulas."""

import numpy as np
from hypothesis import strategies as st

from tests.operations.cases import case, cases, distinct, fixed_shapes, positive, real
from tests.operations.rows_spatial import batch_norm
from tests.operations.table import Operation
from tinytorch import tensor
from tinytorch.core.engine import primitive

RNG = np.random.default_rng(11)
HALVES = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}
MEAN, VAR = np.array([0.1, -0.2]), np.array([1.5, 0.7])


def fused(name, part=None, **pooling):
    """A call of a fused primitive: in training with the statistics of x, otherwise with MEAN and VAR."""

    def call(*tensors, training):
        mean, var = (tensor(values, dtype=tensors[0].dtype) for values in (MEAN, VAR))
        if training:
            mean, var = primitive("batch_norm_stats")(tensors[-3].detach())
        settings = {"training": training, "eps": 1e-5, **pooling}
        inputs = [*tensors, mean, var]
        if part is not None:      # a gradient: it is given what the operation gave, if that pools
            inputs.append(primitive("batch_norm_relu_max_pool2d")(*inputs[1:], **settings) if pooling else None)
        found = primitive(name)(*inputs, **settings)
        return found if part is None else found[part]

    return call


def without_scale(name, **pooling):
    """A call with images alone, neither scaled nor shifted afterwards."""
    function = fused(name, **pooling)
    return lambda x, training: function(x, None, None, training=training)


def normalised(x, weight=None, bias=None, training=True):
    """Batch norm and ReLU."""
    return np.maximum(batch_norm(x, weight, bias, *(() if training else (MEAN, VAR))), 0)


def pooled(x, weight=None, bias=None, training=True):
    """The same, and the maximum of every window of 2×2."""
    y = normalised(x, weight, bias, training)
    return y.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2).max((3, 5))


def images():
    """Images of two channels, and a weight and a bias for each channel."""
    shapes = fixed_shapes([(2, 2, 4, 2), (2,), (2,)], [(3, 2, 2, 2), (2,), (2,)])
    return cases(shapes, distinct(), positive(), real(), settings={"training": st.booleans()})


def gradient_cases(*size):
    """A gradient of images of this size and the inputs, in training and not."""
    arrays = [RNG.normal(size=(2, 2, *size)), distinct()(RNG, (2, 2, 4, 2)), positive()(RNG, (2,)), RNG.normal(size=2)]
    return [case(*arrays, training=training) for training in (True, False)]


ROWS = [
    Operation(
        name="primitive.batch_norm_relu", call=fused("batch_norm_relu"), reference=normalised, cases=images(),
        primitives=("batch_norm_relu", "batch_norm_relu_max_pool2d_grad"),
    ),
    Operation(
        name="primitive.batch_norm_relu_max_pool2d", call=fused("batch_norm_relu_max_pool2d", **HALVES),
        reference=pooled, cases=images(),
        primitives=("batch_norm_relu_max_pool2d", "batch_norm_relu_max_pool2d_grad"),
    ),
    *[
        Operation(
            name=f"primitive.{name}", call=call, primitives=(name, "batch_norm_relu_max_pool2d_grad"),
            reference=reference, cases=cases(*shapes, settings={"training": st.booleans()}), inputs=(0,),
        )
        for name, reference, pooling in (
            ("batch_norm_relu", normalised, {}), ("batch_norm_relu_max_pool2d", pooled, HALVES)
        )
        for call, shapes in (
            (without_scale(name, **pooling), (fixed_shapes([(2, 2, 4, 2)]), distinct())),
            (fused(name, **pooling), (fixed_shapes([(2, 2, 4, 2), (2,), (2,)]), distinct(), positive(), real())),
        )
    ],
    *[
        Operation(
            name="primitive.batch_norm_relu_max_pool2d_grad", primitives=("batch_norm_relu_max_pool2d_grad",),
            call=fused("batch_norm_relu_max_pool2d_grad", part, **pooling), cases=gradient_cases(*size),
            reference="the gradients of the rows above",
        )
        for part in (0, 1, 2) for pooling, size in ((HALVES, (2, 1)), ({}, (4, 2)))
    ],
]  # fmt: skip
