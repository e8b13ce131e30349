"""One row or more for every differentiable primitive.

A row is a function of tensors, and float64 inputs at which it is smooth.
"""

import numpy as np

from tinytorch import Tensor, tensor
from tinytorch.core.engine import primitive

RNG = np.random.default_rng(20)


def normal(*shape):
    return RNG.normal(size=shape)


def positive(*shape):
    return RNG.uniform(0.5, 2.0, shape)


def distinct(*shape):
    """Values that are at least 0.1 apart, in random order: no ties, no corners nearby."""
    count = int(np.prod(shape))
    return (RNG.permutation(count).reshape(shape) - count / 2 + 0.25) * 0.1


def call(name, **params):
    return lambda *inputs: primitive(name)(*inputs, **params)


MASK = tensor(np.array([[True, False, True], [False, True, True]]))
INDEX = tensor(np.array([[2, 0], [1, 1]]))
ONCE = tensor(np.array([[2, 0], [1, 2]]))
ZEROS = tensor(np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]))


def setitem(x, v):
    y = x * 1.0
    y[0, 1:] = v
    return y


def copied(x, v):
    y = x * 1.0
    y.copy_(v)
    return y + x


def in_place(name, *others, **params):
    def function(x, *more):
        y = x * 1.0
        primitive(name)(y, *(more or others), **params)
        return y

    return function


# primitive -> [(function, inputs)]
TENSOR_CASES = {
    "add": [(lambda a, b: a + b, [normal(3, 1, 2), normal(4, 1)]), (lambda a: 2.0 + a, [normal(3)])],
    "sub": [(lambda a, b: a - b, [normal(2, 3), normal(3)]), (lambda a: 1 - a, [normal(3)])],
    "mul": [(lambda a, b: a * b, [normal(2, 3), normal(2, 1)]), (lambda a: a * a, [normal(2)])],
    "div": [(lambda a, b: a / b, [normal(2, 3), positive(3)]), (lambda a: 1 / a, [positive(3)])],
    "neg": [(lambda a: -a, [normal(3)])],
    "abs": [(lambda a: a.abs(), [distinct(4)])],
    "pow": [
        (lambda a, b: a**b, [positive(3), normal(3)]), (lambda a: a**3, [normal(3)]),
        (lambda b: 2.0**b, [normal(3)]), (lambda a: a**0, [normal(3)]),
    ],
    "exp": [(lambda a: a.exp(), [normal(3)])],
    "log": [(lambda a: a.log(), [positive(3)])],
    "sqrt": [(lambda a: a.sqrt(), [positive(3)])],
    "sin": [(lambda a: a.sin(), [normal(3)])],
    "cos": [(lambda a: a.cos(), [normal(3)])],
    "maximum": [(lambda a, b: a.maximum(b), [distinct(2, 3), distinct(3) + 0.02])],
    "minimum": [(lambda a, b: a.minimum(b), [distinct(2, 3), distinct(3) + 0.02])],
    "clamp": [(lambda a: a.clamp(-0.1, 0.2), [distinct(6)]), (lambda a: a.clamp(min=0.0), [distinct(6)])],
    "where": [(lambda a, b: a.where(MASK, b), [normal(2, 3), normal(3)])],
    "cast": [(lambda a: a.to(np.float64) * 1.0, [normal(2)])],
    "copy": [(lambda a: a.clone(), [normal(2)])],
    "matmul": [
        (lambda a, b: a @ b, [normal(2, 3), normal(3, 4)]), (lambda a, b: a @ b, [normal(5, 2, 3), normal(3, 2)]),
        (lambda a, b: a @ b, [normal(3), normal(3)]), (lambda a, b: a @ b, [normal(3), normal(3, 2)]),
        (lambda a, b: a @ b, [normal(2, 2, 3), normal(3)]), (lambda a, b: a @ b, [normal(3), normal(2, 3, 2)]),
        (lambda a, b: a @ b, [normal(2, 1, 2, 3), normal(3, 3, 2)]),
    ],
    "sum": [
        (lambda a: a.sum(), [normal(2, 3)]), (lambda a: a.sum(1), [normal(2, 3)]),
        (lambda a: a.sum((0, 2), keepdim=True), [normal(2, 3, 2)]),
    ],
    "amax": [(lambda a: a.amax(), [distinct(2, 3)]), (lambda a: a.amax(1), [distinct(2, 3)])],
    "amin": [(lambda a: a.amin((0, 1)), [distinct(2, 3)]), (lambda a: a.amin(0, keepdim=True), [distinct(2, 3)])],
    "max": [(lambda a: a.max(1)[0], [distinct(2, 3)]), (lambda a: a.max(0, keepdim=True)[0], [distinct(2, 3)])],
    "min": [(lambda a: a.min(-1)[0], [distinct(2, 3)])],
    "reshape": [(lambda a: a.reshape(3, -1), [normal(2, 3)])],
    "permute": [(lambda a: a.permute(2, 0, 1), [normal(2, 3, 4)])],
    "expand": [(lambda a: a.expand(2, 3, 4), [normal(3, 1)])],
    "getitem": [
        (lambda a: a[1], [normal(2, 3)]), (lambda a: a[:, ::2], [normal(2, 3)]),
        (lambda a: a[INDEX], [normal(3, 2)]), (lambda a: a[MASK], [normal(2, 3)]),
        (lambda a: a[None, ..., 0], [normal(2, 3)]),
    ],
    "getitem_grad": [(call("getitem_grad", index=(slice(1, None), ...), shape=(3, 2)), [normal(2, 2)])],
    "setitem_": [(setitem, [normal(2, 3), normal(2)]), (setitem, [normal(2, 3), normal(1)])],
    "copy_": [(copied, [normal(2, 3), normal(3)])],
    "take_along": [(lambda a: a.gather(1, INDEX), [normal(2, 3)])],
    "put_along": [(lambda v: primitive("put_along")(v, INDEX, dim=1, size=3), [normal(2, 2)])],
    "cat": [(call("cat", dim=1), [normal(2, 1), normal(2, 2)])],
    "add_": [(in_place("add_"), [normal(2, 3), normal(3)])],
    "sub_": [(in_place("sub_"), [normal(2, 3), normal(3)])],
    "mul_": [(in_place("mul_"), [normal(2, 3), normal(3)])],
    "div_": [(in_place("div_"), [normal(2, 3), positive(3)])],
    "clamp_": [(in_place("clamp_", min=-0.1, max=0.2), [distinct(6)])],
}

