# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# Module 07: Attention, or letting every word look at every other

A convolution looks through a window of fixed size. In "the cat that the dogs chased **was** tired" the verb must find *cat*, six words
back; in another sentence it may be sixty. Attention has no window. Every position asks a question, every position offers a key, and
the answer is a mean of values, weighted by how well question and key agree. Where to look is *computed*, from the data, anew for every
sentence.

Today you build that mean so that it does not overflow, learn to forbid looks (at the future, at padding), run several of them side by
side, tell positions apart, and stack it all into the block that large language models are made of.

**You bring:** Tensor (02), softmax and GELU (03), Linear, Module, Dropout (04), LayerNorm (06). **You leave with:**
`scaled_dot_product_attention`, `MultiheadAttention`, positions, `TransformerBlock`. **Capability:** *Can I let every position of a sequence
look at exactly the positions it is allowed to see?*
"""

# %% nbgrader={"grade": false, "grade_id": "attention-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.attention
from tito.workbench import modules_before

modules_before("07_attention")

# %% [markdown]
r"""
## Mathematical background

Queries $Q$ (L, E), keys $K$ (S, E), values $V$ (S, E'). The **scores** are all products of a query with a key; a softmax over the keys
turns them into weights; the result is the weighted mean of the values (Vaswani et al., 2017):

$$ \mathrm{attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{E}} + M\right) V $$

Why $\sqrt{E}$? If the numbers in q and k have variance 1, their product over E features has variance E. Without the division a softmax over
64 features sees scores of ±8, puts nearly all weight on one key, and its gradient vanishes.

**Masks.** $M$ is 0 where a query may look and $-\infty$ where it may not: $e^{-\infty} = 0$, so a forbidden key gets exactly no
weight. *Causal*: query i sees the keys 0 … i, so that a model that predicts the next word cannot read it. *Padding*: the filled-up
ends of short sentences are not words.

**A softmax that survives.** $e^{100}$ overflows in float32. Subtracting the largest score of each row changes nothing in the quotient
and leaves no exponent above 0. The logarithm of the denominator, $\mathrm{lse}_i = \log \sum_j e^{s_{ij}}$, is all that a gradient
needs to compute the weights again: $p_{ij} = e^{s_{ij} - \mathrm{lse}_i}$.

**Heads.** One softmax makes one mean. So the E features are cut into H groups; each attends by itself, to something of its own, and
the results are put side by side.
"""

# %% [markdown]
"""
## Implementation

### Scores, and who may look where

Two kinds of mask arrive here. A **bool** mask says True where a query may look. A **floating** mask is added to the scores; -inf
forbids. The causal rule needs no array from outside: query i may look at key j if j ≤ i. That is a lower triangle, `xp.tri(L, S,
dtype=bool)`, also where L and S differ.
"""

# %% nbgrader={"grade": false, "grade_id": "attention-scores", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
import numpy as np

from tinytorch.core.engine import Primitive, ShapeError
from tinytorch.core.layers import Dropout, Linear, Module, Parameter
from tinytorch.core.networks import Sequential
from tinytorch.core.tensor import from_array, randn
from tinytorch.given import attention_grads as attention_grads  # the gradient kernels, in the table from now on
from tinytorch.given.activation_modules import GELU
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.attention_functions import attention_weights, kept_weights, scaled_dot_product_attention
from tinytorch.given.attention_state import AttentionState
from tinytorch.given.normalisation import LayerNorm
from tinytorch.given.settings import whole
from tinytorch.given.silence import quiet


def masked_scores(xp, q, k, attn_mask, is_causal, scale):
    """Return the scores (…, L, S) of arrays q (…, L, E) and k (…, S, E), with -inf where a query may not look.

    attn_mask: bool (True: may look), floating (added), or None.

    TASK: multiply, then apply the mask that is given and the causal one.
    APPROACH: 1. `(q * scale) @ xp.swapaxes(k, -1, -2)`: scaling q is cheaper than scaling the scores. 2. bool mask: `xp.where(mask, scores, -np.inf)`;
        floating mask: add it. 3. is_causal: the triangle, in the same way. Both masks may apply.
    EXAMPLE: two queries, two keys, causal -> [[s00, -inf], [s10, s11]]
    """
    ### BEGIN SOLUTION
    scores = (q * scale) @ xp.swapaxes(k, -1, -2)
    if attn_mask is not None:
        scores = xp.where(attn_mask, scores, -np.inf) if attn_mask.dtype == np.bool_ else scores + attn_mask
    if is_causal:
        scores = xp.where(xp.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    return scores
    ### END SOLUTION

# %% [markdown]
"""
### Test: a triangle, a mask, a sum

