"""Can I compute the gradient of anything I can compute?

Gradients against closed forms and against finite differences of the forward pass alone (computed here, in NumPy's
float64, without the course's own checker); second derivatives; broadcasting; depth; what is refused; and the checker
itself.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

import numpy as np
import pytest

import tinytorch
from tinytorch import GradientError, Tensor, tensor
from tinytorch.autograd import grad, gradcheck, gradgradcheck
from tinytorch.core import autograd
from tinytorch.core.engine import VJPS, Primitive, Rule, bind


def leaf(values) -> Tensor:
    return tensor(np.array(values, np.float64), requires_grad=True)


def slopes(function, inputs: list[np.ndarray], which: int, eps: float = 1e-6) -> np.ndarray:
    """d function / d inputs[which] by central differences; `function` returns a Tensor with one element."""
    result = np.zeros_like(inputs[which])
    for place in np.ndindex(result.shape):
        ends = []
        for sign in (1.0, -1.0):
            moved = [a.copy() for a in inputs]
            moved[which][place] += sign * eps
            ends.append(function(*[tensor(m) for m in moved]).item())
        result[place] = (ends[0] - ends[1]) / (2 * eps)
    return result


def misconception(found: np.ndarray, expected: np.ndarray) -> str:
    """What a wrong gradient looks like, where it can be told."""
    if found.shape != expected.shape:
        return f"the gradient has shape {found.shape}, its tensor {expected.shape}: sum over the broadcast axis"
    if np.allclose(found, -expected):
        return "the sign is wrong"
    if np.allclose(found, np.ones_like(expected)):
        return "the incoming gradient was handed on without the chain rule"
    ratio = found / np.where(expected == 0, 1, expected)
    if expected.size > 1 and np.allclose(ratio, ratio.flat[0]):
        return f"every value is {ratio.flat[0]:.3g} times what it should be: a mean for a sum, or a consumer left out?"
    return f"expected {expected.ravel()[:4]}, got {found.ravel()[:4]}"


RNG = np.random.default_rng(8)
W = RNG.normal(size=(2, 3))
POSITIVE = RNG.uniform(0.5, 2.0, (2, 3))

EXPRESSIONS = {
    "mul_vjp_a": (lambda a, b: (a * b * W).sum(), [W + 2, POSITIVE]),
    "div_vjp_b": (lambda a, b: (a / b * W).sum(), [W, POSITIVE]),
    "exp_vjp": (lambda a: (a.exp() * W).sum(), [W]),
    "log_vjp": (lambda a: (a.log() * W).sum(), [POSITIVE]),
    "sum_vjp": (
        lambda a: (a.sum(1) * tensor(np.array([2.0, -3.0]))).sum() + (a.sum((0,), keepdim=True) * W[:1]).sum(),
        [W],
    ),
    "permute_vjp": (
        lambda a: (a.permute(2, 0, 1) * np.arange(24.0).reshape(4, 2, 3)).sum(),
        [RNG.normal(size=(2, 3, 4))],
    ),
    "matmul_vjp_a": (lambda a, b: (a @ b * RNG_MATRIX).sum(), [W, RNG.normal(size=(3, 4))]),
    "matmul_vjp_b": (lambda a, b: (a @ b * RNG_BATCH).sum(), [RNG.normal(size=(5, 2, 3)), RNG.normal(size=(3, 4))]),
    "unbroadcast": (lambda a, b: ((a + b) * (a - b)).sum(), [W, RNG.normal(size=(3,))]),
    "unbroadcast, size 1": (lambda a, b: (a * b).sum(), [W, RNG.normal(size=(2, 1))]),
}
RNG_MATRIX, RNG_BATCH = RNG.normal(size=(2, 4)), RNG.normal(size=(5, 2, 4))


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_gradient_of_an_expression(name):
    function, arrays = EXPRESSIONS[name]
    inputs = [leaf(a) for a in arrays]
    try:
        function(*inputs).backward()
    except GradientError as error:
        raise AssertionError(f"{name}: backward failed: {error}") from error
    for which, x in enumerate(inputs):
        assert x.grad is not None, (
            f"{name}, Autograd.after: input {which} received no gradient; was the operation recorded?"
        )
        expected, found = slopes(function, arrays, which), x.grad.numpy()
        agree = found.shape == expected.shape and np.allclose(found, expected, rtol=1e-5, atol=1e-7)
        assert agree, f"{name}: gradient of input {which}: {misconception(found, expected)}"


@pytest.mark.parametrize("name", ["div_vjp_b", "exp_vjp", "log_vjp", "sum_vjp", "matmul_vjp_a", "matmul_vjp_b"])
def test_second_derivative(name):
    function, arrays = EXPRESSIONS[name]
    inputs = [leaf(a) for a in arrays]
    squared = [g * g for g in grad(function(*inputs) ** 2, inputs, create_graph=True)]
    found = grad(sum(s.sum() for s in squared), inputs)

    def squared_gradients(*moved):
        own = [leaf(m.numpy()) for m in moved]
        return sum((g * g).sum() for g in grad(function(*own) ** 2, own))

    for which, g in enumerate(found):
        expected = slopes(squared_gradients, arrays, which)
        agree = np.allclose(g.numpy(), expected, rtol=1e-4, atol=1e-5)
        assert agree, f"{name}, propagate: second derivative: {misconception(g.numpy(), expected)}"


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (2, 1), (2, 3), (4, 2, 3), (4, 1, 3), (1, 2, 1)])
def test_unbroadcast_sums_over_repeated_axes(shape):
    g = np.arange(24.0).reshape(4, 2, 3) + 1
    found = autograd.unbroadcast(tensor(g), shape).numpy()
    expected = g
    for _ in range(3 - len(shape)):
        expected = expected.sum(0)
    for axis, size in enumerate(shape):
        if size == 1:
            expected = expected.sum(axis, keepdims=True)
    assert found.shape == shape, (
        f"unbroadcast to {shape}: gradient has the broadcast shape {found.shape}: sum over the broadcast axis"
    )
    assert np.array_equal(found, expected), f"unbroadcast to {shape}: {misconception(found, expected)}"


def test_every_consumer_contributes():
    x = leaf([2.0])
    s = x * x
    ((s + 1) * (s * 3)).backward()
    expected = 4 * 3 * 2.0**3 + 2 * 3 * 2.0
    assert x.grad.item() == expected, (
        f"propagate, count_dependencies: diamond: {misconception(x.grad.numpy(), np.array([expected]))}"
    )


def test_dependencies_are_edges_not_nodes():
    w = leaf([1.0])
    s = w + w
    counts = autograd.count_dependencies([(s * s).grad_fn])
    assert counts.get(s.grad_fn) == 2, f"count_dependencies: s is reached by two edges, counted {counts.get(s.grad_fn)}"
    assert counts.get(w) == 2, f"count_dependencies: w is reached by two edges, counted {counts.get(w)}"


def test_depth_is_not_limited_by_the_stack():
    x = leaf([1.0])
    y = x
    for _ in range(30_000):
        y = y + 1.0
    try:
        y.backward()
    except RecursionError:
        raise AssertionError("propagate, count_dependencies: a chain of 30,000 operations must not recurse") from None
    assert x.grad.item() == 1.0, f"propagate: a chain of additions has the gradient 1, got {x.grad.item()}"


def test_leaves_are_written_as_soon_as_they_are_complete():
    order = []
    first, last = leaf([2.0]), leaf([3.0])
    first.register_post_accumulate_grad_hook(lambda p: order.append("first"))
    last.register_post_accumulate_grad_hook(lambda p: order.append("last"))
    (last * (first * 1.0).exp()).backward()
    assert order == ["last", "first"], f"propagate: the last layer's gradient must be written first, got {order}"


def test_joined_tensors_get_their_own_part_back():
    a, b = leaf([[1.0, 2.0]]), leaf([[3.0, 4.0], [5.0, 6.0]])
    try:
        (tinytorch.cat([a, b]) * np.arange(6.0).reshape(3, 2)).sum().backward()
    except ValueError as error:
        reason = "cat's rule needs the shapes that `keep` returns, also without `saves`"
        raise AssertionError(f"Autograd.after: {reason}: {error}") from error
    found = (a.grad.tolist(), b.grad.tolist())
    expected = ([[0, 1]], [[2, 3], [4, 5]])
    assert found == expected, f"Autograd.after, propagate: the parts of cat's gradient are {expected}, got {found}"


def test_only_what_needs_a_gradient_is_recorded():
    x, w = tensor([1.0, 2.0]), tensor([3.0, 4.0], requires_grad=True)
    x[0] = 5.0  # a tensor that was written to is looked at more closely
    assert (x * 2).grad_fn is None, "Autograd.after: nothing here needs a gradient, nothing may be recorded"
    y = x * w
    assert y.grad_fn is not None, "Autograd.after: x * w must be recorded"
    y.sum().backward()
    assert x.grad is None, "Autograd.after: x does not require a gradient and must not receive one"
    with tinytorch.no_grad():
        assert (w * 2).grad_fn is None, "Autograd.after: nothing is recorded under no_grad"
    with pytest.raises(GradientError):
        z = w * 1.0
        kept = z * z
        z.mul_(2.0)
        kept.sum().backward()


@pytest.mark.parametrize(
    ("case", "words"),
    [("no gradient", "does not require"), ("many elements", "(2,)"), ("wrong shape", "(3,)")],
)
def test_doubtful_beginnings_are_refused(case, words):
    x = leaf([1.0, 2.0])
    calls = {
        "no gradient": lambda: tensor([1.0]).sum().backward(),
        "many elements": lambda: (x * 2).backward(),
        "wrong shape": lambda: (x * 2).backward(tensor(np.ones(3))),
    }
    try:
        calls[case]()
    except GradientError as error:
        assert words in str(error), f"initial_gradient ({case}): the message must contain {words!r}: {error}"
    else:
        raise AssertionError(f"initial_gradient ({case}): expected a GradientError")


def test_numerical_gradient_is_a_slope():
    x = leaf([[0.5, -1.0], [2.0, 3.0]])
    weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = autograd.numerical_gradient(lambda t: t * t * t, [x], 0, weights)
    expected = 3 * x.detach().numpy() ** 2 * weights
    assert np.allclose(found, expected, rtol=1e-6), f"numerical_gradient: {misconception(np.asarray(found), expected)}"
    assert x.tolist() == [[0.5, -1.0], [2.0, 3.0]], "numerical_gradient: every value must be put back"


def test_the_checker_finds_wrong_rules():
    x, y = leaf([0.5, 1.5]), leaf([2.0, 3.0])
    passed = gradcheck(lambda a, b: a * b, [x, y]) and gradgradcheck(lambda a, b: a * b, [x, y])
    assert passed, "numerical_gradient: a right rule must pass"
    right = VJPS["mul"]
    for wrong in (lambda g, s: g, lambda g, s: -g * s.b, lambda g, s: g * s.b * 1.01, lambda g, s: g * s.a):
        VJPS["mul"] = Rule(wrong, lambda g, s: g * s.a, saves=("a", "b"))
        try:
            gradcheck(lambda a, b: a * b, [x, y])
        except GradientError:
            continue
        finally:
            VJPS["mul"] = right
        raise AssertionError("numerical_gradient: gradcheck let a wrong rule of mul pass")


@pytest.mark.parametrize(
    ("g", "shape"), [((2, 3, 1), (1, 1)), ((1, 3), (1,)), ((0,), (1,)), ((3, 0), (1, 1)), ((2, 1, 4), (1, 4))]
)
def test_unbroadcast_of_shapes_with_ones_and_zeros(g, shape):
    values = np.arange(float(np.prod(g))).reshape(g)
    found = autograd.unbroadcast(tensor(values), shape)
    leading = values.reshape(g[:0] + g).sum(axis=tuple(range(len(g) - len(shape))))
    expected = leading.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)
    assert found.shape == shape and np.array_equal(found.numpy(), expected), f"unbroadcast: {g} to {shape}: {found}"


def test_the_step_of_the_slope_is_the_one_asked_for():
    found = autograd.numerical_gradient(lambda t: t * t * t, [leaf([2.0])], 0, np.ones(1), eps=0.5)
    assert np.allclose(found, [12.25]), f"numerical_gradient: (2.5³ - 1.5³) / 1 is 12.25 with eps=0.5, got {found}"


def refuse(g, saved):
    raise AssertionError("propagate: a rule ran whose gradient nobody had asked for")


def test_what_nobody_asks_for_is_not_computed(monkeypatch):
    monkeypatch.setitem(VJPS, "tan_of_the_test", Rule(refuse, refuse))
    costly = Primitive("tan_of_the_test", lambda xp, a, b: a * b)
    x, a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0]), leaf([5.0, 6.0])
    y = (x * x + bind(costly, a, b) * 2.0).sum()
    (found,) = grad(y, [x])
    assert found.tolist() == [2, 4], f"propagate: the gradient of the wanted branch is 2x, got {found.tolist()}"


def test_an_operation_without_a_rule_says_so():
    lost = Primitive("lost_of_the_test", lambda xp, a: a * 2)
    with pytest.raises(GradientError, match="lost_of_the_test"):
        bind(lost, leaf([1.0]))
