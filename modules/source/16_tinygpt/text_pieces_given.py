"""A text in pieces that no token crosses: words with the space before them, numbers, signs, white space."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

# Letters of any script; at most three digits; signs; white space, of which the last blank stays with the next word.
PIECE = re.compile(r" ?[^\W\d_]+| ?\d{1,3}| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+|.", re.DOTALL)


def pieces(text: str) -> Iterator[str]:
    """Yield the pieces of a text; joined they are the text."""
    return (match.group() for match in PIECE.finditer(text))


def to_bytes(text: str) -> bytes:
    """Return UTF-8. Lone surrogates, which a Python string may hold, get the three bytes of their number."""
    return text.encode("utf-8", "surrogatepass")


def to_text(data: bytes) -> str:
    """Return the text of these bytes; what is no text becomes the replacement character."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def unfinished(data: bytes) -> int:
    """Return how many bytes at the end begin a character of UTF-8 whose other bytes are not there yet: 0 to 3."""
    for count in range(1, min(3, len(data)) + 1):
        byte = data[-count]
        if not 0x80 <= byte < 0xC0:  # no byte from the middle of a character
            needed = next((n for n, least in ((4, 0xF0), (3, 0xE0), (2, 0xC0)) if least <= byte < 0xF8), 1)
            return count if count < needed else 0
    return 0


def count_pieces(text: str) -> Counter[bytes]:
    """Return how often each piece occurs, as bytes."""
    counts: Counter[bytes] = Counter()
    for piece, count in Counter(pieces(text)).items():
        counts[to_bytes(piece)] += count
    return counts
