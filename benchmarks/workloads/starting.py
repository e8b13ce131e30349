"""How long it takes from the start of a process to the end of its first training step of (a).

TinyTorch's kernels have been compiled before and lie in the cache (`tito system warmup`): they are read, not compiled.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from benchmarks.child import ask
from benchmarks.libraries import OURS, THEIRS, Library
from benchmarks.setting import Setting
from benchmarks.workloads import cnn
from tito.bench.ratios import compare

MOST_ROUNDS, TARGET_SECONDS = 5, 1.5


def measure(setting: Setting) -> dict[str, Any]:
    """One ratio a round; a first round, which may have to compile and to read the disk, is not counted."""
    seconds: dict[str, list[float]] = {OURS: [], THEIRS: []}
    for _ in range(min(setting.rounds, MOST_ROUNDS) + 1):
        for library, found in seconds.items():
            started = time.perf_counter()
            ask("starting", library, setting, 1)
            found.append(time.perf_counter() - started)
    counted = {name: found[1:] for name, found in seconds.items()}
    note = f"TinyTorch's first step was done after {median(counted[OURS]):.1f} s (target: {TARGET_SECONDS} s)"
    libraries = {name: {"seconds": found} for name, found in counted.items()}
    return {**compare(counted[OURS], counted[THEIRS]), "note": note, "libraries": libraries}


def in_child(library: Library, steps: int) -> dict[str, Any]:
    """The first steps of a process."""
    step = cnn.prepare(library)
    return {"losses": [step() for _ in range(steps)]}
