# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
"""
# Module 01: Setup, or how to trust a number

Welcome. In this course you build a deep-learning framework, and then you train real networks with it. Nothing you
build will be a toy version that is thrown away: the `Tensor` of module 02 is the one that learns CIFAR-10 in module
11.

Frameworks are judged by two numbers: *how long does it take* and *how much memory does it need*. So before the first
tensor you build the instruments that measure both. Every later module ends with a systems analysis, and every one of
them uses what you write today.

**You bring:** Python and a little NumPy. **You leave with:** `environment_report`, `Timer`, `measure_time`,
`MemoryMeter`, `format_bytes`, `format_seconds`. **Capability:** *Can I measure what my code costs, and say on which
machine?*

### How you work in this course

Every module is one file like this one. The steps are always the same three:

1. **Edit.** Find a function whose body says `raise NotImplementedError(...)`. Its docstring holds the task, an
   approach and an example. Replace the `raise` by your code.
2. **Test.** Directly below stands its test. Run `tito module test setup`, or run this file, or run the cell in
   Jupyter. An error names the function, what was expected and what your code gave.
3. **Complete.** `tito module complete setup` runs all tests, exports your code into the package `tinytorch`, and runs
   the checkpoint of the module. From then on `import tinytorch` contains what you built.

The package only ever contains what you have built. Never edit `tinytorch/` itself: it is generated from these files.
"""

# %% nbgrader={"grade": false, "grade_id": "setup-workbench", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| default_exp core.setup
from tito.workbench import modules_before

modules_before("01_setup")

# %% nbgrader={"grade": false, "grade_id": "setup-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
#| face utils: environment_report, format_bytes, format_seconds, measure_time, MemoryMeter, Timer
import os
import platform
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

# %% [markdown]
r"""
## Mathematical background

**A measurement is a sample.** The machine does other things while your code runs: it answers the network, moves your
process to another core, lowers its clock when it gets warm. All of these make a run *slower*; nothing makes it faster
than the machine can go. So measured times look like this: a sharp left edge, and a long tail to the right.

For such numbers the **mean** is a poor summary. Take seven runs of 1 ms, one of which was interrupted for 50 ms. The
mean says 8.0 ms, which no run ever took. The **median**, the middle value after sorting, says 1.0 ms.

A middle alone is not enough: you also need to know how much to believe it. We use the **interquartile range**, the
width of the middle half of the sorted samples:

$$ \text{spread} = q_{75} - q_{25} $$

Two functions whose medians differ by less than their spreads are, as far as you know, equally fast.

**Short functions need many calls.** Reading the clock costs about as much as a short NumPy call. To time something
that takes 0.5 µs, call it $k$ times between two readings and divide by $k$. The error of the clock is divided by $k$
as well.

**Units.** Memory comes in powers of two: 1 KiB is $2^{10} = 1024$ bytes, 1 MiB is $2^{20}$, 1 GiB is $2^{30}$. The
letters *KB* may mean 1000 or 1024, depending on who sells the disk. We write *KiB* and mean 1024.
"""

# %% [markdown]
"""
## Implementation

### Piece 1: `format_bytes`

A float32 batch of 128 CIFAR images takes 1572864 bytes. Who can read that? Your first function turns it into `1.5
MiB`. It is short on purpose: use it to get to know the steps edit, test, complete.
"""

# %% nbgrader={"grade": false, "grade_id": "setup-format-bytes", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def format_bytes(n: int) -> str:
    """A number of bytes for people: "512 B", "1.5 KiB", "-2.0 MiB".

    TASK: divide by 1024 until the number is small enough, then print it with one decimal and its unit.
    APPROACH:
      1. Below 1024 bytes print the whole number and "B".
      2. Go through the units KiB, MiB, GiB, TiB: each divides by 1024 once more.
      3. Stop at the first unit where the number, *rounded to one decimal*, is below 1024. Stop at TiB in any case.
      4. A negative number keeps its sign: memory can also be given back.
    EXAMPLE: format_bytes(1536) -> "1.5 KiB"; format_bytes(1024 * 1024 - 1) -> "1.0 MiB", not "1024.0 KiB"
    """
    ### BEGIN SOLUTION
    if abs(n) < 1024:
        return f"{n} B"
    value = n / 1024
    for unit in ("KiB", "MiB", "GiB"):
        if round(abs(value), 1) < 1024:
            return f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
    ### END SOLUTION

# %% [markdown]
"""
### Test: does it choose the right unit?

The table walks over every border between two units. The last one before a border is where most first attempts fail:
1048575 bytes are one byte less than a MiB, and with one decimal they must not read `1024.0 KiB`.
"""

