"""More convolutions: of sequences, and transposed ones, which make a map larger; what all convolution layers share.

A sequence is an image of one row. A transposed convolution is the gradient of a convolution with respect to its
images: the kernel is there already, and so is its gradient. Dumoulin and Visin, "A guide to convolution arithmetic
for deep learning", 2016.
"""

from __future__ import annotations

import math
from typing import Any

from tinytorch.core.engine import ShapeError, primitive
from tinytorch.core.layers import Module, kaiming_uniform_
from tinytorch.core.networks import MULTIPLY_ADDS
from tinytorch.core.tensor import Tensor, empty
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.initialization import fan, uniform_
from tinytorch.given.padding import pad
from tinytorch.given.parameter import Parameter
from tinytorch.given.settings import one_of, whole
from tinytorch.given.spatial_functions import conv2d
from tinytorch.given.spatial_layout import check_bias, check_convolution, each_batch, pair, several, single

#| face nn.functional: conv1d, conv_transpose1d, conv_transpose2d
#| face nn: Conv1d, ConvTranspose1d, ConvTranspose2d

PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


@each_batch(3)
def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Return the convolution of sequences (N, C, L) with weight (O, C / groups, k): (N, O, OL).

    stride, padding, dilation: an int; padding also "valid" (none) or "same" (keeps the length; stride 1 only).
    """
    check_convolution("conv1d", input, weight, bias, groups)
    around = padding if isinstance(padding, str) else (0, single(padding, "padding", least=0))
    steps = {"stride": (1, single(stride, "stride")), "dilation": (1, single(dilation, "dilation"))}
    return conv2d(input.unsqueeze(-2), weight.unsqueeze(-2), bias, padding=around, groups=groups, **steps).squeeze(-2)


@each_batch(4)
def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Return images (N, O, (H-1)·stride - 2·padding + dilation·(kH-1) + output_padding + 1, …) from (N, C, H, W).

    weight: (C, O / groups, kH, kW). Every place of the input sends its kernel, weighted, to the window that a
    convolution with these settings would see; windows that overlap are added up. output_padding: rows and columns
    more at the end, smaller than stride or dilation: it chooses among the sizes that a convolution maps to one.
    """
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    padding, more = pair(padding, "padding", least=0), pair(output_padding, "output_padding", least=0)
    _check_transposed("conv_transpose2d", input, weight, bias, groups)
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise ShapeError(
            f"conv_transpose2d: expected output_padding smaller than stride={stride} or dilation={dilation}, found "
            f"{more}."
        )
    axes = zip(input.shape[2:], weight.shape[2:], stride, padding, more, dilation, strict=True)
    size = tuple((n - 1) * s - 2 * p + d * (k - 1) + m + 1 for n, k, s, p, m, d in axes)
    if min(size) < 1:
        raise ShapeError(f"conv_transpose2d: expected an output of at least 1×1, found {size}: use less padding.")
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    out = primitive("conv2d_input_grad")(input, weight, size=size, **settings)
    return out if bias is None else out + bias.reshape(-1, 1, 1)


def _check_transposed(name: str, x: Any, weight: Any, bias: Any, groups: int) -> None:
    if expect_tensor(weight, f"{name}'s weight").ndim != x.ndim or x.shape[1] != weight.shape[0]:
        raise ShapeError(
            f"{name}: expected a weight (in, out / groups, …) for an input with {x.shape[1]} channels and {x.ndim - 2} "
            f"axes behind them, found {weight.shape} for {x.shape}."
        )
    if weight.shape[0] % single(groups, "groups"):
        raise ShapeError(
            f"{name}: expected in_channels divisible by groups, found {weight.shape[0]} and groups={groups}."
        )
    check_bias(name, bias, weight.shape[1] * groups)


