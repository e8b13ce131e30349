# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# Module 13: Kernels, or the same numbers a thousand times sooner

Your framework is complete. It is also slow, at least in your own loops: the first convolution that you wrote takes minutes for a batch. Today you
change *nothing* about what it computes, and almost everything about when it is done.

You climb a ladder. On the lowest rung, three Python loops multiply two matrices. On the highest, the same three loops keep both cores busy with
eight numbers per instruction. Between them lie four ideas: **compile**, **walk through memory in its own order**, **keep blocks in the cache**, **use
every core**. A fifth makes whole networks faster than any of these: **do two things while the number is in your hand**. It is called fusion.

**You bring:** the door with its tables (02), convolution (06), a network that trains (11). **You leave with:** compiled kernels behind your
primitives, and `tinytorch.backends`. **Capability:** *Can I make an operation many times faster and prove that nothing else has changed?*
"""

# %% nbgrader={"grade": false, "grade_id": "kernels-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.kernels
from tito.workbench import modules_before

modules_before("13_kernels")

# %% [markdown]
r"""
## Mathematical background

A processor does two things: it computes, and it moves numbers. Say it can do $P$ operations a second and move $B$ bytes a second between memory and
cores. A kernel that needs $F$ operations and moves $M$ bytes can never be faster than

$$ T \ge \max\left(\frac{F}{P}, \frac{M}{B}\right) $$

The ratio $I = F / M$ is the kernel's **arithmetic intensity**. Where $I < P / B$ memory is the limit, and a cleverer formula is useless; where it is
larger, arithmetic is. Drawn over $I$ the two limits look like a roof, so this is called the *roofline* (Williams, Waterman and Patterson, 2009).

| kernel | operations | bytes (float32) | intensity |
|---|---|---|---|
| ReLU of $n$ numbers | $n$ | $8n$ | 1/8: memory, always |
| softmax of a row of $n$ | about $5n$ | $8n$ | about 1/2: memory |
| matrix product $n \times n$ | $2n^3$ | $12n^2$ at best | $n / 6$: arithmetic |
| convolution $3 \times 3$, $C$ to $C$ channels | $18C$ a number | 8 a number | $2C$: arithmetic |

"At best" means: each number travels once. The three obvious loops fetch the same row again and again. They are $n$ times away from the best.
"""

# %% [markdown]
"""
## Implementation

### What is given

`jit` compiles a function of loops when it is first called (Numba does the work). Write such a function as if Python were C: numbers and arrays in,
results into an array that is given, no lists, no classes. `prange` is `range`; in a function compiled with `jit(parallel=True)` its
iterations run on several cores, so no iteration may need what another one writes.

One thing is lost: nobody checks an index. `x[i]` beyond the end reads whatever lies there, and writing there destroys it. If a number looks impossible, call
the Python behind the compiled function on a small array, `matmul_rows.python(a, b, out)`: Python complains at the line.
"""

# %% nbgrader={"grade": false, "grade_id": "kernels-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
import math

import numpy as np

from tinytorch.core.engine import FUSIONS, KERNELS, VJPS, Kernel, Primitive, Rule, primitive
from tinytorch.given.jit import jit, prange

# %% [markdown]
"""
### First rung: three loops

The definition of a matrix product, number by number. It runs as plain Python. And it runs compiled: `matmul_compiled` is the same text.
"""

# %% nbgrader={"grade": false, "grade_id": "kernels-matmul-loops", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def matmul_loops(a, b, out):
    """Write the matrix product of a (n, k) and b (k, m) to out (n, m).

    TASK: one sum for each element of out.
    APPROACH: loops over i and j; a variable `total` (start with 0.0), to which a third loop adds a[i, p] * b[p, j]; then out[i, j] = total.
    EXAMPLE: a [[1.0, 2.0]], b [[3.0], [4.0]] -> out [[11.0]]
    """
    ### BEGIN SOLUTION
    n, k = a.shape
    m = b.shape[1]
    for i in range(n):
        for j in range(m):
            total = 0.0
            for p in range(k):
                total += a[i, p] * b[p, j]
            out[i, j] = total
    ### END SOLUTION


matmul_compiled = jit(matmul_loops)

# %% [markdown]
"""
### Test: against NumPy

Sizes that differ from each other: if n and m are exchanged somewhere, a square matrix would not tell. The array for the result is full of sevens, so
a kernel that adds to what it finds is caught.
"""

# %% nbgrader={"grade": true, "grade_id": "test-kernels-matmul-loops", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def fault_of_product(function, sizes):
    """Return "" if function(a, b, out) writes a @ b for each (n, k, m), else where and how much it is off."""
    rng = np.random.default_rng(0)
    for n, k, m in sizes:
        a, b = rng.normal(size=(n, k)).astype("float32"), rng.normal(size=(k, m)).astype("float32")
        out = np.full((n, m), 7, "float32")
        function(a, b, out)
        error = np.abs(out - a.astype("float64") @ b).max()
        if not error < 1e-5 * k + 1e-6:
            return f"({n}, {k}) times ({k}, {m}): off by up to {error:.3g}"
    return ""


def test_matmul_loops():
    fault = fault_of_product(matmul_loops, [(1, 2, 1), (3, 5, 4), (2, 0, 3)]) or fault_of_product(matmul_compiled, [(3, 5, 4), (17, 9, 33)])
    assert not fault, f"matmul_loops: {fault}"

# %% [markdown]
"""
### Second rung: walk through memory in its own order

