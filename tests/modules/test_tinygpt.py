"""What is given in module 16: configurations, files, generation, data; refusals. Tokenizers: test_tokenizers.py."""

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, TinyTorchError, nn, no_grad
from tinytorch.autograd import gradcheck
from tinytorch.core.engine import Watcher, overlay
from tinytorch.core.tinygpt import Block, CausalSelfAttention, KVCache
from tinytorch.datasets import TokenDataset, synthetic_text
from tinytorch.given.decoding import Decoder, can_decode
from tinytorch.given.generating import CHUNK, draw, window_start
from tinytorch.given.gpt_parts import AttentionParts
from tinytorch.models import GPTConfig, TinyGPT
from tinytorch.text import CharTokenizer, bigram_loss, load_gpt, next_token_loss, save_gpt

FROZEN = dict(np.load(Path(__file__).parents[1] / "data" / "tinygpt.npz"))
SMALL = {"context": 8, "layers": 1, "heads": 2, "width": 8}


def small(vocab_size: int = 7, **changes) -> TinyGPT:
    """A GPT with large random weights, so that its texts vary."""
    tinytorch.manual_seed(5)
    model = TinyGPT(GPTConfig(vocab_size, **{**SMALL, **changes}))
    with no_grad():
        for parameter in model.parameters():
            parameter.copy_(tinytorch.randn(*parameter.shape))
    return model


# ---- rotary positions ------------------------------------------------------------------------------------------------


def test_rotary_positions_are_turns_of_the_complex_plane():
    rotary = nn.RotaryPositions(8, 8).double()
    found = rotary(Tensor(FROZEN["rotary/x"]), 3).numpy()
    assert np.abs(found - FROZEN["rotary/start_3"]).max() < 1e-6


def test_products_of_turned_vectors_depend_on_the_distance_alone():
    rng, rotary = np.random.default_rng(0), nn.RotaryPositions(16, 50)
    q, k = (Tensor(np.tile(rng.normal(size=16), (50, 1)).astype("float32")) for _ in range(2))
    products = (rotary(q) @ rotary(k).T).numpy()
    for distance in (-7, 0, 12):
        diagonal = np.diag(products, distance)
        assert np.allclose(diagonal, diagonal[0], atol=1e-4), f"distance {distance}"
    x = tinytorch.randn(2, 5, 4, dtype="float64", requires_grad=True)
    assert gradcheck(nn.RotaryPositions(4, 9).double(), (x,))


@pytest.mark.parametrize(
    ("refuse", "part"),
    [
        (lambda: nn.RotaryPositions(5, 8), "even head_dim"),
        (lambda: nn.RotaryPositions(4, 8)(tinytorch.ones(9, 4)), "at most 8 positions"),
        (lambda: nn.RotaryPositions(4, 8)(tinytorch.ones(2, 4), start=7), "from position 7"),
        (lambda: nn.RotaryPositions(4, 8)(tinytorch.ones(2, 6)), r"\(…, length, 4\)"),
        (lambda: nn.RotaryPositions(4, 8)(Tensor([[1, 2, 3, 4]])), "floating"),
    ],
)
def test_rotary_positions_refuse_in_a_sentence(refuse, part):
    with pytest.raises(TinyTorchError, match=part):
        refuse()


# ---- model -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"width": 9}, "divisible by heads"),
        ({"kv_heads": 3, "heads": 4}, "divisible by kv_heads"),
        ({"context": 0}, "context"),
        ({"dropout": 2}, "dropout"),
        ({"positions": "absolute"}, "'learned' or 'rotary'"),
        ({"norm": "batch"}, "'layer' or 'rms'"),
        ({"positions": "rotary", "heads": 8}, "even width / heads"),
        ({"layers": 1.5}, "whole number"),
        ({"bias": "no"}, "GPTConfig's bias: expected True or False, found 'no'"),
        ({"tied": 2}, "GPTConfig's tied"),
    ],
)
def test_configurations_that_cannot_be_are_refused(changes, part):
    with pytest.raises(TinyTorchError, match=part):
        GPTConfig(7, **{**SMALL, **changes})
    with pytest.raises(TinyTorchError, match="expected a GPTConfig, found dict"):
        TinyGPT({"vocab_size": 7, **SMALL, **changes})


