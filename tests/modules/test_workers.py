"""Worker processes: the same batches, errors that tell, and nothing left behind, whatever happens."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.modules.worker_datasets import (
    Drawing,
    Failing,
    MeasuredStream,
    Pair,
    Rich,
    Settings,
    Squares,
    Stream,
    describe_worker,
)
from tinytorch import DTypeError, Generator, Tensor, TinyTorchError, tensor
from tinytorch.datasets import Digits
from tinytorch.given.transport import Slot, pack
from tinytorch.given.worker_pool import WorkerError
from tinytorch.transforms import Compose, RandomCrop, RandomHorizontalFlip, ToFloat
from tinytorch.utils.data import DataLoader, TensorDataset, get_worker_info

ROOT = Path(__file__).parents[2]


def children(parent: int | None = None) -> set[int]:
    """The processes that `parent` (default: this one) has started and that still run or wait to be reaped."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if int(fields[1]) == (parent or os.getpid()):
            found.add(int(stat.parent.name))
    return found


def belongings() -> tuple[set[int], set[str], int]:
    """Child processes, entries of /dev/shm, and the number of open handles."""
    return children(), shared_memory(), len(os.listdir("/proc/self/fd"))


def shared_memory() -> set[str]:
    """The entries of /dev/shm, without those in which other programs note that they use OpenMP."""
    return {name for name in os.listdir("/dev/shm") if not name.startswith("__KMP")}


@pytest.fixture(autouse=True)
def nothing_is_left() -> Any:
    before = belongings()
    yield
    assert belongings() == before


def values(batch: Any) -> Any:
    """A batch as plain Python values."""
    if isinstance(batch, Tensor):
        return batch.tolist()
    if isinstance(batch, dict):
        return {key: values(value) for key, value in batch.items()}
    return [values(part) for part in batch] if isinstance(batch, list | tuple) else batch


# ---- the same batches ------------------------------------------------------------------------------------------------


def test_batches_order_and_augmentation_are_those_without_workers() -> None:
    data = Digits(transform=Compose([RandomCrop(8, padding=2), RandomHorizontalFlip(), ToFloat()]))

    def run(**settings: Any) -> list:
        loader = DataLoader(data, 400, shuffle=True, generator=Generator(3), **settings)
        return [(x.numpy().copy(), y.tolist()) for _ in range(2) for x, y in loader]

    alone = run()
    together = run(num_workers=2, persistent_workers=True, prefetch_factor=1, pin_memory=True)
    assert [y for _, y in together] == [y for _, y in alone]
    for (x, _), (expected, _) in zip(together, alone, strict=True):
        assert np.array_equal(x, expected)


def test_what_an_item_draws_depends_on_its_place_alone() -> None:
    def run(workers: int) -> list:
        return [values(b) for b in DataLoader(Drawing(), 2, num_workers=workers, generator=Generator(5))]

    alone, one, two = run(0), run(1), run(2)
    assert [b["ours"] for b in alone] == [b["ours"] for b in one] == [b["ours"] for b in two]
    for name in ("python", "numpy"):
        assert [b[name] for b in one] == [b[name] for b in two]
    assert len({x for b in alone for pair in b["ours"] for x in pair}) == 20
    assert [b["worker"] for b in two] == [[0, 0], [1, 1], [0, 0], [1, 1], [0, 0]]
    assert {w for b in alone for w in b["worker"]} == {-1} and get_worker_info() is None


def test_a_resumed_run_continues_exactly() -> None:
    def make(workers: int, seed: int) -> DataLoader:
        return DataLoader(Drawing(), 2, shuffle=True, num_workers=workers, generator=Generator(seed))

    whole = [values(b) for b in make(1, 1)]
    stopped = make(2, 1)
    loop = iter(stopped)
    for _ in range(2):
        next(loop)
    state = json.loads(json.dumps(stopped.state_dict()))
    loop.close()
    assert (state["epoch"], state["position"]) == (0, 2), "batches made ahead do not count as handed out"
    resumed = make(1, 9)
    resumed.load_state_dict(state)
    rest = [values(b) for b in resumed]
    assert [b | {"worker": 0} for b in rest] == [b | {"worker": 0} for b in whole[2:]]


