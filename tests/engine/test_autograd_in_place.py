"""In-place operations × {leaf, saved input, saved output, view, under no_grad}."""

import numpy as np
import pytest

import tinytorch
from tinytorch import GradientError, no_grad, tensor


def leaf(*values):
    return tensor(np.array(values), requires_grad=True)


def test_leaf_is_refused_while_recording():
    x = leaf(1.0, 2.0)
    changes = (
        lambda: x.add_(1.0),
        lambda: x.__setitem__(0, 5.0),
        lambda: x[:1].mul_(2.0),
        lambda: x.reshape(2, 1).zero_(),
    )
    for change in changes:
        with pytest.raises(GradientError, match="no_grad"):
            change()
    assert x.tolist() == [1.0, 2.0], "a refused change must change nothing"


def test_leaf_under_no_grad():
    x = leaf(1.0, 2.0)
    with no_grad():
        x.add_(1.0)
        x[0] = 7.0
    assert x.tolist() == [7.0, 3.0] and x.is_leaf and x.requires_grad
    (x * x).sum().backward()
    assert x.grad.tolist() == [14.0, 6.0]


def test_saved_input_overwritten_is_refused():
    x = leaf(1.0, 2.0)
    y = x * 2.0
    z = y * y
    y.add_(1.0)
    with pytest.raises(GradientError, match=r"overwritten in place.*version 0, now 1"):
        z.sum().backward()


def test_saved_input_overwritten_through_a_detached_view_is_refused():
    x = leaf(1.0, 2.0)
    y = x * 2.0
    z = y * y
    y.detach()[0] = 9.0
    with pytest.raises(GradientError, match="overwritten"):
        z.sum().backward()


def test_saved_leaf_overwritten_under_no_grad_is_refused():
    x = leaf(1.0, 2.0)
    z = x * x
    with no_grad():
        x.mul_(2.0)
    with pytest.raises(GradientError, match="overwritten"):
        z.sum().backward()


def test_saved_output_overwritten_is_refused():
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.mul_(2.0)
    with pytest.raises(GradientError, match="exp: the value 'out'"):
        y.sum().backward()


def test_unsaved_value_may_be_overwritten():
    x = leaf(1.0, 2.0)
    y = x + 1.0
    y.mul_(3.0)
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_in_place_rule_sees_the_old_value():
    x, w = leaf(1.0, 2.0), leaf(5.0, 6.0)
    y = x + 1.0
    y.mul_(w)
    y.sum().backward()
    assert w.grad.tolist() == [2.0, 3.0], "the gradient of w is the value of y before it was overwritten"
    assert x.grad.tolist() == [5.0, 6.0]


def test_setitem_is_recorded():
    x, v = leaf(1.0, 2.0, 3.0), leaf(10.0)
    y = x * 2.0
    y[1] = v[0]
    (y * tensor([1.0, 10.0, 100.0], dtype="float64")).sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 200.0] and v.grad.tolist() == [10.0]


def test_setitem_into_a_plain_tensor_brings_it_into_the_graph():
    buffer, w = tinytorch.zeros(3, dtype="float64"), leaf(4.0)
    buffer[1:2] = w * 2.0
    assert buffer.requires_grad
    (buffer * 3.0).sum().backward()
    assert w.grad.tolist() == [6.0]


def test_augmented_assignment_of_an_element():
    x = leaf(1.0, 2.0)
    y = x * 2.0
    y[0] += 5.0
    (y * tensor([3.0, 4.0], dtype="float64")).sum().backward()
    assert y.tolist() == [7.0, 4.0] and x.grad.tolist() == [6.0, 8.0]


def test_augmented_assignment_of_an_element_with_gradient():
    x, w = leaf(1.0, 2.0), leaf(5.0)
    y = x * 2.0
    y[:1] *= w
    y.sum().backward()
    assert x.grad.tolist() == [10.0, 2.0] and w.grad.tolist() == [2.0]


def test_old_view_of_a_changed_tensor_is_refused():
    x = leaf(1.0, 2.0)
    y = x * 2.0
    view = y[0]
    y[1] = 0.0
    with pytest.raises(GradientError, match="shares memory"):
        view * 2.0
    (y[0] * 2.0).backward()
    assert x.grad.tolist() == [4.0, 0.0]


def test_base_of_a_changed_view_is_refused():
    x = leaf(1.0, 2.0)
    y = x * 2.0
    y[:1].add_(1.0)
    with pytest.raises(GradientError, match="shares memory"):
        y.sum()


def test_plain_base_of_a_view_that_entered_the_graph_is_refused():
    base, w = tinytorch.zeros(2, dtype="float64"), leaf(1.0)
    base[:1].add_(w)
    with pytest.raises(GradientError, match="shares memory"):
        base.sum()


def test_view_under_no_grad_may_be_read_afterwards():
    x = leaf(1.0, 2.0)
    y = x * 2.0
    view = y[0]
    y[1] = 0.0
    with no_grad():
        assert (view * 2.0).item() == 4.0


def test_detached_view_of_a_changed_tensor_stays_usable():
    x = leaf(1.0, 2.0)
    y = x * 2.0
    shared = y.detach()
    y.add_(1.0)
    assert (shared * 1.0).tolist() == [3.0, 5.0]


def test_result_must_keep_shape_and_dtype():
    x = tinytorch.ones(2)
    with pytest.raises(tinytorch.ShapeError, match=r"\(2,\)"):
        x.add_(tinytorch.ones(3, 2))
    with pytest.raises(tinytorch.DTypeError):
        tinytorch.ones(2, dtype="int64").mul_(0.5)
    assert x.tolist() == [1.0, 1.0]


def test_leaf_view_taken_under_no_grad_is_data():
    x = leaf(1.0, 2.0)
    with no_grad():
        x[0].fill_(3.0)
    assert x.tolist() == [3.0, 2.0]


def test_second_output_changed_in_place():
    x = leaf(3.0, 1.0)
    parts = x.reshape(2, 1)
    values = parts.max(0)[0]
    values.mul_(2.0)
    (values * 5.0).sum().backward()
    assert x.grad.tolist() == [10.0, 0.0]
