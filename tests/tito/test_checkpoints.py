"""A checkpoint passes only for code exported from the present source, by every route and in every environment."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tito.command import fail, records, run, succeed, tito
from tests.tito.toy import Toy, write_toy
from tito.checkpoints.copies import ProjectCopies
from tito.checkpoints.run import run_checkpoint
from tito.course.solutions import find_regions, stub_out
from tito.project import Project

FILE = Path("tests/checkpoints/checkpoint_00_boxes.py")
CONFTEST = Path(__file__).parents[1] / "checkpoints" / "conftest.py"
CAPSTONE = Path(__file__).parents[1] / "checkpoints" / "checkpoint_15_capstone.py"
CHECKPOINT = '''"""Can I box a number?"""

if __name__ == "__main__":
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

from tinytorch import Box


def test_box_adds() -> None:
    assert Box(1).add(Box(2)).value == 3, "Box.add: 1 + 2 is 3"


def test_box_doubles() -> None:
    assert Box(2).double().value == 4, "Box.double: twice 2 is 4"
'''
SETTINGS = '[tool.pytest.ini_options]\naddopts = ["-ptito.checkpoints.plugin"]\n'

Route = Callable[..., subprocess.CompletedProcess[str]]


def by_tito(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return tito(root, "checkpoint", "test", "0", **environment)


def by_pytest(root: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-m", "pytest", "-q", "-pno:cacheprovider", str(FILE), *options], root, **environment)


def by_python(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, str(FILE)], root, PYTHONPATH=str(root), **environment)


ROUTES = [by_tito, by_pytest, by_python]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy course with a checkpoint, exported; each test gets a copy."""
    root = write_toy(tmp_path_factory.mktemp("checkpoints") / "toy").project.root
    (root / FILE).write_text(CHECKPOINT, encoding="utf-8")
    (root / "pyproject.toml").write_text(SETTINGS)
    shutil.copyfile(CONFTEST, root / FILE.parent / "conftest.py")
    succeed(root, "module", "export", "--all")
    return root


@pytest.fixture
def toy(template: Path, tmp_path: Path) -> Toy:
    """The toy course with a checkpoint, exported."""
    return Toy(Project(Path(shutil.copytree(template, tmp_path / "toy", symlinks=True)).resolve()))


@pytest.mark.parametrize("route", ROUTES)
def test_passes_by_every_route(route: Route, toy: Toy) -> None:
    done = route(toy.project.root)
    assert done.returncode == 0, done
    assert "2 tests" in done.stdout or "2 passed" in done.stdout, done


@pytest.mark.parametrize("route", ROUTES)
def test_fails_by_every_route(route: Route, toy: Toy) -> None:
    toy.edit("alpha", "return self.add(self)", "return self")
    succeed(toy.project.root, "module", "export", "--all")
    done = route(toy.project.root)
    assert done.returncode == 1, done
    assert "test_box_doubles" in done.stdout and "Box.double: twice 2 is 4" in done.stdout, done


def edit_source(toy: Toy) -> str:
    toy.edit("alpha", "return self.add(self)", "return self")
    return "tito module export alpha"


def edit_required_given_file(toy: Toy) -> str:
    toy.add_given("alpha", "more_given.py", "MORE = 1\n")
    return "tito module export alpha"


def edit_exported_file(toy: Toy) -> str:
    path = toy.project.package_dir / "core" / "alpha.py"
    path.chmod(0o644)
    path.write_text(path.read_text().replace("return self.add(self)", "return Box(4)"))
    return "core/alpha.py"


def edit_face(toy: Toy) -> str:
    path = toy.project.package_dir / "__init__.py"
    path.chmod(0o644)
    path.write_text(path.read_text() + "\nBox = None\n")
    return "tinytorch/__init__.py"


def add_file(toy: Toy) -> str:
    (toy.project.package_dir / "core" / "shadow.py").write_text("x = 1\n")
    return "core/shadow.py"


def remove_file(toy: Toy) -> str:
    (toy.project.package_dir / "core" / "engine.py").unlink()
    return "core/engine.py"


def remove_package(toy: Toy) -> str:
    shutil.rmtree(toy.project.package_dir)
    return "tito module export alpha"


WAYS = [edit_source, edit_required_given_file, edit_exported_file, edit_face, add_file, remove_file, remove_package]


@pytest.mark.parametrize("change", WAYS)
@pytest.mark.parametrize("route", [by_tito, by_pytest])
def test_refuses_what_is_not_the_present_export(route: Route, change: Callable[[Toy], str], toy: Toy) -> None:
    named = change(toy)
    done = route(toy.project.root)
    assert done.returncode == 1, done
    assert named in done.stdout and "tito module export" in done.stdout, done
    assert "2 passed" not in done.stdout, done


@pytest.mark.parametrize("route", ROUTES)
def test_refuses_a_stale_source_by_every_route(route: Route, toy: Toy) -> None:
    edit_source(toy)
    done = route(toy.project.root)
    assert done.returncode == 1 and "found an older export" in done.stdout, done


