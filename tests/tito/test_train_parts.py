"""What `tito train` is made of, each part by itself: recipes, the folder of a run."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tito.errors import ProjectError, UsageError
from tito.project import Project
from tito.run.reporting import reported
from tito.training import runs
from tito.training.child.problem import sentence
from tito.training.recipes import RECIPES, adjusted, recipe
from tito.training.runs import Job, begun_or_gone, new_run, read_job, read_plan, unfinished_run

# ---- recipes -------------------------------------------------------------------------------------------------------


def test_only_the_given_numbers_of_a_recipe_change() -> None:
    changed = adjusted(recipe("cifar10"), {"epochs": 2, "lr": 0.5, "seed": 7})
    assert (changed.epochs, changed.lr) == (2, 0.5)
    assert adjusted(changed, {"epochs": 5, "lr": 0.1}) == RECIPES["cifar10"]


def test_a_short_run_of_a_text_climbs_for_a_tenth_of_its_steps() -> None:
    for given, warmup in (({"steps": 5000}, 100), ({"steps": 300}, 30), ({"steps": 1}, 0), ({"lr": 1.0}, 100)):
        assert adjusted(recipe("gpt"), given).warmup == warmup, given
    assert adjusted(recipe("gpt"), {"steps": 300, "warmup": 90, "weight_decay": 0.0}).warmup == 90


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="cifar10, mnist, gpt, found 'imagenet'"):
        recipe("imagenet")


# ---- runs ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


JOB = Job(recipe=RECIPES["cifar10"], seed=3, threads=2, subset=100, minutes=1.5)


def test_a_job_comes_back_from_its_folder_as_it_was(project: Project) -> None:
    assert read_job(new_run(project, JOB, None)) == JOB


def test_runs_are_numbered_and_never_overwritten(project: Project) -> None:
    folders = [new_run(project, JOB, None).name for _ in range(3)]
    assert folders == ["cifar10-001", "cifar10-002", "cifar10-003"]


def test_the_newest_unfinished_run_is_continued(project: Project) -> None:
    first, second, third = (new_run(project, JOB, None) for _ in range(3))
    (third / runs.RESULT).write_text("{}")
    assert unfinished_run(project, "cifar10", None) == second
    assert unfinished_run(project, "cifar10", first) == first


def test_without_an_unfinished_run_the_command_to_start_one_is_named(project: Project) -> None:
    with pytest.raises(UsageError, match="found none: start one with `tito train mnist`"):
        unfinished_run(project, "mnist", None)


def test_a_finished_run_is_not_continued(project: Project) -> None:
    folder = new_run(project, JOB, None)
    (folder / runs.RESULT).write_text("{}")
    with pytest.raises(UsageError, match="found a finished one"):
        unfinished_run(project, "cifar10", folder)


def test_a_folder_with_files_is_not_taken_for_a_new_run(project: Project, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    with pytest.raises(UsageError, match="to be empty or new"):
        new_run(project, JOB, tmp_path / "thesis")
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


@pytest.mark.parametrize("content", ["", "{}", '{"format": 9}', '{"format": 1, "recipe": {}}', "[1]"])
def test_a_damaged_job_is_one_sentence(project: Project, content: str) -> None:
    folder = new_run(project, JOB, None)
    (folder / runs.RUN).write_text(content)
    with pytest.raises(ProjectError, match=r"run\.json as tito wrote it, found it damaged"):
        read_job(folder)


@pytest.mark.parametrize("content", ["", "{", "[1]", "5", '{"source": "digits"}'])
def test_a_damaged_plan_is_one_sentence(project: Project, content: str) -> None:
    folder = new_run(project, JOB, None)
    assert read_plan(folder, "source", "epochs") is None
    (folder / runs.PLAN).write_text(content)
    with pytest.raises(ProjectError, match=r"plan\.json as tito wrote it, found it damaged"):
        read_plan(folder, "source", "epochs")


def fail_in(project: Project, folder: Path) -> None:
    with pytest.raises(UsageError, match="no such text"), begun_or_gone(project, folder):
        raise UsageError("no such text")


def test_a_run_that_failed_before_its_plan_leaves_nothing_to_resume(project: Project, tmp_path: Path) -> None:
    begun, second, third = new_run(project, JOB, None), new_run(project, JOB, None), new_run(project, JOB, None)
    (begun / runs.PLAN).write_text("{}")
    (third / "notes.txt").write_text("mine")
    for folder in (begun, second, third):
        fail_in(project, folder)
    assert (begun / runs.RUN).is_file() and not second.exists()
    assert [path.name for path in third.iterdir()] == ["notes.txt"]
    assert unfinished_run(project, "cifar10", None) == begun
    chosen = new_run(project, JOB, tmp_path / "chosen")
    fail_in(project, chosen)
    assert new_run(project, JOB, tmp_path / "chosen") == chosen, "the folder can be used again"


def test_the_job_is_readable_json(project: Project) -> None:
    row = json.loads((new_run(project, JOB, None) / runs.RUN).read_text())
    assert (row["recipe"]["name"], row["seed"], row["minutes"]) == ("cifar10", 3, 1.5)


# ---- what went wrong in the child ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (FileNotFoundError("load: expected a file at m, found none."), "load: expected a file at m, found none."),
        (OSError(errno.ENOSPC, "No space left on device"), "expected to use a file, found the disk full: free some"),
        (MemoryError("Cannot allocate 466 TiB"), "expected enough memory, found Cannot allocate 466 TiB: try a"),
        (MemoryError(), "expected enough memory, found too little: try a smaller"),
        (ZeroDivisionError("division by zero"), "expected the program to run through, found ZeroDivisionError"),
    ],
)
def test_what_went_wrong_is_one_sentence(problem: Exception, expected: str) -> None:
    with pytest.raises(type(problem)) as caught:
        raise problem
    assert sentence(caught.value).startswith(expected)


# ---- what the child reports ------------------------------------------------------------------------------------------


def test_what_the_package_prints_does_not_disturb_the_report() -> None:
    code = """
