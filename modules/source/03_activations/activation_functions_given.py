"""More activations, beside the eight that module 03 teaches.

Three are primitives: `elu`, `hardtanh` and `softplus`, of which most of the others are made. The rest is composed, and
so has its gradients from its parts. At a corner the slope is that of PyTorch: the left one of ELU and PReLU, 0 at both
ends of hardtanh. `inplace=True` overwrites the input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.engine import DEFAULT_GENERATOR, Primitive, ShapeError, TinyTorchError, bind, in_place, primitive
from tinytorch.core.tensor import from_array
from tinytorch.given import tensor_ops as ops
from tinytorch.given.arguments import expect_dim, expect_tensor
from tinytorch.given.settings import number

#| face nn.functional: elu, selu, celu, softplus, logsigmoid, softsign, mish
#| face nn.functional: hardtanh, relu6, hardsigmoid, hardswish, threshold, tanhshrink, softshrink, hardshrink
#| face nn.functional: prelu, glu, softmin, gumbel_softmax
#| face nn.functional: relu_, leaky_relu_, elu_, selu_, celu_, hardtanh_, threshold_

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805      # Klambauer et al. 2017, equation 14


def elu_kernel(xp, x, *, alpha, scale, input_scale):
    """Return scale·x where x is positive, else scale·alpha·(e^(input_scale·x) - 1)."""
    below = xp.expm1(xp.minimum(x, 0) * input_scale)
    below *= alpha
    below += xp.maximum(x, 0)
    below *= scale
    return below


def hardtanh_kernel(xp, x, *, min_val, max_val):
    """Return x limited to [min_val, max_val]; NaN stays."""
    return xp.clip(x, min_val, max_val)


def softplus_kernel(xp, x, *, beta=1.0, threshold=np.inf):
    """Return log(1 + e^(beta·x)) / beta without overflow, and x itself where beta·x is above the threshold."""
    scaled = x * beta
    smooth = (xp.maximum(scaled, 0) + xp.log1p(xp.exp(-xp.abs(scaled)))) / beta
    return smooth if threshold == np.inf else xp.where(scaled > threshold, x, smooth)


ELU = Primitive("elu", ops.quiet(elu_kernel), promote="float")
HARDTANH = Primitive("hardtanh", ops.quiet(hardtanh_kernel), promote="float")
SOFTPLUS = Primitive("softplus", ops.quiet(softplus_kernel), promote="float")
ELU_, HARDTANH_ = in_place(ELU), in_place(HARDTANH)


def overwritten(input: Any, inplace: bool, function: Callable) -> Any:
    """Return function(input), written into the input itself if `inplace`."""
    return input.copy_(function(input.clone())) if inplace else function(input)


# ---- exponential below 0 -------------------------------------------------------------------------------------------


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Return input where positive, else alpha·(e^input - 1). Clevert et al. 2015."""
    return _elu(input, inplace, alpha=number(alpha, "elu's alpha"), scale=1.0, input_scale=1.0)


def selu(input: Any, inplace: bool = False) -> Any:
    """Return elu with the two constants that keep mean 0 and variance 1 from layer to layer. Klambauer et al. 2017."""
    return _elu(input, inplace, alpha=SELU_ALPHA, scale=SELU_SCALE, input_scale=1.0)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Return input where positive, else alpha·(e^(input/alpha) - 1): its slope is 1 at 0. Barron 2017."""
    alpha = number(alpha, "celu's alpha")
    if alpha == 0:
        raise TinyTorchError("celu: expected an alpha other than 0, by which the input is divided; found 0.")
    return _elu(input, inplace, alpha=alpha, scale=1.0, input_scale=1 / alpha)


def _elu(input: Any, inplace: bool, **settings: float) -> Any:
    return bind(ELU_ if inplace else ELU, expect_tensor(input, "elu"), **settings)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Return log(1 + e^(beta·input)) / beta, a smooth ReLU; the input itself where beta·input is above `threshold`."""
    beta, threshold = number(beta, "softplus's beta"), number(threshold, "softplus's threshold")
    if beta == 0:
        raise TinyTorchError("softplus: expected a beta other than 0, by which the result is divided; found 0.")
    return bind(SOFTPLUS, expect_tensor(input, "softplus"), beta=beta, threshold=threshold)


def logsigmoid(input: Any) -> Any:
    """Return log(1 / (1 + e^-input)), exact where the sigmoid itself is 0 or 1."""
    return -bind(SOFTPLUS, -expect_tensor(input, "logsigmoid"))


def mish(input: Any, inplace: bool = False) -> Any:
    """Return input·tanh(softplus(input)). Misra 2019."""
    expect_tensor(input, "mish")
    return overwritten(input, inplace, lambda x: x * bind(SOFTPLUS, x, threshold=20.0).tanh())


def softsign(input: Any) -> Any:
    """Return input / (1 + |input|)."""
    return expect_tensor(input, "softsign") / (input.abs() + 1)


# ---- made of straight lines ----------------------------------------------------------------------------------------


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """Return input limited to [min_val, max_val]; no gradient passes at the limits and beyond."""
    lowest, highest = number(min_val, "hardtanh's min_val"), number(max_val, "hardtanh's max_val")
    if lowest > highest:
        raise TinyTorchError(f"hardtanh: expected min_val <= max_val, found {min_val} and {max_val}.")
    return bind(HARDTANH_ if inplace else HARDTANH, expect_tensor(input, "hardtanh"), min_val=lowest, max_val=highest)


