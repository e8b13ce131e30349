"""Functions and layers beyond those that are taught: values, gradients, names and texts, against PyTorch's."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError
from tinytorch.nn import functional as F


def frozen() -> tuple[dict, dict[str, np.ndarray]]:
    """Return the notes on PyTorch's results, and the arrays by name."""
    with np.load(Path(__file__).parents[1] / "data" / "nn_breadth.npz") as file:
        notes, flat = json.loads(str(file["notes"])), file["flat"]
    ends = np.cumsum([math.prod(shape) for shape in notes["shapes"].values()])
    pieces = zip(notes["shapes"].items(), np.split(flat, ends[:-1]), strict=True)
    return notes, {name: piece.reshape(shape) for (name, shape), piece in pieces}


NOTES, FROZEN = frozen()
CASES, LAYERS = NOTES["cases"], NOTES["layers"]


@pytest.mark.parametrize(("name", "function", "kwargs", "kinds"), CASES, ids=[case[0] for case in CASES])
def test_function_agrees_with_pytorch(name: str, function: str, kwargs: dict, kinds: list) -> None:
    inputs = [
        Tensor(FROZEN[f"{name}/in{i}"], requires_grad=True) if kind == "tensor" else kind
        for i, kind in enumerate(kinds)
    ]
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in kwargs.items()}
    out = getattr(F, function)(*inputs, **settings)
    np.testing.assert_allclose(out.detach().numpy(), FROZEN[f"{name}/out"], rtol=1e-9, atol=1e-9)
    out.backward(Tensor(FROZEN[f"{name}/g"]))
    for i, x in enumerate(inputs):
        if isinstance(x, Tensor):
            expected = FROZEN[f"{name}/grad{i}"]        # PyTorch's hardsigmoid has a slope of 1/6 in float32
            np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-7, atol=1e-9, err_msg=f"input {i}")


@pytest.mark.parametrize(("expression", "text", "state"), LAYERS, ids=[layer[0] for layer in LAYERS])
def test_layer_prints_and_saves_as_in_pytorch(expression: str, text: str, state: dict) -> None:
    layer = eval(f"nn.{expression}", {"nn": nn})
    assert repr(layer) == text
    assert {name: list(value.shape) for name, value in layer.state_dict().items()} == state


@pytest.mark.parametrize(("number", "expression"), list(enumerate(NOTES["runs"])))
def test_layer_computes_as_in_pytorch(number: int, expression: str) -> None:
    layer = eval(f"nn.{expression}", {"nn": nn}).double()
    given = {key.split("/", 1)[1]: FROZEN[key] for key in FROZEN if key.startswith(f"run{number}/")}
    layer.load_state_dict({k.removeprefix("before/"): Tensor(v) for k, v in given.items() if k.startswith("before/")})
    x = Tensor(given["x"], requires_grad=True)
    out = layer(x, x) if "Bilinear(9" in expression else layer(x)
    out.backward(Tensor(given["g"]))
    found = {"out": out.detach(), "dx": x.grad}
    found |= {f"after/{name}": value for name, value in layer.state_dict().items()}
    found |= {f"grad/{name}": parameter.grad for name, parameter in layer.named_parameters()}
    assert set(found) == {key for key in given if key not in ("x", "g") and not key.startswith("before/")}
    for name, value in found.items():
        np.testing.assert_allclose(value.numpy(), given[name], rtol=1e-7, atol=1e-9, err_msg=name)


# ---- activations ---------------------------------------------------------------------------------------------------


def test_activation_layers_compute_their_function() -> None:
    x = tinytorch.randn(2, 4, 3, 3)
    pairs = [
        (nn.ELU(0.5), F.elu(x, 0.5)), (nn.SELU(), F.selu(x)), (nn.CELU(2.0), F.celu(x, 2.0)), (nn.Mish(), F.mish(x)),
        (nn.Softplus(2, 1), F.softplus(x, 2, 1)), (nn.LogSigmoid(), F.logsigmoid(x)), (nn.Softsign(), F.softsign(x)),
        (nn.Hardtanh(-0.5, 0.1), F.hardtanh(x, -0.5, 0.1)), (nn.ReLU6(), F.relu6(x)), (nn.GLU(1), F.glu(x, 1)),
        (nn.Hardsigmoid(), F.hardsigmoid(x)), (nn.Hardswish(), F.hardswish(x)), (nn.Softmin(1), F.softmin(x, 1)),
        (nn.Threshold(0.1, 2), F.threshold(x, 0.1, 2)), (nn.Tanhshrink(), F.tanhshrink(x)),
        (nn.Softshrink(0.2), F.softshrink(x, 0.2)), (nn.Hardshrink(0.2), F.hardshrink(x, 0.2)),
        (nn.PReLU(4), F.prelu(x, tinytorch.full((4,), 0.25))), (nn.Softmax2d(), F.softmax(x, 1)),
    ]
    for layer, expected in pairs:
        assert layer(x).detach().equal(expected), layer


