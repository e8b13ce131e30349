# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# Module 05: Networks, or how to know a model before it runs

Layers in a row make a network. That takes ten lines. The harder question comes before any training: *how large is it, and how much work
does it do?* People rent a machine for a week and find on the first evening that the model does not fit, or that an epoch takes three days.
Both numbers can be known beforehand, to the last digit.

Today you put layers together, and you build the instruments that weigh a model: a parameter counter, and a **watcher** at your door from module
02 that counts every multiplication as it passes. Then you measure something stranger: why deep networks beat wide ones.

**You bring:** the door (02), activations (03), layers (04). **You leave with:** `Sequential`, `ModuleList`, `MLP`, `count_parameters`,
`count_flops`, `summary`. **Capability:** *Can I compose layers into a network and say beforehand how large and how costly it is?*
"""

# %% nbgrader={"grade": false, "grade_id": "networks-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.networks
from tito.workbench import modules_before

modules_before("05_networks")

# %% [markdown]
r"""
## Mathematical background

A network is a composition: $f = f_k \circ \dots \circ f_2 \circ f_1$. The output of each layer is the input of the next.

**Size.** A linear layer from $n$ to $m$ features has $n\,m$ weights and $m$ biases. An MLP (multi-layer perceptron) with the sizes
$n_0, n_1, \dots, n_k$ therefore has

$$ \sum_{i=1}^{k} (n_{i-1} + 1)\, n_i \quad \text{parameters.} $$

**Work.** One output number of a linear layer takes $n$ multiplications and $n$ additions. We count one multiplication *with* its addition as one
multiply-add, and as **2 FLOPs** (floating-point operations), which is how processors are advertised. So a layer costs $2\,n\,m$ FLOPs for
each example: for every weight one multiply-add. A convolution uses each weight once for each *place* of the output image: few weights, much work.

**Power.** With ReLU between the layers, $f$ is piecewise linear: straight pieces with corners between them. One hidden layer of $w$ units has at
most $w$ corners along a line, so at most $w + 1$ pieces. But composing two functions *multiplies* their pieces, so depth can give
exponentially many (Montúfar et al. 2014). You will count them.
"""

# %% [markdown]
"""
## Implementation

### Sequential: layers in a row

`Sequential(Linear(4, 8), ReLU(), Linear(8, 2))` names its elements "0", "1", "2". A dict gives them names of your own. `append` adds one more, and
`forward` feeds each one's output to the next. It *is* a Module, and its elements are submodules, so everything that you built in module 04
(parameters, saving, `eval`) works at once.

Given, in `containers_given.py`: `len`, iteration, replacing and inserting elements, and `expect_module(value, what)`, which refuses what is no
layer. The most frequent mistake is `ReLU` without parentheses.
"""

# %% nbgrader={"grade": false, "grade_id": "networks-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
import math
from collections import OrderedDict
from itertools import pairwise

from tinytorch.core.engine import ShapeError, Watcher
from tinytorch.core.layers import Dropout, Linear
from tinytorch.given.activation_modules import ReLU
from tinytorch.given.containers import ModuleSequence, expect_module, repr_of_list
from tinytorch.given.inspection import Layer, Summary, run_once, shape_of

# %% nbgrader={"grade": false, "grade_id": "networks-sequential", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn: Sequential
class Sequential(ModuleSequence):
    """Modules in a row: the output of each is the input of the next.

    modules: any number of modules, or one dict name -> module. Without any it returns its input.
    """

    def __init__(self, *modules):
        """TASK: enter the modules, under their number or under the name that the dict gives them.

        APPROACH: `self.append(module)` for each; for a dict `self.add_module(name, expect_module(module, "Sequential"))`.
        EXAMPLE: Sequential({"fc": Linear(2, 3)}) -> its weight is called "fc.weight"
        """
        super().__init__()
        ### BEGIN SOLUTION
        if len(modules) == 1 and isinstance(modules[0], dict):
            for name, module in modules[0].items():
                self.add_module(name, expect_module(module, "Sequential"))
        else:
            for module in modules:
                self.append(module)
        ### END SOLUTION

    def append(self, module):
        """Add one module at the end, named by its number; return self.

        TASK: enter it under `str(len(self))`. APPROACH: `add_module`, after `expect_module(module, type(self).__name__)`.
        EXAMPLE: Sequential().append(Linear(2, 3)).append(ReLU())
        """
        ### BEGIN SOLUTION
        self.add_module(str(len(self)), expect_module(module, type(self).__name__))
        return self
        ### END SOLUTION

    def forward(self, input):
        """Return the input after all modules.

        TASK: feed it through. APPROACH: iterate over `self`, and *call* each module (never its `forward`: hooks!).
        EXAMPLE: Sequential(a, b)(x) is b(a(x))
        """
        ### BEGIN SOLUTION
        for module in self:
            input = module(input)
        return input
        ### END SOLUTION

# %% [markdown]
"""
### Test: order, names, hooks

