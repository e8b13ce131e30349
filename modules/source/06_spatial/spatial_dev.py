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
# Module 06: Spatial layers, or one small window for the whole image

A linear layer on a 32×32 colour image has 3,072 inputs, and learns every corner anew: a cat in the left half teaches it nothing
about cats in the right half. A convolution looks through **one small window**, the same everywhere. It needs a few hundred weights
instead of millions, and what it learns in one place holds in all.

Today you write a convolution three times: as loops that you can read, as one matrix product that is hundreds of times faster, and
as a layer. Then pooling, and the two normalisations that keep deep networks trainable.

**You bring:** Tensor (02), relu (03), Module and Parameter (04), Sequential (05). **You leave with:** `Conv2d`, pooling,
`BatchNorm1d`/`2d`, `LayerNorm`, and a small CNN that later reads CIFAR-10. **Capability:** *Can I extract from an image what a
dense layer cannot see, at every stride, padding and dilation?*
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.spatial
from tito.workbench import modules_before

modules_before("06_spatial")

# %% [markdown]
r"""
## Mathematical background

**Convolution.** An image $x$ with channels $c$, a weight $w$ with one small kernel per output channel $o$ and input channel $c$:

$$ y_{n,o,i,j} = b_o + \sum_{c,u,v} w_{o,c,u,v}\; x_{n,c,\; i s + u d - p,\; j s + v d - p} $$

$s$ is the *stride* (how far the window moves), $d$ the *dilation* (how far apart its places are), $p$ the *padding* (zeros around
the image). Strictly this is a cross-correlation; the field calls it convolution. Along one axis of length $L$ a kernel of $k$
places spans $d(k-1)+1$, so

$$ L_{out} = \left\lfloor \frac{L + 2p - d(k-1) - 1}{s} \right\rfloor + 1 $$

**Pooling** replaces the weighted sum by a maximum or a mean. It has nothing to learn.

**Normalisation** shifts and scales to mean 0 and variance 1, then lets the network choose its own shift and scale:

$$ y = \gamma\, \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta $$

The two kinds differ only in what $\mu$ and $\sigma^2$ are taken over. *Batch norm*: over all images and pixels, one pair per channel.
*Layer norm*: over the features of one example. The first mixes examples, the second never does. That will decide where each of them is
used.
"""

# %% [markdown]
"""
## Implementation

### How many windows fit?

Before any pixel is touched you must know the size of the output. Off by one here, and everything behind it is off by one.
With `ceil_mode` (poolings offer it) an incomplete step at the end gets a window too, unless that window would begin behind the
image and its left padding.
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-output-size", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
import numpy as np

from tinytorch.core.engine import DEFAULT_GENERATOR, Primitive, ShapeError, bind, phase
from tinytorch.given.silence import quiet
from tinytorch.given.spatial_layout import image_blocks, pad_images, places, reach, tap


def output_size(size, kernel_size, stride=1, padding=0, dilation=1, ceil_mode=False):
    """Return how many windows fit along one axis of length `size`.

    TASK: apply the formula above; refuse (ShapeError) a kernel that is longer than the padded axis.
    APPROACH: 1. `span = dilation * (kernel_size - 1) + 1`. 2. `room = size + 2 * padding - span`; below 0 nothing fits.
        3. divide by the stride, rounding down (`//`), or up in ceil_mode (`-(-room // stride)`), and add 1. 4. in ceil_mode drop the last
        window if it starts at or behind `size + padding`: `(count - 1) * stride >= size + padding`.
    EXAMPLE: output_size(32, 3, padding=1) -> 32; output_size(32, 2, stride=2) -> 16; output_size(5, 2, 2, ceil_mode=True) -> 3
    """
    ### BEGIN SOLUTION
    span = dilation * (kernel_size - 1) + 1
    room = size + 2 * padding - span
    if room < 0:
        raise ShapeError(
            f"Expected an axis of at least {span} for kernel_size={kernel_size}, dilation={dilation}, found {size} with "
            f"padding={padding} on both sides: use a smaller kernel or more padding."
        )
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    return count
    ### END SOLUTION

# %% [markdown]
"""
### Test: count the windows

The reference walks: it starts windows at 0, s, 2s, … and counts those that fit. The most frequent slip is the missing `+ 1`.
"""

# %% nbgrader={"grade": true, "grade_id": "test-spatial-output-size", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def test_output_size():
    for size in (5, 6, 7, 8):
        for k, s, p, d in ((1, 1, 0, 1), (3, 1, 1, 1), (2, 2, 0, 1), (3, 2, 1, 1), (3, 1, 2, 2), (2, 3, 1, 3)):
            walked = sum(start + d * (k - 1) < size + 2 * p for start in range(0, size + 2 * p, s))
            found = output_size(size, k, s, p, d)
            assert found == walked, f"output_size({size}, {k}, {s}, {p}, {d}): {walked} windows fit, got {found}"
    assert output_size(5, 2, 2, ceil_mode=True) == 3, "output_size: ceil_mode gives the incomplete step a window"
    try:
        output_size(3, 5)
    except ShapeError as error:
        assert "5" in str(error) and "3" in str(error), f"output_size: the message must show both sizes, got {error}"
    else:
        raise AssertionError("output_size: a kernel of 5 on an axis of 3 must raise ShapeError")
    ### BEGIN HIDDEN TESTS
    assert output_size(4, 2, 3, 1, ceil_mode=True) == 2, "output_size: a window that starts behind the image does not count"
    assert output_size(2, 1, 3, ceil_mode=True) == 1, "output_size: in ceil_mode drop a window that starts at the padded end"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### First, the direct way

The formula as loops. Nothing will ever train with this one. It is the judge of the fast one, and the bottom rung of module 13's ladder.
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-loops", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def conv2d_loops(x, weight, stride=1):
    """Return the convolution of arrays x (N, C, H, W) and weight (O, C, kH, kW), without padding, as an array (N, O, OH, OW).

    TASK: four loops: over images, output channels, rows and columns of the output. Inside: window times kernel, summed.
    APPROACH: 1. sizes from `output_size`. 2. the window at (i, j) is `x[n, :, i*stride : i*stride+kH, j*stride : j*stride+kW]`, of
        shape (C, kH, kW), like weight[o]. 3. `(window * weight[o]).sum()`.
    EXAMPLE: a 3×3 image of ones, a 2×2 kernel of ones -> [[4, 4], [4, 4]]
    """
    ### BEGIN SOLUTION
    (images, _, height, width), (channels, _, rows, columns) = x.shape, weight.shape
    out = np.zeros((images, channels, output_size(height, rows, stride), output_size(width, columns, stride)), x.dtype)
    for n, o, i, j in np.ndindex(out.shape):
        window = x[n, :, i * stride : i * stride + rows, j * stride : j * stride + columns]
        out[n, o, i, j] = (window * weight[o]).sum()
    return out
    ### END SOLUTION

# %% [markdown]
"""
### Test: an edge, and a sum

