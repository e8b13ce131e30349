"""What a milestone leaves behind.

runs/milestones/resnet/
    result.json          the numbers that came out when it was run last to its end
    *.safetensors        the state of the training, written by the milestone itself, so that a stopped run can go on
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tito.errors import ChildError, ProjectError
from tito.files import atomic_write
from tito.milestones.table import Milestone
from tito.project import Project

RESULT, STATES = "result.json", "*.safetensors"
FORMAT = 1
LARGEST = 1e300  # beyond it, and NaN, are no results


@dataclass(frozen=True)
class Result:
    """How a milestone ended. `continued`: after a stop, so that the time before it is missing from `seconds`."""

    values: dict[str, float]
    met: bool
    seconds: float
    continued: bool
    threads: int
    finished: str


def folder_of(project: Project, milestone: Milestone) -> Path:
    """Where the milestone keeps its files."""
    return project.root / "runs" / "milestones" / milestone.name


def write_result(folder: Path, result: Result) -> None:
    """Write what came out, in place of what came out before."""
    atomic_write(folder / RESULT, json.dumps({"format": FORMAT, **asdict(result)}, indent=1) + "\n")


def read_result(folder: Path) -> Result | None:
    """What came out last; None if the milestone never came to its end. Raises ProjectError if the file is damaged."""
    path = folder / RESULT
    if not path.is_file():
        return None
    try:
        row = json.loads(path.read_bytes())
        if row.pop("format") != FORMAT:
            raise ValueError("an unknown format")
        result = Result(**row)
        if not (isinstance(result.seconds, int | float) and isinstance(result.met, bool)):
            raise ValueError("a time that is no number")
        numbers(result.values)
        return result
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ChildError) as error:
        raise ProjectError(
            f"expected {path} as tito wrote it, found it damaged ({error}): remove it and run the milestone again"
        ) from error


def numbers(values: Any) -> dict[str, float]:
    """`values` if it is a table of names and finite numbers; else ChildError says what it is."""
    if not isinstance(values, Mapping) or not values:
        raise ChildError(f"expected main() to return numbers by name, found {values!r}: correct the example")
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST < value < LARGEST:
            raise ChildError(f"expected a finite number as {name}, found {value!r}: see what the training printed")
    return dict(values)


def stopped_state(folder: Path) -> bool:
    """Whether a state lies there that is younger than the last result: that of a run which was stopped."""
    states = [path.stat().st_mtime_ns for path in folder.glob(STATES)]
    result = folder / RESULT
    return bool(states) and (not result.is_file() or max(states) > result.stat().st_mtime_ns)


def forget_state(folder: Path) -> None:
    """Remove the saved state, so that the next run starts anew."""
    for path in folder.glob(STATES):
        path.unlink()
