"""Images in a folder: one subfolder for each class, or a CSV file with the columns `file` and `label`.

Reading needs Pillow, an optional package. Only PNG and JPEG are opened.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.engine import IndexingError, TinyTorchError
from tinytorch.core.tensor import as_tensor, from_numpy
from tinytorch.given.dataset_base import Dataset
from tinytorch.given.image_files import DataCorrupt
from tinytorch.given.random import Generator
from tinytorch.given.transform_base import apply_transform

#| face datasets: ImageFolder

SUFFIXES = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG")


class DataWarning(UserWarning):
    """Some files of a data set cannot be used; the others are."""


class Problem(NamedTuple):
    """A file that was left out, and why."""

    file: str
    reason: str


class ImageFolder(Dataset):
    """Images uint8 (C, H, W) with the class that their folder or a CSV file names: item i is (image Tensor, label int).

    `root` holds a subfolder for each class; with `metadata` (a CSV file, relative to root) its columns `file` and
    `label` say what there is, and the classes are the labels in sorted order. Files that are missing or broken are left
    out: a DataWarning counts them, and `problems` lists each with its reason. For that every image is decoded once;
    `check=False` looks at their headers only, and an image that breaks later raises DataCorrupt.

    `transform` receives arrays as in the other image data sets; `target_transform` the label. `mode` is Pillow's: "RGB"
    (C = 3) or "L" (grey, C = 1). `classes`, `class_to_idx`, `samples` and `targets` are those of torchvision.
    """

    def __init__(self, root: str | Path, transform: Callable | None = None, target_transform: Callable | None = None, *,
                 metadata: str | Path | None = None, mode: str = "RGB", check: bool = True):
        _pillow()
        self.root, self.mode = Path(root), mode
        self.transform, self.target_transform = transform, target_transform
        if not self.root.is_dir():
            raise TinyTorchError(f"Expected a folder of images, found none at {self.root}.")
        listed, self.problems = _read_metadata(self.root / metadata) if metadata else _read_folders(self.root)
        found = []
        for file, label in listed:
            reason = _what_is_wrong(self.root / file, mode, check)
            if reason is None:
                found.append((file, label))
            else:
                self.problems.append(Problem(file, reason))
        self.classes = sorted({label for _, label in listed})
        self.class_to_idx = {label: number for number, label in enumerate(self.classes)}
        self.samples = [(str(self.root / file), self.class_to_idx[label]) for file, label in found]
        self.targets = [label for _, label in self.samples]
        self._report()

    @property
    def labels(self) -> np.ndarray:
        """The classes of all items: int64 (N,)."""
        return np.array(self.targets, dtype=np.int64)

    def _report(self) -> None:
        if not self.samples:
            first = f"; the first: {self.problems[0].file}: {self.problems[0].reason}" if self.problems else ""
            raise TinyTorchError(
                f"Expected PNG or JPEG images in {self.root}, in a subfolder for each class, found none that can be "
                f"used{first}."
            )
        if self.problems:
            total, (file, reason) = len(self.samples) + len(self.problems), self.problems[0]
            warnings.warn(
                f"{len(self.problems)} of {total} images in {self.root} are left out, the first {file}: {reason}; "
                "the attribute `problems` lists them all.",
                DataWarning,
                stacklevel=3,
            )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, label = self._load(index)
        if self.transform is not None:
            image = apply_transform(self.transform, image, None)
        return as_tensor(image), label

    def get_batch(self, indices: Sequence[int], generator: Generator | None = None) -> list | None:
        """[images, labels] if the images have one size and the transform takes batches; else None."""
        if not getattr(self.transform, "batched", self.transform is None) or self.target_transform is not None:
            return None
        images, labels = zip(*(self._load(index) for index in indices), strict=True)
        if len({image.shape for image in images}) > 1:
            return None
        batch = np.stack(images)
        if self.transform is not None:
            batch = apply_transform(self.transform, batch, generator)
        return [as_tensor(batch), from_numpy(np.array(labels))]

    def _load(self, index: int) -> tuple[np.ndarray, Any]:
        if not -len(self) <= index < len(self):
            raise IndexingError(f"Expected an index below {len(self)}, found {index}.")
        path, label = self.samples[index]
        return read_image(path, self.mode), label if self.target_transform is None else self.target_transform(label)

    def __repr__(self) -> str:
        left_out = f", {len(self.problems)} left out" if self.problems else ""
        return f"ImageFolder({len(self)} images, {len(self.classes)} classes{left_out}, root={str(self.root)!r})"


def read_image(path: str | Path, mode: str = "RGB") -> np.ndarray:
    """The pixels of a PNG or JPEG file: uint8 (3, H, W), or (1, H, W) with mode "L". A bad file raises DataCorrupt."""
    reason, array = _decode(Path(path), mode)
    if array is None:
        raise DataCorrupt(f"Expected a PNG or JPEG image in {path}, found that {reason}.")
    return array


def _decode(path: Path, mode: str) -> tuple[str, np.ndarray | None]:
    """(the reason why it cannot be read, None), or ("", the pixels)."""
    image_module = _pillow()
    try:
        with image_module.open(path, formats=FORMATS) as image:
            pixels = np.asarray(image.convert(mode))
    except FileNotFoundError:
        return "the file is missing", None
    except image_module.UnidentifiedImageError:
        return "it is no PNG or JPEG image", None
    except (OSError, SyntaxError, ValueError, image_module.DecompressionBombError) as error:
        return f"it is broken ({str(error).rstrip('.')})", None
    pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return "", np.ascontiguousarray(pixels)


def _what_is_wrong(path: Path, mode: str, thorough: bool) -> str | None:
    """Why an image cannot be used; None if it can. Only a thorough look finds a truncated one."""
    if thorough:
        return _decode(path, mode)[0] or None
    if not path.is_file():
        return "the file is missing"
    image_module = _pillow()
    try:
        image_module.open(path, formats=FORMATS).close()
    except OSError:
        return "it is no PNG or JPEG image"
    return None


def _read_folders(root: Path) -> tuple[list[tuple[str, str]], list[Problem]]:
    """(file relative to root, class) of every image below each subfolder, in sorted order."""
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [
        (str(path.relative_to(root)), folder.name)
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and path.is_file()
    ], []


def _read_metadata(path: Path) -> tuple[list[tuple[str, str]], list[Problem]]:
    """(file, label) of every row of a CSV file, and the rows that lack one of them."""
    import csv

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or []
            if not {"file", "label"} <= set(columns):
                raise TinyTorchError(
                    f"Expected columns `file` and `label` in {path}, found {', '.join(columns) or 'none'}."
                )
            table = [((row["file"] or "").strip(), (row["label"] or "").strip()) for row in rows]
    except FileNotFoundError:
        raise TinyTorchError(f"Expected a CSV file at {path}, found none.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TinyTorchError(f"Expected a CSV file in UTF-8 at {path}, found another ({error}).") from error
    problems = [
        Problem(file or f"row {number}", f"its row has no {'label' if file else 'file'}")
        for number, (file, label) in enumerate(table, 2)
        if not (file and label)
    ]
    return [row for row in table if all(row)], problems


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise TinyTorchError(
            "Expected the package Pillow, which reads PNG and JPEG, found it missing: `pip install pillow`, or install "
            "this project with the extra `images`."
        ) from None
    return Image
