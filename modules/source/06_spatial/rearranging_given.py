"""Layers that move numbers about: windows to columns and back, channels to pixels and back."""

from __future__ import annotations

from typing import Any

from tinytorch.core.engine import ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.settings import whole
from tinytorch.given.spatial_functions import fold, unfold

#| face nn.functional: pixel_shuffle, pixel_unshuffle, channel_shuffle
#| face nn: Fold, Unfold, PixelShuffle, PixelUnshuffle, ChannelShuffle


def _images(input: Any, what: str) -> tuple[tuple, int, int, int]:
    """Return (the axes in front, channels, height, width) of images (…, C, H, W)."""
    if expect_tensor(input, what).ndim < 3:
        raise ShapeError(f"{what}: expected images (…, C, H, W), found shape {input.shape}.")
    return input.shape[:-3], *input.shape[-3:]


def _moved(input: Any, front: int, *order: int) -> Any:
    return input.permute(*range(front), *(front + i for i in order))


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Return images (…, C, H·r, W·r) from (…, C·r², H, W): r² channels become the pixels of r×r squares.

    Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel network", 2016.
    """
    front, channels, height, width = _images(input, "pixel_shuffle")
    r = whole(upscale_factor, "pixel_shuffle's upscale_factor", 1)
    if channels % (r * r):
        raise ShapeError(
            f"pixel_shuffle: expected channels divisible by {r}² = {r * r}, found {channels} in shape {input.shape}."
        )
    squares = _moved(input.reshape(*front, channels // (r * r), r, r, height, width), len(front), 0, 3, 1, 4, 2)
    return squares.reshape(*front, channels // (r * r), height * r, width * r)


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """Return images (…, C·r², H, W) from (…, C, H·r, W·r): the reverse of `pixel_shuffle`."""
    front, channels, height, width = _images(input, "pixel_unshuffle")
    r = whole(downscale_factor, "pixel_unshuffle's downscale_factor", 1)
    if height % r or width % r:
        raise ShapeError(f"pixel_unshuffle: expected height and width divisible by {r}, found shape {input.shape}.")
    squares = _moved(input.reshape(*front, channels, height // r, r, width // r, r), len(front), 0, 2, 4, 1, 3)
    return squares.reshape(*front, channels * r * r, height // r, width // r)


def channel_shuffle(input: Any, groups: int) -> Any:
    """Return input (N, C, …) with its channels dealt out: one of each of `groups` groups in turn. Zhang et al. 2018."""
    groups = whole(groups, "channel_shuffle's groups", 1)
    if expect_tensor(input, "channel_shuffle").ndim < 3 or input.shape[1] % groups:
        raise ShapeError(
            f"channel_shuffle: expected an input (N, C, …) with C divisible by groups={groups}, found {input.shape}."
        )
    n, channels, *rest = input.shape
    return input.reshape(n, groups, channels // groups, *rest).transpose(1, 2).reshape(*input.shape)


class Unfold(Module):
    """Windows of images (N, C, H, W) as columns (N, C·kH·kW, windows). See `unfold`."""

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        """Return the columns."""
        return unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )


class Fold(Unfold):
    """Images of size `output_size` put together from columns. See `fold`."""

    def __init__(self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """Return the images."""
        return fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return f"output_size={self.output_size}, {super().extra_repr()}"


class PixelShuffle(Module):
    """Images made larger out of channels. See `pixel_shuffle`."""

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Return the larger images."""
        return pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """Return the setting, for `print(model)`."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels made channels. See `pixel_unshuffle`."""

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Return the smaller images with more channels."""
        return pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """Return the setting, for `print(model)`."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Channels of several groups dealt out in turn. See `channel_shuffle`."""

    def __init__(self, groups: int):
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """Return the input with its channels in another order."""
        return channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """Return the setting, for `print(model)`."""
        return f"groups={self.groups}"
