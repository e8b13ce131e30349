"""Module 11 beyond its own tests: losses in odd shapes, refusals, callbacks, diagnostics, pictures."""

import io
import math
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.core.engine import primitive
from tinytorch.given.callbacks import TimeBudget
from tinytorch.given.diagnostics import Health, TrainingWarning
from tinytorch.given.graph import saved_bytes
from tinytorch.given.text_plots import text_confusion_matrix, text_curve
from tinytorch.nn import functional as F
from tinytorch.optim import SGD, lr_scheduler
from tinytorch.training import (
    Callback,
    Checkpointer,
    EarlyStopping,
    ProgressBar,
    Trainer,
    TrainingError,
    compute_confusion_matrix,
    evaluate_model,
    plot_confusion_matrix,
    plot_training_history,
)

RNG = np.random.default_rng(31)


# ---- losses


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_cross_entropy_equals_its_decomposition(reduction: str, smoothing: float) -> None:
    target = RNG.integers(0, 5, 7)
    found, expected = (Tensor(RNG.normal(size=(7, 5))) for _ in range(2))
    expected.copy_(found)
    found.requires_grad = expected.requires_grad = True
    loss = F.cross_entropy(found, Tensor(target), reduction=reduction, label_smoothing=smoothing)
    one_hot = Tensor(np.eye(5)[target] * (1 - smoothing) + smoothing / 5)
    rows = -(one_hot * F.log_softmax(expected, dim=1)).sum(1)
    chain = {"mean": rows.mean(), "sum": rows.sum(), "none": rows}[reduction]
    np.testing.assert_allclose(loss.detach().numpy(), chain.detach().numpy(), rtol=1e-12)
    (loss * 2).sum().backward()
    (chain * 2).sum().backward()
    np.testing.assert_allclose(found.grad.numpy(), expected.grad.numpy(), atol=1e-14)


def test_the_gradient_kernel_equals_its_decomposition() -> None:
    settings = {"ignore_index": 1, "reduction": "mean", "label_smoothing": 0.1}
    x, target, weight = RNG.normal(size=(4, 3)), np.array([0, 1, 2, 2]), np.array([1.0, 2.0, 3.0])
    grad = primitive("cross_entropy_grad")
    _, logsumexp = primitive("cross_entropy").kernel(np, x, target, weight, **settings)
    arrays = [np.array(1.5), x, target, weight, logsumexp]
    chain = grad.decompose(*[Tensor(a) for a in arrays], **settings)
    np.testing.assert_allclose(grad.kernel(np, *arrays, **settings), chain.numpy(), atol=1e-14)


def test_cross_entropy_keeps_the_logits_and_one_number_a_row() -> None:
    logits = Tensor(np.zeros((64, 100), "float32"), requires_grad=True)
    loss = F.cross_entropy(logits, Tensor(np.zeros(64, np.int64)))
    assert saved_bytes(loss) == 64 * 100 * 4 + 64 * 8 + 64 * 4  # logits, targets, logsumexp


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["int32", "int64", "uint8"])
def test_losses_keep_the_dtype(dtype: str, kind: str) -> None:
    logits = Tensor(RNG.normal(size=(3, 4)).astype(dtype), requires_grad=True)
    loss = F.cross_entropy(logits, Tensor(np.array([0, 3, 1], kind)), label_smoothing=0.1)
    loss.backward()
    assert loss.dtype == dtype and logits.grad.dtype == dtype


def test_losses_are_modules_that_show_their_settings() -> None:
    loss = nn.CrossEntropyLoss(weight=Tensor([1.0, 2.0]), label_smoothing=0.1)
    assert isinstance(loss, nn.Module) and "label_smoothing=0.1" in repr(loss)
    assert list(loss.state_dict()) == ["weight"]
    x, y = Tensor([[0.5, -1.0]]), Tensor([1])
    assert loss(x, y).item() == F.cross_entropy(x, y, Tensor([1.0, 2.0]), label_smoothing=0.1).item()
    pair = Tensor([0.3, -2.0]), Tensor([1.0, 0.0])
    assert nn.MSELoss("sum")(*pair).item() == F.mse_loss(*pair, reduction="sum").item()
    weighted = nn.BCEWithLogitsLoss(pos_weight=Tensor([2.0]))(*pair).item()
    assert weighted == F.binary_cross_entropy_with_logits(*pair, pos_weight=2.0).item()


