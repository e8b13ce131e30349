# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# Module 04: Layers, or functions that own their numbers

A function like `relu` is the same for everybody. A *layer* is a function with numbers of its own, its weights, and learning
means changing them. A network has dozens of layers, so somebody must be able to say: give me **all** your weights (to train
them), give them **names** (to save them), put them **back** (to go on tomorrow).

Today you build the class that does it, `Module`, and the layers of every language model and every classifier: `Linear`,
`Dropout`, `Embedding`. Their names, arguments and saved names are PyTorch's.

**You bring:** Tensor and `bind` (02), activations (03). **You leave with:** `Module`, `Linear`, `Dropout`, `Embedding`,
`Flatten`, `Identity`, initialisation, `state_dict`. **Capability:** *Can I build layers that own their weights, and save and
restore every one of them?*
"""

# %% nbgrader={"grade": false, "grade_id": "layers-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.layers
from tito.workbench import modules_before

modules_before("04_layers")

# %% [markdown]
r"""
## Mathematical background

**Linear.** One output is a weighted sum of the inputs plus a bias; all of them at once are a matrix product:

$$ y = x W^\top + b, \qquad x: (\dots, n), \quad W: (m, n), \quad b: (m), \quad y: (\dots, m) $$

PyTorch stores $W$ as (out, in), and so do we: a row holds the weights of one output.

**How large should the first weights be?** Let the inputs be independent with mean 0 and variance $v$, the weights too with
variance $w$. Then each output has variance $n\,w\,v$. With $n\,w > 1$ the numbers grow from layer to layer, exponentially; with
$n\,w < 1$ they fade away. So choose $w$ near $1/n$. ReLU throws half of it away; with $w = 2/n$ nothing is lost (He et al. 2015).
A uniform number in $[-b, b)$ has variance $b^2 / 3$, so

$$ b = \mathrm{gain} \cdot \sqrt{3 / n}, \qquad \mathrm{gain} = \sqrt{2 / (1 + a^2)} \text{ after a leaky ReLU of slope } a $$

**Dropout** (Srivastava et al. 2014). In training each number is set to 0 with probability $p$, and the others are divided by
$1 - p$, so that the mean stays: $(1 - p) \cdot x / (1 - p) + p \cdot 0 = x$. In inference nothing is done.

**Embedding.** Row $i$ of a table for token $i$. It is a linear layer applied to a vector that is 1 at place $i$ and 0 elsewhere, without
the multiplications by 0.
"""

# %% [markdown]
"""
## Implementation

### Parameter: a tensor that says "train me"

A layer may hold many tensors: weights, but also tables, masks, counts. Which of them should an optimizer change? Those of the class
`Parameter`. It is a Tensor in every respect. Only its class differs, and it requires a gradient from the start. It shares memory
with the tensor that it is made of. The class is given; this cell imports it.
"""

# %% nbgrader={"grade": false, "grade_id": "layers-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
import math

from tinytorch.core.engine import DTypeError, IndexingError, Primitive, ShapeError, TinyTorchError, bind, in_place
from tinytorch.core.tensor import Tensor, empty
from tinytorch.given import tensor_ops as ops
from tinytorch.given.arguments import expect_tensor
from tinytorch.given.initialization import calculate_gain, fan, normal_, uniform_, unrecorded, zeros_
from tinytorch.given.module_methods import ModuleMethods
from tinytorch.given.module_state import IncompatibleKeys, refuse_state
from tinytorch.given.parameter import Parameter, parameter_dtype
from tinytorch.given.random import DEFAULT_GENERATOR, random_uniform
from tinytorch.given.settings import number, whole

# %% [markdown]
"""
### Module: every assignment is a registration

You write `self.weight = Parameter(…)`, and the module knows from then on that it has a parameter called "weight". Python makes this
possible: each assignment to an attribute calls `__setattr__(name, value)`. Yours looks at the value and chooses one of four tables:

| the value is | it goes to |
|---|---|
| a `Parameter` | `self._parameters` |
| a `Module` | `self._modules` |
| anything else, and the name is known (a buffer; a weight set to None) | the table that knows it |
| anything else | `self.__dict__`, where attributes always live |

Given, in `module_methods_given.py`: `self.table_of(name)` returns the last two; `self.place(name, value, table)` enters the value and
takes the name out of the other tables; `__getattr__` finds what does not lie in `__dict__`; `check_assignment` refuses a number where a
weight stands. Buffers are tensors that belong to a module without being trained;
`register_buffer` is given too.
"""

# %% nbgrader={"grade": false, "grade_id": "layers-module", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn: Module
class Module(ModuleMethods):
    """A part of a network: a function with parameters, buffers and submodules of its own.

    A subclass calls `super().__init__()` first, assigns its parts, and defines `forward`. It is used by calling it.
    Attributes: `training` (bool), whether dropout and the like are at work; see `train` and `eval`.
    """

    def __init__(self):
        self._prepare()                                    # the empty tables
        self.training = True

    def __setattr__(self, name, value):
        """Enter `value` under `name` into the table where its kind belongs.

        TASK: choose `table` by the four rows of the table above, and place the value there.
        APPROACH: `isinstance` for the first two; `self.table_of(name)` covers the other two; `self.place(name, value, table)`.
        EXAMPLE: m.weight = Parameter(…) -> "weight" in m._parameters; m.size = 3 -> "size" in m.__dict__
        """
        self.check_assignment(name, value)
        ### BEGIN SOLUTION
        if isinstance(value, Parameter):
            table = self._parameters
        elif isinstance(value, Module):
            table = self._modules
        else:
            table = self.table_of(name)
        self.place(name, value, table)
        ### END SOLUTION

# %% [markdown]
"""
### Test: everything lands where it belongs

