"""(e) Data loading beside training: a worker process crops and mirrors images while the network of (a) makes steps.

What counts is the loader's share of one core: the processor time of the worker and of fetching its batches, by the time
that passes. And it must keep ahead: the training loop should never wait for a batch.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.child import ask
from benchmarks.libraries import OURS, Library
from benchmarks.setting import Setting
from benchmarks.workloads import cnn

BATCH, IMAGES, STEPS = 128, 2560, 12


def measure(setting: Setting) -> dict[str, Any]:
    """The share of one core in each round, and the share of the time that the training loop waited."""
    rounds = ask("loading", OURS, setting, setting.rounds)["rounds"]
    waited = [found["waiting"] / found["seconds"] for found in rounds]
    shares = [found["cpu_seconds"] / found["seconds"] for found in rounds]
    note = f"the training loop waited for batches {100 * sorted(waited)[len(waited) // 2]:.1f} % of the time"
    found = {"ratios": shares, "best": min(shares), "note": note}
    return {**found, "waiting": waited, "rounds": rounds, "steps_a_round": STEPS}


def in_child(library: Library, rounds: int) -> dict[str, Any]:
    """Train over the loader, in rounds of some steps."""
    loader = make_loader(library)
    make_step = cnn.prepare_on_batches(library)
    batches = endless(loader)
    for _ in range(3):  # kernels are compiled, and the worker has begun to make batches ahead
        make_step(*next(batches)[:2])
    return {"rounds": [one_round(batches, make_step) for _ in range(rounds)]}


def one_round(batches: Any, make_step: Any) -> dict[str, float]:
    """Seconds that passed, seconds spent waiting, and the loader's processor time in both processes."""
    images, labels, before = next(batches)
    waiting = fetching = 0.0
    started = time.perf_counter()
    for _ in range(STEPS):
        make_step(images, labels)
        clock, cpu = time.perf_counter(), time.thread_time()
        images, labels, after = next(batches)
        waiting, fetching = waiting + time.perf_counter() - clock, fetching + time.thread_time() - cpu
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "waiting": waiting, "cpu_seconds": fetching + (after - before).item()}


def endless(loader: Any) -> Any:
    """Batches of one epoch after the other."""
    while True:
        yield from loader


def make_loader(library: Library, workers: int = 1) -> Any:
    """Generated images of CIFAR-10's shape, augmented and standardised; each batch comes with its worker's clock."""
    torch, t = library.torch, library.torch.transforms
    steps = [t.RandomCrop(32, padding=4), t.RandomHorizontalFlip(), t.ToFloat(), t.Normalize([0.5] * 3, [0.25] * 3)]
    data = Clocked(torch.datasets.SyntheticImages(size=IMAGES, transform=t.Compose(steps)))
    ahead = {"num_workers": workers, "persistent_workers": True} if workers else {}
    return torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True, **ahead)


class Clocked:
    """A data set whose batches say how much processor time their process has used."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Any:
        return self.data[index]

    def get_batch(self, indices: Any, generator: Any = None) -> list[Any]:
        """The batch and the clock."""
        from tinytorch import tensor

        return [*self.data.get_batch(indices, generator), tensor(time.process_time(), dtype="float64")]
