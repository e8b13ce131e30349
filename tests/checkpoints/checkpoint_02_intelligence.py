"""Can I bend a straight line without breaking on the numbers at its ends?

Every activation against PyTorch's values (frozen in tests/data/activations.npz), against closed forms, and at the
places where floats end: large, tiny, infinite and missing numbers, all in silence.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor
from tinytorch.nn import functional as F

FROZEN = dict(np.load(Path(__file__).parent.parent / "data" / "activations.npz"))

CASES: dict[str, tuple[str, Callable]] = {
    "relu": ("relu_kernel", F.relu),
    "leaky_relu": ("leaky_relu_kernel", F.leaky_relu),
    "leaky_relu_0.3": ("leaky_relu_kernel", lambda x: F.leaky_relu(x, negative_slope=0.3)),
    "sigmoid": ("sigmoid_kernel", F.sigmoid),
    "tanh": ("tanh_kernel", F.tanh),
    "silu": ("silu_kernel", F.silu),
    "gelu": ("gelu_kernel", F.gelu),
    "gelu_tanh": ("gelu_kernel", lambda x: F.gelu(x, approximate="tanh")),
    "softmax_0": ("softmax_kernel", lambda x: F.softmax(x, dim=0)),
    "softmax_1": ("softmax_kernel", lambda x: F.softmax(x, dim=1)),
    "log_softmax_0": ("log_softmax_kernel", lambda x: F.log_softmax(x, dim=0)),
    "log_softmax_1": ("log_softmax_kernel", lambda x: F.log_softmax(x, dim=1)),
}


def apply(name: str, function: Callable, x: np.ndarray) -> np.ndarray:
    """The values of function(x), after a look at everything else: silence, dtype, shape, an untouched input."""
    tensor = Tensor(x)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = function(tensor)
    assert not heard, f"{name} must be silent, NumPy warned: {heard[0].message} (does a power overflow?)"
    assert found.dtype == x.dtype, f"{name} must keep the dtype {x.dtype}, it gave {found.dtype}"
    assert found.shape == x.shape, f"{name}: expected shape {x.shape}, got {found.shape}"
    assert np.array_equal(tensor.numpy(), x, equal_nan=True), f"{name} overwrote its input"
    return found.numpy()


def differ(found: np.ndarray, expected: np.ndarray, x: np.ndarray, rtol: float, atol: float) -> str:
    """Where and how much two arrays differ most, in words; "" if they agree."""
    wrong = ~np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return ""
    place = tuple(np.argwhere(wrong)[0])
    count = f"{wrong.sum()} of {wrong.size} differ"
    return f"for x = {x[place]:.6g} expected {expected[place]:.9g}, got {found[place]:.9g} ({count})"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_frozen_values(case: str, dtype: str) -> None:
    kernel, function = CASES[case]
    rtol, atol = (1e-5, 1e-6) if dtype == "float32" else (1e-11, 1e-14)
    for where in ("x", "ends"):
        x = FROZEN[where].astype(dtype)
        found = apply(kernel, function, x)
        shift = np.abs(x).max() * (6e-7 if dtype == "float32" else 0)    # the input itself was rounded to float32
        difference = differ(found, FROZEN[f"{case}/{where}"], x, rtol, atol + shift)
        assert not difference, f"{kernel} ({case}): {difference}"


def test_missing_numbers_stay_missing() -> None:
    x = np.array([math.nan, 1.0], "float32")
    for name, function in (("relu", F.relu), ("leaky_relu", F.leaky_relu), ("sigmoid", F.sigmoid), ("tanh", F.tanh),
                           ("silu", F.silu), ("gelu", F.gelu)):
        found = apply(f"{name}_kernel", function, x)
        assert np.isnan(found[0]), f"{name}_kernel: NaN in must be NaN out, got {found[0]} (a broken layer would hide)"
        assert np.isfinite(found[1]), f"{name}_kernel: the number beside a NaN must be computed as ever, got {found[1]}"


def test_infinity_has_the_limits_of_the_curve() -> None:
    x = np.array([-math.inf, math.inf], "float32")
    for name, function, expected in (
        ("relu", F.relu, [0, math.inf]), ("leaky_relu", F.leaky_relu, [-math.inf, math.inf]),
        ("sigmoid", F.sigmoid, [0, 1]), ("tanh", F.tanh, [-1, 1]),
    ):
        found = apply(f"{name}_kernel", function, x).tolist()
        assert found == expected, f"{name}_kernel at -inf and inf: expected {expected}, got {found}"


def test_leaky_relu_with_a_slope_above_one() -> None:
    found = apply("leaky_relu_kernel", lambda x: F.leaky_relu(x, 3.0), np.array([-2.0, 2.0])).tolist()
    assert found == [-6.0, 2.0], (
        f"leaky_relu_kernel, slope 3: expected [-6, 2], got {found} (a maximum of x and 3x is wrong)"
    )


def test_sigmoid_keeps_its_far_left_tail() -> None:
    found = apply("sigmoid_kernel", F.sigmoid, np.array([-40.0, -80.0], "float32"))
    expected = np.exp([-40.0, -80.0])
    assert np.allclose(found, expected, rtol=1e-5, atol=0), (
        f"sigmoid_kernel: for -40 and -80 expected {expected}, got {found} (its logarithm will be a loss)"
    )


def test_tanh_keeps_its_digits_near_zero() -> None:
    x = np.array([1e-6, -3e-5], "float32")
    found = apply("tanh_kernel", F.tanh, x)
    assert np.allclose(found, x, rtol=1e-6, atol=0), f"tanh_kernel: tanh(x) is x but {x} gave {found} (cancellation)"


def test_gelu_at_one_is_the_normal_distribution() -> None:
    exact = F.gelu(Tensor([1.0], dtype="float64")).item()
    assert abs(exact - 0.841344746068543) < 1e-12, f"gelu_kernel: gelu(1) is Φ(1) = 0.841344746068543, got {exact}"
    rough = F.gelu(Tensor([1.0], dtype="float64"), approximate="tanh").item()
    assert abs(rough - 0.841191990608) < 1e-9, f"gelu_kernel: the tanh form of gelu(1) is 0.84119199, got {rough}"


def test_softmax_is_a_distribution_for_any_scores() -> None:
    rng = np.random.default_rng(2)
    for scale in (1.0, 100.0, 1e4):
        x = rng.normal(0, scale, (3, 4, 5)).astype("float32")
        for dim in (0, 1, 2, -2):
            total = apply("softmax_kernel", lambda t, d=dim: F.softmax(t, d), x).sum(axis=dim)
            assert np.allclose(total, 1, atol=1e-5), f"softmax_kernel: sums along dim {dim} are 1, not {total.max()}"


def test_softmax_does_not_notice_a_shift() -> None:
    x = np.array([[0.5, -1.0, 2.0]])
    for shift in (700.0, -2000.0):
        found = apply("softmax_kernel", lambda t: F.softmax(t, 1), x + shift)
        expected = np.exp(x) / np.exp(x).sum()
        assert np.allclose(found, expected, rtol=1e-9), (
            f"shifted_kernel: scores moved by {shift} must give the same probabilities {expected}, got {found}"
        )


def test_softmax_gives_an_excluded_class_exactly_nothing() -> None:
    found = apply("softmax_kernel", lambda t: F.softmax(t, 0), np.array([1.0, -math.inf, 1.0], "float32")).tolist()
    assert found == [0.5, 0.0, 0.5], f"softmax_kernel: a score of -inf has probability 0, got {found}"
    none = F.softmax(Tensor(np.zeros((2, 0), "float32")), 1)
    assert none.shape == (2, 0), f"shifted_kernel: an axis of size 0 stays one, got {none.shape}"


def test_log_softmax_is_finite_where_softmax_is_zero() -> None:
    found = apply("log_softmax_kernel", lambda t: F.log_softmax(t, 0), np.array([0.0, 300.0, 1.0], "float32")).tolist()
    assert found == [-300.0, 0.0, -299.0], (
        f"log_softmax_kernel: expected [-300, 0, -299], got {found} (the logarithm of what was rounded to 0?)"
    )


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_a_forgotten_dim_is_refused(function: Callable) -> None:
    with pytest.raises(TypeError, match="dim=None"):
        function(Tensor([[1.0, 2.0]]))


def test_in_place_returns_the_tensor_itself() -> None:
    for name, function, expected in (("relu", F.relu, [0.0, 2.0]), ("leaky_relu", F.leaky_relu, [-0.01, 2.0])):
        x = Tensor([-1.0, 2.0])
        found = function(x, inplace=True)
        assert found is x, f"{name}(inplace=True) must return its input"
        assert np.allclose(x.numpy(), expected), f"{name}_kernel in place: expected {expected}, got {x}"


def test_a_bend_makes_xor() -> None:
    x = Tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    hidden = tinytorch.relu(x @ Tensor([[1.0, 1.0], [1.0, 1.0]]) + Tensor([0.0, -1.0]))
    found = (hidden @ Tensor([[1.0], [-2.0]])).flatten().tolist()
    assert found == [0, 1, 1, 0], f"relu_kernel: two linear layers with ReLU between them compute XOR, got {found}"
