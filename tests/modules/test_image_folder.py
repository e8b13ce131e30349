"""Image folders with damage of every kind, and texts cut into windows."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinytorch import Generator, IndexingError, TinyTorchError
from tinytorch.datasets import CharacterDataset, ImageFolder, TinyShakespeare
from tinytorch.given.downloads import DataNotFound, find
from tinytorch.given.image_files import DataCorrupt
from tinytorch.given.image_folder import DataWarning, Problem
from tinytorch.given.text_files import read_tinyshakespeare
from tinytorch.transforms import Compose, RandomHorizontalFlip, ToFloat
from tinytorch.utils.data import DataLoader


def pixels(seed: int, size: tuple[int, int] = (6, 5)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cats and one dog, PNG; beside them what does not belong there."""
    for seed, name in enumerate(("cat/a.png", "cat/deeper/b.PNG", "dog/c.png")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(seed)).save(tmp_path / name, format="PNG")
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "loose.png").write_bytes((tmp_path / "dog" / "c.png").read_bytes())
    return tmp_path


def test_folders_are_classes(folder: Path) -> None:
    data = ImageFolder(folder)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1}
    assert data.targets == [0, 0, 1] and data.labels.tolist() == [0, 0, 1] and data.problems == []
    assert [Path(path).name for path, _ in data.samples] == ["a.png", "b.PNG", "c.png"]
    for seed in range(3):
        image, label = data[seed]
        assert np.array_equal(image.numpy(), pixels(seed).transpose(2, 0, 1)) and label == (seed == 2)
    assert repr(data) == f"ImageFolder(3 images, 2 classes, root={str(folder)!r})"
    with pytest.raises(IndexingError, match="below 3, found 3"):
        data[3]


def test_batches_transforms_and_grey(folder: Path) -> None:
    chain = Compose([RandomHorizontalFlip(), ToFloat()])
    data = ImageFolder(folder, chain, mode="L")
    (a,), (b,) = (list(DataLoader(data, 3, generator=Generator(2))) for _ in range(2))
    assert a[0].shape == (3, 1, 6, 5) and a[0].dtype == np.float32 and a[1].tolist() == [0, 0, 1]
    assert np.array_equal(a[0].numpy(), b[0].numpy())
    ((_, labels),) = DataLoader(ImageFolder(folder, target_transform=lambda label: label + 10), 3)
    assert labels.tolist() == [10, 10, 11]
    seen = []
    list(DataLoader(ImageFolder(folder, lambda image: seen.append(image.shape) or image), 3))
    assert seen == [(3, 6, 5)] * 3
    Image.fromarray(pixels(9, (4, 4))).save(folder / "dog" / "other.png")
    resized = ImageFolder(folder, lambda image: image[:, :4, :4])
    assert next(iter(DataLoader(resized, 4)))[0].shape == (4, 3, 4, 4)


def test_jpeg_is_decoded_by_pillow(folder: Path) -> None:
    smooth = np.linspace(0, 255, 16 * 16 * 3).reshape(16, 16, 3).astype(np.uint8)
    Image.fromarray(smooth).save(folder / "dog" / "d.jpg", quality=95)
    image, _ = ImageFolder(folder)[3]
    assert np.abs(image.numpy().transpose(1, 2, 0).astype(int) - smooth).mean() < 4


def damage(folder: Path) -> None:
    whole = (folder / "cat" / "a.png").read_bytes()
    (folder / "dog" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "dog" / "empty.jpg").write_bytes(b"")
    (folder / "dog" / "page.png").write_text("<html>not found</html>")
    Image.fromarray(pixels(0)).save(folder / "dog" / "renamed.png", format="GIF")


def test_broken_images_are_left_out_and_listed(folder: Path) -> None:
    damage(folder)
    with pytest.warns(DataWarning, match=r"4 of 7 images .* out, the first dog/cut.png: it is broken") as seen:
        data = ImageFolder(folder)
    assert len(seen) == 1 and len(data) == 3
    reasons = {problem.file: problem.reason for problem in data.problems}
    assert reasons.pop("dog/cut.png").startswith("it is broken (")
    assert set(reasons.values()) == {"it is no PNG or JPEG image"} and len(reasons) == 3
    assert "4 left out" in repr(data)


def test_a_quick_look_finds_a_cut_image_only_when_it_is_read(folder: Path) -> None:
    damage(folder)
    with pytest.warns(DataWarning, match="3 of 7"):
        data = ImageFolder(folder, check=False)
    position = [Path(path).name for path, _ in data.samples].index("cut.png")
    with pytest.raises(DataCorrupt, match=r"image in .*cut.png, found that it is broken"):
        data[position]


def write_csv(path: Path, rows: list[tuple]) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows(rows)