def test_every_kind_of_value_travels() -> None:
    (batch,) = DataLoader(Rich(), 10, num_workers=1)
    assert isinstance(batch, Pair)
    assert batch.image["x"].numpy().tolist() == np.arange(10.0).repeat(6).reshape(10, 2, 3).tolist()
    assert batch.image["name"] == [f"n{i}" for i in range(10)] and batch.label.tolist() == list(range(10))
    batch.image["x"].add_(1.0)  # it is ours to write to


def test_samplers_collate_fn_and_single_items() -> None:
    numbers = TensorDataset(tensor(np.arange(6)))
    odd = DataLoader(numbers, batch_sampler=[[5, 1], [3]], num_workers=1)
    assert [b[0].tolist() for b in odd] == [[5, 1], [3]]
    assert list(DataLoader(Squares(5), 2, drop_last=True, collate_fn=len, num_workers=1)) == [2, 2]
    assert list(DataLoader(Squares(3), batch_size=None, num_workers=1)) == [[0, 0], [1, 1], [2, 4]]


def test_memory_that_is_used_again_changes_no_batch() -> None:
    rows = np.arange(60.0 * 400).reshape(60, 400)
    wanted = [[7], list(range(50)), [3, 4], [59], list(range(10, 60)), [0], [8, 8]]
    settings: dict[str, Any] = {"num_workers": 2, "persistent_workers": True, "prefetch_factor": 1}
    loader = DataLoader(TensorDataset(tensor(rows)), batch_sampler=wanted, **settings)
    (left,) = next(iter(loader))  # answers of this epoch are still on their way when the next one begins
    kept = [batch for _ in range(2) for (batch,) in loader]
    left.add_(1.0)
    for batch, indices in zip(kept, wanted * 2, strict=True):
        assert np.array_equal(batch.numpy(), rows[indices])


def test_messages_come_through_as_they_were() -> None:
    scores = tensor([[1.0, 2.0]], requires_grad=True)
    message = {"big": np.arange(5000.0).reshape(50, 100).T, "empty": np.zeros((0, 3)), "t": scores, "g": Generator(7)}
    for share in (False, True):
        handle, of_script = pack(message)
        got = Slot().read(handle, share)
        assert not of_script and np.array_equal(got["big"], message["big"]) and got["empty"].shape == (0, 3)
        assert got["t"].requires_grad and got["t"].tolist() == [[1.0, 2.0]]
        assert got["g"].get_state() == {"seed": 7, "offset": 0}
        got["big"][0] = 3.0
    with pytest.raises(DTypeError, match="tensors without a graph between processes"):
        pack(scores * 2)


# ---- settings --------------------------------------------------------------------------------------------------------


def test_what_a_worker_knows_about_itself() -> None:
    def run() -> list[str]:
        loader = DataLoader(
            Settings(4), num_workers=2, worker_init_fn=describe_worker, persistent_workers=True
        )
        return [text for _ in range(2) for (text,) in loader]

    lines = run()
    assert len(lines) == 8 and all(line.startswith(f"{i % 2} of 2 seed") for i, line in enumerate(lines)), lines
    assert all("count 104 threads ('1', '1')" in line for line in lines), "worker_init_fn runs once in each worker"
    assert len({line.split()[-1] for line in lines}) == 2, "persistent workers serve both epochs"
    assert len({line.split()[4] for line in lines}) == 2, "each worker has a seed of its own"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_workers": -1}, "at least 0, found -1"),
        ({"num_workers": True}, "found True"),
        ({"num_workers": 1, "prefetch_factor": 0}, "at least 1, found 0"),
        ({"prefetch_factor": 2}, "num_workers above 0"),
        ({"persistent_workers": True}, "num_workers above 0"),
        ({"timeout": -1}, "timeout in seconds, 0 for none, found -1"),
        ({"num_workers": 1, "worker_init_fn": 3}, "function of the worker's number, found 3"),
        ({"num_workers": 1, "multiprocessing_context": "fork"}, "found 'fork': workers are always fresh processes"),
        ({"batch_size": None, "drop_last": True}, "drop_last=False with batch_size=None"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict, words: str) -> None:
    with pytest.raises(TinyTorchError, match=words):
        DataLoader(Squares(), **settings)


