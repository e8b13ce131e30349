"""`tito module`: test, export and complete the modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from tito.commands.context import chosen_modules, project_and_course, verbose
from tito.console import Json, json_line, plain, say, table

if TYPE_CHECKING:
    from tito.checkpoints.results import Outcome
    from tito.export.install import Installed
    from tito.overview import ModuleStatus
    from tito.run.complete import Completion
    from tito.run.module_tests import TestReport

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="MODULE", help="A module's number, folder or short name.")]
OptionalName = Annotated[
    str | None, typer.Argument(metavar="[MODULE]", help="A module's number, folder or short name.")
]
Every = Annotated[bool, typer.Option("--all", help="Every module.")]
Force = Annotated[bool, typer.Option("--force", help="Replace package files edited by hand (they are kept aside).")]


@app.command("list")
def list_modules(as_json: Json = False) -> None:
    """List the modules of the course and how each stands."""
    from tito.overview import module_statuses

    project, course = project_and_course()
    statuses = module_statuses(project, course)
    if as_json:
        for item in statuses:
            json_line(_status_row(item))
        json_line({"event": "list", "modules": len(statuses), "completed": sum(bool(s.completed) for s in statuses)})
        return
    rows = [(_mark(item), item.module.name, item.export.value, item.module.summary) for item in statuses]
    table(("", "module", "package", "what you build"), rows)


def _mark(item: ModuleStatus) -> tuple[str, str]:
    if item.completed is None:
        return ("·", "dim")
    return ("~", "yellow") if item.completed_source_changed else ("✓", "green")


def _status_row(item: ModuleStatus) -> dict[str, object]:
    return {
        "event": "module",
        "name": item.module.name,
        "title": item.module.title,
        "points": item.module.points,
        "requires": item.module.requires,
        "export": item.export,
        "completed": item.completed.completed if item.completed else None,
        "completed_source_changed": item.completed_source_changed,
        "checkpoint": item.checkpoint,
        "checkpoint_state": item.checkpoint_state,
    }


@app.command()
def status(name: OptionalName = None, as_json: Json = False) -> None:
    """Show how a module stands: completed, exported, and what of it is taught and what is given."""
    from tito.overview import contents, module_statuses

    project, course = project_and_course()
    wanted = course.modules if name is None else (course.module(name),)
    for item in module_statuses(project, course):
        if item.module not in wanted:
            continue
        parts = contents(project, item.module)
        if as_json:
            json_line({**_status_row(item), **plain(parts)})
            continue
        say((item.module.name, "bold"), f"  {item.module.title}: {item.module.summary}")
        say("  ", _mark(item), f" {_completed(item)}; {item.export.value}")
        if item.checkpoint and item.checkpoint_state:
            say(f"  checkpoint {item.checkpoint}: {item.checkpoint_state.value}")
        if parts.problem:
            say(("  ✗ ", "bold red"), parts.problem)
            continue
        say(f"  you write ({len(parts.taught)}): ", ", ".join(parts.taught))
        for file, names in parts.given.items():
            say((f"  given in {file} ({len(names)}): {', '.join(names)}", "dim"))
    if as_json and name is None:
        json_line({"event": "result", "modules": len(wanted)})


def _completed(item: ModuleStatus) -> str:
    if item.completed is None:
        return "not completed"
    changed = ", its source was changed since" if item.completed_source_changed else ""
    return f"completed {item.completed.completed}{changed}"


@app.command()
def test(context: typer.Context, name: OptionalName = None, every: Every = False, as_json: Json = False) -> None:
    """Run a module's own tests, against a package of the modules before it."""
    from tito.run.module_tests import run_module_tests

    project, course = project_and_course()
    modules = chosen_modules(course, name, every)
    passed = 0
    for module in modules:
        report = run_module_tests(project, module)
        passed += report.passed
        if as_json:
            json_line({"event": "tests", "passed": report.passed, **plain(report)})
        else:
            render_tests(report, verbose(context))
    if as_json:
        json_line({"event": "result", "passed": passed, "total": len(modules)})
    elif len(modules) > 1:
        say((f"{passed} of {len(modules)} modules pass.", "bold green" if passed == len(modules) else "bold red"))
    if passed < len(modules):
        raise typer.Exit(1)


def render_tests(report: TestReport, with_traceback: bool = False) -> None:
    """One line for a module that passes; otherwise every test that failed and what it says."""
    if report.passed:
        say(
            ("✓ ", "green"),
            f"{report.module}: {len(report.outcomes)} tests passed",
            (f"  ({report.seconds:.1f} s)", "dim"),
        )
        return
    total = len(report.outcomes)
    failed = (
        f"{len(report.failures)} of {total} tests failed" if report.failures else "its tests did not run to the end"
    )
    say(("✗ ", "bold red"), f"{report.module}: {failed}")
    if report.problem and all(outcome.message != report.problem for outcome in report.failures):
        say(f"  {report.problem}")
    for outcome in report.failures:
        told = outcome.exception == "AssertionError" or outcome.message == report.problem
        kind = "" if told else f"{outcome.exception}: "
        say("  ", (outcome.name, "bold"), (f"  {outcome.where}", "dim"))
        for line in (kind + outcome.message).splitlines():
            say(f"    {line}")
        if with_traceback:
            say(outcome.traceback)
    if with_traceback and report.traceback:
        say(report.traceback)


