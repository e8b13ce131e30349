"""Beyond module 01's own tests: properties over many inputs, threads, nested meters, and the limits of the machine."""

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core import setup
from tinytorch.core.setup import MemoryMeter, Timer, format_bytes, format_seconds, measure_time

BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


@given(st.integers(-(2**49), 2**49))
def test_format_bytes_reads_back_to_the_same_number(n: int) -> None:
    number, unit = format_bytes(n).split()
    assert abs(float(number) * BYTES[unit] - n) <= 0.0501 * BYTES[unit] * (unit != "B")
    assert abs(float(number)) < 1024


@given(st.floats(1e-9, 59.9))
def test_format_seconds_reads_back_to_three_digits(seconds: float) -> None:
    number, unit = format_seconds(seconds).split()
    assert float(number) * SECONDS[unit] == pytest.approx(seconds, rel=0.0051)
    assert 1 <= float(number) <= 1000


def test_measure_time_with_the_real_clock_orders_work_by_size() -> None:
    small, large = np.ones(1_000), np.ones(1_000_000)
    assert measure_time(np.sort, small, repeats=3).best < measure_time(np.sort, large, repeats=3).best


def test_measure_time_passes_errors_on() -> None:
    with pytest.raises(ZeroDivisionError):
        measure_time(lambda: 1 / 0)


def test_timing_is_a_record_that_reads_well() -> None:
    timing = setup.Timing(median=0.0015, spread=2e-5, samples=(0.0014, 0.0015), calls=2)
    assert str(timing) == "1.50 ms ± 20.0 µs"
    assert timing.best == 0.0014


def test_timers_in_two_threads_do_not_meet() -> None:
    def wait(barrier: threading.Barrier, out: list[Timer]) -> None:
        with Timer() as t:
            barrier.wait(timeout=10)
        out.append(t)

    out: list[Timer] = []
    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=wait, args=(barrier, out)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(out) == 2 and out[0] is not out[1]


def test_memory_meter_leaves_foreign_tracing_on() -> None:
    tracemalloc.start()
    try:
        with MemoryMeter() as m:
            np.ones(2**20, dtype=np.uint8)
        assert tracemalloc.is_tracing()
        assert m.peak >= 2**20
    finally:
        tracemalloc.stop()


def test_memory_meters_three_deep_each_see_their_own_peak() -> None:
    with MemoryMeter() as outer:
        np.ones(5 * 2**20, dtype=np.uint8)
        with MemoryMeter() as middle:
            np.ones(3 * 2**20, dtype=np.uint8)
            with MemoryMeter() as inner:
                np.ones(2**20, dtype=np.uint8)
    peaks = [round(m.peak / 2**20) for m in (outer, middle, inner)]
    assert peaks == [5, 3, 1]


def test_usable_memory_respects_a_container(tmp_path, monkeypatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(setup, "Path", lambda _: limit)
    limit.write_text("max\n")
    physical = setup.usable_memory()
    assert physical is not None
    limit.write_text(f"{physical // 2}\n")
    assert setup.usable_memory() == physical // 2
    limit.write_text(f"{physical * 2}\n")
    assert setup.usable_memory() == physical
