"""Dropout of whole channels, and dropout that keeps the statistics of SELU networks.

As in `dropout`, the mask is drawn from (seed, offset) of the default generator, so a repeated forward pass drops the
same units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.core.engine import DEFAULT_GENERATOR, ShapeError, primitive
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor, ones
from tinytorch.given.activation_functions import SELU_ALPHA, SELU_SCALE, overwritten
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.settings import number

#| face nn.functional: dropout1d, dropout2d, alpha_dropout, feature_alpha_dropout
#| face nn: Dropout1d, Dropout2d, AlphaDropout, FeatureAlphaDropout

FLOOR = -SELU_ALPHA * SELU_SCALE          # what SELU gives far on the left: alpha dropout sets dropped units to it


def drawn_mask(shape: tuple[int, ...], p: float, dtype: Any) -> Tensor:
    """Return a mask of this shape: 0 with probability p, else 1 / (1 - p)."""
    blank = ones(*shape, dtype=dtype)
    seed, offset = DEFAULT_GENERATOR.reserve(blank.numel())
    return primitive("dropout")(blank, p=p, seed=seed, offset=offset)


def _float_dtype(input: Any) -> Any:
    return input.dtype if input.dtype.kind == "f" else "float32"


def _channels(input: Any, what: str, features: int) -> tuple[int, ...]:
    """Return the shape of one number a channel, `features` axes following the channels; a batch axis may be missing."""
    if expect_tensor(input, what).ndim not in (features + 1, features + 2):
        axes = ", ".join("LHW"[1:] if features == 2 else "L")
        raise ShapeError(f"{what}: expected an input (N, C, {axes}) or (C, {axes}), found shape {input.shape}.")
    return (*input.shape[: input.ndim - features], *(1,) * features)


def _drop_channels(input: Any, p: float, training: bool, inplace: bool, what: str, features: int) -> Any:
    shape, p = _channels(input, what, features), number(p, f"{what}'s p", 0, 1)
    if not training or p == 0:
        return input
    return overwritten(input, inplace, lambda x: x * drawn_mask(shape, p, _float_dtype(x)))


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Return input (N, C, L) or (C, L) with whole channels set to 0 with probability p, the others divided by 1 - p."""
    return _drop_channels(input, p, training, inplace, "dropout1d", 1)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Return images (N, C, H, W) or (C, H, W) with whole channels set to 0 with probability p. Tompson et al. 2015."""
    return _drop_channels(input, p, training, inplace, "dropout2d", 2)


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Return input with units set to SELU's floor with probability p, then scaled back to mean 0 and variance 1.

    Klambauer et al. 2017. An input of that mean and variance keeps both.
    """
    return _alpha_dropout(input, p, training, inplace, "alpha_dropout", expect_tensor(input, "alpha_dropout").shape)


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Return input (N, C, …) with alpha dropout of whole channels."""
    if expect_tensor(input, "feature_alpha_dropout").ndim < 2:
        raise ShapeError(f"feature_alpha_dropout: expected an input (N, C, …), found shape {input.shape}.")
    shape = (*input.shape[:2], *(1,) * (input.ndim - 2))
    return _alpha_dropout(input, p, training, inplace, "feature_alpha_dropout", shape)


def _alpha_dropout(input: Any, p: float, training: bool, inplace: bool, what: str, shape: tuple[int, ...]) -> Any:
    p = number(p, f"{what}'s p", 0, 1)
    if not training or p == 0:
        return input
    if p == 1:
        return overwritten(input, inplace, lambda x: x * 0.0)
    scale = ((FLOOR * FLOOR * p + 1) * (1 - p)) ** -0.5
    keep = drawn_mask(shape, p, _float_dtype(input)) * (1 - p)                  # 0 or 1
    shift = (1 - keep) * (FLOOR * scale) - scale * FLOOR * p
    return overwritten(input, inplace, lambda x: x * keep * scale + shift)


class DropoutOf(Module):
    """A dropout as a module: at work while `training` is True, afterwards it passes everything."""

    function: Callable[..., Any]

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        self.p, self.inplace = number(p, f"{type(self).__name__}'s p", 0, 1), inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return the input, in training with some of it dropped."""
        return type(self).function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Return the settings, for `print(model)`."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(DropoutOf):
    """Dropout of whole channels of sequences (N, C, L)."""

    function = dropout1d


class Dropout2d(DropoutOf):
    """Dropout of whole channels of images (N, C, H, W)."""

    function = dropout2d


class AlphaDropout(DropoutOf):
    """Dropout for SELU networks: mean 0 and variance 1 stay."""

    function = alpha_dropout


class FeatureAlphaDropout(DropoutOf):
    """Alpha dropout of whole channels."""

    function = feature_alpha_dropout
