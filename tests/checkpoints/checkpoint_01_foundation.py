"""Can I compute with tensors, and does every operation pass through one door?

Values are held against closed forms and NumPy in double precision; a watcher at the door writes down every operation
that passes it, so a method that computes on its own is found out, however right its numbers are.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

from collections.abc import Callable

import numpy as np
import pytest

import tinytorch
from tinytorch import DTypeError, Generator, IndexingError, ShapeError, Tensor
from tinytorch.core.engine import KERNELS, SETTINGS, Kernel, Primitive, Watcher, bind, overlay
from tinytorch.core.tensor import broadcast_shapes, infer_shape, matmul_kernel, setitem_kernel, sum_kernel, to_array


class Diary(Watcher):
    """Writes down what passes the door: name, outputs, backend, phase."""

    def __init__(self) -> None:
        self.events: list[tuple] = []

    def after(self, primitive, inputs, params, outputs, backend, phase, note=None) -> None:
        self.events.append((primitive.name, outputs, backend, phase))

    @property
    def names(self) -> list[str]:
        return [event[0] for event in self.events]


def watched(calculate: Callable) -> tuple[object, Diary]:
    """The result of a calculation, and the diary of the door meanwhile."""
    diary = Diary()
    with overlay(diary=diary):
        result = calculate()
    return result, diary


def refusal(what: str, kind: type[Exception], calculate: Callable) -> str:
    """The message of the error that calculate() must raise."""
    try:
        result = calculate()
    except kind as error:
        return str(error)
    raise AssertionError(f"{what} must raise {kind.__name__}, it returned {result!r}")


def scaled_kernel(xp, a, b, c, *, times):
    return (a + times * b) if c is None else c


def join_kernel(xp, many):
    return xp.stack(many)


def spread_kernel(xp, a):
    return a.min(), a.max(), a - a.min()


def look_kernel(xp, a, *, copy):
    return a[:2].copy() if copy else a[:2]


def swap_kernel(xp, a, b):
    a[...], b[...] = b.copy(), a.copy()


SCALED = Primitive("foundation_scaled", scaled_kernel, promote="same")
JOIN = Primitive("foundation_join", join_kernel)
SPREAD = Primitive("foundation_spread", spread_kernel, outputs=("low", "high"), residuals=("above",))
LOOK = Primitive("foundation_look", look_kernel, view=True)
SWAP_ = Primitive("foundation_swap_", swap_kernel, mutates=("a", "b"))


# ---- the door


def test_bind_runs_the_kernel_on_arrays_and_tells_the_watchers() -> None:
    a, b = Tensor(np.float32([1, 2])), Tensor(np.int64([10, 20]))
    out, diary = watched(lambda: bind(SCALED, a, b, None, times=2))
    assert isinstance(out, Tensor), f"bind must return a Tensor, returned {type(out).__name__}"
    assert out.tolist() == [21.0, 42.0], f"bind: [1, 2] + 2·[10, 20] is [21, 42], got {out.tolist()}"
    assert out.dtype == np.float32, f"bind: float32 and int64 must meet in float32 (promote_operands), got {out.dtype}"
    assert diary.names == ["foundation_scaled"], f"bind: watchers must see each operation once, saw {diary.names}"
    _, outputs, backend, phase = diary.events[0]
    assert outputs[0] is out and (backend, phase) == ("numpy", "forward"), f"bind told {diary.events[0]}"
    assert bind(SCALED, 5.0, a, None, times=1).tolist() == [6.0, 7.0], "bind: a number may stand left of the tensor"


def test_bind_unpacks_lists_and_hides_residuals() -> None:
    x = Tensor([3.0, 1.0, 2.0])
    joined = bind(JOIN, [x, x])
    assert joined.shape == (2, 3), f"bind: a list of tensors becomes a list of arrays, got shape {joined.shape}"
    result, diary = watched(lambda: bind(SPREAD, x))
    assert isinstance(result, tuple) and len(result) == 2, f"bind must return the two visible outputs, got {result!r}"
    assert [t.item() for t in result] == [1.0, 3.0], f"bind: minimum and maximum are 1 and 3, got {result}"
    above = diary.events[0][1]
    assert len(above) == 3 and above[2].tolist() == [2.0, 0.0, 1.0], "wrap_outputs: watchers see the residuals as well"


def test_bind_lets_choose_kernel_decide(monkeypatch) -> None:
    monkeypatch.setitem(SETTINGS, "backend", None)      # every backend may serve, whatever the checkpoint was asked for
    KERNELS["foundation_join", "swift"] = Kernel(lambda xp, many: many[0] * 0, supports=lambda many: len(many) == 3)
    try:
        x = Tensor([1.0])
        assert bind(JOIN, [x, x]).shape == (2, 1), "bind: a fast kernel that does not support the call must not be used"
        fast, diary = watched(lambda: bind(JOIN, [x, x, x]))
        assert fast.tolist() == [0.0], "bind: a fast kernel that supports the call must be used (choose_kernel)"
        assert diary.events[0][2] == "swift", f"bind must tell the backend that served, told {diary.events[0][2]!r}"
    finally:
        del KERNELS["foundation_join", "swift"]


def test_bind_explains_failures() -> None:
    two, three = Tensor([1.0, 2.0]), Tensor([1.0, 2.0, 3.0])
    message = refusal("bind: shapes (2,) and (3,)", ShapeError, lambda: bind(SCALED, two, three, None, times=1))
    assert "foundation_scaled" in message and "(2,)" in message and "(3,)" in message, f"bind: unclear error: {message}"
    refusal("bind: a string operand", DTypeError, lambda: bind(SCALED, Tensor([1.0]), "one", None, times=1))


def test_bind_tells_gradient_watchers_of_tracked_tensors() -> None:
    class Tracked(Diary):
        tracked_only = True

    diary = Tracked()
    with overlay(tracked=diary, autograd=None):
        Tensor([1.0]) * 2.0
        assert diary.names == [], "bind: an operation without tracked inputs is none of autograd's business"
        Tensor([1.0], requires_grad=True) * 2.0
        assert diary.names == ["mul"], "bind must set `tracked` for an input that requires a gradient (module 09)"
        1.0 + Tensor([1.0, 2.0])[:1]
    assert diary.names == ["mul", "add"], "bind must set `tracked` for an input that shares its memory"
    with overlay(tracked=diary, autograd=None):
        joined = bind(JOIN, [2.0, Tensor(1.0)])
    assert joined.tolist() == [2.0, 1.0], f"bind: a list may hold numbers beside its tensors, got {joined.tolist()}"
    assert diary.names[2:] == ["foundation_join"], "bind: a list of tensors is always tracked"


def test_wrap_outputs_shares_the_storage_of_views_only() -> None:
    x = Tensor([1.0, 2.0, 3.0])
    view, copied = bind(LOOK, x, copy=False), bind(LOOK, x, copy=True)
    assert view._storage is x._storage, "wrap_outputs: a view must share the storage of what it looks at"
    assert copied._storage is not x._storage, "wrap_outputs: a copy must not share the storage (may_share_memory)"
    assert (x + 1.0)._storage is not x._storage, "wrap_outputs: a fresh result has a storage of its own"


def test_wrap_outputs_counts_versions() -> None:
    x, y = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    view = x[:1]
    out, diary = watched(lambda: bind(SWAP_, x, y))
    assert out is x and diary.events[0][1] == (x, y), "wrap_outputs: in place, the outputs are the targets themselves"
    assert (x.tolist(), y.tolist()) == ([3.0, 4.0], [1.0, 2.0])
    versions = (x._storage.version, y._storage.version, view._storage.version)
    assert versions == (1, 1, 1), f"wrap_outputs: every overwritten storage moves by one version, got {versions}"


def test_every_method_passes_the_door() -> None:
    x, y = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([[2.0, 0.5], [1.0, 4.0]])

    def write() -> None:
        x[0, 0] = 1.0

    for method, calculate, expected in (
        ("__add__", lambda: x + y, "add"), ("__sub__", lambda: x - y, "sub"), ("__rsub__", lambda: 1 - x, "sub"),
        ("__mul__", lambda: x * y, "mul"), ("__truediv__", lambda: x / y, "div"),
        ("__matmul__", lambda: x @ y, "matmul"), ("sum", lambda: x.sum(0), "sum"), ("mean", lambda: x.mean(), "div"),
        ("reshape", lambda: x.reshape(4), "reshape"),
        ("__getitem__", lambda: x[0], "getitem"), ("__setitem__", write, "setitem_"),
    ):  # fmt: skip
        _, diary = watched(calculate)
        seen = diary.names
        assert seen[-1:] == [expected], f"Tensor.{method} must pass through bind as {expected!r}, saw {seen}"


# ---- values


@pytest.mark.parametrize(
    ("data", "dtype"),
    [(3, "int64"), (3.0, "float32"), (True, "bool"), ([[1, 2]], "int64"), ([1, 2.5], "float32"), ([True], "bool"),
     ([], "float32"), (np.ones(2), "float64"), (np.ones(2, "int8"), "int8"), (np.float64(2), "float64")],
)  # fmt: skip
def test_to_array_follows_the_table_of_dtypes(data: object, dtype: str) -> None:
    found = to_array(data)
    assert found.dtype == dtype, f"to_array({data!r}): expected {dtype}, got {found.dtype}"
    assert np.array_equal(found, np.array(data)), f"to_array({data!r}): wrong values {found}"


def test_to_array_copies_and_refuses() -> None:
    source = np.arange(3.0)
    made = Tensor(source)
    source[0] = 99.0
    assert made.tolist() == [0.0, 1.0, 2.0], "to_array must copy: changing the source changed the tensor"
    again = Tensor(made)
    again += 1.0
    assert made.tolist() == [0.0, 1.0, 2.0], "to_array must copy a tensor's data as well"
    assert to_array([1, 2], "float64").dtype == np.float64, "to_array: a dtype that is asked for wins"
    refusal("to_array(['a'])", DTypeError, lambda: to_array(["a"]))
    refusal("to_array([[1], [1, 2]])", ShapeError, lambda: to_array([[1], [1, 2]]))
    refusal("to_array(None)", DTypeError, lambda: to_array(None))


def test_arithmetic_on_both_sides() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(1, 2, (4, 1, 3)), rng.uniform(1, 2, (5, 1))
    x, y = Tensor(a), Tensor(b)
    for method, calculate, expected in (
        ("__add__", lambda: x + y, a + b), ("__sub__", lambda: x - y, a - b), ("__mul__", lambda: x * y, a * b),
        ("__truediv__", lambda: x / y, a / b), ("__radd__", lambda: 2 + x, 2 + a), ("__rsub__", lambda: 2 - x, 2 - a),
        ("__rmul__", lambda: 2 * x, 2 * a), ("__rtruediv__", lambda: 2 / x, 2 / a),
    ):  # fmt: skip
        found = calculate().numpy()
        hint = ": the operands are swapped" if np.allclose(found, -expected) else ""
        assert np.allclose(found, expected, rtol=1e-13), f"Tensor.{method}: wrong values{hint}"
    halves = Tensor([1, 3]) / 2
    assert halves.tolist() == [0.5, 1.5], f"Tensor.__truediv__: [1, 3] / 2 is [0.5, 1.5], got {halves.tolist()}"


def test_broadcast_shapes_follows_the_rule() -> None:
    shapes = [(), *((m,) for m in (0, 1, 3)), *((m, n) for m in (0, 1, 2) for n in (1, 3)), (4, 1, 3), (1, 2, 1)]
    for a, b in [(a, b) for a in shapes for b in shapes]:
        try:
            expected = np.broadcast_shapes(a, b)
        except ValueError:
            message = refusal(f"broadcast_shapes({a}, {b})", ShapeError, lambda a=a, b=b: broadcast_shapes(a, b))
            assert str(a) in message and str(b) in message, f"broadcast_shapes: must show both shapes: {message}"
            continue
        found = broadcast_shapes(a, b)
        hint = "a 1 takes the other's size"
        assert found == expected, f"broadcast_shapes({a}, {b}): expected {expected}, got {found} ({hint})"


def test_matmul_is_a_sum_of_products() -> None:
    rng = np.random.default_rng(1)
    for left, right, formula in (
        ((2, 3), (3, 4), "ij,jk->ik"), ((5, 2, 3), (3, 4), "bij,jk->bik"), ((2, 3), (3,), "ij,j->i"),
        ((3,), (3, 4), "j,jk->k"), ((3,), (3,), "j,j->"), ((2, 1, 2, 3), (5, 3, 2), "abij,bjk->abik"),
    ):  # fmt: skip
        a, b = rng.normal(size=left), rng.normal(size=right)
        expected = np.einsum(formula, np.broadcast_to(a, (2, 5, 2, 3)) if a.ndim == 4 else a, b)
        case = f"matmul_kernel {left} @ {right}"
        try:
            found = Tensor(a) @ Tensor(b)
        except ShapeError as error:
            raise AssertionError(f"{case}: these shapes fit, but it raised: {error}") from error
        assert found.shape == expected.shape, f"{case}: expected {expected.shape}, got {found.shape}"
        assert np.allclose(found.numpy(), expected), f"{case}: wrong values (Tensor.__matmul__)"
    for left, right in (((2, 3), (2, 4)), ((3,), (4,)), ((2, 3), ()), ((), (2, 3)), ((5, 2, 3), (2, 3))):
        a, b = np.ones(left), np.ones(right)
        message = refusal(f"matmul_kernel {left} @ {right}", ShapeError, lambda a=a, b=b: matmul_kernel(np, a, b))
        assert str(left) in message and str(right) in message, f"matmul_kernel: must show both shapes: {message}"


@pytest.mark.parametrize("dim", [None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2), ()])
@pytest.mark.parametrize("keepdim", [False, True])
def test_sum_and_mean_over_every_axis(dim: object, keepdim: bool) -> None:
    a = np.random.default_rng(2).normal(size=(2, 3, 4))
    axes = None if dim == () else dim
    total, average = Tensor(a).sum(dim, keepdim), Tensor(a).mean(dim, keepdim)
    expected = a.sum(axis=axes, keepdims=keepdim)
    assert total.shape == expected.shape, f"sum_kernel(dim={dim}): expected shape {expected.shape}, got {total.shape}"
    assert np.allclose(total.numpy(), expected), f"sum_kernel(dim={dim}, keepdim={keepdim}): wrong values"
    assert np.allclose(average.numpy(), a.mean(axis=axes, keepdims=keepdim)), f"Tensor.mean(dim={dim}): wrong values"


def test_sum_and_mean_at_the_edges() -> None:
    for dtype, data, expected in (("uint8", [200, 100], 300), ("bool", [True, True], 2), ("int8", [100, 100], 200)):
        found = sum_kernel(np, np.array(data, dtype), dim=None, keepdim=False)
        assert found == expected, f"sum_kernel: {data} in {dtype} sum to {expected}, got {found}: {dtype} overflowed"
        assert found.dtype == np.int64, f"sum_kernel: integers sum in int64, got {found.dtype}"
    half = Tensor(np.ones(3, "float32")).sum()
    assert half.dtype == np.float32, f"sum_kernel: floats keep their dtype, got {half.dtype}"
    assert np.isnan(Tensor(np.zeros((0,))).mean().item()), "Tensor.mean of nothing is NaN"
    assert Tensor(np.zeros((0, 2))).sum(0).tolist() == [0.0, 0.0], "sum_kernel of nothing is 0"
    refusal("Tensor.mean of integers", DTypeError, lambda: Tensor([1, 2]).mean())
    refusal("Tensor.mean over axis 2 of 2", IndexingError, lambda: Tensor([[1.0]]).mean(2))


def test_reshape_finds_the_missing_size() -> None:
    for count, shape, expected in (
        (12, (3, -1), (3, 4)), (12, (-1,), (12,)), (12, (2, 6), (2, 6)), (0, (0, 3), (0, 3)), (0, (-1, 3), (0, 3)),
        (1, (), ()), (8, (2, -1, 2), (2, 2, 2)),
    ):  # fmt: skip
        found = infer_shape(count, shape)
        assert found == expected, f"infer_shape({count}, {shape}): expected {expected}, got {found}"
    for count, shape in ((12, (5, -1)), (12, (-1, -1)), (12, (7,)), (0, (0, -1)), (4, (-2, -2)), (12, (3, 5))):
        message = refusal(f"infer_shape({count}, {shape})", ShapeError, lambda c=count, s=shape: infer_shape(c, s))
        assert str(count) in message, f"infer_shape: the message must show the number of elements: {message}"
    x = tinytorch.arange(6)
    assert x.reshape(2, 3).T.reshape(-1).tolist() == [0, 3, 1, 4, 2, 5], "Tensor.reshape reads row by row"
    x.reshape(3, 2)[0, 1] = 10
    assert x.tolist() == [0, 10, 2, 3, 4, 5], "Tensor.reshape of a contiguous tensor must be a view of it"


@pytest.mark.parametrize(
    "index",
    [1, -1, slice(1, 3), (slice(None), 2), (2, 3), (Ellipsis, slice(None, None, 2)), None, [0, 2], ([0, 1], [2, 2]),
     np.array([3, 1]), (slice(None), np.array([1, 1])), np.arange(24).reshape(4, 6) % 3 == 0],
    ids=str,
)  # fmt: skip
def test_reading_and_writing_by_index(index: object) -> None:
    a = np.arange(24.0).reshape(4, 6)
    x, expected = Tensor(a), a.copy()
    found = x[index]
    assert np.array_equal(found.numpy(), a[index]), f"Tensor.__getitem__[{index}]: expected {a[index]}, got {found}"
    x[index] = -1.0
    expected[index] = -1.0
    assert np.array_equal(x.numpy(), expected), f"Tensor.__setitem__[{index}]: wrong values"
    assert x._storage.version == 1, f"Tensor.__setitem__: one write is one version, got {x._storage.version}"


def test_views_and_values_of_an_index() -> None:
    x = Tensor(np.zeros((3, 2)))
    row = x[1]
    x[1] = [5.0, 6.0]
    assert row.tolist() == [5.0, 6.0], "Tensor.__getitem__: x[1] is a view and must show what is written to x"
    row[0] = Tensor(7.0)
    assert x[1, 0].item() == 7.0, "Tensor.__setitem__ through a view must reach x"
    picked = x[[1]]
    picked[0, 0] = -1.0
    assert x[1, 0].item() == 7.0, "Tensor.__getitem__ with a list gives a copy"
    x[:, 1] = np.array([1.0, 2.0, 3.0])
    assert x[:, 1].tolist() == [1.0, 2.0, 3.0], "Tensor.__setitem__: an array is a value too"
    target = np.zeros(3)
    assert setitem_kernel(np, target, 4.0, index=(1,)) is target and target.tolist() == [0, 4, 0], (
        f"setitem_kernel must overwrite its target and return it, left {target}"
    )
    message = refusal("Tensor.__getitem__: row 3 of 3", IndexingError, lambda: x[3])
    assert "3" in message, f"Tensor.__getitem__: the message must name the index: {message}"


def test_randn_draws_from_the_generator() -> None:
    first, second = (tinytorch.randn(100, 200, generator=Generator(7)) for _ in range(2))
    assert first.equal(second), "randn: the same seed must give the same numbers"
    assert np.array_equal(first.numpy(), Generator(7).normal((100, 200))), "randn must draw from the generator given"
    generator = Generator(7)
    tinytorch.randn(2, generator=generator)
    assert generator.offset > 0, "randn must move the stream on"
    values = first.numpy().astype(np.float64)
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (4, 3, 96)):
        error = abs((values**power).mean() - moment)
        bound = 5 * (variance / values.size) ** 0.5
        assert error < bound, f"randn: moment {power} is off by {error:.4f}: are these normal numbers?"
    tinytorch.manual_seed(3)
    default = tinytorch.randn(5)
    assert np.array_equal(default.numpy(), Generator(3).normal((5,))), "randn: DEFAULT_GENERATOR serves by default"
    assert default.dtype == np.float32, f"randn: float32 is the default, got {default.dtype}"
    assert tinytorch.randn((2, 3), dtype="float64", requires_grad=True).requires_grad, "randn: requires_grad is lost"


def test_softmax_regression_by_hand() -> None:
    rng = np.random.default_rng(5)
    a, w, b = rng.normal(size=(6, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    z = a @ w + b
    expected = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)

    def forward() -> Tensor:
        logits = Tensor(a) @ Tensor(w) + Tensor(b)
        scores = (logits - logits.max(dim=1, keepdim=True)[0]).exp()
        return scores / scores.sum(dim=1, keepdim=True)

    probabilities, diary = watched(forward)
    assert np.allclose(probabilities.numpy(), expected), "softmax from Tensor's operations differs from NumPy's"
    assert diary.names == ["matmul", "add", "max", "sub", "exp", "sum", "div"], f"at the door bind saw {diary.names}"


def test_conversion_keeps_what_it_is_given() -> None:
    for data, dtype, expected in (
        ([0.5], None, "float32"), ([0.5], "float64", "float64"), (np.array([0.5]), None, "float64"),
        (np.float64(0.5), None, "float64"), (Tensor(np.array([0.5])), None, "float64"), (Tensor([1]), None, "int64"),
    ):  # fmt: skip
        found = to_array(data, dtype).dtype
        assert found == expected, f"to_array({data!r}, {dtype}): expected {expected}, got {found}"
    refusal("to_array to complex numbers", DTypeError, lambda: to_array([1.0], "complex64"))


@pytest.mark.parametrize("kind", [list, tuple, np.array, Tensor], ids=lambda kind: kind.__name__)
def test_assignment_takes_lists_tuples_arrays_and_tensors(kind: Callable) -> None:
    x = tinytorch.zeros(3, 2)
    x[1] = kind([7.0, 8.0])
    assert x.tolist() == [[0, 0], [7, 8], [0, 0]], f"Tensor.__setitem__ with a {kind.__name__}: got {x.tolist()}"


def test_tensors_as_indices() -> None:
    x, rows = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), Tensor([2, 0])
    assert x[rows].tolist() == [[5, 6], [1, 2]], f"Tensor.__getitem__ with a tensor of indices: got {x[rows].tolist()}"
    assert x[x > 3].tolist() == [4, 5, 6], f"Tensor.__getitem__ with a mask: got {x[x > 3].tolist()}"
    x[rows] = 0.0
    assert x.tolist() == [[0, 0], [3, 4], [0, 0]], f"Tensor.__setitem__ with a tensor of indices: got {x.tolist()}"


def test_shapes_are_plain_integers() -> None:
    assert broadcast_shapes([2, 1], [3]) == (2, 3), "broadcast_shapes: lists are shapes too"
    found = infer_shape(6, (2, -1))
    assert all(type(n) is int for n in found), f"infer_shape: expected Python integers, got {[type(n) for n in found]}"


def test_reductions_and_draws_keep_their_dtype() -> None:
    found = tinytorch.ones(2, 3).mean(0).dtype
    assert found == tinytorch.float32, f"Tensor.mean: the mean of float32 is float32, got {found}"
    found = tinytorch.randn(3, dtype=tinytorch.float64).dtype
    assert found == tinytorch.float64, f"randn: asked for float64, got {found}"


@pytest.mark.parametrize("value", [["a", "b"], ("a", "b"), np.array(["a", "b"]), None], ids=lambda v: type(v).__name__)
def test_assignment_refuses_what_is_not_numbers(value) -> None:
    refusal(
        f"Tensor.__setitem__ of a {type(value).__name__} of texts",
        DTypeError,
        lambda: Tensor([1.0, 2.0]).__setitem__(slice(None), value),
    )


def test_one_element_is_a_view_and_a_list_of_lists_is_no_index() -> None:
    x = Tensor([1.0, 2.0, 3.0])
    x[1].fill_(7.0)
    assert x.tolist() == [1, 7, 3], f"Tensor.__getitem__: x[1] shares the memory of x, got {x.tolist()}"
    square = tinytorch.zeros(2, 2)
    refusal("Tensor.__setitem__ with a list of lists", IndexingError, lambda: square.__setitem__([[0, 1], [0, 1]], 1.0))