Scores by hand for three queries and four keys. If the causal result is transposed, a word sees its future and not its past: training
will look wonderful, and the model will be useless.
"""

# %% nbgrader={"grade": true, "grade_id": "test-attention-scores", "locked": true, "points": 13, "schema_version": 3, "solution": false, "task": false}
def test_masked_scores():
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 4, 5))
    plain = np.einsum("bld,bsd->bls", q, k) * 0.3
    found = masked_scores(np, q, k, None, False, 0.3)
    assert found.shape == (2, 3, 4), f"masked_scores: expected shape (2, 3, 4), got {found.shape}"
    assert np.allclose(found, plain), "masked_scores: scores are q · k · scale, for each query and key"
    causal = masked_scores(np, q, k, None, True, 0.3)
    for i in range(3):
        assert np.isneginf(causal[:, i, i + 1 :]).all(), f"masked_scores: causal query {i} must not see keys after {i}"
        assert np.allclose(causal[:, i, : i + 1], plain[:, i, : i + 1]), f"masked_scores: causal query {i} sees keys 0 to {i}"
    mask = np.array([[True, False, True, True], [False, True, True, True], [True, True, True, False]])
    found = masked_scores(np, q, k, mask, False, 0.3)
    assert np.isneginf(found[:, ~mask]).all(), "masked_scores: False in a bool mask forbids, it must give -inf"
    assert np.allclose(found[:, mask], plain[:, mask]), "masked_scores: True in a bool mask leaves the score as it is"
    bias = rng.normal(size=(3, 4))
    assert np.allclose(masked_scores(np, q, k, bias, False, 0.3), plain + bias), "masked_scores: a floating mask is added"
    ### BEGIN HIDDEN TESTS
    found = masked_scores(np, q, k, mask, True, 0.3)
    assert np.isneginf(found[:, 0, 1:]).all() and np.isneginf(found[:, 1, 0]).all(), "masked_scores: both masks apply"
    narrow = masked_scores(np, q.astype("float32"), k.astype("float32"), mask, True, 0.3)
    assert narrow.dtype == np.float32, f"masked_scores: float32 stays float32, got {narrow.dtype}"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### A softmax that survives, and its logarithm

Three dangers. Large scores overflow: subtract the row's maximum. A row that is all -inf (a query that may look nowhere) has the
maximum -inf, and -inf - (-inf) is NaN: such a row gets weights of 0. And the same row's sum is 0: do not divide by it, and its
logarithm is -inf by decision, without a warning. PyTorch gives zeros for such a query since version 2.5; before, one padded sentence
could fill a network with NaN.
"""

# %% nbgrader={"grade": false, "grade_id": "attention-softmax", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def softmax_with_logsumexp(xp, scores):
    """Return (weights (…, L, S), logsumexp (…, L)) of the scores; a row of -inf gives weights 0 and logsumexp -inf.

    TASK: the stable softmax over the last axis, safe for rows of -inf.
    APPROACH: 1. `top`: the maximum of each row, keepdims and `initial=-np.inf` (there may be no key); where it is -inf, 0.
        2. `weights = xp.exp(scores - top)`. 3. `total`: their sum, keepdims. 4. `empty = total == 0`; divide by total, or by 1 where empty. 5. logsumexp = top + log(total); -inf where empty: take the logarithm of 1
        there, and choose with `xp.where`. Drop the last axis with `[..., 0]`.
    EXAMPLE: [[0, 0], [-inf, -inf]] -> weights [[0.5, 0.5], [0, 0]], logsumexp [0.693, -inf]
    """
    ### BEGIN SOLUTION
    top = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    top = xp.where(top == -np.inf, 0, top)
    weights = xp.exp(scores - top)
    total = weights.sum(axis=-1, keepdims=True)
    empty = total == 0
    total = xp.where(empty, 1, total)
    weights /= total
    return weights, xp.where(empty, -np.inf, top + xp.log(total))[..., 0]
    ### END SOLUTION

# %% [markdown]
"""
### Test: large, small, and nothing at all

Scores of 1,000 against the exact answer; a row of nothing; and no warning on the way: a warning here is a NaN tomorrow.
"""

# %% nbgrader={"grade": true, "grade_id": "test-attention-softmax", "locked": true, "points": 13, "schema_version": 3, "solution": false, "task": false}
def test_softmax_with_logsumexp():
    name = "softmax_with_logsumexp"
    s = np.random.default_rng(1).normal(size=(2, 3, 4))
    with np.errstate(all="raise"):
        weights, lse = softmax_with_logsumexp(np, s)
        large, large_lse = softmax_with_logsumexp(np, s + 1000)
        nothing = np.array([[0.0, 0.0], [-np.inf, -np.inf], [-np.inf, 3.0]], "float32")
        some, some_lse = softmax_with_logsumexp(np, nothing)
    exact = np.exp(s) / np.exp(s).sum(-1, keepdims=True)
    assert weights.shape == (2, 3, 4) and lse.shape == (2, 3), f"{name}: expected shapes (2, 3, 4), (2, 3), got {weights.shape}, {lse.shape}"
    assert np.allclose(weights, exact), f"{name}: every row must be e^score divided by the row's sum"
    assert np.allclose(lse, np.log(np.exp(s).sum(-1))), f"{name}: logsumexp is the logarithm of the row's sum of e^score"
    assert np.allclose(large, exact) and np.allclose(large_lse, lse + 1000), f"{name}: scores of 1,000 must not overflow"
    assert np.allclose(some, [[0.5, 0.5], [0, 0], [0, 1]]), f"{name}: a row of -inf gives zeros, got {some.tolist()}"
    assert np.allclose(some_lse, [np.log(2), -np.inf, 3.0]), f"{name}: logsumexp of nothing is -inf, got {some_lse}"
    assert some.dtype == some_lse.dtype == np.float32, f"{name}: float32 stays float32, got {some.dtype}, {some_lse.dtype}"

