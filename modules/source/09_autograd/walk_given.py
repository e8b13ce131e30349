"""The state of one backward pass: which gradients have arrived where, which are complete, and who asked for what."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from tinytorch.core.engine import BROADCASTING, SERVICES, WATCHERS, GradientError, TensorBase, overlay, watchers
from tinytorch.core.tensor import zeros_like
from tinytorch.given.applying import apply_rule, apply_small
from tinytorch.given.deferral import settle
from tinytorch.given.graph import Extras, Node, edge_of
from tinytorch.given.separating import expose
from tinytorch.given.silence import SETTING, SILENT


class Walk:
    """One backward pass, from the moment the first gradient arrives until the last leaf is complete.

    wanted: tensors whose gradients are asked for; None: every leaf, written to its `grad`. retain_graph: keep saved
    values. create_graph: record the rules' own operations. A context manager: it sets the phase and switches recording.
    """

    unbroadcast: Callable

    def __init__(self, wanted: list | None, retain_graph: bool, create_graph: bool):
        self.retain_graph, self.create_graph = retain_graph, create_graph
        self.arrived: dict[Any, list] = {}        # target -> gradient so far of each output
        self.owned: set[tuple] = set()            # edges whose gradient so far is our own sum, safe to add to in place
        self.aliased: set[Any] = set()            # storages that several places may look at
        self.useful: dict[Any, bool] = {}
        self.wanted = None if wanted is None else [self._wanted_edge(i, t) for i, t in enumerate(wanted)]
        self.asked = frozenset(self.wanted or ())
        self.captured: dict[tuple, Any] = {}
        self.anomaly = watchers().get("anomaly")
        self.scope = overlay(phase="backward", autograd=WATCHERS["autograd"] if create_graph else None)

    def __enter__(self) -> Walk:
        self.scope.__enter__()
        self.unwatched = not watchers().active
        self.loud = SETTING.set(SILENT)       # an overflow shows in the gradients; PyTorch does not speak of it either
        return self

    def __exit__(self, *exception: object) -> None:
        SETTING.reset(self.loud)
        self.scope.__exit__(*exception)

    @staticmethod
    def _wanted_edge(position: int, tensor: Any) -> tuple:
        if not isinstance(tensor, TensorBase) or not settle(tensor)._requires_grad:
            raise GradientError(
                f"grad: input {position} does not require a gradient; set requires_grad=True before computing with it."
            )
        return edge_of(expose(tensor))

    # ---- gradients on their way

    def arrive(self, edge: tuple, g: Any) -> None:
        """Add a gradient to what has arrived at an edge's target."""
        target, index = edge
        slots = self.arrived.get(target)
        if slots is None:
            if type(target) is not Node or target.extras is None:      # nearly always
                self.arrived[target] = [g]
                return
            slots = self.arrived[target] = [None] * len(target.metas)
        so_far = slots[index]
        if so_far is None:
            slots[index] = g
        elif edge not in self.owned:
            slots[index] = so_far + g
            if not self.create_graph:
                self.owned.add(edge)
        elif self.unwatched:
            so_far._array += g._array      # nobody has seen this sum: it needs no version, and no door
        else:
            so_far.add_(g)

    def take(self, node: Node) -> list:
        """Return the complete gradients of a node's outputs (None where none arrived); their hooks run now."""
        gradients = self.arrived.pop(node, None) or [None] * len(node.metas)
        if node.extras is None and not self.asked:      # nearly always
            return gradients
        extras = node.extras or Extras()
        for index, g in enumerate(gradients):
            if g is None:
                continue
            if extras.hooks and index in extras.hooks:
                g = gradients[index] = run_hooks(extras.hooks[index], g)
            if extras.retained and index in extras.retained:
                self._retain(extras.retained[index](), g)
            if (node, index) in self.asked:
                self.captured[node, index] = g
                self.aliased.add(g._storage)
        return gradients

    def _retain(self, tensor: Any, g: Any) -> None:
        if tensor is not None and self.wanted is None:
            tensor.grad = g if tensor.grad is None else tensor.grad + g
            self.aliased.add(g._storage)

    def finish(self, leaf: Any) -> None:
        """A leaf's gradient is complete: run its hooks, then write or capture it."""
        (g,) = self.arrived.pop(leaf, [None])
        if g is None:
            return
        if leaf._hooks:
            g = run_hooks(leaf._hooks, g)
            self.aliased.add(g._storage)          # a hook may have kept it
        if self.wanted is not None:
            if (leaf, 0) in self.asked:
                self.captured[leaf, 0] = g
            return
        if leaf.grad is None:
            leaf.grad = g if self.create_graph or not self._shared(g) else g.clone()
        elif self.create_graph or leaf.grad.requires_grad:
            leaf.grad = leaf.grad + g
        else:
            leaf.grad.add_(g)
        for hook in list((leaf._accumulated_hooks or {}).values()):
            hook(leaf)

    def _shared(self, g: Any) -> bool:
        return (g._memory is not None and g._memory in self.aliased) or not g._array.flags.writeable

    # ---- one node

    def gradients_of(self, node: Node, gradients: list) -> list:
        """Run a node's rule; return one gradient, of the right shape and dtype, or None for each of its edges."""
        if self.unwatched and node.backward is apply_rule and gradients[0] is not None:
            if node.rule.accumulate is not None and self._accumulated(node, gradients[0]):
                return [None]
            results, edges = apply_small(node, gradients), node.edges
        elif all(g is None for g in gradients):
            return [None] * len(node.edges)
        else:
            results, edges = self._apply(node, gradients), node.edges
        if not self.retain_graph and node.saved:
            node.release()
        fitted: list = []
        for edge, g in zip(edges, results):      # noqa: B905 (as many; strict costs time at every node)
            if edge is None or g is None:
                fitted.append(None)
                continue
            target, index = edge
            inner = type(target) is Node
            if inner:
                shape, dtype = (target.shape, target.dtype) if index == 0 else target.metas[index]
            else:
                shape, dtype = target._array.shape, target._array.dtype
            if not isinstance(g, TensorBase) or g._array.shape != shape or g._array.dtype is not dtype:
                g = self._fit(node, len(fitted), shape, dtype, g)
            if not inner and target not in self.arrived:      # a second contribution makes a sum, which is new
                self._note_alias(g, gradients, results, len(fitted), node)
            fitted.append(g)
        if self.anomaly is not None:
            self.anomaly.look_at(node, gradients, fitted)
        return fitted

    def _accumulated(self, node: Node, g: Any) -> bool:
        """Add the gradient of a part to that of its whole, if the walk owns one; return whether that was done.

        Otherwise the rule makes a whole. Nobody else has it, so if it is the first to arrive the walk owns it.
        """
        (edge,) = node.edges
        if edge not in self.owned:
            if edge[0] not in self.arrived:
                self.owned.add(edge)
            return False
        target, index = edge
        return node.rule.accumulate(self.arrived[target][index]._array, g._array, **node.params)

    def _apply(self, node: Node, gradients: list) -> Any:
        if node.backward is None:
            raise GradientError(
                f"{node.name}: this graph was walked before and its saved values are gone. "
                "Pass retain_graph=True the first time."
            )
        results = node.backward(node, gradients) if self.anomaly is None else self.anomaly.run(node, gradients)
        if len(results) != len(node.edges):
            raise GradientError(
                f"{node.name}: its rule returned {len(results)} gradients for {len(node.edges)} inputs."
            )
        return results

    def _fit(self, node: Node, position: int, shape: tuple, dtype: Any, g: Any) -> Any:
        if not isinstance(g, TensorBase):
            raise GradientError(
                f"{node.name}: the gradient of input {position} must be a Tensor or None, found {type(g).__name__}."
            )
        if g.shape != shape:
            if _broadcasts(node.primitive) and len(g.shape) >= len(shape):
                g = self.unbroadcast(g, shape)
            if g.shape != shape:
                raise GradientError(
                    f"{node.name}: the gradient of input {position} has shape {g.shape}, expected {shape}."
                )
        return g if g.dtype == dtype else g.to(dtype)

    def _note_alias(self, g: Any, gradients: list, results: Any, position: int, node: Node) -> None:
        """Remember the storage of a leaf's gradient if somebody else may see it.

        It was handed through, returned twice, shares the memory of another, or is held by a user's Function. Only the
        last rule before the leaf can tell: what arrived there, it may have handed on; what it made is new.
        """
        others = [h for i, h in enumerate((*results, *gradients)) if i != position and isinstance(h, TensorBase)]
        memory = g._memory
        if node.primitive is None or _among(g, others):
            self.aliased.add(g._storage)
        elif memory is not None and any(h._memory is memory for h in others):
            self.aliased.add(memory)

    # ---- who asked

    def wants(self, target: Any) -> bool:
        """Return whether some wanted gradient lies behind `target`."""
        if self.wanted is None:
            return True
        if target not in self.useful:
            self._explore(target)
        return self.useful[target]

    def _explore(self, root: Node) -> None:
        stack = [(root, False)]
        while stack:
            node, expanded = stack.pop()
            if expanded:
                self.useful[node] = any(
                    e is not None and (e in self.asked or self.useful.get(e[0], False)) for e in node.edges
                )
            elif node not in self.useful:
                self.useful[node] = False
                stack.append((node, True))
                stack.extend(
                    (e[0], False)
                    for e in node.edges
                    if e is not None and isinstance(e[0], Node) and e[0] not in self.useful
                )

    def collected(self, allow_unused: bool | None, inputs: list, materialize: bool = False) -> tuple:
        """Return the gradients of the wanted `inputs` in order.

        Of an input that the outputs do not depend on: zeros to materialize, None if that is allowed, else an error.
        """
        if materialize and allow_unused is False:
            raise GradientError("grad: materialize_grads=True makes zeros of unused inputs; drop allow_unused=False.")
        found = [self.captured.get(edge) for edge in self.wanted or ()]
        for position, g in enumerate(found):
            if g is None and materialize:
                found[position] = zeros_like(inputs[position].detach())
            elif g is None and not allow_unused:
                raise GradientError(
                    f"grad: the outputs do not depend on input {position}; pass allow_unused=True to get None for it."
                )
        return tuple(found)

    def deposit(self, tensors: list) -> None:
        """Add the gradients that have been asked for to the `grad` of their tensors."""
        for tensor, g in zip(tensors, self.collected(True, tensors), strict=True):
            if g is None:
                continue
            if tensor.grad is not None:
                tensor.grad = tensor.grad + g
            else:
                tensor.grad = g if self.create_graph else g.detach().clone()


