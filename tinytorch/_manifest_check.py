# Copied by tito from tito.export.manifest_check: do not edit.
"""Tell when a generated file was edited by hand: the exporter copies this file into the package.

Importing tinytorch calls `warn_if_edited`. It reads manifest.json and hashes every Python file (about a millisecond);
assets are compared by size only.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

MANIFEST = "manifest.json"


class EditedPackageWarning(UserWarning):
    """A file of the generated package is not what tito wrote."""


def differences(package: Path, files: dict[str, dict[str, object]], *, deep: bool = True) -> dict[str, str]:
    """Path -> "edited" or "missing", for each of `files` (the manifest's table) that is not as exported.

    `deep=False` compares assets by size alone.
    """
    found: dict[str, str] = {}
    for name, entry in files.items():
        path = package / name
        try:
            same_size = deep or name.endswith(".py") or path.stat().st_size == entry["bytes"]
            data = path.read_bytes() if deep or name.endswith(".py") else None
        except (FileNotFoundError, NotADirectoryError):
            found[name] = "missing"
            continue
        except IsADirectoryError:
            found[name] = "edited"
            continue
        if not same_size or (data is not None and not _matches(data, entry["sha256"])):
            found[name] = "edited"
    return found


def _matches(data: bytes, sha256: object) -> bool:
    """The hash fits, with the line ends of the file or with the exported ones (git may have changed them)."""
    if hashlib.sha256(data).hexdigest() == sha256:
        return True
    return b"\r\n" in data and hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest() == sha256


def warn_if_edited() -> None:
    """Warn once, with the first file that is not as exported and what to do about it."""
    package = Path(__file__).parent
    try:
        files = json.loads((package / MANIFEST).read_bytes())["files"]
        found = differences(package, files, deep=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"expected {MANIFEST} as tito wrote it, found it unreadable ({error}): run `tito module export --all`"
        warnings.warn(message, EditedPackageWarning, stacklevel=2)
        return
    if found:
        name, state = next(iter(found.items()))
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        message = (
            f"tinytorch/{name}{more}: expected the file as exported, found it {state}: make the change in the source "
            "that its first line names, then run `tito module complete` for that module"
        )
        warnings.warn(message, EditedPackageWarning, stacklevel=2)