# %% [markdown]
"""
### The attention kernel

Scores, weights, dropout on the weights, mean of the values. The kernel returns the logsumexp as a **residual**: the gradient rule
recomputes the weights from it and keeps no L × S matrix. `kept_weights(xp, shape, dropout_p, seed, offset, dtype)` is given: an array
that is 0 with probability dropout_p, else 1/(1 - dropout_p).

The function `scaled_dot_product_attention` with PyTorch's arguments is given too (`attention_functions_given.py`): it checks sizes,
reserves random numbers and calls your primitive.
"""

# %% nbgrader={"grade": false, "grade_id": "attention-kernel", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def scaled_dot_product_attention_kernel(xp, q, k, v, attn_mask, *, is_causal, scale, dropout_p, seed, offset):
    """Return (out (…, L, Ev), logsumexp (…, L)).

    TASK: put the two functions above together.
    APPROACH: 1. masked_scores. 2. softmax_with_logsumexp. 3. if dropout_p is not 0: multiply the weights by `kept_weights(...)`. 4. weights @ v.
    EXAMPLE: one key -> every query gets that key's value
    """
    ### BEGIN SOLUTION
    weights, logsumexp = softmax_with_logsumexp(xp, masked_scores(xp, q, k, attn_mask, is_causal, scale))
    if dropout_p:
        weights *= kept_weights(xp, weights.shape, dropout_p, seed, offset, weights.dtype)
    return weights @ v, logsumexp
    ### END SOLUTION


ATTENTION = Primitive("scaled_dot_product_attention", quiet(scaled_dot_product_attention_kernel), residuals=("logsumexp",))

# %% [markdown]
"""
### Test: means of values

Equal scores give the plain mean. A strong score picks one value, as a dictionary would. A causal mask gives running means. And a key
hidden by a mask may hold anything, even NaN's neighbour 10³⁰: nothing of it may leak.
"""

# %% nbgrader={"grade": true, "grade_id": "test-attention-kernel", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_attention_kernel():
    from tinytorch import Tensor, manual_seed

    name = "scaled_dot_product_attention_kernel"
    rng = np.random.default_rng(2)
    k, v = rng.normal(size=(6, 8)), rng.normal(size=(6, 3))
    same = np.zeros((4, 8))
    out = scaled_dot_product_attention(Tensor(same), Tensor(k), Tensor(v)).numpy()
    assert out.shape == (4, 3), f"{name}: expected shape (4, 3), got {out.shape}"
    assert np.allclose(out, v.mean(0)), f"{name}: equal scores give the mean of the values"
    out = scaled_dot_product_attention(Tensor(np.eye(6) * 1000), Tensor(np.eye(6)), Tensor(v)).numpy()
    assert np.allclose(out, v), f"{name}: a strong score picks its value"
    out = scaled_dot_product_attention(Tensor(np.zeros((6, 8))), Tensor(k), Tensor(v), is_causal=True).numpy()
    assert np.allclose(out, np.cumsum(v, 0) / np.arange(1, 7)[:, None]), f"{name}: causal and equal scores give running means"
    q, hidden = rng.normal(size=(4, 8)), np.array([True] * 5 + [False])
    v[5] = 1e30
    out = scaled_dot_product_attention(Tensor(q), Tensor(k), Tensor(v), attn_mask=Tensor(hidden)).numpy()
    short = scaled_dot_product_attention(Tensor(q), Tensor(k[:5]), Tensor(v[:5])).numpy()
    assert np.allclose(out, short), f"{name}: a hidden key must leave no trace"
    manual_seed(3)
    ones = Tensor(np.ones((2000, 1)))
    out = scaled_dot_product_attention(Tensor(np.zeros((8, 4))), Tensor(np.zeros((2000, 4))), ones, dropout_p=0.25).numpy()
    assert abs(out.mean() - 1) < 0.03 and out.std() > 0, f"{name}: dropout keeps the mean of the weights, got {out.ravel()}"

# %% [markdown]
"""
### Heads

(N, L, E) → (N, H, L, E/H): the features are cut into H groups, and the heads become a batch axis, since each attends by itself. One
reshape and one transpose, in that order. A reshape to (N, H, L, E/H) at once has the right shape and mixes positions with features.
"""

# %% nbgrader={"grade": false, "grade_id": "attention-heads", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def split_heads(x, num_heads):
    """Return x (N, L, E) as (N, num_heads, L, E / num_heads).

    TASK: cut the features, then move the heads forward.
    APPROACH: reshape to (N, L, num_heads, -1), then transpose axes 1 and 2.
    EXAMPLE: (2, 5, 12) with 3 heads -> (2, 3, 5, 4)
    """
    ### BEGIN SOLUTION
    n, length, _ = x.shape
    return x.reshape(n, length, num_heads, -1).transpose(1, 2)
    ### END SOLUTION