A parameter, a module, a number, a buffer, each read back by its name. Then replacing: a parameter that takes the place of a plain number must
leave no copy behind, and a weight may not be overwritten by a number in passing.
"""

# %% nbgrader={"grade": true, "grade_id": "test-layers-module", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_module_registration():
    m, part, weight = Module(), Module(), Parameter([1.0, 2.0])
    m.size, m.weight, m.part = 3, weight, part
    m.register_buffer("mean", Tensor([0.0]))
    assert list(m._parameters) == ["weight"], f"Module.__setattr__: _parameters must hold weight, it holds {list(m._parameters)}"
    assert list(m._modules) == ["part"], f"Module.__setattr__: _modules must hold part, it holds {list(m._modules)}"
    assert m.weight is weight and m.part is part and m.size == 3, "Module.__setattr__: values must read back by name"
    assert "size" in m.__dict__ and "weight" not in m.__dict__, "Module.__setattr__: a parameter is no plain attribute"
    other = Tensor([5.0])
    m.mean = other
    assert m._buffers["mean"] is other, "Module.__setattr__: a new value of a buffer stays in _buffers"
    m.size = Parameter([0.0])
    assert "size" in m._parameters and "size" not in m.__dict__, "Module.__setattr__: a new kind of value changes the table"
    m.weight = None
    assert list(m._parameters) == ["weight", "size"] and m.weight is None, "Module.__setattr__: None keeps the name's place"
    for bad in (1.0, Tensor([1.0])):
        try:
            m.size = bad
        except TypeError as error:
            assert "size" in str(error), f"Module.__setattr__: the message must name the attribute, got {error}"
        else:
            raise AssertionError("Module.__setattr__: a number in place of a Parameter must be refused")

# %% [markdown]
"""
### Walking: everything below, with its name

A network is a tree: modules within modules. A part's name is the path to it: `encoder.fc1.weight`. Two small generators walk the tree, and
everything else (`parameters()`, `buffers()`, `modules()`) is built on them.

**Once each.** The same module or weight may be reachable by two paths; language models share the embedding with the last layer. An optimizer
that meets it twice would take two steps. So each walker remembers what it has met: by identity, not by equality.
"""

# %% nbgrader={"grade": false, "grade_id": "layers-walk", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Module(Module):
    def named_modules(self, memo=None, prefix=""):
        """Yield (path, module) for this module and everything below it, each module once, parents first.

        memo: the set of modules met already. prefix: the path of this module; "" at the top.

        TASK: a recursive generator.
        APPROACH: 1. `memo` None: a new set. 2. met already: return. 3. remember and yield yourself. 4. for each name and module in
            `self._modules` that is not None: `yield from` its own walk, with its path: `prefix.name`, or `name` at the top.
        EXAMPLE: a net with fc1 -> ("", net), ("fc1", net.fc1)
        """
        ### BEGIN SOLUTION
        memo = set() if memo is None else memo
        if self in memo:
            return
        memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name)
        ### END SOLUTION

    def named_members(self, table, prefix="", recurse=True):
        """Yield (path, tensor) of what the table "_parameters" or "_buffers" holds here and, with `recurse`, below.

        TASK: each tensor once, under the first path that leads to it.
        APPROACH: 1. the modules: `self.named_modules(prefix=prefix)`, or only `[(prefix, self)]`. 2. `getattr(module, table)` is the
            dict. 3. skip None, and what was met before; remember `id(tensor)`.
        EXAMPLE: named_members("_parameters") of that net -> ("fc1.weight", …), ("fc1.bias", …)
        """
        ### BEGIN SOLUTION
        seen = set()
        for path, module in self.named_modules(prefix=prefix) if recurse else [(prefix, self)]:
            for name, tensor in getattr(module, table).items():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield f"{path}.{name}" if path else name, tensor
        ### END SOLUTION

    def train(self, mode=True):
        """Set `training` of this module and everything below to `mode`; return self.

        TASK: one loop. APPROACH: assign `training` of each of `self.modules()`. EXAMPLE: net.train(False) is net.eval()
        """
        ### BEGIN SOLUTION
        for module in self.modules():
            module.training = mode
        return self
        ### END SOLUTION

# %% [markdown]
"""
### Test: a tree with a shared branch

