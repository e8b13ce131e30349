# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# Module 11: Training, or how to stop anywhere

You have everything: tensors, layers, data, gradients, optimizers. What is missing is the loop that drives them, and the number that it drives
down.

A training run is long. Machines are switched off, sessions time out, somebody presses Ctrl-C. So the question of today is not only *does the loss
fall?* It is: **if I stop this run at any batch and take it up tomorrow, will it end at exactly the same weights?** To the last bit? Only then
have you understood what a training run consists of.

**You bring:** Module (04), DataLoader (08), backward (09), optimizers and schedulers (10). **You leave with:** the losses, `accuracy`,
`evaluate_model`, `compute_confusion_matrix` and a `Trainer`. **Capability:** *Can I train a network, stop it anywhere, and resume as if nothing
had happened?*
"""

# %% nbgrader={"grade": false, "grade_id": "training-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.training
from tito.workbench import modules_before

modules_before("11_training")

# %% [markdown]
r"""
## Mathematical background

**Mean squared error** for numbers: $\frac1n \sum_i (x_i - y_i)^2$. It is what maximum likelihood gives if errors are normally distributed.

**Cross-entropy** for classes. A network puts out *logits* $x_c$, any real numbers. Softmax makes them probabilities, $p_c = e^{x_c} / \sum_k
e^{x_k}$. The loss is the surprise at the right answer $y$:

$$ L = -\log p_y = \log \sum_k e^{x_k} - x_y \qquad\qquad \frac{\partial L}{\partial x_c} = p_c - [c = y] $$

The gradient is as simple as it gets: *predicted minus true*. But $e^{x}$ overflows in float32 at $x = 89$. So take the maximum $m$ out first:
$\log \sum_k e^{x_k} = m + \log \sum_k e^{x_k - m}$. Now the largest term is $e^0$.

More generally let $q_c$ be the *wanted* distribution: 1 at the right class and 0 elsewhere, or a softer one. Then $L = \sum_c q_c\,(\text{lse} -
x_c)$ and the gradient is $\big(\sum_k q_k\big)\, p_c - q_c$. With **label smoothing** $s$ (Szegedy et al., 2016) the wanted distribution is
$(1-s)\,[c = y] + s/C$: never be entirely sure. With **class weights** $w_c$ each $q_c$ is multiplied by $w_c$.

For yes-or-no questions there is **binary cross-entropy**; it is given, with the same trick (`binary_loss_given.py`).
"""

# %% [markdown]
"""
## Implementation

### Mean squared error, and the mistake it invites

Predictions of shape (N, 1), targets of shape (N,). NumPy subtracts them without a word: the result is N × N, every prediction against every
target. The loss falls a little, the network learns the mean, and you search for days. `check_same_shape` is given and refuses it; call it first.
"""

# %% nbgrader={"grade": false, "grade_id": "training-mse", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face nn.functional: mse_loss
import math
import time

import numpy as np

from tinytorch.core.autograd import no_grad
from tinytorch.core.engine import VJPS, Primitive, Rule, bind
from tinytorch.core.layers import Module
from tinytorch.core.optimizers import clip_grad_norm_
from tinytorch.core.tensor import Tensor
from tinytorch.given.loss_support import (
    Loss, check_class_targets, check_reduction, check_same_shape, check_tensors, class_factors, class_rows, mean_of, reduce, soft_cross_entropy,
)
from tinytorch.given.tensor_ops import quiet
from tinytorch.given.training_loop import TrainingLoop, averages, targets_of


def mse_loss(input, target, reduction="mean"):
    """Return the mean squared error (or, for reduction "sum" or "none", the sum or the squares themselves).

    TASK: check the shapes, square the difference, reduce.
    APPROACH: `check_same_shape("mse_loss", input, target)`; `reduce(values, reduction)` is given.
    EXAMPLE: mse_loss(Tensor([1.0, 2.0]), Tensor([3.0, 2.0])) -> tensor(2.)
    """
    ### BEGIN SOLUTION
    check_same_shape("mse_loss", input, target)
    error = input - target
    return reduce(error * error, reduction)
    ### END SOLUTION

# %% [markdown]
"""
### Test: value, gradient, refusal

The gradient of the mean is 2(x - y)/n. And (3, 1) against (3,) must be refused.
"""

# %% nbgrader={"grade": true, "grade_id": "test-training-mse", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def test_mse_loss():
    x, y = Tensor([[1.0, -2.0, 4.0]], requires_grad=True), Tensor([[3.0, -2.0, 1.0]])
    loss = mse_loss(x, y)
    assert abs(loss.item() - 13 / 3) < 1e-6, f"mse_loss: the mean of 4, 0, 9 is 4.3333, got {loss.item():.4f}"
    loss.backward()
    assert np.allclose(x.grad.numpy(), [[-4 / 3, 0, 2]]), f"mse_loss: the gradient is 2(x - y)/n, got {x.grad}"
    assert mse_loss(x, y, "sum").item() == 13.0 and mse_loss(x, y, "none").tolist() == [[4, 0, 9]], "mse_loss: reductions"
    try:
        mse_loss(Tensor([[1.0], [2.0], [3.0]]), Tensor([1.0, 2.0, 3.0]))
    except ValueError as error:
        assert "(3, 1)" in str(error) and "(3,)" in str(error), f"mse_loss: the message must show both shapes, got {error}"
    else:
        raise AssertionError("mse_loss: (3, 1) against (3,) would broadcast to (3, 3); call check_same_shape first")

# %% [markdown]
"""
### Cross-entropy: what do we want?

