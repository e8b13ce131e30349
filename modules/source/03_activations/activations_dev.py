# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# Module 03: Activations, or how a straight line learns to bend

Two linear layers in a row are one linear layer. So are a hundred. Whatever you stack, the result is a straight line,
unless something *bends* between the layers. Today you build the bends: eight small functions without which a deep
network is no deeper than a single matrix.

They look harmless. Each is one line in a textbook. But type the textbook line for softmax, feed it the number 100, and
you get `nan`, and a week of training is gone. So you write them twice as well as the textbook: **right for every number
that a float can hold**, from the smallest to infinity, without a warning.

**You bring:** Tensor and `bind` (02). **You leave with:** `relu`, `leaky_relu`, `sigmoid`, `tanh`, `silu`, `gelu`,
`softmax`, `log_softmax`. **Capability:** *Can I bend a straight line without breaking on the numbers at its ends?*
"""

# %% nbgrader={"grade": false, "grade_id": "activations-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.activations
from tito.workbench import modules_before

modules_before("03_activations")

# %% [markdown]
r"""
## Mathematical background

Why must it bend? Put one linear layer into another:

$$ W_2 (W_1 x + b_1) + b_2 = (W_2 W_1)\, x + (W_2 b_1 + b_2) $$

That is again one matrix and one vector. With a function $f$ between them that is not linear, the two no longer merge,
and a wide enough network comes as close as you like to any continuous function (Cybenko 1989; Leshno et al. 1993: any
$f$ will do that is not a polynomial).

| name | formula | used in |
|---|---|---|
| ReLU | $\max(x, 0)$ | convolutional networks |
| Leaky ReLU | $x$ if $x > 0$, else $s\,x$ with a small $s$ | where ReLUs die |
| sigmoid | $\sigma(x) = 1 / (1 + e^{-x})$ | gates, yes-or-no outputs |
| tanh | $(e^x - e^{-x}) / (e^x + e^{-x})$ | recurrent networks |
| SiLU | $x\,\sigma(x)$ | modern image and language models |
| GELU | $x\,\Phi(x)$, $\Phi$ the normal distribution function | Transformers |
| softmax | $e^{x_i} / \sum_j e^{x_j}$ | scores to probabilities |
| log-softmax | $x_i - \log \sum_j e^{x_j}$ | the loss of every classifier |

**The danger is $e^x$.** The largest float32 is about $3.4 \cdot 10^{38}$, so $e^x$ is infinite from $x = 88.73$ on. And
$\infty / \infty$ is `nan`, not a number, which then spreads to everything that it meets. The cure is always the same:
*rewrite the formula so that only powers $e^{-|\cdot|}$ occur.* Those lie between 0 and 1. They may become 0, which is harmless.
"""

# %% [markdown]
"""
## Implementation

Each activation is a **kernel**, a plain function of arrays that you write, then a **primitive** that gives it a name, and a
**function** with PyTorch's name and arguments that sends tensors through the door. Kernel and formula are yours; names and functions
are given beside them. `ops.quiet` above a kernel silences NumPy where an infinite or missing number is the right result.
"""

# %% nbgrader={"grade": false, "grade_id": "activations-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
import math

import numpy as np

from tinytorch.core.engine import Primitive, TinyTorchError, bind, in_place
from tinytorch.given import tensor_ops as ops
from tinytorch.given.arguments import expect_dim, expect_tensor
from tinytorch.given.settings import number
from tinytorch.given.special_functions import erf

# %% [markdown]
"""
The tests share one judge. It applies a function to a tensor, compares the result with what a slow, careful formula gives for
each number, and insists on three more things: the dtype is kept, the input is left alone, and NumPy has nothing to warn of.
"""

# %% nbgrader={"grade": false, "grade_id": "activations-judge", "locked": true, "schema_version": 3, "solution": false, "task": false}
import warnings

from tinytorch.core.tensor import Tensor

ENDS = [0.0, 1e-6, -1e-6, 0.5, -0.5, 3.0, -3.0, 20.0, -20.0, 88.0, -88.0, 1000.0, -1000.0, 1e30, -1e30, math.inf]


def judge(name, function, values, expected, atol=1e-7, rtol=1e-5, dtype="float32"):
    """Assert that function(Tensor(values)) is `expected`, in the same dtype, in silence, and with its input untouched."""
    x = Tensor(np.asarray(values, dtype))
    before = x.numpy().copy()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = function(x)
    assert not heard, f"{name}: must be silent, NumPy warned: {heard[0].message}"
    assert isinstance(found, Tensor), f"{name}: expected a Tensor, got {type(found).__name__}"
    assert found.dtype == dtype, f"{name}: the dtype must be kept, expected {dtype}, got {found.dtype}"
    expected = np.asarray(expected, "float64")
    assert found.shape == expected.shape, f"{name}: expected shape {expected.shape}, got {found.shape}"
    right = np.isclose(found.numpy(), expected, atol=atol, rtol=rtol, equal_nan=True)
    if not right.all():
        where = tuple(np.argwhere(~right)[0])
        raise AssertionError(
            f"{name}: for x = {before[where]} expected {expected[where]:.9g}, got {found.numpy()[where]:.9g}"
        )
    assert np.array_equal(x.numpy(), before, equal_nan=True), f"{name}: the input must not be overwritten"

# %% [markdown]
"""
### ReLU: keep it, or cut it