The tree of the test has one module under two names and one weight in two modules. Order counts too: optimizers save their memory by position.
"""

# %% nbgrader={"grade": true, "grade_id": "test-layers-walk", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def small_tree():
    """A tree: top holds w and the modules a (weight, buffer n), again (the same as a) and b (its own u, and a's weight)."""
    top, a, b = Module(), Module(), Module()
    top.w, a.weight, b.u = Parameter([1.0]), Parameter([2.0, 2.0]), Parameter([3.0])
    a.register_buffer("n", Tensor([0]))
    top.a, top.again, top.b = a, a, b
    b.tied, b.nothing, b.deep = a.weight, None, Module()
    b.deep.v = Parameter([4.0])
    return top


def test_walk():
    top = small_tree()
    paths = [path for path, _ in top.named_modules()]
    assert paths == ["", "a", "b", "b.deep"], f"Module.named_modules: expected '', a, b, b.deep, got {paths}"
    names = [name for name, _ in top.named_parameters()]
    expected = ["w", "a.weight", "b.u", "b.deep.v"]
    assert names == expected, f"Module.named_members: expected {expected}, got {names} (each once, parents first)"
    assert [n for n, _ in top.named_parameters(prefix="net", recurse=False)] == ["net.w"], "Module.named_members: recurse=False"
    assert [n for n, _ in top.named_buffers()] == ["a.n"], "Module.named_members: buffers come from their own table"
    assert sum(p.numel() for p in top.parameters()) == 5, "Module.named_members: five numbers in all"
    assert top.train(False) is top and not any(m.training for m in top.modules()), "Module.train: False must reach everything"
    top.b.train()
    assert top.b.deep.training and not top.training, "Module.train: it changes what lies below, not above"

# %% [markdown]
"""
### Saving: a dict of names and tensors

`state_dict` is what goes into a file: every parameter and every buffer by name. Here a shared tensor *does* appear under each of its names, so
that a model without the sharing can load the file. The tensors are `detach()`ed: they share memory with the module but have no history.

Loading is where hours are lost: a name misspelt, a layer of another size, and half of the weights silently stay random. So
`load_state_dict` first compares everything, reports **all** differences in one sentence, and then changes all or nothing.
"""

# %% nbgrader={"grade": false, "grade_id": "layers-state-dict", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Module(Module):
    def state_dict(self, prefix=""):
        """Return {path: tensor} of all parameters and saved buffers; the tensors share memory with the module.

        TASK: own parameters first, then own buffers, then each submodule's state under `prefix + name + "."`.
        APPROACH: 1. an empty dict. 2. for both tables: every tensor that is not None and whose name is not in `self._transient`
            (buffers that are not saved) as `tensor.detach()`. 3. `update` with the `state_dict` of each module that is not None.
        EXAMPLE: {"fc1.weight": …, "fc1.bias": …}
        """
        ### BEGIN SOLUTION
        state = {}
        for table in (self._parameters, self._buffers):
            for name, tensor in table.items():
                if tensor is not None and name not in self._transient:
                    state[prefix + name] = tensor.detach()
        for name, module in self._modules.items():
            if module is not None:
                state.update(module.state_dict(f"{prefix}{name}."))
        return state
        ### END SOLUTION

    def load_state_dict(self, state_dict, strict=True):
        """Overwrite the parameters and buffers by those of `state_dict`; return (missing_keys, unexpected_keys).

        strict: names must agree exactly. Shapes must agree in any case. If anything is wrong, nothing is changed.

        TASK: compare, complain once, then copy.
        APPROACH: 1. `own = self.state_dict()`: writing into its tensors writes into the module. 2. three lists of strings:
            `missing` names, `unexpected` names, and `misfits` like "fc.weight: expected (2, 3), found (3, 2)". 3. misfits, or strict
            and any difference: `refuse_state(self, missing, unexpected, misfits, strict)` raises. 4. `own[name].copy_(…)` for each
            name in both, inside `with unrecorded():`. 5. return IncompatibleKeys(missing, unexpected).
        EXAMPLE: net.load_state_dict(other.state_dict())
        """
        if not isinstance(state_dict, dict):
            raise DTypeError(f"load_state_dict: expected the dict of a state_dict(), found {type(state_dict).__name__}. Load a file first.")
        ### BEGIN SOLUTION
        own = self.state_dict()
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        misfits = [
            f"{name}: expected {own[name].shape}, found {getattr(value, 'shape', type(value).__name__)}"
            for name, value in state_dict.items() if name in own and getattr(value, "shape", None) != own[name].shape
        ]
        if misfits or (strict and (missing or unexpected)):
            refuse_state(self, missing, unexpected, misfits, strict)
        with unrecorded():
            for name in own.keys() & state_dict.keys():
                own[name].copy_(state_dict[name])
        return IncompatibleKeys(missing, unexpected)
        ### END SOLUTION

# %% [markdown]
"""
### Test: all or nothing

A round trip between two trees. Then a state with one missing, one unexpected and one misfitting entry: the message must name all three, and
not a single number may have changed, not even those that did fit.
"""

# %% nbgrader={"grade": true, "grade_id": "test-layers-state-dict", "locked": true, "points": 15, "schema_version": 3, "solution": false, "task": false}
def test_state_dict():
    top = small_tree()
    top.register_buffer("scratch", Tensor([9.0]), persistent=False)
    names = ["w", "a.weight", "a.n", "again.weight", "again.n", "b.u", "b.tied", "b.deep.v"]
    assert list(top.state_dict() or ()) == names, f"Module.state_dict: expected a dict with {names}, got {top.state_dict()}"
    state = top.state_dict()
    assert not state["w"].requires_grad, "Module.state_dict: the tensors must be detached"
    state["w"][0] = 7.0
    assert top.w.tolist() == [7.0], "Module.state_dict: the tensors share memory with the module"

    fresh, kept = small_tree(), small_tree().w
    fresh.w = kept
    assert fresh.load_state_dict(state) == ([], []), "Module.load_state_dict: everything fits, return two empty lists of keys"
    assert fresh.w is kept and kept.tolist() == [7.0], "Module.load_state_dict: numbers are overwritten, objects stay"
    wrong = {**state, "w": Tensor([0.0]), "b.u": Tensor([1.0, 2.0]), "stranger": Tensor([1.0])}
    del wrong["b.deep.v"]
    for strict in (True, False):
        try:
            fresh.load_state_dict(wrong, strict=strict)
        except TinyTorchError as error:
            for part in ("b.deep.v", "stranger", "b.u: expected (1,), found (2,)"):
                assert part in str(error), f"Module.load_state_dict: the message must name {part!r}, got: {error}"
        else:
            raise AssertionError(f"Module.load_state_dict(strict={strict}): a misfitting shape must be refused")
        assert fresh.w.tolist() == [7.0], "Module.load_state_dict: nothing may change if anything is wrong"
    del wrong["b.u"]
    found = fresh.load_state_dict(wrong, strict=False)
    expected = (["b.u", "b.deep.v"], ["stranger"])
    assert tuple(found) == expected, f"Module.load_state_dict(strict=False): expected {expected}, got {found}"
    assert fresh.w.tolist() == [0.0], "Module.load_state_dict(strict=False): what fits is loaded"

# %% [markdown]
r"""
### The first weights

`kaiming_uniform_` fills a weight with uniform numbers in $[-b, b)$, $b = \mathrm{gain} \sqrt{3 / \mathrm{fan}}$. The fan is the number of
inputs of one output ("fan_in"), which keeps the signal forward in range, or the reverse ("fan_out"), for the gradients backward. Given:
`fan(tensor, mode)`, `calculate_gain(nonlinearity, a)`, `uniform_(tensor, low, high, generator)`. The other rules (normal, Xavier) follow
the same pattern, in `initialization_given.py`.
"""

# %% nbgrader={"grade": false, "grade_id": "layers-kaiming", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn.init: kaiming_uniform_
def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Fill `tensor` (out, in, …) with uniform numbers that keep the variance from layer to layer; return it.

    a: the slope of a leaky ReLU that follows. mode: "fan_in" or "fan_out". generator: the default one if None.

    TASK: the bound of the text above, then `uniform_`.
    APPROACH: gain, fan, bound: one line each.
    EXAMPLE: shape (10, 300), a=0 -> numbers between -√2·√(3/300) and √2·√(3/300), that is ±0.1414
    """
    ### BEGIN SOLUTION
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3 / fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)
    ### END SOLUTION

# %% [markdown]
"""
### Test: bound, variance, direction

120,000 numbers: all inside the bound, some close to it, variance b²/3 within one percent. A weight that is not square tells fan_in from fan_out.
"""

# %% nbgrader={"grade": true, "grade_id": "test-layers-kaiming", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
def test_kaiming():
    from tinytorch import Generator

    weight = Parameter(empty(400, 300))
    for settings, bound in (
        ({}, math.sqrt(2) * math.sqrt(3 / 300)), ({"mode": "fan_out"}, math.sqrt(2) * math.sqrt(3 / 400)),
        ({"a": math.sqrt(5)}, 1 / math.sqrt(300)), ({"nonlinearity": "linear"}, math.sqrt(3 / 300)),
    ):
        assert kaiming_uniform_(weight, generator=Generator(3), **settings) is weight, "kaiming_uniform_ must return its tensor"
        values = weight.detach().numpy()
        low, high = values.min(), values.max()
        assert -bound <= low < -0.999 * bound and 0.999 * bound < high <= bound, (
            f"kaiming_uniform_({settings}): expected numbers from {-bound:.5f} to {bound:.5f}, got {low:.5f} to {high:.5f}"
        )
        assert abs(values.var() / (bound**2 / 3) - 1) < 0.01, f"kaiming_uniform_({settings}): wrong variance {values.var()}"

# %% [markdown]
r"""
### Linear

The kernel is a matrix product and a sum, with two details. An input of shape $(B, T, n)$ is reshaped into $B T$ rows first: **one** large matrix
product runs far faster than $B$ small ones. And the bias is added in place (`out += bias`), which saves a whole array of the output's size.
"""

# %% nbgrader={"grade": false, "grade_id": "layers-linear-kernel", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn.functional: linear
def linear_kernel(xp, x, weight, bias):
    """Return x · weightᵀ + bias. x (…, n), weight (m, n), bias (m) or None -> (…, m).

    TASK: check, flatten the leading axes, multiply, add, restore the leading axes.
    APPROACH: 1. `x.ndim` 0, or the last size of x is not n: ShapeError with both shapes. 2. `rows = x.reshape(count, n)`, count
        being `math.prod` of the leading sizes. 3. `xp.matmul(rows, weight.T)`. 4. the bias, if there is one, in place.
    EXAMPLE: x (5, 7, 3), weight (2, 3) -> (5, 7, 2)
    """
    ### BEGIN SOLUTION
    if x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(f"linear: expected an input whose last size is {weight.shape[1]}, found shape {x.shape} for a weight "
                         f"of shape (out, in) = {weight.shape}. Is a flatten missing?")
    leading = x.shape[:-1]
    out = xp.matmul(x.reshape(math.prod(leading), x.shape[-1]), weight.T)
    if bias is not None:
        out += bias
    return out.reshape(*leading, weight.shape[0])
    ### END SOLUTION


LINEAR = Primitive("linear", ops.quiet(linear_kernel), promote="same")


def linear(input, weight, bias=None):
    """Return input · weightᵀ + bias. input (…, in), weight (out, in), bias (out) or None -> (…, out)."""
    if expect_tensor(weight, "linear").ndim != 2 or (bias is not None and getattr(bias, "shape", None) != weight.shape[:1]):
        found = f"{weight.shape} and {getattr(bias, 'shape', None)}"
        raise ShapeError(f"linear: expected a weight (out, in) and a bias (out), found {found}.")
    return bind(LINEAR, expect_tensor(input, "linear"), weight, bias)

# %% [markdown]
"""
### Test: against a sum of products

Inputs with one, two, three axes and none in the batch; with and without bias. Reference: `einsum` in double precision.
"""

# %% nbgrader={"grade": true, "grade_id": "test-layers-linear-kernel", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_linear_function():
    import numpy as np

    rng = np.random.default_rng(0)
    w, b = rng.normal(size=(4, 3)), rng.normal(size=4)
    for shape in ((3,), (5, 3), (2, 5, 3), (0, 3)):
        x = rng.normal(size=shape)
        expected = np.einsum("...i,oi->...o", x, w)
        plain, full = linear(Tensor(x), Tensor(w)), linear(Tensor(x), Tensor(w), Tensor(b))
        assert full.shape == expected.shape, f"linear_kernel: input {shape} expected shape {expected.shape}, got {full.shape}"
        assert np.allclose(plain.numpy(), expected), f"linear_kernel: wrong values without bias for input {shape}"
        assert np.allclose(full.numpy(), expected + b), f"linear_kernel: wrong values with bias for input {shape}"
    for bad in ((4,), (3, 4), ()):
        try:
            linear(Tensor(np.ones(bad)), Tensor(w))
        except ShapeError as error:
            assert str(bad) in str(error) and "3" in str(error), f"linear_kernel: the message must show the sizes, got {error}"
        else:
            raise AssertionError(f"linear_kernel: an input of shape {bad} must be refused by a weight (4, 3)")

# %% [markdown]
r"""
The layer owns weight and bias. PyTorch's first values: the weight by `kaiming_uniform_` with $a = \sqrt 5$, which comes out as
$\pm 1/\sqrt{n}$; the bias uniform in the same interval.
"""

# %% nbgrader={"grade": false, "grade_id": "layers-linear", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn: Linear
class Linear(Module):
    """A linear layer: y = x · weightᵀ + bias.

    Parameters: `weight` (out_features, in_features), `bias` (out_features) unless bias=False. dtype: float32 by default.
    """

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        """TASK: make `self.weight` and `self.bias`, Parameters of `empty` tensors; no bias: `self.bias = None`.

        APPROACH: `empty(*shape, dtype=dtype)`. The given last line fills them. EXAMPLE: Linear(3, 2).weight.shape -> (2, 3)
        """
        super().__init__()
        self.in_features, self.out_features = whole(in_features, "Linear's in_features"), whole(out_features, "Linear's out_features")
        dtype = parameter_dtype(dtype, device)
        ### BEGIN SOLUTION
        self.weight = Parameter(empty(out_features, in_features, dtype=dtype))
        self.bias = Parameter(empty(out_features, dtype=dtype)) if bias else None
        ### END SOLUTION
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the parameters anew.

        TASK: the weight with `kaiming_uniform_`, a = √5; the bias uniform in ±1/√in_features.
        APPROACH: `uniform_(tensor, low, high)`; mind layers without bias, and `fan(self.weight, "fan_in")` is at least 1.
        EXAMPLE: all numbers of Linear(100, 5) lie between -0.1 and 0.1
        """
        ### BEGIN SOLUTION
        kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(fan(self.weight, "fan_in"))
            uniform_(self.bias, -bound, bound)
        ### END SOLUTION

    def forward(self, input):
        """Return input · weightᵀ + bias. TASK: use `linear`. APPROACH: one line. EXAMPLE: (8, in) -> (8, out)"""
        ### BEGIN SOLUTION
        return linear(input, self.weight, self.bias)
        ### END SOLUTION

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"

# %% [markdown]
"""
### Test: names, shapes, first values

Names and order are what files and optimizers rely on. A large layer shows the interval of its first values; a bias of zeros would pass unseen
in most networks, so it is looked at too.
"""

# %% nbgrader={"grade": true, "grade_id": "test-layers-linear", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
def test_linear_layer():
    import numpy as np

    layer = Linear(400, 300)
    shapes = {name: p.shape for name, p in layer.named_parameters()}
    assert shapes == {"weight": (300, 400), "bias": (300,)}, f"Linear.__init__: wrong parameters {shapes}"
    assert all(p.requires_grad and p.dtype == np.float32 for p in layer.parameters()), "Linear.__init__: trainable float32"
    for name, p in layer.named_parameters():
        largest = abs(p.detach().numpy()).max()
        assert 0.95 / 20 < largest <= 1 / 20, f"Linear.reset_parameters: {name} must lie in ±1/√400 = ±0.05, reaches {largest:.4f}"
    x = Tensor(np.random.default_rng(1).normal(size=(2, 7, 400)).astype("float32"))
    assert isinstance(layer(x), Tensor), f"Linear.forward must return a Tensor, got {layer(x)!r}"
    w, b = (p.detach().numpy().astype("float64") for p in layer.parameters())
    assert np.allclose(layer(x).detach().numpy(), x.numpy() @ w.T + b, atol=1e-4), "Linear.forward: wrong values"
    plain = Linear(3, 2, bias=False, dtype="float64")
    assert plain.bias is None and [n for n, _ in plain.named_parameters()] == ["weight"], "Linear.__init__: bias=False has none"
    assert repr(plain) == "Linear(in_features=3, out_features=2, bias=False)" and plain.weight.dtype == np.float64

# %% [markdown]
"""
### Dropout: randomness that can be repeated

If the kernel drew random numbers by itself, running it again would give another result. But module 09 recomputes parts of a network to save
memory, and a stopped training must continue to the same bit. So drawing is a separate step: the layer *reserves* a piece of the random stream,
which is named by (seed, offset), and the kernel computes the mask from that name alone. The same (seed, offset) gives the same mask, always.

`random_uniform(xp, seed, offset, shape)` is given; so is `DEFAULT_GENERATOR.reserve(count)`, which returns (seed, offset).
"""

# %% nbgrader={"grade": false, "grade_id": "layers-dropout", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn.functional: dropout
@ops.quiet
def dropout_kernel(xp, x, *, p, seed, offset):
    """Return x with each number set to 0 with probability p, and the others divided by 1 - p.

    TASK: a mask from the named piece of the stream, and the scale.
    APPROACH: 1. keep where the uniform number in [0, 1) is at least p. 2. the scale is 1 / (1 - p), or 0.0 if p is 1. 3. multiply
        x by both; a bool mask and a Python number leave the dtype alone.
    EXAMPLE: ones with p=0.5 -> zeros and twos
    """
    ### BEGIN SOLUTION
    keep = random_uniform(xp, seed, offset, x.shape) >= p
    scale = 1 / (1 - p) if p < 1 else 0.0
    return x * keep * scale
    ### END SOLUTION


DROPOUT = Primitive("dropout", dropout_kernel, promote="float")
DROPOUT_ = in_place(DROPOUT)


def dropout(input, p=0.5, training=True, inplace=False):
    """Return the input with dropout in training, and the input itself otherwise. inplace: overwrite the input.

    TASK: reserve as many random numbers as the input has elements, and send the input through the door.
    APPROACH: 1. not training, or p is 0: the input. 2. `seed, offset = DEFAULT_GENERATOR.reserve(…)`. 3. `bind` DROPOUT, or
        DROPOUT_ if in place.
    EXAMPLE: dropout(x, 0.5, training=False) is x
    """
    expect_tensor(input, "dropout")
    p = number(p, "dropout's probability p", 0, 1)
    ### BEGIN SOLUTION
    if not training or p == 0:
        return input
    seed, offset = DEFAULT_GENERATOR.reserve(input.numel())
    return bind(DROPOUT_ if inplace else DROPOUT, input, p=float(p), seed=seed, offset=offset)
    ### END SOLUTION

# %% [markdown]
"""
### Test: how many, how large, how repeatable

100,000 ones: 30 % become 0 within five standard errors, the others are exactly 1/0.7. The same (seed, offset) repeats; two calls in a row differ;
the same seed of the generator repeats both; and in inference nothing is drawn at all.
"""

# %% nbgrader={"grade": true, "grade_id": "test-layers-dropout", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_dropout():
    import numpy as np

    import tinytorch

    x = Tensor(np.ones(100_000, "float32"))
    assert isinstance(dropout(x, 0.3), Tensor), f"dropout must return a Tensor, got {dropout(x, 0.3)!r}"
    tinytorch.manual_seed(5)
    first, second = dropout(x, 0.3).numpy(), dropout(x, 0.3).numpy()
    share = (first == 0).mean()
    assert abs(share - 0.3) < 5 * math.sqrt(0.21 / 100_000), f"dropout_kernel: expected 30 % zeros, got {share:.2%}"
    assert np.allclose(np.unique(first), [0, 1 / 0.7]), f"dropout_kernel: the rest must be 1/0.7, got {np.unique(first)}"
    assert first.dtype == np.float32, f"dropout_kernel: the dtype must be kept, got {first.dtype}"
    assert not np.array_equal(first, second), "dropout: two calls must draw different masks (reserve moves the stream)"
    assert abs(((first == 0) & (second == 0)).mean() - 0.09) < 0.005, "dropout: masks must be independent; reserve x.numel()"
    tinytorch.manual_seed(5)
    assert np.array_equal(dropout(x, 0.3).numpy(), first), "dropout: the same seed must give the same mask"
    settings = {"p": 0.5, "seed": 1, "offset": 64}
    assert bind(DROPOUT, x, **settings).equal(bind(DROPOUT, x, **settings)), "dropout_kernel: (seed, offset) names the mask"
    assert dropout(x, 1.0).sum().item() == 0 and dropout(x, 0.0) is x, "dropout: p=1 drops all, p=0 nothing"
    before = DEFAULT_GENERATOR.get_state()
    assert dropout(x, 0.3, training=False) is x, "dropout: in inference the input passes as it is"
    assert before == DEFAULT_GENERATOR.get_state(), "dropout: inference must not draw"
    assert dropout(x, 1.0, inplace=True) is x and not x.numpy().any(), "dropout: in place overwrites the input"

# %% [markdown]
"""
### Embedding: a table for tokens

Looking up rows costs no multiplication. What it needs is a check: NumPy would take index -1 as the last row, and a wrong token would train
the wrong row in silence. Its gradient adds up the rows that were looked up; that kernel is given (`embedding_gradient_given.py`).

`padding_idx` marks a token that means "nothing here": its row starts as 0 and never receives a gradient.
"""

# %% nbgrader={"grade": false, "grade_id": "layers-embedding", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn.functional: embedding
from tinytorch.given.embedding_table import PretrainedTable        # it also registers the primitive embedding_grad


def embedding_kernel(xp, weight, indices, *, padding_idx=None):
    """Return weight[indices]: weight (n, d), indices of any shape S, integers from 0 to n-1 -> (*S, d).

    padding_idx matters to the gradient only.

    TASK: refuse what is not an integer (DTypeError), and what is out of range (IndexingError, naming the index); then look up.
    APPROACH: `indices.dtype.kind` is "i" or "u"; `indices.min()` and `.max()`, if there are any (`indices.size`); `xp.take` with axis=0.
    EXAMPLE: a table of 3 rows, indices [[2, 0]] -> [[row 2, row 0]]
    """
    ### BEGIN SOLUTION
    if indices.dtype.kind not in "iu":
        raise DTypeError(f"embedding: expected integer indices, found {indices.dtype}. Convert them: x.long().")
    if indices.size and not 0 <= indices.min() <= indices.max() < len(weight):
        wrong = indices.min() if indices.min() < 0 else indices.max()
        raise IndexingError(f"embedding: expected indices from 0 to {len(weight) - 1}, found {wrong}.")
    return xp.take(weight, indices, axis=0)
    ### END SOLUTION


EMBEDDING = Primitive("embedding", embedding_kernel)


def embedding(input, weight, padding_idx=None):
    """Return the rows of `weight` (n, d) that `input`, a tensor of integers, names: (*input.shape, d)."""
    if expect_tensor(weight, "embedding").ndim != 2:
        raise ShapeError(f"embedding: expected a table of shape (rows, features), found {weight.shape}.")
    if padding_idx is not None:
        padding_idx = ops.axis(padding_idx, weight.shape[0], "embedding's padding_idx, a row of the table")
    return bind(EMBEDDING, weight, expect_tensor(input, "embedding"), padding_idx=padding_idx)

# %% [markdown]
"""
### Test: rows by number

Against indexing by hand, and against the linear layer that it replaces (a matrix of zeros and ones). Then the indices that NumPy would
have let pass.
"""

# %% nbgrader={"grade": true, "grade_id": "test-layers-embedding", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
def test_embedding():
    import numpy as np

    table = np.random.default_rng(2).normal(size=(6, 4))
    tokens = np.array([[5, 0, 3], [3, 1, 1]])
    found = embedding(Tensor(tokens), Tensor(table)).numpy()
    assert found.shape == (2, 3, 4), f"embedding_kernel: expected shape (2, 3, 4), got {found.shape}"
    assert np.array_equal(found, [[table[i] for i in row] for row in tokens]), "embedding_kernel: wrong rows"
    assert np.allclose(found, np.eye(6)[tokens] @ table), "embedding_kernel: it must equal a product with zeros and ones"
    none = embedding(Tensor(np.zeros((0, 2), "int64")), Tensor(table))
    assert none.shape == (0, 2, 4), f"embedding_kernel: no tokens, no rows: expected (0, 2, 4), got {none.shape}"
    for bad, kind in (([6], IndexingError), ([-1], IndexingError), ([1.0], DTypeError)):
        try:
            embedding(Tensor(bad), Tensor(table))
        except kind as error:
            assert kind is DTypeError or str(bad[0]) in str(error), f"embedding_kernel: the message must name {bad[0]}: {error}"
        else:
            raise AssertionError(f"embedding_kernel: indices {bad} must raise {kind.__name__}")

# %% [markdown]
"""
### The same as layers, given

`Dropout` hands its `training` on to your function, so that `net.eval()` switches it off everywhere. `Embedding` owns the table. `Flatten`
stands between images and linear layers; `Identity` where a layer may be switched off.
"""

# %% nbgrader={"grade": false, "grade_id": "layers-dropout-embedding", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face nn: Dropout, Embedding
class Dropout(Module):
    """Dropout with probability p while `training` is True; afterwards it passes everything."""

    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        self.p, self.inplace = number(p, "Dropout's probability p", 0, 1), inplace

    def forward(self, input):
        return dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self):
        return f"p={self.p}, inplace={self.inplace}"


