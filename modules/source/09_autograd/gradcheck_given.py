"""gradcheck and gradgradcheck: gradients against finite differences, and a report where they differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.engine import SERVICES, GradientError, TensorBase
from tinytorch.core.tensor import Tensor

#| face autograd: gradcheck, gradgradcheck

SHOWN = 20      # elements of a gradient that a report prints in full


def gradcheck(
    func: Callable, inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compare the gradients of `func(*inputs)` with finite differences; True, or an error with both.

    inputs: tensors; those with requires_grad are checked, and must be float64. The function returns one or several.
    raise_exception: False returns False in place of the error.
    """
    inputs = [inputs] if isinstance(inputs, TensorBase) else list(inputs)
    try:
        places = _checked("gradcheck", inputs)
        for number, output in enumerate(_outputs(func, inputs)):
            if output.dtype.kind == "f":
                _compare(lambda *values, k=number: _outputs(func, values)[k], inputs, places, number, (eps, atol, rtol))
    except GradientError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable, inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compare the second derivatives of `func(*inputs)` with finite differences of its gradients.

    grad_outputs: how much each element of the results counts; by default random numbers from 0.5 to 1.5.
    """
    inputs = [inputs] if isinstance(inputs, TensorBase) else list(inputs)
    places = _checked("gradgradcheck", inputs)
    outputs = [(k, out) for k, out in enumerate(_outputs(func, inputs)) if out.dtype.kind == "f"]
    if grad_outputs is None:
        weights = [Tensor(_weights(out.shape, 1)) for _, out in outputs]
    else:
        weights = [grad_outputs] if isinstance(grad_outputs, TensorBase) else list(grad_outputs)

    def gradients(*values: Any) -> tuple:
        with SERVICES["enable_grad"]():
            found = _outputs(func, values)
            own = [values[i] for i in places]
            pairs = [(found[k], w) for (k, _), w in zip(outputs, weights, strict=True) if found[k].requires_grad]
            grads = (None,) * len(own)
            if pairs:
                outs, gs = [out for out, _ in pairs], [w for _, w in pairs]
                grads = SERVICES["grad"](outs, own, gs, create_graph=True, allow_unused=True)
            # times 0: a constant gradient still is a function of its input
            return tuple(x * 0.0 + (0.0 if g is None else g) for x, g in zip(own, grads, strict=True))

    return gradcheck(gradients, inputs, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)


def _checked(name: str, inputs: list) -> list[int]:
    places = [i for i, x in enumerate(inputs) if isinstance(x, TensorBase) and x.requires_grad]
    if not places:
        raise GradientError(f"{name}: expected at least one input that requires a gradient, found none.")
    for i in places:
        if inputs[i].dtype != np.float64:
            raise GradientError(
                f"{name}: expected float64 inputs, found {inputs[i].dtype} at position {i}: finite differences "
                "need the digits."
            )
    return places


def _outputs(func: Callable, inputs: Any) -> tuple:
    found = func(*inputs)
    outputs = tuple(found) if isinstance(found, tuple | list) else (found,)
    for out in outputs:
        if not isinstance(out, TensorBase):
            raise GradientError(f"gradcheck: expected a function that returns tensors, found {type(out).__name__}.")
    return outputs


def _weights(shape: tuple, seed: int) -> np.ndarray:
    """Return weights that let no element's error be cancelled by another's."""
    return np.random.default_rng(seed).uniform(0.5, 1.5, shape)


def _compare(func: Callable, inputs: list, places: list[int], number: int, settings: tuple) -> None:
    eps, atol, rtol = settings
    output = func(*inputs)
    weights = _weights(output.shape, 0)
    found: tuple = (None,) * len(places)
    if output.requires_grad:
        own = [inputs[i] for i in places]
        found = SERVICES["grad"](output, own, Tensor(weights.astype(output.dtype)), allow_unused=True)
    for i, analytical in zip(places, found, strict=True):
        numerical = SERVICES["numerical_gradient"](func, inputs, i, weights, eps)
        actual = np.zeros_like(numerical) if analytical is None else analytical.detach().numpy()
        if not np.allclose(actual, numerical, atol=atol, rtol=rtol):
            _report(i, number, numerical, actual, missing=analytical is None)


def _report(place: int, number: int, numerical: np.ndarray, analytical: np.ndarray, missing: bool) -> None:
    difference = np.abs(analytical - numerical)
    worst = tuple(map(int, np.unravel_index(np.nan_to_num(difference, nan=np.inf).argmax(), numerical.shape)))
    text = (
        f"gradcheck: the gradient of output {number} by input {place} is wrong, most at {worst}: expected "
        f"{numerical[worst]:.6g} (finite differences), found {analytical[worst]:.6g}."
    )
    if missing:
        text += " No gradient arrives at that input at all: is it detached on the way?"
    elif numerical[worst] and np.allclose(analytical / np.where(numerical, numerical, np.nan), -1.0, rtol=1e-3):
        text += " Everywhere the sign is turned around."
    if numerical.size <= SHOWN:
        text += f"\nnumerical:\n{numerical}\nanalytical:\n{analytical}"
    raise GradientError(text)
