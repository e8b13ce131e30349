"""A marked block of lines in a file that belongs to the user: put in and taken out without touching a byte of theirs.

Pure functions from text to text. `append` and `after_first_line` also return the exact piece that they inserted;
`remove` takes out that piece, or, where the user has edited inside it, everything from marker to marker.
"""

from __future__ import annotations

BEGIN = "# >>> tinytorch protection (added by tito, removed by `tito system protect disable`) >>>"
END = "# <<< tinytorch protection <<<"


def block(lines: list[str], newline: str = "\n") -> str:
    """The marked block that holds `lines`."""
    return newline.join([BEGIN, *lines, END]) + newline


def newline_of(text: str) -> str:
    """The line ending that `text` uses."""
    return "\r\n" if "\r\n" in text else "\n"


def append(text: str, lines: list[str]) -> tuple[str, str]:
    """Put the block at the end. Returns the new text and the exact piece that was inserted."""
    newline = newline_of(text)
    piece = block(lines, newline)
    if text and not text.endswith("\n"):
        piece = newline + piece
    return text + piece, piece


def after_first_line(text: str, lines: list[str]) -> tuple[str, str]:
    """Put the block behind the first line (a hook's `#!` line). Returns the new text and the inserted piece."""
    first, separator, rest = text.partition("\n")
    piece = block(lines, newline_of(text))
    if not separator:  # a single line without its newline: open it before, close without one
        piece = "\n" + piece[: -len("\n")]
        return first + piece, piece
    return first + separator + piece + rest, piece


def contains(text: str) -> bool:
    """Whether a complete block of ours stands in `text`."""
    begin = text.find(BEGIN)
    return begin >= 0 and text.find(END, begin) >= 0


def remove(text: str, piece: str | None) -> str:
    """Take the block out: exactly `piece` where it still stands, else from marker to marker."""
    if piece and text.count(piece) == 1:
        return text.replace(piece, "", 1)
    begin = text.find(BEGIN)
    end = text.find(END, begin)
    if begin < 0 or end < 0:
        return text
    tail = text[end + len(END) :]
    return text[:begin] + tail.removeprefix("\r").removeprefix("\n")
