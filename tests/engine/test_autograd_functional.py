"""Jacobians, Hessians and products against PyTorch's; gradcheck's reports; grad and backward with all arguments."""

from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tests.data import flat_file
from tinytorch import GradientError, Tensor, TinyTorchError
from tinytorch.autograd import Function, backward, functional, grad, gradcheck, gradgradcheck

_, FROZEN = flat_file.read(Path(__file__).parent.parent / "data" / "functional.npz")
X, Y, U, W, VX, VY = (Tensor(FROZEN[name]) for name in ("x", "y", "u", "w", "vx", "vy"))


def leaf(*values: float, dtype: str = "float64") -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def mixed(x, y):
    return (x * y).exp().sum(0), (x[:, 0] * y.sin())[1:]


def energy(x, y):
    return (x * x * x).sum() + (x.sum(0) * y).sum() ** 2


def flat(value) -> list:
    return [value] if isinstance(value, Tensor) else [t for part in value for t in flat(part)]


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("jacobian", lambda: functional.jacobian(mixed, (X, Y))),
        ("hessian", lambda: functional.hessian(energy, (X, Y))),
        ("vjp", lambda: functional.vjp(mixed, (X, Y), (U, W))),
        ("jvp", lambda: functional.jvp(mixed, (X, Y), (VX, VY))),
        ("hvp", lambda: functional.hvp(energy, (X, Y), (VX, VY))),
        ("vhp", lambda: functional.vhp(energy, (X, Y), (VX, VY))),
    ],
)
def test_values_are_pytorchs(name, call):
    found = flat(call())
    expected = [FROZEN[f"{name}/{i}"] for i in range(len(found))]
    assert f"{name}/{len(found)}" not in FROZEN
    for f, e in zip(found, expected, strict=True):
        assert f.shape == e.shape and not f.requires_grad
        np.testing.assert_allclose(f.numpy(), e, rtol=1e-12, atol=1e-14)


def test_one_input_and_one_output_need_no_tuples():
    x = Tensor(np.array([1.0, 2.0]))
    assert functional.jacobian(lambda t: t * t, x).tolist() == [[2, 0], [0, 4]]
    assert functional.hessian(lambda t: (t * t * t).sum(), x, vectorize=True).tolist() == [[6, 0], [0, 12]]
    value, product = functional.vjp(lambda t: (t * t).sum(), x)
    assert value.item() == 5 and product.tolist() == [2, 4]
    value, product = functional.jvp(lambda t: t * Tensor(np.array([1.0, 2.0])), Tensor(np.array([3.0])))
    assert product.tolist() == [1, 2]
    assert functional.jacobian(lambda t: t[:0], x).shape == (0, 2)
    with tinytorch.no_grad():
        assert functional.jvp(lambda t: t.exp(), x, x)[1].tolist() == pytest.approx((np.exp([1, 2]) * [1, 2]).tolist())


def test_what_does_not_depend_is_zero_or_refused():
    x = Tensor(np.array([1.0, 2.0]))
    constant = Tensor(np.ones(3))
    assert functional.jacobian(lambda t: constant, x).tolist() == np.zeros((3, 2)).tolist()
    assert functional.hessian(lambda t: t.sum(), x).tolist() == [[0, 0], [0, 0]]
    assert functional.jvp(lambda t: constant, x, x)[1].tolist() == [0, 0, 0]
    assert functional.hvp(lambda t: t.sum(), x, x)[1].tolist() == [0, 0]
    with pytest.raises(GradientError, match="does not depend on input 0"):
        functional.jacobian(lambda t: constant, x, strict=True)


def test_create_graph_lets_the_result_be_differentiated():
    x = leaf(2.0)
    second = functional.jacobian(lambda t: t * t * t, x, create_graph=True)
    assert grad(second.sum(), x)[0].tolist() == [12.0]
    _, product = functional.hvp(lambda t: (t**4).sum(), x, leaf(1.0), create_graph=True)
    assert grad(product.sum(), x)[0].tolist() == [48.0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: functional.jacobian(lambda t: 3.0, X), "results of the function, found float"),
        (lambda: functional.jacobian(lambda t: t, 3.0), "as inputs, found float"),
        (lambda: functional.hessian(lambda t: t, X), "one element"),
        (lambda: functional.vjp(lambda t: t, X), "v may be left out"),
        (lambda: functional.vjp(lambda t: t, X, Y), r"\(2, 2\).*found.*\(2,\)"),
        (lambda: functional.hvp(lambda t: t.sum(), X, Y), "shapes of the inputs"),
    ],
)
def test_what_cannot_be_is_refused(call, words):
    with pytest.raises(TinyTorchError, match=words):
        call()


