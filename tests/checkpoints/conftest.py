"""A checkpoint passes only for code exported from the student's present source: tito.checkpoints.plugin sees to it."""

import pytest

from tito.checkpoints import plugin


def pytest_configure(config: pytest.Config) -> None:
    """The project's settings load the plugin; other settings must not leave it out."""
    plugin.register(config.pluginmanager)
