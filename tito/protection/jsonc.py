"""JSON with comments, as editors write it: find an object's members without losing a comment or a space.

`parse_object(text)` gives the spans of the members of the outermost object, so that a member can be put in or taken
out by cutting text. Nothing is ever written out again from parsed values: what the user typed stays as typed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')


class JsoncError(ValueError):
    """The text is not one JSON object with comments."""


@dataclass(frozen=True)
class Member:
    """One `"key": value` with the spans of its parts in the text."""

    key: str
    start: int  # of the key's opening quote
    value_start: int
    end: int  # behind the value


@dataclass(frozen=True)
class Object:
    """An object: the position behind its `{`, its members, the position of its `}`."""

    open: int
    members: tuple[Member, ...]
    close: int

    def member(self, key: str) -> Member | None:
        """The member called `key` (the last one, as JSON readers take it), or None."""
        return next((m for m in reversed(self.members) if m.key == key), None)


def parse_object(text: str, start: int = 0) -> Object:
    """The object that begins at or after `start`; raises JsoncError if something else stands there."""
    position = _skip(text, start)
    if text[position : position + 1] != "{":
        raise JsoncError(f"expected an object at {_where(text, position)}")
    return _object(text, position)


def parse_document(text: str) -> Object:
    """The one object that the whole text is; anything but space and comments behind it is an error."""
    root = parse_object(text)
    rest = _skip(text, root.close + 1)
    if rest != len(text):
        raise JsoncError(f"unexpected text behind the object at {_where(text, rest)}")
    return root


def _object(text: str, brace: int) -> Object:
    members: list[Member] = []
    position = _skip(text, brace + 1)
    while text[position : position + 1] != "}":
        if text[position : position + 1] != '"':
            raise JsoncError(f'expected "key" or }} at {_where(text, position)}')
        key_end = _string_end(text, position)
        colon = _skip(text, key_end)
        if text[colon : colon + 1] != ":":
            raise JsoncError(f"expected : at {_where(text, colon)}")
        value = _skip(text, colon + 1)
        end = _value_end(text, value)
        members.append(Member(_key(text, position, key_end), position, value, end))
        position = _separator(text, end, "}")
    return Object(brace + 1, tuple(members), position)


def _key(text: str, start: int, end: int) -> str:
    try:
        return str(json.loads(text[start:end]))
    except json.JSONDecodeError:
        raise JsoncError(f"a key has a wrong escape at {_where(text, start)}") from None


def _separator(text: str, end: int, closing: str) -> int:
    """Behind a value: over one comma (a trailing one is allowed) to the next member or the closing bracket."""
    position = _skip(text, end)
    if text[position : position + 1] == ",":
        return _skip(text, position + 1)
    if text[position : position + 1] != closing:
        raise JsoncError(f"expected , or {closing} at {_where(text, position)}")
    return position


def _value_end(text: str, position: int) -> int:
    first = text[position : position + 1]
    if first == '"':
        return _string_end(text, position)
    if first == "{":
        return _object(text, position).close + 1
    if first == "[":
        return _array_end(text, position)
    end = position
    while end < len(text) and text[end] not in ",]}/ \t\r\n":
        end += 1
    try:
        json.loads(text[position:end])
    except json.JSONDecodeError:
        raise JsoncError(f"expected a value at {_where(text, position)}") from None
    return end


def _array_end(text: str, position: int) -> int:
    position = _skip(text, position + 1)
    while text[position : position + 1] != "]":
        position = _separator(text, _value_end(text, position), "]")
    return position + 1


def _string_end(text: str, position: int) -> int:
    found = STRING.match(text, position)
    if found is None:
        raise JsoncError(f"a string does not end at {_where(text, position)}")
    return found.end()


def _skip(text: str, position: int) -> int:
    """Over white space, a byte order mark and both kinds of comment."""
    while position < len(text):
        if text[position] in " \t\r\n\ufeff":
            position += 1
        elif text.startswith("//", position):
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif text.startswith("/*", position):
            end = text.find("*/", position)
            if end < 0:
                raise JsoncError(f"a comment does not end at {_where(text, position)}")
            position = end + 2
        else:
            break
    return position


def _where(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return f"line {line}, column {column}"


def insert_first(text: str, target: Object, key: str, value: str) -> tuple[str, str]:
    """Put `"key": value` in front of the members of `target`. Returns the new text and the inserted piece.

    The piece follows the indentation and line ending of what stands there.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    entry = f"{json.dumps(key)}: {value}"
    if not target.members:
        outer = _indent(text, target.open - 1)
        lines = _indented(entry, outer + "    ", newline)
        ending = "" if "\n" in text[target.open : target.close] else newline + outer
        piece = newline + lines + ending
    else:
        first = target.members[0].start
        line_start = text.rfind("\n", 0, first) + 1
        own_line = not text[line_start:first].strip()
        piece = newline + _indented(entry, text[line_start:first], newline) + "," if own_line else f"{entry}, "
    return text[: target.open] + piece + text[target.open :], piece


def _indented(entry: str, indent: str, newline: str) -> str:
    return newline.join(indent + line for line in entry.split("\n"))


def _indent(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip())]


def without(text: str, target: Object, key: str) -> str:
    """`text` without the member `key` of `target`, its comma and, if it stood alone there, its line."""
    member = target.member(key)
    if member is None:
        return text
    start, end = member.start, member.end
    comma = _skip(text, end)
    cut_before = None
    if text[comma : comma + 1] == ",":
        end = comma + 1
    elif before := [m for m in target.members if m.end <= member.start]:
        cut_before = _skip(text, before[-1].end)
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    if line_end >= 0 and not text[line_start:start].strip() and not text[end:line_end].strip():
        start, end = line_start, line_end + 1
    text = text[:start] + text[end:]
    return text if cut_before is None else text[:cut_before] + text[cut_before + 1 :]
