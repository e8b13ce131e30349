"""The child process behind `tito data`: it imports the exported package, tito's own process never does.

    python -m tito.datasets.child find              every data set: where it lies, or what is wrong
    python -m tito.datasets.child fetch NAME        download what is missing

It prints JSON Lines: `dataset`, `progress`, and at the end nothing more, or one `error` with a sentence.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

PROGRESS_SECONDS = 0.1


def emit(**record: Any) -> None:
    """Print one record at once."""
    print(json.dumps(record), flush=True)


def find_all() -> None:
    """One record for each data set that the package knows."""
    from tinytorch.given import downloads

    for name in downloads.SOURCES:
        state, folder, message = "ok", None, ""
        try:
            folder = str(downloads.find(name))
        except downloads.DataNotFound as problem:
            state, message = "missing", str(problem)
        except downloads.DataCorrupt as problem:
            state, message = "wrong", str(problem)
        title = downloads.SOURCES[name].title
        emit(event="dataset", name=name, title=title, state=state, folder=folder, message=message)


def fetch(name: str) -> None:
    """Download one data set and say where it lies."""
    from tinytorch.given import downloads

    last = 0.0

    def progress(filename: str, done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > PROGRESS_SECONDS:
            last = time.monotonic()
            emit(event="progress", file=filename, done=done, total=total)

    title = downloads.source(name).title
    folder = downloads.fetch(name, progress=progress)
    emit(event="dataset", name=name, title=title, state="ok", folder=str(folder), message="")


def main() -> int:
    """Do what the arguments say; an error that the package explains becomes a record."""
    from tinytorch.core.engine import TinyTorchError

    try:
        if sys.argv[1] == "find":
            find_all()
        else:
            fetch(sys.argv[2])
    except TinyTorchError as problem:
        emit(event="error", error=str(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