@pytest.mark.parametrize(
    ("tokens", "part"),
    [
        ([[0] * 9], "at most 8 positions, its context, found 9"),
        ([[7]], "from 0 to 6, found 7 to 7"),
        ([[-1]], "found -1"),
        ([1, 2], r"\(batch, length\)"),
        ([[]], "length of 1 or more"),
        ([[0.5]], "whole numbers"),
    ],
)
def test_tokens_that_do_not_fit_are_refused(tokens, part):
    with pytest.raises(TinyTorchError, match=part):
        small()(Tensor(tokens))


def test_a_full_or_foreign_cache_is_refused():
    model = small()
    cache = model.new_cache(1)
    with no_grad():
        model(Tensor([[1] * 8]), cache)
        with pytest.raises(TinyTorchError, match="found 1 behind 8 in the cache"):
            model(Tensor([[1]]), cache)
        with pytest.raises(TinyTorchError, match="serves one batch"):
            model(Tensor([[1], [2]]), model.new_cache(1))
    with pytest.raises(TinyTorchError, match="no_grad"):
        model(Tensor([[1]]), model.new_cache(1))


def test_the_tied_table_is_one_parameter_and_gets_both_gradients():
    tied, free = small(), small(tied=False)
    assert sum(p.numel() for p in free.parameters()) - sum(p.numel() for p in tied.parameters()) == 7 * 8
    assert "head.weight" not in tied.state_dict()
    x = Tensor([[1, 2, 3]])
    next_token_loss(tied(x), x).backward()
    assert np.abs(tied.tokens.weight.grad.numpy()[6]).max() > 0, "a token that is not in the text is pushed away"


