"""The child process that runs the kernels. It alone imports the student's package; tito reads what it reports.

__main__.py   which of the two is asked for
report.py     events on standard output
sizes.py      for every kernel: the arrays on which it is measured and compiled
measuring.py  kernel and reference in turns
warming.py    compile, count
"""
