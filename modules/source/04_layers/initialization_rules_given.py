"""Further first values of `tinytorch.nn.init`: cut normal numbers, rotations, identities, mostly zeros.

Every function overwrites its tensor in place, unrecorded by autograd, draws from `generator` (the default one if
None), and returns the tensor.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError, Generator, ShapeError
from tinytorch.core.tensor import Tensor
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.initialization import overwrite, source
from tinytorch.given.settings import SettingError, number, whole

#| face nn.init: trunc_normal_, orthogonal_, eye_, dirac_, sparse_


def _floating(tensor: Any, what: str, low: int, high: int | None = None) -> Tensor:
    """Return a floating tensor of `low` to `high` axes, or say what was found."""
    expect_tensor(tensor, what)
    if tensor.dtype.kind != "f":
        raise DTypeError(f"{what}: expected a floating tensor, found {tensor.dtype}.")
    if tensor.ndim < low or (high is not None and tensor.ndim > high):
        axes = f"{low}" if high == low else f"{low} or more" if high is None else f"{low} to {high}"
        raise ShapeError(f"{what}: expected a tensor with {axes} axes, found shape {tensor.shape}.")
    return tensor


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers of the given mean and standard deviation, those outside of [a, b] cut off.

    A uniform number between the shares of the distribution that lie below a and below b, sent through the inverse of
    the cumulative distribution: nothing is drawn twice.
    """
    _floating(tensor, "trunc_normal_", 0)
    settings = {"mean": mean, "std": std, "a": a, "b": b}
    mean, std, a, b = (number(value, f"trunc_normal_'s {name}") for name, value in settings.items())
    if a > b or std <= 0:
        raise SettingError(f"trunc_normal_: expected a <= b and std > 0, found a={a}, b={b}, std={std}.")
    special = import_module("scipy.special")
    low, high = special.ndtr((a - mean) / std), special.ndtr((b - mean) / std)
    draw = low + (high - low) * source(generator).uniform(tensor.shape, np.float64)
    return overwrite(tensor, np.clip(mean + std * special.ndtri(draw), a, b))


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with a matrix whose rows, or columns if they are fewer, are orthogonal and of length `gain`.

    More than two axes: (out, the rest joined). Saxe et al., 2014. The QR factors of normal numbers, with the signs that
    make all such matrices equally likely.
    """
    _floating(tensor, "orthogonal_", 2)
    gain = number(gain, "orthogonal_'s gain")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    draw = source(generator).normal((rows, tensor.numel() // rows), np.float64)
    wide = draw.shape[0] < draw.shape[1]
    q, r = np.linalg.qr(draw.T if wide else draw)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return overwrite(tensor, gain * (q.T if wide else q).reshape(tensor.shape))


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity: a linear layer that passes its input on."""
    return overwrite(tensor, np.eye(*_floating(tensor, "eye_", 2, 2).shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight (out, in, *kernel) so that it passes its input channels on, group by group."""
    _floating(tensor, "dirac_", 3, 5)
    out, channels, *kernel = tensor.shape
    if out % whole(groups, "dirac_'s groups", low=1):
        raise ShapeError(f"dirac_: expected out channels divisible by groups={groups}, found {out}.")
    values = np.zeros(tensor.shape)
    middle, size = tuple(k // 2 for k in kernel), out // groups
    for group in range(groups):
        for i in range(min(size, channels)):
            values[(group * size + i, i, *middle)] = 1.0
    return overwrite(tensor, values)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fill a matrix with normal numbers, in each column the share `sparsity` of them 0, at random. Martens, 2010."""
    rows, columns = _floating(tensor, "sparse_", 2, 2).shape
    zeros = math.ceil(number(sparsity, "sparse_'s sparsity", 0, 1) * rows)
    drawn = source(generator)
    values = drawn.normal((rows, columns), np.float64) * number(std, "sparse_'s std", low=0)
    for column in range(columns):
        values[drawn.permutation(rows)[:zeros], column] = 0.0
    return overwrite(tensor, values)
