# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# Module 02: Tensor, or one door for every operation

A neural network is a long chain of operations on arrays of numbers. NumPy can do every one of them. So why build a Tensor?

Because soon you will want to *know* about each operation: to compute its gradient (09), to time it (14), to run it on a faster
kernel (13), to write it down for another program (15). That is only possible if every operation passes through one place.
Today you build that place, **one function called `bind`**, and then a Tensor that uses it for everything.

**You bring:** Timer and MemoryMeter (01). **You leave with:** `bind`, `Tensor`, and the functions that create tensors.
**Capability:** *Can I compute with tensors, and does every operation pass through one door?*
"""

# %% nbgrader={"grade": false, "grade_id": "tensor-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.tensor
from tito.workbench import modules_before

modules_before("02_tensor")

# %% [markdown]
r"""
## Mathematical background

A tensor of shape $(d_1, \dots, d_n)$ holds $d_1 \cdots d_n$ numbers of one type. Four ideas are all we need.

**Element-wise operations** act at each place: $(a + b)_{ij} = a_{ij} + b_{ij}$.

**Broadcasting** lets shapes differ. Write both shapes right-aligned. Two sizes fit if they are equal or one of them is 1; the
result has the larger. A missing size counts as 1:

```
a        (32, 3, 28, 28)
b            (3,  1,  1)
a + b    (32, 3, 28, 28)
```

**Reductions** remove axes: $s_j = \sum_i a_{ij}$ turns $(m, n)$ into $(n,)$. With `keepdim` the axis stays, with size 1.

**Matrix products** multiply the last two axes and broadcast the others:
$(a b)_{\dots ik} = \sum_j a_{\dots ij}\, b_{\dots jk}$, so $(\dots, m, k)$ and $(\dots, k, n)$ give $(\dots, m, n)$.

In memory a tensor is one line of numbers. Its *strides* say how far to jump for the next row or column. A transpose changes the
strides and moves nothing: it is a **view**. You will see what that is worth in the systems analysis.
"""

# %% [markdown]
"""
## Implementation

### First, the direct way

Here is a Tensor that calls NumPy wherever it needs it. But how would you count the additions of your network? By editing forty methods.
"""

# %%
import numpy as np


class DirectTensor:
    def __init__(self, data):
        self.data = np.asarray(data)

    def __add__(self, other):
        return DirectTensor(np.add(self.data, other.data))

# %% [markdown]
"""
### The door: names in a table

Instead we give each operation a **name** and a **kernel**: `Primitive("add", add_kernel)`. The kernel is a plain function of arrays.
It receives the array library as `xp`: NumPy today, CuPy on a GPU. A Primitive computes nothing. The tables beside it
say what is known under its name: faster kernels (`KERNELS`), gradient rules (`VJPS`), pairs worth fusing (`FUSIONS`), and who
watches (`WATCHERS`). They are empty now. Later modules fill them, and no later module touches your code.

The next cell brings the given machinery: error types, `Primitive`, version counters. Read it if you like: `modules/source/02_tensor/`.
"""

# %% nbgrader={"grade": false, "grade_id": "tensor-machinery", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export core.engine
import numpy as np
from numpy import ndarray

from tinytorch.given.deferral import fuse_or_defer
from tinytorch.given.errors import (
    KERNEL_ERRORS, DTypeError, GradientError, IndexingError, ShapeError, TinyTorchError, raise_kernel_failure,
)
from tinytorch.given.mutation import in_place, look_before, mutated
from tinytorch.given.promotion import DEFAULT_DTYPE, check_dtype, promote_operands, result_dtype
from tinytorch.given.random import DEFAULT_GENERATOR, Generator, random_normal, random_uniform
from tinytorch.given.scope import SCOPE, WATCHERS, Watcher, overlay, phase, watchers
from tinytorch.given.silence import SETTING, SILENT
from tinytorch.given.storage import TensorBase, wrap
from tinytorch.given.tables import (
    BROADCASTING, FUSIONS, KERNELS, NON_DIFFERENTIABLE, PRIMITIVES, SERVICES, SETTINGS, VJPS, Kernel, Primitive, Rule, choose_kernel,
    primitive, service,
)

# %% nbgrader={"grade": false, "grade_id": "tensor-refusal", "locked": true, "schema_version": 3, "solution": false, "task": false}
def refusal(name, kind, call):
    """For the tests: return the message of the error of class `kind` that call() raises; fail, naming `name`, if it raises none."""
    try:
        found = call()
    except kind as error:
        return str(error)
    raise AssertionError(f"{name} must raise {kind.__name__}, it returned {found!r}")

# %% [markdown]
"""
### From arrays back to tensors

A kernel returns arrays; the caller wants tensors. Three cases:

* **In place** (`primitive.mutates`): the kernel overwrote its targets. The outputs *are* the targets. Their storage's `version`
  moves by one, so that a value that autograd saved before can be recognised as overwritten.
* **View** (`primitive.view`): the result may look at the same memory as the first input. Then it must share its `_storage`.
* Otherwise: one fresh tensor for each array.

`wrap(cls, array)` makes a tensor, `wrap(cls, array, storage)` one that shares memory. The class to use is `tensor._result`.
"""

# %% nbgrader={"grade": false, "grade_id": "tensor-wrap-outputs", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export core.engine
def wrap_outputs(primitive, inputs, tensor, result):
    """Return the tuple of output tensors for what a kernel returned.

    tensor: an input that is a tensor. result: an array, or a tuple of arrays if not `primitive.single`.

    TASK: handle the three cases in the text above.
    APPROACH: 1. in place: `targets = tuple(mutated(primitive, inputs))`, add 1 to each `target._storage.version`, return them.
        2. view: share `inputs[0]._storage` if `np.may_share_memory(result, inputs[0]._array)`, else None.
        3. single: a tuple with one tensor. Several: one tensor for each array.
    EXAMPLE: for add: (wrap(tensor._result, result),)
    """
    ### BEGIN SOLUTION
    if primitive.mutates:
        targets = tuple(mutated(primitive, inputs))
        for target in targets:
            target._storage.version += 1
        return targets
    if primitive.view:
        shared = np.may_share_memory(result, inputs[0]._array)
        return (wrap(tensor._result, result, inputs[0]._storage if shared else None),)
    if primitive.single:
        return (wrap(tensor._result, result),)
    return tuple(wrap(tensor._result, array) for array in result)
    ### END SOLUTION

# %% [markdown]
"""
### Test: fresh, shared, overwritten

