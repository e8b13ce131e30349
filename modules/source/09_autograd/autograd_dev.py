# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# Module 09: Autograd, or how a program differentiates itself

Your networks compute. They cannot learn yet: for that you must know, for each of a million weights, whether the loss would
rise or fall if the weight grew a little. Trying each weight would take a million forward passes. Today you get all of
these numbers for the price of about **two more forward passes**, and without touching a line of modules 02 to 08.

How? Every operation passes your door. A *watcher* beside it writes down what happened; then you walk the record backwards.

**You bring:** `bind` and its tables (02), all operations so far. **You leave with:** `backward`, `grad`, `no_grad`, `gradcheck`.
**Capability:** *Can I compute the gradient of anything I can compute?*
"""

# %% nbgrader={"grade": false, "grade_id": "autograd-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.autograd
from tito.workbench import modules_before

modules_before("09_autograd")

# %% [markdown]
r"""
## Mathematical background

A loss $L$ is computed by a chain of operations. For one of them, $y = f(x)$, suppose that somebody already knows
$g = \partial L / \partial y$: how the loss reacts to each element of $y$. The chain rule turns this into the reaction to $x$:

$$ \frac{\partial L}{\partial x_j} = \sum_i g_i \, \frac{\partial y_i}{\partial x_j} $$

This is a vector times the Jacobian of $f$: a **vector-Jacobian product**, VJP. We never build the Jacobian. For
$y = a \cdot b$ the VJPs are $g \cdot b$ and $g \cdot a$. For a matrix product $Y = A B$ they are $G B^\top$ and $A^\top G$; the
shapes leave no other choice.

If $x$ is used by several operations, the loss reacts through each of them, and the **contributions add up**. So an operation may be
walked only after *all* of its consumers: in topological order, backwards.

Cost: each rule does about as much work as its operation. A backward pass costs one to two forward passes, whatever the
number of weights. That fact made deep learning possible.
"""

# %% [markdown]
"""
## Implementation

### Recording

`Node` is given (`modules/source/09_autograd/graph_given.py`): it stands for one recorded operation and knows its *edges*, one for
each input: what made that input. A leaf (a weight) was made by nobody; its edge leads to the tensor itself.

The recorder is a watcher: `bind` calls its `after` for every operation. Most calls must cost almost nothing: if no input needs
a gradient, nothing is recorded.
"""

# %% nbgrader={"grade": false, "grade_id": "autograd-record", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
import numpy as np

from tinytorch.core.engine import (
    BROADCASTING, NON_DIFFERENTIABLE, SERVICES, VJPS, WATCHERS, GradientError, Rule, TensorBase, Watcher, bind, overlay, primitive,
)
from tinytorch.core.tensor import ADD, GETITEM, MATMUL, MUL, SUM, Tensor, from_array
from tinytorch.given.applying import apply_rule
from tinytorch.given.graph import Node, check_history, edge_of, find_rule, inputs_before_mutation, keep, mark_changed, record


class Autograd(Watcher):
    """Records every operation that has an input which needs a gradient."""

    tracked_only = True     # `bind` calls `after` only if some input requires a gradient or shares memory

    def before_mutation(self, primitive, inputs, params):
        """Before an in-place operation: check that it may be recorded, and keep the old values that its rule needs."""
        return inputs_before_mutation(primitive, inputs, params)

    def after(self, primitive, inputs, params, outputs, backend, phase, note=None):
        """Record one operation that was executed. `note` are the inputs before an in-place operation, else None.

        TASK: decide whether the operation must be recorded, and record it.
        APPROACH: 1. in the loop (which also refuses outdated views): if x has `_requires_grad`, set `needed`, and `edge` to the pair
            (x, 0) of a leaf or (x._node, x._index) of a result. 2. behind the loop: not needed: return. 3. the rule is
            `primitive.rule`, or else `find_rule(primitive)`; None: return, it has no gradient. 4. `saved = keep(rule, primitive, inputs,
            outputs)`: what the rule will need. 5. `record(edges, outputs, apply_rule, saved, primitive, params, rule)` makes the Node and hangs it on the outputs.
        EXAMPLE: w = Tensor([2.0], requires_grad=True); (w * 3).grad_fn -> <mul>
        """
        if note is not None:
            inputs = note
        needed, edges = False, []
        for x in inputs:
            edge = None
            if isinstance(x, TensorBase):
                if x._memory is not None and x._memory.epoch != x._epoch and note is None:
                    check_history(x, primitive)
                ### BEGIN SOLUTION
                if x._requires_grad:
                    needed = True
                    node = x._node
                    edge = (x, 0) if node is None else (node, x._index)
                ### END SOLUTION
            edges.append(edge)
        ### BEGIN SOLUTION
        if not needed:
            return
        rule = primitive.rule or find_rule(primitive)
        if rule is None:
            return
        saved = keep(rule, primitive, inputs, outputs) if rule.saves or primitive.variadic else ()
        record(edges, outputs, apply_rule, saved, primitive, params, rule)
        ### END SOLUTION
        if note is not None:
            mark_changed(outputs)


WATCHERS["autograd"] = Autograd()

# %% [markdown]
"""
### Test: the record