def merge_heads(x):
    """Return x (N, H, L, D) as (N, L, H · D): the reverse of split_heads.

    TASK: move the heads back behind the length, then join them with the features.
    APPROACH: the two steps of split_heads, backwards.
    EXAMPLE: (2, 3, 5, 4) -> (2, 5, 12)
    """
    ### BEGIN SOLUTION
    n, heads, length, features = x.shape
    return x.transpose(1, 2).reshape(n, length, heads * features)
    ### END SOLUTION

# %% [markdown]
"""
### Test: which number goes where

Head h must hold the features h·D to (h+1)·D of every position. The values tell: each element encodes where it came from.
"""

# %% nbgrader={"grade": true, "grade_id": "test-attention-heads", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_heads():
    from tinytorch import Tensor

    x = np.arange(2 * 5 * 12.0).reshape(2, 5, 12)
    heads = split_heads(Tensor(x), 3)
    assert heads.shape == (2, 3, 5, 4), f"split_heads: expected shape (2, 3, 5, 4), got {heads.shape}"
    for h in range(3):
        assert np.array_equal(heads.numpy()[:, h], x[:, :, 4 * h : 4 * h + 4]), f"split_heads: head {h} must hold features {4 * h} to {4 * h + 3}"
    found = merge_heads(Tensor(x.reshape(2, 5, 3, 4).transpose(0, 2, 1, 3).copy()))
    assert found.shape == (2, 5, 12), f"merge_heads: expected shape (2, 5, 12), got {found.shape}"
    assert np.array_equal(found.numpy(), x), "merge_heads: must undo split_heads (transpose before reshape)"

# %% [markdown]
"""
### MultiheadAttention

`AttentionState` (given) holds PyTorch's parameters: `in_proj_weight` (3E, E) makes queries, keys and values in one matrix product,
`out_proj` mixes the heads. It also brings inputs into the form (N, L, E) and merges the masks into one of the kind that your attention
understands. Mind PyTorch's trap: *its* bool masks say True where a query may **not** look.

What is missing is the attention itself. Who asks for the weights gets them from `attention_weights(...)`: that matrix must then exist,
and the fast path is lost. So `need_weights=False` is what you want in training.
"""

# %% nbgrader={"grade": false, "grade_id": "attention-multihead", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn: MultiheadAttention
class MultiheadAttention(AttentionState):
    """Attention in several heads, with learned projections. See `AttentionState` for arguments and masks."""

    def attend(self, query, key, value, attn_mask, is_causal, need_weights):
        """Return (output (N, L, E), weights (N, heads, L, S) or None) for inputs (N, length, features) and one merged mask.

        TASK: project, split, attend, merge, project.
        APPROACH: 1. `self.project(query, key, value)` gives q, k, v of (N, length, E): split each. 2. dropout is `self.dropout` in training, else 0.
            3. without need_weights: `scaled_dot_product_attention(q, k, v, attn_mask, dropout, is_causal)`. 4. with: weights =
            `attention_weights(q, k, attn_mask, is_causal=..., scale=head_dim ** -0.5)`, through `self.drop(weights)`, then weights @ v.
            5. `self.out_proj` of the merged heads.
        EXAMPLE: 8 heads, embed_dim 64, x (2, 10, 64) -> (2, 10, 64) and weights (2, 8, 10, 10)
        """
        ### BEGIN SOLUTION
        q, k, v = (split_heads(x, self.num_heads) for x in self.project(query, key, value))
        if need_weights:
            weights = self.drop(attention_weights(q, k, attn_mask, is_causal=is_causal, scale=self.head_dim**-0.5))
            return self.out_proj(merge_heads(weights @ v)), weights
        dropout = self.dropout if self.training else 0.0
        return self.out_proj(merge_heads(scaled_dot_product_attention(q, k, v, attn_mask, dropout, is_causal))), None
        ### END SOLUTION

# %% [markdown]
"""
### Test: one head at a time

The reference takes the layer's weights apart and computes each head in NumPy. Both ways (with and without weights) must agree, and
padding must be invisible.
"""

