# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# Module 16: TinyGPT, or what comes next?

One question is left: *given everything so far, what comes next?* A model that answers it well has had to learn spelling, grammar, who is speaking,
and what people say to kings. It was never told that these exist.

Today nothing new is invented. Your tensors, your attention, your gradients, your optimizer and your Trainer come together in a language model. You
turn text into numbers in two ways, build the network, choose among its answers, and make it write one token after another without computing
everything anew each time.

**You bring:** embedding (04), normalisation (06), attention (07), backward (09), AdamW (10), the Trainer (11). **You leave with:** tokenizers,
`TinyGPT`, a KV cache, a generator of text, and `tito train gpt`. **Capability:** *Can I build a language model that learns from a text, and writes
on where I stop?*
"""

# %% nbgrader={"grade": false, "grade_id": "tinygpt-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.tinygpt
from tito.workbench import modules_before

modules_before("16_tinygpt")

# %% [markdown]
r"""
## Mathematical background

A text is a row of tokens $x_1 \dots x_T$. The chain rule of probability needs no assumption at all:

$$ p(x_1 \dots x_T) = \prod_t p(x_t \mid x_1 \dots x_{t-1}) $$

So a model of *the next token* is a model of text. Its loss is the mean surprise, $-\frac1T \sum_t \log p(x_t \mid \text{past})$: the cross-entropy
of module 11, at every position at once. A causal mask makes that legal: position t sees nothing behind t, so one pass gives T predictions. A
uniform guess among V tokens costs $\log V$. Counting pairs of tokens (a *bigram* model) costs less. That is the mark to beat.

**Sampling.** Logits $z$ become probabilities $p_i \propto e^{z_i / \tau}$. The *temperature* $\tau$ sharpens ($\tau < 1$) or flattens. *top-k*
keeps the k likeliest tokens; *top-p* the smallest set of likeliest tokens that holds a share p of the probability (Holtzman et al., 2020).

**What it costs.** A block of width W has about $12 W^2$ weights: $4 W^2$ in the attention, $8 W^2$ in the MLP. A token needs two operations for
each weight, forward; training needs three times that. The attention adds $4 W$ operations for each position that the token looks at.

**The cache.** To write token t, the model needs the keys and values of all positions before it. They do not change: position s has never seen what
came after s. So keep them. Without a cache, writing T tokens reads $1 + 2 + \dots + T = O(T^2)$ positions; with it, T.
"""

# %% [markdown]
"""
## Implementation

### Characters as tokens

The simplest tokenizer: each character that occurs in the text has a number, in sorted order. 65 of them are enough for Shakespeare. The table is
given (`tokenizer_tables_given.py`): `self.characters`, a tuple, and `self.numbers`, a dict. So are saving, loading and checks.
"""

# %% nbgrader={"grade": false, "grade_id": "tinygpt-characters", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face text: CharTokenizer
import math
from itertools import pairwise

import numpy as np

from tinytorch.core.attention import merge_heads, scaled_dot_product_attention
from tinytorch.core.engine import TinyTorchError
from tinytorch.core.layers import Dropout, Embedding, Linear, Module, linear
from tinytorch.core.networks import ModuleList
from tinytorch.core.tensor import from_array
from tinytorch.core.training import cross_entropy
from tinytorch.given.generating import Generating, window_start
from tinytorch.given.gpt_config import GPTConfig, expect_config
from tinytorch.given.gpt_files import read_gpt, save_gpt
from tinytorch.given.gpt_parts import AttentionParts, CacheStack, CacheState, causal_mask, check_tokens, mlp_of, norm_of
from tinytorch.given.initialization import normal_, zeros_
from tinytorch.given.pair_merging import fast_merges
from tinytorch.given.synthetic_text import synthetic_text
from tinytorch.given.text_pieces import count_pieces, to_text
from tinytorch.given.token_windows import TokenDataset, counted_rows
from tinytorch.given.tokenizer_base import load_tokenizer
from tinytorch.given.tokenizer_tables import BytePairTable, CharacterTable


class CharTokenizer(CharacterTable):
    """One token for each character. `characters`: the text whose characters these are; token i is the i-th in sorted order."""

    kind = "characters"

    def encode(self, text):
        """Return the token of each character, a list of int.

        TASK: look each character of `self.checked_text(text)` up in `self.numbers`. One that is not there: raise `self.unknown(text)`.
        APPROACH: a list comprehension within try; `except KeyError: raise self.unknown(text) from None`.
        EXAMPLE: CharTokenizer("abc").encode("cab") -> [2, 0, 1]
        """
        ### BEGIN SOLUTION
        try:
            return [self.numbers[character] for character in self.checked_text(text)]
        except KeyError:
            raise self.unknown(text) from None
        ### END SOLUTION

    def decode(self, tokens):
        """Return the text of tokens. `self.checked_tokens(tokens)` is a list of int, all of them known.

        TASK: join the characters with these numbers.
        APPROACH: `"".join(…)` over self.characters[token].
        EXAMPLE: CharTokenizer("abc").decode([2, 0, 1]) -> "cab"
        """
        ### BEGIN SOLUTION
        return "".join(self.characters[token] for token in self.checked_tokens(tokens))
        ### END SOLUTION

# %% [markdown]
"""
### Test: there and back

Numbers by hand, a round trip, and the two refusals: a character nobody has seen, and a number that no character has.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tinygpt-characters", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def refused(action, word):
    """Return whether action() raises one of our errors with `word` in it; what it returned instead, else."""
    try:
        return f"returned {action()!r}"
    except TinyTorchError as error:
        return True if word in str(error) else f"said {error}"


def test_char_tokenizer():
    t = CharTokenizer("hello")
    assert t.encode("hole") == [1, 3, 2, 0], f"CharTokenizer.encode: sorted characters are ehlo, so hole is 1 3 2 0, got {t.encode('hole')}"
    assert t.decode([0, 2, 3]) == "elo", f"CharTokenizer.decode: 0 2 3 is elo, got {t.decode([0, 2, 3])!r}"
    assert t.decode(from_array(np.array([1, 0]))) == "he", "CharTokenizer.decode: tokens may be a Tensor: use checked_tokens"
    assert t.encode("") == [] and t.decode([]) == "", "CharTokenizer.encode: nothing is an empty list"
    for action, word in ((lambda: t.encode("hexe"), "'x' at position 2"), (lambda: t.decode([4]), "found 4"), (lambda: t.encode(3), "text")):
        name = "CharTokenizer.decode" if word == "found 4" else "CharTokenizer.encode"
        assert refused(action, word) is True, f"{name}: expected an error with {word!r}, it {refused(action, word)}"

