"""The kernels of rows at sizes that several threads share.

Checkpoint 12 compares every kernel with its reference at small and odd sizes, on broken numbers and in every order of
memory; arrays that are large enough for threads are here, with 1, 2 and 3 of them.
"""

import copy

import numpy as np
import pytest

import tinytorch
from tinytorch import get_num_threads, set_num_threads
from tinytorch.core.engine import KERNELS, primitive
from tinytorch.given import row_operations
from tinytorch.given.kernel_conditions import as_writeable
from tinytorch.given.kernel_rows import run
from tinytorch.nn import functional as F

RNG = np.random.default_rng(4)
PLAIN = {"ignore_index": -100, "reduction": "mean", "label_smoothing": 0.1}


def numbers(*shape):
    """Normal float32 numbers."""
    return RNG.normal(size=shape).astype("float32")


def rows():
    """Yield (kernel, arrays, settings): more rows than a chunk holds, of a length that no vector divides."""
    x, g, weight, bias = numbers(641, 77), numbers(641, 77), numbers(77), numbers(77)
    x[5, 3], x[640, 76] = np.nan, np.inf
    yield "log_softmax", [x], {"dim": 1}
    yield "softmax_grad", [g, x], {"dim": 1}
    yield "log_softmax_grad", [g, x], {"dim": 1}
    target = RNG.integers(0, 77, 641)
    target[::50] = -100
    yield "cross_entropy", [x, target, None], PLAIN | {"reduction": "none"}
    with np.errstate(invalid="ignore"):
        _, logsumexp = primitive("cross_entropy").kernel(np, x, target, None, **PLAIN)
    yield "cross_entropy_grad", [g[:, 0].copy(), x, target, None, logsumexp], PLAIN | {"reduction": "none"}
    settings, mean = {"normalized_ndim": 1, "eps": 1e-5}, numbers(641, 1)
    yield "layer_norm", [x, weight, bias], settings
    yield "layer_norm_grad", [g, x, weight, mean, np.abs(mean)], settings
    yield "rms_norm", [x, weight], settings
    yield "rms_norm_grad", [g, x, None, np.abs(mean)], settings
    yield "sum", [x], {"dim": (1,), "keepdim": False}
    yield "sum", [x], {"dim": (0,), "keepdim": False}
    yield "sum", [x.reshape(641, 7, 11)], {"dim": (0,), "keepdim": True}
    yield "sigmoid", [x], {}
    for name in ("gelu_grad", "silu_grad", "relu_grad"):
        yield name, [g, x], {"approximate": "none"} if name == "gelu_grad" else {}
    yield "dropout", [x], {"p": 0.3, "seed": 9, "offset": 4}
    yield "embedding_grad", [g, target.clip(0)], {"num_embeddings": 77, "padding_idx": 0}
    q, k, v = (numbers(2, 100, 3, 16).swapaxes(1, 2) for _ in range(3))
    attention = {"is_causal": True, "scale": 0.2, "dropout_p": 0.0, "seed": 0, "offset": 0}
    yield "scaled_dot_product_attention", [q, k, v, None], attention
    out, logsumexp = primitive("scaled_dot_product_attention").kernel(np, q, k, v, None, **attention)
    yield "scaled_dot_product_attention_grad", [numbers(*out.shape), q, k, v, None, out, logsumexp], attention


CASES = {name: (arrays, settings) for name, arrays, settings in rows()}


@pytest.fixture(autouse=True)
def as_before():
    """The number of threads is the process's: it is put back."""
    threads = get_num_threads()
    yield
    set_num_threads(threads)


def results(kernel, arrays, settings):
    """Return the outputs of a kernel as a list."""
    with np.errstate(all="ignore"):
        found = kernel(np, *arrays, **settings)
    return list(found) if isinstance(found, tuple) else [found]


@pytest.mark.parametrize("kind", ["sgd_step", "adam_step"])
def test_any_number_of_threads_takes_the_same_step(kind):
    """A parameter that is large enough for threads, and one that is not."""
    start = [[np.abs(numbers(40_001)), np.abs(numbers(3, 5))] for _ in range(4)]
    settings = {"lr": 0.1, "weight_decay": 0.1, "maximize": False, "steps": (2, 1)}
    if kind == "sgd_step":
        start, settings = start[:3], settings | {"momentum": 0.9, "dampening": 0.2, "nesterov": False}
    else:
        start, settings = [*start, None], settings | {"betas": (0.9, 0.99), "eps": 1e-8, "decoupled": True}
    row, expected = KERNELS[kind, "numba"], copy.deepcopy(start)
    primitive(kind).kernel(np, *expected, **settings)
    for threads in (1, 2, 3):
        set_num_threads(threads)
        found = copy.deepcopy(start)
        assert row.supports(*found, **settings)
        row.load()(np, *found, **settings)
        for ours, theirs in zip(found, expected, strict=True):
            for one, other in zip(ours or (), theirs or (), strict=True):
                assert np.allclose(one, other, rtol=1e-5, atol=1e-6), f"{kind}, {threads} threads"