# %% nbgrader={"grade": true, "grade_id": "test-attention-multihead", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
def test_multihead_attention():
    from tinytorch import Tensor

    rng = np.random.default_rng(4)
    layer, x = MultiheadAttention(12, 3, batch_first=True), rng.normal(size=(2, 5, 12)).astype("float32")
    layer.in_proj_bias.detach().copy_(Tensor(rng.normal(size=36).astype("float32")))
    out, weights = layer(Tensor(x), Tensor(x), Tensor(x), average_attn_weights=False)
    assert weights.shape == (2, 3, 5, 5), f"MultiheadAttention.attend: expected weights of shape (2, 3, 5, 5), got {weights.shape}"
    q, k, v = np.split(x @ layer.in_proj_weight.detach().numpy().T + layer.in_proj_bias.detach().numpy(), 3, axis=-1)
    heads = []
    for h in range(3):
        part = slice(4 * h, 4 * h + 4)
        e = np.exp(np.einsum("nld,nsd->nls", q[..., part], k[..., part]) / 2)
        p = e / e.sum(-1, keepdims=True)
        assert np.allclose(weights.detach().numpy()[:, h], p, atol=1e-5), f"MultiheadAttention.attend: wrong weights in head {h} (scale 1/√head_dim)"
        heads.append(p @ v[..., part])
    expected = np.concatenate(heads, -1) @ layer.out_proj.weight.detach().numpy().T
    assert np.allclose(out.detach().numpy(), expected, atol=1e-5), "MultiheadAttention.attend: wrong output (out_proj of the merged heads?)"
    fast, none = layer(Tensor(x), Tensor(x), Tensor(x), need_weights=False)
    assert none is None, "MultiheadAttention.attend: without need_weights the weights are None"
    assert np.allclose(fast.detach().numpy(), expected, atol=1e-5), "MultiheadAttention.attend: need_weights=False must give the same output"
    padding = Tensor(np.array([[False] * 5, [False] * 3 + [True] * 2]))
    for need in (True, False):
        out, _ = layer(Tensor(x), Tensor(x), Tensor(x), key_padding_mask=padding, need_weights=need)
        short, _ = layer(Tensor(x[1:, :3]), Tensor(x[1:, :3]), Tensor(x[1:, :3]), need_weights=need)
        assert np.allclose(out.detach().numpy()[1, :3], short.detach().numpy()[0], atol=1e-5), "MultiheadAttention.attend: padding must be invisible"
    ### BEGIN HIDDEN TESTS
    layer.dropout, layer.drop.p = 0.5, 0.5
    first, second = (layer(Tensor(x), Tensor(x), Tensor(x), need_weights=False)[0].detach().numpy() for _ in range(2))
    assert not np.allclose(first, second), "MultiheadAttention.attend: in training weights are dropped at random"
    layer.eval()
    first, second = (layer(Tensor(x), Tensor(x), Tensor(x), need_weights=need)[0].detach().numpy() for need in (True, False))
    assert np.allclose(first, second, atol=1e-5), "MultiheadAttention.attend: in evaluation nothing is dropped"
    ### END HIDDEN TESTS

# %% [markdown]
r"""
### Positions

Attention is a mean: shuffle the words, and the mean is the same. The network cannot know which word came first unless the *numbers*
say so. The classic recipe adds a fingerprint of the position to each embedding, sines and cosines of falling frequency:

$$ P_{t,\,2i} = \sin\!\left(t / 10000^{2i/E}\right) \qquad P_{t,\,2i+1} = \cos\!\left(t / 10000^{2i/E}\right) $$

Each pair is the hand of a clock. The fast clocks tell neighbours apart, the slow ones far regions; and turning all clocks by a fixed
amount is a *linear* map, so "three words back" looks the same everywhere. The alternative is a table that is learned, one row per
position (GPT-2 does that).
"""

