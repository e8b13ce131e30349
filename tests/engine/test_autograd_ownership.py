"""Whose memory a gradient is: a leaf's `grad` belongs to the leaf alone, whatever was handed in or kept by a hook."""

import gc
import weakref

import numpy as np
import pytest

import tinytorch
from tinytorch import no_grad
from tinytorch.core.engine import GradientError, ShapeError


def leaf(*size: int) -> tinytorch.Tensor:
    return tinytorch.ones(*size, requires_grad=True)


def test_a_gradient_handed_to_a_leaf_is_copied() -> None:
    p, given = leaf(3), tinytorch.ones(3)

    for _ in range(3):
        p.backward(given)

    assert given.tolist() == [1, 1, 1], f"the caller's gradient was changed to {given}"
    assert p.grad.tolist() == [3, 3, 3], f"expected three times the gradient, found {p.grad}"


def test_a_gradient_kept_by_a_hook_does_not_change_later() -> None:
    p, kept = leaf(3), []
    p.register_hook(kept.append)

    (p * 2).sum().backward()
    (p * 2).sum().backward()

    assert [g.tolist() for g in kept] == [[2, 2, 2], [2, 2, 2]], f"found {kept}"
    assert p.grad.tolist() == [4, 4, 4]


@pytest.mark.parametrize("wrong", [lambda g: g[0], lambda g: 1.0])
def test_what_a_hook_returns_must_fit(wrong) -> None:
    p = leaf(3)
    p.register_hook(wrong)
    with pytest.raises(GradientError, match=r"\(3,\)"):
        (p * 2).sum().backward()


def test_no_grad_holds_inside_a_generator_and_not_between_its_pieces() -> None:
    @no_grad()
    def pieces():
        received = yield tinytorch.is_grad_enabled()
        yield received
        return 5

    generator = pieces()
    assert next(generator) is False
    assert tinytorch.is_grad_enabled()
    assert generator.send(7) == 7
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value == 5


def test_the_deviation_of_a_constant_has_gradient_zero() -> None:
    x = leaf(4)
    x.std().backward()
    assert x.grad.tolist() == [0, 0, 0, 0]


def test_a_layer_without_inputs_has_a_gradient() -> None:
    x, weight, bias = leaf(3, 0), leaf(2, 0), leaf(2)
    tinytorch.nn.functional.linear(x, weight, bias).sum().backward()
    assert x.grad.shape == (3, 0) and weight.grad.shape == (2, 0) and bias.grad.tolist() == [3, 3]


def test_a_refused_operation_keeps_no_tensor_alive() -> None:
    gc.collect()
    gc.disable()
    try:
        a = tinytorch.ones(2, 3)
        gone = weakref.ref(a)
        with pytest.raises(ShapeError) as refusal:
            a @ tinytorch.ones(2, 3)
        del a, refusal
        assert gone() is None
    finally:
        gc.enable()


def test_attention_over_no_key_is_zero() -> None:
    query, key, value = leaf(2, 3, 4), leaf(2, 0, 4), leaf(2, 0, 5)
    out = tinytorch.nn.functional.scaled_dot_product_attention(query, key, value)
    out.sum().backward()
    assert np.array_equal(out.detach().numpy(), np.zeros((2, 3, 5))) and not query.grad.numpy().any()


def test_cross_entropy_with_a_masked_class_and_with_nothing_to_learn() -> None:
    logits = tinytorch.tensor([[0.0, float("-inf"), 0.0]], requires_grad=True)
    loss = tinytorch.nn.functional.cross_entropy(logits, tinytorch.tensor([2]))
    loss.backward()
    assert abs(loss.item() - np.log(2)) < 1e-6 and logits.grad.tolist() == [[0.5, 0.0, -0.5]]

    ignored = leaf(2, 3)
    loss = tinytorch.nn.functional.cross_entropy(ignored, tinytorch.tensor([-100, -100]))
    loss.backward()
    assert np.isnan(loss.item()) and not ignored.grad.numpy().any()
