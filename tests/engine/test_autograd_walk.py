"""The backward pass: order, depth, threads, re-entry, hooks, what is kept and what is freed."""

import gc
import threading
import weakref

import numpy as np
import pytest

import tinytorch
from tinytorch import GradientError, Tensor, no_grad, tensor
from tinytorch.autograd import Function, backward, grad


def leaf(*values, dtype="float64"):
    return tensor(np.array(values, dtype), requires_grad=True)


def test_chain_of_100_000_additions():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert x.grad.tolist() == [1.0]
    node = weakref.ref(y.grad_fn)
    del y
    assert node() is None, (
        "the graph must be freed with its output, without the garbage collector and without recursion"
    )


def test_graph_has_no_reference_cycles():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = ((x * x).exp() / x).sum().sqrt()
        node = weakref.ref(y.grad_fn)
        y.backward()
        del y
        assert node() is None
    finally:
        gc.enable()


def test_diamond_and_repeated_use():
    x = leaf(3.0)
    y = x * x
    (y * y + y * x + x).backward()
    assert x.grad.tolist() == [4 * 27 + 3 * 9 + 1]


def test_second_thread_starts_recording_and_walks():
    x, found = leaf(2.0), {}

    def work():
        found["recording"] = tinytorch.is_grad_enabled()
        (x * x).backward()

    with no_grad():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not tinytorch.is_grad_enabled()
    assert found["recording"], "no_grad must not leak into another thread"
    assert x.grad.tolist() == [4.0]


def test_no_grad_is_restored_after_an_exception():
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert tinytorch.is_grad_enabled()


def test_no_grad_as_decorator_and_set_grad_enabled():
    @no_grad()
    def evaluate(t):
        return t * 2

    x = leaf(1.0)
    assert evaluate(x).grad_fn is None
    with tinytorch.set_grad_enabled(False):
        assert (x * 2).grad_fn is None
        with tinytorch.enable_grad():
            assert (x * 2).grad_fn is not None
    assert (x * 2).grad_fn is not None


