"""What the door costs: an 8×8 float32 addition of tensors as a ratio to np.add on the arrays.

    python benchmarks/engine_overhead.py [--rounds 400] [--core 0]

Runs alternate in one process, so that a busy machine slows all alike. Each round gives one ratio per case; shown
are the median of the ratios and the middle half of them, and the ratio of the best times, which a neighbour on the
machine disturbs least. Promotion, shape errors, versions and hooks are in place in every case.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from statistics import median, quantiles
from timeit import Timer

import numpy as np

import tinytorch
from tinytorch.core.engine import WATCHERS

CALLS = 500
TARGETS = {"forward, no autograd": 4.5, "forward, autograd watching": 4.5, "recorded": 6.5}


@contextlib.contextmanager
def without_autograd() -> Iterator[None]:
    """The engine as it is before module 09 is imported."""
    watcher = WATCHERS.pop("autograd", None)
    try:
        yield
    finally:
        if watcher is not None:
            WATCHERS["autograd"] = watcher


def measure(rounds: int) -> dict[str, list[float]]:
    """Times of each case, one list entry a round."""
    a, b = np.ones((8, 8), "float32"), np.ones((8, 8), "float32")
    values = {"np": np, "a": a, "b": b, "x": tinytorch.tensor(a), "y": tinytorch.tensor(b)}
    values |= {"w": tinytorch.tensor(a, requires_grad=True), "v": tinytorch.tensor(b, requires_grad=True)}
    on_arrays, plain, recorded = (Timer(code, globals=values).timeit for code in ("np.add(a, b)", "x + y", "w + v"))
    times: dict[str, list[float]] = {name: [] for name in ("np.add", *TARGETS)}
    for _ in range(rounds):
        times["np.add"].append(on_arrays(CALLS))
        with without_autograd():
            times["forward, no autograd"].append(plain(CALLS))
        if "autograd" in WATCHERS:
            times["forward, autograd watching"].append(plain(CALLS))
            times["recorded"].append(recorded(CALLS))
    return times


def main() -> None:
    """Print one line a case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=400, help="alternations (default 400, about 1 second)")
    parser.add_argument("--core", type=int, help="run on this core only (Linux)")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    times = measure(options.rounds)
    print(f"{'8×8 float32 add':<28} {'median':>7} {'middle half':>14} {'best':>6} {'target':>7}   (ratio to np.add)")
    for name, target in TARGETS.items():
        if not times[name]:
            continue
        ratios = [t / reference for t, reference in zip(times[name], times["np.add"], strict=True)]
        low, _, high = quantiles(ratios, n=4)
        best = min(times[name]) / min(times["np.add"])
        print(f"{name:<28} {median(ratios):7.2f} {f'{low:.2f} to {high:.2f}':>14} {best:6.2f} {target:7.1f}")


if __name__ == "__main__":
    main()
