"""What to say of a name that the package does not have: the exporter copies this file into the package.

    tinytorch.nn.LSTMCell   PyTorch has it, TinyTorch has not; the nearest name here is tinytorch.nn.LSTM
    tinytorch.nn.Adam       there is no such name, but there is tinytorch.optim.Adam
    tinytorch.nn.Conv2d     it arrives with module 06_spatial, which is not exported yet

Nothing here runs, and the list of PyTorch's names is not read, before somebody asks for such a name.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

PYTORCH = "_pytorch_names.json"
PACKAGE = Path(__file__).parent
TOP = "tinytorch"


def missing(where: str, name: str, offered: Iterable[str]) -> AttributeError:
    """The error for `where.name`; `where`: "tinytorch.nn" or "tinytorch.Tensor", which has the names `offered`."""
    if name.startswith("_"):
        return AttributeError(f"{where} has no attribute {name!r}", name=name)
    face = where.removeprefix(f"{TOP}.")
    module = arrives_with(face, name)
    if module:
        said = f"it arrives with module {module}, which is not exported yet: run `tito module complete {module}`"
        return AttributeError(f"{where}.{name}: {said}", name=name)
    pytorch = json.loads((PACKAGE / PYTORCH).read_bytes())
    theirs = name in pytorch.get(face, ())
    said = f"PyTorch {pytorch['version']} has it, TinyTorch has not" if theirs else "there is no such name"
    other, near = _elsewhere(where, name), nearest(name, offered)
    if other or near:
        said += f", but there is {other}.{name}" if other else f"; the nearest name here is {where}.{near}"
    return AttributeError(f"{where}.{name}: {said}", name=name)


def nearest(name: str, offered: Iterable[str]) -> str:
    """The public name most like `name`, whatever its case; "" if none is like it."""
    known = {each.lower(): each for each in offered if not each.startswith("_")}
    found = difflib.get_close_matches(name.lower(), known, n=1)
    return known[found[0]] if found else ""


def arrives_with(face: str, name: str) -> str:
    """The module beside this package that declares `name` for `face` and is not exported yet; "" if there is none."""
    try:
        exported = json.loads((PACKAGE / "manifest.json").read_bytes())["modules"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # importing the package has told that its manifest is damaged
    prefix = "" if face == TOP else rf"{re.escape(face)}\."
    of_a_face = rf"^#\| face {re.escape(face)}:.*\b{name}\b(?! as )"
    is_a_face = rf"^#\| face {prefix}{name}[.:]"
    for path in sorted(PACKAGE.parent.glob("modules/source/*/*.py")):
        if path.parent.name not in exported:
            text = path.read_text(encoding="utf-8")
            if re.search(of_a_face, text, re.MULTILINE) or re.search(is_a_face, text, re.MULTILINE):
                return path.parent.name
    return ""


def _elsewhere(where: str, name: str) -> str:
    """Another face that offers exactly this name; "" if none does."""
    faces = [module for module in sorted(sys.modules) if module.split(".")[0] == TOP and module != where]
    return next((face for face in faces if name in getattr(sys.modules[face], "__all__", ())), "")
