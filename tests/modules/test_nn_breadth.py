"""Functions and layers beyond those that are taught: values, gradients, names and texts, against PyTorch's."""

import json
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.core.engine import DTypeError, IndexingError, ShapeError, TinyTorchError
from tinytorch.nn import functional as F

FROZEN = np.load(Path(__file__).parents[1] / "data" / "nn_breadth.npz")
CASES = json.loads(str(FROZEN["cases"]))
LAYERS = json.loads(str(FROZEN["layers"]))


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


# ---- activations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["elu", "selu", "celu", "mish", "hardtanh", "relu6", "hardsigmoid", "hardswish"])
def test_in_place_activation_equals_the_other(name: str) -> None:
    start = np.random.default_rng(1).normal(size=(3, 4)) * 4
    results = []
    for inplace in (False, True):
        leaf = Tensor(start, requires_grad=True)
        x = leaf * 1.0
        out = getattr(F, name)(x, inplace=inplace)
        assert (out is x) == inplace
        (out * out).sum().backward()
        results.append((out.detach().numpy(), leaf.grad.numpy()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


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


def test_one_hot() -> None:
    found = F.one_hot(tinytorch.tensor([[2, 0], [1, 1]]))
    assert found.dtype == np.int64 and np.array_equal(found.numpy(), np.eye(3)[[[2, 0], [1, 1]]])
    assert F.one_hot(tinytorch.tensor(1), 4).tolist() == [0, 1, 0, 0]
    assert F.one_hot(tinytorch.zeros(0, dtype="int64"), 3).shape == (0, 3)


def test_vectors_of_zeros_have_a_gradient_and_no_nan() -> None:
    zeros, ones = Tensor(np.zeros((1, 3)), requires_grad=True), Tensor(np.ones((1, 3)), requires_grad=True)
    F.cosine_similarity(zeros, ones).sum().backward()
    np.testing.assert_allclose(zeros.grad.numpy(), 1e8 / 3**0.5)
    np.testing.assert_array_equal(ones.grad.numpy(), 0)
    for p in (0.5, 1.0, 2.0, 3.0, float("inf")):
        ones.grad = None
        distance = F.pairwise_distance(ones, ones.detach(), p=p, eps=0.0)
        distance.sum().backward()
        assert distance.item() == 0 and not ones.grad.numpy().any()
    zeros.grad = None
    F.normalize(zeros).sum().backward()
    np.testing.assert_allclose(zeros.grad.numpy(), 1e12)


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


X = tinytorch.ones(2, 3)
REFUSED = {
    "a number for a tensor": (lambda: F.elu(1.0), DTypeError, "elu: expected a Tensor, found float"),
    "alpha as text": (lambda: F.elu(X, "1"), DTypeError, "elu's alpha: expected a number, found '1'"),
    "celu's alpha 0": (lambda: F.celu(X, 0.0), TinyTorchError, "celu: expected an alpha other than 0"),
    "softplus's beta 0": (lambda: F.softplus(X, 0), TinyTorchError, "softplus: expected a beta other than 0"),
    "limits crossed": (lambda: F.hardtanh(X, 1, -1), TinyTorchError, "expected min_val <= max_val, found 1 and -1"),
    "negative lambd": (lambda: F.softshrink(X, -1.0), TinyTorchError, "softshrink's lambd: expected a number of 0"),
    "odd halves": (lambda: F.glu(X), ShapeError, "glu: expected an even size along dim=-1"),
    "prelu's channels": (lambda: F.prelu(X, tinytorch.ones(2)), ShapeError, "1 number or of 3"),
    "softmin without dim": (lambda: F.softmin(X), DTypeError, "softmin: expected the axis"),
    "Softmax2d of a matrix": (lambda: nn.Softmax2d()(X), ShapeError, "Softmax2d: expected images"),
    "PReLU of none": (lambda: nn.PReLU(0), DTypeError, "PReLU: expected num_parameters"),
    "dropout1d of a vector": (lambda: F.dropout1d(tinytorch.ones(3)), ShapeError, "dropout1d: expected an input"),
    "dropout2d of a matrix": (lambda: F.dropout2d(X), ShapeError, "dropout2d: expected an input (N, C, H, W)"),
    "a probability of 2": (lambda: nn.Dropout2d(2), TinyTorchError, "Dropout2d's p: expected a number from 0 to 1"),
    "one_hot of floats": (lambda: F.one_hot(X), DTypeError, "one_hot: expected integers, found float32"),
    "one_hot too small": (lambda: F.one_hot(tinytorch.tensor([3]), 3), IndexingError, "from 0 to 2, found 3 to 3"),
    "one_hot negative": (lambda: F.one_hot(tinytorch.tensor([-1, 2])), IndexingError, "found -1 to 2"),
    "one_hot of nothing": (lambda: F.one_hot(tinytorch.zeros(0, dtype="int64")), ShapeError, "expected num_classes"),
    "norm of order -1": (lambda: F.normalize(X, -1), TinyTorchError, "normalize's p: expected a number of 0 or more"),
    "bilinear inputs": (lambda: F.bilinear(X, X, tinytorch.ones(1, 3, 2)), ShapeError, "(…, 3) and (…, 2)"),
    "bilinear bias": (lambda: F.bilinear(X, X, tinytorch.ones(1, 3, 3), X), ShapeError, "a bias of shape (1,)"),
    "unflatten sizes": (lambda: nn.Unflatten(1, (2, 2))(X), ShapeError, "sizes that multiply to 3"),
    "a device": (lambda: nn.Bilinear(1, 1, 1, device="cuda"), NotImplementedError, "module 13"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_sentence(name: str) -> None:
    call, kind, part = REFUSED[name]
    with pytest.raises(kind) as caught:
        call()
    assert part in str(caught.value)
