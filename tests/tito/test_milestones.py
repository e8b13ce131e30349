"""`tito milestone`: the table, what a run makes of an example, and what it does with one that misbehaves."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.tito.command import SECONDS, TITO, fail, records, tito
from tests.tito.toy import Toy
from tito.course.model import load_course
from tito.errors import ChildError, CourseError, ProjectError, UsageError
from tito.milestones.results import folder_of, read_result, stopped_state
from tito.milestones.run import run_milestone
from tito.milestones.table import Expectation, find_milestone, load_milestones
from tito.project import Project, find_project
from tito.run.reporting import RunError

PROJECT = find_project(Path(__file__))

ENTRY = """\
[[milestone]]
name = "toy"
year = 1943
question = "Can a neuron count?"
requires = []
expected = ["accuracy >= 0.5"]
"""


def give(toy: Toy, main: str, table: str = ENTRY) -> Project:
    """The toy course with one milestone, whose main() has this body."""
    folder = toy.project.root / "examples"
    folder.mkdir()
    (folder / "milestones.toml").write_text(table)
    (folder / "1943_toy.py").write_text(f"import os, sys, time\n\n\ndef main():\n    {main}\n")
    return toy.project


def run(project: Project, **options: Any) -> list[dict[str, Any]]:
    """The events of the toy milestone."""
    (milestone,) = load_milestones(project, load_course(project))
    return list(run_milestone(project, milestone, 1, **options))


# ---- the table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "met"),
    [
        ("accuracy >= 0.5", 0.5, True),
        ("accuracy >= 0.5", 0.4999, False),
        ("loss <= 1.88", 1.88, True),
        ("loss <= 1.88", 1.881, False),
        ("parameters == 86567656", 86567656, True),
        ("parameters == 86567656", 86567655, False),
    ],
)
def test_an_expectation_is_met_or_not(toy: Toy, text: str, value: float, met: bool) -> None:
    project = give(toy, "pass", ENTRY.replace("accuracy >= 0.5", text))
    (milestone,) = load_milestones(project, load_course(project))
    (expectation,) = milestone.expected
    assert isinstance(expectation, Expectation) and expectation.met({text.split()[0]: value}) is met


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("accuracy >= 0.5", "accuracy > 0.5", "expected something like"),
        ("requires = []", 'requires = ["99_magic"]', "expected modules of the course, found 99_magic"),
        ("year = 1943", 'year = "1943"', "toy: expected 'year' (int), found '1943'"),
        ('name = "toy"\n', "", "an entry without a name: expected 'name'"),
        ("[[milestone]]", "[[milestone", "expected TOML"),
    ],
)
def test_a_wrong_entry_is_named(toy: Toy, old: str, new: str, said: str) -> None:
    project = give(toy, "pass", ENTRY.replace(old, new))
    with pytest.raises(CourseError) as caught:
        load_milestones(project, load_course(project))
    assert said in str(caught.value)


def test_a_course_without_milestones_says_so(toy: Toy) -> None:
    assert "expected the table of milestones in" in fail(toy.project.root, "milestone", "list", code=2)


@pytest.mark.parametrize("text", ["resnet", "2015", "2015_resnet", "examples/2015_resnet.py", "ResNet"])
def test_a_milestone_has_several_names(text: str) -> None:
    assert find_milestone(load_milestones(PROJECT, load_course(PROJECT)), text).name == "resnet"


def test_an_unknown_milestone_is_refused_with_the_nearest() -> None:
    milestones = load_milestones(PROJECT, load_course(PROJECT))
    with pytest.raises(UsageError, match="found 'lennet': did you mean 'lenet'"):
        find_milestone(milestones, "lennet")
    with pytest.raises(UsageError, match=r"out of perceptron, xor, .*found '1812': see `tito milestone list`"):
        find_milestone(milestones, "1812")


# ---- a run ---------------------------------------------------------------------------------------------------------


def test_a_run_prints_judges_and_records(toy: Toy) -> None:
    project = give(toy, 'print("one"); print("two", file=sys.stderr); return {"accuracy": 0.75, "count": 3}')
    events = run(project)
    assert [event["event"] for event in events] == ["start", "printed", "printed", "result"]
    assert [event["text"] for event in events[1:3]] == ["one", "two"]
    (milestone,) = load_milestones(project, load_course(project))
    result = read_result(folder_of(project, milestone))
    assert result is not None and result.met and result.values == {"accuracy": 0.75, "count": 3}
    assert {"event": "result", "name": "toy", "met": True}.items() <= events[-1].items()
    assert 0 < result.seconds == events[-1]["seconds"]


def test_a_result_below_what_was_expected_fails_and_is_recorded(toy: Toy) -> None:
    project = give(toy, 'return {"accuracy": 0.25}')
    said = fail(project.root, "milestone", "run", "toy")
    assert "✗ expected accuracy >= 0.5, found 0.2500" in said
    assert "not met" in tito(project.root, "milestone", "list").stdout


@pytest.mark.parametrize(
    ("main", "kind", "said"),
    [
        ("return 'a' * 3", ChildError, "expected main() to return numbers by name, found 'aaa'"),
        ("return {}", ChildError, "expected main() to return numbers by name"),
        ("return {'accuracy': float('nan')}", ChildError, "expected a finite number as accuracy, found 'nan'"),
        ("return {'accuracy': 10**400}", ChildError, "expected a finite number as accuracy, found 1000"),
        ("return {'accuracy': True}", ChildError, "expected a finite number as accuracy, found True"),
        ("return {'loss': 0.1}", ChildError, "expected main() to return accuracy too, found only loss"),
        ("return 1 / 0", RunError, "found ZeroDivisionError: division by zero (in 1943_toy.py, line 5)"),
        ("os._exit(3)", ChildError, "found exit code 3 and no word"),
        ("[os.write(int(n), b'boo\\n') for n in os.listdir('/dev/fd')[2:4]]", ChildError, "found b'boo"),
    ],
)
def test_an_example_that_misbehaves_is_one_sentence_and_no_result(toy: Toy, main: str, kind: type, said: str) -> None:
    project = give(toy, main)
    with pytest.raises(kind) as caught:
        run(project)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    (milestone,) = load_milestones(project, load_course(project))
    assert read_result(folder_of(project, milestone)) is None


def test_a_damaged_result_is_one_sentence(toy: Toy) -> None:
    project = give(toy, 'return {"accuracy": 1}')
    run(project)
    (milestone,) = load_milestones(project, load_course(project))
    path = folder_of(project, milestone) / "result.json"
    for text in ("", "[]", json.dumps(json.loads(path.read_text()) | {"values": "many"})):
        path.write_text(text)
        with pytest.raises(ProjectError, match="found it damaged"):
            read_result(path.parent)


def test_a_saved_state_is_kept_for_a_stopped_run_and_removed_for_a_new_one(toy: Toy) -> None:
    project = give(toy, 'return {"accuracy": os.path.exists("runs/milestones/toy/last.safetensors")+0}')
    state = project.root / "runs" / "milestones" / "toy" / "last.safetensors"
    state.parent.mkdir(parents=True)

    def leave_a_state() -> None:
        state.write_bytes(b"state")
        later = state.stat().st_mtime_ns + 10**9
        os.utime(state, ns=(later, later))

    leave_a_state()
    assert stopped_state(state.parent)
    events = run(project)
    assert (events[0]["continued"], events[-1]["values"]) == (True, {"accuracy": 1})
    leave_a_state()
    events = run(project, fresh=True)
    assert (events[0]["continued"], events[-1]["values"]) == (False, {"accuracy": 0})


def test_the_state_of_a_finished_run_is_no_beginning_of_the_next(toy: Toy) -> None:
    saves = 'open("runs/milestones/toy/last.safetensors", "w").close(); return {"accuracy": 1}'
    project = give(toy, saves)
    assert [run(project)[0]["continued"] for _ in range(2)] == [False, False]


def test_a_terminal_sees_what_is_written_as_it_is_written(toy: Toy) -> None:
    project = give(toy, 'sys.stderr.write(f"\\rhalf{sys.stderr.isatty()}"); return {"accuracy": 1}')
    parent, child = pty.openpty()
    process = subprocess.Popen([TITO, "milestone", "run", "toy"], cwd=project.root, stdout=child)
    os.close(child)
    shown = b"".join(iter(lambda: _read(parent), b"")).decode()
    os.close(parent)
    assert process.wait(SECONDS) == 0, shown
    assert "\rhalfTrue" in shown and "expected accuracy >= 0.5, found 1" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other end is closed
        return b""


# ---- with the framework --------------------------------------------------------------------------------------------

TRAINING = """\
from tinytorch import manual_seed, nn, optim
from tinytorch.datasets import Digits
from tinytorch.training import Checkpointer, ProgressBar, Trainer
from tinytorch.transforms import ToTensor
from tinytorch.utils.data import DataLoader


