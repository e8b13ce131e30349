"""Operations that wait, and pairs executed as one: user code must not be able to tell, except by the clock.

Three toy primitives: `toy_shift` (x + by; may wait), `toy_double` (2·x; may wait) and `toy_square` (x²). Every kernel
notes that it ran, so the tests see what was executed, and when.
"""

import copy
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from tinytorch import GradientError, ShapeError, Tensor, no_grad, tensor
from tinytorch.autograd import grad
from tinytorch.core.engine import FUSIONS, SETTINGS, VJPS, Primitive, Rule, Watcher, bind, overlay
from tinytorch.given.pending import waiting
from tinytorch.utils.checkpoint import checkpoint

RAN: list[str] = []




def shift_kernel(xp, x, by):
    RAN.append("shift")
    return xp.add(x, by)


def double_kernel(xp, x):
    RAN.append("double")
    return xp.multiply(x, 2)


def square_kernel(xp, x):
    RAN.append("square")
    return xp.multiply(x, x)


def shift_square_kernel(xp, x, by):
    RAN.append("shift_square")
    return xp.square(xp.add(x, by))


def double_shift_square_kernel(xp, x, by):
    RAN.append("double_shift_square")
    return xp.square(xp.add(xp.multiply(x, 2), by))


SHIFT = Primitive("toy_shift", shift_kernel, promote="same", deferrable=True)
DOUBLE = Primitive("toy_double", double_kernel, promote="same", deferrable=True)
SQUARE = Primitive("toy_square", square_kernel)
SHIFT_SQUARE = Primitive("toy_shift_square", shift_square_kernel, promote="same")
DOUBLE_SHIFT_SQUARE = Primitive("toy_double_shift_square", double_shift_square_kernel, promote="same")


@pytest.fixture(autouse=True)
def rows() -> Iterator[None]:
    """Gradient rules and fusions of the toys, for one test."""
    rules = {
        "toy_shift": Rule(lambda g, s: g, lambda g, s: g.sum()),
        "toy_double": Rule(lambda g, s: g * 2.0),
        "toy_square": Rule(lambda g, s: g * 2.0 * s.x, saves=("x",)),
        "toy_shift_square": Rule(
            lambda g, s: g * 2.0 * (s.x + s.by), lambda g, s: (g * 2.0 * (s.x + s.by)).sum(), saves=("x", "by")
        ),
        "toy_double_shift_square": Rule(
            lambda g, s: g * 4.0 * (s.x * 2.0 + s.by),
            lambda g, s: (g * 2.0 * (s.x * 2.0 + s.by)).sum(),
            saves=("x", "by"),
        ),
    }
    others, backend = dict(FUSIONS), SETTINGS["backend"]
    SETTINGS["backend"] = None      # with the reference kernels alone nothing is fused
    FUSIONS.clear()
    VJPS.update(rules)
    FUSIONS["toy_square", "toy_shift"] = SHIFT_SQUARE
    FUSIONS["toy_shift_square", "toy_double"] = DOUBLE_SHIFT_SQUARE
    RAN.clear()
    yield
    FUSIONS.clear()
    FUSIONS.update(others)
    SETTINGS["backend"] = backend
    for name in rules:
        del VJPS[name]


def x_and_by(requires_grad: bool = False) -> tuple[Tensor, Tensor]:
    values = tensor([1.0, -2.0, 3.0], dtype="float64", requires_grad=requires_grad)
    return values, tensor(0.5, dtype="float64", requires_grad=requires_grad)


class Single(Watcher):
    """Asks for single operations, and notes their names."""

    single_operations = True

    def __init__(self):
        self.seen = []

    def after(self, primitive, inputs, params, outputs, backend, phase, note=None):
        self.seen.append((primitive.name, phase))


def test_nothing_runs_before_somebody_looks() -> None:
    x, by = x_and_by()
    y = SHIFT(x, by)
    assert RAN == [] and (y.shape, y.dtype, y.ndim, y.numel(), len(y)) == ((3,), np.float64, 1, 3, 3)
    assert y.tolist() == [1.5, -1.5, 3.5] and RAN == ["shift"]
    assert y.tolist() == [1.5, -1.5, 3.5] and RAN == ["shift"], "computed once"


def test_what_nobody_looks_at_never_runs() -> None:
    x, by = x_and_by()
    y = SHIFT(x, by)
    assert [t is y for t in waiting()] == [True]
    del y
    assert RAN == [] and not list(waiting())


