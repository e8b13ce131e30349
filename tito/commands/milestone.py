"""`tito milestone`: the milestones of the field, from 1957 on, with the framework that was built."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tito.commands.context import project_and_course
from tito.console import Json, is_terminal, json_line, say, table

if TYPE_CHECKING:
    from tito.milestones.status import Status
    from tito.milestones.table import Milestone

INTERRUPTED = 130

app = typer.Typer(no_args_is_help=True)


@app.callback()
def milestone() -> None:
    """Rebuild the milestones of the field; the files are in examples/."""


@app.command("list")
def list_milestones(as_json: Json = False) -> None:
    """List the milestones: what each asks, what it needs, what is to come out, and what came out last."""
    from tito.milestones.status import milestone_statuses

    statuses = milestone_statuses(*project_and_course())
    if as_json:
        for item in statuses:
            json_line(_row(item))
        json_line({"event": "result", "milestones": len(statuses), "unlocked": sum(not i.missing for i in statuses)})
        return
    table(("year", "name", "", "expected", "last result"), [_cells(item) for item in statuses])
    for item in statuses:
        say(f"\n{item.milestone.year} {item.milestone.name}: {item.milestone.question}")
        say((f"  needs {', '.join(item.milestone.requires)}{_missing(item)}", "dim"))


def _row(item: Status) -> dict[str, Any]:
    each = item.milestone
    return {
        "event": "milestone",
        "name": each.name,
        "year": each.year,
        "question": each.question,
        "file": each.path,
        "requires": each.requires,
        "missing": item.missing,
        "unlocked": not item.missing,
        "expected": [expectation.text for expectation in each.expected],
        "stopped": item.stopped,
        "result": item.result,
    }


def _cells(item: Status) -> tuple[Any, ...]:
    mark = ("locked", "dim") if item.missing else ("unlocked", "")
    last: Any = "not run"
    if item.result is not None:
        mark = ("✓ met", "green") if item.result.met else ("✗ not met", "bold red")
        last = f"{_numbers(item.result.values)} in {item.result.seconds:.0f} s"
    if item.stopped:
        last = "stopped; `tito milestone run` goes on"
    expected = ", ".join(expectation.text for expectation in item.milestone.expected)
    return str(item.milestone.year), item.milestone.name, mark, expected, last


def _missing(item: Status) -> str:
    return f"; missing: {', '.join(item.missing)}" if item.missing else ""


def _numbers(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in values.items())


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A milestone's name or year: resnet, 2015.")],
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Processors to use (default: all).")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew, also where a stopped run could go on.")] = False,
    as_json: Json = False,
) -> None:
    """Run a milestone, and compare what comes out with what is expected. One that was stopped goes on."""
    from tito.milestones.run import check_unlocked, run_milestone
    from tito.milestones.table import find_milestone, load_milestones
    from tito.training.runs import processors

    project, course = project_and_course()
    chosen = find_milestone(load_milestones(project, course), name)
    check_unlocked(project, course, chosen)
    live = is_terminal() and not as_json
    last: dict[str, Any] = {}
    with closing(run_milestone(project, chosen, threads or processors(), live=live, fresh=fresh)) as events:
        for last in events:
            json_line(last) if as_json else _show(last, chosen)
    if last["event"] in ("stopped", "killed"):
        raise SystemExit(INTERRUPTED)
    if not last["met"]:
        raise typer.Exit(1)


def _show(event: dict[str, Any], chosen: Milestone) -> None:
    kind = event["event"]
    if kind == "start":
        say((f"{chosen.year} {chosen.name}: {chosen.question}", "bold"))
        since = ", from where it was stopped" if event["continued"] else ""
        say(f"{chosen.path}, threads: {event['threads']}{since}")
    elif kind == "printed":
        say(str(event.get("text", "")))
    elif kind == "written":
        sys.stdout.write(str(event.get("text", "")))
        sys.stdout.flush()
    elif kind == "result":
        _show_result(event, chosen)
    else:
        how = "goes on from there" if event["saved"] else "starts anew: nothing was saved"
        say(f"Stopped. `tito milestone run {chosen.name}` {how}.")


def _show_result(event: dict[str, Any], chosen: Milestone) -> None:
    for expectation in chosen.expected:
        met = expectation.met(event["values"])
        mark = ("✓ ", "green") if met else ("✗ ", "bold red")
        say(mark, f"expected {expectation.text}, found {_number(event['values'][expectation.metric])}")
    since = " since it went on" if event["continued"] else ""
    say(f"{event['seconds']:.0f} s{since}.")
