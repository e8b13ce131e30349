"""Methods of Tensor that compute: more of the kind that module 02 teaches. `Tensor` inherits them.

A method whose operation is taught later looks its primitive up by name, and says which module brings it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinytorch.given import tensor_ops as ops
from tinytorch.given.errors import DTypeError, ShapeError
from tinytorch.given.storage import TensorBase
from tinytorch.given.tables import primitive
from tinytorch.given.tensor_arrangement import TensorArrangement
from tinytorch.given.tensor_copies import TensorCopies
from tinytorch.given.tensor_dtypes import TensorDtypes
from tinytorch.given.tensor_indexing import TensorIndexing
from tinytorch.given.tensor_linear_algebra import TensorLinearAlgebra
from tinytorch.given.tensor_mathematics import TensorMathematics
from tinytorch.given.tensor_overwriting import TensorOverwriting
from tinytorch.given.tensor_picking import TensorPicking
from tinytorch.given.tensor_random import TensorRandom
from tinytorch.given.tensor_reductions import TensorReductions
from tinytorch.given.tensor_rounding import TensorRounding
from tinytorch.given.tensor_scans import TensorScans
from tinytorch.given.tensor_shapes import TensorShapes
from tinytorch.given.tensor_sorting import TensorSorting
from tinytorch.given.tensor_splitting import TensorSplitting
from tinytorch.given.tensor_statistics import TensorStatistics


class Extremes(NamedTuple):
    """What `max` and `min` along an axis return."""

    values: Any
    indices: Any


def is_operand(value: Any) -> bool:
    """Return whether an operation can take `value` beside a tensor."""
    return isinstance(value, TensorBase | np.ndarray | np.generic | int | float)


class TensorMethods(
    TensorBase,      # first: `isinstance` looks for it along this list, four times an operation
    TensorArrangement,
    TensorDtypes,
    TensorCopies,
    TensorRandom,
    TensorMathematics,
    TensorRounding,
    TensorOverwriting,
    TensorShapes,
    TensorSplitting,
    TensorIndexing,
    TensorPicking,
    TensorSorting,
    TensorReductions,
    TensorScans,
    TensorStatistics,
    TensorLinearAlgebra,
):
    """What can be done with a tensor, beyond the operations that module 02 teaches."""

    # ---- pointwise
    def add(self, other: Any, *, alpha: float = 1) -> Any:
        """Return x + alpha · other."""
        return ops.ADD(self, other if alpha == 1 else other * alpha)

    def sub(self, other: Any, *, alpha: float = 1) -> Any:
        """Return x - alpha · other."""
        return ops.SUB(self, other if alpha == 1 else other * alpha)

    def mul(self, other: Any) -> Any:
        """Return x · other, element by element."""
        return ops.MUL(self, other)

    def neg(self) -> Any:
        """Return -x."""
        return ops.NEG(self)

    def abs(self) -> Any:
        """Return |x|."""
        return ops.ABS(self)

    def pow(self, exponent: Any) -> Any:
        """Return x ** exponent (a number or a tensor)."""
        return ops.POW(self, exponent)

    def exp(self) -> Any:
        """Return e ** x."""
        return ops.EXP(self)

    def log(self) -> Any:
        """Return the natural logarithm; -inf at 0, NaN below."""
        return ops.LOG(self)

    def sqrt(self) -> Any:
        """Return the square root; NaN below 0."""
        return ops.SQRT(self)

    def sign(self) -> Any:
        """Return -1, 0 or 1."""
        return ops.SIGN(self)

    def sin(self) -> Any:
        """Return the sine of x in radians."""
        return ops.SIN(self)

    def cos(self) -> Any:
        """Return the cosine of x in radians."""
        return ops.COS(self)

    def maximum(self, other: Any) -> Any:
        """Return the larger of two tensors, element by element."""
        return ops.MAXIMUM(self, other)

    def minimum(self, other: Any) -> Any:
        """Return the smaller of two tensors, element by element."""
        return ops.MINIMUM(self, other)

    def where(self, condition: Any, other: Any) -> Any:
        """Return self where the condition holds, else other."""
        return ops.WHERE(condition, self, other)

    def relu(self) -> Any:
        """Return max(x, 0)."""
        return primitive("relu", "module 03_activations")(self)

    def sigmoid(self) -> Any:
        """Return 1 / (1 + e**-x)."""
        return primitive("sigmoid", "module 03_activations")(self)

    def tanh(self) -> Any:
        """Return the hyperbolic tangent."""
        return primitive("tanh", "module 03_activations")(self)

    def softmax(self, dim: int) -> Any:
        """Return e**x normalised to sum 1 along `dim`."""
        return primitive("softmax", "module 03_activations")(self, dim=ops.axis(dim, self.ndim, "softmax"))

    def log_softmax(self, dim: int) -> Any:
        """Return the logarithm of softmax along `dim`."""
        return primitive("log_softmax", "module 03_activations")(self, dim=ops.axis(dim, self.ndim, "log_softmax"))

    def __radd__(self, other: Any) -> Any:
        return ops.ADD(other, self)

    def __rmul__(self, other: Any) -> Any:
        return ops.MUL(other, self)

    def __rtruediv__(self, other: Any) -> Any:
        return ops.DIV(other, self)

    def __rmatmul__(self, other: Any) -> Any:
        return primitive("matmul", "module 02_tensor")(other, self)

    def matmul(self, other: Any) -> Any:
        """Return the matrix product self @ other."""
        return primitive("matmul", "module 02_tensor")(self, other)

    def __neg__(self) -> Any:
        return ops.NEG(self)

    def __abs__(self) -> Any:
        return ops.ABS(self)

    def __pow__(self, exponent: Any) -> Any:
        return ops.POW(self, exponent)

    def __rpow__(self, base: Any) -> Any:
        return ops.POW(base, self)

    # ---- comparing
    def __eq__(self, other: Any) -> Any:
        return ops.EQ(self, other) if is_operand(other) else NotImplemented     # x == None is False, as in PyTorch

    def __ne__(self, other: Any) -> Any:
        return ops.NE(self, other) if is_operand(other) else NotImplemented

    def __lt__(self, other: Any) -> Any:
        return ops.LT(self, other)

    def __le__(self, other: Any) -> Any:
        return ops.LE(self, other)

    def __gt__(self, other: Any) -> Any:
        return ops.GT(self, other)

    def __ge__(self, other: Any) -> Any:
        return ops.GE(self, other)

    def __invert__(self) -> Any:
        return ops.BITWISE_NOT(self)

    def __and__(self, other: Any) -> Any:
        return ops.BITWISE_AND(self, other)

    def __or__(self, other: Any) -> Any:
        return ops.BITWISE_OR(self, other)

    __rand__, __ror__ = __and__, __or__
    __hash__ = TensorBase.__hash__

    def isnan(self) -> Any:
        """Return where x is NaN."""
        return ops.ISNAN(self)

    def isfinite(self) -> Any:
        """Return where x is neither NaN nor infinite."""
        return ops.ISFINITE(self)

    def allclose(self, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
        """Return whether |x - other| <= atol + rtol·|other| everywhere."""
        array = other._array if isinstance(other, TensorBase) else np.asarray(other)
        try:
            return bool(np.allclose(self._array, array, rtol=rtol, atol=atol, equal_nan=equal_nan))
        except (TypeError, ValueError) as error:
            raise ShapeError(
                f"allclose: {self.dtype} {self.shape} and {array.dtype} {array.shape} cannot be compared."
            ) from error

    def equal(self, other: Any) -> bool:
        """Return whether shapes and all values are equal."""
        if not isinstance(other, TensorBase):
            raise DTypeError(
                f"equal: expected a Tensor, found {type(other).__name__}. Use == to compare with a number."
            )
        return self.shape == other.shape and bool(np.array_equal(self._array, other._array))

    # ---- reducing
    def amax(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Return the largest value along `dim` (an int or several)."""
        return ops.AMAX(self, dim=ops.axes(dim, self.ndim, "amax"), keepdim=keepdim)

    def amin(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Return the smallest value along `dim` (an int or several)."""
        return ops.AMIN(self, dim=ops.axes(dim, self.ndim, "amin"), keepdim=keepdim)

    def max(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Return the largest value; with `dim` (values, indices) along it; with a tensor the element-wise maximum."""
        if isinstance(dim, TensorBase):
            return self.maximum(dim)
        return self.amax() if dim is None else self._extremes(ops.MAX, self.amax, self.argmax, dim, keepdim)

    def min(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Return the smallest value; with `dim` (values, indices) along it; with a tensor the element-wise minimum."""
        if isinstance(dim, TensorBase):
            return self.minimum(dim)
        return self.amin() if dim is None else self._extremes(ops.MIN, self.amin, self.argmin, dim, keepdim)

    def _extremes(self, both: Any, value: Any, index: Any, dim: int, keepdim: bool) -> Extremes:
        place = ops.axis(dim, self.ndim, both.name)
        return Extremes(*both(self, dim=place, keepdim=keepdim)) if self.ndim else Extremes(value(), index())

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Return the index of the largest value, the first among equals; of the flattened tensor without `dim`."""
        return ops.ARGMAX(self, dim=None if dim is None else ops.axis(dim, self.ndim, "argmax"), keepdim=keepdim)

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Return the index of the smallest value, the first among equals; of the flattened tensor without `dim`."""
        return ops.ARGMIN(self, dim=None if dim is None else ops.axis(dim, self.ndim, "argmin"), keepdim=keepdim)

    def all(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Return whether every element is true."""
        return ops.ALL(self, dim=ops.axes(dim, self.ndim, "all"), keepdim=keepdim)

    def any(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Return whether some element is true."""
        return ops.ANY(self, dim=ops.axes(dim, self.ndim, "any"), keepdim=keepdim)
