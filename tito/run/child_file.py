"""What runs in the child: another text as if it stood in a module's file and were run as a script.

python child_file.py FILE TEXT
"""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import ModuleType


def main(file: Path, text: str) -> None:
    """Run `text` as `__main__` with the name and the folder of `file`."""
    sys.argv = [str(file)]
    sys.path[0] = str(file.parent)
    module = ModuleType("__main__")
    module.__file__ = str(file)
    sys.modules["__main__"] = module
    linecache.cache[str(file)] = (len(text), None, text.splitlines(keepends=True), str(file))
    exec(compile(text, str(file), "exec"), module.__dict__)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8-sig"))