# %% [markdown]
"""
### Bytes, and pairs of them

Characters fail at the first é that the training text did not have. Bytes do not: every text is a row of numbers below 256 in UTF-8. But rows of
bytes are long, and a context of 64 bytes is short. **Byte pair encoding** (Gage, 1994; Sennrich et al., 2016) makes new tokens of pairs that occur
often: `t` and `h` become `th` (token 256), later `th` and `e` become `the`. Frequent words end as one token, rare ones stay in parts, and nothing
is ever unknown.
"""

# %% nbgrader={"grade": false, "grade_id": "tinygpt-merge", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def merge_pair(tokens, pair, new):
    """Return the list of tokens with `new` in place of each occurrence of the pair, from left to right.

    TASK: where two neighbours are the pair, `new` takes the place of both.
    APPROACH: a while loop over i; `tuple(tokens[i : i + 2]) == pair` is False at the end by itself.
    EXAMPLE: merge_pair([7, 7, 7, 1], (7, 7), 256) -> [256, 7, 1]
    """
    ### BEGIN SOLUTION
    merged, i = [], 0
    while i < len(tokens):
        if tuple(tokens[i : i + 2]) == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(tokens[i])
            i += 1
    return merged
    ### END SOLUTION


def learn_merges(words, merges):
    """Return at most `merges` pairs, in the order in which they were merged. The n-th pair (from 0) becomes token 256 + n.

    words: {bytes: how often the word occurs}. The text was cut into words before, so no token crosses a space.

    TASK: again and again: count all pairs, weighted by how often their word occurs; take the most frequent; merge it in every word.
    APPROACH: 1. `parts`: a list of (list(word), count). 2. for each n: a dict of counts over `pairwise(tokens)`. 3. the best pair has the
        highest count, at a tie it is the smallest: `min(counts, key=lambda pair: (-counts[pair], pair))`. 4. stop when there is no pair, or
        the best one occurs only once. 5. merge_pair in each word.
    EXAMPLE: learn_merges({b"aab": 2, b"ab": 1}, 2) -> [(97, 98), (97, 256)]
    """
    ### BEGIN SOLUTION
    parts, learned = [(list(word), count) for word, count in words.items()], []
    for n in range(merges):
        counts = {}
        for tokens, times in parts:
            for pair in pairwise(tokens):
                counts[pair] = counts.get(pair, 0) + times
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            break
        learned.append(best)
        parts = [(merge_pair(tokens, best, 256 + n), times) for tokens, times in parts]
    return learned
    ### END SOLUTION

# %% [markdown]
"""
### Test: pairs that overlap, ties, and when to stop

`aaa` holds the pair `aa` twice but can be merged once. Ties must be decided, or two machines learn two languages. A larger text is compared with
`fast_merges` (given): it keeps its counts from merge to merge, and must find exactly what you find.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tinygpt-merge", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_merges():
    for tokens, expected in (([7, 7, 7, 1], [256, 7, 1]), ([1, 7, 7], [1, 256]), ([7], [7]), ([], []), ([7, 1, 7], [7, 1, 7]), ([7, 7, 7, 7], [256, 256])):
        found = merge_pair(tokens, (7, 7), 256)
        assert found == expected, f"merge_pair({tokens}, (7, 7), 256): expected {expected}, got {found}"
    for words, merges, expected in (
        ({b"aab": 2, b"ab": 1}, 2, [(97, 98), (97, 256)]), ({b"ba": 2, b"ab": 2}, 1, [(97, 98)]), ({b"ab": 1, b"cd": 1}, 5, []),
        ({b"a": 9}, 5, []), ({b"abab": 1}, 3, [(97, 98)]), ({b"xy": 3, b"ab": 2}, 1, [(120, 121)]),
    ):
        found = learn_merges(words, merges)
        assert found == expected, f"learn_merges({words}, {merges}): expected {expected}, got {found}"
    words = count_pieces(synthetic_text(4000, seed=3))
    slow, fast = learn_merges(words, 60), fast_merges(words, 60)
    assert slow == fast, f"learn_merges: the given fast way finds other pairs from merge {next(i for i in range(60) if slow[i : i + 1] != fast[i : i + 1])} on"

# %% [markdown]
"""
### The tokenizer of bytes

To encode, replay the merges: among the pairs of a piece take the one that was learned *first* (its rank is lowest), merge it, look again. Given:
`self.ranks` {pair: rank}, `self.parts` (the bytes of each token), `encode` (cuts a text into words and signs, and calls your `encode_piece` for
each; what is longer than any word takes a faster way to the same), `train`, and `to_text`, which is UTF-8 and survives what is no proper text.
"""

# %% nbgrader={"grade": false, "grade_id": "tinygpt-bytes", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face text: BPETokenizer, load_tokenizer, save_gpt
class BPETokenizer(BytePairTable):
    """Byte pair encoding. `merges`: the pairs, in the order learned; token 256 + n stands for the n-th. Without any: plain bytes."""

    kind = "bytes"

    def encode_piece(self, data):
        """Return the tokens of a few bytes.

        TASK: merge the pair of lowest rank, until no neighbours are a known pair.
        APPROACH: 1. `tokens = list(data)`. 2. while there are two or more: `best`, the pair of neighbours with the lowest
            `self.ranks.get(pair, math.inf)`. 3. stop if it is not in self.ranks. 4. merge_pair(…, 256 + rank).
        EXAMPLE: merges [(97, 98), (256, 97)]: encode_piece(b"abac") -> [257, 99]
        """
        ### BEGIN SOLUTION
        tokens = list(data)
        while len(tokens) > 1:
            best = min(pairwise(tokens), key=lambda pair: self.ranks.get(pair, math.inf))
            if best not in self.ranks:
                break
            tokens = merge_pair(tokens, best, 256 + self.ranks[best])
        return tokens
        ### END SOLUTION

    def decode(self, tokens):
        """Return the text of tokens.

        TASK: bytes first, text last: a character may be spread over several tokens.
        APPROACH: `b"".join` of self.parts of the checked_tokens, then to_text.
        EXAMPLE: BPETokenizer().decode([195, 169]) -> "é"
        """
        ### BEGIN SOLUTION
        return to_text(b"".join(self.parts[token] for token in self.checked_tokens(tokens)))
        ### END SOLUTION

# %% [markdown]
"""
### Test: any text at all

