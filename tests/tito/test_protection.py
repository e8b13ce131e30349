"""Protection is added to what the user has, works for a normal user, and is taken out to the byte."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tito.command import fail, records, run, succeed
from tests.tito.toy import Toy, write_toy
from tito.project import Project

HOOK = Path(".git/hooks/pre-commit")
ATTRIBUTES = Path(".gitattributes")
SETTINGS = Path(".vscode/settings.json")

SHELL_HOOK = "#!/bin/sh\necho mine >> hook-ran\nexit 0\n"
PYTHON_HOOK = "#!/usr/bin/env python3\nopen('hook-ran', 'a').write('mine\\n')\n"

USERS_SETTINGS = {
    "plain": '{\n    "editor.tabSize": 2\n}\n',
    "comments": '// mine\n{\n  // two spaces\n  "editor.tabSize": 2, /* why not */\n  "a": [1, {"b": "}"}],\n}\n',
    "key there": '{\n\t"files.readonlyInclude": {\n\t\t"build/**": true // generated\n\t}\n}',
    "key there, empty": '{"files.readonlyInclude": {}}',
    "empty object": "{}",
    "empty file": "",
    "one line": '{"editor.tabSize": 2, "x": "a \\" b"}\n',
    "windows": '{\r\n  "editor.tabSize": 2\r\n}\r\n',
    "comment in empty object": "{ // nothing yet\n}\n",
}

USERS_ATTRIBUTES = {
    "plain": "*.png binary\n",
    "no newline at the end": "*.png binary",
    "windows": "*.png binary\r\n*.txt text\r\n",
    "empty": "",
    "not UTF-8": b"# caf\xe9\n*.png binary\n",
}


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git as the user."""
    who = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    return run(["git", *who, *arguments], root)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy project in a git repository, exported and committed; each test gets a copy."""
    folder = write_toy(tmp_path_factory.mktemp("protection") / "toy").project.root
    assert git(folder, "init", "-q").returncode == 0
    (folder / ".gitignore").write_text(".tito/\n__pycache__/\nhook-ran\n")
    succeed(folder, "module", "export", "--all")
    git(folder, "add", "-A")
    assert git(folder, "commit", "-qm", "start").returncode == 0
    return folder


@pytest.fixture
def root(committed: Path, tmp_path: Path) -> Path:
    """The folder of a toy project in a git repository."""
    return Path(shutil.copytree(committed, tmp_path / "toy", symlinks=True))


@pytest.fixture
def toy(root: Path) -> Toy:
    """The toy project of `root`."""
    return Toy(Project(root))


def write(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a user's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)


def files_of_the_user(root: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and mode of every file that protection may touch."""
    hooks = (path for path in (root / ".git" / "hooks").glob("pre-commit*") if path.suffix != ".sample")
    paths = [*hooks, root / ATTRIBUTES, *(root / ".vscode").glob("*")]
    return {str(path): (path.read_bytes(), path.stat().st_mode) for path in paths if path.is_file()}


def test_enable_then_disable_leaves_nothing_behind(root: Path) -> None:
    assert files_of_the_user(root) == {}
    succeed(root, "system", "protect", "enable")
    assert all((root / path).is_file() for path in (HOOK, ATTRIBUTES, SETTINGS))
    succeed(root, "system", "protect", "disable")
    assert files_of_the_user(root) == {}
    assert not (root / ".vscode").exists()


@pytest.mark.parametrize("content", USERS_SETTINGS.values(), ids=USERS_SETTINGS)
def test_settings_keep_every_byte(content: str, root: Path) -> None:
    write(root / SETTINGS, content)
    before = files_of_the_user(root)
    succeed(root, "system", "protect", "enable")
    during = (root / SETTINGS).read_text()
    assert '"tinytorch/**": true' in during
    for line in content.splitlines():
        assert "//" not in line or line.split("//")[1].strip() in during, "a comment was lost"
    assert records(succeed(root, "system", "protect", "status", "--json"))[0]["settings"] is True
    succeed(root, "system", "protect", "enable")
    assert (root / SETTINGS).read_text() == during, "enabling twice adds nothing"
    succeed(root, "system", "protect", "disable")
    assert files_of_the_user(root) == before


@pytest.mark.parametrize("content", ["{ half", "[1]", '{"a": 1} {"b": 2}', '{"a": nope}'])
def test_settings_that_are_no_json_are_left_alone(content: str, root: Path) -> None:
    write(root / SETTINGS, content)
    assert "left alone" in succeed(root, "system", "protect", "enable")
    assert (root / SETTINGS).read_text() == content
    succeed(root, "system", "protect", "disable")
    assert (root / SETTINGS).read_text() == content