A kernel `[-1, 1]` finds vertical edges: it answers 0 on flat ground and 1 where the image steps up. The second case is one output
computed by hand.
"""

# %% nbgrader={"grade": true, "grade_id": "test-spatial-loops", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def test_loops():
    step = np.array([[[[0.0, 0, 1, 1]] * 3]])
    found = conv2d_loops(step, np.array([[[[-1.0, 1.0]]]]))
    assert found.tolist() == [[[[0, 1, 0]] * 3]], f"conv2d_loops: the edge is at column 1, got {found.tolist()}"
    x, w = np.arange(50.0).reshape(1, 2, 5, 5), np.arange(36.0).reshape(2, 2, 3, 3)
    found = conv2d_loops(x, w, stride=2)
    assert found.shape == (1, 2, 2, 2), f"conv2d_loops: expected shape (1, 2, 2, 2), got {found.shape}"
    by_hand = sum(x[0, c, 2 + u, 0 + v] * w[1, c, u, v] for c in range(2) for u in range(3) for v in range(3))
    assert found[0, 1, 1, 0] == by_hand, f"conv2d_loops: expected {by_hand} at [0, 1, 1, 0], got {found[0, 1, 1, 0]}"

# %% [markdown]
"""
### im2col: every window a row

The trick that made convolutions fast in 2006 and still does: lay every window out as one **row** of a matrix. Then the convolution of all
windows with all kernels is *one matrix product*, the operation that processors are built for.

```
   image (1 channel)        windows 2×2 as rows       kernels as columns      result
   1 2 3                    1 2 4 5                   w₀ …                    one row a window,
   4 5 6         ──►        2 3 5 6          @        w₁ …           =        one column an
   7 8 9                    4 5 7 8                   w₂ …                    output channel
                            5 6 8 9                   w₃ …
```

The price is memory: each pixel appears in up to kH·kW rows.

**Memory layout.** We keep images *channels-last*: `(N, H, W, C)` in memory, behind the shape `(N, C, H, W)` that everybody sees. The
channels of one pixel are neighbours, and so are those of the next pixel: a window's row of pixels is one long run to copy.
`pad_images(xp, x, padding, …)` is given and returns such an array with the padding around it.

`sliding_window_view(a, (h, w), axis=(1, 2))` shows every window of size (h, w) without copying: shape `(N, H-h+1, W-w+1, C, h, w)`. Stride
and dilation are then only slicing.
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-im2col", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def im2col(xp, padded, kernel_size, stride=(1, 1), dilation=(1, 1)):
    """Return the windows of channels-last images (N, H, W, C) as a matrix: a row for each window, kH·kW·C columns.

    Rows go through images, then rows, then columns of the output. Columns go through kH, then kW, then C.

    TASK: view, slice, reorder, reshape.
    APPROACH: 1. the span of the window along each axis is `dilation * (kernel - 1) + 1`. 2. `sliding_window_view` from
        `xp.lib.stride_tricks`, over axes (1, 2). 3. take every stride-th window (axes 1, 2) and every dilation-th place (axes 4, 5).
        4. transpose from (N, OH, OW, C, kH, kW) to (N, OH, OW, kH, kW, C). 5. reshape to a matrix: only here data moves.
    EXAMPLE: the 3×3 image above, kernel_size (2, 2) -> its four rows
    """
    ### BEGIN SOLUTION
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True))
    windows = xp.lib.stride_tricks.sliding_window_view(padded, span, axis=(1, 2))
    windows = windows[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, kernel_size[0] * kernel_size[1] * padded.shape[-1])
    ### END SOLUTION

# %% [markdown]
"""
### Test: the figure above, and the order of the columns

If the values are right but in another order, look at the transpose: the channel must be the fastest axis.
"""

# %% nbgrader={"grade": true, "grade_id": "test-spatial-im2col", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_im2col():
    image = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    found = im2col(np, image, (2, 2))
    assert found.tolist() == [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]], f"im2col: wrong rows {found.tolist()}"
    x = np.random.default_rng(0).normal(size=(2, 7, 6, 3))
    found = im2col(np, x, (3, 2), stride=(2, 1), dilation=(1, 2))
    assert found.shape == (2 * 3 * 4, 18), f"im2col: 24 windows of 18 numbers, got shape {found.shape}"
    second = x[0, 0:3, 1:4:2]          # the window of output (0, 0, 1): rows 0 to 2, columns 1 and 3
    assert np.array_equal(found[1], second.reshape(-1)), "im2col: a row goes through kH, then kW, then channels"
    last = x[1, 4:7, 3:6:2]
    assert np.array_equal(found[-1], last.reshape(-1)), "im2col: stride moves the window, dilation spreads it"

