"""Checkpoints: "Can I …?", asked of the package that was exported from the student's present source.

- guard.py: the hashes that tie source, exported file and imported module together
- plugin.py: pytest's side of the guard, before a file is collected and around each test
- report.py: pytest's side of the results, a line of JSON for each test
- results.py: what tito makes of them
- run.py: run one checkpoint in a child
- status.py: the recorded results: passed, failed, stale, not run
- script.py: `python tests/checkpoints/checkpoint_NN_name.py`
- copies.py: whole projects with a wrong solution in them
"""

from tito.checkpoints.script import main

__all__ = ["main"]
