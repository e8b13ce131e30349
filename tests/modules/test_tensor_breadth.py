"""Tensors beyond the operation table: how they are shown, drawn, converted, copied, and handed to other libraries."""

import copy

import numpy as np
import pytest

import tinytorch
from tinytorch import DTypeError, Generator, GradientError, ShapeError, Tensor, TinyTorchError, tensor

INF, NAN = float("inf"), float("nan")


# ---- repr: the texts are PyTorch's -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype", "text"),
    [
        (1.5, None, "tensor(1.5000)"),
        ([1.0, 2.0], None, "tensor([1., 2.])"),
        ([1.5, 2.25, 1e6], None, "tensor([1.5000e+00, 2.2500e+00, 1.0000e+06])"),
        ([1e-5, 1.0], None, "tensor([1.0000e-05, 1.0000e+00])"),
        ([1.0, 1e9], None, "tensor([1.0000e+00, 1.0000e+09])"),
        ([0.1, 1e5], None, "tensor([1.0000e-01, 1.0000e+05])"),
        ([NAN, 1.0, INF], None, "tensor([nan, 1., inf])"),
        ([], None, "tensor([])"),
        ([[], []], None, "tensor([], size=(2, 0))"),
        ([], "int64", "tensor([], dtype=tinytorch.int64)"),
        ([True, False], None, "tensor([ True, False])"),
        ([0, 1, 2], "int32", "tensor([0, 1, 2], dtype=tinytorch.int32)"),
        ([1, -200, 3], None, "tensor([   1, -200,    3])"),
        ([-1.0, 2.0], "float64", "tensor([-1.,  2.], dtype=tinytorch.float64)"),
        ([[1, 2], [3, 4]], "uint8", "tensor([[1, 2],\n        [3, 4]], dtype=tinytorch.uint8)"),
        (3, None, "tensor(3)"),
        (1e10, None, "tensor(1.0000e+10)"),
    ],
)
def test_repr(data, dtype, text):
    assert repr(tensor(data, dtype=dtype)) == text


def test_repr_wraps_rows():
    lines = repr(tinytorch.arange(30.0)).split("\n")
    assert lines[0].endswith(" 13.,") and lines[1].startswith("        14., 15.") and len(lines) == 3


def test_repr_leaves_out_the_middle():
    assert repr(tinytorch.arange(2000)) == "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"
    rows = repr(tinytorch.zeros(2, 11, 101)).split("\n")
    assert rows[0] == "tensor([[[0., 0., 0.,  ..., 0., 0., 0.]," and rows[3] == "         ...," and rows[7] == ""


def test_repr_tells_of_autograd():
    x = tensor([1.0], requires_grad=True)
    assert repr(x) == "tensor([1.], requires_grad=True)" and repr(x * 2) == "tensor([2.], grad_fn=<MulBackward0>)"
    long = repr(tensor(np.arange(7) / 8.0, requires_grad=True)).split("\n")
    assert long[1] == "       dtype=tinytorch.float64, requires_grad=True)"


def test_printoptions():
    try:
        tinytorch.set_printoptions(precision=2)
        assert repr(tensor([1.2345])) == "tensor([1.23])"
        tinytorch.set_printoptions(sci_mode=True)
        assert repr(tensor([1.2345])) == "tensor([1.23e+00])"
        tinytorch.set_printoptions(profile="short", threshold=5)
        assert repr(tinytorch.arange(9)) == "tensor([0, 1,  ..., 7, 8])"
    finally:
        tinytorch.set_printoptions(profile="default")
    with pytest.raises(DTypeError, match="'long'"):
        tinytorch.set_printoptions(profile="long")


def test_format():
    assert f"{tensor(2.5)}" == "2.5" and f"{tensor(2.0):.3f}" == "2.000" and f"{tensor([1])}" == "tensor([1])"
    with pytest.raises(DTypeError, match=r"0-d tensor, found shape \(2,\)"):
        f"{tensor([1.0, 2.0]):.3f}"


