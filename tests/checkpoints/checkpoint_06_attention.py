"""Can I let every position of a sequence look at exactly the positions it is allowed to see?

Attention against PyTorch's values (frozen in tests/data/attention.npz), against sums written out by hand, and against
what it promises: a hidden key leaves no trace, the past does not know the future, a query that sees nothing gets
zeros.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.core.attention import (
    masked_scores,
    merge_heads,
    sinusoidal_table,
    softmax_with_logsumexp,
    split_heads,
)
from tinytorch.nn import functional as F

FROZEN = dict(np.load(Path(__file__).parent.parent / "data" / "attention.npz"))
FUNCTIONS = json.loads(str(FROZEN["functions"]))
LAYERS = json.loads(str(FROZEN["layers"]))
KERNEL = "scaled_dot_product_attention_kernel (masked_scores, softmax_with_logsumexp)"
RNG = np.random.default_rng(6)


def explain(name: str, found: np.ndarray, expected: np.ndarray, hint: str = "") -> None:
    """Assert that shapes and values agree; the message names the function, and shows where they part."""
    assert found.shape == expected.shape, f"{name}: expected shape {expected.shape}, got {found.shape} {hint}"
    wrong = ~np.isclose(found, expected, rtol=1e-8, atol=1e-10)
    if wrong.any():
        place = tuple(map(int, np.argwhere(wrong)[0]))
        raise AssertionError(
            f"{name}: expected {expected[place]:.9g} at {place}, got {found[place]:.9g} "
            f"({wrong.sum()} of {wrong.size} differ) {hint}"
        )


def frozen(name: str) -> Tensor | None:
    """A frozen array as a tensor; None where the case has none."""
    return Tensor(FROZEN[name]) if name in FROZEN else None


def test_scores_are_products_hidden_where_a_mask_says_so() -> None:
    q, k = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(2, 5, 4))
    plain = 0.5 * np.einsum("bld,bsd->bls", q, k)
    explain("masked_scores", masked_scores(np, q, k, None, False, 0.5), plain, "(q · k · scale)")
    causal = masked_scores(np, q, k, None, True, 0.5)
    future = np.arange(5)[None, :] > np.arange(3)[:, None]
    assert (causal[:, future] == -np.inf).all(), "masked_scores: causal query i must not see keys after i (j ≤ i)"
    explain(
        "masked_scores", causal[:, ~future], plain[:, ~future], "(causal: query i sees the keys 0 to i, i itself too)"
    )
    mask = RNG.random((3, 5)) < 0.5
    found = masked_scores(np, q, k, mask, False, 0.5)
    assert (found[:, ~mask] == -np.inf).all(), "masked_scores: False in a bool mask hides a key, its score must be -inf"
    explain("masked_scores", found[:, mask], plain[:, mask], "(True in a bool mask lets a query look)")
    bias = RNG.normal(size=(3, 5))
    explain("masked_scores", masked_scores(np, q, k, bias, False, 0.5), plain + bias, "(a floating mask is added)")
    both = masked_scores(np, q, k, mask, True, 0.5)
    assert (np.isfinite(both) == (mask & ~future)).all(), "masked_scores: a mask and the causal rule both apply"


def test_weights_survive_large_small_and_missing_scores() -> None:
    name, scores = "softmax_with_logsumexp", RNG.normal(size=(4, 6))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        weights, logsumexp = softmax_with_logsumexp(np, scores + 800.0)
        hidden = np.array([[-np.inf, -np.inf], [0.0, -np.inf], [-900.0, -900.0]])
        rare, rare_logsumexp = softmax_with_logsumexp(np, hidden)
    exact = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    explain(name, weights, exact, "(scores of 800: subtract the row's maximum first)")
    explain(name, logsumexp, np.log(np.exp(scores).sum(-1)) + 800, "(logsumexp must contain the subtracted maximum)")
    assert np.array_equal(rare, [[0, 0], [1, 0], [0.5, 0.5]]), (
        f"{name}: a row of -inf gives weights of 0, not NaN, and -900 is a score like any other; got {rare.tolist()}"
    )
    assert np.allclose(rare_logsumexp, [-np.inf, 0, -900 + np.log(2)]), f"{name}: wrong logsumexp {rare_logsumexp}"
    assert not heard, f"{name} must be silent, NumPy warned: {heard[0].message}"
    single = softmax_with_logsumexp(np, scores.astype("float32"))
    assert {a.dtype for a in single} == {np.dtype("float32")}, f"{name}: float32 stays float32"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_attention_is_that_of_pytorch(name: str) -> None:
    q, k, v, mask = (frozen(f"{name}/{key}") for key in ("q", "k", "v", "mask"))
    out = F.scaled_dot_product_attention(q, k, v, mask, **FUNCTIONS[name])
    explain(KERNEL, out.numpy(), FROZEN[f"{name}/out"], f"(case {name}: {FUNCTIONS[name]})")


def test_a_hidden_key_leaves_no_trace() -> None:
    q, k, v = RNG.normal(size=(3, 4)), RNG.normal(size=(6, 4)), RNG.normal(size=(6, 2))
    k[4:], v[4:] = 1e6, -1e30
    shown = Tensor(np.array([True] * 4 + [False] * 2))
    found = F.scaled_dot_product_attention(Tensor(q), Tensor(k), Tensor(v), shown).numpy()
    expected = F.scaled_dot_product_attention(Tensor(q), Tensor(k[:4]), Tensor(v[:4])).numpy()
    explain(KERNEL, found, expected, "(a hidden key must get a weight of exactly 0)")


def test_dropout_repeats_with_its_seed_and_keeps_the_mean() -> None:
    zeros, ones = Tensor(np.zeros((64, 4))), Tensor(np.ones((400, 1)))
    keys = Tensor(np.zeros((400, 4)))
    draws = []
    for seed in (1, 1, 2):
        tinytorch.manual_seed(seed)
        draws.append(F.scaled_dot_product_attention(zeros, keys, ones, dropout_p=0.4).numpy())
    assert np.array_equal(draws[0], draws[1]), (
        "scaled_dot_product_attention_kernel: the same seed must drop the same weights"
    )
    assert not np.array_equal(draws[0], draws[2]), "scaled_dot_product_attention_kernel: dropout_p must drop weights"
    assert draws[0].std() > 0.01, (
        "scaled_dot_product_attention_kernel: what dropout left must not be normalised again; every row still sums to 1"
    )
    assert abs(draws[0].mean() - 1) < 0.02, (
        f"scaled_dot_product_attention_kernel: kept weights are divided by 1 - dropout_p; "
        f"the mean should be 1, got {draws[0].mean():.3f}"
    )


def test_heads_hold_neighbouring_features() -> None:
    x = RNG.normal(size=(2, 5, 12))
    heads = split_heads(Tensor(x), 4).numpy()
    expected = np.stack([x[:, :, 3 * h : 3 * h + 3] for h in range(4)], axis=1)
    explain("split_heads", heads, expected, "(head h holds the features 3h to 3h+2 of every position)")
    explain("merge_heads", merge_heads(Tensor(expected)).numpy(), x, "(the reverse of split_heads)")


def load(name: str) -> nn.MultiheadAttention:
    """The layer of a frozen case, with PyTorch's weights."""
    case = LAYERS[name]
    layer = nn.MultiheadAttention(*case["sizes"], **case["settings"]).double()
    prefix = f"{name}/state/"
    layer.load_state_dict({key.removeprefix(prefix): Tensor(a) for key, a in FROZEN.items() if key.startswith(prefix)})
    return layer