def test_a_csv_file_names_files_and_labels(folder: Path) -> None:
    rows = [("label", "file", "note"), ("tiger", "loose.png", "a, b"), ("ape", "cat/a.png", "")]
    rows += [("tiger", "gone.png", ""), ("", "dog/c.png", ""), ("lion", "", "")]
    write_csv(folder / "labels.csv", rows)
    with pytest.warns(DataWarning, match="3 of 5 images"):
        data = ImageFolder(folder, metadata="labels.csv")
    assert data.classes == ["ape", "tiger"] and data.targets == [1, 0]
    assert np.array_equal(data[0][0].numpy(), pixels(2).transpose(2, 0, 1))
    assert data.problems == [
        Problem("dog/c.png", "its row has no label"),
        Problem("row 6", "its row has no file"),
        Problem("gone.png", "the file is missing"),
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("name", "class")], "columns `file` and `label` in .*, found name, class"),
        ([], "found none"),
        ([("file", "label")], "PNG or JPEG images in .* found none that can be used"),
        ([("file", "label"), ("gone.png", "cat")], "none that can be used; the first: gone.png: the file is missing"),
    ],
)
def test_a_csv_file_of_no_use(rows: list[tuple], words: str, folder: Path) -> None:
    write_csv(folder / "labels.csv", rows)
    with pytest.raises(TinyTorchError, match=words):
        ImageFolder(folder, metadata="labels.csv")


def test_what_is_not_there_or_no_text(folder: Path) -> None:
    with pytest.raises(TinyTorchError, match=r"a CSV file at .*nothing.csv, found none"):
        ImageFolder(folder, metadata="nothing.csv")
    with pytest.raises(TinyTorchError, match=r"a CSV file in UTF-8 at .*a.png, found another"):
        ImageFolder(folder, metadata="cat/a.png")
    with pytest.raises(TinyTorchError, match="a folder of images, found none"):
        ImageFolder(folder / "nowhere")


def test_without_pillow_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['PIL'] = None; from tinytorch.datasets import ImageFolder; ImageFolder('.')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "Expected the package Pillow" in done.stderr.splitlines()[-1] and "pip install pillow" in done.stderr


# ---- text ------------------------------------------------------------------------------------------------------------


def test_windows_of_a_text() -> None:
    data = CharacterDataset("hello world", block_size=4)
    assert data.vocabulary == tuple(" dehlorw") and len(data) == 7
    x, y = data[1]
    assert (data.decode(x), data.decode(y), x.dtype) == ("ello", "llo ", np.int64)
    assert data.decode(data[-1][1]) == "orld"
    xs, ys = data.get_batch([1, -1, 6])
    assert [data.decode(row) for row in xs] == ["ello", "worl", "worl"]
    assert [data.decode(row) for row in ys] == ["llo ", "orld", "orld"]
    ((batch, _),) = DataLoader(data, 7)
    assert batch.shape == (7, 4)
    assert CharacterDataset("abba", 2, vocabulary="ab").ids.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: CharacterDataset("abc", 3), "longer than block_size=3, found 3 characters"),
        (lambda: CharacterDataset("abc", 0), "at least 1, found 0"),
        (lambda: CharacterDataset("abc", 1, vocabulary="ab"), "2 characters of the vocabulary, found 'c'"),
        (lambda: CharacterDataset("abc", 1)[2], "below 2, found 2"),
        (lambda: CharacterDataset("abc", 1).get_batch([2]), "below 2, found 2 to 2"),
    ],
)
def test_texts_refuse_in_one_sentence(call, words) -> None:
    with pytest.raises(TinyTorchError, match=words):
        call()


def test_tinyshakespeare_missing_and_changed(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=r"tito data get tinyshakespeare.*TINYTORCH_DATA"):
        TinyShakespeare(tmp_path)
    (tmp_path / "tinyshakespeare").mkdir()
    (tmp_path / "tinyshakespeare" / "input.txt").write_text("To be or not to be")
    with pytest.raises(DataCorrupt, match=r"published text \(1,115,394 bytes\), found another \(18 bytes\); remove"):
        TinyShakespeare(tmp_path)
    with pytest.raises(DataCorrupt, match="found none; run `tito data get tinyshakespeare`"):
        read_tinyshakespeare(tmp_path)


def test_real_tinyshakespeare() -> None:
    try:
        found = [find("tinyshakespeare")]
    except DataNotFound:
        found = []
    for _ in found:
        train, test = TinyShakespeare(block_size=8), TinyShakespeare(train=False)
        assert (len(train.ids), len(test.ids), len(train.vocabulary)) == (1_003_854, 111_540, 65)
        assert train.decode(train[0][0]) == "First Ci" and train.vocabulary == test.vocabulary
