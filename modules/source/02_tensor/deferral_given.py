"""Operations that wait: deferring one, fusing it with the next, or executing it after all.

A deferrable primitive (normalisation after its statistics, a bias, a ReLU) returns a tensor whose shape and dtype are known
and whose array is computed on first use. If the next operation finds a row for the pair in FUSIONS, the fused primitive is
executed and recorded in place of both. User code sees the same values either way.
"""

from typing import Any
from weakref import WeakSet

from tinytorch.given.scope import Watcher, WatcherTable, overlay
from tinytorch.given.storage import Pending, Storage, TensorBase
from tinytorch.given.tables import FUSIONS, SERVICES, Primitive

WAITING: WeakSet = WeakSet()     # every pending tensor that somebody still holds


class Immediately(Watcher):
    """Asks for single operations, and looks at nothing."""

    single_operations = True

    def after(self, *event: Any) -> None:
        """Nothing to see."""


IMMEDIATELY = Immediately()


def fuse_or_defer(primitive: Primitive, inputs: tuple, params: dict, watchers: WatcherTable) -> Any:
    """Return the output of a fused or a deferred operation, or None: then `bind` goes on as usual."""
    if watchers.single_operations:
        return None
    first = inputs[0]
    waiting = first._pending if isinstance(first, TensorBase) else None
    if waiting is not None and waiting.recorder is watchers.get("autograd"):
        fused = FUSIONS.get((primitive.name, waiting.primitive.name))
        if fused is not None:
            return fused(*waiting.inputs, *inputs[1:], **waiting.params, **params)
    if primitive.deferrable and isinstance(first, TensorBase) and FUSIONS.has_inner(primitive.name):
        return _defer(primitive, inputs, params, watchers)
    return None


def _defer(primitive: Primitive, inputs: tuple, params: dict, watchers: WatcherTable) -> Any:
    recorder = watchers.get("autograd")
    tensor = object.__new__(inputs[0]._result)
    tensor._storage = Storage()
    tensor._pending = Pending(primitive, inputs, params, recorder)
    tensor._requires_grad = recorder is not None and any(isinstance(x, TensorBase) and x._requires_grad for x in inputs)
    WAITING.add(tensor)
    return tensor


def execute_pending(tensor: Any) -> Any:
    """Compute the array of a pending tensor by its own recipe, recorded as it was called; return the array."""
    waiting, tensor._pending = tensor._pending, None
    WAITING.discard(tensor)
    with overlay(autograd=waiting.recorder, immediately=IMMEDIATELY):
        result = SERVICES["bind"](waiting.primitive, *waiting.inputs, **waiting.params)
    tensor._node, tensor._index, tensor._storage = result._node, result._index, result._storage
    tensor._requires_grad, tensor._array = result._requires_grad, result._array
    return tensor._array


def settle(tensor: Any) -> Any:
    """Make sure that a tensor's array and history are there (before a hook, a retained gradient, a look at the graph)."""
    if tensor._pending is not None:
        execute_pending(tensor)
    return tensor


def settle_readers_of(storages: list[Storage]) -> None:
    """Execute every waiting operation that reads one of `storages`: they are about to be overwritten."""
    for tensor in list(WAITING):
        inputs = tensor._pending.inputs if tensor._pending is not None else ()
        if any(isinstance(x, TensorBase) and x._storage in storages for x in inputs):
            execute_pending(tensor)
