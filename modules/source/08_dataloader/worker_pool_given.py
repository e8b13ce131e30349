"""The loader's side of its worker processes: start them, exchange messages, and leave nothing behind.

Each worker is a fresh interpreter at the other end of a socket. It has nothing that outlives it: memory without a name
(transport_given.py), no lock, no file. So closing the socket, or the death of this process, is all it takes.

Every task says into which slot of memory its answer goes; a slot is given out again when its answer has been copied.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections import deque
from multiprocessing import spawn
from typing import Any

from tinytorch.core.engine import TinyTorchError
from tinytorch.given.transport import NOT_PICKLED, Slot, pack, receive, send, send_packed
from tinytorch.given.worker_info import get_worker_info
from tinytorch.given.worker_process import Failure, Job

PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from tinytorch.given.worker_process import main; main(int(sys.argv[1]))"
)
THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "NUMBA")}
STOP_SECONDS = 1.0  # a worker in the middle of a batch has so long to end by itself
IN_MAIN = (
    "put functions and classes at the top level of a file that can be imported (no lambda, no notebook cell), "
    "or use num_workers=0"
)


class WorkerError(TinyTorchError):
    """A worker process failed; the message holds its error, the item, and its traceback."""


class WorkerPool:
    """`count` worker processes with the same job. `seeds` gives each its own; `timeout` in seconds, 0 for none."""

    def __init__(self, count: int, job: Job, timeout: float, seeds: list[int]):
        if get_worker_info() is not None:
            raise WorkerError("Expected num_workers=0 inside a worker process, found a loader that wants workers.")
        self.timeout = timeout
        self.processes: list[subprocess.Popen] = []
        self.links: list[socket.socket] = []
        self.stale = [0] * count  # answers on their way that nobody waits for any more
        self.free: list[list[tuple[int, Slot]]] = [[] for _ in range(count)]
        self.under_way: list[deque[tuple[int, Slot]]] = [deque() for _ in range(count)]  # in the order of the answers
        self.close = weakref.finalize(self, _close, self.processes, self.links)  # at exit too, at the latest
        handle, script = _pack_job(job)
        try:
            for number in range(count):
                self._start()
                send(self.links[number], (number, count, seeds[number], script))
                send_packed(self.links[number], handle)
        except BaseException:
            self.close()
            raise
        finally:
            os.close(handle)

    def _start(self) -> None:
        """One more process. Ctrl-C is held back until it runs: it is for the loader, the worker must not see it."""
        ours, theirs = socket.socketpair()
        self.links.append(ours)
        flags = [f"-W{option}" for option in sys.warnoptions]
        command = [os.fsdecode(spawn.get_executable()), *flags, "-P", "-c", PROGRAM, str(theirs.fileno()), *sys.path]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with theirs:
                self.processes.append(subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, env={**os.environ, **THREADS}, pass_fds=[theirs.fileno()]
                ))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def send(self, worker: int, task: tuple) -> None:
        """Give a task to a worker."""
        try:
            send(self.links[worker], task)
        except ConnectionError:
            raise self._died(worker) from None

    def ask(self, worker: int, seed: int, indices: Any) -> None:
        """Have a worker make a batch."""
        free, under_way = self.free[worker], self.under_way[worker]
        under_way.append(free.pop() if free else (len(under_way), Slot()))
        self.send(worker, ("batch", seed, indices, under_way[-1][0]))

    def receive(self, worker: int) -> tuple:
        """The worker's next answer. Raises WorkerError if it failed, died, or takes longer than the timeout."""
        while self.stale[worker]:
            self.stale[worker] -= 1
            self._receive(worker)
        answer = self._receive(worker)
        if isinstance(answer, Failure):
            raise _error(worker, answer)
        return answer

    def _receive(self, worker: int) -> Any:
        link, numbered = self.links[worker], self.under_way[worker].popleft()
        link.settimeout(self.timeout or None)
        try:
            answer = receive(link, numbered[1])
        except TimeoutError:
            raise WorkerError(
                f"Expected a batch from worker {worker} within {self.timeout} s, found none: raise timeout, or look "
                "for what the data set waits for."
            ) from None
        except (EOFError, ConnectionError):
            raise self._died(worker) from None
        self.free[worker].append(numbered)
        return answer

    def _died(self, worker: int) -> WorkerError:
        process = self.processes[worker]
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        how = "closed its connection" if code is None else f"ended with exit code {code}"
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        memory = " (often for lack of memory: try fewer workers or smaller batches)" if code == -signal.SIGKILL else ""
        return WorkerError(
            f"Expected worker {worker} (process {process.pid}) to send a batch, found that it {how}{memory}; "
            "num_workers=0 shows errors in this process."
        )


def _pack_job(job: Job) -> tuple[int, dict | None]:
    """The job's memory file, and how to import the main script if the job needs something of it."""
    try:
        handle, needs_script = pack(job)
    except NOT_PICKLED as error:
        raise WorkerError(
            f"Expected a data set (with its transforms, collate_fn and worker_init_fn) that can be sent to a worker "
            f"process, found {type(job.dataset).__name__}: {str(error).rstrip('.')}; {IN_MAIN}."
        ) from error
    if not needs_script:
        return handle, None
    script = spawn.get_preparation_data("worker")
    return handle, {key: value for key, value in script.items() if key != "authkey"}  # refuses to be pickled


def _error(worker: int, failure: Failure) -> WorkerError:
    if failure.stage == "start":
        return WorkerError(
            f"Expected worker {worker} to start, found {failure.error}; {IN_MAIN}; a script that uses workers does "
            f'its work under `if __name__ == "__main__":`.\n\nTraceback of the worker:\n{failure.traceback}'
        )
    notes = f" {failure.notes}" if failure.notes else ""
    return WorkerError(
        f"Expected a batch from worker {worker}, found {failure.error}.{notes}\n\nTraceback of the worker:\n"
        f"{failure.traceback}"
    )


def _close(processes: list[subprocess.Popen], links: list[socket.socket]) -> None:
    """End all workers: those that wait at once and in order, those in the middle of a batch after STOP_SECONDS."""
    try:
        for link in links:
            try:
                send(link, None)
            except OSError:
                continue  # it has ended already
        _wait(processes, STOP_SECONDS)
    finally:
        for link in links:
            link.close()  # a worker that still runs ends itself now
        _wait(processes, STOP_SECONDS)
        for process in processes:
            process.kill()
            process.wait()


def _wait(processes: list[subprocess.Popen], seconds: float) -> None:
    end = time.monotonic() + seconds
    for process in processes:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            return
