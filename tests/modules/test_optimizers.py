"""Module 10 beyond its own tests: refusals, odd parameters, states that do not fit, properties of clipping."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytorch
from tinytorch import DTypeError, ShapeError, Tensor, nn
from tinytorch.core.engine import Watcher, overlay
from tinytorch.nn.utils import clip_grad_norm_, clip_grad_value_
from tinytorch.optim import SGD, Adam, AdamW, Optimizer, RMSprop, lr_scheduler

FROZEN = dict(np.load(Path(__file__).parent.parent / "data" / "optimizers.npz"))
ALL = {
    "SGD": lambda p: SGD(p, lr=0.1, momentum=0.9),
    "RMSprop": lambda p: RMSprop(p, momentum=0.5, centered=True),
    "Adam": lambda p: Adam(p, amsgrad=True),
    "AdamW": lambda p: AdamW(p),
}


def leaf(values: Any, dtype: str = "float64") -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def step(optimizer: Optimizer, *grads: Any) -> None:
    for p, g in zip(optimizer.parameters(), grads, strict=True):
        p.grad = None if g is None else Tensor(np.array(g, p.dtype))
    optimizer.step()


X = leaf([1.0])
REFUSALS = {
    "no parameters": (lambda: SGD([]), "found none"),
    "a generator that was used up": (lambda: SGD(p for p in []), "used up"),
    "one tensor": (lambda: SGD(X), r"Write \[parameter\]"),
    "a module": (lambda: SGD(nn.Linear(2, 2)), r"model.parameters\(\)"),
    "named parameters": (lambda: SGD(nn.Linear(2, 2).named_parameters()), "tuple"),
    "a number": (lambda: SGD([3.0]), "found float"),
    "an integer tensor": (lambda: SGD([Tensor([1])]), "int64"),
    "a result": (lambda: SGD([X * 2]), "leaf tensors"),
    "twice": (lambda: SGD([X, X]), "twice"),
    "twice, in two groups": (lambda: SGD([{"params": [X]}, {"params": [X]}]), "twice"),
    "negative lr": (lambda: SGD([X], lr=-1), "lr to be a number >= 0, found -1"),
    "lr as a string": (lambda: SGD([X], lr="fast"), "lr"),
    "NaN as lr": (lambda: SGD([X], lr=math.nan), "nan"),
    "negative momentum": (lambda: SGD([X], momentum=-0.1), "momentum"),
    "negative weight decay": (lambda: AdamW([X], weight_decay=-1e-2), "weight_decay"),
    "eps of zero": (lambda: Adam([X], eps=0), "eps"),
    "alpha of one": (lambda: RMSprop([X], alpha=1.0), "alpha"),
    "three betas": (lambda: Adam([X], betas=(0.9, 0.9, 0.9)), "two betas"),
    "nesterov with dampening": (lambda: SGD([X], momentum=0.9, dampening=0.1, nesterov=True), "dampening=0"),
    "an unknown setting": (lambda: SGD([{"params": [X], "speed": 3}]), "'speed'"),
    "a group without parameters": (lambda: SGD([{"lr": 3}]), "params"),
    "a scheduler around parameters": (lambda: lr_scheduler.StepLR([X], 1), "Optimizer"),
    "a step size of zero": (lambda: lr_scheduler.StepLR(SGD([X]), 0), "step_size"),
    "half an epoch": (lambda: lr_scheduler.CosineAnnealingLR(SGD([X]), 2.5), "T_max"),
    "a late start without a past": (lambda: lr_scheduler.StepLR(SGD([X]), 1, last_epoch=3), "initial_lr"),
    "a cycle of unknown length": (lambda: lr_scheduler.OneCycleLR(SGD([X]), 0.1), "total_steps"),
    "a cycle along a parabola": (
        lambda: lr_scheduler.OneCycleLR(SGD([X]), 0.1, 10, anneal_strategy="square"),
        "'cos' or 'linear'",
    ),
    "one maximum too many": (lambda: lr_scheduler.OneCycleLR(SGD([X]), [0.1, 0.2], 10), "max_lr: expected one for"),
    "clipping a number": (lambda: clip_grad_norm_([1.0], 1.0), "clip_grad_norm_"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_cannot_work_is_refused_with_a_sentence(what: str) -> None:
    wrong, words = REFUSALS[what]
    with pytest.raises((tinytorch.TinyTorchError,), match=words):
        wrong()


@pytest.mark.parametrize("name", ["sgd_nesterov", "adamw_decay", "rmsprop_centered"])
def test_float32_stays_float32_and_close_to_float64(name: str) -> None:
    import json

    kind, settings = json.loads(str(FROZEN["cases"]))["optimizers"][name]
    p = leaf(FROZEN["start0"], "float32")
    optimizer = getattr(tinytorch.optim, kind)([p], **settings)
    for g in FROZEN["grad0"]:
        step(optimizer, g)
    assert p.dtype == np.float32
    assert all(t.dtype == np.float32 for t in optimizer.state[p].values() if isinstance(t, Tensor))
    np.testing.assert_allclose(p.detach().numpy(), FROZEN[f"{name}/0"][-1], atol=2e-5)


@pytest.mark.parametrize("name", ALL)
def test_odd_parameters(name: str) -> None:
    scalar, empty = leaf(2.0), leaf(np.zeros((0, 3)))
    strided = Tensor(np.zeros((2, 3)))
    strided._array = np.ones((3, 2)).T
    strided.requires_grad = True
    memory = strided._array
    optimizer = ALL[name]([scalar, empty, strided])
    for _ in range(2):
        step(optimizer, 1.0, np.zeros((0, 3)), np.ones((2, 3)))
    assert scalar.shape == () and scalar.item() < 2.0
    assert strided._array is memory and (memory < 1).all(), "a strided parameter is updated in its own memory"


@pytest.mark.parametrize("name", ALL)
def test_one_operation_for_all_parameters(name: str) -> None:
    class Count(Watcher):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def after(self, primitive, inputs, params, outputs, backend, phase, note=None) -> None:
            self.seen.append(primitive.name)

    optimizer = ALL[name]([leaf([1.0]), leaf([[2.0, 3.0]]), leaf([4.0])])
    step(optimizer, [1.0], [[1.0, 1.0]], [1.0])
    count = Count()
    with overlay(count=count):
        optimizer.step()
    assert len(count.seen) == 1 and count.seen[0].endswith("_step")


def test_adam_keeps_two_numbers_for_each_parameter() -> None:
    model = nn.Linear(100, 50)
    optimizer = Adam(model.parameters())
    for p in model.parameters():
        p.grad = Tensor(np.ones(p.shape, "float32"))
    optimizer.step()
    kept = [t for state in optimizer.state.values() for t in state.values() if isinstance(t, Tensor)]
    size = sum(p.numel() for p in model.parameters())
    assert sum(t.numel() for t in kept) == 2 * size


def test_groups_can_be_added_and_show_themselves() -> None:
    a, b = leaf([1.0]), leaf([1.0, 2.0])
    optimizer = AdamW([a], lr=0.3)
    optimizer.add_param_group({"params": b, "weight_decay": 0.0})
    assert [g["weight_decay"] for g in optimizer.param_groups] == [0.01, 0.0]
    text = repr(optimizer)
    assert text.startswith("AdamW") and "group 1: 2 parameters" in text and "lr: 0.3" in text


def test_a_closure_is_evaluated_with_recording() -> None:
    x = leaf([3.0])
    optimizer = SGD([x], lr=0.1)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    with tinytorch.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == 9.0 and abs(x.item() - 2.4) < 1e-12


def test_an_optimizer_of_ones_own() -> None:
    class SignSGD(Optimizer):
        def __init__(self, params: Any, lr: float):
            super().__init__(params, {"lr": lr})

        def update(self, group: dict) -> None:
            for p in group["params"]:
                p.sub_(p.grad.sign() * group["lr"])

    x = leaf([3.0, -3.0])
    step(SignSGD([x], 0.5), [7.0, -0.1])
    assert x.tolist() == [2.5, -2.5]
    with pytest.raises(NotImplementedError, match=r"Optimizer.update"):
        step(Optimizer([x], {"lr": 1.0}), [1.0, 1.0])


# ---- states


def after_two_steps(make: Any) -> Optimizer:
    optimizer = make([leaf([1.0, 2.0]), leaf([3.0])])
    for _ in range(2):
        step(optimizer, [1.0, -1.0], [0.5])
    return optimizer


def test_a_state_names_parameters_by_position() -> None:
    state = after_two_steps(ALL["Adam"]).state_dict()
    assert state["param_groups"][0]["params"] == [0, 1]
    assert set(state["state"]) == {0, 1}
    assert set(state["state"][0]) == {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}
    assert state["state"][0]["step"] == 2


def test_a_loaded_state_is_a_copy() -> None:
    first = after_two_steps(ALL["SGD"])
    second = SGD([leaf([1.0, 2.0]), leaf([3.0])])
    second.load_state_dict(first.state_dict())
    step(second, [1.0, 1.0], [1.0])
    own = [s["momentum_buffer"].tolist() for s in first.state.values()]
    assert own == [[1.9, -1.9], [0.95]]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: Adam([leaf([1.0, 2.0]), leaf([3.0])]), "another optimizer"),
        (lambda: SGD([leaf([1.0, 2.0])]), r"groups of \[1\] parameters, found \[2\]"),
        (lambda: SGD([leaf([1.0]), leaf([3.0])]), "momentum_buffer of shape"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(other: Any, words: str) -> None:
    optimizer = other()
    before = repr(optimizer)
    with pytest.raises((tinytorch.TinyTorchError,), match=words):
        optimizer.load_state_dict(after_two_steps(ALL["SGD"]).state_dict())
    assert repr(optimizer) == before and not optimizer.state


def test_a_step_with_a_gradient_of_another_shape_is_refused() -> None:
    x = leaf([1.0])
    x.grad = Tensor(np.ones(1))
    x.data = Tensor(np.ones((4, 1)))
    with pytest.raises(ShapeError, match=r"\(4, 1\), found \(1,\)"):
        SGD([x]).step()


def test_schedulers_go_through_a_file(tmp_path: Path) -> None:
    def make() -> tuple[Optimizer, Any]:
        optimizer = SGD([leaf([1.0])], lr=0.1, momentum=0.9)
        return optimizer, lr_scheduler.OneCycleLR(optimizer, 1.0, 9)

    (first, cycle), (second, other) = make(), make()
    for _ in range(4):
        cycle.step()
    tinytorch.save([first.state_dict(), cycle.state_dict()], tmp_path / "s")
    for part, state in zip((second, other), tinytorch.load(tmp_path / "s"), strict=True):
        part.load_state_dict(state)
    assert first.param_groups[0]["lr"] == second.param_groups[0]["lr"]
    assert first.param_groups[0]["momentum"] == second.param_groups[0]["momentum"]
    cycle.step()
    other.step()
    assert cycle.get_last_lr() == other.get_last_lr()
    with pytest.raises((tinytorch.TinyTorchError,), match="another scheduler"):
        lr_scheduler.StepLR(first, 3).load_state_dict(cycle.state_dict())


def test_a_cycle_does_not_go_on_for_ever() -> None:
    cycle = lr_scheduler.OneCycleLR(SGD([leaf([1.0])]), 1.0, total_steps=3)
    for _ in range(3):
        cycle.step()
    with pytest.raises((tinytorch.TinyTorchError,), match="the cycle has 3 steps, found step 4"):
        cycle.step()


# ---- clipping


@given(
    st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=4), min_size=1, max_size=3),
    st.floats(1e-3, 1e3),
    st.sampled_from([1.0, 2.0, 3.0, math.inf]),
)
def test_clipping_bounds_the_norm_and_keeps_the_direction(values: list, max_norm: float, norm_type: float) -> None:
    params = [leaf(np.zeros(len(v))) for v in values]
    for p, v in zip(params, values, strict=True):
        p.grad = Tensor(np.array(v))
    flat = np.concatenate([np.array(v) for v in values])
    total = clip_grad_norm_(params, max_norm, norm_type).item()
    after = np.concatenate([p.grad.numpy() for p in params])
    assert total == pytest.approx(np.linalg.norm(flat, norm_type), rel=1e-9)
    assert np.linalg.norm(after, norm_type) <= max(max_norm, 0) * (1 + 1e-9)
    factor = min(1.0, max_norm / (total + 1e-6))
    np.testing.assert_allclose(after, flat * factor, rtol=1e-9, atol=1e-300)


def test_clipping_what_is_not_finite() -> None:
    x = leaf([0.0, 0.0])
    x.grad = Tensor(np.array([math.inf, 1.0]))
    with pytest.raises((tinytorch.TinyTorchError,), match="finite norm, found inf"):
        clip_grad_norm_([x], 1.0, error_if_nonfinite=True)
    assert x.grad.tolist() == [math.inf, 1.0]
    assert clip_grad_norm_([x], 1.0).item() == math.inf


def test_a_single_tensor_can_be_clipped() -> None:
    x = leaf([0.0, 0.0])
    x.grad = Tensor(np.array([3.0, 4.0]))
    assert clip_grad_norm_(x, 1.0).item() == 5.0
    clip_grad_value_(x, 0.7)
    assert x.grad.tolist() == pytest.approx([0.6, 0.7])
    with pytest.raises(DTypeError):
        clip_grad_value_(["x"], 1.0)
