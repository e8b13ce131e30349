"""The modules as Jupyter notebooks, written without ever touching one that a student has edited.

A notebook remembers the hash of the cells it was written with. If its cells still have that hash, nobody edited it and
it may be renewed; otherwise it stays, and the new one is written beside it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from tito.course.model import Module
from tito.course.sources import read_sources
from tito.errors import ProjectError
from tito.files import atomic_write, sha256
from tito.project import Project

FOLDER = "notebooks"
KEY = "tinytorch"


class Action(Enum):
    """What happened to a notebook."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    RENEWED = "renewed"
    KEPT = "kept"


@dataclass(frozen=True)
class Written:
    """One module's notebook. For KEPT, `beside` is the new notebook next to the student's."""

    module: str
    path: Path
    action: Action
    beside: Path | None = None


def write_notebook(project: Project, module: Module) -> Written:
    """Write the module's notebook to notebooks/. Raises ProjectError when the one there cannot be read."""
    path = project.root / FOLDER / f"{module.name}.ipynb"
    fresh = _notebook(project, module)
    if not path.exists():
        _save(path, fresh)
        return Written(module.name, path, Action.WRITTEN)
    present = _read(project, path)
    if _cells_hash(present) == _cells_hash(fresh):
        return Written(module.name, path, Action.UNCHANGED)
    if present.get("metadata", {}).get(KEY, {}).get("cells") == _cells_hash(present):
        _save(path, fresh)
        return Written(module.name, path, Action.RENEWED)
    beside = path.with_suffix(".from-source.ipynb")
    _save(beside, fresh)
    return Written(module.name, path, Action.KEPT, beside)


def _notebook(project: Project, module: Module) -> dict[str, Any]:
    """The module's cells as a notebook; cell ids are grade ids or places, so that equal sources give equal bytes."""
    import jupytext

    text = read_sources(project, module).dev.decode("utf-8")
    notebook: dict[str, Any] = json.loads(jupytext.writes(jupytext.reads(text, fmt="py:percent"), fmt="ipynb"))
    for place, cell in enumerate(notebook["cells"]):
        cell["id"] = cell["metadata"].get("nbgrader", {}).get("grade_id") or f"cell-{place:03d}"
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        KEY: {"module": module.name, "cells": _cells_hash(notebook)},
    }
    return notebook


def _cells_hash(notebook: dict[str, Any]) -> str:
    """Hash of what a person writes: the kind and the text of each cell, not its outputs."""
    cells = [(cell.get("cell_type"), "".join(cell.get("source", ""))) for cell in notebook.get("cells", [])]
    return sha256(json.dumps(cells).encode())


def _read(project: Project, path: Path) -> dict[str, Any]:
    try:
        notebook = json.loads(path.read_bytes())
        if isinstance(notebook, dict):
            return notebook
        found = f"a {type(notebook).__name__}"
    except (OSError, ValueError) as problem:
        found = str(problem)
    raise ProjectError(
        f"expected a notebook in {project.relative(path)}, found {found}: "
        "move it away, then run `tito module notebooks` again"
    )


def _save(path: Path, notebook: dict[str, Any]) -> None:
    atomic_write(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