@app.command()
def export(
    name: OptionalName = None,
    every: Every = False,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail if the package is out of step.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Turn sources into the package: one module beside those already there, or all of them."""
    from tito.export import export as export_modules
    from tito.export import export_check, exported_modules

    project, course = project_and_course()
    chosen = chosen_modules(course, name, every)
    if check:
        if not every:
            chosen = course.ordered({*exported_modules(project), *(module.name for module in chosen)})
        _render_check(export_check(project, course, chosen), project.package_dir.name, as_json)
        return
    installed = export_modules(project, course, chosen, beside=not every, overwrite_edits=force)
    if as_json:
        json_line({"event": "export", **plain(installed)})
    else:
        _render_installed(installed)


def _render_check(different: list[str], package: str, as_json: bool) -> None:
    if as_json:
        json_line({"event": "check", "in_step": not different, "different": different})
    elif different:
        for path in different:
            say(f"  {package}/{path}")
        say(f"{len(different)} files of {package}/ are not what the sources give: run `tito module export --all`.")
    else:
        say(f"{package}/ is exactly what the sources give.")
    if different:
        raise typer.Exit(1)


def _render_installed(installed: Installed) -> None:
    counts = {"written": installed.written, "removed": installed.removed, "unchanged": installed.unchanged}
    changes = ", ".join(f"{len(files)} files {what}" for what, files in counts.items() if files)
    say(("✓ ", "green"), f"exported {', '.join(installed.modules)}: {changes}")
    if installed.kept_aside:
        say(f"  files that were edited by hand are kept in {installed.kept_aside}")


@app.command()
def complete(
    context: typer.Context,
    name: Name,
    skip_test: Annotated[bool, typer.Option("--skip-test", help="Do not run the checkpoint.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Test a module, export it, run its checkpoint, and name the next step."""
    from tito.checkpoints.run import run_checkpoint
    from tito.run.complete import complete as complete_module

    project, course = project_and_course()
    completion = complete_module(
        project,
        course,
        course.module(name),
        run_checkpoint=None if skip_test else run_checkpoint,
        overwrite_edits=force,
    )
    if as_json:
        json_line({"event": "completion", **plain(completion)})
    else:
        _render_completion(completion, verbose(context))
    if not completion.completed:
        raise typer.Exit(1)


def _render_completion(completion: Completion, with_traceback: bool) -> None:
    from tito.commands.checkpoint import render_outcome

    render_tests(completion.tests, with_traceback)
    module = completion.module
    if completion.installed is None:
        say(f"Nothing was exported. Mend {module.dev_path}, then run `tito module complete {module.short}` again.")
        return
    _render_installed(completion.installed)
    if completion.checkpoint_outcome is not None:
        render_outcome(cast("Outcome", completion.checkpoint_outcome))
    elif completion.checkpoint is not None:
        say(f"- checkpoint {completion.checkpoint.number:02d} {completion.checkpoint.name} was skipped")
    if not completion.completed:
        say(f"The module is exported and not complete: mend it, then run `tito module complete {module.short}` again.")
        return
    say(("🎉 ", ""), (f"Module {module.number:02d} complete: {module.title}.", "bold green"))
    if completion.next_module:
        following = completion.next_module
        say(
            "Next: ",
            (f"{following.title}", "bold"),
            f", in {following.dev_path}, then `tito module complete {following.short}`.",
        )
    else:
        say("That was the last module: `tito checkpoint test --all`, then `tito train cifar10`.")


@app.command()
def notebooks(name: OptionalName = None, as_json: Json = False) -> None:
    """Write the modules as Jupyter notebooks; one that you edited is never overwritten."""
    from tito.notebooks import Action, write_notebook

    project, course = project_and_course()
    modules = course.modules if name is None else (course.module(name),)
    kept = 0
    for module in modules:
        written = write_notebook(project, module)
        kept += written.action is Action.KEPT
        if as_json:
            json_line({"event": "notebook", **plain(written)})
            continue
        say(f"{written.action.value:<9} {project.relative(written.path)}")
        if written.beside:
            beside = project.relative(written.beside)
            say(f"          you edited it, so it stays as it is; the present source is beside it: {beside}")
    if as_json:
        json_line({"event": "result", "notebooks": len(modules), "kept": kept})