# %% nbgrader={"grade": true, "grade_id": "test-setup-format-bytes", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_format_bytes():
    table = {
        0: "0 B", 512: "512 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1572864: "1.5 MiB",
        3 * 2**30: "3.0 GiB", 5 * 2**40: "5.0 TiB",
    }
    for n, expected in table.items():
        assert format_bytes(n) == expected, f"format_bytes({n}): expected {expected!r}, got {format_bytes(n)!r}"
    ### BEGIN HIDDEN TESTS
    for n, expected in {2**20 - 1: "1.0 MiB", 2**30 - 1: "1.0 GiB", -2 * 2**20: "-2.0 MiB", -7: "-7 B",
                        3000 * 2**40: "3000.0 TiB"}.items():
        assert format_bytes(n) == expected, f"format_bytes({n}): expected {expected!r}, got {format_bytes(n)!r}"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Piece 2: `format_seconds`

Times span more than bytes do: from nanoseconds (an addition) to hours (a training run). Below a minute we print three
significant digits, because a measurement rarely deserves more.
"""

# %% nbgrader={"grade": false, "grade_id": "setup-format-seconds", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def format_seconds(seconds: float) -> str:
    """A duration for people: "850 ns", "1.50 ms", "12.3 s", "2 min 05 s", "1 h 03 min".

    TASK: choose the unit so that the number in front of it is at least 1, and print three significant digits.
    APPROACH:
      1. From 3600 s on: whole hours and whole minutes, "1 h 03 min". From 60 s on: "2 min 05 s".
      2. Below: try s, ms, µs in this order; take the first in which the number is at least 1. Otherwise ns.
      3. Three significant digits: two decimals below 10, one below 100, none from 100 on.
         The helper `three_digits` below does step 3 for you.
    EXAMPLE: format_seconds(0.0015) -> "1.50 ms"; format_seconds(125) -> "2 min 05 s"
    """
    ### BEGIN SOLUTION
    if seconds >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"
    if seconds >= 60:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    for scale, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * scale >= 1:
            return f"{three_digits(seconds * scale)} {unit}"
    return f"{three_digits(seconds * 1e9)} ns"
    ### END SOLUTION


def three_digits(value: float) -> str:
    """A number between 0 and 1000 with three significant digits: 1.5 -> "1.50", 12.34 -> "12.3", 850.2 -> "850"."""
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{decimals}f}"

# %% [markdown]
"""
### Test: the same duration, one reading

Each line of the table lies in another unit. The minutes and seconds are padded with a zero, so that `2 min 05 s`
cannot be mistaken for fifty seconds.
"""

# %% nbgrader={"grade": true, "grade_id": "test-setup-format-seconds", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def test_format_seconds():
    table = {
        8.5e-7: "850 ns", 2.5e-6: "2.50 µs", 0.0015: "1.50 ms", 0.25: "250 ms", 1.0: "1.00 s", 12.34: "12.3 s",
        125: "2 min 05 s", 3780: "1 h 03 min",
    }
    for seconds, expected in table.items():
        got = format_seconds(seconds)
        assert got == expected, f"format_seconds({seconds}): expected {expected!r}, got {got!r}"
    ### BEGIN HIDDEN TESTS
    table = {59.0: "59.0 s", 60: "1 min 00 s", 3600: "1 h 00 min", 90000: "25 h 00 min", 0: "0.00 ns"}
    for seconds, expected in table.items():
        got = format_seconds(seconds)
        assert got == expected, f"format_seconds({seconds}): expected {expected!r}, got {got!r}"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Piece 3: `Timer`

Python's `with` statement calls `__enter__` at the start of a block and `__exit__` at its end, **also when the block
fails**. That makes it the right tool for anything that must be stopped: a clock, a file, a lock. You will meet it
again as `no_grad` in module 09.

Which clock? `time.time()` is the wall clock: it jumps when the computer corrects its time, even backwards.
`time.perf_counter()` only ever goes forward and has the finest ticks of the machine.

The clock is an argument. In the tests we hand in a clock of our own, which moves only when we say so. A test that
sleeps and hopes is slow and sometimes wrong; a test with its own clock is exact.
"""

# %% nbgrader={"grade": false, "grade_id": "setup-timer", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class Timer:
    """Measures how long a block of code takes.

    Use: `with Timer() as t: work()`, afterwards `t.seconds` (float, in seconds).
    `clock` is a function without arguments that returns the time in seconds.
    """

    def __init__(self, clock=time.perf_counter):
        self.clock, self.start, self.seconds = clock, 0.0, 0.0

    def __enter__(self) -> "Timer":
        """Start.

        TASK: note the time of the start, and return the timer itself (it becomes `t` in `as t`).
        APPROACH: call `self.clock()`, keep the result in `self.start`, return self.
        EXAMPLE: the clock shows 10.0 -> start == 10.0
        """
        ### BEGIN SOLUTION
        self.start = self.clock()
        return self
        ### END SOLUTION

    def __exit__(self, *error) -> None:
        """Stop; called also when the block raised an error.

        TASK: set `self.seconds` to the time since the start. Return nothing: returning True would swallow the error.
        APPROACH: read the clock again and subtract.
        EXAMPLE: started at 10.0 and stopped at 12.5 -> seconds == 2.5
        """
        ### BEGIN SOLUTION
        self.seconds = self.clock() - self.start
        ### END SOLUTION

    def __repr__(self) -> str:
        return f"Timer({format_seconds(self.seconds)})"