A bare tensor class and tiny primitives. A view must share its storage; in place returns the very object it got, one version later.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tensor-wrap-outputs", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_wrap_outputs():
    class Tensor(TensorBase):
        pass

    t = wrap(Tensor, np.arange(6.0))
    plain = Primitive("test_plain", lambda xp, a: a)
    (fresh,) = wrap_outputs(plain, (t,), t, np.ones(2))
    assert type(fresh) is Tensor and fresh._array.sum() == 2, "wrap_outputs: one tensor around the result"
    assert fresh._storage is not t._storage, "wrap_outputs: a fresh result has storage of its own"
    look = Primitive("test_look", lambda xp, a: a, view=True)
    assert wrap_outputs(look, (t,), t, t._array[:2])[0]._storage is t._storage, "wrap_outputs: a view shares the storage"
    assert wrap_outputs(look, (t,), t, np.ones(2))[0]._storage is not t._storage, "wrap_outputs: a copy does not share it"
    write = Primitive("test_write", lambda xp, a: a, mutates=("a",))
    (same,) = wrap_outputs(write, (t,), t, t._array)
    assert same is t and t._storage.version == 1, "wrap_outputs: in place returns the target itself, one version later"
    pair = Primitive("test_pair", lambda xp, a: (a, a), outputs=("one", "two"))
    assert len(wrap_outputs(pair, (t,), t, (np.ones(1), np.ones(2)))) == 2, "wrap_outputs: one tensor for each output"

# %% [markdown]
"""
### bind

Now the door itself. Every operation of your framework, forward and backward, today's and tomorrow's, runs through these lines:

1. **Who watches?** Without a scope the process's `WATCHERS`, else the scope's own.
2. **Unpack.** Tensors become arrays. Numbers, None and plain arrays pass as they are. A list of tensors becomes a list of arrays. Some
   watchers (autograd) only care for operations on *tracked* tensors: those that require a gradient or share memory with others.
3. **Look before**, if somebody must see the old values: `look_before` is given, and returns one note for each watcher.
4. **Promote.** Operands meet in one dtype, as in PyTorch: `promote_operands(primitive.promote, arrays)` is given.
5. **Run the kernel.** `primitive.rows` are the fast ones in KERNELS; `choose_kernel(primitive, arrays, params)` is given and returns (backend,
   kernel): the first of them that accepts these arrays, else the primitive's own, the reference, under the name "numpy". If the kernel
   complains, `raise_kernel_failure` makes a sentence that names your operation. Written for you: two arrays of one dtype go straight to `primitive.ufunc`, if it has one.
6. **Wrap, tell the watchers, return.** For one fresh output (`primitive.fresh`) your `wrap_outputs` is spared the call. Residuals (outputs that only gradient rules need) are not returned.
"""

# %% nbgrader={"grade": false, "grade_id": "tensor-bind", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export core.engine
def bind(primitive, *inputs, **params):
    """Execute one operation: the only function in the framework that calls a kernel.

    inputs: tensors, numbers, arrays, lists of tensors, or None. params: its settings. Returns one tensor, or the tuple of visible outputs.

    TASK: steps 2, 4 and 5 above; the others are written.
    APPROACH: 1. walk over `inputs` and fill `arrays`: of a tensor (TensorBase) `x._array`; also keep it in `tensor`, and set `tracked` if
        `x._requires_grad or x._memory is not None`. Of a list (always tracked) a list, its tensors unpacked. Anything else as it is.
        2. `promote_operands`, if it has a mode. 3. `choose_kernel`, if it has rows, else ("numpy", primitive.kernel). 4. `result = kernel(np, *arrays, **params)`.
    EXAMPLE: bind(ADD, x, 2.0) -> a Tensor
    """
    scope = SCOPE.get()
    watching = WATCHERS if scope is None else scope.watchers
    if primitive.fuses and (fused := fuse_or_defer(primitive, inputs, params, watching)) is not None:
        return fused                                         # two may become one: see module 13
    tensor, tracked, arrays = None, False, []
    backend, result, ufunc = "numpy", None, primitive.ufunc
    ### BEGIN SOLUTION
    for x in inputs:
        if isinstance(x, TensorBase):
            tensor = x
            if x._requires_grad or x._memory is not None:
                tracked = True
            x = x._array
        elif isinstance(x, list):
            tracked, tensor = True, next((t for t in x if isinstance(t, TensorBase)), tensor)
            x = [t._array if isinstance(t, TensorBase) else t for t in x]
        arrays.append(x)
    ### END SOLUTION
    if tensor is None:
        raise DTypeError(f"{primitive.name}: expected a Tensor among its inputs, found none. Wrap one in tinytorch.tensor(…).")
    notes = look_before(primitive, inputs, params, watching) if primitive.mutates or watching.looks_before else None
    now = "forward" if scope is None else scope.phase
    loud = SETTING.set(SILENT) if primitive.quiet and now != "backward" else None    # no warnings of inf and NaN, which are values here
    try:
        a, b = arrays if ufunc is not None and not params else (None, None)
        if type(a) is type(b) is ndarray and a.dtype is b.dtype:    # two alike, and a kernel of one call: no need of steps 4 and 5
            result = ufunc(a, b)
        else:
            ### BEGIN SOLUTION
            if primitive.promote is not None:
                arrays = promote_operands(primitive.promote, arrays)
            backend, kernel = choose_kernel(primitive, arrays, params) if primitive.rows else ("numpy", primitive.kernel)
            result = kernel(np, *arrays, **params)
            ### END SOLUTION
    except KERNEL_ERRORS as error:
        raise_kernel_failure(primitive.name, arrays, params, error)
    finally:
        if loud is not None:
            SETTING.reset(loud)
    outputs = (wrap(tensor._result, result),) if primitive.fresh else wrap_outputs(primitive, inputs, tensor, result)
    if notes is not None:                                    # somebody looked before: everybody is told, each with its note
        for after, note in zip(watching.after, notes, strict=True):
            after(primitive, inputs, params, outputs, backend, now, note)
    else:
        for after in watching.after if tracked else watching.after_untracked:
            after(primitive, inputs, params, outputs, backend, now, None)
    return outputs[0] if primitive.visible == 1 else outputs[: primitive.visible]