ELU = {"alpha": 1.5, "scale": 1.1, "input_scale": 0.7}
ROWS_TWICE = (np.array([1, 1]),)

COLLECTION_CASES = {
    "prod": [(lambda a: a.prod(), [normal(3)]), (lambda a: (a * ZEROS).prod(1), [normal(2, 3)])],
    "cumsum": [(lambda a: a.cumsum(1), [normal(2, 3)])],
    "cumprod": [(lambda a: a.cumprod(0), [normal(3, 2)]), (lambda a: (a * ZEROS).cumprod(1), [normal(2, 3)])],
    "linear_recurrence": [(call("linear_recurrence", dim=1), [normal(2, 4), normal(2, 4)])],
    "logsumexp": [
        (lambda a: a.logsumexp((0, 2), keepdim=True), [normal(2, 2, 2)]), (lambda a: a.logsumexp(-1), [normal(2, 3)]),
    ],
    "diagonal": [
        (lambda a: a.diagonal(1, 0, 2), [normal(2, 2, 3)]), (lambda a: a.diagonal(-1, -1, 0), [normal(2, 2, 3)]),
    ],
    "windows": [(lambda a: a.unfold(0, 3, 2), [normal(5, 2)]), (lambda a: a.unfold(1, 2, 1), [normal(2, 4)])],
    "accumulate_": [(in_place("accumulate_", index=ROWS_TWICE), [normal(3, 2), normal(2, 2)])],
    "scatter_": [(lambda a, v: a.scatter(1, ONCE, v), [normal(2, 3), normal(2, 2)])],
    "scatter_add_": [(lambda a, v: a.scatter_add(1, INDEX, v), [normal(2, 3), normal(2, 2)])],
}