def main():
    manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    keeper = Checkpointer("runs/milestones/toy")
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), callbacks=[ProgressBar(always=True), keeper])
    if keeper.last.exists():
        trainer.load(keeper.last)
    trainer.fit(DataLoader(Digits(transform=ToTensor()), 16, shuffle=True), epochs=EPOCHS)
    if trainer.interrupted:
        raise KeyboardInterrupt
    return {"accuracy": trainer.history["train_accuracy"][-1], "epochs": trainer.epoch}
"""


@pytest.fixture
def beside_the_package(tmp_path: Path) -> Project:
    """A project of its own, so that no result of the real one is touched, with the exported package."""
    for name in ("modules", "tinytorch", "examples"):
        (tmp_path / name).symlink_to(PROJECT.root / name)
    return Project(tmp_path)


def test_ctrl_c_saves_and_the_next_run_goes_on(beside_the_package: Project) -> None:
    root = beside_the_package.root
    (root / "examples").unlink()
    (root / "examples").mkdir()
    (root / "examples" / "milestones.toml").write_text(ENTRY)
    example = root / "examples" / "1943_toy.py"
    example.write_text(TRAINING.replace("EPOCHS", "500"))
    command = [str(TITO), "milestone", "run", "toy", "--json", "--threads", "1"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("text", "").startswith("epoch 1/"):
                process.send_signal(signal.SIGINT)
                break
        rest = records(process.stdout.read())
        assert process.wait(SECONDS) == 130
    assert rest[-1] == {"event": "stopped", "saved": True}
    assert records(tito(root, "milestone", "list", "--json").stdout)[0]["stopped"] is True

    example.write_text(TRAINING.replace("EPOCHS", "4"))
    events = records(tito(root, "milestone", "run", "toy", "--json", "--threads", "1").stdout)
    assert events[0]["continued"] is True
    assert events[-1]["values"]["epochs"] >= 4 and events[-1]["met"], events[-1]
    assert not [event for event in events if event.get("text", "").startswith("epoch 1/")]


@pytest.mark.parametrize("name", ["perceptron", "xor"])
def test_the_first_milestones_run_whole(beside_the_package: Project, name: str) -> None:
    done = tito(beside_the_package.root, "milestone", "run", name, "--json")
    assert done.returncode == 0 and records(done.stdout)[-1]["met"] is True, done
    rows = records(tito(beside_the_package.root, "milestone", "list", "--json").stdout)[:-1]
    assert [row["name"] for row in rows if row["result"]] == [name]


def test_missing_data_is_one_sentence(beside_the_package: Project, tmp_path: Path) -> None:
    done = tito(beside_the_package.root, "milestone", "run", "mlp", TINYTORCH_DATA=str(tmp_path / "nothing"))
    assert done.returncode == 1 and "run `tito data get mnist`" in done.stderr and done.stderr.count("\n") == 1, done


def test_a_milestone_is_locked_until_its_modules_are_exported(tmp_path: Path) -> None:
    (tmp_path / "modules").symlink_to(PROJECT.root / "modules")
    (tmp_path / "examples").symlink_to(PROJECT.root / "examples")
    said = fail(tmp_path, "milestone", "run", "perceptron")
    assert said == (
        "expected every module that perceptron needs in the exported package, found 01_setup, 02_tensor, 08_dataloader "
        "missing: continue with `tito module complete setup`\n"
    )
    rows = records(tito(tmp_path, "milestone", "list", "--json").stdout)
    assert rows[0]["missing"] == ["01_setup", "02_tensor", "08_dataloader"] and rows[-1]["unlocked"] == 0
    assert not (tmp_path / "runs").exists()
