"""Python in a child process with a time limit and bounded output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ChildResult:
    """How a child ended. `returncode` is negative for a signal; `truncated` when output beyond the limit was dropped."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool
    truncated: bool

    @property
    def ok(self) -> bool:
        """It ended by itself with exit code 0."""
        return self.returncode == 0 and not self.timed_out


def run_python(
    arguments: Sequence[str],
    *,
    cwd: Path | None = None,
    timeout: float = 120.0,
    env: Mapping[str, str] | None = None,
    output_limit: int = 1_000_000,
    warnings_as_errors: bool = False,
) -> ChildResult:
    """Run `python *arguments` in its own process group, without input; after `timeout` seconds the group is killed.

    `env` is added to the environment; `output_limit` is in bytes for each of stdout and stderr.
    """
    raise NotImplementedError
