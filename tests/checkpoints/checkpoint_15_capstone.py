"""Can I build a model that writes on where I stop, train an image model, and get the same answers back from disk?

First the parts: tokenizers against hand-made merges and any Unicode text, the GPT against PyTorch's logits and
gradients (frozen in tests/data/tinygpt.npz), sampling and schedule against closed forms. Then the whole: a small GPT
that must beat a bigram model by 0.15, its cache at every position, a CNN on CIFAR-10 beside the same CNN on shuffled
labels, and both after a journey through a file. `tito checkpoint test 15 --full` trains the CNN to 75 %.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

import json
import math
import os
import random
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Generator, Tensor, nn, no_grad
from tinytorch.core import tinygpt as module
from tinytorch.datasets import CIFAR10, SyntheticImages, TinyShakespeare, TokenDataset, synthetic_text
from tinytorch.models import GPTConfig, SmallCNN, TinyGPT
from tinytorch.optim import SGD, AdamW
from tinytorch.optim.lr_scheduler import LambdaLR, OneCycleLR
from tinytorch.text import (
    BPETokenizer,
    CharTokenizer,
    bigram_loss,
    load_gpt,
    load_tokenizer,
    next_token_loss,
    save_gpt,
    warmup_cosine,
)
from tinytorch.training import Trainer, evaluate_model
from tinytorch.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToFloat
from tinytorch.utils.data import DataLoader

FROZEN = dict(np.load(Path(__file__).parent.parent / "data" / "tinygpt.npz"))
CASES = json.loads(str(FROZEN["cases"]))
FULL = os.environ.get("TITO_CHECKPOINT_FULL") == "1"
STRANGE = ("naïve café", "你好世界", "مرحبا", "🦊👩‍👩‍👧‍👦🇨🇭", "\x00\x1f\u2028\ud800", "a  b\r\n\tc_d 12345", "İß", "")


# ---- tokenizers ------------------------------------------------------------------------------------------------------


def test_characters_there_and_back() -> None:
    tokenizer = CharTokenizer("banana\n€")
    found = tokenizer.encode("nab\n€")
    assert found == [3, 1, 2, 0, 4], f"CharTokenizer.encode: sorted characters are \\n a b n €, got {found}"
    found = tokenizer.decode(Tensor([3, 1, 2, 0, 4]))
    assert found == "nab\n€", f"CharTokenizer.decode: expected 'nab\\n€', got {found!r}"
    with pytest.raises(tinytorch.TinyTorchError, match="'x' at position 2"):
        tokenizer.encode("baxx")
    with pytest.raises(tinytorch.TinyTorchError, match="found 5"):
        tokenizer.decode([5])


def plain_merges(words: dict[bytes, int], merges: int) -> list[tuple[int, int]]:
    """Byte pairs learned on texts of code points, one for each token: another way to the same result."""
    texts, learned = {"".join(map(chr, word)): count for word, count in words.items()}, []
    for new in range(256, 256 + merges):
        counts: Counter[str] = Counter()
        for text, count in texts.items():
            for i in range(len(text) - 1):
                counts[text[i : i + 2]] += count
        best = max(counts, key=lambda pair: (counts[pair], -ord(pair[0]), -ord(pair[1])), default="")
        if counts[best] < 2:
            break
        learned.append((ord(best[0]), ord(best[1])))
        texts = {text.replace(best, chr(new)): count for text, count in texts.items()}
    return learned


def test_a_pair_is_merged_from_left_to_right_without_overlap() -> None:
    found = module.merge_pair([1, 1, 1, 2, 1, 1, 2], (1, 1), 9)
    assert found == [9, 1, 2, 9, 2], f"merge_pair: expected [9, 1, 2, 9, 2], got {found}"


def test_merges_are_the_most_frequent_pairs() -> None:
    words = Counter([b"banana", b"band", b"bandana", b"anna", b"nana", b"aaa", b"aaaa", b"an", b"ban"])
    found, expected = module.learn_merges(words, 30), plain_merges(words, 30)
    assert found == expected, f"learn_merges: expected {expected}, got {found}"
    found = module.learn_merges({b"aaaa": 1, b"bcbc": 1}, 9)
    assert found == [(97, 97), (98, 99)], f"learn_merges: a pair seen once is none; ties by number; got {found}"
    text = synthetic_text(5000, seed=2)
    trained, counts = BPETokenizer.train(text, 330), module.count_pieces(text)
    expected = plain_merges(dict(counts), 74)
    assert trained.merges == expected, "BPETokenizer.train: the fast way learned other pairs than the plain one"
    assert module.learn_merges(counts, 74) == expected, "learn_merges: other pairs than the plain way, on a text"


def test_any_text_comes_back() -> None:
    trained = BPETokenizer.train(synthetic_text(4000), 350)
    rng = random.Random(15)
    texts = [*STRANGE, *("".join(chr(rng.randrange(0x11000)) for _ in range(40)) for _ in range(20))]
    for tokenizer in (BPETokenizer(), trained):
        for text in texts:
            found = tokenizer.decode(tokenizer.encode(text))
            assert found == text, f"BPETokenizer.decode: {text!r:.50} came back as {found!r:.50}: join the bytes first"
    with pytest.raises(tinytorch.TinyTorchError, match="found -1"):
        BPETokenizer().decode([-1])
    tokenizer = BPETokenizer([(98, 99), (97, 98), (97, 256)])
    for data, expected in ((b"abc", [258]), (b"ab", [257]), (b"abab", [257, 257]), (b"bcab", [256, 257])):
        found = tokenizer.encode_piece(data)
        assert found == expected, (
            f"BPETokenizer.encode_piece({data}): the pair learned first goes first: expected {expected}, got {found}"
        )


def test_a_tokenizer_survives_a_file(tmp_path: Path) -> None:
    for tokenizer in (BPETokenizer.train(synthetic_text(2000), 300), CharTokenizer("aé€🦊 b")):
        tokenizer.save(tmp_path / "tokenizer.json")
        again = load_tokenizer(tmp_path / "tokenizer.json")
        assert type(again) is type(tokenizer) and again.encode("aé€🦊 b") == tokenizer.encode("aé€🦊 b")


# ---- the model -------------------------------------------------------------------------------------------------------


def frozen_model(name: str) -> TinyGPT:
    """The model of a frozen case, in double precision."""
    model = TinyGPT(GPTConfig(11, **CASES[name])).double()
    prefix = f"{name}/state/"
    model.load_state_dict({key.removeprefix(prefix): Tensor(FROZEN[key]) for key in FROZEN if key.startswith(prefix)})
    return model


@pytest.mark.parametrize("name", CASES)
def test_logits_and_gradients_are_pytorch_s(name: str) -> None:
    model, tokens = frozen_model(name), Tensor(FROZEN[f"{name}/tokens"])
    logits = model(tokens)
    expected = FROZEN[f"{name}/logits"]
    where = "TinyGPT.forward, CausalSelfAttention.forward"
    assert logits.shape == expected.shape, f"{where}: expected shape {expected.shape}, got {logits.shape}"
    gap = np.abs(logits.detach().numpy() - expected).max()
    assert gap < 1e-6, f"{where} ({name}): logits differ from PyTorch's by {gap:.2g}"
    loss = next_token_loss(logits, Tensor(FROZEN[f"{name}/targets"]))
    gap = abs(loss.item() - FROZEN[f"{name}/loss"])
    expected = FROZEN[f"{name}/loss"]
    assert gap < 1e-6, f"next_token_loss: expected {expected:.6f}, the mean over all, got {loss.item():.6f}"
    loss.backward()
    for key, parameter in model.named_parameters():
        gap = np.abs(parameter.grad.numpy() - FROZEN[f"{name}/grad/{key}"]).max()
        assert gap < 1e-6, f"{where} ({name}): the gradient of {key} differs from PyTorch's by {gap:.2g}"


@pytest.mark.parametrize("name", CASES)
def test_the_cache_changes_nothing(name: str) -> None:
    model, tokens = frozen_model(name), FROZEN[f"{name}/tokens"]
    for chunks in ((1,) * 6, (4, 1, 1), (2, 3, 1), (6,)):
        cache, done = model.new_cache(2), 0
        for new in chunks:
            with no_grad():
                found = model(Tensor(tokens[:, done : done + new]), cache).numpy()
            gap = np.abs(found - FROZEN[f"{name}/logits"][:, done : done + new]).max()
            assert gap < 1e-6, (
                f"LayerCache.extend, CausalSelfAttention.forward ({name}): in chunks of {chunks} positions {done} to "
                f"{done + new - 1} differ from the full pass by {gap:.2g}"
            )
            done += new
        assert cache.length == 6, f"LayerCache.extend: six positions were handed over, length is {cache.length}"


@pytest.mark.parametrize("name", CASES)
def test_a_text_outgrows_the_context(name: str) -> None:
    model, ids = frozen_model(name), np.random.default_rng(4).integers(0, 11, (2, 16))
    kept, lengths = model.new_cache(2), []
    for end in range(2, 17):
        seen = ids[:, module.window_start(end, 7) : end]
        with no_grad():
            expected = model(Tensor(seen)).numpy()[:, -1]
            for cache, how in ((None, "without a cache"), (kept, "with one")):
                gap = np.abs(model.next_logits(ids[:, :end], cache) - expected).max()
                assert gap < 1e-6, f"TinyGPT.next_logits: {how} the logits behind {end} tokens differ by {gap:.2g}"
        lengths.append(kept.length)
    expected = [2, 3, 4, 5, 6, 7, 5, 6, 7, 5, 6, 7, 5, 6, 7]  # the window moves on by three when seven are full
    assert lengths == expected, f"TinyGPT.next_logits: expected {expected} positions in the cache, found {lengths}"


def test_what_is_refused() -> None:
    model = TinyGPT(GPTConfig(5, context=4, layers=1, heads=1, width=4))
    for tokens, part in (([[0] * 5], "at most 4 positions"), ([[7]], "from 0 to 4"), ([1, 2], r"\(batch, length\)")):
        with pytest.raises(tinytorch.TinyTorchError, match=part):
            model(Tensor(tokens))
    with pytest.raises(tinytorch.TinyTorchError, match="empty"):
        model.generate([[]], 1)
    with pytest.raises(tinytorch.TinyTorchError, match="divisible by heads"):
        GPTConfig(5, heads=3, width=8)


def test_weights_begin_small_and_smaller_where_they_write_to_the_stream() -> None:
    tinytorch.manual_seed(0)
    model = TinyGPT(GPTConfig(300, context=64, layers=8, heads=4, width=64, tied=False))
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            writes = name.endswith(("attention.out.weight", "mlp.2.weight"))
            expected, found = 0.02 / (4 if writes else 1), parameter.detach().numpy().std()
            assert abs(found / expected - 1) < 0.08, (
                f"TinyGPT.init_weights: {name} needs a deviation of {expected} (0.02, over √(2·8) where it writes to "
                f"the stream), got {found:.4f}"
            )
        elif name.endswith("bias"):
            assert not parameter.detach().numpy().any(), f"TinyGPT.init_weights: {name} begins at 0"


# ---- loss to beat, schedule, sampling --------------------------------------------------------------------------------


def test_bigram_and_schedule_are_their_formulas() -> None:
    rng = np.random.default_rng(0)
    train, test = rng.integers(0, 4, 300), rng.integers(0, 4, 50)
    pairs, firsts = Counter(pairwise(train)), Counter(train[:-1])
    surprises = [-math.log((pairs[a, b] + 1) / (firsts[a] + 4)) for a, b in pairwise(test)]
    found, expected = bigram_loss(train, test, 4), sum(surprises) / 49
    gap = abs(found - expected)
    assert gap < 1e-9, f"bigram_loss: -log((pairs + 1) / (firsts + V)) is {expected:.5f}, got {found:.5f}"
    assert warmup_cosine(5, 5, 5) == 0.1, "warmup_cosine: where the climb is all, the end is at `lowest`"
    optimizer = SGD([nn.Parameter(tinytorch.zeros(1))], lr=2.0)
    scheduler = LambdaLR(optimizer, lambda step: warmup_cosine(step, 5, 25, 0.2))
    for step in range(30):
        climb, angle = (step + 1) / 5, math.pi * (min(step, 25) - 5) / 20
        expected = 2 * (climb if step < 5 else 0.2 + 0.8 * math.cos(angle / 2) ** 2)
        found = optimizer.param_groups[0]["lr"]
        gap = abs(found - expected)
        assert gap < 1e-9, f"warmup_cosine: expected a rate of {expected:.5f} at step {step}, got {found:.5f}"
        scheduler.step()


def test_probabilities_are_those_that_were_asked_for() -> None:
    model = TinyGPT(GPTConfig(6, context=4, layers=1, heads=1, width=4))
    p = np.array([[0.05, 0.3, 0.1, 0.25, 0.1, 0.2], [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]])
    cases: list[tuple[dict[str, Any], Any]] = [
        ({}, p), ({"temperature": 2.0}, np.sqrt(p)), ({"temperature": 0}, [[0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]),
        ({"top_k": 3}, [[0, 0.3, 0, 0.25, 0, 0.2], [0.5, 0.1, 0.1, 0, 0, 0]]),
        ({"top_p": 0.52}, [[0, 0.3, 0, 0.25, 0, 0], [0.5, 0.1, 0, 0, 0, 0]]),
        ({"top_p": 0.01}, [[0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]),
        ({"top_k": 4, "top_p": 0.9}, [[0, 0.3, 0, 0.25, 0, 0.2], [0.5, 0.1, 0.1, 0.1, 0, 0]]),
    ]  # fmt: skip
    cases[-1][1][0][2] = 0.1  # 0.3 + 0.25 + 0.2 of 0.85 are 0.88: the fourth is needed for 0.9
    for settings, weights in cases:
        expected = np.asarray(weights) / np.sum(weights, axis=1, keepdims=True)
        found = model.next_probabilities(np.log(p) + 3, **settings)
        assert np.allclose(found, expected, atol=1e-9), (
            f"TinyGPT.next_probabilities({settings}): expected {expected.round(3)}, got {np.round(found, 3)}"
        )


def test_a_tie_goes_to_the_smaller_token() -> None:
    model = TinyGPT(GPTConfig(6, context=4, layers=1, heads=1, width=4))
    found = model.next_probabilities(np.tile([0.0, 1.0], (1, 150)), top_k=4).nonzero()[1].tolist()
    assert found == [1, 3, 5, 7], f"TinyGPT.next_probabilities: of equal logits the first ones are kept, got {found}"
    half = model.next_probabilities(np.zeros((1, 4), "float32"), top_p=0.5)
    assert half.tolist() == [[0.5, 0.5, 0, 0]], f"TinyGPT.next_probabilities: two of four equals hold 0.5, got {half}"
    assert half.dtype == np.float64, f"TinyGPT.next_probabilities: expected float64, got {half.dtype}"


def test_only_new_tokens_are_fed_to_a_model_with_a_cache() -> None:
    model, fed = frozen_model("gpt2"), []
    model.register_forward_hook(lambda module, inputs, output: fed.append(inputs[0].shape[1]))
    cache, ids = model.new_cache(1), np.array([[1, 2, 3, 4]])
    with no_grad():
        for length in (2, 3, 4):
            model.next_logits(ids[:, :length], cache)
    assert fed == [2, 1, 1], f"TinyGPT.next_logits: with a cache feed what is new, 2, 1 and 1 tokens; it fed {fed}"


def test_embeddings_are_dropped_in_training() -> None:
    model = TinyGPT(GPTConfig(6, context=4, layers=1, heads=1, width=4, dropout=0.5))
    model.blocks[0].dropout.p = model.blocks[0].attention.dropout = 0.0
    first, second = (model(Tensor([[1, 2, 3, 4]])).detach().numpy() for _ in range(2))
    assert not np.array_equal(first, second), "TinyGPT.forward: the sum of the embeddings goes through self.dropout"


def test_draws_follow_the_probabilities_and_the_seed() -> None:
    model = frozen_model("gpt2")
    rows = model.generate([[3]] * 3000, 1, seed=1)
    with no_grad():
        logits = model(Tensor([[3]])).numpy()[0, 0]
    p = np.exp(logits - logits.max())
    p /= p.sum()
    shares = np.bincount([row[1] for row in rows], minlength=11) / 3000
    gap, allowed = np.abs(shares - p), 4.5 * np.sqrt(p / 3000) + 1e-3
    assert (gap < allowed).all(), f"TinyGPT.next_probabilities: 3,000 draws give {shares.round(3)}, not {p.round(3)}"
    texts = [model.generate([[3]], 30, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2], "the same seed writes the same text, another seed another one"


# ---- the whole -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts_are_sound(request: pytest.FixtureRequest) -> None:
    """Training what is wrong in its parts would take minutes and tell nothing new."""
    failed = request.session.testsfailed
    assert failed == 0, f"the parts come first: {failed} of the tests above failed"


@contextmanager
def quickly() -> Iterator[None]:
    """The compiled kernels, where the student has them: the whole is about what is learned, not about who computes.

    One thread, unless whole models are trained: the same numbers on every machine, and no waiting for a busy core.
    """
    if not hasattr(tinytorch, "backends"):
        yield
        return
    threads = tinytorch.get_num_threads()
    try:
        tinytorch.set_num_threads(threads if FULL else 1)
        with tinytorch.backends.use("auto"):
            yield
    finally:
        tinytorch.set_num_threads(threads)


def the_text() -> tuple[str, str]:
    """Real Shakespeare, or plays from a grammar where he cannot be had; and what it is."""
    try:
        train = TinyShakespeare(train=True, block_size=1)
        test = TinyShakespeare(train=False, block_size=1)
        return train.decode(train.ids) + test.decode(test.ids), "Shakespeare"
    except tinytorch.TinyTorchError as problem:
        print(f"Generated plays stand in for Shakespeare: {problem}")
        return synthetic_text(200_000), "generated plays in place of Shakespeare"


@dataclass
class Written:
    """A trained GPT, what it read, and how it compares."""

    model: TinyGPT
    tokenizer: Any
    held_out: np.ndarray
    loss: float
    bigram: float
    data: str


@pytest.fixture(scope="module")
def written(parts_are_sound: None) -> Written:
    """Train a small GPT for a few seconds."""
    text, data = the_text()
    tokenizer = CharTokenizer(text)
    ids = np.array(tokenizer.encode(text))
    cut = len(ids) * 9 // 10
    train, held_out = ids[:cut], ids[cut:]
    tinytorch.manual_seed(0)
    settings = {"layers": 2, "heads": 4, "width": 48, "positions": "rotary", "norm": "rms", "bias": False}
    model = TinyGPT(GPTConfig(tokenizer.vocab_size, context=32, **settings))
    steps, windows, rng = 240, TokenDataset(train, 32), np.random.default_rng(0)
    optimizer = AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.99))
    scheduler = LambdaLR(optimizer, lambda step: warmup_cosine(step, 20, steps, 0.0))
    with quickly():
        for _ in range(steps):
            x, y = windows.get_batch(rng.integers(0, len(windows), 16))
            optimizer.zero_grad()
            next_token_loss(model(x), y).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
        rest = TokenDataset(held_out, 32, stride=32)
        with no_grad():
            x, y = rest.get_batch(range(0, len(rest), 4))
            loss = next_token_loss(model.eval()(x), y).item()
    return Written(model, tokenizer, held_out, loss, bigram_loss(train, held_out, tokenizer.vocab_size), data)


def test_a_small_gpt_beats_the_bigram(written: Written, record_property: Callable[[str, object], None]) -> None:
    record_property("data", written.data)
    print(f"validation loss {written.loss:.3f}, bigram {written.bigram:.3f}")
    assert written.loss <= written.bigram - 0.15, (
        f"TinyGPT: expected a loss at least 0.15 below the bigram's {written.bigram:.3f}, got {written.loss:.3f}"
    )


def test_the_cache_of_a_trained_gpt_agrees_at_every_position(written: Written) -> None:
    tokens = Tensor(written.held_out[:64].reshape(2, 32))
    with no_grad():
        full, cache = written.model(tokens).numpy(), written.model.new_cache(2)
        for i in range(32):
            gap = np.abs(written.model(tokens[:, i : i + 1], cache).numpy()[:, 0] - full[:, i]).max()
            assert gap <= 1e-5, f"KV cache: position {i} differs by {gap:.2g}"
    prompts = [written.held_out[:n].tolist() for n in (3, 30, 50)]
    plain, cached = (written.model.generate(prompts, 40, temperature=0, cache=cache) for cache in (False, True))
    assert plain == cached, "TinyGPT.next_logits: the text with a cache differs from the one without"


def test_a_gpt_from_disk_writes_the_same(written: Written, tmp_path: Path) -> None:
    save_gpt(tmp_path / "gpt.safetensors", written.model, written.tokenizer)
    model, tokenizer = load_gpt(tmp_path / "gpt.safetensors", written.model.config)
    tokens = Tensor(written.held_out[None, :32])
    with no_grad():
        same = np.array_equal(model(tokens).numpy(), written.model(tokens).numpy())
    assert same, "load_gpt: logits differ in their bits from those of the model that was saved"
    start = written.tokenizer.decode(written.held_out[:20])
    texts = ["".join(t.stream(m.stream(t.encode(start), 80, seed=3))) for m, t in
             ((model, tokenizer), (written.model, written.tokenizer))]  # fmt: skip
    assert texts[0] == texts[1], f"load_gpt: it writes {texts[0]!r:.60}, the model that was saved {texts[1]!r:.60}"
    with pytest.raises(tinytorch.TinyTorchError, match="width 48, not 128"):
        load_gpt(tmp_path / "gpt.safetensors", GPTConfig(tokenizer.vocab_size))


STAND_IN = "generated images in place of CIFAR-10"


@dataclass
class Images:
    """Training and test images, ready, and what must be reached on them."""

    name: str
    train: Any
    test: Any
    least: float


def the_images() -> Images:
    """CIFAR-10, or generated images where it cannot be had. Only `--full` shifts and mirrors the training images."""
    standard = [ToFloat(), Normalize((0.491, 0.482, 0.447), (0.247, 0.243, 0.262))]
    try:
        train, test, name, least = CIFAR10(train=True), CIFAR10(train=False), "CIFAR-10", 0.75 if FULL else 0.5
    except tinytorch.TinyTorchError as problem:
        print(f"Generated images stand in for CIFAR-10: {problem}")
        train, test, name, least = SyntheticImages(train=True), SyntheticImages(train=False), STAND_IN, 0.5
    vary = [RandomCrop(32, padding=2), RandomHorizontalFlip()] if FULL else []
    train.transform, test.transform = Compose(standard + vary), Compose(standard)
    count = len(train.images) if FULL else 4000
    train.images, train.labels = train.images[:count], train.labels[:count]
    if not FULL:
        test.images, test.labels = test.images[:2000], test.labels[:2000]
    return Images(name, train, test, least)


def new_cnn() -> SmallCNN:
    """The network of the course; half as wide, unless it is to be trained for long."""
    return SmallCNN() if FULL else SmallCNN(channels=(16, 32, 64))


def accuracy_of(images: Images, model: Any) -> float:
    """Train a CNN; return its accuracy on the test images."""
    epochs, batch, lr = (5, 128, 0.1) if FULL else (3, 50, 0.1)
    optimizer = SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4, nesterov=True)
    loader = DataLoader(images.train, batch_size=batch, shuffle=True, generator=Generator(0))
    schedule = OneCycleLR(optimizer, max_lr=lr, total_steps=epochs * len(loader), cycle_momentum=False)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    trainer = Trainer(model, optimizer, loss, scheduler=schedule, scheduler_interval="step", clip_norm=2.0)
    trainer.fit(loader, epochs=epochs)
    return evaluate_model(model, DataLoader(images.test, batch_size=250))["accuracy"]


def test_a_cnn_learns_from_images_and_not_from_shuffled_labels(
    parts_are_sound: None, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    images = the_images()
    record_property("data", images.name)
    with quickly():
        tinytorch.manual_seed(0)
        model = new_cnn()
        found = accuracy_of(images, model)
        print(f"accuracy {found:.1%} on {images.name}")
        assert found >= images.least, f"SmallCNN: expected {images.least:.0%} on {images.name}, got {found:.1%}"
        tinytorch.save(model.state_dict(), tmp_path / "cnn.safetensors")
        again = new_cnn()
        again.load_state_dict(tinytorch.load(tmp_path / "cnn.safetensors"))
        x, _ = next(iter(DataLoader(images.test, batch_size=200)))
        with no_grad():
            same = np.array_equal(again.eval()(x).numpy(), model.eval()(x).numpy())
        assert same, "load_state_dict: a CNN from disk predicts other numbers than the one that was saved"
        tinytorch.manual_seed(0)
        order = np.random.default_rng(0).permutation(len(images.train.labels))
        images.train.labels = np.asarray(images.train.labels)[order]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The loss has not moved")  # which is what shall happen
            found = accuracy_of(images, new_cnn())
    assert found <= 0.15, f"shuffled labels teach nothing, yet the accuracy is {found:.1%}: do test images leak?"
