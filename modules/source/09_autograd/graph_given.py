"""The graph that the backward pass walks: nodes, edges, and the values that gradient rules need.

The graph hangs on the output tensors and is freed with them. An edge leads from a node to what made one of its inputs:
a pair (target, index), the target being another Node, or the leaf tensor itself; None where no gradient is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from tinytorch.core.engine import (
    DEFAULT_DTYPE,
    NON_DIFFERENTIABLE,
    SERVICES,
    VJPS,
    GradientError,
    Primitive,
    Rule,
    TensorBase,
    mutated,
    wrap,
)
from tinytorch.given.deferral import settle
from tinytorch.given.mutation import rule_of
from tinytorch.given.storage import DETACHED, Storage

# See checkpointing: who keeps what nodes save.
FRAME: ContextVar[Any] = ContextVar("tinytorch_checkpoint_frame", default=None)


class Node:
    """One recorded operation; `record` makes it.

    edges: one for each input. shape, dtype: of the output, the first if there are several. backward:
    `backward(node, gradients)` returns one gradient (or None) for each input. saved: whatever backward needs.
    primitive, params, rule: what was executed, if it was a primitive. extras: what few nodes have, or None.
    """

    __slots__ = (
        "__weakref__", "backward", "dtype", "edges", "extras", "params", "primitive", "rule", "saved", "shape",
    )

    @property
    def metas(self) -> tuple:
        """Shape and dtype of each output."""
        return ((self.shape, self.dtype), *(() if self.extras is None else self.extras.more))

    @property
    def name(self) -> str:
        """What error messages and `repr` call this operation."""
        return self.extras.label if self.primitive is None else self.primitive.name

    def need_extras(self) -> Extras:
        """The node's extras, made if it has none."""
        if self.extras is None:
            self.extras = Extras()
        return self.extras

    def release(self) -> None:
        """Let the saved values go. A node that saved nothing can be walked again."""
        if self.saved:
            self.saved, self.backward = (), None

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Extras:
    """What few nodes have, so that the others need not carry it.

    label: the name of what is no primitive. more: shape and dtype of further outputs. hooks, retained: by output, the
    functions to call with its gradient, and the tensor that wants to keep it.
    """

    label = ""
    more: tuple = ()
    hooks: dict | None = None
    retained: dict | None = None


def record(
    edges: list, outputs: tuple, backward: Callable, saved: tuple = (),
    primitive: Primitive | None = None, params: dict | None = None, rule: Rule | None = None, label: str = "",
) -> Node:
    """Make the Node of an operation and hang it on its floating outputs; of these it keeps only shapes and dtypes.

    It runs for every operation. So it is a function and not `Node.__init__`, which takes 0.1 µs more to call, and
    assigns one by one: a tuple on both sides of `=` would be built first.
    """
    node = Node()
    node.edges = edges
    node.backward = backward
    node.saved = saved
    node.primitive = primitive
    node.params = params
    node.rule = rule
    node.extras = None
    if label:
        node.need_extras().label = label
    if len(outputs) == 1:      # nearly always: spared the loop
        output = outputs[0]
        array = output._array
        dtype = array.dtype
        node.shape = array.shape
        node.dtype = dtype
        if dtype is DEFAULT_DTYPE or dtype.kind == "f":
            output._requires_grad = True
            output._node = node
            output._index = 0
        return node
    (node.shape, node.dtype), *more = [(output._array.shape, output._array.dtype) for output in outputs]
    if more:
        node.need_extras().more = tuple(more)
    for index, output in enumerate(outputs):
        if output._array.dtype.kind == "f":
            output._requires_grad, output._node, output._index = True, node, index
    return node


def edge_of(tensor: Any) -> tuple:
    """Return the edge that leads to a tensor; one whose operation still waits is executed first."""
    node = settle(tensor)._node
    return (tensor, 0) if node is None else (node, tensor._index)


def meta_of(edge: tuple) -> tuple:
    """Return (shape, dtype) of the tensor that an edge leads to."""
    target, index = edge
    return target.metas[index] if type(target) is Node else (target._array.shape, target._array.dtype)


# ---- what a rule keeps -----------------------------------------------------------------------------------------------


def keep(rule: Rule, primitive: Primitive, inputs: tuple, outputs: tuple) -> tuple:
    """Return the values that `rule` saves, each with the version of its storage.

    An output is kept as (array, storage, position): keeping the tensor would make a cycle node → output → node.
    Of a primitive with any number of inputs (cat) the shapes are kept. In a checkpointed part a promise takes their
    place.
    """
    frame = FRAME.get()
    if frame is None:
        return _kept(rule, primitive, inputs, outputs)
    return frame.saved(lambda: _kept(rule, primitive, inputs, outputs))


def _kept(rule: Rule, primitive: Primitive, inputs: tuple, outputs: tuple) -> tuple:
    if primitive.variadic:
        return tuple(x.shape for x in inputs)
    kept: list = []
    for _, is_input, position in rule.keep.get(primitive.name) or rule.kept_by(primitive):
        if is_input:
            value = inputs[position]
            memory = value._memory if isinstance(value, TensorBase) else None
            kept.append((value, 0 if memory is None else memory.version))
        else:
            output = outputs[position]
            if output._memory is None:
                output._memory = Storage()      # nobody else has seen it yet: spared the lock
            kept.append(((output._array, output._memory, position), output._memory.version))
    return tuple(kept)


def version_of(tensor: Any) -> int:
    """Return how often the memory of a tensor was overwritten; never, if nobody asked for its storage yet."""
    return 0 if tensor._memory is None else tensor._memory.version


