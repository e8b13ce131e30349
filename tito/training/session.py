"""A training run, or the writing of a trained model, seen from tito's side: a child, and the events it reports.

tito's own process never imports the student's package.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from tito.course.model import Course
from tito.export import exported_modules
from tito.files import locked
from tito.project import Project
from tito.run.reporting import Event, RunError, reported
from tito.training.recipes import AnyRecipe, Recipe, TextRecipe
from tito.training.runs import LOCK, Job

NEEDED = {Recipe: "11_training", TextRecipe: "16_tinygpt"}
CHILD = "tito.training.child"
WRITER = "tito.training.child.write"


def check_modules(project: Project, course: Course, recipe: type[AnyRecipe]) -> None:
    """Raises RunError, naming the first module to complete, unless all that the recipe needs is exported."""
    exported = exported_modules(project)
    needed = course.module(NEEDED[recipe])
    missing = [module for module in course.closure(needed) if module.name not in exported]
    if missing:
        names = ", ".join(module.name for module in missing)
        raise RunError(
            f"expected every module that this needs in the exported package, found {names} missing: continue with "
            f"`tito module complete {missing[0].short}`"
        )


def train(project: Project, job: Job[AnyRecipe], folder: Path) -> Generator[Event, None, None]:
    """Train in a child until it ends; yield its events, the last one being "result", "stopped" or "killed".

    Raises what `reported` does, and ProjectError when another process is at work on the same run.
    """
    with locked(folder / LOCK, timeout=0.5):
        yield from reported(project, [CHILD, str(folder)], job.threads)


def write(project: Project, model: Path, settings: Mapping[str, Any], threads: int) -> Generator[Event, None, None]:
    """Let a trained model write, in a child; yield its events, the last one being "result". Raises as `train` does."""
    yield from reported(project, [WRITER, str(model), json.dumps(settings)], threads)