Your inner loop goes *down a column* of b: each step jumps over a whole row of memory. The processor fetches 64 bytes at a time, 16 numbers, and you use
one of them.

Exchange the two inner loops. Now the innermost one walks along a row of b and a row of out, and a[i, p] stays the same all the way. Neighbours in memory
are handled one after the other, so the compiler may take eight at a time (*vectorisation*).
"""

# %% nbgrader={"grade": false, "grade_id": "kernels-matmul-rows", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@jit
def matmul_rows(a, b, out):
    """Write the matrix product of a (n, k) and b (k, m) to out (n, m), row by row.

    TASK: the same sums, in the order i, p, j.
    APPROACH: 1. for each i set the row out[i, :] to 0 in a loop over j. 2. for each p: value = a[i, p]; 3. for each j: out[i, j] += value * b[p, j].
    EXAMPLE: as before.
    """
    ### BEGIN SOLUTION
    n, k = a.shape
    m = b.shape[1]
    for i in range(n):
        for j in range(m):
            out[i, j] = 0
        for p in range(k):
            value = a[i, p]
            for j in range(m):
                out[i, j] += value * b[p, j]
    ### END SOLUTION

# %% [markdown]
"""
### Test: the same product

Nothing else may have changed.
"""

# %% nbgrader={"grade": true, "grade_id": "test-kernels-matmul-rows", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_matmul_rows():
    fault = fault_of_product(matmul_rows, [(1, 2, 1), (3, 5, 4), (17, 9, 33), (2, 0, 3)])
    assert not fault, f"matmul_rows: {fault}"

# %% [markdown]
"""
### Third rung: blocks that stay in the cache, and every core

For large matrices each row of a still drags all of b through the cache. So cut b into blocks of `BLOCK` rows: 64 rows of 1,000 numbers are 256 KB, which the
cache of one core holds. Use a block for *many rows* of a before you fetch the next one. The innermost loop stays as long as it was: it is what runs eight numbers at a time.

And the rows of out do not depend on each other: groups of them can go to different cores. That is the outermost loop, a `prange`.
"""

# %% nbgrader={"grade": false, "grade_id": "kernels-matmul-blocked", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
BLOCK = 64


@jit(parallel=True)
def matmul_blocked(a, b, out):
    """Write the matrix product of a (n, k) and b (k, m) to out (n, m), block by block, groups of rows on different cores.

    TASK: the loop over blocks of b, and in it the loops of matmul_rows over the group's rows and the block.
    APPROACH: 1. `for q in range(0, k, BLOCK)`: where a block of b begins. 2. inside: i from `first` to `last`, p from q to min(q + BLOCK, k), for the last
        block may be smaller; then j over the whole row: out[i, j] += value * b[p, j], with value = a[i, p].
    EXAMPLE: as before.
    """
    n, k = a.shape
    m = b.shape[1]
    for group in prange((n + BLOCK - 1) // BLOCK):
        first, last = group * BLOCK, min(group * BLOCK + BLOCK, n)
        out[first:last] = 0
        ### BEGIN SOLUTION
        for q in range(0, k, BLOCK):
            for i in range(first, last):
                for p in range(q, min(q + BLOCK, k)):
                    value = a[i, p]
                    for j in range(m):
                        out[i, j] += value * b[p, j]
        ### END SOLUTION

# %% [markdown]
"""
### Test: sizes that the block does not divide

63, 64, 65: one less, exactly, one more. An error at the edge of a block shows here and nowhere else.
"""

# %% nbgrader={"grade": true, "grade_id": "test-kernels-matmul-blocked", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
def test_matmul_blocked():
    fault = fault_of_product(matmul_blocked, [(3, 5, 4), (65, 63, 64), (64, 65, 130), (130, 2, 1), (2, 0, 3)])
    assert not fault, f"matmul_blocked: {fault}"

# %% [markdown]
"""
### The roof

Before you measure, calculate what to expect. This function is the formula of the background; the systems analysis measures P and B of *your* machine.
"""

# %% nbgrader={"grade": false, "grade_id": "kernels-roofline", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def roofline(operations, bytes_moved, peak, bandwidth):
    """Return (least seconds, "memory" or "arithmetic"): the time that no kernel can beat, and which limit sets it.

    peak: operations a second. bandwidth: bytes a second. At a tie memory is named.

    TASK: the formula of the mathematical background.
    APPROACH: two times, the larger one wins.
    EXAMPLE: roofline(2e9, 12e6, 1e11, 1e10) -> (0.02, "arithmetic")
    """
    ### BEGIN SOLUTION
    computing, moving = operations / peak, bytes_moved / bandwidth
    return (computing, "arithmetic") if computing > moving else (moving, "memory")
    ### END SOLUTION

# %% [markdown]
"""
### Test: both sides of the roof
"""

# %% nbgrader={"grade": true, "grade_id": "test-kernels-roofline", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def test_roofline():
    for given, expected in (((2e9, 12e6, 1e11, 1e10), (0.02, "arithmetic")), ((1e6, 8e6, 1e11, 1e10), (0.0008, "memory")),
                            ((10.0, 1.0, 10.0, 1.0), (1.0, "memory"))):
        seconds, limit = roofline(*given)
        assert math.isclose(seconds, expected[0]) and limit == expected[1], f"roofline{given}: expected {expected}, got {(seconds, limit)}"

# %% [markdown]
"""
### ReLU: nothing to compute

