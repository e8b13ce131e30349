"""The real `tito`, in a process of its own, with the rights of a normal user."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TITO = Path(sys.executable).with_name("tito")
SECONDS = 120.0

# What root may do against permission bits, and a normal user may not (capabilities(7)).
DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER = 1, 2, 3
PR_CAPBSET_DROP = 24


def without_roots_rights() -> None:
    """In a child before it starts: give up what makes root ignore read-only files and folders."""
    if os.geteuid() == 0:
        for right in (DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER):
            if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, right, 0, 0, 0) != 0:
                raise OSError("prctl(PR_CAPBSET_DROP) failed")


def run(command: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a normal user."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        preexec_fn=without_roots_rights,
    )


def tito(cwd: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `tito ARGUMENTS`."""
    return run([str(TITO), *arguments], cwd, **environment)


def succeed(cwd: Path, *arguments: str) -> str:
    """Run `tito ARGUMENTS`, which must end with 0 and nothing on standard error; returns what it printed."""
    done = tito(cwd, *arguments)
    assert (done.returncode, done.stderr) == (0, ""), f"tito {arguments}: {done}"
    return done.stdout


def fail(cwd: Path, *arguments: str, code: int = 1) -> str:
    """Run `tito ARGUMENTS`, which must end with `code` and one sentence; returns all that it printed."""
    done = tito(cwd, *arguments)
    assert done.returncode == code, f"tito {arguments}: expected exit code {code}: {done}"
    assert "Traceback" not in done.stdout + done.stderr, f"tito {arguments}: {done}"
    return done.stdout + done.stderr


def records(output: str) -> list[dict[str, Any]]:
    """The records of JSON Lines."""
    return [json.loads(line) for line in output.splitlines()]
