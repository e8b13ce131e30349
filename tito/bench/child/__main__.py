"""`python -m tito.bench.child measure ROUNDS THREADS [NAME …]` or `… warm [NAME …]`"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from tito.bench.child.report import Report


def main(what: str, arguments: Sequence[str]) -> int:
    """Do it, and report an error as one sentence."""
    report = Report()
    try:
        if what == "measure":
            from tito.bench.child.measuring import measure

            measure(report, rounds=int(arguments[0]), threads=int(arguments[1]), names=arguments[2:])
        else:
            from tito.bench.child.warming import warm

            warm(report, arguments)
    except Exception as problem:
        report("error", error=_sentence(problem), detail=traceback.format_exc())
        return 1
    return 0


def _sentence(problem: Exception) -> str:
    """What went wrong, and what to do next; the package may be too broken to be imported here."""
    text = str(problem).strip()
    kinds = {kind.__name__ for kind in type(problem).__mro__}
    if kinds & {"TinyTorchError", "TitoError"}:
        return text
    return (
        f"expected every kernel to run, found {type(problem).__name__}: {text}: run `tito checkpoint test kernels` "
        "to see which one fails"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
