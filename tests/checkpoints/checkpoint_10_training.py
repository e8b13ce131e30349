"""Can I train a network, stop it anywhere, and resume as if nothing had happened?

Losses and their gradients against PyTorch's (frozen in tests/data/losses.npz, float64); metrics against plain
counting; accumulation against one large batch; and runs that are stopped at every step of an epoch, sent through a
file, and must end at the same bits as the run that was left alone.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

import json
import math
import signal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.autograd import gradcheck, gradgradcheck
from tinytorch.core import training as module
from tinytorch.nn import functional as F
from tinytorch.optim import SGD, Adam, lr_scheduler
from tinytorch.training import (
    Callback,
    Checkpointer,
    EarlyStopping,
    Trainer,
    TrainingError,
    accuracy,
    compute_confusion_matrix,
    evaluate_model,
    per_class_accuracy,
)
from tinytorch.utils.data import DataLoader, TensorDataset

FROZEN = dict(np.load(Path(__file__).parent.parent / "data" / "losses.npz"))
CASES = json.loads(str(FROZEN["cases"]))


def against_pytorch(where: str, key: str, function, **settings) -> None:
    """Loss and gradient of one frozen case; `where` names what computes the loss and what its gradient."""
    x = Tensor(FROZEN[f"{key}/input"], requires_grad=True)
    loss = function(x, Tensor(FROZEN[f"{key}/target"]), **settings)
    expected = FROZEN[f"{key}/loss"]
    forward, backward = where.split(" / ")
    assert loss.shape == expected.shape, f"{forward} ({key}): expected shape {expected.shape}, got {loss.shape}"
    gap = np.abs(loss.detach().numpy() - expected).max()
    assert gap < 1e-9, f"{forward} ({key}): differs from PyTorch by {gap:.3g}"
    (loss * Tensor(np.linspace(0.5, 1.5, loss.numel()).reshape(loss.shape))).sum().backward()
    gap = np.abs(x.grad.numpy() - FROZEN[f"{key}/grad"]).max()
    assert gap < 1e-9, f"{backward} ({key}): the gradient differs from PyTorch's by {gap:.3g}"


@pytest.mark.parametrize("name", list(CASES["cross_entropy"]))
def test_cross_entropy_as_pytorch_has_it(name: str) -> None:
    case = CASES["cross_entropy"][name]
    weight = Tensor(np.array(CASES["weights"])) if case["weighted"] else None
    where = "wanted_distribution, cross_entropy_kernel / cross_entropy_grad_kernel"
    against_pytorch(where, f"cross_entropy/{name}", F.cross_entropy, weight=weight, **case["settings"])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mse_and_binary_cross_entropy_as_pytorch_has_them(reduction: str) -> None:
    against_pytorch("mse_loss / mse_loss", f"mse/{reduction}", F.mse_loss, reduction=reduction)
    name = "binary_cross_entropy_with_logits"
    for pos_weight in (None, 2.5):
        key = f"bce/{reduction}-{pos_weight}"
        function = F.binary_cross_entropy_with_logits
        against_pytorch(f"{name} / {name}", key, function, reduction=reduction, pos_weight=pos_weight)


def test_losses_at_the_ends_of_float32() -> None:
    found = F.cross_entropy(Tensor([[1000.0, 0.0], [0.0, -1000.0]]), Tensor([1, 0])).item()
    assert found == 500.0, f"cross_entropy_kernel: logits of 1000 overflow unless the maximum is taken out: got {found}"
    x = Tensor([[1000.0, 0.0]], requires_grad=True)
    F.cross_entropy(x, Tensor([1])).backward()
    assert x.grad.tolist() == [[1.0, -1.0]], (
        f"cross_entropy_grad_kernel: predicted minus wanted is [1, -1], got {x.grad}"
    )
    assert math.isnan(F.cross_entropy(Tensor([[1.0, 0.0]]), Tensor([-100])).item()), "the mean over no sample is NaN"


def test_second_derivatives_of_the_losses() -> None:
    rng = np.random.default_rng(2)
    target, soft = Tensor(np.array([2, -100, 0])), Tensor(rng.dirichlet(np.ones(4), 3))
    for settings in ({}, {"label_smoothing": 0.2, "weight": Tensor(rng.uniform(1, 2, 4))}, {"reduction": "none"}):
        for t in (target, soft):
            x = Tensor(rng.normal(size=(3, 4)), requires_grad=True)
            assert gradcheck(lambda x, t=t, s=settings: F.cross_entropy(x, t, **s), [x]), "cross_entropy_grad_kernel"
            assert gradgradcheck(lambda x, t=t, s=settings: F.cross_entropy(x, t, **s), [x])
    x, y = (Tensor(rng.uniform(0.1, 0.9, (3, 2)), requires_grad=True) for _ in range(2))
    assert gradgradcheck(F.binary_cross_entropy_with_logits, [x, y]) and gradgradcheck(F.mse_loss, [x, y])


def test_shapes_that_would_broadcast_are_refused() -> None:
    column, row, logits = Tensor(np.ones((3, 1))), Tensor(np.ones(3)), Tensor(np.ones((3, 4)))
    for name, wrong in (
        ("mse_loss", lambda: F.mse_loss(column, row)),
        ("binary_cross_entropy_with_logits", lambda: F.binary_cross_entropy_with_logits(column, row)),
        ("cross_entropy", lambda: F.cross_entropy(logits, Tensor([[0], [1], [2]]))),
        ("cross_entropy", lambda: F.cross_entropy(logits, Tensor([0, 1, 4]))),
        ("cross_entropy", lambda: F.cross_entropy(logits, Tensor([0, -1, 3]))),
        ("mse_loss", lambda: nn.MSELoss()(column, row)),
    ):
        try:
            found = wrong()
        except tinytorch.TinyTorchError as error:
            assert name in str(error), f"expected a sentence that names {name}, got: {error}"
            continue
        raise AssertionError(
            f"{name} accepted shapes or classes that do not fit and returned {found}; check_same_shape?"
        )


class Fixed(nn.Module):
    """Its logits are its inputs; remembers in which mode and under which recording it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(Tensor([1.0]))
        self.seen: list[tuple[bool, bool]] = []

    def forward(self, x: Tensor) -> Tensor:
        out = x * self.weight
        self.seen.append((self.training, out.requires_grad))
        return out


