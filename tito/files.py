"""Files written so that a crash, a full disk or a second process never leaves half of one behind."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tito.errors import ProjectError, SourceError


def sha256(data: bytes) -> str:
    """The SHA-256 of `data` as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def unix_newlines(data: bytes) -> bytes:
    """`data` with other line ends that Python knows turned into `\\n` and a UTF-8 byte order mark removed."""
    return data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def decode_source(data: bytes, name: str) -> str:
    """`data` as text with `\\n` line ends; raises SourceError naming `name` and the line that is not UTF-8."""
    data = unix_newlines(data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SourceError(
            f"{name}, line {line}: expected UTF-8 text, found byte 0x{data[error.start]:02x}: save the file as UTF-8"
        ) from error


def atomic_write(path: Path, data: bytes | str, *, mode: int = 0o644) -> None:
    """Write `data` to `path` in one step: a temporary file beside it, fsynced, then renamed over it.

    Raises ProjectError (nothing changed) when the folder cannot be written or the disk is full.
    """
    import tempfile

    path = Path(path)
    payload = data.encode("utf-8") if isinstance(data, str) else data
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise ProjectError(f"expected to write {path} ({len(payload)} bytes), {explain_os_error(error)}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


def _existing(name: str | bytes | int) -> str:
    """The file, or the nearest folder above it that is there: what can be given other permissions."""
    path = Path(os.fsdecode(name)) if isinstance(name, str | bytes) else Path(str(name))
    return str(next((place for place in (path, *path.parents) if os.path.lexists(place)), path))


def explain_os_error(error: OSError) -> str:
    """The second half of a sentence about a failed file operation: what was found and what to do next."""
    where = f" at {_existing(error.filename)}" if error.filename else ""
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"found no permission{where}: make it readable and writable (chmod -R u+rwX) and try again"
    if error.errno == errno.EROFS:
        return f"found a read-only file system{where}: use a folder that can be written"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "found the disk full: free some space and try again"
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        return f"found something else{where} ({error.strerror}): move it away and try again"
    return f"found {error.strerror or error}{where}: nothing was changed, try again"


@contextlib.contextmanager
def locked(path: Path, *, timeout: float = 60.0) -> Iterator[None]:
    """Hold the lock file `path` (created with its folder); one process at a time.

    Raises ProjectError when it cannot be had within `timeout` seconds or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    path = Path(path)
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=timeout)
    except Timeout as error:
        raise ProjectError(
            f"expected to be the only tito at work on {path.name}, found it locked for {timeout:.0f} s: "
            "wait for the other command to end, or stop it, and try again"
        ) from error
    except OSError as error:
        raise ProjectError(f"expected to lock {path}, {explain_os_error(error)}") from error
    try:
        yield
    finally:
        lock.release()
