"""Parts of one tensor: their gradients meet in one array, instead of a whole full of zeros for each."""

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor
from tinytorch.core.engine import PRIMITIVES, Watcher, overlay

PARTS = {
    "split": lambda x: x.split([1, 0, 4], 1),
    "unbind": lambda x: x.unbind(0),
    "overlapping": lambda x: (x[:, :3], x[:, 2:], x[1:, ::-2], x[-1]),
    "elements": lambda x: (x[0, 1], x[3, 4], x[0, 1], x[..., None, 2]),
    "masks": lambda x: (x[x > 0], x[x < 1], x[tinytorch.tensor([True, False, False, True])]),
    "places named twice": lambda x: (x[0], x[[1, 1, 0]], x[:, [2, 2]], x[2:]),
    "the whole": lambda x: (x, x[1], x, x[:, 1:2]),
    "nothing": lambda x: (x[4:], x[:, 5:], x[0]),
}


class Onlooker(Watcher):
    """Looks at every operation, so that none is left out."""

    def after(self, *event) -> None:
        pass


def leaf(*size: int) -> Tensor:
    return tinytorch.tensor(np.random.default_rng(0).normal(size=size).astype("float32"), requires_grad=True)


def squares_of(parts: tuple) -> Tensor:
    total = tinytorch.zeros(())
    for weight, part in enumerate(parts, 1):
        total = total + (part * part).sum() * weight
    return total


@pytest.mark.parametrize("cut", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("inner", [True, False], ids=["of a result", "of a leaf"])
def test_parts_give_the_gradient_that_watched_operations_give(cut, inner) -> None:
    x = leaf(4, 5)

    def gradient(**settings) -> np.ndarray:
        (found,) = tinytorch.autograd.grad(squares_of(cut(x * 2 if inner else x)), [x], **settings)
        return found.detach().numpy()

    with overlay(onlooker=Onlooker()):
        expected = gradient()
    assert np.array_equal(gradient(), expected)
    assert np.array_equal(gradient(create_graph=True), expected), "recorded, it is another way"
    squares_of(cut(x * 2 if inner else x)).backward()
    assert np.array_equal(x.grad.numpy(), expected)


def test_many_parts_need_one_array_of_zeros(monkeypatch) -> None:
    made, primitive = [], PRIMITIVES["getitem_grad"]
    kernel = primitive.kernel
    monkeypatch.setattr(primitive, "kernel", lambda *given, **params: made.append(params) or kernel(*given, **params))
    x = leaf(50, 3)

    squares_of((x * 1.0).unbind()).backward()

    assert len(made) == 1, f"expected zeros to be made once for 50 steps, found {len(made)} times"


def test_a_gradient_that_somebody_holds_is_not_added_to() -> None:
    x, given, kept = leaf(3), tinytorch.ones(3), []
    y = x * 1.0
    part = y[1:]
    y.register_hook(kept.append), part.register_hook(kept.append)

    tinytorch.autograd.backward([y, part, y[0]], [given, tinytorch.ones(2), tinytorch.ones(())])

    assert given.tolist() == [1, 1, 1], f"the caller's gradient was changed to {given}"
    assert [g.tolist() for g in kept] == [[1, 1], [2, 2, 2]] and x.grad.tolist() == [2, 2, 2]


def test_a_second_walk_adds_to_the_gradient_of_the_first() -> None:
    x = leaf(2, 3)
    loss = squares_of((x[0], x[1]))
    loss.backward(retain_graph=True)
    first = x.grad.numpy().copy()
    loss.backward()
    assert np.array_equal(x.grad.numpy(), 2 * first)