# %% [markdown]
"""
### The convolution kernel

Pad, im2col, multiply. Two details:

* **Blocks.** The im2col matrix of a whole batch is many times larger than the batch, and would travel to main memory and back. We
  work on a few images at a time, so that their part of it stays in the cache. `image_blocks(n, bytes per image)` is given.
* **Groups.** With groups=2 the first half of the output channels sees only the first half of the input channels, and so on: two
  convolutions side by side. With as many groups as channels every channel has its own kernel (*depthwise*).
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-conv2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def conv2d_kernel(xp, x, weight, bias, *, stride, padding, dilation, groups):
    """Return the convolution of x (N, C, H, W) with weight (O, C / groups, kH, kW): (N, O, OH, OW), channels-last in memory.

    bias: (O,) or None. All settings but groups are pairs (rows, columns).

    TASK: fill `out` block by block and group by group; then add the bias.
    APPROACH: 1. inside the loops take the block's images and the group's input channels:
        `padded[block, ..., group * inner : (group + 1) * inner]`. 2. `im2col` of that. 3. the group's kernels as a matrix (kH·kW·inner,
        outer): `weight[group * outer : (group + 1) * outer].transpose(2, 3, 1, 0).reshape(-1, outer)`. 4. their product, reshaped
        to (-1, *outputs, outer), goes to the group's output channels of `out[block]`. 5. after the loops `out += bias`, if any.
    EXAMPLE: x (128, 3, 32, 32), weight (32, 3, 3, 3), padding (1, 1) -> (128, 32, 32, 32)
    """
    out_channels, inner, *kernel_size = weight.shape
    outer = out_channels // groups
    outputs = tuple(map(output_size, x.shape[2:], kernel_size, stride, padding, dilation))
    padded = pad_images(xp, x, padding, reach(outputs, kernel_size, stride, dilation))
    out = xp.empty((len(x), *outputs, out_channels), x.dtype)
    window_bytes = x.dtype.itemsize * inner * groups * kernel_size[0] * kernel_size[1]
    for block in image_blocks(len(x), window_bytes * outputs[0] * outputs[1]):
        for group in range(groups):
            ### BEGIN SOLUTION
            columns = im2col(xp, padded[block, ..., group * inner : (group + 1) * inner], kernel_size, stride, dilation)
            kernels = weight[group * outer : (group + 1) * outer].transpose(2, 3, 1, 0).reshape(-1, outer)
            result = (columns @ kernels).reshape(-1, *outputs, outer)
            out[block, ..., group * outer : (group + 1) * outer] = result
            ### END SOLUTION
    ### BEGIN SOLUTION
    if bias is not None:
        out += bias
    ### END SOLUTION
    return out.transpose(0, 3, 1, 2)


CONV2D = Primitive("conv2d", quiet(conv2d_kernel), promote="same")

# %% [markdown]
"""
### Test: the loops are the judge

The same numbers as your loops, for a plain convolution, a strided and padded one, and two groups. An error in the order of the
kernel's axes shows as right shapes with wrong numbers.
"""

# %% nbgrader={"grade": true, "grade_id": "test-spatial-conv2d", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_conv2d_kernel():
    rng = np.random.default_rng(1)
    x, w, b = rng.normal(size=(3, 4, 6, 5)), rng.normal(size=(6, 4, 3, 2)), rng.normal(size=6)
    plain = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    found = conv2d_kernel(np, x, w, b, **plain)
    expected = conv2d_loops(x, w) + b.reshape(6, 1, 1)
    assert found.shape == expected.shape, f"conv2d_kernel: expected shape {expected.shape}, got {found.shape}"
    assert np.allclose(found, expected), "conv2d_kernel: differs from conv2d_loops (order of kH, kW, C? bias added?)"
    found = conv2d_kernel(np, x, w, None, **plain | {"stride": (2, 2), "padding": (1, 1)})
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    assert np.allclose(found, conv2d_loops(wide, w, 2)), "conv2d_kernel: stride 2, padding 1 differ from the loops"
    found = conv2d_kernel(np, x, w[:, :2], None, **plain | {"groups": 2})
    halves = [conv2d_loops(x[:, :2], w[:3, :2]), conv2d_loops(x[:, 2:], w[3:, :2])]
    assert np.allclose(found, np.concatenate(halves, axis=1)), "conv2d_kernel: a group sees its own input channels only"
    ### BEGIN HIDDEN TESTS
    spread = np.zeros((6, 4, 5, 3))
    spread[:, :, ::2, ::2] = w
    found = conv2d_kernel(np, x, w, None, **plain | {"dilation": (2, 2)})
    assert np.allclose(found, conv2d_loops(x, spread)), "conv2d_kernel: dilation spreads the kernel's places"
    many = rng.normal(size=(70, 3, 16, 16)).astype("float32")
    found = conv2d_kernel(np, many, w[:, :3].astype("float32"), None, **plain)
    assert found.dtype == np.float32, f"conv2d_kernel: float32 stays float32, got {found.dtype}"
    assert np.allclose(found[-1], conv2d_loops(many[-1:], w[:, :3])[0], atol=1e-4), "conv2d_kernel: the last block is wrong"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Conv2d: the layer

The function `conv2d(input, weight, bias, stride, …)` is given (`spatial_functions_given.py`): it turns PyTorch's arguments into
settings, checks sizes while the user can still see them, and sends CONV2D through the door.

The layer owns the weight and the bias. How large should they be at first? Every output is a sum of `fan_in = C / groups · kH · kW`
products. With weights uniform in ±1/√fan_in the sum neither explodes nor vanishes. This is PyTorch's choice for both weight and bias.
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-conv2d-layer", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn: Conv2d
from tinytorch.core.layers import Module, Parameter
from tinytorch.given.convolutions import ConvolutionState
from tinytorch.given.spatial_functions import conv2d


def uniform_parameter(bound, *shape):
    """Return a Parameter of float32 numbers, uniform in [-bound, bound)."""
    return Parameter(DEFAULT_GENERATOR.uniform(shape) * np.float32(2 * bound) - np.float32(bound))


class Conv2d(ConvolutionState):
    """A learnable window, slid over images (N, in_channels, H, W) → (N, out_channels, OH, OW).

    kernel_size, stride, padding, dilation: an int or a pair; padding also "same" or "valid". padding_mode: "zeros", "reflect",
    "replicate" or "circular". dtype: float32 by default.
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode="zeros", device=None, dtype=None):
        """TASK: make `weight` and `bias` (None without).

        APPROACH: 1. fan_in as in the text; `bound = fan_in ** -0.5`. 2. `self.weight = uniform_parameter(bound, out_channels,
            in_channels // groups, *self.kernel_size)`. 3. the bias has one number for each output channel.
        EXAMPLE: Conv2d(3, 32, 3).weight.shape -> (32, 3, 3, 3)
        """
        super().__init__()
        sizes = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        self.arrange(in_channels, out_channels, groups, padding_mode, **sizes)     # checks them and enters them as attributes
        ### BEGIN SOLUTION
        inner = in_channels // groups
        bound = (inner * self.kernel_size[0] * self.kernel_size[1]) ** -0.5
        self.weight = uniform_parameter(bound, out_channels, inner, *self.kernel_size)
        self.bias = uniform_parameter(bound, out_channels) if bias else None
        ### END SOLUTION
        self.to(dtype=dtype, device=device)

    def forward(self, x):
        """Return the convolution of x. TASK: call `conv2d`. APPROACH: x, weight, bias, stride, padding, dilation, groups. EXAMPLE: Conv2d(3, 8, 3)(x)"""
        x, padding = self.around(x)             # with another padding_mode than zeros x is padded here already
        ### BEGIN SOLUTION
        return conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        ### END SOLUTION