One operation a number: memory is the limit, so all that you can do is read once, write once, and use every core's share of the bandwidth. One trap:
`max(x, 0)` must let NaN through, as your ReLU of module 03 does. A comparison with NaN is always false; choose the comparison so that NaN falls on
the right side.
"""

# %% nbgrader={"grade": false, "grade_id": "kernels-relu", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@jit(parallel=True)
def relu_elements(x, out):
    """Write max(x, 0) to out, both one-dimensional; NaN stays NaN.

    TASK: one loop over all elements, in threads.
    APPROACH: `for i in prange(x.size)`: 0 where x[i] <= 0, else x[i].
    EXAMPLE: [-1.0, 2.0, nan] -> [0.0, 2.0, nan]
    """
    ### BEGIN SOLUTION
    for i in prange(x.size):
        value = x[i]
        out[i] = 0 if value <= 0 else value
    ### END SOLUTION

# %% [markdown]
"""
### Test: NaN, infinity, and a length that nothing divides
"""

# %% nbgrader={"grade": true, "grade_id": "test-kernels-relu", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_relu_elements():
    x = np.concatenate([np.float32([-1, 0, 2, np.nan, np.inf, -np.inf]), np.random.default_rng(0).normal(size=100_003).astype("float32")])
    out = np.full_like(x, 7)
    relu_elements(x, out)
    wrong = np.flatnonzero(~((out == np.maximum(x, 0)) | (np.isnan(out) & np.isnan(x))))
    assert wrong.size == 0, f"relu_elements: for x = {x[wrong[0]]} expected {np.maximum(x[wrong[0]], 0)}, got {out[wrong[0]]}"

# %% [markdown]
"""
### Softmax: four passes in one

NumPy's softmax goes over the whole matrix four times: maximum, exponentials, sum, division. A row of a thousand numbers fits into the fastest cache.
So take *one row* through all four steps before you touch the next. Subtract the maximum first, as in module 03.
"""

# %% nbgrader={"grade": false, "grade_id": "kernels-softmax", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@jit(parallel=True)
def softmax_rows(x, out):
    """Write the softmax of each row of x (rows, n) to out (rows, n).

    TASK: the four steps, row by row, rows in threads.
    APPROACH: `for r in prange(x.shape[0])`: 1. the largest number of the row. 2. out[r, j] = math.exp(x[r, j] - largest), and their sum. 3. divide the
        row by the sum. Let NaN through: take a value as the largest if it is not <= the largest so far.
    EXAMPLE: [[0.0, 0.0]] -> [[0.5, 0.5]]
    """
    ### BEGIN SOLUTION
    for r in prange(x.shape[0]):
        largest = x[r, 0]
        for j in range(1, x.shape[1]):
            if not x[r, j] <= largest:
                largest = x[r, j]
        total = 0.0
        for j in range(x.shape[1]):
            out[r, j] = math.exp(x[r, j] - largest)
            total += out[r, j]
        for j in range(x.shape[1]):
            out[r, j] /= total
    ### END SOLUTION

# %% [markdown]
"""
### Test: against double precision

Scores of ±1,000 must not overflow, wherever the largest stands. A row that holds NaN becomes NaN, and only that row.
"""

# %% nbgrader={"grade": true, "grade_id": "test-kernels-softmax", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_softmax_rows():
    x = np.random.default_rng(1).normal(size=(65, 37)).astype("float32") * 5
    x[3], x[4, 5], x[5, 0] = 1000 * np.sign(x[3]), np.nan, np.nan
    x[6, 0] = x[7, 1] = x[8, -1] = 1000
    out = np.full_like(x, 7)
    softmax_rows(x, out)
    exact = np.exp(x.astype("float64") - x.astype("float64").max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    for r in range(len(x)):
        same = np.allclose(out[r], exact[r], atol=1e-6, rtol=1e-5, equal_nan=True)
        assert same, f"softmax_rows: row {r}: expected {exact[r][:3]} …, got {out[r][:3]} …"

# %% [markdown]
"""
### Convolution: channels last