import os, sys
from tito.training.child.report import Report, StopRequest
report = Report(StopRequest())
print("half a line", end=""); print(", and the rest")
print("a warning", file=sys.stderr)
os.write(1, b"from a library in C")
report("step", loss=float("nan"), lr=0.1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"event": "printed", "text": "half a line, and the rest"},
        {"event": "printed", "text": "a warning"},
        {"event": "step", "loss": "nan", "lr": 0.1},
    ]
    assert done.stderr == "from a library in C"


DIES, EXITS = "signal.pause()", "try: signal.pause()\nexcept KeyboardInterrupt: sys.exit('KeyboardInterrupt')"


@pytest.mark.parametrize("waiting", [DIES, EXITS])
def test_a_wish_to_stop_before_the_child_listens_ends_it(project: Project, waiting: str) -> None:
    code = """import json, signal, sys\nprint(json.dumps({"event": "step"}), flush=True)\n"""
    (project.root / "deaf.py").write_text(code + waiting)
    kinds = []
    for event in reported(project, ["deaf"], threads=1):
        kinds.append(event["event"])
        os.kill(os.getpid(), signal.SIGINT)
    assert kinds == ["step", "killed"]


def test_a_child_to_which_nobody_listens_any_more_may_save(project: Project) -> None:
    code = """
import json, pathlib, signal
try:
    print(json.dumps({"event": "step"}), flush=True)
    signal.pause()
except KeyboardInterrupt:
    pathlib.Path("saved").touch()
"""
    (project.root / "child.py").write_text(code)
    events = reported(project, ["child"], threads=1)
    assert next(events)["event"] == "step"
    events.close()
    assert (project.root / "saved").is_file()


def test_a_reader_that_has_gone_is_a_wish_to_stop() -> None:
    code = """
import os, sys
from tito.training.child.report import Report, StopRequest
stop = StopRequest()
report = Report(stop)
sys.stdin.read()
report("step")
os._exit(7 if stop.made else 0)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.close()
        process.stdin.close()
        assert process.wait(60) == 7