# ---- gradcheck


class WrongSign(Function):
    @staticmethod
    def forward(ctx, a, b):
        return a * b

    @staticmethod
    def backward(ctx, g):
        return -g * 3.0, None


def test_gradcheck_shows_both_gradients():
    a, b = leaf(1.0, 2.0), leaf(3.0, 3.0)
    with pytest.raises(GradientError) as raised:
        gradcheck(WrongSign.apply, (a, b))
    text = str(raised.value)
    assert "output 0 by input 0" in text and "sign" in text
    assert "numerical:\n[" in text and "analytical:\n[-" in text
    with pytest.raises(GradientError, match=r"by input 1 .*\n?.*at all"):
        gradcheck(lambda x, y: x + y.detach(), (a, b))
    assert gradcheck(WrongSign.apply, (a, b), raise_exception=False) is False


def test_gradcheck_looks_at_every_output_and_skips_integers():
    a = leaf(1.0, 2.0)
    assert gradcheck(lambda x: (x * x, (x > 1.5).to("int64"), x.sum()), a)
    assert gradgradcheck(lambda x: (x * x, x.exp().sum()), a)
    assert gradgradcheck(lambda x: x * x * x, a, Tensor(np.array([1.0, -2.0])))
    with pytest.raises(GradientError, match="output 1"):
        gradcheck(lambda x: (x * x, WrongSign.apply(x, x.detach())), a)
    assert gradcheck(lambda x: Tensor(np.ones(2)), a)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gradcheck(lambda x: x, Tensor(np.ones(2))), "at least one input"),
        (lambda: gradcheck(lambda x: x, leaf(1.0, dtype="float32")), "float64"),
        (lambda: gradcheck(lambda x: 3, leaf(1.0)), "returns tensors, found int"),
    ],
)
def test_gradcheck_says_what_it_needs(call, words):
    with pytest.raises(GradientError, match=words):
        call()


# ---- grad, backward


def test_unused_inputs_are_refused_none_or_zeros():
    a, b = leaf(1.0, 2.0), leaf(1.0, 2.0, 3.0)
    y = (a * a).sum()
    with pytest.raises(GradientError, match="input 1"):
        grad(y, [a, b], retain_graph=True)
    assert grad(y, [a, b], allow_unused=True, retain_graph=True)[1] is None
    found = grad(y, [a, b], materialize_grads=True, retain_graph=True)
    assert found[0].tolist() == [2, 4] and found[1].tolist() == [0, 0, 0]
    with pytest.raises(GradientError, match="allow_unused"):
        grad(y, [a, b], allow_unused=False, materialize_grads=True, retain_graph=True)


def test_backward_reaches_only_the_inputs_asked_for():
    a, b = leaf(2.0), leaf(5.0)
    h = a * b
    y = h * h
    y.backward(inputs=[a, h], retain_graph=True)
    assert a.grad.tolist() == [100.0] and h.grad.tolist() == [20.0] and b.grad is None
    backward(y, inputs=a, retain_graph=True)
    assert a.grad.tolist() == [200.0]
    with pytest.raises(GradientError, match="found none"):
        y.backward(inputs=[])
    seed = Tensor(np.array([1.0]))
    a.grad = None
    (a * 1.0).backward(seed, inputs=[a])
    a.grad.add_(1.0)
    assert seed.tolist() == [1.0], "a gradient handed in must not be shared"


def test_detach_in_place():
    x = leaf(2.0)
    y = x * 3
    assert y.detach_() is y and y.is_leaf and not y.requires_grad
    assert y.tolist() == [6.0] and (y * 2).grad_fn is None
    with pytest.raises(GradientError, match=r"detach\(\)"):
        (x * x).view(1, 1).detach_()


def test_what_is_no_function_is_no_hook_and_no_closure():
    x = leaf(1.0)
    with pytest.raises(GradientError, match="found int"):
        x.register_hook(3)
    with pytest.raises(TinyTorchError, match="closure, found float"):
        tinytorch.optim.SGD([x]).step(0.5)
