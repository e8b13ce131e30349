"""`tito train` from outside: what it trains on, what it reports, and that a stopped run goes on to the same bits."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.tito.command import SECONDS, TITO, fail, records, tito
from tito.course.model import load_course
from tito.course.solutions import stub_out
from tito.course.view import ModuleView
from tito.project import Project, find_project

PROJECT = find_project(Path(__file__))
SMALL = ("--subset", "640", "--batch-size", "64", "--threads", "1")
STEPS = 10  # of an epoch over so many images
WHOLE = ("cifar10", "--epochs", "3", "--seed", "5", *SMALL)
MNIST = tuple(f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))


@pytest.fixture(scope="module", autouse=True)
def no_real_images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A data folder in which CIFAR-10 and MNIST lie damaged: nothing is downloaded, and the embedded images serve."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("cifar-10-batches-bin/data_batch_1.bin", *(f"mnist/{stem}.gz" for stem in MNIST)):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"damaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYTORCH_DATA", str(folder))
        yield


def train(*arguments: str) -> list[dict[str, Any]]:
    """Run `tito train ARGUMENTS --json` to its end; the records without those of single steps."""
    done = tito(PROJECT.root, "train", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done
    return [event for event in records(done.stdout) if event["event"] != "step"]


def of_kind(kind: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


@dataclass(frozen=True)
class Run:
    """A run that went through."""

    folder: Path
    events: list[dict[str, Any]]

    @property
    def result(self) -> dict[str, Any]:
        return self.events[-1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three epochs without a stop."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return Run(folder, train(*WHOLE, "--output", str(folder)))


# ---- a whole run ---------------------------------------------------------------------------------------------------


def test_a_run_reports_its_images_its_epochs_and_its_result(whole: Run) -> None:
    kinds = [event["event"] for event in whole.events]
    assert kinds == ["data", "baseline", "plan", "epoch", "epoch", "epoch", "result"]
    data, epochs, result = whole.events[0], of_kind("epoch", whole.events), whole.result
    assert data["source"] == "synthetic" and "CIFAR-10 could not be had" in data["why"]
    assert (data["train"], data["test"]) == (640, 2000)
    assert [event["epoch"] for event in epochs] == [1, 2, 3]
    assert len(result["losses"]) == 3 * STEPS and result["epochs"] == 3
    assert 0 < result["epoch_seconds"] < result["seconds"]
    rows = result["confusion"]
    assert sum(map(sum, rows)) == 2000
    assert result["test_accuracy"] == sum(rows[i][i] for i in range(10)) / 2000
    assert result["test_accuracy"] == pytest.approx(epochs[-1]["test_accuracy"])


def test_a_run_leaves_its_files(whole: Run) -> None:
    assert all((whole.folder / name).is_file() for name in whole.result["files"])
    written = json.loads((whole.folder / "result.json").read_text())
    assert written["test_accuracy"] == whole.result["test_accuracy"]


def test_the_network_beats_nearest_neighbours_on_the_generated_images(whole: Run) -> None:
    assert whole.result["test_accuracy"] > whole.result["baseline"] + 0.1
    assert whole.result["baseline"] > 0.12, "on ten classes nearest neighbours are better than guessing"


def test_mnist_falls_back_on_the_digits_and_the_seed_decides_the_weights(tmp_path: Path) -> None:
    accuracies, models = [], []
    for seed in ("1", "2"):
        events = train("mnist", "--seed", seed, "--threads", "1", "--output", str(tmp_path / seed))
        assert events[0]["source"] == "digits" and events[0]["test"] == 360
        accuracies.append(events[-1]["test_accuracy"])
        models.append((tmp_path / seed / "model.safetensors").read_bytes())
    assert models[0] != models[1]
    assert min(accuracies) > 0.95, accuracies


def test_plain_text_says_what_to_beat_and_what_came_out(tmp_path: Path) -> None:
    done = tito(PROJECT.root, "train", "cifar10", "--epochs", "1", *SMALL, "--output", str(tmp_path / "run"))
    assert (done.returncode, done.stderr) == (0, ""), done
    parts = (
        "Data: generated images",
        "could not be had",
        "To beat:",
        "Epoch 1/1",
        "Confusion matrix",
        "Test accuracy:",
    )
    for part in parts:
        assert part in done.stdout, f"{part} is missing in\n{done.stdout}"
    assert "\x1b" not in done.stdout and "\r" not in done.stdout


def test_a_terminal_gets_a_progress_bar_with_live_metrics(tmp_path: Path) -> None:
    parent, child = pty.openpty()
    options = ["mnist", "--epochs", "1", "--threads", "1", "--output", str(tmp_path / "run")]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    process = subprocess.Popen([TITO, "train", *options], cwd=PROJECT.root, stdout=child, env=environment)
    os.close(child)
    shown = b"".join(iter(lambda: _read(parent), b"")).decode()
    os.close(parent)
    assert process.wait(SECONDS) == 0, shown
    assert "━" in shown and re.search(r"12/12.*loss \d\.\d{3} +accuracy", shown), shown
    assert "Test accuracy:" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other end is closed
        return b""


def test_a_budget_shortens_the_number_of_epochs_and_says_so(tmp_path: Path) -> None:
    events = train("cifar10", "--epochs", "500", "--budget", "0.05", *SMALL, "--output", str(tmp_path / "run"))
    (plan,) = of_kind("plan", events)
    assert 1 <= plan["epochs"] < 500 and "0.05 minutes" in plan["why"]
    assert len(of_kind("epoch", events)) == plan["epochs"]


# ---- stopping and going on -----------------------------------------------------------------------------------------


def test_a_stopped_run_goes_on_to_the_same_bits(whole: Run, tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    last = stop([*WHOLE, "--output", str(folder)], signal.SIGINT, lambda event: event.get("epoch") == 2)
    assert last["event"] == "stopped"
    assert STEPS < last["step"] < 2 * STEPS, f"it was to be stopped in the middle of epoch 2, found step {last['step']}"
    assert not (folder / "result.json").exists()

    events = train("cifar10", "--resume", "--output", str(folder))
    (plan,) = of_kind("plan", events)
    assert plan["start"] == last["step"]
    assert [event["epoch"] for event in of_kind("epoch", events)] == [2, 3]
    assert (folder / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()
    for same in ("losses", "confusion", "test_accuracy"):
        assert events[-1][same] == whole.result[same]


def test_a_run_killed_before_its_first_step_starts_there(tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    options = ["mnist", "--epochs", "1", "--threads", "1", "--output", str(folder)]
    last = stop(options, signal.SIGTERM, lambda event: event["event"] == "data")
    assert (last["event"], last["step"]) == ("stopped", 0)
    assert train("mnist", "--resume", "--output", str(folder))[-1]["epochs"] == 1


def stop(arguments: list[str], how: signal.Signals, when: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Start a run, send the signal at the first record for which `when` holds; the last record."""
    with subprocess.Popen(
        [str(TITO), "train", *arguments, "--json"],
        cwd=PROJECT.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if when(json.loads(line)):
                process.send_signal(how)
                break
        rest = process.stdout.read()
        assert (process.wait(SECONDS), process.stderr.read()) == (130, "")
    return records(rest)[-1]


# ---- what cannot be done -------------------------------------------------------------------------------------------


def test_resuming_takes_no_new_settings(tmp_path: Path) -> None:
    said = fail(PROJECT.root, "train", "cifar10", "--resume", "--lr", "0.1", "--output", str(tmp_path), code=2)
    assert "expected --resume without new settings, found lr" in said


def test_resuming_where_nothing_lies_is_one_sentence(tmp_path: Path) -> None:
    said = fail(PROJECT.root, "train", "cifar10", "--resume", "--output", str(tmp_path), code=2)
    assert "expected a run in" in said and "run.json" in said


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the course without a package."""
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(PROJECT.root / "modules", root / "modules")
    return Project(root)


def test_without_modules_the_next_one_to_complete_is_named(copy: Project) -> None:
    said = fail(copy.root, "train", "cifar10")
    assert "08_dataloader, 09_autograd" in said and "continue with `tito module complete setup`" in said
    assert not (copy.root / "runs").exists()


def test_an_unfinished_function_is_named(copy: Project, tmp_path: Path) -> None:
    module = load_course(copy).module("optimizers")
    source = module.dev_file(copy)
    view = ModuleView(module, source.read_text())
    region = next(region for region in view.regions if region.qualname == "clip_grad_norm_")
    source.write_text(stub_out(view.text, region))
    exported = tito(copy.root, "module", "export", "--all")
    assert exported.returncode == 0, exported
    said = fail(copy.root, "train", "cifar10", *SMALL, "--output", str(tmp_path / "run"))
    assert "found clip_grad_norm_: not implemented yet: complete it" in said
