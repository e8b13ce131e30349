"""Operations that wait: deferring one, fusing it with the next, or executing it after all.

A deferrable primitive (normalisation after its statistics, a bias, a ReLU) returns a tensor whose shape and dtype are
known and whose array is computed on first use. If the next operation finds a row for the pair in FUSIONS, the fused
primitive is executed and recorded in place of both. User code sees the same values either way: an operation waits
only if it cannot fail, and it is executed before anything that it reads is overwritten. Where the reference kernels
alone are wanted, every operation runs by itself.
"""

from typing import Any

from tinytorch.given.pending import Pending, Reader, remember_reader, settle, wait, waiting
from tinytorch.given.scope import WatcherTable, phase
from tinytorch.given.storage import Storage, TensorBase
from tinytorch.given.tables import FUSIONS, SETTINGS, Primitive

__all__ = ["fuse_or_defer", "settle", "settle_readers_of"]


def fuse_or_defer(primitive: Primitive, inputs: tuple, params: dict, watchers: WatcherTable) -> Any:
    """Return the output of a fused or a deferred operation, or None: then `bind` goes on as usual."""
    first = inputs[0]
    if watchers.single_operations or SETTINGS["backend"] == "numpy" or not isinstance(first, TensorBase):
        return None
    recorder = watchers.get("autograd")
    pending = first._pending
    if pending is not None and pending.recorder is recorder and pending.phase == phase():
        fused = FUSIONS.get((primitive.name, pending.primitive.name))
        if fused is not None:
            output = fused(*pending.inputs, *inputs[1:], **pending.params, **params)
            if first._requires_grad:
                remember_reader(first, Reader(primitive, inputs[1:], params, recorder, output), output)
            return output
    if not FUSIONS.has_inner(primitive.name) or not _may_wait(primitive, inputs, params):
        return None
    requires_grad = recorder is not None and any(isinstance(x, TensorBase) and x._requires_grad for x in inputs)
    return wait(first._result, requires_grad, Pending(primitive, inputs, params, recorder, phase()))


def _may_wait(primitive: Primitive, inputs: tuple, params: dict) -> bool:
    """Whether a call is certain to succeed, with the shape and dtype of input 0."""
    first, *others = inputs
    if not primitive.deferrable or first.dtype.kind != "f":
        return False
    if callable(primitive.deferrable):
        return bool(primitive.deferrable(*inputs, **params))
    return all(_keeps_shape_and_dtype(first, x) for x in others)


def _keeps_shape_and_dtype(first: Any, other: Any) -> bool:
    if not isinstance(other, TensorBase):
        return other is None or type(other) in (int, float, bool)
    sizes = other.shape
    aligned = first.shape[len(first.shape) - len(sizes) :]
    return (
        other.dtype == first.dtype
        and len(sizes) <= len(first.shape)
        and all(n in (1, size) for n, size in zip(sizes, aligned, strict=True))
    )


def settle_readers_of(storages: list[Storage]) -> None:
    """Execute every waiting operation that reads one of `storages`: they are about to be overwritten."""
    for tensor in waiting():
        pending = tensor._pending
        inputs = pending.inputs if pending is not None else ()
        if any(isinstance(x, TensorBase) and x._pending is None and x._storage in storages for x in inputs):
            settle(tensor)