Ranks by hand, then round trips: emoji, Arabic, a family glyph of five code points, control characters, half a surrogate. Exactly the same text must come back.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tinygpt-bytes", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_bpe_tokenizer():
    t = BPETokenizer([(97, 98), (256, 97), (98, 98)])
    for data, expected in ((b"abab", [256, 256]), (b"abb", [256, 98]), (b"bb", [258]), (b"", []), (b"c", [99]), (b"cabab", [99, 256, 256]), (b"aaba", [97, 257])):
        found = t.encode_piece(data)
        assert found == expected, f"BPETokenizer.encode_piece({data}): expected {expected}, got {found}"
    assert t.decode([257, 98, 195, 169]) == "ababé", f"BPETokenizer.decode: join bytes before you decode: expected 'ababé', got {t.decode([257, 98, 195, 169])!r}"
    text = synthetic_text(3000, seed=1)
    trained = BPETokenizer.train(text, 400)
    short = trained.encode(text)
    assert len(short) < 0.5 * len(text), f"BPETokenizer.encode_piece: 144 merges must more than halve {len(text)} bytes, got {len(short)} tokens"
    for sample in (text, "naïve café 你好 🦊👩‍👩‍👧 \t\r\n  x_1 1234567", "مرحبا بالعالم", "\x00\ud800 \udfff\u2028", " " * 9, ""):
        assert trained.decode(trained.encode(sample)) == sample, f"BPETokenizer.decode: {sample!r:.40} came back as {trained.decode(trained.encode(sample))!r:.40}"

# %% [markdown]
"""
### The mark to beat

Before the network, the opponent: a table of how often token j follows token i, one added to each count so that nothing is impossible. It needs no
gradient, and no network is worth training that does not beat it.
"""

# %% nbgrader={"grade": false, "grade_id": "tinygpt-bigram", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face text: bigram_loss
def bigram_loss(train, validation, vocab_size):
    """Return the mean of -log p(next | present) over all neighbours in `validation`, p counted in `train` (int64 arrays).

    TASK: counts, plus one, each row divided by its sum; then look up.
    APPROACH: 1. counts = np.ones((vocab_size, vocab_size)). 2. np.add.at at (train[:-1], train[1:]). 3. log of counts over the sums of rows.
        4. minus the mean of log_p[validation[:-1], validation[1:]].
    EXAMPLE: train [0, 1, 0, 1], validation [0, 1], 2 tokens -> -log(3/4) = 0.288
    """
    train, validation = counted_rows(train, validation, vocab_size)
    ### BEGIN SOLUTION
    counts = np.ones((vocab_size, vocab_size))
    np.add.at(counts, (train[:-1], train[1:]), 1)
    log_p = np.log(counts / counts.sum(axis=1, keepdims=True))
    return -log_p[validation[:-1], validation[1:]].mean()
    ### END SOLUTION


def next_token_loss(logits, targets):
    """Return the mean cross-entropy of logits (N, L, V) and the right next tokens (N, L).

    TASK: every position of every row is one example with V classes.
    APPROACH: `cross_entropy` (11) takes (examples, classes) and (examples,): reshape both.
    EXAMPLE: logits all 0 -> log V
    """
    ### BEGIN SOLUTION
    return cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
    ### END SOLUTION

# %% [markdown]
"""
### Test: surprise by hand: two counts and a logarithm. Rows and columns exchanged would predict the past
"""

# %% nbgrader={"grade": true, "grade_id": "test-tinygpt-bigram", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_losses():
    found = bigram_loss(np.array([0, 1, 0, 1]), np.array([0, 1]), 2)
    assert abs(found - math.log(4 / 3)) < 1e-9, f"bigram_loss: expected -log(3/4) = {math.log(4 / 3):.4f}, got {found:.4f}"
    train, validation = np.array([0, 1, 2, 0, 1, 2, 0, 2]), np.array([0, 1, 2, 0, 0])
    found, expected = bigram_loss(train, validation, 3), -np.log([3 / 6, 3 / 5, 3 / 5, 1 / 6]).mean()
    assert abs(found - expected) < 1e-9, f"bigram_loss: expected {expected:.4f}, got {found:.4f}; rows are the present token, columns the next"
    logits, targets = np.random.default_rng(0).normal(size=(2, 3, 5)), np.array([[0, 4, 2], [1, 1, 3]])
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = -np.take_along_axis(log_p, targets[..., None], -1).mean()
    found = next_token_loss(from_array(logits), from_array(targets))
    assert found.shape == () and abs(found.item() - expected) < 1e-6, f"next_token_loss: expected {expected:.5f}, got {found}"

# %% [markdown]
"""
### The cache

One layer's memory: room for `context` positions, filled from the left. `CacheState` (given) has `keys` and `values`, zeros of (N, heads, context,
head_dim), and `length`, how many positions are filled. New keys are written behind the old ones, and everything so far is handed back.
"""

# %% nbgrader={"grade": false, "grade_id": "tinygpt-cache", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class LayerCache(CacheState):
    """Keys and values of the past of one layer."""

    def extend(self, k, v):
        """Write k and v (N, heads, new, head_dim) behind what is there; return all keys and values (N, heads, length, head_dim).

        TASK: two assignments to slices, the new length, two slices.
        APPROACH: `self.keys[:, :, self.length : end] = k`.
        EXAMPLE: length 3, two new positions -> (N, heads, 5, head_dim) and length 5
        """
        self.check(k, v)
        ### BEGIN SOLUTION
        end = self.length + k.shape[2]
        self.keys[:, :, self.length : end] = k
        self.values[:, :, self.length : end] = v
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]
        ### END SOLUTION


class KVCache(CacheStack):
    """A LayerCache for each block of a model: `layers`; see CacheStack (given)."""

    layer = LayerCache

# %% [markdown]
"""
### Test: three positions, then one, then two: what comes back is the concatenation
"""

