"""The pre-commit hook: a section in the user's shell hook, or a hook of ours that calls the user's other one."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

from tito.project import Project
from tito.protection import git, textblock
from tito.protection.edits import Edit, State, delete, missing_folders, read_text, write_text

SHELL = re.compile(r"#!\s*(/usr)?/bin/(env\s+(-\S+\s+)*)?(sh|bash|dash|zsh|ksh)\b")
ASIDE = "pre-commit.before-tinytorch"
HEAD = "#!/bin/sh\n"


def hook_path(project: Project) -> Path:
    """The pre-commit hook that git would run."""
    return git.hooks_dir(project) / "pre-commit"


def section(project: Project) -> list[str]:
    """The lines that refuse a commit of hand-edited package files."""
    python = shlex.quote(sys.executable)
    root = shlex.quote(str(project.root))
    return [
        f"if [ -x {python} ] && [ -d {root} ]; then",
        f"  (cd {root} && {python} -m tito system protect check) || exit 1",
        "else",
        '  echo "tito is no longer where it was: this commit was not checked for hand-edited package files" >&2',
        "fi",
    ]


def enable(project: Project, state: State) -> str:
    """Install the hook. Returns a sentence about what was done, or why nothing was."""
    if not git.is_repository(project):
        return "There is no git repository here, so there is no hook to install."
    if not git.owns_hooks(project):
        return (
            f"git takes its hooks from {git.hooks_dir(project)}, which other repositories share: left alone; "
            "add `tito system protect check` to the pre-commit hook there if you want it."
        )
    path = hook_path(project)
    name = project.relative(path)
    if is_enabled(project):
        return f"{name} already checks the package."
    _restore_aside(project, path, state.edits.get("hook"))  # where an earlier try was killed half-way
    if not os.path.lexists(path):
        text, piece = textblock.append(HEAD, section(project))
        state.remember("hook", Edit(str(path), piece, created=True, created_folders=missing_folders(path)))
        write_text(path, text, mode=0o755)
        return f"{name} was created: it refuses commits of hand-edited package files."
    if not path.is_symlink() and not os.access(path, os.X_OK):
        return f"{name} is switched off (not executable): left alone."
    if path.is_symlink() or not _is_shell(path):
        return _wrap(project, state, path)
    text, piece = textblock.after_first_line(read_text(path) or "", section(project))
    state.remember("hook", Edit(str(path), inserted=piece, created=False))
    write_text(path, text)
    return f"{name} keeps what you have there, and checks the package first."


def _is_shell(path: Path) -> bool:
    first = path.read_bytes().partition(b"\n")[0]
    return bool(SHELL.match(first.decode("utf-8", errors="replace")))


def _wrap(project: Project, state: State, path: Path) -> str:
    """A hook that is no shell script stays whole: it is set aside and called after the check."""
    aside, name = path.with_name(ASIDE), project.relative(path)
    if os.path.lexists(aside):
        return f"{project.relative(aside)} is in the way: left {name} alone."
    lines = [*section(project), f'exec "$(dirname "$0")/{ASIDE}" "$@"']
    text, piece = textblock.append(HEAD, lines)
    state.remember("hook", Edit(str(path), inserted=piece, created=True, aside=ASIDE))
    os.rename(path, aside)
    try:
        write_text(path, text, mode=0o755)
    except BaseException:
        os.rename(aside, path)
        raise
    return f"{name} checks the package first, then calls your own hook, kept beside it as {ASIDE}."


def is_enabled(project: Project) -> bool:
    """Whether the hook that git would run holds our section."""
    return git.is_repository(project) and _holds_section(hook_path(project))


def _holds_section(path: Path) -> bool:
    return path.is_file() and textblock.BEGIN.encode() in path.read_bytes()


def disable(project: Project, state: State) -> str | None:
    """Take the hook back. Returns a sentence about what was done; None when there was nothing to do."""
    edit = state.edits.pop("hook", None)
    if edit is None and not is_enabled(project):
        return None
    path = Path(edit.path) if edit else hook_path(project)
    name = project.relative(path)
    if not _holds_section(path):
        return _restore_aside(project, path, edit)
    rest = textblock.remove(read_text(path) or "", edit.inserted if edit else None)
    if edit and edit.created and rest == HEAD:
        if edit.aside:
            os.replace(path.with_name(edit.aside), path)
            return f"{name} is your own hook again."
        delete(edit)
        return f"{name} was removed."
    write_text(path, rest)
    kept = f" Your earlier hook is still {project.relative(path.with_name(edit.aside))}." if edit and edit.aside else ""
    return f"Our section was taken out of {name}; the rest is as you left it.{kept}"


def _restore_aside(project: Project, path: Path, edit: Edit | None) -> str | None:
    """Our section is gone: give the user's own hook back if nothing took its place."""
    if edit is None or not edit.aside:
        return None
    aside, name = path.with_name(edit.aside), project.relative(path)
    if not os.path.lexists(aside):
        return None
    if os.path.lexists(path):
        return f"{name} was replaced since; your earlier hook is still {project.relative(aside)}."
    os.rename(aside, path)
    return f"{name} is your own hook again."
