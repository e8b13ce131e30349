"""Run one checkpoint in a child process and return what happened."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tito.checkpoints import guard
from tito.checkpoints.results import Outcome, judge
from tito.course.model import Checkpoint, Course
from tito.errors import ExportError, ProjectError
from tito.progress import CheckpointRecord, editing
from tito.project import Project
from tito.run.child import run_python

TIMEOUT = 300.0
FULL_TIMEOUT = 7200.0
FULL = "TITO_CHECKPOINT_FULL"


def run_checkpoint(
    project: Project,
    course: Course,
    checkpoint: Checkpoint,
    *,
    record: bool = True,
    timeout: float = TIMEOUT,
    full: bool = False,
) -> Outcome:
    """Run the checkpoint on the exported package and, unless told not to, record the result.

    full: train whole models where the checkpoint would otherwise train small ones; that takes its time.

    Raises ProjectError when its file is missing, SourceError when a source it rests on is.
    """
    file = checkpoint.file(project)
    if not file.is_file():
        raise ProjectError(f"expected {project.relative(file)}, found no such file: restore it and try again")
    sources = guard.source_hashes(project, guard.required_modules(course, checkpoint))
    _forget_old_bytecode(project)
    limit = FULL_TIMEOUT if full else timeout
    with tempfile.TemporaryDirectory(prefix="tito-checkpoint-") as folder:
        target = Path(folder) / "results.jsonl"
        child = run_python(
            ["-m", "pytest", *pytest_arguments(project, file, target)],
            cwd=project.root,
            timeout=limit,
            env=environment(project) | {FULL: "1" if full else "0"},
        )
        outcome = judge(
            checkpoint,
            target,
            output=child.stdout + child.stderr,
            seconds=child.seconds,
            sources=sources,
            ended=f"it ran past {limit:.0f} s" if child.timed_out else "",
        )
    if record:
        record_outcome(project, outcome)
    return outcome


@functools.cache
def _forget_old_bytecode(project: Project) -> None:
    """Compile the package once in this process; that runs none of it. The child says what is wrong with the export."""
    with contextlib.suppress(guard.StaleExportError, ExportError):
        guard.refresh_bytecode(project, anew=True)


def pytest_arguments(project: Project, file: Path, target: Path) -> list[str]:
    """pytest's arguments: this file, results to `target`. They do not depend on anybody's settings."""
    return [
        str(file),
        f"--rootdir={project.root}",
        f"--confcutdir={project.root}",  # no folder above is looked into
        f"--config-file={os.devnull}",
        "--noconftest",
        "--import-mode=importlib",
        "-Werror",
        "-ptito.checkpoints.plugin",
        "-ptito.checkpoints.report",
        f"--checkpoint-report={target}",
        "--tb=short",
        "-q",
        "-pno:cacheprovider",
    ]


def environment(project: Project) -> dict[str, str]:
    """What the child's environment says: this project's package first, and no options from the caller's."""
    return {
        "PYTHONPATH": str(project.root),
        "PYTEST_ADDOPTS": "",
        "PYTEST_PLUGINS": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }


def record_outcome(project: Project, outcome: Outcome) -> None:
    """Write the result to the student's progress, with the hashes of the sources that it rests on."""
    with editing(project) as progress:
        progress.checkpoints[f"{outcome.checkpoint.number:02d}"] = CheckpointRecord(
            tested=datetime.now(UTC).isoformat(timespec="seconds"),
            passed=outcome.passed,
            sources=outcome.sources,
            message=outcome.message,
            data=outcome.data,
        )
