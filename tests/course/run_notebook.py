"""Run a module as a notebook in a kernel: `python run_notebook.py MODULE_FILE FOLDER`, in a process of its own.

Prints one line of JSON: the exception that stopped it and the test that it came from, or null.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

CELL_SECONDS = 120
COLOUR = re.compile("\x1b\\[[0-9;]*m")


def main(source: Path, folder: Path) -> None:
    """Execute the cells one after another, with `folder` as the current folder."""
    notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    resources = {"metadata": {"path": str(folder)}}
    try:
        NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3", resources=resources).execute()
        print("null")
    except CellExecutionError as error:
        where = re.search(r"\bin (test_\w+)", COLOUR.sub("", str(error)))
        print(json.dumps({"test": where[1] if where else "", "exception": error.ename, "message": error.evalue}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