Three operations, one of them without any weight. We look at the edges: `mul` must lead to the leaf `w` and to the node of `add`.
"""

# %% nbgrader={"grade": true, "grade_id": "test-autograd-record", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_record():
    from tinytorch.core.tensor import cat

    VJPS.setdefault("add", Rule(lambda g, s: g, lambda g, s: g))
    VJPS.setdefault("mul", Rule(lambda g, s: g * s.b, lambda g, s: g * s.a, saves=("a", "b")))
    w, x = Tensor([2.0], requires_grad=True), Tensor([3.0])
    assert (x + 1).grad_fn is None, "Autograd.after: without an input that needs a gradient nothing is recorded"
    s = w + x
    y = w * s
    assert y.requires_grad and y.grad_fn is not None, "Autograd.after: w * s must be recorded"
    assert y.grad_fn.name == "mul", f"Autograd.after: expected the node of mul, got {y.grad_fn}"
    assert [edge[0] is made for edge, made in zip(y.grad_fn.edges, (w, s.grad_fn), strict=True)] == [True, True], "Autograd.after: wrong edges"
    assert s.grad_fn.edges[0][0] is w and s.grad_fn.edges[1] is None, "Autograd.after: an input without gradient has the edge None"
    assert [value is kept for value, (kept, _) in zip((w, s), y.grad_fn.saved, strict=True)] == [True, True], "Autograd.after: mul saves a, b"
    assert s.grad_fn.saved == (), "Autograd.after: add saves nothing"
    assert (w > 1).grad_fn is None, "Autograd.after: a comparison has no gradient and is not recorded"
    VJPS.setdefault("cat", Rule(joint=lambda g, s, dim: None))
    joined = cat([w, x]).grad_fn.saved
    assert joined == ((1,), (1,)), f"Autograd.after: call keep also for a rule without `saves`: cat needs the shapes (1,), (1,), got {joined}"

# %% [markdown]
"""
### Undoing a broadcast

`x + b` with x of shape (32, 10) and b of shape (10,): b was repeated 32 times without a copy. So its gradient is a sum over these 32
rows: every copy contributes. This happens in exactly one function; rules never think about it.

Right-align the shapes. Axes that b did not have: sum and drop them. Axes where b had size 1: sum and keep them.
"""

# %% nbgrader={"grade": false, "grade_id": "autograd-unbroadcast", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
NON_DIFFERENTIABLE.update(
    ("eq", "ne", "lt", "le", "gt", "ge", "bitwise_not", "bitwise_and", "bitwise_or", "isnan", "isfinite", "all", "any",
     "argmax", "argmin", "batch_norm_stats")
)
BROADCASTING.update(
    ("add", "sub", "mul", "div", "pow", "maximum", "minimum", "matmul", "where", "expand", "scaled_dot_product_attention")
)


def unbroadcast(g, shape):
    """Return the gradient `g` of a broadcast result summed to the `shape` of the operand that was broadcast.

    TASK: sum over every axis that broadcasting created or stretched.
    APPROACH: 1. `new = g.ndim - len(shape)` leading axes were created. 2. axis i + new was stretched where shape[i] is 1 and
        g.shape[i + new] is not. 3. `g.sum(tuple of all these axes, keepdim=True)` if there are any, then reshape to `shape`.
    EXAMPLE: g of shape (32, 10), shape (10,) -> the sum over axis 0
    """
    ### BEGIN SOLUTION
    new = g.ndim - len(shape)
    stretched = [i + new for i, size in enumerate(shape) if size == 1 and g.shape[i + new] != 1]
    axes = tuple(range(new)) + tuple(stretched)
    return g.sum(axes, keepdim=True).reshape(shape) if axes else g
    ### END SOLUTION

# %% [markdown]
"""
### Test: sums over the repeated axes

Against NumPy for a list of shapes. A mean in place of the sum, or a forgotten stretched axis, shows at once.
"""

# %% nbgrader={"grade": true, "grade_id": "test-autograd-unbroadcast", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_unbroadcast():
    g = np.arange(24.0).reshape(2, 3, 4)
    for shape, expected in (((2, 3, 4), g), ((3, 4), g.sum(0)), ((4,), g.sum((0, 1))), ((), g.sum()), ((1, 3, 1), g.sum((0, 2), keepdims=True)),
                            ((3, 1), g.sum((0, 2))[:, None]), ((1,), g.sum().reshape(1)), ((2, 1, 4), g.sum(1, keepdims=True))):
        found = unbroadcast(Tensor(g), shape)
        assert found.shape == shape, f"unbroadcast to {shape}: got shape {found.shape}; the gradient has the broadcast shape"
        assert np.allclose(found.numpy(), expected), f"unbroadcast to {shape}: sum over the broadcast axis; wrong values"
    assert unbroadcast(Tensor(np.ones((1, 5))), (1, 1)).tolist() == [[5]], "unbroadcast (1, 5) to (1, 1): only the second axis was stretched"

# %% [markdown]
r"""
### Rules: one line each

A row of `VJPS` has one function for each input. `g` is the gradient of the output. `saved` holds what the row asked for, by the names
that the kernel's parameters have: for `add_kernel(xp, a, b)` these are `saved.a` and `saved.b`. Rules are written in Tensors, so a
rule can be differentiated too: second derivatives come for free.

