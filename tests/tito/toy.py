"""A toy course of three small modules, written into a folder: complete in form, quick to test and export."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tito.course.model import Course, Module, load_course
from tito.course.sources import read_sources
from tito.export import compose
from tito.project import Project

COURSE = """\
[course]
title = "Toy"
faces = ["tinytorch", "nn", "nn.functional", "utils", "utils.data"]

[[module]]
name = "01_alpha"
title = "Alpha"
summary = "a box for a number"
exports = ["core.engine", "core.alpha"]
requires = []
points = 20

[[module]]
name = "02_beta"
title = "Beta"
summary = "three times a box"
exports = ["core.beta"]
requires = ["01_alpha"]
points = 20
[module.hints]
beta-triple = ["add it", "twice"]

[[module]]
name = "03_gamma"
title = "Gamma"
summary = "minus a box"
exports = ["core.gamma"]
requires = ["01_alpha"]
points = 20

[[checkpoint]]
number = 0
name = "boxes"
question = "Can I box a number?"
module = "01_alpha"
"""

ALPHA = [
    (
        "table",
        '''\
#| export core.engine
import numpy as np

# the table of operations
TABLE = {}


def bind(name, *values):
    """Run the operation `name`.

    TASK: look it up and call it. APPROACH: one line. EXAMPLE: bind("add", 1, 2) -> 3
    """
    ### BEGIN SOLUTION
    return TABLE[name](*values)
    ### END SOLUTION


def add_kernel(a, b):
    return a + b


TABLE["add"] = add_kernel
''',
        'assert bind("add", 1, 2) == 3, "bind: 1 + 2 is 3"',
    ),
    (
        "box",
        '''\
#| export
#| face tinytorch: Box
class Box:
    """A number in a box."""

    def __init__(self, value):
        self.value = np.float32(value)

    def add(self, other):
        """Sum of two boxes.

        TASK: add through the table. APPROACH: bind. EXAMPLE: Box(1).add(Box(2)).value -> 3
        """
        ### BEGIN SOLUTION
        return Box(bind("add", self.value, other.value))
        ### END SOLUTION
''',
        'assert Box(1).add(Box(2)).value == 3, "Box.add: 1 + 2 is 3"',
    ),
    (
        "double",
        '''\
#| export
#| face tinytorch: Other as Another
OTHER = 7


class Box(Box):
    """The same box, with more."""

    # a remark that stays
    def double(self):
        """Twice the box.

        TASK: add it to itself. APPROACH: add. EXAMPLE: Box(2).double().value -> 4
        """
        ### BEGIN SOLUTION
        return self.add(self)
        ### END SOLUTION


class Other(Box):
    pass
''',
        'assert Box(2).double().value == 4, "Box.double: twice 2 is 4"\n'
        '    assert Other(1).double().value == 2, "double"',
    ),
]

BETA = [
    (
        "triple",
        '''\
#| export
#| face nn.functional: triple
from tinytorch.core.alpha import Box
from tinytorch.given.helpers import HELP


def triple(box: Box) -> Box:
    """Three times the box.

    TASK: add it twice. APPROACH: double, then add. EXAMPLE: triple(Box(2)).value -> 6
    """
    ### BEGIN SOLUTION
    return box.double().add(box)
    ### END SOLUTION
''',
        'assert triple(Box(2)).value == 2 * HELP, "triple: three times 2 is 6"',
    ),
]

GAMMA = [
    (
        "minus",
        '''\
#| export
#| face nn: minus
from tinytorch.core.alpha import Box


def minus(box):
    """The box with the other sign.

    TASK: change the sign. APPROACH: minus. EXAMPLE: minus(Box(2)).value -> -2
    """
    ### BEGIN SOLUTION
    return Box(-box.value)
    ### END SOLUTION
''',
        'assert minus(Box(2)).value == -2, "minus: of 2 is -2"',
    ),
]

HELPERS_GIVEN = '"""Helpers."""\n\n#| face utils: HELP\n\nHELP = 3\n'


def meta(grade_id: str, *, grade: bool, locked: bool, solution: bool, points: int | None = None) -> str:
    """The nbgrader part of a cell's marker."""
    data: dict[str, object] = {"grade": grade, "grade_id": grade_id, "locked": locked}
    if points is not None:
        data["points"] = points
    return "nbgrader=" + json.dumps({**data, "schema_version": 3, "solution": solution, "task": False})


def markdown(text: str, extra: str = "") -> str:
    """A markdown cell."""
    return f'# %% [markdown]{" " + extra if extra else ""}\n"""\n{text}\n"""\n\n'


def code(source: str, extra: str = "") -> str:
    """A code cell."""
    return f"# %%{' ' + extra if extra else ''}\n{source.rstrip()}\n\n"