# %% [markdown]
"""
### Test: does everything pass the door?

A watcher that only writes down what it sees. It must see each operation once, with its name and its outputs, and an
operation that fails must say its own name and the shapes, not only NumPy's words.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tensor-bind", "locked": true, "points": 11, "schema_version": 3, "solution": false, "task": false}
def test_bind():
    class Tensor(TensorBase):
        pass

    class Diary(Watcher):
        def __init__(self):
            self.seen = []

        def after(self, primitive, inputs, params, outputs, backend, phase, note=None):
            self.seen.append((primitive.name, params, outputs[0]._array.tolist(), backend, phase))

    plus = Primitive("test_plus", lambda xp, a, b, *, times=1: a + times * b, promote="same")
    a, b = wrap(Tensor, np.float32([1, 2])), wrap(Tensor, np.int64([10, 20]))
    with overlay(diary=(diary := Diary())):
        out = bind(plus, a, b, times=2)
    assert isinstance(out, Tensor) and out._array.tolist() == [21, 42], f"bind: expected [21, 42], got {out._array}"
    assert out._array.dtype == np.float32, f"bind: float32 and int64 meet in float32, got {out._array.dtype}"
    assert diary.seen == [("test_plus", {"times": 2}, [21, 42], "numpy", "forward")], f"bind: watchers saw {diary.seen}"
    assert bind(plus, a, 3)._array.tolist() == [4, 5], "bind: numbers pass as they are"
    message = refusal("bind: shapes (2,) and (3,)", ShapeError, lambda: bind(plus, a, wrap(Tensor, np.ones(3))))
    assert "test_plus" in message and "(3,)" in message, f"bind: the error must name operation and shapes: {message}"
    ### BEGIN HIDDEN TESTS
    join = Primitive("test_join", lambda xp, many: xp.stack(many))
    assert bind(join, [a, a])._array.shape == (2, 2), "bind: a list of tensors becomes a list of arrays"
    KERNELS["test_plus", "swift"] = Kernel(lambda xp, a, b, times: a * 0)
    try:
        assert bind(plus, a, b, times=1)._array.tolist() == [0, 0], "bind: choose_kernel decides which kernel runs"
    finally:
        del KERNELS["test_plus", "swift"]
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Tensor: from Python to an array

What may become a tensor? A number, a nested list, a NumPy array, another tensor. The dtype follows PyTorch:

| given | dtype |
|---|---|
| `True`, `[True]` | bool |
| `1`, `[[1, 2]]` | int64 |
| `1.0`, `[1, 2.5]` | float32, the default. Half of NumPy's float64: half the memory, twice the speed |
| a NumPy array or a tensor | its own |

The data is copied: changing the list or array afterwards does not change the tensor.
"""

# %% nbgrader={"grade": false, "grade_id": "tensor-to-array", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
SERVICES["bind"] = bind     # `Primitive(…)(x, y)` finds it here


def to_array(data, dtype=None):
    """Return `data` as a new array of a bool, integer or floating dtype.

    TASK: apply the table above, and refuse what is not numbers.
    APPROACH: 1. a TensorBase: continue with its `_array`. 2. remember whether it already was an array (`isinstance(data, (np.ndarray,
        np.generic))`). 3. `array = np.array(data)`; it raises ValueError if the rows of a list differ in length: raise
        ShapeError instead. 4. a dtype kind outside "biuf": raise DTypeError. 5. no dtype given, not an array before, and
        float64: use DEFAULT_DTYPE. 6. return it in `check_dtype(dtype)`, if one was asked for.
    EXAMPLE: to_array([1.0, 2.0]).dtype -> float32; to_array([1, 2]).dtype -> int64; to_array(["a"]) -> DTypeError
    """
    ### BEGIN SOLUTION
    if isinstance(data, TensorBase):
        data = data._array
    was_array = isinstance(data, np.ndarray | np.generic)
    try:
        array = np.array(data)
    except ValueError as error:
        raise ShapeError(f"tensor: expected rows of equal length, found a ragged list: {error}") from error
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"tensor: expected numbers or bools, found {array.dtype} from {type(data).__name__}.")
    if dtype is None and not was_array and array.dtype == np.float64:
        dtype = DEFAULT_DTYPE
    return array if dtype is None else array.astype(check_dtype(dtype), copy=False)
    ### END SOLUTION

# %% [markdown]
"""
### Test: dtypes, copies, refusals

The most frequent slip is float64: NumPy makes it from every Python float, and one such tensor quietly slows a whole network.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tensor-to-array", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def test_to_array():
    for data, expected in (([1.0, 2], "float32"), (2.5, "float32"), ([[1, 2]], "int64"), (True, "bool"), (np.ones(2), "float64"),
                           (np.ones(2, "uint8"), "uint8"), (np.float64(1), "float64")):
        found = to_array(data).dtype
        assert found == expected, f"to_array({data!r}): expected {expected}, got {found}"
    assert to_array([1, 2], "float64").dtype == np.float64, "to_array: an asked dtype wins"
    source = np.zeros(2)
    to_array(source)[0] = 5
    assert source[0] == 0, "to_array: the data must be copied"
    for bad, kind in ((["a"], DTypeError), ([[1], [1, 2]], ShapeError), (None, DTypeError)):
        refusal(f"to_array({bad!r})", kind, lambda bad=bad: to_array(bad))

# %% [markdown]
"""
### Tensor: the class and its arithmetic

