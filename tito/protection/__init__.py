"""Protection of the generated package, on top of what every export does (read-only files, header, manifest).

hook.py, attributes.py, settings.py   what is added to the user's own files, and taken out again
textblock.py, jsonc.py                adding to text and to JSON with comments without touching the rest
edits.py                              what was added where (.tito/protection.json)
package.py, git.py                    the package's files, and those about to be committed
"""

from __future__ import annotations

from dataclasses import dataclass

from tito.project import Project
from tito.protection import attributes, hook, settings
from tito.protection.edits import editing_state, load_state
from tito.protection.package import PackageState, check_commit, make_read_only, package_state

__all__ = ["PackageState", "ProtectionStatus", "check_commit", "disable", "enable", "package_state", "status"]

PARTS = (hook, attributes, settings)


@dataclass(frozen=True)
class ProtectionStatus:
    """Which parts are in place now, and the package's state."""

    enabled: bool
    hook: bool
    attributes: bool
    settings: bool
    package: PackageState


def enable(project: Project) -> list[str]:
    """Add every part that is not there yet. Returns a sentence about each."""
    with editing_state(project) as state:
        state.enabled = True
        sentences = [part.enable(project, state) for part in PARTS]
    if changed := make_read_only(project):
        sentences.append(f"{changed} files of the package were made read-only again.")
    return sentences


def disable(project: Project) -> list[str]:
    """Take out every part that tito added. Returns a sentence about each."""
    with editing_state(project) as state:
        state.enabled = False
        sentences = [part.disable(project, state) for part in PARTS]
    return [sentence for sentence in sentences if sentence]


def status(project: Project) -> ProtectionStatus:
    """What stands now, looked at afresh."""
    return ProtectionStatus(
        enabled=load_state(project).enabled,
        hook=hook.is_enabled(project),
        attributes=attributes.is_enabled(project),
        settings=settings.is_enabled(project),
        package=package_state(project),
    )
