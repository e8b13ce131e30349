"""The command line as a whole: quick to start, one sentence for every error, plain text in a pipe."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tito.command import SECONDS, TITO, fail, records, succeed, tito
from tests.tito.toy import Toy, write_toy
from tito import cli

REPORTS = [
    ("system", "doctor"),
    ("system", "info"),
    ("system", "protect", "status"),
    ("system", "protect", "enable"),
    ("system", "protect", "disable"),
    ("system", "protect", "validate"),
    ("system", "protect", "check"),
    ("module", "list"),
    ("module", "status"),
    ("module", "test", "--all"),
    ("module", "export", "--all"),
    ("module", "export", "--all", "--check"),
    ("module", "complete", "alpha", "--skip-test"),
    ("module", "notebooks"),
    ("checkpoint", "status"),
    ("checkpoint", "timeline"),
]


def test_help_imports_nothing_heavy() -> None:
    """So `tito --help` starts in a few hundredths of a second more than Python itself."""
    code = "import sys, tito.cli; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "rich", "jupytext", "pytest", "numba", "matplotlib", "tinytorch"} & set(done.stdout.split())
    assert not heavy, f"tito.cli imports {heavy}"


@pytest.mark.parametrize("group", ["system", "module", "checkpoint", "data", "train", "milestone", "course"])
def test_every_group_has_help(group: str, tmp_path: Path) -> None:
    assert group in succeed(tmp_path, "--help")
    assert "Usage: tito" in succeed(tmp_path, group, "--help")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a toy course that is exported whole."""
    root = write_toy(tmp_path_factory.mktemp("cli") / "toy").project.root
    succeed(root, "module", "export", "--all")
    return root


@pytest.mark.parametrize("arguments", REPORTS, ids=" ".join)
def test_json_ends_with_the_final_record(arguments: tuple[str, ...], exported: Path) -> None:
    rows = records(succeed(exported, *arguments, "--json"))
    assert "event" in rows[-1], rows[-1]


@pytest.mark.parametrize("arguments", REPORTS, ids=" ".join)
def test_text_in_a_pipe_is_plain(arguments: tuple[str, ...], exported: Path) -> None:
    text = succeed(exported, *arguments)
    assert "\x1b" not in text and not set("┏━┃│╭") & set(text.replace("│   ", "")), text


def test_a_terminal_gets_colours(toy: Toy) -> None:
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen([TITO, "module", "list"], cwd=toy.project.root, stdout=child, env=environment)
    os.close(child)
    shown = b""
    while block := _read(parent):
        shown += block
    os.close(parent)
    assert process.wait(SECONDS) == 0
    assert b"\x1b[" in shown and b"01_alpha" in shown, shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other end is closed
        return b""


def test_version(tmp_path: Path) -> None:
    assert succeed(tmp_path, "--version").startswith("tito 0.")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("modul",), "module"),
        (("module", "lst"), "list"),
        (("module", "test", "alhpa"), "did you mean 'alpha'?"),
        (("module", "test", "17"), "tito module list"),
        (("module", "test"), "--all"),
        (("module", "export", "alpha", "--all"), "found both"),
        (("checkpoint", "test", "7"), "tito checkpoint status"),
        (("checkpoint", "test"), "--all"),
        (("module", "export", "--al"), "--all"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_name_is_one_sentence(arguments: tuple[str, ...], expected: str, toy: Toy) -> None:
    assert expected in fail(toy.project.root, *arguments, code=2)


def test_outside_a_project(tmp_path: Path) -> None:
    text = fail(tmp_path, "module", "list", code=2)
    assert "modules/course.toml" in text and text.count("\n") == 1, text


def test_an_error_under_json_is_the_last_record(toy: Toy) -> None:
    done = tito(toy.project.root, "module", "test", "nothing", "--json")
    assert done.returncode == 2
    assert "nothing" in records(done.stdout)[-1]["error"]


def test_verbose_anywhere_shows_the_traceback(toy: Toy) -> None:
    for arguments in (("--verbose", "module", "test", "nothing"), ("module", "test", "nothing", "--verbose")):
        done = tito(toy.project.root, *arguments)
        assert done.returncode == 2 and "Traceback" in done.stderr, done


def test_an_unexpected_error_is_one_sentence_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as leaving:
        cli.main(["module", "list"])
    assert leaving.value.code == 1
    text = capsys.readouterr().err
    assert "ZeroDivisionError" in text and "--verbose" in text and text.count("\n") == 1, text


def test_ctrl_c_is_one_line_and_changes_nothing(toy: Toy) -> None:
    succeed(toy.project.root, "module", "export", "--all")
    before = toy.package()
    started = toy.project.root / "started"
    pause = f'import pathlib, time; pathlib.Path(r"{started}").touch(); time.sleep(60); '
    toy.edit("alpha", 'assert bind("add", 1, 2) == 3', pause + 'assert bind("add", 1, 2) == 3')
    process = subprocess.Popen(
        [TITO, "module", "complete", "alpha"],
        cwd=toy.project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not started.exists():
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130, (out, err)
    assert err.count("\n") == 1 and "Interrupted" in err, err
    assert toy.package() == before
    assert not toy.project.progress_file.exists()