# %% [markdown]
"""
### Test: a clock that obeys

`HandClock` moves only when told. The test checks three things: the difference is right, an error inside the block
still comes out (and the time up to it is known), and a timer can be used twice without adding up.
"""

# %% nbgrader={"grade": true, "grade_id": "test-setup-timer", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
class HandClock:
    """A clock for tests: it shows `now` and moves only through `pass_time`."""

    def __init__(self, now=100.0):
        self.now = now

    def __call__(self):
        return self.now

    def pass_time(self, seconds):
        self.now += seconds


def test_timer():
    clock = HandClock()
    with Timer(clock) as t:
        clock.pass_time(2.5)
    clock.pass_time(60)
    assert isinstance(t, Timer), f"Timer.__enter__ must return the timer itself, got {t!r}"
    assert t.seconds == 2.5, f"Timer: a block of 2.5 s was measured as {t.seconds} s"
    with t:
        clock.pass_time(1.0)
    assert t.seconds == 1.0, f"Timer: used a second time, a block of 1 s was measured as {t.seconds} s"

    came_out = False
    try:
        with Timer(clock) as t:
            clock.pass_time(4.0)
            raise KeyError("on purpose")
    except KeyError:
        came_out = True
    assert came_out, "Timer.__exit__ swallowed the error of the block: it must return None, not True"
    assert t.seconds == 4.0, f"Timer.__exit__ must stop the clock also when the block fails: {t.seconds} s, not 4"
    ### BEGIN HIDDEN TESTS
    with Timer() as real:
        sum(range(10_000))
    assert 0 < real.seconds < 60, f"Timer with the real clock measured {real.seconds} s for a short loop"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Piece 4: `median_and_spread`

The two numbers from the mathematical background. NumPy's `np.percentile` sorts for you and interpolates between
neighbours.
"""

# %% nbgrader={"grade": false, "grade_id": "setup-median-and-spread", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def median_and_spread(samples) -> tuple[float, float]:
    """The middle of some measurements, and how far they scatter.

    TASK: return (median, interquartile range) as two Python floats.
    APPROACH: np.percentile(samples, [25, 50, 75]) gives the three numbers you need.
    EXAMPLE: median_and_spread([1, 2, 3, 4, 100]) -> (3.0, 2.0): the 100 has no say
    """
    ### BEGIN SOLUTION
    low, middle, high = np.percentile(samples, [25, 50, 75])
    return float(middle), float(high - low)
    ### END SOLUTION

# %% [markdown]
"""
### Test: one interrupted run must not matter

Seven runs of 1 ms, one of them interrupted for 50 ms. A mean or a standard deviation in place of the median or the
quartiles shows at once.
"""

# %% nbgrader={"grade": true, "grade_id": "test-setup-median-and-spread", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_median_and_spread():
    assert median_and_spread([1, 2, 3, 4, 100]) == (3.0, 2.0), (
        f"median_and_spread([1, 2, 3, 4, 100]): expected (3.0, 2.0), got {median_and_spread([1, 2, 3, 4, 100])}"
    )
    interrupted = [0.001] * 6 + [0.051]
    got = median_and_spread(interrupted)
    assert got == (0.001, 0.0), f"median_and_spread: six runs of 1 ms, one of 51 ms: expected (0.001, 0.0), got {got}"
    ### BEGIN HIDDEN TESTS
    got = median_and_spread([4.0, 1.0])
    assert got == (2.5, 1.5), f"median_and_spread([4, 1]): expected (2.5, 1.5), got {got}"
    assert all(type(v) is float for v in got), "median_and_spread must return Python floats"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Piece 5: `measure_time`

Now the instrument that the rest of the course uses. It does what an honest experimenter does by hand:

* **Warm up.** The first call pays for things that later ones find ready: memory pages, caches, compiled kernels.
* **Repeat.** One sample says nothing about the next. We take seven.
* **Call often enough.** If the function is very short, one sample is many calls divided by their number.
* **Report the middle and the spread**, and keep the samples.

The result is a small record, given here. The number of calls for one sample is found by doubling, also given.
"""

