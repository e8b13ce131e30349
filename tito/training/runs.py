"""The folder of a run: what was asked for, the training state, the results.

runs/cifar10-001/
    run.json             the job: recipe and settings; all that decides the weights
    plan.json            what the child decided before the first step: data, epochs
    state.safetensors    the training state at the last save
    best.safetensors     of a text: the weights with the lowest validation loss so far; goes when the run is finished
    model.safetensors    the trained network
    result.json          accuracy, times, history, confusion matrix: its presence means that the run is finished
    *.png                the same as pictures, if matplotlib is installed
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from tito.errors import ProjectError, TitoError, UsageError
from tito.files import atomic_write
from tito.project import Project
from tito.training.recipes import AnyRecipe, recipe

RUN, PLAN, RESULT = "run.json", "plan.json", "result.json"
STATE, MODEL, BEST = "state.safetensors", "model.safetensors", "best.safetensors"
LOCK = ".lock"
MAX_RUNS = 999


AnyOne = TypeVar("AnyOne", bound=AnyRecipe, covariant=True)


@dataclass(frozen=True)
class Job(Generic[AnyOne]):
    """All that decides a run. `minutes`: as many epochs as fit, at most the recipe's. `subset`: use so many images."""

    recipe: AnyOne
    seed: int
    threads: int
    subset: int | None = None
    minutes: float | None = None


def new_run(project: Project, job: Job[AnyRecipe], output: Path | None) -> Path:
    """Make the folder of a new run, with its job in it; return the folder. Raises UsageError, ProjectError."""
    folder = _numbered(project, job.recipe.name) if output is None else _chosen(output)
    atomic_write(folder / RUN, json.dumps({"format": 1, **asdict(job)}, indent=2) + "\n")
    return folder


def _numbered(project: Project, name: str) -> Path:
    """Make runs/<name>-<the next free number>."""
    taken = [int(path.name.rsplit("-", 1)[1]) for path in _numbered_runs(project, name)]
    for number in range(max(taken, default=0) + 1, MAX_RUNS + 1):
        folder = runs_dir(project) / f"{name}-{number:03d}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue  # another run started at the same moment
        except OSError as error:
            raise _unwritable(folder, error) from error
        return folder
    raise ProjectError(f"expected fewer than {MAX_RUNS} runs in {runs_dir(project)}: remove old ones")


def _chosen(output: Path) -> Path:
    """Make the folder that the user named; it must not hold a run already."""
    folder = output.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise _unwritable(folder, error) from error
    if occupied:
        raise UsageError(
            f"expected {output} to be empty or new, found files in it: choose another folder, or continue the run that "
            f"lies there with --resume --output {output}"
        )
    return folder


@contextmanager
def begun_or_gone(project: Project, folder: Path) -> Iterator[None]:
    """Around a new run: if it fails before its plan is written, its files go again, and so does a folder in runs/.

    Settings that cannot be leave nothing behind that --resume would find.
    """
    try:
        yield
    except TitoError:
        if not (folder / PLAN).exists():
            for name in (RUN, LOCK):
                (folder / name).unlink(missing_ok=True)
            if folder.parent == runs_dir(project) and not any(folder.iterdir()):
                folder.rmdir()
        raise


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(f"expected to make the folder {folder}, found: {error.strerror}: choose another with --output")


def runs_dir(project: Project) -> Path:
    """The folder that holds every run for which none was named."""
    return project.root / "runs"


def _numbered_runs(project: Project, name: str) -> list[Path]:
    """The runs of a recipe, oldest first."""
    found = [path for path in runs_dir(project).glob(f"{name}-*") if path.name.removeprefix(f"{name}-").isdecimal()]
    return sorted(found, key=lambda path: int(path.name.rsplit("-", 1)[1]))


def unfinished_run(project: Project, name: str, output: Path | None) -> Path:
    """The run to continue: the one in `output`, else the newest unfinished one of the recipe. Raises UsageError."""
    if output is None:
        runs = _numbered_runs(project, name)
        open_runs = [folder for folder in runs if (folder / RUN).is_file() and not is_finished(folder)]
        if not open_runs:
            raise UsageError(
                f"expected an unfinished run of {name} in {runs_dir(project)}, found none: start one with "
                f"`tito train {name}`"
            )
        return open_runs[-1]
    folder = output.resolve()
    if not (folder / RUN).is_file():
        raise UsageError(f"expected a run in {output}, found no {RUN} there: name the folder that the run reported")
    if is_finished(folder):
        raise UsageError(f"expected an unfinished run in {output}, found a finished one: its results are in {RESULT}")
    return folder


def finished_run(project: Project, name: str, chosen: Path | None) -> Path:
    """The trained model to use: that of the run in `chosen`, else of the newest finished run. Raises UsageError."""
    if chosen is None:
        done = [folder for folder in _numbered_runs(project, name) if is_finished(folder)]
        if not done:
            raise UsageError(
                f"expected a finished run of {name} in {runs_dir(project)}, found none: train one with "
                f"`tito train {name}`, or name a run's folder"
            )
        return done[-1] / MODEL
    folder = chosen.resolve()
    if folder.is_file():
        return folder
    if not (folder / RUN).is_file():
        raise UsageError(f"expected a run in {chosen}, found no {RUN} there: name the folder that the run reported")
    if not is_finished(folder):
        raise UsageError(
            f"expected a finished run in {chosen}, found one that was stopped: continue it with "
            f"`tito train {name}` and --resume --output {chosen}"
        )
    return folder / MODEL


def is_finished(folder: Path) -> bool:
    """Whether the run has come to its end."""
    return (folder / RESULT).is_file()


def read_job(folder: Path) -> Job[AnyRecipe]:
    """The job of a run. Raises ProjectError if its file is damaged."""
    path = folder / RUN
    try:
        row = json.loads(path.read_bytes())
        if row.pop("format") != 1:
            raise ValueError("an unknown format")
        kind = type(recipe(row["recipe"]["name"]))
        return Job(**{**row, "recipe": kind(**row["recipe"])})
    except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
        raise ProjectError(
            f"expected {path} as tito wrote it, found it damaged ({error}): start a new run with `tito train`"
        ) from error


def read_plan(folder: Path, *names: str) -> dict[str, Any] | None:
    """The plan of a run, with all of `names` in it; None if it has none yet. Raises ProjectError if it is damaged."""
    path = folder / PLAN
    if not path.is_file():
        return None
    try:
        plan: dict[str, Any] = json.loads(path.read_bytes())
        if missing := sorted(set(names) - set(plan)):
            raise ValueError(f"no {missing[0]}")
    except (OSError, ValueError, TypeError) as error:
        raise ProjectError(
            f"expected {path} as tito wrote it, found it damaged ({error}): start a new run with `tito train`"
        ) from error
    return plan


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