First the wanted distribution q, one row for each sample. `target` holds class numbers. Rows whose target is `ignore_index` (padding in a text)
are all zeros: they want nothing, so they cost nothing. The second value is what a mean divides by: how many samples count, each by the weight of
its class.
"""

# %% nbgrader={"grade": false, "grade_id": "training-wanted", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def wanted_distribution(xp, target, weight, classes, dtype, *, ignore_index, label_smoothing):
    """Return (q, total): the wanted distribution (N, classes), and the sum of the weights of the samples that count.

    target: class numbers (N,). weight: one number for each class, or None.

    TASK: smoothing for every class, the rest for the right one; times the weights; zeros for ignored rows.
    APPROACH: 1. `counts = target != ignore_index`, `right = xp.where(counts, target, 0)`. 2. q full of `label_smoothing / classes`; at
        `q[xp.arange(N), right]` add `1 - label_smoothing`. 3. times `weight` (it broadcasts over rows) and times `counts[:, None]`.
        4. total: the sum of `counts`, or of `weight[right] * counts`.
    EXAMPLE: target [1], 3 classes, smoothing 0.3 -> q [[0.1, 0.8, 0.1]], total 1
    """
    ### BEGIN SOLUTION
    counts = target != ignore_index
    right = xp.where(counts, target, 0)
    q = xp.full((len(target), classes), label_smoothing / classes, dtype=dtype)
    q[xp.arange(len(target)), right] += 1 - label_smoothing
    if weight is None:
        return q * counts[:, None], counts.sum()
    return q * weight * counts[:, None], (weight[right] * counts).sum()
    ### END SOLUTION

# %% [markdown]
"""
### Test: rows by hand

Smoothing shares out, weights multiply, ignored rows vanish. Without weights and ignored rows each row must sum to 1.
"""

# %% nbgrader={"grade": true, "grade_id": "test-training-wanted", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_wanted_distribution():
    target, weight = np.array([1, -100, 0]), np.array([2.0, 3.0, 5.0])
    for smoothing, w, expected, expected_total in (
        (0.0, None, [[0, 1, 0], [0, 0, 0], [1, 0, 0]], 2), (0.3, None, [[0.1, 0.8, 0.1], [0, 0, 0], [0.8, 0.1, 0.1]], 2),
        (0.3, weight, [[0.2, 2.4, 0.5], [0, 0, 0], [1.6, 0.3, 0.5]], 5),
    ):
        q, total = wanted_distribution(np, target, w, 3, np.float64, ignore_index=-100, label_smoothing=smoothing)
        case = f"wanted_distribution(smoothing={smoothing}, weight={w})"
        assert np.allclose(q, expected), f"{case}: expected {expected}, got {q.tolist()}"
        assert total == expected_total, f"{case}: a mean divides by {expected_total}, got {total}"
    q, _ = wanted_distribution(np, np.array([1, 2, 0]), None, 3, np.float32, ignore_index=0, label_smoothing=0.0)
    assert q.dtype == np.float32 and q[2].tolist() == [0, 0, 0], f"wanted_distribution: ignore_index may be any class, got {q[2]}"

# %% [markdown]
"""
### Cross-entropy: the primitive and its gradient

The loss is one primitive, not a chain of six, for two reasons: it is stable, and its gradient needs only the logits and one number for each row
(`logsumexp`, the *residual* output) instead of six saved arrays. The gradient is a primitive as well, so that a faster kernel can replace it
later; `decompose` says what it is in Tensors, and so second derivatives work.

    loss of a row      Σ_c q_c · (logsumexp - x_c)
    gradient of a row  (Σ_c q_c) · p - q        with p = exp(x - logsumexp)

Then the reduction: the mean divides both by `total`; `mean_of(value, total)` is given, and returns NaN if nothing counts, as in PyTorch.
"""

# %% nbgrader={"grade": false, "grade_id": "training-cross-entropy", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def cross_entropy_kernel(xp, logits, target, weight, *, ignore_index, reduction, label_smoothing):
    """Return (loss, logsumexp) of logits (N, classes) and class numbers (N,).

    TASK: logsumexp of each row without overflow, the loss of each row, the reduction.
    APPROACH: 1. `m = logits.max(axis=1, keepdims=True)`; from now on take `logits - m`, and `log_sum` of their exp. 2. q and total from
        wanted_distribution(xp, target, weight, classes, logits.dtype, …). 3. `rows`: the sum over axis 1 of q · (log_sum - logits); 0 where
        q is 0 (`xp.where`): a logit of -inf does no harm there. 4. "none": rows; "sum": their sum; "mean": the sum over total. logsumexp: m + log_sum.
    EXAMPLE: logits [[0, 0]], target [1] -> loss log 2, logsumexp [log 2]
    """
    check_class_targets(target, logits.shape[1], ignore_index)
    ### BEGIN SOLUTION
    m = logits.max(axis=1, keepdims=True)
    logits = logits - m
    log_sum = xp.log(xp.exp(logits).sum(axis=1))
    q, total = wanted_distribution(
        xp, target, weight, logits.shape[1], logits.dtype, ignore_index=ignore_index, label_smoothing=label_smoothing
    )
    rows = xp.where(q == 0, 0, q * (log_sum[:, None] - logits)).sum(axis=1)
    return rows if reduction == "none" else mean_of(rows.sum(), total) if reduction == "mean" else rows.sum(), m[:, 0] + log_sum
    ### END SOLUTION


def cross_entropy_grad_kernel(xp, g, logits, target, weight, logsumexp, *, ignore_index, reduction, label_smoothing):
    """Return the gradient of cross_entropy with respect to the logits; g is that of the loss.

    TASK: the gradient of each row, scaled by g and by the reduction.
    APPROACH: 1. q, and p divided by its sum: at logits of 10,000 logsumexp is rounded to 0.001. 2. `(sum of q over the row) * p - q`. 3. g has shape (N,) for reduction "none": times `g[:, None]`;
        else it is one number: times g, for "mean" over total.
    EXAMPLE: logits [[0, 0]], target [1], g 1 -> [[0.5, -0.5]]
    """
    ### BEGIN SOLUTION
    q, total = wanted_distribution(
        xp, target, weight, logits.shape[1], logits.dtype, ignore_index=ignore_index, label_smoothing=label_smoothing
    )
    p = xp.exp(logits - logsumexp[:, None])
    p /= p.sum(axis=1, keepdims=True)
    scale = g[:, None] if reduction == "none" else mean_of(g, total or 1) if reduction == "mean" else g
    return (q.sum(axis=1, keepdims=True) * p - q) * scale
    ### END SOLUTION

# %% [markdown]
"""
### Test: values, gradient, no overflow