# ---- which rule ------------------------------------------------------------------------------------------------------


def find_rule(primitive: Primitive) -> Rule | None:
    """Return the gradient rule of a primitive; None if it has no gradient by decision; an error if nobody decided."""
    rule = rule_of(primitive)
    if rule is not None:
        return rule
    if primitive.name in NON_DIFFERENTIABLE:
        return None
    if primitive.decompose is not None:
        VJPS[primitive.name] = rule = Rule(joint=_through_decomposition(primitive), saves=primitive.inputs)
        return rule
    raise GradientError(
        f"{primitive.name} has no gradient rule: add a row to VJPS, or its name to NON_DIFFERENTIABLE, "
        "or detach() its inputs."
    )


def _through_decomposition(primitive: Primitive) -> Callable:
    """Return a rule that differentiates `primitive.decompose`, an equal expression in Tensors."""

    def joint(g: Any, saved: Any, **params: Any) -> list:
        recording = SERVICES["is_grad_enabled"]()
        inputs = [getattr(saved, name) for name in primitive.inputs]
        with SERVICES["enable_grad"]():
            # Views, so that x given twice stays two.
            own = [x.view(x.shape) if need else x for x, need in zip(inputs, saved.needs, strict=True)]
            out = primitive.decompose(*own, **params)
            wanted = [x for x, need in zip(own, saved.needs, strict=True) if need]
            outs, gs = (list(out), list(g)) if isinstance(out, tuple) else ([out], [g])
            pairs = [(o, h) for o, h in zip(outs, gs, strict=True) if h is not None and o.requires_grad]
            outs, gs = [o for o, _ in pairs], [h for _, h in pairs]
            found = iter(SERVICES["grad"](outs, wanted, gs, create_graph=recording, allow_unused=True))
        return [next(found) if need else None for need in saved.needs]

    return joint


# ---- in place --------------------------------------------------------------------------------------------------------


def check_history(tensor: Any, primitive: Primitive, inputs: tuple = (), params: dict | None = None) -> None:
    """Refuse a tensor whose memory was overwritten, in a recorded operation, through another tensor.

    Allowed is the last step of `x[i] += v`: writing back to x the very region that was updated.
    """
    if tensor._epoch in (DETACHED, tensor._storage.epoch):
        return
    if primitive.name == "setitem_" and tensor is inputs[0] and isinstance(inputs[1], TensorBase):
        region, value = tensor._array[params["index"]], inputs[1]._array
        if region.__array_interface__ == value.__array_interface__ and inputs[1]._epoch == tensor._storage.epoch:
            return
    raise GradientError(
        f"{primitive.name}: a tensor of shape {tensor.shape} shares memory with one that was changed in place in a "
        "recorded operation, so its own history no longer holds. Take the view again after the change, or clone() "
        "before it."
    )


def inputs_before_mutation(primitive: Primitive, inputs: tuple, params: dict) -> tuple:
    """Check that an in-place operation may be recorded.

    Return its inputs, with the old values that its rule saves copied.
    """
    targets = list(mutated(primitive, inputs))
    tensors = [x for x in inputs if isinstance(x, TensorBase)]
    for target in targets:
        _refuse_leaf(target, primitive)
    for x in tensors:
        check_history(x, primitive, inputs, params)
    if not any(x._requires_grad for x in tensors):
        return inputs
    rule = find_rule(primitive)
    needed = set() if rule is None else {position for _, is_input, position in rule.kept_by(primitive) if is_input}
    changed = {id(t._storage) for t in targets}
    return tuple(
        _with_copied_array(x) if position in needed and isinstance(x, TensorBase) and id(x._storage) in changed else x
        for position, x in enumerate(inputs)
    )


def _with_copied_array(x: Any) -> Any:
    old = wrap(x._result, x._array.copy())
    old._requires_grad, old._node, old._index = x._requires_grad, x._node, x._index
    return old


def _refuse_leaf(target: Any, primitive: Primitive) -> None:
    if not target._requires_grad:
        return
    node, root = target._node, target
    while node is not None and node.primitive is not None and node.primitive.view:
        root, _ = node.edges[0]
        node = root if isinstance(root, Node) else None
    if node is None and root._storage is target._storage:
        raise GradientError(
            f"{primitive.name}: a leaf tensor that requires a gradient (or a view of one) cannot be changed in place "
            "while operations are recorded. Use `with tinytorch.no_grad():`, or change a clone()."
        )


def mark_changed(outputs: tuple) -> None:
    """After a recorded in-place operation: its targets own the new history.

    Every other view of the memory is out of date.
    """
    for target in outputs:
        target._storage.epoch += 1
        target._epoch = target._storage.epoch


def saved_bytes(*tensors: Any) -> int:
    """Return how many bytes the graph behind `tensors` keeps for the backward pass.

    Memory shared by several nodes counts once.
    """
    seen: dict[int, int] = {}
    visited: set[int] = set()
    stack = [t._node for t in tensors if t._node is not None]
    while stack:
        node = stack.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        entries = node.saved if isinstance(node.saved, tuple) else ()
        for value, _ in (entry for entry in entries if isinstance(entry, tuple) and len(entry) == 2):
            array = value._array if isinstance(value, TensorBase) else value[0] if isinstance(value, tuple) else None
            if hasattr(array, "nbytes"):
                base = array if array.base is None or not hasattr(array.base, "nbytes") else array.base
                seen[id(base)] = base.nbytes
        stack.extend(edge[0] for edge in node.edges if edge is not None and isinstance(edge[0], Node))
    return sum(seen.values())
