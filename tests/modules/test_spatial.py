"""Module 06 beyond its own tests: gradient kernels against finite differences, odd shapes, refusals."""

from itertools import product
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import ShapeError, Tensor
from tinytorch.core.engine import DTypeError, primitive
from tinytorch.nn import functional as F

RNG = np.random.default_rng(20)


def forward(name: str, *arrays: Any, **params: Any) -> np.ndarray:
    """The first output of a primitive's reference kernel."""
    result = primitive(name).kernel(np, *arrays, **params)
    return result[0] if isinstance(result, tuple) else result


def slope(name: str, arrays: list, which: int, g: np.ndarray, params: dict, eps: float = 1e-6) -> np.ndarray:
    """d (g · output) / d arrays[which] by central differences in float64."""
    result = np.zeros_like(arrays[which])
    for place in np.ndindex(result.shape):
        ends = []
        for step in (eps, -eps):
            moved = [None if a is None else a.copy() for a in arrays]
            moved[which][place] += step
            ends.append((forward(name, *moved, **params) * g).sum())
        result[place] = (ends[0] - ends[1]) / (2 * eps)
    return result


CONVOLUTIONS = [
    {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1},
    {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1},
    {"stride": (2, 3), "padding": (1, 0), "dilation": (1, 1), "groups": 1},
    {"stride": (1, 2), "padding": (2, 1), "dilation": (2, 1), "groups": 1},
    {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2},
    {"stride": (1, 1), "padding": (3, 3), "dilation": (1, 1), "groups": 4},
]