def relu6(input: Any, inplace: bool = False) -> Any:
    """Return min(max(input, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """Return relu6(input + 3) / 6, the sigmoid as a straight line between -3 and 3."""
    expect_tensor(input, "hardsigmoid")
    return overwritten(input, inplace, lambda x: relu6(x + 3) / 6)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """Return input·relu6(input + 3) / 6. Howard et al. 2019, MobileNetV3."""
    expect_tensor(input, "hardswish")
    return overwritten(input, inplace, lambda x: x * relu6(x + 3) / 6)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """Return input where it is above `threshold`, else `value`."""
    border, value = number(threshold, "threshold's threshold"), number(value, "threshold's value")
    expect_tensor(input, "threshold")
    return overwritten(input, inplace, lambda x: ops.WHERE(x <= border, value, x))


def tanhshrink(input: Any) -> Any:
    """Return input - tanh(input)."""
    return expect_tensor(input, "tanhshrink") - input.tanh()


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """Return input moved towards 0 by `lambd`, and 0 where it is nearer than that."""
    border = number(lambd, "softshrink's lambd", low=0)
    return expect_tensor(input, "softshrink") - input.clamp(-border, border)


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """Return input where it is farther from 0 than `lambd`, else 0."""
    border = number(lambd, "hardshrink's lambd")
    return ops.WHERE((expect_tensor(input, "hardshrink") >= -border) & (input <= border), 0.0, input)


# ---- with weights, gates, or an axis -------------------------------------------------------------------------------


def prelu(input: Any, weight: Any) -> Any:
    """Return input where positive, else weight·input. weight: one number, or one a channel (axis 1). He et al. 2015."""
    expect_tensor(input, "prelu")
    channels = input.shape[1] if input.ndim > 1 else 1
    if expect_tensor(weight, "prelu's weight").ndim > 1 or weight.numel() not in (1, channels):
        raise ShapeError(
            f"prelu: expected a weight of 1 number or of {channels}, the channels of an input {input.shape}, found "
            f"shape {weight.shape}."
        )
    slopes = weight.reshape(-1, *(1,) * max(input.ndim - 2, 0)) if weight.numel() > 1 else weight.reshape(())
    return ops.WHERE(input > 0, input, slopes * input)


def glu(input: Any, dim: int = -1) -> Any:
    """Return a·sigmoid(b), a and b being the two halves of the input along `dim`. Dauphin et al. 2016."""
    place = ops.axis(dim, expect_tensor(input, "glu").ndim, "glu")
    size = input.shape[place] if input.ndim else 0
    if not input.ndim or size % 2:
        raise ShapeError(f"glu: expected an even size along dim={dim}, to cut in halves, found shape {input.shape}.")
    before = (slice(None),) * place
    gate = input[(*before, slice(size // 2, None))]
    return input[(*before, slice(size // 2))] * gate.sigmoid()


def softmin(input: Any, dim: int | None = None, dtype: Any = None) -> Any:
    """Return the softmax of -input along `dim` (required): the smallest number gets the largest share."""
    place = expect_dim(input, dim, "softmin")
    return (-(input if dtype is None else input.to(dtype))).softmax(place)


def gumbel_softmax(logits: Any, tau: float = 1.0, hard: bool = False, dim: int = -1) -> Any:
    """Return a draw from the categories along `dim` that has a gradient. Jang et al. 2016; Maddison et al. 2016.

    tau: near 0 the draw is nearly one-hot. hard: exactly one-hot, with the gradient of the soft one.
    """
    tau, place = number(tau, "gumbel_softmax's tau"), expect_dim(logits, dim, "gumbel_softmax")
    uniform = DEFAULT_GENERATOR.uniform(logits.shape, np.float64)
    noise = from_array((-np.log(-np.log1p(-np.maximum(uniform, 2.0**-54)))).astype(logits.dtype))
    soft = ((logits + noise) / tau).softmax(place)
    if not hard:
        return soft
    chosen = soft.detach().argmax(place, keepdim=True)
    one_hot = ops.PUT_ALONG(chosen.to(soft.dtype) * 0 + 1, chosen, dim=place, size=logits.shape[place])
    return one_hot - soft.detach() + soft


# ---- in place ------------------------------------------------------------------------------------------------------


def relu_(input: Any) -> Any:
    """Overwrite the input with max(input, 0)."""
    return primitive("relu_")(expect_tensor(input, "relu_"))


def leaky_relu_(input: Any, negative_slope: float = 0.01) -> Any:
    """Overwrite the input where it is negative with negative_slope·input."""
    slope = number(negative_slope, "leaky_relu_'s negative_slope")
    return primitive("leaky_relu_")(expect_tensor(input, "leaky_relu_"), negative_slope=slope)


def elu_(input: Any, alpha: float = 1.0) -> Any:
    """Overwrite the input with its elu."""
    return elu(input, alpha, inplace=True)


def selu_(input: Any) -> Any:
    """Overwrite the input with its selu."""
    return selu(input, inplace=True)


def celu_(input: Any, alpha: float = 1.0) -> Any:
    """Overwrite the input with its celu."""
    return celu(input, alpha, inplace=True)


def hardtanh_(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """Limit the input to [min_val, max_val]."""
    return hardtanh(input, min_val, max_val, inplace=True)


def threshold_(input: Any, threshold: float, value: float) -> Any:
    """Overwrite the input with `value` where it is not above `threshold`."""
    border, value = number(threshold, "threshold_'s threshold"), number(value, "threshold_'s value")
    return overwritten(expect_tensor(input, "threshold_"), True, lambda x: ops.WHERE(x <= border, value, x))
