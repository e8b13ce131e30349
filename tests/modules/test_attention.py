"""Module 07 beyond its own tests: gradients against PyTorch's and finite differences, empty rows, refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.autograd import gradcheck, gradgradcheck
from tinytorch.core.engine import DTypeError, ShapeError, TinyTorchError, primitive
from tinytorch.given.attention_state import merge_masks
from tinytorch.nn import functional as F

FROZEN = dict(np.load(Path(__file__).parent.parent / "data" / "attention.npz"))
FUNCTIONS = json.loads(str(FROZEN["functions"]))
LAYERS = json.loads(str(FROZEN["layers"]))
RNG = np.random.default_rng(30)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_those_of_pytorch(name: str) -> None:
    inputs: dict[str, Any] = {}
    for key in ("q", "k", "v", "mask"):
        array = FROZEN.get(f"{name}/{key}")
        inputs[key] = None if array is None else Tensor(array, requires_grad=array.dtype == np.float64)
    out = F.scaled_dot_product_attention(*inputs.values(), **FUNCTIONS[name])
    out.backward(Tensor(FROZEN[f"{name}/g"]))
    for key, x in inputs.items():
        if x is not None and x.requires_grad:
            np.testing.assert_allclose(x.grad.numpy(), FROZEN[f"{name}/d{key}"], atol=1e-10, err_msg=key)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_layer_gradients_are_those_of_pytorch(name: str, need_weights: bool) -> None:
    case, prefix = LAYERS[name], f"{name}/state/"
    layer = nn.MultiheadAttention(*case["sizes"], **case["settings"]).double()
    layer.load_state_dict({k.removeprefix(prefix): Tensor(a) for k, a in FROZEN.items() if k.startswith(prefix)})
    query, key, value = (Tensor(FROZEN[f"{name}/{part}"]) for part in ("query", "key", "value"))
    if np.array_equal(query.numpy(), key.numpy()):
        key = value = query
    query.requires_grad_()
    masks = {mask: Tensor(FROZEN[f"{name}/{mask}"]) for mask in case["masks"]}
    out, _ = layer(query, key, value, **masks, **case["call"], need_weights=need_weights)
    out.backward(Tensor(FROZEN[f"{name}/g"]))
    np.testing.assert_allclose(query.grad.numpy(), FROZEN[f"{name}/dquery"], atol=1e-10)
    for key_name, parameter in layer.named_parameters():
        expected = FROZEN[f"{name}/grad/{key_name}"]
        np.testing.assert_allclose(parameter.grad.numpy(), expected, atol=1e-9, err_msg=key_name)


def normal(*shape: int) -> Tensor:
    return Tensor(RNG.normal(size=shape), requires_grad=True)


MASK = Tensor(np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 0, 1]], dtype=bool))


def dropped(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same dropout at every call."""
    tinytorch.manual_seed(7)
    return F.scaled_dot_product_attention(q, k, v, dropout_p=0.4)


TWICE: dict[str, tuple[Callable, tuple]] = {
    "plain": (F.scaled_dot_product_attention, (normal(2, 3, 4), normal(2, 4, 4), normal(2, 4, 2))),
    "causal": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.8),
        (normal(3, 2), normal(4, 2), normal(4, 2)),
    ),
    "bool mask with an empty row": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, MASK),
        (normal(3, 2), normal(4, 2), normal(4, 2)),
    ),
    "additive mask": (
        F.scaled_dot_product_attention,
        (normal(2, 3, 2), normal(2, 4, 2), normal(2, 4, 2), normal(3, 4)),
    ),
    "shared keys": (F.scaled_dot_product_attention, (normal(2, 3, 2), normal(4, 2), normal(4, 2))),
    "dropout": (dropped, (normal(3, 2), normal(4, 2), normal(4, 2))),
}


@pytest.mark.parametrize("name", TWICE)
def test_first_and_second_derivatives_agree_with_finite_differences(name: str) -> None:
    function, inputs = TWICE[name]
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


@pytest.mark.parametrize("name", ["scaled_dot_product_attention_grad", "scaled_dot_product_attention_mask_grad"])
@pytest.mark.parametrize("mask", [None, RNG.random((2, 1, 4, 5)) < 0.6, RNG.normal(size=(4, 5))])
@pytest.mark.parametrize("dropout_p", [0.0, 0.3])
def test_a_gradient_kernel_equals_its_decomposition(name: str, mask: np.ndarray | None, dropout_p: float) -> None:
    q, k, v, g = (RNG.normal(size=shape) for shape in ((2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 5, 2), (2, 3, 4, 2)))
    settings = {"is_causal": True, "scale": 0.4, "dropout_p": dropout_p, "seed": 3, "offset": 8}
    results = primitive("scaled_dot_product_attention").kernel(np, q, k, v, mask, **settings)
    arrays = [g, q, k, v, mask, *results]
    direct = primitive(name).kernel(np, *arrays, **settings)
    decomposed = primitive(name).decompose(*(None if a is None else Tensor(a) for a in arrays), **settings)
    pairs = zip(direct, decomposed, strict=True) if isinstance(direct, tuple) else [(direct, decomposed)]
    for one, other in pairs:
        np.testing.assert_allclose(one, other.numpy(), atol=1e-12)


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_sequence_of_padding_alone_gives_numbers_and_gradients(need_weights: bool) -> None:
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True), normal(2, 3, 8).float().detach().requires_grad_()
    padding = Tensor(np.array([[True] * 3, [False] * 3]))
    out, weights = layer(x, x, x, key_padding_mask=padding, need_weights=need_weights)
    np.testing.assert_allclose(out.detach().numpy()[0], np.broadcast_to(layer.out_proj.bias.detach().numpy(), (3, 8)))
    assert weights is None or not weights.detach().numpy()[0].any()
    (out * out).sum().backward()
    assert np.isfinite(x.grad.numpy()).all()
    assert all(np.isfinite(p.grad.numpy()).all() for p in layer.parameters())