def test_the_gradient_of_a_whole_model_is_the_slope_of_its_loss():
    model = small(positions="rotary", norm="rms", kv_heads=1).double()
    x, y = Tensor([[1, 2, 3, 0]]), Tensor([[2, 3, 0, 1]])
    next_token_loss(model(x), y).backward()
    for name, parameter in model.named_parameters():
        place = tuple(n // 2 for n in parameter.shape)
        slope = 0.0
        with no_grad():
            kept = parameter[place].item()
            for step in (1e-6, -1e-6):
                parameter[place] = kept + step
                slope += next_token_loss(model(x), y).item() / (2 * step)
            parameter[place] = kept
        assert abs(slope - parameter.grad[place].item()) < 1e-6, f"{name}{place}: {slope}"


# ---- generation ------------------------------------------------------------------------------------------------------


def test_the_window_moves_by_half_a_context():
    starts = [window_start(length, 8) for length in range(1, 18)]
    assert starts == [0] * 8 + [4] * 4 + [8] * 4 + [12]
    assert [window_start(n, 1) for n in (1, 2, 3)] == [0, 1, 2]
    assert all(1 <= n - window_start(n, 7) <= 7 for n in range(1, 60))


@pytest.mark.parametrize("context", [1, 2, 5, 8])
@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_the_cache_changes_no_text(context, positions):
    model = small(context=context, positions=positions)
    prompts = [[1, 2, 3, 4, 5, 6, 0, 1, 2, 3], [4], [5, 6]]
    texts = [model.generate(prompts, 30, seed=3, top_k=4, cache=cache) for cache in (False, True)]
    assert texts[0] == texts[1]
    assert [row[: len(p)] for row, p in zip(texts[0], prompts, strict=True)] == prompts
    assert [len(row) for row in texts[0]] == [40, 31, 32]


ARCHITECTURES = (
    {},
    {"layers": 3, "heads": 4, "width": 16, "bias": False, "norm": "rms", "positions": "rotary", "kv_heads": 2},
    {"kv_heads": 1, "tied": False, "positions": "rotary"},
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("changes", ARCHITECTURES)
def test_the_decoder_gives_what_the_model_gives(changes, dtype):
    model = small(**changes).to(dtype=dtype)
    assert can_decode(model)
    tokens = np.random.default_rng(0).integers(0, 7, (3, 8))
    ours, theirs = model.new_cache(3), model.new_cache(3)
    with no_grad():
        for cache in (ours, theirs):
            model(Tensor(tokens[:, :2]), cache)
        decoder = Decoder(model, ours)
        for i in range(2, 8):
            found, expected = decoder.step(tokens[:, i]), model(Tensor(tokens[:, i : i + 1]), theirs).numpy()[:, 0]
            assert found.dtype == dtype and ours.length == theirs.length == i + 1
            assert np.abs(found - expected).max() <= (1e-12 if dtype == "float64" else 1e-5) * np.abs(expected).max()
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        assert np.allclose(one.keys.numpy(), other.keys.numpy(), atol=1e-5)


def block_of_ones_own(model):
    class Parallel(Block):
        def forward(self, x, cache=None):
            return x + self.attention(self.norm1(x), cache) + self.mlp(self.norm2(x))

    model.blocks[0].__class__ = Parallel


def attention_of_ones_own(model):
    class Mirrored(AttentionParts):
        def forward(self, x, cache=None):
            return -CausalSelfAttention.forward(self, x, cache)

    model.blocks[0].attention.__class__ = Mirrored


def mlp_of_ones_own(model):
    class Negative(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return -self.inner(x)

    model.blocks[0].mlp = Negative(model.blocks[0].mlp)


def block_without_attention(model):
    class Pointwise(nn.Module):
        def __init__(self, mlp):
            super().__init__()
            self.mlp = mlp

        def forward(self, x, cache=None):
            if cache is not None:
                cache.length += x.shape[1]
            return x - self.mlp(x)

    model.blocks[0] = Pointwise(model.blocks[0].mlp)


CHANGES = block_of_ones_own, attention_of_ones_own, mlp_of_ones_own, block_without_attention


@pytest.mark.parametrize("change", CHANGES)
def test_parts_of_ones_own_are_not_decoded_in_the_short_way(change):
    model = small()
    expected = model.generate([[1]], 30, seed=3)
    change(model)
    plain, cached = (model.generate([[1]], 30, seed=3, cache=cache) for cache in (False, True))
    assert plain == cached != expected


def test_what_is_watched_or_changed_is_not_decoded_in_the_short_way():
    class Doubled(TinyGPT):
        def forward(self, tokens, cache=None):
            return super().forward(tokens, cache) * -2

    model, seen = small(), []
    expected = model.generate([[1]], 6, temperature=0)
    handle = model.blocks[0].attention.register_forward_hook(lambda *_: seen.append(1))
    assert model.generate([[1]], 6, temperature=0) == expected and len(seen) == 6
    handle.remove()
    other = Doubled(model.config)
    other.load_state_dict(model.state_dict())
    assert other.generate([[1]], 6, temperature=0) == other.generate([[1]], 6, temperature=0, cache=False) != expected
    model.blocks[0].mlp[1] = nn.ReLU()
    assert model.generate([[1]], 6, temperature=0) == model.generate([[1]], 6, temperature=0, cache=False)
    model.norm, model.blocks[0].norm1 = nn.Identity(), nn.LayerNorm(8, elementwise_affine=False)
    assert model.generate([[1]], 6, temperature=0) == model.generate([[1]], 6, temperature=0, cache=False)

    class Counting(Watcher):
        def after(self, *_):
            seen.append(2)

    seen.clear()
    with overlay(counting=Counting()):
        assert small().generate([[1]], 6, temperature=0) == expected
    assert len(seen) > 6 * 10


def test_generation_leaves_the_model_as_it_was():
    model = small(dropout=0.5)
    first = model.generate([[1, 2]], 9, temperature=0)
    assert model.training and first == model.generate([[1, 2]], 9, temperature=0)
    stream = model.stream([1, 2], 3)
    next(stream)
    assert model.training and tinytorch.is_grad_enabled(), "between two tokens the caller's modes are the caller's"


def test_a_text_needs_room_for_what_is_there_of_it():
    model, count = small(), CHUNK + 70
    assert len(list(islice(model.stream([1, 2], 10**15, seed=3), 3))) == 3
    rows = np.array(model.generate([[1, 2], [3]], count, seed=3)[0])
    uniform = tinytorch.Generator(3).uniform((count + 1, 2), "float64")[:, 0]
    for position in (2, CHUNK, CHUNK + 1, CHUNK + 2, count + 1):
        p = model.next_probabilities(model.next_logits(rows[None, :position]))
        assert draw(p, uniform[position - 1 : position]) == rows[position], f"position {position}"


def test_without_a_seed_the_default_stream_is_drawn_from():
    model = small()
    texts = []
    for _ in range(2):
        tinytorch.manual_seed(1)
        texts.append([model.generate([[1]], 20) for _ in range(2)])
    assert texts[0] == texts[1] and texts[0][0] != texts[0][1]


def test_tensors_are_prompts_too():
    model = small()
    assert model.generate(Tensor([[1, 2], [3, 4]]), 4, seed=1) == model.generate([[1, 2], [3, 4]], 4, seed=1)
    assert model.generate([[1, 2]], 0) == [[1, 2]]


def test_prompts_may_come_from_an_iterator():
    model, prompts = small(), [[1, 2], [3]]
    assert model.generate(iter(prompts), 4, seed=1) == model.generate(prompts, 4, seed=1)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"prompts": [[]]}, "empty one"),
        ({"prompts": []}, "empty one"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature: expected a number of 0 or more, found nan"),
        ({"temperature": 1e-310}, "expected 0, which takes the likeliest token, or 1e-09 or more, found 1e-310"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 1.5}, "top_p"),
        ({"tokens": -1}, "number of tokens"),
        ({"prompts": [[9]]}, "from 0 to 6"),
        ({"prompts": [[1], [2, -1, 3]]}, "from 0 to 6, found -1 to 3"),
        ({"prompts": [[1], [2, 99]]}, "from 0 to 6, found 2 to 99"),
        ({"prompts": None}, "rows of tokens, found NoneType"),
        ({"prompts": "abc"}, "encode the text"),
        ({"prompts": ["abc"]}, "encode the text"),
        ({"prompts": [1, 2]}, "a row of tokens"),
        ({"prompts": [[[1, 2]]]}, r"found one of shape \(1, 2\)"),
        ({"prompts": [[1, [2]]]}, "lists of different lengths"),
        ({"prompts": [[0.5]]}, "whole numbers as tokens, found float64"),
    ],
)
def test_generation_refuses_in_a_sentence(arguments, part):
    with pytest.raises(TinyTorchError, match=part):
        small().generate(**{"prompts": [[1]], "tokens": 2, **arguments})


