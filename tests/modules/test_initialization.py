"""Further rules of nn.init, and nn.utils: values by closed form, distributions by their moments, refusals."""

import math
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Generator, Tensor, nn, ones, tensor, zeros
from tinytorch.core.engine import TinyTorchError
from tinytorch.nn import init, utils


def array(t: Tensor) -> np.ndarray:
    return t.detach().numpy()


def test_cut_normal_numbers() -> None:
    for mean, std, a, b in ((0.0, 1.0, -2.0, 2.0), (0.5, 0.02, 0.47, 0.6), (0.0, 1.0, 1.5, 9.0)):
        values = array(init.trunc_normal_(zeros(400, 300), mean, std, a, b, Generator(3))).astype("float64")
        grid = np.linspace(max(a, mean - 9 * std), min(b, mean + 9 * std), 20001)
        density = np.exp(-(((grid - mean) / std) ** 2) / 2)
        expected = (grid * density).sum() / density.sum()
        spread = math.sqrt(((grid - expected) ** 2 * density).sum() / density.sum())
        assert a <= values.min() and values.max() <= b, (mean, std)
        assert abs(values.mean() - expected) < 5 * spread / math.sqrt(values.size), (mean, std)
        assert abs(values.std() / spread - 1) < 0.01, (mean, std)


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 5), (3, 2, 2, 2), (2, 9, 3)])
def test_orthogonal_rows_or_columns(shape: tuple) -> None:
    weight = nn.Parameter(zeros(*shape, dtype="float64"))
    assert init.orthogonal_(weight, gain=1.5, generator=Generator(1)) is weight
    matrix = array(weight).reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    assert np.allclose(product, 2.25 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_matrices_have_no_favourite_sign() -> None:
    signs = [np.sign(array(init.orthogonal_(zeros(2, 2), generator=Generator(i)))[0, 0]) for i in range(200)]
    assert abs(np.mean(signs)) < 0.25


def test_identities() -> None:
    assert init.eye_(zeros(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    x = tinytorch.randn(1, 4, 5, 5)
    for groups in (1, 2):
        conv = nn.Conv2d(4, 6, 3, padding=1, groups=groups, bias=False)
        init.dirac_(conv.weight, groups)
        size, channels = 6 // groups, 4 // groups
        for group in range(groups):
            for i in range(size):
                expected = array(x)[0, group * channels + i] if i < channels else np.zeros((5, 5))
                assert np.allclose(array(conv(x))[0, group * size + i], expected, atol=1e-7)
    assert init.dirac_(zeros(2, 1, 3)).tolist() == [[[0, 1, 0]], [[0, 0, 0]]]
    assert array(init.dirac_(zeros(2, 2, 2, 3, 4)))[1, 1, 1, 1, 2] == 1


def test_mostly_zeros() -> None:
    values = array(init.sparse_(zeros(100, 50), 0.255, std=0.1, generator=Generator(2)))
    assert ((values == 0).sum(0) == 26).all() and abs(values[values != 0].std() - 0.1) < 0.005
    assert not np.array_equal(values[:, 0] == 0, values[:, 1] == 0)


def test_more_gains() -> None:
    assert init.calculate_gain("selu") == 0.75 and init.calculate_gain("conv_transpose2d") == 1.0


def test_initialisation_leaves_no_history() -> None:
    weight = nn.Parameter(zeros(3, 3))
    for fill in (init.trunc_normal_, init.orthogonal_, init.eye_, lambda w: init.sparse_(w, 0.5)):
        fill(weight)
        assert weight.is_leaf and weight.requires_grad


REFUSED: dict[str, tuple[Any, str]] = {
    "eye_": (lambda: init.eye_(zeros(3)), r"expected a tensor with 2 axes, found shape \(3,\)"),
    "dirac_": (lambda: init.dirac_(zeros(3, 3)), "3 to 5 axes"),
    "groups": (lambda: init.dirac_(zeros(3, 3, 3), 2), "divisible by groups=2, found 3"),
    "orthogonal_": (lambda: init.orthogonal_(zeros(3)), "2 or more axes"),
    "integers": (lambda: init.eye_(zeros(3, 3).long()), "floating tensor, found int64"),
    "bounds": (lambda: init.trunc_normal_(zeros(3), a=2.0, b=1.0), "expected a <= b"),
    "sparsity": (lambda: init.sparse_(zeros(3, 3), 1.5), "sparsity: expected a number from 0 to 1"),
    "no tensor": (lambda: init.trunc_normal_([1.0]), "expected a Tensor, found list"),
    "vector": (lambda: utils.vector_to_parameters(zeros(3), nn.Linear(1, 1).parameters()), "a vector of 2 numbers"),
    "parameters": (lambda: utils.parameters_to_vector(3), r"model.parameters\(\)"),
    "weight_norm": (lambda: utils.weight_norm(nn.ReLU()), r"a parameter of ReLU \(none\), found 'weight'"),
    "no weight_norm": (lambda: utils.remove_weight_norm(nn.Linear(1, 1)), "expected weight_norm on 'weight'"),
    "norm": (lambda: utils.get_total_norm([1.0]), r"expected tensors, found \['float'\]"),
    "infinite norm": (lambda: utils.get_total_norm(ones(1) * math.inf, error_if_nonfinite=True), "norm, found inf"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(TinyTorchError, match=words):
        call()


# ---- nn.utils


def test_all_parameters_as_one_vector() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    vector = utils.parameters_to_vector(net.parameters())
    assert vector.shape == (13,) and np.array_equal(array(vector)[:6], array(net[0].weight).ravel())
    (vector * vector).sum().backward()
    assert np.allclose(array(net[1].bias.grad), 2 * array(net[1].bias))
    weight = net[0].weight
    utils.vector_to_parameters(tinytorch.arange(13).float(), net.parameters())
    assert net[0].weight is weight and weight.tolist() == [[0, 1], [2, 3], [4, 5]] and net[1].bias.tolist() == [12]


@pytest.mark.parametrize("dim", [0, 1, -1, None])
def test_a_weight_of_direction_and_length(dim: int | None) -> None:
    layer, x = nn.Linear(3, 2).double(), tensor(np.random.default_rng(0).normal(size=(4, 3)))
    before, weight = array(layer(x)), array(layer.weight).copy()
    assert utils.weight_norm(layer, dim=dim) is layer
    assert list(layer.state_dict()) == ["bias", "weight_g", "weight_v"]
    assert layer.weight_g.shape == {0: (2, 1), 1: (1, 3), -1: (), None: ()}[dim]
    assert np.allclose(array(layer(x)), before)
    with tinytorch.no_grad():
        layer.weight_g.mul_(2.0)
        layer.weight_v.mul_(5.0)
    assert np.allclose(array(layer(x) - layer.bias), 2 * (before - array(layer.bias)))
    layer(x).sum().backward()
    across = (layer.weight_v.grad * layer.weight_v).sum(None if dim in (None, -1) else 1 - dim)
    assert np.allclose(array(across), 0, atol=1e-12), "the length of v does not matter"
    utils.remove_weight_norm(layer)
    assert [n for n, _ in layer.named_parameters()] == ["bias", "weight"]
    assert np.allclose(array(layer.weight), 2 * weight)
    assert np.allclose(array(layer(x) - layer.bias), 2 * x.numpy() @ weight.T)


def test_total_norm_and_clipping_with_it() -> None:
    for norm_type, expected in ((2.0, 5.0), (1.0, 7.0), (math.inf, 4.0)):
        assert utils.get_total_norm([tensor([3.0]), tensor([[-4.0]])], norm_type).item() == expected
    assert utils.get_total_norm([]).item() == 0
    p = nn.Parameter(zeros(2))
    p.grad = tensor([3.0, 4.0])
    utils.clip_grads_with_norm_([p], 1.0, tensor(5.0))
    assert np.allclose(p.grad.numpy(), [0.6, 0.8], atol=1e-6)
    utils.clip_grads_with_norm_(p, 10.0, 1.0)
    assert np.allclose(p.grad.numpy(), [0.6, 0.8], atol=1e-6)