# %% [markdown]
"""
### Test: the layer and its weights

Shapes, the size of the first weights (their variance is bound²/3), and the forward pass. With `padding="same"` and an even kernel the
extra zero stands behind: the window of the last pixel sees that pixel and three zeros.
"""

# %% nbgrader={"grade": true, "grade_id": "test-spatial-conv2d-layer", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_conv2d_layer():
    from tinytorch import Tensor

    layer = Conv2d(8, 32, (3, 5), groups=2)
    assert layer.weight.shape == (32, 4, 3, 5), f"Conv2d.__init__: weight is (out, in / groups, kH, kW), got {layer.weight.shape}"
    assert layer.bias.shape == (32,), f"Conv2d.__init__: one bias an output channel, got {layer.bias.shape}"
    w = layer.weight.detach().numpy()
    bound = (4 * 3 * 5) ** -0.5
    assert abs(w).max() <= bound, f"Conv2d.__init__: weights within ±1/√fan_in = {bound:.4f}, found {abs(w).max():.4f}"
    assert abs(w.var() * 3 / bound**2 - 1) < 0.15, f"Conv2d.__init__: variance should be near {bound**2 / 3:.5f}, got {w.var():.5f}"
    assert Conv2d(3, 8, 3, bias=False).bias is None, "Conv2d.__init__: bias=False means no bias"
    x = Tensor(np.arange(16.0).reshape(1, 1, 4, 4))
    layer = Conv2d(1, 1, 2, padding="same")
    layer.weight, layer.bias = Parameter(Tensor(np.ones((1, 1, 2, 2)))), Parameter(Tensor([0.5]))
    found = layer(x).detach().numpy()[0, 0]
    assert found.shape == (4, 4) and found[0, 0] == 10.5 and found[3, 3] == 15.5, f"Conv2d.forward: same padding, got {found}"
    for bad in (lambda: Conv2d(3, 8, 3, groups=2), lambda: Conv2d(3, 8, 3)(x)):
        try:
            bad()
        except ShapeError as error:
            assert "3" in str(error), f"Conv2d: the message must show the channels, got {error}"
        else:
            raise AssertionError("Conv2d: channels that do not fit must raise ShapeError")

# %% [markdown]
"""
### Max pooling

Keep the strongest answer of each window. Instead of visiting every window, visit every **place inside of the window**: a 2×2 window has
four places, and `tap(padded, (i, j), outputs, stride, dilation)` (given) shows what *all* windows see at place (i, j), as one strided view.
Four maxima of large arrays replace millions of small ones.

The padding must never win: it is filled with minus infinity.
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-max-pool", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def max_pool2d_kernel(xp, x, *, kernel_size, stride, padding, dilation, ceil_mode):
    """Return the largest value of each window, (N, C, OH, OW), channels-last in memory. NaN wins.

    TASK: pad with -inf, then take the maximum over the places of the window.
    APPROACH: 1. `pad_images(xp, x, padding, reach(outputs, kernel_size, stride, dilation), value)`. 2. start with a full array
        (N, OH, OW, C) of -inf in x's dtype. 3. for each (i, j) of `places(kernel_size)`: `xp.maximum(out, tap(...), out=out)`.
        4. transpose to (N, C, OH, OW).
    EXAMPLE: [[1, 2], [3, 4]] with a 2×2 window -> [[4]]
    """
    axes = zip(x.shape[2:], kernel_size, stride, padding, dilation, strict=True)
    outputs = tuple(output_size(*settings, ceil_mode) for settings in axes)
    ### BEGIN SOLUTION
    padded = pad_images(xp, x, padding, reach(outputs, kernel_size, stride, dilation), -np.inf)
    out = xp.full((len(x), *outputs, x.shape[1]), -np.inf, x.dtype)
    for place in places(kernel_size):
        xp.maximum(out, tap(padded, place, outputs, stride, dilation), out=out)
    return out.transpose(0, 3, 1, 2)
    ### END SOLUTION


MAX_POOL2D = Primitive("max_pool2d", max_pool2d_kernel)

# %% [markdown]
"""
### Test: each window by itself

The reference cuts out every window and asks NumPy for its maximum. All inputs are negative: padding with zeros instead of minus infinity
would win everywhere at the border.
"""

# %% nbgrader={"grade": true, "grade_id": "test-spatial-max-pool", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_max_pool2d_kernel():
    x = -np.random.default_rng(2).uniform(1, 2, (2, 3, 7, 6))
    for k, s, p, d, ceil in (((2, 2), (2, 2), (0, 0), (1, 1), False), ((3, 2), (2, 1), (1, 1), (1, 1), False),
                             ((2, 3), (2, 2), (0, 1), (2, 1), True)):
        found = max_pool2d_kernel(np, x, kernel_size=k, stride=s, padding=p, dilation=d, ceil_mode=ceil)
        wide = np.pad(x, ((0, 0), (0, 0), (p[0], p[0] + 9), (p[1], p[1] + 9)), constant_values=-np.inf)
        for i, j in np.ndindex(*found.shape[2:]):
            rows, columns = slice(i * s[0], i * s[0] + d[0] * k[0], d[0]), slice(j * s[1], j * s[1] + d[1] * k[1], d[1])
            expected = wide[:, :, rows, columns].max(axis=(2, 3))
            assert np.array_equal(found[:, :, i, j], expected), (
                f"max_pool2d_kernel: kernel {k}, stride {s}, padding {p}: wrong maximum in window ({i}, {j})")
    ### BEGIN HIDDEN TESTS
    settings = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}
    assert max_pool2d_kernel(np, x, **settings).shape == (2, 3, 3, 3), "max_pool2d_kernel: 7×6 pooled by 2 is 3×3"
    x[0, 0, 0, 0] = np.nan
    assert np.isnan(max_pool2d_kernel(np, x, **settings)[0, 0, 0, 0]), "max_pool2d_kernel: NaN must not disappear"
    ### END HIDDEN TESTS

# %% [markdown]
"""
**Given**, in `pooling_given.py`: average pooling, which is the same walk with a sum; the functions `max_pool2d` and `avg_pool2d`,
which check their arguments; the layers around them; and `adaptive_avg_pool2d`, which asks for the size of the *output* and averages
what it must.
"""

# %% [markdown]
"""
### Batch norm, part one: the statistics