def test_prelu_layer_learns_its_slopes_and_resets_them() -> None:
    layer = nn.PReLU(2, init=0.5, dtype="float64")
    layer(tinytorch.tensor([[-2.0, 3.0], [4.0, -1.0]], dtype="float64")).sum().backward()
    assert layer.weight.dtype == np.float64 and layer.weight.grad.tolist() == [-2.0, -1.0]
    layer.weight.detach().zero_()
    layer.reset_parameters()
    assert layer.weight.tolist() == [0.5, 0.5]


def test_gumbel_softmax_draws_the_categories_by_their_probability() -> None:
    tinytorch.manual_seed(0)
    logits = Tensor(np.log([[0.1, 0.6, 0.3]]).repeat(20_000, axis=0), requires_grad=True)
    drawn = F.gumbel_softmax(logits, tau=0.5, hard=True)
    assert set(np.unique(drawn.detach().numpy().round(12))) == {0.0, 1.0}
    np.testing.assert_allclose(drawn.detach().numpy().mean(0), [0.1, 0.6, 0.3], atol=0.02)
    (drawn * Tensor([1.0, 2.0, 3.0])).sum().backward()
    assert np.abs(logits.grad.numpy()).max() > 0
    soft = F.gumbel_softmax(logits.detach(), tau=0.5)
    np.testing.assert_allclose(soft.numpy().sum(-1), 1.0)


# ---- dropout -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layer", "shape"), [(nn.Dropout1d(0.4), (200, 30, 7)), (nn.Dropout2d(0.4), (200, 30, 3, 2))])
def test_channel_dropout_drops_whole_channels(layer: nn.Module, shape: tuple) -> None:
    tinytorch.manual_seed(3)
    out = layer(tinytorch.ones(*shape)).numpy().reshape(6000, -1)
    assert (out == out[:, :1]).all() and np.allclose(np.unique(out), [0, 1 / 0.6])
    assert abs((out[:, 0] == 0).mean() - 0.4) < 5 * (0.24 / 6000) ** 0.5
    x = tinytorch.ones(*shape)
    assert layer.eval()(x) is x


@pytest.mark.parametrize("function", [F.alpha_dropout, F.feature_alpha_dropout])
def test_alpha_dropout_keeps_mean_and_variance(function) -> None:
    tinytorch.manual_seed(4)
    x = tinytorch.randn(1000, 100, 2, dtype="float64")
    out = function(x, 0.3, training=True).numpy()
    assert abs(out.mean()) < 0.02 and abs(out.var() - 1) < 0.03
    assert function(x, 0.3) is x and not function(x, 1.0, training=True).numpy().any()


def test_dropout_of_channels_repeats_with_the_seed_and_has_a_gradient() -> None:
    x = tinytorch.ones(3, 5, 2, 2, requires_grad=True)
    results = []
    for _ in range(2):
        tinytorch.manual_seed(9)
        results.append(F.dropout2d(x, 0.5))
    assert results[0].detach().equal(results[1].detach())
    results[0].sum().backward()
    assert x.grad.equal(results[0].detach())
    y = tinytorch.ones(3, 5, 4)
    assert F.dropout1d(y, 0.5, inplace=True) is y and set(np.unique(y.numpy())) <= {0.0, 2.0}


# ---- comparing vectors ---------------------------------------------------------------------------------------------


def test_vector_layers_compute_their_function() -> None:
    a, b = tinytorch.randn(5, 3), tinytorch.randn(5, 3)
    assert nn.CosineSimilarity(dim=0)(a, b).equal(F.cosine_similarity(a, b, 0))
    assert nn.PairwiseDistance(1.0, keepdim=True)(a, b).equal(F.pairwise_distance(a, b, 1.0, keepdim=True))
    layer = nn.Bilinear(3, 3, 4, dtype="float64")
    assert layer.weight.dtype == layer.bias.dtype == np.float64
    assert np.abs(layer.weight.detach().numpy()).max() <= 3**-0.5 < 1.2 * np.abs(layer.weight.detach().numpy()).max()
    a, b = a.double(), b.double()
    assert layer(a, b).detach().equal(F.bilinear(a, b, layer.weight, layer.bias).detach())


def test_unflatten_reverses_flatten() -> None:
    x = tinytorch.randn(2, 6, 5)
    assert nn.Unflatten(1, (2, 3))(x).equal(x.reshape(2, 2, 3, 5)) and nn.Unflatten(1, (-1, 2))(x).shape == (2, 3, 2, 5)


