"""Changes to files that belong to the user, remembered so that they can be taken back to the byte.

`.tito/protection.json` keeps for each file what tito put in and whether tito created the file (and its folder).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tito.errors import ProjectError
from tito.files import atomic_write, explain_os_error, locked
from tito.project import Project


@dataclass
class Edit:
    """What tito did to one file of the user's.

    `path` is absolute; `inserted` the exact text that was put in; `created` whether tito made the file, and
    `created_folders` the folders for it (innermost first); `aside` the name under which the user's own hook was kept.
    """

    path: str
    inserted: str
    created: bool
    created_folders: list[str] = field(default_factory=list)
    aside: str = ""


@dataclass
class State:
    """Everything that `protect enable` did; the keys are "hook", "attributes" and "settings". It is kept in `file`."""

    file: Path
    enabled: bool = False
    edits: dict[str, Edit] = field(default_factory=dict)

    def remember(self, name: str, edit: Edit) -> None:
        """Keep an edit on disk before it is made: then it can be undone even if the process is killed half-way."""
        self.edits[name] = edit
        self.save()

    def save(self) -> None:
        """Write the state. Raises ProjectError when that cannot be done."""
        edits = {name: asdict(edit) for name, edit in self.edits.items()}
        atomic_write(self.file, json.dumps({"enabled": self.enabled, "edits": edits}, indent=2) + "\n")


def state_file(project: Project) -> Path:
    """.tito/protection.json."""
    return project.state_dir / "protection.json"


def load_state(project: Project) -> State:
    """The present state (nothing enabled when there is no file). Raises ProjectError when the file is damaged."""
    path = state_file(project)
    try:
        data = json.loads(path.read_bytes())
        return State(
            path, bool(data["enabled"]), {name: _checked(Edit(**edit)) for name, edit in data["edits"].items()}
        )
    except FileNotFoundError:
        return State(path)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise ProjectError(
            f"expected {project.relative(path)} as tito wrote it, found it damaged ({problem}): "
            "delete it, then run `tito system protect enable` again"
        ) from problem


def _checked(edit: Edit) -> Edit:
    """The edit, if its values are of the kind that tito writes."""
    texts = [edit.path, edit.inserted, edit.aside, *edit.created_folders]
    if not all(isinstance(text, str) for text in texts) or not isinstance(edit.created, bool):
        raise TypeError(f"an edit that cannot be {str(edit)[:100]}")
    return edit


@contextlib.contextmanager
def editing_state(project: Project) -> Iterator[State]:
    """The state, to be changed in place under a lock; saved on leaving the block, also after an error."""
    with locked(state_file(project).with_suffix(".lock")):
        state = load_state(project)
        try:
            yield state
        finally:
            state.save()


def read_text(path: Path) -> str | None:
    """The file's text with its own line endings, None when there is no file; `write_text` gives the same bytes back."""
    try:
        return path.read_bytes().decode("utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise ProjectError(f"expected to read {path}, {explain_os_error(problem)}") from problem


def missing_folders(path: Path) -> list[str]:
    """The folders that have to be created for the file, innermost first."""
    return [str(folder) for folder in path.parents if not folder.exists()]


def write_text(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write the file, keeping its permissions."""
    if mode is None:
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o644
    target = path.resolve() if path.is_symlink() else path  # a linked file stays linked
    atomic_write(target, text.encode("utf-8", errors="surrogateescape"), mode=mode)


def delete(edit: Edit) -> None:
    """Remove a file that tito created, and the folders created for it as far as they are empty."""
    Path(edit.path).unlink(missing_ok=True)
    for folder in edit.created_folders:
        with contextlib.suppress(OSError):  # not empty: the user keeps something there
            Path(folder).rmdir()