# %% nbgrader={"grade": false, "grade_id": "setup-timing", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
@dataclass(frozen=True)
class Timing:
    """What `measure_time` found. All times are seconds for one call; `samples` holds one number for each repeat."""

    median: float
    spread: float
    samples: tuple[float, ...]
    calls: int

    @property
    def best(self) -> float:
        """The fastest sample: closest to what the machine can do when nobody disturbs it."""
        return min(self.samples)

    def __str__(self) -> str:
        return f"{format_seconds(self.median)} ± {format_seconds(self.spread)}"


def calls_per_sample(fn, args, min_seconds, clock) -> int:
    """How many calls of `fn` last at least `min_seconds` together: 1, 2, 4, … at most about a million."""
    calls = 1
    while calls < 2**20:
        with Timer(clock) as t:
            for _ in range(calls):
                fn(*args)
        if t.seconds >= min_seconds:
            break
        calls *= 2
    return calls

# %% nbgrader={"grade": false, "grade_id": "setup-measure-time", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def measure_time(fn, *args, repeats=7, warmup=1, min_seconds=0.002, clock=time.perf_counter) -> Timing:
    """How long `fn(*args)` takes: the median of several samples, after warming up.

    Arguments: `repeats` samples are taken; `warmup` calls come before them and are not counted; a sample lasts at least
    `min_seconds`, if need be by calling `fn` several times. Returns a `Timing`, in seconds for one call.

    TASK: warm up, find the number of calls, take the samples, summarise them.
    APPROACH:
      1. Call fn(*args) `warmup` times.
      2. calls = calls_per_sample(fn, args, min_seconds, clock)
      3. `repeats` times: time a loop of `calls` calls with Timer(clock), and note its seconds divided by `calls`.
      4. Return Timing(median, spread, tuple(samples), calls).
    EXAMPLE: measure_time(np.dot, a, b).median -> 0.00041
    """
    ### BEGIN SOLUTION
    for _ in range(warmup):
        fn(*args)
    calls = calls_per_sample(fn, args, min_seconds, clock)
    samples = []
    for _ in range(repeats):
        with Timer(clock) as t:
            for _ in range(calls):
                fn(*args)
        samples.append(t.seconds / calls)
    median, spread = median_and_spread(samples)
    return Timing(median, spread, tuple(samples), calls)
    ### END SOLUTION

# %% [markdown]
"""
### Test: a worker who is slow in the morning

`Worker` moves a hand clock: its first three calls take 10 s each, all later ones 1 s. With three warm-up calls every
sample must be exactly 1 s. A second worker takes a thousandth of the shortest sample: it must be called many times,
and the time must be divided by their number. A third is interrupted once.
"""

# %% nbgrader={"grade": true, "grade_id": "test-setup-measure-time", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
class Worker:
    """A function for tests: takes `seconds` of its hand clock, and `slow` seconds in the calls `slow_calls`."""

    def __init__(self, seconds, slow=0.0, slow_calls=()):
        self.clock, self.seconds, self.slow, self.slow_calls, self.calls = HandClock(0.0), seconds, slow, slow_calls, 0

    def __call__(self):
        self.calls += 1
        self.clock.pass_time(self.slow if self.calls in self.slow_calls else self.seconds)


def test_measure_time():
    morning = Worker(1.0, slow=10.0, slow_calls=(1, 2, 3))
    timing = measure_time(morning, repeats=5, warmup=3, clock=morning.clock)
    assert isinstance(timing, Timing), f"measure_time must return a Timing, got {timing!r}"
    assert timing.samples == (1.0,) * 5, f"measure_time: after 3 warm-up calls a sample lasts 1 s, got {timing.samples}"
    assert (timing.median, timing.spread, timing.calls) == (1.0, 0.0, 1), f"measure_time: got {timing!r}"

    short = Worker(2.0**-19)
    timing = measure_time(short, min_seconds=2.0**-9, clock=short.clock)
    assert timing.calls == 1024, f"measure_time: a sample of 2^-9 s needs 1024 calls of 2^-19 s, got {timing.calls}"
    assert timing.median == 2.0**-19, (
        f"measure_time: divide each sample by its number of calls: expected {2.0**-19}, got {timing.median}"
    )

    interrupted = Worker(1.0, slow=50.0, slow_calls=(5,))
    timing = measure_time(interrupted, clock=interrupted.clock)
    assert max(timing.samples) == 50.0, "measure_time: the interrupted run belongs to the samples"
    assert timing.median == 1.0, f"measure_time: one interrupted run must not move the median, got {timing.median}"
    ### BEGIN HIDDEN TESTS
    counted = Worker(1.0)
    measure_time(counted, repeats=4, warmup=2, clock=counted.clock)
    assert counted.calls == 2 + 1 + 4, f"measure_time: 2 warm-up, 1 trial, 4 samples make 7 calls, got {counted.calls}"
    seen = []
    measure_time(lambda a, b: seen.append(a + b), 3, 4, repeats=2, min_seconds=0.0)
    assert set(seen) == {7}, "measure_time must hand its arguments on to the function"
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Piece 6: `MemoryMeter`

