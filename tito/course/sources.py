"""The bytes of a module: its taught file, given files and assets, and the hash over all of them."""

from __future__ import annotations

from dataclasses import dataclass

from tito.course.model import Module
from tito.project import Project


@dataclass(frozen=True)
class ModuleSources:
    """What a module consists of on disk; text has `\\n` line ends.

    `dev`: bytes of name_dev.py. `given`: file name ("rows_given.py") -> bytes. `assets`: file name -> bytes.
    """

    module: Module
    dev: bytes
    given: dict[str, bytes]
    assets: dict[str, bytes]

    @property
    def sha256(self) -> str:
        """Hash over every name and byte: changes whenever anything of the module changes."""
        raise NotImplementedError


def read_sources(project: Project, module: Module) -> ModuleSources:
    """Read a module from disk. Raises SourceError when its taught file is missing."""
    raise NotImplementedError