@pytest.mark.parametrize("params", CONVOLUTIONS)
def test_convolution_gradients_agree_with_finite_differences(params: dict) -> None:
    x, w = RNG.normal(size=(2, 4, 7, 6)), RNG.normal(size=(4, 4 // params["groups"], 3, 2))
    g = RNG.normal(size=forward("conv2d", x, w, None, **params).shape)
    dx = forward("conv2d_input_grad", g, w, size=x.shape[2:], **params)
    dw = forward("conv2d_weight_grad", g, x, size=w.shape[2:], **params)
    np.testing.assert_allclose(dx, slope("conv2d", [x, w, None], 0, g, params), atol=1e-7)
    np.testing.assert_allclose(dw, slope("conv2d", [x, w, None], 1, g, params), atol=1e-7)


@pytest.mark.parametrize("params", CONVOLUTIONS)
def test_convolution_and_its_gradients_are_transposes(params: dict) -> None:
    x, w = RNG.normal(size=(5, 4, 9, 8)), RNG.normal(size=(8, 4 // params["groups"], 3, 2))
    out = forward("conv2d", x, w, None, **params)
    g = RNG.normal(size=out.shape)
    product_of_outputs = (out * g).sum()
    by_images = (x * forward("conv2d_input_grad", g, w, size=x.shape[2:], **params)).sum()
    by_weights = (w * forward("conv2d_weight_grad", g, x, size=w.shape[2:], **params)).sum()
    assert by_images == pytest.approx(product_of_outputs) and by_weights == pytest.approx(product_of_outputs)


MAX_POOLINGS = [
    {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False},
    {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 1), "dilation": (1, 1), "ceil_mode": False},
    {"kernel_size": (2, 3), "stride": (2, 2), "padding": (0, 1), "dilation": (2, 1), "ceil_mode": True},
    {"kernel_size": (2, 2), "stride": (3, 3), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": True},
]


@pytest.mark.parametrize("params", MAX_POOLINGS)
def test_max_pool_gradient_agrees_with_finite_differences(params: dict) -> None:
    x = RNG.permutation(2 * 3 * 7 * 8).reshape(2, 3, 7, 8) * 0.1
    out = forward("max_pool2d", x, **params)
    g = RNG.normal(size=out.shape)
    dx = forward("max_pool2d_grad", g, x, out, **params)
    np.testing.assert_allclose(dx, slope("max_pool2d", [x], 0, g, params), atol=1e-7)
    values = RNG.normal(size=x.shape)
    picked = forward("max_pool2d_pick", values, x, out, **params)
    assert (picked * g).sum() == pytest.approx((dx * values).sum()), "pick is the transpose of the gradient"


def test_max_pool_gradient_goes_to_the_first_of_equals() -> None:
    x = np.ones((1, 1, 2, 4))
    params = MAX_POOLINGS[0]
    dx = forward("max_pool2d_grad", np.array([[[[5.0, 7.0]]]]), x, forward("max_pool2d", x, **params), **params)
    assert dx.tolist() == [[[[5, 0, 7, 0], [0, 0, 0, 0]]]]


@pytest.mark.parametrize(("ceil", "count", "divisor"), list(product((False, True), (False, True), (None, 5))))
def test_average_pool_gradient_agrees_with_finite_differences(ceil: bool, count: bool, divisor: int | None) -> None:
    border = {"ceil_mode": ceil, "count_include_pad": count, "divisor_override": divisor}
    x = RNG.normal(size=(2, 2, 6, 7))
    for kernel_size, stride, padding in (((2, 2), (2, 2), (0, 0)), ((3, 2), (2, 1), (1, 1)), ((3, 3), (2, 4), (1, 0))):
        params = {"kernel_size": kernel_size, "stride": stride, "padding": padding, **border}
        g = RNG.normal(size=forward("avg_pool2d", x, **params).shape)
        dx = forward("avg_pool2d_grad", g, size=x.shape[2:], **params)
        np.testing.assert_allclose(dx, slope("avg_pool2d", [x], 0, g, params), atol=1e-8)


@pytest.mark.parametrize(
    ("training", "affine", "shape"), list(product((True, False), (True, False), ((3, 2, 4, 5), (7, 3))))
)
def test_batch_norm_gradient_agrees_with_finite_differences(training: bool, affine: bool, shape: tuple) -> None:
    x, c = RNG.normal(2, 3, shape), shape[1]
    w, b = (RNG.normal(size=c), RNG.normal(size=c)) if affine else (None, None)
    fixed = RNG.normal(size=c), RNG.uniform(1, 2, c)
    settings = {"training": training, "eps": 1e-3}

    def outputs(x: np.ndarray, w: Any, b: Any) -> np.ndarray:
        statistics = primitive("batch_norm_stats").kernel(np, x) if training else fixed
        return forward("batch_norm", x, w, b, *statistics, **settings)

    g = RNG.normal(size=shape)
    statistics = primitive("batch_norm_stats").kernel(np, x) if training else fixed
    dx, dw, db = primitive("batch_norm_grad").kernel(np, g, x, w, *statistics, **settings)
    for array, found in ((x, dx), (w, dw), (b, db)):
        if array is None:
            continue
        expected = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            ends = []
            for step in (1e-5, -1e-5):
                keep, array[place] = array[place], array[place] + step
                ends.append((outputs(x, w, b) * g).sum())
                array[place] = keep
            expected[place] = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("normalized_ndim", "affine"), list(product((1, 2, 3), (True, False))))
def test_layer_norm_gradient_agrees_with_finite_differences(normalized_ndim: int, affine: bool) -> None:
    x = RNG.normal(1, 2, (3, 4, 5))
    features = x.shape[3 - normalized_ndim :]
    w, b = (RNG.normal(size=features), RNG.normal(size=features)) if affine else (None, None)
    params = {"normalized_ndim": normalized_ndim, "eps": 1e-3}
    _, mean, rstd = primitive("layer_norm").kernel(np, x, w, b, **params)
    g = RNG.normal(size=x.shape)
    found = primitive("layer_norm_grad").kernel(np, g, x, w, mean, rstd, **params)
    for which, gradient in enumerate(found if affine else found[:1]):
        np.testing.assert_allclose(gradient, slope("layer_norm", [x, w, b], which, g, params, 1e-5), atol=1e-6)


@pytest.mark.parametrize("name", ["batch_norm_grad", "layer_norm_grad"])
@pytest.mark.parametrize("affine", [True, False])
def test_a_normalisation_gradient_equals_its_decomposition(name: str, affine: bool) -> None:
    x, g = RNG.normal(2, 3, (4, 3, 5)), RNG.normal(size=(4, 3, 5))
    if name == "batch_norm_grad":
        w, statistics, cases = (
            RNG.normal(size=3),
            (RNG.normal(size=3), RNG.uniform(1, 2, 3)),
            [{"training": False, "eps": 0.1}],
        )
        cases.append({"training": True, "eps": 0.1})
    else:
        w, cases = RNG.normal(size=5), [{"normalized_ndim": 1, "eps": 0.1}]
    for params in cases:
        if params.get("training"):
            statistics = primitive("batch_norm_stats").kernel(np, x)
        elif name == "layer_norm_grad":
            statistics = primitive("layer_norm").kernel(np, x, None, None, **params)[1:]
        arrays = [g, x, w if affine else None, *statistics]
        direct = primitive(name).kernel(np, *arrays, **params)
        decomposed = primitive(name).decompose(*(None if a is None else Tensor(a) for a in arrays), **params)
        for one, other in zip(direct, decomposed, strict=True):
            np.testing.assert_allclose(one, other.numpy(), atol=1e-9)


def test_unfold_and_its_gradient_are_transposes() -> None:
    x, params = (
        RNG.normal(size=(2, 3, 7, 6)),
        {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)},
    )
    columns = forward("unfold", x, **params)
    g = RNG.normal(size=columns.shape)
    back = forward("unfold_grad", g, size=(7, 6), **params)
    assert (columns * g).sum() == pytest.approx((back * x).sum())


def test_unfold_times_weight_is_the_convolution() -> None:
    x, w = RNG.normal(size=(2, 3, 7, 6)), RNG.normal(size=(4, 3, 3, 2))
    columns = F.unfold(Tensor(x), (3, 2), padding=1, stride=2).numpy()
    found = F.conv2d(Tensor(x), Tensor(w), padding=1, stride=2).numpy()
    np.testing.assert_allclose(w.reshape(4, -1) @ columns, found.reshape(2, 4, -1))


def test_batches_of_every_size_give_each_image_its_own_result() -> None:
    from tinytorch.models import SmallCNN

    tinytorch.manual_seed(1)
    model = SmallCNN().eval()
    x = Tensor(RNG.normal(size=(7, 3, 32, 32)).astype("float32"))
    whole = model(x).detach().numpy()
    assert whole.shape == (7, 10) and whole.dtype == np.float32
    for n in (1, 3):
        np.testing.assert_allclose(model(x[:n]).detach().numpy(), whole[:n], atol=1e-5)


def test_memory_order_of_the_input_does_not_matter() -> None:
    x = RNG.normal(size=(2, 4, 6, 5))
    other = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for name, arrays, params in (
        ("conv2d", [RNG.normal(size=(3, 4, 3, 3)), None], CONVOLUTIONS[1]),
        ("max_pool2d", [], MAX_POOLINGS[1]),
        ("batch_norm", [None, None, np.zeros(4), np.ones(4)], {"training": False, "eps": 0.0}),
    ):
        np.testing.assert_array_equal(forward(name, x, *arrays, **params), forward(name, other, *arrays, **params))


def test_pad_adds_and_cuts() -> None:
    x = Tensor(np.arange(6.0).reshape(2, 3))
    assert F.pad(x, (1, 0), value=9.0).tolist() == [[9, 0, 1, 2], [9, 3, 4, 5]]
    assert F.pad(x, (-1, 1, 0, -1)).tolist() == [[1, 2, 0]]
    assert F.pad(x, (0, 0, 1, 0)).tolist() == [[0, 0, 0], [0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("size", "wanted"), [((6, 6), 3), ((7, 5), (3, 2)), ((4, 4), 1), ((5, 6), (None, 4)), ((2, 2), 3)]
)
def test_adaptive_average_covers_the_cells_that_pytorch_covers(size: tuple, wanted: Any) -> None:
    x = RNG.normal(size=(2, 3, *size))
    found = F.adaptive_avg_pool2d(Tensor(x), wanted).numpy()
    cells = [
        n if w is None else w for n, w in zip(size, wanted if isinstance(wanted, tuple) else (wanted,) * 2, strict=True)
    ]
    assert found.shape == (2, 3, *cells)
    for i, j in np.ndindex(*cells):
        rows = slice(i * size[0] // cells[0], -(-(i + 1) * size[0] // cells[0]))
        columns = slice(j * size[1] // cells[1], -(-(j + 1) * size[1] // cells[1]))
        np.testing.assert_allclose(found[:, :, i, j], x[:, :, rows, columns].mean((2, 3)))


def images(*shape: int) -> Tensor:
    return Tensor(np.zeros(shape, "float32"))


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: F.conv2d(images(2, 3, 8, 8), images(4, 5, 3, 3)), ShapeError, ("5 channels", "found 3")),
        (lambda: F.conv2d(images(8, 8), images(4, 3, 3, 3)), ShapeError, ("conv2d", "(C, H, W)", "(8, 8)")),
        (lambda: F.conv2d(images(2, 3, 2, 8), images(4, 3, 3, 3)), ShapeError, ("kernel_size=3", "found 2")),
        (lambda: F.conv2d(images(2, 4, 8, 8), images(3, 2, 3, 3), groups=2), ShapeError, ("divisible", "3")),
        (lambda: F.conv2d(images(2, 3, 8, 8), images(4, 3, 3, 3), images(3)), ShapeError, ("bias", "(4,)", "(3,)")),
        (lambda: F.conv2d(images(2, 3, 8, 8), images(4, 3, 3, 3), stride=0), ShapeError, ("stride", "0")),
        (lambda: F.conv2d(images(2, 3, 8, 8), images(4, 3, 3, 3), padding=1.5), DTypeError, ("padding", "1.5")),
        (
            lambda: F.conv2d(images(2, 3, 8, 8), images(4, 3, 3, 3), stride=2, padding="same"),
            ShapeError,
            ("same", "stride"),
        ),
        (lambda: F.max_pool2d(images(2, 3, 8, 8), 2, padding=2), ShapeError, ("half", "(2, 2)")),
        (lambda: F.max_pool2d(images(2, 3, 4, 4), 5), ShapeError, ("(2, 3, 4, 4)", "(5, 5)")),
        (lambda: F.avg_pool2d(images(3, 4), 2), ShapeError, ("(N, C, H, W) or (C, H, W)", "(3, 4)")),
        (lambda: F.batch_norm(images(1, 3), None, None, training=True), ShapeError, ("more than one value", "(1, 3)")),
        (lambda: F.batch_norm(images(4, 3), None, None), ShapeError, ("running_mean",)),
        (lambda: tinytorch.nn.BatchNorm2d(4)(images(2, 3, 8, 8)), ShapeError, ("4, H, W", "(2, 3, 8, 8)")),
        (lambda: F.layer_norm(images(4, 3), 5), ShapeError, ("(5,)", "(4, 3)")),
        (lambda: F.pad(images(4, 3), (1,)), ShapeError, ("(before, after)", "(1,)")),
        (lambda: F.unfold(images(1, 1, 2, 2), 3), ShapeError, ("does not fit",)),
    ],
)
def test_what_does_not_fit_is_refused_with_sizes(call: Any, kind: type, words: tuple[str, ...]) -> None:
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


def test_a_short_last_batch_moves_running_statistics_by_its_own_count() -> None:
    layer = tinytorch.nn.BatchNorm2d(2, momentum=None)
    x = RNG.normal(3, 2, (6, 2, 4, 4)).astype("float32")
    for batch in (x[:5], x[5:]):
        layer(Tensor(batch))
    expected = (x[:5].mean((0, 2, 3)) + x[5:].mean((0, 2, 3))) / 2
    np.testing.assert_allclose(layer.running_mean.numpy(), expected, rtol=1e-4)
    assert layer.num_batches_tracked.item() == 2


def test_evaluation_leaves_the_statistics_alone() -> None:
    layer = tinytorch.nn.BatchNorm1d(3).eval()
    layer(Tensor(RNG.normal(size=(8, 3)).astype("float32")))
    assert layer.running_mean.tolist() == [0, 0, 0] and layer.num_batches_tracked.item() == 0
