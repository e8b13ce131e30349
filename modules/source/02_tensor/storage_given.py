"""What a Tensor carries that a student need not write: where its array lies, and how often it was overwritten.

* `Storage` is shared by a tensor, its views and its `detach()`; it is made when somebody first asks for it.
  Its `version` counts overwritings: a value saved for the backward pass is refused if the version has moved.
  Its `epoch` counts overwritings that were *recorded* in a graph: a view made before one no longer knows its own
  history, and is refused.
* A tensor may be *pending* (see `pending`): the array is computed when somebody first looks at `_array`.

What every operation reads is stored in the tensor itself, and the class has no `__getattr__`: CPython then reads an
attribute in 4 ns, otherwise in 22, and an operation reads some fifteen. `TensorBase` has no metaclass either: with one
`isinstance` takes three times as long.
"""

from typing import Any

import numpy as np
from numpy import ndarray

from tinytorch.given.errors import DTypeError
from tinytorch.given.pending import ONCE, Pending, settle

_new = object.__new__    # `wrap` runs for every operation: one look-up less
DETACHED = -1    # the epoch of a tensor that shares memory but, on purpose, no history


class Storage:
    """The memory behind a tensor and its views; counts what happens to it."""

    version = 0       # overwritings
    epoch = 0         # overwritings that were recorded in a graph


class TensorBase:
    """State of a tensor, without operations. `Tensor` adds those."""

    _array: ndarray             # of a pending tensor: computed on first use
    _memory: Any = None         # the Storage, once somebody has asked for `_storage`
    _requires_grad = False      # asked for by the user (a leaf), or inherited from an input (a result)
    _node: Any = None           # the operation that made it, if recorded
    _index = 0                  # which of the node's outputs it is
    _epoch = 0                  # see Storage.epoch
    _hooks: Any = None          # gradient hooks of a leaf: {id: function}
    _accumulated_hooks: Any = None
    _pending: Pending | None = None
    _readers: Any = None        # while it waited: the Readers that took its place (see pending)
    _fused_by: tuple = ()       # the Readers whose output it is
    _result: type               # the class of what operations on it return
    _grad: Any = None           # Tensor with the gradient of a leaf, after backward()

    def __init_subclass__(cls, **kwargs: Any):
        """A class called Tensor returns itself from operations, any other subclass (Parameter) its parent's kind."""
        super().__init_subclass__(**kwargs)
        if cls.__name__ == "Tensor":
            cls._result = cls

    @property
    def _storage(self) -> Storage:
        """The storage, shared with every view; a pending tensor must have an array first."""
        if self._memory is None:
            settle(self)
            with ONCE:
                self._memory = self._memory or Storage()
        return self._memory

    __hash__ = object.__hash__

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *dir(type(self))})


def wrap(cls: type, array: Any, storage: Storage | None = None) -> Any:
    """Return a tensor of class `cls` around `array` without copying; a view if `storage` is given."""
    tensor = _new(cls)
    tensor._array = array if type(array) is ndarray else as_array(array)
    tensor._requires_grad = False
    tensor._node = None
    tensor._memory = storage
    if storage is not None:
        tensor._epoch = storage.epoch
    return tensor


def as_array(value: Any) -> Any:
    """Return `value` as an array; NumPy's scalars (a full reduction returns one) become 0-d arrays."""
    if value is None:
        raise DTypeError("A kernel returned None instead of an array: is its `return` missing?")
    return value if hasattr(value, "__cuda_array_interface__") else np.asarray(value)