# ---- layers of module 06 -------------------------------------------------------------------------------------------


def test_transposed_convolution_makes_the_size_asked_for() -> None:
    layer = nn.ConvTranspose2d(2, 3, 3, stride=(2, 3), padding=1)
    x = tinytorch.randn(1, 2, 4, 5)
    least = layer(x).shape[2:]
    assert least == (7, 13)
    for size in ((7, 13), (8, 15), (7, 14)):
        assert layer(x, output_size=size).shape[2:] == size
    assert nn.ConvTranspose1d(2, 3, 4, 2)(tinytorch.randn(2, 3), output_size=[9]).shape == (3, 9)
    with pytest.raises(ShapeError, match=r"output_size from \(7, 13\) to \(8, 15\)"):
        layer(x, output_size=(9, 13))


def test_first_weights_lie_in_the_bound_of_the_fan_and_are_drawn_anew() -> None:
    for layer, fan in (
        (nn.Conv1d(8, 60, 5, groups=2), 20), (nn.ConvTranspose2d(40, 6, (3, 2)), 36), (nn.Conv2d(6, 60, 3), 54),
    ):
        first = layer.weight.detach().numpy().copy()
        assert 0.9 * fan**-0.5 < np.abs(first).max() <= fan**-0.5, layer
        assert np.abs(layer.bias.detach().numpy()).max() <= fan**-0.5
        layer.reset_parameters()
        assert not np.array_equal(first, layer.weight.detach().numpy())


def test_flops_of_sequences_and_transposed_convolutions() -> None:
    from tinytorch.models import count_flops

    assert count_flops(nn.Conv1d(3, 8, 5, padding=2), (3, 10)) == 2 * 10 * 8 * 3 * 5
    assert count_flops(nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (4, 5, 5)) == 2 * 25 * 4 * 3 * 9


def test_normalisation_layers_forget() -> None:
    layer = nn.InstanceNorm2d(3, momentum=None, affine=True, track_running_stats=True)
    layer(tinytorch.randn(2, 3, 4, 4) + 5)
    assert layer.running_mean.tolist() == [0, 0, 0], "momentum None keeps the running statistics"
    for layer in (nn.BatchNorm2d(3), nn.GroupNorm(3, 3), nn.LayerNorm(4), nn.RMSNorm(4)):
        for parameter in layer.parameters():
            parameter.detach().fill_(7)
        layer(tinytorch.randn(2, 3, 4, 4))
        layer.reset_parameters()
        kept = {name: value.numpy() for name, value in layer.state_dict().items()}
        assert all((value == (name in ("weight", "running_var"))).all() for name, value in kept.items()), layer


def test_of_a_window_with_nan_the_first_receives_the_gradient() -> None:
    values = np.arange(16.0).reshape(1, 1, 4, 4)
    values[0, 0, 0, 1] = values[0, 0, 1, 0] = values[0, 0, 2, 2] = np.nan
    x = Tensor(values, requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    expected = np.zeros((4, 4))
    expected[[0, 1, 3, 2], [1, 3, 1, 2]] = 1
    assert np.array_equal(x.grad.numpy()[0, 0], expected)


MAKERS = [
    lambda **f: nn.Linear(2, 3, **f), lambda **f: nn.Bilinear(2, 2, 3, **f), lambda **f: nn.Embedding(4, 2, **f),
    lambda **f: nn.EmbeddingBag(4, 2, **f),
    lambda **f: nn.PReLU(**f), lambda **f: nn.Conv1d(2, 2, 3, **f), lambda **f: nn.Conv2d(2, 2, 3, **f),
    lambda **f: nn.ConvTranspose1d(2, 2, 3, **f), lambda **f: nn.ConvTranspose2d(2, 2, 3, **f),
    lambda **f: nn.BatchNorm1d(2, **f), lambda **f: nn.BatchNorm2d(2, **f), lambda **f: nn.LayerNorm(2, **f),
    lambda **f: nn.GroupNorm(1, 2, **f), lambda **f: nn.RMSNorm(2, **f),
    lambda **f: nn.InstanceNorm1d(2, affine=True, **f), lambda **f: nn.MultiheadAttention(4, 2, **f),
    lambda **f: nn.RNN(2, 3, **f), lambda **f: nn.LSTM(2, 3, **f), lambda **f: nn.GRU(2, 3, **f),
    lambda **f: nn.RNNCell(2, 3, **f), lambda **f: nn.LSTMCell(2, 3, **f), lambda **f: nn.GRUCell(2, 3, **f),
]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: type(make()).__name__)
def test_layers_take_dtype_and_device(make) -> None:
    assert {p.dtype.name for p in make().parameters()} == {"float32"}
    layer = make(dtype="float64", device="cpu")
    assert {t.dtype.name for t in (*layer.parameters(), *layer.buffers())} <= {"float64", "int64"}
    assert {p.dtype.name for p in layer.parameters()} == {"float64"}
    with pytest.raises(NotImplementedError, match="module 13"):
        make(device="cuda")
    with pytest.raises(DTypeError, match="floating dtype"):
        make(dtype="int32")


