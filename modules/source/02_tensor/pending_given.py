"""Tensors whose array waits: shape and dtype are known, the array is computed when somebody first looks at `_array`."""

from collections.abc import Iterator
from functools import cache
from threading import RLock
from typing import Any
from weakref import ref

from tinytorch.given.scope import Watcher, overlay
from tinytorch.given.tables import SERVICES, Primitive

ONCE = RLock()                   # what is made on first use is made once, whatever the number of threads
_WAITING: dict[int, ref] = {}    # id -> every pending tensor that somebody holds (by identity: == compares values)


class Pending:
    """An operation that was called and not yet executed: enough to run it later, or to run something better instead.

    recorder, phase: who recorded gradients when it was called (None: nobody), and in which phase.
    """

    __slots__ = ("dtype", "inputs", "params", "phase", "primitive", "recorder", "shape")

    def __init__(self, primitive: Primitive, inputs: tuple, params: dict, recorder: Any, phase: str):
        self.primitive, self.inputs, self.params, self.recorder, self.phase = primitive, inputs, params, recorder, phase
        self.shape, self.dtype = inputs[0].shape, inputs[0].dtype


class Reader:
    """An operation that read a waiting tensor and was fused with it: what it would have been alone.

    Needed by whoever asks for the gradient of the waiting tensor afterwards. output, node: weak references to the
    result and to what was recorded for it (None: not yet); readers: those of the result, also when that is gone.
    """

    __slots__ = ("node", "others", "output", "params", "primitive", "readers", "recorder")

    def __init__(self, primitive: Primitive, others: tuple, params: dict, recorder: Any, output: Any):
        self.primitive, self.others, self.params, self.recorder = primitive, others, params, recorder
        self.output, self.readers = ref(output), []
        self.note(output)

    def note(self, output: Any) -> None:
        """Remember what was recorded for the output."""
        self.node = None if output._node is None else ref(output._node)


def remember_reader(first: Any, reader: Reader, output: Any) -> None:
    """Write down that `output` was computed by `reader` out of the waiting tensor `first`."""
    if first._readers is None:
        first._readers = []
        for earlier in first._fused_by:
            earlier.readers = first._readers
    first._readers.append(reader)
    output._fused_by = (*output._fused_by, reader)


class Immediately(Watcher):
    """Asks for single operations, and looks at nothing."""

    single_operations = True

    def after(self, *event: Any) -> None:
        """Nothing to see."""


IMMEDIATELY = Immediately()


@cache
def pending_class(cls: type) -> type:
    """Return the class that a tensor of class `cls` has while it waits: the same, but `_array` is computed."""
    waiting_class = type(f"Pending{cls.__name__}", (cls,), {"_array": property(execute_pending)})
    waiting_class.__name__ = waiting_class.__qualname__ = cls.__name__      # what it is called is nobody's business
    return waiting_class


def wait(cls: type, requires_grad: bool, pending: Pending) -> Any:
    """Return a tensor of class `cls`, without an array, that waits for `pending`."""
    tensor = object.__new__(pending_class(cls))
    tensor._requires_grad, tensor._pending = requires_grad, pending
    key = id(tensor)
    _WAITING[key] = ref(tensor, lambda _: _WAITING.pop(key, None))
    return tensor


def waiting() -> Iterator[Any]:
    """Yield every tensor whose array waits."""
    for reference in list(_WAITING.values()):
        tensor = reference()
        if tensor is not None:
            yield tensor


def execute_pending(tensor: Any) -> Any:
    """Compute the array of a pending tensor by its own recipe, recorded as it was called; return the array.

    If the recipe fails the tensor goes on waiting, and the next look fails in the same way.
    """
    with ONCE:
        pending = tensor._pending
        if pending is None:                      # another thread was faster
            return tensor.__dict__["_array"]
        with overlay(pending.phase, autograd=pending.recorder, immediately=IMMEDIATELY):
            result = SERVICES["bind"](pending.primitive, *pending.inputs, **pending.params)
        tensor._requires_grad, tensor._node, tensor._index = result._requires_grad, result._node, result._index
        tensor._memory, tensor._epoch = result._storage, result._epoch
        tensor.__dict__["_array"] = result._array
        tensor.__class__ = tensor._result        # from here on other threads see a complete tensor
        tensor._pending = None
        for reader in tensor._fused_by:
            reader.note(tensor)
        _WAITING.pop(id(tensor), None)
        return tensor._array


def settle(tensor: Any) -> Any:
    """Make sure that a tensor's array and history are there (before a hook, or a look at the graph)."""
    if tensor._pending is not None:
        execute_pending(tensor)
    return tensor
