"""Ctrl-C as a request: finish the step, then stop. A second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class InterruptGuard:
    """Context manager: the first SIGINT calls `request()`, the second raises KeyboardInterrupt as usual.

    Signals reach the main thread only; elsewhere this does nothing. The handler that was there before is put back.
    """

    def __init__(self, request: Callable[[], None]):
        self.request, self.previous, self.asked = request, None, False

    def __enter__(self) -> InterruptGuard:
        if threading.current_thread() is threading.main_thread():
            self.previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.request()

    def __exit__(self, *exception: Any) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)