Three layers whose order shows: add 1, double, take 3 away. Then names, the empty network, and a hook that must see its layer being called.
"""

# %% nbgrader={"grade": true, "grade_id": "test-networks-sequential", "locked": true, "points": 15, "schema_version": 3, "solution": false, "task": false}
def affine(scale, shift):
    """Return a Linear(1, 1) that computes scale · x + shift."""
    from tinytorch.nn import init

    layer = Linear(1, 1)
    init.constant_(layer.weight, scale)
    init.constant_(layer.bias, shift)
    return layer


def test_sequential():
    from tinytorch import Tensor

    net, x = Sequential(affine(1, 1), affine(2, 0), affine(1, -3)), Tensor([[5.0]])
    assert isinstance(net(x), Tensor), f"Sequential.forward must return the last module's output, got {net(x)!r}"
    assert net(x).item() == 9, f"Sequential.forward: ((5 + 1) * 2) - 3 is 9, got {net(x).item()} (is the order kept?)"
    assert Sequential()(x) is x, "Sequential.forward: without modules it returns its input"
    names = [n for n, _ in net.named_parameters()]
    assert names == ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"], f"Sequential.__init__: names {names}"
    named = Sequential(OrderedDict(first=affine(3, 0), second=affine(1, 1)))
    assert named(x).item() == 16, f"Sequential.__init__: a dict keeps its order, 5 * 3 + 1 is 16, got {named(x).item()}"
    assert next(iter(named.state_dict())) == "first.weight", "Sequential.__init__: a dict gives the names"
    tail = affine(1, 1)
    assert net.append(tail) is net and list(net._modules)[-1] == "3", "Sequential.append: named by number, returns self"
    calls = []
    with tail.register_forward_hook(lambda module, args, output: calls.append(args[0].item())):
        assert net(x).item() == 10, "Sequential.append: the new module must be at work"
    assert calls == [9], f"Sequential.forward: call the modules, not their forward: the hook saw {calls}"
    for bad in (ReLU, 3, [affine(1, 1)]):
        try:
            Sequential(bad)
        except TypeError as error:
            assert "Module" in str(error), f"Sequential.append: the message must say what was expected, got {error}"
        else:
            raise AssertionError(f"Sequential.append: {bad!r} is no module and must be refused")

# %% [markdown]
"""
### Indexing and slicing

`net[0]` is the first layer, `net[-1]` the last one, `net[:-1]` everything but the last: a network that shares its layers with `net`. That is how a
trained classifier becomes a feature extractor: cut off its head.
"""

# %% nbgrader={"grade": false, "grade_id": "networks-getitem", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Sequential(Sequential):
    def __getitem__(self, index):
        """Return one module, or for a slice a Sequential of those selected, with their names.

        TASK: the two cases.
        APPROACH: 1. a slice: `list(self._modules.items())[index]` are pairs (name, module); an OrderedDict of them makes a
            `Sequential`. 2. an int: `self._modules[self.key(index)]`; `key` counts from the end too, and refuses what is out of range.
        EXAMPLE: Sequential(a, b, c)[1:] -> Sequential of b and c, named "1" and "2"
        """
        ### BEGIN SOLUTION
        if isinstance(index, slice):
            return Sequential(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self.key(index)]
        ### END SOLUTION

# %% [markdown]
"""
### Test: the very same layers