The judges: the formula in float64, finite differences (`gradcheck`, module 09) over all settings, and logits of 1000, where a naive exp is inf.
"""

# %% nbgrader={"grade": true, "grade_id": "test-training-cross-entropy", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
def test_cross_entropy_kernels():
    plain, rng = {"ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}, np.random.default_rng(11)
    x, target, weight = rng.normal(size=(5, 3)), np.array([0, 2, 1, 2, -100]), np.array([1.0, 2.0, 0.5])
    log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    loss, lse = cross_entropy_kernel(np, x[:4], target[:4], None, **plain)
    expected = -log_p[np.arange(4), target[:4]].mean()
    assert abs(loss - expected) < 1e-12, f"cross_entropy_kernel: the mean of -log p is {expected:.6f}, got {loss:.6f}"
    assert np.allclose(lse, np.log(np.exp(x[:4]).sum(axis=1))), "cross_entropy_kernel: the second output is logsumexp"
    far = cross_entropy_kernel(np, np.float32([[1000.0, 0.0], [0.0, 1000.0]]), np.array([0, 0]), None, **plain)[0]
    assert far == 500.0, f"cross_entropy_kernel: logits of 1000 must not overflow: expected 500, got {far}"
    p = cross_entropy_grad_kernel(np, np.float32(1), np.float32([[1e4, 1e4]]), target[:1], None, np.float32([1e4 + np.log(2)]), **plain)
    assert abs(p[0, 1] - 0.5) < 1e-6, f"cross_entropy_grad_kernel: divide p by its sum: p of two logits of 10,000 is 0.5, got {p[0, 1]}"
    for reduction in ("mean", "sum", "none"):
        for smoothing, w in ((0.0, None), (0.2, None), (0.2, weight)):
            settings = {"ignore_index": -100, "reduction": reduction, "label_smoothing": smoothing}
            case, (loss, lse) = f"({reduction}, smoothing={smoothing}, weight={w})", cross_entropy_kernel(np, x, target, w, **settings)
            g = rng.normal(size=5) if reduction == "none" else np.float64(1.7)
            found = cross_entropy_grad_kernel(np, g, x, target, w, lse, **settings)
            for place in np.ndindex(x.shape):
                step = np.zeros_like(x)
                step[place] = 1e-6
                both = [(cross_entropy_kernel(np, x + s * step, target, w, **settings)[0] * g).sum() for s in (1, -1)]
                slope = (both[0] - both[1]) / 2e-6
                assert abs(found[place] - slope) < 1e-7, f"cross_entropy_grad_kernel{case}: {slope:.6f} expected, got {found[place]:.6f}"
            if reduction == "none":
                assert loss.shape == (5,) and loss[4] == 0, f"cross_entropy_kernel{case}: an ignored row costs nothing, got {loss}"
    assert np.isnan(cross_entropy_kernel(np, x, np.full(5, -100), None, **plain)[0]), "cross_entropy_kernel: the mean over no sample is NaN"

# %% [markdown]
"""
### The function and the classes, given

`cross_entropy` brings the class axis to the end, or takes *probabilities* as targets (then it is a chain of Tensor operations, differentiable in
both). The classes keep the settings: `nn.CrossEntropyLoss(label_smoothing=0.1)`.
"""

# %% nbgrader={"grade": false, "grade_id": "training-losses", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face nn.functional: cross_entropy
#| face nn: MSELoss, CrossEntropyLoss
def cross_entropy_grad_in_tensors(g, logits, target, weight, logsumexp, *, ignore_index, reduction, label_smoothing):
    """Return what cross_entropy_grad_kernel computes, as a Tensor expression that can be differentiated."""
    q, total = wanted_distribution(
        np, target._array, None if weight is None else weight._array, logits.shape[1], logits.dtype,
        ignore_index=ignore_index, label_smoothing=label_smoothing,
    )
    scale = g.unsqueeze(1) if reduction == "none" else g / float(total or 1) if reduction == "mean" else g
    return (Tensor(q.sum(axis=1, keepdims=True)) * logits.softmax(1) - Tensor(q)) * scale


CROSS_ENTROPY = Primitive("cross_entropy", quiet(cross_entropy_kernel), residuals=("logsumexp",))
CROSS_ENTROPY_GRAD = Primitive("cross_entropy_grad", quiet(cross_entropy_grad_kernel), decompose=cross_entropy_grad_in_tensors)
VJPS["cross_entropy"] = Rule(
    lambda g, s, **settings: bind(CROSS_ENTROPY_GRAD, g, s.logits, s.target, s.weight, s.logsumexp, **settings),
    saves=("logits", "target", "weight", "logsumexp"),
)


def cross_entropy(input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """Return the cross-entropy of logits (N, classes, …) and class numbers (N, …), or probabilities of the logits' shape.

    weight: a factor for each class. ignore_index: a class number that does not count. label_smoothing: from 0 to 1.
    """
    check_reduction(reduction)
    check_tensors("cross_entropy", input, target)
    if target.dtype.kind == "f" and target.shape == input.shape != ():
        return soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    logits, classes = class_rows(input, target, label_smoothing)
    weight = weight if weight is None else class_factors(weight, logits.shape[1], "cross_entropy")
    loss = bind(CROSS_ENTROPY, logits, classes, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)
    return loss.reshape(target.shape) if reduction == "none" else loss


class MSELoss(Loss):
    """Mean squared error; see mse_loss."""

    def __init__(self, reduction="mean"):
        super().__init__(mse_loss, reduction=reduction)


class CrossEntropyLoss(Loss):
    """Cross-entropy of logits; see cross_entropy."""

    def __init__(self, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        super().__init__(cross_entropy, weight=weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)

# %% [markdown]
"""
### Metrics: accuracy and evaluation

