"""Standard output and error as they may be: closed, a pipe that nobody reads any more, a terminal that is not UTF-8."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys

PLAIN = {"✓": "+", "✗": "x", "·": ".", "…": "...", "–": "-", "—": "-", "“": '"', "”": '"', "×": "x", "│": "|", "─": "-"}


def prepare() -> None:
    """Make printing safe: a stream always exists, and a character that it cannot show is replaced."""
    codecs.register_error("tito-plain", _replace)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller (>&-)
            setattr(sys, name, io.TextIOWrapper(io.FileIO(os.devnull, "w"), encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="tito-plain")


def _replace(error: UnicodeError) -> tuple[str, int]:
    """A plain character for each that cannot be encoded."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(PLAIN.get(character, "?") for character in error.object[error.start : error.end]), error.end


def finish() -> None:
    """Write out what is still held back. Raises BrokenPipeError or another OSError now, not when Python ends."""
    sys.stdout.flush()
    sys.stderr.flush()


def abandon() -> None:
    """Nobody reads our output any more: let what is still held back go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError):
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