An element is the module itself, not a copy: training the slice trains the network. A slice keeps the names, as in PyTorch, so that its
state fits into the whole.
"""

# %% nbgrader={"grade": true, "grade_id": "test-networks-getitem", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_getitem():
    from tinytorch import IndexingError, Tensor

    parts = [affine(1, 1), affine(2, 0), affine(1, -3)]
    net = Sequential(*parts)
    assert net[0] is parts[0] and net[-1] is parts[2], "Sequential.__getitem__: elements are the modules themselves"
    body = net[:-1]
    assert isinstance(body, Sequential) and len(body) == 2, f"Sequential.__getitem__: net[:-1] has 2 modules, got {body}"
    assert body[1] is parts[1] and body(Tensor([[5.0]])).item() == 12, "Sequential.__getitem__: a slice shares its layers"
    assert next(iter(net[1:].state_dict())) == "1.weight", "Sequential.__getitem__: a slice keeps the names"
    net[1] = affine(10, 0)
    assert net(Tensor([[5.0]])).item() == 57, "Sequential.__getitem__: net[1] = … replaces the layer at work"
    for bad in (3, -4):
        try:
            net[bad]
        except IndexingError as error:
            assert str(bad) in str(error), f"Sequential.__getitem__: the message must name the index, got {error}"
        else:
            raise AssertionError(f"Sequential.__getitem__: index {bad} of 3 must be refused")

# %% [markdown]
"""
### ModuleList, given

Sometimes the layers do not stand in a row: each block of a Transformer adds its output to its input. Then you want a list, and your own `forward`. A
plain Python list would hide its layers: `__setattr__` sees a list, not modules, and an optimizer would never get their parameters. This is a
frequent and silent mistake. `ModuleList` registers them; it has no `forward`.
"""

# %% nbgrader={"grade": false, "grade_id": "networks-module-list", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face nn: ModuleList
class ModuleList(ModuleSequence):
    """A list of modules whose parameters are found. It has no forward; its owner calls the elements.

    modules: an iterable of modules. Names are "0", "1", …
    """

    def __init__(self, modules=()):
        super().__init__()
        self.extend(modules)

    append = Sequential.append

    def __getitem__(self, index):
        return ModuleList(list(self)[index]) if isinstance(index, slice) else self._modules[self.key(index)]

    def __repr__(self):
        return repr_of_list(self)

# %% [markdown]
"""
### MLP: the network of networks

Linear, bend, linear, bend, …, linear. `MLP(784, 256, 128, 10)` has three linear layers; after each but the last stand the activation and, if asked for,
dropout. **No bend after the last one**: the outputs are scores, and scores may be negative. An MLP is a Sequential, so slicing works.
"""

# %% nbgrader={"grade": false, "grade_id": "networks-mlp", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face models: MLP
class MLP(Sequential):
    """A multi-layer perceptron: Linear layers with an activation, and dropout, between them. (…, sizes[0]) -> (…, sizes[-1]).

    sizes: two or more numbers of features, input first. activation: a class of modules, called once for each bend.
    dropout: the probability of a Dropout after each activation; 0.0 for none.
    """

    def __init__(self, *sizes, activation=ReLU, dropout=0.0):
        """TASK: build the list of layers, and hand it to Sequential.

        APPROACH: 1. walk over `pairwise(sizes)`, the pairs of neighbours: a Linear each. 2. after each but the last: `activation()`,
            and `Dropout(dropout)` if dropout is not 0. 3. `super().__init__(*layers)`.
        EXAMPLE: MLP(4, 8, 2) -> Linear(4, 8), ReLU(), Linear(8, 2)
        """
        if len(sizes) < 2:
            raise ShapeError(f"MLP: expected at least two sizes, of the input and of the output, found {sizes}.")
        ### BEGIN SOLUTION
        layers = []
        for i, (n, m) in enumerate(pairwise(sizes)):
            layers.append(Linear(n, m))
            if i < len(sizes) - 2:
                layers.append(activation())
                if dropout:
                    layers.append(Dropout(dropout))
        super().__init__(*layers)
        ### END SOLUTION

# %% [markdown]
"""
### Test: layers, scores, against plain NumPy