# ---- creation and random numbers ---------------------------------------------------------------------------------


def test_in_the_image_of_others():
    x = tinytorch.zeros(2, 3, dtype="float64")
    like = (tinytorch.empty_like(x), tinytorch.rand_like(x), tinytorch.randn_like(x), tinytorch.randint_like(x, 5))
    for made in like:
        assert made.shape == (2, 3) and made.dtype == np.float64
    assert tinytorch.rand_like(x, dtype="float32", requires_grad=True).requires_grad
    assert x.new_zeros(2).tolist() == [0, 0] and x.new_ones((1, 2)).dtype == np.float64
    assert x.new_full((2,), 7).tolist() == [7.0, 7.0] and x.new_empty(4).shape == (4,)
    assert x.new_tensor([1, 2]).dtype == np.float64 and x.new_tensor([1], dtype="int8").dtype == np.int8
    assert tinytorch.logspace(0, 3, 4).tolist() == [1, 10, 100, 1000]
    assert tinytorch.logspace(0, 2, 3, base=2).tolist() == [1, 2, 4]
    assert tinytorch.randint(3, (5,), dtype=tinytorch.int32).dtype == np.int32
    with pytest.raises(DTypeError, match="rand_like: expected a Tensor, found list"):
        tinytorch.rand_like([1.0])


N = 40_000


@pytest.mark.parametrize(
    ("draw", "mean", "deviation"),
    [
        (lambda x, g: x.normal_(2.0, 3.0, generator=g), 2.0, 3.0),
        (lambda x, g: x.uniform_(-1.0, 3.0, generator=g), 1.0, 4 / 12**0.5),
        (lambda x, g: x.exponential_(0.5, generator=g), 2.0, 2.0),
        (lambda x, g: x.bernoulli_(0.3, generator=g), 0.3, 0.21**0.5),
        (lambda x, g: x.random_(10, generator=g), 4.5, 8.25**0.5),
        (lambda x, g: x.log_normal_(0.0, 0.5, generator=g), np.exp(0.125), np.exp(0.125) * np.expm1(0.25) ** 0.5),
        (lambda x, g: tinytorch.normal(x + 1.0, 2.0, generator=g), 1.0, 2.0),
        (lambda x, g: tinytorch.bernoulli(x + 0.25, generator=g), 0.25, 0.1875**0.5),
    ],
)
def test_distribution(draw, mean, deviation):
    found = draw(tinytorch.zeros(N, dtype="float64"), Generator(3)).numpy()
    assert abs(found.mean() - mean) < 5 * deviation / N**0.5, f"mean {found.mean()}"
    assert abs(found.std() / deviation - 1) < 0.05, f"deviation {found.std()}"
    assert np.array_equal(found, draw(tinytorch.zeros(N, dtype="float64"), Generator(3)).numpy())