@pytest.mark.parametrize("name", CASES)
def test_any_number_of_threads_gives_what_the_reference_gives(name):
    arrays, settings = CASES[name]
    row = KERNELS[name, "numba"]
    assert row.supports(*arrays, **settings), f"{name}: declined"
    expected = results(primitive(name).kernel, arrays, settings)
    for threads in (1, 2, 3):
        set_num_threads(threads)
        found, again = (results(row.load(), arrays, settings) for _ in range(2))
        for one, repeated, other in zip(found, again, expected, strict=True):
            assert np.array_equal(one, repeated, equal_nan=True), f"{name}, {threads} threads: two runs differ"
            finite = np.isfinite(other)
            assert np.array_equal(np.isfinite(one), finite), f"{name}, {threads} threads: NaN or infinity elsewhere"
            gap = np.abs(one[finite] - other[finite]).max()
            assert gap <= 5e-5 * np.abs(other[finite]).max(), f"{name}, {threads} threads: off by {gap:.3g}"


def test_dropout_drops_what_the_reference_drops():
    x = np.ones(100_003, "float32")
    for p in (1e-8, 0.1, 0.5, 1 / 3, 1 - 1e-7, 1.0):
        for seed, offset in ((0, 0), (2**64 - 1, 10**12)):
            settings = {"p": p, "seed": seed, "offset": offset}
            found = KERNELS["dropout", "numba"].load()(np, x, **settings)
            assert np.array_equal(found, primitive("dropout").kernel(np, x, **settings)), settings


def test_an_embedding_never_writes_beside_its_table():
    """What the kernel cannot place is left to the reference."""
    g, settings = tinytorch.ones(40, 8), {"num_embeddings": 5, "padding_idx": None}
    with pytest.raises(IndexError):
        primitive("embedding_grad")(g, tinytorch.full((40,), 5), **settings)
    found = primitive("embedding_grad")(g, tinytorch.full((40,), -1), **settings)
    assert found.sum(1).tolist() == [0, 0, 0, 0, 320]


def test_second_derivatives_through_the_kernels():
    """Under create_graph a gradient kernel is differentiated by its decomposition, whoever computed its value."""
    along = {"dim": 1}
    for function, settings in ((F.softmax, along), (F.log_softmax, along), (F.gelu, {}), (F.silu, {}), (F.tanh, {})):
        x, g = tinytorch.from_numpy(numbers(30, 9)).requires_grad_(), tinytorch.from_numpy(numbers(30, 9))
        found = []
        for backend in ("numba", "numpy"):
            with tinytorch.backends.use(backend):
                (first,) = tinytorch.autograd.grad((function(x, **settings) * g).sum(), [x], create_graph=True)
                found.append(tinytorch.autograd.grad((first**2).sum(), [x])[0].numpy())
        assert np.abs(found[0]).max() > 1e-3
        assert np.allclose(*found, atol=2e-5), function.__name__


# ---- where numbers lie in memory ------------------------------------------------------------------------------------


def under_both(function):
    """Return the lists of arrays that a function gives under the compiled kernels and under the reference."""
    found = []
    for backend in ("numba", "numpy"):
        with tinytorch.backends.use(backend), np.errstate(all="ignore"):
            found.append(function())
    return found


@pytest.mark.parametrize("one", ["q", "kv"])
def test_attention_to_heads_that_share_their_numbers(one):
    """Heads from `expand` lie at the same place of memory; what is made of them must not."""
    few, many = numbers(3, 2, 1, 64, 8), numbers(3, 2, 4, 64, 8)

    def attend():
        leaves = [tinytorch.from_numpy((few if name in one else many)[i]) for i, name in enumerate("qkv")]
        leaves = [leaf.clone().requires_grad_() for leaf in leaves]
        out = F.scaled_dot_product_attention(*(leaf.expand(2, 4, 64, 8) for leaf in leaves))
        (out * out).sum().backward()
        return [out.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]

    for found, expected in zip(*under_both(attend), strict=True):
        assert np.allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("broken", [None, "q", "k", "v", "g"])
