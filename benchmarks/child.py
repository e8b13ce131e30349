"""A function in a process of its own: what it returns comes back as JSON.

    python -m benchmarks.child MODULE LIBRARY THREADS [--keep-memory] COUNT

calls MODULE.in_child(library, COUNT). What the library prints goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.libraries import TITLES, load
from benchmarks.setting import ROOT, BenchmarkError, Setting

KEEP = "--keep-memory"


def ask(module: str, library: str, setting: Setting, count: int) -> dict[str, Any]:
    """What `benchmarks.workloads.<module>.in_child` finds. Raises BenchmarkError if the process fails."""
    command = [setting.python(library), "-m", __name__, module, library, str(setting.threads), str(count)]
    command += [KEEP] if setting.keep_memory else []
    environment = setting.environment(library)
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False,
        start_new_session=True,  # a terminal's Ctrl-C reaches us alone, and we end it
    )  # fmt: skip
    if done.returncode:
        raise BenchmarkError(
            f"{module}: expected a number from {TITLES[library]}, found that its process ended with exit code "
            f"{done.returncode}: what it wrote stands above."
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main(module: str, library: str, threads: int, count: int, keep_memory: bool) -> None:
    """Call the function, write its answer."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    measured = importlib.import_module(f"benchmarks.workloads.{module}")
    json.dump(measured.in_child(load(library, threads, keep_memory), count), own)
    own.close()


if __name__ == "__main__":
    name, of, threads, count, *options = sys.argv[1:]
    main(name, of, int(threads), int(count), KEEP in options)