def test_a_pair_is_executed_as_one_with_the_same_value() -> None:
    x, by = x_and_by()
    y = SHIFT(x, by)
    z = SQUARE(y)
    assert RAN == ["shift_square"] and z.tolist() == [2.25, 2.25, 12.25]
    assert y.tolist() == [1.5, -1.5, 3.5]
    assert RAN == ["shift_square", "shift"], "the intermediate is computed by its own recipe"


def test_with_the_reference_kernels_alone_nothing_waits() -> None:
    x, by = x_and_by()
    y = SHIFT(x, by)
    SETTINGS["backend"] = "numpy"
    assert SQUARE(y).tolist() == [2.25, 2.25, 12.25] and SHIFT(x, by).tolist() == [1.5, -1.5, 3.5]
    assert RAN == ["shift", "square", "shift"]


def test_without_a_row_nothing_waits() -> None:
    del FUSIONS["toy_shift_square", "toy_double"]
    x, by = x_and_by()
    DOUBLE(x)
    assert RAN == ["double"] and not DOUBLE.fuses
    FUSIONS.clear()
    SQUARE(SHIFT(x, by))
    assert RAN == ["double", "shift", "square"] and not SHIFT.fuses and not SQUARE.fuses


def test_a_chain_of_three_becomes_one() -> None:
    x, by = x_and_by()
    z = SQUARE(SHIFT(DOUBLE(x), by))
    assert RAN == ["double_shift_square"] and z.tolist() == [6.25, 12.25, 42.25]


def test_a_chain_read_at_its_end_runs_in_order() -> None:
    x, by = x_and_by()
    assert SHIFT(DOUBLE(x), by).tolist() == [2.5, -3.5, 6.5]
    assert RAN == ["double", "shift"]


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("read", [True, False])
def test_gradients_are_the_same(fused: bool, read: bool) -> None:
    if not fused:
        FUSIONS.clear()
    x, by = x_and_by(requires_grad=True)
    y = SHIFT(DOUBLE(x), by)
    z = SQUARE(y).sum()
    if read:
        z = z + (y * y.detach()).sum()      # the intermediate takes part a second time
    z.backward()
    shifted = 2 * np.array([1.0, -2.0, 3.0]) + 0.5
    factor = 3 if read else 2
    assert np.allclose(x.grad.numpy(), factor * shifted * 2) and np.isclose(by.grad.item(), factor * shifted.sum())
    assert ("double_shift_square" in RAN) == fused


def test_a_pending_tensor_knows_whether_it_will_have_a_gradient() -> None:
    x, by = x_and_by(requires_grad=True)
    y = SHIFT(x, by)
    assert y.requires_grad and RAN == []
    assert not y.is_leaf and y.grad_fn.name == "toy_shift" and RAN == ["shift"]
    with no_grad():
        assert not SHIFT(x, by).requires_grad


def test_recorded_as_it_was_called() -> None:
    x, by = x_and_by(requires_grad=True)
    y = SHIFT(x, by)
    with no_grad():
        z = SQUARE(y)                       # not fused: the pair was called under different recorders
        unrecorded = SHIFT(x, by)
    assert RAN == ["shift", "square"] and not z.requires_grad and y.grad_fn is not None
    w = SQUARE(unrecorded)
    assert RAN == ["shift", "square", "shift", "square"] and not w.requires_grad and unrecorded.grad_fn is None


def test_executed_in_the_phase_in_which_it_was_called() -> None:
    x, by = x_and_by()
    seen = []

    class Phases(Watcher):
        def after(self, primitive, inputs, params, outputs, backend, phase, note=None):
            seen.append((primitive.name, phase))

    with overlay("recompute"):
        y = SHIFT(x, by)
    with overlay(phases=Phases()):
        y.tolist()
    assert seen == [("toy_shift", "recompute")]


def test_a_hook_settles() -> None:
    x, by = x_and_by(requires_grad=True)
    y = SHIFT(x, by)
    y.register_hook(lambda g: g * 10.0)
    z = SQUARE(y)
    assert RAN == ["shift", "square"]
    z.sum().backward()
    assert np.allclose(x.grad.numpy(), 20 * np.array([1.5, -1.5, 3.5]))


