"""`tito data`: which data sets are here, and how to get those that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tito.commands.context import here
from tito.console import Json, is_terminal, json_line, plain, rich_console, say, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tito.datasets import Dataset, Progress

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_datasets(as_json: Json = False) -> None:
    """List the data sets and where they lie."""
    from tito.datasets import find_datasets

    found = find_datasets(here())
    if as_json:
        _json(found)
        return
    rows = [
        (_mark(item), item.name, item.title, item.folder or f"{item.state}: tito data get {item.name}")
        for item in found
    ]
    table(("", "name", "data set", "where"), rows)


@app.command()
def check(as_json: Json = False) -> None:
    """Check the format and the counts of every data set that is here."""
    from tito.datasets import find_datasets

    found = find_datasets(here())
    wrong = [item for item in found if item.state == "wrong"]
    if as_json:
        _json(found)
    else:
        for item in found:
            detail = {"ok": f"complete, in {item.folder}", "missing": "not here"}.get(item.state, item.message)
            say(_mark(item), f" {item.name}: {detail}")
    if wrong:
        raise typer.Exit(1)


def _mark(item: Dataset) -> tuple[str, str]:
    return {"ok": ("✓", "green"), "missing": ("·", "dim")}.get(item.state, ("✗", "bold red"))


def _json(found: list[Dataset]) -> None:
    for item in found:
        json_line({"event": "dataset", **plain(item)})
    states = [item.state for item in found]
    json_line({"event": "result", **{state: states.count(state) for state in ("ok", "missing", "wrong")}})


@app.command()
def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="cifar10, mnist or tinyshakespeare.")],
    as_json: Json = False,
) -> None:
    """Download a data set; one that was cut off goes on where it stopped."""
    from tito.datasets import fetch_dataset

    steps = fetch_dataset(here(), name)
    if as_json:
        for step in steps:
            json_line({"event": type(step).__name__.lower(), **plain(step)})
        return
    item = _with_bar(steps)
    if item:
        say(("✓ ", "green"), f"{item.title} lies in {item.folder}")


def _with_bar(steps: Iterator[Progress | Dataset]) -> Dataset | None:
    """Show each file's progress on a terminal, a line per file elsewhere. Returns the data set."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    from tito.datasets import Dataset

    item = None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=rich_console(), disable=not is_terminal()) as bars:
        tasks = {}
        for step in steps:
            if isinstance(step, Dataset):
                item = step
                continue
            if step.file not in tasks:
                tasks[step.file] = bars.add_task(step.file, total=step.total)
                if not is_terminal():
                    say(f"{step.file}: {step.total:,} bytes")
            bars.update(tasks[step.file], completed=step.done)
    return item
