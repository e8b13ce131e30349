"""Who serves the operations of the exported package: asked in a child, as all that is the student's."""

from __future__ import annotations

import json

from tito.errors import ChildError
from tito.project import Project
from tito.run.child import run_python

ASK = """
import json
import tinytorch
from tinytorch.core.engine import KERNELS, SETTINGS
from tinytorch.given.tables import why_missing
served = {}
for name, backend in KERNELS:
    served.setdefault(backend, []).append(name)
served = {backend: names for backend, names in served.items()
          if SETTINGS["backend"] in (None, backend) and not why_missing(backend)}
print(json.dumps({backend: sorted(names) for backend, names in served.items()}))
"""


def kernels(project: Project) -> dict[str, list[str]]:
    """For each backend beside the reference that would run, the operations that it serves.

    Raises ChildError with the package's own sentence if it cannot tell.
    """
    child = run_python(["-c", ASK], cwd=project.root, path=[project.package_dir.parent], timeout=60)
    if not child.ok:
        raise ChildError(child.stderr.strip().rpartition("\n")[2] or "it took too long", detail=child.stderr)
    served: dict[str, list[str]] = json.loads(child.stdout)
    return served
