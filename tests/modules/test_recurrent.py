"""RNN, LSTM, GRU and their cells: PyTorch's values and gradients, packed sequences, second derivatives, refusals."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tests.data.flat_file import read
from tinytorch import Tensor, nn, ones, zeros
from tinytorch.autograd import gradgradcheck
from tinytorch.core.engine import PRIMITIVES, TinyTorchError
from tinytorch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpad_sequence,
)

CASES, FROZEN = read(Path(__file__).parent.parent / "data" / "recurrent.npz")


def flattened(found: Any, batch_first: bool) -> list[Tensor]:
    if isinstance(found, PackedSequence):
        return [pad_packed_sequence(found, batch_first)[0]]
    return [t for part in found for t in flattened(part, batch_first)] if isinstance(found, tuple) else [found]


@pytest.mark.parametrize("key", CASES, ids=lambda key: f"{CASES[key]['kind']}-{key}")
def test_values_and_gradients_are_pytorchs(key: str) -> None:
    case, first = CASES[key], CASES[key]["settings"].get("batch_first", False)
    module = getattr(nn, case["kind"])(3, 2, **case["settings"]).double()
    assert repr(module) == case["repr"]
    module.load_state_dict({n.split("param/")[1]: a for n, a in FROZEN.items() if n.startswith(f"{key}/param/")})
    x = Tensor(FROZEN[f"{key}/input"], requires_grad=True)
    states = [Tensor(FROZEN[f"{key}/state{i}"], requires_grad=True) for i in range(case["states"])]
    hx = None if not states else tuple(states) if len(states) > 1 else states[0]
    given = x if case["lengths"] is None else pack_padded_sequence(x, case["lengths"], first, enforce_sorted=False)
    outputs = flattened(module(given, hx), first)
    assert len(outputs) == case["outputs"]
    total = zeros(())
    for i, output in enumerate(outputs):
        expected = FROZEN[f"{key}/output{i}"]
        assert output.shape == expected.shape and np.allclose(output.detach().numpy(), expected, 1e-12, 1e-14), i
        total = total + (output * Tensor(FROZEN[f"{key}/weight{i}"])).sum()
    total.backward()
    leaves = {"input": x, **{f"state{i}": s for i, s in enumerate(states)}}
    for name, leaf in {**leaves, **{f"param/{n}": p for n, p in module.named_parameters()}}.items():
        assert np.allclose(leaf.grad.numpy(), FROZEN[f"{key}/grad/{name}"], 1e-10, 1e-13), name


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_sequence_equals_its_decomposition(kind: str, masked: bool) -> None:
    rng, primitive = np.random.default_rng(3), PRIMITIVES[kind.lower()]
    rows = {"RNN": 2, "LSTM": 8, "GRU": 6}[kind]
    mask = Tensor(np.array([[True, True], [False, True], [True, True]])[..., None]) if masked else None
    states = [Tensor(rng.normal(size=(2, 2))) for _ in range(1 + (kind == "LSTM"))]
    gates, weight, bias = (Tensor(rng.normal(size=s)) for s in ((3, 2, rows), (rows, 2), (rows,)))
    settings = {"nonlinearity": "tanh"} if kind == "RNN" else {}
    inputs = (gates, *states, weight, bias, mask)
    one, two = primitive(*inputs, **settings), primitive.decompose(*inputs, **settings)
    for a, b in zip(one, two, strict=True) if isinstance(one, tuple) else [(one, two)]:
        assert np.allclose(a.numpy(), b.numpy(), 1e-14, 1e-14)


def test_second_derivatives_through_the_layers() -> None:
    tinytorch.manual_seed(2)
    module, rng = nn.GRU(1, 1, num_layers=2).double(), np.random.default_rng(3)

    def function(x: Tensor) -> Tensor:
        return sum((t * t).sum() for t in flattened(module(pack_padded_sequence(x, [3, 2])), False))

    assert gradgradcheck(function, [Tensor(rng.normal(size=(3, 2, 1)), requires_grad=True)])


def test_one_backward_pass_of_the_last_state_only() -> None:
    lstm = nn.LSTM(2, 3)
    _, (_, c) = lstm(ones(4, 1, 2))
    c.sum().backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in lstm.parameters())
    assert lstm.weight_ih_l0.grad.abs().sum().item() > 0


def test_dropout_between_layers_in_training_only() -> None:
    gru = nn.GRU(2, 50, num_layers=2, dropout=0.5)
    x = ones(3, 1, 2)
    assert not gru(x)[0].equal(gru(x)[0])
    gru.eval()
    assert gru(x)[0].equal(gru(x)[0]) and repr(gru) == "GRU(2, 50, num_layers=2, dropout=0.5)"


def test_first_values_and_names() -> None:
    lstm = nn.LSTM(30, 100, num_layers=2, bidirectional=True)
    values = np.concatenate([p.detach().numpy().ravel() for p in lstm.parameters()])
    assert np.abs(values).max() <= 0.1 < 1.01 * np.abs(values).max() and abs(values.var() / (0.01 / 3) - 1) < 0.02
    assert [n for n, _ in lstm.named_parameters()][4:9] == [
        "weight_ih_l0_reverse", "weight_hh_l0_reverse", "bias_ih_l0_reverse", "bias_hh_l0_reverse", "weight_ih_l1",
    ]
    assert lstm.weight_ih_l1.shape == (400, 200) and len(lstm.all_weights) == 4
    assert lstm.flatten_parameters() is None and lstm.all_weights[3][1] is lstm.weight_hh_l1_reverse


def test_float32_stays_float32() -> None:
    for kind in ("RNN", "LSTM", "GRU"):
        found = flattened(getattr(nn, kind)(2, 3)(ones(2, 1, 2)), False)
        assert all(t.dtype == np.float32 for t in found)
    with np.errstate(all="raise"):
        out, _ = nn.LSTM(1, 2)(ones(2, 1, 1) * 1e30)
    assert np.isfinite(out.detach().numpy()).all()


# ---- padding and packing

ROWS = [Tensor([1.0, 2.0, 3.0]), Tensor([4.0]), Tensor([5.0, 6.0])]


def test_padding() -> None:
    assert pad_sequence(ROWS).tolist() == [[1, 4, 5], [2, 0, 6], [3, 0, 0]]
    assert pad_sequence(ROWS, True, -1.0).tolist() == [[1, 2, 3], [4, -1, -1], [5, 6, -1]]
    assert pad_sequence(ROWS, True, padding_side="left").tolist() == [[1, 2, 3], [0, 0, 4], [0, 5, 6]]
    back = unpad_sequence(pad_sequence(ROWS), Tensor([3, 1, 2]))
    assert [t.tolist() for t in back] == [t.tolist() for t in ROWS]


def test_packing_and_back() -> None:
    packed = pack_sequence(ROWS, enforce_sorted=False)
    assert packed.data.tolist() == [1, 5, 4, 2, 6, 3] and packed.batch_sizes.tolist() == [3, 2, 1]
    assert packed.sorted_indices.tolist() == [0, 2, 1] and packed.unsorted_indices.tolist() == [0, 2, 1]
    padded, lengths = pad_packed_sequence(packed, batch_first=True, padding_value=9.0, total_length=4)
    assert padded.tolist() == [[1, 2, 3, 9], [4, 9, 9, 9], [5, 6, 9, 9]] and lengths.tolist() == [3, 1, 2]
    plain = pack_padded_sequence(pad_sequence([ROWS[0], ROWS[2]]), [3, 2])
    assert plain.sorted_indices is None and pad_packed_sequence(plain)[0].tolist() == [[1, 5], [2, 6], [3, 0]]


def test_the_gradient_of_a_padded_batch_reaches_each_row() -> None:
    rows = [t.clone().requires_grad_() for t in ROWS]
    padded, _ = pad_packed_sequence(pack_sequence(rows, enforce_sorted=False))
    (padded * padded).sum().backward()
    assert [t.grad.tolist() for t in rows] == [[2, 4, 6], [8], [10, 12]]


REFUSED: dict[str, tuple[Any, str]] = {
    "size of text": (lambda: nn.LSTM("3", 2), "LSTM's input_size: expected a whole number, found '3'"),
    "no layers": (lambda: nn.GRU(3, 2, 0), "num_layers: expected a whole number of 1 or more, found 0"),
    "dropout": (lambda: nn.RNN(3, 2, dropout=2), "dropout: expected a number from 0 to 1, found 2"),
    "nonlinearity": (lambda: nn.RNN(3, 2, nonlinearity="gelu"), "expected 'tanh' or 'relu', found 'gelu'"),
    "no tensor": (lambda: nn.RNN(3, 2)([1.0]), "expected a Tensor or a PackedSequence, found list"),
    "features": (lambda: nn.RNN(3, 2)(ones(4, 1, 5)), r"with 3 features, found shape \(4, 1, 5\)"),
    "tokens": (lambda: nn.RNN(3, 2)(ones(4, 1, 3).long()), "expected a floating input, found int64"),
    "no steps": (lambda: nn.RNN(3, 2)(ones(0, 1, 3)), "at least one step"),
    "state": (lambda: nn.RNN(3, 2)(ones(4, 1, 3), ones(1, 2, 2)), r"h_0 of shape \(1, 1, 2\), found \(1, 2, 2\)"),
    "one state": (lambda: nn.LSTM(3, 2)(ones(4, 1, 3), ones(1, 1, 2)), "hx to be h_0 and c_0, tensors, found Tensor"),
    "cell": (lambda: nn.LSTMCell(3, 2)(ones(1, 3), ones(1, 2)), r"expected 2 state\(s\) of shape \(1, 2\)"),
    "cell's input": (lambda: nn.GRUCell(3, 2)(ones(1, 4)), r"expected an input \(N, 3\) or \(3,\)"),
    "lengths": (lambda: pack_padded_sequence(ones(3, 2), [4, 1]), "expected lengths from 1 to 3, found 1 to 4"),
    "order": (lambda: pack_padded_sequence(ones(3, 2), [1, 3]), "enforce_sorted=False"),
    "number of lengths": (lambda: unpad_sequence(ones(3, 2), [1]), "expected 2 whole numbers as lengths"),
    "nothing": (lambda: pad_sequence([]), "at least one"),
    "different features": (lambda: pad_sequence([ones(2, 3), ones(2, 4)]), "differ in the first axis only"),
    "total length": (lambda: pad_packed_sequence(pack_sequence([ones(3)]), total_length=2), "3 or more, found 2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(TinyTorchError, match=words):
        call()


def test_projections_are_not_there() -> None:
    with pytest.raises(NotImplementedError, match="proj_size"):
        nn.LSTM(3, 2, proj_size=1)
    assert math.isclose(nn.LSTM(3, 2).hidden_size, 2)
