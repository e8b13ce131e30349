# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# Module 10: Optimizers, or how to walk downhill in fog

A gradient says which way is down, here, for an infinitely small step. It does not say how far to go, and a step away everything is different. Yet
a network with a million parameters learns by nothing but such steps.

What can be done with more than the last gradient? Remember the ones before (**momentum**). Measure each parameter's own scale (**RMSprop**). Do
both (**Adam**), and shrink the weights on the side (**AdamW**). Start carefully, then run, then slow down (**schedules**). And if one step wants
to leap off a cliff, hold it back (**clipping**). Today you build all of these, to PyTorch's numbers.

**You bring:** Tensor (02), Parameter (04), backward and no_grad (09). **You leave with:** `SGD`, `RMSprop`, `Adam`, `AdamW`, three schedulers and
gradient clipping. **Capability:** *Can I take the very steps that SGD, RMSprop, Adam and AdamW promise, on the schedule I ask for?*
"""

# %% nbgrader={"grade": false, "grade_id": "optimizers-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.optimizers
from tito.workbench import modules_before

modules_before("10_optimizers")

# %% [markdown]
r"""
## Mathematical background

Let $g_t = \nabla L(\theta_{t-1})$ be the gradient at step $t$ and $\eta$ the learning rate.

**SGD** steps against it: $\theta_t = \theta_{t-1} - \eta\, g_t$. Why is that not enough? Take the simplest bowl with two directions, one steep
and one flat: $L = \tfrac12(\lambda_1 \theta_1^2 + \lambda_2 \theta_2^2)$. Each step multiplies $\theta_i$ by $1 - \eta\lambda_i$. The steep
direction allows no $\eta$ above $2/\lambda_1$, or it explodes. With that $\eta$ the flat direction shrinks by about $1 - 2\lambda_2/\lambda_1$ a
step. The ratio $\kappa = \lambda_1/\lambda_2$ is the *condition number*: SGD needs about $\kappa$ steps. Networks have $\kappa$ in the thousands.

**Momentum** averages: $b_t = \mu b_{t-1} + g_t$, then $\theta_t = \theta_{t-1} - \eta\, b_t$. In the steep direction the gradients alternate and
cancel. In the flat one they add up, to $1/(1-\mu)$ times the gradient. About $\sqrt\kappa$ steps are enough (Polyak, 1964).

**RMSprop** divides each direction by its own size: $v_t = \alpha v_{t-1} + (1-\alpha) g_t^2$, and the step is $\eta\, g_t / (\sqrt{v_t} +
\epsilon)$.

**Adam** (Kingma and Ba, 2015) takes both averages, $m_t = \beta_1 m_{t-1} + (1-\beta_1) g_t$ and $v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2$.
Both start at zero, so they begin too small: of a constant $g$ they know $m_t = (1-\beta_1^t) g$. Adam divides that out:

$$ \theta_t = \theta_{t-1} - \eta\, \frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \epsilon} $$

**Weight decay** pulls weights towards zero. Adding $\lambda\theta$ to the gradient (L2) works for SGD. In Adam it would be divided by $\sqrt{v}$
like everything else, so weights with large gradients would hardly decay. **AdamW** (Loshchilov and Hutter, 2019) decays apart from the gradient:
$\theta \leftarrow (1 - \eta\lambda)\,\theta$ first, then the Adam step.

Memory: SGD keeps nothing per parameter, momentum and RMSprop one number, Adam two. With the parameter itself Adam holds **three**.
"""

# %% [markdown]
"""
## Implementation

`no_grad` matters more here than anywhere: an update is not part of the model, so no graph may record it. `ParameterGroups` is given: it checks
the settings, keeps the groups and saves the state (`parameter_groups_given.py`, beside this file).
"""

# %% nbgrader={"grade": false, "grade_id": "optimizers-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
import math

import numpy as np

from tinytorch.core.autograd import no_grad
from tinytorch.core.engine import NON_DIFFERENTIABLE, Primitive, ShapeError, bind
from tinytorch.core.tensor import Tensor, zeros_like
from tinytorch.given.parameter_groups import OptimizerError, ParameterGroups
from tinytorch.given.tensor_ops import quiet

NON_DIFFERENTIABLE.update({"sgd_step", "rmsprop_step", "adam_step", "total_norm"})

# %% [markdown]
"""
### SGD: a step on a list of parameters

A step is a primitive like any other, with one difference: its inputs are **lists**. The CNN of module 11 has fourteen parameters, a GPT has
hundreds; one call for all of them lets a faster kernel do everything in one pass later.

The kernel writes **in place**. `p -= x` changes the array that every layer holds. `p = p - x` would make a new array that nobody looks at, and
your network would not learn. That is the most frequent mistake here.

The order is PyTorch's: turn the sign if we maximize, add the weight decay, then momentum, then step:

1. `d = g`, or `-g` if `maximize`
2. `d = d + weight_decay · p`
3. with momentum: `b = momentum · b + (1 - dampening) · d`, except in a parameter's first step, which has no past: `b = d`
4. `d = b`; for Nesterov, which looks one step ahead, `d = d + momentum · b`
5. `p = p - lr · d`
"""

# %% nbgrader={"grade": false, "grade_id": "optimizers-sgd-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def sgd_step_kernel(xp, params, grads, buffers, *, lr, momentum, dampening, weight_decay, nesterov, maximize, steps):
    """Take one SGD step on each parameter, in place; return params.

    params, grads: lists of arrays. buffers: the momentum buffers, zeros before a parameter's first step; None without momentum.
    steps: for each parameter the number of this step, counted from 1.

    TASK: the five lines above, for each parameter.
    APPROACH: 1. `for i, (p, d) in enumerate(zip(params, grads))`. 2. make new arrays for d (`d = d + …`): the gradient must stay as it
        is. 3. change the buffer and the parameter in place: `b *= momentum`, `b += …`, `p -= lr * d`. 4. the first step is
        `steps[i] == 1`; its dampening counts as 0.
    EXAMPLE: p = [1.0], g = [2.0], lr 0.1, no momentum -> p becomes [0.8]
    """
    ### BEGIN SOLUTION
    for i, (p, d) in enumerate(zip(params, grads, strict=True)):
        if maximize:
            d = -d
        if weight_decay:
            d = d + weight_decay * p
        if momentum:
            b = buffers[i]
            b *= momentum
            b += d if steps[i] == 1 else (1 - dampening) * d
            d = d + momentum * b if nesterov else b
        p -= lr * d
    return params
    ### END SOLUTION


SGD_STEP = Primitive("sgd_step", quiet(sgd_step_kernel), mutates=("params", "buffers"))

# %% [markdown]
"""
### Test: closed forms

