"""The short way of the backward pass: rules that are arithmetic run on arrays while nobody watches."""

import numpy as np
import pytest

import tinytorch
from tinytorch import GradientError, Tensor
from tinytorch.core.engine import KERNELS, PRIMITIVES, SETTINGS, VJPS, Kernel, Primitive, Rule, Watcher, bind, overlay
from tinytorch.given.applying import SMALL, Applied, is_arithmetic

ARITHMETIC = ("add", "sub", "mul", "div", "neg", "exp", "log", "sqrt", "tanh", "sigmoid", "relu", "matmul", "linear")


class Names(Watcher):
    """Writes down what passes the door."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def after(self, primitive, inputs, params, outputs, backend, phase, note=None) -> None:
        self.seen.append(primitive.name)


def leaf(*size: int, seed: int = 0, dtype: str = "float32") -> Tensor:
    return tinytorch.tensor(np.random.default_rng(seed).uniform(0.5, 1.5, size).astype(dtype), requires_grad=True)


def gradients_of(function, *inputs: Tensor) -> list[np.ndarray]:
    for x in inputs:
        x.grad = None
    function(*inputs).sum().backward()
    return [x.grad.numpy().copy() for x in inputs]


def network(x: Tensor, y: Tensor) -> Tensor:
    z = (x @ y).tanh() * x - y / x
    return (z.relu() + z.sigmoid()).exp().sqrt() * 2.0 + (-x).exp().log()


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_is_recognised(name) -> None:
    assert Applied(VJPS[name], PRIMITIVES[name]).plain is not None


@pytest.mark.parametrize("name", ["sum", "reshape", "where", "max", "cat", "softmax"])
def test_what_calls_methods_or_functions_is_not_arithmetic(name) -> None:
    assert Applied(VJPS[name], PRIMITIVES[name]).plain is None


def test_a_rule_may_name_saved_values_only() -> None:
    assert is_arithmetic(lambda g, s: -g * s.a.mT / 2, {"a"})
    assert not is_arithmetic(lambda g, s: g * s.b, {"a"})
    assert not is_arithmetic(lambda g, s: g.transpose(0, 1), {"a"})
    assert not is_arithmetic(lambda g, s: g * np.pi, {"a"})
    assert not is_arithmetic(print, {"a"})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_watched_and_unwatched_gradients_are_the_same_bits(dtype) -> None:
    x, y = leaf(4, 4, dtype=dtype), leaf(4, 4, seed=1, dtype=dtype)
    short = gradients_of(network, x, y)
    with overlay(names=(names := Names())):
        watched = gradients_of(network, x, y)
    assert {"mul", "matmul", "permute"} <= set(names.seen), "a watcher sees the rules' operations"
    assert all(np.array_equal(a, b) and a.dtype == dtype for a, b in zip(short, watched, strict=True))


def test_recorded_gradients_are_the_same_bits() -> None:
    x, y = leaf(4, 4), leaf(4, 4, seed=1)
    recorded = tinytorch.autograd.grad(network(x, y).sum(), [x, y], create_graph=True)
    short = gradients_of(network, x, y)
    assert all(np.array_equal(a, b.detach().numpy()) for a, b in zip(short, recorded, strict=True))
    assert all(g.requires_grad for g in recorded)


@pytest.mark.parametrize("size", [(), (1,), (0, 3), (2, 3)])
def test_shapes_without_axes_and_without_elements(size) -> None:
    x = leaf(*size)
    (found,) = gradients_of(lambda x: x * x * 3.0 + x.tanh(), x)
    array = x.detach().numpy()
    assert found.shape == size and np.allclose(found, 6 * array + 1 - np.tanh(array) ** 2)


def test_vectors_times_matrices() -> None:
    v, m = leaf(3), leaf(3, 4, seed=1)
    dv, dm = gradients_of(lambda v, m: v @ m, v, m)
    assert np.allclose(dv, m.detach().numpy().sum(1)) and np.allclose(dm, np.repeat(v.detach().numpy()[:, None], 4, 1))
    dm, dv = gradients_of(lambda m, v: m.mT @ v, m, v)
    assert np.allclose(dv, m.detach().numpy().sum(1)) and dm.shape == (3, 4)


def test_operands_of_other_dtypes_meet_as_tensors_do() -> None:
    x, whole, double = leaf(3), tinytorch.tensor([1, 2, 3]), tinytorch.tensor(np.full(3, 1 / 3))
    assert np.array_equal(gradients_of(lambda x: x * whole, x)[0], [1, 2, 3])
    (found,) = gradients_of(lambda x: x * double, x)
    assert found.dtype == np.float32 and np.allclose(found, 1 / 3)


def test_an_overwritten_input_is_refused() -> None:
    y = leaf(3) * 1.0
    out = y * y
    y.detach().add_(1.0)
    with pytest.raises(GradientError, match="overwritten"):
        out.sum().backward()


def test_an_overwritten_output_is_refused() -> None:
    out = leaf(3).exp()
    out.detach().add_(1.0)
    with pytest.raises(GradientError, match="overwritten"):
        out.sum().backward()


def test_every_leaf_owns_its_gradient() -> None:
    x, y, z = leaf(2, 2), leaf(2, 2), leaf(2, 2)
    toy = Primitive("toy_turned", lambda xp, a: a.T.copy())
    VJPS["toy_turned"] = Rule(lambda g, s: g.mT)
    try:
        ((x + y) + bind(toy, z)).sum().backward()
        for changed, others in ((x, (y, z)), (z, (x, y))):
            changed.grad.add_(5.0)
            assert all(other.grad.max().item() <= 6 for other in others)
            changed.grad.sub_(5.0)
        assert all(t.grad.tolist() == [[1, 1], [1, 1]] for t in (x, y, z))
    finally:
        del VJPS["toy_turned"], PRIMITIVES["toy_turned"]


@pytest.mark.parametrize(("size", "calls"), [(SMALL, 1), (SMALL + 1, 2)])
def test_large_gradients_take_the_door(size, calls, monkeypatch) -> None:
    monkeypatch.setitem(SETTINGS, "backend", None)
    asked: list[int] = []
    KERNELS["mul", "spy"] = Kernel(lambda xp, a, b: asked.append(1) or a * b)
    try:
        (found,) = gradients_of(lambda x: x * 2.0, leaf(size))
    finally:
        del KERNELS["mul", "spy"]
    assert len(asked) == calls and (found == 2).all(), "once forward; backward the row serves large ones only"


def test_a_leaf_used_many_times_sums_up() -> None:
    w, x = leaf(3), tinytorch.ones(3)
    hook_saw: list[list[float]] = []
    w.register_post_accumulate_grad_hook(lambda p: hook_saw.append(p.grad.tolist()))
    y = x
    for _ in range(5):
        y = y + w
    y.sum().backward()
    assert w.grad.tolist() == [5, 5, 5] and hook_saw == [[5, 5, 5]]
