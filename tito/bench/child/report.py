"""Events on what was standard output when the process began; what the package prints goes to standard error."""

from __future__ import annotations

import json
import os
from typing import Any


class Report:
    """Writes one JSON object a line."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def __call__(self, event: str, **fields: Any) -> None:
        """Write one event."""
        self._file.write(json.dumps({"event": event, **fields}) + "\n")
        self._file.flush()