The class inherits what is given: `TensorMethods` has the bookkeeping (`shape`, `item()`, `repr` …) and many methods of the kind that
you write now (`exp`, `max`, `flatten` …). You begin with the first rows. Their kernels are given, because they are one line each; this is
all there is to the first:

```python
def add_kernel(xp, a, b):
    return xp.add(a, b)

ADD = Primitive("add", add_kernel, promote="same")
```

`promote="same"` asks `bind` for one common dtype; that of DIV, `promote="float"`, also turns integers into float32, because 1 / 2 is not 0.

A method sends its operands through the door. `a + b` calls `a.__add__(b)`; `2 - b` finds no `int.__sub__` for tensors and calls
`b.__rsub__(2)`. Mind the order there: it is 2 minus b. (`__radd__` and the other reversed ones are given.)
"""

# %% nbgrader={"grade": false, "grade_id": "tensor-arithmetic", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face tinytorch: Tensor
import math

from tinytorch.given import tensor_ops as ops
from tinytorch.given.tensor_methods import TensorMethods

ADD, SUB, MUL, DIV = ops.ADD, ops.SUB, ops.MUL, ops.DIV
ADD_, SUB_, MUL_, DIV_ = ops.ADD_, ops.SUB_, ops.MUL_, ops.DIV_
RESHAPE, PERMUTE, GETITEM = ops.RESHAPE, ops.PERMUTE, ops.GETITEM


class Tensor(TensorMethods):
    """An n-dimensional array of one dtype, every operation on which passes through `bind`.

    data: number, nested list, NumPy array or Tensor; copied. dtype: a NumPy dtype; by default see `to_array`.
    requires_grad: whether backward() computes a gradient for it (floating dtypes only).
    """

    def __init__(self, data, dtype=None, requires_grad=False):
        self._array, self._memory, self._node = to_array(data, dtype), None, None     # read faster than from the class
        self.requires_grad = requires_grad

    def __add__(self, other):
        """Return self + other.

        TASK: send ADD with both operands through the door.
        APPROACH: one line: `return bind(PRIMITIVE, left, right)`.
        EXAMPLE: Tensor([1.0, 2.0]) + 1 -> tensor([2., 3.])
        """
        ### BEGIN SOLUTION
        return bind(ADD, self, other)
        ### END SOLUTION

    def __sub__(self, other):
        """Return self - other. TASK: the same with SUB. APPROACH: as above. EXAMPLE: Tensor([3.0]) - 1 -> tensor([2.])"""
        ### BEGIN SOLUTION
        return bind(SUB, self, other)
        ### END SOLUTION

    def __rsub__(self, other):
        """Return other - self. TASK: mind the order. APPROACH: as above. EXAMPLE: 1 - Tensor([3.0]) -> tensor([-2.])"""
        ### BEGIN SOLUTION
        return bind(SUB, other, self)
        ### END SOLUTION

    def __mul__(self, other):
        """Return self * other. TASK: the same with MUL. APPROACH: as above. EXAMPLE: Tensor([3.0]) * 2 -> tensor([6.])"""
        ### BEGIN SOLUTION
        return bind(MUL, self, other)
        ### END SOLUTION

    def __truediv__(self, other):
        """Return self / other. TASK: the same with DIV. APPROACH: as above. EXAMPLE: Tensor([1, 3]) / 2 -> tensor([0.5, 1.5])"""
        ### BEGIN SOLUTION
        return bind(DIV, self, other)
        ### END SOLUTION

# %% [markdown]
"""
### Test: both sides, broadcasting, dtypes

Compared with NumPy in double precision. If `2 - x` and `x - 2` agree, you have swapped the operands.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tensor-arithmetic", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_arithmetic():
    rng = np.random.default_rng(2)
    a, b = rng.uniform(1, 2, (3, 1, 4)), rng.uniform(1, 2, (5, 1))
    x, y = Tensor(a), Tensor(b)
    for name, calculate, expected in (
        ("__add__", lambda: x + y, a + b), ("__sub__", lambda: x - y, a - b), ("__mul__", lambda: x * y, a * b),
        ("__truediv__", lambda: x / y, a / b), ("__rsub__", lambda: 2 - x, 2 - a),
    ):
        found = calculate()
        assert isinstance(found, Tensor), f"Tensor.{name} must return a Tensor, got {type(found).__name__}"
        assert found.shape == expected.shape, f"Tensor.{name}: expected shape {expected.shape}, got {found.shape}"
        assert np.allclose(found.numpy(), expected, rtol=1e-12), f"Tensor.{name}: wrong values"
    assert (Tensor([1, 3]) / 2).dtype == np.float32, "Tensor.__truediv__: integers become float32"
    assert (Tensor([1, 2]) + 0.5).dtype == np.float32, "Tensor.__add__: int64 + 0.5 is float32, as in PyTorch"
    ### BEGIN HIDDEN TESTS
    assert isinstance(np.ones(4) - x, Tensor), "Tensor.__rsub__: array - tensor is a Tensor"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Which shapes fit?

`bind` lets NumPy broadcast. But you should be able to say beforehand what the result's shape is; module 09 must undo it exactly.
"""

# %% nbgrader={"grade": false, "grade_id": "tensor-broadcast", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def broadcast_shapes(a, b):
    """Return the shape that operands of shapes `a` and `b` broadcast to.

    TASK: apply the rule of the mathematical background; raise ShapeError naming both shapes if they do not fit.
    APPROACH: 1. put 1s in front of the shorter one. 2. go through the pairs of sizes: equal, or one of them 1, else an error.
        3. of a pair with a 1 the other size counts (it may be 0).
    EXAMPLE: broadcast_shapes((32, 3, 28, 28), (3, 1, 1)) -> (32, 3, 28, 28)
    """
    ### BEGIN SOLUTION
    ndim = max(len(a), len(b))
    pairs = list(zip((1,) * (ndim - len(a)) + tuple(a), (1,) * (ndim - len(b)) + tuple(b), strict=True))
    if any(m != n and 1 not in (m, n) for m, n in pairs):
        raise ShapeError(f"broadcast_shapes: {tuple(a)} and {tuple(b)} do not fit; sizes must be equal or 1, from the right.")
    return tuple(n if m == 1 else m for m, n in pairs)
    ### END SOLUTION

# %% [markdown]
"""
### Test: the rule against NumPy

