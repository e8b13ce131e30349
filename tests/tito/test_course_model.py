"""modules/course.toml: what it says, how modules are named, and what is refused."""

from __future__ import annotations

import pytest

from tests.tito.toy import Toy
from tito.course.model import load_course
from tito.course.sources import read_sources
from tito.errors import CourseError, ProjectError, SourceError, UsageError
from tito.project import find_project


@pytest.mark.parametrize("text", ["2", "02", "02_beta", "beta", "BETA", "modules/source/02_beta/"])
def test_a_module_is_named_by_number_folder_or_short_name(toy: Toy, text: str) -> None:
    assert toy.course.module(text).name == "02_beta"


@pytest.mark.parametrize("text", ["0", "00", "boxes"])
def test_a_checkpoint_is_named_by_number_or_name(toy: Toy, text: str) -> None:
    assert toy.course.checkpoint(text).file_name == "checkpoint_00_boxes.py"


def test_an_unknown_module_suggests_the_nearest(toy: Toy) -> None:
    with pytest.raises(UsageError, match=r"found 'bata': did you mean 'beta'\?"):
        toy.course.module("bata")
    with pytest.raises(UsageError, match="see `tito checkpoint status`"):
        toy.course.checkpoint("99")


def test_order_and_requirements(toy: Toy) -> None:
    course, beta, gamma = toy.course, toy.module("beta"), toy.module("gamma")
    assert [module.name for module in course.before(gamma)] == ["01_alpha", "02_beta"]
    assert [module.name for module in course.closure(gamma)] == ["01_alpha", "03_gamma"]
    assert course.after(beta) == gamma and course.after(gamma) is None
    assert course.missing([beta, gamma]) == {"02_beta": ("01_alpha",), "03_gamma": ("01_alpha",)}
    assert course.checkpoint_of(toy.module("alpha")) == course.checkpoints[0] and course.checkpoint_of(beta) is None
    assert beta.hints == {"beta-triple": ("add it", "twice")}


@pytest.mark.parametrize(
    ("find", "replace", "message"),
    [
        ('title = "Toy"', "", "expected 'title'"),
        ('name = "02_beta"', 'name = "beta"', "expected a name like"),
        ('name = "03_gamma"', 'name = "01_gamma"', "expected modules in rising order"),
        ('requires = ["01_alpha"]', 'requires = ["03_gamma"]', "to require earlier modules only"),
        ('"core.gamma"', '"core.beta"', "one module per target"),
        ('"core.gamma"', '"gamma"', "found 'gamma' in 'exports'"),
        ("number = 0", "number = -1", "expected a checkpoint after -1, found -1"),
        ('module = "01_alpha"', 'module = "09_x"', "name of a listed module"),
        ("points = 20", 'points = "many"', "to be of type int"),
        ("[course]", "[course", "expected TOML"),
    ],
)
def test_a_contradiction_is_one_sentence(toy: Toy, find: str, replace: str, message: str) -> None:
    toy.edit_course(find, replace)
    with pytest.raises(CourseError, match=message):
        load_course(toy.project)


def test_the_project_is_found_from_any_folder_below(toy: Toy) -> None:
    assert find_project(toy.dev("beta")) == toy.project
    with pytest.raises(ProjectError, match="found none: change into your TinyTorch project"):
        find_project(toy.project.root.parent)


def test_the_source_hash_covers_given_files_and_assets(toy: Toy) -> None:
    def now() -> str:
        return read_sources(toy.project, toy.module("beta")).sha256

    seen = [now()]
    toy.edit("beta", "Words.", "Other words.")
    seen.append(now())
    toy.add_given("beta", "helpers_given.py", "HELP = 4\n")
    seen.append(now())
    (toy.module("beta").folder(toy.project) / "assets" / "words.txt").write_bytes(b"three")
    seen.append(now())
    assert len(set(seen)) == 4


def test_the_source_hash_does_not_see_line_ends(toy: Toy) -> None:
    before = read_sources(toy.project, toy.module("beta"))
    toy.dev("beta").write_bytes(b"\xef\xbb\xbf" + before.dev.replace(b"\n", b"\r\n"))
    assert read_sources(toy.project, toy.module("beta")).sha256 == before.sha256


def test_a_missing_source_says_where_it_was_expected(toy: Toy) -> None:
    toy.dev("gamma").unlink()
    with pytest.raises(SourceError, match=r"at modules/source/03_gamma/gamma_dev\.py, found no such file"):
        read_sources(toy.project, toy.module("gamma"))
