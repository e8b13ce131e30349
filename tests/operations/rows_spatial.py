"""Rows of what module 06 teaches: convolution, pooling, padding, unfolding, normalisation."""

import itertools

import numpy as np
from hypothesis import strategies as st

import tinytorch
from tests.operations.cases import case, cases, distinct, fixed_shapes, positive, real, unary
from tests.operations.table import Edge, Operation, Refused
from tests.operations.values import INF, NAN, ONLY_FLOATS
from tinytorch import ShapeError, TinyTorchError, tensor
from tinytorch.core.engine import primitive
from tinytorch.nn import functional as F


def pair(value):
    """An int twice, or the pair itself."""
    return (value, value) if isinstance(value, int) else tuple(value)


def windows(size, kernel, stride, padding, dilation, outputs):
    """Yield (output place, window place, image place) of each number that a window sees inside the image."""
    for out in itertools.product(*map(range, outputs)):
        for tap in itertools.product(*map(range, kernel)):
            at = tuple(o * s - p + t * d for o, s, p, t, d in zip(out, stride, padding, tap, dilation, strict=True))
            if all(0 <= a < n for a, n in zip(at, size, strict=True)):
                yield out, tap, at


def sizes(size, kernel, stride, padding, dilation=(1, 1), ceil_mode=False):
    """Height and width of the result, by PyTorch's formula."""
    found = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        count = (-(-room // s) if ceil_mode else room // s) + 1
        found.append(count - 1 if ceil_mode and (count - 1) * s >= n + p else count)
    return tuple(found)


def conv2d(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    """Seven loops."""
    if padding == "same":
        total = [d * (k - 1) for d, k in zip(pair(dilation), w.shape[2:], strict=True)]
        x = np.pad(x, ((0, 0), (0, 0), *((t // 2, t - t // 2) for t in total)))
        padding = 0
    setup = w.shape[2:], pair(stride), pair(padding), pair(dilation)
    out = np.zeros((len(x), len(w), *sizes(x.shape[2:], *setup)))
    inner, outer = x.shape[1] // groups, len(w) // groups
    for o in range(len(w)):
        seen = x[:, o // outer * inner : (o // outer + 1) * inner]
        for (i, j), (k, m), (y, z) in windows(x.shape[2:], *setup, out.shape[2:]):
            out[:, o, i, j] += seen[:, :, y, z] @ w[o, :, k, m]
    return out if b is None else out + b[:, None, None]


def pooled(reduce):
    """A reference for pooling: `reduce` turns the numbers of a window, and how many places it has, into one."""

    def reference(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, **settings):
        setup = pair(kernel_size), pair(kernel_size if stride is None else stride), pair(padding), pair(dilation)
        outputs = sizes(x.shape[2:], *setup, ceil_mode)
        seen = {out: [] for out in itertools.product(*map(range, outputs))}
        for out, _, at in windows(x.shape[2:], *setup, outputs):
            seen[out].append(x[:, :, at[0], at[1]])
        result = np.zeros((*x.shape[:2], *outputs))
        for out, values in seen.items():
            inside = [min(o * s - p + k, n + p) - (o * s - p) for o, s, p, k, n in
                      zip(out, setup[1], setup[2], setup[0], x.shape[2:], strict=True)]
            result[:, :, out[0], out[1]] = reduce(np.array(values), inside[0] * inside[1], **settings)
        return result

    return reference


def mean_of(values, places, count_include_pad=True, divisor_override=None):
    """The average of a window."""
    return values.sum(0) / (divisor_override or (places if count_include_pad else len(values)))


def adaptive(x, output_size):
    """Cell i of n covers the rows from floor(i·H/n) to ceil((i+1)·H/n)."""
    wanted = [n if w is None else w for w, n in zip(pair(output_size) if isinstance(output_size, int) else output_size,
                                                     x.shape[2:], strict=True)]
    rows, columns = ([(i * n // c, -(-(i + 1) * n // c)) for i in range(c)]
                     for c, n in zip(wanted, x.shape[2:], strict=True))
    return np.stack([np.stack([x[:, :, a:b, c:d].mean((2, 3)) for c, d in columns], -1) for a, b in rows], -2)


def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    """The windows as columns."""
    setup = pair(kernel_size), pair(stride), pair(padding), pair(dilation)
    outputs = sizes(x.shape[2:], *setup)
    out = np.zeros((*x.shape[:2], *setup[0], *outputs))
    for (i, j), (k, m), (y, z) in windows(x.shape[2:], *setup, outputs):
        out[:, :, k, m, i, j] = x[:, :, y, z]
    return out.reshape(len(x), x.shape[1] * setup[0][0] * setup[0][1], outputs[0] * outputs[1])


def pad(x, pad, value=0.0):
    """Axis by axis, from the last."""
    for place, (before, after) in enumerate(zip(pad[::2], pad[1::2], strict=True)):
        axis = x.ndim - 1 - place
        x = np.take(x, range(max(-before, 0), x.shape[axis] - max(-after, 0)), axis)
        widths = [(0, 0)] * x.ndim
        widths[axis] = max(before, 0), max(after, 0)
        x = np.pad(x, widths, constant_values=value)
    return x


def normalised(x, axes, mean, var, weight, bias, shape, eps):
    """(x - mean) / sqrt(var + eps), scaled and shifted."""
    out = (x - mean) / np.sqrt(var + eps)
    out = out if weight is None else out * weight.reshape(shape)
    return out if bias is None else out + bias.reshape(shape)


def batch_norm(x, weight=None, bias=None, mean=None, var=None, eps=1e-5):
    """In training without `mean` and `var`."""
    axes, shape = (0, *range(2, x.ndim)), (1, -1) + (1,) * (x.ndim - 2)
    mean = x.mean(axes, keepdims=True) if mean is None else mean.reshape(shape)
    var = x.var(axes, keepdims=True) if var is None else var.reshape(shape)
    return normalised(x, axes, mean, var, weight, bias, shape, eps)


def layer_norm(x, weight=None, bias=None, normalized_shape=None, eps=1e-5):
    """Over the last axes."""
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return normalised(x, axes, mean, var, weight, bias, normalized_shape, eps)


IMAGES = fixed_shapes([(2, 2, 5, 4)], [(1, 1, 4, 5)], [(0, 2, 4, 4)])
CONVOLUTIONS = fixed_shapes(
    [(2, 2, 4, 3), (4, 2, 3, 2), (4,)], [(1, 2, 4, 5), (2, 2, 1, 2), (2,)], [(0, 2, 4, 4), (2, 2, 2, 2), (2,)],
)
GROUPED = fixed_shapes([(2, 4, 4, 4), (2, 2, 2, 2), (2,)], [(1, 2, 4, 5), (4, 1, 2, 3), (4,)])
CONV = ("conv2d", "conv2d_input_grad", "conv2d_weight_grad")
STEPS = {"stride": st.sampled_from([1, 2, (2, 1)]), "padding": st.sampled_from([0, 1, (1, 2)])}
ONES = tinytorch.ones(1, 2, 4, 4)

CONVOLUTION = [
    Operation(
        name="nn.functional.conv2d", call=F.conv2d, reference=conv2d, primitives=CONV, dtypes=ONLY_FLOATS,
        cases=cases(CONVOLUTIONS, real(), real(), real(), settings=STEPS),
        errors=[
            Refused(lambda: F.conv2d(ONES, tinytorch.ones(2, 3, 1, 1)), ShapeError, "conv2d"),
            Refused(lambda: F.conv2d(ONES, tinytorch.ones(2, 2, 5, 5)), ShapeError, "conv2d"),
            Refused(lambda: F.conv2d(ONES, tinytorch.ones(2, 2, 1, 1), stride=0), TinyTorchError, "stride"),
            Refused(lambda: F.conv2d(ONES, tinytorch.ones(2, 2, 2, 2), stride=2, padding="same"), ShapeError, "same"),
        ],
    ),
    Operation(
        name="nn.functional.conv2d", call=F.conv2d, reference=conv2d, primitives=CONV,
        cases=cases(GROUPED, real(), real(), real(),
                    settings=STEPS | {"groups": 2, "dilation": st.sampled_from([1, (1, 2)])}),
    ),
    Operation(
        name="nn.functional.conv2d", call=F.conv2d, reference=conv2d, primitives=CONV,
        cases=cases(fixed_shapes([(1, 2, 4, 3), (3, 2, 2, 3)]), real(), real(), settings={"padding": "same"}),
    ),
    Operation(
        name="nn.functional.unfold", call=F.unfold, reference=unfold, forms=("nn.functional.unfold",),
        primitives=("unfold", "unfold_grad"),
        cases=cases(IMAGES, real(), settings=STEPS | {"kernel_size": st.sampled_from([2, (1, 3)]),
                                                      "dilation": st.sampled_from([1, (2, 1)])}),
        dtypes=ONLY_FLOATS, errors=[Refused(lambda: F.unfold(ONES, 6), ShapeError, "does not fit")],
    ),
    Operation(
        name="nn.functional.pad", call=F.pad, reference=pad, primitives=("pad",),
        cases=unary(real(), lambda shape: {
            "pad": st.sampled_from([(1, 0), (0, 2), (-1, 1), *([(1, 2, -1, 0), (0, 0, 3, 1)][: 2 * len(shape) - 2])]),
            "value": st.sampled_from([0.0, 2.0])}, min_dims=1, min_side=1),
        dtypes={"float16": "float16", "int64": "int64"},
        errors=[
            Refused(lambda: F.pad(ONES, (1,)), ShapeError, "pad: expected"),
            Refused(lambda: F.pad(ONES, (-5, 0)), ShapeError, "pad"),
        ],
    ),
]  # fmt: skip

POOL = {"kernel_size": st.sampled_from([2, (3, 2)]), "stride": st.sampled_from([None, 1, (2, 1)]),
        "padding": st.sampled_from([0, 1]), "ceil_mode": st.booleans()}

POOLING = [
    Operation(
        name="nn.functional.max_pool2d", call=F.max_pool2d, reference=pooled(lambda values, _: values.max(0)),
        cases=cases(IMAGES, distinct(), settings=POOL | {"dilation": st.sampled_from([1, (1, 2)])}),
        primitives=("max_pool2d", "max_pool2d_grad", "max_pool2d_pick"), dtypes=ONLY_FLOATS,
        errors=[
            Refused(lambda: F.max_pool2d(ONES, 6), ShapeError, "max_pool2d"),
            Refused(lambda: F.max_pool2d(ONES, 2, padding=2), TinyTorchError, "padding"),
        ],
        edges=[Edge([[[[1.0, 2.0, 2.0, NAN]]]], [[[2.0, NAN]]], [[[[0.0, 1.0, 0.0, 1.0]]]], {"kernel_size": (1, 2)}),
               Edge([[[[-INF, -INF]]]], [[[-INF]]], [[[[1.0, 0.0]]]], {"kernel_size": (1, 2)}),
               *(Edge([[[[first, second, 1.0]]]], [[[[first, first, 1.0, 1.0]]]], [[[[2.0, 0.0, 2.0]]]],
                      {"kernel_size": (1, 2), "stride": 1, "padding": (0, 1)})
                 for first, second in ((INF, -INF), (-INF, -INF), (NAN, 0.0))),
               Edge([[[[NAN, 0.0, 1.0]]]], [[[NAN, 1.0]]], [[[[1.0, 0.0, 1.0]]]],
                    {"kernel_size": (1, 2), "padding": (0, 1)})],
    ),
    Operation(
        name="nn.functional.avg_pool2d", call=F.avg_pool2d, reference=pooled(mean_of), dtypes=ONLY_FLOATS,
        cases=cases(IMAGES, real(), settings=POOL | {"count_include_pad": st.booleans(),
                                                     "divisor_override": st.sampled_from([None, 3])}),
        primitives=("avg_pool2d", "avg_pool2d_grad"),
        errors=[Refused(lambda: F.avg_pool2d(ONES, 6), ShapeError, "avg_pool2d")],
    ),
    Operation(
        name="nn.functional.avg_pool2d", call=F.avg_pool2d, reference=pooled(mean_of), forms=(),
        primitives=("avg_pool2d", "avg_pool2d_grad"), cases=[       # the last windows lie partly behind the image
            case(np.arange(40.0).reshape(1, 2, 5, 4) ** 2, kernel_size=(2, 3), stride=(2, 2), padding=padding,
                 ceil_mode=True, count_include_pad=counted) for padding in (0, 1) for counted in (False, True)],
    ),
    Operation(
        name="nn.functional.adaptive_avg_pool2d", call=F.adaptive_avg_pool2d, reference=adaptive, dtypes=ONLY_FLOATS,
        cases=cases(fixed_shapes([(2, 2, 5, 4)], [(1, 1, 4, 6)]), real(),
                    settings={"output_size": st.sampled_from([1, 2, (2, 3), (None, 2), (4, None)])}),
        primitives=("avg_pool2d", "matmul"),
        errors=[Refused(lambda: F.adaptive_avg_pool2d(ONES, 0), TinyTorchError, "output_size")],
    ),
]  # fmt: skip


def running(call):
    """Batch norm with the running statistics behind the other tensors."""
    return lambda x, weight, bias, mean, var, **settings: call(x, mean, var, weight, bias, **settings)


NORMALISATION = [
    Operation(
        name="nn.functional.batch_norm", call=lambda x, w, b, **more: F.batch_norm(x, None, None, w, b, True, **more),
        reference=batch_norm, primitives=("batch_norm", "batch_norm_grad", "batch_norm_stats"), dtypes=ONLY_FLOATS,
        cases=cases(fixed_shapes([(3, 2, 2, 2), (2,), (2,)], [(4, 3), (3,), (3,)], [(2, 1, 3), (1,), (1,)]), real(),
                    positive(), real(), settings={"eps": st.sampled_from([1e-5, 0.1])}),
        forms=(), errors=[
            Refused(lambda: F.batch_norm(ONES, None, None), TinyTorchError, "batch_norm"),
            Refused(lambda: F.batch_norm(ONES, tinytorch.zeros(3), tinytorch.ones(3)), ShapeError, "3"),
            Refused(lambda: F.batch_norm(ONES[:, :, 0, 0], None, None, training=True), TinyTorchError, "batch_norm"),
        ],
    ),
    Operation(
        name="nn.functional.batch_norm", call=lambda x: F.batch_norm(x, None, None, training=True), forms=(),
        reference=batch_norm, cases=cases(fixed_shapes([(3, 2, 1, 2)], [(4, 2)]), real()),
        primitives=("batch_norm", "batch_norm_grad"),
    ),
    Operation(
        name="nn.functional.batch_norm", call=running(F.batch_norm), reference=batch_norm, forms=(), inputs=(0, 1, 2),
        cases=cases(fixed_shapes([(2, 2, 2, 2), *[(2,)] * 4], [(1, 3), *[(3,)] * 4]),
                    real(), positive(), real(), real(), positive(), settings={"eps": st.sampled_from([1e-5, 0.1])}),
        primitives=("batch_norm", "batch_norm_grad"),
    ),
    Operation(
        name="nn.functional.layer_norm", reference=layer_norm, dtypes=ONLY_FLOATS, forms=(),
        call=lambda x, w, b, normalized_shape, **more: F.layer_norm(x, normalized_shape, w, b, **more),
        cases=cases(fixed_shapes([(2, 3, 4), (4,), (4,)], [(2, 3, 2), (3, 2), (3, 2)], [(3,), (3,), (3,)],
                                 [(0, 3), (3,), (3,)]), real(), positive(), real(),
                    settings=lambda x, w, b: {"normalized_shape": st.just(w), "eps": st.sampled_from([1e-5, 0.1])}),
        primitives=("layer_norm", "layer_norm_grad"),
        errors=[Refused(lambda: F.layer_norm(ONES, 3), ShapeError, "layer_norm")],
    ),
    Operation(
        name="nn.functional.layer_norm", call=F.layer_norm, primitives=("layer_norm", "layer_norm_grad"), forms=(),
        reference=lambda x, normalized_shape: layer_norm(x, normalized_shape=normalized_shape),
        cases=cases(fixed_shapes([(2, 3, 4)], [(1, 3, 4)]), real(),
                    settings={"normalized_shape": st.sampled_from([(4,), (3, 4)])}),
    ),
]  # fmt: skip

DERIVED = "derivative of a row above, which compares it with differences"
RNG = np.random.default_rng(20)


def normal(*shape):
    """Numbers for a case written by hand."""
    return RNG.normal(size=shape)


PLAIN = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
ONE = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
FAR = ONE | {"stride": (3, 1), "padding": (1, 0)}           # windows that reach farther than a row behind the image
STRIDED = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}
POOLS = [
    {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "ceil_mode": False},
    {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 1), "ceil_mode": True},
    {"kernel_size": (2, 2), "stride": (3, 3), "padding": (1, 1), "ceil_mode": False},
    {"kernel_size": (3, 3), "stride": (2, 2), "padding": (0, 1), "ceil_mode": False},
]
WINDOWS = {"kernel_size": (2, 2), "stride": (1, 2), "padding": (1, 0), "dilation": (1, 1)}
PIXELS = distinct()(RNG, (2, 2, 6, 4))


def at_maxima(name):
    """A kernel that needs images and their maxima: those of PIXELS."""
    return lambda values, **settings: primitive(name)(
        values, tensor(PIXELS), primitive("max_pool2d")(tensor(PIXELS), **settings), **settings)


def pooled_shape(settings):
    """The shape of PIXELS, pooled."""
    return primitive("max_pool2d")(tensor(PIXELS), **settings).shape


def batch_norm_grad(g, x, weight, training):
    """The kernel with the statistics of x, which belong to x in training, and of PIXELS otherwise."""
    source = x.detach() if training else tensor(PIXELS)
    mean = source.mean((0, 2, 3))
    var = ((source - mean.reshape(1, -1, 1, 1)) ** 2).mean((0, 2, 3))
    return primitive("batch_norm_grad")(g, x, weight, mean, var, training=training, eps=1e-5)


def layer_norm_grad(g, x, weight):
    """The kernel with the statistics of x."""
    mean = x.detach().mean(-1, keepdim=True)
    rstd = (((x.detach() - mean) ** 2).mean(-1, keepdim=True) + 1e-5) ** -0.5
    return primitive("layer_norm_grad")(g, x, weight, mean, rstd, normalized_ndim=1, eps=1e-5)


AVERAGE = {"count_include_pad": False, "divisor_override": None}
NEAR = {"dilation": (1, 1)}
DILATED = [POOLS[0] | NEAR, POOLS[1] | {"dilation": (1, 2)}, POOLS[2] | NEAR, POOLS[3] | NEAR,
           POOLS[0] | {"stride": (1, 1), "dilation": (2, 2)}]
KERNELS = [
    Operation(name=f"primitive.{name}", call=call, reference=DERIVED, primitives=also, cases=found, forms=())
    for name, call, also, found in (
        ("conv2d_input_grad", primitive("conv2d_input_grad"), CONV, [
            case(normal(2, 3, 4, 3), normal(3, 2, 3, 3), size=(4, 3), **PLAIN),
            case(normal(1, 4, 3, 3), normal(4, 1, 2, 2), size=(5, 5), **STRIDED),
            case(normal(1, 1, 3, 1), normal(1, 1, 2, 1), size=(6, 1), **FAR),
            case(normal(5, 1, 1, 1), normal(1, 1, 1, 1), size=(1, 1), **ONE)]),
        ("conv2d_weight_grad", primitive("conv2d_weight_grad"), CONV, [
            case(normal(2, 3, 4, 3), normal(2, 2, 4, 3), size=(3, 3), **PLAIN),
            case(normal(1, 4, 3, 3), normal(1, 2, 5, 5), size=(2, 2), **STRIDED),
            case(normal(1, 1, 3, 1), normal(1, 1, 6, 1), size=(2, 1), **FAR),
            case(normal(1, 1, 3, 3), normal(1, 1, 5, 4), size=(2, 2), **ONE | {"dilation": (2, 1)}),
            case(normal(5, 1, 1, 1), normal(5, 1, 1, 1), size=(1, 1), **ONE)]),
        ("max_pool2d_grad", at_maxima("max_pool2d_grad"), ("max_pool2d_grad", "max_pool2d_pick"), [
            case(normal(*pooled_shape(pool)), **pool) for pool in DILATED]),
        ("max_pool2d_pick", at_maxima("max_pool2d_pick"), ("max_pool2d_pick", "max_pool2d_grad"), [
            case(normal(*PIXELS.shape), **pool) for pool in DILATED]),
        ("avg_pool2d_grad", primitive("avg_pool2d_grad"), ("avg_pool2d_grad", "avg_pool2d"), [
            case(normal(*pooled_shape(pool | NEAR)), size=(6, 4), **pool, **AVERAGE) for pool in POOLS]),
        ("unfold_grad", primitive("unfold_grad"), ("unfold_grad", "unfold"), [
            case(normal(2, 8, 8), size=(3, 4), **WINDOWS),
            case(normal(1, 4, 6), size=(6, 3), **WINDOWS | {"stride": (3, 1)})]),
        ("batch_norm_grad", batch_norm_grad, ("batch_norm_grad",), [
            case(normal(*PIXELS.shape), PIXELS, positive()(RNG, (2,)), training=train) for train in (True, False)]),
        ("layer_norm_grad", layer_norm_grad, ("layer_norm_grad",), [
            case(normal(3, 4), normal(3, 4), positive()(RNG, (4,))),
            case(normal(4), normal(4), positive()(RNG, (4,)))]),
    )
]  # fmt: skip

ROWS = [*CONVOLUTION, *POOLING, *NORMALISATION, *KERNELS]