In module 06 your loops took seconds for a few images. Here are the same loops for images whose channels lie together, (N, H, W, C), and weights (kH, kW, C, O). The
innermost loop runs over the output channels o: neighbours in `weight` and in `out`, and x[...] stays the same. That is the second rung again.
"""

# %% nbgrader={"grade": false, "grade_id": "kernels-conv2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@jit(parallel=True)
def conv2d_pixels(x, weight, out, stride):
    """Write the convolution of padded images x (N, H, W, C) with weight (kH, kW, C, O) to out (N, OH, OW, O).

    TASK: for each output pixel sum over the window and its channels, all output channels at once; images in threads.
    APPROACH: loops n (prange), i, j over out. 1. set out[n, i, j, o] to 0 for all o. 2. loops r, s, c over the window: value = x[n, i * stride + r,
        j * stride + s, c]; 3. for each o: out[n, i, j, o] += value * weight[r, s, c, o].
    EXAMPLE: x of ones (1, 3, 3, 2), weight of ones (3, 3, 2, 4) -> 18.0 in each of the 4 channels
    """
    ### BEGIN SOLUTION
    for n in prange(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                for o in range(out.shape[3]):
                    out[n, i, j, o] = 0
                for r in range(weight.shape[0]):
                    for s in range(weight.shape[1]):
                        for c in range(weight.shape[2]):
                            value = x[n, i * stride + r, j * stride + s, c]
                            for o in range(out.shape[3]):
                                out[n, i, j, o] += value * weight[r, s, c, o]
    ### END SOLUTION

# %% [markdown]
"""
### Test: against your convolution of module 06

The primitive that you exported there is the judge: odd sizes, a window that is not square, stride 2.
"""

# %% nbgrader={"grade": true, "grade_id": "test-kernels-conv2d", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_conv2d_pixels():
    rng = np.random.default_rng(2)
    for (n, h, w, c), (kh, kw, o), stride in (((2, 5, 6, 3), (3, 2, 4), 1), ((3, 7, 7, 1), (3, 3, 5), 2), ((1, 3, 3, 2), (3, 3, 4), 1)):
        x, weight = rng.normal(size=(n, h, w, c)).astype("float32"), rng.normal(size=(kh, kw, c, o)).astype("float32")
        out = np.full((n, (h - kh) // stride + 1, (w - kw) // stride + 1, o), 7, "float32")
        conv2d_pixels(x, weight, out, stride)
        settings = {"stride": (stride, stride), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
        expected = primitive("conv2d").kernel(np, x.transpose(0, 3, 1, 2), weight.transpose(3, 2, 0, 1), None, **settings)
        error = np.abs(out.transpose(0, 3, 1, 2) - expected).max()
        assert error < 1e-5, f"conv2d_pixels: images {(n, h, w, c)}, window {(kh, kw)}, stride {stride}: off by up to {error:.3g}"

# %% [markdown]
"""
### Behind the door

A compiled function is not yet a kernel of your framework. `bind` wants `kernel(xp, *arrays, **settings)`, and a rule that says where it may be used. Everything that the
rule refuses goes on to your reference kernel: no error, no difference, only slower.

Your softmax will not be that kernel. It makes one journey instead of four, and still NumPy wins: `math.exp` takes one number at a time, NumPy's exponential sixteen. So softmax is computed
here in your steps with a given exponential of eight numbers (`exponentials_given.py`). Fewer journeys help only if each step is as good as it can be.

When is it worth it? A compiled parallel kernel costs some microseconds to start, and it was written for float32 that lies without gaps. So: float32,
one piece of memory, at least `LEAST` numbers.
"""

# %% nbgrader={"grade": false, "grade_id": "kernels-supports", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
LEAST = 16_384


def one_piece(x):
    """Given: return whether the numbers of x lie without gaps, row-major or as channels-last images."""
    return x.flags.c_contiguous or (x.ndim == 4 and x.transpose(0, 2, 3, 1).flags.c_contiguous)


def supports_elements(x):
    """Return whether relu_kernel may be used for the array x.

    TASK: the three conditions above.
    APPROACH: x.dtype == np.float32, x.size, one_piece(x).
    EXAMPLE: zeros of float32 (128, 128) -> True; of float64, or (10, 10) -> False
    """
    ### BEGIN SOLUTION
    return x.dtype == np.float32 and x.size >= LEAST and one_piece(x)
    ### END SOLUTION


def supports_rows(x, *, dim):
    """Return whether softmax_kernel may be used: the same, and `dim` is the last axis of a row-major x.

    TASK: the conditions above; dim is never negative.
    APPROACH: supports_elements(x), x.flags.c_contiguous, dim == x.ndim - 1.
    EXAMPLE: zeros of float32 (128, 128): dim=1 -> True, dim=0 -> False
    """
    ### BEGIN SOLUTION
    return supports_elements(x) and x.flags.c_contiguous and dim == x.ndim - 1
    ### END SOLUTION


def relu_kernel(xp, x):
    """Given: ReLU by relu_elements, in the memory order of x."""
    out = np.empty_like(x)
    relu_elements(x.ravel("K"), out.ravel("K"))
    return out


def softmax_kernel(xp, x, *, dim):
    """Given: softmax over the last axis, in the steps of softmax_rows, with an exponential of eight numbers at a time."""
    from tinytorch.given.row_operations import softmax

    return softmax(xp, x, dim=dim)


KERNELS["relu", "numba"] = Kernel(relu_kernel, supports_elements)
KERNELS["softmax", "numba"] = Kernel(softmax_kernel, supports_rows)

# %% [markdown]
"""
### Test: who ran?