Mean and variance of every channel over all images and pixels. `as_rows(xp, x)` (given) shows a batch as a matrix with one **row per
pixel** and one column per channel; for channels-last memory that is only a view. So we need sums of columns.

The variance is the mean of the squared distances to the mean. (Not E[x²] - E[x]²: for values near 1,000 that subtracts two numbers that
agree in all digits that float32 has.) A squared copy of a whole activation would be 16 MB that nobody needs a moment later;
`row_blocks(rows)` yields pieces that stay in the cache, and `column_sum(xp, block)` sums the columns of one.
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-batch-norm-stats", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
from tinytorch.given.spatial_layout import as_rows, check_batch_norm, column_sum, from_rows, per_channel, row_blocks


def batch_norm_stats_kernel(xp, x):
    """Return mean and variance (dividing by the count, not count - 1) of each channel of x (N, C, …).

    TASK: two passes over the rows: one for the mean, one for the squared distances to it.
    APPROACH: 1. `rows = as_rows(xp, x)`. 2. the mean: the sum of `column_sum(xp, block)` over `row_blocks(rows)`, divided by the
        number of rows. 3. the variance: the same with `(block - mean) ** 2`.
    EXAMPLE: x [[1.0, 0.0], [3.0, 0.0]] -> [2, 0] and [1, 0]
    """
    ### BEGIN SOLUTION
    rows = as_rows(xp, x)
    mean = sum(column_sum(xp, block) for block in row_blocks(rows)) / len(rows)
    var = sum(column_sum(xp, (block - mean) ** 2) for block in row_blocks(rows)) / len(rows)
    return mean, var
    ### END SOLUTION


BATCH_NORM_STATS = Primitive("batch_norm_stats", quiet(batch_norm_stats_kernel), outputs=("mean", "var"))

# %% [markdown]
"""
### Test: against double precision

Channels around 1,000 with a standard deviation of 1. The short formula for the variance is far off there.
"""

# %% nbgrader={"grade": true, "grade_id": "test-spatial-batch-norm-stats", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
def test_batch_norm_stats_kernel():
    name = "batch_norm_stats_kernel"
    x = np.random.default_rng(4).normal(1000, 1, (64, 3, 16, 16)).astype("float32")
    mean, var = batch_norm_stats_kernel(np, x)
    assert mean.shape == var.shape == (3,), f"{name}: one number a channel, got shapes {mean.shape}, {var.shape}"
    exact = x.astype("float64")
    assert np.allclose(mean, exact.mean((0, 2, 3)), rtol=1e-5), f"{name}: wrong mean {mean}"
    expected = exact.var((0, 2, 3))
    assert np.allclose(var, expected, rtol=1e-3), f"{name}: expected variance {expected}, got {var} (mean of squared distances?)"
    assert var.dtype == np.float32, f"{name}: float32 stays float32, got {var.dtype}"
    mean, var = batch_norm_stats_kernel(np, np.array([[1.0, 0.0], [3.0, 0.0]]))
    assert mean.tolist() == [2, 0] and var.tolist() == [1, 0], f"{name}: expected [2, 0] and [1, 0], got {mean}, {var}"

# %% [markdown]
r"""
### Batch norm, part two: scale and shift

With the statistics known, normalising is one multiplication and one addition per element, if you put the constants together first:

$$ y = \underbrace{\frac{\gamma}{\sqrt{\sigma^2 + \epsilon}}}_{scale}\, x + \underbrace{(\beta - \mu \cdot scale)}_{shift} $$

The primitive is *deferrable*: it may wait for the ReLU behind it, so that module 13 can do both in one pass over memory.
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-batch-norm-apply", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def batch_norm_kernel(xp, x, weight, bias, mean, var, *, training, eps):
    """Return x (N, C, …) normalised with the given statistics; weight and bias (C,) may be None.

    `training` is for the gradient rule alone: it says whether mean and var were computed from this x.

    TASK: compute scale and shift, (C,) each, then scale · x + shift.
    APPROACH: 1. scale = 1 / sqrt(var + eps), times weight if there is one. 2. shift = -mean · scale, plus bias if there is one. 3. on the
        rows of `as_rows`: multiply into a new array, add in place (one pass of memory less). 4. `from_rows(xp, rows, x.shape)`.
    EXAMPLE: x [[1.0], [3.0]], mean [2], var [1], eps 0 -> [[-1], [1]]
    """
    ### BEGIN SOLUTION
    scale = 1 / xp.sqrt(var + eps)
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale
    if bias is not None:
        shift = shift + bias
    out = as_rows(xp, x) * scale
    out += shift
    return from_rows(xp, out, x.shape)
    ### END SOLUTION


BATCH_NORM = Primitive("batch_norm", quiet(batch_norm_kernel), promote="same", deferrable=per_channel)

# %% [markdown]
"""
### Test: mean 0, variance 1

And against the formula, channel by channel. If only one channel comes out right, a scale was broadcast along the wrong axis.
"""

# %% nbgrader={"grade": true, "grade_id": "test-spatial-batch-norm-apply", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_batch_norm_kernel():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(8, 3, 4, 5)) * [[[[1]], [[10]], [[0.1]]]] + 2
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    found = batch_norm_kernel(np, x, None, None, mean, var, training=True, eps=0.0)
    assert found.shape == x.shape, f"batch_norm_kernel: expected shape {x.shape}, got {found.shape}"
    assert np.allclose(found.mean((0, 2, 3)), 0, atol=1e-7), f"batch_norm_kernel: channel means {found.mean((0, 2, 3))}, not 0"
    assert np.allclose(found.var((0, 2, 3)), 1), f"batch_norm_kernel: channel variances {found.var((0, 2, 3))}, not 1"
    w, b = rng.normal(size=3), rng.normal(size=3)
    found = batch_norm_kernel(np, x, w, b, mean, var, training=True, eps=0.5)
    for c in range(3):
        expected = (x[:, c] - mean[c]) / np.sqrt(var[c] + 0.5) * w[c] + b[c]
        assert np.allclose(found[:, c], expected), f"batch_norm_kernel: wrong values in channel {c} (eps goes under the root)"
    flat = batch_norm_kernel(np, x[:, :, 0, 0], w, b, mean, var, training=True, eps=0.5)
    assert np.allclose(flat, found[:, :, 0, 0]), "batch_norm_kernel: must also serve shape (N, C)"

# %% [markdown]
"""
### Batch norm, part three: remembering