def test_embedding_from_a_table() -> None:
    table = tinytorch.randn(5, 3)
    layer = nn.Embedding.from_pretrained(table, padding_idx=-1)
    assert (layer.num_embeddings, layer.embedding_dim, layer.padding_idx) == (5, 3, 4)
    assert not layer.weight.requires_grad and np.shares_memory(layer.weight.numpy(), table.numpy())
    assert layer(tinytorch.tensor([4, 0])).equal(table[[4, 0]])
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad


def test_embedding_bag_layer() -> None:
    layer = nn.EmbeddingBag(5, 3, mode="sum", padding_idx=1)
    assert layer.weight[1].tolist() == [0, 0, 0] and list(layer.state_dict()) == ["weight"]
    assert repr(layer) == "EmbeddingBag(5, 3, padding_idx=1, mode='sum')"
    weights = tinytorch.tensor([[1.0, 2.0], [0.5, 3.0]], requires_grad=True)
    out = layer(tinytorch.tensor([[0, 2], [4, 1]]), per_sample_weights=weights)
    rows = layer.weight.detach()
    assert out.detach().allclose(tinytorch.stack([rows[0] + rows[2] * 2, rows[4] * 0.5]))
    out.sum().backward()
    assert layer.weight.grad.tolist() == [[1] * 3, [0] * 3, [2] * 3, [0] * 3, [0.5] * 3]
    expected = [[rows[0].sum().item(), rows[2].sum().item()], [rows[4].sum().item(), 0.0]]
    np.testing.assert_allclose(weights.grad.numpy(), expected, rtol=1e-6)
    table = nn.EmbeddingBag.from_pretrained(rows)
    assert table(tinytorch.tensor([0, 2, 4]), tinytorch.tensor([0, 2])).allclose(
        tinytorch.stack([(rows[0] + rows[2]) / 2, rows[4]]))


X = tinytorch.ones(2, 3)
REFUSED = {
    "Softmax2d of a matrix": (lambda: nn.Softmax2d()(X), ShapeError, "Softmax2d: expected images"),
    "PReLU of none": (lambda: nn.PReLU(0), DTypeError, "PReLU: expected num_parameters"),
    "a probability of 2": (lambda: nn.Dropout2d(2), TinyTorchError, "Dropout2d's p: expected a number from 0 to 1"),
    "unflatten sizes": (lambda: nn.Unflatten(1, (2, 2))(X), ShapeError, "sizes that multiply to 3"),
    "unflatten to a number": (lambda: nn.Unflatten(1, 3), DTypeError, "Unflatten: expected a tuple of sizes"),
    "channels and groups": (lambda: nn.Conv1d(3, 4, 3, groups=2), ShapeError, "Conv1d: expected channels divisible"),
    "no channels": (lambda: nn.Conv1d(0, 4, 3), TinyTorchError, "Conv1d's in_channels: expected a whole number of 1"),
    "a kernel of text": (lambda: nn.Conv1d(3, 4, "3"), DTypeError, "kernel_size to be an int"),
    "padding": (lambda: nn.Conv2d(3, 4, 3, padding="full"), TinyTorchError, "padding: expected 'same' or 'valid'"),
    "padding mode": (lambda: nn.Conv2d(3, 4, 3, padding_mode="x"), TinyTorchError, "padding_mode: expected 'zeros'"),
    "transposed padding mode": (
        lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), TinyTorchError, "padding_mode: expected 'zeros'"),
    "indices": (lambda: nn.MaxPool2d(2, return_indices=True), TinyTorchError, "MaxPool2d: expected return_indices"),
    "pad widths": (lambda: nn.ReflectionPad2d((1, 2)), DTypeError, "an int or 4 ints"),
    "pad axes": (lambda: nn.ZeroPad2d(1)(X), ShapeError, "ZeroPad2d: expected an input of shape (N, C, H, W)"),
    "groups of channels": (lambda: nn.GroupNorm(3, 4), ShapeError, "channels divisible by 3 groups"),
    "instance norm": (lambda: nn.InstanceNorm1d(3)(tinytorch.ones(1, 4, 2)), ShapeError, "shape (N, 3, L)"),
    "a table": (lambda: nn.Embedding.from_pretrained(tinytorch.ones(3)), ShapeError, "expected a table"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_sentence(name: str) -> None:
    call, kind, part = REFUSED[name]
    with pytest.raises(kind) as caught:
        call()
    assert part in str(caught.value)
