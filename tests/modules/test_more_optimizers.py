"""The optimizers, schedulers and averages beside the taught ones: against PyTorch's numbers, or their papers'."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tests.data import flat_file
from tinytorch import Tensor, TinyTorchError, nn, optim
from tinytorch.core.engine import Watcher, overlay
from tinytorch.optim import lr_scheduler, swa_utils

CASES, FROZEN = flat_file.read(Path(__file__).parent.parent / "data" / "more_optimizers.npz")
FUNCTIONS = {"slow": lambda t: 0.95**t, "wave": lambda t: 1 + 0.5 * (-1) ** t, "half": lambda t: 0.5}
ALL = ("Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Lion", "Muon")


def leaf(values: Any, dtype: str = "float64") -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def run(optimizer: optim.Optimizer, params: list[Tensor], grads: list[np.ndarray], steps: range) -> list[list]:
    """Return the values of the parameters after each step."""
    seen = []
    for step in steps:
        for p, g in zip(params, grads, strict=True):
            p.grad = Tensor(g[step].astype(p.dtype))
        optimizer.step()
        seen.append([p.detach().numpy().copy() for p in params])
    return seen


# ---- optimizers


@pytest.mark.parametrize("name", CASES["optimizers"])
def test_each_step_is_pytorchs(name: str) -> None:
    kind, settings = CASES["optimizers"][name]
    params, grads = [leaf(FROZEN[f"start{i}"]) for i in (0, 1)], [FROZEN[f"grad{i}"] for i in (0, 1)]
    seen = run(getattr(optim, kind)(params, **settings), params, grads, range(12))
    loose = 1e-6 if kind == "NAdam" else 1e-12         # PyTorch keeps NAdam's product of momenta in float32
    for i in (0, 1):
        np.testing.assert_allclose([values[i] for values in seen], FROZEN[f"{name}/{i}"], rtol=loose, atol=loose)


@pytest.mark.parametrize("maximize", [False, True])
def test_lion_is_its_papers_algorithm(maximize: bool) -> None:
    p, g = leaf(FROZEN["start0"]), FROZEN["grad0"]
    seen = run(optim.Lion([p], lr=0.01, betas=(0.8, 0.95), weight_decay=0.1, maximize=maximize), [p], [g], range(12))
    theta, m = FROZEN["start0"].copy(), np.zeros((3, 4))
    for t in range(12):
        gradient = -g[t] if maximize else g[t]
        c = 0.8 * m + 0.2 * gradient
        theta = theta - 0.01 * (np.sign(c) + 0.1 * theta)
        m = 0.95 * m + 0.05 * gradient
        np.testing.assert_allclose(seen[t][0], theta, rtol=1e-12)


def test_filling_float64_is_exact() -> None:
    x = Tensor(np.zeros(2))
    assert x.fill_(0.3).tolist() == [0.3, 0.3]


def singular_polynomial(matrix: np.ndarray, steps: int = 5) -> np.ndarray:
    """What Newton-Schulz does, said of the singular values: s -> a s + b s³ + c s⁵."""
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    s = s / np.sqrt((s**2).sum())
    for _ in range(steps):
        s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
    return u @ np.diag(s) @ v


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
@pytest.mark.parametrize("adjust", [None, "match_rms_adamw"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_muon_moves_along_the_singular_vectors(shape: tuple, adjust: str | None, nesterov: bool) -> None:
    rng = np.random.default_rng(1)
    start, g = rng.normal(size=shape), rng.normal(size=(4, *shape))
    p = leaf(start)
    muon = optim.Muon([p], lr=0.02, weight_decay=0.1, momentum=0.9, nesterov=nesterov, adjust_lr_fn=adjust)
    seen = run(muon, [p], [g], range(4))
    factor = 0.2 * math.sqrt(max(shape)) if adjust else math.sqrt(max(1, shape[0] / shape[1]))
    theta, b = start.copy(), np.zeros(shape)
    for t in range(4):
        b = 0.9 * b + 0.1 * g[t]
        update = 0.1 * g[t] + 0.9 * b if nesterov else b
        theta = theta * (1 - 0.02 * 0.1) - 0.02 * factor * singular_polynomial(update)
        np.testing.assert_allclose(seen[t][0], theta, rtol=1e-9, atol=1e-12)


def test_muons_step_is_nearly_orthogonal() -> None:
    p = leaf(np.zeros((4, 6)))
    run(optim.Muon([p], lr=1.0, weight_decay=0.0), [p], [np.random.default_rng(0).normal(size=(1, 4, 6))], range(1))
    singular = np.linalg.svd(p.detach().numpy(), compute_uv=False)
    assert (singular > 0.6).all() and (singular < 1.3).all()


@pytest.mark.parametrize("name", ALL)
def test_one_operation_for_all_and_dtypes_kept(name: str) -> None:
    class Count(Watcher):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def after(self, primitive, inputs, params, outputs, backend, phase, note=None) -> None:
            self.seen.append(primitive.name)

    params = [leaf(np.ones(s), "float32") for s in ((2, 3), (0, 3), (3, 1))]
    if name != "Muon":
        params.append(leaf(2.0, "float32"))
    optimizer = getattr(optim, name)(params, weight_decay=0.1, lr=0.1)
    grads = [np.full((3, *p.shape), 0.5) for p in params]
    run(optimizer, params, grads, range(1))
    count = Count()
    with overlay(count=count):
        run(optimizer, params, grads, range(1, 2))
    assert [n for n in count.seen if n.endswith("_step")] == [f"{name.lower()}_step"] == count.seen
    for p in params:
        assert p.dtype == np.float32 and p.is_leaf and (p.detach().numpy() < 2.0).all()
        assert all(t.dtype == np.float32 for t in optimizer.state[p].values() if isinstance(t, Tensor))


@pytest.mark.parametrize("name", ALL)
def test_a_saved_state_continues_to_the_bit(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    start, grads = rng.normal(size=(3, 2)), [rng.normal(size=(6, 3, 2))]
    first, second = leaf(start), leaf(start)
    one = getattr(optim, name)([first])
    run(one, [first], grads, range(3))
    tinytorch.save({"weights": first.detach(), "optimizer": one.state_dict()}, tmp_path / "state")
    loaded = tinytorch.load(tmp_path / "state")
    two = getattr(optim, name)([second], lr=0.7)
    two.load_state_dict(loaded["optimizer"])
    with tinytorch.no_grad():
        second.copy_(loaded["weights"])
    run(one, [first], grads, range(3, 6))
    run(two, [second], grads, range(3, 6))
    assert first.tolist() == second.tolist()


X = leaf([[1.0]])
REFUSALS = {
    "no betas": (lambda: optim.Adam([X], betas=None), "expected betas to be two betas in .*found None"),
    "one beta": (lambda: optim.AdamW([X], betas=0.9), "two betas"),
    "betas as text": (lambda: optim.Lion([X], betas="ab"), "two betas"),
    "lr as text": (lambda: optim.Muon([X], lr="x"), "lr to be a number >= 0, found 'x'"),
    "no lr": (lambda: optim.Adagrad([X], lr=None), "lr to be a number"),
    "a negative decay of lr": (lambda: optim.Adagrad([X], lr_decay=-1), "lr_decay"),
    "rho of one": (lambda: optim.Adadelta([X], rho=1.0), "rho in"),
    "momentum as text": (lambda: optim.SGD([X], momentum="x"), "momentum to be a number"),
    "dampening as text": (lambda: optim.SGD([X], dampening="x"), "dampening to be a number"),
    "a number as a switch": (lambda: optim.SGD([X], maximize=1), "maximize to be True or False"),
    "two coefficients": (lambda: optim.Muon([X], ns_coefficients=(1, 2)), "three numbers"),
    "no iterations": (lambda: optim.Muon([X], ns_steps=0), "1 to 99"),
    "an unknown adjustment": (lambda: optim.Muon([X], adjust_lr_fn="x"), "match_rms_adamw"),
    "a bias": (lambda: optim.Muon([leaf([1.0])]), r"shape \(1,\); give biases"),
    "a state of another place": (
        lambda: optim.Adam([X]).load_state_dict({**optim.Adam([X]).state_dict(), "state": {3: {}}}), "places 0 to 0"
    ),
    "a state that is a list": (
        lambda: optim.Adam([X]).load_state_dict({**optim.Adam([X]).state_dict(), "state": [1]}), "a dict"
    ),
    "groups that are none": (lambda: optim.Adam([X]).load_state_dict({"state": {}, "param_groups": 3}), "param_groups"),
    "a saved lr of text": (
        lambda: optim.SGD([X]).load_state_dict(
            {"state": {}, "param_groups": [{**optim.SGD([X]).state_dict()["param_groups"][0], "lr": "x"}]}
        ),
        "lr to be a number",
    ),
    "milestones as a number": (lambda: lr_scheduler.MultiStepLR(optim.SGD([X]), 3), "list of epochs"),
    "gamma as text": (lambda: lr_scheduler.ExponentialLR(optim.SGD([X]), "x"), "gamma: expected a number"),
    "a factor above one": (lambda: lr_scheduler.ConstantLR(optim.SGD([X]), 1.5), "factor: expected a number from 0"),
    "a start at zero": (lambda: lr_scheduler.LinearLR(optim.SGD([X]), 0), "above 0"),
    "no iterations at all": (lambda: lr_scheduler.PolynomialLR(optim.SGD([X]), 0), "total_iters"),
    "no function": (lambda: lr_scheduler.LambdaLR(optim.SGD([X]), 0.5), "expected a function"),
    "too many functions": (lambda: lr_scheduler.LambdaLR(optim.SGD([X]), [abs, abs]), "each of 1 groups"),
    "parameters in place of an optimizer": (lambda: lr_scheduler.LambdaLR([X], abs), "Optimizer"),
    "an unknown mode": (lambda: lr_scheduler.CyclicLR(optim.SGD([X], momentum=0.9), 0.1, 1, mode="x"), "triangular2"),
    "no momentum to cycle": (lambda: lr_scheduler.CyclicLR(optim.Adagrad([X]), 0.1, 1), "cycle_momentum=False"),
    "a plateau that rises": (lambda: lr_scheduler.ReduceLROnPlateau(optim.SGD([X]), factor=1.0), "below 1"),
    "a plateau without a measure": (lambda: lr_scheduler.ReduceLROnPlateau(optim.SGD([X])).step(), "step\\(loss\\)"),
    "a plateau in a sequence": (
        lambda: lr_scheduler.SequentialLR(optim.SGD([X]), [lr_scheduler.ReduceLROnPlateau(optim.SGD([X]))], []),
        "stepped apart",
    ),
    "milestones that do not fit": (
        lambda: lr_scheduler.SequentialLR(*_with_one(), [1, 2]), "expected 0 milestones"
    ),
    "no schedulers": (lambda: lr_scheduler.ChainedScheduler([]), "at least one"),
    "two optimizers": (
        lambda: lr_scheduler.ChainedScheduler([_with_one()[1][0], _with_one()[1][0]]), "several optimizers"
    ),
    "a decay above one": (lambda: swa_utils.get_ema_multi_avg_fn(1.5), "from 0 to 1"),
    "an average of nothing": (lambda: swa_utils.AveragedModel(None), "NoneType"),
    "two rules": (
        lambda: swa_utils.AveragedModel(nn.Identity(), avg_fn=abs, multi_avg_fn=abs), "found both"
    ),
    "another model": (
        lambda: swa_utils.AveragedModel(nn.Linear(2, 2)).update_parameters(nn.Linear(3, 2)), r"\(2, 2\).*\(2, 3\)"
    ),
}


def _with_one() -> tuple:
    optimizer = optim.SGD([leaf([1.0])])
    return optimizer, [lr_scheduler.ExponentialLR(optimizer, 0.9)]


@pytest.mark.parametrize("what", REFUSALS)
def test_what_cannot_work_is_refused_with_a_sentence(what: str) -> None:
    wrong, words = REFUSALS[what]
    with pytest.raises(TinyTorchError, match=words) as raised:
        wrong()
    assert len(str(raised.value)) < 300


def test_a_group_refused_by_muon_is_not_kept() -> None:
    muon = optim.Muon([X])
    with pytest.raises(TinyTorchError):
        muon.add_param_group({"params": [leaf([1.0])]})
    assert len(muon.param_groups) == 1


def test_groups_are_plain_dicts_that_may_be_changed() -> None:
    a, b = leaf([1.0]), leaf([1.0])
    optimizer = optim.SGD([{"params": [a], "name": "head"}, {"params": [b]}], lr=1.0)
    optimizer.param_groups[1]["lr"] = np.float32(0.5)
    a.grad, b.grad = Tensor(np.ones(1)), Tensor(np.ones(1))
    optimizer.step()
    assert (a.item(), b.item()) == (0.0, 0.5) and optimizer.param_groups[0]["name"] == "head"
    optimizer.load_state_dict(optimizer.state_dict())


# ---- schedulers


def optimizer_of_two_groups() -> optim.Optimizer:
    return optim.SGD([{"params": [leaf([0.0])]}, {"params": [leaf([0.0])], "lr": 0.2}], lr=0.1, momentum=0.9)


def make(optimizer: optim.Optimizer, kind: str, settings: dict) -> Any:
    settings = dict(settings)
    if "lr_lambda" in settings:
        named = settings["lr_lambda"]
        settings["lr_lambda"] = [FUNCTIONS[n] for n in named] if isinstance(named, list) else FUNCTIONS[named]
    return getattr(swa_utils if kind == "SWALR" else lr_scheduler, kind)(optimizer, **settings)


def scheduled(how: str, parts: list) -> tuple[optim.Optimizer, list]:
    optimizer = optimizer_of_two_groups()
    made = [make(optimizer, kind, settings) for kind, settings in parts]
    if how == "chained":
        made = [lr_scheduler.ChainedScheduler(made)]
    elif how.startswith("sequential"):
        made = [lr_scheduler.SequentialLR(optimizer, made, [int(m) for m in how.split()[1:]])]
    return optimizer, made


def state_of(optimizer: optim.Optimizer) -> list[float]:
    return [g[key] for g in optimizer.param_groups for key in ("lr", "momentum")]


@pytest.mark.parametrize("name", CASES["schedules"])
def test_each_rate_is_pytorchs(name: str) -> None:
    how, parts, steps = CASES["schedules"][name]
    optimizer, made = scheduled(how, parts)
    expected = FROZEN[f"schedule/{name}"]
    np.testing.assert_allclose(state_of(optimizer), expected[0], rtol=1e-12, err_msg=f"{name} at the start")
    for step in range(steps):
        if how == "touched" and step == 5:
            optimizer.param_groups[0]["lr"] *= 3
        for scheduler in made:
            scheduler.step()
        np.testing.assert_allclose(
            state_of(optimizer), expected[step + 1], rtol=1e-11, atol=1e-15, err_msg=f"{name} after {step + 1} steps"
        )
    assert made[-1].get_last_lr() == [g["lr"] for g in optimizer.param_groups]


@pytest.mark.parametrize("name", CASES["schedules"])
def test_a_saved_schedule_continues_to_the_bit(name: str, tmp_path: Path) -> None:
    how, parts, _ = CASES["schedules"][name]
    (first, ours), (second, theirs) = scheduled(how, parts), scheduled(how, parts)
    for _ in range(4):
        [scheduler.step() for scheduler in ours]
    tinytorch.save([first.state_dict(), [s.state_dict() for s in ours]], tmp_path / "state")
    optimizer_state, states = tinytorch.load(tmp_path / "state")
    second.load_state_dict(optimizer_state)
    for scheduler, state in zip(theirs, states, strict=True):
        scheduler.load_state_dict(state)
    for _ in range(5):
        [scheduler.step() for scheduler in (*ours, *theirs)]
        assert state_of(first) == state_of(second)
    assert ours[0].get_last_lr() == theirs[0].get_last_lr()


@pytest.mark.parametrize("name", CASES["plateaus"])
def test_a_plateau_is_found_where_pytorch_finds_it(name: str) -> None:
    optimizer = optimizer_of_two_groups()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **CASES["plateaus"][name])
    for measure, expected in zip(CASES["measures"], FROZEN[f"plateau/{name}"], strict=True):
        scheduler.step(tinytorch.tensor(measure, dtype=tinytorch.float64))
        np.testing.assert_allclose([g["lr"] for g in optimizer.param_groups], expected, rtol=1e-12)


def test_restarts_can_be_placed_between_two_epochs() -> None:
    optimizer = optim.SGD([leaf([0.0])], lr=1.0)
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
    r = math.sqrt(0.125)
    for epoch, expected in ((0.5, 0.5 + r), (2.0, 1.0), (4.0, 0.5), (5.0, 0.5 - r)):
        scheduler.step(epoch)
        assert scheduler.get_last_lr()[0] == pytest.approx(expected, abs=1e-12)


def test_sequences_may_hold_chains_and_sequences() -> None:
    optimizer = optim.SGD([leaf([0.0])], lr=1.0)
    warm = lr_scheduler.SequentialLR(
        optimizer, [lr_scheduler.ConstantLR(optimizer, 0.1, 9), lr_scheduler.ConstantLR(optimizer, 0.5, 9)], [2]
    )
    falling = lr_scheduler.ChainedScheduler(
        [lr_scheduler.ExponentialLR(optimizer, 0.5), lr_scheduler.LinearLR(optimizer, 0.5, 1.0, 2)]
    )
    whole = lr_scheduler.SequentialLR(optimizer, [warm, falling], [4])
    seen = []
    for _ in range(7):
        seen.append(optimizer.param_groups[0]["lr"])
        whole.step()
    assert seen == pytest.approx([0.1, 0.1, 0.5, 0.5, 0.5, 0.375, 0.25])


# ---- averages of weights


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("swa", {}),
        ("ema", {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.7)}),
        ("ema_single", {"avg_fn": swa_utils.get_ema_avg_fn(0.9)}),
    ],
)
def test_averaged_weights_are_pytorchs(name: str, settings: dict) -> None:
    model = nn.Linear(3, 2, bias=False, dtype="float64")
    averaged = swa_utils.AveragedModel(model, **settings)
    for value in FROZEN["average/weights"]:
        with tinytorch.no_grad():
            model.weight.copy_(Tensor(value))
        averaged.update_parameters(model)
    np.testing.assert_allclose(averaged.module.weight.detach().numpy(), FROZEN[f"average/{name}"], rtol=1e-12)
    assert averaged.n_averaged.item() == 4 and averaged.module.weight.requires_grad
    restored = swa_utils.AveragedModel(nn.Linear(3, 2, bias=False, dtype="float64"))
    restored.load_state_dict(averaged.state_dict())
    x = Tensor(np.ones((1, 3)))
    assert restored(x).tolist() == averaged(x).tolist()


def test_buffers_are_copied_or_averaged() -> None:
    model = nn.BatchNorm1d(2)
    copying, averaging = swa_utils.AveragedModel(model), swa_utils.AveragedModel(model, use_buffers=True)
    for value in (1.0, 3.0):
        model.running_mean.fill_(value)
        copying.update_parameters(model)
        averaging.update_parameters(model)
    assert copying.module.running_mean.tolist() == [3, 3] and averaging.module.running_mean.tolist() == [2, 2]


def test_update_bn_takes_the_mean_over_all_batches() -> None:
    norm = nn.Sequential(nn.BatchNorm1d(3).to("float64"), nn.Dropout(0.5))
    norm.eval()
    norm[1].train()
    norm[0].running_mean.fill_(100.0)
    swa_utils.update_bn([(Tensor(b), None) for b in FROZEN["average/batches"]], norm)
    np.testing.assert_allclose(norm[0].running_mean.numpy(), FROZEN["average/mean"], rtol=1e-12)
    np.testing.assert_allclose(norm[0].running_var.numpy(), FROZEN["average/var"], rtol=1e-12)
    assert norm[0].momentum == 0.1 and [m.training for m in norm] == [False, True]
    swa_utils.update_bn([], nn.Linear(1, 1))
