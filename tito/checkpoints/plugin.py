"""pytest's side of a checkpoint: nothing of it runs on code that is not exported from the present sources.

Loaded by the project's pytest settings and, should those be overridden, by tests/checkpoints/conftest.py. It acts
only on files called checkpoint_NN_name.py inside a project's tests/checkpoints.

A checkpoint judges what the student wrote. So where its modules do not bring faster kernels it runs on the reference
kernels, also if those are exported; TINYTORCH_BACKEND overrides that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from tito.checkpoints import guard
from tito.course.model import load_course
from tito.errors import TitoError
from tito.project import Project, find_project

NAME = "tito-checkpoints"


def register(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make sure that this plugin is at work, under whatever name."""
    if not pluginmanager.is_registered(sys.modules[__name__]):
        pluginmanager.register(sys.modules[__name__], NAME)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Collect a checkpoint file as one that looks at the export before it imports anything."""
    project = _project_of(module_path)
    if project is None:
        return None
    return CheckpointModule.from_parent(parent, path=module_path, project=project)


def _project_of(path: Path) -> Project | None:
    """The project whose checkpoint `path` is, or None if it is no checkpoint."""
    if not path.name.startswith("checkpoint_"):
        return None
    try:
        project = find_project(path)
    except TitoError:
        return None
    return project if path.parent.resolve() == project.checkpoints_dir.resolve() else None


class CheckpointModule(pytest.Module):
    """A checkpoint file: its tests if the package is in step with the sources, else one test that says why not."""

    def __init__(self, *, project: Project, **rest: Any) -> None:
        super().__init__(**rest)
        self.project = project
        self.imports: guard.ImportGuard | None = None
        self.reference_only = False

    def collect(self) -> Any:
        """The tests of the file, or the refusal. The package's folder comes first on sys.path from here on."""
        try:
            course = load_course(self.project)
            checkpoint = course.checkpoint(self.path.name.split("_")[1])
            guard.check_export(self.project, course, checkpoint)
            root = str(self.project.root)
            if sys.path[0] != root:
                sys.path.insert(0, root)
            guard.refresh_bytecode(self.project)
            self.imports = guard.ImportGuard(self.project)
            self.reference_only = "TINYTORCH_BACKEND" not in os.environ and not guard.brings_kernels(course, checkpoint)
        except TitoError as problem:
            return [Refusal.from_parent(self, name="exported_from_present_source", sentence=str(problem))]
        return super().collect()


class Refusal(pytest.Item):
    """A test that fails with one sentence."""

    def __init__(self, *, sentence: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.sentence = sentence

    def runtest(self) -> None:
        """Fail."""
        pytest.fail(self.sentence, pytrace=False)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The sentence, with no word around it."""
        return str(excinfo.value)


@pytest.fixture(autouse=True)
def _object_under_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Before and after each test of a checkpoint: `tinytorch` is the exported package; in it, the right kernels run."""
    module = request.node.getparent(CheckpointModule)
    _check_imports(module)
    with _kernels_of(module):
        yield
    _check_imports(module)


def _kernels_of(module: CheckpointModule | None) -> AbstractContextManager[Any]:
    """The reference kernels alone where the checkpoint judges nothing else; otherwise as the process has it."""
    backends = getattr(sys.modules.get("tinytorch"), "backends", None)
    if module is None or not module.reference_only or backends is None:
        return nullcontext()
    chosen: AbstractContextManager[Any] = backends.use("numpy")
    return chosen


def _check_imports(module: CheckpointModule | None) -> None:
    if module is None or module.imports is None:
        return
    try:
        module.imports.check()
    except guard.StaleExportError as problem:
        pytest.fail(str(problem), pytrace=False)
