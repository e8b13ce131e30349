"""Normalisation of every example by itself: groups of channels, single channels, and by the mean square alone.

Group norm and instance norm are the `layer_norm` of module 06 on another shape. RMS norm is a primitive of its own with
a gradient kernel, because Transformers call it twice a block.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.core.engine import Primitive, ShapeError, phase, primitive
from tinytorch.core.layers import Module, Parameter
from tinytorch.core.tensor import Tensor, ones
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.initialization import ones_, zeros_
from tinytorch.given.normalisation import BatchNormState, normalized_sizes
from tinytorch.given.settings import number, whole
from tinytorch.given.silence import quiet
from tinytorch.given.spatial_grads import sum_in_front
from tinytorch.given.spatial_layout import check_bias, column_sum

#| face nn.functional: group_norm, instance_norm, rms_norm
#| face nn: GroupNorm, InstanceNorm1d, InstanceNorm2d, RMSNorm


def _scaled(x: Any, weight: Any, bias: Any, what: str) -> Any:
    """Return weight·x + bias, one number of each a channel (axis 1); None leaves it out."""
    per_channel = (-1, *(1,) * (x.ndim - 2))
    check_bias(what, weight, x.shape[1])
    check_bias(what, bias, x.shape[1])
    x = x if weight is None else x * weight.reshape(per_channel)
    return x if bias is None else x + bias.reshape(per_channel)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Return input (N, C, …) with every group of C / num_groups channels normalised, in each example by itself.

    Wu and He, "Group normalization", 2018. weight, bias: (C,) or None.
    """
    groups, eps = whole(num_groups, "group_norm's num_groups", 1), number(eps, "group_norm's eps")
    if expect_tensor(input, "group_norm").ndim < 2 or input.shape[1] % groups:
        raise ShapeError(
            f"group_norm: expected an input (N, C, …) with C divisible by num_groups={groups}, found {input.shape}."
        )
    inner = input.shape[1] // groups * math.prod(input.shape[2:])
    rows = input.reshape(input.shape[0], groups, inner)
    normal = primitive("layer_norm")(rows, None, None, normalized_ndim=1, eps=eps)
    return _scaled(normal.reshape(*input.shape), weight, bias, "group_norm")


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Return input (N, C, …) with every channel of every example normalised by itself. Ulyanov et al. 2016.

    use_input_stats: False takes the running statistics instead. True also moves them, if there are any, towards the
    mean over the examples.
    """
    if expect_tensor(input, "instance_norm").ndim < 3:
        raise ShapeError(f"instance_norm: expected an input (N, C, L) or (N, C, H, W), found {input.shape}.")
    for statistic in (running_mean, running_var):
        check_bias("instance_norm", statistic, input.shape[1])
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ShapeError("instance_norm: expected running statistics without use_input_stats, found None.")
        kept = running_mean, running_var
        return primitive("batch_norm")(input, weight, bias, *kept, training=False, eps=eps)
    if math.prod(input.shape[2:]) < 2:
        raise ShapeError(f"instance_norm: expected more than one place in each channel, found {input.shape}.")
    if running_mean is not None and phase() != "recompute":
        _move_statistics(input.detach(), running_mean, running_var, number(momentum, "instance_norm's momentum"))
    return _scaled(group_norm(input, input.shape[1], eps=eps), weight, bias, "instance_norm")


def _move_statistics(input: Any, running_mean: Any, running_var: Any, momentum: float) -> None:
    """Move the running statistics towards the mean, over the examples, of those of each example."""
    places = tuple(range(2, input.ndim))
    running_mean.copy_(running_mean * (1 - momentum) + input.mean(places).mean(0) * momentum)
    running_var.copy_(running_var * (1 - momentum) + input.var(places).mean(0) * momentum)


# ---- RMS norm ------------------------------------------------------------------------------------------------------


def rms_norm_kernel(xp, x, weight, *, normalized_ndim, eps):
    """Return (out, rstd): x divided by √(mean x² + eps) over the last `normalized_ndim` axes, times weight or None."""
    rstd = 1 / xp.sqrt((x * x).mean(axis=tuple(range(-normalized_ndim, 0)), keepdims=True) + eps)
    out = x * rstd
    if weight is not None:
        out *= weight
    return out, rstd


def rms_norm_grad_kernel(xp, g, x, weight, rstd, *, normalized_ndim, eps):
    """Return the gradients (dx, dweight).

    With z = x·rstd and h = g·weight: dweight = Σ g·z and dx = rstd·(h - z·mean(h·z)).
    """
    shape = x.shape[x.ndim - normalized_ndim :]
    size = math.prod(shape)
    sent, scale = g.reshape(-1, size), rstd.reshape(-1, 1)
    z = x.reshape(-1, size) * scale
    dweight = column_sum(xp, sent * z).reshape(shape)
    scaled = sent if weight is None else sent * weight.reshape(-1)
    z *= -(scaled * z).mean(axis=1, keepdims=True)
    z += scaled
    z *= scale
    return z.reshape(x.shape), dweight


def rms_norm_grad_in_tensors(g, x, weight, rstd, *, normalized_ndim, eps):
    """The same in Tensors; rstd is computed anew, because it depends on x."""
    axes = tuple(range(x.ndim - normalized_ndim, x.ndim))
    rstd = ((x * x).mean(axes, keepdim=True) + eps) ** -0.5
    z = x * rstd
    scaled = g if weight is None else g * weight
    dx = rstd * (scaled - z * (scaled * z).mean(axes, keepdim=True))
    return dx, sum_in_front(g * z, normalized_ndim)


RMS_NORM = Primitive("rms_norm", quiet(rms_norm_kernel), residuals=("rstd",), promote="float")
RMS_NORM_GRAD = Primitive(
    "rms_norm_grad",
    quiet(rms_norm_grad_kernel),
    outputs=("dx", "dweight"),
    promote="same",
    decompose=rms_norm_grad_in_tensors,
)


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """Return input divided by the root of the mean square of its last axes, whose sizes are `normalized_shape`.

    Zhang and Sennrich, "Root mean square layer normalization", 2019. eps: None takes the dtype's own.
    """
    shape = normalized_sizes(expect_tensor(input, "rms_norm"), normalized_shape, "rms_norm", weight=weight)
    if eps is None:
        eps = float(np.finfo(input.dtype if input.dtype.kind == "f" else "float32").eps)
    return RMS_NORM(input, weight, normalized_ndim=len(shape), eps=number(eps, "rms_norm's eps"))


# ---- layers --------------------------------------------------------------------------------------------------------


class GroupNorm(Module):
    """Every group of channels normalised, in each example by itself. Parameters: `weight`, `bias` (num_channels,)."""

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: Any = None,
        dtype: Any = None, *, bias: bool = True,
    ):
        super().__init__()
        self.num_groups, self.num_channels = whole(num_groups, "GroupNorm's num_groups", 1), num_channels
        if whole(num_channels, "GroupNorm's num_channels", 1) % num_groups:
            raise ShapeError(f"GroupNorm: expected channels divisible by {num_groups} groups, found {num_channels}.")
        self.eps, self.affine = eps, affine
        self.weight = Parameter(ones(num_channels)) if affine else None
        self.bias = Parameter(ones(num_channels) * 0) if affine and bias else None
        self.to(dtype=dtype, device=device)

    def reset_parameters(self) -> None:
        """Set weight to 1 and bias to 0."""
        if self.weight is not None:
            ones_(self.weight)
        if self.bias is not None:
            zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalised."""
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class InstanceNorm1d(BatchNormState):
    """Every channel of every sequence (N, C, L) or (C, L) normalised by itself. By default it learns nothing."""

    axes = (3,)

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = False,
        track_running_stats: bool = False, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalised; in evaluation by the running statistics, if it keeps any."""
        if expect_tensor(x, type(self).__name__).ndim == self.axes[0] - 1:
            return self(x.unsqueeze(0)).squeeze(0)
        settings = self.settings(x)
        use_input_stats = settings.pop("training")
        return instance_norm(x, use_input_stats=use_input_stats, **settings)

    def share(self) -> float | None:
        """Return the share of a batch in the running statistics; momentum None keeps them. Batches are not counted."""
        return 0.0 if self.momentum is None else self.momentum


class InstanceNorm2d(InstanceNorm1d):
    """Every channel of every image (N, C, H, W) or (C, H, W) normalised by itself."""

    axes = (4,)


class RMSNorm(Module):
    """Every example divided by its root mean square over its last axes. Parameter: `weight` (normalized_shape)."""

    def __init__(
        self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True, device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = Parameter(ones(self.normalized_shape)) if elementwise_affine else None
        self.to(dtype=dtype, device=device)

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        if self.weight is not None:
            ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return x normalised."""
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
