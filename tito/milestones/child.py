"""`python -m tito.milestones.child FILE lines|live`: run a milestone's main() and report what it returns."""

from __future__ import annotations

import io
import runpy
import signal
import sys
import traceback
from typing import Any

from tito.training.child.problem import sentence
from tito.training.child.report import Report, StopRequest


class CtrlC(StopRequest):
    """A wish to stop that arrives as Ctrl-C: the Trainer then finishes its step and saves, other programs just end."""

    def __init__(self) -> None:
        self.made = False
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, self.make)

    def make(self, *_: object) -> None:
        """Once; a second Ctrl-C would not wait for the end of the step."""
        if not self.made:
            self.made = True
            signal.raise_signal(signal.SIGINT)


class Terminal(io.TextIOBase):
    """Takes the place of standard output and error: what is written is reported as it comes, for a terminal."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def isatty(self) -> bool:
        """Somebody is looking."""
        return True

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Report it."""
        self._report("written", text=text)
        return len(text)


def main(file: str, mode: str) -> int:
    """Run the example; the last event says how it ended."""
    report = Report(CtrlC())
    if mode == "live":
        sys.stdout = sys.stderr = Terminal(report)
    try:
        values: Any = runpy.run_path(file)["main"]()
        report("result", values=values)
    except KeyboardInterrupt:
        report("stopped")
    except Exception as problem:
        report("error", error=sentence(problem), detail=traceback.format_exc())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