The loss is for the optimizer; people want to know how often the network is right. Two traps when you evaluate a whole data set: the last batch is
shorter, so the mean of the batches' means is *not* the mean; and a network left in training mode drops neurons and changes its running statistics
while you only wanted to look.
"""

# %% nbgrader={"grade": false, "grade_id": "training-evaluate", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face training: accuracy, evaluate_model
def count_correct(outputs, targets):
    """Return how many predictions are right; NaN if the targets are not class numbers.

    outputs: logits (N, classes, …). targets: class numbers (N, …).

    TASK: the predicted class is the one with the largest logit; count the equal ones.
    APPROACH: 1. targets of a kind other than "i" and "u", or `outputs.ndim != targets.ndim + 1`: math.nan.
        2. `(outputs.argmax(1) == targets).sum().item()`.
    EXAMPLE: logits [[1, 3], [2, 0]], targets [1, 1] -> 1
    """
    ### BEGIN SOLUTION
    if targets.dtype.kind not in "iu" or outputs.ndim != targets.ndim + 1:
        return math.nan
    return (outputs.argmax(1) == targets).sum().item()
    ### END SOLUTION


def accuracy(outputs, targets):
    """Return the share of right predictions, from 0 to 1. TASK: as above. APPROACH: count_correct, `targets.numel()`. EXAMPLE: above -> 0.5"""
    ### BEGIN SOLUTION
    return count_correct(outputs, targets) / targets.numel()
    ### END SOLUTION


def evaluate_model(model, loader, loss=cross_entropy):
    """Return {"loss": mean loss, "accuracy": share of right predictions} of a model over all batches of a loader.

    TASK: evaluation mode, no recording, sums weighted by the number of targets; put the mode back, also after an error.
    APPROACH: 1. remember `model.training`, call `model.eval()`. 2. try, with no_grad(): for each batch `inputs, targets = targets_of(batch)`;
        n = targets.numel(); add n times the loss, count_correct and n to sums with the keys "loss", "correct", "count".
        3. finally `model.train(before)`. 4. `averages(sums)`, given, divides by the count.
    EXAMPLE: batches of 2 and 1 samples with losses 1.0 and 4.0 -> loss 2.0
    """
    ### BEGIN SOLUTION
    sums, before = {"loss": 0.0, "correct": 0, "count": 0}, model.training
    model.eval()
    try:
        with no_grad():
            for batch in loader:
                inputs, targets = targets_of(batch)
                outputs, n = model(inputs), targets.numel()
                sums["loss"] += loss(outputs, targets).item() * n
                sums["correct"] += count_correct(outputs, targets)
                sums["count"] += n
    finally:
        model.train(before)
    return averages(sums)
    ### END SOLUTION

# %% [markdown]
"""
### Test: short batches, and no traces

The same ten samples in batches of 3 and in one batch must give the same numbers. The model must be as it was, in its mode, and no graph may have
been recorded.
"""

# %% nbgrader={"grade": true, "grade_id": "test-training-evaluate", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
class Recorder(Module):
    """Returns its input as logits, and writes down how it was called."""

    def __init__(self):
        super().__init__()
        self.modes, self.recorded, self.weight = [], False, Tensor([1.0], requires_grad=True)

    def forward(self, x):
        out = x * self.weight
        self.modes.append(self.training)
        self.recorded = self.recorded or out.requires_grad
        return out


def test_evaluate_model():
    logits, targets = np.random.default_rng(1).normal(size=(10, 4)).astype("float32"), np.array([0, 1, 2, 3, 0, 1, 2, 3, 0, 9 % 4])
    right = int((logits.argmax(1) == targets).sum())
    assert count_correct(Tensor(logits), Tensor(targets)) == right, f"count_correct: expected {right} right predictions"
    assert math.isnan(count_correct(Tensor(logits), Tensor(logits))), "count_correct: undefined for targets that are no class numbers"
    assert abs(accuracy(Tensor(logits), Tensor(targets)) - right / 10) < 1e-12, f"accuracy: {right} of 10, got {accuracy(Tensor(logits), Tensor(targets))}"
    expected = cross_entropy(Tensor(logits), Tensor(targets)).item()
    for size in (10, 3):
        model = Recorder()
        batches = [(Tensor(logits[i : i + size]), Tensor(targets[i : i + size])) for i in range(0, 10, size)]
        found = evaluate_model(model, batches, cross_entropy)
        case = f"evaluate_model with batches of {size}"
        assert abs(found["loss"] - expected) < 1e-6, f"{case}: weight each batch by its size; expected {expected:.6f}, got {found['loss']:.6f}"
        assert abs(found["accuracy"] - right / 10) < 1e-12, f"{case}: expected accuracy {right / 10}, got {found['accuracy']}"
        assert not any(model.modes), f"{case}: the model must be in evaluation mode"
        assert not model.recorded, f"{case}: nothing may be recorded: use no_grad"
        assert model.training, f"{case}: put the mode back"

# %% [markdown]
"""
### Which classes are confused?

Row i, column j: how many samples of class i were taken for class j. The diagonal is what went right. Ships for planes, cats for dogs: the matrix
says where to look. The trick to count pairs: number them `i · C + j`, count each number with `np.bincount`, and reshape.
"""

# %% nbgrader={"grade": false, "grade_id": "training-confusion", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face training: compute_confusion_matrix, per_class_accuracy
def count_pairs(truth, predicted, classes):
    """Return the (classes, classes) int64 matrix that counts each pair (truth, predicted) of two integer arrays.

    TASK: count without a Python loop.
    APPROACH: the text above; `minlength=classes * classes` makes room for pairs that never occur.
    EXAMPLE: truth [0, 1, 1], predicted [0, 0, 1], 2 classes -> [[1, 0], [1, 1]]
    """
    ### BEGIN SOLUTION
    return np.bincount(truth.ravel() * classes + predicted.ravel(), minlength=classes * classes).reshape(classes, classes)
    ### END SOLUTION


def compute_confusion_matrix(model, loader, num_classes=None):
    """Return the confusion matrix (NumPy, int64) of a model over a loader: rows are true classes, columns predictions."""
    matrix, before = 0, model.training
    model.eval()
    try:
        with no_grad():
            for batch in loader:
                inputs, targets = targets_of(batch)
                outputs = model(inputs)
                matrix = matrix + count_pairs(targets.numpy(), outputs.argmax(1).numpy(), num_classes or outputs.shape[1])
    finally:
        model.train(before)
    return matrix


def per_class_accuracy(matrix):
    """Return for each true class the share that was recognised; NaN for a class without samples.

    TASK: the diagonal over the sums of the rows. APPROACH: `np.diag`; where a row is empty put math.nan. EXAMPLE: [[1, 1], [0, 0]] -> [0.5, nan]
    """
    ### BEGIN SOLUTION
    totals = matrix.sum(axis=1)
    return np.where(totals > 0, np.diag(matrix) / np.maximum(totals, 1), math.nan)
    ### END SOLUTION

# %% [markdown]
"""
### Test: rows are the truth

