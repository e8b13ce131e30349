"""A toy course for every test that wants one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tito.toy import Toy, write_toy


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """A fresh toy course in a folder of its own."""
    return write_toy(tmp_path / "toy")
