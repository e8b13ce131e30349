"""Can I make an operation many times faster and prove that nothing else has changed?

Your compiled functions against double precision; every row of KERNELS against its reference kernel, at odd sizes, in
every memory order, with nothing, with one number, with NaN and infinity; who ran, told by a watcher; and fused
operations against single ones, whoever reads, hooks or differentiates in between. No times are measured here.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, backends, nn
from tinytorch.autograd import grad
from tinytorch.core import kernels as module
from tinytorch.core.engine import FUSIONS, KERNELS, Watcher, overlay, primitive
from tinytorch.nn import functional as F

RNG = np.random.default_rng(12)
OWN = {
    "relu": "supports_elements, relu_elements",
    "softmax": "supports_rows",
    "batch_norm_relu": "batch_norm_relu_kernel, scale_shift_relu",
}
NAN, INF = np.float32("nan"), np.float32("inf")


@pytest.fixture(autouse=True)
def every_backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is compared here is chosen here, whatever the environment wished for, and however small the arrays are."""
    for row in KERNELS.values():
        if hasattr(row, "pays"):
            monkeypatch.setattr(row, "pays", lambda *arrays, **settings: True)
    with backends.use("auto"):
        yield


def numbers(*shape: int) -> Any:
    return RNG.normal(size=shape).astype("float32")


def assert_close(found: Any, expected: Any, where: str, tolerance: float = 2e-5) -> None:
    """Equal NaN and infinities, and numbers apart by at most `tolerance` of the largest one."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{where}: expected shape {expected.shape}, got {found.shape}"
    for what, test in (("NaN", np.isnan), ("infinity", np.isinf)):
        assert np.array_equal(test(found), test(expected)), f"{where}: {what} at other places than expected"
    finite = np.isfinite(expected)
    if finite.any():
        gap, largest = np.abs(found[finite] - expected[finite].astype("float64")).max(), np.abs(expected[finite]).max()
        assert gap <= tolerance * largest + 1e-6, f"{where}: off by up to {gap:.3g} (largest number {largest:.3g})"


class Diary(Watcher):
    """Writes down the name and the backend of every operation."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def after(self, primitive, inputs, params, outputs, backend, phase, note=None) -> None:
        self.seen.append((primitive.name, backend))


# ---- your functions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["matmul_loops", "matmul_compiled", "matmul_rows", "matmul_blocked"])
def test_every_rung_of_the_ladder_is_the_same_product(name: str) -> None:
    function, where = getattr(module, name), name.replace("_compiled", "_loops")
    sizes = [(1, 1, 1), (2, 3, 5), (7, 1, 2), (3, 0, 2), (0, 3, 2), (2, 3, 0)]
    sizes += [] if name == "matmul_loops" else [(65, 129, 63), (64, 64, 64), (131, 66, 70)]
    for n, k, m in sizes:
        a, b, out = numbers(n, k), numbers(k, m), np.full((n, m), 7, "float32")
        before = a.copy(), b.copy()
        function(a, b, out)
        assert_close(out, a.astype("float64") @ b, f"{where}: ({n}, {k}) times ({k}, {m})")
        assert np.array_equal(a, before[0]) and np.array_equal(b, before[1]), f"{where}: a and b must stay as they are"
    out = np.zeros((1, 2), "float32")
    function(np.float32([[NAN, 1]]), np.float32([[0, 0], [1, 2]]), out)
    assert np.isnan(out).all(), f"{where}: NaN times 0 is NaN, got {out}"


def test_the_roof_names_the_limit() -> None:
    for operations, moved, peak, bandwidth, seconds, limit in (
        (6e9, 1e6, 2e9, 1e9, 3.0, "arithmetic"), (1e6, 4e9, 2e9, 1e9, 4.0, "memory"),
        (2.0, 1.0, 2.0, 1.0, 1.0, "memory"), (0.0, 5.0, 1.0, 10.0, 0.5, "memory"),
    ):  # fmt: skip
        found = module.roofline(operations, moved, peak, bandwidth)
        assert found[1] == limit and abs(found[0] - seconds) < 1e-12, (
            f"roofline({operations:g}, {moved:g}, {peak:g}, {bandwidth:g}): expected {(seconds, limit)}, got {found}"
        )


def test_relu_of_every_kind_of_number() -> None:
    x = np.concatenate([np.float32([NAN, INF, -INF, 0, -1e-45, 1e-45]), numbers(4099)])
    out = np.full_like(x, 7)
    module.relu_elements(x, out)
    assert_close(out, np.maximum(x, 0), "relu_elements", 0)


def test_softmax_of_rows_large_and_broken() -> None:
    x = numbers(33, 19) * 8
    x[1] += 3e4
    x[2] -= 3e4
    x[3, 5], x[4, 0], x[5, 18], x[6, 7] = NAN, NAN, -INF, INF
    out = np.full_like(x, 7)
    module.softmax_rows(x, out)
    with np.errstate(invalid="ignore"):
        powers = np.exp(x.astype("float64") - x.max(1, keepdims=True))
        assert_close(out, powers / powers.sum(1, keepdims=True), "softmax_rows")
    one = np.full((3, 1), 7, "float32")
    module.softmax_rows(numbers(3, 1), one)
    assert np.array_equal(one, np.ones((3, 1))), f"softmax_rows: a row of one number is 1, got {one.ravel()}"


