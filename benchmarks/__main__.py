"""python -m benchmarks [WORKLOAD …] [--threads N] [--rounds N] [--quick] [--pytorch PYTHON] [--output FILE]"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.pytorch import require_pytorch, usual_python
from benchmarks.setting import BenchmarkError, Setting
from benchmarks.workloads import WORKLOADS, Workload
from tito.bench.output import check_output
from tito.bench.ratios import summarise
from tito.errors import TitoError

QUICK = {"rounds": 3, "seconds": 0.1}


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="TinyTorch's time as a ratio to PyTorch's, on this machine and in this run.",
    )
    names = ", ".join(WORKLOADS)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"all without data sets, or some of {names}")
    parser.add_argument("--threads", type=int, default=2, help="of each library (default 2)")
    parser.add_argument("--rounds", type=int, help=f"alternations (default {Setting.rounds})")
    parser.add_argument("--quick", action="store_true", help="few short rounds: to see that it works, not to compare")
    parser.add_argument("--pytorch", default=usual_python(), metavar="PYTHON", help="the Python that has PyTorch")
    parser.add_argument("--same-allocator", action="store_true", help="PyTorch gets TinyTorch's allocator settings too")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write everything that was measured, as JSON")
    return parser.parse_args(arguments)


def setting_of(given: argparse.Namespace) -> Setting:
    """The setting that the options ask for. Raises BenchmarkError for numbers below 1."""
    numbers = dict(QUICK) if given.quick else {}
    numbers |= {"rounds": given.rounds} if given.rounds is not None else {}
    setting = Setting(given.threads, pytorch=given.pytorch, keep_memory=given.same_allocator, **numbers)
    for name, value in (("threads", setting.threads), ("rounds", setting.rounds)):
        if value < 1:
            raise BenchmarkError(f"--{name}: expected at least 1, found {value}: leave it out for the default.")
    return setting


def chosen(names: list[str]) -> list[Workload]:
    """The workloads called `names`, in the table's order; if none is named, all that need no data of their own."""
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        raise BenchmarkError(f"expected workloads out of {', '.join(WORKLOADS)}, found {unknown[0]!r}.")
    return [workload for name, workload in WORKLOADS.items() if (name in names if names else not workload.on_request)]


def run(given: argparse.Namespace) -> None:
    """Measure, print, write."""
    setting, workloads = setting_of(given), chosen(given.workloads)
    if given.output is not None:
        check_output(given.output)
    if any(workload.pytorch for workload in workloads):
        require_pytorch(setting)
    records = {}
    for workload in workloads:
        print(f"{workload.title} … ", end="", file=sys.stderr, flush=True)
        records[workload.name] = workload.measure(setting)
        print(f"{summarise(records[workload.name]['ratios']).median:.2f}", file=sys.stderr)
    print(f"TinyTorch ÷ PyTorch, threads: {setting.threads}, rounds: {setting.rounds}; below 1 TinyTorch needs less\n")
    print(report.table([report.row(workload, records[workload.name], setting.threads) for workload in workloads]))
    for name, record in records.items():
        if "note" in record:
            print(f"{name}: {record['note']}")
    if given.output is not None:
        report.write(given.output, report.results(setting, records, workloads))


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 if everything was measured; whether targets are met is for the reader of the table."""
    try:
        run(options(arguments))
    except (BenchmarkError, TitoError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
