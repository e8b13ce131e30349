"""The child process that trains. It alone imports the student's package; tito reads what it reports.

__main__.py   from a run's folder to its result
report.py     events on standard output, and the wish to stop
images.py     which images: the real ones, or those that stand in for them
network.py    network, optimizer, schedule, and how many epochs fit
problem.py    what went wrong, in a sentence
outcome.py    accuracy, confusion matrix, pictures, files
text.py       which text: the real one, the user's, or one that stands in
language.py   tokenizer, model, optimizer, schedule
text_run.py   the run of a text, from its folder to its result
write.py      a trained model writes
"""
