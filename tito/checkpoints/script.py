"""`python tests/checkpoints/checkpoint_NN_name.py`: the same run as `tito checkpoint test NN`."""

from __future__ import annotations

import sys
from pathlib import Path

from tito.errors import TitoError


def main(file: str) -> int:
    """Run the checkpoint whose file this is; print each test and return the exit code.

    It runs in a fresh process: the file that calls this has imported `tinytorch` already, before anybody could look
    whether that is the exported package.
    """
    from tito.checkpoints.run import run_checkpoint
    from tito.commands.checkpoint import render_outcome
    from tito.course.model import load_course
    from tito.project import find_project

    path = Path(file).resolve()
    try:
        project = find_project(path)
        course = load_course(project)
        outcome = run_checkpoint(project, course, course.checkpoint(path.name.split("_")[1]))
    except TitoError as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code
    render_outcome(outcome)
    return 0 if outcome.passed else 1