# ---- streams ---------------------------------------------------------------------------------------------------------


def test_a_stream_gives_every_item_once() -> None:
    alone = [b.tolist() for b in DataLoader(Stream(7), 3)]
    assert alone == [[0, 1, 2], [3, 4, 5], [6]]
    expected = [[0, 2], [1, 3], [4, 6], [5, 7], [8]]  # the workers take turns; the first has one item more
    for drop_last, prefetch in ((False, 1), (True, 3)):
        loader = DataLoader(Stream(9), 2, num_workers=2, prefetch_factor=prefetch, drop_last=drop_last)
        assert [b.tolist() for b in loader] == expected[: 4 if drop_last else 5]
    assert list(DataLoader(Stream(2), batch_size=None)) == [0, 1]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_is_resumed_by_going_through_it_again(workers: int) -> None:
    loader = DataLoader(MeasuredStream(9), 2, num_workers=workers, persistent_workers=workers > 0)
    whole = [b.tolist() for b in loader]
    assert len(loader) == 5 and loader.state_dict()["epoch"] == 1
    loader.load_state_dict({**loader.state_dict(), "epoch": 0, "position": 3})
    assert [b.tolist() for b in loader] == whole[3:]


def test_a_stream_without_a_length_and_contradictions() -> None:
    loader = DataLoader(Stream(3))
    assert len(list(loader)) == 3 and loader.state_dict()["batches"] is None
    with pytest.raises(TypeError, match="a data set with a length, found Stream without one"):
        len(loader)
    with pytest.raises(TinyTorchError, match="a stream without shuffle"):
        DataLoader(Stream(3), shuffle=True)


# ---- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("raise", r"from worker 1, found ValueError: seven is bad. This was item 7 of Failing.\n\nTraceback of the wor"
                  r"(.|\n)*worker_datasets.py(.|\n)*raise ValueError"),
        ("kill", r"worker 1 \(process \d+\) to send a batch, found that it was killed by SIGKILL \(often for lack of"),
        ("sleep", r"from worker 1 within 4 s, found none"),
        ("lambda", r"from worker 1, found .*lambda"),
    ],
)
def test_an_error_in_a_worker_is_told_at_its_place(how: str, words: str) -> None:
    seen = []
    with pytest.raises(WorkerError, match=words):
        for batch in DataLoader(Failing(how), 2, num_workers=2, timeout=4 * (how == "sleep"), collate_fn=list):
            seen.append(batch)
    assert seen == [[0, 1], [2, 3], [4, 5]], "the batches before it arrive"


def test_the_item_is_named_without_workers_too() -> None:
    with pytest.raises(ValueError, match="seven") as caught:
        list(DataLoader(Failing("raise"), 2))
    assert caught.value.__notes__ == ["This was item 7 of Failing."]


def broken_start(number: int) -> None:
    raise OSError("no licence")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DataLoader([lambda: 1], num_workers=1), "sent to a worker process, found list: .*lambda.*num_wor"),
        (lambda: DataLoader([1], num_workers=1, collate_fn=lambda x: x), "top level of a file"),
        (lambda: DataLoader([sys.stdout], num_workers=1), "found list: .*cannot pickle"),
        (lambda: DataLoader([1], num_workers=1, worker_init_fn=broken_start), "to start, found OSError: no lic"),
    ],
)
def test_what_cannot_be_sent_or_started_says_so(make: Callable, words: str) -> None:
    with pytest.raises(WorkerError, match=words):
        list(make())


