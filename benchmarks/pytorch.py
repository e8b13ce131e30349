"""Is PyTorch there? It is the yardstick, never a dependency."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.setting import ROOT, BenchmarkError, Setting

OWN = ROOT / ".venv-pytorch" / "bin" / "python"
HOW = (
    "install it beside the project, `python3 -m venv .venv-pytorch` and `.venv-pytorch/bin/pip install torch numpy`, "
    "or name a Python that has it with --pytorch"
)


def usual_python() -> str:
    """The Python of .venv-pytorch where there is one, else the one that runs."""
    return str(OWN) if OWN.exists() else sys.executable


def require_pytorch(setting: Setting) -> None:
    """Raises BenchmarkError if `setting.pytorch` cannot import PyTorch and NumPy."""
    command = [setting.pytorch, "-c", "import numpy, torch"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchmarkError(
            f"expected a Python with PyTorch, found that {setting.pytorch} cannot be started ({error.strerror}): "
            "name another one with --pytorch."
        ) from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise BenchmarkError(f"expected PyTorch in {setting.pytorch}, found {reason!r}: {HOW}.")