def another_package(folder: Path) -> Path:
    """A `tinytorch` that is none of the student's."""
    (folder / "tinytorch").mkdir(parents=True)
    text = "class Box:\n    value = 3\n    def __init__(self, v): pass\n    def add(self, o): return self\n"
    (folder / "tinytorch" / "__init__.py").write_text(text + "    def double(self): Box.value = 4; return self\n")
    return folder


def test_another_package_on_the_path_is_not_examined(toy: Toy, tmp_path: Path) -> None:
    other = another_package(tmp_path / "other")
    toy.edit("alpha", "return self.add(self)", "return self")
    succeed(toy.project.root, "module", "export", "--all")
    for route in (by_tito, by_pytest):
        done = route(toy.project.root, PYTHONPATH=str(other))
        assert done.returncode == 1 and "Box.double" in done.stdout, done


def test_another_package_imported_before_is_refused(toy: Toy, tmp_path: Path) -> None:
    other = another_package(tmp_path / "other")
    (other / "early.py").write_text(f"import sys; sys.path.insert(0, {str(other)!r}); import tinytorch\n")
    done = by_pytest(toy.project.root, "-pearly", PYTHONPATH=str(other))
    assert done.returncode == 1 and "found it imported from" in done.stdout, done


@pytest.mark.parametrize("options", ["--noconftest", "-pno:tito.checkpoints.plugin", "--noconftest -x"])
def test_options_do_not_lift_the_guard(options: str, toy: Toy) -> None:
    edit_source(toy)
    for route in (by_tito, by_pytest):
        done = route(toy.project.root, PYTEST_ADDOPTS=options)
        assert done.returncode == 1 and "found an older export" in done.stdout, done


