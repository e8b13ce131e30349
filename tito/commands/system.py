"""`tito system`: is this installation fit, what is it, and is the package protected?"""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tito.commands.context import here, project_and_course
from tito.console import Json, json_line, plain, say, table

if TYPE_CHECKING:
    from tito.protection import ProtectionStatus

app = typer.Typer(no_args_is_help=True)
protect = typer.Typer(no_args_is_help=True)
app.add_typer(protect, name="protect", help="Protect the generated package from edits by hand.")

STYLES = {"ok": ("ok", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "bold red")}


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check Python, packages, folders, the exported package, data sets and processors."""
    from tito.doctor import examine

    findings = examine(*project_and_course())
    counts = {grade: sum(finding.grade.value == grade for finding in findings) for grade in STYLES}
    if as_json:
        for finding in findings:
            json_line({"event": "finding", **plain(finding)})
        json_line({"event": "result", **counts})
    else:
        rows = [
            (STYLES[f.grade.value], f.question, f"{f.found}: {f.advice}" if f.advice else f.found) for f in findings
        ]
        table(("", "question", "found"), rows)
        say(f"{counts['ok']} in order, {counts['warn']} to look at, {counts['fail']} to mend.")
    if counts["fail"]:
        raise typer.Exit(1)


@app.command()
def info(as_json: Json = False) -> None:
    """Show versions and folders."""
    from importlib.metadata import version

    from tito.errors import ChildError
    from tito.export import exported_modules
    from tito.kernels import kernels

    project, course = project_and_course()
    exported = exported_modules(project)
    served: dict[str, list[str]] | None
    try:
        served, problem = kernels(project) if exported else {}, ""
    except ChildError as error:
        served, problem = None, str(error)
    facts = {
        "tinytorch": version("tinytorch"),
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "platform": platform.platform(),
        "numpy": version("numpy"),
        "project": str(project.root),
        "data": os.environ.get("TINYTORCH_DATA", "the default folder (TINYTORCH_DATA is not set)"),
        "modules": len(course.modules),
        "exported": len(exported),
        "kernels": served,
    }
    if as_json:
        json_line({"event": "info", **facts})
    else:
        told = f"unknown: {problem}"
        lines = [f"{backend}: {', '.join(names)}" for backend, names in (served or {}).items()]
        facts["kernels"] = told if served is None else "; ".join(lines) or "the reference alone"
        table(("", ""), [(name, str(value)) for name, value in facts.items()])


@app.command()
def warmup(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these operations.")] = None,
    as_json: Json = False,
) -> None:
    """Compile all kernels now, so that no program has to wait for them later."""
    from tito.bench.warmup import warm_kernels
    from tito.commands.warmup_view import view

    with view(as_json) as show:
        for event in warm_kernels(here(), names or ()):
            show(event)


@protect.command()
def enable(as_json: Json = False) -> None:
    """Add a pre-commit hook, .gitattributes lines and read-only settings of VS Code to what you have."""
    from tito.protection import enable as enable_protection

    _report("enable", enable_protection(here()), as_json)


@protect.command()
def disable(as_json: Json = False) -> None:
    """Take out what `enable` added; exported files stay read-only, as after every export."""
    from tito.protection import disable as disable_protection

    _report("disable", disable_protection(here()) or ["There was nothing to take out."], as_json)


def _report(event: str, sentences: list[str], as_json: bool) -> None:
    if as_json:
        json_line({"event": event, "done": sentences})
        return
    for sentence in sentences:
        say(sentence)


@protect.command()
def status(as_json: Json = False) -> None:
    """Show which parts of the protection are in place."""
    from tito.protection import status as protection_status

    found = protection_status(here())
    if as_json:
        json_line({"event": "status", **plain(found)})
    else:
        _say_status(found)


def _say_status(found: ProtectionStatus) -> None:
    def row(present: bool, name: str, text: str) -> tuple[tuple[str, str], str, str]:
        return (("✓", "green") if present else ("·", "dim"), name, text)

    package = found.package
    table(
        ("", "part", "state"),
        [
            row(found.hook, "pre-commit hook", "checks every commit" if found.hook else "not installed"),
            row(
                found.attributes,
                ".gitattributes",
                "marks the package as generated" if found.attributes else "no lines of ours",
            ),
            row(found.settings, "VS Code", "opens the package read-only" if found.settings else "no pattern of ours"),
            row(
                not package.writable and package.exported,
                "read-only files",
                f"{package.files - len(package.writable)} of {package.files}",
            ),
            row(
                not package.edited and package.exported,
                "as exported",
                f"{package.files} files, {len(package.edited)} edited by hand",
            ),
        ],
    )
    say("Protection is enabled." if found.enabled else "Protection is not enabled: `tito system protect enable`.")


@protect.command()
def validate(as_json: Json = False) -> None:
    """Hold every file of the package against the manifest of its export."""
    from tito.protection import package_state

    state = package_state(here())
    if as_json:
        json_line({"event": "validate", **plain(state)})
    elif not state.exported:
        say("There is no exported package yet: `tito module export --all`.")
    else:
        for name in state.edited:
            say(f"  {name} was changed by hand")
        verdict = (
            f"{len(state.edited)} of them changed by hand: run `tito module export --all`"
            if state.edited
            else "all as exported"
        )
        say(f"{state.files} files, {verdict}.")
    if state.edited or not state.exported:
        raise typer.Exit(1)


@protect.command()
def check(as_json: Json = False) -> None:
    """For the pre-commit hook: refuse a commit of package files that tito did not export."""
    from tito.protection import check_commit

    sentences = check_commit(here())
    if as_json:
        json_line({"event": "check", "refused": sentences})
    else:
        for sentence in sentences:
            typer.echo(sentence, err=True)
    if sentences:
        raise typer.Exit(1)