def test_a_retained_gradient_settles() -> None:
    x, by = x_and_by(requires_grad=True)
    y = SHIFT(x, by)
    y.retain_grad()
    SQUARE(y).sum().backward()
    assert RAN[:2] == ["shift", "square"] and y.grad.tolist() == [3.0, -3.0, 7.0]


@pytest.mark.parametrize("first", ["double", "shift"])
@pytest.mark.parametrize("alive", [True, False])
def test_gradients_in_between_asked_for_after_fusing(first: str, alive: bool) -> None:
    """double → shift → square ran as one; hooks and `grad` find what lies between all the same, in either order."""
    x, by = x_and_by(requires_grad=True)
    y = DOUBLE(x)
    s = SHIFT(y, by)
    z = SQUARE(s)
    assert RAN == ["double_shift_square"]
    seen: dict[str, list] = {}
    for name, between in sorted({"double": y, "shift": s}.items(), key=lambda pair: pair[0] != first):
        if alive or name == first:
            between.register_hook(lambda g, name=name: seen.update({name: g.tolist()}))
    if not alive:
        del y, s, between
    z.sum().backward()
    slope = 2 * (2 * np.array([1.0, -2.0, 3.0]) + 0.5)
    assert all(found == slope.tolist() for found in seen.values()) and len(seen) == 1 + alive
    assert np.allclose(x.grad.numpy(), 2 * slope) and np.isclose(by.grad.item(), slope.sum())


def test_a_gradient_with_respect_to_what_was_fused_away() -> None:
    x, by = x_and_by(requires_grad=True)
    y = SHIFT(x, by)
    z = SQUARE(y)
    assert RAN == ["shift_square"]
    assert grad(z.sum(), y)[0].tolist() == [3.0, -3.0, 7.0]


def test_a_gradient_retained_after_fusing() -> None:
    x, by = x_and_by(requires_grad=True)
    y = SHIFT(x, by)
    z = SQUARE(y)
    y.retain_grad()
    z.sum().backward()
    assert RAN[0] == "shift_square" and y.grad.tolist() == [3.0, -3.0, 7.0]


@pytest.mark.parametrize(
    "part", [lambda y, by: SQUARE(y), lambda y, by: SHIFT(y, by), lambda y, by: SQUARE(SHIFT(y, by))]
)
def test_what_runs_twice_is_not_fused_with_what_runs_once(part) -> None:
    """A checkpointed part does the same both times, whatever waits at its two ends."""
    found = []
    for call in (part, lambda *inputs: checkpoint(part, *inputs)):
        x, by = x_and_by(requires_grad=True)
        SQUARE(call(SHIFT(x, by), by)).sum().backward()
        found.append((x.grad.tolist(), by.grad.tolist()))
    assert found[0] == found[1]


def test_what_was_overwritten_after_fusing_is_another_value() -> None:
    x, by = x_and_by(requires_grad=True)
    y = SHIFT(x, by)
    z = SQUARE(y)
    y.mul_(2.0)
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    (z + y).sum().backward()
    assert seen == [[1.0, 1.0, 1.0]]
    assert np.allclose(x.grad.numpy(), 2 * np.array([1.5, -1.5, 3.5]) + 2)


def test_a_pending_leaf_may_start_to_require_a_gradient() -> None:
    x, by = x_and_by()
    y = SHIFT(x, by).requires_grad_()
    assert y.is_leaf and y.requires_grad
    SQUARE(y).sum().backward()
    assert y.grad.tolist() == [3.0, -3.0, 7.0]


def test_a_watcher_that_asks_for_single_operations_gets_them() -> None:
    x, by = x_and_by()
    before = SHIFT(x, by)
    watcher = Single()
    with overlay(profiler=watcher):
        SQUARE(SHIFT(x, by))
        SQUARE(before)
    assert [name for name, _ in watcher.seen] == ["toy_shift", "toy_square", "toy_shift", "toy_square"]


@pytest.mark.parametrize("overwrite", ["target", "view", "other", "setitem"])
def test_an_input_overwritten_in_between_does_not_change_the_value(overwrite: str) -> None:
    x, by = x_and_by()
    y = SHIFT(x, by)
    if overwrite == "target":
        x.add_(100.0)
    elif overwrite == "view":
        x[1:].zero_()
    elif overwrite == "other":
        by.fill_(100.0)
    else:
        x[0] = 100.0
    assert RAN == ["shift"], "executed before its input was overwritten"
    assert y.tolist() == [1.5, -1.5, 3.5]


