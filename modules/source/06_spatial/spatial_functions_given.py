"""Functions on images around kernels of module 06: `conv2d`, and windows laid out as columns and put back."""

from typing import Any

from tinytorch.core.engine import Primitive, ShapeError, primitive
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.padding import pad
from tinytorch.given.spatial_layout import (
    check_convolution,
    each_batch,
    outputs_of,
    padded_size,
    pair,
    places,
    reach,
    tap,
)

#| face nn.functional: conv2d, unfold, fold


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
    channels = g.shape[1] // (kernel_size[0] * kernel_size[1])
    columns = g.reshape(len(g), channels, *kernel_size, *outputs).transpose(0, 2, 3, 4, 5, 1)
    canvas = padded_size(size, padding, reach(outputs, kernel_size, stride, dilation))
    received = xp.zeros((len(g), *canvas, columns.shape[-1]), g.dtype)
    for i, j in places(kernel_size):
        spot = tap(received, (i, j), outputs, stride, dilation)
        spot += columns[:, i, j]
    inside = received[:, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]
    return xp.ascontiguousarray(inside).transpose(0, 3, 1, 2)


UNFOLD = Primitive("unfold", unfold_kernel)
UNFOLD_GRAD = Primitive("unfold_grad", unfold_grad_kernel)


@each_batch(4)
def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Return the windows of images (N, C, H, W) as columns (N, C·kH·kW, windows): im2col, as PyTorch orders it."""
    kernel_size, dilation, stride = pair(kernel_size, "kernel_size"), pair(dilation, "dilation"), pair(stride, "stride")
    padding = pair(padding, "padding", least=0)
    outputs = outputs_of(input.shape[2:], kernel_size, stride, padding, dilation)
    if min(outputs) < 1:
        raise ShapeError(
            f"unfold: kernel_size={kernel_size} with dilation={dilation} does not fit images {input.shape}, "
            f"padding={padding}."
        )
    return UNFOLD(input, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)


def fold(
    input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """Return images (N, C, *output_size) put together from columns (N, C·kH·kW, windows).

    The reverse of `unfold` but for places that several windows see: what these say is added up.
    """
    if expect_tensor(input, "fold").ndim == 2:
        return fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    size = pair(output_size, "output_size")
    kernel_size, dilation, stride = pair(kernel_size, "kernel_size"), pair(dilation, "dilation"), pair(stride, "stride")
    padding = pair(padding, "padding", least=0)
    outputs, places_each = outputs_of(size, kernel_size, stride, padding, dilation), kernel_size[0] * kernel_size[1]
    if input.ndim != 3 or input.shape[1] % places_each or input.shape[2] != max(outputs[0], 0) * max(outputs[1], 0):
        raise ShapeError(
            f"fold: expected columns (N, C·{places_each}, windows) with {outputs[0]}·{outputs[1]} windows for "
            f"output_size={size}, found shape {input.shape}."
        )
    return UNFOLD_GRAD(
        input, size=size, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation
    )


@each_batch(4)
def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Return the 2-d convolution of images (N, C, H, W) with weight (O, C / groups, kH, kW).

    stride, padding, dilation: an int or a pair; padding also "valid" (none) or "same" (keeps the size; stride 1 only).
    """
    check_convolution("conv2d", input, weight, bias, groups)
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
