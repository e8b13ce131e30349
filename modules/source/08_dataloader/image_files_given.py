"""The files of CIFAR-10 and MNIST: how they are laid out, whether they are whole, and their bytes.

CIFAR-10, binary version (https://www.cs.toronto.edu/~kriz/cifar.html): a folder of six files, each 10,000 records of
3,073 bytes: one label, then 1,024 red, 1,024 green, 1,024 blue values, row by row.

MNIST (http://yann.lecun.com/exdb/mnist/): four idx files, gzipped or not. An idx file starts with two zero bytes, a
byte for the element type (8 = uint8), the number of axes, and one big-endian 32-bit size for each axis. The values
follow.

The digits (sources in assets/digits.txt) come with the package, as a .npz file.

Nothing here is ever unpickled: a pickle can run any program while it is read.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from tinytorch.core.engine import TinyTorchError

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
CIFAR10_TEST = ("test_batch.bin",)
CIFAR10_RECORDS, CIFAR10_RECORD_BYTES = 10_000, 1 + 3 * 32 * 32

MNIST_SHAPES = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}
IDX_UINT8 = 8
CIFAR10_ADVICE = "remove the folder and run `tito data get cifar10`"
MNIST_ADVICE = "remove the file and run `tito data get mnist`"
DIGITS_FILE = Path(__file__).parent.parent / "assets" / "digits.npz"


class DataCorrupt(TinyTorchError, ValueError):
    """A file of a data set is not what its format says; the message shows the file and both sizes."""


# ---- CIFAR-10 ----------------------------------------------------------------------------------------------------


def check_cifar10(folder: Path) -> None:
    """Raise DataCorrupt unless the six files are there, each with 10,000 records."""
    expected = CIFAR10_RECORDS * CIFAR10_RECORD_BYTES
    for name in CIFAR10_TRAIN + CIFAR10_TEST:
        path = folder / name
        if not path.is_file():
            raise DataCorrupt(f"Expected the file {name} in {folder}, found none; {CIFAR10_ADVICE}.")
        size = path.stat().st_size
        if size != expected:
            raise DataCorrupt(
                f"Expected {path} to hold {CIFAR10_RECORDS:,} records ({expected:,} bytes), found {size:,} bytes; "
                f"{CIFAR10_ADVICE}."
            )


def read_cifar10(folder: Path, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 3, 32, 32) and labels uint8 (N,) of the training (50,000) or the test part (10,000)."""
    check_cifar10(folder)
    names = CIFAR10_TRAIN if train else CIFAR10_TEST
    records = np.empty((len(names), CIFAR10_RECORDS, CIFAR10_RECORD_BYTES), dtype=np.uint8)
    for part, name in zip(records, names, strict=True):
        part.reshape(-1)[:] = np.fromfile(folder / name, dtype=np.uint8)
        if part[:, 0].max() >= len(CIFAR10_CLASSES):
            raise DataCorrupt(
                f"Expected labels 0 to 9 in {folder / name}, found {part[:, 0].max()}; {CIFAR10_ADVICE}."
            )
    return decode_cifar10(records.reshape(-1, CIFAR10_RECORD_BYTES))


def decode_cifar10(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 3, 32, 32) and labels uint8 (N,) out of records uint8 (N, 3073)."""
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


# ---- Digits ------------------------------------------------------------------------------------------------------


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """The embedded digits: images uint8 (1797, 8, 8), 17 grey levels spread over 0 … 255, and labels uint8 (1797,)."""
    with np.load(DIGITS_FILE, allow_pickle=False) as data:
        return (data["images"].astype(np.uint16) * 255 // 16).astype(np.uint8), data["labels"]


# ---- MNIST -------------------------------------------------------------------------------------------------------


def mnist_file(folder: Path, name: str) -> Path | None:
    """The file `name` in the folder, gzipped or not; None if neither is there."""
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def check_mnist(folder: Path) -> None:
    """Raise DataCorrupt unless the four files are there with the right header and length (contents are read later)."""
    for name, shape in MNIST_SHAPES.items():
        path = mnist_file(folder, name)
        if path is None:
            raise DataCorrupt(f"Expected the file {name}.gz in {folder}, found none; run `tito data get mnist`.")
        check_idx(path, shape)


def check_idx(path: Path, shape: tuple[int, ...]) -> None:
    """Raise DataCorrupt unless the idx file announces `shape` and is as long as that says."""
    header = _header(shape)
    found = read_bytes(path, len(header))
    if found != header:
        raise DataCorrupt(
            f"Expected {path} to start as an idx file of uint8 {shape}, found the bytes {found.hex()}; {MNIST_ADVICE}."
        )
    expected, size = len(header) + int(np.prod(shape)), _unpacked_size(path)
    if size != expected:
        raise DataCorrupt(
            f"Expected {path} to hold {expected:,} bytes unpacked, found {size:,}: it is truncated; {MNIST_ADVICE}."
        )


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The values of an idx file: uint8 of `shape`. A damaged file raises DataCorrupt."""
    check_idx(path, shape)
    values = np.frombuffer(read_bytes(path), dtype=np.uint8, offset=len(_header(shape)))
    return values.reshape(shape)


def read_mnist(folder: Path, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 28, 28) and labels uint8 (N,) of the training (60,000) or the test part (10,000)."""
    part = "train" if train else "t10k"
    names = (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
    check_mnist(folder)
    images, labels = (read_idx(mnist_file(folder, name), MNIST_SHAPES[name]) for name in names)
    if labels.max() > 9:
        raise DataCorrupt(f"Expected labels 0 to 9 in {folder / names[1]}, found {labels.max()}; {MNIST_ADVICE}.")
    return images, labels


def read_bytes(path: Path, count: int = -1) -> bytes:
    """The first `count` bytes of a file (all of them by default), unpacked if its name ends in .gz."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            return file.read(count)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataCorrupt(
            f"Expected {path} to be a whole gzip file, found a damaged one ({error}); {MNIST_ADVICE}."
        ) from error


def _header(shape: tuple[int, ...]) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, IDX_UINT8, len(shape), *shape)


def _unpacked_size(path: Path) -> int:
    """Bytes of the file when unpacked. A gzip file ends in that number, so nothing need be unpacked to know it."""
    if path.suffix != ".gz":
        return path.stat().st_size
    with path.open("rb") as file:
        file.seek(-4, 2)
        return struct.unpack("<I", file.read())[0]