def test_drawing_in_place_is_a_constant_to_autograd():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    assert y.normal_() is y
    (y * y + x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    with pytest.raises(GradientError):
        x.uniform_()


@pytest.mark.parametrize("replacement", [True, False])
def test_multinomial(replacement):
    weights = tensor([[0.0, 1.0, 3.0, 0.0], [2.0, 0.0, 1.0, 1.0]])
    rows = tinytorch.cat([weights] * 4000)
    found = tinytorch.multinomial(rows, 2, replacement, generator=Generator(4)).numpy().reshape(-1, 2, 2)
    first = np.bincount(found[:, 0, 0], minlength=4) / 4000
    assert np.allclose(first, [0, 0.25, 0.75, 0], atol=0.035), first
    assert np.allclose(np.bincount(found[:, 1, 0], minlength=4) / 4000, [0.5, 0, 0.25, 0.25], atol=0.04)
    repeats = (found[..., 0] == found[..., 1]).mean()
    assert (repeats > 0.3) if replacement else (repeats == 0)
    assert tinytorch.multinomial(weights[0], 2, replacement).shape == (2,)


class _Foreign:
    """A tensor of another library that cannot be handed on."""

    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, **settings):
        raise BufferError("it requires a gradient")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: tensor([0.0, 1.0]).multinomial(2), ShapeError, "2 samples from 1"),
        (lambda: tensor([-1.0, 1.0]).multinomial(1), TinyTorchError, "weights of 0 or more"),
        (lambda: tensor([[[1.0]]]).multinomial(1), ShapeError, "1 or 2 axes"),
        (lambda: tensor([2.0]).bernoulli(), TinyTorchError, "from 0 to 1"),
        (lambda: tensor([1]).bernoulli(), DTypeError, "in floats, found int64"),
        (lambda: tensor([1]).normal_(), DTypeError, "found int64"),
        (lambda: tensor([1.0]).normal_(0, -1), TinyTorchError, "0 or more, found -1"),
        (lambda: tensor([1.0]).uniform_(2, 1), TinyTorchError, "found 2 and 1"),
        (lambda: tensor([1.0]).exponential_(0), TinyTorchError, "above 0, found 0"),
        (lambda: tinytorch.normal(0.0, 1.0), ShapeError, r"size=\(…\)"),
        (lambda: tinytorch.normal(tensor([0.0]), tensor([-1.0])), DTypeError, "0 or more"),
        (lambda: tinytorch.logspace("a", 1, 2), DTypeError, "expected numbers"),
        (lambda: tensor([1.0]).new_full((2,), [1]), DTypeError, "found list"),
        (lambda: tinytorch.finfo("int8"), DTypeError, "found int8. Use iinfo"),
        (lambda: tinytorch.iinfo("float32"), DTypeError, "found float32. Use finfo"),
        (lambda: tinytorch.from_dlpack([1.0]), DTypeError, "found list"),
        (lambda: tinytorch.empty_like(1), DTypeError, "found int"),
        (lambda: tinytorch.from_dlpack(_Foreign()), DTypeError, "without a gradient"),
        (lambda: tinytorch.device("tpu"), DTypeError, "found 'tpu'"),
        (lambda: tinytorch.device("cuda:1", 2), DTypeError, "index 2"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


# ---- dtypes ------------------------------------------------------------------------------------------------------


def test_dtypes():
    x = tensor([1.7, -2.0])
    for name, dtype in (("half", "float16"), ("double", "float64"), ("int", "int32"), ("short", "int16"),
                        ("long", "int64"), ("char", "int8"), ("bool", "bool"), ("float", "float32")):
        assert getattr(x, name)().dtype == dtype, name
    assert tensor([3]).byte().dtype == np.uint8 and x.type_as(tensor([1])).tolist() == [1, -2]
    assert x.type(tinytorch.double).dtype == np.float64 and x.cpu() is x
    assert (tinytorch.float, tinytorch.long, tinytorch.int) == (np.float32, np.int64, np.int32)
    limits = tinytorch.finfo(tinytorch.float16)
    assert (limits.max, limits.eps, limits.bits) == (65504.0, 2.0**-10, 16) and type(limits.min) is float
    assert tinytorch.finfo().tiny == tinytorch.finfo().smallest_normal == 2.0**-126
    assert (tinytorch.iinfo("uint8").max, tinytorch.iinfo("int8").min) == (255, -128)
    assert tinytorch.promote_types("uint8", "int8") == np.int16
    assert tinytorch.promote_types("int64", "float16") == np.float16
    assert tinytorch.result_type(tensor([1]), 1.0) == np.float32 == tinytorch.get_default_dtype()
    assert tinytorch.can_cast("int64", "float32") and not tinytorch.can_cast("float32", "int64")
    assert tinytorch.is_tensor(x) and not tinytorch.is_tensor(1) and tinytorch.is_floating_point(x)
    assert tinytorch.numel(x) == x.nelement() == 2 and x.ndimension() == 1 and x.is_signed()


def test_memory():
    x = tinytorch.zeros(2, 3, dtype="float64")
    assert x.stride() == (3, 1) and x.T.stride() == (1, 3) and x.stride(-1) == 1
    assert (x.element_size(), x.itemsize, x.nbytes) == (8, 8, 48)
    assert x.to("cpu", non_blocking=True) is x and x.to("cpu", copy=True).data_ptr() != x.data_ptr()
    with pytest.raises(NotImplementedError, match="13_kernels"):
        x.cuda()


def test_device():
    place = tinytorch.device("cuda" if tinytorch.cuda.is_available() else "cpu")
    assert tinytorch.ones(2, device=place).to(place).device == place == "cpu"
    assert (place.type, place.index) == ("cpu", None)
    second = tinytorch.device("cuda", 1)
    assert (second, second.type, second.index) == ("cuda:1", "cuda", 1) and f"{second}" == "cuda:1"
    assert repr(second) == "device(type='cuda', index=1)" and repr(place) == "device(type='cpu')"
    assert tinytorch.cuda.device_count() == 0 and not tinytorch.ones(1).is_cuda
    with pytest.raises(NotImplementedError, match="13_kernels"):
        tinytorch.ones(1, device=second)


# ---- data, copies, NumPy, DLPack -----------------------------------------------------------------------------------


def test_data():
    w = tensor([1.0, 2.0], requires_grad=True)
    w.data -= 0.5
    assert w.tolist() == [0.5, 1.5] and w.is_leaf and w.requires_grad and not w.data.requires_grad
    y = (w * w).sum()
    w.data = tinytorch.ones(2)
    assert w.tolist() == [1.0, 1.0]
    with pytest.raises(GradientError, match="overwritten"):
        y.backward()
    (w * w).sum().backward()
    assert w.grad.tolist() == [2.0, 2.0]
    with pytest.raises(DTypeError, match="found list"):
        w.data = [1.0]


def test_copies():
    w = tensor([1.0, 2.0], requires_grad=True)
    shallow, deep = copy.copy(w), copy.deepcopy(w)
    assert shallow.requires_grad and deep.requires_grad and shallow.is_leaf
    w.data.zero_()
    assert shallow.tolist() == [0.0, 0.0] and deep.tolist() == [1.0, 2.0]
    with pytest.raises(GradientError, match="leaf"):
        copy.deepcopy(w * 2)


def test_numpy_functions_return_tensors():
    x, a = tensor([0.0, 1.0]), np.array([1.0, 2.0])
    for found, expected in ((np.sin(x), np.sin([0.0, 1.0])), (np.add(a, x), [1.0, 3.0]), (a * x, [0.0, 2.0])):
        assert isinstance(found, Tensor) and np.allclose(found.numpy(), expected, atol=1e-7)
    assert np.asarray(x, dtype="float64").dtype == np.float64
    assert np.shares_memory(np.asarray(x), x.numpy()) and not np.shares_memory(np.array(x, copy=True), x.numpy())
    with pytest.raises(GradientError, match="detach"):
        np.asarray(tensor([1.0], requires_grad=True))


def test_dlpack():
    source = np.arange(3.0)
    x = tinytorch.from_dlpack(source)
    x += 1
    assert source.tolist() == [1.0, 2.0, 3.0] and np.shares_memory(np.from_dlpack(x), source)


def test_as_a_sequence():
    x = tinytorch.arange(6).reshape(3, 2)
    assert len(x) == 3 and [row.tolist() for row in reversed(x)] == [[4, 5], [2, 3], [0, 1]]
    assert 5 in x and 6 not in x and [1, 2, 3][tensor(1)] == 2 and int(tensor(2.7)) == 2 and float(tensor(2)) == 2.0
