"""The benchmarks measure what they say: the protocol of the workers, the statistics, the refusals, the file."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import alternate, report
from benchmarks.libraries import AS_IT_COMES, OURS, THEIRS, load
from benchmarks.setting import BenchmarkError, Setting
from benchmarks.worker import serve
from benchmarks.workloads import (
    WORKLOADS,
    attention,
    attention_memory,
    chain,
    cnn,
    generation,
    gpt,
    importing,
    loading,
    mlp,
    overhead,
    resnet9,
    starting,
)
from tinytorch import get_num_threads, set_num_threads
from tinytorch.core.engine import Watcher, overlay, watchers
from tito.bench.ratios import Summary, summarise, verdict

MISSING = Setting(pytorch=str(Path(__file__).parent / "no-such-python"))


# ---- statistics -----------------------------------------------------------------------------------------------------


def test_summary_of_known_ratios() -> None:
    assert summarise([0.5, 0.1, 0.4, 0.2, 0.3]) == Summary(median=0.3, low=0.2, high=0.4, rounds=5)
    assert summarise([0.7]) == Summary(0.7, 0.7, 0.7, 1)
    with pytest.raises(ValueError, match="expected at least one ratio"):
        summarise([])


@pytest.mark.parametrize(("target", "expected"), [(0.3, "met"), (0.25, "open"), (0.2, "open"), (0.19, "missed")])
def test_verdict(target: float, expected: str) -> None:
    assert verdict(summarise([0.5, 0.1, 0.4, 0.2, 0.3]), target) == expected


@pytest.fixture(autouse=True)
def as_before():
    """The number of threads is the process's: it is put back."""
    threads = get_num_threads()
    yield
    set_num_threads(threads)


# ---- workloads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workload", "settings"),
    [(cnn, {"batch": 2}), (resnet9, {"batch": 2, "width": 8}), (mlp, {"batch": 2}), (gpt, {"batch": 1}), (chain, {})],
)
def test_workloads_make_steps(workload: Any, settings: dict[str, int]) -> None:
    step = workload.prepare(load(OURS, threads=1), **settings)
    losses = [step() for _ in range(3)]
    assert np.isfinite(losses).all()
    assert (losses[2] < losses[0]) is (workload is not chain), f"training lowers the loss: {losses}"


def test_generation_writes_the_same_text_each_time() -> None:
    write = generation.prepare(load(OURS, threads=1))
    assert write() == write() > 0


def test_attention_gives_the_same_sum_each_time() -> None:
    step = attention.prepare(load(OURS, threads=1), length=9)
    assert step() == step() != 0


def test_memory_of_attention_is_that_of_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_memory, "peak", iter([300, 1000]).__next__)
    assert attention_memory.in_child(load(OURS, threads=1), steps=1)["bytes"] == 700


def test_chain_is_one_hundred_operations() -> None:
    class Diary(Watcher):
        def after(self, primitive, inputs, params, outputs, backend, phase, note=None):
            seen.append((primitive.name, phase))

    step, seen = chain.prepare(load(OURS, threads=1)), []
    with overlay(diary=Diary(), **watchers()):
        step()
    forward = [name for name, phase in seen if phase == "forward"]
    assert len(forward) == 101 and forward[-1] == "sum", forward


def test_loading_counts_the_worker_and_the_fetching() -> None:
    (found,) = loading.in_child(load(OURS, threads=1), rounds=1)["rounds"]
    assert 0 < found["cpu_seconds"] < found["seconds"] and 0 <= found["waiting"] < found["seconds"], found


def test_loading_gives_augmented_batches() -> None:
    batches = loading.endless(loading.make_loader(load(OURS, threads=1), workers=0))
    (images, labels, first), (other, _, later) = next(batches), next(batches)
    assert images.shape == other.shape == (loading.BATCH, 3, 32, 32) and labels.shape == (loading.BATCH,)
    assert not np.array_equal(images.numpy(), other.numpy())
    assert later.item() >= first.item() > 0


PEAKS = """
import numpy
from benchmarks.workloads import memory
first = memory.peak()
numpy.ones(1 << 24, "float32")
second = memory.peak()
memory.forget_peak()
print(first, second, memory.peak())
"""


def test_peak_memory_is_that_of_the_steps_alone() -> None:
    command, environment = [sys.executable, "-c", PEAKS], Setting().environment(OURS)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    before, with_block, after = map(int, done.stdout.split())
    block = 4 << 24
    assert with_block - before > block / 2
    assert (with_block - after > block / 2) is Path("/proc/self/clear_refs").exists()


def test_import_seconds() -> None:
    assert 0 < importing.import_seconds(OURS, Setting()) < 60
    with pytest.raises(BenchmarkError, match="expected `import no_such_library` to work, found: ModuleNotFoundError"):
        importing.import_seconds("no_such_library", Setting())


def test_starting_counts_whole_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(starting, "ask", lambda module, library, setting, count: asked.append(library))
    record = starting.measure(Setting(rounds=2))
    assert asked == [OURS, THEIRS] * 3 and len(record["ratios"]) == 2 and "first step" in record["note"]
    assert len(starting.in_child(load(OURS, threads=1), steps=1)["losses"]) == 1


def test_overhead_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "ALTERNATIONS", 2)
    record = overhead.measure("recorded", Setting(rounds=1))
    assert len(record["ratios"]) == 2 and min(record["ratios"]) > 1


# ---- the worker -----------------------------------------------------------------------------------------------------


