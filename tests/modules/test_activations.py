"""Beyond module 03's own tests: decompositions, dtypes, layouts, properties over random inputs, and refusals."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytorch
from tinytorch import Tensor
from tinytorch.core.engine import PRIMITIVES, overlay
from tinytorch.given.scope import Watcher
from tinytorch.nn import functional as F

RNG = np.random.default_rng(0)
POINTWISE = [F.relu, F.leaky_relu, F.sigmoid, F.tanh, F.silu, F.gelu]


def normalised(x: Tensor, dim: int) -> Tensor:
    """Softmax, spelled out."""
    return x.exp() / x.exp().sum(dim, keepdim=True)


DECOMPOSITIONS: dict[str, tuple[Callable, Callable]] = {
    "relu": (F.relu, lambda x: x.clamp(min=0)),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), lambda x: x.where(x > 0, 0.2 * x)),
    "sigmoid": (F.sigmoid, lambda x: 1 / (1 + (-x).exp())),
    "tanh": (F.tanh, lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())),
    "silu": (F.silu, lambda x: x / (1 + (-x).exp())),
    "gelu": (F.gelu, lambda x: 0.5 * x * (1 + PRIMITIVES["erf"](x / 2**0.5))),
    "softmax": (lambda x: F.softmax(x, 1), lambda x: normalised(x, 1)),
    "log_softmax": (lambda x: F.log_softmax(x, 0), lambda x: normalised(x, 0).log()),
}


@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_equals_its_decomposition(name: str) -> None:
    function, spelled_out = DECOMPOSITIONS[name]
    x = Tensor(RNG.normal(0, 2, (5, 6)))
    assert np.allclose(function(x).numpy(), spelled_out(x).numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_is_one_operation_at_the_door(name: str) -> None:
    seen = []

    class Diary(Watcher):
        def after(self, primitive, inputs, params, outputs, backend, phase, note=None):
            seen.append(primitive.name)

    with overlay(diary=Diary()):
        DECOMPOSITIONS[name][0](Tensor(np.ones((2, 2))))
    assert seen == [name]


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
def test_tensor_method_is_the_function(name: str) -> None:
    x = Tensor(RNG.normal(size=(3, 4)))
    assert getattr(x, name)().equal(getattr(tinytorch, name)(x))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_tensor_method_of_a_normalisation_is_the_function(name: str) -> None:
    x = Tensor(RNG.normal(size=(3, 4)))
    assert getattr(x, name)(-1).equal(getattr(tinytorch, name)(x, dim=1))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("function", [*POINTWISE, lambda x: F.softmax(x, 0), lambda x: F.log_softmax(x, 0)])
def test_keeps_dtype_and_takes_any_layout(function: Callable, dtype: str) -> None:
    array = RNG.normal(size=(4, 6)).astype(dtype)
    strided = tinytorch.from_numpy(array.T[::2])
    found, expected = function(strided), function(Tensor(np.ascontiguousarray(array.T[::2])))
    assert found.dtype == dtype
    assert found.equal(expected)


@pytest.mark.parametrize("function", [*POINTWISE, lambda x: F.softmax(x, 0), lambda x: F.log_softmax(x, 0)])
def test_takes_a_single_number_and_nothing_at_all(function: Callable) -> None:
    assert function(Tensor(0.5)).shape == ()
    assert function(Tensor(np.zeros((0, 3), "float32"))).shape == (0, 3)


@pytest.mark.parametrize("function", [F.leaky_relu, F.sigmoid, F.tanh, F.silu, F.gelu, lambda x: F.softmax(x, 0)])
def test_integers_become_float32(function: Callable) -> None:
    assert function(Tensor([1, 2])).dtype == tinytorch.float32


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_softmax_is_a_distribution(scores: list[float]) -> None:
    found = F.softmax(Tensor(scores, dtype="float32"), 0).numpy()
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1, abs=1e-5)


@given(st.floats(width=32, allow_nan=False), st.floats(width=32, allow_nan=False))
def test_sigmoid_and_tanh_are_monotone_and_bounded(a: float, b: float) -> None:
    x = Tensor(sorted((a, b)), dtype="float32")
    low, high = F.sigmoid(x).tolist()
    assert 0 <= low <= high <= 1
    low, high = F.tanh(x).tolist()
    assert -1 <= low <= high <= 1


@pytest.mark.parametrize("function", [F.relu, F.leaky_relu, F.silu])
def test_in_place_gives_the_same_numbers_in_the_same_memory(function: Callable) -> None:
    x = Tensor(RNG.normal(size=(3, 4)))
    expected, address, version = function(x.clone()), x.data_ptr(), x._storage.version
    assert function(x, inplace=True) is x
    assert (x.data_ptr(), x._storage.version) == (address, version + 1)
    assert x.equal(expected)


@pytest.mark.parametrize("function", [*POINTWISE, lambda x: F.softmax(x, 0), lambda x: F.log_softmax(x, 0)])
def test_what_is_no_tensor_is_refused(function: Callable) -> None:
    with pytest.raises(tinytorch.DTypeError, match="expected a Tensor, found list"):
        function([1.0, 2.0])


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_a_dim_that_is_not_there_is_refused(function: Callable) -> None:
    x = Tensor([[1.0, 2.0]])
    with pytest.raises(tinytorch.DTypeError, match=r"found dim=None.*shape \(1, 2\)"):
        function(x)
    with pytest.raises(tinytorch.IndexingError, match="from -2 to 1 for 2 dimensions, found 2"):
        function(x, dim=2)
    assert function(x, 1, dtype="float64").dtype == tinytorch.float64


def test_gelu_refuses_an_unknown_approximation() -> None:
    with pytest.raises(tinytorch.TinyTorchError, match='"none" or "tanh", found \'erf\''):
        F.gelu(Tensor([1.0]), approximate="erf")


def test_the_error_function_is_loaded_at_first_use() -> None:
    code = (
        "import sys, tinytorch; from tinytorch.nn.functional import gelu; "
        "print('scipy.special' in sys.modules); gelu(tinytorch.ones(2)); print('scipy.special' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "True"]