def test_empty_batches() -> None:
    empty = Tensor(np.zeros((0, 3), "float32"))
    assert math.isnan(F.cross_entropy(empty, Tensor(np.zeros(0, np.int64))).item())
    assert F.cross_entropy(empty, Tensor(np.zeros(0, np.int64)), reduction="sum").item() == 0.0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: F.mse_loss(Tensor([1.0, 2.0]), Tensor([[1.0], [2.0]])), r"\(2,\) and \(2, 1\)"),
        (lambda: F.mse_loss(Tensor([1.0]), 1.0), "two tensors"),
        (lambda: F.mse_loss(Tensor([1.0]), Tensor([1.0]), "average"), "'average'"),
        (lambda: nn.MSELoss("average"), "'average'"),
        (lambda: F.cross_entropy(Tensor([[1.0, 2.0]]), Tensor([2])), "classes from 0 to 1"),
        (lambda: F.cross_entropy(Tensor([[1.0, 2.0]]), Tensor([-1])), "found -1 at position 0"),
        (lambda: F.cross_entropy(Tensor([[1.0, 2.0]]), Tensor([1.0])), "target.long()"),
        (lambda: F.cross_entropy(Tensor([[1.0, 2.0]]), Tensor([[1]])), r"class(es)? .*\(1,\)"),
        (lambda: F.cross_entropy(Tensor([[1, 2]]), Tensor([1])), "floating logits"),
        (lambda: F.cross_entropy(Tensor([[1.0, 2.0]]), Tensor([1]), label_smoothing=2.0), "from 0 to 1"),
    ],
)
def test_losses_refuse_with_a_sentence(wrong: Any, words: str) -> None:
    with pytest.raises((tinytorch.TinyTorchError,), match=words):
        wrong()


# ---- the Trainer


def line(callbacks: Any = (), lr: float = 0.1, **settings: Any) -> tuple[Trainer, list]:
    """One weight that learns to double, and its batches."""
    model = nn.Linear(1, 1)
    with tinytorch.no_grad():
        model.weight.zero_()
        model.bias.zero_()
    x = np.linspace(-1, 1, 12, dtype="float32").reshape(12, 1)
    batches = [(Tensor(x[i : i + 4]), Tensor(2 * x[i : i + 4])) for i in range(0, 12, 4)]
    return Trainer(model, SGD(model.parameters(), lr=lr), F.mse_loss, callbacks=callbacks, **settings), batches


def test_regression_has_no_accuracy() -> None:
    trainer, batches = line()
    history = trainer.fit(batches, batches, epochs=30)
    assert set(history) == {"train_loss", "validation_loss", "lr", "seconds"}
    assert history["validation_loss"][-1] < 0.05 and set(evaluate_model(trainer.model, batches, F.mse_loss)) == {"loss"}


