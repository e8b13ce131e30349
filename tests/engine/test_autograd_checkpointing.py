"""Activation checkpointing: less kept, the same gradients, the same random numbers, buffers updated once."""

import numpy as np
import pytest

import tinytorch
from tinytorch import GradientError, nn, tensor
from tinytorch.autograd import grad
from tinytorch.given.graph import saved_bytes
from tinytorch.nn import functional as F
from tinytorch.utils.checkpoint import checkpoint


def leaf(shape, seed=0):
    return tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


def block(x, w):
    return ((x @ w).exp() * 0.1).tanh() * x


def test_same_gradients_for_arguments_and_for_what_is_closed_over():
    x, w = leaf((4, 4)), leaf((4, 4), 1)
    expected = grad(block(x, w).sum(), [x, w])
    found = grad(checkpoint(lambda t: block(t, w), x).sum(), [x, w])
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(expected, found, strict=True))


def test_nothing_is_kept_until_it_is_needed():
    x, w = leaf((64, 64)), leaf((64, 64), 1)
    assert saved_bytes(checkpoint(block, x, w)) == 0 < saved_bytes(block(x, w))


def test_dropout_repeats_exactly():
    x = leaf((50, 50))
    tinytorch.manual_seed(3)
    out = checkpoint(lambda t: F.dropout(t, 0.5, training=True) * t, x)
    kept = out.detach().numpy() != 0
    after = tinytorch.rand(1).item()
    (g,) = grad(out.sum(), x)
    assert np.array_equal(g.numpy() != 0, kept), "the mask of the second run must be that of the first"
    tinytorch.manual_seed(3)
    F.dropout(x, 0.5, training=True)
    assert tinytorch.rand(1).item() == after, "the stream of random numbers goes on as if nothing had been run again"


def test_running_statistics_are_updated_once():
    norm = nn.BatchNorm1d(3)
    plain = nn.BatchNorm1d(3)
    x = tensor(np.random.default_rng(0).normal(size=(8, 3)), dtype="float32", requires_grad=True)
    (checkpoint(norm, x) * x).sum().backward()
    plain(x)
    assert np.array_equal(norm.running_mean.numpy(), plain.running_mean.numpy())
    assert norm.num_batches_tracked.item() == 1


def test_second_derivatives_and_nesting():
    x = leaf((3, 3))

    def inner(t):
        return (t * t).exp()

    def outer(t):
        return checkpoint(inner, t) * t

    (first,) = grad(checkpoint(outer, x).sum(), x, create_graph=True)
    (second,) = grad(first.sum(), x)
    v = x.detach().numpy()
    assert np.allclose(first.detach().numpy(), np.exp(v * v) * (1 + 2 * v * v))
    assert np.allclose(second.numpy(), np.exp(v * v) * (6 * v + 4 * v**3))


def test_a_function_that_changes_is_refused():
    calls = []

    def fickle(t):
        calls.append(1)
        return (t * t).exp() if len(calls) == 1 else t * t

    x = leaf((2,))
    with pytest.raises(GradientError, match="same operations"):
        checkpoint(fickle, x).sum().backward()


def test_under_no_grad_it_is_an_ordinary_call():
    x = leaf((2, 2))
    with tinytorch.no_grad():
        assert checkpoint(block, x, x).grad_fn is None


@pytest.mark.parametrize("retain", [False, True])
def test_twice_with_retain_graph(retain):
    x = leaf((2, 2))
    out = checkpoint(block, x, x).sum()
    out.backward(retain_graph=True)
    first = x.grad.numpy().copy()
    out.backward(retain_graph=retain)
    assert np.allclose(x.grad.numpy(), 2 * first)


def test_a_sequence_is_checkpointed_in_parts():
    from tinytorch.utils.checkpoint import checkpoint_sequential

    layers = nn.Sequential(*[nn.Linear(3, 3).to("float64") for _ in range(5)])
    x = tinytorch.tensor(np.ones((2, 3)), requires_grad=True)
    layers(x).exp().sum().backward()
    expected = [x.grad.tolist(), *(p.grad.tolist() for p in layers.parameters())]
    for segments in (1, 2, 5):
        layers.zero_grad()
        x.grad = None
        calls = []
        handles = [layer.register_forward_hook(lambda *_, calls=calls: calls.append(1)) for layer in layers]
        checkpoint_sequential(layers, segments, x).exp().sum().backward()
        [handle.remove() for handle in handles]
        found = [x.grad.tolist(), *(p.grad.tolist() for p in layers.parameters())]
        for f, e in zip(found, expected, strict=True):
            np.testing.assert_allclose(f, e)
        assert len(calls) == 5 + (5 // segments) * (segments - 1), "all but the last part run twice"
    with pytest.raises(GradientError, match="1 to 5 segments"):
        checkpoint_sequential(layers, 6, x)