The simplest bend there is: negative numbers become 0. It costs one comparison. Its slope is 1 or 0, so it neither shrinks nor
blows up what flows through it; that is why deep networks became trainable with it (Nair and Hinton 2010, Glorot et al. 2011).

A missing number must stay missing: `relu(nan)` is `nan`. Otherwise a bug in the layer before would look like a healthy 0.
"""

# %% nbgrader={"grade": false, "grade_id": "activations-relu", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face tinytorch: relu
#| face nn.functional: relu
def relu_kernel(xp, x):
    """Return max(x, 0), element by element; NaN stays NaN.

    TASK: compare every element with 0 and keep the larger.
    APPROACH: `xp.maximum` takes two arrays or an array and a number, keeps the array's dtype, and lets NaN win.
    EXAMPLE: [-2.0, 0.0, 3.0] -> [0.0, 0.0, 3.0]
    """
    ### BEGIN SOLUTION
    return xp.maximum(x, 0)
    ### END SOLUTION


RELU = Primitive("relu", relu_kernel, promote="same")
RELU_ = in_place(RELU)


def relu(input, inplace=False):
    """Return max(input, 0). `inplace` overwrites the input, which saves its memory."""
    return bind(RELU_ if inplace else RELU, expect_tensor(input, "relu"))

# %% [markdown]
"""
### Test: both sides, the corner, the ends

Python's own `max` for each number. Then NaN, which a comparison such as `x > 0` would turn into 0; and the in-place form, which
must return the very tensor that it was given.
"""

# %% nbgrader={"grade": true, "grade_id": "test-activations-relu", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_relu():
    judge("relu_kernel", relu, ENDS, [max(v, 0.0) for v in ENDS])
    judge("relu_kernel", relu, [[math.nan, -math.inf]], [[math.nan, 0.0]])
    judge("relu_kernel", relu, [[-1.5, 2.5]], [[0.0, 2.5]], dtype="float64")
    judge("relu_kernel", relu, [-3, 4], [0, 4], dtype="int64")
    x = Tensor([-1.0, 2.0])
    assert relu(x, inplace=True) is x and x.tolist() == [0, 2], f"relu_kernel: in place expected [0, 2], got {x}"

# %% [markdown]
r"""
### Leaky ReLU: a little of the rest

A ReLU whose input is negative for every example has slope 0 everywhere. Nothing can move it any more: it is dead. A small slope on
the left keeps it alive (Maas et al. 2013).

The obvious way is `where(x > 0, x, slope * x)`. It is right, and four times slower than it need be: a processor hates to decide number by
number. Split the line into its two halves instead; one of them is always 0:

$$ \mathrm{leaky}(x) = \max(x, 0) + s \min(x, 0) $$

Mind another shortcut, `maximum(x, slope * x)`: it is wrong for slopes above 1.
"""

# %% nbgrader={"grade": false, "grade_id": "activations-leaky-relu", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn.functional: leaky_relu
@ops.quiet
def leaky_relu_kernel(xp, x, *, negative_slope):
    """Return x where it is positive, else negative_slope · x.

    TASK: add the positive part, and negative_slope times the negative part.
    APPROACH: `xp.maximum(x, 0)` is the positive part, `xp.minimum(x, 0)` the negative one.
    EXAMPLE: [-2.0, 3.0] with negative_slope=0.1 -> [-0.2, 3.0]
    """
    ### BEGIN SOLUTION
    return xp.maximum(x, 0) + negative_slope * xp.minimum(x, 0)
    ### END SOLUTION


LEAKY_RELU = Primitive("leaky_relu", leaky_relu_kernel, promote="float")
LEAKY_RELU_ = in_place(LEAKY_RELU)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """Return input where positive, else negative_slope · input. `inplace` overwrites the input."""
    primitive = LEAKY_RELU_ if inplace else LEAKY_RELU
    return bind(primitive, expect_tensor(input, "leaky_relu"), negative_slope=number(negative_slope, "leaky_relu's negative_slope"))

# %% [markdown]
"""
### Test: three slopes