@pytest.mark.parametrize(("length", "keys"), [(1, 1), (6, 7), (7, 5), (48, 48), (97, 143), (145, 144), (150, 300)])
def test_causal_attention_of_blocks_that_end_anywhere(length, keys, broken):
    """What the mask hides is left out, row by row, unless it is no number: then it spreads as in the reference."""
    arrays = {name: numbers(2, keys if name in "kv" else length, 5 if name in "qk" else 18) for name in "qkvg"}
    if broken:
        arrays[broken][0, -1, 0] = np.nan
    q, k, v, g = arrays.values()
    settings = {"is_causal": True, "scale": 0.4, "dropout_p": 0.0 if keys % 4 else 0.3, "seed": 3, "offset": 8}
    forward, backward = (f"scaled_dot_product_attention{what}" for what in ("", "_grad"))
    with np.errstate(invalid="ignore"):
        out, logsumexp = primitive(forward).kernel(np, q, k, v, None, **settings)
        expected = primitive(backward).kernel(np, g, q, k, v, None, out, logsumexp, **settings)
    kernels = [KERNELS[name, "numba"].load() for name in (forward, backward)]
    found = [*kernels[0](np, q, k, v, None, **settings), *kernels[1](np, g, q, k, v, None, out, logsumexp, **settings)]
    for one, other in zip(found, [out, logsumexp, *expected], strict=True):
        assert np.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("view", ["strided", "expanded"])
@pytest.mark.parametrize("pool", [False, True])
def test_batch_norm_with_parameters_that_have_gaps(view, pool):
    vectors = numbers(4, 32)[:, ::2] if view == "strided" else np.broadcast_to(numbers(4, 1), (4, 16))
    x = numbers(2, 16, 4, 4)

    def normalise():
        mean, var, weight, bias = (tinytorch.from_numpy(v) for v in vectors)
        leaves = [tinytorch.from_numpy(x).clone(), weight.detach(), bias.detach()]
        image, weight, bias = (leaf.requires_grad_() for leaf in leaves)
        out = F.relu(F.batch_norm(image, mean, var.abs() + 0.5, weight, bias, training=False))
        out = F.max_pool2d(out, 2) if pool else out
        (out * out).sum().backward()
        return [out.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]

    for found, expected in zip(*under_both(normalise), strict=True):
        assert np.allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_vectors_are_not_read_from_arrays_with_gaps():
    """A kernel that forgot to ask is refused when it is compiled, and reads no foreign memory."""
    from numba.core.errors import LoweringError

    from tinytorch.given.compiling import compiled
    from tinytorch.given.vectors import load, store

    @compiled
    def copy_eight(x, out):
        store(out, 0, load(x, 0))

    out = np.empty(8, "float32")
    with pytest.raises((LoweringError, TypeError), match="expected a C-contiguous float32 array"):
        copy_eight(numbers(16)[::2], out)


def test_an_input_that_may_only_be_read_is_no_other_type():
    """Numba would compile the kernel once more, for seconds."""
    x = numbers(3, 2, 16, 20).transpose(0, 2, 3, 1)[:, :, 1:]
    frozen = x.view()
    frozen.flags.writeable = False
    again = as_writeable(frozen)
    assert again.flags.writeable and np.shares_memory(x, again)
    assert (again.shape, again.strides, again.dtype) == (x.shape, x.strides, x.dtype)
    rows = numbers(300, 30)
    kernel = KERNELS["log_softmax", "numba"].load()
    expected, before = kernel(np, rows, dim=1), len(row_operations.some_rows.signatures)
    rows.flags.writeable = False
    assert np.array_equal(kernel(np, rows, dim=1), expected)
    assert len(row_operations.some_rows.signatures) == before and not rows.flags.writeable


def test_steps_write_only_what_may_be_written():
    p, g = np.ones((2, 300), "float32")
    p.flags.writeable = False
    settings = {"lr": 0.1, "momentum": 0.0, "dampening": 0, "weight_decay": 0, "nesterov": False, "maximize": False}
    assert not KERNELS["sgd_step", "numba"].supports([p], [g], None, **settings, steps=(1,))


# ---- images: numbers that are far away, infinite, or not numbers ----------------------------------------------------