def module_text(name: str, target: str, pieces: list[tuple[str, str, str]], total: int = 20) -> str:
    """A module in the form of the course: `pieces` are (name, code, assertion)."""
    number, short = name.split("_", 1)
    tests = [f"test_{piece}" for piece, _, _ in pieces]
    rest = total - 2 * len(pieces) - 3
    workbench = f'#| default_exp {target}\nfrom tito.workbench import modules_before\n\nmodules_before("{name}")'
    text = markdown(f"# Module {number}: {short.title()}\n\nWords.")
    text += code(workbench, meta(f"{short}-workbench", grade=False, locked=True, solution=False))
    text += markdown("## Mathematical background") + markdown("## Implementation")
    for piece, source, assertion in pieces:
        text += code(source, meta(f"{short}-{piece}", grade=False, locked=False, solution=True))
        text += markdown(f"### Test: {piece}")
        test = f"def test_{piece}():\n    {assertion}"
        text += code(test, meta(f"test-{short}-{piece}", grade=True, locked=True, solution=False, points=2))
    text += markdown("## Systems analysis")
    text += code(f"def analyze_{short}():\n    print(sum(range(10)))")
    text += markdown("## Integration") + markdown("## Production context") + markdown("## Comprehensive test")
    whole = "def test_module():\n    " + "\n    ".join(f"{test}()" for test in tests)
    text += code(whole, meta(f"test-{short}-module", grade=True, locked=True, solution=False, points=rest))
    calls = "\n    ".join([*(f"{test}()" for test in tests), f"analyze_{short}()", "test_module()"])
    text += code(f'if __name__ == "__main__":\n    {calls}\n    print("{short} done")')
    text += markdown("## 🤔 ML Systems Thinking: Interactive Questions")
    for question in (1, 2, 3):
        extra = meta(f"{short}-q{question}", grade=True, locked=False, solution=True, points=1)
        text += markdown("An answer.", extra)
    return text + markdown(f"## 🎯 MODULE SUMMARY: {short.title()}").rstrip() + "\n"


@dataclass(frozen=True)
class Toy:
    """A toy course on disk."""

    project: Project

    @property
    def course(self) -> Course:
        """The course as course.toml describes it now."""
        return load_course(self.project)

    def module(self, name: str) -> Module:
        """A module by any of its names."""
        return self.course.module(name)

    def dev(self, name: str) -> Path:
        """The taught file of a module."""
        return self.module(name).dev_file(self.project)

    def edit(self, name: str, find: str, replace: str) -> None:
        """Change one place of a taught file; the text must occur."""
        text = self.dev(name).read_text(encoding="utf-8")
        assert find in text, f"{find!r} not in {name}"
        self.dev(name).write_text(text.replace(find, replace, 1), encoding="utf-8")

    def edit_course(self, find: str, replace: str) -> None:
        """Change one place of course.toml."""
        text = self.project.course_file.read_text(encoding="utf-8")
        assert find in text, f"{find!r} not in course.toml"
        self.project.course_file.write_text(text.replace(find, replace, 1), encoding="utf-8")

    def add_given(self, name: str, file_name: str, text: str) -> None:
        """Write a given file."""
        (self.module(name).folder(self.project) / file_name).write_text(text, encoding="utf-8")

    def compose(self, *names: str) -> dict[str, str]:
        """The composed package of these modules (default: all) as text."""
        course = self.course
        chosen = [course.module(name) for name in names] if names else list(course.modules)
        files = compose(course, chosen, {module.name: read_sources(self.project, module) for module in chosen})
        return {path: data.decode() for path, data in files.items()}

    def package(self) -> dict[str, bytes]:
        """The bytes of every installed file, by path; empty without a package."""
        root = self.project.package_dir
        paths = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def write_toy(root: Path) -> Toy:
    """Write the toy course into `root`."""
    source = root / "modules" / "source"
    for name, target, pieces in (
        ("01_alpha", "core.alpha", ALPHA),
        ("02_beta", "core.beta", BETA),
        ("03_gamma", "core.gamma", GAMMA),
    ):
        (source / name).mkdir(parents=True)
        text = module_text(name, target, pieces)
        (source / name / f"{name[3:]}_dev.py").write_text(text, encoding="utf-8")
    (source / "02_beta" / "helpers_given.py").write_text(HELPERS_GIVEN, encoding="utf-8")
    (source / "02_beta" / "assets").mkdir()
    (source / "02_beta" / "assets" / "words.txt").write_bytes(b"one\r\ntwo\n")
    (root / "modules" / "course.toml").write_text(COURSE, encoding="utf-8")
    checkpoints = root / "tests" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "checkpoint_00_boxes.py").write_text('"""Can I box a number?"""\n', encoding="utf-8")
    return Toy(Project(root.resolve()))
