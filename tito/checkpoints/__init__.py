"""Checkpoints: "Can I …?", asked of the package that was exported from the student's present source.

guard.py     the three hashes that tie source, exported file and imported module together
plugin.py    what pytest needs: the guard before and around each test, a report of the results
run.py       run one checkpoint in a child, as data
status.py    the recorded results: passed, failed, stale, not run
script.py    `python tests/checkpoints/checkpoint_NN_name.py`
"""

from tito.checkpoints.script import main

__all__ = ["main"]
