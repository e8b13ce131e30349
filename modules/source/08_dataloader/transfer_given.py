"""One file over the network: resumable, checked, and honest about what went wrong."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinytorch.core.engine import TinyTorchError
from tinytorch.given.image_files import DataCorrupt

Progress = Callable[[str, int, int], None]

CONNECT_SECONDS = 4.0  # within these a server must answer the telephone
READ_SECONDS = 30.0  # within these the next piece must come
CHUNK = 2**18


class DownloadError(TinyTorchError):
    """The network or the disk failed; the message says which, and that the next try goes on from here."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on the network: its name here, its addresses in the order to try, its size in bytes, its checksums."""

    filename: str
    urls: tuple[str, ...]
    size: int
    md5: str
    sha256: str


def download(file: RemoteFile, folder: Path, progress: Progress | None = None) -> Path:
    """Fetch `file` into `folder` and return its path.

    What has come so far lies in `<name>.part`, and the next call continues it. The name without .part appears only
    when size and checksums are right. A wrong file is renamed to `<name>.refused` and raises DataCorrupt.
    """
    from filelock import FileLock

    target, part = folder / file.filename, folder / f"{file.filename}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{file.filename}.lock"):
            if not target.is_file():  # another process may have been faster
                _complete(file, part, progress)
                _verify(file, part, target)
                os.replace(part, target)
        return target
    except PermissionError as error:
        raise DownloadError(f"Expected to be allowed to write to {folder}, found: {error.strerror}.") from error


def _complete(file: RemoteFile, part: Path, progress: Progress | None) -> None:
    """Bring `part` to its full size, from the first address that gives anything; raise DownloadError if none does."""
    failures = []
    for url in file.urls:
        if _size(part) >= file.size:
            return
        try:
            _receive(url, file, part, progress)
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{urllib.parse.urlsplit(url).netloc}: {_reason(error)}")
    have = _size(part)
    if have < file.size:
        reason = "; ".join(failures) or "the server closed the connection"
        raise DownloadError(
            f"Expected {file.size:,} bytes of {file.filename}, received {have:,} ({reason}): check the network and run "
            f"the same command again, it goes on from there."
        )


def _receive(url: str, file: RemoteFile, part: Path, progress: Progress | None) -> None:
    """Append to `part` what the server still has to give; start again if it does not know about ranges."""
    _answers(url)
    have = _size(part)
    headers = {"User-Agent": "tinytorch"} | ({"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=READ_SECONDS) as response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        done = have if resumed else 0
        offered = done + int(response.headers.get("Content-Length", file.size - done))
        if offered != file.size:
            raise OSError(f"the server offers {offered:,} bytes, another file")
        with part.open("ab" if resumed else "wb") as out:
            while block := response.read(CHUNK):
                out.write(block)
                done += len(block)
                if progress:
                    progress(file.filename, done, file.size)
                if done > file.size:
                    return  # it did not announce its size, and it is too long: the checksum will refuse it


def _verify(file: RemoteFile, part: Path, target: Path) -> None:
    """Raise DataCorrupt, and keep the file aside, unless both checksums are right."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with part.open("rb") as data:
        while block := data.read(2**20):
            md5.update(block)
            sha256.update(block)
    if (md5.hexdigest(), sha256.hexdigest()) != (file.md5, file.sha256):
        found, aside = _size(part), set_aside(part, target.name)
        raise DataCorrupt(
            f"Expected {file.filename} with {file.size:,} bytes, SHA-256 {file.sha256[:12]}…, received {found:,} bytes "
            f"with {sha256.hexdigest()[:12]}…: set aside as {aside.name}; run the same command again to fetch it anew."
        )


def set_aside(path: Path, name: str | None = None) -> Path:
    """Rename a file that was refused to `<name>.refused`, or .refused-2, -3 … if that is taken; return the new path."""
    aside, number = path.with_name(f"{name or path.name}.refused"), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{name or path.name}.refused-{number}")
    path.rename(aside)
    return aside


def _answers(url: str) -> None:
    """Raise OSError unless the server (or the proxy before it) takes a connection within CONNECT_SECONDS.

    In a thread of its own, because looking up a name has no time limit.
    """
    parts = urllib.parse.urlsplit(url)
    proxy = None if urllib.request.proxy_bypass(parts.hostname) else urllib.request.getproxies().get(parts.scheme)
    if proxy:
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    outcome: list[OSError | None] = []

    def call() -> None:
        try:
            socket.create_connection((parts.hostname, port), timeout=CONNECT_SECONDS).close()
            outcome.append(None)
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if not outcome:
        raise TimeoutError(f"no answer within {CONNECT_SECONDS:.0f} seconds")
    if outcome[0] is not None:
        raise outcome[0]


def _reason(error: Exception) -> str:
    """Why a connection failed, in few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server says {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        error = error.reason if isinstance(error.reason, Exception) else error
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
