"""autograd.Function: an operation with a backward of your own, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tinytorch.core.engine import SERVICES, GradientError, TensorBase, watchers, wrap
from tinytorch.given.graph import Node, edge_of, mark_changed, record

#| face autograd: Function
#| face autograd.function: Function, FunctionCtx, once_differentiable


class FunctionCtx:
    """What forward and backward of a Function share (`ctx`).

    needs_input_grad: one bool for each argument of forward. Anything else may be stored as an attribute; tensors that
    backward needs belong in `save_for_backward`, which notices when they are overwritten.
    """

    def __init__(self, needs: tuple[bool, ...]):
        self.needs_input_grad = needs
        self._saved: list[tuple] = []
        self._positions: dict[int, int] = {}       # place in `_saved` -> index of the output that it is
        self._node: Node | None = None
        self._dirty: tuple = ()
        self._constant: tuple = ()
        self._materialize = True

    def mark_dirty(self, *tensors: Any) -> None:
        """Say which inputs forward has changed in place; each of them must be returned."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say which outputs have no gradient: indices, masks, counts."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Say what backward gets for an output that no gradient reached: zeros (True, the default) or None."""
        self._materialize = bool(value)

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for backward."""
        self._saved = [(t, t._storage.version if isinstance(t, TensorBase) else 0) for t in tensors]

    @property
    def saved_tensors(self) -> tuple:
        """The tensors kept in forward; refused if overwritten since."""
        return tuple(self._unpack(place, t, version) for place, (t, version) in enumerate(self._saved))

    def _unpack(self, place: int, tensor: Any, version: int) -> Any:
        if not isinstance(tensor, TensorBase):
            return tensor
        if tensor._storage.version != version:
            raise GradientError(
                f"saved_tensors: tensor {place} was overwritten in place after save_for_backward; clone it before."
            )
        if place in self._positions and self._node is not None:
            output = wrap(tensor._result, tensor._array, tensor._storage)
            output._requires_grad, output._node, output._index = True, self._node, self._positions[place]
            return output
        return tensor


