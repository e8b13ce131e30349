"""The table that is printed, and the record that is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.setting import ROOT, Setting
from benchmarks.workloads import Workload
from tito.bench.machine import describe_machine
from tito.bench.ratios import summarise, verdict
from tito.files import atomic_write

FORMAT = 1
HEADER = ("workload", "ratio", "middle half", "best", "target", "")


def row(workload: Workload, record: dict[str, Any], threads: int) -> tuple[str, ...]:
    """The cells of a workload's line."""
    found, target = summarise(record["ratios"]), workload.targets.get(threads)
    spread = f"{found.low:.2f}–{found.high:.2f}"
    judged = ("", "") if target is None else (f"≤ {target:g}", verdict(found, target))
    return (workload.title, f"{found.median:.2f}", spread, f"{record['best']:.2f}", *judged)


def table(rows: list[tuple[str, ...]]) -> str:
    """The rows under their header, in columns."""
    lines = [HEADER, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    first, *others = widths
    cells = [[line[0].ljust(first), *map(str.rjust, line[1:], others)] for line in lines]
    return "\n".join("  ".join(line).rstrip() for line in cells)


def results(setting: Setting, records: dict[str, dict[str, Any]], chosen: list[Workload]) -> dict[str, Any]:
    """All that a run has found, for the file."""
    return {
        "format": FORMAT,
        "machine": describe_machine(ROOT),
        "threads": setting.threads,
        "rounds": setting.rounds,
        "same_allocator": setting.keep_memory,
        "workloads": {
            workload.name: {
                "title": workload.title,
                "target": workload.targets.get(setting.threads),
                "summary": vars(summarise(records[workload.name]["ratios"])),
                **records[workload.name],
            }
            for workload in chosen
        },
    }


def write(path: Path, record: dict[str, Any]) -> None:
    """Write `record` as JSON."""
    atomic_write(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
