"""Which CPU kernel serves which operation, and where. The kernels themselves are loaded when first used.

`supports` functions decide by dtype and shape alone, in a microsecond. Whatever they refuse runs on the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.engine import FUSIONS, KERNELS, SERVICES, VJPS, Primitive, Rule, choose_kernel, primitive
from tinytorch.given import pointwise_rows as pointwise_rows  # adds rows to KERNELS
from tinytorch.given import product_rows as product_rows  # likewise
from tinytorch.given import sequence_rows as sequence_rows  # likewise
from tinytorch.given.kernel_conditions import CompiledKernel, float32, of_shape, row_major
from tinytorch.given.sizes_that_pay import PAYS, always

CHANNELS = 8      # of images come in blocks of one vector; output channels of a convolution in blocks of two


def _square(pair: Any) -> bool:
    return pair[0] == pair[1]


# ---- convolution. The kernels do not check bounds, so the shapes are compared here -----------------------------------


def _plain_convolution(x: Any, weight: Any, g: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    """One group, no dilation, the same stride and padding both ways, and shapes that fit each other."""
    if groups != 1 or tuple(dilation) != (1, 1) or not (_square(stride) and _square(padding)):
        return False
    if not len(x) == len(weight) == 4 or stride[0] < 1 or padding[0] < 0:
        return False
    outputs = (x[2] + 2 * padding[0] - weight[2]) // stride[0] + 1, (x[3] + 2 * padding[1] - weight[3]) // stride[1] + 1
    return x[1] == weight[1] and g in (None, (x[0], weight[0], *outputs))


def supports_conv2d(x: Any, weight: Any, bias: Any, **settings: Any) -> bool:
    """Output channels in blocks of 16."""
    if not float32(x, weight, bias) or len(weight) % (2 * CHANNELS) or not of_shape((len(weight),), bias):
        return False
    spans = zip(x.shape[2:], settings["padding"], weight.shape[2:], strict=True)
    return _plain_convolution(x.shape, weight.shape, None, **settings) and all(n + 2 * p >= k for n, p, k in spans)


def supports_conv2d_input_grad(g: Any, weight: Any, *, size: Any, **settings: Any) -> bool:
    """With stride 1 and a square window; here the input channels come in blocks of 16."""
    if not g.ndim == weight.ndim == 4:
        return False
    kernel, padding = weight.shape[2:], settings["padding"][0]
    fits = _square(kernel) and padding < kernel[0] and tuple(settings["stride"]) == (1, 1)
    images = (len(g), weight.shape[1], *size)
    plain = fits and float32(g, weight) and weight.shape[1] % (2 * CHANNELS) == 0
    return plain and _plain_convolution(images, weight.shape, g.shape, **settings)


def supports_conv2d_weight_grad(g: Any, x: Any, *, size: Any, **settings: Any) -> bool:
    """As the convolution."""
    if not g.ndim == x.ndim == 4:
        return False
    weight = (g.shape[1], x.shape[1], *size)
    blocks = float32(g, x) and g.shape[1] % (2 * CHANNELS) == 0
    return blocks and _plain_convolution(x.shape, weight, g.shape, **settings)


# ---- normalisation and pooling of images -----------------------------------------------------------------------------


def supports_normalised(x: Any, *others: Any, **settings: Any) -> bool:
    """Float32 images or rows, and one number a channel of all else, without gaps: kernels know no strides."""
    return float32(x, *others) and of_shape(x.shape[1:2], *others) and row_major(*others)


def supports_channels(x: Any, *others: Any, **settings: Any) -> bool:
    """Images with channels in blocks of 8."""
    return x.ndim == 4 and x.shape[1] % CHANNELS == 0 and supports_normalised(x, *others)


def supports_gradient(g: Any, x: Any, *others: Any, **settings: Any) -> bool:
    """As the operation itself."""
    return float32(g) and g.shape == x.shape and supports_channels(x, *others)


def supports_pool(x: Any, *others: Any, **pooling: Any) -> bool:
    """Windows of 2×2 that cover the images without remainder."""
    wanted = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}
    plain = all(pooling.get(name) == value for name, value in wanted.items())
    return plain and supports_channels(x, *others) and x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0


def supports_pool_gradient(g: Any, x: Any, *others: Any, **settings: Any) -> bool:
    """The same, for what comes back."""
    if not float32(g) or not supports_pool(x, *others, **settings):
        return False
    return g.shape == (*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2)


def supports_fused_gradient(g: Any, x: Any, *others: Any, **settings: Any) -> bool:
    """The same with ReLU before the pooling, or with ReLU alone."""
    *inputs, out = others
    if "kernel_size" not in settings:
        return supports_gradient(g, x, *inputs)
    return supports_pool_gradient(g, x, *inputs, **settings) and float32(out) and out.shape == g.shape


def supports_max_pool_grad(g: Any, x: Any, out: Any, **settings: Any) -> bool:
    """The same; `out` has the shape of g."""
    return g.shape == out.shape and supports_pool_gradient(g, x, **settings)


def supports_sum(a: Any, *, dim: Any, keepdim: bool) -> bool:
    """Row-major numbers, over the first or the last axes; channels-last images, over all axes but the channels."""
    if a.ndim == 4 and dim == (0, 2, 3):
        return supports_channels(a) and a.transpose(0, 2, 3, 1).flags.c_contiguous
    return sequence_rows.supports_sum_of_rows(a, dim=dim, keepdim=keepdim)


# ---- optimizer steps ------------------------------------------------------------------------------------------------


def supports_step(params: list, grads: list, *averages: Any, **settings: Any) -> bool:
    """Float32 parameters that may be written and lie without gaps, and averages of the same shapes."""
    for kept in (params, *averages):
        for a, g in () if kept is None else zip(kept, grads, strict=True):
            if not (float32(a, g) and a.flags.carray and a.shape == g.shape):
                return False
    return True


def supports_sgd(params: list, grads: list, buffers: Any, *, momentum: float, **settings: Any) -> bool:
    """The same."""
    return (not momentum or buffers is not None) and supports_step(params, grads, buffers)


def supports_adam(params: list, grads: list, m: list, v: list, largest: Any, **settings: Any) -> bool:
    """The same, without AMSGrad."""
    return largest is None and supports_step(params, grads, m, v)


# ---- fused operations -----------------------------------------------------------------------------------------------


def run(name: str, *arrays: Any, **params: Any) -> Any:
    """Run a primitive's best kernel on arrays."""
    _, kernel = choose_kernel(primitive(name), arrays=list(arrays), params=params)
    return kernel(np, *arrays, **params)


