"""What is demanded of every row, as functions of a row and a case.

The derivatives are compared with central differences taken here, in float64, along random directions: they share no
code with `tinytorch.autograd.gradcheck`, which is itself under test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinytorch
from tests.operations.cases import Case, lay_out
from tests.operations.table import Edge, Operation, find, resolve
from tinytorch import GradientError, Tensor

STEP = 1e-6
DIRECTIONS = 2
TOLERANCE = {"float16": (5e-3, 5e-3), "float32": (2e-5, 1e-5), "float64": (1e-9, 1e-11)}     # relative, absolute


def as_tuple(found: Any) -> tuple:
    """Return one result, or several, as a tuple."""
    return tuple(found) if isinstance(found, tuple | list) else (found,)


def is_floating(array: np.ndarray | None) -> bool:
    """Return whether there is an array, of floats."""
    return array is not None and array.dtype.kind == "f"


def convert(array: np.ndarray | None, dtype: str) -> np.ndarray | None:
    """Return floats in `dtype`; the rest as it is."""
    return np.asarray(array, dtype) if is_floating(array) else array


def tensor_at(array: Any, layout: str = "contiguous") -> Tensor:
    """Return a tensor of these elements that lies in memory as `layout` says; float64 stays float64."""
    return tinytorch.from_numpy(lay_out(np.asarray(array), layout))


def tensors(case: Case, dtype: str = "float64", requires_grad: tuple[int, ...] = ()) -> list[Tensor | None]:
    """Return the inputs of a case as tensors that lie in memory as the case says."""
    made = []
    for i, array in enumerate(convert(a, dtype) for a in case.arrays):
        made.append(None if array is None else tensor_at(array, case.layout))
        if i in requires_grad:
            made[-1].requires_grad_()
    return made


def differentiable(operation: Operation, case: Case) -> tuple[int, ...]:
    """Return the positions of the inputs that get a gradient."""
    floats = tuple(i for i, a in enumerate(case.arrays) if is_floating(a))
    return floats if operation.inputs is None else tuple(i for i in floats if i in operation.inputs)


# ---- values ----------------------------------------------------------------------------------------------------


def assert_equal(found: Any, expected: Any, dtype: str, loose: float, what: str, result: str | None = None) -> None:
    """One result against its reference: shape, dtype (`result`, or that of the inputs) and values."""
    expected = np.asarray(expected)
    if not isinstance(found, Tensor):
        assert found == expected, f"{what}: expected {expected}, found {found!r}"
        return
    assert found.shape == expected.shape, f"{what}: expected shape {expected.shape}, found {found.shape}"
    wanted = {"f": np.dtype(result or dtype), "b": np.dtype(bool)}.get(expected.dtype.kind, expected.dtype)
    assert found.dtype == wanted, f"{what}: expected dtype {wanted}, found {found.dtype}"
    if expected.dtype.kind != "f":
        same = np.array_equal(found.numpy(), expected)
    else:
        rtol, atol = (loose * t for t in TOLERANCE[dtype])
        scale = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
        same = np.allclose(found.detach().numpy(), expected, rtol=rtol, atol=atol * scale, equal_nan=True)
    assert same, f"{what}: expected\n{expected}\nfound\n{found.detach().numpy()}"


def check_forward(operation: Operation, case: Case, dtype: str) -> None:
    """Every spelling gives what the reference gives, and leaves its inputs alone."""
    arrays = [convert(a, dtype) for a in case.arrays]
    exact = [convert(a, "float64") for a in arrays]
    expected = as_tuple(operation.reference(*exact, **case.settings))
    for path in ("", *operation.spellings):
        given = tensors(case, dtype)
        call = resolve(path) if path else operation.call
        found = as_tuple(call(*given, **case.settings))
        what = f"{path or operation.name} of {dtype}"
        assert len(found) == len(expected), f"{what}: expected {len(expected)} results, found {len(found)}"
        for f, e in zip(found, expected, strict=True):
            assert_equal(f, e, dtype, operation.loose, what, operation.dtypes.get(dtype))
        for tensor, array in zip(given, arrays, strict=True):
            unchanged = tensor is None or np.array_equal(tensor.numpy(), array, equal_nan=is_floating(array))
            assert unchanged, f"{what} changed one of its inputs"


def check_dtype(operation: Operation, case: Case, dtype: str, expected: str) -> None:
    """Floating inputs of another dtype give results of the dtype written in the row, and the right values."""
    keep = dtype.startswith("float")
    arrays = [convert(a if keep or not is_floating(a) else np.ceil(np.abs(a)), dtype) for a in case.arrays]
    given = [None if a is None else tensor_at(a) for a in arrays]
    found = as_tuple(operation.call(*given, **case.settings))[0]
    assert found.dtype == expected, f"{operation.name} of {dtype}: expected dtype {expected}, found {found.dtype}"
    if dtype == "bool":
        return
    exact = [np.asarray(a, np.float64) if is_floating(old) else a for a, old in zip(arrays, case.arrays, strict=True)]
    wanted = np.asarray(as_tuple(operation.reference(*exact, **case.settings))[0])
    if expected.startswith("uint"):
        wanted = wanted.astype(np.int64).astype(expected)      # it wraps around
    rtol, atol = TOLERANCE[expected if expected in TOLERANCE else "float32"]
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=1.0) if wanted.dtype.kind == "f" else 1.0
    assert np.allclose(found.numpy(), wanted, rtol, atol * scale, equal_nan=True), (
        f"{operation.name} of {dtype}: expected\n{wanted}\nfound\n{found.numpy()}"
    )


# ---- derivatives -----------------------------------------------------------------------------------------------


class Projection:
    """An operation at a case, as a function of its floating inputs to one number: the sum of its results, weighted."""

    def __init__(self, operation: Operation, case: Case):
        self.operation, self.case = operation, case
        self.places = differentiable(operation, case)
        self.rng = np.random.default_rng(7)
        self.arrays = [case.arrays[i] for i in self.places]
        self.weights = [
            self.rng.uniform(0.5, 1.5, out.shape) if out.requires_grad else None for out in self.outputs(self.leaves())
        ]

    def leaves(self, arrays: list | None = None, requires_grad: bool = True) -> list[Tensor]:
        """Return fresh leaf tensors at these arrays, or at those of the case."""
        arrays = self.arrays if arrays is None else arrays
        made = [tensor_at(a, self.case.layout) for a in arrays]
        return [t.requires_grad_() for t in made] if requires_grad else made

    def outputs(self, leaves: list[Tensor]) -> tuple:
        """Return the results of the call, at these tensors in the places of the differentiable inputs."""
        given = [None if a is None else tensor_at(a) for a in self.case.arrays]
        for place, leaf in zip(self.places, leaves, strict=True):
            given[place] = leaf
        return as_tuple(self.operation.call(*given, **self.case.settings))

    def value(self, arrays: list) -> float:
        """Return the number, nothing recorded."""
        outputs = self.outputs(self.leaves(arrays, requires_grad=False))
        pairs = zip(outputs, self.weights, strict=True)
        return sum(float((out.numpy() * w).sum()) for out, w in pairs if w is not None)

    def gradient(self, leaves: list[Tensor], weights: list | None = None, create_graph: bool = False) -> list:
        """Return the gradients with respect to the leaves; `weights` may be tensors in whose terms they are written."""
        outputs = self.outputs(leaves)
        weights = self.weights if weights is None else weights
        pairs = [(out, w) for out, w in zip(outputs, weights, strict=True) if w is not None and out.requires_grad]
        if not pairs:
            return [None] * len(leaves)
        seeds = [w if isinstance(w, Tensor) else Tensor(w) for _, w in pairs]
        found = tinytorch.autograd.grad([o for o, _ in pairs], leaves, seeds, create_graph=create_graph,
                                        allow_unused=True)
        for place, leaf, g in zip(self.places, leaves, found, strict=True):
            assert g is None or (g.shape, g.dtype) == (leaf.shape, leaf.dtype), (
                f"{self.operation.name}: the gradient of input {place} has shape {g.shape} and dtype {g.dtype}, "
                f"the input {leaf.shape} and {leaf.dtype}"
            )
        return list(found)


def assert_slopes(function: Callable, arrays: list, gradients: list, rng: np.random.Generator, what: str) -> None:
    """Gradients against central differences of `function(arrays) -> float`, input by input, along random directions."""
    for i, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        if array.size == 0:
            continue
        slope = np.zeros(array.shape) if gradient is None else gradient.detach().numpy()
        for _ in range(DIRECTIONS if array.size > 1 else 1):
            direction = rng.uniform(0.5, 1.5, array.shape) * rng.choice([-1.0, 1.0], array.shape)
            ahead, behind = (
                function([a + sign * STEP * direction if j == i else a for j, a in enumerate(arrays)])
                for sign in (1, -1)
            )
            expected, found = (ahead - behind) / (2 * STEP), float((slope * direction).sum())
            scale = 1.0 + np.abs(slope * direction).sum() + 1e-3 * max(abs(ahead), abs(behind))
            assert abs(expected - found) <= 2e-6 * scale, (
                f"{what} of input {i}: along {direction.tolist()} expected a slope of {expected:.8g} "
                f"(finite differences), found {found:.8g}; the gradient is\n{slope}"
            )


def check_gradient(operation: Operation, case: Case) -> None:
    """The first derivatives, against differences of the forward pass."""
    projection = Projection(operation, case)
    gradients = projection.gradient(projection.leaves())
    assert_slopes(projection.value, projection.arrays, gradients, projection.rng, f"{operation.name}: the gradient")


def check_second(operation: Operation, case: Case) -> None:
    """The second derivatives, against differences of the first: in the inputs, and in the gradient handed in."""
    projection = Projection(operation, case)
    rng, count = projection.rng, len(projection.places)
    kept = [w for w in projection.weights if w is not None]
    directions = [rng.uniform(0.5, 1.5, a.shape) for a in projection.arrays]

    def inner(leaves: list, create_graph: bool) -> Any:
        """Return the first derivatives along `directions`, summed: a Tensor, or None where there are none."""
        seeds = iter(leaves[count:])
        weights = [None if w is None else next(seeds) for w in projection.weights]
        found = projection.gradient(leaves[:count], weights, create_graph)
        terms = [(g * Tensor(d)).sum() for g, d in zip(found, directions, strict=True) if g is not None]
        return sum(terms[1:], terms[0]) if terms else None

    def value(arrays: list) -> float:
        total = inner(projection.leaves(arrays), create_graph=False)
        return 0.0 if total is None else total.item()

    points = projection.arrays + kept
    leaves = projection.leaves(points)
    total = inner(leaves, create_graph=True)
    if total is not None and total.requires_grad:
        gradients = list(tinytorch.autograd.grad(total, leaves, allow_unused=True))
    else:
        gradients = [None] * len(leaves)
    assert_slopes(value, points, gradients, rng, f"{operation.name}: the second derivative")


def check_no_gradient(operation: Operation, case: Case) -> None:
    """Where a row says that there is no gradient, none is recorded, or the refusal says so."""
    places = differentiable(operation, case)
    given = tensors(case, requires_grad=places)
    try:
        found = as_tuple(operation.call(*given, **case.settings))
    except GradientError:
        return
    recorded = [out for out in found if isinstance(out, Tensor) and out.requires_grad]
    assert not recorded, f"{operation.name}: its row says {operation.gradient!r}, but a gradient is recorded"


# ---- in place ----------------------------------------------------------------------------------------------------


def in_place_forms(operation: Operation) -> list[Callable]:
    """Return the in-place forms as functions of the same arguments."""
    forms = operation.in_place if isinstance(operation.in_place, tuple) else (operation.in_place,)
    return [getattr(Tensor, form) if isinstance(form, str) else form for form in forms]


def check_in_place(operation: Operation, case: Case, form: Callable, recorded: bool) -> None:
    """The in-place form overwrites its first input with what the call returns; its gradients are those of the call."""
    places = differentiable(operation, case) if recorded and operation.gradient is True else ()
    given = tensors(case, requires_grad=places)
    expected = as_tuple(operation.call(*given, **case.settings))[0]
    leaves = tensors(case, requires_grad=places)
    target = leaves[0] * 1.0 if places else leaves[0]
    if expected.shape != target.shape or expected.dtype != target.dtype:
        return
    version, address = target._storage.version, target.data_ptr()
    found = form(target, *leaves[1:], **case.settings)
    what = f"{operation.name} in place"
    assert found is target and target.data_ptr() == address, f"{what} returned another tensor than its first"
    assert target._storage.version == version + 1, f"{what}: the version rose by {target._storage.version - version}"
    assert_equal(target, expected.detach().numpy(), "float64", 1.0, what)
    if places and expected.requires_grad:
        weights = Tensor(np.random.default_rng(3).uniform(0.5, 1.5, expected.shape))
        chosen = [[side[i] for i in places] for side in (given, leaves)]
        wanted = tinytorch.autograd.grad(expected, chosen[0], weights, allow_unused=True)
        grads = tinytorch.autograd.grad(target, chosen[1], weights, allow_unused=True)
        for place, w, g in zip(places, wanted, grads, strict=True):
            zeros = np.zeros(case.arrays[place].shape)
            both = [zeros if t is None else t.numpy() for t in (w, g)]
            assert np.allclose(*both, rtol=1e-10, atol=1e-12), (
                f"{what}, gradient of input {place}: expected\n{both[0]}\nfound\n{both[1]}"
            )


# ---- edges -------------------------------------------------------------------------------------------------------


def check_edge(operation: Operation, edge: Edge) -> None:
    """At an awkward input, result and gradient are exactly what is written."""
    arrays = [None if a is None else np.asarray(a) for a in edge.inputs]
    arrays = [convert(a, "float64") for a in arrays]
    recorded = edge.gradient is not None
    given = [None if a is None else Tensor(a, requires_grad=recorded and is_floating(a)) for a in arrays]
    found = as_tuple(operation.call(*given, **edge.settings))
    expected = edge.output if isinstance(edge.output, tuple) else (edge.output,)
    assert len(found) == len(expected), f"expected {len(expected)} results, found {len(found)}"
    for f, e in zip(found, expected, strict=True):
        value = f.detach().numpy() if isinstance(f, Tensor) else f
        assert np.allclose(value, e, rtol=1e-12, atol=1e-12, equal_nan=True), f"expected {e}, found {value}"
    if edge.gradient is None:
        return
    leaves = [t for t in given if t is not None and t.requires_grad]
    results = [f for f in found if f.requires_grad]
    seeds = [tinytorch.ones_like(f) for f in results]
    gradients = tinytorch.autograd.grad(results, leaves, seeds, allow_unused=True)
    assert len(gradients) == len(edge.gradient), f"expected {len(leaves)} gradients in the row"
    for g, e, leaf in zip(gradients, edge.gradient, leaves, strict=True):
        value = np.zeros(leaf.shape) if g is None else g.numpy()
        assert np.allclose(value, e, rtol=1e-12, atol=1e-12, equal_nan=True), f"expected gradient {e}, found {value}"


def missing(paths: set[str]) -> set[str]:
    """Return those of the public paths that do not exist."""
    return {path for path in paths if find(path) is None}
