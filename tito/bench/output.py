"""The file that results are to be written to."""

from __future__ import annotations

import os
from pathlib import Path

from tito.errors import UsageError


def check_output(path: Path) -> None:
    """Raises UsageError unless `path` can become a file; asked before anything is measured. Makes its folder."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"expected a file in a folder for --output, found that {path.parent} cannot be made "
            f"({error.strerror}): choose another"
        ) from error
    if path.is_dir():
        raise UsageError(f"expected a file for --output, found the folder {path}: add a name, as kernels.json")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"expected to write --output in {path.parent}, found it is read-only: choose another folder")
