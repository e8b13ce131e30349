"""What the framework adds to one small operation: an addition of 8×8 tensors as a ratio to `np.add` on their arrays."""

from __future__ import annotations

from typing import Any

from benchmarks.child import ask
from benchmarks.libraries import OURS, Library
from benchmarks.setting import Setting
from tito.bench.ratios import compare

ALTERNATIONS = 20  # a round: some 50 milliseconds


def measure(case: str, setting: Setting) -> dict[str, Any]:
    """One ratio each alternation. `case`: a name of benchmarks.engine_overhead.TARGETS."""
    times = ask("overhead", OURS, setting, ALTERNATIONS * setting.rounds)
    return compare(times[case], times["np.add"])


def in_child(library: Library, alternations: int) -> dict[str, list[float]]:
    """The times of all cases."""
    from benchmarks import engine_overhead

    return engine_overhead.measure(alternations)
