"""(g) How much memory the training steps of (a) need: the largest resident set of the whole process while they run."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

from benchmarks.child import ask
from benchmarks.libraries import OURS, THEIRS, Library
from benchmarks.setting import Setting
from benchmarks.workloads import cnn
from tito.bench.ratios import compare

STEPS, MOST_ROUNDS = 10, 3  # memory hardly varies from run to run


def measure(child: str, setting: Setting) -> dict[str, Any]:
    """One ratio a round, of the bytes that `in_child` of workloads/CHILD.py finds."""
    rounds = range(min(setting.rounds, MOST_ROUNDS))
    found: dict[str, list[dict]] = {OURS: [], THEIRS: []}
    for _ in rounds:
        for library, answers in found.items():
            answers.append(ask(child, library, setting, STEPS))
    peaks = {name: [answer["bytes"] for answer in answers] for name, answers in found.items()}
    libraries = {name: {"facts": found[name][0]["facts"], "peaks": peaks[name]} for name in found}
    return {**compare(peaks[OURS], peaks[THEIRS]), "libraries": libraries}


def in_child(library: Library, steps: int) -> dict[str, Any]:
    """Peak of the resident set over `steps` steps, in bytes, interpreter, library and machine code included.

    The steps that compile kernels are made before.
    """
    step = cnn.prepare(library)
    for _ in range(3):
        step()
    forget_peak()
    for _ in range(steps):
        step()
    return {"bytes": peak(), "facts": library.facts()}


def forget_peak() -> None:
    """Let the peak begin anew, where the system can do that (Linux)."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5", encoding="ascii")


def peak() -> int:
    """The largest resident set in bytes: since `forget_peak` on Linux, elsewhere since the process began."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
