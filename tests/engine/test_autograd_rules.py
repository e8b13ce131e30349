"""Gradient rules at awkward shapes and points, and the checks against finite differences that users call.

Each rule by itself is proven by the operation table, tests/operations.
"""

import numpy as np
import pytest

import tinytorch
from tinytorch import GradientError, tensor
from tinytorch.autograd import gradcheck, gradgradcheck
from tinytorch.core.engine import VJPS, Rule

RNG = np.random.default_rng(20)
SMOOTH = {
    "mul": lambda a, b: a * b, "matmul": lambda a, b: a @ b.mT, "exp": lambda a, b: (a * b).exp(),
    "tanh": lambda a, b: a.tanh() * b, "softmax": lambda a, b: a.softmax(1) * b, "sum": lambda a, b: (a * b * b).sum(0),
}  # fmt: skip
WRONG = {
    "mul": Rule(lambda g, s: g * s.b, lambda g, s: g * s.b, saves=("a", "b")),
    "exp": Rule(lambda g, s: g * s.out * 1.01, saves=("out",)),
    "tanh": Rule(lambda g, s: g * (1.0 + s.out * s.out), saves=("out",)),
}


def pair():
    """Two float64 leaves."""
    return [tensor(RNG.normal(size=(2, 3)), requires_grad=True) for _ in range(2)]


@pytest.mark.parametrize("name", SMOOTH)
def test_gradcheck_accepts_right_rules(name):
    assert gradcheck(SMOOTH[name], pair())
    assert gradgradcheck(SMOOTH[name], pair(), atol=2e-5)


@pytest.mark.parametrize("name", WRONG)
def test_gradcheck_refuses_a_wrong_rule(name, monkeypatch):
    monkeypatch.setitem(VJPS, name, WRONG[name])
    with pytest.raises(GradientError, match="finite differences"):
        gradcheck(SMOOTH[name], pair())


def test_gradgradcheck_refuses_a_rule_that_is_right_only_once(monkeypatch):
    monkeypatch.setitem(VJPS, "exp", Rule(lambda g, s: g * s.out.detach(), saves=("out",)))
    assert gradcheck(SMOOTH["exp"], pair())
    with pytest.raises(GradientError, match="finite differences"):
        gradgradcheck(SMOOTH["exp"], pair())


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0), (1,), ()])
def test_empty_and_single(shape):
    x = tensor(np.ones(shape), requires_grad=True)
    ((x * 2.0 + x.exp()).sum() + (x * x).sum()).backward()
    assert x.grad.shape == shape and np.allclose(x.grad.numpy(), 4 + np.e)


def test_non_contiguous_inputs():
    x = tensor(np.arange(1.0, 13.0).reshape(3, 4), requires_grad=True)
    (x.T[::2] * x.T[::2]).sum().backward()
    expected = np.zeros((3, 4))
    expected[:, ::2] = 2 * x.detach().numpy()[:, ::2]
    assert np.array_equal(x.grad.numpy(), expected)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x.amax(), [0.0, 0.5, 0.5]),                              # ties share
        (lambda x: x.max(0)[0], [0.0, 1.0, 0.0]),                           # an index was chosen: the first
        (lambda x: x.maximum(tensor(np.array([1.0, 2.0, 0.0]))).sum(), [0.5, 0.5, 1.0]),
        (lambda x: x.clamp(max=2.0).sum(), [1.0, 1.0, 1.0]),                # the border belongs to the inside
        (lambda x: (x - 1.0).abs().sum(), [0.0, 1.0, 1.0]),                 # |x| at 0
    ],
)
def test_ties_and_corners(function, expected):
    x = tensor(np.array([1.0, 2.0, 2.0]), requires_grad=True)
    function(x).backward()
    assert x.grad.tolist() == expected


def test_power_at_zero():
    x = tensor(np.zeros(1), requires_grad=True)
    (x**0 + x**1 + x**2).sum().backward()
    assert x.grad.tolist() == [1.0]
    exponent = tensor(np.ones(1), requires_grad=True)
    (tensor(np.zeros(1)) ** exponent).sum().backward()
    assert exponent.grad.tolist() == [0.0]


def test_stack_and_broadcast_of_many():
    a, b = (tensor(np.ones(2), requires_grad=True) for _ in range(2))
    (tinytorch.stack([a, b], dim=1) * tensor(np.array([[1.0, 10.0], [100.0, 1000.0]]))).sum().backward()
    assert a.grad.tolist() == [1.0, 100.0] and b.grad.tolist() == [10.0, 1000.0]
