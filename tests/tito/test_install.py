"""Installing a package: all or nothing, whatever goes wrong."""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tito.toy import Toy
from tito.errors import EditedPackageError, ExportError, InstallError
from tito.export import export, export_check, exported_modules, install
from tito.export import install as install_function
from tito.export.manifest import edited_files, read_manifest
from tito.files import sha256

ROOT = Path(__file__).resolve().parents[2]
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER = 24, 1, 2, 3  # linux/prctl.h, linux/capability.h


def run(toy: Toy, code: str, *, warnings: str = "default") -> subprocess.CompletedProcess[str]:
    """Run code in the project, where its package is importable, with the rights of a normal user."""
    env = {"PYTHONPATH": os.pathsep.join([str(toy.project.root), str(ROOT)]), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", warnings, "-c", code]
    return subprocess.run(
        command,
        cwd=toy.project.root,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=_without_privileges,
    )


def leftovers(toy: Toy) -> list[str]:
    """Staging folders that an export left behind."""
    return [path.name for path in toy.project.root.iterdir() if path.name.startswith(".tinytorch")]


def test_the_installed_package_offers_the_faces(toy: Toy) -> None:
    result = export(toy.project, toy.course, toy.course.modules)
    assert result.modules == ("01_alpha", "02_beta", "03_gamma") == exported_modules(toy.project)
    assert "core/alpha.py" in result.written and not result.removed and not leftovers(toy)
    seen = run(
        toy,
        "import tinytorch as t; print(t.nn.functional.triple(t.Box(2)).value, t.utils.HELP, t.Another, t.__version__)",
        warnings="error",
    )
    assert seen.stdout.startswith("6.0 3 <class 'tinytorch.core.alpha.Other'> 0."), seen.stderr


def test_files_are_read_only(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in toy.project.package_dir.rglob("*") if path.is_file()}
    assert set(modes.values()) == {0o444}, modes


def test_the_manifest_says_which_source_made_which_file(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    manifest = read_manifest(toy.project.package_dir)
    assert manifest is not None
    assert manifest.modules["02_beta"].files == ("assets/words.txt", "core/beta.py", "given/helpers.py")
    files = {path: sha256(data) for path, data in toy.package().items() if path != "manifest.json"}
    assert files == {path: entry.sha256 for path, entry in manifest.files.items()}


def test_a_second_export_touches_nothing(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    before = {path: path.stat().st_mtime_ns for path in toy.project.package_dir.rglob("*")}
    result = export(toy.project, toy.course, toy.course.modules)
    assert not result.written and not result.removed
    assert {path: path.stat().st_mtime_ns for path in toy.project.package_dir.rglob("*")} == before


def test_equal_files_keep_their_time_stamps(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    old = 1_600_000_000
    for path in toy.project.package_dir.rglob("*.py"):
        os.utime(path, (old, old))
    toy.edit("gamma", "The box with the other sign.", "Minus the box.")
    result = export(toy.project, toy.course, toy.course.modules)
    assert result.written == ("core/gamma.py", "manifest.json")
    changed = [p.name for p in toy.project.package_dir.rglob("*.py") if p.stat().st_mtime != old]
    assert changed == ["gamma.py"]


def test_a_smaller_set_removes_files(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    result = export(toy.project, toy.course, [toy.module("alpha")])
    assert "core/beta.py" in result.removed and "core/beta.py" not in toy.package()


def test_export_check_lists_what_differs(toy: Toy) -> None:
    assert "core/alpha.py" in export_check(toy.project, toy.course)
    export(toy.project, toy.course, toy.course.modules)
    assert export_check(toy.project, toy.course) == []
    toy.edit("gamma", "The box with the other sign.", "Minus the box.")
    (toy.project.package_dir / "stray.py").write_text("x = 1\n")
    assert export_check(toy.project, toy.course) == ["core/gamma.py", "manifest.json", "stray.py"]
    assert "core/beta.py" in export_check(toy.project, toy.course, [toy.module("alpha")])


def test_a_package_that_cannot_be_imported_is_not_installed(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    before = toy.package()
    toy.edit("gamma", "def minus", "LIMIT = len(5)\n\n\ndef minus")
    expected = (
        r"TypeError: object of type 'int' has no len\(\) at `LIMIT = len\(5\)` in modules/source/03_gamma/gamma_dev.py"
    )
    with pytest.raises(InstallError, match=expected):
        export(toy.project, toy.course, toy.course.modules)
    assert toy.package() == before and not leftovers(toy)


def test_a_warning_at_import_is_an_error(toy: Toy) -> None:
    toy.edit("gamma", "def minus", "import warnings\n\nwarnings.warn('old', stacklevel=1)\n\n\ndef minus")
    with pytest.raises(InstallError, match="UserWarning: old"):
        export(toy.project, toy.course, toy.course.modules)
    assert toy.package() == {}


@pytest.mark.parametrize("path", ["core/alpha.py", "core/mine.py"])
def test_work_done_in_the_package_is_not_overwritten(toy: Toy, path: str) -> None:
    export(toy.project, toy.course, toy.course.modules)
    edited = toy.project.package_dir / path
    edited.unlink(missing_ok=True)
    edited.write_text("mine = 1\n")
    before = toy.package()
    with pytest.raises(EditedPackageError, match=rf"1 file\(s\) edited or added by hand \(tinytorch/{path}\): carry"):
        export(toy.project, toy.course, toy.course.modules)
    assert toy.package() == before and edited_files(toy.project.package_dir) == [path]
    result = export(toy.project, toy.course, toy.course.modules, overwrite_edits=True)
    assert result.kept_aside is not None and (result.kept_aside / path).read_text() == "mine = 1\n"
    assert export_check(toy.project, toy.course) == []


def test_a_folder_without_manifest_is_not_overwritten(toy: Toy) -> None:
    toy.project.package_dir.mkdir()
    (toy.project.package_dir / "work.py").write_text("x = 1\n")
    with pytest.raises(EditedPackageError, match=r"tinytorch/work\.py"):
        export(toy.project, toy.course, toy.course.modules)


def test_a_deleted_file_is_put_back(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    (toy.project.package_dir / "core" / "beta.py").unlink()
    assert export(toy.project, toy.course, toy.course.modules).written == ("core/beta.py",)


def test_a_damaged_manifest_is_explained(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    manifest = toy.project.package_dir / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text('{"format": 1')
    with pytest.raises(ExportError, match=r"manifest.json as tito wrote it, found it damaged .*: move the package"):
        export(toy.project, toy.course, toy.course.modules)
    seen = run(toy, "import tinytorch")
    assert "EditedPackageWarning: expected manifest.json as tito wrote it, found it unreadable" in seen.stderr


def test_importing_warns_once_when_a_file_was_edited(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    assert run(toy, "import tinytorch", warnings="error").returncode == 0
    for name in ("core/beta.py", "assets/words.txt"):
        edited = toy.project.package_dir / name
        edited.chmod(0o644)
        edited.write_text(edited.read_text() + "# changed\n")
    seen = run(toy, "import tinytorch, tinytorch.core.beta", warnings="always")
    assert seen.stderr.count("EditedPackageWarning: ") == 1
    assert "tinytorch/assets/words.txt (and 1 more): expected the file as exported, found it edited" in seen.stderr


def test_the_check_of_an_unedited_package_is_fast(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    code = (
        "import time, tinytorch\nfrom tinytorch import _manifest_check as m\n"
        "def once():\n    t = time.perf_counter(); m.warn_if_edited(); return time.perf_counter() - t\n"
        "print(min(once() for _ in range(20)))"
    )
    assert float(run(toy, code).stdout) < 0.005


def test_line_ends_changed_by_git_are_no_edit(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    file = toy.project.package_dir / "core" / "beta.py"
    data = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(data.replace(b"\n", b"\r\n"))
    assert edited_files(toy.project.package_dir) == []
    assert run(toy, "import tinytorch", warnings="error").returncode == 0
    export(toy.project, toy.course, toy.course.modules)
    assert file.read_bytes() == data


def test_a_failed_swap_puts_the_old_package_back(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    export(toy.project, toy.course, toy.course.modules)
    before = toy.package()
    toy.edit("gamma", "The box with the other sign.", "Minus the box.")
    rename = os.rename

    def interrupted(source: str | Path, target: str | Path) -> None:
        if Path(source).name == "tinytorch" and Path(target) == toy.project.package_dir:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(toy.project, toy.course, toy.course.modules)
    assert toy.package() == before and not leftovers(toy)


def test_a_full_disk_is_one_sentence_and_changes_nothing(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    export(toy.project, toy.course, toy.course.modules)
    before = toy.package()
    toy.edit("gamma", "The box with the other sign.", "Minus the box.")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InstallError, match="found the disk full: free some space and try again"):
        export(toy.project, toy.course, toy.course.modules)
    assert toy.package() == before and not leftovers(toy)


def test_an_export_killed_in_the_swap_is_mended_by_the_next(toy: Toy) -> None:
    export(toy.project, toy.course, toy.course.modules)
    before = toy.package()
    staging = toy.project.root / ".tinytorch-export-killed"
    (staging / "tinytorch").mkdir(parents=True)
    toy.project.package_dir.rename(staging / "old")
    result = export(toy.project, toy.course, toy.course.modules)
    assert not result.written and toy.package() == before and not leftovers(toy)


def test_ctrl_c_in_the_middle_leaves_everything(toy: Toy) -> None:
    export(toy.project, toy.course, [toy.module("alpha")])
    before = toy.package()
    toy.edit("gamma", "def minus", "import time\n\ntime.sleep(60)\n\n\ndef minus")
    code = (
        "import tito.export as e\nfrom tito.project import find_project\nfrom tito.course.model import load_course\n"
        "p = find_project(); c = load_course(p)\nprint('go', flush=True)\ne.export(p, c, c.modules)\n"
    )
    env = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, cwd=toy.project.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        until = time.monotonic() + 30
        while not list(toy.project.root.glob(".tinytorch*/empty")) and time.monotonic() < until:  # it imports
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=30)
    assert child.returncode != 0 and b"KeyboardInterrupt" in stderr
    assert toy.package() == before and not leftovers(toy)


def test_a_normal_user_exports_through_the_protection(toy: Toy) -> None:
    export(toy.project, toy.course, [toy.module("alpha")])
    code = (
        "import os\nfrom tito.export import export\nfrom tito.project import find_project\n"
        "from tito.course.model import load_course\np = find_project(); c = load_course(p)\n"
        "print(os.access(p.package_dir / 'manifest.json', os.W_OK), len(export(p, c, c.modules).modules))"
    )
    seen = run(toy, code)
    assert seen.stdout.split() == ["False", "3"], seen.stderr


def test_a_read_only_folder_is_one_sentence_and_changes_nothing(toy: Toy) -> None:
    export(toy.project, toy.course, [toy.module("alpha")])
    before = toy.package()
    toy.project.root.chmod(0o555)
    code = (
        "from tito.export import export\nfrom tito.project import find_project\n"
        "from tito.errors import TitoError\nfrom tito.course.model import load_course\n"
        "p = find_project(); c = load_course(p)\n"
        "try:\n    export(p, c, c.modules)\nexcept TitoError as error:\n    print(error)\n"
    )
    seen = run(toy, code)
    toy.project.root.chmod(0o755)
    assert "found no permission" in seen.stdout and "the package stays as it was" in seen.stdout, seen.stderr
    assert seen.stdout.count("\n") == 1 and toy.package() == before


def _without_privileges() -> None:
    """Root may write what is read-only; give that up, so that permissions mean what they mean to a normal user."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER):
            assert libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())


def test_another_folder_can_be_installed_into(toy: Toy, tmp_path: Path) -> None:
    files = {path: text.encode() for path, text in toy.compose().items()}
    assert install is install_function
    install(toy.project, files, package_dir=tmp_path / "tinytorch")
    assert (tmp_path / "tinytorch" / "core" / "alpha.py").is_file() and not toy.project.package_dir.exists()