# %% nbgrader={"grade": true, "grade_id": "test-tinygpt-cache", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_layer_cache():
    rng, cache = np.random.default_rng(0), LayerCache(2, 3, 7, 4)
    parts, length = [], 0
    for new in (3, 1, 2):
        k, v = (rng.normal(size=(2, 3, new, 4)).astype("float32") for _ in range(2))
        parts.append((k, v))
        length += new
        for name, found, each in zip(("keys", "values"), cache.extend(from_array(k), from_array(v)), zip(*parts, strict=True), strict=True):
            expected = np.concatenate(each, axis=2)
            assert found.shape == expected.shape, f"LayerCache.extend: expected {name} of shape {expected.shape}, got {found.shape}"
            assert np.array_equal(found.numpy(), expected), f"LayerCache.extend: {name} must be all that were handed over, in order"
        assert cache.length == length, f"LayerCache.extend: expected length {length}, got {cache.length}"
    extra = from_array(np.zeros((2, 3, 2, 4), "float32"))
    assert refused(lambda: cache.extend(extra, extra), "at most 7") is True, f"LayerCache.extend: 2 behind 6 of 7 {refused(lambda: cache.extend(extra, extra), 'at most 7')}"

# %% [markdown]
"""
### Causal self-attention, with and without a past

In training all positions come at once: queries, keys and values have the same length, and the mask is the triangle that you know. In generation
*new* queries meet *all* keys: those in the cache and their own. Query i of the new ones stands at position `total - new + i`, and may look at all
keys up to there. `causal_mask(new, total)` (given) is that shifted triangle. A single new query may look at everything: no mask.

`self.project(x, start)` (given) returns queries, keys and values in heads; `start` is the position of the first.
"""

# %% nbgrader={"grade": false, "grade_id": "tinygpt-attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class CausalSelfAttention(AttentionParts):
    """Self-attention in which a position sees itself and the past."""

    def forward(self, x, cache=None):
        """Return (N, L, width) for x (N, L, width); cache: the LayerCache that holds what came before x, or None.

        TASK: project, extend the cache, attend, merge the heads, `self.out`.
        APPROACH: 1. start is `cache.length` or 0, taken *before* extend. 2. with a cache, keys and values are what extend returns. 3. new = x.shape[1],
            total = keys.shape[2]. If they are equal: is_causal=True. Else the mask, but None for one new query. 4. dropout_p is self.dropout in
            training, else 0; `enable_gqa=self.heads != self.kv_heads`. 5. merge_heads (07).
        EXAMPLE: 5 positions in the cache, x (1, 2, 128) -> query 0 sees 6 keys, query 1 sees 7
        """
        ### BEGIN SOLUTION
        q, k, v = self.project(x, 0 if cache is None else cache.length)
        if cache is not None:
            k, v = cache.extend(k, v)
        new, total = x.shape[1], k.shape[2]
        mask = None if new in (1, total) else causal_mask(new, total)
        dropout = self.dropout if self.training else 0.0
        out = scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=new == total, enable_gqa=self.heads != self.kv_heads)
        return self.out(merge_heads(out))
        ### END SOLUTION

# %% [markdown]
"""
### Test: whole, or bit by bit

The judge without a cache is module 07's plain mean, written out in NumPy. With a cache, seven positions in chunks of 3, 1, 1 and 2 must give what they give at once.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tinygpt-attention", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_causal_self_attention():
    from tinytorch import manual_seed, no_grad

    name, rng = "CausalSelfAttention.forward", np.random.default_rng(1)
    manual_seed(0)
    for settings in ({}, {"kv_heads": 2}, {"positions": "rotary"}):
        config = GPTConfig(5, context=9, heads=4, width=16, **settings)
        layer, x = CausalSelfAttention(config), rng.normal(size=(2, 7, 16)).astype("float32")
        with no_grad():
            q, k, v = (t.numpy() for t in layer.project(from_array(x), 0))
            k, v = (np.repeat(t, 4 // t.shape[1], axis=1) for t in (k, v))
            scores = np.where(np.tri(7, dtype=bool), q @ k.swapaxes(2, 3) / 2, -np.inf)
            weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
            expected = layer.out(from_array((weights @ v).transpose(0, 2, 1, 3).reshape(2, 7, 16).copy())).numpy()
            found = layer(from_array(x)).numpy()
            assert found.shape == x.shape, f"{name}: expected shape {x.shape}, got {found.shape}"
            assert np.allclose(found, expected, atol=1e-5), f"{name}: differs from causal attention by {abs(found - expected).max():.2g} with {settings}"
            cache, parts, done = LayerCache(2, config.shared_heads, 9, 4), [], 0
            for new in (3, 1, 1, 2):
                parts.append(layer(from_array(x[:, done : done + new]), cache).numpy())
                done += new
            gap = abs(np.concatenate(parts, axis=1) - expected).max()
            assert gap < 1e-5, f"{name}: with a cache the same positions differ by {gap:.2g} with {settings}; is start the length before extend?"
    layer = CausalSelfAttention(GPTConfig(5, context=9, heads=4, width=16, dropout=0.5))
    for training in (True, False):
        layer.train(training)
        one, two = (layer(from_array(x)).detach().numpy() for _ in range(2))
        assert np.allclose(one, two) != training, f"{name}: weights are dropped at random in training, and only there"

# %% [markdown]
r"""
### The model

Embedding of the token plus embedding of its position; the blocks; a last normalisation; and logits for each token of the vocabulary. The output
layer *is* the embedding table (**weight tying**, Press and Wolf, 2017): a token's row says what it means at the input and what to look for at the
output. That saves V·W weights and trains each row twice.