While training, a batch is judged by its own statistics. But one image at prediction time has no batch: it needs remembered ones. So
every training step also moves a running mean and variance a little towards the batch's:

    running = (1 - momentum) · running + momentum · batch

Two things are easily forgotten. The running variance uses the *unbiased* estimate (divided by count - 1), since it stands for all
images and not for these. And when module 09 computes a forward pass a second time to save memory (`phase() == "recompute"`), the running
values must not move twice.
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-batch-norm-function", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn.functional: batch_norm
def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Return input (N, C, …) normalised per channel; in training with its own statistics, which also move the running ones.

    TASK: choose the statistics, update the running ones, normalise.
    APPROACH: 1. not training: mean, var = running_mean, running_var. 2. training: `bind(BATCH_NORM_STATS, input)` returns both. 3. if
        there are running values and `phase()` is not "recompute": `running_mean.copy_(...)` by the formula, and the same for running_var
        with var · count / (count - 1). 4. `bind(BATCH_NORM, input, weight, bias, mean, var, training=..., eps=...)`.
    EXAMPLE: after one training batch of mean 10 and momentum 0.1 a running mean of 0 is 1
    """
    check_batch_norm(input, running_mean, running_var, weight, bias, training)
    count = input.numel() // input.shape[1]
    ### BEGIN SOLUTION
    if not training:
        mean, var = running_mean, running_var
    else:
        mean, var = bind(BATCH_NORM_STATS, input)
        if running_mean is not None and phase() != "recompute":
            running_mean.copy_(running_mean * (1 - momentum) + mean * momentum)
            running_var.copy_(running_var * (1 - momentum) + var * (momentum * count / (count - 1)))
    return bind(BATCH_NORM, input, weight, bias, mean, var, training=training, eps=eps)
    ### END SOLUTION

# %% [markdown]
"""
### Test: what the running values become

Closed form for two batches. The variance of [9, 11] is 1, its unbiased estimate 2. In evaluation nothing moves.
"""

# %% nbgrader={"grade": true, "grade_id": "test-spatial-batch-norm-function", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_batch_norm():
    from tinytorch import Tensor, ones, zeros
    from tinytorch.core.engine import overlay

    x, mean, var = Tensor([[9.0], [11.0]]), zeros(1), ones(1)
    out = batch_norm(x, mean, var, training=True, eps=0.0)
    assert out.tolist() == [[-1], [1]], f"batch_norm: in training the batch's own statistics count, got {out.tolist()}"
    assert abs(mean.item() - 1.0) < 1e-6, f"batch_norm: running mean 0.9 · 0 + 0.1 · 10 is 1, got {mean.item()}"
    assert abs(var.item() - 1.1) < 1e-6, f"batch_norm: running variance 0.9 · 1 + 0.1 · 2 (unbiased) is 1.1, got {var.item()}"
    batch_norm(x, mean, var, training=True)
    assert abs(mean.item() - 1.9) < 1e-6, f"batch_norm: after the second batch the running mean is 1.9, got {mean.item()}"
    found = batch_norm(x, Tensor([1.0]), Tensor([4.0]), eps=0.0).tolist()
    assert found == [[4], [5]], f"batch_norm: in evaluation (x - running mean) / √running var is [4, 5], got {found}"
    with overlay(phase="recompute"):
        batch_norm(x, mean, var, training=True)
    assert abs(mean.item() - 1.9) < 1e-6, f"batch_norm: in phase recompute running values must not move, got {mean.item()}"
    ### BEGIN HIDDEN TESTS
    images = Tensor(np.random.default_rng(6).normal(3, 2, (4, 2, 5, 5)).astype("float32"))
    mean, var = zeros(2), ones(2)
    batch_norm(images, mean, var, training=True, momentum=1.0)
    expected = images.numpy().var((0, 2, 3), ddof=1)
    assert np.allclose(var.numpy(), expected, rtol=1e-4), f"batch_norm: running variance {var.tolist()}, expected {expected}"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Given: the batch norm layers

`BatchNormState` holds weight, bias, running statistics and the count of batches. The layers only call your function. Note that the
running statistics are *buffers*: saved with the model, never trained.
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-batch-norm-layers", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face nn: BatchNorm1d, BatchNorm2d
from tinytorch.given.normalisation import BatchNormState


class BatchNorm1d(BatchNormState):
    """Batch normalisation of features (N, C) or sequences (N, C, L). See `BatchNormState` for the arguments."""

    axes = (2, 3)

    def forward(self, x):
        """Return x normalised per channel."""
        return batch_norm(x, **self.settings(x))


class BatchNorm2d(BatchNormState):
    """Batch normalisation of images (N, C, H, W). See `BatchNormState` for the arguments."""

    axes = (4,)

    def forward(self, x):
        """Return x normalised per channel."""
        return batch_norm(x, **self.settings(x))

# %% [markdown]
"""
### Layer norm

The same formula, along the other axis: every example is normalised over its own features. No batch, no running statistics, no
difference between training and evaluation. Transformers (07) use it everywhere, because a sequence may have any length and a batch may
be one sentence.

The kernel also returns mean and 1/σ, as **residuals**: outputs that only the gradient rule sees, so that it need not compute them again.
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-layer-norm", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def layer_norm_kernel(xp, x, weight, bias, *, normalized_ndim, eps):
    """Return (out, mean, rstd): x normalised over its last `normalized_ndim` axes; mean and rstd keep these axes with size 1.

    weight, bias: of the shape of these axes, or None.

    TASK: mean, variance of the distances, 1 / sqrt(var + eps); then scale and shift.
    APPROACH: 1. `axes` is the tuple of the last axes, e.g. (-1,) or (-2, -1). 2. `mean(axis=axes, keepdims=True)`; `out = x - mean`; the variance is the
        mean of out·out. 3. `out *= rstd`, and weight and bias where they are not None.
    EXAMPLE: x [[1.0, 3.0]], eps 0 -> out [[-1, 1]], mean [[2]], rstd [[1]]
    """
    ### BEGIN SOLUTION
    axes = tuple(range(-normalized_ndim, 0))
    mean = x.mean(axis=axes, keepdims=True)
    out = x - mean
    rstd = 1 / xp.sqrt((out * out).mean(axis=axes, keepdims=True) + eps)
    out *= rstd
    if weight is not None:
        out *= weight
    if bias is not None:
        out += bias
    return out, mean, rstd
    ### END SOLUTION


