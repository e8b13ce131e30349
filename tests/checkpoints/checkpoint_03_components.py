"""Can I build layers that own their weights, and save and restore every one of them?

A small reader (embedding, linear layers, a shared weight, buffers) against PyTorch's values and names, frozen in
tests/data/layers.npz; dropout by counting; loading by what it refuses.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

import math
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.core.layers import embedding_kernel
from tinytorch.nn import functional as F

FROZEN = dict(np.load(Path(__file__).parent.parent / "data" / "layers.npz"))


class Reader(nn.Module):
    """The model of tests/data/make_layers.py."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 5, padding_idx=0)
        self.body = nn.Module()
        self.body.first = nn.Linear(5, 6)
        self.body.second = nn.Linear(6, 5, bias=False)
        self.head = nn.Linear(5, 7, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("count", Tensor(3))
        self.register_buffer("scratch", tinytorch.zeros(2), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.body.second(F.gelu(self.body.first(self.embed(tokens)))))


def frozen_state() -> dict[str, Tensor]:
    return {str(name): Tensor(FROZEN[f"state/{name}"]) for name in FROZEN["names"]}


def values(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


# ---- Module


def test_assignment_is_registration() -> None:
    m = nn.Module()
    m.width, m.weight, m.part = 5, nn.Parameter([1.0, 2.0]), nn.Linear(2, 2)
    found = [n for n, _ in m.named_parameters()]
    assert found == ["weight", "part.weight", "part.bias"], (
        f"Module.__setattr__: a Parameter and a Module must be found by the walkers, they find {found}"
    )
    assert m.width == 5 and "width" in vars(m), "Module.__setattr__: a number stays a plain attribute"
    m.width = nn.Parameter([0.0])
    assert "width" not in vars(m), "Module.__setattr__: a Parameter in place of a number leaves no copy behind"
    m.register_buffer("table", Tensor([1.0]))
    m.table = Tensor([2.0])
    found = {n: b.tolist() for n, b in m.named_buffers()}
    assert found == {"table": [2.0]}, f"Module.__setattr__: a buffer assigned anew stays a buffer, found {found}"


def test_names_and_order_are_pytorchs() -> None:
    model = Reader()
    found, expected = [n for n, _ in model.named_parameters()], FROZEN["parameters"].tolist()
    assert found == expected, f"Module.named_members: expected {expected}, got {found} (a shared weight counts once)"
    found = [n for n, _ in model.named_modules()]
    expected = ["", "embed", "body", "body.first", "body.second", "head"]
    assert found == expected, f"Module.named_modules: expected {expected}, got {found}"
    found, expected = list(model.state_dict()), FROZEN["names"].tolist()
    assert found == expected, (
        f"Module.state_dict: expected {expected}, got {found} (own parameters, own saved buffers, then the submodules)"
    )


def test_a_module_reached_twice_is_walked_once() -> None:
    top, part = nn.Module(), nn.Linear(2, 3)
    top.a, top.b = part, part
    names = [n for n, _ in top.named_modules()]
    assert names == ["", "a"], f"Module.named_modules: each module once, under its first name; got {names}"
    count = sum(p.numel() for p in top.parameters())
    assert count == 9, (
        f"Module.named_members: 9 numbers in a shared layer, counted {count} (an optimizer would step twice)"
    )


def test_equal_weights_are_still_two() -> None:
    top = nn.Module()
    top.a, top.b = nn.Parameter([1.0]), nn.Parameter([1.0])
    found = [n for n, _ in top.named_parameters()]
    assert found == ["a", "b"], (
        f"Module.named_members: equal numbers in two parameters are two, by identity; got {found}"
    )


def test_train_and_eval_reach_everything() -> None:
    model = Reader()
    assert model.eval() is model, "Module.train must return the module itself"
    modes = [m.training for m in model.modules()]
    assert modes == [False] * 6, f"Module.train: eval() must reach all six modules, training is {modes}"
    model.body.train()
    assert not model.training and model.body.second.training, "Module.train changes what lies below, and only that"


# ---- saving and restoring


def test_the_state_of_pytorch_gives_the_scores_of_pytorch() -> None:
    model = Reader().double()
    model.load_state_dict(frozen_state())
    found = values(model(Tensor(FROZEN["tokens"])))
    difference = abs(found - FROZEN["scores"]).max()
    assert difference < 1e-12, (
        f"with PyTorch's weights the scores must be PyTorch's, they differ by {difference} "
        "(Module.load_state_dict, Linear.forward, linear_kernel, embedding_kernel)"
    )
    assert model.count.item() == 3, f"Module.load_state_dict must restore buffers too: expected 3, got {model.count}"


def test_a_state_shares_memory_and_has_no_history() -> None:
    model = Reader()
    state = model.state_dict()
    assert not any(t.requires_grad for t in state.values()), "Module.state_dict: tensors must be detached"
    state["body.first.bias"][0] = 123.0
    assert values(model.body.first.bias)[0] == 123.0, (
        "Module.state_dict: a tensor of the state shares the module's memory"
    )


def test_loading_keeps_the_parameters_themselves() -> None:
    model = Reader()
    before = list(model.parameters())
    result = model.load_state_dict(frozen_state())
    assert tuple(result) == ([], []), f"Module.load_state_dict: everything fits, yet it returned {result}"
    same = [a is b for a, b in zip(before, model.parameters(), strict=True)]
    assert all(same), "Module.load_state_dict: write into the parameters; an optimizer holds the old objects"
    assert model.embed.weight is model.head.weight, "Module.load_state_dict: a shared weight stays shared"
    assert model.embed.weight.dtype == tinytorch.float32, "Module.load_state_dict: the module's own dtype stays"


@pytest.mark.parametrize("strict", [True, False])
def test_a_wrong_shape_is_refused_and_nothing_changes(strict: bool) -> None:
    model, state = Reader(), frozen_state()
    before = {n: values(t).copy() for n, t in model.state_dict().items()}
    state["body.second.weight"] = Tensor(np.zeros((6, 5)))
    with pytest.raises(tinytorch.TinyTorchError) as caught:
        model.load_state_dict(state, strict=strict)
    for part in ("body.second.weight", "(5, 6)", "(6, 5)"):
        assert part in str(caught.value), (
            f"Module.load_state_dict: the message must hold {part}, it says: {caught.value}"
        )
    changed = [n for n, t in model.state_dict().items() if not np.array_equal(values(t), before[n])]
    assert not changed, f"Module.load_state_dict: all or nothing, but a refused state changed {changed}"


def test_missing_and_unexpected_names_are_all_reported() -> None:
    model, state = Reader(), frozen_state()
    state["stranger"] = state.pop("body.first.bias")
    with pytest.raises(tinytorch.TinyTorchError) as caught:
        model.load_state_dict(state)
    for part in ("body.first.bias", "stranger"):
        assert part in str(caught.value), (
            f"Module.load_state_dict: the message must name {part}, it says: {caught.value}"
        )
    found = model.load_state_dict(state, strict=False)
    assert tuple(found) == (["body.first.bias"], ["stranger"]), (
        f"Module.load_state_dict(strict=False) must return what is missing and what is unexpected, got {found}"
    )
    loaded = values(model.body.first.weight)
    assert np.allclose(loaded, FROZEN["state/body.first.weight"]), (
        "Module.load_state_dict(strict=False): what fits is loaded"
    )


def test_a_model_survives_the_disk(tmp_path: Path) -> None:
    model, other = Reader(), Reader()
    tinytorch.save({"model": model.state_dict(), "epoch": 7, "losses": [0.5, 0.25]}, tmp_path / "m.safetensors")
    saved = tinytorch.load(tmp_path / "m.safetensors")
    assert (saved["epoch"], saved["losses"]) == (7, [0.5, 0.25]), f"plain values must survive, got {saved}"
    other.load_state_dict(saved["model"])
    for name, tensor in model.state_dict().items():
        assert other.state_dict()[name].equal(tensor), f"Module.load_state_dict: {name} must come back bit by bit"


# ---- first values


@pytest.mark.parametrize(
    ("settings", "fan", "gain"),
    [
        ({}, 300, math.sqrt(2)),
        ({"mode": "fan_out"}, 200, math.sqrt(2)),
        ({"a": 2.0}, 300, math.sqrt(2 / 5)),
        ({"nonlinearity": "linear"}, 300, 1.0),
        ({"nonlinearity": "tanh", "mode": "fan_out"}, 200, 5 / 3),
    ],
)
def test_kaiming_keeps_the_variance(settings: dict, fan: int, gain: float) -> None:
    weight = values(nn.init.kaiming_uniform_(tinytorch.empty(200, 300), generator=tinytorch.Generator(1), **settings))
    bound = gain * math.sqrt(3 / fan)
    assert abs(weight).max() <= bound, (
        f"kaiming_uniform_({settings}): expected at most ±{bound:.4f}, got {abs(weight).max():.4f}"
    )
    assert abs(weight).max() > 0.999 * bound, (
        f"kaiming_uniform_({settings}): expected up to ±{bound:.4f}, the largest is {abs(weight).max():.4f}"
    )
    assert abs(weight.mean()) < 0.01 * bound, (
        f"kaiming_uniform_({settings}): the mean must be 0, got {weight.mean():.5f}"
    )


def test_linear_begins_as_pytorchs_does() -> None:
    layer = nn.Linear(900, 50)
    shapes = {n: p.shape for n, p in layer.named_parameters()}
    assert shapes == {"weight": (50, 900), "bias": (50,)}, (
        f"Linear.__init__: expected weight (out, in) and bias, got {shapes}"
    )
    for name, p in layer.named_parameters():
        largest = abs(values(p)).max()
        assert 0.8 / 30 < largest <= 1 / 30, (
            f"Linear.reset_parameters: {name} must fill ±1/√in = ±{1 / 30:.4f}, its largest number is {largest:.4f}"
        )
        assert p.requires_grad, f"Linear.__init__: {name} must be a Parameter that requires a gradient"


# ---- what the layers compute


@pytest.mark.parametrize("case", ["vector", "batch", "sequence"])
def test_linear_agrees_with_the_frozen_values(case: str) -> None:
    x, weight, bias = (Tensor(FROZEN[n]) for n in (f"{case}/x", "weight", "bias"))
    for name, found in (("plain", F.linear(x, weight)), ("biased", F.linear(x, weight, bias))):
        expected = FROZEN[f"{case}/{name}"]
        assert found.shape == expected.shape, (
            f"linear_kernel ({case}): expected shape {expected.shape}, got {found.shape}"
        )
        assert np.allclose(values(found), expected, atol=1e-13), f"linear_kernel ({case}, {name}): wrong values"
    assert np.array_equal(values(bias), FROZEN["bias"]), "linear_kernel must not write into the bias"


def test_linear_takes_every_batch_size() -> None:
    layer = nn.Linear(5, 6)
    for batch in (0, 1, 7):
        found = layer(tinytorch.ones(batch, 5)).shape
        assert found == (batch, 6), f"linear_kernel: a batch of {batch} gives {(batch, 6)}, got {found}"
    with pytest.raises(tinytorch.ShapeError, match=r"linear.*5.*\(7, 4\)"):
        layer(tinytorch.ones(7, 4))


def test_dropout_drops_its_share_and_scales_the_rest() -> None:
    x, layer = tinytorch.ones(200, 500), nn.Dropout(0.2)
    found = values(layer(x))
    share = (found == 0).mean()
    assert abs(share - 0.2) < 0.007, (
        f"dropout_kernel: with p=0.2 a share of 0.2 becomes 0, got {share:.3f} (p, or 1 - p?)"
    )
    rest = found[found != 0]
    assert np.allclose(rest, 1.25), (
        f"dropout_kernel: what stays is divided by 1 - p = 0.8, found {rest.max():.4f} for 1"
    )
    assert abs(found.mean() - 1) < 0.01, f"dropout_kernel: the mean must stay 1, got {found.mean():.3f}"
    assert layer.eval()(x) is x, "dropout: in inference the input passes as it is"


def test_dropout_is_a_function_of_seed_and_offset() -> None:
    x = tinytorch.ones(1000)
    tinytorch.manual_seed(11)
    first, second = values(F.dropout(x)), values(F.dropout(x))
    assert not np.array_equal(first, second), "dropout: two calls draw two masks: reserve the numbers of the stream"
    tinytorch.manual_seed(11)
    assert np.array_equal(values(F.dropout(x)), first), "dropout: the same seed gives the same mask, on every run"
    both = ((first == 0) == (second == 0)).mean()
    assert 0.4 < both < 0.6, f"dropout: two masks must be independent, they agree at {both:.0%}: reserve input.numel()"


def test_embedding_refuses_what_is_not_in_the_table() -> None:
    layer = nn.Embedding(4, 3)
    found = values(layer(Tensor([[3, 0], [1, 1]])))
    assert np.array_equal(found, values(layer.weight)[[[3, 0], [1, 1]]]), "embedding_kernel: wrong rows"
    for bad in (4, -1):
        with pytest.raises(tinytorch.IndexingError, match=rf"embedding.*{bad}"):
            layer(Tensor([0, bad]))
    with pytest.raises(tinytorch.DTypeError, match=r"embedding.*float32"):
        layer(Tensor([1.0]))


def test_what_is_none_has_no_name() -> None:
    m = nn.Module()
    m.register_parameter("absent", None)
    m.register_buffer("empty", None)
    m.weight = nn.Parameter([1.0])
    found = [n for n, _ in m.named_parameters()], [n for n, _ in m.named_buffers()], list(m.state_dict())
    assert found == (["weight"], [], ["weight"]), f"Module.named_members, Module.state_dict: None is left out: {found}"
    found = [n for n, _ in m.named_parameters(prefix="net")]
    assert found == ["net.weight"], f"Module.named_members: the prefix stands before every name, got {found}"


@pytest.mark.parametrize("case", ["missing", "unexpected", "not fitting"])
def test_loading_names_what_differs(case: str) -> None:
    model, state = nn.Linear(2, 3), nn.Linear(2, 3).state_dict()
    if case == "missing":
        del state["bias"]
    elif case == "unexpected":
        state["scale"] = Tensor([1.0])
    else:
        state["bias"] = Tensor([1.0])
    name = {"missing": "bias", "unexpected": "scale", "not fitting": "bias: expected (3,)"}[case]
    try:
        model.load_state_dict(state)
    except tinytorch.TinyTorchError as error:
        assert f"1 {case} ({name}" in str(error), f"Module.load_state_dict: expected '1 {case} ({name} …', got: {error}"
    else:
        raise AssertionError(f"Module.load_state_dict accepted a state with one name {case}")


def test_a_linear_layer_starts_with_a_spread_bias_of_its_dtype() -> None:
    layer = nn.Linear(4, 1000, dtype=tinytorch.float64)
    bias = values(layer.bias)
    assert bias.dtype == np.float64, f"Linear.__init__: the bias has dtype {bias.dtype}, asked for float64"
    assert abs(bias.mean()) < 0.05 and abs(bias.std() - 0.5 / math.sqrt(3)) < 0.02 and abs(bias).max() <= 0.5, (
        f"Linear.reset_parameters: the bias is uniform between -1/√4 and 1/√4, got mean {bias.mean():.3f}, "
        f"deviation {bias.std():.3f}"
    )


def test_an_initialisation_repeats_with_its_generator() -> None:
    draws = [values(nn.init.kaiming_uniform_(tinytorch.empty(3, 4), generator=tinytorch.Generator(5))) for _ in "ab"]
    assert (draws[0] == draws[1]).all(), "kaiming_uniform_: the same generator must give the same numbers"


@pytest.mark.parametrize(
    ("indices", "kind", "words"),
    [([0.0, 1.0], "DTypeError", "float32"), ([4, 1], "IndexingError", "found 4."),
     ([2, -1], "IndexingError", "found -1."), ([3, 7, 0], "IndexingError", "found 7.")],
)  # fmt: skip
def test_an_embedding_refuses_what_is_no_row(indices: list, kind: str, words: str) -> None:
    table = Tensor(np.arange(8.0).reshape(4, 2))
    assert F.embedding(Tensor([3]), table).tolist() == [[6, 7]], "embedding_kernel: the last row is a row"
    try:
        found = F.embedding(Tensor(indices), table)
    except getattr(tinytorch, kind) as error:
        assert "embedding" in str(error) and words in str(error), f"embedding_kernel: expected {words!r} in: {error}"
    else:
        raise AssertionError(f"embedding_kernel: 4 rows, indices {indices}: expected {kind}, got {found.tolist()}")


def test_the_table_itself_refuses_indices_that_are_no_integers() -> None:
    with pytest.raises(tinytorch.DTypeError, match=r"embedding: expected integer indices, found float32"):
        embedding_kernel(np, np.ones((3, 2)), np.float32([0.0, 1.0]))
