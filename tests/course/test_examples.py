"""The milestones as files: the public API only, what they promise is what the table says, and each trains."""

from __future__ import annotations

import ast
import re
import runpy
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.course.cases import the_course
from tinytorch import manual_seed
from tinytorch.datasets import CharacterDataset, Digits, SyntheticImages
from tito.milestones.table import Milestone, load_milestones

PROJECT, COURSE = the_course()
MILESTONES = load_milestones(PROJECT, COURSE)
PUBLIC = tomllib.loads((PROJECT.root / "tests/data/public_names.toml").read_text())
LONGEST = 120  # lines: one short readable file
ids = [milestone.name for milestone in MILESTONES]


def offered(milestone: Milestone) -> dict[str, set[str]]:
    """Public names by face, in a package of just the modules that the milestone needs."""
    needed = {module.name for name in milestone.requires for module in COURSE.closure(COURSE.module(name))}
    faces: dict[str, set[str]] = {"tinytorch": set()}
    for module in needed & PUBLIC.keys():
        for face, row in PUBLIC[module].items():
            faces.setdefault(face, set()).update(row["names"])
            faces["tinytorch"].add(face.split(".")[0])
            if "." in face:
                faces.setdefault(face.rpartition(".")[0], set()).add(face.rpartition(".")[2])
    return faces


def used(tree: ast.AST) -> set[tuple[str, str]]:
    """(face, name) of all that a file imports from tinytorch, and of all that it takes from a face by a dot."""
    found, faces = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tinytorch":
            face = (node.module or "").removeprefix("tinytorch.")
            for alias in node.names:
                found.add((face, alias.name))
                faces[alias.asname or alias.name] = alias.name if face == "tinytorch" else f"{face}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            path = ast.unparse(node).split(".")
            if path[0] in faces and path[0].islower() and all(part.isidentifier() for part in path):
                found.add((".".join([faces[path[0]], *path[1:-1]]), path[-1]))
    return {(face, name) for face, name in found if face in ("tinytorch", *PUBLIC_FACES)}


PUBLIC_FACES = {face for module in PUBLIC.values() for face in module}


@pytest.mark.parametrize("milestone", MILESTONES, ids=ids)
def test_an_example_uses_the_public_api_of_the_modules_that_it_requires(milestone: Milestone) -> None:
    tree, faces = ast.parse(milestone.file(PROJECT).read_text()), offered(milestone)
    missing = {f"{face}.{name}" for face, name in used(tree) if name not in faces.get(face, set())}
    assert used(tree) and not missing, f"{milestone.path}: not offered by {milestone.requires}: {missing}"


@pytest.mark.parametrize("milestone", MILESTONES, ids=ids)
def test_an_example_imports_tinytorchs_faces_and_the_standard_library_only(milestone: Milestone) -> None:
    for node in ast.walk(ast.parse(milestone.file(PROJECT).read_text())):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            allowed = {"tinytorch", *(f"tinytorch.{face}" for face in PUBLIC_FACES), *sys.stdlib_module_names}
            assert module in allowed, f"{milestone.path} imports {module}"


@pytest.mark.parametrize("milestone", MILESTONES, ids=ids)
def test_an_example_says_what_the_table_expects(milestone: Milestone) -> None:
    text = milestone.file(PROJECT).read_text()
    stated = re.findall(r"^Expected: (.+)$", ast.get_docstring(ast.parse(text)) or "", re.MULTILINE)
    assert stated == [expectation.text for expectation in milestone.expected]
    assert text.startswith(f'"""{milestone.year}, ') and len(text.splitlines()) <= LONGEST


def test_every_file_stands_in_the_table() -> None:
    files = {path.name for path in (PROJECT.root / "examples").glob("*.py")}
    assert files == {Path(milestone.path).name for milestone in MILESTONES}


def example(name: str) -> dict[str, Any]:
    """The names of an example's file."""
    (milestone,) = (milestone for milestone in MILESTONES if milestone.name == name)
    manual_seed(0)
    return runpy.run_path(str(milestone.file(PROJECT)))


def weights(model: Any) -> dict[str, Any]:
    """A copy of a model's weights and buffers, by name."""
    return {key: value.numpy().copy() for key, value in model.state_dict().items()}


def moved(model: Any, before: dict[str, Any]) -> bool:
    """Whether training has changed every one of them."""
    return all((value != before[key]).any() for key, value in weights(model).items())


def test_vit_base_has_86_million_parameters() -> None:
    """Patches 590,592; token and positions 152,064; twelve blocks of 7,087,872; norm 1,536; 1000 classes 769,000."""
    assert example("vit")["base_parameters"]() == 590_592 + 152_064 + 12 * 7_087_872 + 1_536 + 769_000


def test_the_mlp_learns() -> None:
    mlp = example("mlp")
    assert mlp["train"](mlp["network"](64), Digits(), Digits(train=False), epochs=1) > 0.6


def test_every_part_of_the_vision_transformer_is_trained() -> None:
    vit = example("vit")
    model = vit["VisionTransformer"](**vit["SMALL"] | {"size": 8, "patch": 2, "dim": 16, "depth": 1})
    before = weights(model)
    assert 0 <= vit["train"](model, Digits(), Digits(train=False), epochs=1) <= 1
    assert moved(model, before)


def test_the_small_gpt_learns_and_writes() -> None:
    gpt = example("gpt")
    text = CharacterDataset("to be, or not to be. " * 60, gpt["CONTEXT"])
    sizes = gpt["SIZES"] | {"layers": 1, "heads": 2, "width": 32}
    model = gpt["TinyGPT"](gpt["GPTConfig"](len(text.vocabulary), **sizes))
    before = gpt["loss_on"](model, text)
    gpt["train"](model, text, steps=30)
    assert gpt["loss_on"](model, text) < 0.95 * before
    assert gpt["write"](model, text, "to ", length=9).startswith("to ")


@pytest.mark.parametrize(("name", "sizes"), [("lenet", {}), ("resnet", {"width": 8})])
def test_a_convolutional_network_is_trained_saved_and_taken_up_again(
    name: str, sizes: dict[str, int], tmp_path: Path
) -> None:
    found = example(name)
    train, images = found["train"], (SyntheticImages(size=192), SyntheticImages(False, size=100))
    network = found["network"](**sizes)
    before = weights(network)
    accuracy = train(network, *images, epochs=1, state=tmp_path)
    assert moved(network, before)
    other = found["network"](**sizes)
    assert train(other, *images, epochs=1, state=tmp_path) == accuracy, "a finished run is only judged again"
    assert all((value == weights(other)[key]).all() for key, value in weights(network).items())
