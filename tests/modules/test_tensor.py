"""Beyond module 02's own tests: every public function and method against NumPy, on all kinds of inputs."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinytorch
from tinytorch import DTypeError, IndexingError, ShapeError, Tensor, tensor

RNG = np.random.default_rng(0)
BASE = RNG.uniform(0.5, 2.0, (2, 3, 4))
ARRAYS = {
    "contiguous": BASE,
    "transposed": BASE.transpose(2, 0, 1),
    "strided": RNG.uniform(0.5, 2.0, (4, 6, 8))[::2, ::2, ::2],
    "reversed": BASE[::-1, :, ::-1],
    "broadcast": np.broadcast_to(BASE[:1], (2, 3, 4)),
    "0-d": np.array(1.5),
    "empty": np.zeros((0, 3)),
    "one": np.ones((1, 1)),
}
UNARY: dict[str, tuple[Callable, Callable]] = {
    "neg": (lambda x: x.neg(), np.negative), "-": (lambda x: -x, np.negative), "abs": (abs, np.abs),
    "exp": (lambda x: x.exp(), np.exp), "log": (lambda x: x.log(), np.log), "sqrt": (lambda x: x.sqrt(), np.sqrt),
    "sin": (lambda x: x.sin(), np.sin), "cos": (lambda x: x.cos(), np.cos), "sign": (lambda x: x.sign(), np.sign),
    "clamp": (lambda x: x.clamp(0.7, 1.2), lambda a: a.clip(0.7, 1.2)),
    "clamp min": (lambda x: x.clamp(min=1), lambda a: a.clip(min=1)), "isnan": (lambda x: x.isnan(), np.isnan),
    "isfinite": (lambda x: x.isfinite(), np.isfinite), "T": (lambda x: x.T, np.transpose),
    "clone": (lambda x: x.clone(), np.copy), "sum": (lambda x: x.sum(), np.sum), "mean": (lambda x: x.mean(), np.mean),
    "flatten": (lambda x: x.flatten(), np.ravel), "unsqueeze": (lambda x: x.unsqueeze(0), lambda a: a[None]),
    "squeeze": (lambda x: x.squeeze(), np.squeeze), "contiguous": (lambda x: x.contiguous(), np.asarray),
    "reshape": (lambda x: x.reshape(-1), np.ravel), "tanh via exp": (lambda x: 1 - 2 / ((2 * x).exp() + 1), np.tanh),
    "**": (lambda x: x**2, lambda a: a**2), "r**": (lambda x: 2**x, lambda a: 2**a),
    "float": (lambda x: x.float(), np.float32),
}  # fmt: skip
BINARY: dict[str, tuple[Callable, Callable]] = {
    "+": (lambda x, y: x + y, np.add), "-": (lambda x, y: x - y, np.subtract), "*": (lambda x, y: x * y, np.multiply),
    "/": (lambda x, y: x / y, np.divide), "**": (lambda x, y: x**y, np.power), "==": (lambda x, y: x == y, np.equal),
    "!=": (lambda x, y: x != y, np.not_equal), "<": (lambda x, y: x < y, np.less),
    "<=": (lambda x, y: x <= y, np.less_equal),
    ">": (lambda x, y: x > y, np.greater), ">=": (lambda x, y: x >= y, np.greater_equal),
    "maximum": (tinytorch.maximum, np.maximum), "minimum": (tinytorch.minimum, np.minimum),
    "where": (lambda x, y: tinytorch.where(x > y, x, y), np.maximum),
}  # fmt: skip


def same(found: object, expected: object) -> None:
    """Shape, value, and that it is a Tensor."""
    shape = np.shape(expected)
    assert isinstance(found, Tensor) and found.shape == shape, f"{found!r} is no Tensor of shape {shape}"
    assert np.allclose(found.numpy(), expected, rtol=1e-6, equal_nan=True), f"expected {expected}, found {found}"


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("name", UNARY)
def test_one_operand(name: str, kind: str) -> None:
    ours, theirs = UNARY[name]
    array = ARRAYS[kind]
    same(ours(tinytorch.from_numpy(array)), theirs(array))


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("name", BINARY)
def test_two_operands(name: str, kind: str) -> None:
    ours, theirs = BINARY[name]
    a = ARRAYS[kind]
    x = tinytorch.from_numpy(a)
    for b in (a[::-1] if a.ndim else a, np.array(1.25), np.ones((1,) * a.ndim), 1.5):
        y = b if isinstance(b, float) else tinytorch.from_numpy(b)
        same(ours(x, y), theirs(a, b))
    if name != "where":
        same(ours(x, a), theirs(a, a))


@pytest.mark.parametrize("name", ["+", "-", "*", "/", "**", "==", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize(
    "left", [2.0, 3, np.float32(1.5), np.float64(1.5), np.int64(2), BASE], ids=lambda v: type(v).__name__
)
def test_something_else_on_the_left(name: str, left: object) -> None:
    ours, theirs = BINARY[name]
    same(ours(left, tinytorch.from_numpy(BASE)), theirs(left, BASE))


@settings(deadline=None, max_examples=80)
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4, min_side=0))
def test_broadcasting_is_numpys(shapes: hnp.BroadcastableShapes) -> None:
    a, b = (np.arange(math.prod(s), dtype="float64").reshape(s) for s in shapes.input_shapes)
    same(tensor(a) + tensor(b), a + b)


@settings(deadline=None, max_examples=120)
@given(hnp.basic_indices((3, 4, 5), allow_newaxis=True), st.floats(-1, 1, width=32))
def test_basic_indices_read_write_and_share(index: object, value: float) -> None:
    a = np.arange(60.0).reshape(3, 4, 5)
    x = tensor(a)
    view = x[index]
    same(view, a[index])
    assert view._storage is x._storage or view.numel() == 0
    x[index] = value
    a[index] = value
    assert np.array_equal(x.numpy(), a) and (view.numel() == 0 or view.numpy().max() == np.float64(value))


@settings(deadline=None, max_examples=60)
@given(hnp.integer_array_indices((3, 4, 5), result_shape=hnp.array_shapes(max_dims=2, max_side=3)))
def test_integer_indices(index: tuple) -> None:
    a = np.arange(60.0).reshape(3, 4, 5)
    same(tensor(a)[tuple(tensor(i) for i in index)], a[index])


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3, None])
@pytest.mark.parametrize("keepdim", [False, True])
def test_reductions_along_an_axis(dim: int | None, keepdim: bool) -> None:
    x, np_args = tensor(BASE), {"axis": dim, "keepdims": keepdim}
    same(x.var(dim, keepdim=keepdim), BASE.var(ddof=1, **np_args))
    same(x.std(dim, correction=0, keepdim=keepdim), BASE.std(**np_args))
    same(x.amax(dim, keepdim), BASE.max(**np_args))
    same(x.amin(dim, keepdim), BASE.min(**np_args))
    same(x.argmax(dim, keepdim), BASE.argmax(**np_args))
    same((x > 1).all(dim, keepdim), (BASE > 1).all(**np_args))
    same((x > 1).any(dim, keepdim), (BASE > 1).any(**np_args))
    if dim is not None:
        values, indices = x.max(dim, keepdim)
        same(values, BASE.max(**np_args))
        same(indices, BASE.argmax(**np_args))
        same(x.min(dim, keepdim).values, BASE.min(**np_args))
        assert x.min(dim).indices.dtype == np.int64


def test_reductions_of_a_number_and_of_nothing() -> None:
    number = tensor(2.5)
    assert number.max(0).values.item() == number.sum(-1).item() == number.mean((0,)).item() == 2.5
    assert number.argmax(0).item() == 0 and number.max(0).indices.shape == ()
    assert math.isnan(tensor([1.0]).var().item()) and tensor([]).sum().item() == 0.0
    for bad in (lambda: number.sum(1), lambda: tensor([1.0]).mean(-2), lambda: tensor([1.0]).max(1)):
        with pytest.raises(IndexingError, match="expected dim from -1 to 0"):
            bad()
    with pytest.raises(ShapeError, match="each axis once"):
        tensor(BASE).sum((0, -3))
    with pytest.raises(ShapeError, match="max"):
        tinytorch.zeros(0, 3).max(0)


def test_nan_wins() -> None:
    x = tensor([1.0, float("nan"), 3.0])
    for value in (x.max(), x.min(), x.sum(), x.max(0).values, x.maximum(tensor(2.0))[1], x.clamp(0.0, 1.0)[1]):
        assert math.isnan(value.item())
    assert x.argmax().item() == x.max(0).indices.item() == 1


def test_shapes() -> None:
    x = tensor(BASE)
    same(x.permute(2, 0, 1), BASE.transpose(2, 0, 1))
    same(x.permute((-1, 0, 1)), BASE.transpose(2, 0, 1))
    same(x.transpose(0, -1), BASE.swapaxes(0, 2))
    same(x.mT, BASE.swapaxes(1, 2))
    same(x.flatten(1), BASE.reshape(2, 12))
    same(x.flatten(0, 1), BASE.reshape(6, 4))
    same(x[:1].squeeze(0), BASE[0])
    assert x.squeeze(1).shape == (2, 3, 4), "an axis of size 3 is not squeezed"
    same(x.unsqueeze(-1), BASE[..., None])
    same(x[:1].expand(5, -1, -1), np.broadcast_to(BASE[:1], (5, 3, 4)))
    same(x[0, 0].expand(2, 4), np.broadcast_to(BASE[0, 0], (2, 4)))
    same(x.view(6, -1), BASE.reshape(6, 4))
    assert (x.size(), x.size(-1), x.dim(), len(x), x.numel()) == ((2, 3, 4), 4, 3, 2, 24)
    with pytest.raises(ShapeError, match="Use reshape"):
        x.T.view(24)
    for bad in (
        lambda: x.permute(0, 1), lambda: x.permute(0, 0, 1), lambda: x.expand(5, 3, 4), lambda: x.flatten(2, 1),
    ):  # fmt: skip
        with pytest.raises(ShapeError):
            bad()


def test_joining() -> None:
    a, b = BASE, BASE[:1]
    same(tinytorch.cat([tensor(a), tensor(b)]), np.concatenate([a, b]))
    same(tinytorch.cat((tensor(a), tensor(a)), dim=-1), np.concatenate([a, a], axis=2))
    for dim in (0, 1, -1, -3):
        same(tinytorch.stack([tensor(a[0]), tensor(a[1])], dim), np.stack([a[0], a[1]], axis=dim))
    mixed = tinytorch.cat([tensor([1]), tensor([0.5])])
    assert mixed.dtype == np.float32 and mixed.tolist() == [1.0, 0.5], "joined in one dtype, as in PyTorch"
    for bad, kind in (
        (lambda: tinytorch.cat([]), DTypeError), (lambda: tinytorch.cat([a]), DTypeError),
        (lambda: tinytorch.cat([tensor(a), tensor(a[0])]), ShapeError),
        (lambda: tinytorch.cat([tensor(1.0)]), ShapeError), (lambda: tinytorch.stack([], 0), DTypeError),
        (lambda: tinytorch.stack([tensor(a), tensor(b)]), ShapeError),
        (lambda: tinytorch.cat([tensor(a)], 3), IndexingError),
    ):  # fmt: skip
        with pytest.raises(kind, match=r"cat|stack"):
            bad()


def test_gather_picks_along_an_axis() -> None:
    x = tensor(BASE)
    index = tensor(np.argsort(BASE, axis=1))
    same(x.gather(1, index), np.sort(BASE, axis=1))
    same(x.gather(-1, tensor([[[3], [0]]])), np.array([[[BASE[0, 0, 3]], [BASE[0, 1, 0]]]]))
    too_long = tensor(np.zeros((3, 1, 1), int))
    for bad, kind in ((tensor([0]), ShapeError), (tensor([[[0.5]]]), DTypeError), (too_long, ShapeError)):
        with pytest.raises(kind, match="gather"):
            x.gather(1, bad)
    with pytest.raises(IndexingError):
        x.gather(0, tensor([[[7]]]))


def test_creation() -> None:
    for made, expected, dtype in (
        (tinytorch.zeros(2, 3), np.zeros((2, 3)), "float32"), (tinytorch.ones((2,), dtype="int8"), [1, 1], "int8"),
        (tinytorch.full((2,), 7), [7, 7], "int64"), (tinytorch.full(2, 1.5), [1.5, 1.5], "float32"),
        (tinytorch.full([2], 1, dtype="float64"), [1, 1], "float64"), (tinytorch.full((), True), True, "bool"),
        (tinytorch.eye(2, 3), np.eye(2, 3), "float32"), (tinytorch.arange(3), [0, 1, 2], "int64"),
        (tinytorch.arange(1, 7, 2), [1, 3, 5], "int64"), (tinytorch.arange(0, 1, 0.5), [0, 0.5], "float32"),
        (tinytorch.arange(3, 0, -1), [3, 2, 1], "int64"), (tinytorch.arange(2.0), [0, 1], "float32"),
        (tinytorch.linspace(0, 1, 3), [0, 0.5, 1], "float32"), (tinytorch.zeros_like(tensor([1, 2])), [0, 0], "int64"),
        (tinytorch.ones_like(tensor([1, 2]), dtype="float32"), [1, 1], "float32"),
        (tinytorch.full_like(tensor([1.0]), 3), [3], "float32"), (tinytorch.zeros(0), [], "float32"),
    ):  # fmt: skip
        same(made, np.asarray(expected))
        assert made.dtype == dtype
    assert tinytorch.empty(2, 0, 3).shape == (2, 0, 3) and tinytorch.ones(1, requires_grad=True).requires_grad
    assert sorted(tinytorch.randperm(5).tolist()) == [0, 1, 2, 3, 4]
    drawn = tinytorch.randint(2, 5, (50,))
    assert drawn.dtype == np.int64 and set(drawn.tolist()) <= {2, 3, 4}


@pytest.mark.parametrize(
    ("make", "kind", "words"),
    [
        (lambda: tinytorch.zeros(-1), ShapeError, "0 or more"),
        (lambda: tinytorch.ones(1.5), DTypeError, "shape of ints"),
        (lambda: tinytorch.eye(-2), ShapeError, "0 or more"), (lambda: tinytorch.randn(2, -3), ShapeError, "0 or more"),
        (lambda: tinytorch.arange(0, 3, 0), ShapeError, "step"), (lambda: tinytorch.arange(3, 0), ShapeError, "step"),
        (lambda: tinytorch.arange("3"), DTypeError, "numbers"),
        (lambda: tinytorch.full((2,), [1, 2]), ShapeError, "one number"),
        (lambda: tensor([1, "a"]), DTypeError, "numbers or bools"),
        (lambda: tensor([[1], []]), ShapeError, "ragged"),
        (lambda: tensor([1], dtype="complex64"), DTypeError, "complex64"),
        (lambda: tensor([1j]), DTypeError, "complex"),
        (lambda: tensor([1], device="cuda"), NotImplementedError, "13_kernels"),
        (lambda: tensor([1]).to("cuda:0"), NotImplementedError, "13_kernels"),
        (lambda: tensor([1], requires_grad=True), RuntimeError, "floating dtype"),
        (lambda: tinytorch.from_numpy([1.0]), DTypeError, "NumPy array"),
        (lambda: tinytorch.where(tensor([1]), 1.0, 0.0), DTypeError, "bool"),
        (lambda: tensor([1.0]).clamp(), DTypeError, "min, max"), (lambda: len(tensor(1.0)), TypeError, "0-d"),
        (lambda: bool(tensor([1, 2])), ShapeError, "any"), (lambda: tensor([1.0, 2.0]).item(), ShapeError, r"\(2,\)"),
        (lambda: list(tensor(1.0)), TypeError, "0-d"), (lambda: [1, 2][tensor(1.0)], DTypeError, "integer"),
        (lambda: tensor([1.0])["a"], IndexingError, "'a'"), (lambda: tensor([1.0])[1.5], IndexingError, "1.5"),
        (lambda: tensor([1.0])[0, 0], IndexingError, "too many indices"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(make: Callable, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        make()


def test_the_rest_of_python() -> None:
    x = tensor([[1, 2], [3, 4]])
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]] and [1, 2, 3][tensor(2)] == 3
    assert 3 in x and 7 not in x and float(tensor([2.5])) == 2.5 and int(tensor(7.9)) == 7 and bool(tensor(0)) is False
    assert (x == None) is False and (x != "a") is True and x is not None  # noqa: E711
    assert {x: 1}[x] == 1 and hash(x) != hash(tensor([[1, 2], [3, 4]]))
    assert f"{tensor(0.12345):.2f} {x[0]}" == "0.12 tensor([1, 2])"
    assert x.equal(tensor([[1, 2], [3, 4]])) and not x.equal(tensor([1, 2])) and x.allclose(x + 0.000001)
    assert (~(x > 2) | (x == 4)).tolist() == [[True, True], [False, True]] and (x & 1).tolist() == [[1, 0], [1, 0]]
    wide = tensor([1.5], dtype="float64", requires_grad=True)
    assert repr(wide) == "tensor([1.5000], dtype=tinytorch.float64, requires_grad=True)"
    assert repr(tensor([[1.0, -2.0]])) == "tensor([[ 1., -2.]])" and repr(tensor(3)) == "tensor(3)"


def test_function_forms_are_the_methods() -> None:
    x = tensor([[1.0, 4.0], [9.0, 16.0]])
    same(tinytorch.sqrt(x), [[1, 2], [3, 4]])
    same(tinytorch.sum(x, dim=1), [5, 25])
    same(tinytorch.max(input=x, dim=0).values, [9, 16])
    same(tinytorch.add(x, 1), x.numpy() + 1)
    same(tinytorch.matmul(x, x), x.numpy() @ x.numpy())
    same(tinytorch.transpose(x, 0, 1), x.numpy().T)
    same(tinytorch.exp(0.0), 1.0)
    assert tinytorch.equal(x, x) and tinytorch.allclose(x, x) and tinytorch.float32 == np.float32