ACTIVATION_CASES = {
    "relu": [(call("relu"), [distinct(6)])],
    "relu_": [(in_place("relu_"), [distinct(6)])],
    "leaky_relu": [(call("leaky_relu", negative_slope=0.1), [distinct(6)])],
    "leaky_relu_": [(in_place("leaky_relu_", negative_slope=0.1), [distinct(6)])],
    "sigmoid": [(call("sigmoid"), [normal(4)])],
    "tanh": [(call("tanh"), [normal(4)])],
    "erf": [(call("erf"), [normal(4)])],
    "silu": [(call("silu"), [normal(4)])],
    "silu_": [(in_place("silu_"), [normal(4)])],
    "gelu": [(call("gelu", approximate="none"), [normal(4)]), (call("gelu", approximate="tanh"), [normal(4)])],
    "softmax": [(call("softmax", dim=1), [normal(2, 3)]), (call("softmax", dim=0), [normal(2, 3)])],
    "log_softmax": [(call("log_softmax", dim=1), [normal(2, 3)])],
    "elu": [(call("elu", **ELU), [distinct(6)])],
    "elu_": [(in_place("elu_", **ELU), [distinct(6)])],
    "hardtanh": [(call("hardtanh", min_val=-0.1, max_val=0.2), [distinct(6)])],
    "hardtanh_": [(in_place("hardtanh_", min_val=-0.1, max_val=0.2), [distinct(6)])],
    "softplus": [(call("softplus"), [normal(4)]), (call("softplus", beta=2.0, threshold=1.0), [normal(4)])],
}

LAYER_CASES = {
    "linear": [
        (call("linear"), [normal(2, 5, 3), normal(4, 3), normal(4)]),
        (lambda x, w: primitive("linear")(x, w, None), [normal(2, 3), normal(4, 3)]),
    ],
    "dropout": [(call("dropout", p=0.4, seed=3, offset=0), [normal(3, 4)])],
    "dropout_": [(in_place("dropout_", p=0.4, seed=3, offset=0), [normal(3, 4)])],
    "embedding": [(lambda w: primitive("embedding")(w, INDEX), [normal(3, 2)])],
    "embedding_grad": [(lambda g: primitive("embedding_grad")(g, INDEX, num_embeddings=3), [normal(2, 2, 2)])],
}

CONV = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
STRIDED = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
POOL = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "ceil_mode": False}
OVERLAPPING = {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 1), "ceil_mode": True}
PLAIN, SPREAD = {"dilation": (1, 1)}, {"dilation": (1, 2)}
AVERAGE = {"count_include_pad": False, "divisor_override": None}
WINDOWS = {"kernel_size": (2, 2), "stride": (1, 2), "padding": (1, 0), "dilation": (1, 1)}
IMAGES = distinct(2, 2, 5, 4)
POOLED = primitive("max_pool2d")(tensor(IMAGES), **POOL, **PLAIN)
POOLED_OVERLAPPING = primitive("max_pool2d")(tensor(IMAGES), **OVERLAPPING, **SPREAD)


def statistics_of(x):
    mean = x.mean((0, 2, 3))
    return mean, ((x - mean.reshape(1, -1, 1, 1)) ** 2).mean((0, 2, 3))


def batch_norm(x, weight, bias):
    """In training: the statistics belong to x, and their part of the gradient to the rule."""
    mean, var = primitive("batch_norm_stats")(x)
    return primitive("batch_norm")(x, weight, bias, mean, var, training=True, eps=1e-5)


