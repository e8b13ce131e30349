"""The door itself: what a kernel receives, what a caller gets back, what watchers see, and what an error says."""

import numpy as np
import pytest

import tinytorch
from tinytorch import DTypeError, IndexingError, ShapeError, Tensor, tensor
from tinytorch.core.engine import KERNELS, SETTINGS, Kernel, Primitive, Watcher, bind, overlay
from tinytorch.core.tensor import ADD, MUL
from tinytorch.given.tensor_ops import add_kernel

RECEIVED: list[tuple] = []


def spy_kernel(xp, a, b, c, *, scale=1):
    RECEIVED.append((xp, a, b, c, scale))
    return a * scale


def moments_kernel(xp, a):
    return a.sum(), a.max(), a * 2


def list_kernel(xp, targets, amounts, spare, *, factor):
    for target, amount in zip(targets, amounts, strict=True):
        target += factor * amount


def refuse_kernel(xp, a):
    raise NotImplementedError("refuse_kernel: not implemented yet")


SPY = Primitive("bind_spy", spy_kernel)
MOMENTS = Primitive("bind_moments", moments_kernel, outputs=("sum", "max"), residuals=("double",))
LISTS_ = Primitive("bind_lists_", list_kernel, mutates=("targets",))
REFUSE = Primitive("bind_refuse", refuse_kernel)


class Diary(Watcher):
    """Writes down what it is told, and what it saw before in-place operations."""

    def __init__(self):
        self.events = []

    def before_mutation(self, primitive, inputs, params):
        return [t.tolist() if isinstance(t, Tensor) else None for t in inputs]

    def after(self, primitive, inputs, params, outputs, backend, phase, note=None):
        self.events.append((primitive.name, inputs, params, outputs, backend, phase, note))


def test_a_kernel_receives_arrays_numbers_none_and_settings() -> None:
    RECEIVED.clear()
    x, plain = tensor([1.0]), np.ones(2)
    assert bind(SPY, x, plain, None, scale=3).tolist() == [3.0]
    xp, a, b, c, scale = RECEIVED[0]
    assert xp is np and a is x._array and b is plain and c is None and scale == 3


def test_visible_outputs_and_residuals() -> None:
    diary = Diary()
    with overlay(diary=diary):
        total, largest = MOMENTS(tensor([1.0, 5.0]))
    assert (total.item(), largest.item(), total.shape) == (6.0, 5.0, ())
    assert isinstance(total._array, np.ndarray), "NumPy's scalars become 0-d arrays"
    seen = diary.events[0][3]
    assert len(seen) == 3 and seen[2].tolist() == [2.0, 10.0], "watchers see the residuals"


def test_lists_of_tensors_are_one_input() -> None:
    a, b, diary = tensor([1.0]), tensor([2.0]), Diary()
    with overlay(diary=diary):
        out = LISTS_([a, b], [tensor([10.0]), tensor([20.0])], [None, None], factor=0.5)
    assert (a.item(), b.item()) == (6.0, 12.0) and (a._storage.version, b._storage.version) == (1, 1)
    assert out is a and diary.events[0][3] == (a, b)


def test_a_failed_in_place_operation_moves_no_version() -> None:
    x = tensor([1.0, 2.0])
    with pytest.raises(ShapeError, match="add_"):
        x.add_(tensor([1.0, 2.0, 3.0]))
    with pytest.raises(ShapeError, match=r"add_.*cannot grow"):
        tensor(1.0).add_(x)
    with pytest.raises(IndexingError, match="setitem_"):
        x[5] = 1.0
    assert x._storage.version == 0 and x.tolist() == [1.0, 2.0]


def test_notes_are_taken_before_the_kernel_and_reach_their_watcher() -> None:
    first, second, x = Diary(), Diary(), tensor([1.0])
    with overlay(first=first, second=second):
        x.add_(2.0)
        x + 1.0
    assert [e[-1] for e in first.events] == [[[1.0], None], None] == [e[-1] for e in second.events]


def test_before_is_called_for_every_operation_if_asked_for() -> None:
    class Before(Diary):
        before_mutation = None

        def before(self, primitive, inputs, params):
            return f"before {primitive.name}"

    watcher, x = Before(), tensor([1.0])
    with overlay(before=watcher):
        x + 1.0
        x.mul_(2.0)
    assert [e[-1] for e in watcher.events] == ["before add", "before mul_"]


