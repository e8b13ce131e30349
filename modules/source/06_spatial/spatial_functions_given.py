"""Functions on images: `conv2d` around the kernel that module 06 teaches, padding and unfolding."""

from collections.abc import Sequence
from typing import Any

from tinytorch.core.engine import Primitive, ShapeError, primitive
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.spatial_layout import (
    check_convolution,
    check_images,
    outputs_of,
    padded_size,
    pair,
    places,
    reach,
    tap,
)

#| face nn.functional: conv2d, pad, unfold


def pad_kernel(xp, x, *, widths, value):
    """Return x with `widths[i] = (before, after)` places of `value` around axis i; negative widths cut."""
    kept = x[
        tuple(slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in zip(x.shape, widths, strict=True))
    ]
    added = [(max(before, 0), max(after, 0)) for before, after in widths]
    out = xp.full([n + before + after for n, (before, after) in zip(kept.shape, added, strict=True)], value, x.dtype)
    out[tuple(slice(before, before + n) for n, (before, _) in zip(kept.shape, added, strict=True))] = kept
    return out


def unfold_kernel(xp, x, *, kernel_size, stride, padding, dilation):
    """Return the windows of x as columns: (N, C·kH·kW, number of windows)."""
    n, c, *size = x.shape
    outputs = outputs_of(size, kernel_size, stride, padding, dilation)
    padded = xp.zeros((n, *padded_size(size, padding, reach(outputs, kernel_size, stride, dilation)), c), x.dtype)
    padded[:, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]] = x.transpose(0, 2, 3, 1)
    out = xp.empty((n, c, *kernel_size, *outputs), x.dtype)
    for i, j in places(kernel_size):
        out[:, :, i, j] = tap(padded, (i, j), outputs, stride, dilation).transpose(0, 3, 1, 2)
    return out.reshape(n, c * kernel_size[0] * kernel_size[1], outputs[0] * outputs[1])


def unfold_grad_kernel(xp, g, *, size, kernel_size, stride, padding, dilation):
    """Return the images (N, C, *size) in which every place received the sum of what its windows hold (col2im)."""
    outputs = outputs_of(size, kernel_size, stride, padding, dilation)
    columns = g.reshape(len(g), -1, *kernel_size, *outputs).transpose(0, 2, 3, 4, 5, 1)
    canvas = padded_size(size, padding, reach(outputs, kernel_size, stride, dilation))
    received = xp.zeros((len(g), *canvas, columns.shape[-1]), g.dtype)
    for i, j in places(kernel_size):
        spot = tap(received, (i, j), outputs, stride, dilation)
        spot += columns[:, i, j]
    inside = received[:, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
    return xp.ascontiguousarray(inside).transpose(0, 3, 1, 2)


PAD = Primitive("pad", pad_kernel)
UNFOLD = Primitive("unfold", unfold_kernel)
UNFOLD_GRAD = Primitive("unfold_grad", unfold_grad_kernel)


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Return `input` with `value` (0) around it.

    pad: (before, after) for the last axis, then for the one before it, and so on; negative numbers cut.
    """
    if mode != "constant":
        raise NotImplementedError(
            f'pad: expected mode="constant", found {mode!r}; other modes are not part of this course.'
        )
    expect_tensor(input, "pad")
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ShapeError(
            f"pad: expected (before, after) for at most {input.ndim} axes, found {len(pad)} numbers: {tuple(pad)}."
        )
    widths = [(0, 0)] * (input.ndim - len(pad) // 2) + [(pad[i], pad[i + 1]) for i in range(len(pad) - 2, -1, -2)]
    if any(
        n + before + after < 0 or min(before, after) < -n
        for n, (before, after) in zip(input.shape, widths, strict=True)
    ):
        raise ShapeError(f"pad: cannot cut {tuple(pad)} from shape {input.shape}; sizes must not fall below 0.")
    return PAD(input, widths=tuple(widths), value=0 if value is None else value)


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Return the windows of images (N, C, H, W) as columns (N, C·kH·kW, windows): im2col, as PyTorch orders it."""
    check_images("unfold", input)
    kernel_size, dilation, stride = pair(kernel_size, "kernel_size"), pair(dilation, "dilation"), pair(stride, "stride")
    padding = pair(padding, "padding", least=0)
    outputs = outputs_of(input.shape[2:], kernel_size, stride, padding, dilation)
    if min(outputs) < 1:
        raise ShapeError(
            f"unfold: kernel_size={kernel_size} with dilation={dilation} does not fit images {input.shape}, "
            f"padding={padding}."
        )
    return UNFOLD(input, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Return the 2-d convolution of images (N, C, H, W) with weight (O, C / groups, kH, kW).

    stride, padding, dilation: an int or a pair; padding also "valid" (none) or "same" (keeps the size; stride 1 only).
    """
    check_convolution(input, weight, bias, groups)
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    if padding == "same":
        if stride != (1, 1):
            raise ShapeError(f'conv2d: expected stride 1 with padding="same", found {stride}.')
        rows, columns = (d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True))
        if rows % 2 or columns % 2:  # an even kernel needs one more zero behind than in front
            input = pad(input, (0, columns % 2, 0, rows % 2))
        padding = (rows // 2, columns // 2)
    padding = pair(0 if padding == "valid" else padding, "padding", least=0)
    return primitive("conv2d")(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