def _among(g: Any, others: list) -> bool:
    """Whether g is one of `others`: the very object (== compares values)."""
    for other in others:      # noqa: SIM110 (a generator costs more than the comparison)
        if g is other:
            return True
    return False


def _broadcasts(primitive: Any) -> bool:
    if primitive is None:
        return False
    return primitive.name in BROADCASTING or bool(primitive.mutates)


# ---- hooks -----------------------------------------------------------------------------------------------------------


def run_hooks(hooks: dict, g: Any) -> Any:
    """Call each hook with the gradient; what one returns replaces it."""
    for hook in list(hooks.values()):
        replaced = hook(g)
        if replaced is not None and getattr(replaced, "shape", None) != g.shape:
            found = getattr(replaced, "shape", type(replaced).__name__)
            raise GradientError(
                f"A gradient hook must return None or a tensor of the gradient's shape {g.shape}, found {found}."
            )
        g = g if replaced is None else replaced
    return g


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away again."""

    def __init__(self, hooks: dict, hook: Callable):
        if not callable(hook):
            raise GradientError(f"A hook must be a function of one tensor, found {type(hook).__name__}.")
        self.hooks = hooks
        hooks[id(self)] = hook

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self.hooks.pop(id(self), None)


def _require(tensor: Any, what: str) -> None:
    if not expose(tensor)._requires_grad:
        raise GradientError(f"{what}: this tensor does not require a gradient, so none will ever arrive.")


def register_hook(tensor: Any, hook: Callable) -> RemovableHandle:
    """Call `hook(gradient)` when the gradient of `tensor` is complete; what it returns replaces the gradient."""
    _require(tensor, "register_hook")
    if tensor._node is None:
        tensor._hooks = {} if tensor._hooks is None else tensor._hooks
        return RemovableHandle(tensor._hooks, hook)
    extras = tensor._node.need_extras()
    extras.hooks = {} if extras.hooks is None else extras.hooks
    return RemovableHandle(extras.hooks.setdefault(tensor._index, {}), hook)


def register_post_accumulate_grad_hook(tensor: Any, hook: Callable) -> RemovableHandle:
    """Call `hook(tensor)` as soon as the gradient of this leaf has been written."""
    _require(tensor, "register_post_accumulate_grad_hook")
    if tensor._node is not None:
        raise GradientError(
            "register_post_accumulate_grad_hook: expected a leaf tensor, found the result of an operation. "
            "Use register_hook."
        )
    tensor._accumulated_hooks = {} if tensor._accumulated_hooks is None else tensor._accumulated_hooks
    return RemovableHandle(tensor._accumulated_hooks, hook)


def retain_grad(tensor: Any) -> None:
    """Keep the gradient of a result in its `grad`, as for a leaf."""
    _require(tensor, "retain_grad")
    if tensor._node is not None:
        extras = tensor._node.need_extras()
        extras.retained = {**(extras.retained or {}), tensor._index: weakref.ref(tensor)}


SERVICES["register_hook"] = register_hook
SERVICES["register_post_accumulate_grad_hook"] = register_post_accumulate_grad_hook
SERVICES["retain_grad"] = retain_grad