$$ \text{sub}: g,\; -g \qquad \text{mul}: g b,\; g a \qquad \text{div}: \frac{g}{b},\; -\frac{g\,a}{b^2} $$
$$ \text{exp}: g\,e^x \qquad \text{log}: \frac{g}{x} \qquad \text{matmul}: g\,b^\top,\; a^\top g $$
"""

# %% nbgrader={"grade": false, "grade_id": "autograd-rules", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def mul_vjp_a(g, saved):
    """Return the gradient of a · b with respect to a. TASK: one line. APPROACH: chain rule. EXAMPLE: g=1, b=3 -> 3"""
    ### BEGIN SOLUTION
    return g * saved.b
    ### END SOLUTION


def div_vjp_b(g, saved):
    """Return the gradient of a / b with respect to b. TASK: one line. APPROACH: see above. EXAMPLE: g=1, a=8, b=2 -> -2"""
    ### BEGIN SOLUTION
    return -g * saved.a / (saved.b * saved.b)
    ### END SOLUTION


def exp_vjp(g, saved):
    """Return the gradient of e**x; `saved.out` is the result. TASK: one line. APPROACH: (e**x)' = e**x. EXAMPLE: g=1, out=2 -> 2"""
    ### BEGIN SOLUTION
    return g * saved.out
    ### END SOLUTION


def log_vjp(g, saved):
    """Return the gradient of log a. TASK: one line. APPROACH: see above. EXAMPLE: g=1, a=4 -> 0.25"""
    ### BEGIN SOLUTION
    return g / saved.a
    ### END SOLUTION


VJPS["add"] = Rule(lambda g, s: g, lambda g, s: g)
VJPS["sub"] = Rule(lambda g, s: g, lambda g, s: -g)
VJPS["neg"] = Rule(lambda g, s: -g)
VJPS["mul"] = Rule(mul_vjp_a, lambda g, s: g * s.a, saves=("a", "b"))
VJPS["div"] = Rule(lambda g, s: g / s.b, div_vjp_b, saves=("a", "b"))
VJPS["exp"] = Rule(exp_vjp, saves=("out",))
VJPS["log"] = Rule(log_vjp, saves=("a",))

# %% [markdown]
"""
### Test: rules against the slope

The judge is the definition of a derivative: move the input by a little, look how the result moves. The helper `slope` below does that with
the forward operation alone, so it knows nothing of your rules.
"""

# %% nbgrader={"grade": true, "grade_id": "test-autograd-rules", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
class Kept:
    """Stands in for the saved values of a rule."""

    def __init__(self, needs=(True, True), **values):
        self.__dict__.update(values, needs=needs)


def slope(function, *inputs, which=0, eps=1e-6):
    """Return d sum(function) / d inputs[which] by central differences, in float64."""
    base = [np.array(i, dtype=np.float64) for i in inputs]
    result = np.zeros_like(base[which])
    for place in np.ndindex(base[which].shape):
        both = []
        for sign in (1, -1):
            moved = [b.copy() for b in base]
            moved[which][place] += sign * eps
            both.append(function(*[Tensor(m) for m in moved]).numpy().sum())
        result[place] = (both[0] - both[1]) / (2 * eps)
    return result


def test_rules():
    a, b = np.array([0.5, 2.0, 3.0]), np.array([1.5, -2.0, 0.7])
    one = Tensor(np.ones(3))
    out = Tensor(np.exp(b))
    for name, found, expected in (
        ("mul_vjp_a", mul_vjp_a(one, Kept(a=Tensor(a), b=Tensor(b))), slope(lambda x, y: x * y, a, b)),
        ("div_vjp_b", div_vjp_b(one, Kept(a=Tensor(a), b=Tensor(b))), slope(lambda x, y: x / y, a, b, which=1)),
        ("exp_vjp", exp_vjp(one, Kept(out=out)), slope(lambda x: x.exp(), b)),
        ("log_vjp", log_vjp(one, Kept(a=Tensor(a))), slope(lambda x: x.log(), a)),
    ):
        assert np.allclose(found.numpy(), expected, rtol=1e-6), f"{name}: expected {expected}, got {found.numpy()}"
    twice = div_vjp_b(one * 2, Kept(a=Tensor(a), b=Tensor(b)))
    assert np.allclose(twice.numpy(), -2 * a / b**2), "div_vjp_b: the result must be multiplied by g"
    assert np.allclose(exp_vjp(one * 2, Kept(out=out)).numpy(), 2 * np.exp(b)), "exp_vjp: the result must be multiplied by g"

# %% [markdown]
r"""
### Rules with shapes

**sum.** Every element of x entered the sum once, so each receives the gradient of its sum: put the removed axes back (size 1), then
expand. **reshape** and **permute** move elements around: the gradient goes back the same way. **matmul** is the two lines above; for batches
the transposes concern the last two axes (`.mT`). Vectors are handled by the given part.
"""

# %% nbgrader={"grade": false, "grade_id": "autograd-shape-rules", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
from tinytorch.given.vjp_tensor import as_matrices, restore_axes


def sum_vjp(g, saved, *, dim, keepdim):
    """Return the gradient of sum(a).

    TASK: hand each element the gradient of the sum that it entered.
    APPROACH: `restore_axes(g, shape, dim)` is given: it puts the removed axes back with size 1. Then `.expand(shape)`; the shape is `saved.shape("a")`.
    EXAMPLE: a of shape (2, 3), dim=(1,), g = [10, 20] -> [[10, 10, 10], [20, 20, 20]]
    """
    ### BEGIN SOLUTION
    shape = saved.shape("a")
    return restore_axes(g, shape, dim).expand(shape)
    ### END SOLUTION


def permute_vjp(g, saved, *, order):
    """Return the gradient of permute: the axes go back where they came from.

    TASK: apply the inverse permutation.
    APPROACH: axis i of the result was axis order[i]; `np.argsort(order)` inverts that.
    EXAMPLE: order (2, 0, 1) -> g.permute(1, 2, 0)
    """
    ### BEGIN SOLUTION
    return g.permute(*(int(i) for i in np.argsort(order)))
    ### END SOLUTION


