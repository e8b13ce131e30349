"""Who serves the operations of the exported package: asked in a child, as all that is the student's."""

from __future__ import annotations

import json

from tito.project import Project
from tito.run.child import run_python

ASK = """
import json
import tinytorch
from tinytorch.core.engine import KERNELS
served = {}
for name, backend in KERNELS:
    served.setdefault(backend, []).append(name)
print(json.dumps({backend: sorted(names) for backend, names in served.items()}))
"""


def kernels(project: Project) -> dict[str, list[str]] | None:
    """For each backend beside the reference the operations that it serves; None if the package cannot tell."""
    child = run_python(["-c", ASK], cwd=project.root, path=[project.package_dir.parent], timeout=60)
    if not child.ok:
        return None
    served: dict[str, list[str]] = json.loads(child.stdout)
    return served
