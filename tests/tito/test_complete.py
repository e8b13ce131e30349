"""Completing modules, and the progress that remembers it."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tito.toy import Toy
from tito import progress
from tito.course.model import Checkpoint, Course
from tito.errors import EditedPackageError, InstallError, ProjectError, SourceError
from tito.export import export, exported_modules
from tito.project import Project
from tito.run.complete import Completion, complete


@dataclass(frozen=True)
class Outcome:
    """A checkpoint run, as short as can be."""

    passed: bool


def completed(toy: Toy, name: str, checkpoint: bool | None = None) -> Completion:
    """Complete a module; `checkpoint` is what its checkpoint says, None skips it."""

    def run(project: Project, course: Course, asked: Checkpoint) -> Outcome:
        assert asked.module in exported_modules(project)
        return Outcome(bool(checkpoint))

    return complete(toy.project, toy.course, toy.module(name), run_checkpoint=None if checkpoint is None else run)


def state(toy: Toy) -> tuple[dict[str, bytes], bytes]:
    """Package and progress as they are."""
    file = toy.project.progress_file
    return toy.package(), file.read_bytes() if file.exists() else b""


def test_modules_complete_one_after_another(toy: Toy) -> None:
    seen = []
    for name in ("01_alpha", "02_beta", "03_gamma"):
        result = completed(toy, name, checkpoint=True)
        assert result.completed and result.tests.passed and result.installed is not None
        seen.append((exported_modules(toy.project), result.next_module.name if result.next_module else None))
    assert seen == [
        (("01_alpha",), "02_beta"),
        (("01_alpha", "02_beta"), "03_gamma"),
        (("01_alpha", "02_beta", "03_gamma"), None),
    ]
    assert list(progress.load(toy.project).modules) == ["01_alpha", "02_beta", "03_gamma"]


def test_a_failing_test_changes_nothing(toy: Toy) -> None:
    completed(toy, "alpha")
    before = state(toy)
    toy.edit("alpha", 'bind("add", self.value, other.value)', "self.value - other.value")
    result = completed(toy, "alpha", checkpoint=True)
    assert not result.completed and result.installed is None and result.checkpoint_outcome is None
    assert result.tests.failures[0].message == "Box.add: 1 + 2 is 3"
    assert state(toy) == before


def test_a_failing_checkpoint_is_not_a_completion(toy: Toy) -> None:
    result = completed(toy, "alpha", checkpoint=False)
    assert not result.completed and result.installed is not None and result.checkpoint is not None
    assert exported_modules(toy.project) == ("01_alpha",) and progress.load(toy.project).modules == {}


def test_what_is_exported_already_stays(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    completed(toy, "alpha")
    assert exported_modules(toy.project) == ("01_alpha", "02_beta", "03_gamma")


def test_what_was_completed_comes_back_with_the_next(toy: Toy) -> None:
    completed(toy, "alpha")
    toy.project.package_dir.rename(toy.project.root / "away")
    completed(toy, "gamma")
    assert exported_modules(toy.project) == ("01_alpha", "03_gamma")


@pytest.mark.parametrize(
    ("module", "find", "replace", "error"),
    [
        ("gamma", "def minus(box):", "def minus(box:", SourceError),
        ("gamma", "def minus", "from tinytorch.core.beta import triple\n\n\ndef minus", InstallError),
        ("gamma", "def test_minus():\n    assert", "def check_minus():\n    assert", None),
    ],
)
def test_bad_input_leaves_all_as_it_was(
    toy: Toy, module: str, find: str, replace: str, error: type[Exception] | None
) -> None:
    completed(toy, "alpha")
    before = state(toy)
    toy.edit(module, find, replace)
    if error is InstallError:
        toy.edit_course(
            'exports = ["core.gamma"]\nrequires = ["01_alpha"]', 'exports = ["core.gamma"]\nrequires = ["02_beta"]'
        )
        with pytest.raises(Exception, match="requires, found 02_beta missing"):
            completed(toy, module)
    elif error is not None:
        with pytest.raises(error):
            completed(toy, module)
    else:
        assert not completed(toy, module).completed
    assert state(toy) == before


def test_a_removed_test_cell_is_noticed(toy: Toy) -> None:
    text = toy.dev("gamma").read_text(encoding="utf-8")
    start, end = (
        text.index(f'# %% [markdown]\n"""\n{heading}') for heading in ("### Test: minus", "## Systems analysis")
    )
    without = (text[:start] + text[end:]).replace("    test_minus()\n", "    pass\n")
    toy.dev("gamma").write_text(without, encoding="utf-8")
    completed(toy, "alpha")
    with pytest.raises(SourceError, match="expected graded cells for 20 points, found 18: restore"):
        completed(toy, "gamma")


def test_a_hand_edited_package_is_not_overwritten(toy: Toy) -> None:
    completed(toy, "alpha")
    (toy.project.package_dir / "core" / "mine.py").write_text("x = 1\n")
    before = state(toy)
    with pytest.raises(EditedPackageError):
        completed(toy, "gamma")
    assert state(toy) == before


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 2}', '{"format": 1, "modules": {"a": {"x": 1}}, "checkpoints": {}}']
)
def test_damaged_progress_is_kept_aside(toy: Toy, content: str) -> None:
    file = toy.project.progress_file
    file.parent.mkdir()
    for number in (1, 2):
        file.write_text(content)
        with pytest.raises(
            ProjectError, match=rf"it was kept as progress.json.damaged-{number}, run the command again"
        ):
            progress.load(toy.project)
        assert file.with_name(f"progress.json.damaged-{number}").read_text() == content
    assert progress.load(toy.project) == progress.Progress()


def test_progress_round_trips(toy: Toy) -> None:
    with progress.editing(toy.project) as edited:
        edited.modules["01_alpha"] = progress.ModuleRecord(progress.now(), "abc")
        edited.checkpoints["00"] = progress.CheckpointRecord(progress.now(), False, {"01_alpha": "abc"}, "größer")
    assert progress.load(toy.project) == edited
    assert json.loads(toy.project.progress_file.read_bytes())["format"] == progress.FORMAT


def test_an_error_inside_the_block_saves_nothing(toy: Toy) -> None:
    with pytest.raises(RuntimeError), progress.editing(toy.project) as edited:
        edited.modules["01_alpha"] = progress.ModuleRecord(progress.now(), "abc")
        raise RuntimeError
    assert progress.load(toy.project).modules == {}


def _record(root: str, name: str) -> None:
    with progress.editing(Project(Path(root))) as edited:
        edited.modules[name] = progress.ModuleRecord(progress.now(), name)


def test_two_processes_lose_no_record(toy: Toy) -> None:
    context = multiprocessing.get_context("spawn")
    names = [f"module_{number}" for number in range(8)]
    with context.Pool(4) as pool:
        pool.starmap(_record, [(str(toy.project.root), name) for name in names])
    assert sorted(progress.load(toy.project).modules) == names