**Initialisation by depth** (GPT-2): weights are normal with standard deviation 0.02, biases 0. But each block adds two results to the stream, and
variances add up. So the layers that write to the stream (`attention.out` and the last layer of the MLP) begin smaller, $0.02 / \sqrt{2 \cdot
\text{layers}}$: then the stream is as wide behind 4 blocks as behind 40.
"""

# %% nbgrader={"grade": false, "grade_id": "tinygpt-model", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face models: TinyGPT
class Block(Module):
    """Pre-norm block, as in module 07, with a cache."""

    def __init__(self, config):
        super().__init__()
        self.norm1, self.norm2 = norm_of(config), norm_of(config)
        self.attention, self.mlp = CausalSelfAttention(config), mlp_of(config)
        self.dropout = Dropout(config.dropout)

    def forward(self, x, cache=None):
        """Return x (N, L, width) behind one block."""
        x = x + self.dropout(self.attention(self.norm1(x), cache))
        return x + self.dropout(self.mlp(self.norm2(x)))


class TinyGPT(Generating, Module):
    """A language model: tokens (N, L) to logits (N, L, vocab_size). config: a GPTConfig."""

    def __init__(self, config):
        super().__init__()
        self.config = expect_config(config)
        self.tokens = Embedding(config.vocab_size, config.width)
        self.positions = Embedding(config.context, config.width) if config.positions == "learned" else None
        self.dropout = Dropout(config.dropout)
        self.blocks = ModuleList([Block(config) for _ in range(config.layers)])
        self.norm = norm_of(config)
        self.head = None if config.tied else Linear(config.width, config.vocab_size, bias=False)
        self.init_weights()

    def init_weights(self):
        """Draw all weights anew.

        TASK: the text above. Normalisations stay as they are (weight 1, bias 0).
        APPROACH: 1. for each of `self.modules()` that is a Linear or an Embedding: `normal_(m.weight, 0, 0.02)`; a bias, if there is one: `zeros_`.
            2. then for each block, `block.attention.out` and `block.mlp[2]`: normal_ with the smaller deviation.
        EXAMPLE: 4 layers -> the smaller deviation is 0.02 / √8 = 0.00707
        """
        ### BEGIN SOLUTION
        for module in self.modules():
            if isinstance(module, Linear | Embedding):
                normal_(module.weight, 0.0, 0.02)
            if isinstance(module, Linear) and module.bias is not None:
                zeros_(module.bias)
        for block in self.blocks:
            for writer in (block.attention.out, block.mlp[2]):
                normal_(writer.weight, 0.0, 0.02 / math.sqrt(2 * self.config.layers))
        ### END SOLUTION

# %% [markdown]
"""
### Test: the standard deviation of each kind of weight, over thousands of them
"""

# %% nbgrader={"grade": true, "grade_id": "test-tinygpt-init", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
def test_init_weights():
    from tinytorch import manual_seed

    manual_seed(0)
    model, name = TinyGPT(GPTConfig(200, context=50, layers=3, heads=4, width=64)), "TinyGPT.init_weights"
    small = 0.02 / math.sqrt(6)
    for block in model.blocks:
        wanted = ((block.attention.qkv, 0.02), (block.mlp[0], 0.02), (block.attention.out, small), (block.mlp[2], small))
        for layer, spread in (*wanted, (model.tokens, 0.02), (model.positions, 0.02)):
            found = layer.weight.detach().numpy().std()
            assert abs(found / spread - 1) < 0.08, f"{name}: expected a deviation of {spread:.4f} for weights {layer.weight.shape}, got {found:.4f}"
        assert not any(layer.bias.detach().numpy().any() for layer, _ in wanted), f"{name}: biases begin at 0"
        assert (block.norm1.weight.detach().numpy() == 1).all(), f"{name}: leave normalisations alone"

# %% nbgrader={"grade": false, "grade_id": "tinygpt-forward", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class TinyGPT(TinyGPT):
    def forward(self, tokens, cache=None):
        """Return logits (N, L, vocab_size) for tokens (N, L); cache: the KVCache of what came before, or None.

        TASK: embeddings, dropout, blocks, norm, output layer.
        APPROACH: 1. start as before. 2. add rows start to start + L of `self.positions.weight`, unless positions is None (rotary). 3. block number i
            gets `cache.layers[i]`, or None. 4. `linear(x, weight)` with the embedding table, or with self.head.weight if there is a head.
        EXAMPLE: tokens (2, 64) of 65 characters -> (2, 64, 65)
        """
        start = 0 if cache is None else cache.length
        check_tokens(tokens, self.config, start)
        ### BEGIN SOLUTION
        x = self.tokens(tokens)
        if self.positions is not None:
            x = x + self.positions.weight[start : start + tokens.shape[1]]
        x = self.dropout(x)
        for i, block in enumerate(self.blocks):
            x = block(x, None if cache is None else cache.layers[i])
        return linear(self.norm(x), self.tokens.weight if self.head is None else self.head.weight)
        ### END SOLUTION

# %% [markdown]
"""
### Test: causes

A loss of nearly log V before any training; and no leak: what comes later changes nothing before. With a cache, every position must have the same
logits as without.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tinygpt-model", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_tinygpt():
    from tinytorch import manual_seed, no_grad

    manual_seed(1)
    name, rng = "TinyGPT.forward", np.random.default_rng(2)
    tokens = rng.integers(0, 11, (2, 12))
    for settings in ({}, {"positions": "rotary", "norm": "rms", "bias": False}, {"tied": False, "kv_heads": 1}):
        config = GPTConfig(11, context=12, layers=2, heads=2, width=8, **settings)
        model = TinyGPT(config)
        for parameter in model.parameters():     # far from zero, so that every part matters
            normal_(parameter, 0.0, 0.6)
        with no_grad():
            whole = model(from_array(tokens)).numpy()
            assert whole.shape == (2, 12, 11), f"{name}: expected shape (2, 12, 11), got {whole.shape}"
            changed = tokens.copy()
            changed[:, 8] = (changed[:, 8] + 1) % 11
            after = model(from_array(changed)).numpy()
            assert np.allclose(after[:, :8], whole[:, :8], atol=1e-5), f"{name}: a later token changes earlier logits"
            assert (abs(after - whole)[:, 8:].max(-1) > 1e-4).all(), f"{name}: token 8 must be seen at 8 and after, with {settings}"
            cache, done = KVCache(config, 2), 0
            for new in (5, 1, 4, 2):
                part = model(from_array(tokens[:, done : done + new]), cache).numpy()
                gap = abs(part - whole[:, done : done + new]).max() / abs(whole).max()
                assert gap < 1e-5, f"{name}: with a cache positions {done} to {done + new - 1} differ by {gap:.2g} with {settings}"
                done += new
            x = model.tokens(from_array(tokens)) + (0 if model.positions is None else model.positions(from_array(np.arange(12))))
            for block in model.blocks:
                x = block(x)
            expected = linear(model.norm(x), (model.head or model.tokens).weight).numpy()
        assert np.allclose(whole, expected, atol=1e-4), f"{name}: differs from embeddings, blocks, norm, output layer, with {settings}"
        assert refused(lambda m=model: m(from_array(np.zeros((1, 13), "int64"))), "at most 12") is True, f"{name}: 13 tokens do not fit a context of 12"
    model = TinyGPT(GPTConfig(65, context=16, layers=1, heads=2, width=32, dropout=0.9))
    loss = next_token_loss(model(from_array(rng.integers(0, 65, (4, 16)))), from_array(rng.integers(0, 65, (4, 16)))).item()
    assert abs(loss - math.log(65)) < 0.2, f"{name}: before training the loss is nearly log 65 = 4.17, got {loss:.2f}"
    row = from_array(np.zeros((1, 4), "int64"))
    model.blocks[0].dropout.p = model.blocks[0].attention.dropout = 0.0
    assert not np.array_equal(model(row).detach().numpy(), model(row).detach().numpy()), f"{name}: in training the embeddings are dropped at random"

