"""Filling tensors with their first numbers: `tinytorch.nn.init`, apart from kaiming_uniform_, which module 04 teaches.

Every function overwrites its tensor in place, unrecorded by autograd, draws from `generator` (the default one if
None), and returns the tensor. Sources: Glorot and Bengio 2010 (xavier), He et al. 2015 (kaiming).
"""

import math

import numpy as np

from tinytorch.core.engine import DEFAULT_GENERATOR, DTypeError, Generator, ShapeError, TinyTorchError, overlay
from tinytorch.core.tensor import Tensor, from_array
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.settings import number

#| face nn.init: constant_, zeros_, ones_, normal_, uniform_, calculate_gain
#| face nn.init: kaiming_normal_, xavier_normal_, xavier_uniform_

GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0, "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75,
}


def unrecorded() -> overlay:
    """Return a context in which autograd does not look: a first value, or a loaded one, has no history."""
    return overlay(autograd=None)


def overwrite(tensor: Tensor, values: np.ndarray) -> Tensor:
    """Replace the numbers of `tensor` by `values`; return it."""
    with unrecorded():
        return tensor.copy_(from_array(values))


def source(generator: Generator | None) -> Generator:
    """Return the generator to draw from: the default one if None."""
    if generator is not None and not isinstance(generator, Generator):
        raise DTypeError(f"init: expected a Generator or None, found {type(generator).__name__}.")
    return DEFAULT_GENERATOR if generator is None else generator


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return by how much weights must grow to undo what a nonlinearity does to the spread of its input.

    param: the slope of "leaky_relu", 0.01 if None.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else number(param, "calculate_gain's param")
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in GAINS:
        raise TinyTorchError(
            f"calculate_gain: expected one of {', '.join(sorted((*GAINS, 'leaky_relu')))}, found {nonlinearity!r}."
        )
    return GAINS[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight (out, in, *kernel): the inputs of one output, and the reverse."""
    if expect_tensor(tensor, "init").ndim < 2:
        raise ShapeError(f"Expected a weight of shape (out, in, …) with at least two axes, found {tensor.shape}.")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def fan(tensor: Tensor, mode: str) -> int:
    """Return the "fan_in" or "fan_out" of a weight, at least 1."""
    if mode not in ("fan_in", "fan_out"):
        raise TinyTorchError(f'Expected mode "fan_in" or "fan_out", found {mode!r}.')
    return max(fans(tensor)[mode == "fan_out"], 1)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number."""
    with unrecorded():
        return expect_tensor(tensor, "init").fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers of the given mean and standard deviation."""
    expect_tensor(tensor, "init")
    mean, std = number(mean, "normal_'s mean"), number(std, "normal_'s std")
    return overwrite(tensor, source(generator).normal(tensor.shape, tensor.dtype) * std + mean)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with uniform numbers in [a, b)."""
    expect_tensor(tensor, "init")
    a = number(a, "uniform_'s a")
    b = number(b, "uniform_'s b", low=a)
    return overwrite(tensor, source(generator).uniform(tensor.shape, tensor.dtype) * (b - a) + a)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers of standard deviation gain / √fan."""
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(fan(tensor, mode)), generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers of standard deviation gain · √(2 / (fan_in + fan_out))."""
    gain = number(gain, "xavier_normal_'s gain")
    return normal_(tensor, 0.0, gain * math.sqrt(2 / max(sum(fans(tensor)), 1)), generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with uniform numbers of standard deviation gain · √(2 / (fan_in + fan_out))."""
    bound = number(gain, "xavier_uniform_'s gain") * math.sqrt(6 / max(sum(fans(tensor)), 1))
    return uniform_(tensor, -bound, bound, generator)
