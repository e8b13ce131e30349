"""A name that the package does not have: the error says whether it arrives later, where it is, or what is nearest."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinytorch
from tests.course.cases import the_course
from tito.course.sources import read_sources
from tito.export import compose

PROJECT, COURSE = the_course()
PYTORCH = json.loads((Path(tinytorch.__file__).parent / "_pytorch_names.json").read_bytes())


def look_up(path: str) -> object:
    """`tinytorch.<path>`."""
    value: object = tinytorch
    for part in path.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("jit", "tinytorch.jit: PyTorch 2.13.0 has it, TinyTorch has not"),
        ("matrix_exp", "PyTorch 2.13.0 has it, TinyTorch has not"),
        ("nn.Conv3d", "PyTorch 2.13.0 has it, TinyTorch has not; the nearest name here is tinytorch.nn.Conv2d"),
        ("nn.Linaer", "tinytorch.nn.Linaer: there is no such name; the nearest name here is tinytorch.nn.Linear"),
        ("nn.relu", "there is no such name, but there is tinytorch.relu"),
        ("nn.Adam", "there is no such name, but there is tinytorch.optim.Adam"),
        ("nn.functional.max_unpool3d", "PyTorch 2.13.0 has it, TinyTorch has not"),
        ("optim.SparseAdam", "PyTorch 2.13.0 has it, TinyTorch has not"),
        ("optim.lr_scheduler.OneCycle", "the nearest name here is tinytorch.optim.lr_scheduler.OneCycleLR"),
        ("Tensor.stft", "tinytorch.Tensor.stft: PyTorch 2.13.0 has it, TinyTorch has not"),
        ("Tensor.is_sparse_csr", "PyTorch 2.13.0 has it, TinyTorch has not"),
    ],
)
def test_what_is_said(path: str, said: str) -> None:
    with pytest.raises(AttributeError) as caught:
        look_up(path)
    assert said in str(caught.value)
    owner, _, name = path.rpartition(".")
    assert not hasattr(look_up(owner) if owner else tinytorch, name)


def test_a_tensor_tells_what_its_class_tells() -> None:
    x = tinytorch.ones(2)
    assert not hasattr(x, "stft") and getattr(x, "stft", 3) == 3
    with pytest.raises(AttributeError, match=r"tinytorch.Tensor.stft: PyTorch"):
        x.stft()
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'no_such_thing'"):
        x.no_such_thing()


def test_dir_lists_what_is_there_and_nothing_else() -> None:
    x = tinytorch.nn.Parameter(tinytorch.ones(2, 2))
    x.note = "mine"
    assert all(hasattr(tinytorch.Tensor, name) for name in dir(tinytorch.Tensor))
    assert set(dir(x)) == set(dir(type(x))) | {*vars(x)} and "note" in dir(x)
    assert {"add", "shape", "__add__", "__class__", "__doc__"} <= set(dir(tinytorch.Tensor))
    assert not {name for name in PYTORCH["Tensor"] if not hasattr(x, name)} & set(dir(x))


def test_an_absent_name_hides_nothing_that_is_built() -> None:
    assert hasattr(tinytorch.Tensor, "add") and "add" in PYTORCH["Tensor"]
    x = tinytorch.ones(2)
    x.is_sparse_csr = "set by a user"
    assert x.is_sparse_csr == "set by a user"


def test_names_in_a_face_and_dunders_are_found_as_before() -> None:
    assert "Linear" in dir(tinytorch.nn) and "LSTMCells" not in dir(tinytorch.nn)
    with pytest.raises(AttributeError, match=r"tinytorch\.nn has no attribute '__path_to_nowhere__'"):
        tinytorch.nn.__path_to_nowhere__  # noqa: B018


def test_a_student_is_told_which_module_brings_a_name(tmp_path: Path) -> None:
    modules = COURSE.modules[:4]
    for path, data in compose(COURSE, modules, {m.name: read_sources(PROJECT, m) for m in modules}).items():
        target = tmp_path / "tinytorch" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    shutil.copytree(PROJECT.root / "modules", tmp_path / "modules", ignore=shutil.ignore_patterns("__pycache__"))
    program = (
        "import tinytorch\n"
        "for face, name in (tinytorch.nn, 'Conv2d'), (tinytorch, 'optim'), (tinytorch.nn.functional, 'conv2d'), "
        "(tinytorch, 'no_grad'), (tinytorch, 'models'), (tinytorch, 'jit'):\n"
        "    try:\n        getattr(face, name)\n    except AttributeError as error:\n        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    said = "tinytorch{}: it arrives with module {}, which is not exported yet: run `tito module complete {}`"
    brings = {".nn.Conv2d": "06_spatial", ".optim": "10_optimizers", ".nn.functional.conv2d": "06_spatial",
              ".no_grad": "09_autograd", ".models": "05_networks"}  # fmt: skip
    expected = [said.format(path, module, module) for path, module in brings.items()]
    *lines, last = done.stdout.splitlines()
    assert lines == expected and last.startswith("tinytorch.jit: PyTorch 2.13.0 has it, TinyTorch has not")


def test_a_damaged_manifest_leaves_hasattr_in_order(tmp_path: Path) -> None:
    shutil.copytree(Path(tinytorch.__file__).parent, tmp_path / "tinytorch")
    manifest = tmp_path / "tinytorch" / "manifest.json"
    manifest.unlink()
    for text in ("", "[]"):
        manifest.write_text(text, encoding="utf-8")
        program = "import tinytorch; print(hasattr(tinytorch, 'jit'), hasattr(tinytorch.ones(1), 'stft'))"
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["False", "False"] and "manifest.json" in done.stderr


def test_importing_reads_no_list_and_loads_no_messages() -> None:
    program = "import sys, tinytorch; print('difflib' in sys.modules, 'tinytorch._missing_names' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