def test_a_model_whose_weights_are_no_numbers_writes_nothing():
    model = small()
    with no_grad():
        model.tokens.weight.fill_(float("nan"))
    for cache in (False, True):
        with pytest.raises(TinyTorchError, match="found nan as the sum of a row: the logits are not finite"):
            model.generate([[1]], 2, cache=cache)


# ---- the mark to beat -----------------------------------------------------------------------------------------------


def test_pairs_are_counted_in_lists_arrays_and_tensors():
    expected = bigram_loss(np.array([0, 1, 0, 1]), np.array([0, 1]), 2)
    assert expected == pytest.approx(-np.log(3 / 4))
    for kind in (list, np.int32, Tensor):
        assert bigram_loss(kind([0, 1, 0, 1]), kind([0, 1]), 2) == expected
    assert bigram_loss([], [0, 1], 4) == pytest.approx(np.log(4)), "who has seen nothing guesses evenly"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (([0, 5], [0, 1], 3), "expected tokens from 0 to 2, found 0 to 5: vocab_size is the tokenizer's"),
        (([0, 1], [0, 3], 3), "found 0 to 3"),
        (([0, -1], [0, 1], 3), "found -1 to 0"),
        (([0, 1], [0], 3), "two tokens or more for validation, found 1"),
        (([0.5, 1], [0, 1], 3), "whole numbers as tokens, found float64"),
        (([[0, 1]], [0, 1], 3), "one row of tokens, found"),
        ((None, [0, 1], 3), "found object"),
        (([0, 1], [0, 1], 0), "bigram_loss's vocab_size"),
        (([0, 1], [0, 1], 2.5), "bigram_loss's vocab_size"),
    ],
)
def test_pairs_that_cannot_be_counted_are_refused_in_a_sentence(arguments, part):
    with pytest.raises(TinyTorchError, match=part):
        bigram_loss(*arguments)


# ---- files and data --------------------------------------------------------------------------------------------------


