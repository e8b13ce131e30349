"""What a tensor is: its shape and dtype, its gradient settings, and how the rest of Python sees it."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from tinytorch.given import tensor_arguments as arguments
from tinytorch.given.absent_names import AbsentNames
from tinytorch.given.errors import DTypeError, GradientError, IndexingError, ShapeError
from tinytorch.given.pending import settle
from tinytorch.given.storage import DETACHED, TensorBase, wrap
from tinytorch.given.tables import service
from tinytorch.given.tensor_device import CPU, device
from tinytorch.given.tensor_printing import suffixes_of, text_of


class TensorProperties(AbsentNames):
    """Everything about a TensorBase that needs no operation; the methods `permute` and `transpose` come from below."""

    __array_priority__ = 1000     # so that array + tensor asks the tensor

    @property
    def requires_grad(self) -> bool:
        """Whether backward() computes a gradient for this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.dtype.kind != "f":
            raise GradientError(
                f"Expected a floating dtype to require a gradient, found {self.dtype}. Convert it: x.float()."
            )
        if not value and not self.is_leaf:
            raise GradientError("requires_grad can be switched off on leaf tensors only; use x.detach() for a result.")
        settle(self)._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set `requires_grad`; return self."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Any:
        """The gradient of a leaf after backward(): a tensor of the same shape and dtype, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, TensorBase):
                raise DTypeError(f"grad: expected a Tensor or None, found {type(value).__name__}.")
            if value.shape != self.shape:
                raise ShapeError(f"grad: expected the tensor's shape {self.shape}, found {value.shape}.")
            if value.dtype != self.dtype:
                raise DTypeError(
                    f"grad: expected the tensor's dtype {self.dtype}, found {value.dtype}. Convert it: g.to(x.dtype)."
                )
        self._grad = value

    @property
    def grad_fn(self) -> Any:
        """The recorded operation that made this tensor; None for a leaf."""
        return settle(self)._node

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor: its gradient is kept in `grad`."""
        return settle(self)._node is None

    @property
    def device(self) -> device:
        """Where the array lives."""
        return CPU

    @property
    def is_cuda(self) -> bool:
        """Whether the array lives on a GPU."""
        return self.device.type == "cuda"

    @property
    def T(self) -> Any:
        """All axes in reverse order."""
        return self.permute(*reversed(range(self.ndim)))

    @property
    def mT(self) -> Any:
        """The last two axes swapped."""
        return self.transpose(-2, -1)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""
        return self._array.shape if self._pending is None else self._pending.shape

    @property
    def dtype(self) -> np.dtype:
        """The NumPy dtype of the elements."""
        return self._array.dtype if self._pending is None else self._pending.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or one size of it."""
        if dim is None:
            return self.shape
        if self.ndim == 0:
            raise IndexingError("size: a 0-d tensor has no axes; leave out dim for its shape.")
        return self.shape[arguments.axis(dim, self.ndim, "size")]

    def dim(self) -> int:
        """Return the number of axes."""
        return self.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return prod(self.shape)

    def item(self) -> Any:
        """Return the only element as a Python number."""
        if self.numel() != 1:
            raise ShapeError(f"item: expected a tensor with one element, found shape {self.shape}. Use tolist().")
        return self._array.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers."""
        return self._array.tolist()

    def __repr__(self) -> str:
        """The values as PyTorch shows them, then what is unusual: tensor([1.], requires_grad=True)."""
        return text_of(self._array, "tensor(", suffixes_of(self))

    def __format__(self, spec: str) -> str:
        """A single number takes a format: f"{loss:.3f}"."""
        if self.ndim == 0 and type(self) is self._result:
            return format(self.item(), spec)
        if spec:
            raise DTypeError(f"A format such as {spec!r} needs a 0-d tensor, found shape {self.shape}. Use x.item().")
        return repr(self)

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
        found = self == value
        return found if isinstance(found, bool) else bool(found.any())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.numpy().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    def __deepcopy__(self, memo: dict) -> Any:
        """A copy that owns its array; only leaves can be copied, as in PyTorch."""
        if not self.is_leaf:
            raise GradientError("Only a leaf tensor can be deep-copied: call x.detach() first.")
        twin = wrap(type(self), self._array.copy(order="K"))
        twin._requires_grad = self._requires_grad
        memo[id(self)] = twin
        if self.grad is not None:
            twin.grad = wrap(type(self.grad), self.grad._array.copy(order="K"))
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

    def detach_(self) -> Any:
        """Cut this tensor from the graph that made it: it becomes a leaf without gradient."""
        if self._node is not None and self._node.primitive is not None and self._node.primitive.view:
            raise GradientError("detach_: a view shares its history with other tensors; use detach().")
        self._node, self._index, self._requires_grad = None, 0, False
        return self

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Compute the gradient of this tensor with respect to every leaf behind it, or `inputs` only (module 09)."""
        backward = service("backward", "module 09_autograd")
        backward([self], [gradient], retain_graph=retain_graph, create_graph=create_graph, inputs=inputs)

    def register_hook(self, hook: Any) -> Any:
        """Call `hook(gradient)` when the gradient of this tensor is complete; what it returns replaces the gradient."""
        return service("register_hook", "module 09_autograd")(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Any) -> Any:
        """Call `hook(tensor)` as soon as the gradient of this leaf has been written."""
        return service("register_post_accumulate_grad_hook", "module 09_autograd")(self, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of this result in `grad`, as for a leaf."""
        service("retain_grad", "module 09_autograd")(self)
