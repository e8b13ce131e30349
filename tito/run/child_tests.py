"""What runs in the child: import a module under its own name and call its tests. Started by tito.run.module_tests.

    python child_tests.py FILE TEXT EVENTS

FILE is the module's file, TEXT the file with the text to run (FILE itself or a stub), EVENTS where one JSON line is
written for each step, at once, so that the parent knows which test was running when the child died.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import linecache
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import IO, Any

OUTPUT_CHARACTERS = 20_000  # of a test's output, its last ones
MESSAGE_CHARACTERS = 2_000


def main(file: Path, text_file: Path, events: IO[str]) -> None:
    """Import, then run every test in file order."""

    process = os.getpid()

    def report(event: str, **data: Any) -> None:
        if os.getpid() != process:  # a test forked and came back twice: only the first may report
            os._exit(1)
        events.write(json.dumps({"event": event, **data}) + "\n")
        events.flush()

    report("import")
    try:
        module = load(file, text_file.read_text(encoding="utf-8-sig"))
    except BaseException as error:  # a module may raise anything, SystemExit included; the parent is told
        report("import failed", **describe(error, file))
        return
    for name, function in tests_of(module, file):
        report("start", name=name)
        report("end", name=name, **run_test(function, file))
    report("done")


def load(file: Path, text: str) -> ModuleType:
    """The module made of `text`, as if it stood in `file`."""
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_loader(file.stem, loader=None, origin=str(file))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(file)
    sys.modules[file.stem] = module
    linecache.cache[str(file)] = (len(text), None, text.splitlines(keepends=True), str(file))
    exec(compile(text, str(file), "exec"), module.__dict__)
    return module


def tests_of(module: ModuleType, file: Path) -> list[tuple[str, Callable[[], object]]]:
    """The `test_*` functions that the file itself defines, in file order."""
    return [
        (name, value)
        for name, value in vars(module).items()
        if name.startswith("test_") and getattr(getattr(value, "__code__", None), "co_filename", "") == str(file)
    ]


class Tail(io.StringIO):
    """Keeps the end of what is written, so that a test that prints for ever does not fill the memory."""

    def write(self, text: str) -> int:
        """Write, and let go of the beginning from time to time."""
        if self.tell() > 100 * OUTPUT_CHARACTERS:
            kept = self.last()
            self.seek(0)
            self.truncate()
            super().write(kept)
        return super().write(text[-OUTPUT_CHARACTERS:]) and len(text)

    def last(self) -> str:
        """The last characters."""
        return self.getvalue()[-OUTPUT_CHARACTERS:]


def run_test(function: Callable[[], object], file: Path) -> dict[str, Any]:
    """Call one test; what it printed and how it failed."""
    started = time.perf_counter()
    output = Tail()
    failure: dict[str, str] = {}
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            returned = function()
        if returned is not None:  # a generator, a coroutine, a comparison: nothing was asserted
            raise TypeError(f"expected a test that asserts and returns nothing, found a {type(returned).__name__}")
    except BaseException as error:  # a test may raise anything, SystemExit included; the parent is told
        failure = describe(error, file)
    return {
        "passed": not failure,
        "seconds": time.perf_counter() - started,
        "output": output.last(),
        **failure,
    }


def describe(error: BaseException, file: Path) -> dict[str, str]:
    """Type, first line of the message, innermost place in the module, and the traceback below this file."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    own = [frame for frame in frames if frame.filename == str(file)]
    where = f"{file.name}:{own[-1].lineno}" if own else ""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        where = f"{file.name}:{error.lineno}"
    tail = error.__traceback__
    while tail is not None and tail.tb_frame.f_code.co_filename == __file__:
        tail = tail.tb_next
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception as unprintable:  # a student's own exception class may fail to print
        message = f"(its message cannot be printed: {type(unprintable).__name__})"
    return {
        "exception": type(error).__name__,
        "message": message.strip().split("\n")[0][:MESSAGE_CHARACTERS],
        "where": where,
        "traceback": "".join(traceback.format_exception(type(error), error, tail))[-OUTPUT_CHARACTERS:],
    }


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file: its modules must not shadow a student's
    with open(sys.argv[3], "a", encoding="utf-8") as events_file:
        main(Path(sys.argv[1]), Path(sys.argv[2]), events_file)
