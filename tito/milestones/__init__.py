"""Behind `tito milestone`: the examples, from the perceptron on, run with the exported package.

table.py    examples/milestones.toml: what there is, what it needs, what is to come out
results.py  the folder of a milestone under runs/milestones: its saved state, its last result
run.py      runs one in a child, judges what it returns, writes that down
child.py    runs in the child process alone: the only part that imports `tinytorch`
"""