The usual one, none (then it must be ReLU), and 2, which finds the wrong shortcut.
"""

# %% nbgrader={"grade": true, "grade_id": "test-activations-leaky-relu", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
def test_leaky_relu():
    for slope in (0.01, 0.0, 2.0):
        values = [v for v in ENDS if math.isfinite(v)]
        judge(
            f"leaky_relu_kernel (negative_slope={slope})", lambda x, s=slope: leaky_relu(x, s), values,
            [v if v > 0 else slope * v for v in values],
        )
    judge("leaky_relu_kernel", leaky_relu, [math.nan, -math.inf, math.inf], [math.nan, -math.inf, math.inf])
    judge("leaky_relu_kernel", leaky_relu, [-1.0, 1.0], [-0.01, 1.0], dtype="float64", rtol=1e-12)
    x = Tensor([-2.0, 2.0])
    found = leaky_relu(x, 0.5, inplace=True)
    assert found is x and x.tolist() == [-1, 2], f"leaky_relu_kernel: in place expected [-1, 2], got {x}"

# %% [markdown]
r"""
### Sigmoid: two formulas, one function

$1 / (1 + e^{-x})$ is fine on the right. On the left, at $x = -100$, it asks for $e^{100}$: infinite in float32. Multiply numerator
and denominator by $e^x$:

$$ \sigma(x) = \frac{1}{1 + e^{-x}} = \frac{e^x}{e^x + 1} $$

The second form is fine on the left. Look at the two denominators: with $z = e^{-|x|}$, always between 0 and 1, both are $1 + z$. The
numerator is 1 on the right and $e^x$ on the left, which is $e^{\min(x, 0)}$ everywhere. So one formula does for all:

$$ \sigma(x) = \frac{e^{\min(x, 0)}}{1 + e^{-|x|}} $$
"""

# %% nbgrader={"grade": false, "grade_id": "activations-sigmoid", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face tinytorch: sigmoid
#| face nn.functional: sigmoid
def sigmoid_kernel(xp, x):
    """Return 1 / (1 + e^-x) without ever computing a power that overflows.

    TASK: the last formula above.
    APPROACH: `xp.exp`, `xp.minimum`, `xp.abs`; plain numbers such as 1 leave the dtype of an array alone.
    EXAMPLE: [0.0, -1000.0, 1000.0] -> [0.5, 0.0, 1.0]
    """
    ### BEGIN SOLUTION
    return xp.exp(xp.minimum(x, 0)) / (1 + xp.exp(-xp.abs(x)))
    ### END SOLUTION


SIGMOID = Primitive("sigmoid", sigmoid_kernel, promote="float")


def sigmoid(input):
    """Return 1 / (1 + e^-input), between 0 and 1."""
    return bind(SIGMOID, expect_tensor(input, "sigmoid"))

# %% [markdown]
r"""
### Test: silent from -∞ to ∞

One value that you can check by hand: $\sigma(\log 3) = 3/4$. Then the ends: the textbook formula warns of an overflow at -1000. A last
trap lies in the far left tail: $\sigma(-80)$ is $1.8 \cdot 10^{-35}$, not 0, and its logarithm will be a loss one day.
"""

# %% nbgrader={"grade": true, "grade_id": "test-activations-sigmoid", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def exact_sigmoid(v):
    return 1 / (1 + math.exp(-v)) if v > -700 else 0.0


def test_sigmoid():
    judge("sigmoid_kernel", sigmoid, [math.log(3), 0.0, -math.log(3)], [0.75, 0.5, 0.25])
    judge("sigmoid_kernel", sigmoid, ENDS, [exact_sigmoid(v) for v in ENDS])
    judge("sigmoid_kernel (far left)", sigmoid, [[-30.0, -80.0]], [[exact_sigmoid(-30.0), exact_sigmoid(-80.0)]], atol=0)
    judge("sigmoid_kernel", sigmoid, [math.nan, -math.inf], [math.nan, 0.0])
    judge("sigmoid_kernel", sigmoid, [-2.0, 700.0], [exact_sigmoid(-2.0), 1.0], dtype="float64", rtol=1e-14)
    judge("sigmoid_kernel", sigmoid, [-100.0, 2.0], [0.0, exact_sigmoid(2.0)], dtype="float16", rtol=1e-3)
    assert sigmoid(Tensor([0, 1])).dtype == np.float32, "sigmoid_kernel: integers become float32"

# %% [markdown]
r"""
### Tanh: do not be clever

$\tanh x = 2\,\sigma(2x) - 1$. It is true, and a trap: near 0 the sigmoid is close to a half, and subtracting 1 leaves only the digits
that were already rounded away. For $x = 10^{-6}$ in float32 that gives $9.54 \cdot 10^{-7}$: wrong by 5 %. This loss of digits is
called *cancellation*. NumPy's `tanh` takes care of it. Knowing when not to write your own is part of the craft.
"""

# %% nbgrader={"grade": false, "grade_id": "activations-tanh", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face tinytorch: tanh
#| face nn.functional: tanh
def tanh_kernel(xp, x):
    """Return the hyperbolic tangent, between -1 and 1, accurate to the last digits near 0.

    TASK: use the library's function.
    APPROACH: `xp.tanh`.
    EXAMPLE: [0.0, 1000.0] -> [0.0, 1.0]
    """
    ### BEGIN SOLUTION
    return xp.tanh(x)
    ### END SOLUTION


TANH = Primitive("tanh", tanh_kernel, promote="float")


def tanh(input):
    """Return the hyperbolic tangent of input."""
    return bind(TANH, expect_tensor(input, "tanh"))

# %% [markdown]
"""
### Test: the digits near 0

