"""How a run is made: what every measurement is told."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.libraries import OURS, THEIRS

ROOT = Path(__file__).resolve().parents[1]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class BenchmarkError(Exception):
    """One sentence: what was expected, what was found, what to do next."""


@dataclass(frozen=True)
class Setting:
    """How a run is made.

    rounds: alternations. seconds: how long the slower library works in its turn. pytorch: the Python that has PyTorch.
    keep_memory: PyTorch gets TinyTorch's allocator settings too.
    """

    threads: int = 2
    rounds: int = 15
    seconds: float = 0.5
    pytorch: str = sys.executable
    keep_memory: bool = False

    def python(self, library: str) -> str:
        """The interpreter that runs `library`."""
        return self.pytorch if library == THEIRS else sys.executable

    def environment(self, library: str) -> dict[str, str]:
        """A child's environment: the same threads for both, and TinyTorch from this repository."""
        own = {name: str(self.threads) for name in THREADS}
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH") if library == OURS else None)))
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**kept, **own, "PYTHONPATH": path}
