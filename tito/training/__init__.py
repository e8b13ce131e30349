"""Behind `tito train`: recipes, runs on disk, and the child process that trains with the exported package.

recipes.py   what is trained, and how: numbers only
runs.py      the folder of a run: its settings, its state, its results
session.py   starts the child, passes Ctrl-C on, yields what the child reports
child/       runs in the child process alone: the only part that imports `tinytorch`
"""