def test_without_features_every_key_counts_the_same() -> None:
    value = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])
    found = F.scaled_dot_product_attention(zeros(2, 0), zeros(3, 0), value).numpy()
    assert np.allclose(found, [[3.0, 5.0]] * 2), found


def test_only_the_logsumexp_is_kept_beside_inputs_and_output() -> None:
    q, k, v = (Tensor(RNG.normal(size=(2, 64, 4)), requires_grad=True) for _ in range(3))
    saved = F.scaled_dot_product_attention(q, k, v).grad_fn.saved
    arrays = [value[0] if isinstance(value, tuple) else value for value, _ in saved if value is not None]
    assert max(int(np.prod(a.shape)) for a in arrays) == 2 * 64 * 4


def test_masks_of_both_kinds_become_one() -> None:
    hidden = Tensor(np.array([[False, True, False], [False, False, False]]))
    padding = Tensor(np.array([[False, False, True]]))
    merged = merge_masks(hidden, padding, (1, 2, 2, 3))
    assert merged.tolist() == [[[[True, False, False], [True, True, False]]]]
    added = merge_masks(Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), padding, (1, 2, 2, 3))
    assert added.tolist() == [[[[1, 2, -np.inf], [4, 5, -np.inf]]]]
    assert merge_masks(None, None, (1, 2, 2, 3)) is None


def zeros(*shape: int) -> Tensor:
    return Tensor(np.zeros(shape, "float32"))


def attend(layer: nn.MultiheadAttention, *shapes: tuple, **masks: Tensor) -> Any:
    return layer(*(zeros(*shape) for shape in shapes), **masks)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda: F.scaled_dot_product_attention(zeros(3, 4), zeros(5, 6), zeros(5, 4)),
            ShapeError,
            ("(3, 4)", "(5, 6)"),
        ),
        (lambda: F.scaled_dot_product_attention(zeros(3, 4), zeros(5, 4), zeros(6, 4)), ShapeError, ("equal length",)),
        (lambda: F.scaled_dot_product_attention(zeros(4), zeros(5, 4), zeros(5, 4)), ShapeError, ("two axes", "(4,)")),
        (
            lambda: F.scaled_dot_product_attention(zeros(2, 3, 4), zeros(3, 5, 4), zeros(3, 5, 4)),
            ShapeError,
            ("leading axes", "(2, 3, 4)"),
        ),
        (
            lambda: F.scaled_dot_product_attention(zeros(3, 4), zeros(5, 4), zeros(5, 4), zeros(5, 3)),
            ShapeError,
            ("(3, 5)", "(5, 3)"),
        ),
        (
            lambda: F.scaled_dot_product_attention(zeros(3, 4), zeros(5, 4), zeros(5, 4), zeros(3, 5).long()),
            DTypeError,
            ("bool or floating", "int64"),
        ),
        (
            lambda: F.scaled_dot_product_attention(zeros(3, 4), zeros(5, 4).double(), zeros(5, 4)),
            DTypeError,
            ("float64",),
        ),
        (
            lambda: F.scaled_dot_product_attention(zeros(3, 4), zeros(5, 4), zeros(5, 4), dropout_p=1.5),
            TinyTorchError,
            ("1.5",),
        ),
        (lambda: nn.MultiheadAttention(10, 3), ShapeError, ("10", "3")),
        (lambda: attend(nn.MultiheadAttention(8, 2), (4, 2, 8), (5, 2, 7), (5, 2, 8)), ShapeError, ("(5, 2, 7)",)),
        (lambda: attend(nn.MultiheadAttention(8, 2), (4, 2, 8), (5, 3, 8), (5, 3, 8)), ShapeError, ("batch",)),
        (
            lambda: attend(nn.MultiheadAttention(8, 2), *[(4, 2, 8)] * 3, attn_mask=zeros(4, 5)),
            ShapeError,
            ("attn_mask", "(4, 4)", "(4, 5)"),
        ),
        (
            lambda: attend(nn.MultiheadAttention(8, 2), *[(4, 2, 8)] * 3, key_padding_mask=zeros(4, 2)),
            ShapeError,
            ("key_padding_mask", "(2, 4)", "(4, 2)"),
        ),
        (lambda: nn.SinusoidalPositions(4, 8)(zeros(2, 5, 8)), ShapeError, ("at most 4", "(2, 5, 8)")),
        (lambda: nn.LearnedPositions(4, 8)(zeros(2, 3, 6)), ShapeError, ("(2, 3, 6)",)),
    ],
)
def test_what_does_not_fit_is_refused_with_sizes(call: Callable, kind: type, words: tuple[str, ...]) -> None:
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
