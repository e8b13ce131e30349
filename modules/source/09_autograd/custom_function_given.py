"""autograd.Function: an operation with a backward of your own, as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.engine import SERVICES, GradientError, TensorBase, wrap
from tinytorch.given.graph import Node, edge_of


class Context:
    """What forward and backward of a Function share (`ctx`).

    needs_input_grad: one bool for each argument of forward. Anything else may be stored as an attribute; tensors that
    backward needs belong in `save_for_backward`, which notices when they are overwritten.
    """

    def __init__(self, needs: tuple[bool, ...]):
        self.needs_input_grad = needs
        self._saved: list[tuple] = []
        self._positions: dict[int, int] = {}       # place in `_saved` -> index of the output that it is
        self._node: Node | None = None

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
    None) for each argument of forward.
    """

    @staticmethod
    def forward(ctx: Context, *args: Any) -> Any:
        """Compute the output tensor, or a tuple of them."""
        raise NotImplementedError("Function.forward: write it in your subclass, as a static method.")

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Any) -> Any:
        """Return the gradient of each argument of forward."""
        raise NotImplementedError("Function.backward: write it in your subclass, as a static method.")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward and record the call."""
        needs = tuple(isinstance(a, TensorBase) and a._requires_grad for a in args)
        ctx = Context(needs)
        with SERVICES["no_grad"]():
            results = cls.forward(ctx, *args)
        single = isinstance(results, TensorBase)
        raw = (results,) if single else tuple(results)
        if any(not isinstance(r, TensorBase) for r in raw):
            found = [type(r).__name__ for r in raw]
            raise GradientError(f"{cls.__name__}.forward: expected tensors as output, found {found}.")
        # New tensors over the same arrays: an input handed through must not get our history.
        outputs = tuple(wrap(r._result, r._array, r._storage) for r in raw)
        if SERVICES["is_grad_enabled"]() and any(needs):
            edges = [edge_of(a) if needed else None for a, needed in zip(args, needs, strict=True)]
            Node(edges, outputs, cls._run_backward, (ctx,), label=cls.__name__)     # the outputs hold it
            ctx._positions = {i: k for i, (t, _) in enumerate(ctx._saved) for k, r in enumerate(raw) if t is r}

        return outputs[0] if single else outputs

    @classmethod
    def _run_backward(cls, node: Node, gradients: list) -> tuple:
        ctx = node.saved[0]
        ctx._node = node
        try:
            filled = [_zeros(meta) if g is None else g for g, meta in zip(gradients, node.metas, strict=True)]
            results = cls.backward(ctx, *filled)
        finally:
            ctx._node = None
        results = results if isinstance(results, tuple | list) else (results,)
        if len(results) != len(node.edges):
            raise GradientError(
                f"{cls.__name__}.backward: expected {len(node.edges)} gradients, one for each argument of forward, "
                f"found {len(results)}."
            )
        return tuple(results)


def _zeros(meta: tuple) -> Any:
    shape, dtype = meta
    return wrap(SERVICES["Tensor"], np.zeros(shape, dtype))