Every pair of small shapes with sizes 0, 1, 2 and up to two axes. NumPy is the judge, for the result and for the refusal.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tensor-broadcast", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_broadcast_shapes():
    shapes = [(), *((m,) for m in (0, 1, 2)), *((m, n) for m in (0, 1, 2) for n in (0, 1, 3))]
    for a, b in [(a, b) for a in shapes for b in shapes]:
        try:
            expected = np.broadcast_shapes(a, b)
        except ValueError:
            refusal(f"broadcast_shapes({a}, {b})", ShapeError, lambda a=a, b=b: broadcast_shapes(a, b))
            continue
        found = broadcast_shapes(a, b)
        assert found == expected, f"broadcast_shapes({a}, {b}): expected {expected}, got {found}"

# %% [markdown]
"""
### Matrix product

The heart of deep learning: almost all time of a training step goes into it. The work is NumPy's; yours is to refuse shapes that
do not fit with a sentence that helps. `(m, k) @ (k, n)`: the two k must agree. A 1-d operand is a vector, as in NumPy.
"""

# %% nbgrader={"grade": false, "grade_id": "tensor-matmul", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def matmul_kernel(xp, a, b):
    """Return the matrix product over the last two axes.

    TASK: check that the inner sizes agree, then multiply.
    APPROACH: 1. a 0-d operand (or a number: `np.ndim` knows): ShapeError. 2. the inner sizes are `a.shape[-1]` and `b.shape[-2]`
        (`b.shape[0]` for a vector b); if they differ, ShapeError with both shapes. 3. `xp.matmul`.
    EXAMPLE: shapes (2, 3) and (3, 4) -> (2, 4); shapes (2, 3) and (2, 4) -> ShapeError
    """
    ### BEGIN SOLUTION
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        raise ShapeError(f"matmul: expected operands with axes, found shapes {np.shape(a)} and {np.shape(b)}. Use * for numbers.")
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise ShapeError(f"matmul: inner sizes must agree, found {a.shape} @ {b.shape}: {a.shape[-1]} against {inner}.")
    return xp.matmul(a, b)
    ### END SOLUTION


MATMUL = Primitive("matmul", ops.quiet(matmul_kernel), promote="same")


class Tensor(Tensor):
    def __matmul__(self, other):
        """Return the matrix product self @ other. TASK: MATMUL through the door. APPROACH: one line. EXAMPLE: x @ w"""
        ### BEGIN SOLUTION
        return bind(MATMUL, self, other)
        ### END SOLUTION

# %% [markdown]
"""
### Test: against a sum of products

The reference is three loops' worth of `einsum`, not another matmul. Batches broadcast.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tensor-matmul", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
def test_matmul():
    rng = np.random.default_rng(3)
    a, b, batch = rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=(5, 2, 3))
    assert np.allclose((Tensor(a) @ Tensor(b)).numpy(), np.einsum("ij,jk->ik", a, b)), "Tensor.__matmul__: wrong values"
    found = Tensor(batch) @ Tensor(b)
    assert found.shape == (5, 2, 4), f"matmul_kernel: batches broadcast, expected (5, 2, 4), got {found.shape}"
    assert np.allclose((Tensor(a) @ Tensor(b[:, 0])).numpy(), a @ b[:, 0]), "matmul_kernel: a 1-d operand is a vector"
    for left, right in (((2, 3), (2, 4)), ((3,), (4,)), ((2, 3), ())):
        x, y = Tensor(np.ones(left)), Tensor(np.ones(right))
        message = refusal(f"matmul_kernel: shapes {left} and {right}", ShapeError, lambda x=x, y=y: x @ y)
        assert str(left) in message, f"matmul_kernel: the message must show the shapes, got {message}"

# %% [markdown]
"""
### Reductions

`sum` removes axes. Two details make it PyTorch's: a sum of integers or bools is int64, so that 300 pixels of 255 do not
overflow uint8; and `dim` may be negative, a tuple, or None for everything. `ops.axes(dim, ndim, name)` is given: it counts
from the front, and refuses what is out of range.

`mean` needs no kernel: it is a sum divided by a count. So its gradient comes for free in module 09.
"""

# %% nbgrader={"grade": false, "grade_id": "tensor-sum", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def sum_kernel(xp, a, *, dim, keepdim):
    """Return the sum over the axes `dim` (a tuple, or None for all).

    TASK: sum bools and integers in int64, floats in their own dtype.
    APPROACH: `xp.sum(a, axis=..., keepdims=..., dtype=...)`, the dtype chosen by `a.dtype.kind`: "b", "i", "u" or "f".
    EXAMPLE: a uint8 array [200, 100] -> 300 (int64)
    """
    ### BEGIN SOLUTION
    dtype = np.int64 if a.dtype.kind in "biu" else a.dtype
    return xp.sum(a, axis=dim, keepdims=keepdim, dtype=dtype)
    ### END SOLUTION


SUM = Primitive("sum", ops.quiet(sum_kernel))


class Tensor(Tensor):
    @ops.with_dtype
    def sum(self, dim=None, keepdim=False):
        """Return the sum over `dim`: an int, several, or None for all axes."""
        return bind(SUM, self, dim=ops.axes(dim, self.ndim, "sum"), keepdim=keepdim)

    @ops.with_dtype
    def mean(self, dim=None, keepdim=False):
        """Return the mean over `dim`.

        TASK: refuse integers (DTypeError: whose mean should be rounded?), then divide the sum by the number of elements summed.
        APPROACH: 1. `dims = ops.axes(dim, self.ndim, "mean")`. 2. the count is the product of `self.shape[d]` over dims, or
            `self.numel()` if dims is None. 3. `self.sum(dims, keepdim) / count`; a count of 0 must give NaN, not an error.
        EXAMPLE: Tensor([[1.0, 3.0], [5.0, 7.0]]).mean(0) -> tensor([3., 5.])
        """
        ### BEGIN SOLUTION
        if self.dtype.kind != "f":
            raise DTypeError(f"mean: expected a floating dtype, found {self.dtype}. Convert first: x.float().mean().")
        dims = ops.axes(dim, self.ndim, "mean")
        count = self.numel() if dims is None else int(np.prod([self.shape[d] for d in dims]))
        return self.sum(dims, keepdim) / count
        ### END SOLUTION

# %% [markdown]
"""
### Test: every axis, every dtype