class Embedding(PretrainedTable, Module):
    """A table of `num_embeddings` vectors of size `embedding_dim`, looked up by integers.

    Parameter: `weight`, standard normal at first. padding_idx: the row that stays 0; None for none.
    """

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, device=None, dtype=None):
        super().__init__()
        self.num_embeddings = num_embeddings = whole(num_embeddings, "Embedding's num_embeddings")
        self.embedding_dim = embedding_dim = whole(embedding_dim, "Embedding's embedding_dim")
        self.padding_idx = None if padding_idx is None else ops.axis(padding_idx, num_embeddings, "Embedding's padding_idx")
        self.weight = Parameter(empty(num_embeddings, embedding_dim, dtype=parameter_dtype(dtype, device)))
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the table anew."""
        normal_(self.weight)
        if self.padding_idx is not None:
            zeros_(self.weight.detach()[self.padding_idx])

    def forward(self, input):
        return embedding(input, self.weight, self.padding_idx)

    def extra_repr(self):
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"

# %% nbgrader={"grade": false, "grade_id": "layers-identity", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face nn: Flatten, Identity
class Flatten(Module):
    """Join the axes from start_dim to end_dim into one; by default all but the batch."""

    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input):
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Identity(Module):
    """Return the input; arguments are taken and ignored, so that it can stand in for any layer."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        return input

