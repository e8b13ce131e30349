"""Kernels keep silent about inf and NaN, and leave NumPy's own settings as they are.

Warnings are errors in this suite.
"""

from threading import Thread

import numpy as np
import pytest

import tinytorch
from tinytorch.given.silence import quiet
from tinytorch.nn import functional

EDGES = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 3e38, -3e38], "float32")

SILENT = {
    "sub": lambda x: x - x,
    "mul": lambda x: x * x + 0 * x.abs().clamp(0, 1),
    "div": lambda x: x / x,
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(),
    "var": lambda x: x.var(),
    "matmul": lambda x: x @ x,
    "linear": lambda x: functional.linear(x.reshape(1, -1), x.reshape(1, -1)),
    "batch_norm": lambda x: functional.batch_norm(x.reshape(-1, 1), None, None, training=True),
    "layer_norm": lambda x: functional.layer_norm(x, (9,)),
    "conv2d": lambda x: functional.conv2d(x.reshape(1, 1, 3, 3), x.reshape(1, 1, 3, 3)),
    "avg_pool2d": lambda x: functional.avg_pool2d(x.reshape(1, 1, 3, 3), 3),
    "attention": lambda x: functional.scaled_dot_product_attention(*[x.reshape(3, 3)] * 3),
    "gelu": functional.gelu,
    "silu": functional.silu,
}


@pytest.mark.parametrize("name", SILENT)
def test_infinite_and_missing_numbers_are_values(name: str) -> None:
    x = tinytorch.tensor(EDGES, requires_grad=True)

    out = SILENT[name](x).sum()
    out.backward()

    assert not out.isfinite().item()


def test_silence_ends_with_the_kernel() -> None:
    before = np.geterr()
    kernel = quiet(lambda x: x * np.float32(10))

    assert kernel(EDGES)[-2] == np.inf
    assert np.geterr() == before
    with pytest.raises(RuntimeWarning, match="overflow"):
        EDGES * np.float32(10)


def test_silence_ends_with_a_kernel_that_fails_or_calls_another() -> None:
    before = np.geterr()

    @quiet
    def nested(fail: bool) -> None:
        quiet(lambda: None)()
        assert np.geterr()["over"] == "ignore"
        if fail:
            raise ValueError("stop")

    nested(False)
    with pytest.raises(ValueError, match="stop"):
        nested(True)
    assert np.geterr() == before


def test_silence_holds_in_a_new_thread() -> None:
    found = []
    thread = Thread(target=lambda: found.append((tinytorch.tensor(EDGES) * EDGES).numpy()))
    thread.start()
    thread.join()
    assert np.isposinf(found[0][-1])