Against NumPy, for one axis, several, negative ones, all, and an empty tensor.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tensor-sum", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_reductions():
    a = np.random.default_rng(4).normal(size=(2, 3, 4))
    for dim, keepdim in [(dim, keepdim) for dim in (None, 0, -1, (0, 2), (1, -1)) for keepdim in (False, True)]:
        case = f"dim={dim}, keepdim={keepdim}"
        total, expected = Tensor(a).sum(dim, keepdim), a.sum(axis=dim, keepdims=keepdim)
        assert total.shape == expected.shape, f"sum_kernel({case}): expected shape {expected.shape}, got {total.shape}"
        assert np.allclose(total.numpy(), expected), f"sum_kernel({case}): wrong values"
        average = Tensor(a).mean(dim, keepdim)
        assert np.allclose(average.numpy(), a.mean(axis=dim, keepdims=keepdim)), f"Tensor.mean({case}): wrong values"
    small = Tensor(np.array([200, 100], "uint8")).sum()
    assert small.item() == 300 and small.dtype == np.int64, f"sum_kernel: 200 + 100 in uint8 is 300 in int64, got {small!r}"
    assert np.isnan(Tensor(np.zeros((0,))).mean().item()), "Tensor.mean of nothing is NaN"
    refusal("Tensor.mean of integers", DTypeError, lambda: Tensor([1, 2]).mean())
    refusal("Tensor.mean over an axis out of range", IndexingError, lambda: Tensor([1.0]).mean(1))

# %% [markdown]
"""
### Shapes

`reshape` gives the same elements another shape. One size may be -1: "whatever is left". `permute` (given, with `x.T`) puts the axes in
another order. Neither moves a number if it need not: both are marked `view=True`, and `wrap_outputs` finds out whether memory is shared.
RESHAPE is given; what it needs is a shape without -1.
"""

