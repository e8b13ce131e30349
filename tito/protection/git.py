"""What protection needs to know from git: where the hooks lie, and what is about to be committed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tito.errors import ProjectError
from tito.project import Project


def run_git(project: Project, *arguments: str) -> bytes | None:
    """What `git ARGUMENTS` prints in the project's folder; None when it fails or git is not installed."""
    try:
        result = subprocess.run(["git", *arguments], cwd=project.root, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return result.stdout if result.returncode == 0 else None


def is_repository(project: Project) -> bool:
    """Whether the project lies in a git work tree."""
    return (run_git(project, "rev-parse", "--is-inside-work-tree") or b"").strip() == b"true"


def hooks_dir(project: Project) -> Path:
    """The folder whose hooks git runs here (`core.hooksPath` is respected)."""
    answer = run_git(project, "rev-parse", "--git-path", "hooks")
    if answer is None:
        raise ProjectError(f"expected a git repository at {project.root}, found none: run `git init` and try again")
    return project.root / answer.decode().rstrip("\n")


def owns_hooks(project: Project) -> bool:
    """Whether the hooks folder belongs to this repository alone (a global `core.hooksPath` does not)."""
    folder = hooks_dir(project).resolve()
    places = [run_git(project, "rev-parse", what) for what in ("--show-toplevel", "--absolute-git-dir")]
    common = run_git(project, "rev-parse", "--git-common-dir")
    roots = [Path(place.decode().rstrip("\n")) for place in places if place]
    if common:
        roots.append(project.root / common.decode().rstrip("\n"))
    return any(folder.is_relative_to(root.resolve()) for root in roots)


def staged_paths(project: Project, folder: str) -> list[str]:
    """Paths below `folder` (relative to the project) that the next commit would change, deletions included."""
    answer = run_git(project, "diff", "--cached", "--name-only", "--no-renames", "--relative", "-z", "--", folder)
    return [path for path in (answer or b"").decode().split("\0") if path]


def index_paths(project: Project, folder: str) -> list[str]:
    """Every path below `folder` in the index."""
    answer = run_git(project, "ls-files", "--cached", "-z", "--", folder)
    return [path for path in (answer or b"").decode().split("\0") if path]


def index_bytes(project: Project, path: str) -> bytes | None:
    """The content of `path` (relative to the project) in the index; None when it is not there."""
    return run_git(project, "cat-file", "blob", f":./{path}")
