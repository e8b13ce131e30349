"""Random tensors beyond rand, randn and randint: other distributions, samples of weights, and filling in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.given import tensor_arguments as arguments
from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, ShapeError, TinyTorchError
from tinytorch.given.promotion import DEFAULT_DTYPE, check_dtype
from tinytorch.given.random import Generator, drawing_from
from tinytorch.given.storage import TensorBase, wrap
from tinytorch.given.tables import SERVICES
from tinytorch.given.tensor_properties import TensorProperties

#| face tinytorch: rand_like, randn_like, randint_like, normal, bernoulli, multinomial


def _new(array: np.ndarray, requires_grad: bool = False) -> Any:
    return wrap(SERVICES["Tensor"], array).requires_grad_(requires_grad)


def _expect(what: str, value: Any) -> Any:
    if not isinstance(value, TensorBase):
        raise DTypeError(f"{what}: expected a Tensor, found {type(value).__name__}. Wrap it in tinytorch.tensor(…).")
    return value


def rand_like(
    input: Any, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """Return uniform numbers in [0, 1) of the shape and dtype of `input`."""
    arguments.check_device(device)
    dtype = _expect("rand_like", input).dtype if dtype is None else check_dtype(dtype)
    return _new(drawing_from(generator).uniform(input.shape, dtype), requires_grad)


def randn_like(
    input: Any, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """Return standard normal numbers of the shape and dtype of `input`."""
    arguments.check_device(device)
    dtype = _expect("randn_like", input).dtype if dtype is None else check_dtype(dtype)
    return _new(drawing_from(generator).normal(input.shape, dtype), requires_grad)


def randint_like(
    input: Any, low: int, high: int | None = None, *, generator: Generator | None = None, dtype: Any = None,
    device: Any = None,
) -> Any:
    """Return random whole numbers in [low, high), or [0, low), of the shape and dtype of `input`."""
    arguments.check_device(device)
    low, high = (0, low) if high is None else (low, high)
    dtype = _expect("randint_like", input).dtype if dtype is None else check_dtype(dtype)
    return _new(drawing_from(generator).integers(low, high, input.shape).astype(dtype))


def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None) -> Any:
    """Return normal numbers of this mean and standard deviation: tensors that broadcast, or numbers and a `size`.

    Nothing is recorded for autograd: write mean + std * randn(…) for a gradient.
    """
    arrays = [value._array if isinstance(value, TensorBase) else value for value in (mean, std)]
    if not all(isinstance(a, np.ndarray | int | float) for a in arrays):
        raise DTypeError(f"normal: expected tensors or numbers as mean and std, found {mean!r} and {std!r}.")
    floats = [a.dtype for a in arrays if isinstance(a, np.ndarray)]
    if not floats and size is None:
        raise ShapeError("normal: expected mean or std as a tensor, or a size, found two numbers. Add size=(…).")
    if any(dtype.kind != "f" for dtype in floats) or np.any(np.less(arrays[1], 0)):
        raise DTypeError("normal: expected a mean and a std in floats, std being 0 or more.")
    shape = arguments.together("normal", *map(np.shape, arrays)) if size is None else arguments.new_shape((size,))
    dtype = floats[0] if floats else DEFAULT_DTYPE
    return _new(np.asarray(arrays[0] + arrays[1] * drawing_from(generator).normal(shape, dtype), dtype))


def bernoulli(input: Any, p: float | None = None, *, generator: Generator | None = None) -> Any:
    """Return 1 with the probability that each element (or `p`) tells, else 0, in the dtype of `input`."""
    array = _expect("bernoulli", input)._array
    if p is None and array.dtype.kind != "f":
        raise DTypeError(f"bernoulli: expected probabilities in floats, found {array.dtype}.")
    return _new(_trials(array if p is None else p, array.shape, generator).astype(array.dtype))


def _trials(p: Any, shape: tuple, generator: Generator | None) -> np.ndarray:
    if not np.all((np.asarray(p) >= 0) & (np.asarray(p) <= 1)):
        raise TinyTorchError("bernoulli: expected probabilities from 0 to 1, found others.")
    return drawing_from(generator).uniform(shape, np.float64) < p


def multinomial(
    input: Any, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Any:
    """Return indices drawn by weight: `num_samples` for each row of `input` (classes,) or (rows, classes); int64.

    input: weights of 0 or more that need not sum to 1. Without replacement no index comes twice.
    """
    weights = np.atleast_2d(_expect("multinomial", input)._array.astype(np.float64))
    count = arguments.count_of(num_samples, "multinomial: num_samples")
    if input.ndim not in (1, 2) or count == 0:
        raise ShapeError(f"multinomial: expected 1 or 2 axes and a sample or more, found {input.shape} and {count}.")
    if not np.all(np.isfinite(weights) & (weights >= 0)) or not np.all(weights.sum(axis=1) > 0):
        raise TinyTorchError("multinomial: expected finite weights of 0 or more, one of them above 0 in each row.")
    if not replacement and count > np.count_nonzero(weights, axis=1).min():
        raise ShapeError(
            f"multinomial: expected at most as many samples as weights above 0, found {count} samples from "
            f"{np.count_nonzero(weights, axis=1).min()}. Set replacement=True to draw some more than once."
        )
    draw = _with_replacement if replacement else _without_replacement
    found = draw(weights, count, drawing_from(generator))
    return _new(found if input.ndim == 2 else found[0])


def _largest(dtype: np.dtype) -> int:
    """Return the number below which a dtype holds every whole number."""
    if dtype.kind == "f":
        return 2 ** (np.finfo(dtype).nmant + 1)
    return 2 if dtype.kind == "b" else int(np.iinfo(dtype).max)


def _with_replacement(weights: np.ndarray, count: int, generator: Generator) -> np.ndarray:
    """Invert the cumulative distribution: the first index whose cumulated weight exceeds a uniform number."""
    ends = np.cumsum(weights, axis=1)
    drawn = generator.uniform((len(weights), count), np.float64) * ends[:, -1:]
    found = np.stack([np.searchsorted(end, u, side="right") for end, u in zip(ends, drawn, strict=True)])
    last = weights.shape[1] - 1 - np.argmax(weights[:, ::-1] > 0, axis=1)       # rounding may lead past it
    return np.minimum(found, last[:, None]).astype(np.int64)


def _without_replacement(weights: np.ndarray, count: int, generator: Generator) -> np.ndarray:
    """The first to arrive of exponential clocks that tick at these rates (Efraimidis and Spirakis, 2006)."""
    with np.errstate(divide="ignore"):
        times = -np.log1p(-generator.uniform(weights.shape, np.float64)) / weights
    return np.argsort(np.where(weights > 0, times, np.inf), axis=1, kind="stable")[:, :count].astype(np.int64)


class TensorRandom(TensorProperties):
    """Methods that draw: each with a trailing underscore overwrites its tensor, and autograd sees a constant."""

    def bernoulli(self, p: float | None = None, *, generator: Generator | None = None) -> Any:
        """Return 1 with the probability that each element (or `p`) tells, else 0."""
        return bernoulli(self, p, generator=generator)

    def multinomial(self, num_samples: int, replacement: bool = False, *, generator: Generator | None = None) -> Any:
        """Return indices drawn by the weights in self."""
        return multinomial(self, num_samples, replacement, generator=generator)

    def normal_(self, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Any:
        """Overwrite self with normal numbers."""
        self._floating("normal_")
        if std < 0:
            raise TinyTorchError(f"normal_: expected a std of 0 or more, found {std}.")
        return self._overwritten(mean + std * drawing_from(generator).normal(self.shape, self.dtype))

    def log_normal_(self, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Any:
        """Overwrite self with numbers whose logarithm is normal."""
        self._floating("log_normal_")
        return self._overwritten(np.exp(mean + std * drawing_from(generator).normal(self.shape, np.float64)))

    def uniform_(self, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None) -> Any:
        """Overwrite self with uniform numbers in [from, to)."""
        self._floating("uniform_")
        if from_ > to:
            raise TinyTorchError(f"uniform_: expected from <= to, found {from_} and {to}.")
        drawn = from_ + (to - from_) * drawing_from(generator).uniform(self.shape, np.float64)
        below = np.nextafter(np.asarray(to, self.dtype), np.asarray(from_, self.dtype))
        return self._overwritten(np.minimum(drawn.astype(self.dtype), below))

    def exponential_(self, lambd: float = 1.0, *, generator: Generator | None = None) -> Any:
        """Overwrite self with exponential numbers of rate `lambd`, so of mean 1 / lambd."""
        self._floating("exponential_")
        if lambd <= 0:
            raise TinyTorchError(f"exponential_: expected a rate above 0, found {lambd}.")
        return self._overwritten(-np.log1p(-drawing_from(generator).uniform(self.shape, np.float64)) / lambd)

    def bernoulli_(self, p: Any = 0.5, *, generator: Generator | None = None) -> Any:
        """Overwrite self with 1 with probability `p` (a number, or a tensor of them), else 0."""
        chance = p._array if isinstance(p, TensorBase) else p
        return self._overwritten(_trials(chance, self.shape, generator))

    def random_(self, from_: int = 0, to: int | None = None, *, generator: Generator | None = None) -> Any:
        """Overwrite self with whole numbers in [from, to), or [0, from); without bounds all the dtype holds."""
        if to is None and from_:
            from_, to = 0, from_
        if to is None:
            to = _largest(self.dtype)
        return self._overwritten(drawing_from(generator).integers(from_, to, self.shape))

    def _overwritten(self, array: Any) -> Any:
        return ops.COPY_(self, wrap(self._result, np.asarray(array)))

    def _floating(self, what: str) -> None:
        if self.dtype.kind != "f":
            raise DTypeError(f"{what}: expected a tensor of floats, found {self.dtype}. Use random_ for integers.")
