"""What module 02 built stays what it is: later modules insert rows into tables, and touch nothing else.

Every check runs in a fresh process (`permanence_child.py`), because importing is what is tested.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import tinytorch

PACKAGE = Path(tinytorch.__file__).parent
CHILD = Path(__file__).with_name("permanence_child.py")


def later_modules() -> list[str]:
    """The exported targets after the tensor, in course order."""
    lines = (PACKAGE / "_modules.py").read_text(encoding="utf-8").splitlines()
    names = [line.split()[1] for line in lines if line.startswith("import ")]
    return names[names.index("tinytorch.core.tensor") + 1 :]


def run(*names: str, also_from: Path | None = None) -> dict:
    """Import `names` after the engine in a fresh process; return what it reports."""
    environment = {**os.environ, "PYTHONPATH": str(also_from or "")}
    command = [sys.executable, "-W", "error", str(CHILD), str(PACKAGE), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_all_later_modules_together() -> None:
    names = later_modules()
    found = run(*names)
    assert set(names) <= set(found["loaded"])
    assert found["changed"] == [], f"a later module rebound or replaced {found['changed']}"
    assert found["same_dir"], "dir(Tensor) differs after the later modules were imported"
    if "tinytorch.core.autograd" in names:
        added = set(found["added"])
        assert {"VJPS['add']", "WATCHERS['autograd']", "SERVICES['backward']", "PRIMITIVES['relu']"} <= added


def test_each_later_module_by_itself() -> None:
    for name in later_modules():
        found = run(name)
        assert found["changed"] == [] and found["same_dir"], f"{name} rebound or replaced {found['changed']}"


def test_the_engine_needs_no_later_module() -> None:
    needless = set(later_modules()) & set(run()["loaded"])
    assert not needless, f"core.engine and core.tensor import {needless}"


def test_a_module_that_patches_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "patching.py").write_text(
        "from tinytorch.core import engine, tensor\n"
        "from tinytorch.given.tensor_properties import TensorProperties\n"
        "engine.bind = None\n"
        "tensor.extra = 1\n"
        "tensor.Tensor.shiny = 2\n"
        "TensorProperties.item = None\n"
        "engine.SERVICES['bind'] = print\n"
        "engine.PRIMITIVES['add'].kernel = print\n"
        "del engine.PRIMITIVES['mul']\n",
        encoding="utf-8",
    )
    found = run("patching", also_from=tmp_path)
    assert not found["same_dir"]
    assert found["changed"] == [
        "PRIMITIVES['mul']",
        "SERVICES['bind']",
        "Tensor.shiny",
        "TensorProperties.item",
        "the kernel of add",
        "the kernel of mul",
        "tinytorch.core.engine.bind",
        "tinytorch.core.tensor.extra",
    ]