def test_worker_answers_each_request() -> None:
    made, answers = [], io.StringIO()
    serve(lambda: made.append(1), ['{"steps": 3}\n', '{"steps": 1}\n'], answers)
    first, second = map(json.loads, answers.getvalue().splitlines())
    assert len(first["seconds"]) == 3 and len(second["seconds"]) == 1
    assert len(made) == 3 + 1 + 1 + 1, "before each answer one step is not counted"
    assert min(first["seconds"]) >= 0 and first["cpu_seconds"] >= 0


def test_worker_in_a_process_of_its_own() -> None:
    with alternate.Worker(OURS, "chain", Setting(threads=1)) as worker:
        record = worker.read()
        assert len(worker.steps(2)["seconds"]) == 2
        assert os.getsid(worker.process.pid) != os.getsid(0), "Ctrl-C would reach it, and it would print a traceback"
    assert worker.process.returncode == 0
    assert record["facts"]["threads"] == 1 and record["facts"]["backend"] == "auto"
    assert len(record["losses"]) == 3


def test_a_worker_that_ends_is_told() -> None:
    expected = pytest.raises(BenchmarkError, match="expected steps of TinyTorch, found that its process ended")
    with expected, alternate.Worker(OURS, "no_such_workload", Setting()) as worker:
        worker.read()


# ---- alternation ----------------------------------------------------------------------------------------------------


class FakeWorker:
    """Answers as a worker would; ours takes 1, 2, 3 … seconds a step, theirs always 10."""

    order: ClassVar[list[str]] = []
    losses: ClassVar[dict[str, list[float]]] = {OURS: [2.0, 1.9999], THEIRS: [2.0, 2.0]}

    def __init__(self, library: str, workload: str, setting: Setting) -> None:
        self.library, self.turns = library, 0

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *exception: object) -> None:
        return

    def read(self) -> dict[str, Any]:
        return {"facts": {"version": "1", "allocator": AS_IT_COMES}, "losses": self.losses[self.library]}

    def steps(self, count: int) -> dict[str, Any]:
        self.order.append(self.library)
        seconds = float(self.turns) if self.library == OURS else 10.0
        self.turns += 1
        return {"seconds": [seconds] * count, "cpu_seconds": 2 * seconds * count}


@pytest.fixture
def fake_workers(monkeypatch: pytest.MonkeyPatch) -> type[FakeWorker]:
    monkeypatch.setattr(alternate, "Worker", FakeWorker)
    monkeypatch.setattr(FakeWorker, "order", [])
    return FakeWorker


def test_turns_alternate_and_each_round_gives_a_ratio(fake_workers: type[FakeWorker]) -> None:
    record = alternate.steps_in_turns("cnn", Setting(rounds=3, seconds=45))
    assert record["ratios"] == pytest.approx([0.1, 0.2, 0.3])
    assert record["cpu_ratios"] == pytest.approx([0.1, 0.2, 0.3])
    assert record["steps_a_turn"] == 4, "45 seconds of steps of 10 seconds"
    assert fake_workers.order[2:] == [THEIRS, OURS, OURS, THEIRS, THEIRS, OURS]
    assert record["libraries"][OURS]["step_seconds"] == [1, 2, 3]


def test_what_computes_something_else_is_not_compared(
    fake_workers: type[FakeWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in (2.1, float("nan")):
        monkeypatch.setattr(fake_workers, "losses", {OURS: [2.0, other], THEIRS: [2.0, 2.0]})
        with pytest.raises(BenchmarkError, match="make both compute the same"):
            alternate.steps_in_turns("cnn", Setting(rounds=1))


# ---- the command ----------------------------------------------------------------------------------------------------


def test_without_pytorch_one_sentence_says_how_to_get_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f"#!/bin/sh\nexec {sys.executable} -c \"raise ImportError('no torch here')\"\n", encoding="utf-8")
    bare.chmod(0o755)
    assert command.main(["mlp", "--pytorch", str(bare)]) == 1
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1 and "found 'ImportError: no torch here'" in error and "install torch numpy" in error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["mlp", "--pytorch", MISSING.pytorch], "no-such-python cannot be started (No such file or directory)"),
        (["alexnet"], "expected workloads out of cnn, resnet9, mlp, chain"),
        (["--threads", "0"], "--threads: expected at least 1, found 0"),
        (["--rounds", "-1"], "--rounds: expected at least 1, found -1"),
    ],
)
def test_refusals(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments) == 1
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


def test_quick_is_short_and_rounds_win() -> None:
    assert command.setting_of(command.options(["--quick"])).rounds == command.QUICK["rounds"]
    assert command.setting_of(command.options(["--quick", "--rounds", "7"])).rounds == 7


def test_table_and_file(
    fake_workers: type[FakeWorker], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "require_pytorch", lambda setting: None)
    file = tmp_path / "new" / "results.json"
    assert command.main(["mlp", "cnn", "--rounds", "3", "--threads", "2", "--output", str(file)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[-2][-6:] == ["0.20", "0.15–0.25", "0.10", "≤", "0.5", "met"]
    record = json.loads(file.read_text(encoding="utf-8"))
    assert record["format"] == report.FORMAT and record["threads"] == 2 and record["same_allocator"] is False
    assert {"processor", "cores", "date", "commit", "c_library"} <= record["machine"].keys()
    assert list(record["workloads"]) == ["cnn", "mlp"]
    found = record["workloads"]["cnn"]
    assert found["ratios"] == pytest.approx([0.1, 0.2, 0.3]) and found["summary"]["median"] == pytest.approx(0.2)
    assert found["target"] == WORKLOADS["cnn"].targets[2]
    assert found["libraries"][THEIRS]["facts"]["allocator"] == AS_IT_COMES


def test_a_place_that_cannot_take_the_results_is_told_before_measuring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["forward", "--output", str(tmp_path)]) == 1
    out, error = capsys.readouterr()
    assert out == "" and error.startswith("expected a file for --output, found the folder")
