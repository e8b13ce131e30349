"""Is this installation fit for the course? One finding per question, each with what to do about it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from importlib import metadata
from pathlib import Path

from tito.course.model import Course
from tito.datasets import MODULE, available, find_datasets
from tito.errors import TitoError
from tito.export import export_check, exported_modules
from tito.files import explain_os_error
from tito.project import Project

DISTRIBUTION = "tinytorch"
PYTHON = (3, 11)
DISK_BYTES = 2 * 2**30  # data sets unpacked, caches of compiled kernels


class Grade(Enum):
    """How a finding is to be taken."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One question: what was found, and what to do if it is not well (`advice` is empty when it is)."""

    question: str
    grade: Grade
    found: str
    advice: str = ""


def examine(project: Project, course: Course) -> list[Finding]:
    """Every finding, in the order in which they are worth reading. Nothing is changed."""
    return [
        _python(),
        *_packages(),
        _writable("project", project.root),
        _disk(project.root),
        _package(project, course),
        *_data(project),
        _processors(),
        _blas(),
    ]


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info[:2] >= PYTHON:
        return Finding("Python", Grade.OK, found)
    return Finding(
        "Python", Grade.FAIL, found, f"install Python {PYTHON[0]}.{PYTHON[1]} or newer and set the project up again"
    )


def _packages() -> Iterator[Finding]:
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding("tinytorch", Grade.FAIL, "not installed", "run `make setup`")
        return
    for requirement in requirements:
        if "extra ==" not in requirement:
            yield check_requirement(requirement)


def check_requirement(requirement: str) -> Finding:
    """Hold a requirement ("numpy>=2.0") against what is installed."""
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    try:
        found = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return Finding(wanted.name, Grade.FAIL, f"missing, {wanted.specifier} is required", "run `make setup`")
    if found not in wanted.specifier:
        return Finding(wanted.name, Grade.FAIL, f"{found}, {wanted.specifier} is required", "run `make setup`")
    return Finding(wanted.name, Grade.OK, f"{found} ({wanted.specifier})")


def _writable(name: str, folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Finding(name, Grade.OK, f"{folder} can be written")
    except OSError as problem:
        return Finding(name, Grade.FAIL, f"{folder} cannot be written: {problem.strerror}", f"chmod u+w {folder}")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    found = f"{free / 2**30:.1f} GiB free"
    if free >= DISK_BYTES:
        return Finding("disk", Grade.OK, found)
    return Finding(
        "disk", Grade.WARN, found, f"data sets and caches take about {DISK_BYTES / 2**30:.0f} GiB: free some space"
    )


def _package(project: Project, course: Course) -> Finding:
    try:
        names = exported_modules(project)
        different = export_check(project, course, course.ordered(names)) if names else []
    except TitoError as problem:
        return Finding("package", Grade.WARN, str(problem))
    except OSError as problem:
        return Finding("package", Grade.FAIL, f"expected to read it, {explain_os_error(problem)}")
    if not names:
        return Finding(
            "package",
            Grade.WARN,
            "nothing is exported yet",
            "run `tito module complete setup`, or `tito module export --all`",
        )
    if different:
        found = f"{len(different)} files differ from what the sources give, {different[0]} first"
        return Finding("package", Grade.WARN, found, "run `tito module export --all`")
    return Finding(
        "package", Grade.OK, f"{len(names)} of {len(course.modules)} modules exported, in step with the sources"
    )


def _data(project: Project) -> Iterator[Finding]:
    try:
        known = available(project)
    except OSError as problem:
        yield Finding("data sets", Grade.FAIL, f"expected to read the package, {explain_os_error(problem)}")
        return
    if not known:
        yield Finding("data sets", Grade.OK, f"known as soon as module {MODULE} is exported")
        return
    try:
        datasets = find_datasets(project)
    except TitoError as problem:
        yield Finding("data sets", Grade.WARN, str(problem))
        return
    for item in datasets:
        advice = "" if item.state == "ok" else f"run `tito data get {item.name}`; without it embedded images are used"
        grade = Grade.OK if item.state == "ok" else Grade.WARN
        yield Finding(
            item.title, grade, item.folder or ("not here" if item.state == "missing" else item.message), advice
        )


def _processors() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if name in os.environ}
    limits = "".join(f", {name}={value}" for name, value in threads.items())
    found = f"{usable} usable{limits}"
    if usable > 1:
        return Finding("processors", Grade.OK, found)
    return Finding("processors", Grade.WARN, found, "training takes about twice as long as with two")


def _blas() -> Finding:
    import numpy as np

    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    name = re.sub(r"^scipy-", "", str(built.get("name", "none")))
    found = f"{name} {built.get('version', '')}".strip()
    if name in ("none", "auto"):
        return Finding(
            "BLAS", Grade.WARN, found, "matrix products are slow without a BLAS: install NumPy from its wheel"
        )
    return Finding("BLAS", Grade.OK, found)