def test_overwriting_something_else_leaves_it_waiting() -> None:
    x, by = x_and_by()
    y = SHIFT(x, by)
    tensor([1.0]).add_(1.0)
    assert RAN == [] and y._pending is not None


def test_overwriting_the_pending_tensor_itself() -> None:
    x, by = x_and_by()
    y = SHIFT(x, by)
    y.mul_(2.0)
    assert y.tolist() == [3.0, -3.0, 7.0] and x.tolist() == [1.0, -2.0, 3.0] and y._storage.version == 1


def test_errors_are_immediate() -> None:
    x, _ = x_and_by()
    for other in (tensor([1.0, 2.0], dtype="float64"), tensor([[1.0]], dtype="float64")):
        if other.shape == (2,):
            with pytest.raises(ShapeError, match="toy_shift"):
                SHIFT(x, other)
        else:
            assert SHIFT(x, other).shape == (1, 3), "a result of another shape does not wait"
    assert RAN == ["shift", "shift"]
    assert SHIFT(tensor([1.0]), tensor(2.0, dtype="float64")).dtype == np.float32
    assert SHIFT(tensor([1]), 0.5).dtype == np.float32, "a promoted result does not wait"


def test_a_primitive_may_say_itself_when_it_may_wait() -> None:
    asked = []

    def only_long(x, by):
        asked.append(x.shape)
        return x.shape[0] > 2

    picky = Primitive("toy_picky", shift_kernel_again, deferrable=only_long)
    FUSIONS["toy_square", "toy_picky"] = SHIFT_SQUARE
    assert picky(tensor([1.0]), 1.0)._pending is None
    assert picky(tensor([1.0, 2.0, 3.0]), 1.0)._pending is not None and asked == [(1,), (3,)]


def shift_kernel_again(xp, x, by):
    return xp.add(x, by)


def failing_kernel(xp, x):
    raise ValueError("on purpose")


def test_a_recipe_that_fails_fails_at_every_look() -> None:
    fail = Primitive("toy_fail", failing_kernel, deferrable=True)
    FUSIONS["toy_square", "toy_fail"] = SHIFT_SQUARE
    y = fail(tensor([1.0]))
    for _ in range(2):
        with pytest.raises(ShapeError, match=r"toy_fail.*on purpose"):
            y.tolist()


def test_only_a_fresh_single_output_may_wait() -> None:
    for flags in ({"view": True}, {"mutates": ("x",)}, {"outputs": ("a", "b")}, {"residuals": ("r",)}):
        with pytest.raises(RuntimeError, match="cannot wait"):
            Primitive(f"toy_bad_{'_'.join(flags)}", shift_kernel_again, deferrable=True, **flags)


def test_views_copies_and_conversions_of_a_pending_tensor() -> None:
    x, by = x_and_by()
    y = SHIFT(x, by)
    assert y[1:].tolist() == [-1.5, 3.5] and y[1:]._storage is y._storage
    assert np.asarray(SHIFT(x, by)).tolist() == [1.5, -1.5, 3.5]
    assert repr(SHIFT(x, by)) == "tensor([ 1.5000, -1.5000,  3.5000], dtype=tinytorch.float64)"
    assert SHIFT(x, by).detach().tolist() == [1.5, -1.5, 3.5]
    assert copy.deepcopy(SHIFT(x, by)).tolist() == [1.5, -1.5, 3.5]
    with pytest.raises(GradientError):
        copy.deepcopy(SHIFT(x.detach().requires_grad_(), by))


def test_many_threads_compute_it_once() -> None:
    x, by = x_and_by(requires_grad=True)
    for _ in range(20):
        RAN.clear()
        y, barrier, found = SHIFT(x, by), threading.Barrier(8), []

        def look(y=y, barrier=barrier, found=found) -> None:
            barrier.wait(timeout=10)
            found.append((y.detach().tolist(), y.grad_fn, y._storage))

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert RAN == ["shift"]
        assert len(found) == 8 and all(f == found[0] for f in found) and found[0][1] is not None


def test_the_door_is_the_same_for_a_call_and_for_bind() -> None:
    x, by = x_and_by()
    assert bind(SQUARE, bind(SHIFT, x, by)).tolist() == [2.25, 2.25, 12.25] and RAN == ["shift_square"]