# %% [markdown]
"""
## Systems analysis: what does a layer cost?

1. **Signal.** Thirty linear layers with ReLU. With which first weights does the signal survive?
2. **Memory.** A 784-512-512-10 network and a batch of 128: which takes more, weights or intermediate results?
3. **Batch.** How much faster is one example when it is computed together with 255 others?
"""

# %%
def analyze_signal():
    """Print the mean size of the signal after 1, 10 and 30 layers for four ways to draw the first weights."""
    from tinytorch import randn, relu

    width = 256
    for name, fill in (
        ("normal, std 1", lambda w: normal_(w)), ("normal, std 0.01", lambda w: normal_(w, std=0.01)),
        ("PyTorch's Linear, a=√5", lambda w: kaiming_uniform_(w, a=math.sqrt(5))),
        ("kaiming, for ReLU", lambda w: kaiming_uniform_(w, nonlinearity="relu")),
    ):
        x, size = randn(64, width), {}
        for depth in range(1, 31):
            x = relu(linear(x, fill(empty(width, width))))
            size[depth] = x.abs().mean().item()
        print(f"{name:<24} " + "  ".join(f"layer {d}: {size[d]:9.3g}" for d in (1, 10, 30)))


def analyze_memory():
    """Print the bytes of the weights and of the intermediate results of a small network, for three batch sizes."""
    from tinytorch.utils import format_bytes
    layers = [Linear(784, 512), Linear(512, 512), Linear(512, 10)]
    weights = sum(p.detach().numpy().nbytes for layer in layers for p in layer.parameters())
    for batch in (1, 128, 4096):
        results = sum(4 * batch * layer.out_features for layer in layers)
        print(f"batch {batch:>5}: weights {format_bytes(weights)}, intermediate results {format_bytes(results)}")