def test_settings_do_not_change_what_tito_sees(toy: Toy) -> None:
    (toy.project.root / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = ["--collect-only"]\n')
    toy.edit("alpha", "return self.add(self)", "return self")
    succeed(toy.project.root, "module", "export", "--all")
    done = by_tito(toy.project.root, PYTEST_ADDOPTS="-k nothing", PYTHONOPTIMIZE="1")
    assert done.returncode == 1 and "Box.double" in done.stdout, done


@pytest.mark.parametrize("route", [by_tito, by_pytest])
def test_byte_code_of_an_older_export_is_not_believed(route: Route, toy: Toy) -> None:
    path = toy.project.package_dir / "core" / "alpha.py"
    subprocess.run([sys.executable, "-c", "import tinytorch"], cwd=toy.project.root, check=True)
    stamp = path.stat().st_mtime
    toy.edit("alpha", "return self.add(self)", "return Box( 5 )    ")
    succeed(toy.project.root, "module", "export", "--all")
    size = path.stat().st_size
    assert "Box( 5 )" in path.read_text() and size == path.stat().st_size
    os.utime(path, (stamp, stamp))
    done = route(toy.project.root)
    assert done.returncode == 1 and "Box.double" in done.stdout, done


WAYS_TO_PASS_NOTHING = {
    "no tests": '"""Can I?"""\n',
    "skipped": "import pytest\n\ndef test_a():\n    pytest.skip('later')\n",
    "dies": "import os\n\ndef test_a():\n    os._exit(0)\n\ndef test_b():\n    assert False\n",
    "import fails": "import no_such_module\n\ndef test_a():\n    pass\n",
    "warns": "import warnings\n\ndef test_a():\n    warnings.warn('old')\n",
    "leaves": "import sys\n\nsys.exit(0)\n",
}


@pytest.mark.parametrize("text", WAYS_TO_PASS_NOTHING.values(), ids=WAYS_TO_PASS_NOTHING)
def test_what_did_not_run_did_not_pass(text: str, toy: Toy) -> None:
    (toy.project.root / FILE).write_text(text)
    text = fail(toy.project.root, "checkpoint", "test", "0")
    assert "✗ 00 boxes" in text and len(text.splitlines()) >= 2, text
    assert records(succeed(toy.project.root, "checkpoint", "status", "--json"))[0]["state"] == "failed"


def test_an_endless_loop_ends(toy: Toy) -> None:
    (toy.project.root / FILE).write_text("def test_a():\n    while True: pass\n")
    outcome = run_checkpoint(toy.project, toy.course, toy.course.checkpoint("0"), timeout=3)
    assert not outcome.passed and "past 3 s" in outcome.message, outcome


def state(toy: Toy) -> dict[str, object]:
    return records(succeed(toy.project.root, "checkpoint", "status", "--json"))[0]


def test_the_result_is_kept_until_a_source_changes(toy: Toy) -> None:
    assert state(toy)["state"] == "not run"
    succeed(toy.project.root, "checkpoint", "test", "--all")
    assert state(toy)["state"] == "passed"
    toy.edit("beta", "Three times", "Thrice")
    assert state(toy)["state"] == "passed", "the checkpoint does not rest on beta"
    toy.edit("alpha", "Twice the box", "Two times the box")
    assert (state(toy)["state"], state(toy)["changed"]) == ("stale", ["01_alpha"])
    assert "changed since the last run: 01_alpha" in succeed(toy.project.root, "checkpoint", "status", "--detailed")
    toy.edit("alpha", "Two times the box", "Twice the box")
    assert state(toy)["state"] == "passed"


def test_failures_are_told_without_a_wall_of_traceback(toy: Toy) -> None:
    toy.edit("alpha", "return self.add(self)", "return self")
    succeed(toy.project.root, "module", "export", "--all")
    text = fail(toy.project.root, "checkpoint", "test", "boxes")
    assert text.splitlines()[1].split() == ["test_box_doubles", "checkpoint_00_boxes.py:16"], text
    assert text.splitlines()[2].strip() == "Box.double: twice 2 is 4" and len(text.splitlines()) == 3, text
    row = records(tito(toy.project.root, "checkpoint", "test", "0", "--json").stdout)[0]
    assert row["failures"][0]["message"] == "Box.double: twice 2 is 4", row


def test_run_lists_every_test_and_verbose_shows_pytest(toy: Toy) -> None:
    text = succeed(toy.project.root, "checkpoint", "run", "0")
    assert "test_box_adds" in text and "passed in" not in text, text
    assert "2 passed in" in succeed(toy.project.root, "checkpoint", "run", "0", "--verbose")


def test_a_full_run_is_said_so_to_the_checkpoint(toy: Toy) -> None:
    asks = 'import os\n\n\ndef test_full() -> None:\n    assert os.environ["TITO_CHECKPOINT_FULL"] == "1", "not full"\n'
    (toy.project.root / FILE).write_text(CHECKPOINT + asks)
    succeed(toy.project.root, "checkpoint", "test", "0", "--full")
    assert "not full" in fail(toy.project.root, "checkpoint", "test", "0")


def test_what_it_ran_on_is_told_and_kept(toy: Toy) -> None:
    root = toy.project.root
    uses = "\n\ndef test_{0}(record_property) -> None:\n    record_property('data', '{1}')\n    assert {2}, 'wrong'\n"
    text = CHECKPOINT + uses.format("reads", "generated plays", True) + uses.format("sees", "CIFAR-10", True)
    (root / FILE).write_text(text)
    assert "Can I box a number?  On generated plays, CIFAR-10.  (4 tests" in succeed(root, "checkpoint", "test", "0")
    assert succeed(root, "checkpoint", "status").splitlines()[0].endswith("01_alpha  on generated plays, CIFAR-10")
    assert state(toy)["data"] == "generated plays, CIFAR-10"
    (root / FILE).write_text(CHECKPOINT + uses.format("reads", "generated plays", False))
    row = records(tito(root, "checkpoint", "test", "0", "--json").stdout)[0]
    assert (row["passed"], row["data"]) == (False, "generated plays")
    (root / FILE).write_text(CHECKPOINT)
    assert "a number?  (2 tests" in succeed(root, "checkpoint", "test", "0")
    assert state(toy)["data"] == ""


def test_the_capstone_says_what_stands_in_for_real_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYTORCH_DATA", str(tmp_path))
    spec = importlib.util.spec_from_file_location("capstone", CAPSTONE)
    assert spec is not None and spec.loader is not None
    capstone = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "capstone", capstone)
    spec.loader.exec_module(capstone)
    told: list[tuple[str, object]] = []

    def record(name: str, value: object) -> None:
        told.append((name, value))

    _, plays = capstone.the_text()
    capstone.test_a_small_gpt_beats_the_bigram(capstone.Written(None, None, None, 1.0, 2.0, plays), record)
    monkeypatch.setattr(capstone, "accuracy_of", lambda *_: 0.0)
    with pytest.raises(AssertionError, match="on generated images"):
        capstone.test_a_cnn_learns_from_images_and_not_from_shuffled_labels(None, tmp_path, record)
    places = ("generated plays in place of Shakespeare", "generated images in place of CIFAR-10")
    assert told == [("data", place) for place in places]


def test_timeline(toy: Toy) -> None:
    assert "Can I box a number?" in succeed(toy.project.root, "checkpoint", "timeline")
    assert succeed(toy.project.root, "checkpoint", "timeline", "--horizontal").splitlines()[0] == "·00"


def test_a_copy_holds_the_wrong_solution_and_the_original_stays(toy: Toy, tmp_path: Path) -> None:
    alpha = toy.module("alpha")
    source = toy.dev("alpha").read_text(encoding="utf-8")
    before = {path: path.read_bytes() for path in toy.project.root.rglob("*.py")}
    copies = ProjectCopies(toy.project, toy.course, tmp_path / "copies")
    for region in find_regions(source, "alpha"):
        copy = copies.mutated(alpha, stub_out(source, region))
        outcome = run_checkpoint(copy, toy.course, toy.course.checkpoint("0"), record=False)
        assert f"{region.qualname}: not implemented yet" in outcome.message, outcome
    base = run_checkpoint(copies.base(alpha), toy.course, toy.course.checkpoint("0"), record=False)
    assert base.passed, base
    beside = copies.mutated(alpha, source.replace("Twice", "Two times"), exported=False)
    outcome = run_checkpoint(beside, toy.course, toy.course.checkpoint("0"), record=False)
    assert "found an older export" in outcome.message, outcome
    assert {path: path.read_bytes() for path in before} == before
