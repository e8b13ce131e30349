"""What the public functions say of arguments that are no tensors, or that do not fit.

One sentence, never NumPy's own.
"""

import re

import numpy as np
import pytest

import tinytorch
from tinytorch import nn, ones
from tinytorch.core.engine import TinyTorchError
from tinytorch.nn import functional

NO_TENSORS = [None, "text", [1.0, 2.0], np.ones((2, 3), "float32"), 1.5, object()]

TAKE_A_TENSOR = {
    "zeros_like": tinytorch.zeros_like,
    "conv2d": lambda x: functional.conv2d(x, ones(1, 1, 1, 1)),
    "conv2d's weight": lambda x: functional.conv2d(ones(1, 1, 2, 2), x),
    "max_pool2d": lambda x: functional.max_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x: functional.adaptive_avg_pool2d(x, 1),
    "unfold": lambda x: functional.unfold(x, 2),
    "pad": lambda x: functional.pad(x, (1, 1)),
    "batch_norm": lambda x: functional.batch_norm(x, None, None, training=True),
    "layer_norm": lambda x: functional.layer_norm(x, (3,)),
    "BatchNorm2d": nn.BatchNorm2d(3),
    "scaled_dot_product_attention": lambda x: functional.scaled_dot_product_attention(x, ones(2, 3), ones(2, 3)),
    "MultiheadAttention": lambda x: nn.MultiheadAttention(4, 2)(x, x, x),
    "LearnedPositions": nn.LearnedPositions(4, 3),
    "embedding": lambda x: functional.embedding(tinytorch.tensor([0]), x),
    "linear": lambda x: functional.linear(x, ones(2, 3)),
    "cross_entropy": lambda x: functional.cross_entropy(x, tinytorch.tensor([0])),
    "cross_entropy's target": lambda x: functional.cross_entropy(ones(2, 3), x),
    "mse_loss": lambda x: functional.mse_loss(ones(2, 3), x),
    "init": nn.init.zeros_,
    "init.kaiming": nn.init.kaiming_uniform_,
    "load_state_dict": nn.Linear(2, 2).load_state_dict,
    "backward": tinytorch.autograd.backward,
}

DO_NOT_FIT = {
    "sum over an array": lambda: ones(2, 3).sum(np.ones((2, 3))),
    "zeros of a tensor's shape": lambda: tinytorch.zeros(ones(2, 2)),
    "randperm of a list": lambda: tinytorch.randperm([1, 2]),
    "linspace of a list": lambda: tinytorch.linspace(0, 1, [1, 2]),
    "arange up to NaN": lambda: tinytorch.arange(float("nan")),
    "minus of bools": lambda: -tinytorch.tensor([True]),
    "bools subtracted": lambda: tinytorch.tensor([True]) - tinytorch.tensor([True]),
    "bits of floats": lambda: ones(2) & ones(2),
    "largest of nothing": lambda: ones(0).max(),
    "index of an object": lambda: ones(2)[object()],
    "fewer axes": lambda: ones(2, 3).expand(3),
    "broadcast_to None": lambda: ones(2, 3).broadcast_to(None),
    "None added in place": lambda: ones(0).add_(None),
    "size of a 0-d tensor": lambda: tinytorch.tensor(1.0).size(-1),
    "apply None": lambda: nn.Linear(2, 2).apply(None),
    "to a dtype of text": lambda: nn.Linear(2, 2).to(np.dtype("U1")),
}

X, CLASSES = ones(2, 3), tinytorch.tensor([0, 1])

SETTINGS = {
    "pos_weight": lambda: functional.binary_cross_entropy_with_logits(X, X, pos_weight=[1, 2]),
    "weight of probabilities": lambda: functional.binary_cross_entropy(X, X, weight=[1, 2]),
    "ignore_index": lambda: functional.cross_entropy(X, CLASSES, ignore_index="a"),
    "ignore_index of nll_loss": lambda: functional.nll_loss(X, CLASSES, ignore_index=None),
    "margin": lambda: functional.triplet_margin_loss(X, X, X, margin="a"),
    "eps": lambda: functional.poisson_nll_loss(X, X, log_input=False, eps="a"),
    "embed_dim": lambda: nn.MultiheadAttention("4", 2),
    "num_heads": lambda: nn.MultiheadAttention(4, None),
    "dropout of attention": lambda: nn.MultiheadAttention(4, 2, dropout="a"),
    "a mask as a list": lambda: nn.MultiheadAttention(3, 1)(X, X, X, key_padding_mask=[True]),
    "dropout_p": lambda: functional.scaled_dot_product_attention(X, X, X, dropout_p="a"),
    "scale": lambda: functional.scaled_dot_product_attention(X, X, X, scale="a"),
    "max_length": lambda: nn.SinusoidalPositions("4", 2),
    "padding_value": lambda: nn.utils.rnn.pad_sequence([X], padding_value="a"),
    "padded sequences": lambda: nn.utils.rnn.unpad_sequence([1], [1]),
    "lengths": lambda: nn.utils.rnn.pack_padded_sequence(X, "abc"),
    "mean": lambda: nn.init.normal_(X, "a"),
    "bound": lambda: nn.init.uniform_(X, None, 1),
    "value": lambda: nn.init.constant_(X, "a"),
    "generator": lambda: nn.init.normal_(X, generator=3),
    "slope": lambda: nn.init.kaiming_uniform_(X, a="x"),
    "gain": lambda: nn.init.xavier_normal_(X, gain="x"),
    "tensors": lambda: nn.utils.get_total_norm(3),
    "axis": lambda: nn.utils.weight_norm(nn.Linear(2, 2), dim=5),
    "class weights": lambda: nn.CrossEntropyLoss(weight=3),
    "layers": lambda: nn.Sequential(None),
    "sizes": lambda: tinytorch.models.MLP("a", 2),
}

RAW = re.compile("has no attribute|ufunc|operand|numpy boolean|axis remapping|zero-size|KeyError")


def sentence(error: BaseException) -> str:
    found = str(error)
    assert found and not RAW.search(found), f"expected a sentence of our own, found {found!r}"
    assert len(found) < 400, f"expected one sentence, found {len(found)} characters: {found[:200]}"
    return found


@pytest.mark.parametrize("value", NO_TENSORS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", TAKE_A_TENSOR)
def test_what_is_no_tensor_is_named(name: str, value: object) -> None:
    with pytest.raises(TinyTorchError) as refusal:
        TAKE_A_TENSOR[name](value)
    found = sentence(refusal.value)
    assert type(value).__name__.removesuffix("Type") in found, f"expected the type in the sentence, found {found!r}"


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_a_wrong_kind_are_said_in_a_sentence(name: str) -> None:
    with pytest.raises(TinyTorchError) as refusal:
        SETTINGS[name]()
    sentence(refusal.value)


@pytest.mark.parametrize("name", DO_NOT_FIT)
def test_what_does_not_fit_is_said_in_a_sentence(name: str) -> None:
    with pytest.raises(TinyTorchError) as refusal:
        DO_NOT_FIT[name]()
    sentence(refusal.value)


def test_common_forms_of_pytorch_are_taken() -> None:
    x = tinytorch.tensor([1.0, 2.0])
    assert tinytorch.add(x, x, alpha=2).tolist() == [3, 6] and x.sub(1, alpha=3).tolist() == [-2, -1]
    assert x.mul(x).tolist() == [1, 4] and x.div(2).tolist() == [0.5, 1]
    assert tinytorch.randint(5, (3,)).shape == (3,) and tinytorch.randint(2, 3, (2,)).tolist() == [2, 2]
    assert ones(0, 4).view(-1).shape == (0,) and None not in x
