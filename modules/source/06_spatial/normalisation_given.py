"""Normalisation layers: what a batch normalisation remembers, and layer normalisation as function and layer."""

from typing import Any

from tinytorch.core.engine import ShapeError, phase, primitive
from tinytorch.core.layers import Module, Parameter
from tinytorch.core.tensor import ones, zeros
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.initialization import ones_, zeros_

#| face nn.functional: layer_norm
#| face nn: LayerNorm


class BatchNormState(Module):
    """Parameters and buffers of BatchNorm1d and BatchNorm2d; a subclass says which numbers of axes it takes.

    num_features: channels. momentum: share of a new batch in the running statistics; None takes the plain mean of all
    batches. affine: learn weight (1 at first) and bias (0). track_running_stats: without it every batch is judged by
    itself, always.
    """

    axes: tuple[int, ...] = ()

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(ones(num_features)) if affine else None
        self.bias = Parameter(zeros(num_features)) if affine and bias else None
        self.register_buffer("running_mean", zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", zeros(dtype="int64") if track_running_stats else None)
        self.to(dtype=dtype, device=device)

    def reset_running_stats(self) -> None:
        """Forget the batches seen so far: mean 0, variance 1, count 0."""
        if self.track_running_stats:
            zeros_(self.running_mean), ones_(self.running_var), zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Forget the batches, and set weight to 1 and bias to 0."""
        self.reset_running_stats()
        if self.weight is not None:
            ones_(self.weight)
        if self.bias is not None:
            zeros_(self.bias)

    def settings(self, x: Any) -> dict[str, Any]:
        """Return the arguments of `batch_norm` for a batch x, which is counted if the layer is in training."""
        if expect_tensor(x, type(self).__name__).ndim not in self.axes or x.shape[1] != self.num_features:
            shapes = " or ".join(f"(N, {self.num_features}{', L' * (n == 3)}{', H, W' * (n == 4)})" for n in self.axes)
            raise ShapeError(f"{type(self).__name__}: expected an input of shape {shapes}, found {x.shape}.")
        return {
            "running_mean": self.running_mean,
            "running_var": self.running_var,
            "weight": self.weight,
            "bias": self.bias,
            "training": self.training or not self.track_running_stats,
            "momentum": self.share(),
            "eps": self.eps,
        }

    def share(self) -> float | None:
        """Return the share of this batch in the running statistics; in training the batch is counted."""
        if not (self.training and self.track_running_stats) or phase() == "recompute":
            return self.momentum
        self.num_batches_tracked.add_(1)
        return 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


def layer_norm(
    input: Any, normalized_shape: int | tuple[int, ...], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Return input normalised over its last axes, whose sizes are `normalized_shape`."""
    expect_tensor(input, "layer_norm")
    shape = normalized_sizes(input, normalized_shape, "layer_norm", weight=weight, bias=bias)
    return primitive("layer_norm")(input, weight, bias, normalized_ndim=len(shape), eps=eps)


def normalized_sizes(input: Any, normalized_shape: Any, what: str, **factors: Any) -> tuple[int, ...]:
    """Return `normalized_shape` as a tuple, if the input ends in it, and the factors (tensors or None) have it."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or input.shape[-len(shape) :] != shape:
        raise ShapeError(f"{what}: expected an input whose last axes are {shape}, found {input.shape}.")
    for name, value in factors.items():
        if value is not None and expect_tensor(value, f"{what}'s {name}").shape != shape:
            raise ShapeError(f"{what}: expected {name} of shape {shape}, found {value.shape}.")
    return shape


class LayerNorm(Module):
    """Normalises every example over its last axes, of sizes `normalized_shape` (an int or a tuple)."""

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = Parameter(ones(self.normalized_shape)) if elementwise_affine else None
        self.bias = Parameter(zeros(self.normalized_shape)) if elementwise_affine and bias else None
        self.to(dtype=dtype, device=device)

    def reset_parameters(self) -> None:
        """Set weight to 1 and bias to 0."""
        if self.weight is not None:
            ones_(self.weight)
        if self.bias is not None:
            zeros_(self.bias)

    def forward(self, x: Any) -> Any:
        """Return x normalised."""
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )
