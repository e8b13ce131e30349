"""Vectors compared: lengths, normalisation, cosine similarity, distance; classes as vectors; the bilinear layer."""

from __future__ import annotations

import math
from typing import Any

from tinytorch.core.engine import DTypeError, IndexingError, ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor, arange, broadcast_shapes, empty
from tinytorch.given import tensor_ops as ops
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.initialization import uniform_
from tinytorch.given.parameter import Parameter
from tinytorch.given.settings import number

#| face nn.functional: one_hot, normalize, cosine_similarity, pairwise_distance, bilinear
#| face nn: CosineSimilarity, PairwiseDistance, Bilinear, Unflatten


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Return (*tensor.shape, num_classes) of int64: 1 at the place that each integer names, 0 elsewhere.

    num_classes: -1 takes the largest integer plus one.
    """
    if expect_tensor(tensor, "one_hot").dtype.kind not in "iu":
        raise DTypeError(f"one_hot: expected integers, found {tensor.dtype}. Convert them: x.long().")
    if not isinstance(num_classes, int) or isinstance(num_classes, bool) or num_classes < -1 or num_classes == 0:
        raise DTypeError(f"one_hot: expected num_classes to be an int of 1 or more, or -1, found {num_classes!r}.")
    if not tensor.numel() and num_classes == -1:
        raise ShapeError(f"one_hot: expected num_classes for a tensor without elements, found shape {tensor.shape}.")
    lowest, highest = (tensor.min().item(), tensor.max().item()) if tensor.numel() else (0, 0)
    classes = highest + 1 if num_classes == -1 else num_classes
    if lowest < 0 or (tensor.numel() and highest >= classes):
        raise IndexingError(f"one_hot: expected integers from 0 to {classes - 1}, found {lowest} to {highest}.")
    return (tensor.detach().unsqueeze(-1) == arange(classes)).long()


def length(input: Any, p: float, dim: Any, keepdim: bool) -> Any:
    """Return the p-norm (Σ |x|^p)^(1/p) along `dim`. Where it is 0 it has no slope, and its gradient is 0.

    p: a number of 0 or more; 0 counts what is not 0, inf takes the largest |x|.
    """
    if p == 0:
        return (input != 0).to(input.dtype).sum(dim, keepdim)
    if p == math.inf:
        return input.abs().amax(dim, keepdim)
    if p == 1:
        return input.abs().sum(dim, keepdim)
    if p == 2:
        total = (input * input).sum(dim, keepdim)
        nothing = total == 0
        return (total + nothing).sqrt() - nothing
    zero = input == 0                                       # |x|^p has no slope there if p < 1
    total = ((input.abs() + zero) ** p - zero).sum(dim, keepdim)
    nothing = total == 0
    return (total + nothing) ** (1 / p) - nothing


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Any:
    """Return input divided by its p-norm along `dim`, or by eps where the norm is smaller."""
    places = ops.axes(dim, expect_tensor(input, "normalize").ndim, "normalize")
    norm = length(input, number(p, "normalize's p", low=0), places, True)
    return input / norm.clamp(min=number(eps, "normalize's eps"))


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """Return the cosine of the angle between x1 and x2 along `dim`; the shapes broadcast.

    eps: the least length that is divided by, so that a vector of zeros has similarity 0.
    """
    expect_tensor(x1, "cosine_similarity's x1"), expect_tensor(x2, "cosine_similarity's x2")
    eps = number(eps, "cosine_similarity's eps")
    if x1.shape != x2.shape:
        shape = broadcast_shapes(x1.shape, x2.shape)
        x1, x2 = x1.expand(shape), x2.expand(shape)
    place = ops.axis(dim, x1.ndim, "cosine_similarity")
    lengths = (length(x, 2, place, True).clamp(min=eps) for x in (x1, x2))
    first, second = (x / size for x, size in zip((x1, x2), lengths, strict=True))
    return (first * second).sum(place)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """Return the p-norm of x1 - x2 + eps along the last axis; the shapes broadcast."""
    expect_tensor(x1, "pairwise_distance's x1"), expect_tensor(x2, "pairwise_distance's x2")
    difference = x1 - x2 + number(eps, "pairwise_distance's eps")
    return length(difference, number(p, "pairwise_distance's p", low=0), -1, keepdim)


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """Return x1ᵀ·W_k·x2 + b_k for each output k: (…, in1), (…, in2), weight (out, in1, in2) -> (…, out)."""
    expect_tensor(input1, "bilinear's input1"), expect_tensor(input2, "bilinear's input2")
    if expect_tensor(weight, "bilinear's weight").ndim != 3:
        raise ShapeError(f"bilinear: expected a weight (out, in1, in2), found shape {weight.shape}.")
    out, first, second = weight.shape
    leading = input1.shape[:-1]
    if not input1.ndim or input1.shape[-1] != first or input2.shape != (*leading, second):
        raise ShapeError(
            f"bilinear: expected inputs (…, {first}) and (…, {second}) with the same leading axes for a weight "
            f"{weight.shape}, found {input1.shape} and {input2.shape}."
        )
    if bias is not None and expect_tensor(bias, "bilinear's bias").shape != (out,):
        raise ShapeError(f"bilinear: expected a bias of shape ({out},), found {bias.shape}.")
    rows = math.prod(leading)
    through = input1.reshape(rows, first) @ weight.permute(1, 0, 2).reshape(first, out * second)
    result = (through.reshape(rows, out, second) * input2.reshape(rows, 1, second)).sum(-1)
    return (result if bias is None else result + bias).reshape(*leading, out)


class CosineSimilarity(Module):
    """The cosine of the angle between two inputs along `dim`."""

    def __init__(self, dim: int = 1, eps: float = 1e-8):
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Return the cosines, from -1 to 1."""
        return cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of the difference of two inputs along the last axis."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Return the distances."""
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class Bilinear(Module):
    """y_k = x1ᵀ·W_k·x2 + b_k. Parameters: `weight` (out, in1, in2), `bias` (out) unless bias=False."""

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        if in1_features < 1:
            raise ShapeError(f"Bilinear: expected in1_features of 1 or more, found {in1_features}.")
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = Parameter(empty(out_features, in1_features, in2_features))
        self.bias = Parameter(empty(out_features)) if bias else None
        self.to(dtype=dtype, device=device)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew, uniform in ±1/√in1_features."""
        bound = self.in1_features**-0.5
        for parameter in self.parameters():
            uniform_(parameter, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """Return the outputs (…, out_features)."""
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Unflatten(Module):
    """Split the axis `dim` into several of sizes `unflattened_size`, one of which may be -1: the reverse of Flatten."""

    def __init__(self, dim: int, unflattened_size: Any):
        super().__init__()
        if not isinstance(unflattened_size, tuple | list) or not unflattened_size:
            raise DTypeError(f"Unflatten: expected a tuple of sizes, found {unflattened_size!r}.")
        self.dim, self.unflattened_size = dim, ops.sizes((unflattened_size,))

    def forward(self, input: Tensor) -> Tensor:
        """Return the same elements, one axis made several."""
        place = ops.axis(self.dim, expect_tensor(input, "Unflatten").ndim, "Unflatten")
        size, known = input.shape[place], math.prod(n for n in self.unflattened_size if n != -1)
        open_sizes = self.unflattened_size.count(-1)
        if open_sizes > 1 or (size % max(known, 1) if open_sizes else size != known):
            raise ShapeError(
                f"Unflatten: expected sizes that multiply to {size}, the size of axis {self.dim} of {input.shape}, "
                f"found {self.unflattened_size}."
            )
        return input.reshape(*input.shape[:place], *self.unflattened_size, *input.shape[place + 1 :])

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
