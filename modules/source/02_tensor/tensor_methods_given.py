"""Further methods of Tensor: more of the kind that module 02 teaches. `Tensor` inherits them.

A method whose operation is taught later looks its primitive up by name, and says which module brings it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.given import tensor_ops as ops
from tinytorch.given.deferral import settle
from tinytorch.given.errors import DTypeError, GradientError, ShapeError
from tinytorch.given.storage import DETACHED, TensorBase, wrap
from tinytorch.given.tables import primitive, service


class TensorProperties(TensorBase):
    """What a tensor is: its gradient settings, and how the rest of Python sees it."""

    __array_priority__ = 1000     # so that array + tensor asks the tensor

    @property
    def requires_grad(self) -> bool:
        """Whether backward() computes a gradient for this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.dtype.kind != "f":
            raise GradientError(f"Expected a floating dtype to require a gradient, found {self.dtype}. Convert it: x.float().")
        if not value and self._node is not None:
            raise GradientError("requires_grad can be switched off on leaf tensors only; use x.detach() for a result.")
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set `requires_grad`; return self."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> Any:
        """The recorded operation that made this tensor; None for a leaf."""
        return settle(self)._node

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor: its gradient is kept in `grad`."""
        return settle(self)._node is None

    @property
    def device(self) -> str:
        """Where the array lives."""
        return "cpu"

    @property
    def T(self) -> Any:
        """All axes in reverse order."""
        return self.permute(*reversed(range(self.ndim)))

    @property
    def mT(self) -> Any:
        """The last two axes swapped."""
        return self.transpose(-2, -1)

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or one size of it."""
        return self.shape if dim is None else self.shape[ops.axis(dim, self.ndim, "size")]

    def dim(self) -> int:
        """Return the number of axes."""
        return self.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        if self.ndim == 0:
            raise DTypeError("len() expects a tensor with at least one axis, found a 0-d tensor. Use x.item().")
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise ShapeError(f"A truth value needs one element, found shape {self.shape}. Use x.any() or x.all().")
        return bool(self._array)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise DTypeError(f"Expected an integer tensor as an index, found {self.dtype}.")
        return int(self.item())

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return np.array(array, dtype=dtype) if copy else np.asarray(array, dtype=dtype)

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.numpy().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    def __deepcopy__(self, memo: dict) -> Any:
        """A copy that owns its array; only leaves can be copied, as in PyTorch."""
        if self._node is not None:
            raise GradientError("Only a leaf tensor can be deep-copied: call x.detach() first.")
        twin = wrap(type(self), self._array.copy())
        twin._requires_grad = self._requires_grad
        memo[id(self)] = twin
        if self.grad is not None:
            twin.grad = wrap(type(self.grad), self.grad._array.copy())
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise DTypeError("A Tensor is never pickled (unpickling can run anything). Use tinytorch.save, or x.numpy().")

    def numpy(self) -> np.ndarray:
        """Return the array itself, not a copy. Writing into it is not seen by autograd."""
        if self._requires_grad:
            raise GradientError("This tensor requires a gradient, which NumPy would lose: call x.detach().numpy().")
        return self._array

    def detach(self) -> Any:
        """Return a tensor that shares the array but not the history."""
        tensor = wrap(self._result, self._array, self._storage)
        tensor._epoch = DETACHED
        return tensor

    def data_ptr(self) -> int:
        """Return the address of the first element."""
        return self._array.__array_interface__["data"][0]

    def is_contiguous(self) -> bool:
        """Return whether the elements lie in row-major order without gaps."""
        return self._array.flags.c_contiguous

    def backward(self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False) -> None:
        """Compute the gradient of this tensor with respect to every leaf that it depends on (module 09)."""
        service("backward", "module 09_autograd")([self], [gradient], retain_graph=retain_graph, create_graph=create_graph)

    def register_hook(self, hook: Any) -> Any:
        """Call `hook(gradient)` when the gradient of this tensor is complete; what it returns replaces the gradient."""
        return service("register_hook", "module 09_autograd")(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Any) -> Any:
        """Call `hook(tensor)` as soon as the gradient of this leaf has been written."""
        return service("register_post_accumulate_grad_hook", "module 09_autograd")(self, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of this result in `grad`, as for a leaf."""
        service("retain_grad", "module 09_autograd")(self)


class TensorMethods(TensorProperties):
    """What can be done with a tensor, beyond the operations that module 02 teaches."""

    # ---- pointwise
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

    def clamp(self, min: Any = None, max: Any = None) -> Any:
        """Limit the values to [min, max]; None leaves a side open."""
        if min is None and max is None:
            raise ShapeError("clamp: expected min, max or both, found neither.")
        return ops.CLAMP(self, min=min, max=max)

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
        return ops.EQ(self, other)

    def __ne__(self, other: Any) -> Any:
        return ops.NE(self, other)

    def __lt__(self, other: Any) -> Any:
        return ops.LT(self, other)

    def __le__(self, other: Any) -> Any:
        return ops.LE(self, other)

    def __gt__(self, other: Any) -> Any:
        return ops.GT(self, other)

    def __ge__(self, other: Any) -> Any:
        return ops.GE(self, other)

    def __invert__(self) -> Any:
        return ops.LOGICAL_NOT(self)

    def __and__(self, other: Any) -> Any:
        return ops.LOGICAL_AND(self, other)

    def __or__(self, other: Any) -> Any:
        return ops.LOGICAL_OR(self, other)

    __hash__ = TensorBase.__hash__

    def isnan(self) -> Any:
        """Return where x is NaN."""
        return ops.ISNAN(self)

    def isfinite(self) -> Any:
        """Return where x is neither NaN nor infinite."""
        return ops.ISFINITE(self)

    def allclose(self, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
        """Return whether |x - other| <= atol + rtol·|other| everywhere."""
        other = other._array if isinstance(other, TensorBase) else other
        return bool(np.allclose(self._array, other, rtol=rtol, atol=atol, equal_nan=equal_nan))

    def equal(self, other: Any) -> bool:
        """Return whether shapes and all values are equal."""
        return self.shape == other.shape and bool(np.array_equal(self._array, other._array))

    # ---- reducing
    def var(self, dim: Any = None, correction: int = 1, keepdim: bool = False) -> Any:
        """Return the variance along `dim`: squared distance to the mean, divided by n - correction."""
        dims = ops.axes(dim, self.ndim, "var")
        count = int(np.prod(self.shape if dims is None else [self.shape[d] for d in dims], dtype=np.int64))
        distance = self - self.mean(dim=dims, keepdim=True)
        return (distance * distance).sum(dim=dims, keepdim=keepdim) / float(max(count - correction, 0) or float("nan"))

    def std(self, dim: Any = None, correction: int = 1, keepdim: bool = False) -> Any:
        """Return the standard deviation along `dim`."""
        return self.var(dim, correction, keepdim).sqrt()

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
        return self.amax() if dim is None else ops.MAX(self, dim=ops.axis(dim, self.ndim, "max"), keepdim=keepdim)

    def min(self, dim: Any = None, keepdim: bool = False) -> Any:
        """Return the smallest value; with `dim` (values, indices) along it; with a tensor the element-wise minimum."""
        if isinstance(dim, TensorBase):
            return self.minimum(dim)
        return self.amin() if dim is None else ops.MIN(self, dim=ops.axis(dim, self.ndim, "min"), keepdim=keepdim)

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

    # ---- shapes
    def view(self, *shape: Any) -> Any:
        """Return the same elements in another shape, without copying."""
        result = self.reshape(*shape)
        if result._storage is not self._storage:
            raise ShapeError(f"view: expected elements that lie in order in memory, found strides {self._array.strides}. Use reshape.")
        return result

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Any:
        """Return the axes from start_dim to end_dim (included) joined into one."""
        start, end = ops.axis(start_dim, self.ndim, "flatten"), ops.axis(end_dim, self.ndim, "flatten")
        if start > end:
            raise ShapeError(f"flatten: expected start_dim <= end_dim, found {start_dim} and {end_dim} for {self.ndim} dimensions.")
        joined = int(np.prod(self.shape[start : end + 1], dtype=np.int64))
        return self.reshape(*self.shape[:start], joined, *self.shape[end + 1 :])

    def transpose(self, dim0: int, dim1: int) -> Any:
        """Return a view with two axes swapped."""
        order = list(range(self.ndim))
        a, b = ops.axis(dim0, self.ndim, "transpose"), ops.axis(dim1, self.ndim, "transpose")
        if self.ndim:
            order[a], order[b] = order[b], order[a]
        return self.permute(*order)

    def squeeze(self, dim: int | None = None) -> Any:
        """Return a view without the axes of size 1 (or without `dim`, if its size is 1)."""
        drop = {i for i, n in enumerate(self.shape) if n == 1}
        if dim is not None:
            drop &= {ops.axis(dim, self.ndim, "squeeze")}
        return self.reshape(tuple(n for i, n in enumerate(self.shape) if i not in drop))

    def unsqueeze(self, dim: int) -> Any:
        """Return a view with a new axis of size 1 at `dim`."""
        place = ops.axis(dim, self.ndim + 1, "unsqueeze")
        return self.reshape(self.shape[:place] + (1,) + self.shape[place:])

    def expand(self, *shape: Any) -> Any:
        """Return a view with axes of size 1 repeated, and new leading axes; -1 keeps a size."""
        wanted = ops.sizes(shape)
        new = len(wanted) - self.ndim
        return ops.EXPAND(self, shape=tuple(self.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(wanted)))

    def broadcast_to(self, shape: Any) -> Any:
        """Return a view of this shape, axes of size 1 repeated."""
        return self.expand(*shape)

    def clone(self) -> Any:
        """Return a copy with a history."""
        return ops.COPY(self)

    def contiguous(self) -> Any:
        """Return self if its elements lie in row-major order, else a copy that does."""
        return self if self.is_contiguous() else ops.COPY(self)

    def gather(self, dim: int, index: Any) -> Any:
        """Return x picked along `dim`: one index for each place of the result."""
        return ops.TAKE_ALONG(self, index, dim=ops.axis(dim, self.ndim, "gather"))

    # ---- dtypes
    def to(self, target: Any) -> Any:
        """Return self in another dtype (or on device "cpu")."""
        if isinstance(target, str) and target not in np.sctypeDict:
            if target == "cpu":
                return self
            raise NotImplementedError(f'device="{target}": the GPU backend arrives in module 13_kernels; only "cpu" is here now.')
        return self if self.dtype == target else ops.CAST(self, dtype=np.dtype(target))

    def float(self) -> Any:
        """Return self as float32."""
        return self.to(np.float32)

    def double(self) -> Any:
        """Return self as float64."""
        return self.to(np.float64)

    def long(self) -> Any:
        """Return self as int64."""
        return self.to(np.int64)

    def bool(self) -> Any:
        """Return self as bool: True where not zero."""
        return self.to(np.bool_)
