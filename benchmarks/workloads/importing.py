"""(f) How long `import` takes, in fresh processes, in turns."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from benchmarks.libraries import OURS, THEIRS
from benchmarks.setting import ROOT, BenchmarkError, Setting
from tito.bench.ratios import compare

CODE = "import time; started = time.perf_counter(); import {}; print(time.perf_counter() - started)"


def measure(setting: Setting) -> dict[str, Any]:
    """One ratio a round; a first round, which may have to compile Python's files and read the disk, is not counted."""
    seconds: dict[str, list[float]] = {OURS: [], THEIRS: []}
    for _ in range(setting.rounds + 1):
        for library, found in seconds.items():
            found.append(import_seconds(library, setting))
    counted = {name: found[1:] for name, found in seconds.items()}
    compared = compare(counted[OURS], counted[THEIRS])
    return {**compared, "libraries": {name: {"seconds": found} for name, found in counted.items()}}


def import_seconds(library: str, setting: Setting) -> float:
    """Seconds of `import library` in a new process."""
    command = [setting.python(library), "-c", CODE.format(library)]
    done = subprocess.run(
        command, cwd=ROOT, env=setting.environment(library), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"expected `import {library}` to work, found: {done.stderr.strip().splitlines()[-1]}.")
    return float(json.loads(done.stdout))