A matrix that is not symmetric, so that exchanged axes show, and a class that never occurs.
"""

# %% nbgrader={"grade": true, "grade_id": "test-training-confusion", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_confusion_matrix():
    found = count_pairs(np.array([0, 1, 1, 1]), np.array([0, 0, 0, 1]), 3)
    assert found.tolist() == [[1, 0, 0], [2, 1, 0], [0, 0, 0]], f"count_pairs: rows are the truth, got {found.tolist()}"
    shares = per_class_accuracy(found)
    assert np.allclose(shares[:2], [1, 1 / 3]) and math.isnan(shares[2]), f"per_class_accuracy: expected [1, 1/3, nan], got {shares}"
    batches = [(Tensor(np.eye(3, dtype="float32")[[0, 0, 2]]), Tensor([0, 1, 2])), (Tensor(np.eye(3, dtype="float32")[[1]]), Tensor([2]))]
    matrix = compute_confusion_matrix(Recorder(), batches)
    assert matrix.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 1]], f"count_pairs: over two batches got {matrix.tolist()}"

# %% [markdown]
"""
### The step

A Trainer is a loop with a memory. The frame is given in `training_loop_given.py`: `fit`, counters, callbacks, Ctrl-C, files. You write what
counts, in four pieces. First the step.

A *window* is a list of micro-batches that together make one optimizer step. Usually it holds one. With `accumulate=4` it holds four: gradients
add up over four backward passes, then one step. So a machine with little memory trains as if with a batch four times as large. *As if* must be
exact, though: the loss is a mean over targets, so each micro-batch counts by its share of the targets, also the short one at the end.

The order inside a step matters: forget old gradients, accumulate, clip, look whether all is well (`inspect` raises on NaN **before** the weights
are spoilt), step.
"""

# %% nbgrader={"grade": false, "grade_id": "training-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
#| face training: Trainer
class Trainer(TrainingLoop):
    """Trains a model; can be stopped and resumed anywhere.

    model, optimizer, loss(outputs, targets); scheduler: stepped after each "step" or "epoch" as it asks. callbacks: see Callback.
    accumulate: micro-batches for each step. clip_norm: largest gradient norm, or None. seed: seeds the default generator.
    """

    def train_step(self, window):
        """Take one optimizer step on a list of batches (inputs, targets); return (mean loss, right predictions, targets).

        TASK: the text above.
        APPROACH: 1. `total` = the sum of `targets.numel()` over the window. 2. for each batch: forward; `share = targets.numel() / total`;
            `(loss * share).backward()`; add `loss.item() * share` and `count_correct(outputs, targets)` up. 3. `self.grad_norm =
            clip_grad_norm_(...).item()` over `self.optimizer.parameters()`, to self.clip_norm, or math.inf if that is None.
            4. `self.inspect(mean_loss, window)`. 5. the optimizer's step.
        EXAMPLE: window of batches with 3 and 1 targets and losses 1.0 and 5.0 -> mean loss 2.0
        """
        ### BEGIN SOLUTION
        self.optimizer.zero_grad()
        total = sum(targets_of(batch)[1].numel() for batch in window)
        mean_loss, correct = 0.0, 0
        for inputs, targets in window:
            outputs = self.model(inputs)
            loss = self.loss(outputs, targets)
            share = targets.numel() / total
            (loss * share).backward()
            mean_loss += loss.item() * share
            correct += count_correct(outputs, targets)
        limit = math.inf if self.clip_norm is None else self.clip_norm
        self.grad_norm = clip_grad_norm_(self.optimizer.parameters(), limit).item()
        self.inspect(mean_loss, window)
        self.optimizer.step()
        return mean_loss, correct, total
        ### END SOLUTION

# %% [markdown]
"""
### Test: accumulating is exact

Seven samples in windows of 3 + 3 + 1 must give the same weights as one batch of seven. Then clipping, and a NaN that must leave the weights
alone.
"""

# %% nbgrader={"grade": true, "grade_id": "test-training-step", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
def small_trainer(**settings):
    """Return a Trainer around one linear layer with known weights, and seven samples."""
    from tinytorch.nn import Linear
    from tinytorch.optim import SGD

    rng = np.random.default_rng(5)
    model = Linear(4, 3)
    with no_grad():
        model.weight.copy_(Tensor(rng.normal(size=(3, 4)).astype("float32")))
        model.bias.zero_()
    x, y = Tensor(rng.normal(size=(7, 4)).astype("float32")), Tensor(rng.integers(0, 3, 7))
    return Trainer(model, SGD(model.parameters(), lr=0.5), cross_entropy, **settings), x, y


def test_train_step():
    whole, x, y = small_trainer()
    start = whole.model.weight.detach().numpy().copy()
    expected = cross_entropy(whole.model(x), y).item()
    right = count_correct(whole.model(x), y)
    found = whole.train_step([(x, y)])
    assert abs(found[0] - expected) < 1e-6, f"Trainer.train_step: the loss before the step is {expected:.5f}, got {found[0]:.5f}"
    assert found[1:] == (right, 7), f"Trainer.train_step: expected {right} right of 7, got {found[1:]}"
    assert not np.array_equal(whole.model.weight.detach().numpy(), start), "Trainer.train_step: the weights must move"
    pieces, x, y = small_trainer()
    loss, correct, _ = pieces.train_step([(x[a:b], y[a:b]) for a, b in ((0, 3), (3, 6), (6, 7))])
    assert abs(loss - expected) < 1e-6 and correct == right, f"Trainer.train_step: three micro-batches have the loss {expected:.5f}, got {loss:.5f}"
    gap = np.abs(pieces.model.weight.detach().numpy() - whole.model.weight.detach().numpy()).max()
    assert gap < 1e-6, f"Trainer.train_step: weigh each micro-batch by its share of the targets; weights differ by {gap:.5f}"
    before = whole.grad_norm
    whole.train_step([(x, y)])
    assert whole.grad_norm < before, "Trainer.train_step: forget the gradients of the step before: zero_grad"
    clipped, x, y = small_trainer(clip_norm=0.01)
    clipped.train_step([(x, y)])
    moved = np.sqrt(sum(((p.detach().numpy() - s) ** 2).sum() for p, s in zip(clipped.model.parameters(), (start, 0), strict=True)))
    assert abs(moved - 0.5 * 0.01) < 1e-5, f"Trainer.train_step: clipped to 0.01 the step has length 0.005, got {moved:.5f}"
    broken, x, y = small_trainer()
    try:
        broken.train_step([(x * math.nan, y)])
    except RuntimeError as error:
        assert "NaN" in str(error), f"Trainer.train_step: inspect says what is wrong, got {error}"
    else:
        raise AssertionError("Trainer.train_step: a loss of NaN must raise TrainingError: call self.inspect")
    assert np.array_equal(broken.model.weight.detach().numpy(), start), "Trainer.train_step: inspect before the optimizer's step"

# %% [markdown]
"""
### The epoch

