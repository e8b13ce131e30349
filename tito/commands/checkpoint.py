"""`tito checkpoint`: ask the exported package what it can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tito.commands.context import project_and_course, verbose
from tito.console import Json, json_line, say, table

if TYPE_CHECKING:
    from tito.checkpoints.results import Outcome
    from tito.checkpoints.status import Status

app = typer.Typer(no_args_is_help=True)

MARKS = {"passed": ("✓", "green"), "failed": ("✗", "bold red"), "stale": ("~", "yellow"), "not run": ("·", "dim")}
Number = Annotated[str, typer.Argument(metavar="NN", help="A checkpoint's number or name: 5, 05 or learning.")]


@app.command()
def status(
    detailed: Annotated[bool, typer.Option("--detailed", help="Also the question, and why it is not passed.")] = False,
    as_json: Json = False,
) -> None:
    """Show which checkpoints passed, failed, are stale or were not run."""
    from tito.checkpoints.status import checkpoint_statuses

    statuses = checkpoint_statuses(*project_and_course())
    if as_json:
        for item in statuses:
            json_line(_status_row(item))
        json_line({"event": "status", **_counts(statuses)})
        return
    for item in statuses:
        _say_status(item, detailed)
    counts = _counts(statuses)
    say(
        f"{counts['passed']} of {len(statuses)} passed",
        *([f", {counts['stale']} stale"] if counts["stale"] else []),
        ".",
    )


def _counts(statuses: list[Status]) -> dict[str, int]:
    return {state: sum(item.state.value == state for item in statuses) for state in MARKS}


def _status_row(item: Status) -> dict[str, object]:
    return {
        "event": "checkpoint",
        "number": item.checkpoint.number,
        "name": item.checkpoint.name,
        "question": item.checkpoint.question,
        "module": item.checkpoint.module,
        "state": item.state.value,
        "tested": item.record.tested if item.record else None,
        "message": item.record.message if item.record else "",
        "data": item.record.data if item.record else "",
        "changed": item.changed,
    }


def _say_status(item: Status, detailed: bool) -> None:
    checkpoint = item.checkpoint
    say(
        MARKS[item.state.value],
        f" {checkpoint.number:02d} {checkpoint.name:<16} {item.state.value:<8} {checkpoint.module}",
        *([f"  on {item.record.data}"] if item.record and item.record.data else []),
    )
    if not detailed:
        return
    say("      ", (checkpoint.question, "italic"))
    if item.changed:
        say(f"      changed since the last run: {', '.join(item.changed)}")
    elif item.record and item.record.message:
        say(f"      {item.record.message}")
    if item.record:
        say((f"      last run {item.record.tested}", "dim"))


@app.command()
def timeline(
    horizontal: Annotated[bool, typer.Option("--horizontal", help="One line instead of one line each.")] = False,
    as_json: Json = False,
) -> None:
    """Show the way through the course, checkpoint by checkpoint."""
    from tito.checkpoints.status import checkpoint_statuses

    statuses = checkpoint_statuses(*project_and_course())
    if as_json:
        for item in statuses:
            json_line(_status_row(item))
        json_line({"event": "timeline", **_counts(statuses)})
    elif horizontal:
        _horizontal(statuses)
    else:
        _vertical(statuses)


def _horizontal(statuses: list[Status]) -> None:
    parts: list[str | tuple[str, str]] = []
    for index, item in enumerate(statuses):
        mark, style = MARKS[item.state.value]
        parts += [("──" if index else "", "dim"), (f"{mark}{item.checkpoint.number:02d}", style)]
    say(*parts)
    following = next((item for item in statuses if item.state.value != "passed"), None)
    say(f"Next: {following.checkpoint.question}" if following else "All passed.")


def _vertical(statuses: list[Status]) -> None:
    for index, item in enumerate(statuses):
        if index:
            say(("│", "dim"))
        say(MARKS[item.state.value], f" {item.checkpoint.number:02d} ", (item.checkpoint.name, "bold"))
        say(("│" if index + 1 < len(statuses) else " ", "dim"), f"   {item.checkpoint.question}")


@app.command()
def test(
    number: Annotated[str | None, typer.Argument(metavar="NN", help="A checkpoint's number or name.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All checkpoints, in order.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Train whole models (15: the CNN to 75 %); minutes.")] = False,
    as_json: Json = False,
) -> None:
    """Run one checkpoint, or all of them, and record the results."""
    from tito.checkpoints.run import run_checkpoint
    from tito.errors import UsageError

    project, course = project_and_course()
    if every == (number is not None):
        raise UsageError("expected one checkpoint's number or --all: see `tito checkpoint status`")
    chosen = course.checkpoints if number is None else (course.checkpoint(number),)
    outcomes = []
    for checkpoint in chosen:
        outcome = run_checkpoint(project, course, checkpoint, full=full)
        outcomes.append(outcome)
        if as_json:
            json_line(_outcome_row(outcome))
        else:
            render_outcome(outcome)
    passed = sum(outcome.passed for outcome in outcomes)
    _conclude(passed, len(outcomes), as_json)


def _conclude(passed: int, total: int, as_json: bool) -> None:
    if as_json:
        json_line({"event": "result", "passed": passed, "total": total})
    elif total > 1:
        say((f"{passed} of {total} checkpoints passed.", "bold green" if passed == total else "bold red"))
    if passed < total:
        raise typer.Exit(1)


def _outcome_row(outcome: Outcome) -> dict[str, object]:
    return {
        "event": "checkpoint",
        "number": outcome.checkpoint.number,
        "name": outcome.checkpoint.name,
        "passed": outcome.passed,
        "problem": outcome.problem,
        "tests": len(outcome.results),
        "failures": outcome.failures,
        "data": outcome.data,
        "seconds": round(outcome.seconds, 3),
    }


def render_outcome(outcome: Outcome) -> None:
    """The question, the answer, and for each test that failed what it says."""
    checkpoint = outcome.checkpoint
    mark, style = MARKS["passed" if outcome.passed else "failed"]
    data = f"  On {outcome.data}." if outcome.data else ""
    if outcome.passed:
        count = f"  ({len(outcome.results)} tests, {outcome.seconds:.1f} s)"
        name = f"{mark} {checkpoint.number:02d} {checkpoint.name}"
        say((name, style), f"  {checkpoint.question}{data}", (count, "dim"))
        return
    say((f"{mark} {checkpoint.number:02d} {checkpoint.name}", style), f"  {checkpoint.question}  Not yet.{data}")
    if outcome.problem:
        say(f"  {outcome.problem}")
    for failure in outcome.failures:
        name = failure.exception if failure.exception not in ("", "AssertionError") else ""
        prefix = f"{name}: " if name and not failure.message.startswith(name) else ""
        say("  ", (failure.test, "bold"), (f"  {failure.where}", "dim"))
        for line in (prefix + failure.message).splitlines():
            say(f"    {line}")


@app.command()
def run(context: typer.Context, number: Number, as_json: Json = False) -> None:
    """Run one checkpoint and list every test; with --verbose everything that pytest printed."""
    from tito.checkpoints.run import run_checkpoint

    project, course = project_and_course()
    outcome = run_checkpoint(project, course, course.checkpoint(number))
    if as_json:
        for result in outcome.results:
            json_line({"event": "test", "result": result})
        json_line(_outcome_row(outcome))
    else:
        if verbose(context):
            say(outcome.output.rstrip())
        rows = [(MARKS.get(r.outcome, ("✗", "red")), r.test, f"{r.seconds:.2f} s") for r in outcome.results]
        if rows:
            table(("", "test", "time"), rows)
        render_outcome(outcome)
    if not outcome.passed:
        raise typer.Exit(1)