def batch_norm_relu_kernel(xp, x, weight, bias, mean, var, *, training, eps):
    """One after the other."""
    return run("relu", run("batch_norm", x, weight, bias, mean, var, training=training, eps=eps))


def batch_norm_relu_max_pool2d_kernel(xp, x, weight, bias, mean, var, *, training, eps, **pooling):
    """One after the other."""
    return run("max_pool2d", run("batch_norm_relu", x, weight, bias, mean, var, training=training, eps=eps), **pooling)


def in_tensors(x: Any, weight: Any, bias: Any, mean: Any, var: Any, *, training: bool, eps: float, **pooling: Any):
    """The fused operations in single ones; in training the statistics are computed anew, because they depend on x."""
    axes, shape = (0, *range(2, x.ndim)), (1, x.shape[1], *(1,) * (x.ndim - 2))
    centred = x - (x.mean(axes, keepdim=True) if training else mean.reshape(shape))
    var = (centred * centred).mean(axes, keepdim=True) if training else var.reshape(shape)
    out = centred * (var + eps) ** -0.5
    out = out if weight is None else out * weight.reshape(shape)
    out = (out if bias is None else out + bias.reshape(shape)).relu()
    return primitive("max_pool2d")(out, **pooling) if pooling else out


def grad_in_tensors(g: Any, *inputs: Any, **settings: Any) -> tuple:
    """Gradients of x, weight and bias through `in_tensors`."""
    wanted = [t for t in inputs[:3] if t is not None]
    with SERVICES["enable_grad"]():
        own = [t.view(t.shape) if t.requires_grad else t.detach().requires_grad_() for t in wanted]
        given = iter(own)
        again = [None if t is None else next(given) for t in inputs[:3]]
        out = in_tensors(*again, *inputs[3:5], **settings)
        found = iter(SERVICES["grad"]([out], own, [g], create_graph=True))
    return tuple(None if t is None else next(found) for t in inputs[:3])