LAYER_NORM = Primitive("layer_norm", quiet(layer_norm_kernel), residuals=("mean", "rstd"), promote="float")

# %% [markdown]
"""
### Test: each example by itself

Normalising one example alone must give the same as normalising it within a batch. Batch norm fails this test; layer norm must not.
"""

# %% nbgrader={"grade": true, "grade_id": "test-spatial-layer-norm", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_layer_norm_kernel():
    rng = np.random.default_rng(7)
    x, w, b = rng.normal(2, 3, (5, 4, 6)), rng.normal(size=(4, 6)), rng.normal(size=(4, 6))
    out, mean, rstd = layer_norm_kernel(np, x, None, None, normalized_ndim=1, eps=0.0)
    assert np.allclose(out.mean(-1), 0) and np.allclose(out.var(-1), 1), "layer_norm_kernel: mean 0, variance 1 along the last axis"
    assert mean.shape == rstd.shape == (5, 4, 1), f"layer_norm_kernel: residuals keep the axis, got {mean.shape}, {rstd.shape}"
    assert np.allclose(rstd[..., 0], 1 / x.std(-1)), "layer_norm_kernel: rstd is 1 / standard deviation"
    out, _, _ = layer_norm_kernel(np, x, w, b, normalized_ndim=2, eps=0.1)
    for n in range(5):
        expected = (x[n] - x[n].mean()) / np.sqrt(x[n].var() + 0.1) * w + b
        assert np.allclose(out[n], expected), f"layer_norm_kernel: wrong values for two axes in example {n}"
    one, _, _ = layer_norm_kernel(np, x[2:3], w, b, normalized_ndim=2, eps=0.1)
    assert np.allclose(one[0], out[2]), "layer_norm_kernel: an example's result must not depend on the others"
    assert layer_norm_kernel(np, np.ones((2, 3), "float32"), None, None, normalized_ndim=1, eps=1e-5)[0].dtype == np.float32

# %% [markdown]
"""
The function `layer_norm` and the layer `LayerNorm` around it are given (`normalisation_given.py`).

## Systems analysis: loops, memory, time

Three measurements. Predict each before you run it.

1. **Loops against im2col.** The same convolution. How many times faster is the matrix product?
2. **Memory.** How much larger than its input is the im2col matrix? What do blocks change?
3. **A whole network.** Where does the time of a small CNN go? Which layer has the most arithmetic, which the most memory traffic?
"""