With a relative tolerance and no absolute one, so that a lost digit of a small number counts.
"""

# %% nbgrader={"grade": true, "grade_id": "test-activations-tanh", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def test_tanh():
    judge("tanh_kernel", tanh, ENDS, [math.tanh(v) for v in ENDS], atol=0)
    judge("tanh_kernel", tanh, [math.nan, -math.inf], [math.nan, -1.0])
    judge("tanh_kernel", tanh, [[1e-12, 0.3]], [[math.tanh(1e-12), math.tanh(0.3)]], dtype="float64", atol=0, rtol=1e-14)
    assert tanh(Tensor([0, 1])).dtype == np.float32, "tanh_kernel: integers become float32"

# %% [markdown]
r"""
### SiLU: a gate that opens by itself

$x\,\sigma(x)$: the input decides by itself how much of it may pass. Far right it is $x$, far left 0, and between them a small dip:
smooth, where ReLU has a corner. It was found by hand (Elfwing et al. 2017) and again by a search over formulas (Ramachandran et al.
2017, as *swish*).

A kernel may use another kernel: you have a sigmoid.
"""

# %% nbgrader={"grade": false, "grade_id": "activations-silu", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn.functional: silu
@ops.quiet
def silu_kernel(xp, x):
    """Return x · sigmoid(x).

    TASK: the product.
    APPROACH: call your `sigmoid_kernel(xp, x)`; a kernel never goes through `bind`.
    EXAMPLE: [0.0, 20.0, -20.0] -> [0.0, 20.0, -0.0]
    """
    ### BEGIN SOLUTION
    return x * sigmoid_kernel(xp, x)
    ### END SOLUTION


SILU = Primitive("silu", silu_kernel, promote="float")
SILU_ = in_place(SILU)


def silu(input, inplace=False):
    """Return input · sigmoid(input). `inplace` overwrites the input."""
    return bind(SILU_ if inplace else SILU, expect_tensor(input, "silu"))

# %% [markdown]
r"""
### Test: both tails and the dip

The deepest point of SiLU lies at $x \approx -1.2785$ and is $-0.27846$. Whoever writes $\sigma(x)$ where $x\,\sigma(x)$ belongs has no dip.
"""

# %% nbgrader={"grade": true, "grade_id": "test-activations-silu", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
def test_silu():
    judge("silu_kernel", silu, ENDS, [v * exact_sigmoid(v) for v in ENDS])
    judge("silu_kernel (its minimum)", silu, [-1.2784645], [-0.27846454])
    judge("silu_kernel", silu, [[1.5, -2.5]], [[1.5 * exact_sigmoid(1.5), -2.5 * exact_sigmoid(-2.5)]], dtype="float64", rtol=1e-14)
    judge("silu_kernel", silu, [math.nan], [math.nan])
    assert silu(Tensor([0, 1])).dtype == np.float32, "silu_kernel: integers become float32"

# %% [markdown]
r"""
### GELU: pass with the probability of being large

Take $x$ as a draw of a normal distribution. GELU keeps it in proportion to the share of draws that are smaller
(Hendrycks and Gimpel 2016):

$$ \mathrm{gelu}(x) = x\,\Phi(x) = \frac{x}{2} \left( 1 + \mathrm{erf}\!\left( \frac{x}{\sqrt 2} \right) \right) $$

The error function was slow in 2016, so the first Transformers used an approximation, and their weights still expect it:

$$ \frac{x}{2} \left( 1 + \tanh\!\left( \sqrt{2/\pi}\, \left( x + 0.044715\, x^3 \right) \right) \right) $$

`erf(xp, x)` is given. It is SciPy's, imported when it is first called, so that `import tinytorch` stays fast.
"""

# %% nbgrader={"grade": false, "grade_id": "activations-gelu", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn.functional: gelu
@ops.quiet
def gelu_kernel(xp, x, *, approximate):
    """Return x · Φ(x); approximate: "none" for the exact form, "tanh" for the formula of the first Transformers.

    TASK: both formulas.
    APPROACH: 1. the factor 1 + erf(x / √2), or 1 + tanh(…). 2. times x / 2. Take the constants from `math`: a Python number
        leaves the dtype of an array alone, a NumPy float64 would not. Write x * x * x: NumPy's x**3 is very slow.
    EXAMPLE: [0.0, 1.0] -> [0.0, 0.84134] with "none", [0.0, 0.84119] with "tanh"
    """
    ### BEGIN SOLUTION
    if approximate == "tanh":
        return 0.5 * x * (1 + xp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1 + erf(xp, x / math.sqrt(2)))
    ### END SOLUTION


GELU = Primitive("gelu", gelu_kernel, promote="float")


def gelu(input, approximate="none"):
    """Return input · Φ(input), Φ being the normal distribution function; approximate: "none" or "tanh"."""
    if approximate not in ("none", "tanh"):
        raise TinyTorchError(f'gelu: expected approximate to be "none" or "tanh", found {approximate!r}.')
    return bind(GELU, expect_tensor(input, "gelu"), approximate=approximate)

# %% [markdown]
r"""
### Test: exact and approximate are told apart

