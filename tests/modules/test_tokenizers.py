"""The tokenizers of module 16 at their edges: any text, any bytes, files, and their refusals."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch
from tinytorch import TinyTorchError
from tinytorch.datasets import synthetic_text
from tinytorch.given.pair_merging import fast_merges
from tinytorch.given.piece_encoding import fast_tokens
from tinytorch.given.text_pieces import pieces
from tinytorch.given.tokenizer_tables import LONG, MOST_KNOWN
from tinytorch.models import GPTConfig, TinyGPT
from tinytorch.text import BPETokenizer, CharTokenizer, load_gpt, load_tokenizer, save_gpt

TRAINED = BPETokenizer.train(synthetic_text(6000) + "naïve 🦊 café " * 20, 420)


@given(st.text(alphabet=st.characters(), max_size=60))
@settings(max_examples=150, deadline=None)
def test_every_unicode_text_comes_back(text):
    assert "".join(pieces(text)) == text
    assert TRAINED.decode(TRAINED.encode(text)) == text
    assert "".join(TRAINED.stream(TRAINED.encode(text))) == text


@given(st.dictionaries(st.binary(min_size=1, max_size=12), st.integers(1, 5), max_size=12))
@settings(max_examples=60, deadline=None)
def test_fast_merges_are_the_plain_ones(words):
    assert fast_merges(words, 20) == tinytorch.core.tinygpt.learn_merges(words, 20)


@given(
    st.lists(st.sampled_from(list(b"ab ")), min_size=65, max_size=200).map(bytes),
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=12),
)
@settings(max_examples=150, deadline=None)
def test_a_long_piece_gets_the_tokens_of_the_plain_way(data, pairs):
    known = [*b"ab ", *range(256, 270)]
    merges = [(known[first % (3 + n)], known[second % (3 + n)]) for n, (first, second) in enumerate(pairs)]
    tokenizer = BPETokenizer(merges)
    assert fast_tokens(data, tokenizer.ranks) == tokenizer.encode_piece(data)


class Counted(dict):
    """A dict that counts how often it is asked."""

    asked = 0

    def __contains__(self, key):
        self.asked += 1
        return super().__contains__(key)

    def get(self, key, default=None):
        self.asked += 1
        return super().get(key, default)


@pytest.mark.parametrize("letters", ["\n ", "abcdefgh", "éß"])
def test_a_long_piece_costs_its_length(letters):
    rng = random.Random(1)
    words = ["".join(rng.choices(letters, k=8)) for _ in range(300)]
    tokenizer = BPETokenizer.train(".".join(words), 340)
    tokenizer.ranks = Counted(tokenizer.ranks)
    text = "".join(rng.choices(letters, k=3000))
    assert tokenizer.decode(tokenizer.encode(text)) == text
    count = len(text.encode())
    assert tokenizer.ranks.asked < 8 * count, f"{tokenizer.ranks.asked} look-ups for {count} bytes"


def test_no_more_is_remembered_than_so_many_words():
    tokenizer = BPETokenizer()
    text = "".join(f" {chr(0x4E00 + n // 256)}{chr(0x4E00 + n % 256)}" for n in range(MOST_KNOWN + 9))
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert 0 < len(tokenizer._known) <= MOST_KNOWN
    tokenizer = BPETokenizer()
    tokenizer.encode("word " + "long" * LONG)
    assert list(tokenizer._known) == ["word"]


def test_merges_that_double_and_double_are_refused(tmp_path):
    doubling = [(97, 97), *((n, n) for n in range(256, 295))]
    with pytest.raises(TinyTorchError, match="at most 16,777,216 bytes in all, found more from token 278 on"):
        BPETokenizer(doubling)
    state = {"format": 1, "kind": "bytes", "merges": doubling}
    (tmp_path / "t.json").write_text(json.dumps(state))
    with pytest.raises(TinyTorchError, match=r"load_tokenizer: .* 16,777,216 bytes"):
        load_tokenizer(tmp_path / "t.json")
    save_gpt(tmp_path / "gpt", TinyGPT(GPTConfig(7, context=8, layers=1, heads=2, width=8)), CharTokenizer("abcdefg"))
    tinytorch.save({**tinytorch.load(tmp_path / "gpt"), "tokenizer": state}, tmp_path / "other")
    with pytest.raises(TinyTorchError, match="16,777,216 bytes"):
        load_gpt(tmp_path / "other")


def test_a_character_waits_until_its_bytes_are_there():
    plain = BPETokenizer()
    assert list(plain.stream(plain.encode("a🦊é"))) == ["a", "🦊", "é"]
    assert "".join(plain.stream([0xF0, 0x9F])) == "\N{REPLACEMENT CHARACTER}"


@given(st.lists(st.sampled_from([*"\N{REPLACEMENT CHARACTER}🦊éa ".encode(), 0xFF])))
@settings(max_examples=150, deadline=None)
def test_a_stream_of_any_bytes_is_the_text_of_them_all(tokens):
    plain = BPETokenizer()
    assert "".join(plain.stream(tokens)) == plain.decode(tokens)


@pytest.mark.parametrize("text", ["\ufffd🦊", "x\ufffd\ufffd你", "a\ud800é"], ids=ascii)
def test_a_replacement_character_in_a_text_is_a_character(text):
    for tokenizer in (BPETokenizer(), TRAINED, CharTokenizer(text)):
        assert "".join(tokenizer.stream(tokenizer.encode(text))) == text
    assert list(BPETokenizer().stream(text.encode("utf-8", "surrogatepass"))) == list(text)


def test_bytes_that_are_no_text_are_replaced():
    assert BPETokenizer().decode([97, 0xFF, 98]) == "a\N{REPLACEMENT CHARACTER}b"


def test_no_token_crosses_a_word():
    spaces = [part for part in TRAINED.parts if b" " in part.strip(b" ")]
    assert not spaces, f"tokens with a space inside: {spaces}"


def test_training_stops_when_nothing_repeats():
    assert BPETokenizer.train("abc", 1000).vocab_size == 256
    assert BPETokenizer.train("", 300).encode("x") == [120]


@pytest.mark.parametrize(
    ("refuse", "part"),
    [
        (lambda: BPETokenizer.train("abc", 100), "256"),
        (lambda: BPETokenizer.train(b"abc", 300), "expected a text, found bytes"),
        (lambda: TRAINED.encode(None), "expected a text"),
        (lambda: TRAINED.decode([TRAINED.vocab_size]), "another tokenizer"),
        (lambda: TRAINED.decode([0.5]), "whole numbers"),
        (lambda: TRAINED.decode(None), "whole numbers"),
        (lambda: TRAINED.decode([[97, 98], [99, 100]]), r"one row of tokens, found an array \(2, 2\): decode each row"),
        (lambda: TRAINED.decode([[97], [98, 99]]), "lists of different lengths"),
        (lambda: TRAINED.save(None), "Tokenizer.save: expected a path, found NoneType"),
        (lambda: load_tokenizer(5), "load_tokenizer: expected a path, found int"),
        (lambda: BPETokenizer([(97, 98, 99)]), "expected merges as pairs"),
        (lambda: BPETokenizer(5), "expected merges as pairs"),
        (lambda: BPETokenizer([(97.5, 98)]), "expected merges as pairs"),
        (lambda: BPETokenizer([(float("inf"), 98)]), "expected merges as pairs"),
        (lambda: BPETokenizer([(97, 256)]), r"below 256, found \(97, 256\)"),
        (lambda: CharTokenizer("ab").encode("abc"), "'c' at position 2"),
        (lambda: CharTokenizer("ab").decode([-1]), "found -1"),
    ],
)
def test_tokenizers_refuse_in_a_sentence(refuse, part):
    with pytest.raises(TinyTorchError, match=part):
        refuse()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1]",
        "{}",
        '{"format": 2, "kind": "bytes", "merges": []}',
        '{"format": 1, "kind": "bytes", "merges": [[999, 1]]}',
        '{"format": 1, "kind": "bytes", "merges": [[97, 1e999]]}',
        "[" * 100_000,
    ],
)
def test_a_damaged_tokenizer_file_is_refused(content, tmp_path):
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(TinyTorchError, match=r"load_tokenizer: expected .*t\.json"):
        load_tokenizer(tmp_path / "t.json")
    with pytest.raises(FileNotFoundError, match="found none"):
        load_tokenizer(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError, match="found a folder"):
        load_tokenizer(tmp_path)
    with pytest.raises(IsADirectoryError, match="expected the path of a file, found the folder"):
        TRAINED.save(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"expected an existing folder for t\.json"):
        TRAINED.save(tmp_path / "none" / "t.json")


def test_a_tokenizer_is_plain_json(tmp_path):
    TRAINED.save(tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text())["merges"][0] == list(TRAINED.merges[0])
    assert load_tokenizer(tmp_path / "t.json").merges == TRAINED.merges
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]