NOTEBOOK = """
from tinytorch.utils.data import DataLoader, Dataset
class Mine(Dataset):
    __len__ = lambda self: 4
    def __getitem__(self, i): return i
list(DataLoader(Mine(), num_workers=1))
"""


def python(*arguments: Any) -> subprocess.CompletedProcess:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("as_script", [False, True])
def test_a_class_of_a_notebook_or_an_unguarded_script_says_so(as_script: bool, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(NOTEBOOK)
    done = python(*([script] if as_script else ["-c", NOTEBOOK]))
    assert done.returncode == 1 and "Expected worker 0 to start, found" in done.stderr, done.stderr
    assert 'if __name__ == "__main__":' in done.stderr and "no notebook cell" in done.stderr


def test_a_guarded_script_may_hold_its_data_set(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    guarded = 'if __name__ == "__main__":\n    print([b.tolist() for b in DataLoader(Mine(), 2, num_workers=1)])'
    script.write_text(NOTEBOOK.replace("list(DataLoader(Mine(), num_workers=1))", guarded))
    done = python(script)
    assert (done.stdout, done.stderr) == ("[[0, 1], [2, 3]]\n", "")


# ---- nothing is left -------------------------------------------------------------------------------------------------


def test_leaving_the_loop_early_ends_the_workers() -> None:
    before = children()
    loader = DataLoader(Squares(1000), 2, num_workers=2)
    for _ in loader:
        assert len(children() - before) == 2
        break
    assert children() == before
    with pytest.raises(ZeroDivisionError):
        for _ in DataLoader(Squares(1000), 2, num_workers=1):
            _ = 1 / 0
    assert children() == before


def test_persistent_workers_survive_an_early_end_and_go_with_the_loader() -> None:
    before = children()
    loader = DataLoader(Squares(20), 2, num_workers=2, persistent_workers=True)
    for _ in loader:
        break
    workers = children() - before
    assert len(workers) == 2
    assert [b[0].tolist() for b in loader] == [[i, i + 1] for i in range(0, 20, 2)], "no answers of the epoch before"
    assert children() - before == workers
    del loader
    assert children() == before


def test_batches_that_are_kept_hold_no_handles() -> None:
    before = len(os.listdir("/proc/self/fd"))
    kept = list(DataLoader(TensorDataset(tensor(np.zeros((300, 2000)))), 1, num_workers=1))
    assert len(kept) == 300 and len(os.listdir("/proc/self/fd")) == before


SLOW = """
import sys
from tinytorch.utils.data import DataLoader
from tests.modules.worker_datasets import Endless
for batch in DataLoader(Endless(sys.argv[1], float(sys.argv[2])), 1, num_workers=2):
    print(batch.tolist(), flush=True)
"""


@pytest.mark.parametrize(("how", "seconds"), [("SIGINT", 0.02), ("SIGINT", 30), ("SIGKILL", 30)])
def test_whatever_ends_the_process_ends_its_workers(how: str, seconds: float, tmp_path: Path) -> None:
    shared = shared_memory()
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path), str(seconds)], env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )
    assert process.stdout is not None and process.stderr is not None
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    workers = {int(path.name) for path in tmp_path.iterdir()}
    if how == "SIGINT":
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C: the whole group receives it
    else:
        process.send_signal(signal.Signals[how])
    _, stderr = process.communicate(timeout=20)
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    assert shared_memory() == shared
    if how == "SIGINT":
        assert stderr.count("Traceback") == 1 and stderr.rstrip().endswith("KeyboardInterrupt"), stderr


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Return as soon as the condition holds; fail if it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        select.select([], [], [], 0.02)
