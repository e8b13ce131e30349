"""Every error that tito raises on purpose.

    TitoError                      exit code 1
    ├── UsageError                 2   a name, number or option that does not exist
    ├── ProjectError               2   no project here, or a file tito needs is missing or unreadable
    ├── CourseError                1   modules/course.toml contradicts itself
    ├── SourceError                1   a module's source cannot be read, parsed or split into cells
    ├── ExportError                1   the sources cannot become a package
    │   ├── EditedPackageError     1   an export would overwrite a file that was edited by hand
    │   └── InstallError           1   the package is fine but cannot be put in place (read-only, disk full, import)
    ├── WorkbenchError             1   a module was run beside another `tinytorch`
    └── ChildError                 1   a child process could not be started or did not report

An error is one sentence: what was expected, what was found, what to do next. Commands print it and leave with
`exit_code`; `--verbose` adds the traceback and `detail` (for instance a child's own traceback).
"""

from __future__ import annotations


class TitoError(Exception):
    """Base of all errors that tito explains in one sentence."""

    exit_code = 1

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class UsageError(TitoError):
    """The caller named something that does not exist."""

    exit_code = 2


class ProjectError(TitoError):
    """There is no project here, or one of its own files cannot be used."""

    exit_code = 2


class CourseError(TitoError):
    """modules/course.toml is incomplete or contradicts itself."""


class SourceError(TitoError):
    """A module's source cannot be read, parsed or split into cells."""


class ExportError(TitoError):
    """The sources cannot become a package."""


class EditedPackageError(ExportError):
    """An export would overwrite work that somebody did inside the package."""


class InstallError(ExportError):
    """The composed package cannot be put in place; the old one stands as it was."""


class WorkbenchError(TitoError):
    """A module was run beside another `tinytorch` than the one composed for it."""


class ChildError(TitoError):
    """A child process could not be started or did not report."""
