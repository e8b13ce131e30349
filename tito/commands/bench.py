"""`tito bench`: what the compiled kernels bring on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tito.commands.context import here
from tito.console import Json, is_terminal, json_line, say, table

app = typer.Typer(no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Operations, as conv2d; default: all.")]
Threads = Annotated[int | None, typer.Option(help="Of the kernels and of the reference; default: all cores.")]
Output = Annotated[Path | None, typer.Option(help="Write everything that was measured to this file, as JSON.")]


@app.callback()
def bench() -> None:
    """Measure on this machine; every number is a ratio, taken in turns."""


@app.command()
def kernels(
    names: Names = None,
    threads: Threads = None,
    rounds: Annotated[int, typer.Option(help="How often kernel and reference take turns.")] = 9,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Show each compiled kernel's time as a ratio to its reference kernel's: below 1 it is faster."""
    from tito.bench.kernels import measure_kernels, write_results
    from tito.bench.output import check_output

    project = here()
    if output is not None:
        check_output(output)
    found = []
    for event in measure_kernels(project, names or (), threads, rounds):
        found.append(event)
        if as_json:
            json_line(event)
        elif is_terminal() and event["event"] != "result":
            typer.echo(f"\r\033[K{event['done'] + 1} of {event['all']}: {event['name']}", nl=False)
    if output is not None:
        write_results(output, project, found)
    if not as_json:
        _show(found)


def _show(found: list[dict]) -> None:  # type: ignore[type-arg]
    if is_terminal():
        typer.echo("\r\033[K", nl=False)
    rows = [
        (event["name"], event["size"], _ratio(event["median"]), f"{event['low']:.3f}–{event['high']:.3f}")
        for event in found
        if event["event"] == "kernel"
    ]
    table(("kernel", "size", "ratio", "middle half"), rows)
    for event in found:
        if event["event"] == "unmeasured":
            say((f"{event['name']}: nobody has stated a size for it.", "yellow"))
    slower = sum(event["event"] == "kernel" and event["median"] > 1 for event in found)
    result = found[-1]
    kernels = f"{len(rows)} sizes of {result['kernels']} kernels, threads: {result['threads']}"
    say(f"{kernels}; slower than the reference: {slower}.")


def _ratio(value: float) -> tuple[str, str]:
    return f"{value:.3f}", "green" if value <= 1 else "bold red"
