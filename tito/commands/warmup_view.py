"""How compiling looks: a progress bar on a terminal, one sentence in a pipe, JSON Lines on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tito.console import is_terminal, json_line, rich_console, say

Event = dict[str, Any]


@contextmanager
def view(as_json: bool) -> Iterator[Callable[[Event], None]]:
    """A function that shows one event."""
    if as_json:
        yield json_line
    elif is_terminal():
        with _bar() as show:
            yield show
    else:
        yield _say_result


@contextmanager
def _bar() -> Iterator[Callable[[Event], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=rich_console(), transient=True) as bar:
        task = bar.add_task("Compiling kernels", total=None)

        def show(event: Event) -> None:
            if event["event"] == "start":
                bar.update(task, total=event["kernels"])
            elif event["event"] == "kernel":
                bar.update(task, completed=event["done"], description=event["name"])
            else:
                bar.stop()
                _say_result(event)

        yield show


def _say_result(event: Event) -> None:
    """One sentence at the end; nothing before."""
    if event["event"] == "result":
        made = f"{event['compiled']} functions compiled, {event['read']} read from the cache"
        kernels = "1 kernel is" if event["kernels"] == 1 else f"{event['kernels']} kernels are"
        say((f"{kernels} ready", "green"), f": {made}, in {event['seconds']:.1f} s.")