Collect batches into windows, take a step for each full one, and a last step for what is left over. `self.remaining(loader)` yields the batches of
this epoch that are not done yet. `self.advance(window, loader)` calls your train_step and does the bookkeeping: counters, the loader's position,
the scheduler, callbacks.

A stop may be asked for at any time (Ctrl-C, a time budget). It is granted **between steps only**: in the middle of a window gradients are half
gathered, and nothing that could be saved would be exact.
"""

# %% nbgrader={"grade": false, "grade_id": "training-epoch", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Trainer(Trainer):
    def train_epoch(self, loader):
        """Train on what remains of this epoch; return whether it came to its end.

        TASK: the text above; after each step look at `self.stop_reason`: if it is not None return False.
        APPROACH: 1. `self.model.train()`. 2. gather batches in a list; at `self.accumulate` of them advance, empty the list, and ask for a stop.
            3. after the loop: advance once more if the list is not empty. 4. True; but False if a stop was asked for in that last step.
        EXAMPLE: 5 batches, accumulate 2 -> windows of 2, 2 and 1
        """
        ### BEGIN SOLUTION
        self.model.train()
        window = []
        for batch in self.remaining(loader):
            window.append(batch)
            if len(window) == self.accumulate:
                self.advance(window, loader)
                window = []
                if self.stop_reason is not None:
                    return False
        if window:
            self.advance(window, loader)
        return self.stop_reason is None
        ### END SOLUTION

    def finish_epoch(self, validation_loader):
        """Validate, and record the metrics of the epoch.

        TASK: gather {"train_loss", "train_accuracy"} from `averages(self.sums)`, and the same with "validation_" from evaluate_model if there is a
            validation loader (with self.loss); hand them to `self.record`.
        APPROACH: a dict comprehension puts the prefix before each name.
        EXAMPLE: self.record({"train_loss": 0.7, "train_accuracy": 0.8, "validation_loss": 0.9, "validation_accuracy": 0.6})
        """
        ### BEGIN SOLUTION
        metrics = {f"train_{name}": value for name, value in averages(self.sums).items()}
        if validation_loader is not None:
            found = evaluate_model(self.model, validation_loader, self.loss)
            metrics |= {f"validation_{name}": value for name, value in found.items()}
        self.record(metrics)
        ### END SOLUTION

# %% [markdown]
"""
### Test: windows, history, and a stop

Five batches in windows of two: three steps an epoch. The history must hold one value for each epoch. A callback that asks for a stop in the
second step must be heard there, and `fit` must then go on with the third batch.
"""

# %% nbgrader={"grade": true, "grade_id": "test-training-epoch", "locked": true, "points": 11, "schema_version": 3, "solution": false, "task": false}
def test_train_epoch():
    from tinytorch.given.callbacks import Callback

    class Stopper(Callback):
        def __init__(self, at):
            self.at, self.places = at, []

        def on_step_end(self, trainer, metrics):
            self.places.append(trainer.batch)
            if trainer.steps == self.at:
                trainer.stop("test")

    watcher = Stopper(at=None)
    trainer, x, y = small_trainer(accumulate=2, callbacks=[watcher])
    batches = [(x[i : i + 1], y[i : i + 1]) for i in range(5)]
    history = trainer.fit(batches, [(x, y)], epochs=2)
    assert watcher.places == [2, 4, 5] * 2, f"Trainer.train_epoch: windows of 2, 2 and 1, got ends {watcher.places}"
    for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
        assert len(history.get(name, [])) == 2, f"Trainer.finish_epoch: the history holds {name} for 2 epochs, got {history.get(name)}"
    expected = cross_entropy(trainer.model(x), y).item()
    assert abs(history["validation_loss"][-1] - expected) < 1e-6, f"Trainer.finish_epoch: validation_loss is {expected:.5f}, got {history}"
    assert history["train_loss"][1] < history["train_loss"][0], f"Trainer.train_epoch: the loss must fall, got {history['train_loss']}"
    stopped, x, y = small_trainer(accumulate=2, callbacks=[Stopper(at=4)])
    stopped.fit(batches, epochs=2)
    assert (stopped.epoch, stopped.batch) == (1, 2), f"Trainer.train_epoch: stop behind step 4, at batch 2, got {stopped.batch}"
    stopped.fit(batches, epochs=2)
    same = np.array_equal(stopped.model.weight.detach().numpy(), trainer.model.weight.detach().numpy())
    assert same, "Trainer.train_epoch: stopped and continued must end at the same weights; use self.remaining"
    last, x, y = small_trainer(accumulate=2, callbacks=[Stopper(at=3)])
    last.fit(batches, epochs=2)
    assert (last.epoch, last.batch) == (0, 5), "Trainer.train_epoch: a stop in the last, short window must be heard too"

# %% [markdown]
"""
### Everything a run depends on

Now the question of the module. Think before you read on: which numbers decide how a run goes on from here?

| part | without it |
|---|---|
| model | – |
| optimizer | momentum and Adam's averages start from zero: a jolt |
| scheduler | the learning rate starts over |
| random state | dropout draws other masks |
| position in the data | batches are seen twice, others never |
| counters and sums | the epoch has the wrong length, the history wrong values |
| history | the curves begin in the middle |
| callbacks | early stopping forgets how long it has waited |

