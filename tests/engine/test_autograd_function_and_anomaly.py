"""autograd.Function with all that its context offers, the grad modes, and anomaly mode."""

import re

import numpy as np
import pytest

import tinytorch
from tinytorch import GradientError, Tensor, nn
from tinytorch.autograd import Function, detect_anomaly, grad, gradcheck, gradgradcheck, set_detect_anomaly
from tinytorch.autograd.function import FunctionCtx, once_differentiable


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


# ---- Function


class Cube(Function):
    """forward and setup_context apart."""

    @staticmethod
    def forward(x, scale):
        return scale * x * x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.scale = inputs
        ctx.save_for_backward(x, output)

    @staticmethod
    def backward(ctx, g):
        x, output = ctx.saved_tensors
        assert ctx.needs_input_grad == (True, False) and output.shape == x.shape
        return g * 3 * ctx.scale * x * x, None


def test_setup_context_stands_apart_from_forward():
    x = leaf(1.0, -2.0)
    assert gradcheck(lambda t: Cube.apply(t, 2.0), x) and gradgradcheck(lambda t: Cube.apply(t, 2.0), x)


class MinAndPlace(Function):
    """Two outputs, one of them without a gradient; the gradients are not filled in."""

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        value, place = x.min(dim=0)
        mask = (x == value).to("float64")
        ctx.save_for_backward(mask)
        ctx.mark_non_differentiable(place, mask)
        return value, place, mask, x * 2

    @staticmethod
    def backward(ctx, g, g_place, g_mask, g_double):
        assert g_place is None and g_mask is None
        found = 0.0
        if g is not None:
            found = found + g * ctx.saved_tensors[0]
        return found if g_double is None else found + 2 * g_double


def test_outputs_without_gradient_and_gradients_left_out():
    x = leaf(3.0, 1.0, 2.0)
    value, place, mask, double = MinAndPlace.apply(x)
    assert value.requires_grad and not place.requires_grad and not mask.requires_grad and mask.is_leaf
    assert grad(value, x, retain_graph=True)[0].tolist() == [0, 1, 0]
    assert grad(double.sum(), x, retain_graph=True)[0].tolist() == [2, 2, 2]
    assert grad(value + double.sum(), x)[0].tolist() == [2, 3, 2]


class Doubled(Function):
    """Changes its input in place."""

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2.0)

    @staticmethod
    def backward(ctx, g):
        return g * 2, None


def test_an_input_changed_in_place_becomes_the_output():
    a = leaf(1.0, 2.0)
    h = a * 3
    out = Doubled.apply(h)
    assert out is h and h.tolist() == [6, 12] and h.grad_fn.name == "Doubled"
    (h * h).sum().backward()
    assert a.grad.tolist() == [2 * 36 * 1.0, 2 * 36 * 2.0]
    with pytest.raises(GradientError, match="leaf"), tinytorch.enable_grad():
        Doubled.apply(a)


def test_a_value_saved_elsewhere_and_changed_in_place_is_refused():
    a = leaf(1.0, 2.0)
    h = a * 3
    y = h * h
    Doubled.apply(h)
    with pytest.raises(GradientError, match="overwritten"):
        y.sum().backward()


