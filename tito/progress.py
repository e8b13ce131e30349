"""What the student has completed: .tito/progress.json, written atomically under a lock.

with editing(project) as progress:
    progress.modules["02_tensor"] = ModuleRecord(completed=now(), source=sources.sha256)
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from tito.errors import ProjectError
from tito.files import atomic_write, explain_os_error, locked
from tito.project import Project

FORMAT = 1
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)  # what unusable JSON raises
Record = TypeVar("Record", "ModuleRecord", "CheckpointRecord")


@dataclass
class ModuleRecord:
    """A completed module: when (ISO 8601, UTC) and the hash of its source then (ModuleSources.sha256)."""

    completed: str
    source: str


@dataclass
class CheckpointRecord:
    """The last run of a checkpoint: when, whether it passed, and the source hash of every module it rests on.

    `data`: the data sets that it used; "" where none is needed, and in records of before this was kept.
    """

    tested: str
    passed: bool
    sources: dict[str, str]
    message: str = ""
    data: str = ""


@dataclass
class Progress:
    """`modules`: name -> ModuleRecord. `checkpoints`: number as two digits ("05") -> CheckpointRecord."""

    modules: dict[str, ModuleRecord] = field(default_factory=dict)
    checkpoints: dict[str, CheckpointRecord] = field(default_factory=dict)


def now() -> str:
    """The present time as the records keep it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def load(project: Project) -> Progress:
    """The present progress (empty when there is none yet).

    Raises ProjectError when the file is damaged or of another format; the file is then kept aside as
    progress.json.damaged-<n>, so the next command starts afresh.
    """
    path = project.progress_file
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return Progress()
    except OSError as error:
        raise ProjectError(f"expected to read {project.relative(path)}, {explain_os_error(error)}") from error
    except DAMAGED as error:
        kept = _keep_aside(path)
        raise ProjectError(
            f"expected progress in format {FORMAT} in {project.relative(path)}, found a file that cannot be used "
            f"({type(error).__name__}: {error}): it was kept as {kept.name}, run the command again to start afresh"
        ) from error


def parse(data: bytes) -> Progress:
    """The content of a progress file. Raises one of DAMAGED when it is damaged."""
    content = json.loads(data)
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']!r}")
    return Progress(
        {name: _checked(ModuleRecord(**record)) for name, record in content["modules"].items()},
        {number: _checked(CheckpointRecord(**record)) for number, record in content["checkpoints"].items()},
    )


def _checked(record: Record) -> Record:
    """The record, if each of its values is of the kind that `now`, a hash or a run gives."""
    for item in fields(record):
        value: Any = getattr(record, item.name)
        kind = {"passed": bool, "sources": dict}.get(item.name, str)
        hashes = value.values() if isinstance(value, dict) else ()
        if not isinstance(value, kind) or not all(isinstance(text, str) for text in hashes):
            raise TypeError(f"{item.name} is {str(value)[:60]!r}")
    return record


@contextlib.contextmanager
def editing(project: Project) -> Iterator[Progress]:
    """The progress, to be changed in place; saved on leaving the block unless it raised."""
    with locked(project.state_dir / "progress.lock"):
        progress = load(project)
        yield progress
        content = json.dumps({"format": FORMAT, **asdict(progress)}, indent=2, ensure_ascii=False)
        atomic_write(project.progress_file, content + "\n")


def _keep_aside(path: Path) -> Path:
    """Rename a damaged file to the first free progress.json.damaged-<n>."""
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        os.replace(path, kept)
    except OSError as error:
        raise ProjectError(f"expected to keep the damaged {path.name} aside, {explain_os_error(error)}") from error
    return kept
