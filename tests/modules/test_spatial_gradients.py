"""Gradients through module 06: against PyTorch's (frozen in tests/data/spatial.npz), and second derivatives."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tinytorch import Tensor, nn
from tinytorch.autograd import gradcheck, gradgradcheck
from tinytorch.nn import functional as F

FROZEN = dict(np.load(Path(__file__).parent.parent / "data" / "spatial.npz"))
CASES = json.loads(str(FROZEN["cases"]))
RNG = np.random.default_rng(21)


@pytest.mark.parametrize(("name", "function", "kwargs", "count"), CASES, ids=[case[0] for case in CASES])
def test_values_and_gradients_are_those_of_pytorch(name: str, function: str, kwargs: dict, count: int) -> None:
    present = [f"{name}/in{i}" in FROZEN for i in range(count)]
    inputs = [Tensor(FROZEN[f"{name}/in{i}"], requires_grad=True) if there else None for i, there in enumerate(present)]
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in kwargs.items()}
    if function == "layer_norm":
        out = F.layer_norm(inputs[0], weight=inputs[1], bias=inputs[2], **settings)
    else:
        out = getattr(F, function)(*inputs, **settings)
    np.testing.assert_allclose(out.detach().numpy(), FROZEN[f"{name}/out"], atol=1e-12)
    out.backward(Tensor(FROZEN[f"{name}/g"]))
    for i, x in enumerate(inputs):
        if x is not None:
            assert x.grad.shape == x.shape
            np.testing.assert_allclose(x.grad.numpy(), FROZEN[f"{name}/grad{i}"], atol=1e-11)


@pytest.mark.parametrize("name", ["batch_norm", "batch_norm_cumulative"])
def test_batch_norm_trains_like_pytorch(name: str) -> None:
    layer = nn.BatchNorm2d(3, eps=1e-3, momentum=0.3 if name == "batch_norm" else None).double()
    layer.weight.requires_grad_(False).copy_(Tensor([0.5, 1.0, -2.0]))
    layer.bias.requires_grad_(False).copy_(Tensor([1.0, 0.0, 3.0]))
    layer.requires_grad_()
    for step in range(3):
        layer.train(step < 2)
        layer.zero_grad()
        frozen = {key: FROZEN[f"{name}/{step}/{key}"] for key in ("x", "out", "g", "mean", "var", "dx", "dw", "db")}
        x = Tensor(frozen["x"], requires_grad=True)
        out = layer(x)
        out.backward(Tensor(frozen["g"]))
        found = {
            "out": out.detach(),
            "mean": layer.running_mean,
            "var": layer.running_var,
            "dx": x.grad,
            "dw": layer.weight.grad,
            "db": layer.bias.grad,
        }
        for key, value in found.items():
            np.testing.assert_allclose(value.numpy(), frozen[key], atol=1e-10, err_msg=f"{key} at step {step}")


def normal(*shape: int) -> Tensor:
    return Tensor(RNG.normal(size=shape), requires_grad=True)


def distinct(*shape: int) -> Tensor:
    """Values at least 0.1 apart, so that no maximum changes within a finite difference."""
    return Tensor(RNG.permutation(int(np.prod(shape))).reshape(shape) * 0.1, requires_grad=True)


def evaluated(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return F.batch_norm(x, Tensor(np.array([0.5, -1.0])), Tensor(np.array([2.0, 0.7])), w, b)


TWICE: dict[str, tuple[Callable, tuple]] = {
    "conv2d": (
        lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1),
        (normal(2, 2, 5, 4), normal(3, 2, 3, 2), normal(3)),
    ),
    "conv2d groups": (lambda x, w: F.conv2d(x, w, groups=2, dilation=(1, 2)), (normal(2, 4, 4, 5), normal(2, 2, 2, 2))),
    "conv2d same": (lambda x, w: F.conv2d(x, w, padding="same"), (normal(1, 2, 4, 4), normal(2, 2, 2, 3))),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1) ** 2, (distinct(2, 2, 5, 4),)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False) ** 2, (normal(2, 2, 5, 4),)),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (2, 3)) ** 2, (normal(2, 2, 5, 4),)),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        (normal(3, 2, 2, 2), normal(2), normal(2)),
    ),
    "batch_norm plain": (lambda x: F.batch_norm(x, None, None, training=True), (normal(4, 2),)),
    "batch_norm evaluation": (evaluated, (normal(3, 2, 2, 2), normal(2), normal(2))),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (2, 3), w, b), (normal(3, 2, 3), normal(2, 3), normal(2, 3))),
    "layer_norm plain": (lambda x: F.layer_norm(x, 3), (normal(2, 3),)),
    "layer_norm all axes": (lambda x, w: F.layer_norm(x, (2, 3), w), (normal(2, 3), normal(2, 3))),
    "pad": (lambda x: F.pad(x, (1, -1, 0, 2), value=0.5) ** 2, (normal(2, 3, 3),)),
    "unfold": (lambda x: F.unfold(x, (2, 3), padding=1, stride=2) ** 2, (normal(2, 2, 4, 3),)),
}


@pytest.mark.parametrize("name", TWICE)
def test_first_and_second_derivatives_agree_with_finite_differences(name: str) -> None:
    function, inputs = TWICE[name]
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)
