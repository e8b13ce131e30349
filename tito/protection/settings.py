"""`.vscode/settings.json`: the editor opens the package's files read-only."""

from __future__ import annotations

from pathlib import Path

from tito.project import Project
from tito.protection import jsonc
from tito.protection.edits import Edit, State, delete, missing_folders, read_text, write_text

KEY = "files.readonlyInclude"
PATTERN = "tinytorch/**"
NAME = ".vscode/settings.json"


def settings_file(project: Project) -> Path:
    """The workspace settings of VS Code."""
    return project.root / ".vscode" / "settings.json"


def is_enabled(project: Project) -> bool:
    """Whether the read-only pattern stands in the settings (whoever put it there)."""
    text = read_text(settings_file(project))
    try:
        return text is not None and _pattern_value(text) == "true"
    except jsonc.JsoncError:
        return False


def _pattern_value(text: str) -> str | None:
    """The JSON text of our pattern's value in the settings; None when it is not there."""
    outer = jsonc.parse_document(text).member(KEY)
    if outer is None:
        return None
    member = jsonc.parse_object(text, outer.value_start).member(PATTERN)
    return text[member.value_start : member.end] if member else None


def enable(project: Project, state: State) -> str:
    """Add the pattern. Returns a sentence about what was done, or why nothing was."""
    path = settings_file(project)
    before = read_text(path)
    has_text = before is not None and before.strip() != ""
    try:
        if before and has_text and (value := _pattern_value(before)) is not None:
            return f"{NAME} already says {value} for {PATTERN}: left alone."
        text, piece = _with_pattern(before if has_text else None)
    except jsonc.JsoncError as problem:
        return f"{NAME} is not JSON that we can extend ({problem}): left alone."
    folders = missing_folders(path)
    state.remember("settings", Edit(str(path), inserted=piece, created=before is None, created_folders=folders))
    write_text(path, text)
    return f"{NAME} was created." if before is None else f"Your {NAME} was extended; comments and layout are kept."


def _with_pattern(text: str | None) -> tuple[str, str]:
    if text is None:
        text, _ = jsonc.insert_first("{}\n", jsonc.parse_document("{}\n"), KEY, f'{{\n    "{PATTERN}": true\n}}')
        return text, text
    root = jsonc.parse_document(text)
    outer = root.member(KEY)
    if outer is None:
        return jsonc.insert_first(text, root, KEY, f'{{\n    "{PATTERN}": true\n}}')
    return jsonc.insert_first(text, jsonc.parse_object(text, outer.value_start), PATTERN, "true")


def disable(project: Project, state: State) -> str | None:
    """Take the pattern out. Returns a sentence about what was done; None when tito had added nothing."""
    edit = state.edits.pop("settings", None)
    path = settings_file(project)
    text = read_text(path)
    if edit is None or text is None:
        return None
    if edit.created and text == edit.inserted:
        delete(edit)
        return f"{NAME} was removed."
    if text.count(edit.inserted) == 1 and not edit.created:
        write_text(path, text.replace(edit.inserted, "", 1))
        return f"Our pattern was taken out of {NAME}; the rest is as you left it."
    return _cut_out(path, text)


def _cut_out(path: Path, text: str) -> str | None:
    """The file was rearranged since: find the pattern by structure, and its key if that is left empty."""
    try:
        outer = jsonc.parse_document(text).member(KEY)
        if outer is None:
            return None
        text = jsonc.without(text, jsonc.parse_object(text, outer.value_start), PATTERN)
        root = jsonc.parse_document(text)
        if not jsonc.parse_object(text, outer.value_start).members:
            text = jsonc.without(text, root, KEY)
    except jsonc.JsoncError as problem:
        return f"{NAME} is no JSON that we can read any more ({problem}): take {PATTERN} out by hand."
    write_text(path, text)
    return f"Our pattern was taken out of {NAME}; the rest is as you left it."
