"""`.gitattributes`: the package is generated (folded away in reviews), and its bytes are never converted."""

from __future__ import annotations

from pathlib import Path

from tito.project import Project
from tito.protection import textblock
from tito.protection.edits import Edit, State, delete, read_text, write_text

LINES = ["tinytorch/** linguist-generated=true -text"]


def attributes_file(project: Project) -> Path:
    """The project's own .gitattributes (git reads one in every folder)."""
    return project.root / ".gitattributes"


def is_enabled(project: Project) -> bool:
    """Whether our lines are there."""
    return textblock.contains(read_text(attributes_file(project)) or "")


def enable(project: Project, state: State) -> str:
    """Add the lines. Returns a sentence about what was done."""
    path = attributes_file(project)
    if is_enabled(project):
        return ".gitattributes already has our lines."
    before = read_text(path)
    text, piece = textblock.append(before or "", LINES)
    state.remember("attributes", Edit(str(path), inserted=piece, created=before is None))
    write_text(path, text)
    return ".gitattributes was created." if before is None else "Our lines were added to your .gitattributes."


def disable(project: Project, state: State) -> str | None:
    """Take the lines out. Returns a sentence about what was done; None when there was nothing to do."""
    edit = state.edits.pop("attributes", None)
    if not is_enabled(project):
        return None
    path = attributes_file(project)
    rest = textblock.remove(read_text(path) or "", edit.inserted if edit else None)
    if edit and edit.created and not rest:
        delete(edit)
        return ".gitattributes was removed."
    write_text(path, rest)
    return "Our lines were taken out of .gitattributes; the rest is as you left it."