def fused_grad_kernel(xp, g, x, weight, bias, mean, var, out, *, training, eps, **pooling):
    """Return (dx, dweight, dbias) by the single operations' gradient kernels.

    out: what the operation gave, if it pools: that tells which windows ReLU has closed. Otherwise None.
    """
    settings = {"training": training, "eps": eps}
    y = run("batch_norm_relu", x, weight, bias, mean, var, **settings)
    if not pooling:
        return run("batch_norm_grad", g * (y > 0), x, weight, mean, var, **settings)
    sent = run("max_pool2d_grad", g * (out > 0), y, run("max_pool2d", y, **pooling), **pooling)
    return run("batch_norm_grad", sent, x, weight, mean, var, **settings)


BATCH_NORM_RELU = Primitive(
    "batch_norm_relu", batch_norm_relu_kernel, promote="same",
    deferrable=lambda x, *others, **settings: True,
)
BATCH_NORM_RELU_MAX_POOL2D = Primitive(
    "batch_norm_relu_max_pool2d", batch_norm_relu_max_pool2d_kernel, promote="same"
)
FUSED_GRAD = Primitive(
    "batch_norm_relu_max_pool2d_grad", fused_grad_kernel, outputs=("dx", "dweight", "dbias"), promote="same",
    decompose=grad_in_tensors,
)


def _relu_vjp(g: Any, saved: Any, **settings: Any) -> tuple:
    found = FUSED_GRAD(g, saved.x, saved.weight, saved.bias, saved.mean, saved.var, None, **settings)
    return *found, None, None


def _pool_vjp(g: Any, saved: Any, **settings: Any) -> tuple:
    found = FUSED_GRAD(g, saved.x, saved.weight, saved.bias, saved.mean, saved.var, saved.out, **settings)
    return *found, None, None


SAVES = ("x", "weight", "bias", "mean", "var")
VJPS["batch_norm_relu"] = Rule(joint=_relu_vjp, saves=SAVES)
VJPS["batch_norm_relu_max_pool2d"] = Rule(joint=_pool_vjp, saves=(*SAVES, "out"))
FUSIONS["relu", "batch_norm"] = BATCH_NORM_RELU
FUSIONS["max_pool2d", "batch_norm_relu"] = BATCH_NORM_RELU_MAX_POOL2D

ROWS = {
    "cpu_spatial": {
        "conv2d": supports_conv2d,
        "conv2d_input_grad": supports_conv2d_input_grad,
        "conv2d_weight_grad": supports_conv2d_weight_grad,
        "batch_norm_stats": supports_channels,
        "batch_norm": supports_channels,
        "batch_norm_grad": supports_gradient,
        "max_pool2d": supports_pool,
        "max_pool2d_grad": supports_max_pool_grad,
        "batch_norm_relu_max_pool2d": supports_pool,
        "batch_norm_relu_max_pool2d_grad": supports_fused_gradient,
    },
    "row_reductions": {"sum": supports_sum},
    "stepping": {"sgd_step": supports_sgd, "adam_step": supports_adam},
}
for _file, _rows in ROWS.items():
    for _name, _supports in _rows.items():
        KERNELS[_name, "numba"] = CompiledKernel(f"tinytorch.given.{_file}:{_name}", _supports, PAYS.get(_name, always))
