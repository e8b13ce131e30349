"""modules/course.toml as typed data: the one place for order, titles, requirements, points, hints and checkpoints."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tito.errors import CourseError, ProjectError, UsageError
from tito.project import Project

MODULE_NAME = re.compile(r"\d\d_[a-z][a-z0-9_]*")
TARGET_NAME = re.compile(r"core\.[a-z][a-z0-9_]*")
FACE_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")


@dataclass(frozen=True)
class Module:
    """One module of the course.

    `name` "02_tensor", `number` 2, `short` "tensor"; `exports` the targets it writes ("core.tensor");
    `requires` names of earlier modules; `hints` grade_id -> hints, weakest first.
    """

    name: str
    number: int
    short: str
    title: str
    exports: tuple[str, ...]
    requires: tuple[str, ...]
    points: int
    summary: str
    hints: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @property
    def dev_name(self) -> str:
        """Name of the taught file: "tensor_dev.py"."""
        return f"{self.short}_dev.py"

    @property
    def dev_path(self) -> str:
        """The taught file as a person names it: "modules/source/02_tensor/tensor_dev.py"."""
        return f"{self.folder_path}/{self.dev_name}"

    @property
    def folder_path(self) -> str:
        """The module's folder as a person names it: "modules/source/02_tensor"."""
        return f"modules/source/{self.name}"

    def folder(self, project: Project) -> Path:
        """The module's folder in `project`."""
        return project.source_dir / self.name

    def dev_file(self, project: Project) -> Path:
        """The taught file in `project`."""
        return self.folder(project) / self.dev_name


@dataclass(frozen=True)
class Checkpoint:
    """A capability question; `module` is the module whose completion runs it."""

    number: int
    name: str
    question: str
    module: str

    @property
    def file_name(self) -> str:
        """checkpoint_05_learning.py."""
        return f"checkpoint_{self.number:02d}_{self.name}.py"

    def file(self, project: Project) -> Path:
        """tests/checkpoints/checkpoint_05_learning.py."""
        return project.checkpoints_dir / self.file_name


@dataclass(frozen=True)
class Course:
    """The whole course, modules and checkpoints in order; `faces` are the public faces a module may declare."""

    title: str
    faces: tuple[str, ...]
    modules: tuple[Module, ...]
    checkpoints: tuple[Checkpoint, ...]

    def module(self, text: str) -> Module:
        """The module named by number ("2", "02"), folder ("02_tensor") or short name ("tensor").

        Raises UsageError with the nearest name.
        """
        wanted = text.strip().rstrip("/").rsplit("/", 1)[-1].lower()
        for module in self.modules:
            if wanted in (module.name, module.short) or (wanted.isdecimal() and int(wanted) == module.number):
                return module
        known = [name for module in self.modules for name in (module.short, module.name)]
        raise UsageError(
            f"expected a module by number, folder or short name, found {text!r}: "
            + _suggestion(wanted, known, "see `tito module list`")
        )

    def checkpoint(self, text: str) -> Checkpoint:
        """The checkpoint named by number ("5", "05") or name ("learning"). Raises UsageError."""
        wanted = text.strip().lower()
        for checkpoint in self.checkpoints:
            if wanted == checkpoint.name or (wanted.isdecimal() and int(wanted) == checkpoint.number):
                return checkpoint
        known = [checkpoint.name for checkpoint in self.checkpoints]
        raise UsageError(
            f"expected a checkpoint by number or name, found {text!r}: "
            + _suggestion(wanted, known, "see `tito checkpoint status`")
        )

    def checkpoint_of(self, module: Module) -> Checkpoint | None:
        """The checkpoint that completing `module` runs, if it has one."""
        return next((checkpoint for checkpoint in self.checkpoints if checkpoint.module == module.name), None)

    def before(self, module: Module) -> tuple[Module, ...]:
        """All modules that stand before `module` in the course."""
        return self.modules[: self.modules.index(module)]

    def after(self, module: Module) -> Module | None:
        """The module that follows `module`, or None at the end."""
        following = self.modules[self.modules.index(module) + 1 :]
        return following[0] if following else None

    def closure(self, module: Module) -> tuple[Module, ...]:
        """`module` and all it requires, directly or not, in course order."""
        wanted = {module.name}
        for candidate in reversed(self.modules):
            if candidate.name in wanted:
                wanted.update(candidate.requires)
        return self.ordered(wanted)

    def ordered(self, names: Iterable[str]) -> tuple[Module, ...]:
        """The modules of these names, in course order; names the course does not know are left out."""
        wanted = set(names)
        return tuple(module for module in self.modules if module.name in wanted)

    def missing(self, modules: Iterable[Module]) -> dict[str, tuple[str, ...]]:
        """What keeps a set of modules from being closed under `requires`: module name -> names it lacks."""
        chosen = list(modules)
        names = {module.name for module in chosen}
        lacks = {module.name: tuple(n for n in module.requires if n not in names) for module in chosen}
        return {name: lacking for name, lacking in lacks.items() if lacking}


