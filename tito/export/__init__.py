"""From sources to package: `compose` (pure, in memory) and `install` (atomic, on disk)."""

from tito.export.compose import compose
from tito.export.install import Installed, export, export_check, exported_modules, install

__all__ = ["Installed", "compose", "export", "export_check", "exported_modules", "install"]
