"""The Transformer's layers and stacks: PyTorch's values, gradients and names; grouped heads; work; refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tests.data.flat_file import read
from tinytorch import Tensor, nn, ones, tensor
from tinytorch.core.engine import TinyTorchError
from tinytorch.models import count_flops
from tinytorch.nn import functional as F

CASES, FROZEN = read(Path(__file__).parent.parent / "data" / "transformer.npz")
SIZES = {"d_model": 4, "nhead": 2, "dim_feedforward": 3, "dropout": 0.0}


def build(kind: str, settings: dict) -> nn.Module:
    if kind.endswith("Layer"):
        return getattr(nn, kind)(**SIZES, **settings)
    if kind == "Transformer":
        return nn.Transformer(**SIZES, **settings, num_encoder_layers=1, num_decoder_layers=2)
    layer = getattr(nn, kind + "Layer")(**SIZES, **settings)
    return getattr(nn, kind)(layer, 2, nn.LayerNorm(4))


def mask_of(array: np.ndarray) -> Tensor:
    return tensor(array.astype(bool)) if set(array.ravel().tolist()) <= {0.0, 1.0} else tensor(array)


@pytest.mark.parametrize("key", CASES, ids=lambda key: f"{CASES[key]['kind']}-{key}")
def test_values_and_gradients_are_pytorchs(key: str) -> None:
    case = CASES[key]
    module = build(case["kind"], case["settings"]).double()
    state = {n.split("param/")[1]: a for n, a in FROZEN.items() if n.startswith(f"{key}/param/")}
    assert list(module.state_dict()) == list(state), "names and order of parameters"
    module.load_state_dict(state)
    inputs = [Tensor(FROZEN[f"{key}/input{i}"], requires_grad=True) for i in range(case["inputs"])]
    out = module(*inputs, **{name: mask_of(FROZEN[f"{key}/mask/{name}"]) for name in case["masks"]})
    assert np.allclose(out.detach().numpy(), FROZEN[f"{key}/output"], 1e-11, 1e-12)
    (out * Tensor(FROZEN[f"{key}/weight"])).sum().backward()
    leaves = {f"input{i}": x for i, x in enumerate(inputs)} | dict(module.named_parameters())
    for name, leaf in leaves.items():
        assert np.allclose(leaf.grad.numpy(), FROZEN[f"{key}/grad/{name}"], 1e-9, 1e-11), name


def test_the_layers_of_a_stack_are_copies() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8)
    stack = nn.TransformerEncoder(layer, 3)
    assert len(stack.layers) == 3 and stack.layers[0].linear1.weight is not layer.linear1.weight
    assert stack.layers[1].linear1.weight.equal(layer.linear1.weight) and stack.norm is None


def test_dropout_is_at_work_in_training_only() -> None:
    layer, x = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5), ones(3, 1, 4)
    assert not layer(x).equal(layer(x)) and layer.eval()(x).equal(layer(x))


def test_causal_masks() -> None:
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    assert mask.tolist() == [[0, -np.inf, -np.inf], [0, 0, -np.inf], [0, 0, 0]] and mask.dtype == np.float32
    layer, x = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0), tinytorch.randn(3, 1, 4)
    assert layer(x, is_causal=True).allclose(layer(x, mask), atol=1e-6)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_groups_of_heads_share_keys_and_values(heads: int) -> None:
    rng = np.random.default_rng(0)
    q, k, v = (Tensor(rng.normal(size=(2, n, 3, 5)), requires_grad=True) for n in (4, heads, heads))
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    long = [Tensor(np.repeat(t.detach().numpy(), 4 // heads, 1), requires_grad=True) for t in (k, v)]
    other = Tensor(q.detach().numpy(), requires_grad=True)
    expected = F.scaled_dot_product_attention(other, *long, is_causal=True)
    assert np.allclose(out.detach().numpy(), expected.detach().numpy(), atol=1e-14)
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    summed = long[0].grad.numpy().reshape(2, heads, -1, 3, 5).sum(2)
    assert np.allclose(k.grad.numpy(), summed, atol=1e-13) and np.allclose(q.grad.numpy(), other.grad.numpy())


def test_work_of_attention_and_of_sequences_is_counted() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.lstm = attention, nn.LSTM(8, 6, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            y, _ = self.attention(x, x, x, need_weights=False)
            return self.lstm(y)[0]

    projections, scores = 5 * 8 * 8 * 4, 2 * 5 * 5 * (4 + 4)
    sequence = 5 * 24 * 8 + 5 * 24 * 6
    assert count_flops(Both(), (5, 8)) == 2 * (projections + scores + sequence)


REFUSED: dict[str, tuple[Any, str]] = {
    "activation": (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), "'relu' or 'gelu', found 'tanh'"),
    "d_model": (lambda: nn.TransformerEncoderLayer("4", 2), "d_model: expected a whole number, found '4'"),
    "heads": (lambda: nn.TransformerEncoderLayer(4, 3), "divisible by num_heads"),
    "layer": (lambda: nn.TransformerEncoder(nn.ReLU, 2), "expected a layer to copy, found type"),
    "features": (lambda: nn.Transformer(4, 2, 1, 1, 8)(ones(2, 1, 4), ones(2, 1, 5)), "tgt with 4 features, found"),
    "groups": (
        lambda: F.scaled_dot_product_attention(ones(3, 2, 4), ones(2, 2, 4), ones(2, 2, 4), enable_gqa=True),
        "a multiple of the key's",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(TinyTorchError, match=words):
        call()