# %% nbgrader={"grade": false, "grade_id": "attention-positions", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def sinusoidal_table(length, embed_dim):
    """Return the float32 array (length, embed_dim) of the formula above.

    TASK: sines in the even columns, cosines in the odd ones. embed_dim may be odd: then the last column is a sine.
    APPROACH: 1. `rates = 10000.0 ** (-np.arange(0, embed_dim, 2) / embed_dim)`. 2. `angles`: positions times rates, (length, number of rates). 3. fill
        `table[:, 0::2]` and `table[:, 1::2]`; there are embed_dim // 2 cosines.
    EXAMPLE: row 0 -> [0, 1, 0, 1, …]
    """
    ### BEGIN SOLUTION
    rates = 10000.0 ** (-np.arange(0, embed_dim, 2) / embed_dim)
    angles = np.arange(length)[:, None] * rates
    table = np.empty((length, embed_dim), "float32")
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles[:, : embed_dim // 2])
    return table
    ### END SOLUTION

# %% [markdown]
"""
### Test: clocks

Two entries by hand, the first row, and the property that the recipe is made for: the product of two positions' fingerprints depends on
their distance only.
"""

# %% nbgrader={"grade": true, "grade_id": "test-attention-positions", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_sinusoidal_table():
    table = sinusoidal_table(50, 16)
    assert table.shape == (50, 16) and table.dtype == np.float32, f"sinusoidal_table: expected float32 (50, 16), got {table.dtype} {table.shape}"
    assert np.array_equal(table[0], [0, 1] * 8), f"sinusoidal_table: position 0 is sin 0, cos 0, …, got {table[0]}"
    assert abs(table[7, 0] - np.sin(7)) < 1e-6, f"sinusoidal_table: [7, 0] is sin(7), got {table[7, 0]}"
    expected = np.cos(30 / 10000 ** (4 / 16))
    assert abs(table[30, 5] - expected) < 1e-6, f"sinusoidal_table: [30, 5] is cos(30 / 10000^(4/16)) = {expected:.6f}, got {table[30, 5]:.6f}"
    products = table.astype("float64") @ table.T.astype("float64")
    for distance in (1, 5, 20):
        diagonal = np.diag(products, distance)
        assert np.allclose(diagonal, diagonal[0], atol=1e-5), f"sinusoidal_table: products at distance {distance} must all be equal"
    assert sinusoidal_table(4, 5).shape == (4, 5), "sinusoidal_table: an odd embed_dim has one sine more"

# %% [markdown]
"""
Given: the two layers that add positions to embeddings (N, L, E).
"""

# %% nbgrader={"grade": false, "grade_id": "attention-position-layers", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face nn: SinusoidalPositions, LearnedPositions
def first_positions(name, x, table):
    """Return the rows of `table` for the positions of x (…, L, E), or say why they do not fit."""
    if expect_tensor(x, name).ndim < 2 or x.shape[-1] != table.shape[1] or x.shape[-2] > table.shape[0]:
        raise ShapeError(f"{name}: expected embeddings (…, length, {table.shape[1]}) of at most {table.shape[0]} positions, found {x.shape}.")
    return table[: x.shape[-2]]


class SinusoidalPositions(Module):
    """Adds the sinusoidal fingerprint of each position to embeddings (…, L, embed_dim), L being at most max_length."""

    def __init__(self, max_length, embed_dim):
        super().__init__()
        max_length, embed_dim = whole(max_length, "SinusoidalPositions's max_length"), whole(embed_dim, "SinusoidalPositions's embed_dim", 1)
        self.register_buffer("table", from_array(sinusoidal_table(max_length, embed_dim)), persistent=False)

    def forward(self, x):
        """Return x plus positions."""
        return x + first_positions("SinusoidalPositions", x, self.table)


class LearnedPositions(Module):
    """Adds a learned vector for each position to embeddings (…, L, embed_dim), L being at most max_length."""

    def __init__(self, max_length, embed_dim):
        super().__init__()
        self.weight = Parameter(randn(max_length, embed_dim) * 0.02)

    def forward(self, x):
        """Return x plus positions."""
        return x + first_positions("LearnedPositions", x, self.weight)

# %% [markdown]
"""
### The Transformer block

Two steps, each with a shortcut around it. First positions exchange information (attention), then each position thinks by itself (a
small MLP, four times as wide inside). Both read a *normalised* copy of the stream and **add** their result to it:

    x = x + dropout(attention(norm1(x)))
    x = x + dropout(mlp(norm2(x)))

This order is called pre-norm. The stream itself is never normalised away, so gradients pass a hundred blocks unchanged. The original
paper normalised after the addition; deep stacks of that need a careful warm-up.
"""

# %% nbgrader={"grade": false, "grade_id": "attention-block", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn: TransformerBlock
class TransformerBlock(Module):
    """Pre-norm Transformer block on (N, L, embed_dim): attention and an MLP with GELU, each with a shortcut.

    mlp_ratio: width of the MLP's hidden layer in multiples of embed_dim. dropout: on weights and on both results. causal: a position sees
    no later one.
    """

    def __init__(self, embed_dim, num_heads, mlp_ratio=4, dropout=0.0, causal=False):
        super().__init__()
        self.causal = causal
        self.norm1, self.norm2 = LayerNorm(embed_dim), LayerNorm(embed_dim)
        self.attention = MultiheadAttention(embed_dim, num_heads, dropout=dropout, batch_first=True)
        hidden = int(mlp_ratio * embed_dim)
        self.mlp = Sequential(Linear(embed_dim, hidden), GELU(), Linear(hidden, embed_dim))
        self.dropout = Dropout(dropout)

    def forward(self, x, key_padding_mask=None, attn_mask=None):
        """Return x (N, L, E) after one block; masks as in MultiheadAttention.

        TASK: the two lines above.
        APPROACH: query, key and value are the same tensor, norm1 of x. Hand over both masks, `is_causal=self.causal`, `need_weights=False`; the
            attention returns a pair, of which you need the first.
        EXAMPLE: TransformerBlock(64, 8)(x) has the shape of x
        """
        ### BEGIN SOLUTION
        y = self.norm1(x)
        y, _ = self.attention(y, y, y, key_padding_mask, need_weights=False, attn_mask=attn_mask, is_causal=self.causal)
        x = x + self.dropout(y)
        return x + self.dropout(self.mlp(self.norm2(x)))
        ### END SOLUTION

# %% [markdown]
"""
### Test: what changes what

In a causal block a change at position 3 must show at 3 and after, never before: the test that would catch a leak of the future. A
block whose last linear layers are zero must be the identity, because of the shortcuts. And the parts, called one by one, must give the
same.
"""

# %% nbgrader={"grade": true, "grade_id": "test-attention-block", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_transformer_block():
    from tinytorch import Tensor

    rng = np.random.default_rng(5)
    block, x = TransformerBlock(16, 4, causal=True), rng.normal(size=(2, 6, 16)).astype("float32")
    changed = x.copy()
    changed[:, 3, :8] += 1          # not all features: norm1 would remove a common shift
    before, after = block(Tensor(x)).detach().numpy(), block(Tensor(changed)).detach().numpy()
    assert before.shape == x.shape, f"TransformerBlock.forward: expected shape {x.shape}, got {before.shape}"
    assert np.allclose(before[:, :3], after[:, :3], atol=1e-6), "TransformerBlock.forward: a causal block shows the future to the past"
    assert (abs(before[:, 4:] - after[:, 4:]).max(-1) > 1e-6).all(), "TransformerBlock.forward: later positions must see a change at 3"
    t = Tensor(x)
    y = block.norm1(t)
    t = t + block.attention(y, y, y, need_weights=False, is_causal=True)[0]
    expected = (t + block.mlp(block.norm2(t))).detach().numpy()
    assert np.allclose(before, expected, atol=1e-5), "TransformerBlock.forward: differs from its parts, x + attention(norm1(x)), then x + mlp(norm2(x))"
    for last in (block.attention.out_proj, block.mlp[2]):
        last.weight.detach().zero_()
        last.bias.detach().zero_()
    assert np.array_equal(block(Tensor(x)).detach().numpy(), x), "TransformerBlock.forward: with silent parts a block is the identity (shortcuts)"
    wide = TransformerBlock(16, 4)
    padding = Tensor(np.array([[False] * 4 + [True] * 2] * 2))
    found = wide(Tensor(x), key_padding_mask=padding).detach().numpy()[:, :4]
    assert np.allclose(found, wide(Tensor(x[:, :4])).detach().numpy(), atol=1e-5), "TransformerBlock.forward: the padding mask must arrive"

# %% [markdown]
"""
## Systems analysis: the square

Every query meets every key: L² scores. Predict before you run:

1. **Time and memory** when the length doubles. Twice? Four times? And where does the MLP, which is linear in L, lose against the attention?
2. **What training keeps.** The weights of all heads and layers, or only what your residual allows to recompute?
3. **Half of it for nothing.** A causal mask hides half of all scores. How much faster is your causal attention than the full one?
"""

# %%
def analyze_length():
    """Print time and largest memory of attention for growing length, as ratios to the length before."""
    from tinytorch.utils import MemoryMeter, format_bytes, format_seconds, measure_time

    rng, last = np.random.default_rng(0), None
    for length in (128, 256, 512, 1024):
        q, k, v = (from_array(rng.normal(size=(1, 8, length, 32)).astype("float32")) for _ in range(3))
        seconds = measure_time(lambda q=q, k=k, v=v: scaled_dot_product_attention(q, k, v), repeats=5).best
        with MemoryMeter() as meter:
            scaled_dot_product_attention(q, k, v)
        growth = "" if last is None else f"  time × {seconds / last[0]:.1f}, memory × {meter.peak / last[1]:.1f}"
        print(f"length {length:>5}: {format_seconds(seconds):>8}, {format_bytes(meter.peak):>9}{growth}")
        last = seconds, meter.peak


def analyze_residuals():
    """Print what one call could keep for its gradient: the weights, or the logsumexp alone."""
    from tinytorch.utils import format_bytes

    for length in (256, 512, 1024):
        q = np.zeros((12, length, 32), "float32")
        weights, logsumexp = softmax_with_logsumexp(np, masked_scores(np, q, q, None, False, 1.0))
        print(f"12 heads, length {length:>4}: weights {format_bytes(weights.nbytes):>9}, logsumexp {format_bytes(logsumexp.nbytes):>9}")


def analyze_causal():
    """Print the time of causal attention as a ratio to the full one."""
    from tinytorch.utils import measure_time

    q = from_array(np.random.default_rng(1).normal(size=(1, 8, 512, 32)).astype("float32"))
    full, causal = (measure_time(lambda c=c: scaled_dot_product_attention(q, q, q, is_causal=c), repeats=7).best for c in (False, True))
    print(f"causal / full: {causal / full:.2f} of the time, for half of the useful work")

# %% [markdown]
"""
Doubling the length quadruples memory and, once the matrices leave the cache, more than quadruples time. The causal mask saves nothing
here: the hidden half is computed and thrown away. Both can be mended, and not by better Python: *FlashAttention* walks over blocks of
keys, keeps a running maximum and sum (your logsumexp), never stores the square, and skips blocks that are hidden entirely. You write
that in module 13.

## Integration: finding a needle

A task that no fixed window can do: a sequence of random vectors, a marker that says "copy the vector with key number 7", and the
answer may be anywhere. With keys and values written by hand, attention is a dictionary that can be differentiated.
"""

# %%
def demonstrate_lookup():
    """Print how well attention retrieves one value among 200 by its key, and how sharp its weights are."""
    rng = np.random.default_rng(7)
    keys = rng.choice([-1.0, 1.0], size=(200, 64)).astype("float32")
    values = rng.normal(size=(200, 4)).astype("float32")
    query = keys[137:138] + rng.normal(0, 0.5, (1, 64)).astype("float32")      # a noisy memory of one key
    out = scaled_dot_product_attention(from_array(query), from_array(keys), from_array(values), scale=0.5)
    weights = attention_weights(from_array(query), from_array(keys), None, is_causal=False, scale=0.5)
    print(f"asked for {values[137].round(2)}, got {out.numpy()[0].round(2)}, weight on it {weights.numpy()[0, 137]:.3f}")

# %% [markdown]
"""
## Production context

**PyTorch**'s `scaled_dot_product_attention` chooses among a plain, a memory-saving and a FlashAttention kernel; its interface is the
one that you built. `nn.MultiheadAttention` dates from before and has the opposite meaning of bool masks, which bites everyone once.
**JAX** and **TensorFlow** offer the same function. Serving systems keep keys and values of past tokens (the *KV cache*, module 16),
share keys among heads (*grouped queries*) to shrink that cache, and encode positions by rotation inside of the attention (*RoPE*) in
place of adding them outside.

A simplification worth knowing: PyTorch returns NaN for a query that may look nowhere when `need_weights=True`; ours returns zeros
either way.
"""

# %% [markdown]
"""
## Comprehensive test

A tiny causal model of two blocks. Reading a sequence whole, or growing it token by token, must give the same last answers: the
property on which all text generation rests.
"""

# %% nbgrader={"grade": true, "grade_id": "test-attention-module", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_module():
    from tinytorch import Tensor, manual_seed

    manual_seed(0)
    model = Sequential(LearnedPositions(12, 16), TransformerBlock(16, 2, causal=True, dropout=0.1), TransformerBlock(16, 4, causal=True)).eval()
    x = np.random.default_rng(8).normal(size=(3, 12, 16)).astype("float32")
    whole = model(Tensor(x)).detach().numpy()
    for length in (1, 5, 12):
        part = model(Tensor(x[:, :length])).detach().numpy()
        assert part.shape == (3, length, 16), f"test_module: length {length} gives shape {part.shape}"
        assert np.allclose(part[:, -1], whole[:, length - 1], atol=1e-5), f"test_module: the answer at {length - 1} must not depend on what follows"
    for n in (1, 2):
        assert np.allclose(model(Tensor(x[:n])).detach().numpy(), whole[:n], atol=1e-5), f"test_module: a batch of {n} changes the results"
    shuffled = np.random.default_rng(9).permutation(12)
    plain = TransformerBlock(16, 4).eval()
    found, moved = plain(Tensor(x)).detach().numpy(), plain(Tensor(x[:, shuffled])).detach().numpy()
    assert np.allclose(found[:, shuffled], moved, atol=1e-5), "test_module: without positions attention cannot know the order"
    placed = SinusoidalPositions(12, 16)
    found, moved = (plain(placed(Tensor(v))).detach().numpy() for v in (x, x[:, shuffled]))
    assert not np.allclose(found[:, shuffled], moved, atol=1e-2), "test_module: with positions the order must matter"

# %%
if __name__ == "__main__":
    test_masked_scores()
    test_softmax_with_logsumexp()
    test_attention_kernel()
    test_heads()
    test_multihead_attention()
    test_sinusoidal_table()
    test_transformer_block()
    test_module()
    analyze_length()
    analyze_residuals()
    analyze_causal()
    demonstrate_lookup()

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions
"""

# %% [markdown]
"""
**1.** `analyze_length` printed how time and memory grow. From which length on does the attention of a block with embed_dim 256 and 8
heads need more multiplications than its MLP and projections? Derive the length from the formulas, not from the clock.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "attention-q1", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Scores and mean: 2·L²·E multiplications (1 point). Projections 4·L·E², MLP 8·L·E² (1). Equal at 2·L·E = 12·E², so L =
6·E = 1,536 (2); the number of heads does not matter.
"""

# %% [markdown]
"""
**2.** Your kernel keeps logsumexp, and the gradient computes the weights again. What does that cost in time, what does it save in
memory for 12 layers of 12 heads at length 1,024 and batch 8, and why is it usually also *faster* on real hardware?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "attention-q2", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) One more product q·kᵀ and one exponential, about a fifth more arithmetic in forward and backward together (1 point).
Saves 12·12·8·1024²·4 bytes = 4.5 GiB against 4.5 MiB of logsumexp (2). Reading that much from memory takes longer than computing it
from q and k, which are small and in the cache (1).
"""

# %% [markdown]
"""
**3.** A colleague masks padding by setting the padded *values* to zero and uses no mask. Show with `softmax_with_logsumexp` why the
result is still wrong, and say which of your tests would have caught it.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "attention-q3", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) The padded keys still have scores, so they enter the sum and take weight away from the real words: the mean shrinks (2
points). test_multihead_attention compares with the short sentence and would fail; so would the hidden key in test_attention_kernel
(2).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: Attention

You built attention from two matrix products and a softmax that survives everything, learned to forbid looks exactly, cut it into
heads, gave positions a fingerprint, and stacked it into a Transformer block. Next: `tito module complete attention`, then module 08,
which brings real data.
"""