def batch_norm_grad(part, training):
    def function(g, x, weight):
        mean, var = statistics_of(x.detach() if training else tensor(IMAGES))
        parts = primitive("batch_norm_grad")(g, x, weight, mean.detach(), var.detach(), training=training, eps=1e-5)
        return parts[part]

    return function


def layer_norm_grad(part):
    def function(g, x, weight):
        mean = x.detach().mean(-1, keepdim=True)
        rstd = 1.0 / (((x.detach() - mean) ** 2).mean(-1, keepdim=True) + 1e-5).sqrt()
        return primitive("layer_norm_grad")(g, x, weight, mean, rstd, normalized_ndim=1, eps=1e-5)[part]

    return function


RESAMPLING = {"kind": "linear", "align_corners": False, "scale": 0.0}


def rms_norm_grad(part):
    def function(g, x, weight):
        rstd = 1.0 / ((x.detach() * x.detach()).mean(-1, keepdim=True) + 1e-3).sqrt()
        return primitive("rms_norm_grad")(g, x, weight, rstd, normalized_ndim=1, eps=1e-3)[part]

    return function


MEAN, VAR = (t.detach() for t in statistics_of(tensor(IMAGES)))

SPATIAL_CASES = {
    "conv2d": [
        (call("conv2d", **CONV), [normal(2, 2, 4, 3), normal(3, 2, 3, 3), normal(3)]),
        (call("conv2d", **STRIDED), [normal(1, 2, 5, 5), normal(4, 1, 2, 2), normal(4)]),
    ],
    "conv2d_input_grad": [
        (call("conv2d_input_grad", size=(4, 3), **CONV), [normal(2, 3, 4, 3), normal(3, 2, 3, 3)]),
        (call("conv2d_input_grad", size=(5, 5), **STRIDED), [normal(1, 4, 3, 3), normal(4, 1, 2, 2)]),
    ],
    "conv2d_weight_grad": [
        (call("conv2d_weight_grad", size=(3, 3), **CONV), [normal(2, 3, 4, 3), normal(2, 2, 4, 3)]),
        (call("conv2d_weight_grad", size=(2, 2), **STRIDED), [normal(1, 4, 3, 3), normal(1, 2, 5, 5)]),
    ],
    "max_pool2d": [
        (call("max_pool2d", **POOL, **PLAIN), [IMAGES]),
        (call("max_pool2d", **OVERLAPPING, **SPREAD), [IMAGES]),
    ],
    "max_pool2d_grad": [
        (lambda g: primitive("max_pool2d_grad")(g, tensor(IMAGES), POOLED, **POOL, **PLAIN), [normal(*POOLED.shape)]),
        (
            lambda g: primitive("max_pool2d_grad")(g, tensor(IMAGES), POOLED_OVERLAPPING, **OVERLAPPING, **SPREAD),
            [normal(*POOLED_OVERLAPPING.shape)],
        ),
    ],
    "max_pool2d_pick": [
        (lambda h: primitive("max_pool2d_pick")(h, tensor(IMAGES), POOLED, **POOL, **PLAIN), [normal(2, 2, 5, 4)]),
    ],
    "avg_pool2d": [
        (call("avg_pool2d", **POOL, **AVERAGE), [IMAGES]),
        (call("avg_pool2d", **OVERLAPPING, **AVERAGE), [IMAGES]),
    ],
    "avg_pool2d_grad": [(call("avg_pool2d_grad", size=(5, 4), **POOL, **AVERAGE), [normal(2, 2, 2, 2)])],
    "pad": [(call("pad", widths=((0, 0), (1, 2), (-1, 1)), value=3.0), [normal(2, 2, 4)])],
    "unfold": [(call("unfold", **WINDOWS), [normal(2, 2, 3, 4)])],
    "unfold_grad": [(call("unfold_grad", size=(3, 4), **WINDOWS), [normal(2, 8, 8)])],
    "batch_norm": [
        (batch_norm, [IMAGES, positive(2), normal(2)]),
        (
            lambda x, w, b: primitive("batch_norm")(x, w, b, MEAN, VAR, training=False, eps=1e-5),
            [normal(2, 2, 3, 3), positive(2), normal(2)],
        ),
        (lambda x: batch_norm(x, None, None), [normal(3, 2, 1, 2)]),
    ],
    "batch_norm_grad": [
        (batch_norm_grad(part, training), [normal(2, 2, 5, 4), IMAGES, positive(2)])
        for part in (0, 1, 2)
        for training in (True, False)
    ],
    "layer_norm": [
        (call("layer_norm", normalized_ndim=1, eps=1e-5), [normal(2, 3, 4), positive(4), normal(4)]),
        (lambda x: primitive("layer_norm")(x, None, None, normalized_ndim=2, eps=1e-5), [normal(2, 3, 4)]),
    ],
    "layer_norm_grad": [(layer_norm_grad(part), [normal(3, 4), normal(3, 4), positive(4)]) for part in (0, 1, 2)],
    "rms_norm": [
        (call("rms_norm", normalized_ndim=2, eps=1e-3), [normal(2, 3, 4), positive(3, 4)]),
        (lambda x: primitive("rms_norm")(x, None, normalized_ndim=1, eps=1e-3), [normal(3, 4)]),
    ],
    "rms_norm_grad": [(rms_norm_grad(part), [normal(3, 4), normal(3, 4), positive(4)]) for part in (0, 1)],
    "resample": [
        (call("resample", dim=1, size=7, **RESAMPLING), [normal(2, 4, 3)]),
        (call("resample", dim=0, size=2, **(RESAMPLING | {"kind": "nearest"})), [normal(5, 2)]),
        (call("resample", dim=1, size=6, **(RESAMPLING | {"kind": "cubic", "scale": 0.4})), [normal(2, 3)]),
    ],
    "resample_grad": [(call("resample_grad", dim=1, size=7, length=4, **RESAMPLING), [normal(2, 7, 3)])],
}

