"""What careless code does, refused in one sentence: nothing is written, replaced or ignored in silence."""

import io

import numpy as np
import pytest

import tinytorch
from tinytorch import DTypeError, ShapeError, TinyTorchError, nn, ones, tensor, zeros
from tinytorch.core.engine import Primitive, bind
from tinytorch.optim import SGD
from tinytorch.optim.lr_scheduler import StepLR
from tinytorch.utils.checkpoint import checkpoint

FORGETFUL = Primitive("test_forgetful", lambda xp, x: None)
clip = nn.utils.clip_grad_norm_


def fresh() -> nn.Parameter:
    return nn.Parameter(ones(2))


def assign(target, name, value):
    setattr(target, name, value)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ones(3).__setitem__(0, None), DTypeError, "expected numbers or bools, found object from NoneType"),
        (lambda: assign(fresh(), "grad", ones(3)), ShapeError, r"the tensor's shape \(2,\), found \(3,\)"),
        (lambda: assign(fresh(), "grad", 1.0), DTypeError, "grad: expected a Tensor or None, found float"),
        (lambda: assign(fresh(), "grad", np.ones(2)), DTypeError, "grad: expected a Tensor or None, found ndarray"),
        (lambda: assign(fresh(), "grad", ones(2).double()), DTypeError, "dtype float32, found float64. Convert it"),
        (lambda: nn.Linear(2, 2).register_buffer("weight", ones(1)), TinyTorchError, "a parameter 'weight' already"),
        (lambda: nn.BatchNorm1d(2).register_parameter("running_mean", fresh()), TinyTorchError, "a buffer 'running"),
        (lambda: nn.Linear(2, 2).add_module("bias", nn.ReLU()), TinyTorchError, "a parameter 'bias' already"),
        (lambda: nn.functional.leaky_relu(ones(3), "a"), DTypeError, "negative_slope: expected a number, found 'a'"),
        (lambda: zeros(2**40, 2**40), ShapeError, "at most .* elements, found shape"),
        (lambda: clip([fresh()], "a"), DTypeError, "clip_grad_norm_: .* expected a number, found 'a'"),
        (lambda: clip([fresh()], None), DTypeError, "expected a number, found None"),
        (lambda: clip([fresh()], 1.0, "a"), DTypeError, "expected a number, found 'a'"),
        (lambda: nn.utils.clip_grad_value_([fresh()], "a"), DTypeError, "clip_value: expected a number, found 'a'"),
        (lambda: StepLR(SGD([fresh()]), 2, gamma="a"), TinyTorchError, "gamma: expected a number, found 'a'"),
        (lambda: nn.init.uniform_(ones(2), 1, 0), TinyTorchError, "b: expected a number of 1 or more, found 0"),
        (lambda: nn.functional.binary_cross_entropy(ones(1), ones(1) * 2), TinyTorchError, "targets from 0 to 1"),
        (lambda: checkpoint(5, ones(3)), TinyTorchError, "checkpoint: expected a function, found int"),
        (lambda: ones(3).roll("a"), DTypeError, "roll: expected shifts as ints, found 'a'"),
        (lambda: ones(3, 3).tril("a"), DTypeError, "tril: expected diagonal as an int, found 'a'"),
        (lambda: ones(3, 3).triu(0.5), DTypeError, "triu: expected diagonal as an int, found 0.5"),
        (lambda: tinytorch.normal(0, "a", (2,)), DTypeError, "normal: expected tensors or numbers"),
        (lambda: tinytorch.rand(2, generator=5), DTypeError, "generator: expected a Generator or None, found int"),
        (lambda: bind(FORGETFUL, ones(2)), DTypeError, "A kernel returned None .* is its `return` missing"),
        (lambda: tinytorch.save({}, 5), DTypeError, "save: expected a path or a file open for bytes, found int"),
        (lambda: tinytorch.save({}, io.StringIO()), DTypeError, "save: .* Open it with 'wb'"),
        (lambda: tinytorch.load(None), DTypeError, "load: expected a path or a file open for bytes, found NoneType"),
        (lambda: tinytorch.load(io.StringIO("{}")), DTypeError, "load: .* Open it with 'rb'"),
        (lambda: tinytorch.load(io.BytesIO(b"abc")), TinyTorchError, "load: .* found 3 bytes .* in an open file"),
        (lambda: tinytorch.load(io.BytesIO(), map_location="cuda"), NotImplementedError, "GPU backend"),
    ],
)
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_gradient_set_by_hand_is_used_and_removed():
    p = fresh()
    p.grad = tensor([1.0, 2.0])
    tinytorch.optim.SGD([p], lr=1.0).step()
    assert p.tolist() == [0.0, -1.0]
    p.grad = None
    assert p.grad is None


def test_an_open_file_is_as_good_as_a_path(tmp_path):
    saved = {"w": tensor([[1.0, 2.0]]), "steps": (3, "a", None)}
    buffer = io.BytesIO()
    tinytorch.save(saved, buffer)
    (tmp_path / "model.pt").write_bytes(buffer.getvalue())
    with open(tmp_path / "model.pt", "rb") as file:
        found = tinytorch.load(file, map_location="cpu", weights_only=False)
    for loaded in (found, tinytorch.load(tmp_path / "model.pt", "cpu")):
        assert loaded["w"].tolist() == [[1.0, 2.0]]
        assert loaded["steps"] == (3, "a", None)
    found["w"][0, 0] = 5.0                     # what is loaded may be written to
    assert found["w"].tolist() == [[5.0, 2.0]]