# %%
def analyze_loops():
    """Print how many times faster im2col and a matrix product are than loops, and the rate they reach."""
    from tinytorch.utils import measure_time

    rng, plain = np.random.default_rng(0), {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    x, w = rng.normal(size=(1, 8, 34, 34)).astype("float32"), rng.normal(size=(16, 8, 3, 3)).astype("float32")
    loops = measure_time(lambda: conv2d_loops(x, w), repeats=3).median
    fast = measure_time(lambda: conv2d_kernel(np, x, w, None, **plain), repeats=10).median
    flops = 2 * 32 * 32 * 16 * 8 * 9
    print(f"8→16 channels, 32×32: loops {flops / loops / 1e9:.3f} GFLOP/s, im2col {flops / fast / 1e9:.1f}: {loops / fast:.0f} times as fast")


def analyze_memory():
    """Print the size of the im2col matrix of a whole batch, and the largest amount of memory that our kernel asks for at once."""
    from tinytorch.utils import MemoryMeter, format_bytes

    x = np.zeros((128, 32, 16, 16), "float32")
    w = np.zeros((64, 32, 3, 3), "float32")
    whole = x.nbytes * 9
    with MemoryMeter() as meter:
        conv2d_kernel(np, x, w, None, stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1)
    print(f"batch {format_bytes(x.nbytes)}, its im2col matrix {format_bytes(whole)}; in blocks, output included: {format_bytes(meter.peak)}")


# %%
def analyze_network():
    """Print arithmetic, memory traffic and share of the time of each operation in the small CNN's forward pass."""
    from time import perf_counter

    from tinytorch import randn
    from tinytorch.core.engine import TensorBase, Watcher, overlay

    class Clock(Watcher):
        def before(self, primitive, inputs, params):
            return perf_counter()

        def after(self, primitive, inputs, params, outputs, backend, phase, note=None):
            seconds[primitive.name] = seconds.get(primitive.name, 0) + perf_counter() - note
            arrays = [a._array for a in (*inputs, *outputs) if isinstance(a, TensorBase)]
            moved[primitive.name] = moved.get(primitive.name, 0) + sum(array.nbytes for array in arrays)

    seconds, moved, model, runs = {}, {}, SmallCNN(), 5
    x = randn(64, 3, 32, 32)
    model(x)
    with overlay(clock=Clock()):
        for _ in range(runs):
            model(x)
    for name in sorted(seconds, key=seconds.get, reverse=True)[:6]:
        print(f"  {name:<17} {seconds[name] / sum(seconds.values()):5.0%} of the time, {moved[name] / runs / 2**20:6.1f} MiB in and out")

# %% [markdown]
"""
The convolutions hold nearly all of the arithmetic, and most of the time. Yet batch norm, ReLU and pooling take their share too: they compute
almost nothing and wait for memory. Measured on a machine with two cores, batch 128: a whole training step of this network, backward included,
takes about 0.16 s with the kernels of today; the three convolutions and their gradients are half of it. Module 13 makes the convolutions
three times as fast and lets normalisation, ReLU and pooling share one pass over memory.

## Integration: a small CNN

Three times *convolution, batch norm, ReLU, pooling*: the image shrinks, the number of channels grows. What is left is a vector of
features for a linear layer. A convolution before a batch norm needs no bias: the mean is subtracted anyway. This is the network that
you will train on CIFAR-10 in module 11.
"""

# %% nbgrader={"grade": false, "grade_id": "spatial-small-cnn", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face models: SmallCNN
from tinytorch.core.layers import Flatten, Linear
from tinytorch.core.networks import Sequential
from tinytorch.given.activation_modules import ReLU
from tinytorch.given.pooling import MaxPool2d


class SmallCNN(Module):
    """A convolutional network for small images (N, in_channels, image_size, image_size) → logits (N, num_classes).

    channels: output channels of each block of convolution 3×3, batch norm, ReLU and 2×2 max pooling; a block halves the image.
    """

    def __init__(self, num_classes=10, channels=(32, 64, 128), in_channels=3, image_size=32):
        super().__init__()
        side = image_size // 2 ** len(channels)
        if side < 1:
            raise ShapeError(f"SmallCNN: {len(channels)} blocks halve an image of {image_size} to nothing: use fewer, or larger images.")
        blocks = []
        for inner, outer in zip((in_channels, *channels), channels, strict=False):
            blocks += [Conv2d(inner, outer, 3, padding=1, bias=False), BatchNorm2d(outer), ReLU(), MaxPool2d(2)]
        self.features = Sequential(*blocks)
        self.flatten = Flatten()
        self.classifier = Linear(channels[-1] * side * side, num_classes)

    def forward(self, x):
        """Return the logits (N, num_classes) of images x."""
        return self.classifier(self.flatten(self.features(x)))

# %% [markdown]
"""
## Production context

**PyTorch** on a CPU hands a convolution to oneDNN, which keeps images in blocked channel orders of its own and picks one of several
algorithms; on a GPU cuDNN does the same. `memory_format=torch.channels_last` is our layout. **Winograd's** algorithm computes a 3×3
convolution with less than half of the multiplications; you will write it in module 13. **TensorFlow** and **JAX** use channels-last
shapes openly; PyTorch hides them behind strides, and so do we.

Batch norm is the one layer that mixes examples. So it needs care in distributed training (*synchronised* batch norm), it is folded
into the weights of the convolution for serving, and it is the reason why a forgotten `model.eval()` is among the most frequent bugs in
the field.
"""

# %% [markdown]
"""
## Comprehensive test

A network with weights set by hand that finds a cross anywhere in an image. It uses convolution, normalisation with running statistics,
max pooling and adaptive pooling. The second part checks the small CNN with every batch size that a last batch may have.
"""

# %% nbgrader={"grade": true, "grade_id": "test-spatial-module", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_module():
    from tinytorch import Tensor, manual_seed
    from tinytorch.given.pooling import max_pool2d

    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], "float32")
    detector = Conv2d(1, 1, 3, padding=1, bias=False)
    detector.weight = Parameter(Tensor((cross - 5 / 9)[None, None]))
    images = np.zeros((3, 1, 8, 8), "float32")
    images[0, 0, 1:4, 1:4] = images[1, 0, 4:7, 3:6] = cross
    images[2, 0, 2:5, 2:5] = 1 - cross
    strongest = max_pool2d(detector(Tensor(images)), 8).detach().numpy().reshape(3)
    assert np.allclose(strongest[:2], 5 * 4 / 9, atol=1e-5), f"test_module: a cross anywhere gives 20/9, got {strongest}"
    assert strongest[2] < 1.5, f"test_module: the corners alone are no cross, got {strongest[2]}"
    manual_seed(0)
    model = SmallCNN(num_classes=4, channels=(4, 8), image_size=16)
    x = Tensor(np.random.default_rng(8).normal(size=(5, 3, 16, 16)).astype("float32"))
    normal = model.features[1](model.features[0](x)).detach().numpy()
    assert np.allclose(normal.mean((0, 2, 3)), 0, atol=1e-5), "test_module: behind a batch norm every channel has mean 0"
    whole = model.eval()(x).detach().numpy()
    for n in (1, 2, 5):
        part = model(x[:n]).detach().numpy()
        assert part.shape == (n, 4), f"test_module: a batch of {n} must give {n} rows of logits, got {part.shape}"
        assert np.allclose(part, whole[:n], atol=1e-5), f"test_module: in evaluation an image's result must not depend on its batch of {n}"

# %%
if __name__ == "__main__":
    test_output_size()
    test_loops()
    test_im2col()
    test_conv2d_kernel()
    test_conv2d_layer()
    test_max_pool2d_kernel()
    test_batch_norm_stats_kernel()
    test_batch_norm_kernel()
    test_batch_norm()
    test_layer_norm_kernel()
    test_module()
    analyze_loops()
    analyze_memory()
    analyze_network()

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions
"""

# %% [markdown]
"""
**1.** Your `im2col` copies every pixel up to nine times, and is still hundreds of times faster than `conv2d_loops`, which copies
nothing. Explain with the numbers that `analyze_loops` and `analyze_memory` printed. For which kernel size does im2col copy nothing
more than once?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "spatial-q1", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) The loops pay Python's and NumPy's overhead of microseconds for 72 products each (2 points). The copy is a few long
memory runs, and it buys one matrix product that uses vector units and cache blocking (2). A 1×1 kernel with stride 1: the matrix is
then the image itself (1).
"""

# %% [markdown]
"""
**2.** Why does `batch_norm` use the unbiased variance for the running value and the biased one for the batch? And what happens to the
running values when a training step runs with a batch of 2 after thousands with 128? Propose a remedy.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "spatial-q2", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) The batch is normalised to variance exactly 1, so its own variance counts; the running value estimates that of all
data, for which count - 1 is unbiased (2 points). The small batch moves the running values as far as a large one, with much more noise
(2). Drop the last short batch, weight momentum by batch size, or use a smaller momentum (1).
"""

# %% [markdown]
"""
**3.** A batch of one image at prediction time, in a model where somebody forgot `eval()`. Say for `BatchNorm2d`, `BatchNorm1d` and
`LayerNorm` what your code does, and which of the three failures is the most dangerous.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "spatial-q3", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) BatchNorm1d raises: one value per channel has no variance (1 point). BatchNorm2d normalises the image by its own pixels
and moves the running statistics (2). LayerNorm is right in both modes (1). The silent one, BatchNorm2d, is the dangerous one (1).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: Spatial layers

You wrote a convolution as loops and as one matrix product, pooling as a walk through the places of a window, and two normalisations
that differ in one axis. You chose a memory layout and measured what it is worth. Next: `tito module complete spatial`, then module 07,
where the window no longer has a fixed place: attention.
"""