def analyze_batch():
    """Print the time of one example in batches of different size, and the rate of arithmetic."""
    from tinytorch import randn
    from tinytorch.utils import format_seconds, measure_time

    layer = Linear(1024, 1024)
    for batch in (1, 16, 256):
        seconds = measure_time(layer, randn(batch, 1024), repeats=5).median
        rate = 2 * batch * 1024 * 1024 / seconds / 1e9
        print(f"batch {batch:>4}: {format_seconds(seconds / batch):>8} an example, {rate:6.1f} GFLOP/s")

# %% [markdown]
"""
One example needs all 4 MB of the weights, and uses each number once: memory is the limit. With 256 examples each weight that was fetched
is used 256 times: arithmetic is the limit. So servers collect requests into batches, and a language model that writes token by token is slow.
"""

# %% [markdown]
"""
## Integration: train today, go on tomorrow

A network is a Module whose parts are Modules. `save` and `load` are given (`serialization_given.py`): tensors go into a *safetensors* file,
which holds numbers and names, nothing that could run. PyTorch's classic format is a program (a pickle): loading a stranger's may do anything.
"""

# %% nbgrader={"grade": false, "grade_id": "layers-classifier", "locked": true, "schema_version": 3, "solution": false, "task": false}
class Classifier(Module):
    """Token indices (batch, length) -> scores (batch, classes): embed, average, bend, score."""

    def __init__(self, tokens=20, width=8, classes=3):
        super().__init__()
        self.embed = Embedding(tokens, width)
        self.hidden = Linear(width, width)
        self.drop = Dropout(0.2)
        self.score = Linear(width, classes)

    def forward(self, tokens):
        x = self.embed(tokens).mean(dim=1)          # (batch, length, width) -> (batch, width)
        return self.score(self.drop(self.hidden(x).relu()))