A gradient that is always 1 has a known path. Without momentum: n steps of `lr`. With momentum μ the k-th step is `lr · (1 + μ + … + μ^(k-1))`.
Without a gradient, weight decay multiplies by `1 - lr · weight_decay`. And the gradient must not be changed: an accumulated gradient would be
spoilt.
"""

# %% nbgrader={"grade": true, "grade_id": "test-optimizers-sgd-step", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_sgd_step():
    plain = {"lr": 0.1, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False, "maximize": False}

    def walk(grad, n=3, **settings):
        p, g, b = np.array([1.0, -2.0]), np.array([grad, 2 * grad]), np.zeros(2)
        for step in range(1, n + 1):
            sgd_step_kernel(np, [p], [g], [b], steps=(step,), **(plain | settings))
        assert g.tolist() == [grad, 2 * grad], "sgd_step_kernel: the gradient must not be changed; write d = d + …, not d += …"
        return p[0]

    def check(found, expected, what):
        assert abs(found - expected) < 1e-12, f"sgd_step_kernel: {what}: expected {expected:.6f}, got {found:.6f}"

    check(walk(1.0), 1 - 3 * 0.1, "three plain steps (did you write p = p - … instead of p -= …?)")
    check(walk(1.0, maximize=True), 1 + 3 * 0.1, "maximize goes uphill")
    check(walk(0.0, weight_decay=0.5), 0.95**3, "weight decay alone")
    check(walk(1.0, momentum=0.9), 1 - 0.1 * (1 + 1.9 + 2.71), "momentum adds up the past")
    check(walk(1.0, momentum=0.9, nesterov=True), 1 - 0.1 * (1.9 + 2.71 + 3.439), "Nesterov looks one step ahead")
    check(walk(1.0, momentum=0.9, dampening=0.5), 1 - 0.1 * (1 + 1.4 + 1.76), "the first step has no dampening")
    ### BEGIN HIDDEN TESTS
    p, q = np.ones((2, 3), "float32"), np.ones(1, "float32")
    sgd_step_kernel(np, [p, q], [np.ones((2, 3), "float32"), np.zeros(1, "float32")], None, steps=(1, 1), **plain)
    assert p.dtype == np.float32 and np.allclose(p, 0.9), "sgd_step_kernel: every parameter of the list, in its own dtype"
    assert q[0] == 1, "sgd_step_kernel: a gradient of zero changes nothing"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### RMSprop: each parameter by its own measure

Divide the gradient by the root of its average square, and a direction with gradients of 100 moves as fast as one with 0.01. With `centered` the
average gradient is taken out first, so the divisor is a standard deviation: `avg = sqrt(v - a²)`. Then, if asked for, momentum on top.
"""

# %% nbgrader={"grade": false, "grade_id": "optimizers-rmsprop-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def rmsprop_step_kernel(xp, params, grads, square_avgs, grad_avgs, buffers, *, lr, alpha, eps, weight_decay, momentum, maximize):
    """Take one RMSprop step on each parameter, in place; return params.

    square_avgs: averages of g². grad_avgs: averages of g, or None (not centered). buffers: momentum, or None (no momentum).

    TASK: for each parameter: sign and decay as in SGD; both averages; the divisor; momentum; the step.
    APPROACH: 1. `v *= alpha; v += (1 - alpha) * d * d`; the same for `a` with d. 2. divisor: `xp.sqrt(v)`, or `xp.sqrt(v - a * a)` if
        centered, then `+ eps` outside of the root. 3. `d = d / divisor`; with momentum `b *= momentum; b += d; d = b`.
        4. `p -= lr * d`.
    EXAMPLE: p = [1.0], g = [2.0], alpha 0.75, lr 0.1 -> v = 1, p becomes [0.8]
    """
    ### BEGIN SOLUTION
    for i, (p, d, v) in enumerate(zip(params, grads, square_avgs, strict=True)):
        if maximize:
            d = -d
        if weight_decay:
            d = d + weight_decay * p
        v *= alpha
        v += (1 - alpha) * d * d
        variance = v
        if grad_avgs is not None:
            a = grad_avgs[i]
            a *= alpha
            a += (1 - alpha) * d
            variance = v - a * a
        scaled = xp.sqrt(variance, out=xp.empty_like(v))    # one new array, then everything in it: see the systems analysis
        scaled += eps
        d = xp.divide(d, scaled, out=scaled)
        if buffers is not None:
            b = buffers[i]
            b *= momentum
            b += d
            d = b
        p -= xp.multiply(lr, d, out=scaled)
    return params
    ### END SOLUTION


RMSPROP_STEP = Primitive("rmsprop_step", quiet(rmsprop_step_kernel), mutates=("params", "square_avgs", "grad_avgs", "buffers"))

# %% [markdown]
"""
### Test: large and small gradients move alike

With a constant gradient g the average after t steps is (1 - α^t)·g², so the step is lr / sqrt(1 - α^t), **whatever g is**. We try 1000 and 0.001.
And eps stands outside of the root: with g = 0 and eps = 1 nothing may move.
"""