def test_a_watcher_of_tracked_tensors_is_left_alone_otherwise() -> None:
    class Tracked(Diary):
        tracked_only = True
        before_mutation = None

    watcher, everything, x = Tracked(), Diary(), tensor([1.0, 2.0])
    with overlay(autograd=None, tracked=watcher, everything=everything):
        x * 2.0
        x[0] + 1.0
        x.detach()
        tensor([1.0], requires_grad=True) + 1.0
    assert [e[0] for e in everything.events] == ["mul", "getitem", "add", "add"]
    assert [e[0] for e in watcher.events] == ["add", "add"], "a view, and a tensor that requires a gradient"


def test_a_stub_of_an_exercise_is_not_taken_for_a_bad_shape() -> None:
    with pytest.raises(NotImplementedError, match="refuse_kernel"):
        REFUSE(tensor([1.0]))


@pytest.mark.parametrize("inputs", [(), (1.0, 2.0), (np.ones(2), 1.0), ([], 1.0)])
def test_without_a_tensor_there_is_nothing_to_return(inputs: tuple) -> None:
    with pytest.raises(DTypeError, match="add: expected a Tensor"):
        bind(ADD, *inputs)


@pytest.mark.parametrize(
    ("calculate", "kind", "words"),
    [
        (lambda: tensor([1.0, 2.0]) + tensor([1.0] * 3), ShapeError, ("add", "(2,)", "(3,)", "cannot be broadcast")),
        (lambda: tensor([[1.0]]) @ tensor([[1.0], [2.0]]), ShapeError, ("matmul", "(1, 1)", "(2, 1)", "inner sizes")),
        (lambda: tensor([1.0]) + "a", DTypeError, ("add", "str", "tensor(…)")),
        (lambda: -tensor([True]), DTypeError, ("neg", "bool")),
        (lambda: ~tensor([1.0]), DTypeError, ("bitwise_not", "float32")),
        (lambda: tensor([2]) ** -1, ShapeError, ("pow", "negative integer powers")),
        (lambda: tensor([1, 2])[5], IndexingError, ("getitem", "5")),
        (lambda: tensor([1.0]).expand(3).add_(1.0), ShapeError, ("add_", "clone() it first")),
        (lambda: tinytorch.from_numpy(np.broadcast_to(1.0, 3)).zero_(), ShapeError, ("copy_", "clone() it first")),
        (lambda: tensor([]).amax(), ShapeError, ("amax", "(0,)")),
        (lambda: tensor([1]).mul_(0.5), DTypeError, ("mul_", "int64", "float32")),
    ],
)
def test_errors_name_operation_operands_and_reason(calculate, kind: type, words: tuple) -> None:
    with pytest.raises(kind) as caught:
        calculate()
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert message.endswith((".", ")")) and "\n" not in message, "one sentence (or a few)"


# ---- which kernel


def first_kernel(xp, a, b):
    return a * 0 + 1


@pytest.fixture
def rows():
    KERNELS["mul", "first"] = Kernel(first_kernel, supports=lambda a, b: a.dtype == np.float32 and a.ndim == 1)
    second = "tinytorch.given.tensor_ops:add_kernel"
    KERNELS["mul", "second"] = Kernel(second, supports=lambda a, b: a.dtype == np.float32)
    yield
    for backend in ("first", "second"):
        KERNELS.pop(("mul", backend), None)
    SETTINGS["backend"] = None
    assert MUL.rows == ()


def backend_of(calculate) -> str:
    diary = Diary()
    with overlay(diary=diary):
        calculate()
    return diary.events[0][4]


def test_the_first_row_that_accepts_serves(rows) -> None:
    line, table = tensor([3.0]), tensor([[3.0]])
    assert (line * line).tolist() == [1.0] and backend_of(lambda: line * line) == "first"
    assert isinstance(KERNELS["mul", "second"].function, str), "not imported before it is needed"
    assert (table * table).tolist() == [[6.0]] and backend_of(lambda: table * table) == "second"
    assert KERNELS["mul", "second"].function is add_kernel, "imported once, at first use"
    assert (line.double() * line.double()).item() == 9.0 and backend_of(lambda: line.long() * line.long()) == "numpy"


def test_a_chosen_backend_excludes_the_others(rows) -> None:
    line = tensor([3.0])
    SETTINGS["backend"] = "second"
    assert (line * line).item() == 6.0
    SETTINGS["backend"] = "numpy"
    assert (line * line).item() == 9.0
    SETTINGS["backend"] = None
    del KERNELS["mul", "first"]
    assert (line * line).item() == 6.0
