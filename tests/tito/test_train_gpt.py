"""`tito train gpt` and `tito generate` from outside: what they read and write, and that a stopped run loses nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.tito.command import SECONDS, TITO, fail, records, succeed, tito
from tinytorch.models import GPTConfig, TinyGPT
from tinytorch.text import CharTokenizer, save_gpt
from tito.commands.train_text_view import TextLines
from tito.project import find_project
from tito.training.recipes import RECIPES, TextRecipe, adjusted
from tito.training.runs import BEST, MODEL, Job, new_run, read_job

ROOT = find_project(Path(__file__)).root
TINY = ("--layers", "1", "--heads", "2", "--width", "16", "--context", "16", "--threads", "1")
WHOLE = ("--steps", "48", "--seed", "3", "--dropout", "0.1", *TINY)


@pytest.fixture(scope="module", autouse=True)
def no_shakespeare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A data folder in which the text lies damaged: nothing is downloaded, and generated plays serve."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "tinyshakespeare").mkdir()
    (folder / "tinyshakespeare" / "input.txt").write_text("damaged")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYTORCH_DATA", str(folder))
        yield


def train(*arguments: str) -> list[dict[str, Any]]:
    """Run `tito train gpt ARGUMENTS --json` to its end; the records without those of single steps."""
    done = tito(ROOT, "train", "gpt", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done
    return [event for event in records(done.stdout) if event["event"] != "step"]


def generate(*arguments: str) -> str:
    """What `tito generate ARGUMENTS` prints."""
    done = tito(ROOT, "generate", *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@dataclass(frozen=True)
class Run:
    """A run that went through."""

    folder: Path
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return Run(folder, train(*WHOLE, "--output", str(folder)))


def test_a_run_reports_its_text_its_checks_with_samples_and_its_result(whole: Run) -> None:
    kinds = [event["event"] for event in whole.events]
    assert kinds == ["data", "baseline", "plan", *["check", "sample"] * 8, "result"]
    data, result = whole.events[0], whole.events[-1]
    assert data["source"] == "generated" and "tinyshakespeare could not be had" in data["why"]
    assert (data["train"], data["test"], data["characters"]) == (360_000, 40_000, 400_000)
    losses = [event["validation_loss"] for event in whole.events if event["event"] == "check"]
    assert losses[-1] < losses[0] and abs(result["validation_loss"] - losses[-1]) < 0.1
    assert len(result["losses"]) == result["steps"] == 48 and result["seconds"] > 0
    assert result["bits_per_byte"] == pytest.approx(result["validation_loss"] / 0.693147, rel=1e-4)
    assert 1.5 < result["bigram_loss"] < 2.2
    assert "loss_curve.png" in result["files"]
    assert all((whole.folder / name).stat().st_size > 0 for name in result["files"])
    assert json.loads((whole.folder / "result.json").read_text())["validation_loss"] == result["validation_loss"]


def stop(folder: Path, *options: str, step: int) -> dict[str, Any]:
    """Start a run and send Ctrl-C when the check at `step` or a later one is there; the last record."""
    command = [str(TITO), "train", "gpt", *options, "--output", str(folder), "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for event in map(json.loads, process.stdout):
            if event["event"] == "check" and event["step"] >= step:
                process.send_signal(signal.SIGINT)
                break
        last = records(process.stdout.read())[-1]
        assert process.wait(SECONDS) == 130
    return last


def test_a_stopped_run_goes_on_to_the_same_bits(whole: Run, tmp_path: Path) -> None:
    folder = tmp_path / "stopped"
    last = stop(folder, *WHOLE, step=6)
    assert last["event"] == "stopped" and 6 <= last["step"] < 48
    assert "--resume" in fail(ROOT, "generate", str(folder), code=2)
    events = train("--resume", "--output", str(folder))
    assert events[2]["start"] == last["step"]
    assert (folder / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()
    for same in ("losses", "validation_loss", "sample"):
        assert events[-1][same] == whole.events[-1][same], same


def test_a_text_of_one_s_own_in_byte_pairs(tmp_path: Path) -> None:
    text = tmp_path / "own.txt"
    text.write_text("Größe und Maß, naïve café 🦊, und noch einmal von vorn.\n" * 60, encoding="utf-8")
    options = ("--text", str(text), "--tokenizer", "bytes", "--vocab-size", "300", "--steps", "8", *TINY)
    done = tito(ROOT, "train", "gpt", *options, "--output", str(tmp_path / "run"))
    assert (done.returncode, done.stderr) == (0, ""), done
    for part in ("Data: own.txt", "To beat:", "Step 8/8", "  │ ", "Validation loss:", "tito generate"):
        assert part in done.stdout, f"{part} is missing in\n{done.stdout}"
    assert "\x1b" not in done.stdout
    assert generate(str(tmp_path / "run"), "--prompt", "日本", "--tokens", "5").startswith("日本")


def test_the_weights_of_the_lowest_validation_loss_are_kept(tmp_path: Path) -> None:
    rng, text, folder = random.Random(0), tmp_path / "noise.txt", tmp_path / "run"
    text.write_text("\ufeff" + "".join(rng.choices("abcd\n", k=600)), encoding="utf-8")
    options = ("--text", str(text), "--steps", "64", "--lr", "0.03", "--warmup", "4", "--weight-decay", "0")
    stop(folder, *options, *TINY, step=40)
    train("--resume", "--output", str(folder))
    resumed = (folder / MODEL).read_bytes()
    folder = tmp_path / "whole"
    *events, result = train(*options, *TINY, "--output", str(folder))
    losses = {event["step"]: event["validation_loss"] for event in events if event["event"] == "check"}
    assert result["kept_step"] == min(losses, key=losses.__getitem__) < 64
    assert (folder / MODEL).read_bytes() == resumed, "a resumed run remembers its best weights"
    assert result["validation_loss"] < losses[64] and not (folder / BEST).exists()
    assert events[0]["vocabulary"] == 5, "the mark that some editors put in front of a text is none of its characters"


def test_without_a_prompt_a_text_begins_with_a_new_line(whole: Run) -> None:
    assert generate(str(whole.folder), "--tokens", "3").startswith("\n")


def test_without_a_prompt_or_lines_a_text_begins_with_the_first_token(tmp_path: Path) -> None:
    save_gpt(tmp_path / MODEL, TinyGPT(GPTConfig(2, context=4, layers=1, heads=1, width=4)), CharTokenizer("ab"))
    start, *pieces, result = records(succeed(ROOT, "generate", str(tmp_path / MODEL), "--tokens", "3", "--json"))
    assert start == {"event": "start", "prompt": "a"} and result["prompt"] == "a" and len(pieces) == 3


def test_generation_is_decided_by_its_settings(whole: Run) -> None:
    ada = (str(whole.folder), "--tokens", "40", "--prompt", "Ada: ")
    one, other = (generate(*ada, "--seed", seed) for seed in "12")
    assert one != other
    assert one.startswith("Ada: ") and len(one) == 5 + 40 + 1
    assert generate(*ada, "--temperature", "0", "--seed", "1") == generate(*ada, "--top-k", "1", "--top-p", "0")
    done = tito(ROOT, "generate", str(whole.folder / MODEL), *ada[1:], "--seed", "1", "--json")
    start, *pieces, result = records(done.stdout)
    assert start == {"event": "start", "prompt": "Ada: "}
    assert "".join(piece["text"] for piece in pieces) == result["text"] == one[5:-1]
    assert (result["event"], result["tokens"], result["seed"], result["prompt"]) == ("result", 40, 1, "Ada: ")


@pytest.mark.parametrize("options", [("--json",), ()])
def test_a_text_without_end_is_stopped_and_kept(whole: Run, options: tuple[str, ...]) -> None:
    command = [str(TITO), "generate", str(whole.folder), "--prompt", "Ada: ", "--tokens", str(10**18), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        begun = process.stdout.readline() + process.stdout.readline()
        process.send_signal(signal.SIGINT)
        text = begun + process.stdout.read()
        assert (process.stderr.read(), process.wait(SECONDS)) == ("", 130)
    if not options:
        assert text.startswith("Ada: ") and text.endswith("\n")
        return
    *pieces, last = records(text)
    assert last["event"] == "stopped" and 1 <= last["tokens"] < 10**18
    assert last["text"] == "".join(piece["text"] for piece in pieces[1:]) and len(last["text"]) == last["tokens"]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--prompt", ""), "expected a prompt of at least one character, found an empty one"),
        (("--prompt", "Ada é"), "found 'é' at position 4"),
    ],
)
def test_a_prompt_that_cannot_be_is_one_sentence(whole: Run, options: tuple[str, ...], part: str) -> None:
    assert part in fail(ROOT, "generate", str(whole.folder), *options)


def test_what_is_no_gpt_is_one_sentence(whole: Run, tmp_path: Path) -> None:
    assert "expected a file written by save_gpt" in fail(ROOT, "generate", str(whole.folder / "state.safetensors"))
    assert "expected a run in" in fail(ROOT, "generate", str(tmp_path), code=2)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--width", "10", "--heads", "3"), "expected a width divisible by heads, found width=10 and heads=3"),
        (("--text", "short.txt"), "expected a text of at least"),
        (("--text", "none.txt"), "expected a text file at"),
        (("--text", "latin.txt"), "expected a text in UTF-8"),
        (("--text", "same.txt", "--tokenizer", "bytes"), "expected more than 64 tokens of same.txt for validation"),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(tmp_path: Path, options: tuple[str, ...], part: str) -> None:
    (tmp_path / "short.txt").write_text("too short")
    (tmp_path / "same.txt").write_text("a" * 5000)
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 " * 400)
    given = [str(tmp_path / option) if option.endswith(".txt") else option for option in options]
    assert part in fail(ROOT, "train", "gpt", *given, "--output", str(tmp_path / "run"))
    assert not list((tmp_path / "run").iterdir()), "nothing is left that --resume would find"


def test_a_loss_that_is_not_finite_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show = TextLines(Job(RECIPES["gpt"], seed=0, threads=1), "runs/gpt-001")
    show({"event": "baseline", "loss": "inf"})
    show({"event": "baseline", "loss": -0.0})
    show({"event": "check", "step": 1, "steps": 2, "train_loss": 1.25, "validation_loss": "nan"})
    out = capsys.readouterr().out
    for part in ("a validation loss of inf", "of 0.000", "training loss 1.250, validation loss nan"):
        assert part in out, out


def test_a_text_that_has_changed_is_not_gone_on_with(tmp_path: Path) -> None:
    text, folder = tmp_path / "own.txt", tmp_path / "run"
    text.write_text("The same line again and again.\n" * 40)
    recipe = adjusted(RECIPES["gpt"], {"text": str(text), "context": 16})
    folder.mkdir()
    new_run(find_project(Path(__file__)), Job(recipe, seed=0, threads=1), folder)
    (folder / "plan.json").write_text(json.dumps({"source": str(text), "sha256": "0", "bigram_loss": 1.0}))
    assert "found that it has changed" in fail(ROOT, "train", "gpt", "--resume", "--output", str(folder))


def test_a_text_job_comes_back_from_its_folder_as_it_was(tmp_path: Path) -> None:
    recipe = adjusted(RECIPES["gpt"], {"steps": 30, "lr": 0.5, "tokenizer": "bytes", "seed": 1})
    assert isinstance(recipe, TextRecipe) and (recipe.steps, recipe.checks, recipe.tokenizer) == (30, 6, "bytes")
    job = Job(recipe, seed=1, threads=os.cpu_count() or 1)
    assert read_job(new_run(find_project(Path(__file__)), job, tmp_path)) == job