def load_course(project: Project) -> Course:
    """Read and check modules/course.toml. Raises CourseError naming the entry that is wrong."""
    try:
        data = tomllib.loads(project.course_file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ProjectError(
            f"expected to read modules/course.toml, found: {error.strerror}: restore it and try again"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"modules/course.toml: expected TOML, found: {error}: mend the file and try again") from error
    return parse_course(data)


def parse_course(data: dict[str, Any]) -> Course:
    """The course described by the parsed TOML. Raises CourseError."""
    head = _take(data, "course", dict, "[course]")
    faces = tuple(_strings(head, "faces", "[course]", FACE_NAME))
    modules = tuple(_module(entry, i) for i, entry in enumerate(_take(data, "module", list, "course.toml")))
    checkpoints = tuple(_checkpoint(entry, i) for i, entry in enumerate(data.get("checkpoint", [])))
    course = Course(_take(head, "title", str, "[course]"), faces, modules, checkpoints)
    _check_modules(course)
    _check_checkpoints(course)
    return course


def _module(entry: dict[str, Any], index: int) -> Module:
    where = f"[[module]] number {index + 1}"
    name = _take(entry, "name", str, where)
    if not MODULE_NAME.fullmatch(name):
        raise CourseError(f'course.toml, {where}: expected a name like "02_tensor", found {name!r}: rename it')
    where = f"[[module]] {name}"
    hints = {
        grade_id: tuple(_strings(entry.get("hints", {}), grade_id, f"{where} hints"))
        for grade_id in entry.get("hints", {})
    }
    return Module(
        name=name,
        number=int(name[:2]),
        short=name[3:],
        title=_take(entry, "title", str, where),
        exports=tuple(_strings(entry, "exports", where, TARGET_NAME)),
        requires=tuple(_strings(entry, "requires", where)),
        points=_take(entry, "points", int, where),
        summary=_take(entry, "summary", str, where),
        hints=hints,
    )


def _checkpoint(entry: dict[str, Any], index: int) -> Checkpoint:
    where = f"[[checkpoint]] number {index + 1}"
    return Checkpoint(
        number=_take(entry, "number", int, where),
        name=_take(entry, "name", str, where),
        question=_take(entry, "question", str, where),
        module=_take(entry, "module", str, where),
    )


def _check_modules(course: Course) -> None:
    seen: dict[str, str] = {}
    names: list[str] = []
    for module in course.modules:
        if names and module.number <= int(names[-1][:2]):
            raise CourseError(
                f"course.toml: expected modules in rising order, found {module.name} after {names[-1]}: reorder them"
            )
        for required in module.requires:
            if required not in names:
                raise CourseError(
                    f"course.toml: expected {module.name} to require earlier modules only, found {required!r}: "
                    "name a module that stands before it"
                )
        for target in module.exports:
            if target in seen:
                raise CourseError(
                    f"course.toml: expected one module per target, found {target} in {seen[target]} and "
                    f"{module.name}: rename one"
                )
            seen[target] = module.name
        names.append(module.name)


def _check_checkpoints(course: Course) -> None:
    names = {module.name for module in course.modules}
    taken: dict[str, int] = {}
    last = -1
    for checkpoint in course.checkpoints:
        if checkpoint.number <= last:
            raise CourseError(
                f"course.toml: expected a checkpoint after {last}, found {checkpoint.number} ({checkpoint.name}): "
                "list them by rising numbers"
            )
        last = checkpoint.number
        if checkpoint.module not in names:
            raise CourseError(
                f"course.toml, checkpoint {checkpoint.name}: expected the name of a listed module, found "
                f"{checkpoint.module!r}: correct it"
            )
        if checkpoint.module in taken:
            raise CourseError(
                f"course.toml: expected one checkpoint per module, found {taken[checkpoint.module]} and {last} for "
                f"{checkpoint.module}: move one"
            )
        taken[checkpoint.module] = last


def _take(table: dict[str, Any], key: str, kind: type, where: str) -> Any:
    """`table[key]`, which must be there and of type `kind`."""
    if key not in table:
        raise CourseError(f"course.toml, {where}: expected {key!r} ({kind.__name__}), found nothing: add it")
    value = table[key]
    if not isinstance(value, kind):
        raise CourseError(
            f"course.toml, {where}: expected {key!r} to be of type {kind.__name__}, found {value!r}: correct it"
        )
    return value


def _strings(table: dict[str, Any], key: str, where: str, pattern: re.Pattern[str] | None = None) -> list[str]:
    """`table[key]` as a list of strings, each matching `pattern`."""
    values: list[Any] = _take(table, key, list, where)
    for value in values:
        if not isinstance(value, str) or (pattern and not pattern.fullmatch(value)):
            raise CourseError(
                f"course.toml, {where}: found {value!r} in {key!r}, which cannot be used there: correct it"
            )
    return values


def _suggestion(wanted: str, known: list[str], otherwise: str) -> str:
    import difflib

    close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else otherwise