def test_backward_inside_a_backward_rule():
    class Nested(Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a * a

        @staticmethod
        def backward(ctx, g):
            (a,) = ctx.saved_tensors
            inner = tensor(a.detach().numpy(), requires_grad=True)
            with tinytorch.enable_grad():
                (inner * inner).sum().backward()
            return g * inner.grad

    x = leaf(3.0, -1.0)
    (Nested.apply(x) * x).sum().backward()
    assert x.grad.tolist() == [27.0, 3.0]


def test_graph_is_freed_unless_retained():
    x = leaf(2.0)
    y = (x * x).exp()
    y.backward(retain_graph=True)
    y.backward()
    assert np.allclose(x.grad.numpy(), 2 * 4 * np.exp(4))
    with pytest.raises(GradientError, match="retain_graph"):
        y.backward()


def test_gradients_of_gradients():
    x = leaf(0.7)
    y, orders = x.exp() * x, []
    for _ in range(4):
        (y,) = grad(y, x, create_graph=True)
        orders.append(y.item())
    assert np.allclose(orders, [np.exp(0.7) * (0.7 + n) for n in (1, 2, 3, 4)])


def test_grad_with_respect_to_results_and_several_outputs():
    x = leaf(2.0)
    y = x * x
    a, b = y * 3, y * x
    gy, gx = grad([a, b], [y, x], [leaf(1.0), leaf(10.0)])
    assert (gy.item(), gx.item()) == (3 + 20, (3 + 20) * 4 + 40)
    assert x.grad is None and y.grad is None, "grad writes nothing"


def test_grad_of_an_unused_input():
    x, z = leaf(1.0), leaf(1.0)
    with pytest.raises(GradientError, match="allow_unused"):
        grad(x * 2, [x, z])
    assert grad(x * 2, [x, z], allow_unused=True)[1] is None


def test_grad_skips_what_was_not_asked_for():
    called = []

    class Costly(Function):
        @staticmethod
        def forward(ctx, a):
            return a * 1

        @staticmethod
        def backward(ctx, g):
            called.append(True)
            return g

    x, z = leaf(1.0), leaf(1.0)
    grad((Costly.apply(z) + x).sum(), x)
    assert called == []


def test_leaf_hooks_replace_and_are_removed():
    x = leaf(1.0)
    handle = x.register_hook(lambda g: g * 10)
    (x * 2).backward()
    handle.remove()
    handle.remove()
    (x * 2).backward()
    assert x.grad.tolist() == [22.0]


def test_result_hooks_see_the_whole_gradient_once():
    x, seen = leaf(2.0), []
    y = x * x
    y.register_hook(lambda g: seen.append(g.item()))
    (y * 3 + y * 4).backward()
    assert seen == [7.0]


def test_retain_grad():
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    (y * y).backward()
    assert y.grad.tolist() == [12.0] and x.grad.tolist() == [36.0]


@pytest.mark.parametrize("weight_first", [False, True])
def test_last_layer_is_accumulated_before_the_first_rule_runs(weight_first):
    events = []

    class Spy(Function):
        @staticmethod
        def forward(ctx, a):
            return a * 1

        @staticmethod
        def backward(ctx, g):
            events.append("first layer's rule")
            return g

    first, last = leaf(2.0), leaf(3.0)
    last.register_post_accumulate_grad_hook(lambda p: events.append(f"last layer's grad {p.grad.item()}"))
    first.register_post_accumulate_grad_hook(lambda p: events.append("first layer's grad"))
    hidden = Spy.apply(first * 1.0).exp().log()
    (last * hidden if weight_first else hidden * last).backward()
    assert events[0].startswith("last layer's grad") and abs(float(events[0].split()[-1]) - 2) < 1e-12
    assert events[1:] == ["first layer's rule", "first layer's grad"]


def test_gradients_handed_to_two_inputs_are_not_shared():
    a, b = leaf(1.0), leaf(1.0)
    (a + b + a).backward()
    assert (a.grad.item(), b.grad.item()) == (2.0, 1.0)
    a.grad.add_(5.0)
    assert b.grad.item() == 1.0


def test_gradient_passed_in_is_not_kept():
    x, g = leaf(1.0, 2.0), tensor(np.ones(2))
    (x + 0.0).backward(g)
    x.grad.add_(1.0)
    assert g.tolist() == [1.0, 1.0]


def test_gradient_takes_the_dtype_of_its_leaf():
    x, y = leaf(1.0, dtype="float32"), leaf(2.0, dtype="float64")
    (x * y).backward()
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)


def test_custom_function_second_derivative_through_a_saved_output():
    class Exp(Function):
        @staticmethod
        def forward(ctx, a):
            out = a.exp()
            ctx.save_for_backward(out)
            return out

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = leaf(0.3)
    (first,) = grad(Exp.apply(x), x, create_graph=True)
    (second,) = grad(first, x)
    assert np.allclose(second.item(), np.exp(0.3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: (x * 2).backward(), r"one element, found shape \(2,\)"),
        (lambda x: x.detach().sum().backward(), "does not require a gradient"),
        (lambda x: (x * 2).backward(tensor([1.0])), r"shape \(2,\), found \(1,\)"),
        (lambda x: tensor([1, 2], requires_grad=True), "floating dtype"),
        (lambda x: (x * 2).requires_grad_(False), "leaf"),
        (lambda x: x.numpy(), "detach"),
        (lambda x: tensor([1.0]).register_hook(print), "does not require"),
        (lambda x: grad(x.sum(), tensor([1.0])), "input 0 does not require"),
        (lambda x: backward(x.sum(), [tensor(1.0), tensor(2.0)]), "each of the 1 tensors, found 2"),
    ],
)
def test_misuse_is_one_sentence(call, message):
    with pytest.raises(GradientError, match=message) as caught:
        call(leaf(1.0, 2.0))
    assert "\n" not in str(caught.value)


def test_a_rule_with_a_wrong_shape_is_named():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, a):
            return a * 2

        @staticmethod
        def backward(ctx, g):
            return g.sum()

    with pytest.raises(GradientError, match=r"Wrong: the gradient of input 0 has shape \(\), expected \(2,\)"):
        Wrong.apply(leaf(1.0, 2.0)).sum().backward()


def test_graph_shows_in_the_repr():
    assert repr(tensor([1.0], requires_grad=True) * 2) == "tensor([2.], grad_fn=<MulBackward0>)"
    assert isinstance(leaf(1.0) * 2, Tensor)