@pytest.mark.parametrize("name", LAYERS)
def test_multihead_attention_is_that_of_pytorch(name: str) -> None:
    case, layer, what = LAYERS[name], load(name), "MultiheadAttention.attend (split_heads, merge_heads)"
    query, key, value = (Tensor(FROZEN[f"{name}/{part}"]) for part in ("query", "key", "value"))
    if np.array_equal(FROZEN[f"{name}/query"], FROZEN[f"{name}/key"]):
        key = value = query
    masks = {mask: Tensor(FROZEN[f"{name}/{mask}"]) for mask in case["masks"]}
    out, weights = layer(query, key, value, **masks, **case["call"])
    explain(what, weights.detach().numpy(), FROZEN[f"{name}/weights"], f"(weights of case {name}; scale 1/√head_dim)")
    explain(what, out.detach().numpy(), FROZEN[f"{name}/out"], f"(case {name}; out_proj comes last)")
    fast, none = layer(query, key, value, **masks, **case["call"], need_weights=False)
    assert none is None, f"{what}: without need_weights there are no weights"
    explain(
        what, fast.detach().numpy(), FROZEN[f"{name}/out"], f"(case {name} with need_weights=False: masks, causal rule)"
    )


def test_weights_are_dropped_in_training_only() -> None:
    tinytorch.manual_seed(0)
    layer, x = (
        nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True),
        Tensor(RNG.normal(size=(2, 9, 8)).astype("float32")),
    )
    for need in (True, False):
        one, other = (layer.train()(x, x, x, need_weights=need)[0].detach().numpy() for _ in range(2))
        assert not np.array_equal(one, other), (
            f"MultiheadAttention.attend: no dropout in training (need_weights={need})"
        )
        one, other = (layer.eval()(x, x, x, need_weights=need)[0].detach().numpy() for _ in range(2))
        assert np.array_equal(one, other), f"MultiheadAttention.attend: dropout in evaluation (need_weights={need})"