The sequence of layers, a forward pass in double precision, and the last layer: with all weights made negative its scores must be negative. With a bend at
the end they would be 0.
"""

# %% nbgrader={"grade": true, "grade_id": "test-networks-mlp", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
def test_mlp():
    import numpy as np

    from tinytorch import Tensor
    from tinytorch.nn import Tanh

    net = MLP(4, 8, 6, 3)
    kinds = [type(layer).__name__ for layer in net]
    assert kinds == ["Linear", "ReLU", "Linear", "ReLU", "Linear"], f"MLP.__init__: wrong layers {kinds}"
    shapes = [p.shape for p in net.parameters()]
    assert shapes == [(8, 4), (8,), (6, 8), (6,), (3, 6), (3,)], f"MLP.__init__: wrong sizes {shapes}"
    x = np.random.default_rng(0).normal(size=(5, 4))
    w1, b1, w2, b2, w3, b3 = (p.detach().numpy().astype("float64") for p in net.parameters())
    expected = np.maximum(np.maximum(x @ w1.T + b1, 0) @ w2.T + b2, 0) @ w3.T + b3
    found = net(Tensor(x)).detach().numpy()
    assert np.allclose(found, expected, atol=1e-6), f"MLP.__init__: wrong scores, first expected {expected[0]}, got {found[0]}"
    dropped = [type(layer).__name__ for layer in MLP(4, 8, 8, 3, activation=Tanh, dropout=0.25)]
    assert dropped == ["Linear", "Tanh", "Dropout"] * 2 + ["Linear"], f"MLP.__init__: wrong layers {dropped}"
    line = MLP(1, 1)
    line.load_state_dict({"0.weight": Tensor([[1.0]]), "0.bias": Tensor([-2.0])})
    assert line(Tensor([[1.0]])).item() == -1, "MLP.__init__: no activation after the last layer: scores may be negative"
    assert net[0] is not net[2] and net[1] is not net[3], "MLP.__init__: every bend is a module of its own"

# %% [markdown]
"""
### Counting parameters

How many numbers does a model learn? A shared weight counts once, since it is one array; `parameters()` knows that already. Frozen weights
(`requires_grad=False`) take memory, but are not trained.
"""

# %% nbgrader={"grade": false, "grade_id": "networks-count-parameters", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face models: count_parameters
def count_parameters(model, trainable=False):
    """Return how many numbers the parameters of `model` hold; with `trainable` only those that require a gradient.

    TASK: one sum.
    APPROACH: `model.parameters()`, `p.numel()`, `p.requires_grad`.
    EXAMPLE: count_parameters(Linear(3, 2)) -> 8
    """
    ### BEGIN SOLUTION
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)
    ### END SOLUTION

# %% [markdown]
"""
### Test: against the formula

Sums by hand, a frozen layer, and a layer used twice.
"""

# %% nbgrader={"grade": true, "grade_id": "test-networks-count-parameters", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_count_parameters():
    sizes = (784, 256, 128, 10)
    net = MLP(*sizes)
    expected = sum((n + 1) * m for n, m in pairwise(sizes))
    assert count_parameters(net) == expected, f"count_parameters: expected {expected}, got {count_parameters(net)}"
    net[0].requires_grad_(False)
    rest = count_parameters(net, trainable=True)
    assert rest == expected - 785 * 256, f"count_parameters: a frozen layer is not trainable, expected {expected - 785 * 256}, got {rest}"
    assert count_parameters(net) == expected, "count_parameters: frozen weights still count as parameters"
    shared = Linear(5, 5)
    twice = count_parameters(Sequential(shared, ReLU(), shared))
    assert twice == 30, f"count_parameters: a layer used twice counts once, expected 30, got {twice}"
    assert count_parameters(ReLU()) == 0, "count_parameters: an activation has none"

# %% [markdown]
r"""
### Counting work: a watcher at the door

You could write a formula for each kind of layer. Then somebody brings a new layer, and your count is silently wrong. Better: let the model run once,
and count what *happens*. Every operation passes through `bind`, and a watcher sees each with its inputs and outputs. So the count is right
for any model, whatever its `forward` does.

First the work of one operation, in multiply-adds. They depend on shapes only:

| operation | inputs | each number of the output needs |
|---|---|---|
| linear | x $(\dots, n)$, weight $(m, n)$, bias | $n$ |
| matmul | a $(\dots, n)$, b | $n$ |
| conv2d | x, weight (out, in, height, width), bias | in · height · width |