Each of them is a few plain numbers or tensors, so each fits into `state_dict()`. If one is missing the run still works, and ends at slightly
different weights. Nobody notices. Except a test that compares bits.
"""

# %% nbgrader={"grade": false, "grade_id": "training-resume", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Trainer(Trainer):
    def state_dict(self):
        """Return everything that the rest of the run depends on, as nested dicts of tensors, numbers and strings.

        TASK: one entry for each row of the table.
        APPROACH: keys "model", "optimizer", "scheduler" (None without one), "generator" and "loader" (self.generator_state and
            self.loader_state, remembered after each step), "progress" (`self.progress()`), "history", "callbacks" (`self.callback_states()`).
        EXAMPLE: trainer.state_dict()["progress"]["epoch"] -> 3
        """
        ### BEGIN SOLUTION
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "generator": self.generator_state,
            "loader": self.loader_state,
            "progress": self.progress(),
            "history": {name: list(values) for name, values in self.history.items()},
            "callbacks": self.callback_states(),
        }
        ### END SOLUTION

    def load_state_dict(self, state):
        """Take up the run that `state` was saved from.

        TASK: put back each part.
        APPROACH: 1. model, optimizer and scheduler have load_state_dict. 2. `self.restore_progress` and `self.restore_callbacks`
            take their parts; the history you copy yourself. 3. generator and loader must be set when fit begins, not now: put them into
            `self.to_restore` under these keys, and into self.generator_state and self.loader_state.
        EXAMPLE: trainer.load("last.safetensors"); trainer.fit(loader, epochs=10)
        """
        ### BEGIN SOLUTION
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.restore_progress(state["progress"])
        self.restore_callbacks(state["callbacks"])
        self.history = {name: list(values) for name, values in state["history"].items()}
        self.generator_state, self.loader_state = state["generator"], state["loader"]
        self.to_restore = {"generator": state["generator"], "loader": state["loader"]}
        ### END SOLUTION

# %% [markdown]
"""
### Test: stopped, saved, loaded elsewhere, continued

A network with dropout and batches in random order, trained with momentum on a falling rate. One run goes through. Another is stopped in the
middle of an epoch, saved to a file, and taken up by new objects with other seeds. Weights and history must agree **to the bit**.
"""

# %% nbgrader={"grade": true, "grade_id": "test-training-resume", "locked": true, "points": 13, "schema_version": 3, "solution": false, "task": false}
def make_run(seed, callbacks=(), samples=50, cycle=True):
    """Return a Trainer of a small network with dropout, and its loader, all from one seed."""
    from tinytorch import manual_seed
    from tinytorch.nn import Dropout, Linear, Sequential, Tanh
    from tinytorch.optim import AdamW
    from tinytorch.optim.lr_scheduler import OneCycleLR
    from tinytorch.utils.data import DataLoader, TensorDataset

    manual_seed(seed)
    x = np.random.default_rng(3).normal(size=(samples, 2)).astype("float32")
    data = TensorDataset(Tensor(x), Tensor((x[:, 0] * x[:, 1] > 0).astype("int64")))
    model = Sequential(Linear(2, 16), Tanh(), Dropout(0.2), Linear(16, 2))
    loader = DataLoader(data, batch_size=8, shuffle=True)
    optimizer = AdamW(model.parameters(), lr=0.02)
    scheduler = OneCycleLR(optimizer, max_lr=0.05, total_steps=4 * len(loader)) if cycle else None
    return Trainer(model, optimizer, CrossEntropyLoss(), scheduler, callbacks, clip_norm=1.0), loader


def test_resume():
    import tempfile

    from tinytorch.given.callbacks import Callback, EarlyStopping

    class StopAt(Callback):
        def on_step_end(self, trainer, metrics):
            if trainer.steps == 10:
                trainer.stop("test")

    whole, loader = make_run(1, [EarlyStopping(patience=9)])
    whole.fit(loader, epochs=4)
    first, loader = make_run(1, [StopAt(), EarlyStopping(patience=9)])
    first.fit(loader, epochs=4)
    second, loader = make_run(2, [EarlyStopping(patience=9)])
    with tempfile.TemporaryDirectory() as folder:
        first.save(f"{folder}/run.safetensors")
        second.load(f"{folder}/run.safetensors")
    assert (second.epoch, second.batch, second.steps) == (1, 3, 10), f"Trainer.load_state_dict: stopped at (1, 3, 10), got {second.progress()}"
    make_run(7)                                              # somebody draws random numbers in between
    second.fit(loader, epochs=4)
    for name, p in second.model.state_dict().items():
        same = np.array_equal(p.numpy(), whole.model.state_dict()[name].numpy())
        assert same, f"Trainer.state_dict, load_state_dict: {name} differs from the uninterrupted run; which row of the table is missing?"
    for name in ("train_loss", "train_accuracy", "lr"):
        found, expected = second.history[name], whole.history[name]
        assert found == expected, f"Trainer.load_state_dict: the history of {name} is {found}, without interruption {expected}"
    waited = [c.waited for t in (whole, second) for c in t.callbacks]
    assert waited[0] == waited[1], f"Trainer.load_state_dict: callbacks must continue too, early stopping waited {waited}"

# %% [markdown]
"""
## Systems analysis: where do time and memory go?

1. **Where is the time?** Forward, backward, the optimizer, the loader: which share of a step does each take? Guess first. (The rule of thumb for
   dense networks: backward costs twice as much as forward.)
2. **Accumulation.** A batch of 2048 at once, or 8 times 256: what happens to the peak of memory, and to the time?
3. **Numbers.** How large may logits be before a naive cross-entropy in float32 fails, and what does yours say there?
"""

# %%
def analyze_step():
    """Print the share of each part of a training step, and the peak memory with and without accumulation."""
    from tinytorch.nn import Linear, ReLU, Sequential
    from tinytorch.optim import SGD
    from tinytorch.utils import MemoryMeter, format_bytes, measure_time

    rng = np.random.default_rng(0)
    x, y = Tensor(rng.normal(size=(2048, 256)).astype("float32")), Tensor(rng.integers(0, 10, 2048))
    model = Sequential(Linear(256, 512), ReLU(), Linear(512, 512), ReLU(), Linear(512, 10))
    optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9)
    spent = np.zeros(3)
    for _ in range(5):
        optimizer.zero_grad()
        marks = [time.perf_counter()]
        loss = cross_entropy(model(x), y)
        marks.append(time.perf_counter())
        loss.backward()
        marks.append(time.perf_counter())
        optimizer.step()
        spent += np.diff([*marks, time.perf_counter()])
    forward, backward, step = spent / spent.sum()
    print(f"forward {forward:.0%}  backward {backward:.0%}  optimizer {step:.0%}")
    trainer = Trainer(model, optimizer, cross_entropy)
    for pieces in (1, 8):
        size = 2048 // pieces
        window = [(x[i : i + size], y[i : i + size]) for i in range(0, 2048, size)]
        with MemoryMeter() as meter:
            trainer.train_step(window)
        timing = measure_time(trainer.train_step, window, repeats=3)
        print(f"  {pieces} × {size:>4} samples: peak {format_bytes(meter.peak)}, {timing}")


def analyze_overflow():
    """Print a naive cross-entropy beside yours for growing logits."""
    for size in (10.0, 80.0, 90.0, 1000.0):
        logits = np.float32([[size, 0.0]])
        with np.errstate(all="ignore"):
            naive = -np.log(np.exp(logits) / np.exp(logits).sum())[0, 1]
        print(f"  logits ({size:g}, 0), class 1: naive {naive:g}, yours {cross_entropy(Tensor(logits), Tensor([1])).item():g}")

# %% [markdown]
"""
Accumulation trades memory for time: activations exist for one micro-batch only, gradients and optimizer state are as large as ever. The small
batches are a little slower, since each pass over the weights serves fewer samples.

