"""Examine many cases in a process of their own.

A process, not threads: Python 3.11 cannot parse sources in two threads at once.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from concurrent.futures import as_completed
from multiprocessing.connection import Connection

from tests.course.cases import Case, the_course
from tests.course.examiner import Examiner, Verdict

Key = tuple[str, str]
END_SECONDS = 20.0


class Background:
    """Starts examining `cases`, by route and name, at once, so many of them at a time. `close` it."""

    def __init__(self, cases: dict[Key, Case], workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_examine, args=(theirs, cases, workers), daemon=True)
        self._process.start()
        theirs.close()
        self._verdicts: dict[Key, Verdict | Exception] = {}

    def verdict(self, key: Key) -> Verdict:
        """Return the verdict on one case, when it is there; raise what prevented one."""
        while key not in self._verdicts:
            arrived, found = self._pipe.recv()
            self._verdicts[arrived] = found
        found = self._verdicts[key]
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        """End what still runs."""
        self._process.terminate()
        self._process.join(END_SECONDS)
        self._pipe.close()


def _examine(pipe: Connection, cases: dict[Key, Case], workers: int) -> None:
    """In the process: send every verdict as soon as it is there."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with Examiner(*the_course(), workers) as examiner:
        started = {examiner.submit(key[0], case.module, case.source, case.sought): key for key, case in cases.items()}
        for future in as_completed(started):
            error = future.exception()
            pipe.send((started[future], future.result() if error is None else RuntimeError(f"{error!r}")))
