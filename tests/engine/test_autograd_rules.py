"""Every differentiable primitive: first and second derivatives against finite differences, and at awkward shapes.

The finite differences are taken in float64.
"""

import numpy as np
import pytest

import tinytorch
from tests.engine.gradient_cases import CASES, leaves
from tests.operations.table import table
from tinytorch import tensor
from tinytorch.autograd import gradcheck, gradgradcheck
from tinytorch.core.engine import NON_DIFFERENTIABLE, PRIMITIVES, VJPS

ROWS = [
    pytest.param(name, function, inputs, id=f"{name}-{i}")
    for name, rows in CASES.items()
    for i, (function, inputs) in enumerate(rows)
]


@pytest.mark.parametrize(("name", "function", "inputs"), ROWS)
def test_first_derivative(name, function, inputs):
    assert gradcheck(function, leaves(inputs))


@pytest.mark.parametrize(("name", "function", "inputs"), ROWS)
def test_second_derivative(name, function, inputs):
    assert gradgradcheck(function, leaves(inputs), atol=2e-5)


def test_every_primitive_is_decided():
    """A primitive is proven by a row of the operation table, or in the cases, or has no gradient by decision."""
    course = {name for name, p in PRIMITIVES.items() if p.source.startswith(("tinytorch.", "in_place"))}
    proven = {name for row in table() if row.gradient is True for name in row.primitives}
    undecided = course - proven - set(CASES) - NON_DIFFERENTIABLE
    assert undecided == set(), f"neither in a row of tests/operations nor NON_DIFFERENTIABLE: {sorted(undecided)}"


def test_nothing_is_both():
    assert set(VJPS) & NON_DIFFERENTIABLE == set()


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
