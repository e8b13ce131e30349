"""Python objects between our own processes, through memory that has no name.

A message is pickled, its arrays beside it, into a file that exists only in memory; a socket carries the file's handle
to the other process. Such a file has no entry in any folder: whatever happens to the processes, nothing of it is left.
Batches come one after the other and are of one size, so their memory is kept and written to again (Slot): asking the
system for new pages costs more than making the batch.

Unpickling can run any program, so it is only done with what a process of ours has sent over a socket that nobody else
has: nothing is ever unpickled from a disk or a network. Tensors, which refuse `pickle` elsewhere, travel as arrays.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import socket
import struct
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinytorch.core.engine import DTypeError
from tinytorch.core.tensor import Tensor, from_numpy
from tinytorch.given.random import DEFAULT_GENERATOR, Generator

ALIGN = 64  # arrays start at multiples of it, as NumPy's own do
SMALL = 1024  # bytes; smaller arrays stay inside the pickle
NOT_PICKLED = (pickle.PicklingError, AttributeError, TypeError)  # what Python raises for an object it cannot pickle


class MessagePickler(pickle.Pickler):
    """Pickles what workers exchange; tensors and generators, which have no pickled form elsewhere, included."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is Tensor:
            if value.requires_grad and not value.is_leaf:
                raise DTypeError(
                    "Expected tensors without a graph between processes, found one that was computed from others and "
                    "requires a gradient: send x.detach()."
                )
            return _tensor, (value.detach().numpy(), value.requires_grad)
        if value is DEFAULT_GENERATOR:
            return "DEFAULT_GENERATOR"
        if type(value) is Generator:
            return _generator, (value.get_state(),)
        return NotImplemented


def _tensor(array: np.ndarray, requires_grad: bool) -> Tensor:
    tensor = from_numpy(array)
    tensor.requires_grad = requires_grad
    return tensor


def _generator(state: dict[str, int]) -> Generator:
    generator = Generator()
    generator.set_state(state)
    return generator


class Slot:
    """Memory that two processes see, for one message after the other.

    The receiver copies what it reads. Nobody may write before the other has read: whoever hands out slots sees to that.
    """

    def __init__(self) -> None:
        self.memory = memoryview(b"")

    def write(self, parts: list[memoryview]) -> int | None:
        """Lay the parts into the memory; returns the handle of a new file, for the receiver, if it was too small."""
        places, size = _layout([part.nbytes for part in parts])
        handle = None if size <= len(self.memory) else _memory_file(size)
        if handle is not None:
            self.memory = _map(handle)
        struct.pack_into(f"<{1 + len(parts)}Q", self.memory, 0, len(parts), *(part.nbytes for part in parts))
        for part, place in zip(parts, places, strict=True):
            self.memory[place] = part
        return handle

    def read(self, handle: int | None = None, share: bool = False) -> Any:
        """The message, from now on in the file `handle` if there is one, which is closed.

        Its arrays are private copies. With `share` they stay where they are, one copy for all processes, until somebody
        writes to them (then that process gets its own page).
        """
        if handle is not None:
            try:
                self.memory = _map(handle, mmap.MAP_PRIVATE if share else mmap.MAP_SHARED)
            finally:
                os.close(handle)
        (count,) = struct.unpack_from("<Q", self.memory)
        places, size = _layout(struct.unpack_from(f"<{count}Q", self.memory, 8))
        memory = self.memory if share else memoryview(np.array(self.memory[:size]))
        parts = [memory[place] for place in places]
        return pickle.loads(parts[0], buffers=parts[1:])


def pack(message: Any) -> tuple[int, bool]:
    """The handle of a memory file that holds `message`, and whether the message names anything of the main script.

    The caller closes the handle. What cannot be pickled raises one of NOT_PICKLED.
    """
    parts = _pickled(message)
    pickled = bytes(parts[0])
    return Slot().write(parts), b"__main__" in pickled or b"__mp_main__" in pickled


def send(link: socket.socket, message: Any, slot: Slot | None = None) -> None:
    """Send a message to the process at the other end, in memory of its own or in `slot`, which it then reads."""
    handle = (slot or Slot()).write(_pickled(message))
    if handle is None:
        link.sendall(b".")
        return
    try:
        send_packed(link, handle)
    finally:
        os.close(handle)


def send_packed(link: socket.socket, handle: int) -> None:
    """Send a message that is packed already; the handle stays open here."""
    socket.send_fds(link, [b"."], [handle])


def receive(link: socket.socket, slot: Slot | None = None, share: bool = False) -> Any:
    """The next message, which lies in `slot` or brings its memory along. Raises EOFError if the other end has gone."""
    data, handles, _, _ = socket.recv_fds(link, 1, 1)
    if not data:
        raise EOFError("the other process has closed the connection")
    return (slot or Slot()).read(handles[0] if handles else None, share)


def _pickled(message: Any) -> list[memoryview]:
    """The pickled message, then its large arrays as they lie in memory."""
    stream, buffers = io.BytesIO(), []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < SMALL:
            return True
        buffers.append(buffer.raw())
        return False

    MessagePickler(stream, protocol=5, buffer_callback=beside).dump(message)
    return [stream.getbuffer(), *buffers]


def _layout(sizes: Sequence[int]) -> tuple[list[slice], int]:
    """Where parts of these sizes lie behind the table of the sizes, and where the last one ends."""
    places, end = [], 8 * (1 + len(sizes))
    for size in sizes:
        start = -(-end // ALIGN) * ALIGN
        end = start + size
        places.append(slice(start, end))
    return places, end


def _map(handle: int, flags: int = mmap.MAP_SHARED) -> memoryview:
    return memoryview(mmap.mmap(handle, 0, flags=flags))


def _memory_file(size: int) -> int:
    """The handle of a file of zeros without a name; in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("tinytorch", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            handle = os.dup(file.fileno())
    os.ftruncate(handle, size)
    return handle
