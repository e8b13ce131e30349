"""The package as a pure function of the sources: same sources + same set of modules -> same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tito.course.model import Course, Module
from tito.course.sources import ModuleSources


def compose(
    course: Course,
    modules: Iterable[Module],
    sources: Mapping[str, ModuleSources],
    *,
    bench: Module | None = None,
) -> dict[str, bytes]:
    """Every file of the package: path relative to `tinytorch/` -> bytes.

    `modules` must be closed under `requires`. `bench` is a module under test: only its given files and assets are
    added, none of its own targets and faces. Raises ExportError, SourceError.
    """
    raise NotImplementedError