def test_positions_are_clocks() -> None:
    for length, size in ((40, 12), (3, 7), (1, 1)):
        position, column = np.meshgrid(np.arange(length), np.arange(size), indexing="ij")
        angle = position / 10000.0 ** ((column - column % 2) / size)
        expected = np.where(column % 2 == 0, np.sin(angle), np.cos(angle))
        found = sinusoidal_table(length, size)
        assert found.dtype == np.float32, f"sinusoidal_table: expected float32, got {found.dtype}"
        assert found.shape == expected.shape, f"sinusoidal_table: expected shape {expected.shape}, got {found.shape}"
        wrong = np.argwhere(~np.isclose(found, expected, atol=1e-6))
        assert not len(wrong), (
            f"sinusoidal_table({length}, {size}): wrong at {wrong[0]}: sine in even columns, "
            "cosine of the same angle in odd ones"
        )
    x = Tensor(RNG.normal(size=(2, 5, 12)).astype("float32"))
    added = nn.SinusoidalPositions(40, 12)(x).numpy() - x.numpy()
    assert np.allclose(added, sinusoidal_table(40, 12)[:5], atol=1e-6), (
        "sinusoidal_table: positions 0 to 4 must be added"
    )


@pytest.mark.parametrize("name", ["block", "block_causal"])
def test_transformer_block_is_a_pre_norm_layer_of_pytorch(name: str) -> None:
    block = nn.TransformerBlock(8, 2, causal=name == "block_causal").double()
    names = {"self_attn.": "attention.", "linear1.": "mlp.0.", "linear2.": "mlp.2."}
    state = {}
    for key, array in FROZEN.items():
        if key.startswith(f"{name}/state/"):
            short = key.removeprefix(f"{name}/state/")
            old = next((old for old in names if short.startswith(old)), "")
            state[names.get(old, "") + short.removeprefix(old)] = Tensor(array)
    block.load_state_dict(state)
    found = block(Tensor(FROZEN[f"{name}/x"])).detach().numpy()
    explain(
        "TransformerBlock.forward", found, FROZEN[f"{name}/out"], "(x + attention(norm1(x)), then x + mlp(norm2(x)))"
    )


def test_the_past_does_not_know_the_future() -> None:
    tinytorch.manual_seed(1)
    model = nn.Sequential(*(nn.TransformerBlock(16, 4, causal=True) for _ in range(2))).double().eval()
    x = RNG.normal(size=(2, 8, 16))
    whole = model(Tensor(x)).detach().numpy()
    for length in (1, 4, 7):
        part = model(Tensor(x[:, :length])).detach().numpy()
        explain("TransformerBlock.forward", part, whole[:, :length], "(a causal block must not see what follows)")


def test_padding_is_invisible_through_a_block() -> None:
    tinytorch.manual_seed(2)
    block, x = nn.TransformerBlock(16, 4).double().eval(), RNG.normal(size=(2, 6, 16))
    padding = Tensor(np.array([[False] * 4 + [True] * 2] * 2))
    found = block(Tensor(x), key_padding_mask=padding).detach().numpy()[:, :4]
    explain("TransformerBlock.forward", found, block(Tensor(x[:, :4])).detach().numpy(), "(hand key_padding_mask on)")
    dropping = nn.TransformerBlock(16, 4, dropout=0.5)
    one, other = (dropping(Tensor(x.astype("float32"))).detach().numpy() for _ in range(2))
    assert not np.array_equal(one, other), "TransformerBlock.forward: dropout must act in training"


def test_no_keys_at_all() -> None:
    found = F.scaled_dot_product_attention(tinytorch.ones(1, 2, 3), tinytorch.ones(1, 0, 3), tinytorch.ones(1, 0, 3))
    assert found.tolist() == [[[0, 0, 0], [0, 0, 0]]], (
        f"softmax_with_logsumexp: who sees nothing gets zeros, got {found.tolist()}"
    )


def test_a_block_hands_its_mask_on() -> None:
    tinytorch.manual_seed(1)
    block, x = nn.TransformerBlock(4, 2).eval(), tinytorch.randn(2, 3, 4)
    hidden = Tensor([[False, False, True]] * 3)
    changed = x.clone()
    changed[:, 2] = 7.0
    a, b = (block(each, attn_mask=hidden).detach().numpy() for each in (x, changed))
    assert np.array_equal(a[:, :2], b[:, :2]), "TransformerBlock.forward: attn_mask hides position 2, it was seen"


def test_a_block_drops_both_results() -> None:
    block, x = nn.TransformerBlock(4, 2, dropout=1.0).train(), tinytorch.randn(2, 3, 4)
    nn.init.ones_(block.attention.out_proj.bias)
    assert np.array_equal(block(x).detach().numpy(), x.numpy()), (
        "TransformerBlock.forward: with dropout=1 nothing but the shortcut is left, of attention and of the MLP"
    )
