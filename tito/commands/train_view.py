"""How a training run looks: a live progress bar on a terminal, plain lines in a pipe, JSON Lines on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tito.console import is_terminal, json_line, rich_console, say

if TYPE_CHECKING:
    from rich.progress import Progress

    from tito.project import Project
    from tito.training.recipes import AnyRecipe
    from tito.training.runs import Job

Event = dict[str, Any]
Show = Callable[[Event], None]


@contextmanager
def view(project: Project, job: Job[AnyRecipe], folder: Path, as_json: bool) -> Iterator[Show]:
    """A function that shows one event; on a terminal the progress bar stands as long as the context."""
    from tito.commands.train_text_view import LiveText, TextLines
    from tito.training.recipes import TextRecipe

    place, of_text = project.relative(folder), isinstance(job.recipe, TextRecipe)
    if as_json:
        yield lambda event: _show_json(event, place)
    elif is_terminal():
        with _progress() as bar:
            yield (LiveText if of_text else Live)(bar, job, place)
    else:
        yield (TextLines if of_text else Lines)(job, place)


def _show_json(event: Event, place: str) -> None:
    """Every event as a line; the last one is the result, or says that the run was stopped."""
    last = event["event"] in ("result", "stopped", "killed")
    json_line({key: value for key, value in event.items() if key != "texts"} | ({"folder": place} if last else {}))


class Lines:
    """One line for each thing worth knowing."""

    def __init__(self, job: Job[AnyRecipe], place: str) -> None:
        self.job, self.place = job, place

    def __call__(self, event: Event) -> None:
        """Show one event; kinds that have no line are passed over."""
        show = getattr(self, event["event"], None)
        if show is not None:
            show(event)

    def say(self, text: str, style: str = "") -> None:
        """Print one line."""
        say((text, style) if style else text)

    def data(self, event: Event) -> None:
        """Which images, and why these."""
        self.say(f"Data: {event['title']}, {event['train']:,} images to train on, {event['test']:,} to test on.")
        if event["why"]:
            self.say(f"  {event['why']}", "yellow")

    def baseline(self, event: Event) -> None:
        """What comparing pixels achieves."""
        self.say(f"To beat: {event['accuracy']:.1%}, the accuracy of {event['k']} nearest neighbours, pixel by pixel.")

    def printed(self, event: Event) -> None:
        """A line that the package printed."""
        self.say(event["text"], "dim")

    def notice(self, event: Event) -> None:
        """A sentence of the child's."""
        self.say(event["message"], "yellow")

    def plan(self, event: Event) -> None:
        """The network and how long it will be trained."""
        threads, epochs = count(self.job.threads, "thread"), count(event["epochs"], "epoch")
        self.say(f"Network: {event['network']}, {event['parameters']:,} parameters. {event['optimizer']}.")
        self.say(f"Plan: {epochs} of {count(event['steps_per_epoch'], 'step')} on {threads}.")
        if event["why"]:
            self.say(f"  {event['why']}")
        if event["start"]:
            self.say(f"Continuing after step {event['start']:,}.")

    def epoch(self, event: Event) -> None:
        """What one epoch brought."""
        self.say(
            f"Epoch {event['epoch']}/{event['epochs']}: loss {event['train_loss']:.3f}, training accuracy "
            f"{event['train_accuracy']:.1%}, test accuracy {event['test_accuracy']:.1%} ({event['seconds']:.0f} s)"
        )

    def stopped(self, event: Event) -> None:
        """Where it stopped and how to go on."""
        after = f"after step {event['step']:,} of {event['steps']:,}" if event["steps"] else "before the first step"
        self.say(f"Stopped {after}. All that is needed to go on is saved in {self.place}.", "bold")
        self.say_how_to_continue()

    def killed(self, event: Event) -> None:
        """Ended the hard way."""
        self.say(f"Ended at once; what was saved last is in {self.place}.", "bold")
        self.say_how_to_continue()

    def say_how_to_continue(self) -> None:
        """The command to type next."""
        self.say(f"Continue with: tito train {self.job.recipe.name} --resume --output {self.place}")

    def result(self, event: Event) -> None:
        """Loss curve, confusion matrix, accuracy, files."""
        for text in event["texts"]:
            self.say(f"\n{text}")
        accuracy, images = f"{event['test_accuracy']:.2%}", f"{event['test']:,} images of {event['title']}"
        self.say(f"\nTest accuracy: {accuracy} on {images}", "bold green")
        if event["baseline"] is not None:
            self.say(f"Nearest neighbours: {event['baseline']:.2%}")
        self.say(f"{event['seconds']:.0f} s in all, {event['epoch_seconds']:.1f} s an epoch.")
        self.say(f"Files in {self.place}: {', '.join(event['files'])}")


class Live(Lines):
    """The same lines above a progress bar with the present loss and accuracy."""

    def __init__(self, bar: Progress, job: Job[AnyRecipe], place: str) -> None:
        super().__init__(job, place)
        self.bar, self.task = bar, bar.add_task("Starting", total=None, metrics="")

    def say(self, text: str, style: str = "") -> None:
        """Print one line above the bar."""
        self.bar.console.print(text, style=style or None, markup=False, highlight=False, soft_wrap=True)

    def download(self, event: Event) -> None:
        """Bytes that have come."""
        done, total = event["done"] / 2**20, event["total"] / 2**20
        self.bar.update(
            self.task, description=f"Fetching {event['file']}", completed=done, total=total, metrics=f"{done:.0f} MB"
        )

    def step(self, event: Event) -> None:
        """Loss, accuracy and learning rate at this step."""
        metrics = f"loss {event['loss']:.3f}  accuracy {event['accuracy']:.1%}  lr {event['lr']:.4f}"
        name = f"Epoch {event['epoch']}/{event['epochs']}"
        self.bar.update(self.task, description=name, completed=event["step"], total=event["steps"], metrics=metrics)

    def __call__(self, event: Event) -> None:
        """Show one event; the bar goes before the last words."""
        if event["event"] in ("result", "stopped", "killed"):
            self.bar.stop()
        super().__call__(event)


def _progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[metrics]}"),
        TimeRemainingColumn(),
        console=rich_console(),
        transient=True,
    )


def count(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