# %% nbgrader={"grade": true, "grade_id": "test-optimizers-rmsprop-step", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_rmsprop_step():
    plain = {"lr": 0.1, "alpha": 0.9, "eps": 1e-15, "weight_decay": 0, "momentum": 0, "maximize": False}

    def walk(grad, n=3, centered=False, **settings):
        p, g, v, b = (np.array([x]) for x in (1.0, grad, 0.0, 0.0))
        a = [np.zeros(1)] if centered else None
        for _ in range(n):
            rmsprop_step_kernel(np, [p], [g], [v], a, [b] if settings.get("momentum") else None, **(plain | settings))
        assert g[0] == grad, "rmsprop_step_kernel: the gradient must not be changed"
        return p[0]

    def check(found, expected, what):
        assert abs(found - expected) < 1e-9, f"rmsprop_step_kernel: {what}: expected {expected:.6f}, got {found:.6f}"

    steps = [0.1 / math.sqrt(1 - 0.9**t) for t in (1, 2, 3)]
    for grad in (1000.0, 0.001):
        check(walk(grad), 1 - sum(steps), f"three steps with gradient {grad}")
    check(walk(2.0, maximize=True), 1 + sum(steps), "maximize goes uphill")
    with_momentum = steps[0] + (0.5 * steps[0] + steps[1]) + (0.25 * steps[0] + 0.5 * steps[1] + steps[2])
    check(walk(2.0, momentum=0.5), 1 - with_momentum, "momentum on the scaled gradient")
    check(walk(2.0, n=1, eps=1.0), 1 - 0.1 * 2 / (math.sqrt(0.4) + 1), "eps is added to the root, not under it")
    check(walk(0.0, n=1, weight_decay=0.5), 1 - 0.1 / math.sqrt(0.1), "weight decay is part of the gradient")
    check(walk(2.0, n=1, centered=True), 1 - 0.1 / math.sqrt(0.1 - 0.01), "centered subtracts the mean: sqrt(v - a²)")

# %% [markdown]
"""
### Adam and AdamW

Both averages, each divided by what it lacks (`1 - beta ** step`). The two variants differ in one line, and the flag `decoupled` chooses it:

* Adam (`decoupled=False`): `d = d + weight_decay · p`, before the averages.
* AdamW (`decoupled=True`): `p *= 1 - lr · weight_decay`, the averages see nothing of it.

`steps` is a list because parameters may differ in age: a layer that was frozen until now takes its first step today.
"""

# %% nbgrader={"grade": false, "grade_id": "optimizers-adam-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def adam_step_kernel(
    xp, params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, *, lr, betas, eps, weight_decay, decoupled, maximize, steps
):
    """Take one Adam or AdamW step on each parameter, in place; return params.

    exp_avgs, exp_avg_sqs: the averages m and v. max_exp_avg_sqs: the largest v so far (AMSGrad), or None. steps: as in SGD.

    TASK: the formula of the mathematical background, for each parameter.
    APPROACH: 1. sign, then decay of the chosen kind. 2. `m *= beta1; m += (1 - beta1) * d`, and v with d·d. 3. with AMSGrad: let its array
        take the maximum (`xp.maximum(w, v, out=w)`) and use it in place of v. 4. `change = sqrt(v) / sqrt(1 - beta2 ** step) + eps`,
        then `change = m / change`, times `lr / (1 - beta1 ** step)`. 5. `p -= change`.
    EXAMPLE: the first step is lr · g / |g|: p = [1.0], g = [5.0], lr 0.1 -> [0.9]
    """
    ### BEGIN SOLUTION
    beta1, beta2 = betas
    for i, (p, d, m, v) in enumerate(zip(params, grads, exp_avgs, exp_avg_sqs, strict=True)):
        if maximize:
            d = -d
        if decoupled:
            p *= 1 - lr * weight_decay
        elif weight_decay:
            d = d + weight_decay * p
        m *= beta1
        m += (1 - beta1) * d
        v *= beta2
        v += (1 - beta2) * d * d
        if max_exp_avg_sqs is not None:
            v = xp.maximum(max_exp_avg_sqs[i], v, out=max_exp_avg_sqs[i])
        change = xp.sqrt(v, out=xp.empty_like(v))       # one new array, as in RMSprop
        change /= math.sqrt(1 - beta2 ** steps[i])
        change += eps
        xp.divide(m, change, out=change)
        change *= lr / (1 - beta1 ** steps[i])
        p -= change
    return params
    ### END SOLUTION


ADAM_STEP = Primitive("adam_step", quiet(adam_step_kernel), mutates=("params", "exp_avgs", "exp_avg_sqs", "max_exp_avg_sqs"))

# %% [markdown]
"""
### Test: every step has length lr

A constant gradient is Adam's simplest case: after the correction m = g and v = g², so **each** step is exactly lr, from the first. If your first
step is too small by a factor of ten, the correction of m is missing; if it is too large, that of v. Without a gradient AdamW shrinks by 1 -
lr·wd, while L2 decay becomes a full step of lr, as large for a tiny weight as for a huge one: the flaw that AdamW mends.
"""

# %% nbgrader={"grade": true, "grade_id": "test-optimizers-adam-step", "locked": true, "points": 13, "schema_version": 3, "solution": false, "task": false}
def test_adam_step():
    plain = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-15, "weight_decay": 0, "decoupled": False, "maximize": False}

    def walk(grads, start=1.0, amsgrad=False, **settings):
        p, m, v, w = (np.array([x]) for x in (start, 0.0, 0.0, 0.0))
        for step, grad in enumerate(grads, 1):
            g = np.array([grad])
            adam_step_kernel(np, [p], [g], [m], [v], [w] if amsgrad else None, steps=(step,), **(plain | settings))
            assert g[0] == grad, "adam_step_kernel: the gradient must not be changed"
        return p[0]

    def check(found, expected, what):
        assert abs(found - expected) < 1e-9, f"adam_step_kernel: {what}: expected {expected:.6f}, got {found:.6f}"

    for grad in (1000.0, 0.001):
        check(walk([grad]), 0.9, f"the first step with gradient {grad} has length lr")
        check(walk([grad] * 4), 0.6, f"four steps with gradient {grad}, each of length lr")
    check(walk([1.0, 1.0], maximize=True), 1.2, "maximize goes uphill")
    check(walk([0.0] * 3, weight_decay=0.5, decoupled=True), 0.95**3, "AdamW: decay is a factor 1 - lr · weight_decay")
    check(walk([0.0], 8.0, weight_decay=0.5), 7.9, "Adam: L2 decay passes through the averages, one step of lr")
    m, v = 0.9 * 0.1 * 3 + 0.1 * 1, 0.99 * 0.01 * 9 + 0.01 * 1
    second = 0.1 * (m / (1 - 0.81)) / math.sqrt(v / (1 - 0.9801))
    check(walk([3.0, 1.0]), 0.9 - second, "two different gradients")
    check(walk([2.0], eps=1.0), 1 - 0.1 * 2 / (2 + 1), "eps is added after the correction of v, outside of the root")
    ### BEGIN HIDDEN TESTS
    large, small = 0.01 * 100, 0.01 * 100 * 0.99
    found = walk([10.0, 0.0], amsgrad=True)
    expected = 0.9 - 0.1 * (0.9 / (1 - 0.81)) / math.sqrt(large / (1 - 0.9801))
    assert small < large and abs(found - expected) < 1e-9, f"adam_step_kernel: AMSGrad keeps the largest v, got {found:.6f}"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Optimizer: what all of them share