class Function:
    """Base of custom operations: a subclass is called through `apply`.

    Write `forward(ctx, *args)` and `backward(ctx, *grad_outputs)` as static methods; backward returns one gradient (or
    None) for each argument of forward. Or write `forward(*args)` and `setup_context(ctx, inputs, output)` apart.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, *args: Any) -> Any:
        """Compute the output tensor, or a tuple of them."""
        raise NotImplementedError("Function.forward: write it in your subclass, as a static method.")

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: Any) -> None:
        """Keep what backward needs, if forward takes no ctx."""
        raise NotImplementedError("Function.setup_context: write it in your subclass, as a static method.")

    @staticmethod
    def backward(ctx: FunctionCtx, *grad_outputs: Any) -> Any:
        """Return the gradient of each argument of forward."""
        raise NotImplementedError("Function.backward: write it in your subclass, as a static method.")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward and record the call."""
        needs = tuple(isinstance(a, TensorBase) and a._requires_grad for a in args)
        ctx = FunctionCtx(needs)
        edges = [edge_of(a) if needed else None for a, needed in zip(args, needs, strict=True)]
        results = cls._compute(ctx, args)
        single = isinstance(results, TensorBase)
        raw = (results,) if single else tuple(results) if isinstance(results, tuple | list) else (results,)
        if any(not isinstance(r, TensorBase) for r in raw):
            found = [type(r).__name__ for r in raw]
            raise GradientError(f"{cls.__name__}.forward: expected tensors as output, found {found}.")
        recording = SERVICES["is_grad_enabled"]() and any(needs)
        cls._check_dirty(ctx, raw, recording)
        # New tensors over the same arrays: an input handed through must not get our history.
        outputs = tuple(r if _among(r, ctx._dirty) else wrap(r._result, r._array, r._storage) for r in raw)
        if recording:
            cls._record(ctx, edges, raw, outputs)
        return outputs[0] if single else outputs

    @classmethod
    def _compute(cls, ctx: FunctionCtx, args: tuple) -> Any:
        with SERVICES["no_grad"]():
            if cls.setup_context is Function.setup_context:
                return cls.forward(ctx, *args)
            results = cls.forward(*args)
            cls.setup_context(ctx, args, results)
            return results

    @classmethod
    def _check_dirty(cls, ctx: FunctionCtx, raw: tuple, recording: bool) -> None:
        for t in ctx._dirty:
            if not _among(t, raw):
                raise GradientError(f"{cls.__name__}.forward: return the very tensors that mark_dirty names.")
            if recording and t._requires_grad and t._node is None:
                raise GradientError(
                    f"{cls.__name__}.forward: a leaf tensor that requires a gradient cannot be changed in place; clone "
                    "it before."
                )

    @classmethod
    def _record(cls, ctx: FunctionCtx, edges: list, raw: tuple, outputs: tuple) -> None:
        node = record(edges, outputs, cls._run_backward, (ctx,), label=cls.__name__)     # the outputs hold it
        ctx._positions = {i: k for i, (t, _) in enumerate(ctx._saved) for k, r in enumerate(raw) if t is r}
        for result, output in zip(raw, outputs, strict=True):
            if _among(result, ctx._constant):
                output._requires_grad, output._node, output._index = False, None, 0
        mark_changed(tuple(output for output in outputs if _among(output, ctx._dirty)))
        anomaly = watchers().get("anomaly")
        if anomaly is not None:
            anomaly.note_line(node)

    @classmethod
    def _run_backward(cls, node: Node, gradients: list) -> tuple:
        ctx = node.saved[0]
        ctx._node = node
        try:
            if ctx._materialize:
                pairs = zip(gradients, node.metas, strict=True)
                gradients = [_zeros(meta) if g is None else g for g, meta in pairs]
            results = cls.backward(ctx, *gradients)
        finally:
            ctx._node = None
        results = tuple(results) if isinstance(results, tuple | list) else (results,)
        expected = len(node.edges)
        if len(results) < expected or any(g is not None for g in results[expected:]):
            raise GradientError(
                f"{cls.__name__}.backward: expected {expected} gradients, one for each argument of forward, found "
                f"{len(results)}."
            )
        return results[:expected]


def once_differentiable(backward: Callable) -> Callable:
    """Say of a Function's backward that it cannot be differentiated itself, because it leaves tensors for arrays, say.

    Its result is right; a second derivative through it is refused and not silently wrong.
    """

    @wraps(backward)
    def once(ctx: FunctionCtx, *grad_outputs: Any) -> Any:
        with SERVICES["no_grad"]():
            found = backward(ctx, *grad_outputs)
        needing = [g for g in grad_outputs if isinstance(g, TensorBase) and g._requires_grad]
        if not SERVICES["is_grad_enabled"]() or not needing:
            return found
        results = found if isinstance(found, tuple | list) else (found,)
        outputs = tuple(wrap(g._result, g._array) if isinstance(g, TensorBase) else g for g in results)
        record(
            [edge_of(g) for g in needing], tuple(g for g in outputs if g is not None), _refuse_twice,
            label=f"once_differentiable {getattr(backward, '__qualname__', '')}".strip(),
        )
        return outputs if isinstance(found, tuple | list) else outputs[0]

    return once


def _refuse_twice(node: Node, gradients: list) -> Any:
    raise GradientError(
        f"{node.name}: this backward is marked once_differentiable; write it in tensor operations to differentiate it "
        "again."
    )


def _among(tensor: Any, tensors: tuple) -> bool:
    return any(t is tensor for t in tensors)


def _zeros(meta: tuple) -> Any:
    shape, dtype = meta
    return wrap(SERVICES["Tensor"], np.zeros(shape, dtype))