def test_a_users_own_pattern_stays(root: Path) -> None:
    content = '{"files.readonlyInclude": {"tinytorch/**": false}}'
    write(root / SETTINGS, content)
    assert "left alone" in succeed(root, "system", "protect", "enable")
    succeed(root, "system", "protect", "disable")
    assert (root / SETTINGS).read_text() == content


def test_settings_changed_meanwhile_keep_the_change(root: Path) -> None:
    write(root / SETTINGS, '{\n  "editor.tabSize": 2 // mine\n}\n')
    succeed(root, "system", "protect", "enable")
    reformatted = (
        '{\n "files.readonlyInclude": { "tinytorch/**": true, "build/**": true },\n "editor.tabSize": 4 // mine\n}'
    )
    write(root / SETTINGS, reformatted)
    succeed(root, "system", "protect", "disable")
    left = (root / SETTINGS).read_text()
    assert "tinytorch" not in left and '"build/**": true' in left and "4 // mine" in left, left


def test_created_settings_that_the_user_added_to_stay(root: Path) -> None:
    succeed(root, "system", "protect", "enable")
    settings = json.loads((root / SETTINGS).read_text())
    write(root / SETTINGS, json.dumps({**settings, "editor.tabSize": 8}, indent=4))
    succeed(root, "system", "protect", "disable")
    assert json.loads((root / SETTINGS).read_text()) == {"editor.tabSize": 8}


@pytest.mark.parametrize("content", USERS_ATTRIBUTES.values(), ids=USERS_ATTRIBUTES)
def test_attributes_keep_every_byte(content: str | bytes, root: Path) -> None:
    write(root / ATTRIBUTES, content, 0o640)
    before = files_of_the_user(root)
    succeed(root, "system", "protect", "enable")
    answer = git(root, "check-attr", "linguist-generated", "text", "--", "tinytorch/core/alpha.py").stdout
    assert "linguist-generated: true" in answer and "text: unset" in answer, answer
    succeed(root, "system", "protect", "disable")
    assert files_of_the_user(root) == before


def test_attributes_changed_meanwhile_keep_the_change(root: Path) -> None:
    succeed(root, "system", "protect", "enable")
    text = (root / ATTRIBUTES).read_text()
    write(root / ATTRIBUTES, "*.jpg binary\n" + text.replace("-text", "-text diff") + "*.png binary\n")
    succeed(root, "system", "protect", "disable")
    assert (root / ATTRIBUTES).read_text() == "*.jpg binary\n*.png binary\n"


@pytest.mark.parametrize("hook", [SHELL_HOOK, PYTHON_HOOK], ids=["shell", "python"])
def test_a_users_hook_still_runs_and_comes_back(hook: str, root: Path) -> None:
    write(root / HOOK, hook, 0o755)
    before = files_of_the_user(root)
    succeed(root, "system", "protect", "enable")
    write(root / "notes.txt", "hello")
    git(root, "add", "notes.txt")
    done = git(root, "commit", "-qm", "notes")
    assert done.returncode == 0, done
    assert (root / "hook-ran").read_text() == "mine\n"
    edit_by_hand(root)
    assert git(root, "commit", "-qam", "edited").returncode != 0
    assert (root / "hook-ran").read_text() == "mine\n", "the package is checked first"
    succeed(root, "system", "protect", "disable")
    assert files_of_the_user(root) == before


def test_a_failing_hook_of_the_user_still_refuses(root: Path) -> None:
    write(root / HOOK, "#!/usr/bin/env python3\nraise SystemExit(3)\n", 0o755)
    succeed(root, "system", "protect", "enable")
    write(root / "notes.txt", "hello")
    git(root, "add", "notes.txt")
    assert git(root, "commit", "-qm", "notes").returncode != 0


def test_a_linked_hook_comes_back_as_a_link(root: Path) -> None:
    write(root / "tools" / "hook.sh", SHELL_HOOK, 0o755)
    (root / HOOK).symlink_to("../../tools/hook.sh")
    succeed(root, "system", "protect", "enable")
    assert (root / "tools" / "hook.sh").read_text() == SHELL_HOOK
    succeed(root, "system", "protect", "disable")
    assert os.readlink(root / HOOK) == "../../tools/hook.sh"


