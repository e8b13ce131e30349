"""Interrupted runs: in one process, between processes, by Ctrl-C, by a kill, with batch norm, with plain lists."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor, nn
from tinytorch.nn import functional as F
from tinytorch.optim import SGD, AdamW, lr_scheduler
from tinytorch.training import Callback, Checkpointer, EarlyStopping, Trainer, TrainingError
from tinytorch.utils.data import DataLoader, TensorDataset

SCRIPT = textwrap.dedent("""
    import os, signal, sys
    from pathlib import Path

    import numpy as np

    import tinytorch
    from tinytorch import Tensor, nn
    from tinytorch.optim import AdamW, lr_scheduler
    from tinytorch.training import Callback, Checkpointer, EarlyStopping, Trainer
    from tinytorch.utils.data import DataLoader, TensorDataset

    def make(seed, callbacks=(), epochs=4):
        tinytorch.manual_seed(seed)
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(30, 3, 8, 8)).astype("float32"), rng.integers(0, 3, 30)
        loader = DataLoader(TensorDataset(Tensor(x), Tensor(y)), batch_size=4, shuffle=True)
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Dropout(0.4), nn.Linear(64, 3),
        )
        optimizer = AdamW(model.parameters(), lr=0.01)
        schedule = lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=epochs * len(loader))
        return Trainer(model, optimizer, nn.CrossEntropyLoss(), schedule, callbacks, accumulate=1), loader

    class At(Callback):
        def __init__(self, step, do):
            self.step, self.do = step, do

        def on_step_end(self, trainer, metrics):
            if trainer.steps == self.step:
                self.do()
""")

MAIN = textwrap.dedent("""
    folder, what = Path(sys.argv[1]), sys.argv[2]
    press = At(11, lambda: os.kill(os.getpid(), signal.SIGINT if what == "ctrl-c" else signal.SIGKILL))
    callbacks = [Checkpointer(folder, every_steps=1 if what == "kill" else None)]
    callbacks += [press] if what in ("ctrl-c", "kill") else []
    trainer, loader = make(2 if what == "resume" else 1, callbacks)
    if what == "resume":
        trainer.load(folder / "last.safetensors")
    trainer.fit(loader, epochs=4)
    print(trainer.interrupted, trainer.steps, trainer.stop_reason)
    if what in ("whole", "resume"):
        found = [trainer.model.state_dict(), trainer.optimizer.state_dict(), trainer.history["train_loss"]]
        tinytorch.save(found, folder / what)
""")

namespace: dict[str, Any] = {}
exec(
    compile(SCRIPT, "the script of test_resume", "exec"), namespace
)  # the same network here and in the child processes
make, At = namespace["make"], namespace["At"]


def child(folder: Path, what: str) -> subprocess.CompletedProcess:
    script = folder / "run.py"
    script.write_text(SCRIPT + MAIN)
    package = Path(tinytorch.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(package), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", str(script), str(folder), what]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def bits(value: Any) -> Any:
    """A nest of tensors as a nest of bytes, to be compared."""
    if isinstance(value, Tensor):
        return value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: bits(v) for key, v in value.items()}
    return [bits(v) for v in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("how", ["ctrl-c", "kill"])
def test_a_run_goes_on_in_another_process_at_the_same_bit(how: str, tmp_path: Path) -> None:
    stopped = child(tmp_path, how)
    if how == "ctrl-c":
        assert stopped.returncode == 0 and stopped.stdout.split()[:2] == ["True", "11"], stopped
    else:
        assert stopped.returncode == -signal.SIGKILL, stopped
    resumed = child(tmp_path, "resume")
    assert resumed.returncode == 0 and resumed.stdout.split()[:2] == ["False", "32"], resumed
    other = tmp_path / "other"
    other.mkdir()
    whole = child(other, "whole")
    assert whole.returncode == 0, whole
    assert bits(tinytorch.load(tmp_path / "resume")) == bits(tinytorch.load(other / "whole"))


def weights(trainer: Trainer) -> Any:
    return bits(trainer.model.state_dict())


def test_running_statistics_and_momentum_are_part_of_it(tmp_path: Path) -> None:
    whole, loader = make(1)
    whole.fit(loader, epochs=2)
    for step in (1, 8, 9, 15, 16):
        first, loader = make(1)
        first.callbacks.append(At(step, lambda first=first: first.stop("here")))
        first.fit(loader, epochs=2)
        first.save(tmp_path / "run")
        second, loader = make(9)
        second.load(tmp_path / "run")
        second.fit(loader, epochs=2)
        assert weights(second) == weights(whole), f"stopped after step {step}"


def test_several_interruptions_in_one_process() -> None:
    whole, loader = make(1)
    whole.fit(loader, epochs=2)
    patient, loader = make(1)
    patient.callbacks.append(Every(3))
    for _ in range(20):
        patient.fit(loader, epochs=2)
        tinytorch.rand(11)  # what others draw in between does not matter
        if patient.epoch == 2:
            break
    assert weights(patient) == weights(whole) and patient.steps == whole.steps


class Every(Callback):
    """Asks for a stop every so many steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_step_end(self, trainer: Any, metrics: dict) -> None:
        if trainer.steps % self.steps == 0:
            trainer.stop("a pause")


