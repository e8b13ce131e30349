"""Every `tito …` that a text or a message of this repository names exists, with its options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tito.cli import app

ROOT = Path(__file__).parents[2]
QUOTED = re.compile(r"`tito ([^`\n]+)`")
IN_A_BLOCK = re.compile(r"^\s*(?:\$ )?tito (\S+(?: \S+)*)", re.MULTILINE)
FENCED = re.compile(r"^```(?:bash|sh|shell|console)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
TEXTS = ("*.md", "docs/**/*.md", "tito/**/*.py", "modules/source/*/*.py", "modules/course.toml", "Makefile")
GLOBAL_OPTIONS = {"--verbose", "--help", "--json"}


def named_commands(text: str) -> Iterator[str]:
    """The commands that a text names, without the word tito."""
    yield from QUOTED.findall(text)
    for block in FENCED.findall(text):
        yield from IN_A_BLOCK.findall(block)


def problem(command: str) -> str | None:
    """Why a command line does not exist, as far as words before a placeholder tell; None when it does."""
    node: Any = typer.main.get_command(app)
    for word in command.split():
        if not re.fullmatch(r"--[a-z][a-z-]*|[a-z][a-z0-9_]*", word):
            if not re.fullmatch(r"[\[{A-Z<…].*|[\d./|].*", word):
                return f"{word!r} is neither a command nor a placeholder"
            continue
        if word.startswith("--"):
            options = {option for parameter in node.params for option in parameter.opts}
            if word not in options | GLOBAL_OPTIONS:
                return f"no option {word}"
        elif commands := getattr(node, "commands", None):
            if word not in commands:
                return f"no command {word!r}"
            node = commands[word]
    return None


FILES = sorted({path for pattern in TEXTS for path in ROOT.glob(pattern)})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_named_commands_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    wrong = [f"tito {command}: {why}" for command in named_commands(text) if (why := problem(command))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("command", ["modul list", "module exprt", "module export --every", "train cifar11"])
def test_a_wrong_command_is_found(command: str) -> None:
    assert problem(command)


def test_fenced_and_quoted_commands_are_read() -> None:
    text = "```bash\n$ tito module list  # all\ntito data get NAME      a data set\n```\nand `tito system info`"
    assert list(named_commands(text)) == ["system info", "module list", "data get NAME"]