For training, the memory that matters is the **peak**: the largest amount that was in use at any one moment. If the
peak does not fit, the run dies, however little is left at its end.

Python's `tracemalloc` counts every allocation, and NumPy reports its arrays to it. It answers with two numbers: bytes
in use *now*, and the *highest* since it was last reset. You turn these into the cost of one block of code: what was
there before the block does not count.

Starting and resetting is given (`_begin`, `_end`), because meters may be nested and an inner one must not hide the
peak from an outer one. One price: while the meter runs, every allocation is slower. Never measure time and memory in
the same run.
"""

# %% nbgrader={"grade": false, "grade_id": "setup-memory-trace", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
class MemoryTrace:
    """The bookkeeping under `MemoryMeter`: switches tracemalloc on and off, and lets traces be nested."""

    _running: ClassVar[list["MemoryTrace"]] = []  # outermost first
    _highest, _started_tracing = 0, False

    def _begin(self) -> None:
        """Switch tracing on if nobody did, and start a new peak."""
        self._started_tracing = not tracemalloc.is_tracing()
        if self._started_tracing:
            tracemalloc.start()
        self._share_peak()
        MemoryTrace._running.append(self)
        self._highest = 0

    def _end(self) -> tuple[int, int]:
        """(bytes in use now, highest since `_begin`); switches tracing off again if `_begin` switched it on."""
        self._share_peak()
        now, _ = tracemalloc.get_traced_memory()
        MemoryTrace._running.remove(self)
        if self._started_tracing:
            tracemalloc.stop()
        return now, self._highest

    @staticmethod
    def _share_peak() -> None:
        """Hand the peak so far to every running trace, then let a new one begin."""
        _, highest = tracemalloc.get_traced_memory()
        for trace in MemoryTrace._running:
            trace._highest = max(trace._highest, highest)
        tracemalloc.reset_peak()

# %% nbgrader={"grade": false, "grade_id": "setup-memory-meter", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class MemoryMeter(MemoryTrace):
    """Measures the memory that a block of code allocates.

    Use: `with MemoryMeter() as m: work()`, afterwards `m.peak`, the most that was in use at once, and `m.kept`, what is
    still in use at the end: both in bytes, counted from the start of the block.
    """

    def __init__(self):
        self.before, self.peak, self.kept = 0, 0, 0

    def __enter__(self) -> "MemoryMeter":
        """Start.

        TASK: note in `self.before` how many bytes are in use now, and return the meter itself.
        APPROACH: `now, highest = tracemalloc.get_traced_memory()` gives both numbers; you need the first.
        EXAMPLE: 100 bytes are in use -> before == 100
        """
        self._begin()
        ### BEGIN SOLUTION
        self.before, _ = tracemalloc.get_traced_memory()
        return self
        ### END SOLUTION

    def __exit__(self, *error) -> None:
        """Stop.

        TASK: set `self.peak` and `self.kept`, both relative to `self.before`. Return nothing.
        APPROACH: subtract `self.before` from the highest number for the peak, and from the number now for the rest.
        EXAMPLE: 100 bytes before, at most 900 within, 300 now -> peak == 800, kept == 200
        """
        now, highest = self._end()
        ### BEGIN SOLUTION
        self.peak = highest - self.before
        self.kept = now - self.before
        ### END SOLUTION

    def __repr__(self) -> str:
        return f"MemoryMeter(peak {format_bytes(self.peak)}, kept {format_bytes(self.kept)})"

# %% [markdown]
"""
### Test: eight megabytes come and go

The block allocates 8 MiB and drops them, then keeps 1 MiB. The peak must be 8 MiB and the rest 1 MiB, give or take a
few KiB for Python's own objects. A meter that forgets `before` counts the array that was there all along.
"""

# %% nbgrader={"grade": true, "grade_id": "test-setup-memory-meter", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
def test_memory_meter():
    mib, slack = 2**20, 64 * 1024
    with MemoryMeter():  # tracing is on from here, so the array below is known to the inner meter
        there_before = np.ones(4 * mib, dtype=np.uint8)
        with MemoryMeter() as m:
            big = np.ones(8 * mib, dtype=np.uint8)
            del big
            small = np.ones(mib, dtype=np.uint8)
    assert isinstance(m, MemoryMeter), f"MemoryMeter.__enter__ must return the meter itself, got {m!r}"
    assert abs(m.peak - 8 * mib) < slack, f"MemoryMeter.peak: expected about {8 * mib} bytes, got {m.peak}"
    assert abs(m.kept - mib) < slack, f"MemoryMeter.kept: expected about {mib} bytes, got {m.kept}"
    assert there_before.size + small.size == 5 * mib
    ### BEGIN HIDDEN TESTS
    with MemoryMeter() as outer:
        first = np.ones(6 * mib, dtype=np.uint8)
        del first
        with MemoryMeter() as inner:
            second = np.ones(2 * mib, dtype=np.uint8)
        del second
    assert abs(outer.peak - 6 * mib) < slack, f"MemoryMeter: an inner meter hid the outer peak, got {outer.peak}"
    assert abs(inner.peak - 2 * mib) < slack, f"MemoryMeter: inner peak should be about {2 * mib}, got {inner.peak}"
    assert not tracemalloc.is_tracing(), "MemoryMeter must switch tracing off again"
    try:
        with MemoryMeter():
            raise KeyError("on purpose")
    except KeyError:
        pass
    else:
        raise AssertionError("MemoryMeter.__exit__ swallowed the error of the block: it must return None")
    ### END HIDDEN TESTS

# %% [markdown]
"""
### Piece 7: `environment_report`

