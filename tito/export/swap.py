"""Putting a new package in the place of the old one in two renames; whatever comes between is mended.

The staging folder beside the package holds `tinytorch` (the new one) and, during the swap and until it is cleared
away, `old`. A process that is killed leaves it behind; `recover` puts the old package back or clears it away.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tito.errors import InstallError
from tito.export.manifest import hidden_files

READ_ONLY = 0o444
STAGING = ".tinytorch-export-"


@contextmanager
def staging_folder(package: Path) -> Iterator[Path]:
    """A folder beside `package` for the new one; cleared away at the end, but never with the only package in it."""
    staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=package.parent))
    try:
        yield staging
    finally:
        with uninterrupted():
            _clear(staging, package)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C within the block is heard at its end: what must not be left half done takes milliseconds."""
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread alone
        yield
        return
    heard: list[int] = []
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in heard[:1]:
            signal.raise_signal(number)


def stage(staged: Path, package: Path, files: Mapping[str, bytes], unchanged: set[str]) -> None:
    """Write the new package to `staged`; what is `unchanged` keeps its time stamp, hidden files stay where they are."""
    staged.mkdir(mode=0o755)
    for path, data in files.items():
        _write(staged / path, data, package / path if path in unchanged else None)
    for path in hidden_files(package):
        (staged / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(package / path, staged / path, follow_symlinks=False)


def swap(package: Path, staged: Path) -> None:
    """Two renames; whatever interrupts them, the old package is put back."""
    old = staged.with_name("old")
    had_one = package.exists()
    try:
        if had_one:
            os.rename(package, old)
        os.rename(staged, package)
    except BaseException:
        if had_one and old.exists() and not package.exists():
            os.rename(old, package)
        raise


def refuse_what_is_no_folder(package: Path) -> None:
    """The package's place must be free or a folder. Raises InstallError for a file or a link: it may be work."""
    if not os.path.lexists(package) or (package.is_dir() and not package.is_symlink()):
        return
    found = "a link" if package.is_symlink() else "a file"
    raise InstallError(
        f"expected a folder or nothing at {package}, found {found} of that name: move it away, then export again"
    )


def was_killed(package: Path) -> bool:
    """A killed export took the package away: it lies in a staging folder."""
    return not os.path.lexists(package) and any((folder / "old").is_dir() for folder in _staging_folders(package))


def recover(package: Path) -> None:
    """Clear away what a killed export left behind; a package it had already moved aside is put back."""
    for leftover in _staging_folders(package):
        if not os.path.lexists(package) and (leftover / "old").is_dir():
            os.rename(leftover / "old", package)
        _clear(leftover, package)


def make_read_only(package: Path, files: Iterable[str]) -> None:
    """Make every file read-only again."""
    for path in files:
        os.chmod(package / path, READ_ONLY)


def _staging_folders(package: Path) -> list[Path]:
    return sorted(package.parent.glob(f"{STAGING}*"))


def _clear(staging: Path, package: Path) -> None:
    """Remove a staging folder of read-only files, unless the package is in it and nowhere else."""

    def make_writable(function: Callable[[str], object], path: str, _: object) -> None:
        os.chmod(os.path.dirname(path), 0o700)
        if not os.path.islink(path):
            os.chmod(path, 0o700)
        function(path)

    if (staging / "old").exists() and not os.path.lexists(package):
        return
    if staging.exists():
        shutil.rmtree(staging, onerror=make_writable)


def _write(path: Path, data: bytes, same: Path | None) -> None:
    """Write a read-only file; `same` is an old file with these bytes, whose time stamp is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if same is not None:
        shutil.copystat(same, path)
    os.chmod(path, READ_ONLY)