# %% [markdown]
r"""
### The learning rate: up, then down

Adam's estimates are poor in its first steps, and a Transformer's gradients are large there. So the rate climbs for `warmup` steps, then falls along
half a cosine to a tenth. For step $t$ of $T$, as a share of the highest rate:

$$ \frac{t+1}{w} \quad (t < w), \qquad l + (1-l)\,\frac{1 + \cos \pi u}{2}, \quad u = \frac{t-w}{T-w} \quad (w \le t \le T) $$
"""

# %% nbgrader={"grade": false, "grade_id": "tinygpt-schedule", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face text: warmup_cosine, next_token_loss
def warmup_cosine(step, warmup, steps, lowest=0.1):
    """Return the share of the highest learning rate at `step` (0, 1, …); for LambdaLR (10). Behind `steps` it stays at `lowest`.

    TASK: the formula above.
    APPROACH: three cases: step < warmup, step >= steps, between.
    EXAMPLE: warmup 4, steps 10: step 0 -> 0.25, step 3 -> 1.0, step 4 -> 1.0, step 7 -> 0.55, step 10 -> 0.1
    """
    ### BEGIN SOLUTION
    if step < warmup:
        return (step + 1) / warmup
    if step >= steps:
        return lowest
    return lowest + (1 - lowest) * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
    ### END SOLUTION

# %% [markdown]
"""
### Test: first step, end of the climb, top, middle, end, and behind the end; and a schedule without a climb
"""

# %% nbgrader={"grade": true, "grade_id": "test-tinygpt-schedule", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
def test_warmup_cosine():
    for step, expected in ((0, 0.25), (2, 0.75), (3, 1.0), (4, 1.0), (7, 0.55), (5, 0.9397114317), (10, 0.1), (99, 0.1)):
        found = warmup_cosine(step, 4, 10)
        assert abs(found - expected) < 1e-9, f"warmup_cosine({step}, 4, 10): expected {expected:.4f}, got {found:.4f}"
    for step, expected in ((0, 1.0), (5, 0.5), (10, 0.0)):
        found = warmup_cosine(step, 0, 10, lowest=0.0)
        assert abs(found - expected) < 1e-9, f"warmup_cosine({step}, 0, 10, 0.0): expected {expected}, got {found:.4f}"

# %% [markdown]
"""
### Choosing, and writing on

`next_probabilities` turns logits into what is drawn from. Sort once, from the likeliest token down; then top-k is a slice and top-p a running sum.
`next_logits` feeds the model what it has not seen: all tokens of the window, or, with a cache, those behind what is cached.

When a text outgrows the context, the window must move. `window_start(length, context)` (given) says where it begins: it moves by half a context at
a time, because each move empties the cache. The loop around (`Generating`, given) draws from `Generator(seed)` and fills position after position.
"""

# %% nbgrader={"grade": false, "grade_id": "tinygpt-generate", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face text: load_gpt
class TinyGPT(TinyGPT):
    def next_probabilities(self, logits, temperature=1.0, top_k=None, top_p=None):
        """Return float64 probabilities (N, V) of an array of logits (N, V). A tie goes to the smaller token.

        temperature 0: all probability on the likeliest token. top_p: keep a token if the likelier ones together have less than top_p.

        TASK: divide by the temperature, sort down, softmax, cut, divide by the sum, sort back.
        APPROACH: 1. at temperature 0: top_k = 1 and temperature = 1. 2. `order = np.argsort(-logits, kind="stable")`, np.take_along_axis.
            3. softmax, with the largest subtracted. 4. top_k: `p[:, top_k:] = 0`, and divide by the sums. 5. top_p: `before = p.cumsum(1) - p`; p is 0
            where before >= top_p, but never in column 0; divide. 6. np.put_along_axis into zeros.
        EXAMPLE: logits [[0, log 3]], temperature 1 -> [[0.25, 0.75]]; with top_p=0.5 -> [[0, 1]]
        """
        ### BEGIN SOLUTION
        if temperature == 0:
            top_k, temperature = 1, 1.0
        scaled = np.asarray(logits, "float64") / temperature
        order = np.argsort(-scaled, kind="stable")
        p = np.take_along_axis(scaled, order, axis=1)
        p = np.exp(p - p[:, :1])
        if top_k is not None:
            p[:, top_k:] = 0
        p /= p.sum(axis=1, keepdims=True)
        if top_p is not None:
            before = p.cumsum(axis=1) - p
            p[:, 1:][before[:, 1:] >= top_p] = 0
            p /= p.sum(axis=1, keepdims=True)
        out = np.zeros_like(p)
        np.put_along_axis(out, order, p, axis=1)
        return out
        ### END SOLUTION

    def next_logits(self, ids, cache=None):
        """Return the logits (N, V), an array, of the token behind ids (N, L), an int64 array of everything so far.

        TASK: choose what the model is fed; return its logits at the last position.
        APPROACH: 1. first = window_start(L, self.config.context). 2. without a cache: ids from `first` on. 3. with one: if `cache.first` is another,
            `cache.restart(first)`; then ids from `first + cache.length` on, with the cache. 4. `from_array(…)` in, `.detach().numpy()[:, -1]` out.
        EXAMPLE: 10 tokens, 9 of them cached -> the model is fed one token
        """
        ### BEGIN SOLUTION
        first = window_start(ids.shape[1], self.config.context)
        if cache is not None and cache.first != first:
            cache.restart(first)
        seen = first if cache is None else first + cache.length
        return self(from_array(ids[:, seen:]), cache).detach().numpy()[:, -1]
        ### END SOLUTION

    def new_cache(self, rows=1):
        """Return an empty KVCache for a batch of `rows`."""
        return KVCache(self.config, rows, self.tokens.weight.dtype)


def load_gpt(path, config=None):
    """Return (model, tokenizer) from the file that save_gpt wrote. config: the only architecture that will do, if given."""
    return read_gpt(path, TinyGPT, config)

