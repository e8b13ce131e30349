"""Can I measure what my code costs, and say on which machine?

The instruments of module 01 against references of their own: a clock and a worker made by hand, so that every
expected time is exact, arrays of known size, and the interpreter's own account of itself.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

import os
import sys

import numpy as np
import pytest

from tinytorch.core.setup import (
    MemoryMeter,
    Timer,
    environment_report,
    format_bytes,
    format_seconds,
    measure_time,
    median_and_spread,
)

MIB = 2**20
PYTHON_OBJECTS = 64 * 1024  # what the interpreter itself allocates meanwhile, at most


class HandClock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """A function whose calls last the `durations` in turn, then `afterwards`, on a clock of its own."""

    def __init__(self, durations: list[float], afterwards: float) -> None:
        self.clock, self.durations, self.afterwards, self.calls = HandClock(), durations, afterwards, 0

    def __call__(self) -> None:
        self.clock.now += self.durations[self.calls] if self.calls < len(self.durations) else self.afterwards
        self.calls += 1


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (0, "0 B"),
        (1000, "1000 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_000_000, "976.6 KiB"),
        (MIB - 1, "1.0 MiB"),
        (MIB, "1.0 MiB"),
        (-3 * MIB // 2, "-1.5 MiB"),
        (2**30, "1.0 GiB"),
        (7 * 2**40, "7.0 TiB"),
        (2**51, "2048.0 TiB"),
        (1_047_552, "1023.0 KiB"),
        (1_048_166, "1023.6 KiB"),
        (1_048_535, "1.0 MiB"),
    ],
)
def test_format_bytes(n: int, expected: str) -> None:
    got = format_bytes(n)
    assert got == expected, f"format_bytes({n}): expected {expected!r}, got {got!r} (1 KiB is 1024 bytes)"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (3.3e-8, "33.0 ns"),
        (1e-6, "1.00 µs"),
        (0.00042, "420 µs"),
        (0.0123, "12.3 ms"),
        (1.0, "1.00 s"),
        (42.0, "42.0 s"),
        (60, "1 min 00 s"),
        (605, "10 min 05 s"),
        (3600, "1 h 00 min"),
        (7 * 3600 + 8 * 60, "7 h 08 min"),
        (59.5, "59.5 s"),
        (118.9, "1 min 58 s"),
        (3599.5, "59 min 59 s"),
        (7199.5, "1 h 59 min"),
    ],
)
def test_format_seconds(seconds: float, expected: str) -> None:
    got = format_seconds(seconds)
    assert got == expected, f"format_seconds({seconds}): expected {expected!r}, got {got!r}"


def test_timer_gives_seconds_of_the_block_alone() -> None:
    clock = HandClock()
    clock.now = 1000.0
    with Timer(clock) as t:
        clock.now += 0.25
    clock.now += 99.0
    assert t is not None, "Timer.__enter__ must return the timer, it returned None"
    assert t.seconds == 0.25, f"Timer: a block of 0.25 s was measured as {t.seconds} (in seconds, no other unit)"


def test_timer_lets_errors_out_and_stops_all_the_same() -> None:
    clock = HandClock()
    t = Timer(clock)
    caught = None
    try:
        with t:
            clock.now += 3.0
            raise ValueError("on purpose")
    except ValueError as error:
        caught = error
    assert caught is not None, "Timer.__exit__ swallowed the error of its block: return None, not True"
    assert t.seconds == 3.0, f"Timer.__exit__ must stop the clock also after an error: expected 3.0, got {t.seconds}"


def test_median_and_spread_ignore_an_outlier() -> None:
    got = median_and_spread([3.0, 1.0, 2.0, 900.0, 4.0])
    assert got == (3.0, 2.0), (
        f"median_and_spread([3, 1, 2, 900, 4]): expected the median 3 and the interquartile range 4 - 2, got {got}"
    )


def test_measure_time_warms_up() -> None:
    worker = Worker([64.0, 64.0], afterwards=2.0)
    timing = measure_time(worker, repeats=4, warmup=2, clock=worker.clock)
    assert worker.calls == 7, f"measure_time: 2 warm-up calls, 1 trial, 4 samples make 7 calls, counted {worker.calls}"
    assert timing.samples == (2.0,) * 4, f"measure_time: the slow first calls are warm-up, samples {timing.samples}"


def test_measure_time_divides_by_the_calls_of_a_sample() -> None:
    worker = Worker([], afterwards=2.0**-12)
    timing = measure_time(worker, min_seconds=2.0**-8, clock=worker.clock)
    assert timing.calls == 16, f"measure_time: 16 calls of 2^-12 s fill 2^-8 s, got calls={timing.calls}"
    assert timing.median == 2.0**-12, (
        f"measure_time reports the time of one call: expected {2.0**-12}, got {timing.median} "
        f"({timing.median / 2.0**-12:.0f} calls together)"
    )


def test_measure_time_reports_the_median() -> None:
    worker = Worker([1.0, 1.0, 30.0], afterwards=1.0)
    timing = measure_time(worker, repeats=5, warmup=1, clock=worker.clock)
    assert timing.median == 1.0, f"measure_time: one interrupted run of {timing.samples} moved it to {timing.median}"
    assert timing.spread == 0.0, f"measure_time: the middle half of {timing.samples} has spread 0, got {timing.spread}"


def test_memory_meter_sees_the_peak_and_what_is_kept() -> None:
    with MemoryMeter():
        held_before = np.ones(16 * MIB, dtype=np.uint8)
        with MemoryMeter() as m:
            gone = np.ones(6 * MIB, dtype=np.uint8)
            del gone
            kept = np.ones(2 * MIB, dtype=np.uint8)
    assert m is not None, "MemoryMeter.__enter__ must return the meter, it returned None"
    assert abs(m.peak - 6 * MIB) < PYTHON_OBJECTS, (
        f"MemoryMeter.peak: the block used {6 * MIB} bytes at most, measured {m.peak} "
        f"({held_before.size} bytes were there before the block)"
    )
    assert abs(m.kept - kept.size) < PYTHON_OBJECTS, f"MemoryMeter.kept: {kept.size} bytes remain, measured {m.kept}"


def test_memory_meter_lets_errors_out() -> None:
    caught = False
    try:
        with MemoryMeter():
            raise ValueError("on purpose")
    except ValueError:
        caught = True
    assert caught, "MemoryMeter.__exit__ swallowed the error of its block: return None, not True"


def test_environment_report_is_true() -> None:
    report = environment_report()
    assert list(report) == ["python", "platform", "machine", "cores", "memory", "numpy", "blas"], (
        f"environment_report: wrong keys {list(report)}"
    )
    assert report["python"] == sys.version.split()[0], f"environment_report: python is reported as {report['python']!r}"
    assert report["numpy"] == np.__version__, f"environment_report: numpy is reported as {report['numpy']!r}"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert report["cores"] == cores, f"environment_report: this process may use {cores} cores, not {report['cores']!r}"
    for key in ("platform", "machine"):
        assert isinstance(report[key], str), f"environment_report: {key} must be a text, is {report[key]!r}"
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    assert blas in report["blas"], f"environment_report: blas is {blas!r}, reported {report['blas']!r}"