Everything else (bias, activations, normalisation) costs a few operations for each number and is left out, as is usual.
"""

# %% nbgrader={"grade": false, "grade_id": "networks-work", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def linear_work(inputs, outputs):
    """Return the multiply-adds of one linear operation. TASK: see the table. EXAMPLE: x (5, 4), weight (3, 4) -> 60

    APPROACH: `outputs[0].numel()` times the last size of the weight, `inputs[1]`.
    """
    ### BEGIN SOLUTION
    return outputs[0].numel() * inputs[1].shape[-1]
    ### END SOLUTION


def matmul_work(inputs, outputs):
    """Return the multiply-adds of one matrix product. TASK: see the table. EXAMPLE: (2, 5, 4) @ (4, 3) -> 120

    APPROACH: the last size of the first operand is what is summed over.
    """
    ### BEGIN SOLUTION
    return outputs[0].numel() * inputs[0].shape[-1]
    ### END SOLUTION


def conv2d_work(inputs, outputs):
    """Return the multiply-adds of one convolution. TASK: see the table.

    APPROACH: `math.prod` of all sizes of the weight but the first. EXAMPLE: output (1, 8, 6, 6), weight (8, 3, 5, 5) -> 21600
    """
    ### BEGIN SOLUTION
    return outputs[0].numel() * math.prod(inputs[1].shape[1:])
    ### END SOLUTION


MULTIPLY_ADDS = {"linear": linear_work, "matmul": matmul_work, "conv2d": conv2d_work}

# %% [markdown]
"""
### Test: six operations by hand

Batches, vectors, and a convolution whose channels are in groups: its weight shows one input channel only.
"""

# %% nbgrader={"grade": true, "grade_id": "test-networks-work", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_work():
    from tinytorch import ones

    cases = (
        (linear_work, (5, 4), (3, 4), (5, 3), 60), (linear_work, (2, 5, 4), (3, 4), (2, 5, 3), 120),
        (matmul_work, (2, 5, 4), (4, 3), (2, 5, 3), 120), (matmul_work, (4,), (4,), (), 4),
        (conv2d_work, (1, 3, 10, 10), (8, 3, 5, 5), (1, 8, 6, 6), 21_600),
        (conv2d_work, (1, 4, 8, 8), (4, 1, 3, 3), (1, 4, 6, 6), 1_296),
    )
    for work, x, weight, output, expected in cases:
        found = work((ones(*x), ones(*weight), None), (ones(*output),))
        assert found == expected, f"{work.__name__}: {x} and {weight} -> {output} takes {expected} multiply-adds, got {found}"

# %% [markdown]
"""
### The counter, and a model under it

`FlopCounter` is a watcher: `bind` calls its `after` after every operation. `count_flops` lets a model run once while it watches.
"""

# %% nbgrader={"grade": false, "grade_id": "networks-flops", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face models: count_flops
class FlopCounter(Watcher):
    """Counts the floating-point operations that pass the door while it watches: `flops`, two for each multiply-add."""

    single_operations = True                  # nothing may be fused under a name that the table does not know

    def __init__(self):
        self.flops = 0

    def after(self, primitive, inputs, params, outputs, backend, phase, note=None):
        """TASK: add the work of one operation, if MULTIPLY_ADDS has a row for `primitive.name`.

        APPROACH: a multiply-add is 2 FLOPs. EXAMPLE: after a linear operation with 60 multiply-adds `flops` has grown by 120
        """
        ### BEGIN SOLUTION
        work = MULTIPLY_ADDS.get(primitive.name)
        if work is not None:
            self.flops += 2 * work(inputs, outputs)
        ### END SOLUTION


def count_flops(model, input_shape, dtype="float32"):
    """Return the FLOPs of one forward pass for one example of shape `input_shape` (without the batch axis).

    The model runs once in inference, on zeros of `dtype` ("int64" for token indices); it stays as it was.

    TASK: run the model under a counter.
    APPROACH: `run_once(model, input_shape, dtype, counter)` is given.
    EXAMPLE: count_flops(Linear(3, 2), 3) -> 12
    """
    ### BEGIN SOLUTION
    counter = FlopCounter()
    run_once(model, input_shape, dtype, counter)
    return counter.flops
    ### END SOLUTION

# %% [markdown]
"""
### Test: formulas, and a forward that no formula knows