def test_a_hook_that_is_switched_off_stays_so(root: Path) -> None:
    write(root / HOOK, SHELL_HOOK, 0o644)
    assert "switched off" in succeed(root, "system", "protect", "enable")
    assert (root / HOOK).read_text() == SHELL_HOOK


def test_core_hooks_path_is_respected(root: Path, tmp_path: Path) -> None:
    git(root, "config", "core.hooksPath", ".githooks")
    write(root / ".githooks" / "pre-commit", SHELL_HOOK, 0o755)
    succeed(root, "system", "protect", "enable")
    edit_by_hand(root)
    assert git(root, "commit", "-qam", "edited").returncode != 0
    succeed(root, "system", "protect", "disable")
    assert (root / ".githooks" / "pre-commit").read_text() == SHELL_HOOK
    shared = tmp_path / "shared-hooks"
    write(shared / "pre-commit", SHELL_HOOK, 0o755)
    git(root, "config", "core.hooksPath", str(shared))
    assert "other repositories share" in succeed(root, "system", "protect", "enable")
    assert (shared / "pre-commit").read_text() == SHELL_HOOK


def test_without_git(tmp_path: Path) -> None:
    folder = write_toy(tmp_path / "toy").project.root
    assert "no git repository" in succeed(folder, "system", "protect", "enable")
    succeed(folder, "system", "protect", "disable")
    assert not (folder / ATTRIBUTES).exists()


def edit_by_hand(root: Path) -> Path:
    """Change an exported file as somebody does who does not know better."""
    path = root / "tinytorch" / "core" / "alpha.py"
    path.chmod(0o644)
    path.write_text(path.read_text() + "\n# quick fix\n")
    return path


def test_the_hook_refuses_hand_edited_files_and_takes_an_export(toy: Toy, root: Path) -> None:
    succeed(root, "system", "protect", "enable")
    path = edit_by_hand(root)
    done = git(root, "commit", "-qam", "edited")
    assert done.returncode != 0 and "tinytorch/core/alpha.py was edited by hand" in done.stderr, done
    succeed(root, "module", "export", "--all", "--force")
    toy.edit("alpha", "return Box(bind", "return  Box(bind")
    succeed(root, "module", "export", "--all")
    git(root, "add", "tinytorch/core/alpha.py")
    assert git(root, "commit", "-qm", "half an export").returncode != 0
    git(root, "add", "-A")
    done = git(root, "commit", "-qm", "a whole export")
    assert done.returncode == 0, done
    write(root / "tinytorch" / "core" / "mine.py", "x = 1\n")
    git(root, "add", "-A")
    assert "mine.py was not exported by tito" in git(root, "commit", "-qm", "mine").stderr
    assert path.stat().st_mode & 0o222 == 0


def test_exported_files_resist_a_normal_user_and_not_tito(toy: Toy, root: Path) -> None:
    succeed(root, "system", "protect", "enable")
    refused = run(["sh", "-c", "echo '# mine' >> tinytorch/core/alpha.py"], root)
    assert refused.returncode != 0 and "ermission" in refused.stderr, refused
    toy.edit("alpha", "return Box(bind", "return  Box(bind")
    succeed(root, "module", "complete", "alpha", "--skip-test")
    succeed(root, "system", "protect", "validate")
    state = records(succeed(root, "system", "protect", "status", "--json"))[0]
    assert state["enabled"] and state["hook"] and state["attributes"] and state["settings"], state
    assert (state["package"]["writable"], state["package"]["edited"]) == ([], []), state


def test_validate_names_edited_files(root: Path) -> None:
    succeed(root, "system", "protect", "validate")
    edit_by_hand(root)
    assert "tinytorch/core/alpha.py" in fail(root, "system", "protect", "validate")


def test_a_damaged_state_file_is_one_sentence(root: Path) -> None:
    succeed(root, "system", "protect", "enable")
    (root / ".tito" / "protection.json").write_text("{")
    text = fail(root, "system", "protect", "disable", code=2)
    assert "protection.json" in text and text.count("\n") == 1, text


def test_disable_without_state_still_finds_our_lines(root: Path) -> None:
    write(root / ATTRIBUTES, "*.png binary\n")
    write(root / HOOK, SHELL_HOOK, 0o755)
    before = files_of_the_user(root)
    succeed(root, "system", "protect", "enable")
    (root / ".tito" / "protection.json").unlink()
    succeed(root, "system", "protect", "disable")
    kept = {name: what for name, what in files_of_the_user(root).items() if "settings" not in name}
    assert kept == before