def test_a_file_of_something_else_is_refused(tmp_path):
    model, tokenizer = small(), CharTokenizer("abcdefg")
    save_gpt(tmp_path / "gpt", model, tokenizer)
    read, same = load_gpt(tmp_path / "gpt")
    assert read.config == model.config and same.characters == tokenizer.characters and not read.training
    with pytest.raises(TinyTorchError, match="layers 1, not 3"):
        load_gpt(tmp_path / "gpt", GPTConfig(7, **{**SMALL, "layers": 3}))
    with pytest.raises(TinyTorchError, match="of 7 tokens"):
        save_gpt(tmp_path / "other", model, CharTokenizer("ab"))
    tinytorch.save(nn.Linear(2, 2).state_dict(), tmp_path / "linear")
    with pytest.raises(TinyTorchError, match="written by save_gpt"):
        load_gpt(tmp_path / "linear")
    with pytest.raises(TinyTorchError, match=r"tokens\.weight: expected"):
        small(9).load_state_dict(model.state_dict())
    for refuse, part in (
        (lambda: save_gpt(tmp_path / "other", nn.Linear(2, 2), tokenizer), "expected a TinyGPT, found Linear"),
        (lambda: load_gpt(tmp_path / "gpt", {"layers": 1}), "load_gpt's config: expected a GPTConfig, found dict"),
        (lambda: save_gpt(tmp_path / "other", model, None), "expected the model's tokenizer, found NoneType"),
    ):
        with pytest.raises(TinyTorchError, match=part):
            refuse()


@pytest.mark.parametrize(
    ("part", "value", "sentence"),
    [
        ("config", None, "written by save_gpt"),
        ("model", None, "written by save_gpt"),
        ("config", [7], "the settings of a TinyGPT in .*, found list"),
        ("config", {"experts": 2}, r"found \['experts'\] too"),
        ("config", {"width": 8}, "found no vocab_size"),
        ("config", {"vocab_size": 7, **SMALL, "width": 16}, r"tokens\.weight: expected \(7, 16\), found \(7, 8\)"),
        ("config", {"vocab_size": 7, **SMALL, "layers": 2}, "12 missing"),
        ("tokenizer", {"format": 1, "kind": "characters", "characters": "ab"}, "of 7 tokens, as the model has"),
    ],
)
def test_a_file_that_fits_in_part_is_refused(part, value, sentence, tmp_path):
    save_gpt(tmp_path / "gpt", small(), CharTokenizer("abcdefg"))
    content = {**tinytorch.load(tmp_path / "gpt"), part: value}
    tinytorch.save({key: kept for key, kept in content.items() if kept is not None}, tmp_path / "other")
    with pytest.raises(TinyTorchError, match=sentence):
        load_gpt(tmp_path / "other")


def test_windows_of_tokens():
    data = TokenDataset(range(10), 4, stride=3)
    assert len(data) == 2 and [t.tolist() for t in data[1]] == [[3, 4, 5, 6], [4, 5, 6, 7]]
    assert len(TokenDataset(range(10), 4)) == 6 and TokenDataset(range(10), 4)[-1][1].tolist() == [6, 7, 8, 9]
    for refuse, part in (
        (lambda: TokenDataset(range(4), 4), "more than context=4"),
        (lambda: TokenDataset([0.5] * 9, 4), "whole numbers"),
        (lambda: data[2], "below 2"),
        (lambda: data["a"], "whole numbers as indices, found"),
        (lambda: data[0:2], "whole numbers as indices, found"),
    ):
        with pytest.raises(TinyTorchError, match=part):
            refuse()


def test_generated_plays_are_a_function_of_their_seed():
    text = synthetic_text(5000, seed=4)
    assert len(text) == 5000 and text == synthetic_text(9000, seed=4)[:5000] != synthetic_text(5000, seed=5)
    lines = [line for line in text.split("\n") if ", said " in line and line.endswith(".")]
    assert lines and all(line.split(":")[0] == line.split("said ")[1][:-1] for line in lines)
    assert len(Counter(text)) < 60


def test_a_cache_has_room_for_each_layer_and_shared_head():
    cache = KVCache(GPTConfig(7, **{**SMALL, "layers": 3, "kv_heads": 1}), 2)
    assert [layer.keys.shape for layer in cache.layers] == [(2, 1, 8, 4)] * 3
