"""What the child tells tito, as JSON Lines, and how tito asks it to stop."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

LIVE_SECONDS = 0.1  # between two events that only move a progress bar


class Stopped(Exception):
    """The user asked to stop, at a moment when there is nothing yet that could be saved."""


class StopRequest:
    """Becomes true when tito sends SIGINT or SIGTERM, or has gone."""

    def __init__(self) -> None:
        self.made = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.make)

    def make(self, *_: object) -> None:
        """Ask to stop."""
        self.made = True

    def check(self) -> None:
        """Raise Stopped if a stop was asked for."""
        if self.made:
            raise Stopped


class Report:
    """Writes events to what was standard output when it was made; what the package prints becomes events too."""

    def __init__(self, stop: StopRequest) -> None:
        sys.stdout.flush()
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._stop, self._last_live = stop, 0.0
        sys.stdout = sys.stderr = _Printed(self)

    def __call__(self, event: str, **fields: Any) -> None:
        """Write one event. If tito has gone, that counts as a wish to stop."""
        try:
            self._file.write(json.dumps({"event": event, **_plain(fields)}) + "\n")
            self._file.flush()
        except BrokenPipeError:
            self._stop.make()

    def live(self, event: str, *, last: bool = False, **fields: Any) -> None:
        """Write an event that only moves a progress bar: a few in a second, and the last one of a series."""
        now = time.monotonic()
        if last or now - self._last_live >= LIVE_SECONDS:
            self._last_live = now
            self(event, **fields)


class _Printed(io.TextIOBase):
    """Takes the place of standard output and error: every line that is printed is reported."""

    def __init__(self, report: Report) -> None:
        self._report, self._begun = report, ""

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Report the lines that are complete; keep the rest."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._report("printed", text=line)
        return len(text)


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's; what is not finite as text, which JSON can carry."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    return value