def test_a_plain_list_of_batches_is_passed_over_to_the_place(tmp_path: Path) -> None:
    def make_plain() -> tuple[Trainer, list]:
        rng = np.random.default_rng(2)
        model = nn.Linear(2, 1)
        with tinytorch.no_grad():
            model.weight.zero_()
            model.bias.zero_()
        batches = [(Tensor(rng.normal(size=(3, 2))), Tensor(rng.normal(size=(3, 1)))) for _ in range(5)]
        return Trainer(model.double(), SGD(model.parameters(), lr=0.1, momentum=0.9), F.mse_loss, accumulate=2), batches

    whole, batches = make_plain()
    whole.fit(batches, epochs=3)
    for step in range(1, 10):
        first, batches = make_plain()
        first.callbacks.append(At(step, lambda first=first: first.stop("here")))
        first.fit(batches, epochs=3)
        first.save(tmp_path / "run")
        second, batches = make_plain()
        second.load(tmp_path / "run")
        second.fit(batches, epochs=3)
        assert weights(second) == weights(whole), f"stopped after step {step}"


def test_a_second_ctrl_c_stops_at_once_and_spoils_no_file(tmp_path: Path) -> None:
    trainer, loader = make(1, [Checkpointer(tmp_path, every_steps=2)])
    handler = signal.getsignal(signal.SIGINT)

    class Stubborn(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if trainer.steps == 5:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            return x

    trainer.model.add_module("8", Stubborn())
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(loader, epochs=2)
    assert signal.getsignal(signal.SIGINT) is handler
    assert tinytorch.load(tmp_path / "last.safetensors")["progress"]["steps"] == 4


def test_keyboard_interrupts_between_steps_end_the_run_cleanly() -> None:
    class Cut(list):
        def __iter__(self) -> Any:
            yield self[0]
            raise KeyboardInterrupt

    trainer, loader = make(1)
    trainer.fit(Cut(list(loader)), epochs=1)
    assert trainer.interrupted and trainer.steps == 1


def test_a_trainer_runs_in_another_thread() -> None:
    import threading

    trainer, loader = make(1)
    thread = threading.Thread(target=lambda: trainer.fit(loader, epochs=1))
    thread.start()
    thread.join(60)
    whole, loader = make(1)
    whole.fit(loader, epochs=1)
    assert weights(trainer) == weights(whole)


# ---- files


def test_best_and_last_are_kept(tmp_path: Path) -> None:
    keeper = Checkpointer(tmp_path / "run", every_epochs=2, monitor="train_loss")
    trainer, loader = make(1, [keeper])
    trainer.fit(loader, epochs=4)
    losses = trainer.history["train_loss"]
    best = tinytorch.load(keeper.best)
    assert best["progress"]["epoch"] == int(np.argmin(losses)) + 1
    assert tinytorch.load(keeper.last)["progress"]["epoch"] == 4
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["best.safetensors", "last.safetensors"]


def test_the_best_value_is_remembered_over_a_resume(tmp_path: Path) -> None:
    trainer, loader = make(1, [Checkpointer(tmp_path)])
    trainer.fit(loader, epochs=1)
    other, loader = make(1, [Checkpointer(tmp_path), EarlyStopping(patience=3)])
    other.load(tmp_path / "last.safetensors")
    keeper = next(c for c in other.callbacks if isinstance(c, Checkpointer))
    assert keeper.monitor.best == trainer.history["train_loss"][0]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    trainer, loader = make(1)
    trainer.callbacks.append(At(3, lambda: trainer.stop("here")))
    trainer.fit(loader, epochs=4)
    trainer.save(tmp_path / "run")
    tinytorch.save(trainer.model.state_dict(), tmp_path / "model")
    with pytest.raises(TrainingError, match="Is it only a model"):
        trainer.load(tmp_path / "model")
    other, loader = make(1)
    other.load(tmp_path / "run")
    wide = DataLoader(loader.dataset, batch_size=15, shuffle=True)
    with pytest.raises(tinytorch.TinyTorchError, match="batch size"):
        other.fit(wide, epochs=4)
    without = Trainer(other.model, other.optimizer, other.loss)
    with pytest.raises(TrainingError, match="scheduler"):
        without.load(tmp_path / "run")
    model = nn.Linear(2, 2)
    optimizer = AdamW(model.parameters())
    small = Trainer(model, optimizer, F.mse_loss, lr_scheduler.StepLR(optimizer, 1))
    before = weights(small)
    with pytest.raises((tinytorch.TinyTorchError, RuntimeError)):
        small.load(tmp_path / "run")
    assert weights(small) == before and small.steps == 0


def test_a_folder_that_cannot_be_written_is_noticed_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    trainer, loader = make(1, [Checkpointer(tmp_path / "file" / "run")])
    with pytest.raises((TrainingError, OSError)):
        trainer.fit(loader)
    assert trainer.steps == 0


def test_data_that_are_not_shuffled_and_a_validation_loader(tmp_path: Path) -> None:
    data = TensorDataset(Tensor(np.arange(20.0).reshape(10, 2)), Tensor(np.arange(10) % 2))

    def make_one() -> tuple[Trainer, DataLoader]:
        tinytorch.manual_seed(3)
        model = nn.Linear(2, 2).double()
        return Trainer(model, SGD(model.parameters(), lr=1e-3), F.cross_entropy), DataLoader(data, batch_size=3)

    whole, loader = make_one()
    whole.fit(loader, loader, epochs=3)  # one loader for both: its epochs count on, its order is the same
    first, loader = make_one()
    first.callbacks.append(At(6, lambda: first.stop("here")))
    validation = DataLoader(data, batch_size=5)
    first.fit(loader, validation, epochs=3)
    first.fit(loader, validation, epochs=3)
    assert weights(first) == weights(whole)