# %% [markdown]
"""
### Test: probabilities by hand, and the same text with and without a cache

Four logits, every setting against numbers worked out by hand. Then 20 tokens in a context of 10: the window moves three times, and the cache must not be noticed.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tinygpt-generate", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_next_probabilities():
    model, name = TinyGPT(GPTConfig(4, context=4, layers=1, heads=1, width=4)), "TinyGPT.next_probabilities"
    logits = np.log([[0.1, 0.4, 0.3, 0.2]])
    for settings, expected in (
        ({}, [0.1, 0.4, 0.3, 0.2]), ({"temperature": 0.5}, [1 / 30, 16 / 30, 9 / 30, 4 / 30]), ({"temperature": 0}, [0, 1, 0, 0]),
        ({"top_k": 2}, [0, 4 / 7, 3 / 7, 0]), ({"top_k": 9}, [0.1, 0.4, 0.3, 0.2]), ({"top_p": 0.65}, [0, 4 / 7, 3 / 7, 0]),
        ({"top_p": 0.75}, [0, 4 / 9, 3 / 9, 2 / 9]), ({"top_p": 0.0}, [0, 1, 0, 0]), ({"top_k": 2, "top_p": 0.5}, [0, 1, 0, 0]), ({"top_p": 1.0}, [0.1, 0.4, 0.3, 0.2]),
    ):
        found = model.next_probabilities(logits, **settings)
        assert np.allclose(found, [expected], atol=1e-9), f"{name}({settings}): expected {np.round(expected, 3)}, got {found.round(3)}"
    found = model.next_probabilities(np.float32([[1000, 1000, 0, -1000], [0, 0, 0, 5]]), top_k=1)
    assert np.array_equal(found, [[1, 0, 0, 0], [0, 0, 0, 1]]), f"{name}: rows are independent, 1000 does not overflow, ties go to the smaller token; got {found}"


def test_generation():
    from tinytorch import manual_seed

    manual_seed(3)
    model = TinyGPT(GPTConfig(23, context=10, layers=2, heads=2, width=16))
    for parameter in model.parameters():
        normal_(parameter, 0.0, 0.5)
    prompts = [[1, 2, 3], [4, 5, 6, 7, 8], [9]]
    for settings in ({"temperature": 0}, {"seed": 5}, {"seed": 5, "top_k": 5, "top_p": 0.8, "temperature": 1.3}):
        plain, cached = (model.generate(prompts, 20, cache=cache, **settings) for cache in (False, True))
        assert plain == cached, f"TinyGPT.next_logits: the cache changes the text, with {settings}:\n{plain[0]}\n{cached[0]}"
        assert [len(row) for row in cached] == [23, 25, 21], "TinyGPT.generate: each prompt with 20 more tokens"
    greedy = model.generate(prompts, 12, temperature=0)
    for prompt, row in zip(prompts, greedy, strict=True):
        alone = prompt + list(model.stream(prompt, 12, temperature=0))
        assert alone[:10] == row[:10], f"TinyGPT.next_logits: {prompt} alone gives {alone}, in a batch {row}"
    ids = np.array([prompts[1]])
    whole = model(from_array(ids)).detach().numpy()[:, -1]
    found = model.next_logits(ids)
    assert isinstance(found, np.ndarray) and np.allclose(found, whole, atol=1e-5), "TinyGPT.next_logits: the last position's logits, an array"

# %% [markdown]
"""
## Systems analysis: where parameters, operations and memory go

