"""Mutate every gradient rule and report what the operation table does not notice.

    python -m tests.mutate_vjps [NAME OF A PRIMITIVE …]
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from tests.mutate_vjps.equivalent import EQUIVALENT
from tests.mutate_vjps.rules import all_mutants
from tests.mutate_vjps.run import run, suite_of
from tinytorch.core.engine import VJPS


def main(names: tuple[str, ...]) -> int:
    """Print survivors, stale entries, how many are killed, and the rows with fewer than three; return 0 or 1."""
    began = time.perf_counter()
    found = all_mutants(names)
    mutants = [m for m in found if m.name not in EQUIVALENT]
    stale = [] if names else sorted(EQUIVALENT.keys() - {m.name for m in found})
    for name in stale:
        print(f"STALE in equivalent.py, no such mutant: {name}\n")
    counts = Counter(name for m in mutants for name in m.primitives)
    for check in suite_of(counts):
        check()
    survivors = run(mutants)
    for m in survivors:
        print(f"SURVIVED {m.function} ({', '.join(m.primitives)}): {m.what}\n{m.diff}\n")
    few = sorted(n for n in (names or VJPS) if counts[n] < 3)
    print(f"killed {len(mutants) - len(survivors)} of {len(mutants)} mutants of {len(counts)} rules; "
          f"{len(found) - len(mutants)} equivalent ones left out; rules with fewer than three: {few or 'none'}; "
          f"{time.perf_counter() - began:.0f} s")
    return 1 if survivors or few or stale else 0


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:])))