@pytest.mark.parametrize("outlier", [10, 1e3, 1e6])
def test_statistics_with_one_outlier_at_the_first_pixel(outlier):
    x = numbers(64, 8, 16, 16)
    x[0, :, 0, 0] = outlier
    mean, var = KERNELS["batch_norm_stats", "numba"].load()(np, x)
    exact = x.astype("float64")
    assert np.allclose(mean, exact.mean((0, 2, 3)), rtol=1e-5, atol=1e-6)
    assert np.allclose(var, exact.var((0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("broken", ["x", "g"])
def test_the_gradient_of_fixed_statistics_on_broken_numbers(relu, broken):
    """An infinite pixel spoils no gradient that does not depend on it; a gradient that is NaN passes no ReLU unseen."""
    x, g, mean, var = numbers(1, 8, 4, 4), numbers(1, 8, 4, 4), np.zeros(8, "float32"), np.ones(8, "float32")
    if broken == "x":
        x[0, :, 0, :3] = np.inf, -np.inf, np.nan
    else:
        x[0, :, 0, :2], g[0, :, 0, :2] = -1, (np.nan, np.inf)
    name = "batch_norm_relu_max_pool2d_grad" if relu else "batch_norm_grad"
    arrays = [g, x, None, None, mean, var, None] if relu else [g, x, None, mean, var]
    found, expected = under_both(lambda: run(name, *arrays, training=False, eps=1e-5)[0])
    assert np.allclose(found, expected, equal_nan=True, rtol=1e-5)


def test_pooling_sends_an_infinite_gradient_to_one_of_equal_maxima():
    x, out, g = np.ones((1, 8, 2, 2), "float32"), *np.full((2, 1, 8, 1, 1), np.inf, "float32")
    halves = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}
    one = np.zeros_like(x)
    one[:, :, 0, 0] = np.inf
    assert np.array_equal(KERNELS["max_pool2d_grad", "numba"].load()(np, g, x, out, **halves), one)
    x[:, :, :, 0] = np.nan
    assert np.array_equal(KERNELS["max_pool2d_grad", "numba"].load()(np, g, x, out, **halves), one)


PLAIN_CONVOLUTION = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}


def test_an_infinite_weight_spoils_only_the_images_that_it_met():
    g, weight = numbers(1, 16, 3, 3), numbers(16, 16, 3, 3)
    weight[0, 0, 0, 0] = np.inf
    settings = {"size": (5, 5), **PLAIN_CONVOLUTION}
    found, expected = under_both(lambda: run("conv2d_input_grad", g, weight, **settings))
    assert np.isinf(expected).any() and np.array_equal(np.isfinite(found), np.isfinite(expected))


def test_wrong_convolutions_are_left_to_the_reference_to_refuse():
    x, weight, row = numbers(2, 16, 6, 6), numbers(16, 16, 3, 3), KERNELS["conv2d", "numba"]
    assert row.supports(x, weight, None, **PLAIN_CONVOLUTION)
    for wrong in ({"padding": (-1, -1)}, {"stride": (0, 0)}):
        assert not row.supports(x, weight, None, **PLAIN_CONVOLUTION | wrong)
    for arrays in ([x[0], weight], [x, weight[0]], [x[0], weight[0]]):
        assert not row.supports(*arrays, None, **PLAIN_CONVOLUTION)
        assert not KERNELS["conv2d_input_grad", "numba"].supports(*arrays, size=(8, 8), **PLAIN_CONVOLUTION)
        assert not KERNELS["conv2d_weight_grad", "numba"].supports(*arrays, size=(3, 3), **PLAIN_CONVOLUTION)


# ---- calls that are too small for a kernel ---------------------------------------------------------------------------


def accepted(name, *arrays, **settings):
    """Return whether the kernel takes these shapes; a list of shapes is a list of arrays."""

    def array_of(shape):
        return [array_of(each) for each in shape] if isinstance(shape, list) else shape and np.zeros(shape, "float32")

    return KERNELS[name, "numba"].accepts([a if hasattr(a, "dtype") else array_of(a) for a in arrays], settings)


@pytest.mark.parametrize("name", ["relu_grad", "sigmoid_grad", "tanh_grad"])
def test_products_of_few_numbers_are_left_to_numpy(name):
    assert not accepted(name, (127, 128), (127, 128)) and accepted(name, (128, 128), (128, 128))


@pytest.mark.parametrize(
    ("shape", "dim", "expected"),
    [((511, 64), (0,), False), ((512, 64), (0,), True), ((64, 512), (0,), False), ((128, 512), (0,), True),
     ((16, 32, 64), (0, 1), True), ((16, 32, 64), (0, 2), False)],
)
def test_sums_of_few_columns_are_left_to_numpy(shape, dim, expected):
    assert accepted("sum", shape, dim=dim, keepdim=False) is expected


def test_rows_of_one_number_are_left_to_numpy():
    for columns, expected in ((1, False), (2, True)):
        x, one, many = (4096, columns), (4096, 1), (columns,)
        norm, loss = {"normalized_ndim": 1, "eps": 1e-5}, PLAIN | {"reduction": "none"}
        classes = np.zeros(4096, "int64")
        assert accepted("log_softmax", x, dim=1) is expected
        assert accepted("softmax_grad", x, x, dim=1) is accepted("log_softmax_grad", x, x, dim=1) is expected
        assert accepted("layer_norm", x, many, many, **norm) is accepted("rms_norm", x, many, **norm) is expected
        assert accepted("layer_norm_grad", x, x, many, one, one, **norm) is expected
        assert accepted("rms_norm_grad", x, x, many, one, **norm) is expected
        assert accepted("sum", x, dim=(1,), keepdim=False) is expected
        assert accepted("cross_entropy", x, classes, None, **loss) is expected
        assert accepted("cross_entropy_grad", (4096,), x, classes, None, (4096,), **loss) is expected


@pytest.mark.parametrize(
    ("shape", "summed", "counted"),
    [((2, 8, 4, 4), False, True), ((8, 16, 8, 8), True, True), ((64, 512, 2, 2), False, False),
     ((64, 512, 4, 4), False, True), ((64, 256, 4, 4), True, True)],
)
def test_images_of_few_pixels_are_left_to_numpy(shape, summed, counted):
    n, c, h, w = shape
    x = np.zeros((n, h, w, c), "float32").transpose(0, 3, 1, 2)
    assert accepted("sum", x, dim=(0, 2, 3), keepdim=False) is summed
    assert accepted("batch_norm_stats", x) is counted


@pytest.mark.parametrize(
    ("n", "side", "window", "stride", "expected"),
    [(7, 4, 3, 1, False), (8, 4, 3, 1, True), (64, 3, 3, 1, False), (64, 8, 3, 2, False), (64, 16, 3, 2, True),
     (64, 16, 1, 1, True), (64, 16, 1, 2, False)],
)
def test_convolutions_to_few_pixels_are_left_to_blas(n, side, window, stride, expected):
    settings = {"stride": (stride,) * 2, "padding": (window // 2,) * 2, "dilation": (1, 1), "groups": 1}
    x, g = (n, 32, side, side), (n, 16, side // stride, side // stride)
    weight = (16, 32, window, window)
    assert accepted("conv2d", x, weight, None, **settings) is expected
    assert accepted("conv2d_weight_grad", g, x, size=weight[2:], **settings) is expected
    assert accepted("conv2d_input_grad", g, weight, size=x[2:], **settings) is (expected and stride == 1)


@pytest.mark.parametrize(
    ("shape", "momentum", "weight_decay", "expected"),
    [((8, 8), 0.9, 0.0, True), ((64, 64), 0.0, 0.1, False), ((96, 96), 0.0, 0.1, True), ((96, 96), 0.0, 0.0, False),
     ((256, 256), 0.0, 0.0, True)],
)
def test_bare_steps_of_small_parameters_are_left_to_numpy(shape, momentum, weight_decay, expected):
    buffers = [shape] * 2 if momentum else None
    settings = {"lr": 0.1, "dampening": 0.0, "nesterov": False, "maximize": False, "steps": (2, 2)}
    settings |= {"momentum": momentum, "weight_decay": weight_decay}
    assert accepted("sgd_step", [shape] * 2, [shape] * 2, buffers, **settings) is expected


@pytest.mark.parametrize(
    ("heads", "length", "causal", "forward", "backward"),
    [(3, 64, True, False, False), (4, 64, True, True, False), (8, 64, True, True, True), (31, 64, False, False, False),
     (32, 64, False, True, False), (8, 256, False, True, True)],
)
def test_attention_of_few_scores_is_left_to_blas(heads, length, causal, forward, backward):
    shape, settings = (heads, length, 8), {"dropout_p": 0.0, "seed": 0, "offset": 0, "scale": 1.0, "is_causal": causal}
    name = "scaled_dot_product_attention"
    assert accepted(name, shape, shape, shape, None, **settings) is forward
    assert accepted(f"{name}_grad", shape, shape, shape, shape, None, shape, shape[:2], **settings) is backward
