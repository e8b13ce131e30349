"""Compile kernels for the types with which the course's networks call them, or read them from disk."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tito.bench.child.report import Report
from tito.bench.child.sizes import cases_of, kernel_names, need_numba

FEW, MANY = 2, 16  # images or rows: some kernels divide only large arrays among threads


def warm(report: Report, chosen: Sequence[str]) -> None:
    """Take the number of a kernel from standard input, run it, and so on until there is none left."""
    from tinytorch import TinyTorchError

    need_numba()
    from tinytorch.given.compiling import cache_folder, counts, why_not_kept

    if why_not_kept():
        raise TinyTorchError(why_not_kept())
    names = kernel_names(chosen)
    report("start", kernels=len(names), folder=str(cache_folder()))
    for number in numbers():
        if number < len(names):
            before, clock = counts(), time.perf_counter()
            call(names[number])
            compiled, read = (now - then for now, then in zip(counts(), before, strict=True))
            report("kernel", name=names[number], compiled=compiled, read=read, seconds=time.perf_counter() - clock)
    report("result")


def numbers() -> Iterator[int]:
    """Bytes from standard input, one at a time: other processes take theirs from the same pipe."""
    while byte := os.read(0, 1):
        yield byte[0]


def call(name: str) -> None:
    """Call the kernel of a primitive on those of its cases that it accepts: on others it may write anywhere."""
    from tinytorch.core.engine import KERNELS

    row: Any = KERNELS[name, "numba"]
    for n in (FEW, MANY):
        for case in cases_of(name, n):
            if row.accepts(case.arrays, case.params):
                row.load()(np, *case.arrays, **case.params)