A watcher sees which backend served each call. Float64, small arrays and other layouts must be served by the reference, with the same numbers.
"""

# %% nbgrader={"grade": true, "grade_id": "test-kernels-supports", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def backends_of(calculate, *inputs, **settings):
    """Return the backend of every operation that calculate(*inputs, **settings) runs."""
    from tinytorch.core.engine import Watcher, overlay

    class Diary(Watcher):
        def after(self, primitive, inputs, params, outputs, backend, phase, note=None):
            seen.append(backend)

    seen = []
    with overlay(diary=Diary()):
        calculate(*inputs, **settings)
    return seen


def test_supports():
    from tinytorch.core.tensor import from_array
    from tinytorch.given import backends

    rng = np.random.default_rng(3)
    wide = rng.normal(size=(128, 256)).astype("float32")
    images = rng.normal(size=(8, 16, 16, 8)).astype("float32").transpose(0, 3, 1, 2)
    for name, array, settings, expected in (
        ("relu", wide, {}, "numba"), ("relu", images, {}, "numba"), ("relu", wide.astype("float64"), {}, "numpy"),
        ("relu", wide[:, ::2], {}, "numpy"), ("relu", wide[:10, :10].copy(), {}, "numpy"), ("softmax", wide, {"dim": 1}, "numba"),
        ("softmax", wide, {"dim": 0}, "numpy"), ("softmax", images, {"dim": 3}, "numpy"), ("softmax", wide.T, {"dim": 1}, "numpy"),
    ):
        with backends.use("auto"):
            seen = backends_of(primitive(name), from_array(array), **settings)
        case = f"{name} of {array.dtype} {array.shape}, {settings}"
        rule = "supports_elements" if name == "relu" else "supports_rows"
        assert seen == [expected], f"{rule}: {case}: expected {expected} to serve, got {seen}"
        found, reference = primitive(name)(from_array(array), **settings).numpy(), primitive(name).kernel(np, array, **settings)
        assert np.allclose(found, reference, atol=1e-6), f"{rule}: {case}: other numbers than the reference"

# %% [markdown]
"""
### Fusion: two operations, one journey

Batch norm writes 16 MB, ReLU reads the 16 MB and writes 16 MB. In one loop, the number is already in a register when its sign is looked at. Two journeys through
memory fewer, of four.

But users write `relu(norm(x))`, two operations. That is why batch norm is *deferrable*: its result waits. If the next operation finds a row in
`FUSIONS`, the fused one is executed in the place of both. Read the result in between, and it is simply computed.
"""

# %% nbgrader={"grade": false, "grade_id": "kernels-fusion", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
@jit(parallel=True)
def scale_shift_relu(x, scale, shift, out):
    """Write max(x · scale + shift, 0) to out; x, out (pixels, channels), scale, shift (channels,). NaN stays NaN.

    TASK: one loop over pixels, in threads, one over channels.
    APPROACH: `value = x[p, c] * scale[c] + shift[c]`; then as in relu_elements.
    EXAMPLE: x [[1.0, 1.0]], scale [2.0, -2.0], shift [0.0, 0.0] -> [[2.0, 0.0]]
    """
    ### BEGIN SOLUTION
    for p in prange(x.shape[0]):
        for c in range(x.shape[1]):
            value = x[p, c] * scale[c] + shift[c]
            out[p, c] = 0 if value <= 0 else value
    ### END SOLUTION

# %% [markdown]
"""
### Test: the same numbers as two operations
"""

# %% nbgrader={"grade": true, "grade_id": "test-kernels-fusion", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_scale_shift_relu():
    rng = np.random.default_rng(4)
    x, scale, shift = (rng.normal(size=s).astype("float32") for s in ((1001, 7), 7, 7))
    x[5, 2] = np.nan
    out = np.full_like(x, 7)
    scale_shift_relu(x, scale, shift, out)
    expected = np.maximum(x * scale + shift, 0)
    wrong = np.argwhere(~np.isclose(out, expected, atol=1e-6, equal_nan=True))
    assert len(wrong) == 0, f"scale_shift_relu: at {tuple(wrong[0])} expected {expected[tuple(wrong[0])]}, got {out[tuple(wrong[0])]}"

# %% [markdown]
"""
### The fused operation

A fused operation is a primitive like any other. Its inputs are those of batch norm, its settings too; its reference (given, in `kernel_rows_given.py`) calls the
kernels of batch norm and ReLU one after the other, and so does its gradient rule. What is missing is the fast kernel.