def test_metrics_count_every_sample_once() -> None:
    rng = np.random.default_rng(4)
    logits, truth = rng.normal(size=(11, 3)).astype("float32"), rng.integers(0, 3, 11)
    predicted = logits.argmax(axis=1)
    rows = zip(logits.astype(float), truth, strict=True)
    expected_loss = np.mean([math.log(np.exp(row).sum()) - row[t] for row, t in rows])
    data = TensorDataset(Tensor(logits), Tensor(truth))
    assert accuracy(Tensor(logits), Tensor(truth)) == (predicted == truth).mean(), (
        "accuracy: share of right predictions"
    )
    for batch_size in (4, 11):
        model = Fixed()
        found = evaluate_model(model, DataLoader(data, batch_size=batch_size))
        assert abs(found["loss"] - expected_loss) < 1e-6, (
            f"evaluate_model, batches of {batch_size}: expected the mean over samples {expected_loss:.6f}, got "
            f"{found['loss']:.6f}: the last batch is shorter, so a mean of means is wrong"
        )
        assert abs(found["accuracy"] - (predicted == truth).mean()) < 1e-12, "count_correct, evaluate_model: accuracy"
        assert set(model.seen) == {(False, False)}, "evaluate_model: evaluation mode and no_grad, for every batch"
        assert model.training, "evaluate_model: put the training mode back"
        matrix = compute_confusion_matrix(model, DataLoader(data, batch_size=batch_size))
        counted = [[int(((truth == i) & (predicted == j)).sum()) for j in range(3)] for i in range(3)]
        assert matrix.tolist() == counted, f"count_pairs: expected {counted}, rows the truth, got {matrix.tolist()}"
    shares = per_class_accuracy(np.array([[3, 1], [0, 0]]))
    assert shares[0] == 0.75 and math.isnan(shares[1]), f"per_class_accuracy: expected [0.75, nan], got {shares}"


# ---- runs


def run(seed: int, callbacks=(), accumulate: int = 1, scheduler: str = "step", samples: int = 27, dropout: float = 0.3):
    """A small network with dropout and batch norm, its data in random order: (trainer, loader)."""
    tinytorch.manual_seed(seed)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(samples, 6)).astype("float32")
    data = TensorDataset(Tensor(x), Tensor((x[:, 0] > x[:, 1] * x[:, 2]).astype("int64")))
    loader = DataLoader(data, batch_size=4, shuffle=True)
    model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Dropout(dropout), nn.Linear(12, 2))
    optimizer = Adam(model.parameters(), lr=0.02)
    schedules = {
        "step": lambda: lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=40),
        "epoch": lambda: lr_scheduler.CosineAnnealingLR(optimizer, 5),
        "none": lambda: None,
    }
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    return Trainer(model, optimizer, loss, schedules[scheduler](), callbacks, accumulate, clip_norm=1.0), loader


