"""In-place operations: what `bind` does before and after a kernel that overwrites one of its inputs.

Before: operations that still wait to read the old values are executed, and every watcher may look (autograd takes its
saved values and their versions now). After: the version of each overwritten storage moves by one.
"""

from collections.abc import Callable, Iterator
from typing import Any

from tinytorch.given.deferral import settle_readers_of
from tinytorch.given.errors import DTypeError, ShapeError
from tinytorch.given.promotion import can_hold, promote_operands
from tinytorch.given.scope import WatcherTable
from tinytorch.given.storage import TensorBase
from tinytorch.given.tables import VJPS, Primitive


def mutated(primitive: Primitive, inputs: tuple) -> Iterator[Any]:
    """Yield the tensors that a call overwrites; an input may be a list of tensors (an optimizer's parameters)."""
    for position in primitive.mutates:
        value = inputs[position]
        if isinstance(value, TensorBase):
            yield value
        elif value is not None:
            yield from value


def look_before(primitive: Primitive, inputs: tuple, params: dict, watchers: WatcherTable) -> list:
    """Return each watcher's note, taken before the kernel runs."""
    if primitive.mutates:
        settle_readers_of([t._storage for t in mutated(primitive, inputs)])
    notes = []
    for watcher in watchers.active:
        look = watcher.before_mutation if primitive.mutates and watcher.before_mutation else watcher.before
        notes.append(None if look is None else look(primitive, inputs, params))
    return notes


def in_place(primitive: Primitive, **flags: Any) -> Primitive:
    """Return the in-place variant of an element-wise primitive: `add` → `add_`, which overwrites its first input.

    Its gradient rule is that of the original: the graph sees an ordinary operation whose result took the input's place.
    """
    kernel = _overwriting(primitive)
    twin = Primitive(primitive.name + "_", kernel, mutates=("target",), **flags)
    twin.inputs, twin.variadic, twin.quiet = primitive.inputs, primitive.variadic, primitive.quiet
    return twin


def _overwriting(primitive: Primitive) -> Callable:
    def overwrite(xp, target, *others, **params):
        result = primitive.kernel(xp, *_promoted(primitive, target, others), **params)
        if result.shape != target.shape:
            raise ShapeError(
                f"{primitive.name}_ expected a result of the target's shape {target.shape}, found {result.shape}: "
                f"an in-place operation cannot grow its target. Use {primitive.name} instead."
            )
        if not can_hold(target.dtype, result.dtype):
            raise DTypeError(
                f"{primitive.name}_ gives {result.dtype}, which does not fit its target of {target.dtype}. "
                f"Use {primitive.name} instead, or convert the target first."
            )
        xp.copyto(target, result, casting="unsafe")
        return target

    overwrite.__qualname__ = f"in_place.{primitive.name}"
    return overwrite


def _promoted(primitive: Primitive, target: Any, others: tuple) -> list:
    operands = [target, *others]
    return operands if primitive.promote is None else promote_operands(primitive.promote, operands)


def rule_of(primitive: Primitive) -> Any:
    """Return the gradient rule of a primitive, an in-place one's being that of its original; None if there is none."""
    name = primitive.name
    if name in VJPS:
        return VJPS[name]
    return VJPS.get(name[:-1]) if primitive.mutates and name.endswith("_") else None