def matmul_vjp_a(g, saved):
    """Return the gradient of a @ b with respect to a, for operands with two axes or more.

    TASK: one line. APPROACH: as in the text, with `.mT`. EXAMPLE: g (2, 4), b (3, 4) -> (2, 3)
    """
    ### BEGIN SOLUTION
    return g @ saved.b.mT
    ### END SOLUTION


def matmul_vjp_b(g, saved):
    """Return the gradient of a @ b with respect to b. TASK: one line. APPROACH: as above. EXAMPLE: a (2, 3), g (2, 4) -> (3, 4)"""
    ### BEGIN SOLUTION
    return saved.a.mT @ g
    ### END SOLUTION


VJPS["sum"] = Rule(sum_vjp)
VJPS["permute"] = Rule(permute_vjp)
VJPS["reshape"] = Rule(lambda g, s, shape: g.reshape(s.shape("a")))
VJPS["matmul"] = Rule(as_matrices(matmul_vjp_a, "a"), as_matrices(matmul_vjp_b, "b"), saves=("a", "b"))

# %% [markdown]
"""
### Test: shapes and values

Weighted sums make every element count differently, so a transposed or misplaced gradient cannot hide.
"""

# %% nbgrader={"grade": true, "grade_id": "test-autograd-shape-rules", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_shape_rules():
    rng = np.random.default_rng(9)
    a, b, g = rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=(2, 4))
    weights = Tensor(g)
    kept = Kept(a=Tensor(a), b=Tensor(b))
    for name, found, which in (("matmul_vjp_a", matmul_vjp_a(weights, kept), 0), ("matmul_vjp_b", matmul_vjp_b(weights, kept), 1)):
        expected = slope(lambda x, y: (x @ y) * weights, a, b, which=which)
        assert found.shape == expected.shape, f"{name}: expected shape {expected.shape}, got {found.shape}"
        assert np.allclose(found.numpy(), expected, atol=1e-8), f"{name}: wrong values"
    x = rng.normal(size=(2, 3, 4))
    for dim, keepdim in ((None, False), ((1,), False), ((0, 2), True), ((0, 2), False)):
        w = rng.normal(size=np.sum(x, axis=dim, keepdims=keepdim).shape)
        found = sum_vjp(Tensor(w), Kept(shape=lambda name: x.shape), dim=dim, keepdim=keepdim)
        expected = slope(lambda t, w=w, dim=dim, keepdim=keepdim: t.sum(dim, keepdim) * Tensor(w), x)
        assert found.shape == x.shape, f"sum_vjp(dim={dim}): expected shape {x.shape}, got {found.shape}"
        assert np.allclose(found.numpy(), expected), f"sum_vjp(dim={dim}, keepdim={keepdim}): wrong values"
    for order in ((2, 0, 1), (1, 2, 0), (0, 2, 1)):
        back = permute_vjp(Tensor(x.transpose(order)), Kept(), order=order)
        assert np.array_equal(back.numpy(), x), f"permute_vjp(order={order}): the axes must go back where they came from"

# %% [markdown]
"""
### In which order?

A node may be walked when all of its consumers have been. So first count, for every node and leaf, by how many edges it is reached
from the loss. Then, walking, count down: at zero it is ready.

Do not recurse. A loop over 100,000 time steps makes a chain of 100,000 nodes, and Python's stack is far shorter. A list used as a
stack has no such limit.
"""

# %% nbgrader={"grade": false, "grade_id": "autograd-count", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def count_dependencies(roots):
    """Return {target: number of edges that lead to it} over all nodes and leaves reachable from `roots`.

    roots: nodes or leaf tensors; each appears in the result, with 0 if no edge leads to it. An edge in `node.edges` is None
    or a pair (target, which of its outputs); the target is a Node or a leaf.

    TASK: visit every node once, and count every edge.
    APPROACH: 1. the counts begin with 0 for each root; the stack holds the roots that are Nodes, each once. 2. pop a node; for
        each of its edges that is not None: if the target is new, give it count 0 and, if it is a Node, push it; then add 1.
    EXAMPLE: y = w * w -> {node of mul: 0, w: 2}
    """
    ### BEGIN SOLUTION
    counts = dict.fromkeys(roots, 0)
    stack = [root for root in counts if isinstance(root, Node)]
    while stack:
        for edge in stack.pop().edges:
            if edge is None:
                continue
            target = edge[0]
            if target in counts:
                counts[target] += 1
                continue
            counts[target] = 1
            if isinstance(target, Node):
                stack.append(target)
    return counts
    ### END SOLUTION

# %% [markdown]
"""
### Test: diamonds and long chains

`w` used twice, a node used by two others, and a chain of 50,000. A recursive solution dies here with RecursionError.
"""

# %% nbgrader={"grade": true, "grade_id": "test-autograd-count", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_count_dependencies():
    w = Tensor([2.0], requires_grad=True)
    s = w * w
    left, right = s + 1, s * 3
    top = left * right
    counts = count_dependencies([top.grad_fn])
    expected = {top.grad_fn: 0, left.grad_fn: 1, right.grad_fn: 1, s.grad_fn: 2, w: 2}
    assert counts == expected, f"count_dependencies: expected {list(expected.values())} for top, left, right, s, w, got {counts}"
    x = w
    for _ in range(50_000):
        x = x + 1
    try:
        assert len(count_dependencies([x.grad_fn])) == 50_001, "count_dependencies: every node of a chain once"
    except RecursionError:
        raise AssertionError("count_dependencies: do not recurse; use a list as a stack") from None
    assert count_dependencies([w]) == {w: 0}, "count_dependencies: a root that is a leaf counts 0"

