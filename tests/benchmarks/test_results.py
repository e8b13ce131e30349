"""What is committed under `benchmarks/results/` is whole, agrees with itself, and shows no kernel slower than NumPy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.setting import ROOT, Setting
from benchmarks.workloads import WORKLOADS
from tests.tito.command import succeed
from tinytorch.core.engine import KERNELS
from tito.bench.ratios import summarise

RESULTS = ROOT / "benchmarks" / "results"
FILES = sorted(RESULTS.glob("*.json"))
COMPILED = {name for name, backend in KERNELS if backend == "numba"}
USUAL = {name for name, workload in WORKLOADS.items() if not workload.on_request}
MACHINE = ("processor", "cores", "usable_cores", "load", "system", "python", "date", "commit")


def problems(record: dict[str, Any], *, whole: bool = True) -> list[str]:
    """What is wrong with a file of results, a sentence each. `whole`: all that can be measured must be in it."""
    found = [f"machine: no {key}" for key in MACHINE if record["machine"].get(key) in (None, "")]
    if record["format"] != report.FORMAT:
        found.append(f"format {record['format']}, expected {report.FORMAT}")
    return found + (of_kernels(record, whole) if "kernels" in record else of_workloads(record, whole))


def of_kernels(record: dict[str, Any], whole: bool) -> list[str]:
    measured = {kernel["name"] for kernel in record["kernels"]}
    found = [f"{name}: not measured" for name in sorted(COMPILED - measured) if whole]
    found += [f"{name}: no such kernel" for name in sorted(measured - COMPILED)]
    for kernel in record["kernels"]:
        where = f"{kernel['name']}, {kernel['size']}"
        found += disagreements(where, kernel["ratios"], kernel)
        if len(kernel["ratios"]) != record["rounds"]:
            found.append(f"{where}: {len(kernel['ratios'])} ratios in {record['rounds']} rounds")
        if kernel["median"] > 1:
            found.append(f"{where}: slower than the reference, {kernel['median']:.3f}")
    return found


def of_workloads(record: dict[str, Any], whole: bool) -> list[str]:
    workloads = record["workloads"]
    found = [f"{name}: not measured" for name in sorted(USUAL - set(workloads)) if whole]
    found += [f"{name}: no such workload" for name in sorted(set(workloads) - set(WORKLOADS))]
    for name in set(workloads) & set(WORKLOADS):
        measured, target = workloads[name], WORKLOADS[name].targets.get(record["threads"])
        found += disagreements(name, measured["ratios"], measured["summary"])
        if (measured["title"], measured["target"]) != (WORKLOADS[name].title, target):
            found.append(f"{name}: title or target has changed since")
    return found


def disagreements(where: str, ratios: list[float], summary: dict[str, Any]) -> list[str]:
    """Whether a summary is that of its ratios."""
    expected = vars(summarise(ratios))
    if min(ratios) <= 0:
        return [f"{where}: a ratio of {min(ratios)}"]
    return [
        f"{where}: {key} is {summary[key]}, not {value}" for key, value in expected.items() if summary[key] != value
    ]


def test_committed_results() -> None:
    assert {RESULTS / "cpu.json", RESULTS / "kernels.json"} <= set(FILES)
    found = {file.name: problems(json.loads(file.read_text(encoding="utf-8"))) for file in FILES}
    assert not any(found.values()), found


def test_the_readme_shows_the_table_that_was_measured() -> None:
    record = json.loads((RESULTS / "cpu.json").read_text(encoding="utf-8"))
    rows = [report.row(WORKLOADS[name], measured, record["threads"]) for name, measured in record["workloads"].items()]
    assert report.table(rows) in (RESULTS.parent / "README.md").read_text(encoding="utf-8")


def test_what_bench_kernels_writes(tmp_path: Path) -> None:
    file = tmp_path / "kernels.json"
    succeed(ROOT, "bench", "kernels", "adam_step", "--rounds", "2", "--output", str(file))
    record = json.loads(file.read_text(encoding="utf-8"))
    first = record["kernels"][0]
    first["ratios"], first["median"], first["low"], first["high"] = [0.5, 0.5], 0.5, 0.5, 0.5
    record["kernels"] = [first]
    assert problems(record, whole=False) == []
    assert f"{sorted(COMPILED)[1]}: not measured" in problems(record)
    first["ratios"], first["median"], first["low"], first["high"] = [1.5, 1.5], 1.5, 1.5, 1.5
    assert problems(record, whole=False) == [f"adam_step, {first['size']}: slower than the reference, 1.500"]
    first["median"], record["rounds"], first["name"] = 0.5, 3, "conv5d"
    record["machine"]["processor"] = ""
    assert [text.split(": ")[-1] for text in problems(record, whole=False)] == [
        "no processor", "no such kernel", "median is 0.5, not 1.5", "2 ratios in 3 rounds",
    ]  # fmt: skip


def test_what_the_benchmarks_write(tmp_path: Path) -> None:
    file, measured = tmp_path / "cpu.json", {"ratios": [0.3, 0.1, 0.2], "best": 0.1}
    chosen = [workload for workload in WORKLOADS.values() if not workload.on_request]
    report.write(file, report.results(Setting(), dict.fromkeys(USUAL, measured), chosen))
    record = json.loads(file.read_text(encoding="utf-8"))
    assert problems(record) == []
    record["workloads"]["cnn"]["target"] = 0.7
    record["workloads"]["importing"]["ratios"] = [0.3, 0.1, 0.0]
    record["workloads"]["lenet"] = record["workloads"].pop("mlp")
    record["format"] = 0
    assert sorted(problems(record)) == [
        "cnn: title or target has changed since", "format 0, expected 1", "importing: a ratio of 0.0",
        "lenet: no such workload", "mlp: not measured",
    ]  # fmt: skip
