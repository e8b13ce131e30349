"""What went wrong in the child, in one sentence."""

from __future__ import annotations

import traceback
from pathlib import Path

from tito.files import explain_os_error


def sentence(problem: Exception) -> str:
    """What went wrong, in one sentence with what to do next; the package may be too broken to be imported here."""
    text = str(problem).strip()
    kinds = {kind.__name__ for kind in type(problem).__mro__}
    if "NotImplementedError" in kinds:
        return (
            f"expected a finished framework, found {text or 'a function that is not implemented'}: complete it in its "
            "module and export that (`tito module complete`)"
        )
    if kinds & {"TinyTorchError", "TitoError"}:
        return text
    if isinstance(problem, OSError):
        return text if problem.errno is None else f"expected to use a file, {explain_os_error(problem)}"
    if isinstance(problem, MemoryError):
        return f"expected enough memory, found {text or 'too little'}: try a smaller model or batch"
    last = traceback.extract_tb(problem.__traceback__)[-1]
    return (
        f"expected the program to run through, found {type(problem).__name__}: {text} (in {Path(last.filename).name}, "
        f"line {last.lineno}): run `tito checkpoint test --all` to see which part of the framework fails"
    )