ATTENTION = {"is_causal": False, "scale": 0.7, "dropout_p": 0.0, "seed": 0, "offset": 0}
CAUSAL = ATTENTION | {"is_causal": True}
DROPPING = ATTENTION | {"dropout_p": 0.3, "seed": 5}
ALLOWED = tensor(np.array([[True, False, True, True], [False, True, True, False]]))


def attention_grad(part, settings, name="scaled_dot_product_attention_grad"):
    def function(g, q, k, v):
        out = primitive("scaled_dot_product_attention")(q.detach(), k.detach(), v.detach(), None, **settings)
        logsumexp = (q.detach() @ k.detach().mT * settings["scale"]).exp().sum(-1).log()
        found = primitive(name)(g, q, k, v, None, out, logsumexp, **settings)
        return found if part is None else found[part]

    return function


QKV = [normal(2, 2, 3), normal(2, 4, 3), normal(2, 4, 2)]
ATTENTION_CASES = {
    "scaled_dot_product_attention": [
        (lambda q, k, v: primitive("scaled_dot_product_attention")(q, k, v, None, **ATTENTION), QKV),
        (lambda q, k, v: primitive("scaled_dot_product_attention")(q, k, v, None, **CAUSAL), QKV),
        (lambda q, k, v: primitive("scaled_dot_product_attention")(q, k, v, None, **DROPPING), QKV),
        (lambda q, k, v: primitive("scaled_dot_product_attention")(q, k, v, ALLOWED, **ATTENTION), QKV),
        (
            lambda q, k, v, mask: primitive("scaled_dot_product_attention")(q, k, v, mask, **ATTENTION),
            [*QKV, normal(2, 4)],
        ),
    ],
    "scaled_dot_product_attention_grad": [
        *((attention_grad(part, ATTENTION), [normal(2, 2, 2), *QKV]) for part in (0, 1, 2)),
        (attention_grad(0, DROPPING), [normal(2, 2, 2), *QKV]),
    ],
    "scaled_dot_product_attention_mask_grad": [
        (attention_grad(None, ATTENTION, "scaled_dot_product_attention_mask_grad"), [normal(2, 2, 2), *QKV])
    ],
}