## Integration: a whole run

A curved boundary, two classes, a network, everything that you built in eleven modules. Watch the curve.
"""

# %%
def demonstrate_training():
    """Train a small network on points in the plane, and draw the loss and the confusion matrix as text."""
    from tinytorch.given.text_plots import text_confusion_matrix, text_curve

    trainer, loader = make_run(5, samples=300, cycle=False)
    history = trainer.fit(loader, loader, epochs=30)
    print(text_curve(history["train_loss"], height=6, label="training loss over 30 epochs"))
    print(text_confusion_matrix(compute_confusion_matrix(trainer.model, loader), ["unequal", "equal"]))
    print(f"accuracy {history['validation_accuracy'][-1]:.1%}")

# %% [markdown]
"""
## Production context

**PyTorch** leaves the loop to you. **Lightning** and **Hugging Face's Trainer** are its best-known frames: callbacks, accumulation, clipping,
checkpoints, as here. Exact resumption in the middle of an epoch came late to both, because the data loader could not tell its position. **Keras**
has `fit` and callbacks since 2015.

Large runs save every few minutes, since among ten thousand GPUs something fails every few hours (Llama 3's report counts 419 unexpected failures
in 54 days). They write *asynchronously*: copy to host memory, go on, write in the background. And they are content with *statistically* the same
run: equal bits across thousands of GPUs cost speed, as sums must be taken in a fixed order. Yours is bitwise equal for the same seed, backend and
number of threads.

PyTorch's `torch.save` pickles; loading such a file can run code. We write safetensors: names, shapes, bytes.
"""

# %% [markdown]
"""
## Comprehensive test

A run on points that a line cannot separate: the network must get almost all of them right. Then two things that happen in practice: Ctrl-C (a
real signal), and a learning rate that is far too large.
"""

# %% nbgrader={"grade": true, "grade_id": "test-training-module", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
def test_module():
    import signal

    from tinytorch.given.callbacks import Callback
    from tinytorch.given.diagnostics import TrainingError

    trainer, loader = make_run(4, samples=200, cycle=False)
    trainer.fit(loader, loader, epochs=30)
    found = evaluate_model(trainer.model, loader)["accuracy"]
    assert found > 0.95, f"test_module: 30 epochs must reach 95 % on these points, got {found:.1%}"
    assert len(trainer.history["lr"]) == 30, "test_module: the history has a value for each epoch"

    class PressCtrlC(Callback):
        def on_step_end(self, trainer, metrics):
            if trainer.steps == 3:
                signal.raise_signal(signal.SIGINT)

    pressed, loader = make_run(4, [PressCtrlC()])
    pressed.fit(loader, epochs=2)
    assert pressed.interrupted and pressed.batch == 3, f"test_module: Ctrl-C must stop behind step 3, got {pressed.progress()}"

    wild, loader = make_run(4, cycle=False)
    wild.optimizer.param_groups[0]["lr"] = 1e30
    try:
        wild.fit(loader, epochs=3)
    except TrainingError as error:
        assert "learning rate" in str(error), f"test_module: the error must say what to try, got {error}"
    else:
        raise AssertionError("test_module: a learning rate of 1e30 must end in a TrainingError")

# %%
if __name__ == "__main__":
    test_mse_loss()
    test_wanted_distribution()
    test_cross_entropy_kernels()
    test_evaluate_model()
    test_confusion_matrix()
    test_train_step()
    test_train_epoch()
    test_resume()
    test_module()
    analyze_step()
    analyze_overflow()
    demonstrate_training()

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions

**1.** Your `train_step` weighs each micro-batch by its share of the targets, then adds. Show with two micro-batches of 3 and 1 samples that the
plain mean of their two gradients is not the gradient of the mean over all four samples. Which layer of module 06 breaks the equality even with
your weights, and why?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "training-q1", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) The mean of means gives the single sample the weight 1/2 instead of 1/4; the shares 3/4 and 1/4 repair it (2 points). Batch
normalisation takes its mean and variance over each micro-batch, so the network itself is another function for small batches; no weighting of
gradients undoes that (2).
"""

# %% [markdown]
"""
**2.** `load_state_dict` puts the generator's state into `to_restore` instead of setting it at once. Describe two lines that a user may write
between `load` and `fit` after which a run would otherwise end at other weights. Would a test that compares final *accuracies* have found it?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "training-q2", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Anything that draws: building another model or a shuffling loader, tinytorch.randn, a dropout forward in training mode (2 points).
No: accuracy would change by noise only, within the spread between seeds; only bits show it (1).
"""

# %% [markdown]
"""
**3.** A run of ten hours dies at a random moment. A checkpoint takes 4 seconds to write and training stands still meanwhile. Write the expected
lost time for one checkpoint every T seconds with a failure once in 10 hours, and find the best T. How does writing in the background change it?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "training-q3", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Per second: 4/T for writing, T/2 lost per failure, so 4/T + T/(2·36000) (1 point); the minimum is at T = sqrt(2·4·36000) = 537 s,
about 9 minutes (1). In the background the first term nearly vanishes: save much more often, down to the time of copying the state (1).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: Training

Your losses are stable at any logit, your accumulation is exact, and your Trainer can be stopped at any step and resumed to the same bit, because
you know the eight things that a run depends on. With this, the main path of the course is complete: what you built trains a CNN on real images.
Next: `tito module complete training`, then `tito train cifar10`.
"""