def test_convolution_over_pixels() -> None:
    for (n, h, w, c), (kh, kw, o), stride in (
        ((2, 6, 5, 3), (2, 3, 4), 1), ((3, 9, 8, 2), (3, 2, 5), 2), ((1, 7, 7, 1), (1, 1, 1), 3),
        ((0, 4, 4, 2), (2, 2, 3), 1),
    ):  # fmt: skip
        x, weight = numbers(n, h, w, c), numbers(kh, kw, c, o)
        out = np.full((n, (h - kh) // stride + 1, (w - kw) // stride + 1, o), 7, "float32")
        module.conv2d_pixels(x, weight, out, stride)
        expected = np.zeros(out.shape)
        for i, j in np.ndindex(*out.shape[1:3]):
            window = x[:, i * stride : i * stride + kh, j * stride : j * stride + kw].astype("float64")
            expected[:, i, j] = np.tensordot(window, weight, 3)
        assert_close(out, expected, f"conv2d_pixels: images {x.shape}, weight {weight.shape}, stride {stride}")


def test_the_rules_of_where_a_kernel_may_run() -> None:
    least = module.LEAST
    fits, images = np.zeros(least, "float32"), np.zeros((1, 128, 16, 8), "float32").transpose(0, 3, 1, 2)
    for what, x, expected in (
        ("exactly LEAST numbers", fits, True), ("channels-last images", images, True),
        ("one number fewer", fits[1:], False), ("float64", fits.astype("float64"), False),
        ("integers", fits.astype("int32"), False), ("gaps", np.zeros(2 * least, "float32")[::2], False),
    ):  # fmt: skip
        assert bool(module.supports_elements(x)) is expected, f"supports_elements: {what}: expected {expected}"
    rows = fits.reshape(128, -1)
    for what, x, dim, expected in (
        ("the last axis", rows, 1, True), ("the first axis", rows, 0, False), ("columns in memory", rows.T, 1, False),
        ("channels-last images", images, 3, False), ("float64", rows.astype("float64"), 1, False),
        ("too few numbers", rows[:5], 1, False), ("three axes", rows.reshape(2, 64, -1), 2, True),
    ):  # fmt: skip
        found = bool(module.supports_rows(x, dim=dim))
        assert found is expected, f"supports_rows: {what}, dim={dim}: expected {expected}"


def test_scale_shift_relu_of_odd_sizes() -> None:
    for pixels, channels in ((1, 1), (37, 5), (1030, 8), (0, 3)):
        x, scale, shift = numbers(pixels, channels), numbers(channels), numbers(channels)
        x[:1, :1] = NAN
        out = np.full_like(x, 7)
        module.scale_shift_relu(x, scale, shift, out)
        assert_close(out, np.maximum(x * scale + shift, 0), f"scale_shift_relu: ({pixels}, {channels})")


def test_batch_norm_and_relu_as_one_kernel() -> None:
    for shape in ((3, 8, 5, 7), (2, 3, 4, 4), (6, 5), (2, 4, 9)):
        x, (w, b, mean) = numbers(*shape), numbers(3, shape[1])
        var, per_channel = np.abs(numbers(shape[1])) + 0.1, (1, -1, *(1,) * (len(shape) - 2))
        for weight, bias in ((w, b), (None, b), (w, None), (None, None)):
            found = module.batch_norm_relu_kernel(np, x, weight, bias, mean, var, training=False, eps=0.5)
            z = (x - mean.reshape(per_channel)) / np.sqrt(var.reshape(per_channel).astype("float64") + 0.5)
            z = z if weight is None else z * weight.reshape(per_channel)
            z = z if bias is None else z + bias.reshape(per_channel)
            given = f"weight {weight is not None}, bias {bias is not None}"
            assert_close(found, np.maximum(z, 0), f"batch_norm_relu_kernel: x {shape}, {given}")


# ---- every row of KERNELS -------------------------------------------------------------------------------------------


def images(*shape: int, order: str = "last") -> Any:
    """Images (N, C, H, W) whose memory is channels-last, channels-first, or has gaps."""
    n, c, h, w = shape
    if order == "gaps":
        return numbers(n, c, 2 * h, 3 * w)[:, :, ::2, ::3]
    return numbers(*shape) if order == "first" else numbers(n, h, w, c).transpose(0, 3, 1, 2)


def convolutions() -> Iterator[tuple]:
    """Yield (backend, x shape, weight shape, stride, padding, dilation, groups)."""
    for shape in ((3, 8, 7, 9), (1, 16, 1, 1), (2, 8, 13, 6)):
        for padding in (1, 2):
            yield "numba", shape, (16, shape[1], 3, 3), 1, padding, 1, 1
    yield "numba", (2, 8, 6, 5), (32, 8, 3, 3), 1, 0, 1, 1
    yield "numba", (5, 3, 7, 11), (16, 3, 3, 3), 1, 1, 1, 1
    yield "numba", (2, 5, 9, 9), (16, 5, 5, 5), 2, 2, 1, 1
    yield "numba", (2, 7, 4, 5), (16, 7, 1, 1), 1, 0, 1, 1
    yield "numba", (1, 2, 5, 9), (16, 2, 2, 3), 3, 1, 1, 1
    yield "numpy", (2, 8, 6, 5), (16, 4, 3, 3), 1, 1, 1, 2
    yield "numpy", (2, 8, 9, 9), (16, 8, 3, 3), 1, 1, 2, 1
    yield "numpy", (2, 8, 6, 5), (10, 8, 3, 3), 1, 1, 1, 1
    yield "numpy", (0, 8, 6, 5), (16, 8, 3, 3), 1, 1, 1, 1


def settings_of(stride: int, padding: int, dilation: int, groups: int) -> dict:
    pairs = {"stride": stride, "padding": padding, "dilation": dilation}
    return {name: (value, value) for name, value in pairs.items()} | {"groups": groups}


def cases_of_conv2d() -> Iterator[tuple]:
    for backend, x, weight, *rest in convolutions():
        for order in ("last", "first", "gaps"):
            yield backend, [images(*x, order=order), numbers(*weight), numbers(weight[0])], settings_of(*rest)
    plain = settings_of(1, 1, 1, 1)
    for spoilt in (NAN, INF, -INF):
        x, weight = images(2, 8, 9, 10), numbers(16, 8, 3, 3)
        x[1, 3, 5, 6] = spoilt
        yield "numba", [x, weight, None], plain
        yield "numba", [images(2, 8, 9, 10), np.where(weight == weight.max(), spoilt, weight), None], plain
    yield "numba", [images(2, 8, 9, 10) * np.float32(3e37), weight, None], plain     # Winograd's sums overflow
    yield "numpy", [images(2, 8, 5, 5).astype("float64"), numbers(16, 8, 3, 3).astype("float64"), None], plain


def sent_by(x: tuple, weight: tuple, stride: int, padding: int, dilation: int, groups: int) -> Any:
    """A gradient of the shape of the convolution's output."""
    spans = ((n + 2 * padding - dilation * (k - 1) - 1) // stride + 1 for n, k in zip(x[2:], weight[2:], strict=True))
    return images(x[0], weight[0], *spans)


def cases_of_conv2d_input_grad() -> Iterator[tuple]:
    for _, x, weight, *rest in convolutions():
        plain = x[0] and weight[2] == weight[3] and rest[0] == rest[2] == rest[3] == 1 and rest[1] < weight[2]
        backend = "numba" if plain and x[1] % 16 == 0 else "numpy"
        yield backend, [sent_by(x, weight, *rest), numbers(*weight)], settings_of(*rest) | {"size": x[2:]}
    for channels, padding, kernel in ((32, 0, 3), (16, 2, 3), (16, 2, 5), (32, 0, 1)):
        x, weight, rest = (2, channels, 9, 6), (16, channels, kernel, kernel), (1, padding, 1, 1)
        yield "numba", [sent_by(x, weight, *rest), numbers(*weight)], settings_of(*rest) | {"size": (9, 6)}


def cases_of_conv2d_weight_grad() -> Iterator[tuple]:
    for backend, x, weight, *rest in convolutions():
        for order in ("last", "gaps"):
            arrays = [sent_by(x, weight, *rest), images(*x, order=order)]
            yield backend, arrays, settings_of(*rest) | {"size": weight[2:]}
    x, g = images(2, 8, 6, 6), images(2, 16, 6, 6)
    x[0, 2, 3, 3] = NAN
    yield "numba", [g, x], settings_of(1, 1, 1, 1) | {"size": (3, 3)}


def normalised() -> Iterator[tuple]:
    """Yield (backend, x): images with channels in blocks of eight, and others."""
    for order in ("last", "first", "gaps"):
        yield "numba", images(3, 8, 6, 10, order=order) + 5
    yield "numba", images(1, 24, 2, 2)
    yield "numpy", images(2, 6, 4, 4)
    yield "numpy", images(2, 8, 4, 4).astype("float64")
    yield "numpy", images(0, 8, 4, 4)


def statistics(x: Any, affine: bool = True) -> list:
    c, dtype = x.shape[1], x.dtype
    weight, bias, mean = (numbers(c).astype(dtype) for _ in range(3))
    return [*((weight, bias) if affine else (None, None)), mean, (np.abs(numbers(c)) + 0.1).astype(dtype)]


def cases_of_batch_norm_stats() -> Iterator[tuple]:
    for backend, x in normalised():
        if x.size:
            yield backend, [x], {}
    for spoilt in (NAN, INF):
        for place in ((0, 0, 0, 0), (1, 7, 3, 2)):
            x = images(2, 8, 4, 4)
            x[place] = spoilt
            yield "numba", [x], {}


def cases_of_batch_norm() -> Iterator[tuple]:
    for backend, x in normalised():
        for affine in (True, False):
            yield backend, [x, *statistics(x, affine)], {"training": False, "eps": 0.01}
    x = images(2, 8, 4, 4)
    x[1, 1, 1, 1], x[0, 0, 0, 0] = NAN, INF
    yield "numba", [x, *statistics(x)], {"training": False, "eps": 0.01}


def cases_of_batch_norm_grad() -> Iterator[tuple]:
    for backend, x in normalised():
        for training in (True, False):
            if x.size:
                weight, _, mean, var = statistics(x, affine=training)
                g = images(*x.shape).astype(x.dtype)
                yield backend, [g, x, weight, mean, var], {"training": training, "eps": 0.01}


POOL = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}


def pooled() -> Iterator[tuple]:
    """Yield (backend, x, pooling)."""
    for backend, x in normalised():
        yield backend, x, POOL
    yield "numpy", images(2, 8, 5, 4), POOL
    yield "numpy", images(2, 8, 6, 6), POOL | {"kernel_size": (3, 3)}
    yield "numpy", images(2, 8, 6, 6), POOL | {"padding": (1, 1)}
    ties = np.round(images(2, 8, 8, 6))
    ties[0, 0, 0, 0], ties[0, 1, 1, :2], ties[1, 2, :2, 2:4], ties[1, 3, 2:4, 2:4] = NAN, NAN, -INF, INF
    yield "numba", ties, POOL


def cases_of_max_pool2d() -> Iterator[tuple]:
    for backend, x, pooling in pooled():
        yield backend, [x], pooling


def cases_of_max_pool2d_grad() -> Iterator[tuple]:
    for backend, x, pooling in pooled():
        out = primitive("max_pool2d").kernel(np, x, **pooling)
        yield backend, [images(*out.shape).astype(x.dtype), x, out], pooling


def cases_of_batch_norm_relu() -> Iterator[tuple]:
    for _, x in normalised():
        backend = "numba" if x.size and x.dtype == "float32" else "numpy"
        yield backend, [x, *statistics(x)], {"training": False, "eps": 0.01}


def cases_of_batch_norm_relu_max_pool2d() -> Iterator[tuple]:
    for backend, x, pooling in pooled():
        yield backend, [x, *statistics(x, affine=x.shape[2] != 6)], {"training": False, "eps": 0.01, **pooling}


def cases_of_batch_norm_relu_max_pool2d_grad() -> Iterator[tuple]:
    for backend, x, pooling in pooled():
        for training in (True, False):
            if np.isfinite(x).all() and x.size:
                out = primitive("max_pool2d").kernel(np, x, **pooling)
                g = images(*out.shape).astype(x.dtype)
                inputs, settings = [x, *statistics(x)], {"training": training, "eps": 0.01, **pooling}
                for weight in (inputs[1], 0 * inputs[1], None):      # with a weight of 0 `out` does not tell x
                    inputs[1] = weight
                    out = primitive("batch_norm_relu_max_pool2d").kernel(np, *inputs, **settings)
                    yield backend, [g, *inputs, out], settings
    for backend, x in normalised():      # nothing pooled: the gradient of batch norm and ReLU
        for training in (True, False):
            if x.size:
                g = images(*x.shape).astype(x.dtype)
                yield backend, [g, x, *statistics(x, affine=training), None], {"training": training, "eps": 0.01}


def cases_of_sum() -> Iterator[tuple]:
    over = {"dim": (0, 2, 3), "keepdim": False}
    for keepdim in (True, False):
        yield "numba", [images(3, 8, 6, 10, order="last") + 5], over | {"keepdim": keepdim}
    x = images(4, 16, 30, 30, order="last")
    x[0, 1, 2, 3], x[1, 3, 2, 1], x[0, 5, 0, 0], x[2, 5, 0, 0] = NAN, INF, INF, -INF
    yield "numba", [x], over
    for x in (images(2, 8, 6, 6, order="first"), images(2, 6, 4, 4), images(0, 8, 4, 4)):
        yield "numpy", [x], over
    rows = numbers(67, 5, 13)
    rows[0, 1, 2], rows[3, 3, 3], rows[4, 0, 0], rows[4, 0, 1] = NAN, INF, INF, -INF
    for dim in ((2,), (1, 2), (2, 1)):
        yield "numba", [rows], {"dim": dim, "keepdim": True}
        yield "numba", [rows], {"dim": dim, "keepdim": False}
    yield "numba", [numbers(2, 30_001)], {"dim": (1,), "keepdim": False}
    for dim in ((0,), (0, 1), (1, 0)):
        yield "numba", [rows], {"dim": dim, "keepdim": True}
        yield "numba", [numbers(601, 3, 7)], {"dim": dim, "keepdim": False}
    for dim in ((0, 2), (0, 1, 2), ()):
        yield "numpy", [rows], {"dim": dim, "keepdim": False}
    yield "numpy", [rows.astype("float64")], {"dim": (2,), "keepdim": False}
    yield "numpy", [numbers(4, 5)], {"dim": None, "keepdim": False}
    yield "numpy", [images(2, 8, 6, 6, order="last")], {"dim": (2, 3), "keepdim": False}


def cases_of_matmul() -> Iterator[tuple]:
    """Both factors in both orders; a blot in each, and rows and columns that no block divides."""
    for rows, depth, columns in ((71, 67, 83), (6, 3000, 17), (200, 40, 50)):
        a, b = numbers(rows, depth), numbers(depth, columns)
        for first, second in ((a, b), (a, b.T.copy().T), (a.T.copy().T, b), (a.T.copy().T, b.T.copy().T)):
            yield "numba", [first, second], {}
    a[3, 2], a[199, 39], b[0, 49] = NAN, INF, -INF
    yield "numba", [a, b], {}
    yield "numba", [numbers(3, 5, 7, 60), numbers(60, 70)], {}
    square = numbers(90, 90)
    for a, b in ((numbers(5, 300), numbers(300, 300)), (numbers(300, 300), numbers(300, 15)), (square[0], square),
                 (square[:8], square[:, :8]), (square[None], square[None]), (square[:0], square)):
        yield "numpy", [a, b], {}
    yield "numpy", [square.astype("float64")] * 2, {}


def cases_of_linear() -> Iterator[tuple]:
    """Few rows, many, several axes in front; without a bias."""
    weight, bias = numbers(203, 130), numbers(203)
    weight[202, 0], bias[5], bias[202] = NAN, INF, -INF
    for shape in ((10, 130), (16, 130), (49, 130), (300, 130), (3, 5, 7, 130)):
        yield "numba", [numbers(*shape), weight, bias], {}
        yield "numba", [numbers(*shape), weight, None], {}
    yield "numba", [numbers(130, 60).T, numbers(203, 260)[:, ::2], bias], {}
    for shape in ((5, 130), (130,), (0, 130)):
        yield "numpy", [numbers(*shape), weight, bias], {}
    yield "numpy", [each.astype("float64") for each in (numbers(60, 130), weight, bias)], {}


def cases_of_relu() -> Iterator[tuple]:
    least = module.LEAST
    broken = numbers(least + 3)
    broken[:3] = NAN, INF, -INF
    yield "numba", [broken], {}
    yield "numba", [images(2, 16, 24, 25)], {}
    for x in (images(2, 16, 24, 25, order="gaps"), numbers(5), numbers(0), numbers(least).astype("float64")):
        yield "numpy", [x], {}


def cases_of_softmax() -> Iterator[tuple]:
    rows = numbers(131, 129) * 30
    rows[3, 4], rows[5, 6], rows[7, 8] = NAN, -INF, INF
    yield "numba", [rows], {"dim": 1}
    yield "numba", [numbers(module.LEAST, 1)], {"dim": 1}
    yield "numpy", [rows.T], {"dim": 1}
    yield "numpy", [rows], {"dim": 0}
    yield "numpy", [numbers(0, 4)], {"dim": 1}


def cases_of_log_softmax() -> Iterator[tuple]:
    for shape in ((5, 1), (7, 10), (3, 2, 17), (9,)):
        yield "numba", [numbers(*shape) * 20 + 1000], {"dim": len(shape) - 1}
    rows = numbers(6, 13)
    rows[0, 3], rows[1, 12], rows[2, 0], rows[3] = NAN, -INF, INF, -INF
    yield "numba", [rows], {"dim": 1}
    yield "numpy", [rows.T], {"dim": 1}
    yield "numpy", [numbers(4, 5)], {"dim": 0}
    yield "numpy", [numbers(4, 5).astype("float64")], {"dim": 1}
    yield "numpy", [numbers(0, 5)], {"dim": 1}


def sent_back(rows: Any) -> Any:
    """A gradient of the shape of `rows`."""
    return numbers(*rows.shape).astype(rows.dtype)


def cases_of_softmax_grad() -> Iterator[tuple]:
    for backend, (x,), settings in cases_of_log_softmax():
        if x.size:
            with np.errstate(all="ignore"):
                out = primitive("softmax").kernel(np, x, **settings)
            yield backend, [sent_back(x), out], settings


def cases_of_log_softmax_grad() -> Iterator[tuple]:
    for backend, (x,), settings in cases_of_log_softmax():
        if x.size:
            with np.errstate(all="ignore"):
                out = primitive("log_softmax").kernel(np, x, **settings)
            yield backend, [sent_back(x), out], settings
    yield "numpy", [numbers(5, 4).T, numbers(4, 5)], {"dim": 1}


def cases_of_layer_norm() -> Iterator[tuple]:
    for shape, axes in (((5, 7), 1), ((3, 2, 16), 1), ((4, 3, 5), 2), ((6, 1), 1), ((2, 9), 2), ((700, 3), 1)):
        weight, bias = numbers(*shape[-axes:]), numbers(*shape[-axes:])
        yield "numba", [numbers(*shape) + 3, weight, bias], {"normalized_ndim": axes, "eps": 1e-5}
        yield "numba", [numbers(*shape), None, None], {"normalized_ndim": axes, "eps": 1e-5}
    rows = numbers(4, 11)
    rows[1, 2], rows[2, 10] = NAN, INF
    yield "numba", [rows, None, None], {"normalized_ndim": 1, "eps": 1e-5}
    for x in (rows.T, numbers(4, 5).astype("float64"), numbers(0, 5), numbers(2, 20_000)):
        yield "numpy", [x, None, None], {"normalized_ndim": 1, "eps": 1e-5}


def cases_of_rms_norm() -> Iterator[tuple]:
    for backend, (x, weight, _), settings in cases_of_layer_norm():
        yield backend, [x, weight], settings


def cases_of_layer_norm_grad(name: str = "layer_norm", inputs: int = 3) -> Iterator[tuple]:
    for backend, arrays, settings in cases_of_layer_norm():
        if arrays[0].size:
            with np.errstate(all="ignore"):
                _, *statistics = primitive(name).kernel(np, *arrays[:inputs], **settings)
            yield backend, [sent_back(arrays[0]), *arrays[:2], *statistics], settings


def cases_of_rms_norm_grad() -> Iterator[tuple]:
    yield from cases_of_layer_norm_grad("rms_norm", 2)


def cases_of_cross_entropy() -> Iterator[tuple]:
    plain = {"ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}
    logits, target = numbers(37, 11) * 9, RNG.integers(0, 11, 37)
    logits[0], target[5] = 1e4, -100
    for settings in ({}, {"reduction": "none"}, {"reduction": "sum", "ignore_index": 3}, {"label_smoothing": 0.2},
                     {"reduction": "none", "label_smoothing": 1.0, "ignore_index": -100}):
        used = np.where(target == -100, settings.get("ignore_index", -100), target)
        yield "numba", [logits, used, None], plain | settings
    broken = logits.copy()
    broken[1, 2], broken[2, 0], broken[3, 10], broken[5, 5] = NAN, INF, -INF, NAN
    yield "numba", [broken, target, None], plain | {"reduction": "none"}
    yield "numba", [numbers(3, 1), np.full(3, -100), None], plain      # the mean over nothing
    yield "numba", [numbers(300, 130), RNG.integers(0, 130, 300), None], plain
    yield "numpy", [logits, target, np.ones(11, "float32")], plain
    yield "numpy", [logits, target.astype("int32"), None], plain
    for x in (logits.astype("float64"), numbers(11, 37).T):
        yield "numpy", [x, target, None], plain
    yield "numpy", [numbers(0, 4), np.zeros(0, "int64"), None], plain


def cases_of_cross_entropy_grad() -> Iterator[tuple]:
    for backend, (x, target, weight), settings in cases_of_cross_entropy():
        if x.size:
            with np.errstate(all="ignore"):
                _, logsumexp = primitive("cross_entropy").kernel(np, x, target, weight, **settings)
            g = numbers(*(target.shape if settings["reduction"] == "none" else ())) * 1
            yield backend, [np.asarray(g, x.dtype), x, target, weight, logsumexp], settings


def heads(*shape: int) -> Any:
    """Queries, keys or values as the heads of a matrix product lie in memory: (N, heads, L, E), steps between rows."""
    n, h, length, features = shape
    return numbers(n, length, 2 * h * features)[..., : h * features].reshape(n, length, h, features).swapaxes(1, 2)


def attentions() -> Iterator[tuple]:
    """Yield (backend, q, k, v, mask, settings): lengths that no block divides, more keys than a block holds."""
    plain = {"scale": 0.3, "dropout_p": 0.0, "seed": 1, "offset": 0}
    for lead, length, keys, features, width in (
        ((2, 3), 71, 71, 7, 7), ((1, 2), 64, 150, 8, 20), ((3,), 97, 64, 16, 16), ((), 66, 65, 1, 3),
        ((1, 1), 150, 300, 4, 4),
    ):  # fmt: skip
        arrays = numbers(*lead, length, features), numbers(*lead, keys, features), numbers(*lead, keys, width)
        for causal in (True, False):
            yield "numba", *arrays, None, plain | {"is_causal": causal}
    yield "numba", *(heads(2, 4, 80, 16) for _ in range(3)), None, plain | {"is_causal": True}
    for place in range(3):
        for spoilt in (NAN, INF):
            arrays = [heads(1, 2, 99, 8) for _ in range(3)]
            arrays[place][0, 1, 30, 2] = spoilt
            yield "numba", *arrays, None, plain | {"is_causal": True}
    large = numbers(1, 90, 4) * 8     # scores of some hundreds
    yield "numba", large, large, large, None, plain | {"is_causal": False}
    arrays = [numbers(2, 70, 4) for _ in range(3)]
    yield "numpy", *arrays, np.ones((70, 70), "bool"), plain | {"is_causal": False}
    yield "numpy", *arrays, None, plain | {"is_causal": False, "dropout_p": 0.5}     # 70 keys are no blocks of four
    for length, keys in ((65, 300), (100, 100)):
        dropping = numbers(2, 2, length, 5), numbers(2, 2, keys, 5), numbers(2, 2, keys, 5)
        for causal, p in ((True, 0.4), (False, 1.0)):
            yield "numba", *dropping, None, plain | {"is_causal": causal, "dropout_p": p, "seed": 2**63, "offset": 77}
    yield "numpy", arrays[0][:, :3], *arrays[1:], None, plain | {"is_causal": False}
    yield "numpy", arrays[0][:1], *arrays[1:], None, plain | {"is_causal": False}
    yield "numpy", *(a.astype("float64") for a in arrays), None, plain | {"is_causal": False}
    yield "numpy", *(a.swapaxes(1, 2).copy().swapaxes(1, 2) for a in arrays), None, plain | {"is_causal": False}
    yield "numpy", *(a[:, :0] for a in arrays), None, plain | {"is_causal": False}


def cases_of_scaled_dot_product_attention() -> Iterator[tuple]:
    for backend, *arrays, settings in attentions():
        yield backend, arrays, settings


def cases_of_scaled_dot_product_attention_grad() -> Iterator[tuple]:
    for backend, *arrays, settings in attentions():
        with np.errstate(all="ignore"):
            out, logsumexp = primitive("scaled_dot_product_attention").kernel(np, *arrays, **settings)
        yield backend, [numbers(*out.shape).astype(out.dtype), *arrays, out, logsumexp], settings


def elements() -> Iterator[tuple]:
    """Yield (backend, x): numbers of every size and kind, and images."""
    for size in (256, 259, 4099):
        yield "numba", numbers(size) * 4
    broken = np.concatenate([np.float32([NAN, INF, -INF, 0, 1e-30, 100, -100]), numbers(300)])
    yield "numba", broken
    yield "numba", images(2, 6, 5, 7)
    yield "numba", numbers(3, 10, 11)
    for x in (numbers(255), numbers(20, 30).T, numbers(600)[::2], numbers(300).astype("float64"), numbers(0)):
        yield "numpy", x


def cases_of_sigmoid() -> Iterator[tuple]:
    for backend, x in elements():
        yield backend, [x], {}


def cases_of_silu() -> Iterator[tuple]:
    yield from cases_of_sigmoid()


def cases_of_gelu() -> Iterator[tuple]:
    for backend, x in elements():
        for approximate in ("none", "tanh"):
            yield backend, [x], {"approximate": approximate}


def cases_of_silu_grad() -> Iterator[tuple]:
    for backend, x in elements():
        g = np.empty_like(x)     # in the memory order of x
        g[...] = numbers(*x.shape)
        yield backend, [g, x], {}
    yield "numpy", [images(2, 6, 5, 7, order="first"), images(2, 6, 5, 7)], {}


def cases_of_relu_grad() -> Iterator[tuple]:
    yield from cases_of_silu_grad()


def cases_of_sigmoid_grad() -> Iterator[tuple]:
    yield from cases_of_silu_grad()


def cases_of_tanh_grad() -> Iterator[tuple]:
    yield from cases_of_silu_grad()


def cases_of_gelu_grad() -> Iterator[tuple]:
    for backend, arrays, _ in cases_of_silu_grad():
        for approximate in ("none", "tanh"):
            yield backend, arrays, {"approximate": approximate}


def cases_of_dropout() -> Iterator[tuple]:
    for backend, x in elements():
        if x.ndim < 4:
            for p, seed, offset in ((0.25, 2**63 + 5, 2**40), (0.7, 1, 3), (1.0, 0, 0)):
                yield backend, [x], {"p": p, "seed": seed, "offset": offset}
    yield "numpy", [images(2, 6, 5, 7)], {"p": 0.5, "seed": 1, "offset": 0}


def cases_of_embedding_grad() -> Iterator[tuple]:
    for shape, rows, n in (((50,), 7, 13), ((4, 9), 40, 16), ((700, 3), 5, 8)):
        for padding in (None, 2):
            indices = RNG.integers(0, rows, shape)
            yield "numba", [numbers(*shape, n), indices], {"num_embeddings": rows, "padding_idx": padding}
    plain = {"num_embeddings": 9, "padding_idx": None}
    indices, g = RNG.integers(0, 9, 60), numbers(60, 8)
    g[3, 4] = NAN
    yield "numba", [g, indices], plain
    for sent, places in ((g, indices.astype("int32")), (g.astype("float64"), indices), (numbers(8, 60).T, indices),
                         (g[:5], indices[:5]), (g[:0], indices[:0])):
        yield "numpy", [sent, places], plain


def lists(count: int, dtype: str = "float32") -> list:
    shapes = ((3, 5), (7,), (1,), (2, 3, 2, 2))
    return [[np.abs(numbers(*shape)).astype(dtype) for shape in shapes] for _ in range(count)]


def cases_of_sgd_step() -> Iterator[tuple]:
    plain = {"lr": 0.1, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "maximize": False}
    for settings in ({}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1, "maximize": True},
                     {"momentum": 0.5, "nesterov": True}, {"weight_decay": 0.2}):
        params, grads, buffers = lists(3)
        buffers = buffers if settings.get("momentum") else None
        yield "numba", [params, grads, buffers], plain | settings | {"steps": (1, 2, 3, 1)}
    yield "numpy", [*lists(2, "float64"), None], plain | {"steps": (1,) * 4}


def cases_of_adam_step() -> Iterator[tuple]:
    plain = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.0, "decoupled": False, "maximize": False}
    for settings in ({}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled": True}, {"maximize": True}):
        yield "numba", [*lists(4), None], plain | settings | {"steps": (1, 2, 30, 1)}
    yield "numpy", lists(5), plain | {"steps": (1,) * 4}
    params, *others = lists(4)
    params[0] = numbers(5, 3).T
    yield "numpy", [params, *others, None], plain | {"steps": (1,) * 4}


def duplicated(value: Any) -> Any:
    """A copy with the same order in memory."""
    if isinstance(value, list):
        return [duplicated(each) for each in value]
    return value if value is None else value.copy(order="K")


def as_tensors(value: Any) -> Any:
    if isinstance(value, list):
        return [as_tensors(each) for each in value]
    return value if value is None else tinytorch.from_numpy(value)


@pytest.mark.parametrize("name", sorted(name for name, backend in KERNELS if backend == "numba"))
def test_a_kernel_gives_what_its_reference_gives(name: str) -> None:
    assert f"cases_of_{name}" in globals(), f"{name}: a row of KERNELS without cases here"
    where = f"{name} ({OWN[name]})" if name in OWN else name
    for backend, arrays, settings in globals()[f"cases_of_{name}"]():
        operation, given = primitive(name), [duplicated(each) for each in arrays]
        sizes = [getattr(each, "shape", None) for each in arrays]
        diary, tensors = Diary(), [as_tensors(each) for each in arrays]
        with np.errstate(all="ignore"):
            expected = operation.kernel(np, *given, **settings)
        with overlay(diary=diary):
            found = operation(*tensors, **settings)
            outputs = found if isinstance(found, tuple) else (found,)
            values = [each.numpy() for each in outputs if not isinstance(each, list)]
        assert diary.seen == [(name, backend)], f"{where}: {sizes}, {settings}: expected {backend}, ran {diary.seen}"
        if operation.mutates:
            values = [t.numpy() for group in tensors if group is not None for t in group]
            expected = [a for group in given if group is not None for a in group]
        elif not isinstance(expected, tuple):
            expected = (expected,)
        for one, other in zip(values, expected, strict=False):
            assert one.dtype == other.dtype, f"{where}: expected {other.dtype}, got {one.dtype}"
            tolerance = 2e-4 if "conv" in name or "grad" in name else 2e-5
            assert_close(one, other, f"{where}: {sizes}, {settings}", tolerance)


# ---- fusion ---------------------------------------------------------------------------------------------------------


@contextmanager
def no_fusion() -> Iterator[None]:
    rows = dict(FUSIONS)
    FUSIONS.clear()
    try:
        yield
    finally:
        FUSIONS.update(rows)


def block(x: Tensor, norm: nn.Module, between: Callable[[Tensor], None] = lambda t: None) -> Tensor:
    """Normalise, ReLU, pool; `between` looks at what comes out of the normalisation and of the ReLU."""
    z = norm(x)
    between(z)
    y = F.relu(z)
    between(y)
    return F.max_pool2d(y, 2) if x.ndim == 4 else y


def program(kind: str, shape: tuple, training: bool, affine: bool) -> list:
    """Run the block and return everything that a user can see of it."""
    rng = np.random.default_rng(3)
    norm = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(shape[1], affine=affine).train(training)
    with tinytorch.no_grad():
        for parameter in norm.parameters():
            parameter.copy_(Tensor(rng.uniform(0.5, 1.5, parameter.shape).astype("float32")))
    x = Tensor(rng.normal(1, 2, shape).astype("float32"), requires_grad=kind != "no gradient")
    seen: list = []
    looks = {
        "read": lambda t: seen.append(t.detach().numpy().copy()),
        "hook": lambda t: t.register_hook(lambda g: seen.append(g.numpy().copy())),
        "retain": lambda t: (t.retain_grad(), seen.append(t)),
    }
    out = block(x, norm, looks.get(kind, lambda t: None))
    results = [out.detach().numpy()]
    if kind != "no gradient":
        weights = Tensor(rng.normal(size=out.shape).astype("float32"))
        wanted = [x, *norm.parameters()]
        if kind == "twice":
            first = grad((out * weights).sum(), wanted, create_graph=True)
            results += [g.detach().numpy() for g in first]
            second = grad(sum((g * g).sum() for g in first), wanted, allow_unused=True)     # the bias adds nothing
            results += [np.zeros(t.shape) if g is None else g.numpy() for g, t in zip(second, wanted, strict=True)]
        else:
            (out * weights).sum().backward()
            results += [t.grad.numpy() for t in wanted]
    results += [t.grad.numpy() if isinstance(t, Tensor) else t for t in seen]
    return [*results, *(b.numpy() for b in norm.buffers())]


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("kind", ["plain", "no gradient", "read", "hook", "retain", "twice"])
def test_fused_or_not_nobody_sees_a_difference(kind: str, training: bool) -> None:
    for shape, affine in (((4, 8, 6, 10), True), ((3, 6, 4, 4), True), ((4, 8, 4, 4), False), ((5, 8), True)):
        with backends.use("numpy"), no_fusion():
            expected = program(kind, shape, training, affine)
        for backend in ("auto", "numpy"):
            with backends.use(backend):
                found = program(kind, shape, training, affine)
            assert len(found) == len(expected), f"{kind}: expected {len(expected)} results, got {len(found)}"
            for i, (one, other) in enumerate(zip(found, expected, strict=True)):
                where = f"batch_norm_relu_kernel, fused ({kind}, {shape}, affine={affine}, {backend}): result {i}"
                assert_close(one, other, where, 2e-3 if kind == "twice" else 2e-4)


@pytest.mark.parametrize("end", [lambda norm, x: norm(x), lambda norm, x: F.relu(norm(x))], ids=["norm", "relu"])
def test_the_gradient_of_what_still_waits(end: Callable) -> None:
    """The last operation has not run when its gradient is asked for."""
    x, norm, sent = tinytorch.from_numpy(images(3, 8, 4, 4)).requires_grad_(), nn.BatchNorm2d(8), numbers(3, 8, 4, 4)
    (found,) = grad(end(norm, x), x, Tensor(sent))
    with backends.use("numpy"), no_fusion():
        (expected,) = grad(end(norm, x), x, Tensor(sent))
    assert_close(found.numpy(), expected.numpy(), "the gradient of an operation that waits to be fused", 2e-4)


def test_three_operations_run_as_one() -> None:
    x, norm, diary = tinytorch.from_numpy(images(4, 8, 6, 6)), nn.BatchNorm2d(8).eval(), Diary()
    with overlay(diary=diary), tinytorch.no_grad():
        F.max_pool2d(F.relu(norm(x)), 2).numpy()
    assert diary.seen == [("batch_norm_relu_max_pool2d", "numba")], (
        f"batch_norm_relu_kernel: expected one operation, ran {diary.seen}"
    )
    with backends.use("numpy"), overlay(diary=(diary := Diary())):
        F.relu(x).numpy()
    assert diary.seen == [("relu", "numpy")], f"backends.use('numpy'): expected the reference, ran {diary.seen}"
