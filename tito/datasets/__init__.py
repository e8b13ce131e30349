"""The data sets, as the student's exported module 08 knows them: addresses, checksums and formats stand there alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tito.errors import ChildError, TitoError
from tito.project import Project

MODULE = "08_dataloader"
BRINGS = "given/downloads.py"


class DatasetError(TitoError):
    """A data set cannot be had; the message is the package's own sentence."""


@dataclass(frozen=True)
class Dataset:
    """A data set: `state` is ok, missing or wrong; `folder` where it lies if it is ok; else `message` says why not."""

    name: str
    title: str
    state: str
    folder: str | None
    message: str


@dataclass(frozen=True)
class Progress:
    """A download under way: bytes of `file` that are here, and in all."""

    file: str
    done: int
    total: int


def available(project: Project) -> bool:
    """Whether the package can answer: the module that brings the data sets is exported."""
    return (project.package_dir / BRINGS).is_file()


def find_datasets(project: Project) -> list[Dataset]:
    """Every known data set, without using the network. What lies there is checked against its format and counts."""
    return [record for record in _ask(project, "find") if isinstance(record, Dataset)]


def fetch_dataset(project: Project, name: str) -> Iterator[Progress | Dataset]:
    """Download a data set: progress as it comes, the data set at last. Raises DatasetError."""
    return _ask(project, "fetch", name)


def _ask(project: Project, *arguments: str) -> Iterator[Progress | Dataset]:
    if not available(project):
        raise DatasetError(
            f"expected module {MODULE}, which knows the data sets, in the exported package, found it missing: "
            "run `tito module complete dataloader`, or `tito module export --all`"
        )
    environment = {**os.environ, "PYTHONPATH": str(project.root)}
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [sys.executable, "-m", "tito.datasets.child", *arguments],
            cwd=project.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as child,
    ):
        try:
            assert child.stdout is not None
            for line in child.stdout:
                yield _record(json.loads(line))
        finally:
            if child.poll() is None:
                child.terminate()
        if child.wait() != 0:
            errors.seek(0)
            _raise_died(errors.read().decode(errors="replace"), child.returncode)


def _record(row: dict[str, Any]) -> Progress | Dataset:
    event = row.pop("event")
    if event == "error":
        raise DatasetError(row["error"])
    return Progress(**row) if event == "progress" else Dataset(**row)


def _raise_died(stderr: str, code: int) -> None:
    last = stderr.strip().splitlines()[-1] if stderr.strip() else f"exit code {code} and no word"
    raise ChildError(
        f"expected the exported package to tell about its data sets, found {last}: "
        "run `tito checkpoint test 07` to see what is wrong with module 08",
        detail=stderr,
    )