An MLP against the sum of 2·n·m. A layer that runs three times must count three times although its weights count once. And the model must be left as it
was: same training flags, no random numbers drawn.
"""

# %% nbgrader={"grade": true, "grade_id": "test-networks-flops", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_count_flops():
    from tinytorch import ones
    from tinytorch.core.engine import DEFAULT_GENERATOR, overlay

    sizes = (784, 256, 10)
    found, expected = count_flops(MLP(*sizes), 784), 2 * (784 * 256 + 256 * 10)
    assert found == expected, f"count_flops, FlopCounter.after: expected {expected}, got {found} (2 FLOPs a multiply-add)"
    shared = Linear(6, 6)
    net = Sequential(shared, shared, shared, Dropout(0.5))
    net[3].eval()
    before, modes = DEFAULT_GENERATOR.get_state(), [m.training for m in net.modules()]
    found = count_flops(net, (7, 6))
    assert found == 3 * 2 * 7 * 36, f"count_flops: a layer that runs three times works three times: {3 * 2 * 7 * 36}, got {found}"
    assert [m.training for m in net.modules()] == modes, "count_flops: the model must be left as it was"
    assert DEFAULT_GENERATOR.get_state() == before, "count_flops: no random numbers may be drawn"
    counter = FlopCounter()
    with overlay(counter=counter):
        (ones(5, 4) @ ones(4, 3)).relu()
    assert counter.flops == 120, f"FlopCounter.after: a bare matrix product counts too, expected 120, got {counter.flops}"

# %% [markdown]
"""
### summary, given

Your two counters and two hooks for each layer give the table that you will print before every training. Read how the hooks find out which layer did
which part of the work.
"""

# %% nbgrader={"grade": false, "grade_id": "networks-summary", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face models: summary
def summary(model, input_shape, dtype="float32"):
    """Return a table of the layers of `model`: output shape, parameters and FLOPs for one example of shape `input_shape`.

    Printing it shows the table; `.layers`, `.parameters`, `.trainable` and `.flops` hold the numbers. The model runs once, as
    in `count_flops`. A layer that runs twice has two rows; its parameters stand in the first.
    """
    counter, layers, handles, counted = FlopCounter(), [], [], set()

    def watch(name, module):
        started = []

        def enter(module, args):
            started.append(counter.flops)

        def leave(module, args, output):
            own = [p for p in module.parameters() if id(p) not in counted]
            counted.update(id(p) for p in own)
            layers.append(Layer(name or "(model)", type(module).__name__, shape_of(output), sum(p.numel() for p in own),
                                counter.flops - started.pop()))

        handles.extend((module.register_forward_pre_hook(enter), module.register_forward_hook(leave)))

    for name, module in model.named_modules():
        if not module._modules:
            watch(name, module)
    try:
        run_once(model, input_shape, dtype, counter)
    finally:
        for handle in handles:
            handle.remove()
    return Summary(tuple(layers), count_parameters(model), count_parameters(model, trainable=True), counter.flops)

# %% [markdown]
"""
## Systems analysis: what do depth and width buy?

Three measurements. Predict each.

1. **Pieces.** A tent doubles the number of straight pieces each time it is composed with itself. How many parameters does a deep network need for
   1,024 pieces, and how many a network with one hidden layer?
