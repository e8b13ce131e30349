"""Where data sets come from and where they lie.

Everything lies under one folder, `data_root()`. What already lies there, unpacked or as an archive, is used. `find`
never touches the network; `fetch` downloads what is missing. Of what we download the pinned checksum is demanded; an
unpacked folder is judged by its format and counts.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinytorch.core.engine import TinyTorchError
from tinytorch.given.image_files import CIFAR10_TEST, CIFAR10_TRAIN, DataCorrupt, check_cifar10, check_mnist
from tinytorch.given.text_files import TINYSHAKESPEARE, check_tinyshakespeare
from tinytorch.given.transfer import Progress, RemoteFile, download, set_aside


class DataNotFound(TinyTorchError, FileNotFoundError):
    """A data set is not on this machine; the message says where it was looked for and how to get it."""


@dataclass(frozen=True)
class Source:
    """A data set: its remote files, the folders under the data root where it may lie, and the check of such a folder.

    `archive` is the file to unpack, or None if the remote files are used as they are (then they go to the first
    folder).
    """

    name: str
    title: str
    homepage: str
    folders: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    check: Callable[[Path], None]
    archive: str | None = None


# MNIST's own server has turned downloads away for years, so the copy that the PyTorch project keeps is asked first.
MNIST_ADDRESSES = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")


def _mnist(name: str, size: int, md5: str, sha256: str) -> RemoteFile:
    return RemoteFile(name, tuple(address + name for address in MNIST_ADDRESSES), size, md5, sha256)


SOURCES = {
    "cifar10": Source(
        name="cifar10",
        title="CIFAR-10",
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        folders=("cifar-10-batches-bin",),
        archive="cifar-10-binary.tar.gz",
        check=check_cifar10,
        files=(
            RemoteFile(
                "cifar-10-binary.tar.gz",
                ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
                170_052_171,
                "c32a1d4ab5d03f1284b67883e8d87530",
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
    ),
    "mnist": Source(
        name="mnist",
        title="MNIST",
        homepage="http://yann.lecun.com/exdb/mnist/",
        folders=("mnist", "MNIST/raw"),
        check=check_mnist,
        files=(
            _mnist("train-images-idx3-ubyte.gz", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                   "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            _mnist("train-labels-idx1-ubyte.gz", 28_881, "d53e105ee54ea40749a09fcbcd1e9432",
                   "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            _mnist("t10k-images-idx3-ubyte.gz", 1_648_877, "9fb629c4189551a2d022fa330f9573f3",
                   "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            _mnist("t10k-labels-idx1-ubyte.gz", 4_542, "ec29112dd5afa0611ce80d1b7f02629c",
                   "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
    ),
    "tinyshakespeare": Source(
        name="tinyshakespeare",
        title="tinyshakespeare",
        homepage="https://github.com/karpathy/char-rnn",
        folders=("tinyshakespeare",),
        check=check_tinyshakespeare,
        files=(TINYSHAKESPEARE,),
    ),
}


def data_root() -> Path:
    """The folder that holds all data sets: TINYTORCH_DATA, or ~/.cache/tinytorch."""
    return Path(os.environ.get("TINYTORCH_DATA") or "~/.cache/tinytorch").expanduser()


def source(name: str) -> Source:
    """The source called `name`; an unknown name raises DataNotFound with the known ones."""
    if name not in SOURCES:
        raise DataNotFound(f"Expected a data set out of {', '.join(SOURCES)}, found {name!r}.")
    return SOURCES[name]


def find(name: str, root: Path | str | None = None) -> Path:
    """The folder that holds the data set, without using the network.

    An archive that lies under `root` (default: data_root()) is unpacked. Raises DataNotFound if there is nothing,
    DataCorrupt if what is there is wrong; a wrong archive or file is kept aside under a name ending in .refused.
    """
    wanted, root = source(name), Path(root) if root is not None else data_root()
    for folder in (root / name for name in wanted.folders):
        if folder.is_dir() and any(folder.iterdir()):
            wanted.check(folder)
            return folder
    if wanted.archive and (root / wanted.archive).is_file():
        return unpack(root / wanted.archive, root / wanted.folders[0])
    raise DataNotFound(
        f"Expected {wanted.title} in {root / wanted.folders[0]}, found nothing: run `tito data get {name}`, or put the "
        f"files from {wanted.homepage} there, or let TINYTORCH_DATA name the folder that holds them."
    )


def fetch(name: str, root: Path | str | None = None, progress: Progress | None = None) -> Path:
    """The folder that holds the data set; downloads it if it is not there.

    A download that was cut off goes on where it stopped. `progress(filename, done, total)` is called with numbers of
    bytes. Raises DownloadError if the network or the disk fails (no network is known within 5 seconds), DataCorrupt
    if what came does not have the pinned checksum; the wrong file is kept aside.
    """
    wanted, root = source(name), Path(root) if root is not None else data_root()
    target = root if wanted.archive else root / wanted.folders[0]
    try:
        return find(name, root)
    except DataNotFound:
        pass  # that is why we are here
    except DataCorrupt:
        if wanted.archive or all((target / file.filename).is_file() for file in wanted.files):
            raise  # nothing is missing, so what is there is wrong: the user has to decide
    for file in wanted.files:
        if not (target / file.filename).is_file():
            download(file, target, progress)
    return find(name, root)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack CIFAR-10's archive into `folder` and return it. A wrong archive is kept aside and raises DataCorrupt.

    Only the six files that we know by name are written, so an archive cannot write anywhere else.
    """
    scratch = Path(tempfile.mkdtemp(prefix=".unpack-", dir=archive.parent))
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = Path(member.name).name
                if member.isfile() and name in CIFAR10_TRAIN + CIFAR10_TEST:
                    with tar.extractfile(member) as packed, (scratch / name).open("wb") as file:
                        shutil.copyfileobj(packed, file, 2**20)
        check_cifar10(scratch)
        if folder.is_dir():
            folder.rmdir()  # it is empty, or `find` would have used it
        scratch.replace(folder)
    except (tarfile.TarError, EOFError, zlib.error, DataCorrupt) as error:
        reason = str(error).replace(str(scratch), "it").partition(";")[0].rstrip(".")
        raise DataCorrupt(
            f"Expected {archive} to be CIFAR-10's binary archive, found one that is truncated or wrong ({reason}): "
            f"it was set aside as {set_aside(archive).name}; `tito data get cifar10` fetches a new one."
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder
