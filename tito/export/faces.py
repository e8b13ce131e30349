"""The faces of the package (`tinytorch.nn`, …): import lines, from what the modules declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tito.course.model import Course
from tito.errors import ExportError
from tito.export.directives import FaceRow
from tito.export.header import shared_header
from tito.export.imports import PACKAGE, from_import

TOP = "tinytorch"
RESERVED = ("core", "given", "assets")
MISSING = """

def __getattr__(name):
    from tinytorch._missing_names import missing

    raise missing(__name__, name, __all__)"""  # in every face: what is said of a name that it does not have


def check_faces(course: Course, rows: Iterable[FaceRow], names: Mapping[str, frozenset[str]]) -> None:
    """Refuse a name that its target does not define, and one that two modules offer. `names`: target -> its names."""
    owners: dict[tuple[str, str], FaceRow] = {}
    for row in rows:
        if row.name not in names[row.origin]:
            raise ExportError(
                f"{row.place}: the face {row.face} offers `{row.name}`, which {PACKAGE}.{row.origin} does not define: "
                "correct the name or export its cell"
            )
        owner = owners.setdefault((row.face, row.alias), row)
        if owner is not row:
            raise ExportError(
                f"{row.place}: the face {row.face} already offers `{row.alias}` (declared at {owner.place}): "
                "remove or rename one"
            )
        if row.alias in _children(course.faces, row.face) or (row.face == TOP and row.alias in RESERVED):
            raise ExportError(
                f"{row.place}: `{row.alias}` cannot be offered by the face {row.face}, a part of the package has that "
                "name: rename it"
            )


def face_files(course: Course, rows: list[FaceRow], loads: Iterable[str], version: str) -> dict[str, str]:
    """Path -> text of every face that has rows (or lies above one that has), the top level included.

    `loads`: every target, in course order; importing tinytorch imports them, so that their rows stand in the engine's
    tables.
    """
    present = _present(course, rows)
    files = {_path(course, face): _face_text(course, face, rows, present) for face in present if face != TOP}
    files["__init__.py"] = _top_text(rows, present, version, list(loads))
    return files


def _top_text(rows: list[FaceRow], present: list[str], version: str, loads: list[str]) -> str:
    mine = [row for row in rows if row.face == TOP]
    children = [face for face in present if face != TOP and "." not in face]
    head = shared_header("the top level of the package", _modules(mine))
    lines = [f'{head}"""TinyTorch: the framework as far as it is built."""', ""]
    lines += ["from tinytorch import _manifest_check"]
    if loads:
        lines += [f"from {TOP} import _modules  # every exported module, in course order"]
    lines += _import_lines(mine)
    lines += [from_import(TOP, children)] if children else []
    names = [row.alias for row in mine] + children
    lines += [
        "",
        f'__version__ = "{version}"',
        _all_line(["__version__", *names]),
        MISSING,
        "",
        "",
        "_manifest_check.warn_if_edited()",
    ]
    return "\n".join(lines) + "\n"


def _face_text(course: Course, face: str, rows: list[FaceRow], present: list[str]) -> str:
    mine = [row for row in rows if row.face == face]
    children = [child for child in _children(course.faces, face) if f"{face}.{child}" in present]
    modules = _modules([row for row in rows if row.face == face or row.face.startswith(f"{face}.")])
    lines = [shared_header(f"the face {PACKAGE}.{face}", modules) + f'"""The public names of {PACKAGE}.{face}."""', ""]
    lines += _import_lines(mine)
    lines += [from_import(f"{PACKAGE}.{face}", children)] if children else []
    return "\n".join([*lines, "", _all_line([row.alias for row in mine] + children), MISSING]) + "\n"


def _import_lines(rows: list[FaceRow]) -> list[str]:
    """One import per target, in course order; the names in the order of their declaration."""
    origins: dict[str, list[str]] = {}
    for row in rows:
        item = row.name if row.alias == row.name else f"{row.name} as {row.alias}"
        origins.setdefault(row.origin, []).append(item)
    return [from_import(f"{PACKAGE}.{origin}", names) for origin, names in origins.items()]


def _all_line(names: list[str]) -> str:
    line = f"__all__ = [{', '.join(map(_quoted, names))}]"
    return line if len(line) <= 120 else "__all__ = [\n" + "".join(f"    {_quoted(name)},\n" for name in names) + "]"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _modules(rows: Iterable[FaceRow]) -> list[str]:
    return list(dict.fromkeys(row.module for row in rows))


def _present(course: Course, rows: list[FaceRow]) -> list[str]:
    """Faces with rows and the faces above them, in the order of course.toml."""
    used = {row.face for row in rows}
    above = {".".join(face.split(".")[:depth]) for face in used for depth in range(1, face.count(".") + 1)}
    return [face for face in course.faces if face in used | above] + sorted(above - set(course.faces))


def _children(faces: Iterable[str], face: str) -> list[str]:
    """Names directly below a face: "functional" below "nn"; below the top level the faces without a dot."""
    if face == TOP:
        return [other for other in faces if "." not in other and other != TOP]
    direct = (other.removeprefix(f"{face}.") for other in faces if other.startswith(f"{face}."))
    return [name for name in direct if "." not in name]


def _path(course: Course, face: str) -> str:
    """nn has faces below it and is a folder; optim.lr_scheduler is a file."""
    path = face.replace(".", "/")
    return f"{path}/__init__.py" if _children(course.faces, face) else f"{path}.py"
