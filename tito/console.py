"""Everything that tito prints goes through here: styled on a terminal, plain text in a pipe, JSON Lines on request.

Rich is imported only when something styled is printed, so that `tito --help` stays quick.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

Part = str | tuple[str, str]  # text, or (text, style)
Record = TypeVar("Record")

NARROW = 60  # columns; below that a ruled table would cut its words

Json = Annotated[bool, typer.Option("--json", help="JSON Lines instead of text; the last line is the result.")]


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def printable(text: str) -> str:
    """Text that steers no terminal: control characters other than line ends and tabs become replacement characters."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) != "Cc" else "\N{REPLACEMENT CHARACTER}" for c in text)


def rich_console() -> Console:
    """The Rich console on standard output."""
    from rich.console import Console

    return Console(highlight=False)


def say(*parts: Part) -> None:
    """Print one line made of parts; a part with a style is styled on a terminal."""
    if not is_terminal():
        print("".join(part if isinstance(part, str) else part[0] for part in parts))
        return
    from rich.text import Text

    rich_console().print(Text.assemble(*parts), soft_wrap=True)


def table(header: Sequence[str], rows: Sequence[Sequence[Part]]) -> None:
    """Print a table: with rules and styles on a terminal, as aligned columns elsewhere and where it is narrow."""
    if is_terminal() and rich_console().width >= NARROW:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        view = Table(*header, box=SIMPLE_HEAD, pad_edge=False)
        for row in rows:
            view.add_row(*(Text.assemble(cell) for cell in row))
        rich_console().print(view)
        return
    lines = [list(header), *([cell if isinstance(cell, str) else cell[0] for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def json_line(record: Any) -> None:
    """Print one record as one line of JSON; beyond ASCII in escapes, so that every terminal and pipe can take it."""
    print(json.dumps(plain(record)), flush=True)


def plain(value: Any) -> Any:
    """`value` as JSON knows it: data classes become objects, paths and dates text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, (Path, date, datetime)):
        return str(value)
    return value


def show(record: Record, as_json: bool, render: Callable[[Record], None]) -> None:
    """Report one record: as a line of JSON, or by `render`."""
    if as_json:
        json_line(record)
    else:
        render(record)


def error(sentence: str) -> None:
    """Print one sentence on standard error."""
    if not sys.stderr.isatty():
        print(sentence, file=sys.stderr)
        return
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, highlight=False).print(Text.assemble(("✗ ", "bold red"), sentence), soft_wrap=True)