# %% [markdown]
"""
### Where to begin

The walk begins with the gradient of the loss with respect to itself: 1. If you start from a tensor with many elements, there is no single
loss, and you must say how much each element counts.
"""

# %% nbgrader={"grade": false, "grade_id": "autograd-initial-gradient", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def initial_gradient(output, gradient):
    """Return the gradient to begin with: the one given, or 1 for a tensor with one element.

    TASK: check, and make a Tensor of the output's shape and dtype.
    APPROACH: 1. an output without `_requires_grad`: GradientError, it depends on nothing that needs a gradient. 2. gradient None: the output
        must have one element, else GradientError naming its shape; return ones. 3. a gradient whose shape differs: GradientError
        with both shapes; else return it.
    EXAMPLE: initial_gradient(loss, None) -> tensor(1.)
    """
    ### BEGIN SOLUTION
    if not output._requires_grad:
        raise GradientError("backward: this tensor does not require a gradient: nothing it was computed from has requires_grad=True.")
    if gradient is None:
        if output.numel() != 1:
            raise GradientError(f"backward: expected a tensor with one element, found shape {output.shape}. Pass gradient=…, or sum first.")
        return from_array(np.ones(output.shape, output.dtype))
    if gradient.shape != output.shape:
        raise GradientError(f"backward: expected a gradient of shape {output.shape}, found {gradient.shape}.")
    return gradient
    ### END SOLUTION

# %% [markdown]
"""
### Test: where to begin

A loss begins with 1, in its own dtype. Everything doubtful is refused with a sentence that says what was found.
"""

# %% nbgrader={"grade": true, "grade_id": "test-autograd-initial-gradient", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
def test_initial_gradient():
    x = Tensor([2.0, 3.0], requires_grad=True)
    one = initial_gradient(Tensor(np.ones((1, 1)), requires_grad=True), None)
    assert one.tolist() == [[1.0]] and one.dtype == np.float64, f"initial_gradient: expected [[1.]] in float64, got {one!r}"
    g = Tensor([5.0, 6.0])
    assert initial_gradient(x, g) is g, "initial_gradient: a gradient that fits is returned"
    for bad, reason in ((lambda: initial_gradient(Tensor([1.0]), None), "require"), (lambda: initial_gradient(x, None), "(2,)"),
                        (lambda: initial_gradient(x, Tensor([1.0])), "(1,)")):
        try:
            bad()
        except GradientError as error:
            assert reason in str(error), f"initial_gradient: the message should contain {reason!r}, got {error}"
        else:
            raise AssertionError(f"initial_gradient: expected a GradientError about {reason!r}")

# %% [markdown]
"""
### The walk

Now everything comes together. `Walk` (given below) keeps what has arrived where. Three of its details protect you from classic bugs:

* a gradient that reaches two places is never added to in place: the other place would see it;
* a leaf's `grad` is written as soon as its last contribution is in, and its hook fires then, not at the end;
* what a rule returns must have the shape of its input; broadcasting is undone here, for the operations that broadcast.
"""

# %% nbgrader={"grade": false, "grade_id": "autograd-walk", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
from tinytorch.given.walk import Walk


class BackwardWalk(Walk):
    """The state of one backward pass; knows how a broadcast is undone."""

    unbroadcast = staticmethod(unbroadcast)

# %% [markdown]
"""
### backward and grad

Two ways in, both given below; they call the `propagate` that you write next. `loss.backward()` writes the `grad` of every leaf; calling it twice adds. `grad(outputs, inputs)` returns gradients and
writes nothing. Rules run as ordinary operations; they are recorded only with `create_graph=True`, when you want to differentiate the gradient.
(While nobody watches, a rule of operators alone, like your `g * saved.b`, is handed small gradients as plain arrays: the same numbers, sooner.)
"""

# %% nbgrader={"grade": false, "grade_id": "autograd-backward", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face autograd: backward, grad
def as_list(tensors):
    """Return one tensor, or several, as a list."""
    found = [tensors] if isinstance(tensors, TensorBase) or not hasattr(tensors, "__iter__") else list(tensors)
    if not all(t is None or isinstance(t, TensorBase) for t in found):
        raise GradientError(f"Expected a tensor, or a list of tensors, found {[type(t).__name__ for t in found][:5]}.")
    return found


def initial_gradients(outputs, gradients):
    """Return one gradient to begin with for each output."""
    if any(output is None for output in outputs):
        raise GradientError("Expected tensors to differentiate, found None among them.")
    gradients = [None] * len(outputs) if gradients is None else as_list(gradients)
    if len(gradients) != len(outputs):
        raise GradientError(f"backward: expected one gradient for each of the {len(outputs)} tensors, found {len(gradients)}.")
    return [initial_gradient(output, gradient) for output, gradient in zip(outputs, gradients, strict=True)]


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None):
    """Add to the `grad` of every leaf (or of `inputs` only) the gradient of `tensors`. Arguments as torch.autograd.backward."""
    tensors, inputs = as_list(tensors), None if inputs is None else as_list(inputs)
    if inputs == []:
        raise GradientError("backward: expected tensors as inputs, found none; leave inputs out to reach every leaf.")
    seeds = initial_gradients(tensors, grad_tensors)
    walk = BackwardWalk(inputs, create_graph if retain_graph is None else retain_graph, create_graph)
    walk.aliased.update(seed._storage for seed in seeds)     # they belong to the caller: a leaf gets a copy
    with walk:
        propagate(walk, tensors, seeds)
        if inputs is not None:
            walk.deposit(inputs)