Batch norm is one multiplication and one addition, as you found in module 06: `scale = weight / sqrt(var + eps)`, `shift = bias - mean · scale`. Images are
channels-last in memory, so `as_rows(np, x)` shows them as a matrix with one row for each pixel, without a copy; `from_rows` goes back.
"""

# %% nbgrader={"grade": false, "grade_id": "kernels-fused-kernel", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
from tinytorch.given import kernel_rows
from tinytorch.given.spatial_layout import as_rows, from_rows


def batch_norm_relu_kernel(xp, x, weight, bias, mean, var, *, training, eps):
    """Return max(batch norm of x, 0). weight and bias (C,) may be None.

    TASK: scale and shift, then one call of scale_shift_relu.
    APPROACH: 1. `scale = 1 / np.sqrt(var + np.float32(eps))`, times weight if there is one. 2. `shift = -mean * scale`, plus bias if there is one.
        3. `rows = as_rows(np, x)`; an empty array of its shape; scale_shift_relu. 4. `from_rows(np, out, x.shape)`.
    EXAMPLE: x [[1.0], [3.0]] with mean [2], var [1], eps 0 -> [[0], [1]]
    """
    ### BEGIN SOLUTION
    scale = 1 / np.sqrt(var + np.float32(eps))
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale
    if bias is not None:
        shift = shift + bias
    rows = as_rows(np, x)
    out = np.empty_like(rows)
    scale_shift_relu(rows, scale, shift, out)
    return from_rows(np, out, x.shape)
    ### END SOLUTION


KERNELS["batch_norm_relu", "numba"] = Kernel(batch_norm_relu_kernel, kernel_rows.supports_normalised)

# %% [markdown]
"""
### Test: fused or not, the same numbers

With and without weight and bias. Then by the door: `relu` of a batch norm runs as *one* operation, and an intermediate result that somebody reads is right.
"""

# %% nbgrader={"grade": true, "grade_id": "test-kernels-fused-kernel", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_batch_norm_relu_kernel():
    from tinytorch.core.tensor import Tensor
    from tinytorch.given import backends

    rng = np.random.default_rng(5)
    x = rng.normal(size=(8, 16, 12, 12)).astype("float32")
    w, b, mean, var = (rng.uniform(0.5, 1.5, 16).astype("float32") for _ in range(4))
    norm, relu = primitive("batch_norm"), primitive("relu")
    for weight, bias in ((w, b), (None, None), (w, None)):
        settings = {"training": False, "eps": 0.1}
        expected = np.maximum(norm.kernel(np, x, weight, bias, mean, var, **settings), 0)
        found = batch_norm_relu_kernel(np, x, weight, bias, mean, var, **settings)
        assert found.shape == x.shape and np.allclose(found, expected, atol=1e-5), "batch_norm_relu_kernel: not max(batch norm, 0)"
    tensors = [Tensor(t) for t in (x, w, b, mean, var)]
    names = []
    with backends.use("auto"):
        seen = backends_of(lambda: names.append(relu(norm(*tensors, training=False, eps=0.1)).numpy()))
    assert len(seen) == 1, f"batch_norm_relu_kernel: relu(batch_norm(x)) should run as one operation, {len(seen)} ran"
    between = norm(*tensors, training=False, eps=0.1)
    read = between.numpy().copy()
    assert np.allclose(np.maximum(read, 0), relu(between).numpy(), atol=1e-5), "batch_norm_relu_kernel: differs from what was read in between"

# %% [markdown]
"""
### What else is given

Your kernels are simple and good. The last factor of two to five is hard work, and it is done for you, in files beside this one. Read them; each begins with why it is fast:

* `vectors_given.py`, `tiles_given.py`: eight numbers as one value, and blocks of 6 × 16 results that never leave the registers;
* `matrix_products_given.py`: products, and so dense layers and their gradients, of which only one factor is packed;
* `winograd_given.py`: 3×3 convolution with a quarter of the multiplications; `direct_convolution_given.py`: all others;
* `exponentials_given.py`, `row_operations_given.py`: softmax in your steps, eight exponentials at a time;
* `normalising_given.py`: batch norm, ReLU and pooling in one journey, forward and backward;
* `attention_blocks_given.py`: attention that never holds all its weights; `activation_curves_given.py`: GELU and its slope from one exponential.

`kernel_rows_given.py` puts them into the same table, with the same kind of rule. `tinytorch.backends.use("numpy")` switches all of it off, yours included.
"""

# %% [markdown]
"""
## Systems analysis: how far up the ladder?

Guess first: what does compiling bring, what the order of loops, what the blocks? Where on the ladder does NumPy stand?