LINEAR = nn.Linear(1, 1)
REFUSALS = {
    "a function as model": (lambda: Trainer(len, SGD(LINEAR.parameters()), F.mse_loss), "a Module as model"),
    "a module as optimizer": (lambda: Trainer(LINEAR, LINEAR, F.mse_loss), "an Optimizer"),
    "a string as loss": (lambda: Trainer(LINEAR, SGD(LINEAR.parameters()), "mse"), "a loss that can be called"),
    "a schedule by number": (lambda: Trainer(LINEAR, SGD(LINEAR.parameters()), F.mse_loss, 0.1), "an LRScheduler"),
    "foreign parameters": (lambda: Trainer(LINEAR, SGD(nn.Linear(1, 1).parameters()), F.mse_loss), "none of the model"),
    "accumulate 0": (lambda: line(accumulate=0), "accumulate"),
    "clip_norm 0": (lambda: line(clip_norm=0.0), "clip_norm"),
    "interval": (lambda: line(scheduler_interval="batch"), "'epoch' or 'step'"),
    "half an epoch": (lambda: line()[0].fit([1], epochs=0.5), "whole number of epochs"),
    "an iterator": (lambda: line()[0].fit(iter([1])), "read anew each epoch"),
    "no batches": (lambda: line()[0].fit([]), "length 0"),
    "batches of three": (lambda: line()[0].fit([(1, 2, 3)]), "found 3 parts"),
    "an empty validation": (lambda: line()[0].fit(line()[1], iter(())), "at least one batch"),
    "patience 0": (lambda: EarlyStopping(patience=0), "patience"),
    "mode": (lambda: EarlyStopping(mode="best"), "'min' or 'max'"),
    "every 0 steps": (lambda: Checkpointer("x", every_steps=0), "every_steps"),
    "an unknown metric": (lambda: line([EarlyStopping("f1")])[0].fit(line()[1]), "'f1'"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_cannot_work_is_refused_with_a_sentence(what: str) -> None:
    wrong, words = REFUSALS[what]
    with pytest.raises(TrainingError, match=words):
        wrong()
    with pytest.raises(NotImplementedError, match="13"):
        line(device="cuda")


def test_schedulers_are_stepped_as_they_ask() -> None:
    for make, expected in (
        (lambda o: lr_scheduler.StepLR(o, 1, gamma=0.5), [0.1, 0.05]),
        (lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=6), None),
    ):
        trainer, batches = line()
        scheduler = make(trainer.optimizer)
        trainer = Trainer(trainer.model, trainer.optimizer, trainer.loss, scheduler)
        history = trainer.fit(batches, epochs=2)
        if expected is None:
            assert scheduler.last_epoch == 6
        else:
            assert history["lr"] == expected


def test_a_seed_repeats_a_run() -> None:
    finals = []
    for _ in range(2):
        trainer, _ = line(seed=4)
        finals.append(tinytorch.rand(3).tolist())
    assert finals[0] == finals[1] and trainer.epoch == 0


def test_early_stopping_brings_the_best_weights_back() -> None:
    stopper = EarlyStopping("validation_loss", patience=2, restore_best=True)
    trainer, batches = line([stopper], lr=2.2)  # every step overshoots: the first epoch is the best
    seen: list[float] = []

    class Watch(Callback):
        def on_epoch_end(self, trainer: Any, metrics: dict) -> None:
            seen.append(trainer.model.weight.item())

    trainer.callbacks.insert(0, Watch())
    trainer.fit(batches, batches, epochs=20)
    best = int(np.argmin(trainer.history["validation_loss"]))
    assert trainer.epoch == best + 3 < 20 and "no improvement for 2 epochs" in trainer.stop_reason
    assert trainer.model.weight.item() == seen[best]
    trainer.fit(batches, batches, epochs=20)
    assert trainer.epoch == best + 3, "a run that was stopped stays stopped"


def test_accuracy_is_monitored_upwards() -> None:
    stopper = EarlyStopping("validation_accuracy", patience=1)
    values = iter([0.5, 0.6, 0.55])
    assert [stopper.monitor.improved({"validation_accuracy": v}) for v in values] == [True, True, False]


def test_a_time_budget_ends_the_run_behind_a_step() -> None:
    class Slow(Callback):
        def on_step_end(self, trainer: Any, metrics: dict) -> None:
            time.sleep(0.02)

    trainer, batches = line([Slow(), TimeBudget(0.05)])
    trainer.fit(batches, epochs=1000)
    assert 2 <= trainer.steps < 30 and "0.05 s is used up" in trainer.stop_reason


def test_callbacks_hear_everything_in_order() -> None:
    heard: list[str] = []

    class Ear(Callback):
        def __init__(self, name: str, order: int = 0) -> None:
            self.name, self.order = name, order

        def __getattribute__(self, key: str) -> Any:
            if key.startswith("on_"):
                return lambda *args: heard.append(f"{self.name}.{key}")
            return super().__getattribute__(key)

    trainer, batches = line([Ear("late", 10), Ear("a")])
    trainer.fit(batches[:1], epochs=1)
    events = ["on_fit_begin", "on_epoch_begin", "on_step_end", "on_epoch_end", "on_fit_end"]
    assert heard == [f"{name}.{event}" for event in events for name in ("a", "late")]
    heard.clear()
    with pytest.raises(TrainingError):
        trainer.fit([(1, 2, 3)], epochs=2)
    assert heard[-1] == "late.on_error" and "a.on_fit_end" not in heard


# ---- diagnostics


def test_the_cause_of_a_nan_is_named() -> None:
    trainer, batches = line()
    nan = Tensor(np.full((4, 1), np.nan, "float32"))
    with pytest.raises(TrainingError, match="the batch itself holds NaN"):
        trainer.fit([(nan, nan)])
    trainer, batches = line()
    with tinytorch.no_grad():
        trainer.model.bias.fill_(math.inf)
    with pytest.raises(TrainingError, match="parameter bias holds NaN or inf"):
        trainer.fit(batches)
    trainer, batches = line()
    trainer.loss = lambda out, target: (out * 0).abs().sqrt().sum()  # the slope of a root at 0 is infinite
    with pytest.raises(TrainingError, match=r"gradients became nan .* first in weight"):
        trainer.fit(batches)
    assert trainer.model.weight.item() == 0.0


def healthy(health: Health, losses: list, norms: list) -> list[str]:
    return [m for loss, norm in zip(losses, norms, strict=True) for m in health.check(LINEAR, loss, norm, [])]


def test_exploding_vanishing_and_stuck_are_said_once() -> None:
    falling = list(np.geomspace(2.0, 0.1, 300))
    assert healthy(Health(), falling, [1.0] * 300) == []
    exploding = healthy(Health(), falling[:60], [1.0] * 30 + [5000.0] * 30)
    assert len(exploding) == 1 and "5,000 times the usual" in exploding[0] and "clip_norm" in exploding[0]
    vanishing = healthy(Health(), falling, [1e-9] * 300)
    assert len(vanishing) == 1 and "below 1e-07 for 20 steps" in vanishing[0]
    stuck = healthy(Health(), [2.303] * 300, [1.0] * 300)
    assert len(stuck) == 1 and "has not moved in 200 steps" in stuck[0]
    assert healthy(Health(), [1e-6] * 300, [1e-9] * 300) == [], "a run that has arrived is not stuck"


def test_a_warning_finds_a_listener_or_becomes_a_python_warning() -> None:
    trainer, _ = line()
    with pytest.warns(TrainingWarning, match="look here"):
        trainer.warn("look here")
    stream = io.StringIO()
    trainer, _ = line([ProgressBar(stream, always=True)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.warn("look here")
    assert stream.getvalue() == "Warning: look here\n" and trainer.warnings == ["look here"]


# ---- what people see


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_bar_writes_to_terminals_only() -> None:
    silent, terminal = io.StringIO(), Terminal()
    for stream in (silent, terminal):
        trainer, batches = line([ProgressBar(stream)])
        trainer.fit(batches, epochs=2)
    assert silent.getvalue() == ""
    text = terminal.getvalue()
    assert "epoch 1/2" in text and "3/3" in text and "train_loss" in text and text.endswith(" s\n")


def test_text_pictures() -> None:
    curve = text_curve([4.0, 3.0, math.nan, 1.0], width=10, height=4, label="loss")
    assert curve.splitlines() == ["loss", "4 │•", "  │ •", "  │", "1 │   •", "  └────"]
    assert text_curve([], label="loss") == "loss (nothing to draw)"
    assert len(text_curve(list(range(1000)), width=30).splitlines()[-1]) <= 30 + 8
    table = text_confusion_matrix(np.array([[3, 1], [0, 0]]), ["cat", "dog"]).splitlines()
    assert "75.0%" in table[1] and "–" in table[2] and table[0].split() == ["cat", "dog", "correct"]


def test_pictures_are_written(tmp_path: Path) -> None:
    history = {"train_loss": [2.0, 1.0], "validation_loss": [2.1, 1.2], "train_accuracy": [0.1, 0.5], "lr": [0.1, 0.1]}
    for path in (
        plot_training_history(history, tmp_path / "history.png"),
        plot_confusion_matrix(np.array([[3, 1], [0, 2]]), ["cat", "dog"], tmp_path / "matrix.png"),
    ):
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000
    for wrong, words in (
        (lambda: plot_training_history({}), "found nothing"),
        (lambda: plot_training_history(history, tmp_path / "none" / "x.png"), "existing folder"),
        (lambda: plot_training_history(history, tmp_path / "x.bmp"), r"\.png"),
        (lambda: plot_confusion_matrix(np.ones((2, 3))), "square matrix"),
    ):
        with pytest.raises(TrainingError, match=words):
            wrong()


def test_without_matplotlib_plots_say_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(TrainingError, match=r"pip install 'tinytorch\[plot\]'"):
        plot_training_history({"train_loss": [1.0]}, tmp_path / "x.png")


def test_the_confusion_matrix_has_as_many_classes_as_logits() -> None:
    class Always(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Tensor(np.tile(np.float32([0.0, 1.0, 0.0]), (x.shape[0], 1)))

    batches = [(Tensor(np.zeros((2, 1))), Tensor([0, 2])), (Tensor(np.zeros((1, 1))), Tensor([1]))]
    model = Always()
    assert compute_confusion_matrix(model, batches).tolist() == [[0, 1, 0], [0, 1, 0], [0, 1, 0]]
    assert model.training