def grad(
    outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, allow_unused=None, *, materialize_grads=False
):
    """Return the gradients of `outputs` with respect to `inputs`, as a tuple. Arguments as torch.autograd.grad."""
    outputs, inputs = as_list(outputs), as_list(inputs)
    seeds = initial_gradients(outputs, grad_outputs)
    walk = BackwardWalk(inputs, create_graph if retain_graph is None else retain_graph, create_graph)
    with walk:
        propagate(walk, outputs, seeds)
    return walk.collected(allow_unused, inputs, materialize_grads)


SERVICES["backward"], SERVICES["grad"] = backward, grad

# %% [markdown]
"""
### propagate

`Walk` offers what you need:

* `walk.arrive(edge, g)`: a gradient arrives at the target of an edge; contributions are added up.
* `walk.take(node)`: the list of complete gradients of a node's outputs, None where nothing arrived; hooks have run.
* `walk.finish(leaf)`: a leaf is complete: its `grad` is written.
* `walk.wants(target)`: False for nodes that lead to nothing that was asked for (`grad` of some inputs only).
* `walk.gradients_of(node, gradients)`: runs the node's rule and checks what it returned: one gradient, or None, for each edge.
"""

# %% nbgrader={"grade": false, "grade_id": "autograd-propagate", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def propagate(walk, roots, gradients):
    """Walk the graph from the `roots` (tensors), whose gradients are given, down to the leaves.

    TASK: process every node after all of its consumers.
    APPROACH: 1. `edges = [edge_of(r) for r in roots]`; `counts = count_dependencies([target for target, _ in edges])`. 2. each root's
        gradient arrives at its edge. 3. write a small function `complete(target)`: a Node is appended to the list `ready`, a leaf is
        finished at once (`walk.finish`). Call it for each root target with count 0, each once. 4. while ready: pop a node; take its gradients; get those of its inputs (None
        for every edge, without running the rule, if the walk does not want the node); for each edge that is not None let its gradient
        arrive (unless it is None), count its target down by 1, and at 0 the target is complete.
    EXAMPLE: for y = w * w: mul's rule runs, its two gradients arrive at w, and w is finished with their sum.
    """
    ### BEGIN SOLUTION
    edges = [edge_of(root) for root in roots]
    counts = count_dependencies([target for target, _ in edges])
    ready = []

    def complete(target):
        if isinstance(target, Node):
            ready.append(target)
        else:
            walk.finish(target)

    for edge, gradient in zip(edges, gradients, strict=True):
        walk.arrive(edge, gradient)
    for target in dict.fromkeys(target for target, _ in edges):
        if counts[target] == 0:
            complete(target)
    while ready:
        node = ready.pop()
        taken = walk.take(node)
        results = walk.gradients_of(node, taken) if walk.wants(node) else [None] * len(node.edges)
        for position, edge in enumerate(node.edges):
            if edge is None:
                continue
            if results[position] is not None:
                walk.arrive(edge, results[position])
            target = edge[0]
            counts[target] -= 1
            if counts[target] == 0:
                complete(target)
    ### END SOLUTION

# %% [markdown]
"""
### Test: gradients, accumulation, order

A diamond (a tensor used twice), a broadcast bias, gradients that add up over two calls, and 20,000 operations in a row. If the
diamond gives half of the expected value, a node was walked before its second consumer.
"""

# %% nbgrader={"grade": true, "grade_id": "test-autograd-backward", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_backward():
    x = Tensor([2.0], requires_grad=True)
    s = x * x
    (s * s + s).backward()                                       # x⁴ + x²
    assert x.grad.tolist() == [36.0], f"propagate: d(x⁴ + x²)/dx at 2 is 36, got {x.grad}"
    (x * 3).backward()
    assert x.grad.tolist() == [39.0], f"backward: a second call adds to grad, expected 39, got {x.grad}"
    w, b = Tensor(np.ones((3, 2)), requires_grad=True), Tensor(np.zeros(2), requires_grad=True)
    inputs = Tensor(np.arange(12.0).reshape(4, 3))
    (inputs @ w + b).sum().backward()
    assert b.grad.shape == (2,) and b.grad.tolist() == [4, 4], f"propagate: the bias receives a sum over the batch, got {b.grad}"
    assert np.array_equal(w.grad.numpy(), np.tile(inputs.numpy().sum(0)[:, None], 2)), "propagate: wrong gradient of w"
    y = x
    for _ in range(20_000):
        y = y + 1
    (one,) = grad(y, x)
    assert one.item() == 1.0, "propagate: a long chain must work without recursion"
    (first,) = grad(x * x * x, x, create_graph=True)
    (second,) = grad(first, x)
    assert second.item() == 12.0, f"grad: the second derivative of x³ at 2 is 12, got {second}"

# %% [markdown]
r"""
### gradcheck: trust, but verify

How do you know that a rule is right? Compare with the slope:

$$ \frac{\partial f}{\partial x_i} \approx \frac{f(x + \epsilon e_i) - f(x - \epsilon e_i)}{2 \epsilon} $$

Use float64. In float32 the difference of two nearly equal numbers has no digits left; you will see that in the systems analysis. The error of
the central difference falls with $\epsilon^2$, the rounding error grows with $1/\epsilon$; about $10^{-6}$ is best.
"""

