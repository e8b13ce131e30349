"""Behind `tito bench` and `tito system warmup`: what the compiled kernels bring on this machine, and making them ready.

ratios.py    from times to ratios, their median and spread
machine.py   which machine it was
output.py    the file for the results, looked at before anything is measured
events.py    starts the child, yields what it reports
kernels.py   the ratio of every kernel to its reference
warmup.py    compile everything now
child/       runs in the child process alone: the only part that imports `tinytorch`
"""