A kernel wants lists; the user has a model. In between stands the optimizer. Two duties are yours:

* `zero_grad` forgets the gradients before the next backward (which would *add* to them). `set_to_none=True` frees the memory; `False` overwrites
  with zeros.
* `gather` collects from a group the parameters **that have a gradient**, makes their state on first sight, and counts their steps. A parameter
  without a gradient (a frozen layer) is passed over: no step, no decay, no memory.

`step()` is given, in `ParameterGroups`: under no_grad it calls `self.update(group)` for each group. What `update` does each optimizer says
itself.
"""

# %% nbgrader={"grade": false, "grade_id": "optimizers-base", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face optim: Optimizer
class Optimizer(ParameterGroups):
    """Base of all optimizers: parameter groups, state, and gradients to forget.

    param_groups: list of dicts, "params" and settings. state: parameter -> dict of what is remembered about it.
    """

    def zero_grad(self, set_to_none=True):
        """Forget every gradient.

        TASK: for each parameter that has a gradient: set it to None, or overwrite it with zeros.
        APPROACH: `self.parameters()` yields all; `p.grad.zero_()`, under no_grad, overwrites.
        EXAMPLE: after zero_grad(), model.weight.grad is None
        """
        ### BEGIN SOLUTION
        for p in self.parameters():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                with no_grad():
                    p.grad = p.grad.detach().zero_()
        ### END SOLUTION

    def gather(self, group, slots):
        """Return (params, grads, steps, one list of state tensors for each name in `slots`) of one group.

        TASK: skip parameters whose grad is None; refuse a gradient of another shape (ShapeError with both shapes); make missing state;
            count the step.
        APPROACH: 1. `state = self.state[p]` is a dict, empty at first. 2. `state["step"] = state.get("step", 0) + 1`.
            3. for each slot not in it: `state[slot] = zeros_like(p)`. 4. the lists, all in the same order.
        EXAMPLE: gather(group, ("momentum_buffer",)) -> ([w, b], [w.grad, b.grad], [1, 1], [zeros, zeros])
        """
        ### BEGIN SOLUTION
        params = [p for p in group["params"] if p.grad is not None]
        for p in params:
            if p.grad.shape != p.shape:
                raise ShapeError(f"gather: expected a gradient of the parameter's shape {p.shape}, found {p.grad.shape}.")
            state = self.state[p]
            state["step"] = state.get("step", 0) + 1
            for slot in slots:
                if slot not in state:
                    state[slot] = zeros_like(p)
        columns = [[self.state[p][name] for p in params] for name in ("step", *slots)]
        return params, [p.grad for p in params], *columns
        ### END SOLUTION

# %% [markdown]
"""
### Test: lists in order, state made once

Two parameters with a gradient, one without. The frozen one must have no state at all: in a large model that is gigabytes.
"""

# %% nbgrader={"grade": true, "grade_id": "test-optimizers-base", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_optimizer_base():
    w, frozen, b = (Tensor(np.full(n, 2.0), requires_grad=True) for n in (3, 2, 1))
    optimizer = Optimizer([w, frozen, b], {"lr": 0.1})
    w.grad, b.grad = Tensor(np.ones(3)), Tensor(np.full(1, 5.0))
    params, grads, steps, slots = optimizer.gather(optimizer.param_groups[0], ("memory",))
    assert len(params) == 2 and params[0] is w and params[1] is b, "Optimizer.gather: only parameters with a gradient, in order"
    assert grads[0] is w.grad and grads[1] is b.grad, "Optimizer.gather: gradients in the order of the parameters"
    assert list(steps) == [1, 1], f"Optimizer.gather: the first step is number 1, got {steps}"
    assert slots[0].shape == (3,) and slots[0].tolist() == [0, 0, 0], f"Optimizer.gather: new state is zeros, got {slots[0]}"
    assert slots[0].dtype == w.dtype, f"Optimizer.gather: state has the parameter's dtype {w.dtype}, got {slots[0].dtype}"
    frozen_state = optimizer.state.get(frozen, {})
    assert not frozen_state, f"Optimizer.gather: a parameter without gradient has no state, got {frozen_state}"
    again = optimizer.gather(optimizer.param_groups[0], ("memory",))
    assert again[3][0] is slots[0] and list(again[2]) == [2, 2], "Optimizer.gather: state is made once, steps are counted"
    b.data = Tensor(np.ones(3))
    try:
        optimizer.gather(optimizer.param_groups[0], ())
    except ShapeError as error:
        assert "(1,)" in str(error) and "(3,)" in str(error), f"Optimizer.gather: name both shapes, got {error}"
    else:
        raise AssertionError("Optimizer.gather: a gradient (1,) for a parameter (3,) would broadcast; raise ShapeError")
    b.data = Tensor(np.ones(1))
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0, 0, 0] and frozen.grad is None, "Optimizer.zero_grad(False): gradients become zeros"
    optimizer.zero_grad()
    assert w.grad is None and b.grad is None, "Optimizer.zero_grad: gradients become None"

# %% [markdown]
"""
### SGD and Adam