# %% nbgrader={"grade": false, "grade_id": "autograd-gradcheck-given", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face utils.checkpoint: checkpoint, checkpoint_sequential
from tinytorch.given import module_backward_hooks, vjp_activations, vjp_attention, vjp_collections, vjp_layers, vjp_recurrent, vjp_spatial  # they add rows
from tinytorch.given.anomaly import detect_anomaly, set_detect_anomaly
from tinytorch.given.checkpointing import checkpoint, checkpoint_sequential
from tinytorch.given.custom_function import Function
from tinytorch.given.grad_mode import enable_grad, inference_mode, no_grad
from tinytorch.given.gradcheck import gradcheck, gradgradcheck

# %% nbgrader={"grade": false, "grade_id": "autograd-gradcheck", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def numerical_gradient(function, inputs, which, weights, eps=1e-6):
    """Return d sum(weights · function(*inputs)) / d inputs[which] as a NumPy array.

    TASK: the central difference of the formula above, element by element.
    APPROACH: 1. work in `no_grad()`, and on `array = inputs[which].detach().numpy()`, which shares the tensor's memory. 2. for each place
        of `np.ndindex(array.shape)`: remember the value, set value + eps, evaluate; set value - eps, evaluate; put the value back.
        3. evaluate means `(function(*inputs).detach().numpy() * weights).sum()`.
    EXAMPLE: function x -> x·x at x = [3.0], weights 1 -> [6.0]
    """
    ### BEGIN SOLUTION
    array = inputs[which].detach().numpy()
    slopes = np.zeros(array.shape, np.float64)
    with no_grad():
        for place in np.ndindex(array.shape):
            value = array[place]
            array[place] = value + eps
            above = (function(*inputs).detach().numpy() * weights).sum()
            array[place] = value - eps
            below = (function(*inputs).detach().numpy() * weights).sum()
            array[place] = value
            slopes[place] = (above - below) / (2 * eps)
    return slopes
    ### END SOLUTION


SERVICES["numerical_gradient"] = numerical_gradient

# %% [markdown]
"""
### Test: the checker must be able to say no

A checker that always says yes is worse than none. We give it a right rule, and then one with a wrong sign.
"""

# %% nbgrader={"grade": true, "grade_id": "test-autograd-gradcheck", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_gradcheck():
    x = Tensor(np.array([0.5, -1.5, 2.0]), requires_grad=True)
    y = Tensor(np.array([[2.0], [3.0]]), requires_grad=True)
    slopes = numerical_gradient(lambda t: t * t * t, [x], 0, np.ones(3))
    assert np.allclose(slopes, 3 * x.detach().numpy() ** 2, atol=1e-6), f"numerical_gradient: d(x³)/dx is 3x², got {slopes}"
    assert x.tolist() == [0.5, -1.5, 2.0], "numerical_gradient: the input must be put back"
    assert gradcheck(lambda a, b: (a * b + a / b).exp(), [x, y]), "gradcheck: a right gradient must pass"
    assert gradgradcheck(lambda a, b: (a * b + a / b).exp(), [x, y]), "gradgradcheck: a right second derivative must pass"
    right = VJPS["sub"]
    VJPS["sub"] = Rule(lambda g, s: g, lambda g, s: g)
    try:
        gradcheck(lambda a, b: a - b, [x, y])
    except GradientError as error:
        assert "input 1" in str(error), f"gradcheck: expected input 1 to be blamed, got {error}"
    else:
        raise AssertionError("numerical_gradient: a rule with a wrong sign must be found")
    finally:
        VJPS["sub"] = right

# %% [markdown]
"""
## Systems analysis: what does a gradient cost?

Four measurements; guess first. 1. The time of a backward pass as a multiple of the forward pass. 2. The bytes that the graph
keeps: they grow with depth, and they are why training needs so much more memory than inference. 3. Activation checkpointing: trade time for
memory. 4. The best step for a finite difference, in float64 and in float32.
"""

# %%
def tower(x, weights):
    """Multiply by each weight matrix and bend; the shape stays."""
    for w in weights:
        x = (x @ w).clamp(min=0.0)
    return x


def analyze_cost():
    """Print backward time as a multiple of forward time, and the bytes kept by depth, with and without checkpointing."""
    from tinytorch.given.graph import saved_bytes
    from tinytorch.utils import format_bytes, measure_time

    x = from_array(np.ones((256, 256), "float32"))
    for depth in (2, 4, 8):
        weights = [from_array(np.full((256, 256), 1 / 256, "float32"), requires_grad=True) for _ in range(depth)]
        forward = measure_time(lambda weights=weights: tower(x, weights)).best
        both = measure_time(lambda weights=weights: tower(x, weights).sum().backward()).best
        kept = saved_bytes(tower(x, weights).sum())
        light = saved_bytes(checkpoint(tower, x, weights).sum())
        print(f"depth {depth}: forward + backward = {both / forward:.1f} × forward; graph keeps {format_bytes(kept)}, checkpointed {format_bytes(light)}")


def analyze_step():
    """Print the error of a central difference of exp at 1, by step and dtype."""
    for dtype in ("float64", "float32"):
        errors = []
        for eps in (1e-2, 1e-4, 1e-6, 1e-8):
            x = np.array([1.0], dtype)
            found = (np.exp(x + x.dtype.type(eps)) - np.exp(x - x.dtype.type(eps)))[0] / (2 * eps)
            errors.append(f"{eps:.0e}: {abs(found - np.e):.0e}")
        print(f"error of d(e**x)/dx in {dtype}: " + ", ".join(errors))