$\Phi(1) = 0.8413447$ stands in every table of the normal distribution. The two forms differ by at most 0.0005, and the test sees it. At
$10^{30}$ the cube overflows: the result must be right all the same.
"""

# %% nbgrader={"grade": true, "grade_id": "test-activations-gelu", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def exact_gelu(v):
    return v / 2 * math.erfc(-v / math.sqrt(2))


def approximate_gelu(v):
    return v / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))


def test_gelu():
    judge("gelu_kernel", gelu, [0.0, 1.0, -1.0], [0.0, 0.8413447, -0.1586553], atol=1e-6)
    judge("gelu_kernel", gelu, ENDS, [exact_gelu(v) for v in ENDS], atol=1e-6)
    judge("gelu_kernel (tanh)", lambda x: gelu(x, "tanh"), ENDS, [approximate_gelu(v) for v in ENDS], atol=1e-6)
    values = [-2.2, -0.7, 0.3, 1.9]
    judge("gelu_kernel", gelu, values, [exact_gelu(v) for v in values], dtype="float64", rtol=1e-12)
    judge("gelu_kernel (tanh)", lambda x: gelu(x, approximate="tanh"), values, [approximate_gelu(v) for v in values],
          dtype="float64", rtol=1e-12)
    judge("gelu_kernel", gelu, [math.nan], [math.nan])
    try:
        gelu(Tensor([1.0]), approximate="exact")
    except TinyTorchError as error:
        assert "exact" in str(error), f"gelu: the message must show what was asked for, got {error}"
    else:
        raise AssertionError("gelu: an unknown approximation must be refused")

# %% [markdown]
r"""
### Softmax: scores become probabilities

The last layer of a classifier gives a score for each class. Softmax makes them positive, and makes them sum to 1 along `dim`. It does not
notice if the same number is taken away from all scores:

$$ \frac{e^{x_i - c}}{\sum_j e^{x_j - c}} = \frac{e^{-c}\, e^{x_i}}{e^{-c} \sum_j e^{x_j}} = \frac{e^{x_i}}{\sum_j e^{x_j}} $$

So take away the largest. Then the largest power is $e^0 = 1$: nothing overflows, and the sum is at least 1: nothing divides by 0.
"""

# %% nbgrader={"grade": false, "grade_id": "activations-softmax", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face tinytorch: softmax
#| face nn.functional: softmax
def shifted_kernel(xp, x, dim):
    """Return x minus its largest value along `dim`: at most 0 everywhere, and 0 somewhere.

    TASK: subtract the maximum of each slice.
    APPROACH: `xp.max(x, axis=..., keepdims=True, initial=-xp.inf)`. keepdims lets it broadcast; `initial` says what the
        maximum of nothing is, so that an axis of size 0 works too.
    EXAMPLE: [[1.0, 3.0]] with dim=1 -> [[-2.0, 0.0]]
    """
    ### BEGIN SOLUTION
    return x - xp.max(x, axis=dim, keepdims=True, initial=-xp.inf)
    ### END SOLUTION


@ops.quiet
def softmax_kernel(xp, x, *, dim):
    """Return e^x normalised to sum 1 along the axis `dim`.

    TASK: the powers of the shifted scores, divided by their sum.
    APPROACH: 1. `shifted_kernel`. 2. `xp.exp`. 3. divide by `xp.sum(..., axis=dim, keepdims=True)`.
    EXAMPLE: [[0.0, log 3]] with dim=1 -> [[0.25, 0.75]]
    """
    ### BEGIN SOLUTION
    powers = xp.exp(shifted_kernel(xp, x, dim))
    return powers / xp.sum(powers, axis=dim, keepdims=True)
    ### END SOLUTION


SOFTMAX = Primitive("softmax", softmax_kernel, promote="float")


def softmax(input, dim=None, dtype=None):
    """Return e^input normalised to sum 1 along `dim` (required). dtype: convert the input to it first."""
    dim = expect_dim(input, dim, "softmax")
    return bind(SOFTMAX, input if dtype is None else input.to(dtype), dim=dim)

# %% [markdown]
r"""
### Test: sums, shifts, every axis

