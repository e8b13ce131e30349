"""`tito train` from outside: what it trains on, what it reports, and that a stopped run goes on to the same bits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
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


@pytest.fixture
def no_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder in which CIFAR-10 and MNIST lie damaged: nothing is downloaded, and the embedded images serve."""
    folder = tmp_path / "data"
    for name in ("cifar-10-batches-bin/data_batch_1.bin", *(f"mnist/{stem}.gz" for stem in MNIST)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"damaged")
    monkeypatch.setenv("TINYTORCH_DATA", str(folder))
    return folder


MNIST = tuple(f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))


def train(*arguments: str) -> list[dict[str, Any]]:
    """Run `tito train ARGUMENTS --json` to its end; the records without those of single steps."""
    done = tito(PROJECT.root, "train", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done
    return [event for event in records(done.stdout) if event["event"] != "step"]


def of_kind(kind: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


# ---- a whole run ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_cifar")
def test_a_run_reports_its_images_its_epochs_and_its_result(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    events = train("cifar10", "--epochs", "2", *SMALL, "--output", str(folder))
    assert [event["event"] for event in events] == ["data", "baseline", "plan", "epoch", "epoch", "result"]
    data, result = events[0], events[-1]
    assert data["source"] == "synthetic" and "CIFAR-10 could not be had" in data["why"]
    assert (data["train"], data["test"]) == (640, 2000)
    assert [event["epoch"] for event in of_kind("epoch", events)] == [1, 2]
    assert len(result["losses"]) == 2 * STEPS and result["epochs"] == 2
    assert 0 < result["epoch_seconds"] < result["seconds"]
    rows = result["confusion"]
    assert sum(map(sum, rows)) == 2000
    assert result["test_accuracy"] == sum(rows[i][i] for i in range(10)) / 2000
    assert result["test_accuracy"] == pytest.approx(of_kind("epoch", events)[-1]["test_accuracy"])
    assert all((folder / name).is_file() for name in result["files"])
    assert json.loads((folder / "result.json").read_text())["test_accuracy"] == result["test_accuracy"]


@pytest.mark.usefixtures("no_cifar")
def test_the_network_beats_nearest_neighbours_on_the_generated_images(tmp_path: Path) -> None:
    result = train("cifar10", "--epochs", "3", "--subset", "3000", "--output", str(tmp_path / "run"))[-1]
    assert result["test_accuracy"] > result["baseline"] > 0.15, (result["test_accuracy"], result["baseline"])


@pytest.mark.usefixtures("no_cifar")
def test_mnist_falls_back_on_the_digits(tmp_path: Path) -> None:
    events = train("mnist", "--epochs", "8", "--lr", "0.05", "--output", str(tmp_path / "run"))
    assert events[0]["source"] == "digits" and events[0]["test"] == 360
    assert events[-1]["test_accuracy"] > 0.8, events[-1]["test_accuracy"]


@pytest.mark.usefixtures("no_cifar")
def test_plain_text_says_what_to_beat_and_what_came_out(tmp_path: Path) -> None:
    done = tito(PROJECT.root, "train", "cifar10", "--epochs", "1", *SMALL, "--output", str(tmp_path / "run"))
    assert (done.returncode, done.stderr) == (0, ""), done
    for part in (
        "Data: generated images",
        "could not be had",
        "To beat:",
        "Epoch 1/1",
        "Confusion matrix",
        "Test accuracy:",
    ):
        assert part in done.stdout, f"{part} is missing in\n{done.stdout}"
    assert "\x1b" not in done.stdout and "\r" not in done.stdout


@pytest.mark.usefixtures("no_cifar")
def test_a_budget_shortens_the_number_of_epochs_and_says_so(tmp_path: Path) -> None:
    events = train("cifar10", "--epochs", "500", "--budget", "0.05", *SMALL, "--output", str(tmp_path / "run"))
    (plan,) = of_kind("plan", events)
    assert 1 <= plan["epochs"] < 500 and "0.05 minutes" in plan["why"]
    assert len(of_kind("epoch", events)) == plan["epochs"]


@pytest.mark.usefixtures("no_cifar")
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    runs = [("a", "1"), ("b", "1"), ("c", "2")]
    for name, seed in runs:
        train("cifar10", "--epochs", "1", "--seed", seed, *SMALL, "--output", str(tmp_path / name))
    first, again, other = ((tmp_path / name / "model.safetensors").read_bytes() for name, _ in runs)
    assert first == again
    assert first != other


# ---- stopping and going on -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_cifar")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_a_stopped_run_goes_on_to_the_same_bits(how: signal.Signals, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    options = ("cifar10", "--epochs", "3", "--seed", "5", *SMALL)
    train(*options, "--output", str(whole))

    last = stop_in_the_middle([*options, "--output", str(stopped)], how)
    assert last["event"] == "stopped"
    assert STEPS < last["step"] < 2 * STEPS, f"it was to be stopped in the middle of epoch 2, found step {last['step']}"
    assert not (stopped / "result.json").exists()

    events = train("cifar10", "--resume", "--output", str(stopped))
    (plan,) = of_kind("plan", events)
    assert plan["start"] == last["step"]
    assert [event["epoch"] for event in of_kind("epoch", events)] == [2, 3]
    assert (stopped / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    uninterrupted = json.loads((whole / "result.json").read_text())
    assert events[-1]["losses"] == uninterrupted["losses"]
    assert events[-1]["test_accuracy"] == uninterrupted["test_accuracy"]


def stop_in_the_middle(arguments: list[str], how: signal.Signals) -> dict[str, Any]:
    """Start a run, send the signal as soon as a step of the second epoch is reported; the last record."""
    with subprocess.Popen(
        [str(TITO), "train", *arguments, "--json"],
        cwd=PROJECT.root,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if json.loads(line).get("epoch") == 2:
                process.send_signal(how)
                break
        rest = process.stdout.read()
        assert (process.wait(SECONDS), process.stderr.read()) == (130, "")
    return records(rest)[-1]


@pytest.mark.usefixtures("no_cifar")
def test_a_run_stopped_before_its_first_step_starts_from_there(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen(
        [str(TITO), "train", "cifar10", "--epochs", "1", *SMALL, "--output", str(folder)],
        cwd=PROJECT.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Data:")
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(SECONDS) == 130
    assert f"Continue with: tito train cifar10 --resume --output {folder}" in rest
    assert train("cifar10", "--resume", "--output", str(folder))[-1]["event"] == "result"


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
    assert "found 02_tensor" in said and "tito module complete tensor" in said
    assert not (copy.root / "runs").exists()


@pytest.mark.usefixtures("no_cifar")
def test_an_unfinished_function_is_named(copy: Project, tmp_path: Path) -> None:
    module = load_course(copy).module("optimizers")
    source = module.dev_file(copy)
    view = ModuleView(module, source.read_text())
    region = next(region for region in view.regions if region.qualname == "sgd_step_kernel")
    source.write_text(stub_out(view.text, region))
    exported = tito(copy.root, "module", "export", "--all")
    assert exported.returncode == 0, exported
    said = fail(copy.root, "train", "cifar10", *SMALL, "--output", str(tmp_path / "run"))
    assert "found sgd_step_kernel: not implemented yet: complete it" in said
