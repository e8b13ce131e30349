"""Applying a gradient rule to a node of the graph: what the rule sees of the saved values, and how it is called.

A small gradient takes a short way. Most rules are arithmetic, `g * saved.b`, and arithmetic is written for arrays as
for tensors. Where nobody watches and nothing is recorded they are given arrays, and each of their operations costs a
third: the difference between a network of small layers that computes and one that keeps books.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from numpy import ndarray

from tinytorch.core.engine import SERVICES, GradientError, Primitive, Rule, TensorBase, wrap
from tinytorch.given.graph import Node, meta_of, version_of

_fill = tuple.__new__      # of a named tuple, from a list: three times as fast as calling it
SMALL = 1 << 13      # elements: from here on an operation costs more than the way through the door


class Saved:
    """What a gradient rule sees: `saved.x` is the kept input, output or residual of that name.

    It is refused if overwritten since. needs[i]: whether input i needs a gradient. shape(name), dtype(name): of an
    input that does. shapes: of all inputs of a primitive with any number of them.
    """

    __slots__ = ("_node",)

    def __init__(self, node: Node):
        self._node = node
        if node.saved and type(node.saved) is not tuple:
            node.saved = node.saved.resolve()

    @property
    def needs(self) -> tuple[bool, ...]:
        """For each input whether its gradient is wanted."""
        return tuple(edge is not None for edge in self._node.edges)

    def __getattr__(self, name: str) -> Any:
        node = self._node
        raise GradientError(
            f"The rule of {node.name} reads saved.{name}, but saves only {node.rule.saves}. Add it to `saves`."
        )

    def _refuse(self, name: str, now: int, version: int) -> None:
        raise GradientError(
            f"{self._node.name}: the value {name!r} is needed for its gradient but was overwritten in place "
            f"afterwards (saved at version {version}, now {now}). Clone it before, or avoid the "
            "in-place operation."
        )

    def _edge(self, name: str) -> tuple:
        edge = self._node.edges[self._node.primitive.inputs.index(name)]
        if edge is None:
            raise GradientError(
                f"{self._node.name}: shape and dtype of {name!r} are known only if it needs a gradient."
            )
        return edge

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an input that needs a gradient."""
        return meta_of(self._edge(name))[0]

    def dtype(self, name: str) -> Any:
        """Return the dtype of an input that needs a gradient."""
        return meta_of(self._edge(name))[1]

    @property
    def shapes(self) -> tuple:
        """The shapes of all inputs of a primitive that takes any number of them."""
        return self._node.saved


class Applied:
    """What applying a rule to one primitive needs, made once.

    view: Saved with a property for each value that is kept, found in a tenth of the time of `__getattr__`.
    functions: one, or None, for each input.
    plain: a named tuple for arrays under the same names, if the functions are arithmetic alone; else None.
    """

    __slots__ = ("functions", "plain", "view")

    def __init__(self, rule: Rule, primitive: Primitive):
        kept = () if primitive.variadic else rule.kept_by(primitive)
        self.view = _view(kept, primitive)
        self.functions = rule.per_input + (None,) * (len(primitive.inputs) - len(rule.per_input))
        alone = rule.joint is None and primitive.visible == 1 and not primitive.variadic
        names = [name for name, *_ in kept]
        arithmetic = alone and all(f is None or is_arithmetic(f, names) for f in self.functions)
        self.plain: type | None = namedtuple("SavedArrays", names) if arithmetic else None
        rule.applied[primitive] = self


