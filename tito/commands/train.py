"""`tito train`: train a real model with the framework that was built."""

from __future__ import annotations

from contextlib import closing, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tito.commands.context import project_and_course
from tito.console import Json

if TYPE_CHECKING:
    from tito.project import Project
    from tito.training.recipes import AnyRecipe
    from tito.training.runs import Job

INTERRUPTED = 130

app = typer.Typer(no_args_is_help=True)

Given = dict[str, int | float | str]
Settings = dict[str, int | float | str | None]


class Tokens(StrEnum):
    """What a token may be."""

    characters = "characters"
    bytes = "bytes"


Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the training images.")]
Budget = Annotated[
    float | None, typer.Option("--budget", min=0.05, metavar="MINUTES", help="Fewer epochs, if that many do not fit.")
]
Subset = Annotated[int | None, typer.Option("--subset", min=10, metavar="N", help="Train on the first N images only.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Same seed, same weights (default 0).")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=2, help="Images in a step.")]
LearningRate = Annotated[float | None, typer.Option("--lr", min=0.0, help="Highest learning rate of the cycle.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Processors to use (default: all).")]
Output = Annotated[Path | None, typer.Option("--output", metavar="DIR", help="Folder of the run (default: runs/…).")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run that was stopped, to the same bits.")]


@app.command()
def cifar10(
    epochs: Epochs = None,
    budget: Budget = None,
    subset: Subset = None,
    seed: Seed = None,
    batch_size: BatchSize = None,
    lr: LearningRate = None,
    threads: Threads = None,
    output: Output = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train the reference CNN on CIFAR-10, or on generated images where CIFAR-10 cannot be had."""
    changes: Settings = {"epochs": epochs, "batch_size": batch_size, "lr": lr}
    around: Settings = {"minutes": budget, "subset": subset, "seed": seed, "threads": threads}
    _train("cifar10", changes, around, output, resume, as_json)


@app.command()
def mnist(
    epochs: Epochs = None,
    budget: Budget = None,
    subset: Subset = None,
    seed: Seed = None,
    batch_size: BatchSize = None,
    lr: LearningRate = None,
    threads: Threads = None,
    output: Output = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train the reference CNN on MNIST, or on scikit-learn's digits where MNIST cannot be had."""
    changes: Settings = {"epochs": epochs, "batch_size": batch_size, "lr": lr}
    around: Settings = {"minutes": budget, "subset": subset, "seed": seed, "threads": threads}
    _train("mnist", changes, around, output, resume, as_json)


@app.command()
def gpt(
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Optimizer steps.")] = None,
    text: Annotated[Path | None, typer.Option("--text", metavar="FILE", help="A text of your own, in UTF-8.")] = None,
    tokenizer: Annotated[Tokens | None, typer.Option("--tokenizer", help="What a token is.")] = None,
    vocab_size: Annotated[int | None, typer.Option("--vocab-size", min=256, help="Byte pairs at most.")] = None,
    context: Annotated[int | None, typer.Option("--context", min=2, help="Tokens that it sees at once.")] = None,
    layers: Annotated[int | None, typer.Option("--layers", min=1, help="Transformer blocks.")] = None,
    heads: Annotated[int | None, typer.Option("--heads", min=1, help="Heads of each.")] = None,
    width: Annotated[int | None, typer.Option("--width", min=2, help="Features of a position.")] = None,
    dropout: Annotated[float | None, typer.Option("--dropout", min=0.0, max=0.9, help="Share that is dropped.")] = None,
    seed: Seed = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="Windows in a step.")] = None,
    lr: LearningRate = None,
    warmup: Annotated[int | None, typer.Option("--warmup", min=0, help="Steps in which the rate climbs.")] = None,
    weight_decay: Annotated[float | None, typer.Option("--weight-decay", min=0.0, help="Of matrices only.")] = None,
    threads: Threads = None,
    output: Output = None,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train a TinyGPT on Shakespeare, on your own text, or on generated plays where Shakespeare cannot be had."""
    changes: Settings = {"steps": steps, "batch_size": batch_size, "lr": lr, "context": context, "layers": layers}
    changes |= {"heads": heads, "width": width, "dropout": dropout, "vocab_size": vocab_size}
    changes |= {"warmup": warmup, "weight_decay": weight_decay}
    changes |= {"text": None if text is None else str(text.resolve()), "tokenizer": tokenizer and tokenizer.value}
    _train("gpt", changes, {"seed": seed, "threads": threads}, output, resume, as_json)


def _train(
    name: str,
    changes: Settings,
    around: Settings,
    output: Path | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Start or continue a run and show what it reports."""
    from tito.commands.train_view import view
    from tito.training.recipes import recipe
    from tito.training.runs import begun_or_gone
    from tito.training.session import check_modules, train

    project, course = project_and_course()
    check_modules(project, course, type(recipe(name)))
    given = {key: value for key, value in {**changes, **around}.items() if value is not None}
    job, folder = _continued(project, name, given, output) if resume else _started(project, name, given, output)
    stopped = False
    guard = nullcontext() if resume else begun_or_gone(project, folder)
    with guard, closing(train(project, job, folder)) as events, view(project, job, folder, as_json) as show:
        for event in events:
            stopped = event["event"] in ("stopped", "killed")
            show(event)
    if stopped:
        raise SystemExit(INTERRUPTED)


def _started(project: Project, name: str, given: Given, output: Path | None) -> tuple[Job[AnyRecipe], Path]:
    from tito.training.recipes import adjusted, recipe
    from tito.training.runs import Job, new_run, processors

    around: Given = {"seed": 0, "threads": processors(), **given}
    job = Job(
        recipe=adjusted(recipe(name), given),
        seed=int(around["seed"]),
        threads=int(around["threads"]),
        subset=int(around["subset"]) if "subset" in around else None,
        minutes=float(around["minutes"]) if "minutes" in around else None,
    )
    return job, new_run(project, job, output)


def _continued(project: Project, name: str, given: Given, output: Path | None) -> tuple[Job[AnyRecipe], Path]:
    from tito.errors import UsageError
    from tito.training.runs import read_job, unfinished_run

    if given:
        raise UsageError(
            f"expected --resume without new settings, found {', '.join(sorted(given))}: a run keeps its own"
        )
    folder = unfinished_run(project, name, output)
    job = read_job(folder)
    if job.recipe.name != name:
        found = job.recipe.name
        raise UsageError(f"expected a run of {name} in {folder}, found one of {found}: use `tito train {found}`")
    return job, folder
