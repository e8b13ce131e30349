"""The short way through the door: two arrays of one dtype go straight to the function that is the whole kernel."""

import numpy as np
import pytest

from tinytorch import tensor
from tinytorch.core.engine import KERNELS, PRIMITIVES, Kernel, ShapeError, TinyTorchError, bind

SHORT = [p for p in PRIMITIVES.values() if p.ufunc is not None]


@pytest.mark.parametrize("primitive", SHORT, ids=lambda p: p.name)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_the_short_way_is_the_kernel(primitive, dtype) -> None:
    a, b = (np.random.default_rng(seed).integers(0, 2, (3, 4)).astype(dtype) for seed in (1, 2))
    found, expected = bind(primitive, tensor(a), tensor(b)).numpy(), primitive.kernel(np, a, b)
    assert found.dtype == expected.dtype and np.array_equal(found, expected)


def test_a_faster_kernel_closes_the_short_way() -> None:
    add, x = PRIMITIVES["add"], tensor([1.0])
    KERNELS["add", "swift"] = Kernel(lambda xp, a, b: a * 0)
    try:
        assert add.ufunc is None and (x + x).tolist() == [0]
    finally:
        del KERNELS["add", "swift"]
    assert add.ufunc is np.add and (x + x).tolist() == [2]


def test_mistakes_are_refused_as_on_the_long_way() -> None:
    add = PRIMITIVES["add"]
    with pytest.raises(ShapeError, match=r"add.*\(2,\)"):
        tensor([1.0, 2.0]) + tensor([1.0, 2.0, 3.0])
    with pytest.raises((TinyTorchError, TypeError), match="alpha"):
        bind(add, tensor([1.0]), tensor([1.0]), alpha=2)


def test_a_number_of_one_value_stays_a_tensor() -> None:
    x = tensor(2.0)
    assert (x + x).shape == () and type((x + x)._array) is np.ndarray
