"""The first cell of a module: which `tinytorch` it gets, by every route."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tito.toy import Toy
from tito import workbench
from tito.course.sources import read_sources
from tito.errors import SourceError
from tito.export import compose, export
from tito.workbench import package_before

ROOT = Path(__file__).resolve().parents[2]


def python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run code as in a notebook: no __file__, the current folder inside the project."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_the_package_holds_the_modules_before_and_the_given_files(toy: Toy) -> None:
    folder = package_before(toy.project, toy.module("beta")) / "tinytorch"
    assert (folder / "core" / "alpha.py").is_file() and (folder / "given" / "helpers.py").is_file()
    assert (folder / "assets" / "words.txt").read_bytes() == b"one\r\ntwo\n"
    assert not (folder / "core" / "beta.py").exists() and not (folder / "core" / "gamma.py").exists()
    assert not (folder / "utils").exists()


def test_the_package_is_what_compose_gives(toy: Toy) -> None:
    course, gamma = toy.course, toy.module("gamma")
    sources = {module.name: read_sources(toy.project, module) for module in course.modules}
    folder = package_before(toy.project, gamma) / "tinytorch"
    for path, data in compose(course, course.before(gamma), sources, bench=gamma).items():
        assert (folder / path).read_bytes() == data, path


@pytest.mark.parametrize("where", ["", "modules/source/03_gamma", "tests"])
def test_in_a_notebook_the_current_folder_decides(toy: Toy, where: str) -> None:
    code = (
        "from tito.workbench import modules_before\n"
        "modules_before('02_beta'); modules_before('02_beta')\n"
        "import sys, tinytorch; print(tinytorch.Box(1).double().value, sys.path[0] in tinytorch.__file__)\n"
        "modules_before('02_beta')"
    )
    seen = python(code, toy.project.root / where)
    assert seen.stdout == "2.0 True\n" and seen.stderr == "", seen.stderr


def test_a_file_runs_from_any_folder(toy: Toy, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(toy.dev("gamma"))]
    seen = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert seen.stdout == "45\ngamma done\n", seen.stderr


def test_the_first_module_gets_a_nearly_empty_package(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    code = (
        "from tito.workbench import modules_before; modules_before('01_alpha'); import tinytorch as t; print(t.__all__)"
    )
    assert python(code, toy.project.root).stdout == "['__version__']\n"


def test_another_tinytorch_is_refused(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    code = (
        "import sys; sys.path.insert(0, '.'); import tinytorch\n"
        "from tito.workbench import modules_before; modules_before('02_beta')"
    )
    seen = python(code, toy.project.root)
    assert "WorkbenchError: expected `tinytorch` not to be imported before the first cell of 02_beta" in seen.stderr
    assert f"found it imported from {toy.project.root / 'tinytorch'}: restart the kernel" in seen.stderr


def test_an_unknown_name_is_explained(toy: Toy) -> None:
    seen = python("from tito.workbench import modules_before; modules_before('02_betta')", toy.project.root)
    assert "did you mean '02_beta'?" in seen.stderr


def test_a_change_in_an_earlier_module_or_given_file_gives_another_package(toy: Toy) -> None:
    first = package_before(toy.project, toy.module("beta"))
    toy.edit("beta", "Words.", "Changed.")
    assert package_before(toy.project, toy.module("beta")) == first
    toy.edit("alpha", "A number in a box.", "A boxed number.")
    second = package_before(toy.project, toy.module("beta"))
    toy.add_given("beta", "helpers_given.py", "HELP = 3\n")
    third = package_before(toy.project, toy.module("beta"))
    assert len({first, second, third}) == 3


def test_a_missing_module_matters_only_where_it_is_required(toy: Toy) -> None:
    toy.dev("beta").unlink()
    folder = package_before(toy.project, toy.module("gamma")) / "tinytorch" / "core"
    assert sorted(path.name for path in folder.glob("*.py")) == ["__init__.py", "alpha.py", "engine.py"]
    toy.dev("alpha").unlink()
    with pytest.raises(SourceError, match=r"expected the source of 01_alpha at modules/source/01_alpha/alpha_dev\.py"):
        package_before(toy.project, toy.module("gamma"))


def test_a_cached_package_needs_no_jupytext_and_little_time(toy: Toy) -> None:
    package_before(toy.project, toy.module("gamma"))
    code = (
        "import sys, time\nfrom tito.workbench import modules_before\n"
        "def once():\n    start = time.perf_counter(); modules_before('03_gamma'); return time.perf_counter() - start\n"
        "print('jupytext' in sys.modules, min(once() for _ in range(10)))"
    )
    loaded, seconds = python(code, toy.project.root).stdout.split()
    assert loaded == "False" and float(seconds) < 0.03


def test_old_packages_are_pruned_but_none_in_use(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench, "KEPT_PACKAGES", 2)
    made = []
    for number in range(4):
        toy.add_given("beta", "helpers_given.py", f"HELP = {number}\n")
        made.append(package_before(toy.project, toy.module("beta")))
    assert all(folder.is_dir() for folder in made)
    long_ago = time.time() - 2 * workbench.IN_USE_SECONDS
    for age, folder in enumerate(reversed(made)):
        os.utime(folder / workbench.READY, (long_ago - age, long_ago - age))
    toy.add_given("beta", "helpers_given.py", "HELP = 99\n")
    newest = package_before(toy.project, toy.module("beta"))
    assert [folder.is_dir() for folder in made] == [False, False, False, True] and newest.is_dir()


def test_processes_that_compose_at_once_agree(toy: Toy) -> None:
    code = "from tito.workbench import modules_before as b; b('03_gamma'); import tinytorch as t; print(t.__file__)"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=toy.project.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    outputs = {child.communicate(timeout=60) for child in running}
    assert len(outputs) == 1, outputs
    assert next(iter(outputs))[1] == b"" and not list(toy.project.packages_dir.glob(".new-*"))
