"""Files that are written whole or not at all, and locks."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tito.errors import ProjectError
from tito.files import atomic_write, locked

ROOT = Path(__file__).resolve().parents[2]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "state.json"
    atomic_write(file, "größer")
    atomic_write(file, b"second", mode=0o600)
    assert file.read_bytes() == b"second" and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["state.json"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    file = tmp_path / "state.json"
    atomic_write(file, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(ProjectError, match=r"expected to write .*state.json \(3 bytes\), found the disk full"):
        atomic_write(file, "new")
    assert file.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(ProjectError, match="expected to write"):
        atomic_write(tmp_path / "state" / "x.json", "new")
    with pytest.raises(ProjectError, match="expected to lock"), locked(tmp_path / "state" / "x.lock"):
        pass


def test_a_lock_that_another_process_holds(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom tito.files import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x.lock")]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == b"held\n"
        with (
            pytest.raises(ProjectError, match=r"the only tito at work on x.lock, found it locked for 0 s: wait"),
            locked(tmp_path / "x.lock", timeout=0.2),
        ):
            pass
        child.communicate()
    with locked(tmp_path / "x.lock", timeout=5):
        pass
