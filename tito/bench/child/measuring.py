"""A kernel and its reference in turns, on the same arrays."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np

from tito.bench.child.report import Report
from tito.bench.child.sizes import Case, cases_of, kernel_names, need_numba
from tito.bench.ratios import compare, summarise

SETTLE_SECONDS = 0.1  # idle threads of the other run in circles for some 25 ms; then the system must spread our own
TURN_SECONDS, TURN_CALLS = 0.01, 5  # at least


def measure(report: Report, rounds: int, threads: int, names: Sequence[str]) -> None:
    """Report one event for each size of each kernel: those called `names`, or all."""
    import tinytorch

    need_numba()
    if threads:
        tinytorch.set_num_threads(threads)
    chosen = kernel_names(names)
    found = 0
    for number, name in enumerate(chosen):
        cases = cases_of(name)
        for case in cases:
            report("kernel", name=name, size=case.size, **in_turns(name, case, rounds), done=number, all=len(chosen))
        found += bool(cases)
        if not cases:
            report("unmeasured", name=name, done=number, all=len(chosen))
    report("result", kernels=found, threads=tinytorch.get_num_threads(), rounds=rounds)


def in_turns(name: str, case: Case, rounds: int) -> dict[str, Any]:
    """Ratios of the kernel's time to its reference's, one a round, with their summary."""
    from tinytorch import backends
    from tinytorch.core.engine import KERNELS, primitive

    calls = {"numba": KERNELS[name, "numba"].load(), "numpy": primitive(name).kernel}
    times: dict[str, list[float]] = {backend: [] for backend in calls}
    for number in range(rounds + 1):  # the first round compiles, and is not counted
        for backend in ("numba", "numpy") if number % 2 else ("numpy", "numba"):
            with backends.use(backend), np.errstate(all="ignore"):  # a fused reference is made of others
                times[backend].append(turn(calls[backend], case))
    compared = compare(times["numba"][1:], times["numpy"][1:])
    return {**vars(summarise(compared["ratios"])), **compared, "seconds": min(times["numba"])}


def turn(kernel: Callable[..., Any], case: Case) -> float:
    """Seconds of one call: the median of as many as fill a turn. What is called before, to settle, is not counted."""
    settled = time.perf_counter() + SETTLE_SECONDS
    seconds: list[float] = []
    while len(seconds) < TURN_CALLS or sum(seconds) < TURN_SECONDS:
        started = time.perf_counter()
        kernel(np, *case.arrays, **case.params)
        if started > settled:
            seconds.append(time.perf_counter() - started)
    return median(seconds)
