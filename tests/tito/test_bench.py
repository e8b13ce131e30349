"""`tito bench kernels` and `tito system warmup`: every kernel has a size, and what is reported was really run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tito.command import fail, records, succeed, tito
from tests.tito.toy import Toy
from tinytorch.core.engine import KERNELS, Kernel, primitive
from tito.bench.child import measuring, warming
from tito.bench.child.sizes import Case, cases_of
from tito.project import find_project

ROOT = find_project(Path(__file__)).root
COMPILED = sorted(name for name, backend in KERNELS if backend == "numba")
QUICK = ("sgd_step", "adam_step")


# ---- sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPILED)
def test_every_kernel_has_a_size_that_it_accepts(name: str) -> None:
    cases = cases_of(name, warming.MANY)
    assert cases, f"{name}: a row of KERNELS without a size: write one in tito/bench/child/sizes_of_*.py"
    for case in cases:
        assert KERNELS[name, "numba"].accepts(case.arrays, case.params), f"{name} refuses {case.size}"
    assert len({case.size for case in cases}) == len(cases), f"{name}: two cases with the same words"


@pytest.mark.parametrize("name", COMPILED)
def test_the_reference_takes_the_same_arrays(name: str) -> None:
    for case in cases_of(name, warming.FEW):
        with np.errstate(all="ignore"):
            primitive(name).kernel(np, *case.arrays, **case.params)


# ---- measuring ------------------------------------------------------------------------------------------------------


def test_kernel_and_reference_run_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def turn(kernel: Any, case: Case) -> float:
        from tinytorch import backends

        seen.append(backends.current())
        return 1.0 if backends.current() == "numba" else 4.0

    monkeypatch.setattr(measuring, "turn", turn)
    found = measuring.in_turns("relu", Case("one", [np.ones(1, "float32")], {}), rounds=3)
    assert found["ratios"] == [0.25] * 3 and found["median"] == found["best"] == 0.25
    assert seen == ["numpy", "numba", "numba", "numpy", "numpy", "numba", "numba", "numpy"]


def test_a_turn_calls_until_its_time_is_over() -> None:
    calls: list[int] = []
    seconds = measuring.turn(lambda xp, *arrays, **params: calls.append(1), Case("none", [], {}))
    assert 0 < seconds < measuring.TURN_SECONDS and len(calls) > measuring.TURN_CALLS


def test_bench_kernels_reports_and_writes(tmp_path: Path) -> None:
    file = tmp_path / "results" / "kernels.json"
    options = ("--rounds", "2", "--threads", "1", "--output", str(file), "--json")
    found = records(succeed(ROOT, "bench", "kernels", *QUICK, *options))
    assert {event["name"] for event in found[:-1]} == set(QUICK)
    assert found[-1] == {"event": "result", "kernels": 2, "threads": 1, "rounds": 2}
    for event in found[:-1]:
        assert len(event["ratios"]) == 2 and event["low"] <= event["median"] <= event["high"] and event["best"] > 0
    record = json.loads(file.read_text(encoding="utf-8"))
    assert [kernel["size"] for kernel in record["kernels"]] == [event["size"] for event in found[:-1]]
    assert record["threads"] == 1 and record["machine"]["processor"] and record["format"] == 1


def test_bench_kernels_prints_a_table() -> None:
    lines = succeed(ROOT, "bench", "kernels", "sgd_step", "--rounds", "1").splitlines()
    assert lines[0].split() == ["kernel", "size", "ratio", "middle", "half"]
    assert lines[-1].startswith("4 sizes of 1 kernels, threads: "), lines


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("bench", "kernels", "conv5d"), 1, "expected names of operations with a compiled kernel, found 'conv5d'"),
        (("bench", "kernels", "--threads", "0"), 2, "expected --threads of at least 1, found 0"),
        (("bench", "kernels", "--rounds", "0"), 2, "expected --rounds of at least 1, found 0"),
        (("bench", "kernels", "--output", "tito"), 2, "expected a file for --output, found the folder tito"),
        (("bench", "kernels", "--output", "README.md/x.json"), 2, "found that README.md cannot be made (File exists)"),
        (("bench", "kernels", "--output", "/proc/none/x"), 2, "found that /proc/none cannot be made"),
        (("system", "warmup", "conv5d"), 1, "expected names of operations with a compiled kernel, found 'conv5d'"),
    ],
)
def test_refusals(arguments: tuple[str, ...], code: int, sentence: str) -> None:
    assert sentence in fail(ROOT, *arguments, code=code)


@pytest.mark.parametrize("command", [("bench", "kernels"), ("system", "warmup")])
def test_without_kernels(command: tuple[str, ...], toy: Toy) -> None:
    succeed(toy.project.root, "module", "export", "--all")
    assert "13_kernels" in fail(toy.project.root, *command)


# ---- warmup ---------------------------------------------------------------------------------------------------------


def test_warmup_calls_no_kernel_with_what_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    row = Kernel(lambda xp, a, b: seen.append(a.shape), supports=lambda a, b: len(a) > warming.FEW)
    monkeypatch.setitem(KERNELS._rows, ("matmul", "numba"), row)
    warming.call("matmul")
    assert min(len(case.arrays[0]) for case in cases_of("matmul", warming.FEW)) == warming.FEW
    assert seen and min(shape[0] for shape in seen) > warming.FEW


def test_warmup_compiles_and_the_next_one_reads(tmp_path: Path) -> None:
    first, second = (
        records(tito(ROOT, "system", "warmup", *QUICK, "--json", XDG_CACHE_HOME=str(tmp_path)).stdout) for _ in range(2)
    )
    assert first[0]["event"] == "start" and first[0]["kernels"] == 2 and str(tmp_path) in first[0]["folder"]
    assert sorted(event["name"] for event in first[1:-1]) == sorted(QUICK)
    assert [event["done"] for event in first[1:-1]] == [1, 2]
    made = first[-1]["compiled"]
    assert made >= 2 and first[-1]["read"] == 0, first[-1]
    assert (second[-1]["compiled"], second[-1]["read"]) == (0, made), second[-1]
    assert second[-1]["event"] == "result" and second[-1]["kernels"] == 2


def test_warmup_in_words() -> None:
    text = succeed(ROOT, "system", "warmup", "sgd_step")
    assert text.startswith("1 kernel is ready: ") and text.count("\n") == 1


def test_warmup_where_the_cache_cannot_be_written() -> None:
    done = tito(ROOT, "system", "warmup", "sgd_step", XDG_CACHE_HOME="/proc/nowhere")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("TinyTorch cannot keep compiled kernels in /proc/nowhere"), done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [("bench", "kernels"), ("system", "warmup")])
@pytest.mark.parametrize(
    ("missing", "found"), [("numba", "it is not installed"), ("llvmlite", "numba cannot be imported")]
)
def test_without_numba(tmp_path: Path, command: tuple[str, ...], missing: str, found: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{missing!r}] = None\n", encoding="utf-8")
    done = tito(ROOT, *command, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"expected Numba to compile the kernels, found {found}"), done.stderr
    assert done.stderr.endswith(": pip install numba.\n") and done.stderr.count("\n") == 1, done.stderr
