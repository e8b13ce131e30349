"""`tito course check`: the form that every module keeps, as findings `file:line: sentence`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tito.course import code_rules, form
from tito.course.cells import parse_python
from tito.course.model import Course, Module
from tito.course.solutions import Region, stub_out
from tito.course.sources import read_dev, read_sources
from tito.course.view import ModuleView
from tito.errors import ExportError, SourceError, TitoError
from tito.files import decode_source
from tito.project import COURSE_FILE, Project
from tito.run.module_tests import TestReport, run_module_tests

RULES = (*form.RULES, *code_rules.RULES)


@dataclass(frozen=True, order=True)
class Finding:
    """One departure from the form. `file` is relative to the project; `line` 0 stands for the file as a whole."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def check_course(project: Project, course: Course, modules: tuple[Module, ...] | None = None) -> list[Finding]:
    """Everything that can be read without running anything; empty when the form is kept."""
    chosen = course.modules if modules is None else modules
    findings: list[Finding] = []
    views: list[ModuleView] = []
    for module in course.modules:
        try:
            view = ModuleView(module, decode_source(read_dev(project, module), module.dev_path))
            assert view.cells is not None and view.regions is not None  # both raise SourceError when unreadable
            views.append(view)
        except SourceError as error:
            findings += [_from_error(module.dev_path, error)] if module in chosen else []
    mine = [view for view in views if view.module in chosen]
    for view in mine:
        findings += [Finding(view.path, line, text) for rule in RULES for line, text in rule(view)]
        findings += _check_given(project, view.module)
        findings += _check_hints(view)
    findings += _check_grade_ids(views, mine)
    if modules is None:
        findings += _check_files(project, course)
    if len(views) == len(course.modules):
        findings += _check_export(project, course)
    return sorted(set(findings))


def check_stubs(project: Project, course: Course, module: Module, *, timeout: float = 120.0) -> list[Finding]:
    """Slow: put the stub in place of each solution in turn; the module's own tests must fail and name it."""
    view = ModuleView(module, decode_source(read_dev(project, module), module.dev_path))
    solved = run_module_tests(project, module, course=course, timeout=timeout)
    if not solved.passed:
        why = solved.problem or str(solved.failures[0])
        return [Finding(view.path, 1, f"expected the solved module to pass its own tests, found: {why}")]
    findings = []
    for region in view.regions:
        report = run_module_tests(project, module, course=course, source=stub_out(view.text, region), timeout=timeout)
        if problem := stub_problem(region, report):
            findings.append(Finding(view.path, region.start, problem))
    return findings


def stub_problem(region: Region, report: TestReport) -> str:
    """What is wrong with how the tests took the stub of `region`; "" when one failed and named the function."""
    if report.passed:
        return f"with {region.qualname} replaced by its stub all tests pass: test it"
    if report.exception:
        return f"with {region.qualname} replaced by its stub the module cannot be imported ({report.problem})"
    for outcome in report.failures:
        if outcome.exception in ("AssertionError", "NotImplementedError") and region.function in outcome.message:
            return ""
    seen = "; ".join(f"{outcome.name}: {outcome.exception}: {outcome.message}" for outcome in report.failures[:3])
    return (
        f"with {region.qualname} replaced by its stub, expected an AssertionError or NotImplementedError that names "
        f"{region.function}, found {seen or report.problem}"
    )


def _from_error(path: str, error: TitoError) -> Finding:
    line = re.search(r"line (\d+)", error.message)
    return Finding(path, int(line[1]) if line else 0, error.message.removeprefix(f"{path}, ").removeprefix(f"{path}: "))


def _check_given(project: Project, module: Module) -> Iterator[Finding]:
    """Given files run nothing at import either."""
    for name, data in read_sources(project, module).given.items():
        path = f"{module.folder_path}/{name}"
        try:
            tree = parse_python(decode_source(data, path), path)
        except SourceError as error:
            yield _from_error(path, error)
            continue
        for node in tree.body:
            if not code_rules.is_harmless(node):
                yield Finding(
                    path, node.lineno, "expected definitions and rows of tables only: a given file runs nothing"
                )


def _check_hints(view: ModuleView) -> Iterator[Finding]:
    known = {cell.grade_id for cell in view.cells}
    for grade_id in view.module.hints:
        if grade_id not in known:
            yield Finding(
                COURSE_FILE.as_posix(),
                0,
                f"hints of {view.module.name}: no cell has the grade_id {grade_id!r}: correct it",
            )


def _check_grade_ids(views: Iterable[ModuleView], mine: list[ModuleView]) -> Iterator[Finding]:
    """grade_ids are unique over the course."""
    first: dict[str, str] = {}
    for view in views:
        for cell in view.cells:
            if cell.grade_id is None:
                continue
            place = f"{view.path}:{cell.line}"
            owner = first.setdefault(cell.grade_id, place)
            if owner != place and view in mine:
                yield Finding(view.path, cell.line, f"the grade_id {cell.grade_id!r} is taken by {owner}: rename one")


def _check_files(project: Project, course: Course) -> Iterator[Finding]:
    """Folders and course.toml agree; every checkpoint has its file."""
    names = {module.name for module in course.modules}
    if project.source_dir.is_dir():
        for folder in sorted(project.source_dir.iterdir()):
            if folder.is_dir() and folder.name not in names and not folder.name.startswith((".", "__")):
                yield Finding(
                    COURSE_FILE.as_posix(), 0, f"modules/source/{folder.name} is not listed: add it or remove it"
                )
    for checkpoint in course.checkpoints:
        if not checkpoint.file(project).is_file():
            path = project.relative(checkpoint.file(project))
            yield Finding(path, 0, f"expected the checkpoint {checkpoint.number:02d} here, found no file: write it")


def _check_export(project: Project, course: Course) -> Iterator[Finding]:
    """The whole course composes into a package."""
    from tito.export.compose import compose

    try:
        compose(course, course.modules, {module.name: read_sources(project, module) for module in course.modules})
    except (ExportError, SourceError) as error:
        path = error.message.split(",")[0].split(":")[0].split(" ")[0]
        file = path if path.startswith("modules/") else COURSE_FILE.as_posix()
        yield _from_error(file, error)