class ByNumPy(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return Tensor(np.sin(x.detach().numpy()))

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * Tensor(np.cos(x.detach().numpy()))


def test_once_differentiable_refuses_a_second_derivative():
    x = leaf(0.5, 1.0)
    assert gradcheck(ByNumPy.apply, x)
    (first,) = grad((ByNumPy.apply(x) * x).sum(), x, create_graph=True)
    np.testing.assert_allclose(first.detach().numpy(), np.sin([0.5, 1.0]) + np.array([0.5, 1.0]) * np.cos([0.5, 1.0]))
    with pytest.raises(GradientError, match="once_differentiable"):
        grad(first.sum(), x)


def test_wrong_functions_are_refused_by_name():
    class TooFew(Function):
        @staticmethod
        def forward(ctx, a, b):
            return a * b

        @staticmethod
        def backward(ctx, g):
            return g

    class NotReturned(Function):
        @staticmethod
        def forward(ctx, a):
            ctx.mark_dirty(a)
            return a * 2

    x = leaf(1.0)
    with pytest.raises(GradientError, match=r"TooFew.backward: expected 2 gradients.*found 1"):
        TooFew.apply(x, x).backward()
    with pytest.raises(GradientError, match=r"NotReturned.forward: return the very tensors"):
        NotReturned.apply(x * 1)
    with pytest.raises(GradientError, match=r"Bad.forward: expected tensors as output, found \['int'\]"):
        type("Bad", (Function,), {"forward": staticmethod(lambda ctx, a: 3)}).apply(x)
    assert isinstance(FunctionCtx(()), FunctionCtx)


# ---- modes


@pytest.mark.parametrize(
    ("mode", "records"),
    [
        (lambda: tinytorch.no_grad(), False), (lambda: tinytorch.enable_grad(), True),
        (lambda: tinytorch.inference_mode(), False), (lambda: tinytorch.inference_mode(False), True),
        (lambda: tinytorch.set_grad_enabled(False), False), (lambda: tinytorch.set_grad_enabled(True), True),
    ],
)
@pytest.mark.parametrize("outside", [True, False])
def test_each_mode_as_context_decorator_and_around_generators(mode, records, outside):
    x = leaf(1.0)
    with tinytorch.set_grad_enabled(outside):
        with mode():
            assert (x * 2).requires_grad is records
        assert tinytorch.is_grad_enabled() is outside

        @mode()
        def once():
            return (x * 2).requires_grad

        assert tinytorch.is_grad_enabled() is outside, "decorating changes nothing"

        @mode()
        def several():
            got = yield (x * 2).requires_grad
            yield got, (x * 2).requires_grad

        assert once() is records
        generator = several()
        assert next(generator) is records
        assert tinytorch.is_grad_enabled() is outside, "between two steps of a generator the caller's mode holds"
        assert generator.send("word") == ("word", records)
    assert tinytorch.is_grad_enabled()


def test_modes_may_decorate_without_brackets():
    @tinytorch.inference_mode
    def evaluate():
        return tinytorch.is_grad_enabled()

    assert evaluate() is False and tinytorch.is_grad_enabled()


# ---- anomaly mode


def test_the_first_nan_of_the_forward_pass_is_named_with_its_line():
    x = leaf(1.0, -1.0, 4.0)
    with detect_anomaly(), pytest.raises(GradientError) as raised:
        y = x - 0.5
        (y.log() * 2).sum()    # here
    text = str(raised.value)
    assert text.startswith("log: the first NaN was made here, going forward: its inputs went from -1.5 to 3.5")
    assert "1 NaN among 3 numbers" in text and "# here" in text and __file__ in text
    assert np.isnan((x - 0.5).log().sum().item()), "outside of the mode NaN is a value"


def test_the_first_nan_of_the_backward_pass_is_named_with_the_line_of_its_operation():
    x = leaf(0.0, 4.0)
    with detect_anomaly():
        root = x.sqrt()
        y = (root * Tensor(np.array([0.0, 1.0]))).sum()     # the slope of the root at 0 is infinite, times 0
        with pytest.raises(GradientError) as raised:
            y.backward()
    text = str(raised.value)
    assert text.startswith("sqrt: the first NaN was made here, going backward: the gradient that arrived went from 0")
    assert "root = x.sqrt()" in text and re.search(r"anomaly.py:\d+, in test_the_first_nan_of_the_backward", text)


def test_the_line_is_the_users_even_behind_layers_and_functions():
    class Broken(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1.0

        @staticmethod
        def backward(ctx, g):
            return g * float("nan")

    class Net(nn.Module):
        def forward(self, x):
            return Broken.apply(x)     # the line

    layer = nn.Linear(2, 2)
    with detect_anomaly():
        y = Net()(layer(Tensor(np.ones((1, 2), "float32")))).sum()
        with pytest.raises(GradientError, match=r"Broken: the first NaN.*in forward: .*# the line"):
            y.backward()


def test_nan_that_is_handed_in_is_nobodys_fault():
    with detect_anomaly():
        x = leaf(1.0, float("nan"))
        (x * 2).sum().backward()
    assert np.isnan(x.grad.numpy()).tolist() == [False, False]
    z = Tensor(np.array([1.0, 2.0]))
    with detect_anomaly(), pytest.raises(GradientError, match=r"^div_"):
        z.mul_(0.0).div_(0.0)


def test_errors_of_the_backward_pass_tell_the_line_of_the_forward_pass():
    x = leaf(1.0, 2.0)
    with set_detect_anomaly(True, check_nan=False):
        assert tinytorch.is_anomaly_enabled() and not tinytorch.is_anomaly_check_nan_enabled()
        h = x * 2
        y = h.exp() * h
        h.add_(1.0)
        with pytest.raises(GradientError, match="overwritten") as raised:
            y.sum().backward()
        assert any("y = h.exp() * h" in note for note in raised.value.__notes__)
        assert np.isnan((x - 9).log().sum().item())
    assert not tinytorch.is_anomaly_enabled()


def test_the_mode_begins_and_ends_when_it_is_told():
    switch = set_detect_anomaly(True)
    assert tinytorch.is_anomaly_check_nan_enabled()
    with set_detect_anomaly(False):
        assert not tinytorch.is_anomaly_enabled()
    with switch:
        pass
    assert not tinytorch.is_anomaly_enabled()
    x = leaf(1.0)
    y = x * float("nan")
    with detect_anomaly(), pytest.raises(GradientError, match="begin the mode before the forward pass"):
        y.backward()