2. **Memory for noise.** How many *random* labels can a network with one hidden layer learn by heart? Count correct answers against the width.
3. **Time.** Two networks of the same size and the same FLOPs, one wide, one deep. Which one is faster, and why?
"""

# %%
def tents(depth):
    """Return a network of `depth` tents: each folds [0, 1] once, x -> 2·relu(x) - 4·relu(x - ½)."""
    from tinytorch import Tensor

    state = {"0.weight": Tensor([[1.0], [1.0]]), "0.bias": Tensor([0.0, -0.5]), "2.weight": Tensor([[2.0, -4.0]]),
             "2.bias": Tensor([0.0])}
    blocks = [MLP(1, 2, 1) for _ in range(depth)]
    for block in blocks:
        block.load_state_dict(state)
    return Sequential(*blocks)


def analyze_depth():
    """Print the straight pieces of deep networks on [0, 1], counted, and what one hidden layer would need at least."""
    from tinytorch import linspace

    x = linspace(0, 1, 2**13 + 1).reshape(-1, 1)
    for depth in (1, 2, 5, 10):
        net = tents(depth)
        slopes = net(x).detach().numpy()[:, 0]
        slopes = slopes[1:] - slopes[:-1]
        pieces = 1 + int((abs(slopes[1:] - slopes[:-1]) > 1e-6).sum())
        print(f"depth {depth:>2}: {pieces:>5} pieces from {count_parameters(net):>3} parameters; "
              f"one hidden layer needs at least {3 * (pieces - 1) + 1:>5}")


def analyze_capacity():
    """Print how many of 200 random labels one hidden layer can learn by heart (its last layer solved exactly)."""
    import numpy as np

    from tinytorch import randn

    labels = np.sign(np.random.default_rng(0).normal(size=200))
    x = randn(200, 10)
    for width in (10, 50, 100, 200, 400):
        hidden = MLP(10, width, 1)[:-1](x).detach().numpy()
        weights = np.linalg.lstsq(hidden, labels, rcond=None)[0]
        right = (np.sign(hidden @ weights) == labels).mean()
        print(f"width {width:>3}: {right:4.0%} of 200 random labels")


def analyze_shape():
    """Print the time of a wide and a deep network of about the same number of parameters."""
    from tinytorch import randn
    from tinytorch.utils import format_seconds, measure_time

    x = randn(16, 256)
    for name, net in (("wide", MLP(256, 4096, 256)), ("deep", MLP(*[256] * 33))):
        timing = measure_time(net, x, repeats=5)
        print(f"{name}: {count_parameters(net):>9,} parameters, {count_flops(net, 256):>9,} FLOPs an example, "
              f"{format_seconds(timing.median)} for a batch of 16")

# %% [markdown]
"""
Depth multiplies pieces, width adds them: 70 parameters against 3,000. That is the power of composition; whether training *finds* such weights is another
question. Random labels are learned by heart as soon as the width reaches the number of examples. A network that could memorise your data set proves
nothing by a low training loss: keep a test set. And layers must wait for each other: many small products use the machine less well than few large ones.
"""

# %% [markdown]
"""
## Integration: weigh a model before you train it

A classifier for 28 × 28 digits, as module 11 will train it. The memory of training can be told as well: Adam (10) keeps the weight, its gradient and two
averages, so four numbers for each parameter.
"""

# %%
def demonstrate_summary():
    """Print the summary of a digit classifier, and what follows from it."""
    from tinytorch.nn import Flatten
    from tinytorch.utils import format_bytes

    net = Sequential(Flatten(), *MLP(784, 256, 128, 10, dropout=0.1))
    table = summary(net, (1, 28, 28))
    print(table)
    print(f"training with Adam: {format_bytes(4 * 4 * table.parameters)} for weights, gradients and averages")
    print(f"one epoch of 60,000 images: {3 * 60_000 * table.flops / 1e9:.0f} GFLOP (backward costs twice the forward pass)")

# %% [markdown]
"""
## Production context

**PyTorch**'s `nn.Sequential` and `nn.ModuleList` are these. Its `FlopCounterMode` works as yours does: it listens at the dispatcher. Packages like *torchinfo*
print the same table from the same hooks. **Keras** made `Sequential` popular, and its `summary()`.

Training costs about 6 FLOPs for each parameter and token (2 forward, 4 backward). With that line, and a model's parameter count, people estimate the bill of
a language model before it exists (Kaplan et al. 2020; Hoffmann et al. 2022). A simplification here: FLOPs say nothing about memory traffic. Two networks of
equal FLOPs may differ in time, as `analyze_shape` showed; module 14 draws both limits into one picture, the *roofline*.
"""

# %% [markdown]
"""
## Comprehensive test

