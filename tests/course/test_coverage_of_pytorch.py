"""docs/pytorch-differences.md says what is covered, and says the truth."""

from __future__ import annotations

import json
import re

from tests.course.cases import the_course
from tests.coverage_of_pytorch import NAMES, OUT_OF_SCOPE, PAGE, coverage, page

NOT_COMPARED = {"datasets", "transforms", "models", "training", "cuda", "backends", "text"}  # ours, or a single name
PYTORCH = {face: names for face, names in json.loads(NAMES.read_bytes()).items() if face != "version"}


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.coverage_of_pytorch` and commit the page"


def test_every_face_is_compared() -> None:
    _, course = the_course()
    assert set(course.faces) - NOT_COMPARED <= PYTORCH.keys()


def test_a_face_is_taken_apart_without_remainder() -> None:
    found = coverage("nn", [*PYTORCH["nn"], "NoSuchLayer"])
    assert sorted([*found.there, *found.beyond, *found.missing]) == sorted([*PYTORCH["nn"], "NoSuchLayer"])
    assert "Linear" in found.there and "Conv3d" in found.beyond and "NoSuchLayer" in found.missing
    assert "TransformerBlock" in found.own and "functional" not in found.own


def test_every_rule_out_of_scope_names_something() -> None:
    names = {name for face in PYTORCH.values() for name in face}
    idle = [
        rule
        for rules in OUT_OF_SCOPE.values()
        for rule in rules.split()
        if not any(re.fullmatch(rule, n) for n in names)
    ]
    assert not idle, f"these patterns of OUT_OF_SCOPE fit no name of PyTorch: {idle}"
