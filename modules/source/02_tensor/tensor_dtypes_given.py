"""Dtypes: their names, limits and promotion, and the methods that convert or tell about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.given.errors import DTypeError
from tinytorch.given.pending import settle
from tinytorch.given.promotion import DEFAULT_DTYPE, can_hold, check_dtype, result_dtype
from tinytorch.given.storage import TensorBase
from tinytorch.given.tensor_arguments import axis
from tinytorch.given.tensor_properties import TensorProperties

#| face tinytorch: finfo, iinfo, promote_types, result_type, can_cast, is_floating_point, is_tensor, numel
#| face tinytorch: get_default_dtype, float_dtype as float, double, half, long, int_dtype as int, short

float_dtype, double, half = np.dtype("float32"), np.dtype("float64"), np.dtype("float16")
long, int_dtype, short = np.dtype("int64"), np.dtype("int32"), np.dtype("int16")


@dataclass(frozen=True)
class FloatLimits:
    """What `finfo` returns: Python numbers. tiny is the smallest normal number, resolution 10**-decimals."""

    bits: int
    eps: float
    max: float
    min: float
    tiny: float
    resolution: float
    dtype: str

    @property
    def smallest_normal(self) -> float:
        """Same as `tiny`."""
        return self.tiny


@dataclass(frozen=True)
class IntegerLimits:
    """What `iinfo` returns."""

    bits: int
    max: int
    min: int
    dtype: str


def finfo(dtype: Any = DEFAULT_DTYPE) -> FloatLimits:
    """Return the limits of a floating dtype."""
    found = check_dtype(dtype)
    if found.kind != "f":
        raise DTypeError(f"finfo: expected a floating dtype, found {found}. Use iinfo for integers.")
    info = np.finfo(found)
    numbers = (float(getattr(info, name)) for name in ("eps", "max", "min", "tiny", "resolution"))
    return FloatLimits(info.bits, *numbers, found.name)


def iinfo(dtype: Any) -> IntegerLimits:
    """Return the limits of an integer dtype."""
    found = check_dtype(dtype)
    if found.kind not in "iu":
        raise DTypeError(f"iinfo: expected an integer dtype, found {found}. Use finfo for floats.")
    info = np.iinfo(found)
    return IntegerLimits(info.bits, int(info.max), int(info.min), found.name)


def promote_types(type1: Any, type2: Any) -> np.dtype:
    """Return the dtype in which tensors of two dtypes meet."""
    return result_dtype([np.empty(1, check_dtype(each)) for each in (type1, type2)])


def result_type(tensor1: Any, tensor2: Any) -> np.dtype:
    """Return the dtype in which two tensors or numbers meet."""
    return result_dtype([getattr(each, "_array", each) for each in (tensor1, tensor2)])


def can_cast(from_: Any, to: Any) -> bool:
    """Return whether an in-place operation may write one dtype into another: no floats into integers."""
    return can_hold(check_dtype(to), check_dtype(from_))


def is_tensor(obj: Any) -> bool:
    """Return whether `obj` is a Tensor."""
    return isinstance(obj, TensorBase)


def is_floating_point(input: Any) -> bool:
    """Return whether a tensor holds floats."""
    return _tensor("is_floating_point", input).is_floating_point()


def numel(input: Any) -> int:
    """Return the number of elements of a tensor."""
    return _tensor("numel", input).numel()


def get_default_dtype() -> np.dtype:
    """Return the dtype that Python floats become: float32."""
    return DEFAULT_DTYPE


def _tensor(what: str, value: Any) -> Any:
    if not is_tensor(value):
        raise DTypeError(f"{what}: expected a Tensor, found {type(value).__name__}. Wrap it in tinytorch.tensor(…).")
    return value


class TensorDtypes(TensorProperties):
    """Methods that convert, and that tell how the elements lie in memory."""

    def half(self) -> Any:
        """Return self as float16."""
        return self.to(np.float16)

    def int(self) -> Any:
        """Return self as int32."""
        return self.to(np.int32)

    def short(self) -> Any:
        """Return self as int16."""
        return self.to(np.int16)

    def char(self) -> Any:
        """Return self as int8."""
        return self.to(np.int8)

    def byte(self) -> Any:
        """Return self as uint8."""
        return self.to(np.uint8)

    def type(self, dtype: Any = None) -> Any:
        """Return self in another dtype; without one its own."""
        return self.dtype if dtype is None else self.to(dtype)

    def type_as(self, other: Any) -> Any:
        """Return self in the dtype of another tensor."""
        return self.to(_tensor("type_as", other))

    def cpu(self) -> Any:
        """Return self: it lies on the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Any:
        """Return self on a GPU."""
        return self.to("cuda" if device is None else f"cuda:{device}" if not isinstance(device, str) else device)

    def is_floating_point(self) -> bool:
        """Return whether the elements are floats."""
        return self.dtype.kind == "f"

    def is_signed(self) -> bool:
        """Return whether the dtype has negative numbers."""
        return self.dtype.kind in "fi"

    def element_size(self) -> int:
        """Return the bytes of one element."""
        return self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.numel() * self.dtype.itemsize

    def nelement(self) -> int:
        """Return the number of elements."""
        return self.numel()

    def ndimension(self) -> int:
        """Return the number of axes."""
        return self.ndim

    def stride(self, dim: Any = None) -> Any:
        """Return how many elements lie between neighbours along each axis, or along one."""
        steps = tuple(step // self.dtype.itemsize for step in self._array.strides)
        return steps if dim is None else steps[axis(dim, self.ndim, "stride")]

    @property
    def data(self) -> Any:
        """The same elements without a history. Writing to it counts as overwriting, other than in PyTorch."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        old, new = settle(self)._storage, _tensor("data", value)._storage
        if new is not old:
            new.version = max(old.version, new.version) + 1       # so that nobody takes it for the value saved before
        self._array, self._memory, self._epoch = value._array, new, new.epoch
