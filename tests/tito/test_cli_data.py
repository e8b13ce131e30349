"""`tito data`: asks the exported package, in a child, and shows what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tito.command import fail, records, succeed, tito
from tests.tito.toy import Toy

ROOT = Path(__file__).parents[2]

# A data module in small: the same functions as module 08's, and a "download" from nowhere.
DOWNLOADS = '''"""Data sets of the toy."""

from types import SimpleNamespace

from tinytorch.core.engine import TinyTorchError


class DataNotFound(TinyTorchError):
    """It is not here."""


class DataCorrupt(TinyTorchError):
    """It is wrong."""


SOURCES = {name: SimpleNamespace(title=name.title()) for name in ("here", "away", "broken")}


def source(name):
    if name not in SOURCES:
        raise DataNotFound(f"Expected a data set out of {', '.join(SOURCES)}, found {name!r}.")
    return SOURCES[name]


def find(name):
    if name == "away":
        raise DataNotFound("Expected Away in /data, found nothing.")
    if name == "broken":
        raise DataCorrupt("Expected 10 images, found 9.")
    return "/data/here"


def fetch(name, progress):
    if name == "broken":
        raise DataCorrupt("Expected 10 images, found 9.")
    if name == "here":
        raise ZeroDivisionError("a mistake of the student's")
    progress("away.gz", 5, 10)
    progress("away.gz", 10, 10)
    return "/data/away"
'''


@pytest.fixture
def root(toy: Toy) -> Path:
    """A toy course whose package knows three data sets."""
    toy.edit("alpha", "TABLE = {}\n", 'TABLE = {}\n\n\nclass TinyTorchError(RuntimeError):\n    """Ours."""\n')
    toy.add_given("beta", "downloads_given.py", DOWNLOADS)
    succeed(toy.project.root, "module", "export", "--all")
    return toy.project.root


def test_list_and_check(root: Path) -> None:
    text = succeed(root, "data", "list")
    assert "/data/here" in text and "tito data get away" in text, text
    text = fail(root, "data", "check")
    assert "here: complete" in text and "away: not here" in text and "broken: Expected 10 images" in text, text
    done = tito(root, "data", "check", "--json")
    assert done.returncode == 1
    assert records(done.stdout)[-1] == {"event": "result", "ok": 1, "missing": 1, "wrong": 1}


def test_get_shows_progress(root: Path) -> None:
    assert succeed(root, "data", "get", "away") == "away.gz: 10 bytes\n✓ Away lies in /data/away\n"
    rows = records(succeed(root, "data", "get", "away", "--json"))
    assert rows[0] == {"event": "progress", "file": "away.gz", "done": 5, "total": 10}
    assert rows[-1]["event"] == "dataset" and rows[-1]["folder"] == "/data/away"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("broken", "Expected 10 images"), ("nothing", "found 'nothing'"), ("here", "ZeroDivisionError")],
)
def test_get_fails_in_one_sentence(name: str, sentence: str, root: Path) -> None:
    text = fail(root, "data", "get", name)
    assert sentence in text and text.count("\n") == 1, text


def test_without_the_module_that_brings_them(toy: Toy) -> None:
    assert "tito module complete dataloader" in fail(toy.project.root, "data", "list")


def test_the_real_module_says_what_is_missing_and_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"half an archive")
    rows = records(tito(ROOT, "data", "list", "--json", TINYTORCH_DATA=str(tmp_path)).stdout)
    states = [("cifar10", "wrong"), ("mnist", "missing"), ("tinyshakespeare", "missing")]
    assert [(row["name"], row["state"]) for row in rows[:-1]] == states, rows
    assert list(tmp_path.glob("*.refused")), "the wrong archive is kept aside"