Now each optimizer is its settings and a call. `update` gathers, and binds the primitive. A slot that a setting makes unnecessary is not made: SGD
without momentum has no buffers, and memory stays free.
"""

# %% nbgrader={"grade": false, "grade_id": "optimizers-sgd-adam", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face optim: SGD, Adam
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum (Polyak, 1964) or Nesterov's; arguments and numbers as in PyTorch."""

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False):
        super().__init__(params, {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
                                      "nesterov": nesterov, "maximize": maximize})

    def update(self, group):
        """Take one SGD step on the parameters of `group`.

        TASK: gather, with the slot "momentum_buffer" only if there is momentum, and bind SGD_STEP.
        APPROACH: 1. `params, grads, steps, *slots = self.gather(...)`. 2. nothing has a gradient: return. 3. the buffers are `slots[0]` or
            None. 4. the settings are those of the group; `steps=tuple(steps)`.
        EXAMPLE: SGD([w], lr=0.1).step() moves w by -0.1 · w.grad
        """
        ### BEGIN SOLUTION
        params, grads, steps, *slots = self.gather(group, ("momentum_buffer",) if group["momentum"] else ())
        if not params:
            return
        names = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")
        bind(SGD_STEP, params, grads, slots[0] if slots else None, steps=tuple(steps), **{n: group[n] for n in names})
        ### END SOLUTION


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015); weight_decay is L2, added to the gradient. Arguments and numbers as in PyTorch."""

    decoupled = False

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, *, maximize=False):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
                                      "maximize": maximize})

    def update(self, group):
        """Take one Adam step on the parameters of `group`.

        TASK: gather "exp_avg", "exp_avg_sq" and, for amsgrad, "max_exp_avg_sq"; bind ADAM_STEP.
        APPROACH: as in SGD; the third list is None without amsgrad; `decoupled=self.decoupled`.
        EXAMPLE: the first step moves each weight by lr, against the sign of its gradient
        """
        ### BEGIN SOLUTION
        slots = ("exp_avg", "exp_avg_sq") + (("max_exp_avg_sq",) if group["amsgrad"] else ())
        params, grads, steps, m, v, *largest = self.gather(group, slots)
        if not params:
            return
        settings = {n: group[n] for n in ("lr", "betas", "eps", "weight_decay", "maximize")}
        bind(ADAM_STEP, params, grads, m, v, largest[0] if largest else None,
             steps=tuple(steps), decoupled=self.decoupled, **settings)
        ### END SOLUTION

# %% [markdown]
"""
### Test: a model moves, its graph does not

The step must reach the parameter that the model holds, must be seen by the version counter (an update between forward and backward would spoil
the gradient), and must not be recorded. Then groups with their own learning rate.
"""

# %% nbgrader={"grade": true, "grade_id": "test-optimizers-sgd-adam", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_sgd_and_adam():
    for make, expected in ((lambda p: SGD(p, lr=0.1), [0.8, -1.0, 2.9]), (lambda p: Adam(p, lr=0.1), [0.9, -1.0, 2.9]),
                           (lambda p: SGD(p, lr=0.1, momentum=0.9), [0.8, -1.0, 2.9])):
        w = Tensor([1.0, -1.0, 3.0], requires_grad=True)
        optimizer = make([w])
        name, version = f"{type(optimizer).__name__}.update", w._storage.version
        (w * Tensor([2.0, 0.0, 1.0])).sum().backward()
        optimizer.step()
        assert np.allclose(w.detach().numpy(), expected, atol=1e-6), f"{name}: expected {expected}, got {w.tolist()}"
        assert w._storage.version == version + 1, f"{name}: the step must pass through bind, which counts the version"
        assert w.is_leaf and w.requires_grad, f"{name}: a parameter must stay a leaf"
    w.grad, plain = Tensor(np.ones(3, "float32")), SGD([w], lr=0.5)
    plain.step()
    assert "momentum_buffer" not in plain.state[w], "SGD.update: without momentum no buffer is made"
    assert set(optimizer.state[w]) == {"step", "momentum_buffer"}, f"SGD.update: state has {set(optimizer.state[w])}"
    a, b = (Tensor([1.0], requires_grad=True) for _ in range(2))
    grouped = SGD([{"params": [a]}, {"params": [b], "lr": 0.01}], lr=1.0)
    a.grad, b.grad = Tensor([1.0]), None
    grouped.step()
    b.grad = Tensor([1.0])
    grouped.step()
    assert (a.item(), round(b.item(), 4)) == (-1.0, 0.99), f"SGD.update: each group has its own lr, got {a.item()}, {b.item()}"
    largest = Adam([a], amsgrad=True)
    largest.step()
    assert "max_exp_avg_sq" in largest.state[a], "Adam.update: amsgrad keeps max_exp_avg_sq"

# %% [markdown]
"""
### More of the same, given

AdamW is Adam with one flag and another default. The others bring their settings and their step from `more_optimizers_given.py`, and their zero_grad
and gather from you.
"""

# %% nbgrader={"grade": false, "grade_id": "optimizers-more", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face optim: RMSprop, AdamW, Adagrad, Adadelta, Adamax, NAdam, RAdam, Lion, Muon
from tinytorch.given.more_optimizers import (
    AdadeltaSteps, AdagradSteps, AdamaxSteps, LionSteps, MuonSteps, NAdamSteps, RAdamSteps, RMSpropSteps,
)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019); arguments and numbers as in PyTorch."""

    decoupled = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, amsgrad=False, *, maximize=False):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


class RMSprop(RMSpropSteps, Optimizer):
    """RMSprop (Hinton, 2012; centered: Graves, 2013)."""


class Adagrad(AdagradSteps, Optimizer):
    """Adagrad (Duchi, Hazan and Singer, 2011): the divisor is the root of the sum of all past g²."""


class Adadelta(AdadeltaSteps, Optimizer):
    """Adadelta (Zeiler, 2012): steps in the parameter's own unit."""


class Adamax(AdamaxSteps, Optimizer):
    """Adamax (Kingma and Ba, 2015): Adam with the largest |g| in place of the root of v."""


class NAdam(NAdamSteps, Optimizer):
    """NAdam (Dozat, 2016): Adam with Nesterov's look ahead."""


class RAdam(RAdamSteps, Optimizer):
    """RAdam (Liu et al., 2020): Adam that warms up by itself."""


class Lion(LionSteps, Optimizer):
    """Lion (Chen et al., 2023): only the sign of an average; use about a tenth of AdamW's lr and ten times its decay."""


class Muon(MuonSteps, Optimizer):
    """Muon (Jordan et al., 2024): orthogonal steps for weight matrices; biases and embeddings belong to AdamW."""