"It takes 40 ms" means nothing without "on this machine". A measurement that others can judge names the processor, the
number of cores, the memory, and the versions of what did the work. For us that is above all **BLAS**, the library
behind `np.dot`: the same line of Python may run ten times faster with another one.

Three helpers are given, because each operating system answers in its own way. In a container the machine may have 64
cores while you are allowed to use two: `usable_cores` and `usable_memory` tell what *you* have.
"""

# %% nbgrader={"grade": false, "grade_id": "setup-machine", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
def usable_cores() -> int:
    """Number of processor cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_memory() -> int | None:
    """Bytes of memory this process may use, or None where the system does not say."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")  # a container's limit (Linux, cgroup 2): a number or "max"
    text = limit.read_text().strip() if limit.is_file() else "max"
    return min(physical, int(text)) if text.isdigit() else physical


def blas_name() -> str:
    """Name and version of the BLAS library that NumPy was built with."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()

# %% nbgrader={"grade": false, "grade_id": "setup-environment-report", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def environment_report() -> dict:
    """On which machine, with which software: everything that a reader of your measurements has to know.

    TASK: return a dictionary with exactly these keys.
    APPROACH: one entry a line, in this order; the right column says what to call:
      python    version, e.g. "3.11.14"               platform.python_version()
      platform  operating system, one line            platform.platform()
      machine   processor family, e.g. "x86_64"       platform.machine()
      cores     int, what this process may use        usable_cores()
      memory    int (bytes) or None                   usable_memory()
      numpy     version                               np.__version__
      blas      name and version                      blas_name()
    EXAMPLE: environment_report()["cores"] -> 2
    """
    ### BEGIN SOLUTION
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": usable_cores(),
        "memory": usable_memory(),
        "numpy": np.__version__,
        "blas": blas_name(),
    }
    ### END SOLUTION

# %% [markdown]
"""
### Test: is the report true?

Each entry is compared with another source of the same fact: the interpreter's own version tuple, NumPy, the system.
"""

# %% nbgrader={"grade": true, "grade_id": "test-setup-environment-report", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def test_environment_report():
    import sys

    report = environment_report()
    assert isinstance(report, dict), f"environment_report must return a dict, got {report!r}"
    keys = ["python", "platform", "machine", "cores", "memory", "numpy", "blas"]
    assert list(report) == keys, f"environment_report: expected the keys {keys}, got {list(report)}"
    version = ".".join(str(part) for part in sys.version_info[:3])
    assert report["python"].startswith(version), f"environment_report: python is {version}, not {report['python']!r}"
    assert report["numpy"] == np.__version__, f"environment_report: numpy is {np.__version__}, not {report['numpy']!r}"
    assert type(report["cores"]) is int and 1 <= report["cores"] <= os.cpu_count(), (
        f"environment_report: cores must lie between 1 and {os.cpu_count()}, got {report['cores']!r}"
    )
    assert report["memory"] is None or report["memory"] > 2**24, f"environment_report: memory {report['memory']} bytes?"
    assert report["blas"] == blas_name(), f"environment_report: blas is {blas_name()!r}, reported {report['blas']!r}"

# %% [markdown]
"""
## Systems analysis: four things that fool people

Each function below measures something and prints it. **Predict first**, then run. The numbers are your machine's, so
they differ from anybody else's; the *shape* of the result does not.
"""

# %%
def analyze_clock():
    """How fine is the clock, and what does one honest and one naive measurement of a tiny function say?"""
    a = np.ones(8, dtype=np.float32)
    ticks = []
    while len(ticks) < 100:
        start = time.perf_counter()
        while (now := time.perf_counter()) == start:
            pass
        ticks.append(now - start)
    print(f"the clock can tell apart   {format_seconds(min(ticks))}")
    for attempt in range(3):
        with Timer() as t:
            np.add(a, a)
        print(f"np.add, one naive timing   {format_seconds(t.seconds)}   (attempt {attempt + 1})")
    print(f"np.add, measure_time       {measure_time(np.add, a, a)}")

