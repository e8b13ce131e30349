"""Python objects between our own processes, through memory that has no name.

A message is pickled, its arrays beside it, into a file that exists only in memory; a socket carries the file's handle
to the other process. Such a file has no entry in any folder: whatever happens to the processes, nothing of it is left.

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


def pack(message: Any) -> tuple[int, bool]:
    """The handle of a memory file that holds `message`, and whether the message names anything of the main script.

    The caller closes the handle. What cannot be pickled raises one of NOT_PICKLED.
    """
    stream, buffers = io.BytesIO(), []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < SMALL:
            return True
        buffers.append(buffer)
        return False

    MessagePickler(stream, protocol=5, buffer_callback=beside).dump(message)
    pickled = stream.getbuffer()
    parts = [pickled, *(buffer.raw() for buffer in buffers)]
    handle = _memory_file()
    try:
        _write(handle, memoryview(struct.pack(f"<{1 + len(parts)}Q", len(parts), *(part.nbytes for part in parts))))
        for part in parts:
            os.lseek(handle, _aligned(os.lseek(handle, 0, os.SEEK_CUR)), os.SEEK_SET)
            _write(handle, part)
    except BaseException:
        os.close(handle)
        raise
    return handle, b"__main__" in stream.getvalue() or b"__mp_main__" in stream.getvalue()


def unpack(handle: int, share: bool = False) -> Any:
    """The message in a memory file; closes the handle.

    Its arrays are private copies. With `share` they stay where they are, one copy for all processes, until somebody
    writes to them (then that process gets its own page).
    """
    size = os.fstat(handle).st_size
    try:
        memory = memoryview(mmap.mmap(handle, size, flags=mmap.MAP_PRIVATE) if share else _read(handle, size))
    finally:
        os.close(handle)
    (count,) = struct.unpack_from("<Q", memory)
    sizes = struct.unpack_from(f"<{count}Q", memory, 8)
    parts, start = [], 8 * (1 + count)
    for part in sizes:
        start = _aligned(start)
        parts.append(memory[start : start + part])
        start += part
    return pickle.loads(parts[0], buffers=parts[1:])


def send(link: socket.socket, message: Any) -> None:
    """Send a message to the process at the other end."""
    handle, _ = pack(message)
    try:
        send_packed(link, handle)
    finally:
        os.close(handle)


def send_packed(link: socket.socket, handle: int) -> None:
    """Send a message that is packed already; the handle stays open here."""
    socket.send_fds(link, [b"."], [handle])


def receive(link: socket.socket, share: bool = False) -> Any:
    """The next message. Raises EOFError if the other end has gone."""
    data, handles, _, _ = socket.recv_fds(link, 1, 1)
    if not data:
        raise EOFError("the other process has closed the connection")
    return unpack(handles[0], share)


def _memory_file() -> int:
    """The handle of an empty file without a name; in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("tinytorch", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write(handle: int, data: memoryview) -> None:
    while data.nbytes:
        data = data[os.write(handle, data) :]


def _read(handle: int, size: int) -> np.ndarray:
    block, done = np.empty(size, dtype=np.uint8), 0
    while done < size:
        done += os.preadv(handle, [block[done:]], done)
    return block


def _aligned(position: int) -> int:
    return -(-position // ALIGN) * ALIGN