Predict first. Which part of a GPT of 4 layers of width 128 holds most weights? When the context doubles, what grows fourfold? How much sooner do 200
tokens come with a cache?
"""

# %%
def analyze_parameters():
    """Print parameters and operations for each token of three sizes, beside 12·layers·width² and 2 operations a weight."""
    from tinytorch.core.networks import count_parameters

    for layers, width in ((2, 64), (4, 128), (6, 192)):
        model = TinyGPT(GPTConfig(65, context=64, layers=layers, heads=4, width=width))
        total, blocks = count_parameters(model), 12 * layers * width * width
        looks = 4 * width * 64 * layers
        print(f"{layers} layers × {width}: {total:>9,} parameters, {blocks / total:.0%} of them 12·layers·width²; {2 * total + looks:>11,} operations a token")


def analyze_memory():
    """Plot the peak memory of a forward and backward pass as the context grows, with plain kernels and with module 13's; a block is 1 MiB."""
    import tinytorch
    from tinytorch.utils import MemoryMeter, format_bytes

    for context in (64, 128, 256, 512):
        model, peaks = TinyGPT(GPTConfig(65, context=context, layers=1, heads=4, width=32)), []
        x = from_array(np.zeros((1024 // context, context), "int64"))
        for name in ("numpy", "numpy", "auto", "auto"):     # each first time is for warming up
            with tinytorch.backends.use(name), MemoryMeter() as meter:
                next_token_loss(model(x), x).backward()
            peaks.append(meter.peak)
        for title, count in (("the scores alone", 4 * 1024 * context * 4), ("plain kernels", peaks[1]), ("module 13's", peaks[3])):
            print(f"context {context:>4}, {title:<16} {format_bytes(count):>9} {'█' * (count >> 20)}")


def analyze_cache():
    """Print how many tokens a second are written with a cache and without, for growing texts."""
    from tinytorch.utils import measure_time

    model = TinyGPT(GPTConfig(65, context=256, layers=2, heads=4, width=64)).eval()
    for tokens in (16, 64, 240):
        rates = [tokens / measure_time(lambda n=tokens, c=cache: model.generate([[1]], n, cache=c), repeats=1, warmup=0).best for cache in (False, True)]
        print(f"{tokens:>4} tokens: {rates[0]:>6.0f} a second without a cache, {rates[1]:>6.0f} with ({rates[1] / rates[0]:.1f} times as many)")


def analyze_tokenizers():
    """Print how long a text is in characters and in tokens, and how much sooner the fast way learns the merges."""
    from tinytorch.utils import measure_time

    words = count_pieces(text := synthetic_text(60_000))
    seconds = [measure_time(learn, words, 100, repeats=1, warmup=0).best for learn in (learn_merges, fast_merges)]
    print(f"100 merges of {len(words)} different words: the fast way takes {seconds[1] / seconds[0]:.2f} of the time")
    for size in (256, 300, 400, 500):
        tokenizer = BPETokenizer.train(text, size)
        print(f"vocabulary {tokenizer.vocab_size:>4}: {len(text) / len(tokenizer.encode(text)):.2f} characters a token")

# %% [markdown]
"""
## Integration: a model that learns

Everything at once: a tokenizer, windows, TinyGPT, AdamW, a schedule, the loss; and the bigram as a judge. A few seconds are enough to beat it.
"""

# %%
def demonstrate_learning(steps=120):
    """Train a very small GPT on generated plays; print its loss beside the bigram's, and what it writes."""
    from tinytorch import manual_seed
    from tinytorch.optim import AdamW
    from tinytorch.optim.lr_scheduler import LambdaLR

    manual_seed(0)
    text = synthetic_text(40_000)
    tokenizer = CharTokenizer(text)
    ids = np.array(tokenizer.encode(text))
    train, test = ids[:36_000], ids[36_000:]
    model, rng = TinyGPT(GPTConfig(tokenizer.vocab_size, context=32, layers=2, heads=2, width=48)), np.random.default_rng(0)
    optimizer, windows, held_out = AdamW(model.parameters(), lr=6e-3), TokenDataset(train, 32), TokenDataset(test, 32, stride=32)
    scheduler = LambdaLR(optimizer, lambda step: warmup_cosine(step, 10, steps))
    for _ in range(steps):
        x, y = windows.get_batch(rng.integers(0, len(windows), 16))
        optimizer.zero_grad()
        next_token_loss(model(x), y).backward()
        optimizer.step()
        scheduler.step()
    x, y = held_out.get_batch(range(len(held_out)))
    found = next_token_loss(model.eval()(x), y).item()
    print(f"validation loss {found:.2f}, bigram {bigram_loss(train, test, tokenizer.vocab_size):.2f}")
    print("".join(tokenizer.stream(model.stream(tokenizer.encode("Ada: "), 60, temperature=0.5, seed=1))))

# %% [markdown]
"""
## Production context

**GPT-2** is your model with 12 layers of width 768, a context of 1,024 and 50,257 tokens. **Llama** and its kin take the options that your
GPTConfig has: rotary positions, RMSNorm, no biases, fewer heads for keys and values; and a gated MLP. Their tokenizers are byte pair encodings like
yours, with other rules for cutting text into pieces and some tokens reserved for the beginning and end of a turn.

Serving systems spend most of their memory on KV caches. vLLM keeps them in pages, as an operating system does; others store them in 8 bits. A
request that waits in a batch costs nothing extra: reading the weights dominates, and all rows share it. For single tokens the package takes a short
way through your weights (`decoding_given.py`), several times as fast as your forward; in **PyTorch**, `torch.compile` makes such a way.

A simplification: our cache is emptied whenever the window moves. With rotary positions one could keep it and let it slide (StreamingLLM, 2023).
"""

# %% [markdown]
"""
## Comprehensive test

Learn a rule that no bigram can know: each block of four tokens is repeated once. After a few steps a tiny model must predict the repeated half
almost surely; saved and loaded, it must write exactly the same.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tinygpt-module", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_module():
    import tempfile

    from tinytorch import manual_seed
    from tinytorch.optim import AdamW

    manual_seed(0)
    rng, tokenizer = np.random.default_rng(0), CharTokenizer("abcdef")
    model = TinyGPT(GPTConfig(6, context=8, layers=2, heads=2, width=32))
    optimizer = AdamW(model.parameters(), lr=1e-2)
    for _ in range(100):
        half = rng.integers(0, 6, (32, 4))
        ids = np.concatenate([half, half], axis=1)
        logits = model(from_array(ids[:, :-1]))
        optimizer.zero_grad()
        next_token_loss(logits[:, 3:], from_array(ids[:, 4:])).backward()
        optimizer.step()
    half = rng.integers(0, 6, (50, 4))
    found = np.array(model.generate(half.tolist(), 4, temperature=0))[:, 4:]
    right = (found == half).mean()
    assert right > 0.95, f"test_module: a model that sees the past repeats it; it got {right:.0%} of the tokens right"
    with tempfile.TemporaryDirectory() as folder:
        save_gpt(f"{folder}/gpt.safetensors", model, tokenizer)
        again, read = load_gpt(f"{folder}/gpt.safetensors")
        tokenizer.save(f"{folder}/tokenizer.json")
        assert load_tokenizer(f"{folder}/tokenizer.json").encode("face") == tokenizer.encode("face"), "test_module: a saved tokenizer"
    texts = [t.decode(list(m.stream(t.encode("fade"), 20, seed=4))) for m, t in ((model, tokenizer), (again, read))]
    assert texts[0] == texts[1], f"test_module: loaded, it writes {texts[1]!r}, not {texts[0]!r}"

# %%
if __name__ == "__main__":
    test_char_tokenizer()
    test_merges()
    test_bpe_tokenizer()
    test_losses()
    test_layer_cache()
    test_causal_self_attention()
    test_init_weights()
    test_tinygpt()
    test_warmup_cosine()
    test_next_probabilities()
    test_generation()
    test_module()
    analyze_parameters()
    analyze_memory()
    analyze_cache()
    analyze_tokenizers()
    demonstrate_learning()

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions
"""

# %% [markdown]
"""
**1.** How many bytes does your KVCache hold for 12 layers, 12 heads of 64 features, a context of 1,024 and a batch of 8, in float32? What does
`kv_heads=2` make of it, and which other cost does it lower?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "tinygpt-q1", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) 2 (keys, values) · 12 · 12 · 64 · 1,024 · 8 · 4 bytes = 604 MB (2 points). Two of twelve heads: a sixth, 101 MB (1). Each new token
reads the whole cache, so the time that reading takes falls as well (1); the projection of keys and values also shrinks.
"""

# %% [markdown]
"""
**2.** A colleague reports a validation loss of 1.20 with byte pairs (2.5 characters a token); you have 1.50 with characters. Whose model is
better? Make the two numbers comparable, and say why bits per byte is the usual measure.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "tinygpt-q2", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) A loss is a surprise for each token: 1.20 / 2.5 = 0.48 for each character against 1.50 (2 points). The colleague's is far better
(1). Bits per byte, loss / log 2 / bytes per token, does not depend on how the text was cut (1).
"""

# %% [markdown]
"""
**3.** `window_start` moves by half a context. What would it cost to move by one token each time, with the cache and without? Which texts
would come out different, and why can your model with learned positions not simply drop the oldest key?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "tinygpt-q3", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Moved by one, the cache is refilled for every token: as slow as without one (1 point). By half a context, a refill comes every
context/2 tokens, so each token costs about two positions on average, instead of one (1). Texts differ behind the first move, since the model sees a longer
past (1). Each cached key contains the embedding of its old position; after a move every position's number changes, so all keys are wrong (1).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: TinyGPT

You wrote both tokenizers, a model of the next token and the cache that makes it quick, and you know what each part costs. It rests on nothing that
you did not build. Next: `tito module complete tinygpt`, then `tito train gpt` and `tito generate`.
"""