# %% [markdown]
"""
The naive timings disagree with each other and are too long: they contain the clock's own cost, and the first contains
the warm-up as well. `measure_time` called the function thousands of times for each sample.

**Second: fresh memory is slow.** The operating system hands out memory lazily: it finds the pages when they are first
written. Predict: how much slower is the first write to an array than the second?
"""

# %%
def analyze_first_touch():
    """Write to 32 MiB that were just allocated, then write to them again."""
    first, second = [], []
    for _ in range(7):
        array = np.empty(8 * 2**20, dtype=np.float32)
        with Timer() as t:
            array.fill(1.0)
        first.append(t.seconds)
        with Timer() as t:
            array.fill(2.0)
        second.append(t.seconds)
    (a, _), (b, _) = median_and_spread(first), median_and_spread(second)
    print(f"fill 32 MiB: fresh memory {format_seconds(a)}, used memory {format_seconds(b)}, ratio {a / b:.1f}")

# %% [markdown]
"""
**Third: the same work costs more when it does not fit.** Reading 65,536 numbers is always the same work, wherever they
lie. But near the core lie small, fast memories, the **caches**, and behind them the large, slow one. We read the
numbers once in the order in which they lie, and once at random places. Predict: from which array size on do the two
part, and by what factor?
"""

# %%
def analyze_cache():
    """Time to read one number of an array, in order and at random places, for arrays from 16 KiB to 64 MiB."""
    rng, reads = np.random.default_rng(0), 2**16
    out = np.empty(reads, dtype=np.float32)
    for kib in (16, 128, 1024, 8192, 65536):
        array = np.ones(kib * 256, dtype=np.float32)
        ordered, anywhere = np.arange(reads) % array.size, rng.integers(0, array.size, reads)
        near, far = (measure_time(array.take, places, None, out, "clip", repeats=5) for places in (ordered, anywhere))
        print(f"{format_bytes(array.nbytes):>10}: in order {near.best / reads * 1e9:.2f} ns a number, "
              f"at random {far.best / reads * 1e9:.2f} ns")

# %% [markdown]
"""
The processor fetches memory in lines of 64 bytes and guesses which line comes next. In order, one line serves 16
float32 numbers and the guess is right. At random, both fail as soon as the array is larger than the caches. Remember
this when you shuffle a data set (module 08) or lay out images for a convolution (module 06).
"""

# %% [markdown]
"""
**Fourth: an expression has hidden arrays.** `a * b + c` looks like one step. Count the arrays before you run: how many
MiB does each line need at its peak, if every array has 4 MiB?
"""

# %%
def analyze_temporaries():
    """Peak memory of three ways to write the same formula, for arrays of 4 MiB."""
    a, b, c = (np.ones(2**20, dtype=np.float32) for _ in range(3))

    def in_place():
        out = a * b
        out += c
        return out

    def two_products():
        return a * b + a * c

    ways = {"a * b, then += c": in_place, "a * b + c": lambda: a * b + c, "a * b + a * c": two_products}
    for name, work in ways.items():
        with MemoryMeter() as m:
            result = work()
        print(f"{name:<18} peak {format_bytes(m.peak):>8}, kept {format_bytes(m.kept):>8}")
        del result

# %% [markdown]
r"""
NumPy is clever in the second line: it sees that nobody else holds the product and adds into it. Backward passes
(module 09) keep such intermediate arrays alive on purpose, which is why training needs far more memory than
prediction.

## Integration: a benchmark others can believe

All pieces in one place. `report_benchmark` prints the machine, then a matrix product with time, spread, memory, and
the rate of arithmetic. A product of two $n \times n$ matrices takes $2n^3$ operations, so one number follows that you
will meet in every later module: billions of operations in a second, GFLOP/s.
"""

# %%
def report_benchmark(n=256):
    """Print machine, time, rate and memory of an n × n float32 matrix product."""
    for key, value in environment_report().items():
        print(f"{key:<9}{format_bytes(value) if key == 'memory' and value else value}")
    a = np.random.default_rng(0).standard_normal((n, n), dtype=np.float32)
    timing = measure_time(np.matmul, a, a)
    with MemoryMeter() as m:
        np.matmul(a, a)
    rate = 2 * n**3 / timing.median / 1e9
    print(f"{n} × {n} matrix product: {timing}, {rate:.0f} GFLOP/s, peak {format_bytes(m.peak)}")

