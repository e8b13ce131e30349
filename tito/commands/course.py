"""`tito course`: the course checks its own files."""

from __future__ import annotations

from typing import Annotated

import typer

from tito.commands.context import project_and_course
from tito.console import Json, json_line, say

app = typer.Typer(no_args_is_help=True)


@app.callback()
def course() -> None:
    """Check the course's own files."""


@app.command()
def check(
    name: Annotated[str | None, typer.Argument(metavar="[MODULE]", help="Only this module.")] = None,
    stubs: Annotated[
        bool, typer.Option("--stubs", help="Also put each stub in place: its tests must fail (slow).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hold every module to the form: sections, cells, tests behind each piece, grade ids, lengths."""
    from tito.course.check import check_course, check_stubs

    project, course = project_and_course()
    modules = course.modules if name is None else (course.module(name),)
    findings = check_course(project, course, modules)
    if stubs:
        for module in modules:
            findings += check_stubs(project, course, module)
    for finding in findings:
        if as_json:
            json_line({"event": "finding", "file": finding.file, "line": finding.line, "message": finding.message})
        else:
            say((f"{finding.file}:{finding.line}: ", "bold"), finding.message)
    if as_json:
        json_line({"event": "result", "modules": len(modules), "findings": len(findings)})
    else:
        say(
            f"{len(modules)} modules checked, {len(findings)} findings."
            if findings
            else f"{len(modules)} modules keep the form."
        )
    if findings:
        raise typer.Exit(1)
