"""Can I take the very steps that SGD, RMSprop, Adam and AdamW promise, on the schedule I ask for?

Twenty steps of every optimizer and every schedule against PyTorch's (frozen in tests/data/optimizers.npz, float64),
closed forms for what is most often misunderstood, and a state that goes to disk and comes back to the same bit.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

import json
import math
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, optim
from tinytorch.core import optimizers as module
from tinytorch.nn.utils import clip_grad_norm_, clip_grad_value_
from tinytorch.optim import SGD, Adam, AdamW, RMSprop, lr_scheduler

FROZEN = dict(np.load(Path(__file__).parent.parent / "data" / "optimizers.npz"))
CASES = json.loads(str(FROZEN["cases"]))
ADAM = "adam_step_kernel"
KERNEL = {"SGD": "sgd_step_kernel", "RMSprop": "rmsprop_step_kernel", "Adam": ADAM, "AdamW": ADAM}


def leaf(values) -> Tensor:
    return Tensor(np.array(values, np.float64), requires_grad=True)


def step_with(optimizer, params: list[Tensor], grads: list) -> None:
    """One step with these gradients, which must be left as they are."""
    for p, g in zip(params, grads, strict=True):
        p.grad = None if g is None else Tensor(np.array(g, np.float64))
    optimizer.step()
    for p, g in zip(params, grads, strict=True):
        same = g is None or np.array_equal(p.grad.numpy(), g)
        assert same, f"{KERNEL[type(optimizer).__name__]} changed the gradient itself: write d = d + …, not d += …"


@pytest.mark.parametrize("name", list(CASES["optimizers"]))
def test_twenty_steps_as_pytorch_takes_them(name: str) -> None:
    kind, settings = CASES["optimizers"][name]
    params = [leaf(FROZEN[f"start{i}"]) for i in range(2)]
    optimizer = getattr(optim, kind)(params, **settings)
    for step in range(20):
        before = [p.detach().numpy().copy() for p in params]
        step_with(optimizer, params, [FROZEN[f"grad{i}"][step] for i in range(2)])
        for i, p in enumerate(params):
            found, expected = p.detach().numpy(), FROZEN[f"{name}/{i}"][step]
            where = f"{KERNEL[kind]}: {kind}({settings}), step {step + 1}"
            assert not np.array_equal(found, before[i]), f"{where}: the parameter did not move: write p -= …, in place"
            gap = np.abs(found - expected).max()
            assert gap < 1e-9, f"{where}: off by {gap:.3g}: {found.flat[0]:.9f}, PyTorch {expected.flat[0]:.9f}"


def walk(make, grads, start=1.0) -> float:
    """Where a single number ends after steps with these gradients."""
    p = leaf([start])
    optimizer = make([p])
    for g in grads:
        step_with(optimizer, [p], [[g]])
    return p.item()


MISCONCEPTIONS = {
    "momentum adds up the past": (
        "sgd_step_kernel",
        lambda p: SGD(p, lr=0.1, momentum=0.9),
        [1.0] * 3,
        1 - 0.1 * (1 + 1.9 + 2.71),
    ),
    "Nesterov looks one step ahead: d + momentum · b": (
        "sgd_step_kernel",
        lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        [1.0] * 2,
        1 - 0.1 * (1.9 + 2.71),
    ),
    "dampening begins after a parameter's first step": (
        "sgd_step_kernel",
        lambda p: SGD(p, lr=0.1, momentum=0.9, dampening=0.5),
        [1.0],
        0.9,
    ),
    "weight decay is part of the gradient: p shrinks by lr · weight_decay": (
        "sgd_step_kernel",
        lambda p: SGD(p, lr=0.1, weight_decay=0.5),
        [0.0] * 2,
        0.95**2,
    ),
    "RMSprop moves alike for large and small gradients": (
        "rmsprop_step_kernel",
        lambda p: RMSprop(p, lr=0.1, alpha=0.9, eps=1e-15),
        [1e3],
        1 - 0.1 / math.sqrt(0.1),
    ),
    "centered RMSprop divides by the standard deviation": (
        "rmsprop_step_kernel",
        lambda p: RMSprop(p, lr=0.1, alpha=0.9, centered=True, eps=1e-15),
        [2.0],
        1 - 0.1 / math.sqrt(0.09),
    ),
    "bias correction of m: the first step of Adam has length lr": (
        "adam_step_kernel",
        lambda p: Adam(p, lr=0.1, eps=1e-15),
        [5.0],
        0.9,
    ),
    "bias correction of v: every step along a constant gradient has length lr": (
        "adam_step_kernel",
        lambda p: Adam(p, lr=0.1, eps=1e-15),
        [5.0] * 4,
        0.6,
    ),
    "eps is added to the corrected root": (
        "adam_step_kernel",
        lambda p: Adam(p, lr=0.1, eps=1.0),
        [2.0],
        1 - 0.1 * 2 / 3,
    ),
    "AdamW's decay is decoupled: a factor 1 - lr · weight_decay": (
        "adam_step_kernel",
        lambda p: AdamW(p, lr=0.1, weight_decay=0.5),
        [0.0] * 3,
        0.95**3,
    ),
    "Adam's decay is L2: it passes through the averages": (
        "adam_step_kernel",
        lambda p: Adam(p, lr=0.1, weight_decay=0.5, eps=1e-15),
        [0.0],
        0.9,
    ),
}


@pytest.mark.parametrize("what", MISCONCEPTIONS)
def test_closed_forms(what: str) -> None:
    kernel, make, grads, expected = MISCONCEPTIONS[what]
    found = walk(make, grads)
    assert abs(found - expected) < 1e-9, f"{kernel}: {what}: expected {expected:.9f}, got {found:.9f}"


def test_a_parameter_without_gradient_is_left_alone_and_counts_its_own_age() -> None:
    old, late = leaf([1.0]), leaf([1.0])
    optimizer = AdamW([old, late], lr=0.1, weight_decay=0.5, eps=1e-15)
    for _ in range(5):
        step_with(optimizer, [old, late], [[1.0], None])
    assert late.item() == 1.0, f"Optimizer.gather: without a gradient there is no step and no decay, got {late.item()}"
    assert not optimizer.state.get(late), "Optimizer.gather: without a gradient no state is made"
    step_with(optimizer, [old, late], [[1.0], [3.0]])
    found = late.item()
    assert abs(found - 0.85) < 1e-9, f"Optimizer.gather: each parameter counts its own steps: 0.85, got {found}"
    late.data = Tensor(np.ones((2, 1)))
    with pytest.raises(tinytorch.ShapeError, match=r"\(1,\).*\(2, 1\)|\(2, 1\).*\(1,\)"):
        optimizer.step()


def test_groups_have_their_own_settings() -> None:
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
    step_with(optimizer, [a, b], [[1.0], [1.0]])
    found = (round(a.item(), 9), round(b.item(), 9))
    assert found == (0.9, 0.5), f"SGD.update: groups with lr 0.1 and 0.5 end at 0.9 and 0.5, got {found}"


def test_zero_grad_forgets() -> None:
    x = leaf([2.0])
    optimizer = SGD([x], lr=0.0)
    for set_to_none in (True, False):
        (x * x).sum().backward()
        optimizer.zero_grad(set_to_none)
        left = x.grad if x.grad is None else x.grad.tolist()
        expected = None if set_to_none else [0.0]
        assert left == expected, f"Optimizer.zero_grad(set_to_none={set_to_none}): expected {expected}, got {left}"
    (x * x).sum().backward()
    assert x.grad.item() == 4.0, f"Optimizer.zero_grad: gradients of two passes were added: {x.grad.item()}, not 4"


def test_a_step_is_no_part_of_the_graph() -> None:
    x = leaf([2.0])
    for optimizer in (SGD([x], lr=0.1, momentum=0.9), Adam([x]), RMSprop([x])):
        y = x * x
        x.grad = Tensor(np.ones(1))
        optimizer.step()
        name = f"{type(optimizer).__name__}.update"
        assert x.is_leaf and x.requires_grad, f"{name}: the step was recorded; a parameter must stay a leaf"
        with pytest.raises(tinytorch.GradientError) as refusal:
            y.sum().backward()
        assert "overwritten" in str(refusal.value), f"{name}: a step between forward and backward must be noticed"


@pytest.mark.parametrize("name", list(CASES["schedulers"]))
def test_schedules_as_pytorch_has_them(name: str) -> None:
    kind, settings, steps = CASES["schedulers"][name]
    optimizer = SGD([{"params": [leaf([1.0])]}, {"params": [leaf([1.0])], "lr": 0.2}], lr=0.1, momentum=0.9)
    scheduler = getattr(lr_scheduler, kind)(optimizer, **settings)
    for step, expected in enumerate(FROZEN[f"schedule/{name}"]):
        found = [g[key] for g in optimizer.param_groups for key in ("lr", "momentum")]
        assert np.allclose(found, expected, rtol=1e-9, atol=1e-12), (
            f"{kind}.get_lr: {settings}, after {step} steps: expected lr and momentum {expected.tolist()}, got {found}"
        )
        if step < steps:
            scheduler.step()


def test_one_cycle_moves_the_first_beta_of_adam() -> None:
    optimizer = Adam([leaf([1.0])], lr=0.1)
    scheduler = lr_scheduler.OneCycleLR(optimizer, max_lr=0.4, total_steps=10)
    for step, expected in enumerate(FROZEN["schedule/adam"]):
        group = optimizer.param_groups[0]
        assert np.allclose([group["lr"], group["betas"][0]], expected), f"OneCycleLR with Adam, step {step}: {group}"
        if step < 10:
            scheduler.step()


@pytest.mark.parametrize("name", ["two", "loose", "one", "inf"])
def test_clipping_as_pytorch_does_it(name: str) -> None:
    max_norm, norm_type, expected = FROZEN[f"clip/{name}"].tolist()
    params = [leaf(np.zeros(s)) for s in ((3, 4), (4,))]
    for i, p in enumerate(params):
        p.grad = Tensor(FROZEN[f"grad{i}"][0])
    total = clip_grad_norm_([*params, leaf([0.0])], max_norm, norm_type)
    assert abs(total.item() - expected) < 1e-9, (
        f"total_norm_kernel: one norm of type {norm_type} over all gradients is {expected:.6f}, got {total.item():.6f}"
    )
    for i, p in enumerate(params):
        gap = np.abs(p.grad.numpy() - FROZEN[f"clip/{name}/{i}"]).max()
        hint = "a norm below max_norm changes nothing" if name == "loose" else "one factor for all gradients"
        assert gap < 1e-9, f"clip_grad_norm_(max_norm={max_norm}, norm_type={norm_type}): {hint}; differs by {gap:.3g}"


def test_clipping_elements() -> None:
    x = leaf([0.0, 0.0, 0.0])
    x.grad = Tensor(np.array([-3.0, 0.2, 5.0]))
    clip_grad_value_([x], 0.5)
    assert x.grad.tolist() == [-0.5, 0.2, 0.5]
    assert clip_grad_norm_([leaf([0.0])], 1.0).item() == 0.0, "clip_grad_norm_: without gradients the norm is 0"


@pytest.mark.parametrize("name", ["sgd_nesterov", "rmsprop_centered_momentum", "adam_amsgrad", "adamw_decay"])
def test_a_saved_optimizer_goes_on_at_the_same_bit(name: str, tmp_path: Path) -> None:
    kind, settings = CASES["optimizers"][name]
    runs = []
    for interrupted in (False, True):
        params = [leaf(FROZEN[f"start{i}"]) for i in range(2)]
        optimizer = getattr(optim, kind)(params, **settings)
        schedule = lr_scheduler.CosineAnnealingLR(optimizer, 20)
        for step in range(20):
            if interrupted and step == 9:
                tinytorch.save([optimizer.state_dict(), schedule.state_dict()], tmp_path / "state")
                params = [leaf(p.detach().numpy()) for p in params]
                optimizer = getattr(optim, kind)(params, lr=9.0)
                schedule = lr_scheduler.CosineAnnealingLR(optimizer, 20)
                for part, state in zip((optimizer, schedule), tinytorch.load(tmp_path / "state"), strict=True):
                    part.load_state_dict(state)
            step_with(optimizer, params, [FROZEN[f"grad{i}"][step] for i in range(2)])
            schedule.step()
        runs.append([p.tolist() for p in params])
    assert runs[0] == runs[1], f"{kind}.update: the resumed run ends elsewhere: is all it remembers in self.state?"


def test_what_cannot_work_is_refused() -> None:
    x = leaf([1.0])
    for wrong, words in (
        (lambda: SGD([]), "parameter"),
        (lambda: SGD([x], lr=-0.1), "lr"),
        (lambda: Adam(x), "list"),
        (lambda: Adam([x], betas=(0.9, 1.0)), "betas"),
        (lambda: SGD([x], nesterov=True), "momentum"),
        (lambda: SGD([x, x]), "twice"),
        (lambda: SGD([x * 2]), "leaf"),
        (lambda: SGD([1.0]), "float"),
        (lambda: module.StepLR(SGD([x]), 0), "step_size"),
        (lambda: module.StepLR(x, 2), "Optimizer"),
    ):
        with pytest.raises((ValueError, TypeError)) as refusal:
            wrong()
        assert words in str(refusal.value), f"expected a sentence with {words!r}, got: {refusal.value}"


def test_the_memory_of_adam_and_of_rmsprop_has_its_names() -> None:
    for kind, settings, expected in (
        (Adam, {"betas": (0.9, 0.99)}, {"exp_avg": 0.3, "exp_avg_sq": 0.09}),
        (RMSprop, {"alpha": 0.9, "centered": True}, {"square_avg": 0.9, "grad_avg": 0.3}),
    ):
        x = leaf([1.0])
        optimizer = kind([x], lr=0.1, **settings)
        step_with(optimizer, [x], [[3.0]])
        found = {name: optimizer.state[x][name].item() for name in expected}
        assert found == pytest.approx(expected), (
            f"{kind.__name__}.update after one gradient of 3: {expected}, got {found}"
        )


def test_zeros_in_place_of_a_gradient_are_no_part_of_a_graph() -> None:
    x = leaf([2.0])
    (x * x * x).sum().backward(create_graph=True)
    SGD([x]).zero_grad(set_to_none=False)
    assert x.grad.tolist() == [0.0] and not x.grad.requires_grad, (
        f"Optimizer.zero_grad(set_to_none=False): plain zeros, got {x.grad}"
    )


def test_a_norm_that_is_not_finite_is_refused_on_request() -> None:
    x = leaf([1.0])
    for value, asked, refused in ((math.inf, True, True), (math.nan, True, True), (math.inf, False, False),
                                  (3.0, True, False)):  # fmt: skip
        x.grad = Tensor(np.array([value]))
        try:
            clip_grad_norm_([x], 1.0, error_if_nonfinite=asked)
        except tinytorch.TinyTorchError as error:
            assert refused and "finite" in str(error), f"clip_grad_norm_: gradient {value}: {error}"
        else:
            assert not refused, (
                f"clip_grad_norm_: a gradient of {value} and error_if_nonfinite={asked}: must be refused"
            )