# %% [markdown]
r"""
### Schedulers: the learning rate as a function of time

At the start weights are random and large steps useful; at the end you want to settle. A scheduler writes a new `lr` into each group whenever
`step()` is called. With the initial rate $\eta_0$, after $t$ calls:

* `StepLR`: a staircase, $\eta_0\,\gamma^{\lfloor t / \text{step\_size} \rfloor}$
* `CosineAnnealingLR`: half a wave from $\eta_0$ down to $\eta_{min}$, $\eta_{min} + \tfrac12 (\eta_0 - \eta_{min})(1 + \cos(\pi t / T_{max}))$
  (Loshchilov and Hutter, 2017)

The base class `LRScheduler` is given (`schedulers_given.py`). It calls your `get_lr`, which returns one rate for each group, from
`self.last_epoch` (the count of calls, PyTorch's name) and `self.base_lrs`. Beside it stands `OneCycleLR`: up to a rate that would be too large at
the start, then down to almost nothing, with momentum mirrored (Smith and Topin, 2018). It is stepped after every batch, and the CNN of module 11
trains with it.

A simplification: PyTorch computes each rate from the one before, so that several schedulers can be chained. Ours are functions of time. The
values are the same, and after a resume there is nothing to get out of step.
"""

# %% nbgrader={"grade": false, "grade_id": "optimizers-schedules", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face optim.lr_scheduler: StepLR, CosineAnnealingLR
from tinytorch.given.schedulers import LRScheduler, OneCycleLR, at_least_one, number_in


class StepLR(LRScheduler):
    """Multiply the learning rate by `gamma` every `step_size` epochs."""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size, self.gamma = at_least_one(step_size, "StepLR: step_size"), number_in(gamma, "StepLR: gamma")
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """Return the staircase's height for each group.

        TASK: the formula above. APPROACH: a list over `self.base_lrs`. EXAMPLE: base 1.0, step_size 2, gamma 0.5: 1, 1, 0.5, 0.5, 0.25
        """
        ### BEGIN SOLUTION
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]
        ### END SOLUTION


class CosineAnnealingLR(LRScheduler):
    """Follow half a cosine wave from the initial rate down to `eta_min` in `T_max` epochs."""

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max, self.eta_min = at_least_one(T_max, "CosineAnnealingLR: T_max"), eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """Return the wave's height for each group.

        TASK: the formula above. APPROACH: `math.cos`, `math.pi`. EXAMPLE: base 1.0, T_max 2: 1.0, 0.5, 0.0
        """
        ### BEGIN SOLUTION
        wave = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * wave for base in self.base_lrs]
        ### END SOLUTION

# %% [markdown]
"""
### Test: step by step, for every group

Values written down by hand. The scheduler must set the first rate already when it is made, and it must move every group by its own base.
"""

# %% nbgrader={"grade": true, "grade_id": "test-optimizers-schedules", "locked": true, "points": 11, "schema_version": 3, "solution": false, "task": false}
def test_schedules():
    def rates(make, count):
        a, b = (Tensor([1.0], requires_grad=True) for _ in range(2))
        optimizer = SGD([{"params": [a]}, {"params": [b], "lr": 0.1}], lr=1.0)
        scheduler = make(optimizer)
        seen = []
        for _ in range(count):
            seen.append([group["lr"] for group in optimizer.param_groups])
            scheduler.step()
        return seen

    r = math.sqrt(0.5)
    for name, make, expected in (
        ("StepLR", lambda o: StepLR(o, 2, gamma=0.5), [1, 1, 0.5, 0.5, 0.25]),
        ("StepLR", lambda o: StepLR(o, 1), [1, 0.1, 0.01]),
        ("CosineAnnealingLR", lambda o: CosineAnnealingLR(o, 4), [1, (1 + r) / 2, 0.5, (1 - r) / 2, 0, (1 - r) / 2]),
    ):
        for t, (found, value) in enumerate(zip(rates(make, len(expected)), expected, strict=True)):
            assert np.allclose(found, [value, value / 10], atol=1e-12), f"{name}.get_lr: after {t} steps {[value, value / 10]}, got {found}"
    lowest = rates(lambda o: CosineAnnealingLR(o, 3, eta_min=0.05), 4)[-1]
    assert np.allclose(lowest, 0.05), f"CosineAnnealingLR.get_lr: after T_max every group is at eta_min, got {lowest}"

# %% [markdown]
r"""
### Clipping: when one batch shouts

Once in a while a batch has a gradient a hundred times larger than usual, and one step ruins hours of work. Clipping scales **all** gradients by
one factor, so that their total norm is at most `max_norm`. The direction stays.

$$ \|g\| = \Big(\sum_{\text{all parameters}} \sum_i |g_i|^p\Big)^{1/p} \qquad g \leftarrow g \cdot \min\Big(1, \frac{\text{max\_norm}}{\|g\| + 10^{-6}}\Big) $$

One norm over everything, not one per parameter: clipping each by itself would turn the direction. `clip_grad_value_` does that on purpose,
element by element; it is given.
"""

# %% nbgrader={"grade": false, "grade_id": "optimizers-clipping", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn.utils: clip_grad_norm_
from tinytorch.given.clipping import SCALE_, clip_grad_value_, gradients
from tinytorch.given.settings import number


def total_norm_kernel(xp, tensors, *, norm_type):
    """Return the norm of all elements of all arrays, taken as one long vector.

    TASK: the formula above; norm_type infinity is the largest absolute value.
    APPROACH: the norm of each array, `xp.linalg.norm(t.reshape(-1), norm_type)`, then the norm of these norms.
    EXAMPLE: arrays [3.0] and [4.0], norm_type 2 -> 5.0
    """
    ### BEGIN SOLUTION
    norms = xp.stack([xp.linalg.norm(t.reshape(-1), norm_type) for t in tensors])
    return xp.linalg.norm(norms, norm_type)
    ### END SOLUTION


