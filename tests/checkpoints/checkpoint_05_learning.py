"""Can I extract from an image what a dense layer cannot see, at every stride, padding and dilation?

Convolution, pooling and normalisation against PyTorch's values (frozen in tests/data/spatial.npz), against windows
cut out by hand, and against what each of them promises: a shifted image gives a shifted answer, a normalised channel
has mean 0.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import ShapeError, Tensor, nn
from tinytorch.core.engine import overlay
from tinytorch.core.spatial import batch_norm_stats_kernel, conv2d_loops, im2col, output_size
from tinytorch.models import SmallCNN
from tinytorch.nn import functional as F

FROZEN = dict(np.load(Path(__file__).parent.parent / "data" / "spatial.npz"))
CASES = {name: (function, kwargs, inputs) for name, function, kwargs, inputs in json.loads(str(FROZEN["cases"]))}
TAUGHT = {"conv2d": "conv2d_kernel", "max_pool2d": "max_pool2d_kernel", "layer_norm": "layer_norm_kernel"}
RNG = np.random.default_rng(5)


def explain(name: str, found: np.ndarray, expected: np.ndarray, hint: str = "") -> None:
    """Assert that shapes and values agree; the message names the function, and shows where they part."""
    assert found.shape == expected.shape, f"{name}: expected shape {expected.shape}, got {found.shape} {hint}"
    wrong = ~np.isclose(found, expected, rtol=1e-9, atol=1e-10, equal_nan=True)
    if wrong.any():
        place = tuple(map(int, np.argwhere(wrong)[0]))
        raise AssertionError(
            f"{name}: expected {expected[place]:.9g} at {place}, got {found[place]:.9g} "
            f"({wrong.sum()} of {wrong.size} differ) {hint}"
        )


def test_output_size_counts_the_windows_that_fit() -> None:
    for size, k, s, p, d in np.ndindex(6, 3, 3, 2, 2):
        size, k, s, d = size + 5, k + 1, s + 1, d + 1
        walked = sum(start + d * (k - 1) < size + 2 * p for start in range(0, size + 2 * p, s))
        found = output_size(size, k, s, p, d)
        assert found == walked, (
            f"output_size({size}, {k}, stride {s}, padding {p}, dilation {d}): {walked} windows fit, got {found}"
        )
    for arguments, expected in (((5, 2, 2, 0, 1), 3), ((4, 2, 3, 1, 1), 2), ((7, 3, 2, 0, 1), 3), ((2, 1, 3, 0, 1), 1)):
        found = output_size(*arguments, ceil_mode=True)
        assert found == expected, f"output_size{arguments} in ceil_mode: expected {expected} windows, got {found}"
    with pytest.raises(ShapeError, match="5"):
        output_size(3, 5)


def test_loops_are_the_definition() -> None:
    x, w = RNG.normal(size=(2, 3, 5, 6)), RNG.normal(size=(4, 3, 2, 3))
    for stride in (1, 2):
        expected = np.zeros((2, 4, (5 - 2) // stride + 1, (6 - 3) // stride + 1))
        for u, v in np.ndindex(2, 3):
            rows, columns = (slice(u, u + 4, stride), slice(v, v + 4, stride))
            expected += np.einsum("nchw,oc->nohw", x[:, :, rows, columns], w[:, :, u, v])[
                :, :, : expected.shape[2], : expected.shape[3]
            ]
        explain("conv2d_loops", conv2d_loops(x, w, stride), expected, f"(stride {stride}; no flipped kernel)")


@pytest.mark.parametrize(
    ("stride", "dilation"), [((1, 1), (1, 1)), ((2, 1), (1, 1)), ((1, 1), (1, 2)), ((1, 3), (2, 1))]
)
def test_im2col_rows_are_windows(stride: tuple, dilation: tuple) -> None:
    x = RNG.normal(size=(2, 6, 7, 3))
    found = im2col(np, x, (3, 2), stride, dilation)
    rows, columns = (6 - 2 * dilation[0] - 1) // stride[0] + 1, (7 - dilation[1] - 1) // stride[1] + 1
    windows = [
        x[
            n,
            i * stride[0] : i * stride[0] + 2 * dilation[0] + 1 : dilation[0],
            j * stride[1] : j * stride[1] + dilation[1] + 1 : dilation[1],
        ]
        for n, i, j in np.ndindex(2, rows, columns)
    ]
    hint = f"(a row goes through kH, then kW, then channels; stride {stride}, dilation {dilation})"
    explain("im2col", found, np.stack(windows).reshape(len(windows), -1), hint)


@pytest.mark.parametrize("name", [name for name, (function, _, _) in CASES.items() if function in TAUGHT])
def test_values_are_those_of_pytorch(name: str) -> None:
    function, kwargs, count = CASES[name]
    inputs = [Tensor(FROZEN[f"{name}/in{i}"]) if f"{name}/in{i}" in FROZEN else None for i in range(count)]
    if function == "layer_norm":
        out = F.layer_norm(inputs[0], kwargs["normalized_shape"], *inputs[1:], eps=kwargs.get("eps", 1e-5))
    else:
        out = getattr(F, function)(*inputs, **{k: tuple(v) if isinstance(v, list) else v for k, v in kwargs.items()})
    explain(TAUGHT[function], out.numpy(), FROZEN[f"{name}/out"], f"(case {name}: {kwargs})")


def test_a_shifted_image_gives_a_shifted_answer() -> None:
    x, w = np.zeros((1, 2, 12, 12)), Tensor(RNG.normal(size=(3, 2, 3, 3)))
    x[:, :, 2:6, 2:6] = RNG.normal(size=(1, 2, 4, 4))
    moved = np.roll(x, (4, 5), axis=(2, 3))
    here, there = (F.conv2d(Tensor(images), w, padding=1).numpy() for images in (x, moved))
    explain("conv2d_kernel", np.roll(here, (4, 5), axis=(2, 3)), there, "(a pattern must be seen wherever it is)")


def test_every_image_of_a_large_batch_is_seen() -> None:
    x, w = RNG.normal(size=(131, 3, 16, 16)).astype("float32"), RNG.normal(size=(8, 3, 3, 3)).astype("float32")
    out = F.conv2d(Tensor(x), Tensor(w), padding=1)
    assert out.dtype == np.float32, f"conv2d_kernel: float32 stays float32, got {out.dtype}"
    for n in (0, 64, 130):
        one = F.conv2d(Tensor(x[n : n + 1]), Tensor(w), padding=1).numpy()[0]
        assert np.allclose(out.numpy()[n], one, atol=1e-4), f"conv2d_kernel: image {n} of 131 differs from itself alone"


def test_a_layer_starts_with_weights_of_the_right_size() -> None:
    tinytorch.manual_seed(0)
    for groups in (1, 4):
        layer = nn.Conv2d(16, 64, 3, groups=groups)
        weight, bound = layer.weight.detach().numpy(), (16 // groups * 9) ** -0.5
        shape = (64, 16 // groups, 3, 3)
        assert weight.shape == shape, f"Conv2d.__init__: expected a weight of shape {shape}, got {weight.shape}"
        assert layer.bias is not None and layer.bias.shape == (64,), "Conv2d.__init__: expected a bias of shape (64,)"
        spread = weight.std() / (bound / 3**0.5)
        assert abs(weight).max() <= bound and abs(spread - 1) < 0.1, (
            f"Conv2d.__init__: with groups={groups} the weights must lie within ±1/√fan_in = ±{bound:.3f}, where "
            f"fan_in counts the input channels of one group; found a largest of {abs(weight).max():.3f}"
        )
        assert abs(layer.bias.detach().numpy()).max() <= bound, "Conv2d.__init__: the bias too lies within ±1/√fan_in"
    with pytest.raises(ShapeError, match="Conv2d"):
        nn.Conv2d(3, 8, 3, groups=2)


def test_a_layer_hands_every_setting_on() -> None:
    layer = nn.Conv2d(4, 8, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1), groups=2)
    x = Tensor(RNG.normal(size=(2, 4, 7, 6)).astype("float32"))
    expected = F.conv2d(x, layer.weight, layer.bias, (1, 2), (2, 1), (2, 1), 2).detach().numpy()
    found = layer(x).detach().numpy()
    assert found.shape == expected.shape, (
        f"Conv2d.forward: expected shape {expected.shape}, got {found.shape}: a setting got lost"
    )
    assert np.array_equal(found, expected), (
        "Conv2d.forward: differs from conv2d with the layer's weight, bias and settings"
    )


def test_padding_never_wins_a_maximum_and_nan_always_does() -> None:
    x = -RNG.uniform(1, 2, (1, 1, 4, 4))
    found = F.max_pool2d(Tensor(x), 3, 2, 1).numpy()
    assert (found < 0).all(), "max_pool2d_kernel: zeros of the padding won over negative values: pad with -inf"
    x[0, 0, 0, 0] = np.nan
    assert np.isnan(F.max_pool2d(Tensor(x), 2).numpy()[0, 0, 0, 0]), (
        "max_pool2d_kernel: NaN must not disappear in a maximum"
    )


def test_statistics_survive_a_large_mean() -> None:
    x = RNG.normal(3000, 1, (64, 2, 20, 20)).astype("float32")
    mean, var = batch_norm_stats_kernel(np, x)
    exact = x.astype("float64")
    assert np.allclose(mean, exact.mean((0, 2, 3)), rtol=1e-6), f"batch_norm_stats_kernel: wrong mean {mean}"
    expected = exact.var((0, 2, 3))
    assert np.allclose(var, expected, rtol=1e-2), (
        f"batch_norm_stats_kernel: expected variance {expected}, got {var}: E[x²] - E[x]² loses all "
        "digits, average the squared distances"
    )
    small = np.array([[1.0, 5.0], [3.0, 5.0]])
    assert [a.tolist() for a in batch_norm_stats_kernel(np, small)] == [[2, 5], [1, 0]], (
        "batch_norm_stats_kernel: the variance divides by the count (biased), not by count - 1"
    )


@pytest.mark.parametrize("name", ["batch_norm", "batch_norm_cumulative"])
def test_batch_norm_is_that_of_pytorch(name: str) -> None:
    layer = nn.BatchNorm2d(3, eps=1e-3, momentum=0.3 if name == "batch_norm" else None).double()
    layer.weight = nn.Parameter(Tensor(np.array([0.5, 1.0, -2.0])))
    layer.bias = nn.Parameter(Tensor(np.array([1.0, 0.0, 3.0])))
    for step in range(3):
        layer.train(step < 2)
        key = f"{name}/{step}"
        out = layer(Tensor(FROZEN[f"{key}/x"])).detach().numpy()
        where = "in training" if step < 2 else "in evaluation the running statistics count"
        explain("batch_norm_kernel (batch_norm)", out, FROZEN[f"{key}/out"], f"({where}; eps goes under the root)")
        explain("batch_norm", layer.running_mean.numpy(), FROZEN[f"{key}/mean"], f"(running mean after batch {step})")
        explain(
            "batch_norm",
            layer.running_var.numpy(),
            FROZEN[f"{key}/var"],
            f"(running variance after batch {step}: unbiased)",
        )


def test_a_second_look_does_not_move_the_running_statistics() -> None:
    layer, x = nn.BatchNorm1d(2), Tensor(RNG.normal(5, 1, (8, 2)).astype("float32"))
    layer(x)
    before = layer.running_mean.numpy().copy()
    with overlay(phase="recompute"):
        layer(x)
    assert np.array_equal(layer.running_mean.numpy(), before), "batch_norm: running values moved in phase recompute"
    assert layer.num_batches_tracked.item() == 1


def test_layer_norm_sees_one_example_only() -> None:
    x = RNG.normal(2, 3, (6, 8)).astype("float32")
    layer = nn.LayerNorm(8)
    whole = layer(Tensor(x)).detach().numpy()
    assert whole.dtype == np.float32, f"layer_norm_kernel: float32 stays float32, got {whole.dtype}"
    alone = layer(Tensor(x[3:4])).detach().numpy()[0]
    assert np.allclose(alone, whole[3], atol=1e-6), "layer_norm_kernel: an example's result depends on its batch"
    explained = (x[3] - x[3].mean()) / np.sqrt(x[3].var() + 1e-5)
    assert np.allclose(alone, explained, atol=1e-5), f"layer_norm_kernel: expected {explained}, got {alone}"


def reference_cnn(x: np.ndarray, weights: list, last: tuple) -> np.ndarray:
    """The small CNN in training mode, by loops and means over axes alone."""
    for weight in weights:
        x = conv2d_loops(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), weight)
        x = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
        n, c, h, w = x.shape
        x = np.maximum(x, 0).reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))
    return x.reshape(len(x), -1) @ last[0].T + last[1]


def test_the_small_cnn_is_the_sum_of_its_parts() -> None:
    tinytorch.manual_seed(5)
    model = SmallCNN(num_classes=3, channels=(4, 6), in_channels=2, image_size=8).double()
    x = RNG.normal(size=(3, 2, 8, 8))
    parts: list[Any] = [p.detach().numpy() for p in model.parameters()]
    found = model(Tensor(x)).detach().numpy()
    expected = reference_cnn(x, [p for p in parts if p.ndim == 4], (parts[-2], parts[-1]))
    explain("conv2d_kernel, batch_norm_kernel, max_pool2d_kernel in SmallCNN", found, expected)
    model.eval()
    whole = model(Tensor(x)).detach().numpy()
    one = model(Tensor(x[:1])).detach().numpy()
    explain("batch_norm in SmallCNN", one, whole[:1], "(in evaluation an image's result must not depend on its batch)")


def test_ceil_mode_counts_windows_that_begin_before_the_padding_behind() -> None:
    for size, kernel, stride, padding in (
        (s, k, t, p) for s in range(1, 9) for k in (1, 2, 3) for t in (1, 2, 3) for p in (0, 1)
    ):
        if 2 * padding > kernel or size + 2 * padding < kernel:
            continue
        starts = [0]
        while starts[-1] + kernel < size + 2 * padding:
            starts.append(starts[-1] + stride)
        expected = sum(start < size + padding for start in starts)
        found = output_size(size, kernel, stride, padding, ceil_mode=True)
        assert found == expected, (
            f"output_size({size}, {kernel}, {stride}, {padding}, ceil_mode=True): {expected}, got {found}"
        )


@pytest.mark.parametrize(("channels", "outputs", "groups"), [(4, 4, 0), (4, 4, -2), (4, 6, 4), (6, 4, 4)])
def test_groups_must_divide_both_channels(channels: int, outputs: int, groups: int) -> None:
    with pytest.raises(ValueError, match=r"Conv2d.*groups"):
        nn.Conv2d(channels, outputs, 3, groups=groups)


def test_batch_norm_without_running_statistics() -> None:
    x = RNG.normal(size=(8, 3)) * 5 + 2
    found = F.batch_norm(Tensor(x), None, None, training=True).numpy()
    explain("batch_norm", found, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5), "without running statistics")