# %% nbgrader={"grade": false, "grade_id": "tensor-shapes", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def infer_shape(count, shape):
    """Return `shape` with its -1, if there is one, replaced so that the sizes multiply to `count`.

    TASK: find the missing size; raise ShapeError if no size fits, if there are two -1, or a size below -1.
    APPROACH: 1. `known` = product of the sizes that are not -1. 2. no -1: known must equal count. 3. one -1: count must be
        divisible by known (and known not 0); the size is count // known.
    EXAMPLE: infer_shape(12, (3, -1)) -> (3, 4)
    """
    ### BEGIN SOLUTION
    known = math.prod([n for n in shape if n != -1])
    holes = shape.count(-1)
    fits = known == count if holes == 0 else holes == 1 and known > 0 and count % known == 0
    if not fits or any(n < -1 for n in shape):
        raise ShapeError(f"reshape: {count} elements do not fit shape {shape}; sizes must multiply to {count}, one may be -1.")
    return tuple(count // known if n == -1 else n for n in shape)
    ### END SOLUTION


class Tensor(Tensor):
    def reshape(self, *shape):
        """Return the same elements in another shape; one size may be -1."""
        return bind(RESHAPE, self, shape=infer_shape(self.numel(), ops.sizes(shape)))

# %% [markdown]
"""
### Test: same numbers, same memory

Values against NumPy; and the storage: `reshape` of a contiguous tensor shares it.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tensor-shapes", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_shapes():
    a = np.arange(24.0).reshape(2, 3, 4)
    x = Tensor(a)
    for shape, expected in (((6, 4), (6, 4)), ((-1,), (24,)), ((2, -1, 2), (2, 6, 2))):
        found = x.reshape(*shape)
        assert found.shape == expected, f"infer_shape: reshape{shape} expected {expected}, got {found.shape}"
        assert np.array_equal(found.numpy(), a.reshape(expected)), f"reshape{shape}: wrong values"
    assert x.reshape(24)._storage is x._storage, "Tensor.reshape of a contiguous tensor must be a view"
    assert x.T.reshape(24)._storage is not x._storage, "Tensor.reshape of a transposed tensor must copy"
    for bad in ((5, -1), (-1, -1), (7,), (-4, -6)):
        message = refusal(f"infer_shape: 24 elements in shape {bad}", ShapeError, lambda bad=bad: x.reshape(*bad))
        assert "24" in message, f"infer_shape: the message must show the number of elements, got {message}"

# %% [markdown]
"""
### Indexing

`x[1]`, `x[:, 2:]`, `x[x > 0]`, `x[[0, 2]]`: Python hands whatever stands in the brackets to `__getitem__`. Two facts from NumPy that
matter here: indexing with ints and slices (*basic*) gives a view; indexing with arrays (*advanced*) gives a copy. `ops.to_index` is given:
it turns tensors inside the brackets into arrays, and makes a basic index return a view even for a single element.

Writing is a primitive of its own, `setitem_`, **in place**. The underscore says: this one overwrites. So does `x += y`, which calls the
given `x.add_(y)`: for a weight matrix of 100 MB you want to reuse the memory. The door counts the version. This is what lets autograd
say "you changed a value that I need" instead of computing a wrong gradient.
"""

# %% nbgrader={"grade": false, "grade_id": "tensor-indexing", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def setitem_kernel(xp, target, value, *, index):
    """Overwrite target[index] with value, broadcast; return target.

    TASK: write in place, and return the same array.
    APPROACH: NumPy's own assignment does the work.
    EXAMPLE: target zeros (2, 2), index (0,), value 5 -> [[5, 5], [0, 0]]
    """
    ### BEGIN SOLUTION
    target[index] = value
    return target
    ### END SOLUTION


SETITEM_ = Primitive("setitem_", setitem_kernel, mutates=("target",))


class Tensor(Tensor):
    def __getitem__(self, index):
        """Return the selected elements; a view where ints and slices select them.

        TASK: GETITEM through the door.
        APPROACH: the index is a setting: `index=ops.to_index(index, self.shape)`.
        EXAMPLE: Tensor([[1.0, 2.0], [3.0, 4.0]])[:, 0] -> tensor([1., 3.])
        """
        ### BEGIN SOLUTION
        return bind(GETITEM, self, index=ops.to_index(index, self.shape))
        ### END SOLUTION

    def __setitem__(self, index, value):
        """Overwrite the selected elements.

        TASK: SETITEM_ through the door; inputs are self and the value.
        APPROACH: a list, tuple or NumPy array as value becomes a tensor first: `Tensor(value)`. So does None, which `Tensor` refuses;
            NumPy would write NaN.
        EXAMPLE: x[0] = 5.0
        """
        ### BEGIN SOLUTION
        if isinstance(value, list | tuple | np.ndarray | None):
            value = Tensor(value)
        bind(SETITEM_, self, value, index=ops.to_index(index, self.shape))
        ### END SOLUTION


SERVICES["Tensor"] = Tensor

# %% [markdown]
"""
### Test: read, write, share

Nine ways to index, each against NumPy, and each written to. A view must show what was written to its base.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tensor-indexing", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_indexing():
    a = np.arange(24.0).reshape(4, 6)
    mask = a > 10
    for index, as_array in ((1, 1), (-1, -1), (slice(1, 3), slice(1, 3)), ((slice(None), 2), (slice(None), 2)), ((2, 3), (2, 3)),
                            ((..., slice(None, None, 2)),) * 2, ([0, 2], [0, 2]), (Tensor([3, 1]), [3, 1]), (Tensor(mask), mask)):
        found = Tensor(a)[index]
        assert np.array_equal(found.numpy(), a[as_array]), f"Tensor.__getitem__[{index}]: expected {a[as_array]}, got {found}"
        x, expected = Tensor(a), a.copy()
        x[index] = -1.0
        expected[as_array] = -1.0
        assert np.array_equal(x.numpy(), expected), f"Tensor.__setitem__[{index}]: wrong values"
    x = Tensor(a)
    row, before = x[1], x._storage.version
    x[1, 0] = 99.0
    assert row[0].item() == 99.0, "Tensor.__getitem__: x[1] must be a view of x"
    assert x._storage.version == before + 1, "setitem_kernel: the storage's version must move by one"
    x[0] = [0.0] * 6
    assert x[0].tolist() == [0.0] * 6, "Tensor.__setitem__: a list is a value too"
    message = refusal("Tensor.__getitem__: row 4 of 4", IndexingError, lambda: x[4])
    assert "4" in message, f"Tensor.__getitem__: the message must name the index, got {message}"

# %% [markdown]
"""
### Creating tensors

`zeros`, `arange`, `randn`: the factories. All of them end in `from_array`, which wraps an array without copying; most are given. The random
ones draw from a counter-based `Generator`: number i of the stream is a function of (seed, i) alone, so any experiment can be repeated
to the bit.
"""

# %% nbgrader={"grade": false, "grade_id": "tensor-creation", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face tinytorch: randn
from tinytorch.given.tensor_creation import (
    arange, as_tensor, cat, empty, eye, from_array, from_numpy, full, full_like, linspace, ones, ones_like, rand, randint, randperm,
    stack, tensor, where, zeros, zeros_like,
)


def randn(*size, generator=None, dtype=None, device=None, requires_grad=False):
    """Return standard normal random numbers.

    TASK: draw from the generator given, or from DEFAULT_GENERATOR, in the dtype given, or in DEFAULT_DTYPE.
    APPROACH: `generator.normal(shape, dtype)` returns an array; `ops.new_shape(size)` the shape, from randn(2, 3) or randn((2, 3)).
    EXAMPLE: randn(2, 3).shape -> (2, 3)
    """
    ops.check_device(device)
    ### BEGIN SOLUTION
    generator = DEFAULT_GENERATOR if generator is None else generator
    return from_array(generator.normal(ops.new_shape(size), DEFAULT_DTYPE if dtype is None else dtype), requires_grad)
    ### END SOLUTION

# %% [markdown]
"""
### Test: a seed that repeats

The same seed gives the same numbers; the stream moves on between two draws; and 100,000 normal numbers have mean 0 and variance 1 to
within five standard errors.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tensor-creation", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_creation():
    a, b = (randn(50_000, generator=Generator(1)) for _ in range(2))
    assert np.array_equal(a.numpy(), b.numpy()), "randn: the same seed must give the same numbers"
    generator = Generator(1)
    both = np.concatenate([randn(50_000, generator=generator).numpy() for _ in range(2)])
    assert not np.array_equal(both[:50_000], both[50_000:]), "randn: the stream must move on"
    assert abs(both.mean()) < 0.016 and abs(both.var() - 1) < 0.023, f"randn: mean {both.mean():.3f}, variance {both.var():.3f}"
    assert randn(2, 3).dtype == np.float32 and randn((2, 3)).shape == (2, 3), "randn: float32, shape as numbers or tuple"

# %% [markdown]
"""
## Systems analysis: what does a Tensor cost?

Predict each number before you run the cell; write your guess down.

1. **Memory and views.** A million numbers in four dtypes; then a transpose, a reshape and a copy of 64 MB: which of them moves bytes?
2. **Cache.** Copying 2,048 numbers that are neighbours in memory, and 2,048 that lie 8 KB apart.
3. **The door.** How much does `bind` add to `np.add`? About a microsecond, whatever the size. This is why module 13 will fuse small operations.
"""

# %%
from tinytorch.utils import format_bytes, format_seconds, measure_time


def analyze_memory():
    """Print the bytes of a million elements by dtype, and what a view costs against a copy."""
    for dtype in ("float64", "float32", "float16", "bool"):
        print(f"1,000,000 × {dtype:<8} {format_bytes(zeros(1_000_000, dtype=dtype).numpy().nbytes)}")
    matrix = ones(4096, 4096)
    for name, operation in (("transpose", lambda: matrix.T), ("reshape", lambda: matrix.reshape(-1)), ("clone", matrix.clone)):
        print(f"{name:<10} of 64 MB: {format_seconds(measure_time(operation, repeats=5).median)}")


def analyze_cache_and_door():
    """Print ratios: strided against contiguous copying, and `bind` against np.add for small and large tensors."""
    matrix = ones(2048, 2048)
    neighbours, apart = (measure_time(t.clone, repeats=5).best for t in (matrix[0], matrix[:, 0]))
    print(f"copying 2,048 numbers that lie 8 KB apart takes {apart / neighbours:.1f} times as long as neighbours")
    for n in (64, 1_000_000):
        x = from_array(a := np.ones(n, "float32"))
        direct, bound = (measure_time(f, repeats=30).best for f in (lambda a=a: np.add(a, a), lambda x=x: x + x))
        print(f"{n:>9,} numbers: x + x takes {bound / direct:.1f} times as long as np.add")

# %% [markdown]
"""
## Integration: a linear layer by hand

Enough talk. `y = x @ w + b` for a batch of 32, then the mean of the squares: every line that you wrote today takes part. In module 04
the first line becomes `nn.Linear`; in module 09 the last one gets a gradient.
"""

# %%
def demonstrate_layer():
    """Run one linear layer and print every operation that passed the door."""
    class Diary(Watcher):
        def after(self, primitive, inputs, params, outputs, backend, phase, note=None):
            print(f"  {primitive.name:<8} -> {outputs[0].shape}")

    x, w, b = randn(32, 784), randn(784, 10) * 0.05, zeros(10)
    with overlay(diary=Diary()):
        y = x @ w + b
        (y * y).mean()

# %% [markdown]
"""
## Production context

**PyTorch**: a Python tensor is a handle to a C++ `TensorImpl` with sizes, strides and a `Storage`; operations go through a dispatcher whose
keys (CPU, CUDA, Autograd, …) are stacked in the order in which they may intervene. Ours has one stack: watchers. **JAX**: a primitive is only
a name, `bind` finds the interpreter in charge. **TensorFlow**: operations become nodes of a graph first.

A simplification worth knowing: in PyTorch a view also remembers its base, and in-place writes through a view of a tensor in a graph are
tracked; we refuse the doubtful cases with a sentence.
"""

# %% [markdown]
"""
## Comprehensive test

Softmax regression's forward pass, from your operations alone, against NumPy in one expression. If a single operation is off by one axis, the
probabilities do not sum to 1.
"""

# %% nbgrader={"grade": true, "grade_id": "test-tensor-module", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_module():
    rng = np.random.default_rng(6)
    a, w, b = rng.normal(size=(8, 5)), rng.normal(size=(5, 3)), rng.normal(size=3)
    logits = Tensor(a) @ Tensor(w) + Tensor(b)
    shifted = logits - logits.max(dim=1, keepdim=True)[0]
    probabilities = shifted.exp() / shifted.exp().sum(dim=1, keepdim=True)
    z = a @ w + b
    expected = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert np.allclose(probabilities.numpy(), expected), "test_module: softmax of a linear layer has wrong values"
    picked = probabilities[arange(8), Tensor([0, 1, 2, 0, 1, 2, 0, 1])]
    assert np.allclose(picked.numpy(), expected[np.arange(8), [0, 1, 2, 0, 1, 2, 0, 1]]), "test_module: picking by index"
    assert abs((-probabilities.log()).mean().item() + np.log(expected).mean()) < 1e-12, "test_module: mean of the logarithms"
    x = full((2, 3), 1.0)
    y = x.reshape(3, 2).T
    x[0, 0] = 5.0
    assert y[0, 0].item() == 5.0, "test_module: a view of a view still shares the memory"
    x += 1
    assert y[0, 0].item() == 6.0 and x._storage.version == 2, "test_module: in-place addition reaches every view"
    assert "09" in refusal("Tensor.backward", NotImplementedError, Tensor([1.0]).backward), "backward must say where it arrives"

# %%
if __name__ == "__main__":
    test_wrap_outputs()
    test_bind()
    test_to_array()
    test_arithmetic()
    test_broadcast_shapes()
    test_matmul()
    test_reductions()
    test_shapes()
    test_indexing()
    test_creation()
    test_module()
    analyze_memory()
    analyze_cache_and_door()
    demonstrate_layer()

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions

**1.** `x.T` of a 64 MB matrix took microseconds, `x.T.contiguous()` milliseconds. Say in terms of strides what each of them did, and name one
operation after which you would pay for the copy on purpose.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "tensor-q1", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) The transpose exchanges the two strides and shares the storage (2 points); contiguous reads with the large stride and writes
every element to new memory (2). Worth it before many passes along the new rows, such as repeated matrix products or row sums (1).
"""

# %% [markdown]
"""
**2.** Your `bind` asks `choose_kernel` before every operation, and `row.accepts` may say no. What would go wrong if the decision were taken
once, at import? Give a case with your own `matmul_kernel`.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "tensor-q2", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Whether a fast kernel applies depends on the arrays of this call: dtype, layout, size (2 points). A float32-only matmul chosen
at import would receive float64 operands in a gradient check and fail or lose precision (2); and a user could not switch backends (1).
"""

# %% [markdown]
"""
**3.** `wrap_outputs` adds 1 to the version of an overwritten storage. Why does the counter live in the storage and not in the tensor? Describe
a wrong gradient that a counter in the tensor would let pass.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "tensor-q3", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Views and detached tensors share memory, so a write through one changes the values of all (2 points). With a counter in the tensor,
y = x * x saves x; x.detach().zero_() would leave x's own counter alone (2), and backward would use zeros instead of x (1).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: Tensor

You built one door and a Tensor that uses it for everything: arithmetic with broadcasting, matrix products, reductions, views, indexing and
random numbers that repeat. Everything from here on is rows in tables beside that door. Next: `tito module complete tensor`, then module 03,
where networks learn to bend.
"""
