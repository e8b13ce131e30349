"""Derivatives of functions: Jacobians, Hessians, their products with vectors; as torch.autograd.functional.

`func` takes tensors and returns a tensor or a tuple of them. A product takes one backward pass (vjp), or two (jvp, hvp,
vhp); a Jacobian one for each element of the outputs. `strict=True` refuses outputs that do not depend on an input;
otherwise their derivative is zero. `create_graph=True` lets the result be differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinytorch.core.engine import SERVICES, DTypeError, GradientError, ShapeError, TensorBase
from tinytorch.core.tensor import ones_like, stack, zeros, zeros_like

#| face autograd.functional: jacobian, hessian, vjp, jvp, hvp, vhp


def jacobian(
    func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False
) -> Any:
    """Return the Jacobian of shape (*output, *input); for several inputs a tuple, for several outputs a tuple of them.

    vectorize: taken as in PyTorch and without effect; the rows are computed one by one.
    """
    call = _Call("jacobian", func, inputs, create_graph, strict)
    rows = [[call.gradients(element, place) for element in _elements(out)] for place, out in enumerate(call.outputs)]
    found = tuple(
        tuple(_stacked([row[i] for row in of_output], out, x) for i, x in enumerate(call.inputs))
        for of_output, out in zip(rows, call.outputs, strict=True)
    )
    found = tuple(call.finished(jacobians) for jacobians in found)
    found = tuple(call.like_inputs(jacobians) for jacobians in found)
    return call.like_outputs(found)


def hessian(
    func: Callable, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False
) -> Any:
    """Return the second derivatives of a function with one element: (*input, *input), or a tuple of tuples of them."""

    def gradient(*values: Any) -> Any:
        call = _Call("hessian", func, values, True, strict)
        call.require_one_element()
        return call.gradients(call.outputs[0].reshape(()), 0)

    several = not isinstance(inputs, TensorBase)
    found = jacobian(gradient, inputs, create_graph, strict)
    return found if several else found[0]


def vjp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """Return (outputs, v times the Jacobian). v: like the outputs; None: one element, counted once."""
    call = _Call("vjp", func, inputs, create_graph, strict)
    v = call.vector(v, call.outputs, "outputs")
    found = call.derivative(call.outputs, call.inputs, v)
    return call.like_outputs(call.finished(call.outputs)), call.like_inputs(call.finished(found))


def jvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """Return (outputs, the Jacobian times v). v: like the inputs; None: one element, counted once.

    The product u ↦ uᵀJ is linear in u; its derivative times v is Jv. So reverse mode alone does it, in two passes.
    """
    call = _Call("jvp", func, inputs, create_graph, strict)
    v = call.vector(v, call.inputs, "inputs")
    with SERVICES["enable_grad"]():
        u = [zeros_like(out).requires_grad_() for out in call.outputs]
        products = call.derivative(call.outputs, call.inputs, u, create_graph=True)
    found = call.derivative(products, u, v)
    return call.like_outputs(call.finished(call.outputs)), call.like_outputs(call.finished(found))


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """Return (output, the Hessian times v) of a function with one element; v: like the inputs."""
    return _second("hvp", func, inputs, v, create_graph, strict)


def vhp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """Return (output, v times the Hessian); the Hessian is symmetric, so this is hvp."""
    return _second("vhp", func, inputs, v, create_graph, strict)


def _second(name: str, func: Callable, inputs: Any, v: Any, create_graph: bool, strict: bool) -> tuple:
    call = _Call(name, func, inputs, create_graph, strict)
    call.require_one_element()
    v = call.vector(v, call.inputs, "inputs")
    first = call.derivative(call.outputs, call.inputs, [ones_like(call.outputs[0])], create_graph=True)
    found = call.derivative(first, call.inputs, v)
    return call.like_outputs(call.finished(call.outputs)), call.like_inputs(call.finished(found))


class _Call:
    """A function, called with inputs of its own that record."""

    def __init__(self, name: str, func: Callable, inputs: Any, create_graph: bool, strict: bool):
        self.name, self.create_graph, self.strict = name, create_graph, strict
        given, self.several_inputs = self._tuple(inputs, "inputs")
        with SERVICES["enable_grad"]():
            self.inputs = tuple(
                x.view(x.shape) if create_graph and x.requires_grad else x.detach().requires_grad_() for x in given
            )
            self.outputs, self.several_outputs = self._tuple(func(*self.inputs), "results of the function")

    def _tuple(self, values: Any, what: str) -> tuple[tuple, bool]:
        several = isinstance(values, tuple | list)
        found = tuple(values) if several else (values,)
        for value in found:
            if not isinstance(value, TensorBase):
                raise DTypeError(f"{self.name}: expected tensors as {what}, found {type(value).__name__}.")
        return found, several

    def require_one_element(self) -> None:
        """Refuse functions that do not return one tensor with one element."""
        if self.several_outputs or self.outputs[0].numel() != 1:
            shapes = [out.shape for out in self.outputs]
            raise ShapeError(
                f"{self.name}: expected a function that returns one tensor with one element, found {shapes}."
            )

    def vector(self, v: Any, like: tuple, what: str) -> list:
        """Return v as a list of tensors with the shapes of `like`."""
        if v is None:
            if len(like) != 1 or like[0].numel() != 1:
                shapes = [t.shape for t in like]
                raise ShapeError(f"{self.name}: v may be left out for one element only; the {what} have {shapes}.")
            return [ones_like(like[0])]
        vectors, _ = self._tuple(v, "v")
        if [t.shape for t in vectors] != [t.shape for t in like]:
            raise ShapeError(
                f"{self.name}: expected v with the shapes of the {what}, {[t.shape for t in like]}, found "
                f"{[t.shape for t in vectors]}."
            )
        return [t if self.create_graph else t.detach() for t in vectors]

    def derivative(self, outputs: Any, inputs: Any, v: list, create_graph: bool | None = None) -> tuple:
        """Return v times the derivative of outputs by inputs; zero where there is no connection, unless strict."""
        create_graph = self.create_graph if create_graph is None else create_graph
        pairs = [(out, g) for out, g in zip(outputs, v, strict=True) if out.requires_grad]
        found: tuple = (None,) * len(inputs)
        if pairs:
            outs, gs = [out for out, _ in pairs], [g for _, g in pairs]
            with SERVICES["enable_grad"]():
                found = SERVICES["grad"](
                    outs, list(inputs), gs, retain_graph=True, create_graph=create_graph, allow_unused=True
                )
        self._refuse_missing(found)
        return tuple(zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True))

    def gradients(self, element: Any, place: int) -> tuple:
        """Return the gradients of one element of output number `place` by all inputs."""
        return self.derivative((element,), self.inputs, [ones_like(element)])

    def _refuse_missing(self, found: tuple) -> None:
        if self.strict and any(g is None for g in found):
            missing = [i for i, g in enumerate(found) if g is None]
            raise GradientError(
                f"{self.name}: the result does not depend on input {missing[0]}; strict=False says 0."
            )

    def finished(self, tensors: tuple) -> tuple:
        """Return the results, cut from the graph unless it was asked for."""
        return tensors if self.create_graph else tuple(t.detach() for t in tensors)

    def like_inputs(self, found: tuple) -> Any:
        """Return a tuple if the inputs were one."""
        return found if self.several_inputs else found[0]

    def like_outputs(self, found: tuple) -> Any:
        """Return a tuple if the function returned one."""
        return found if self.several_outputs else found[0]


def _elements(out: Any) -> list:
    with SERVICES["enable_grad"]():
        flat = out.reshape(-1)
        return [flat[i] for i in range(flat.shape[0])]


def _stacked(rows: list, out: Any, x: Any) -> Any:
    shape = (*out.shape, *x.shape)
    return stack(rows).reshape(shape) if rows else zeros(shape, dtype=x.dtype)