1. **The ladder.** Every rung for the same product, and how far it is from what your machine can do; then two rungs where b fits into no cache.
2. **The roof.** P from a large matrix product, B from a large copy, both by every core; then ReLU and matmul against `roofline`.
3. **Convolution.** The loops of module 06, your NumPy version, your compiled loops, the kernel that the framework uses.
4. **Fusion.** Two journeys against one.
"""

# %%
from tinytorch.utils import format_seconds, measure_time


def analyze_ladder():
    """Print the time of each rung for one matrix product, as a factor to the rung below."""
    from tinytorch.given import backends

    rng = np.random.default_rng(0)
    small, large = (rng.normal(size=(2, n, n)).astype("float32") for n in (48, 512))
    out = np.empty((48, 48), "float32")
    loops = measure_time(matmul_loops, *small, out, repeats=1, warmup=0).median * (512 / 48) ** 3
    print(f"{'Python loops (calculated from 48³)':<36} {format_seconds(loops):>10}")
    out, before = np.empty((512, 512), "float32"), loops
    for name, rung in (("the same, compiled", matmul_compiled), ("row by row", matmul_rows), ("blocks, every core", matmul_blocked),
                       ("NumPy (OpenBLAS)", np.matmul)):
        with backends.use("numpy" if rung is np.matmul else "auto"):     # beside kernels OpenBLAS keeps to one core
            seconds = measure_time(rung, *large, out, repeats=3).best
        print(f"{name:<36} {format_seconds(seconds):>10}   {before / seconds:8.1f} times faster")
        before = seconds
    few, many, out = np.ones((128, 4096), "float32"), np.ones((4096, 4096), "float32"), np.empty((128, 4096), "float32")
    rows, blocks = (measure_time(rung, few, many, out, repeats=3).best for rung in (matmul_rows, matmul_blocked))
    print(f"b of {many.nbytes / 1e6:.0f} MB: row by row {format_seconds(rows)}; blocks, every core {format_seconds(blocks)}, {rows / blocks:.1f} times faster")

# %%
def analyze_roof():
    """Print the machine's two limits, and how near ReLU and matmul come to them."""
    from concurrent.futures import ThreadPoolExecutor

    from tinytorch.given import backends
    from tinytorch.given.threads import get_num_threads

    n, x = 1024, np.ones(1 << 24, "float32")
    a, out = np.ones((n, n), "float32"), np.empty_like(x)
    with backends.use("numpy"):     # beside kernels OpenBLAS keeps to one core
        peak = 2 * n**3 / measure_time(np.matmul, a, a, repeats=3).best
    parts = np.array_split(out, get_num_threads()), np.array_split(x, get_num_threads())
    with ThreadPoolExecutor(get_num_threads()) as cores:
        bandwidth = 2 * x.nbytes / measure_time(lambda: list(cores.map(np.copyto, *parts)), repeats=20).best
    print(f"P = {peak / 1e9:.0f} billion operations a second, B = {bandwidth / 1e9:.1f} billion bytes a second; the roof bends at {peak / bandwidth:.0f}")
    for name, call, operations, moved in (
        ("relu_elements", lambda: relu_elements(x, out), x.size, 2 * x.nbytes),
        ("matmul_blocked", lambda: matmul_blocked(a, a, out[: n * n].reshape(n, n)), 2 * n**3, 3 * a.nbytes),
    ):
        seconds = measure_time(call, repeats=10).best
        least, limit = roofline(operations, moved, peak, bandwidth)
        print(f"{name:<16} {limit:<10} allows {format_seconds(least)}, it took {seconds / least:.1f} times as long")


def analyze_convolution():
    """Print four convolutions of the same images: 16 channels to 16, window 3×3, 32×32 pixels."""
    from tinytorch.core.spatial import conv2d_loops

    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(16, 16, 34, 34)).astype("float32"), rng.normal(size=(16, 16, 3, 3)).astype("float32")
    pixels, taps = np.ascontiguousarray(x.transpose(0, 2, 3, 1)), np.ascontiguousarray(w.transpose(2, 3, 1, 0))
    out, settings = np.empty((16, 32, 32, 16), "float32"), {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    before = measure_time(conv2d_loops, x[:1, :, :6, :6], w, repeats=1, warmup=0).median * 16 * 64
    print(f"{'loops of module 06 (calculated)':<36} {format_seconds(before):>10}")
    for name, call in (("NumPy, im2col", lambda: primitive("conv2d").kernel(np, x, w, None, **settings)),
                       ("your loops, compiled", lambda: conv2d_pixels(pixels, taps, out, 1)),
                       ("the framework's kernel", lambda: KERNELS["conv2d", "numba"].load()(np, x, w, None, **settings))):
        seconds = measure_time(call, repeats=3).best
        print(f"{name:<36} {format_seconds(seconds):>10}   {before / seconds:8.1f} times faster")
        before = seconds


def analyze_fusion():
    """Print batch norm and ReLU as two operations and as one, on the activations of a small network."""
    x = np.random.default_rng(2).normal(size=(128 * 32 * 32, 32)).astype("float32")
    scale, shift, out = np.ones(32, "float32"), np.zeros(32, "float32"), np.empty_like(x)
    two = measure_time(lambda: np.maximum(x * scale + shift, 0), repeats=3).best
    one = measure_time(scale_shift_relu, x, scale, shift, out, repeats=3).best
    print(f"{x.nbytes / 1e6:.0f} MB: NumPy, three journeys {format_seconds(two)}; fused {format_seconds(one)}, {two / one:.1f} times faster")

# %% [markdown]
"""
Compiling brings the first factor of a hundred or more: no dictionary lookups, no Python numbers. Order brings the next: neighbours come eight at a time. Cores bring
as many times as there are, and blocks something more as soon as b is larger than the caches; at 512 it is not. The library still wins, because its blocks live in *registers*.
That is what `tiles_given.py` does, for products and convolutions.
"""

# %% [markdown]
"""
## Integration: nothing changed but the time

The small network of module 06, one training step under each backend. The losses agree to float32's last digits; the times do not agree at all.
"""

# %%
def demonstrate_step():
    """Print loss and time of a training step of SmallCNN with the reference kernels and with the compiled ones."""
    import tinytorch
    from tinytorch.given import backends
    from tinytorch.models import SmallCNN
    from tinytorch.nn.functional import cross_entropy

    def step(model, x, y):
        cross_entropy(model(x), y).backward()

    for name in ("numpy", "auto"):
        tinytorch.manual_seed(0)
        model, x, y = SmallCNN(), tinytorch.randn(64, 3, 32, 32), tinytorch.randint(0, 10, (64,))
        with backends.use(name):
            time = measure_time(step, model, x, y, repeats=3).best
            print(f"{name:<6} loss {cross_entropy(model(x), y).item():.6f}, a step {format_seconds(time)}")

# %% [markdown]
"""
## Production context

**PyTorch** has the same table: a *dispatcher* that looks an operation up by name and device, with kernels in C++ that were compiled in advance, and oneDNN behind convolutions.
`torch.compile` finds fusions by tracing whole programs and writes the fused loops itself (Triton on a GPU, C++ on a CPU). **JAX** hands everything to XLA. You found pairs at run time, with
a table of one line each: less general, and there is no waiting for a compiler at every change of shape.

What they have in common is what you did today: a plain reference to be right, a fast kernel to be fast, and a test that the two agree.
"""

# %% [markdown]
"""
## Comprehensive test

Every rung gives the same product; softmax of a product through the door; and a switch back to the reference changes no number.
"""

# %% nbgrader={"grade": true, "grade_id": "test-kernels-module", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
def test_module():
    from tinytorch.core.tensor import Tensor
    from tinytorch.given import backends

    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(2, 160, 160)).astype("float32")
    rungs = []
    for rung in (matmul_compiled, matmul_rows, matmul_blocked):
        out = np.empty((160, 160), "float32")
        rung(a, b, out)
        rungs.append(out)
    for name, found in zip(("matmul_rows", "matmul_blocked"), rungs[1:], strict=True):
        assert np.allclose(rungs[0], found, atol=1e-3), f"{name} and matmul_loops disagree"
    scores = Tensor(rungs[2])
    fast = primitive("softmax")(primitive("relu")(scores), dim=1).numpy()
    with backends.use("numpy"):
        slow = primitive("softmax")(primitive("relu")(scores), dim=1).numpy()
        assert set(backends_of(primitive("relu"), scores)) == {"numpy"}, "backends.use('numpy') must switch relu_kernel off"
    assert np.allclose(fast, slow, atol=1e-6), "relu_elements: other numbers than the reference"