# %% [markdown]
"""
## Production context

PyTorch has the same instruments: `torch.utils.benchmark.Timer` warms up, chooses the number of calls and reports
median and interquartile range, for the same reasons as yours. `torch.utils.collect_env` prints the environment report
that its maintainers ask for in every bug report. On a GPU one more trap waits: a kernel is only *started* by the
Python line, so a timer must wait for the device (`torch.cuda.synchronize`) or it measures nothing; the peak there is
`torch.cuda.max_memory_allocated`.

MLPerf, the industry's benchmark, goes further: it fixes the task, the target accuracy and the data, and measures the
time until the target is reached. A fast step that learns nothing is worth nothing. Module 14 returns to this.

## Comprehensive test

Everything together, as the later modules will use it.
"""

# %% nbgrader={"grade": true, "grade_id": "test-setup-module", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
def test_module():
    a = np.ones((64, 64), dtype=np.float32)
    timing = measure_time(np.matmul, a, a, repeats=3)
    assert len(timing.samples) == 3, f"measure_time: three samples expected, got {timing!r}"
    assert timing.best <= timing.median, f"measure_time: the best sample is above the median in {timing!r}"
    assert "±" in str(timing), f"Timing reads 'median ± spread', got {timing}"
    with MemoryMeter() as m:
        product = np.matmul(a, a)
    assert m.kept >= product.nbytes, f"MemoryMeter.kept: a product of {product.nbytes} bytes is held, measured {m.kept}"
    with Timer(HandClock()) as t:
        pass
    assert repr(t) == "Timer(0.00 ns)", f"format_seconds in Timer.__repr__: expected 'Timer(0.00 ns)', got {t!r}"
    assert environment_report() == environment_report(), "environment_report must be the same twice in a row"
    assert format_bytes(m.kept).endswith("KiB"), f"format_bytes: {m.kept} bytes should be given in KiB"

# %%
if __name__ == "__main__":
    test_format_bytes()
    test_format_seconds()
    test_timer()
    test_median_and_spread()
    test_measure_time()
    test_memory_meter()
    test_environment_report()
    analyze_clock()
    analyze_first_touch()
    analyze_cache()
    analyze_temporaries()
    report_benchmark()
    test_module()

# %% [markdown]
"""
## 🤔 ML Systems Thinking: Interactive Questions
"""

# %% [markdown]
"""
**1.** A colleague times one training step of a fresh network with `time.time()`, once, and reports 1.84 s.
`measure_time` says 0.21 s. Name three different reasons for the difference, and say which part of your `measure_time`
removes each.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "setup-q1", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(A model answer for the grader; the hand-out replaces this whole cell.) The first step pays for fresh memory, cold
caches and compilation: the warm-up calls remove it (2 points). One sample may have been interrupted: repeats and the
median remove it (2 points). The wall clock may jump and is coarse: perf_counter, and several calls for one sample (1
point).
"""

# %% [markdown]
"""
**2.** Version A takes 10.2 ms with a spread of 0.9 ms, version B 9.8 ms with a spread of 0.7 ms. May you say that B is
faster? What would you measure next, and which argument of `measure_time` would you change?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "setup-q2", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) No: the difference of 0.4 ms is smaller than either spread (2 points). Take more samples (`repeats`),
and measure A and B in turn rather than one after the other, so that a slow phase of the machine hits both (2 points).
Comparing the best samples, or the ratio of paired samples, is also accepted (1 point).
"""

# %% [markdown]
"""
**3.** In `analyze_temporaries` the line `a * b + a * c` has the largest peak although all three keep the same. A
network with 50 layers keeps one array of 4 MiB for each layer until the backward pass. What are its peak and what it
keeps afterwards, and which of the two decides whether it runs on a machine with 160 MiB?
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "setup-q3", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) Peak at least 50 × 4 = 200 MiB, plus the temporaries of the layer being computed (2 points); afterwards
only the parameters, their gradients and what the user holds are kept (1 point). The peak decides: it does not fit in
160 MiB although the rest would (2 points).
"""

# %% [markdown]
"""
**4.** Why does your `Timer` take the clock as an argument? Describe a test of `measure_time` that would be wrong now
and then if it had to use the real clock.
"""

# %% [markdown] nbgrader={"grade": true, "grade_id": "setup-q4", "locked": false, "points": 5, "schema_version": 3, "solution": true, "task": false}
"""
(Model answer.) So that a test can decide what time it is: exact, instant, the same everywhere (2 points). Example:
sleep for 10 ms and demand a median below 11 ms; on a loaded machine sleep returns late and the test fails without a
fault in the code (3 points).
"""

# %% [markdown]
"""
## 🎯 MODULE SUMMARY: Setup

You built a timer that survives errors, a measurement that warms up, repeats and reports its own doubt, a meter for
peak memory, and a report that says on which machine all of it holds. You also saw four effects that fool people: the
cost of the clock, the first touch of memory, the caches, and hidden temporary arrays.

Keep one rule from today: **a number without its spread and its machine is a rumour.**

Next: `tito module complete setup`, then module 02, where you build the Tensor and the one door through which every
operation of the framework passes.
"""