By hand: the scores 0 and $\log 3$ give ¼ and ¾. Then all axes of a 3-d tensor against sums in double precision, scores of 1000,
scores of $-\infty$ (a class that is excluded gets exactly 0: attention masks will rely on it), and a forgotten `dim`.
"""

# %% nbgrader={"grade": true, "grade_id": "test-activations-softmax", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
def exact_log_softmax(a, dim):
    """The logarithm of softmax in the highest precision at hand, slice by slice."""
    def of_slice(v):
        return v - v.max() - np.log(np.exp(v - v.max()).sum())

    return np.apply_along_axis(of_slice, dim, np.asarray(a, np.longdouble)).astype("float64")


def test_softmax():
    judge("softmax_kernel", lambda x: softmax(x, dim=1), [[0.0, math.log(3)], [5.0, 5.0]], [[0.25, 0.75], [0.5, 0.5]])
    a = np.random.default_rng(3).normal(0, 4, (4, 5, 6)).astype("float32")
    for dim in (0, 1, 2, -1, -3):
        expected = np.exp(exact_log_softmax(a, dim))
        judge(f"softmax_kernel (dim={dim})", lambda x, d=dim: softmax(x, d), a, expected)
    judge("softmax_kernel (large scores)", lambda x: softmax(x, 0), [1000.0, 999.0], [1 / (1 + math.exp(-1)), 1 / (1 + math.e)])
    judge("softmax_kernel (low scores)", lambda x: softmax(x, 0), [-1000.0, -1000.0], [0.5, 0.5])
    judge("softmax_kernel (masked)", lambda x: softmax(x, 1), [[2.0, -math.inf, 2.0]], [[0.5, 0.0, 0.5]], atol=0)
    judge("softmax_kernel", lambda x: softmax(x, 0), [1.0, 2.0], [1 / (1 + math.e), 1 / (1 + math.exp(-1))], dtype="float64",
          rtol=1e-14)
    assert softmax(Tensor(np.zeros((3, 0))), 1).shape == (3, 0), "shifted_kernel: an axis of size 0 must pass"
    ### BEGIN HIDDEN TESTS
    assert softmax(Tensor(5.0), 0).item() == 1.0, "softmax_kernel: a single number has probability 1"
    assert softmax(Tensor([1.0]), 0, dtype="float64").dtype == np.float64, "softmax: dtype converts first"
    ### END HIDDEN TESTS
    try:
        softmax(Tensor([1.0, 2.0]))
    except TypeError as error:
        assert "dim" in str(error), f"softmax: the message must name dim, got {error}"
    else:
        raise AssertionError("softmax without dim must be refused")

# %% [markdown]
r"""
### Log-softmax: never take the logarithm of a rounded zero

A classifier's loss is $-\log$ of the probability of the right class. Compute softmax first and the logarithm after, and a hopeless
class has probability 0 and loss $\infty$. Do both on paper instead:

$$ \log \frac{e^{x_i}}{\sum_j e^{x_j}} = x_i - \log \sum_j e^{x_j} $$

The second term is called *logsumexp*. With the shifted scores its sum lies between 1 and the number of classes, so the logarithm is
always tame.
"""

# %% nbgrader={"grade": false, "grade_id": "activations-log-softmax", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face tinytorch: log_softmax
#| face nn.functional: log_softmax
@ops.quiet
def log_softmax_kernel(xp, x, *, dim):
    """Return the logarithm of softmax along the axis `dim`, exact also where softmax itself is rounded to 0.

    TASK: the shifted scores minus the logarithm of the sum of their powers.
    APPROACH: `shifted_kernel` once, then `xp.log(xp.sum(xp.exp(...), axis=dim, keepdims=True))`.
    EXAMPLE: [[0.0, log 3]] with dim=1 -> [[log 0.25, log 0.75]]; [0.0, 500.0] with dim=0 -> [-500.0, 0.0]
    """
    ### BEGIN SOLUTION
    shifted = shifted_kernel(xp, x, dim)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=dim, keepdims=True))
    ### END SOLUTION


LOG_SOFTMAX = Primitive("log_softmax", log_softmax_kernel, promote="float")


def log_softmax(input, dim=None, dtype=None):
    """Return the logarithm of softmax along `dim` (required). dtype: convert the input to it first."""
    dim = expect_dim(input, dim, "log_softmax")
    return bind(LOG_SOFTMAX, input if dtype is None else input.to(dtype), dim=dim)

# %% [markdown]
"""
### Test: finite where the probability is not

The score 0 beside 500 has the logarithm -500. `log(softmax(x))` says `-inf` there, and the test names it.
"""

# %% nbgrader={"grade": true, "grade_id": "test-activations-log-softmax", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_log_softmax():
    third = [[math.log(0.25), math.log(0.75)]]
    judge("log_softmax_kernel", lambda x: log_softmax(x, 1), [[0.0, math.log(3)]], third)
    judge("log_softmax_kernel (not log(softmax))", lambda x: log_softmax(x, 0), [0.0, 500.0], [-500.0, 0.0])
    a = np.random.default_rng(4).normal(0, 4, (4, 5, 6)).astype("float32")
    for dim in (0, 1, -1):
        judge(f"log_softmax_kernel (dim={dim})", lambda x, d=dim: log_softmax(x, d), a, exact_log_softmax(a, dim), atol=2e-6)
    judge("log_softmax_kernel (masked)", lambda x: log_softmax(x, 0), [3.0, -math.inf], [0.0, -math.inf])
    b = a.astype("float64")
    judge("log_softmax_kernel", lambda x: log_softmax(x, 2), b, exact_log_softmax(b, 2), dtype="float64", rtol=1e-12)
    try:
        log_softmax(Tensor([1.0, 2.0]))
    except TypeError as error:
        assert "dim" in str(error), f"log_softmax: the message must name dim, got {error}"
    else:
        raise AssertionError("log_softmax without dim must be refused")

# %% [markdown]
"""
## Systems analysis: what does a bend cost?