TOTAL_NORM = Primitive("total_norm", quiet(total_norm_kernel))


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False):
    """Scale all gradients so that their total norm is at most `max_norm`; return the norm before, as a tensor.

    TASK: compute the total norm; if it is too large, scale; return it.
    APPROACH: 1. `grads = gradients(parameters, "clip_grad_norm_")`; none: return Tensor(0.0). 2. `total = bind(TOTAL_NORM, grads, …)`.
        3. a norm that is inf or NaN with error_if_nonfinite: OptimizerError. 4. `factor = max_norm / (total.item() + 1e-6)`.
        5. a factor below 1: `bind(SCALE_, grads, factor=factor)`.
    EXAMPLE: gradients [3.0] and [4.0], max_norm 1 -> [0.6] and [0.8], returns tensor(5.)
    """
    max_norm, norm_type = (number(value, "clip_grad_norm_: max_norm and norm_type") for value in (max_norm, norm_type))
    ### BEGIN SOLUTION
    grads = gradients(parameters, "clip_grad_norm_")
    if not grads:
        return Tensor(0.0)
    total = bind(TOTAL_NORM, grads, norm_type=norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise OptimizerError(f"clip_grad_norm_: expected a finite norm, found {total.item()}; look for inf or NaN in the loss.")
    factor = max_norm / (total.item() + 1e-6)
    if factor < 1:
        bind(SCALE_, grads, factor=factor)
    return total
    ### END SOLUTION

# %% [markdown]
"""
### Test: one norm for all

Gradients [3] and [4] have norm 5. If you clip each by itself to norm 1 you get [1] and [1]: another direction. A small gradient must stay as it
is, to the bit.
"""

# %% nbgrader={"grade": true, "grade_id": "test-optimizers-clipping", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
def test_clipping():
    for norm_type, expected in ((2.0, 5.0), (1.0, 7.0), (math.inf, 4.0)):
        found = float(total_norm_kernel(np, [np.array([[3.0]]), np.array([0.0, -4.0])], norm_type=norm_type))
        assert abs(found - expected) < 1e-12, f"total_norm_kernel: norm {norm_type} of 3 and -4 is {expected}, got {found}"
    a, frozen, b = (Tensor([0.0], requires_grad=True) for _ in range(3))
    a.grad, b.grad = Tensor([3.0]), Tensor([4.0])
    total = clip_grad_norm_([a, frozen, b], 10.0)
    assert (a.grad.item(), b.grad.item()) == (3.0, 4.0), "clip_grad_norm_: a norm below max_norm changes nothing"
    total = clip_grad_norm_([a, frozen, b], 1.0)
    found = (a.grad.item(), b.grad.item())
    assert isinstance(total, Tensor) and total.item() == 5.0, f"clip_grad_norm_: returns the norm before, 5, got {total}"
    assert np.allclose(found, (0.6, 0.8), atol=1e-6), f"clip_grad_norm_: one factor for all gives 0.6 and 0.8, got {found}"
    clip_grad_value_([a, b], 0.7)
    assert np.allclose((a.grad.item(), b.grad.item()), (0.6, 0.7), atol=1e-6), "clip_grad_value_: each element by itself"
    assert clip_grad_norm_([frozen], 1.0).item() == 0.0, "clip_grad_norm_: without gradients the norm is 0"

# %% [markdown]
"""
## Systems analysis: what does a better step cost?

Predict before you run:

1. **Memory.** A million parameters are 3.8 MiB. How much does each optimizer add with its first step?
2. **Time.** How long is a step, as a multiple of the time to copy the parameters once? Count how often each number is read and written.
3. **Convergence.** A bowl with condition number 100. How many steps until the distance is a thousandth? Theory says about κ for SGD and √κ for
   momentum.
"""

# %%
OPTIMIZERS = {
    "SGD": lambda p, lr: SGD(p, lr=lr),
    "momentum": lambda p, lr: SGD(p, lr=lr, momentum=0.9),
    "Nesterov": lambda p, lr: SGD(p, lr=lr, momentum=0.9, nesterov=True),
    "RMSprop": lambda p, lr: RMSprop(p, lr=lr, alpha=0.9),
    "Adam": lambda p, lr: Adam(p, lr=lr),
}


def analyze_memory_and_time():
    """Print, for a million parameters, the memory that a first step keeps and the time of a later one."""
    from tinytorch.utils import MemoryMeter, format_bytes, measure_time

    parameter = Tensor(np.ones(1_000_000, "float32"), requires_grad=True)
    parameter.grad = Tensor(np.ones(1_000_000, "float32"))
    size = parameter.detach().numpy().nbytes
    copy = measure_time(parameter.detach().clone, repeats=5).median
    print(f"{'a million parameters:':<22} {format_bytes(size)}")
    for name, make in OPTIMIZERS.items():
        optimizer = make([parameter], 1e-3)
        with MemoryMeter() as meter:
            optimizer.step()
        step = measure_time(optimizer.step, repeats=5).median
        total = 1 + round(meter.kept / size, 1)
        print(f"  {name:<10} keeps {format_bytes(meter.kept):>9} more: {total:.0f}× in all; a step takes {step / copy:4.1f} copies")


def analyze_convergence():
    """Print after how many steps each optimizer stays within 1/1000 of the bottom of a bowl of condition number 100."""
    curvature = Tensor([100.0, 1.0])

    def settled(make, lr, limit=450):
        x, last = Tensor([1.0, 0.7], requires_grad=True), 0
        optimizer = make([x], lr)
        for step in range(1, limit + 1):
            x.grad = curvature * x.detach()
            optimizer.step()
            distance = float(np.abs(x.detach().numpy()).max())
            if not distance < 1e6:
                return limit
            last = step if distance > 1e-3 else last
        return last + 1

    for name, make in OPTIMIZERS.items():
        steps = {lr: settled(make, lr) for lr in (0.1, 0.03, 0.018, 0.01, 0.003)}
        print(f"  {name:<10}" + "".join(f"  lr={lr}: {'never' if n > 449 else n:>5}" for lr, n in steps.items()))

# %% [markdown]
"""
The memory is as the theory says: 1×, 2×, 3×. For a model of 7 billion float32 parameters Adam needs 84 GB before the first activation.

The times are several copies each, because NumPy walks through memory once for every operator in your kernel. Does one of yours take fifty? In
`d + momentum * b` and `lr * d` two large temporary arrays live at the same time, and between two steps the C library gives their memory back to the system
and asks for it anew. The remedy is to work in one array (`out=`, `*=`). Module 13 makes one walk of them all.

SGD fails with any rate above 2/100. RMSprop and Adam do not care about the curvature. But RMSprop never settles: with a constant rate it dances around
the minimum with steps of about lr. Adam's momentum averages the dance away here, where gradients have no noise. In training they have, so one *schedules*
the rate.
"""

# %% [markdown]
"""
## Integration: backward and step, hand in hand

The loop of all deep learning, on a straight line with noise: predict, measure, `backward`, clip, `step`, `zero_grad`. The answer is known (least
squares), so we can see how close each optimizer comes.
"""

# %%
def demonstrate_fit():
    """Fit a line by gradient descent, and compare with the least-squares solution."""
    rng = np.random.default_rng(1)
    x, noise = rng.uniform(-1, 1, (64, 1)), rng.normal(0, 0.1, (64, 1))
    y = 3 * x - 2 + noise
    exact = np.linalg.lstsq(np.hstack([x, np.ones_like(x)]), y, rcond=None)[0].ravel()
    w, b = Tensor([[0.0]], requires_grad=True), Tensor([0.0], requires_grad=True)
    optimizer = AdamW([w, b], weight_decay=0.0)
    scheduler = OneCycleLR(optimizer, max_lr=0.3, total_steps=120)
    for step in range(120):
        optimizer.zero_grad()
        error = Tensor(x) @ w + b - Tensor(y)
        (error * error).mean().backward()
        norm = clip_grad_norm_([w, b], 5.0)
        optimizer.step()
        scheduler.step()
        if step % 40 == 39:
            print(f"  step {step + 1}: mean error {np.abs(error.detach().numpy()).mean():.4f}, gradient norm {norm.item():.4f}")
    print(f"  found {w.item():.3f}·x {b.item():+.3f}; least squares says {exact[0]:.3f}·x {exact[1]:+.3f}")

# %% [markdown]
"""
## Production context

**PyTorch** has three versions of each optimizer: a loop like yours, `foreach` (one kernel call per operation for the whole list) and `fused` (one
kernel call for everything). All three exist because the loop is slow for hundreds of small parameters on a GPU. Our primitive takes lists from
the start, so module 13 can add the fused row and nobody else will notice.

**Large models** spend more memory on Adam than on weights. 8-bit Adam stores both averages as bytes; Adafactor keeps row and column sums of v;
ZeRO (DeepSpeed, FSDP) gives each of n machines an n-th of the state. **JAX**'s Optax writes optimizers as chains of small transformations:
`chain(clip_by_global_norm(1.0), scale_by_adam(), scale(-lr))`. Which is nicer to read? Which is easier to fuse?

A simplification: PyTorch keeps `step` as a tensor, so that it can live on the GPU. Ours is a Python int.
"""

# %% [markdown]
"""
## Comprehensive test

Everything at once: two optimizers, one of them saved after ten steps into plain data and continued by a new one. Both must arrive at the same
weights, to the last bit. That is what resuming a training run will rest on.
"""

# %% nbgrader={"grade": true, "grade_id": "test-optimizers-module", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def test_module():
    curvature = Tensor([[10.0, 1.0, 0.1]])

    def run(make, steps, x, optimizer, scheduler):
        for _ in range(steps):
            optimizer.zero_grad()
            (curvature * x * x).sum().backward()
            clip_grad_norm_([x], 3.0)
            optimizer.step()
            scheduler.step()

    def fresh(make, values=((1.0, -1.0, 2.0),)):
        x = Tensor(values, requires_grad=True)
        optimizer = make([x])
        return x, optimizer, CosineAnnealingLR(optimizer, 40)

    for make in (lambda p: SGD(p, lr=0.05, momentum=0.9, nesterov=True), lambda p: Adam(p, lr=0.1, weight_decay=0.01),
                 lambda p: AdamW(p, lr=0.1, amsgrad=True), lambda p: RMSprop(p, lr=0.02, momentum=0.5, centered=True)):
        x, optimizer, scheduler = fresh(make)
        name = type(optimizer).__name__
        run(make, 10, x, optimizer, scheduler)
        y, second, cosine = fresh(make, x.tolist())
        second.load_state_dict(optimizer.state_dict())
        cosine.load_state_dict(scheduler.state_dict())
        run(make, 30, x, optimizer, scheduler)
        run(make, 30, y, second, cosine)
        assert x.tolist() == y.tolist(), f"{name}: the resumed run must take the same steps, {x.tolist()} against {y.tolist()}"
        loss = float((curvature * x * x).sum().item())
        assert loss < 0.5, f"{name}: 40 steps must bring the loss from 11.4 below 0.5, got {loss:.3f}"

# %%
if __name__ == "__main__":
    test_sgd_step()
    test_rmsprop_step()
    test_adam_step()
    test_optimizer_base()
    test_sgd_and_adam()
    test_schedules()
    test_clipping()
    test_module()
    analyze_memory_and_time()
    analyze_convergence()
    demonstrate_fit()

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions

**1.** Count for one parameter of n float32 numbers how many bytes your `adam_step_kernel` reads from and writes to memory, and how many a fused
loop over elements would. Which speed-up do you expect for n = 1,000,000, and why less for n = 100?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "optimizers-q1", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) NumPy: about a dozen passes, each reading one or two arrays and writing one, so around 30·4n bytes (2 points). Fused: read p, g,
m, v, write p, m, v: 7·4n bytes (1). Expect about four times, since memory is the limit (1); for n = 100 all fits in the cache and the call
overhead counts (1).
"""

# %% [markdown]
"""
**2.** `gather` makes state only for parameters that have a gradient, and it keeps a step count for each of them. Describe a fine-tuning run where
one count for the whole optimizer would give wrong first steps. By what factor would Adam's first step on a newly thawed layer be wrong after 1000
steps of the others?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "optimizers-q2", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Train the head, later thaw the backbone: its averages start at zero, but a common count of 1001 makes both corrections nearly 1 (2
points). Then m = 0.1·g uncorrected and v = 0.001·g², also nearly uncorrected (its correction is 1 - 0.999^1001 = 0.63): the step is
0.1/sqrt(0.001/0.63) = 2.5 times lr (3).
"""

# %% [markdown]
"""
**3.** `clip_grad_norm_` needs one number that depends on every gradient before it may change any of them. With data-parallel training on 8
machines, or with a model whose layers live on different GPUs, what must be exchanged, and what would go wrong if each machine clipped by its own
norm?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "optimizers-q3", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Layers on different GPUs: one number each, the sum of squares, all-reduced (2 points). Data-parallel: clip after the gradients are
averaged; then all compute the same norm (2). Own norms give each machine another factor: replicas drift apart, or the direction of the whole
gradient is bent (1).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: Optimizers

You wrote three kernels, and with them four optimizers, two schedules and clipping, all to PyTorch's numbers. They take lists, work in place, and
save themselves as plain data. You measured what Adam costs: three times the parameters. Next: `tito module complete optimizers`, then module 11,
where the loop around them becomes a Trainer that can be stopped anywhere.
"""