def _view(kept: tuple, primitive: Primitive) -> type[Saved]:
    def reader(place: int, name: str, is_input: bool) -> property:
        def an_input(saved: Saved) -> Any:
            value, version = saved._node.saved[place]
            if isinstance(value, TensorBase) and version_of(value) != version:
                saved._refuse(name, version_of(value), version)
            return value

        def an_output(saved: Saved) -> Any:
            (array, storage, position), version = saved._node.saved[place]
            if storage.version != version:
                saved._refuse(name, storage.version, version)
            tensor = wrap(SERVICES["Tensor"], array, storage)
            if position < primitive.visible and array.dtype.kind == "f":
                tensor._requires_grad, tensor._node, tensor._index = True, saved._node, position
            return tensor

        return property(an_input if is_input else an_output)

    readers = {name: reader(place, name, is_input) for place, (name, is_input, _) in enumerate(kept)}
    return type("Saved", (Saved,), {"__slots__": (), **readers})


def is_arithmetic(function: Callable, saves: Any) -> bool:
    """Return whether a rule's function names nothing but saved values and `mT`, or says that it is `arithmetic`.

    Then operators do all its work, and it computes the same from arrays as from tensors.
    """
    code = getattr(function, "__code__", None)
    if hasattr(function, "arithmetic") or code is None or code.co_freevars or code.co_cellvars:
        return bool(getattr(function, "arithmetic", False))
    return set(code.co_names) <= {*saves, "mT"}


# ---- applying it -----------------------------------------------------------------------------------------------------


def apply_rule(node: Node, gradients: list) -> Any:
    """Return the gradients of a primitive's inputs: `backward` of every node that records a primitive."""
    primitive, rule, params = node.primitive, node.rule, node.params
    ready = rule.applied.get(primitive) or Applied(rule, primitive)
    saved = ready.view(node)
    g = gradients[0] if primitive.visible == 1 else tuple(gradients[: primitive.visible])
    if rule.joint is not None:
        return rule.joint(g, saved, **params)
    results: list = []
    for edge, function in zip(node.edges, ready.functions):      # noqa: B905 (an optional input may be left out)
        if edge is None:
            results.append(None)
        elif function is None:
            raise GradientError(
                f"{node.name} has no gradient with respect to its input {len(results)}: detach() it, or add a rule."
            )
        else:
            results.append(function(g, saved, **params) if params else function(g, saved))
    return results


def apply_small(node: Node, gradients: list) -> Any:
    """`apply_rule` where nobody watches and nothing is recorded: a small gradient goes through arithmetic as an array.

    Its operations then cost a third of what they cost as tensors, through the door. Large ones take the door: their
    time is spent elsewhere, and a faster kernel may have a row for them.
    """
    rule, g = node.rule, gradients[0]
    ready = rule.applied.get(node.primitive) or Applied(rule, node.primitive)
    array = g._array
    if ready.plain is None or array.size > SMALL or (kept := _kept_arrays(node, array.dtype)) is None:
        return apply_rule(node, gradients)
    saved, params, results = _fill(ready.plain, kept), node.params, []
    for edge, function in zip(node.edges, ready.functions):      # noqa: B905 (an optional input may be left out)
        if edge is None:
            results.append(None)
        elif function is None:
            return apply_rule(node, gradients)
        else:
            found = function(array, saved, **params) if params else function(array, saved)
            if type(found) is ndarray and found.base is None:
                results.append(g if found is array else wrap(g._result, found))
            else:
                results.append(g if found is array else _as_tensor(g, found))
    return results


def _kept_arrays(node: Node, dtype: Any) -> list | None:
    """Return the arrays and numbers that a node has kept; None if one was overwritten or has another dtype."""
    if type(node.saved) is not tuple:
        return None
    arrays = []
    for value, version in node.saved:
        if isinstance(value, TensorBase):
            array, memory = value._array, value._memory
        elif type(value) is tuple:
            array, memory, _ = value
        else:
            arrays.append(value)
            continue
        if array.dtype is not dtype or version != (0 if memory is None else memory.version):
            return None
        arrays.append(array)
    return arrays


def _as_tensor(g: Any, found: Any) -> Any:
    """Return what a rule made of arrays as a tensor with memory of its own."""
    if isinstance(found, TensorBase) or not hasattr(found, "base"):
        return found
    return wrap(g._result, found if found.base is None else found.copy())