Three measurements. Predict before you run.

1. **Breaking.** From which score on does the textbook softmax give `nan`, in float16, float32 and float64? And yours?
2. **Time and memory.** One comparison (ReLU), two powers (sigmoid), an error function (GELU): how many ReLUs does each cost? And how
   many arrays of the input's size does it need at its peak?
3. **Two ways to write one thing.** `x**3` against `x * x * x`, `where` against `maximum` and `minimum`. Same numbers. Same time?
"""

# %%
def analyze_overflow():
    """Print the first score at which the textbook softmax breaks, beside what the shifted one gives there."""
    for dtype in ("float16", "float32", "float64"):
        for score in range(1, 2000):
            x = np.array([score, 0], dtype)
            with np.errstate(all="ignore"):
                textbook = np.exp(x) / np.exp(x).sum()
            if np.isnan(textbook).any():
                break
        yours = softmax(Tensor(x), 0).tolist()
        print(f"{dtype}: textbook softmax([{score}, 0]) = {textbook.tolist()}, yours = {[round(p, 3) for p in yours]}")


def analyze_cost():
    """Print the time and the peak memory of each activation on 2²⁰ numbers: times in ReLUs, memory in inputs."""
    from tinytorch.utils import MemoryMeter, measure_time

    x = Tensor(np.random.default_rng(0).normal(size=(1024, 1024)).astype("float32"))
    gelu(x[:1])                                             # the error function is loaded at its first use
    unit = measure_time(relu, x, repeats=5).median
    cases = {"relu": relu, "leaky_relu": leaky_relu, "tanh": tanh, "sigmoid": sigmoid, "silu": silu, "gelu": gelu,
             "gelu (tanh)": lambda x: gelu(x, "tanh"), "softmax": lambda x: softmax(x, 1)}
    for name, function in cases.items():
        with MemoryMeter() as memory:
            function(x)
        ratio = measure_time(function, x, repeats=3).median / unit
        print(f"{name:<12} {ratio:5.1f} times a ReLU, {memory.peak / x.numpy().nbytes:.1f} inputs at the peak")

def analyze_spelling():
    """Print how much longer the slower of two equal formulas takes, for a million numbers."""
    from tinytorch.utils import measure_time

    a = np.random.default_rng(0).normal(size=(1024, 1024)).astype("float32")
    for name, slow, fast in (
        ("x**3 against x * x * x", lambda: a**3, lambda: a * a * a),
        ("where(x > 0, x, s * x) against max + s * min", lambda: np.where(a > 0, a, 0.1 * a),
         lambda: np.maximum(a, 0) + 0.1 * np.minimum(a, 0)),
    ):
        slow, fast = measure_time(slow, repeats=3).median, measure_time(fast, repeats=3).median
        print(f"{name}: {slow / fast:.0f} times as long")

# %% [markdown]
"""
Each step of a formula reads an array from memory and writes one. ReLU has one step, your sigmoid seven. A step that the processor can do for
eight or sixteen numbers at once (maximum, multiply, even exp and tanh) costs little more than the memory traffic. A step that it must do
one by one (a general power, a choice at random places, SciPy's erf) costs ten times that. Module 13 will run a whole formula in one pass over
the numbers; that is called *fusion*.
"""

# %% [markdown]
"""
## Integration: what no straight line can do

XOR: output 1 if exactly one of two inputs is 1. In 1969 Minsky and Papert proved that no single linear layer can. Two linear layers
cannot either: they are one. With your ReLU between them, two hidden units are enough. Here are the weights, found by hand; in
module 11 a network finds its own.
"""

# %% nbgrader={"grade": false, "grade_id": "activations-xor", "locked": true, "schema_version": 3, "solution": false, "task": false}
def two_layers(x, bend):
    """Return w2 · bend(x · w1 + b1), with weights that compute XOR if `bend` is relu."""
    w1, b1 = Tensor([[1.0, 1.0], [1.0, 1.0]]), Tensor([0.0, -1.0])
    w2 = Tensor([[1.0], [-2.0]])
    return bend(x @ w1 + b1) @ w2


def demonstrate_xor():
    """Print the outputs for the four inputs, with and without a bend."""
    x = Tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    for name, bend in (("without a bend", lambda h: h), ("with ReLU", relu)):
        print(f"{name:<15} {two_layers(x, bend).flatten().tolist()}")

# %% [markdown]
"""
## Production context

**PyTorch** computes `softmax` in one pass per row with vector instructions, keeps half-precision sums in float32, and fuses
element-wise chains through its compiler. **TensorFlow** and **JAX** leave fusion to XLA. All of them shift by the maximum, as you do.
FlashAttention goes one step further: it computes the maximum and the sum *while* the scores arrive, and corrects both when a larger
score comes (module 07 measures why that matters).

Which one should you use? ReLU in convolutional networks, where speed counts; GELU or SiLU in Transformers; tanh and sigmoid only
where a bounded output is the point. A simplification here: in PyTorch `gelu` and friends refuse integers, ours turn them into float32.
"""

# %% [markdown]
"""
## Comprehensive test

A classifier's head from end to end: a linear map, GELU, another linear map, softmax, compared with double precision. And the identities
that connect your functions: any two that disagree give one of them away.
"""

# %% nbgrader={"grade": true, "grade_id": "test-activations-module", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_module():
    rng = np.random.default_rng(5)
    a, w1, w2 = rng.normal(size=(6, 4)), rng.normal(size=(4, 8)), rng.normal(size=(8, 3))
    found = softmax(gelu(Tensor(a) @ Tensor(w1)) @ Tensor(w2), dim=1)
    hidden = np.vectorize(exact_gelu)(a @ w1)
    assert np.allclose(found.numpy(), np.exp(exact_log_softmax(hidden @ w2, 1)), atol=1e-12), "test_module: wrong probabilities"
    x = Tensor(np.linspace(-6, 6, 49))
    for name, left, right in (
        ("tanh_kernel and sigmoid_kernel: tanh x = 2 sigmoid(2x) - 1", tanh(x), 2 * sigmoid(2 * x) - 1),
        ("silu_kernel and sigmoid_kernel: silu x = x sigmoid x", silu(x), x * sigmoid(x)),
        ("gelu_kernel: gelu x - gelu(-x) = x", gelu(x) - gelu(-x), x),
        ("relu_kernel and leaky_relu_kernel: leaky x = relu x - s relu(-x)", leaky_relu(x, 0.1), relu(x) - 0.1 * relu(-x)),
        ("log_softmax_kernel and softmax_kernel", log_softmax(x, 0).exp(), softmax(x, 0)),
    ):
        assert np.allclose(left.numpy(), right.numpy(), atol=1e-12), f"{name} does not hold"
    inputs = Tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert two_layers(inputs, relu).flatten().tolist() == [0, 1, 1, 0], "relu_kernel: two layers with it must compute XOR"

# %%
if __name__ == "__main__":
    test_relu()
    test_leaky_relu()
    test_sigmoid()
    test_tanh()
    test_silu()
    test_gelu()
    test_softmax()
    test_log_softmax()
    analyze_overflow()
    analyze_cost()
    analyze_spelling()
    demonstrate_xor()
    test_module()

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions
"""

# %% [markdown]
"""
**1.** A colleague trains a classifier in float16 and clips all scores to [-10, 10], "so that softmax is safe". Your `softmax_kernel` is safe
without that. Explain why the shift is enough, and what the clipping costs.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "activations-q1", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) After subtracting the maximum all exponents are at most 0, so the powers lie in [0, 1] and the sum between 1 and the number of
classes (2 points); underflow to 0 is harmless in softmax (1). Clipping changes the result: no class can be more than e^20 times as likely as
another, and where it cuts, the gradient is 0, so those scores learn no more (2).
"""

# %% [markdown]
"""
**2.** In `analyze_cost`, how many times a ReLU did your `sigmoid_kernel` take, and how many inputs' worth of memory? List its steps, say which
arrays are alive at the peak, and name one change that lowers either number without changing the result.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "activations-q2", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) minimum, exp, abs, negate, exp, add, divide: seven passes over memory, about five ReLUs (2 points). At the peak the numerator and one
or two arrays of the denominator are alive: two to three inputs (2). `out=` arguments reuse arrays; or one fused pass over blocks that fit into the
cache (1).
"""

# %% [markdown]
"""
**3.** Module 09 will keep, for each activation, an array for the backward pass: its input or its output. From the formulas, which of `relu`,
`sigmoid`, `tanh` and `gelu` can do with the output alone, and what does that buy when `relu(h, inplace=True)` follows a linear layer?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "activations-q3", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) relu' is 1 where the output is positive; sigmoid' = y(1 - y); tanh' = 1 - y²: the output is enough (3 points). gelu is not
monotone, the output does not determine x, so the input must be kept (1). In place, the linear layer's output is overwritten and never needed: one
array less per layer (1).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: Activations

Eight bends, each right from minus infinity to infinity, and three habits that you will need again: rewrite a formula before it overflows, keep the
digits near 0, and do the logarithm on paper. Next: `tito module complete activations`, then module 04, where functions get weights of their own and
become layers.
"""
