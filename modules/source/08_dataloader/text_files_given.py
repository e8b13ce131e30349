"""The file of tinyshakespeare: where it comes from, and whether it is whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tinytorch.given.image_files import DataCorrupt
from tinytorch.given.transfer import RemoteFile

TINYSHAKESPEARE = RemoteFile(
    "input.txt",
    ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",),
    1_115_394,
    "6fb458f1232090904fb40fe944165e91",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)


def check_tinyshakespeare(folder: Path) -> None:
    """Raise DataCorrupt unless the file is there with its published checksum."""
    read_tinyshakespeare(folder)


def read_tinyshakespeare(folder: Path) -> str:
    """The text, 1,115,394 characters. A file that is not the published one raises DataCorrupt."""
    path = folder / TINYSHAKESPEARE.filename
    if not path.is_file():
        raise DataCorrupt(f"Expected {path.name} in {folder}, found none; run `tito data get tinyshakespeare`.")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != TINYSHAKESPEARE.sha256:
        raise DataCorrupt(
            f"Expected {path} to be the published text ({TINYSHAKESPEARE.size:,} bytes), found another ({len(data):,} "
            "bytes); remove the file and run `tito data get tinyshakespeare`."
        )
    return data.decode("ascii")