GOING_ON = tensor(np.array([[False, True], [True, True]])[..., None])
RECURRENT = {"rnn": 1, "lstm": 4, "gru": 3}


def recurrent(name, mask=None, **settings):
    def function(*inputs):
        found = primitive(name)(*inputs, mask, **settings)
        return found if name != "lstm" else found[0] * 2.0 + found[1]

    gates = RECURRENT[name]
    states = [normal(2, 1) for _ in range(1 + (name == "lstm"))]
    return function, [normal(2, 2, gates), *states, normal(gates, 1), normal(gates)]


def recurrent_grad(name, mask=None, **settings):
    """The gradient kernel, fed with what the forward kernel keeps; its outputs are joined with different factors."""

    def function(*inputs):
        count = 2 if name == "lstm" else 1
        plain = [x.detach().numpy() for x in inputs[count:]]
        found = primitive(name).kernel(np, *plain, None if mask is None else mask.numpy(), **settings)
        kept = [found] if name == "rnn" else found[2:] if name == "lstm" else found
        outs = primitive(f"{name}_grad")(*inputs, mask, *(tensor(k) for k in kept), **settings)
        return sum((out * (i + 1.0)).sum() for i, out in enumerate(outs))

    _, inputs = recurrent(name)
    return function, [normal(2, 2, 1), *([normal(2, 1)] if name == "lstm" else []), *inputs]


RECURRENT_CASES = {
    "rnn": [recurrent("rnn", nonlinearity="tanh"), recurrent("rnn", GOING_ON, nonlinearity="relu")],
    "lstm": [recurrent("lstm"), recurrent("lstm", GOING_ON)],
    "gru": [recurrent("gru"), recurrent("gru", GOING_ON)],
    "rnn_grad": [recurrent_grad("rnn", GOING_ON, nonlinearity="tanh")],
    "lstm_grad": [recurrent_grad("lstm", GOING_ON)],
    "gru_grad": [recurrent_grad("gru", GOING_ON)],
}

TARGETS = tensor(np.array([0, 2, 1, -100]))
CLASS_WEIGHTS = tensor(np.array([1.0, 2.0, 0.5]))


def loss_settings(reduction, smoothing):
    return {"ignore_index": -100, "reduction": reduction, "label_smoothing": smoothing}


def cross_entropy(reduction, smoothing=0.0, weight=None):
    return lambda x: primitive("cross_entropy")(x, TARGETS, weight, **loss_settings(reduction, smoothing))


def cross_entropy_grad(reduction, smoothing=0.0, weight=None):
    def function(g, x):
        logsumexp = x.detach().exp().sum(1).log()
        return primitive("cross_entropy_grad")(g, x, TARGETS, weight, logsumexp, **loss_settings(reduction, smoothing))

    return function


TRAINING_CASES = {
    "binary_cross_entropy": [(call("binary_cross_entropy"), [positive(2, 3) / 2.5, positive(2, 3) / 2.5])],
    "cross_entropy": [
        (cross_entropy("mean"), [normal(4, 3)]), (cross_entropy("sum", 0.2), [normal(4, 3)]),
        (cross_entropy("none", 0.1, CLASS_WEIGHTS), [normal(4, 3)]),
    ],
    "cross_entropy_grad": [
        (cross_entropy_grad("mean", 0.1, CLASS_WEIGHTS), [normal(), normal(4, 3)]),
        (cross_entropy_grad("none"), [normal(4), normal(4, 3)]),
    ],
}

CASES = {
    **TENSOR_CASES, **COLLECTION_CASES, **ACTIVATION_CASES, **LAYER_CASES, **SPATIAL_CASES, **ATTENTION_CASES,
    **RECURRENT_CASES,
    **TRAINING_CASES,
}


def leaves(arrays):
    """Return fresh float64 leaf tensors."""
    return [Tensor(np.array(a, np.float64), requires_grad=True) for a in arrays]