# %%
if __name__ == "__main__":
    test_matmul_loops()
    test_matmul_rows()
    test_matmul_blocked()
    test_roofline()
    test_relu_elements()
    test_softmax_rows()
    test_conv2d_pixels()
    test_supports()
    test_scale_shift_relu()
    test_batch_norm_relu_kernel()
    analyze_ladder()
    analyze_roof()
    analyze_convolution()
    analyze_fusion()
    demonstrate_step()
    test_module()

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions
"""

# %% [markdown]
"""
**1.** `matmul_loops` and `matmul_rows` do the same multiplications. From the numbers of `analyze_ladder`, how much faster is the second, compiled? Explain it with cache lines and
vector instructions, and say why the exchange of loops would bring much less to a 16 × 16 product.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "kernels-q1", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) About ten times or more at 512 (1 point, with the student's number). Down a column each step touches another cache line of 64 bytes and uses 4 of them; along a row all 16 numbers are used (2). Along a row
the compiler may load eight neighbours with one instruction (1). A 16 × 16 matrix is 1 KB: all of it stays in the first-level cache in either order (1).
"""

# %% [markdown]
"""
**2.** Your `scale_shift_relu` is several times faster than NumPy, your `matmul_blocked` is slower than NumPy. Use the roofline to explain both, with the intensities of the two.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "kernels-q2", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Scale, shift and ReLU: three operations for 8 bytes, intensity 3/8: memory is the limit (1 point). NumPy makes three journeys of 8 bytes, the fused loop one: about three times faster, more with two cores (2). A matrix product of 512 has
intensity 85: arithmetic is the limit (1). OpenBLAS keeps results in registers and reaches P; blocks in the cache still load and store a result for each multiplication (1).
"""

# %% [markdown]
"""
**3.** `relu_kernel` refuses arrays below `LEAST` numbers, and `softmax_kernel` everything but float32. Name two things that would go wrong, or only get slower, without these rules. What must hold for *any* rule, whatever it lets through?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "kernels-q3", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Starting threads costs microseconds, more than a small ReLU takes (1 point). Each new dtype is another compilation of seconds, at the user's first call (1). An array with gaps would be copied, or read in the wrong order if nobody copies it (1). Whatever the rule
lets through must give the reference's numbers, within rounding; whatever it refuses must still work (2).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: Kernels

The same loops, from minutes to milliseconds: compiled, in memory's order, in blocks, on every core, and fused. Each step was measured against the roof and tested against the reference, and no line of an earlier module
was touched: rows in a table did it. Next: `tito module complete kernels`, and train the network of module 11 again, with a clock beside it.
"""