def demonstrate_saving():
    """Print a model, save it, load it into another one, and compare the two."""
    import tempfile
    from pathlib import Path

    from tinytorch.given.serialization import load, save

    model, other, tokens = Classifier().eval(), Classifier().eval(), Tensor([[1, 2, 3], [4, 5, 6]])
    print(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save({"model": model.state_dict(), "epoch": 3}, path)
        saved = load(path)
        print(f"{path.stat().st_size} bytes; epoch {saved['epoch']}; {', '.join(saved['model'])}")
    other.load_state_dict(saved["model"])
    print("same scores:", other(tokens).detach().equal(model(tokens).detach()))

# %% [markdown]
"""
## Production context

**PyTorch**'s `nn.Module` is this class, with more hooks: names in a `state_dict` are the same, so weights can be carried over. **JAX** has no
such class: a model is a function of (parameters, input), and libraries (Flax, Equinox) rebuild the tree. **Keras** makes its weights only when the
first input arrives, because then it knows the sizes.

A difference: PyTorch draws dropout inside the kernel and saves the mask, one byte an element; ours saves two numbers and draws it again.
"""

# %% [markdown]
"""
## Comprehensive test

The classifier above as a whole: names, forward pass against plain NumPy, freezing, conversion to float64, a state that travels.
"""

# %% nbgrader={"grade": true, "grade_id": "test-layers-module-all", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def test_module():
    import numpy as np

    model = Classifier().eval()
    names = ["embed.weight", "hidden.weight", "hidden.bias", "score.weight", "score.bias"]
    assert [n for n, _ in model.named_parameters()] == names, "Module.named_members: wrong names of the classifier"
    e, w1, b1, w2, b2 = (p.detach().numpy().astype("float64") for p in model.parameters())
    tokens = np.array([[1, 2, 2], [4, 19, 0]])
    expected = np.maximum(e[tokens].mean(1) @ w1.T + b1, 0) @ w2.T + b2
    found = model(Tensor(tokens))
    assert np.allclose(found.detach().numpy(), expected, atol=1e-5), "Linear.forward, embedding_kernel: wrong scores"
    assert model.requires_grad_(False) is model and not any(p.requires_grad for p in model.parameters()), "requires_grad_"
    weight = model.score.weight
    model.double()
    assert model.score.weight is weight and weight.dtype == np.float64, "Module.to: the same Parameter, converted"
    other = Classifier().eval()
    other.load_state_dict(model.state_dict())
    assert other.embed.weight.dtype == np.float32, "Module.load_state_dict: numbers are converted to the module's dtype"
    assert np.allclose(other(Tensor(tokens)).detach().numpy(), expected, atol=1e-5), "Module.load_state_dict: wrong scores"

# %%
if __name__ == "__main__":
    test_module_registration()
    test_walk()
    test_state_dict()
    test_kaiming()
    test_linear_function()
    test_linear_layer()
    test_dropout()
    test_embedding()
    analyze_signal()
    analyze_memory()
    analyze_batch()
    demonstrate_saving()
    test_module()

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions
"""

# %% [markdown]
"""
**1.** Your `load_state_dict` compares everything before it copies anything. A colleague finds the first loop superfluous: "copy_ raises an error
anyway if a shape is wrong". Describe what their model looks like after such an error, and why `strict=False` does not excuse a wrong shape.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "layers-q1", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) The tensors before the failing one are overwritten, those after it are not: a mixture of two models that still runs (3 points). A
missing name may be intended (a new head is fine-tuned); a wrong shape means that the file belongs to another architecture, and broadcasting could
even hide it (2).
"""

# %% [markdown]
"""
**2.** From `analyze_signal`: PyTorch's own first weights (a=√5) let the signal fade over 30 ReLU layers, yet PyTorch trains deep networks. Compute
by which factor the variance changes per layer with that rule, and name what else keeps modern networks in range.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "layers-q2", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Weights in ±1/√n have variance 1/(3n); a linear layer gives n · 1/(3n) = 1/3 of the mean square, ReLU halves it: 1/6 per layer
(3 points). Normalisation layers (06) rescale after each layer, and residual connections (07) carry the signal past them (2).
"""

# %% [markdown]
"""
**3.** Dropout in your kernel takes (seed, offset) instead of drawing. Give two situations in which a kernel that draws by itself would make a training
run wrong or impossible to repeat, and say what your version stores instead of the mask for a batch of 128 × 4096.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "layers-q3", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Recomputing activations in the backward pass would use another mask, so the gradient would belong to another function (2 points); a
run resumed from a file would continue with other numbers than the uninterrupted one (1). It stores two integers, 16 bytes, instead of 524,288
mask elements, half a megabyte as bools (2).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: Layers

Your layers own their weights, name them, save them and take them back, all or nothing. And the first weights are drawn so that a signal survives.
Next: `tito module complete layers`, then module 05: layers in a row become a network whose size and work you can tell beforehand.
"""
