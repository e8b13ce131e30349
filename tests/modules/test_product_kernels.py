"""The kernel of matrix products against NumPy in double precision: odd sizes, every order of memory, any threads."""

import numpy as np
import pytest

import tinytorch
from tinytorch import get_num_threads, set_num_threads
from tinytorch.core.engine import KERNELS
from tinytorch.given.matrix_products import in_one_piece, multiply, product
from tinytorch.nn import functional as F

RNG = np.random.default_rng(5)


def numbers(*shape):
    """Normal float32 numbers."""
    return RNG.normal(size=shape).astype("float32")


ORDERS = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "gaps": lambda x: np.repeat(x, 2, 1)[:, ::2],
    "backwards": lambda x: np.ascontiguousarray(x[::-1])[::-1],
}
SIZES = [
    (6, 1, 16), (7, 9, 17), (23, 40, 31), (64, 200, 130), (131, 64, 70), (40, 600, 50), (103, 515, 40), (16, 7, 300),
    (9, 512, 12),
]


@pytest.fixture(autouse=True)
def as_before():
    """The number of threads is the process's: it is put back."""
    threads = get_num_threads()
    yield
    set_num_threads(threads)


def close(found, a, b, bias=0.0):
    """Whether float32 was exact enough: a hundredth of a thousandth of the sum of sizes."""
    exact = a.astype("float64") @ b.astype("float64") + bias
    sizes = np.abs(a).astype("float64") @ np.abs(b).astype("float64") + np.abs(bias)
    assert found.shape == exact.shape and found.dtype == np.float32
    return bool((np.abs(found - exact) <= 1e-5 * sizes).all())


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size_in_any_order(size):
    rows, depth, columns = size
    a, b, bias = numbers(rows, depth), numbers(depth, columns), numbers(columns)
    for first in ORDERS.values():
        for second in ORDERS.values():
            assert close(product(first(a), second(b), bias), a, b, bias)
    assert close(product(a, b), a, b)


def test_any_number_of_threads_gives_the_same_bits():
    """Every result is one sum, taken in order by one thread."""
    for rows, depth, columns in ((131, 120, 150), (40, 333, 400), (13, 2000, 333), (1200, 1100, 1000)):
        a, b, bias = numbers(rows, depth), np.asfortranarray(numbers(depth, columns)), numbers(columns)
        found = []
        for threads in (1, 2, 3):
            set_num_threads(threads)
            found.append(product(a, b, bias))
        assert close(found[0], a, b, bias)
        assert all(np.array_equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_nothing_is_written_beside_the_result(size):
    rows, depth, columns = size
    x, w = numbers(rows, depth), numbers(depth, columns)
    turned = (w.T.copy(), x.T.copy(), (1, columns))
    for a, b, distances in ((x, w, (columns, 1)), *([turned] if columns >= 16 else [])):
        room = np.full(rows * columns + 64, 7, np.float32)
        panels = np.full((b.shape[1] + 31) * depth + 16, 7, np.float32)
        factors = *in_one_piece(a), len(a), *in_one_piece(b), b.shape[1], depth
        multiply(*factors, np.zeros(columns, np.float32), panels, room[32:-32], *distances, False, 1)
        assert (room[:32] == 7).all() and (room[-32:] == 7).all() and (panels[-16 * depth :] == 7).all()
        assert close(room[32:-32].reshape(rows, columns), x, w)


def test_what_is_not_finite_arrives_where_it_does_in_numpy():
    a, b = numbers(70, 90), numbers(90, 80)
    a[3, 5], a[69, 89], b[0, 0], b[7, 79] = np.nan, np.inf, -np.inf, np.nan
    a[10, 0] = 0
    with np.errstate(invalid="ignore"):
        expected = a @ b
    for right in (b, np.asfortranarray(b)):
        found = product(a, right)
        for kind in (np.isnan, np.isposinf, np.isneginf):
            assert np.array_equal(kind(found), kind(expected))


def accepted(name, *arrays):
    """Whether the kernel takes these arrays."""
    return KERNELS[name, "numba"].accepts(list(arrays), {})


def test_what_the_kernel_takes():
    x, weight, bias = numbers(70, 90), numbers(80, 90), numbers(80)
    assert accepted("linear", x, weight, bias) and accepted("linear", x[None], weight, None)
    assert accepted("matmul", x, weight.T) and accepted("matmul", x.T, x)
    declined = [
        (x.astype("float64"), weight, bias), (x, weight, bias[:40]), (x, weight.astype("float64"), bias),
        (x[:, :80], weight, bias), (x[:5], weight, bias), (x[:0], weight, bias), (x[0], weight, bias),
        (numbers(200, 90), weight[:15], None),
    ]
    for arrays in declined:
        assert not accepted("linear", *arrays), [a if a is None else a.shape for a in arrays]
    for a, b in ((x, weight), (x[0], weight.T), (x, weight[None].mT), (numbers(6, 2**15), numbers(2**15, 16))):
        assert not accepted("matmul", a, b), (a.shape, b.shape)


@pytest.mark.parametrize("shape", [(70,), (5, 14)])
def test_a_layer_and_its_gradients_are_those_of_the_reference(shape):
    """Of a small gradient too, whose rules are given arrays."""
    for outputs in (200, 20):
        x, weight, bias, g = numbers(*shape, 90), numbers(outputs, 90), numbers(outputs), numbers(*shape, outputs)
        found = {}
        for backend in ("numba", "numpy"):
            with tinytorch.backends.use(backend):
                inputs = [tinytorch.from_numpy(t.copy()).requires_grad_() for t in (x, weight, bias)]
                out = F.linear(*inputs)
                out.backward(tinytorch.from_numpy(g))
                found[backend] = [out.detach().numpy(), *(t.grad.numpy() for t in inputs)]
        for one, other in zip(*found.values(), strict=True):
            assert one.shape == other.shape and np.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_wrong_shapes_are_told_as_by_the_reference():
    with pytest.raises(tinytorch.ShapeError, match=r"linear: expected .* last size is 91, found .*\(70, 90\)"):
        F.linear(tinytorch.ones(70, 90), tinytorch.ones(80, 91))
    with pytest.raises(tinytorch.ShapeError, match=r"matmul: inner sizes must agree, found \(70, 90\) @ \(91, 80\)"):
        tinytorch.ones(70, 90) @ tinytorch.ones(91, 80)