class StopAt(Callback):
    """Asks for a stop after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, trainer, metrics) -> None:
        if trainer.steps == self.step:
            trainer.stop("on purpose")


def patient() -> EarlyStopping:
    """Early stopping that counts every epoch but the first as one without improvement."""
    return EarlyStopping("train_loss", patience=9, min_delta=100.0)


def weights(trainer: Trainer) -> dict[str, bytes]:
    return {name: t.numpy().tobytes() for name, t in trainer.model.state_dict().items()}


def equal_runs(found: Trainer, expected: Trainer, where: str) -> None:
    for name, bits in weights(expected).items():
        assert weights(found)[name] == bits, (
            f"Trainer.state_dict, Trainer.load_state_dict: {where}: {name} is not bitwise that of the uninterrupted "
            "run (optimizer, scheduler, random state, position in the data, counters: which was not restored?)"
        )
    for name in ("train_loss", "train_accuracy", "validation_loss", "lr"):
        a, b = found.history.get(name), expected.history.get(name)
        assert a == b, f"Trainer.state_dict, Trainer.load_state_dict: {where}: history of {name} {a}, uninterrupted {b}"
    assert found.steps == expected.steps and found.epoch == expected.epoch, (
        f"Trainer.load_state_dict: {where}: counters"
    )


@pytest.mark.parametrize(("accumulate", "scheduler"), [(1, "step"), (3, "epoch"), (1, "none")])
def test_a_run_stopped_at_any_step_resumes_at_the_same_bit(accumulate: int, scheduler: str, tmp_path: Path) -> None:
    whole, loader = run(1, [patient()], accumulate, scheduler)
    whole.fit(loader, DataLoader(loader.dataset, batch_size=5), epochs=3)
    windows = -(-len(loader) // accumulate)
    assert whole.steps == 3 * windows, (
        f"Trainer.train_epoch: {len(loader)} batches in windows of {accumulate} are {windows} steps an epoch, the last "
        f"one short; counted {whole.steps} in 3 epochs"
    )
    for step in range(1, whole.steps + 1):
        first, loader = run(1, [patient(), StopAt(step)], accumulate, scheduler)
        first.fit(loader, DataLoader(loader.dataset, batch_size=5), epochs=3)
        assert first.steps == step, f"Trainer.train_epoch: asked to stop after step {step}, stopped after {first.steps}"
        tinytorch.rand(5)
        first.save(tmp_path / "run")
        second, loader = run(99, [patient()], accumulate, scheduler)
        second.load(tmp_path / "run")
        tinytorch.rand(7)
        second.fit(loader, DataLoader(loader.dataset, batch_size=5), epochs=3)
        equal_runs(second, whole, f"stopped after step {step} of {whole.steps}")
        waited = [c.waited for t in (second, whole) for c in t.callbacks]
        assert waited[0] == waited[1], f"Trainer.load_state_dict: early stopping waited {waited[0]}, not {waited[1]}"


def test_ctrl_c_finishes_the_step_and_saves(tmp_path: Path) -> None:
    class PressCtrlC(Callback):
        def on_step_end(self, trainer, metrics) -> None:
            if trainer.steps == 9:
                signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    pressed, loader = run(1, [PressCtrlC(), Checkpointer(tmp_path)])
    history = pressed.fit(loader, epochs=3)
    assert pressed.interrupted and (pressed.epoch, pressed.batch, pressed.steps) == (1, 2, 9), (
        f"Trainer.train_epoch: Ctrl-C in step 9 must end the run behind it, found {pressed.progress()}"
    )
    assert len(history["train_loss"]) == 1, "the history of the finished epoch is kept"
    assert signal.getsignal(signal.SIGINT) is handler, "the handler of Ctrl-C is put back"
    resumed, loader = run(5)
    resumed.load(tmp_path / "last.safetensors")
    resumed.fit(loader, epochs=3)
    whole, loader = run(1)
    whole.fit(loader, epochs=3)
    equal_runs(resumed, whole, "after Ctrl-C")


def test_accumulated_micro_batches_equal_one_batch() -> None:
    rng = np.random.default_rng(6)
    x, y = Tensor(rng.normal(size=(7, 4))), Tensor(rng.integers(0, 3, 7))
    ends = []
    for cuts in ((0, 7), (0, 3, 6, 7)):
        model = nn.Linear(4, 3).double()
        with tinytorch.no_grad():
            model.weight.copy_(Tensor(np.arange(12.0).reshape(3, 4) / 10))
            model.bias.zero_()
        optimizer = SGD(model.parameters(), lr=0.5)
        trainer = Trainer(model, optimizer, F.cross_entropy, accumulate=len(cuts) - 1, clip_norm=0.3)
        batches = [(x[a:b], y[a:b]) for a, b in pairwise(cuts)]
        history = trainer.fit(batches, epochs=2)
        assert trainer.steps == 2, f"Trainer.train_epoch: one step for each window, got {trainer.steps} in 2 epochs"
        ends.append((model.weight.detach().numpy(), history["train_loss"], trainer.grad_norm))
    gap = np.abs(ends[0][0] - ends[1][0]).max()
    assert gap < 1e-12, f"Trainer.train_step: weigh micro-batches by their share of the targets; off by {gap:.3g}"
    assert np.allclose(ends[0][1], ends[1][1]), f"Trainer.finish_epoch: losses {ends[0][1]}, {ends[1][1]}"


def test_clipping_and_forgetting_in_a_step() -> None:
    model = nn.Linear(2, 1)
    trainer = Trainer(model, SGD(model.parameters(), lr=1.0), F.mse_loss, clip_norm=0.1)
    before = [p.detach().numpy().copy() for p in model.parameters()]
    batch = (Tensor([[3.0, 4.0]]), Tensor([[100.0]]))
    trainer.train_step([batch])
    pairs = zip(model.parameters(), before, strict=True)
    moved = math.sqrt(sum(((p.detach().numpy() - b) ** 2).sum() for p, b in pairs))
    assert abs(moved - 0.1) < 1e-5, f"Trainer.train_step: clipped to 0.1 the step has length 0.1, got {moved:.6f}"
    assert trainer.grad_norm > 100, f"Trainer.train_step: grad_norm is that before clipping, got {trainer.grad_norm}"
    free = Trainer(model, SGD(model.parameters(), lr=1e-6), F.mse_loss)
    norms = []
    for _ in range(2):
        free.train_step([batch])
        norms.append(free.grad_norm)
    assert norms[1] < 1.01 * norms[0], (
        f"Trainer.train_step: the gradients of the step before were not forgotten: zero_grad; norms {norms}"
    )


def test_a_nan_is_seen_before_it_spoils_the_weights() -> None:
    trainer, _ = run(3)
    before = weights(trainer)
    bad = Tensor(np.full((4, 6), np.nan, "float32"))
    with pytest.raises(TrainingError, match="the batch itself holds NaN"):
        trainer.fit([(bad, Tensor([0, 1, 0, 1]))])
    assert weights(trainer) == before, "Trainer.train_step: inspect before the step; the weights are spoilt"


def test_the_history_of_an_epoch() -> None:
    trainer, loader = run(2, scheduler="epoch", dropout=0.0)
    seen = []

    class Watch(Callback):
        def on_step_end(self, trainer, metrics) -> None:
            seen.append((trainer.model.training, metrics["loss"]))

    trainer.callbacks.append(Watch())
    validation = DataLoader(loader.dataset, batch_size=27)
    history = trainer.fit(loader, validation, epochs=2)
    assert all(mode for mode, _ in seen), "Trainer.train_epoch: training mode, also in the epoch behind a validation"
    sizes = [4] * 6 + [3]
    expected = sum(loss * n for (_, loss), n in zip(seen, sizes, strict=False)) / 27
    got = history["train_loss"][0]
    assert abs(got - expected) < 1e-6, f"Trainer.finish_epoch: train_loss weighs batches by size: {expected}, got {got}"
    expected, got = evaluate_model(trainer.model, validation, trainer.loss)["loss"], history["validation_loss"][-1]
    assert got == expected, f"Trainer.finish_epoch: validation_loss {expected}, got {got}"
    assert np.allclose(history["lr"], [0.02, 0.02 * (1 + math.cos(math.pi / 5)) / 2]), f"lr: {history['lr']}"


def test_a_network_learns_what_a_line_cannot() -> None:
    trainer, loader = run(7, samples=200, scheduler="none", dropout=0.0)
    trainer.fit(loader, loader, epochs=25)
    found = trainer.history["validation_accuracy"][-1]
    assert found > 0.97, f"Trainer: 25 epochs on a curved boundary must reach 97 %, got {found:.1%}"
    assert module.count_correct(Tensor([[1.0, 2.0]]), Tensor([1])) == 1, "count_correct: one of one"


def test_excluded_and_ignored_classes_leave_no_trace() -> None:
    logits = Tensor([[-math.inf, 0.0], [1.0, 1.0]])
    loss = F.cross_entropy(logits, Tensor([1, -100]))
    assert loss.item() == 0.0, f"cross_entropy_kernel: a class with logit -inf costs nothing, got {loss.item()}"
    assert F.cross_entropy(Tensor([[3.0], [4.0]]), Tensor([0, -100])).item() == 0.0, "wanted_distribution: one class"
    logits = Tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    F.cross_entropy(logits, Tensor([-100, -100])).backward()
    assert logits.grad.tolist() == [[0, 0], [0, 0]], (
        f"cross_entropy_grad_kernel: if nothing counts the gradient is 0, got {logits.grad.tolist()}"
    )


def test_the_message_names_prediction_and_target() -> None:
    with pytest.raises(tinytorch.ShapeError, match=r"\(3, 1\).*\(3,\)"):
        F.mse_loss(tinytorch.ones(3, 1), tinytorch.ones(3))


def test_what_has_no_right_answer_counts_as_nan() -> None:
    logits = Tensor([[1.0, 3.0], [2.0, 0.0]])
    for targets in (Tensor([1.0, 1.0]), Tensor([[1, 0]])):
        found = module.count_correct(logits, targets)
        assert math.isnan(found), f"count_correct: targets {targets.tolist()}, {targets.dtype}: NaN, got {found}"
    assert type(module.count_correct(logits, Tensor([1, 1]))) is int, "count_correct: a Python number"


def test_pairs_of_sequences_are_counted() -> None:
    found = module.count_pairs(np.array([[0, 1], [1, 1]]), np.array([[0, 1], [0, 1]]), 2)
    assert found.tolist() == [[1, 0], [1, 2]], f"count_pairs: targets of any shape, got {found.tolist()}"


def test_an_evaluation_uses_the_loss_that_it_is_given() -> None:
    batches = [(Tensor([[1.0]]), Tensor([[3.0]])), (Tensor([[2.0]]), Tensor([[2.0]]))]
    found = evaluate_model(Fixed(), batches, F.mse_loss)
    assert found["loss"] == 2.0 and type(found["loss"]) is float, (
        f"evaluate_model: mean of 4 and 0, got {found['loss']!r}"
    )
    for batch in (Tensor([1.0]), (Tensor([1.0]),)):
        with pytest.raises(tinytorch.TinyTorchError, match=r"\(inputs, targets\)"):
            evaluate_model(Fixed(), [batch])


def test_a_step_counts_over_its_whole_window_and_in_training_mode() -> None:
    model = Fixed()
    trainer = Trainer(model, SGD(model.parameters(), lr=0.1), F.cross_entropy, accumulate=2)
    batches = [(Tensor([[5.0, 0.0], [0.0, 5.0]]), Tensor([0, 1])), (Tensor([[0.0, 5.0]]), Tensor([1]))]
    _, correct, total = trainer.train_step(batches)
    assert (correct, total) == (3, 3), f"Trainer.train_step: 3 of 3 are right in the window, got {correct} of {total}"
    assert type(trainer.grad_norm) is float, f"Trainer.train_step: grad_norm is a number, got {trainer.grad_norm!r}"
    with pytest.raises(tinytorch.TinyTorchError, match=r"\(inputs, targets\)"):
        trainer.train_step([(Tensor([1.0]),)])
    model.eval()
    model.seen.clear()
    trainer.train_epoch(DataLoader(TensorDataset(*batches[0]), batch_size=1))
    assert model.training and {mode for mode, _ in model.seen} == {True}, "Trainer.train_epoch: set the training mode"


def test_a_state_is_a_copy() -> None:
    trainer, loader = run(seed=2)
    trainer.fit(loader, epochs=1)
    state = trainer.state_dict()
    other, _ = run(seed=3)
    other.load_state_dict(state)
    trainer.history["train_loss"].append(9.0)
    other.history["train_loss"].append(7.0)
    assert len(state["history"]["train_loss"]) == 1, (
        "Trainer.state_dict, Trainer.load_state_dict: the history of a state must not change with the trainer's"
    )