# %% [markdown]
"""
## Integration: a network learns

No optimizer yet: we subtract a little of the gradient ourselves, under `no_grad`, because the update itself must not be recorded. Four points
that no straight line can separate (XOR), two layers, 2,000 steps.
"""

# %%
def learn_xor(steps=2000, rate=0.5):
    """Train a 2-8-1 network on XOR by hand-written gradient descent; return the final loss."""
    rng = np.random.default_rng(0)
    x, y = Tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), Tensor([[0.0], [1.0], [1.0], [0.0]])
    parameters = [Tensor(rng.normal(size=s), dtype="float32", requires_grad=True) for s in ((2, 8), (8,), (8, 1), (1,))]
    w1, b1, w2, b2 = parameters
    for _ in range(steps):
        hidden = 1 / (1 + (-(x @ w1 + b1)).exp())
        loss = ((hidden @ w2 + b2 - y) ** 2).mean()
        loss.backward()
        with no_grad():
            for p in parameters:
                p -= rate * p.grad
                p.grad = None
    return loss.item()

# %% [markdown]
"""
## Production context

**PyTorch** records the same graph in C++; its nodes are generated from a file `derivatives.yaml` with one line for each input, like your rows.
Saved tensors carry version counters, as here. **JAX** has no graph on tensors: it traces the function, and transposes the linearised program.
**TensorFlow** asks you to open a `GradientTape`.

Three simplifications here: PyTorch's engine runs one thread for each device; it tracks in-place writes through views by rewriting the history of
the base, where we refuse; and its nodes are walked by sequence number, ours as soon as they are ready.
"""

# %% [markdown]
"""
## Comprehensive test

Every rule that you wrote, composed: a small network with broadcasting, reductions, permutation and division, checked against finite differences for
first and second derivatives, and XOR, which must be learnt.
"""

# %% nbgrader={"grade": true, "grade_id": "test-autograd-module", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
def test_module():
    rng = np.random.default_rng(11)
    x, w, b = (Tensor(rng.uniform(0.5, 1.5, s), requires_grad=True) for s in ((4, 3), (3, 2), (2,)))

    def network(x, w, b):
        z = (x @ w + b).permute(1, 0)
        return (z.exp() / z.exp().sum(0, keepdim=True)).log() * z.mean(1, keepdim=True)

    assert gradcheck(network, [x, w, b]), "test_module: first derivatives"
    assert gradgradcheck(network, [x, w, b], atol=1e-4), "test_module: second derivatives"
    with no_grad():
        assert (x @ w).grad_fn is None, "Autograd.after: nothing is recorded under no_grad"
    loss = learn_xor()
    assert loss < 0.01, f"test_module: XOR must be learnt, loss {loss:.4f}"
    y = x * 2.0
    z = y * y
    y.add_(1.0)
    try:
        z.sum().backward()
    except GradientError as error:
        assert "overwritten" in str(error), f"Autograd.after: expected a refusal of the overwritten value, got {error}"
    else:
        raise AssertionError("Autograd.after: a saved value was overwritten in place; backward must refuse")
    ### BEGIN HIDDEN TESTS
    v = Tensor(np.ones(3), requires_grad=True)
    shared = v + Tensor(np.zeros(3), requires_grad=True)
    other = shared.grad_fn.edges[1][0]
    shared.sum().backward()
    v.grad.add_(1.0)
    assert other.grad.tolist() == [1, 1, 1], "propagate: two leaves must not share the memory of one gradient"
    ### END HIDDEN TESTS

# %%
if __name__ == "__main__":
    test_record()
    test_unbroadcast()
    test_rules()
    test_shape_rules()
    test_count_dependencies()
    test_initial_gradient()
    test_backward()
    test_gradcheck()
    test_module()
    analyze_cost()
    analyze_step()
    print(f"XOR after 2,000 steps by hand: loss {learn_xor():.5f}")

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions
"""

# %% [markdown]
"""
**1.** `analyze_cost` printed how many bytes the graph keeps at depth 8. Which of your rules are responsible, and which keep nothing? What would change
if `exp` saved its input instead of its output?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "autograd-q1", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) matmul keeps both operands, clamp its input; add, sub, sum, permute keep nothing (2 points). exp's output is usually kept by the next
operation anyway, so saving the input would keep one array more alive, and recompute the exponential (2).
"""

# %% [markdown]
"""
**2.** Your `propagate` finishes a leaf the moment its last contribution is in. Why does training on many machines depend on that? Which order of
the layers do the gradients arrive in?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "autograd-q2", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Last layers first (1 point). The hook may send a finished gradient to the other machines while earlier layers are still being walked, so
communication hides behind computation (2); at the end of the walk nothing would be left to overlap with (1).
"""

# %% [markdown]
"""
**3.** Suppose that `arrive` added contributions in place, `so_far.add_(g)`, always. Construct three lines of code whose gradient would then be wrong.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "autograd-q3", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) s = a + b; t = s + a (or s * 1 + …); t.backward(): the rule of add hands the same gradient object to both operands (2 points). Adding the second
contribution of a in place also changes what b received, so b's gradient becomes 2 instead of 1 (2).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: Autograd

You wrote a recorder, one-line rules, and a walk without recursion. Everything that you built in modules 02 to 08 became differentiable without a change,
because it all passes one door; and your rules can be differentiated themselves. Next: `tito module complete autograd`, then module 10, which uses the
gradients well.
"""