@each_batch(3)
def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Return sequences (N, O, OL) from (N, C, L) and a weight (C, O / groups, k); see `conv_transpose2d`."""
    _check_transposed("conv_transpose1d", input, weight, bias, groups)
    around, more = single(padding, "padding", least=0), single(output_padding, "output_padding", least=0)
    steps = {"stride": (1, single(stride, "stride")), "dilation": (1, single(dilation, "dilation"))}
    rows = input.unsqueeze(-2), weight.unsqueeze(-2), bias
    return conv_transpose2d(*rows, padding=(0, around), output_padding=(0, more), groups=groups, **steps).squeeze(-2)


def transposed_work(inputs: Any, outputs: Any) -> int:
    """Return the multiply-adds of a transposed convolution: every number of the input meets its kernel once."""
    x, weight = inputs[0].shape, inputs[1].shape
    return math.prod(x) * math.prod(weight[1:])


MULTIPLY_ADDS["conv2d_input_grad"] = transposed_work


# ---- layers --------------------------------------------------------------------------------------------------------


class ConvolutionState(Module):
    """What every convolution layer has: settings for each axis, brought into one form, and the way it prints.

    axes: 1 for sequences, 2 for images. padding_mode: what lies around the input: "zeros", "reflect", "replicate" or
    "circular".
    """

    axes: int = 2
    transposed = False

    def arrange(self, in_channels: int, out_channels: int, groups: int, padding_mode: str, **sizes: Any) -> None:
        """Check the settings and enter them as attributes; `sizes` are those with a number for each axis."""
        who = type(self).__name__
        self.in_channels = whole(in_channels, f"{who}'s in_channels", 1)
        self.out_channels = whole(out_channels, f"{who}'s out_channels", 1)
        self.groups = whole(groups, f"{who}'s groups", 1)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                f"{who}: expected channels divisible by groups={groups}, found in_channels={in_channels}, "
                f"out_channels={out_channels}."
            )
        for name, value in sizes.items():
            if name == "padding" and isinstance(value, str):
                self.padding = one_of(value, f"{who}'s padding", ("same", "valid"))
            else:
                setattr(self, name, several(value, self.axes, name, least=0 if "padding" in name else 1))
        modes = ("zeros",) if self.transposed else tuple(PADDING_MODES)
        self.padding_mode = one_of(padding_mode, f"{who}'s padding_mode", modes)

    def around(self, x: Tensor) -> tuple[Tensor, Any]:
        """Return the input and the padding for the convolution. With a padding_mode it is there already: (x, 0)."""
        if self.padding_mode == "zeros" or self.padding == "valid":
            return x, self.padding
        widths: list[int] = []
        for axis in reversed(range(self.axes)):
            if self.padding == "same":
                whole_width = self.dilation[axis] * (self.kernel_size[axis] - 1)
                widths += [whole_width // 2, whole_width - whole_width // 2]
            else:
                widths += [self.padding[axis]] * 2
        return pad(x, widths, PADDING_MODES[self.padding_mode]), 0

    def make_parameters(self, bias: bool, device: Any, dtype: Any) -> None:
        """Make `weight` and `bias` (None without) and draw them."""
        outer, inner = self.out_channels, self.in_channels
        shape = (inner, outer // self.groups) if self.transposed else (outer, inner // self.groups)
        self.weight = Parameter(empty(*shape, *self.kernel_size))
        self.bias = Parameter(empty(outer)) if bias else None
        self.to(dtype=dtype, device=device)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew: uniform in ±1/√fan_in."""
        kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = fan(self.weight, "fan_in") ** -0.5
            uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`; those that are as usual are left out."""
        usual = {"padding": 0, "dilation": 1, "output_padding": 0}
        shown = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        for name, value in usual.items():
            found = getattr(self, name, None)
            if found is not None and found != (value,) * self.axes:
                shown.append(f"{name}={found}")
        shown += [f"groups={self.groups}"] if self.groups != 1 else []
        shown += ["bias=False"] if self.bias is None else []
        shown += [f"padding_mode={self.padding_mode}"] if self.padding_mode != "zeros" else []
        return ", ".join(shown)


class Conv1d(ConvolutionState):
    """A learnable window, slid over sequences (N, in_channels, L) → (N, out_channels, OL).

    kernel_size, stride, padding, dilation: an int; padding also "same" or "valid". Parameters: `weight`
    (out, in / groups, k), `bias` (out).
    """

    axes = 1

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        sizes = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        self.arrange(in_channels, out_channels, groups, padding_mode, **sizes)
        self.make_parameters(bias, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of x."""
        x, padding = self.around(x)
        return conv1d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class TransposedState(ConvolutionState):
    """A transposed convolution layer. Parameters: `weight` (in, out / groups, …), `bias` (out)."""

    transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1, padding_mode: str = "zeros",
        device: Any = None, dtype: Any = None,
    ):
        super().__init__()
        sizes = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        self.arrange(in_channels, out_channels, groups, padding_mode, **sizes, output_padding=output_padding)
        self.make_parameters(bias, device, dtype)

    def output_padding_for(self, x: Tensor, output_size: Any) -> tuple[int, ...]:
        """Return the output_padding that makes the output `output_size`; the layer's own if that is None."""
        if output_size is None:
            return self.output_padding
        wanted = several(tuple(output_size)[-self.axes :], self.axes, "output_size")
        sizes = x.shape[-self.axes :], self.kernel_size, self.stride, self.padding, self.dilation
        least = tuple((n - 1) * s - 2 * p + d * (k - 1) + 1 for n, k, s, p, d in zip(*sizes, strict=True))
        more = tuple(w - n for w, n in zip(wanted, least, strict=True))
        if any(not 0 <= m < s for m, s in zip(more, self.stride, strict=True)):
            largest = tuple(n + s - 1 for n, s in zip(least, self.stride, strict=True))
            raise ShapeError(
                f"{type(self).__name__}: expected an output_size from {least} to {largest} for an input {x.shape}, "
                f"found {wanted}."
            )
        return more


class ConvTranspose1d(TransposedState):
    """Sequences (N, in_channels, L) made longer, with a learnable window: (N, out_channels, OL)."""

    axes = 1

    def forward(self, x: Tensor, output_size: Any = None) -> Tensor:
        """Return the transposed convolution of x, of length `output_size` if that is given."""
        more = self.output_padding_for(x, output_size)
        return conv_transpose1d(
            x, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation
        )


class ConvTranspose2d(TransposedState):
    """Images (N, in_channels, H, W) made larger, with a learnable window: (N, out_channels, OH, OW)."""

    def forward(self, x: Tensor, output_size: Any = None) -> Tensor:
        """Return the transposed convolution of x, of height and width `output_size` if these are given."""
        more = self.output_padding_for(x, output_size)
        return conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation
        )