A network with branches: a ModuleList of blocks, each added to its input. Its parameters must be found, its work counted, its scores equal plain NumPy, and
the summary must add up.
"""

# %% nbgrader={"grade": true, "grade_id": "test-networks-module", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
def test_module():
    import numpy as np

    from tinytorch import Tensor
    from tinytorch.nn import Module

    class Residual(Module):
        def __init__(self, width, depth):
            super().__init__()
            self.blocks = ModuleList(MLP(width, 2 * width, width) for _ in range(depth))
            self.head = Linear(width, 3)

        def forward(self, x):
            for block in self.blocks:
                x = x + block(x)
            return self.head(x)

    net = Residual(4, 5)
    count = count_parameters(net)
    assert count == 5 * (5 * 8 + 9 * 4) + 15, f"count_parameters: five blocks and a head have 395, got {count}"
    x = np.random.default_rng(1).normal(size=(6, 4))
    state = {n: t.numpy().astype("float64") for n, t in net.state_dict().items()}
    h = x
    for i in range(5):
        w1, b1, w2, b2 = (state[f"blocks.{i}.{n}"] for n in ("0.weight", "0.bias", "2.weight", "2.bias"))
        h = h + np.maximum(h @ w1.T + b1, 0) @ w2.T + b2
    expected = h @ state["head.weight"].T + state["head.bias"]
    assert np.allclose(net(Tensor(x)).detach().numpy(), expected, atol=1e-5), "MLP, Sequential.forward: wrong scores"
    flops = count_flops(net, 4)
    assert flops == 2 * (5 * 2 * 4 * 8 + 4 * 3), f"count_flops: expected {2 * (5 * 2 * 4 * 8 + 4 * 3)}, got {flops}"
    table = summary(net, 4)
    assert (table.parameters, table.flops) == (count, flops), f"summary: the totals must be those of the counters: {table}"
    assert sum(r.parameters for r in table.layers) == count and sum(r.flops for r in table.layers) == flops, (
        "summary: the rows must add up to the totals (FlopCounter.after, count_parameters)"
    )
    rows = [(r.name, r.kind, r.output_shape) for r in table.layers[:3]]
    expected = [("blocks.0.0", "Linear", (1, 8)), ("blocks.0.1", "ReLU", (1, 8)), ("blocks.0.2", "Linear", (1, 4))]
    assert rows == expected, f"summary: expected the rows {expected}, got {rows}"
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules()), "summary must remove its hooks"

# %%
if __name__ == "__main__":
    test_sequential()
    test_getitem()
    test_mlp()
    test_count_parameters()
    test_work()
    test_count_flops()
    analyze_depth()
    analyze_capacity()
    analyze_shape()
    demonstrate_summary()
    test_module()

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions
"""

# %% [markdown]
"""
**1.** A colleague writes `self.blocks = [MLP(…) for _ in range(6)]` with a plain list. The forward pass works, training runs, the loss goes down a little
(there is a head). Which of your functions from modules 04 and 05 would show the mistake first, and what else goes wrong later?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "networks-q1", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) `count_parameters` (or `summary`'s total) shows only the head: `__setattr__` put the list into `__dict__` (2 points). The optimizer never
sees the blocks, so they keep their random weights (1); `state_dict` does not save them, so a reloaded model has other blocks; `eval()` and `to()` do not
reach them (2).
"""

# %% [markdown]
"""
**2.** Your `count_flops` runs the model instead of adding up formulas by layer type. Name a model for which formulas by type give a wrong count, and one kind
of cost that both miss, with a layer of your own as example.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "networks-q2", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) A layer that is called several times, or a `forward` that uses `@` directly, such as attention: a walk over module types counts it once or not
at all (3 points). Both miss memory traffic and cheap operations: a softmax over a long row, dropout's random numbers, an embedding's lookup cost time but no
multiply-adds (2).
"""

# %% [markdown]
"""
**3.** From `analyze_depth`: 10 tents have 1,024 pieces. Add noise of one percent to the first tent's weights and argue what happens to the last pieces. What does that
say about training very deep networks, and which measurement of module 04 showed the same effect?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "networks-q3", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Each tent has slope ±2, so an error of the first is multiplied by 2 in each of the nine that follow: 1 % becomes 2^9 %, more than the whole
height; the pieces are scrambled (3 points). Effects of early layers grow or shrink exponentially with depth, so gradients explode or vanish; the signal sizes of
`analyze_signal` showed it (2).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: Networks

You compose layers into networks, and you can say of any model, before it is trained, how many numbers it learns and how much work it does; because every operation
passes your door, the count cannot be fooled. Next: `tito module complete networks`, then module 06, where layers learn to look at images.
"""
