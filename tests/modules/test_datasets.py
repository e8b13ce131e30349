"""The data sets: official formats written by the test itself, and the real files beside them where they are at hand."""

import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tinytorch import Generator, IndexingError, Tensor
from tinytorch.core.dataloader import channel_statistics
from tinytorch.datasets import CIFAR10, MNIST, Digits, SyntheticImages
from tinytorch.given import downloads
from tinytorch.given.downloads import DataNotFound, find
from tinytorch.given.image_files import CIFAR10_TEST, CIFAR10_TRAIN, MNIST_SHAPES, DataCorrupt
from tinytorch.given.neighbours import nearest_neighbour_accuracy
from tinytorch.transforms import Compose, Normalize, ToFloat
from tinytorch.utils.data import DataLoader

RECORDS, RECORD = 10_000, 3073


def write_cifar10(folder: Path) -> dict[str, np.ndarray]:
    """CIFAR-10's six files: 32 random records each, then zeros. Returns the random ones by file name."""
    folder.mkdir(parents=True)
    rng, written = np.random.default_rng(0), {}
    for name in CIFAR10_TRAIN + CIFAR10_TEST:
        records = rng.integers(0, 256, (32, RECORD), dtype=np.uint8)
        records[:, 0] %= 10
        written[name] = records
        with (folder / name).open("wb") as file:
            file.write(records.tobytes())
            file.truncate(RECORDS * RECORD)
    return written


def write_mnist(folder: Path, packed: bool) -> dict[str, np.ndarray]:
    """MNIST's four idx files: some random values, then zeros. Returns the random ones by file name."""
    folder.mkdir(parents=True)
    rng, written = np.random.default_rng(1), {}
    for name, shape in MNIST_SHAPES.items():
        values = np.zeros(shape, dtype=np.uint8)
        values[:20] = rng.integers(0, 10, (20, *shape[1:]))
        data = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + values.tobytes()
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(data, 1) if packed else data)
        written[name] = values[:20]
    return written


@pytest.fixture(scope="module")
def cifar(tmp_path_factory) -> tuple[Path, dict[str, np.ndarray]]:
    root = tmp_path_factory.mktemp("cifar")
    return root, write_cifar10(root / "cifar-10-batches-bin")


@pytest.fixture(scope="module")
def archive(cifar, tmp_path_factory) -> Path:
    """The official archive: the same folder with a readme beside the six files, as tar.gz."""
    path = tmp_path_factory.mktemp("archive") / "cifar-10-binary.tar.gz"
    (cifar[0] / "readme.html").write_text("CIFAR")
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.add(cifar[0] / "readme.html", "cifar-10-batches-bin/readme.html")
        for name in CIFAR10_TRAIN + CIFAR10_TEST:
            tar.add(cifar[0] / "cifar-10-batches-bin" / name, f"cifar-10-batches-bin/{name}")
    return path


# ---- CIFAR-10 ------------------------------------------------------------------------------------


def test_cifar10_reads_the_official_layout(cifar) -> None:
    root, written = cifar
    train, test = CIFAR10(root), CIFAR10(root, train=False)
    assert (len(train), len(test)) == (50_000, 10_000)
    parts = [(train, 0, "data_batch_1.bin"), (train, 40_000, "data_batch_5.bin"), (test, 0, "test_batch.bin")]
    for part, start, name in parts:
        for i in (0, 31):
            image, label = part[start + i]
            record = written[name][i]
            assert label == record[0]
            assert image.dtype == np.uint8
            for channel in range(3):
                plane = record[1 + 1024 * channel : 1 + 1024 * (channel + 1)].reshape(32, 32)
                assert np.array_equal(image.numpy()[channel], plane)
    assert train.classes[3] == "cat" and repr(test) == "CIFAR10(10000 images (3, 32, 32), 10 classes)"


def test_the_data_root_is_the_default(cifar, monkeypatch) -> None:
    monkeypatch.setenv("TINYTORCH_DATA", str(cifar[0]))
    assert len(CIFAR10(train=False)) == 10_000
    monkeypatch.setenv("TINYTORCH_DATA", "")
    assert downloads.data_root() == Path.home() / ".cache" / "tinytorch"


def test_an_archive_that_lies_there_is_unpacked_once(archive, cifar, tmp_path) -> None:
    (tmp_path / archive.name).symlink_to(archive)
    folder = find("cifar10", tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == sorted(CIFAR10_TRAIN + CIFAR10_TEST)
    assert (folder / "test_batch.bin").read_bytes() == (cifar[0] / folder.name / "test_batch.bin").read_bytes()
    (tmp_path / archive.name).unlink()
    assert find("cifar10", tmp_path) == folder
    assert [path.name for path in tmp_path.iterdir()] == [folder.name], "nothing else is left behind"


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "another archive"])
def test_a_wrong_archive_is_refused_and_kept_aside(archive, tmp_path, damage) -> None:
    path = tmp_path / "cifar-10-binary.tar.gz"
    if damage == "truncated":
        path.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    elif damage == "another archive":
        with tarfile.open(path, "w:gz") as tar:
            tar.addfile(tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin"), io.BytesIO())
    else:
        path.write_bytes(b"" if damage == "empty" else b"<html>not found</html>" * 100)
    content = path.read_bytes()
    with pytest.raises(DataCorrupt, match=r"aside as cifar-10-binary.tar.gz.refused.*tito data get cifar10") as caught:
        find("cifar10", tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "cifar-10-binary.tar.gz.refused").read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz.refused"]
    with pytest.raises(DataNotFound):
        find("cifar10", tmp_path)


def test_an_archive_writes_nothing_but_its_six_files(tmp_path) -> None:
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    root.mkdir()
    with tarfile.open(root / "cifar-10-binary.tar.gz", "w:gz", compresslevel=1) as tar:
        for name in ("../../outside", str(outside), "cifar-10-batches-bin/extra.bin"):
            info = tarfile.TarInfo(name)
            info.size = 4
            tar.addfile(info, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(DataCorrupt):
        find("cifar10", root)
    assert not outside.exists()
    assert [p.name for p in root.iterdir()] == ["cifar-10-binary.tar.gz.refused"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [("missing", "data_batch_3.bin in .*, found none; remove the folder and run `tito data get cifar10`"),
     ("short", r"30,730,000 bytes\), found 30,729,999 bytes; remove"),
     ("label", r"labels 0 to 9 in .*data_batch_3.bin, found 10; remove")],
)
def test_a_damaged_folder_is_refused_in_one_sentence(tmp_path, damage, words) -> None:
    folder = tmp_path / "cifar-10-batches-bin"
    write_cifar10(folder)
    path = folder / "data_batch_3.bin"
    if damage == "missing":
        path.unlink()
    else:
        with path.open("r+b") as file:
            if damage == "short":
                file.truncate(RECORDS * RECORD - 1)
            else:
                file.write(b"\x0a")
    with pytest.raises(DataCorrupt, match=words):
        CIFAR10(tmp_path)


# ---- MNIST ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("folder", "packed"), [("mnist", True), ("MNIST/raw", False)])
def test_mnist_reads_the_official_layout(tmp_path, folder, packed) -> None:
    written = write_mnist(tmp_path / folder, packed)
    train, test = MNIST(tmp_path), MNIST(tmp_path, train=False)
    assert (len(train), len(test)) == (60_000, 10_000)
    for part, prefix in ((train, "train"), (test, "t10k")):
        image, label = part[19]
        assert label == written[f"{prefix}-labels-idx1-ubyte"][19]
        assert np.array_equal(image.numpy(), written[f"{prefix}-images-idx3-ubyte"][19][None])


@pytest.mark.parametrize(
    ("damage", "words"),
    [("truncated", "truncated; remove the file and run `tito data get mnist`"), ("cut inside", "whole gzip file"),
     ("header", "start as an idx file"), ("not gzip", "whole gzip file"),
     ("missing", "t10k-labels-idx1-ubyte.gz in .*, found none; run `tito data get mnist`")],
)
def test_a_damaged_mnist_is_refused_in_one_sentence(tmp_path, damage, words) -> None:
    write_mnist(tmp_path / "mnist", packed=True)
    path = tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    content = path.read_bytes()
    shape = MNIST_SHAPES["t10k-labels-idx1-ubyte"]
    right = gzip.decompress(content)
    changed = {
        "truncated": gzip.compress(right[:-100]),
        "cut inside": content[: len(content) // 2] + content[-8:],  # the length at its end still looks right
        "header": gzip.compress(struct.pack(">HBBI", 0, 9, 1, *shape) + right[8:]),
        "not gzip": b"<html>" * 100,
        "missing": None,
    }[damage]
    path.unlink()
    if changed is not None:
        path.write_bytes(changed)
    with pytest.raises(DataCorrupt, match=words) as caught:
        MNIST(tmp_path, train=False)
    assert "\n" not in str(caught.value)


# ---- what is not there ---------------------------------------------------------------------------


@pytest.mark.parametrize(("dataset", "name"), [(CIFAR10, "cifar10"), (MNIST, "mnist")])
def test_a_missing_data_set_says_how_to_get_it(dataset, name, tmp_path) -> None:
    with pytest.raises(DataNotFound, match=f"{tmp_path}.*tito data get {name}.*TINYTORCH_DATA") as caught:
        dataset(tmp_path)
    assert isinstance(caught.value, FileNotFoundError)
    assert list(tmp_path.iterdir()) == [], "looking must not leave anything behind"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataNotFound, match="cifar10, mnist, tinyshakespeare, found 'imagenet'"):
        find("imagenet")


# ---- real files, where TINYTORCH_DATA or the cache holds them ------------------------------------


def real(name: str) -> list[Path]:
    """The folder of the real data set, in a list that is empty without it."""
    try:
        return [find(name)]
    except DataNotFound:
        return []


def test_real_cifar10_has_its_published_statistics() -> None:
    for _ in real("cifar10"):
        train, test = CIFAR10(), CIFAR10(train=False)
        assert np.bincount(train.labels).tolist() == [5000] * 10
        assert np.bincount(test.labels).tolist() == [1000] * 10
        mean, std = channel_statistics(train.images[::10])
        assert np.allclose(mean, [0.4914, 0.4822, 0.4465], atol=0.01), mean
        assert np.allclose(std, [0.2470, 0.2435, 0.2616], atol=0.01), std


def test_real_mnist_has_its_published_labels() -> None:
    for _ in real("mnist"):
        train, test = MNIST(), MNIST(train=False)
        assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        assert train.labels[:5].tolist() == [5, 0, 4, 1, 9] and test.labels[:5].tolist() == [7, 2, 1, 0, 4]
        assert abs(train.images.mean() / 255 - 0.1307) < 0.001


# ---- embedded and generated ----------------------------------------------------------------------


def test_digits_are_those_of_their_source() -> None:
    train, test = Digits(), Digits(train=False)
    assert (len(train), len(test)) == (1437, 360)
    image, label = train[0]
    assert label == 0 and image.shape == (1, 8, 8)
    assert image.numpy()[0, 0].tolist() == [v * 255 // 16 for v in (0, 0, 5, 13, 9, 1, 0, 0)]
    counts = np.bincount(np.concatenate([train.labels, test.labels])).tolist()
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_synthetic_images_are_a_function_of_seed_and_number() -> None:
    many, few = SyntheticImages(size=1200), SyntheticImages(size=700)
    assert np.array_equal(many.images[:700], few.images) and np.array_equal(many.labels[:700], few.labels)
    assert many.images.shape == (1200, 3, 32, 32) and many.images.dtype == np.uint8
    for other in (SyntheticImages(size=700, seed=1), SyntheticImages(train=False, size=700)):
        assert not np.array_equal(other.images, few.images)
    assert (np.bincount(many.labels, minlength=10) > 80).all()


def test_synthetic_images_can_be_learnt_but_not_by_pixels_alone() -> None:
    """Neighbours beat guessing (10 %), and stay far from what a small CNN reaches in three epochs (93 %)."""
    train, test = SyntheticImages(size=4000), SyntheticImages(train=False, size=500)
    accuracy = nearest_neighbour_accuracy(train.images, train.labels, test.images, test.labels)
    assert 0.2 < accuracy < 0.5, f"nearest neighbours: {accuracy:.0%}"


def test_nearest_neighbours_on_points_that_are_easy_to_see() -> None:
    points = np.array([0, 1, 2, 10, 11, 12], dtype=np.uint8).reshape(6, 1, 1, 1)
    labels = np.array([0, 0, 0, 1, 1, 1])
    asked = np.array([3, 9], dtype=np.uint8).reshape(2, 1, 1, 1)
    assert nearest_neighbour_accuracy(points, labels, asked, np.array([0, 1]), k=3) == 1.0
    assert nearest_neighbour_accuracy(points, labels, asked, np.array([1, 1]), k=3) == 0.5


# ---- batches of images ---------------------------------------------------------------------------


def test_batches_and_items_agree() -> None:
    data = SyntheticImages(size=20, transform=Compose([ToFloat(), Normalize([0.5] * 3, [0.2] * 3)]))
    images, labels = data.get_batch([3, 19, 3])
    for position, i in enumerate((3, 19, 3)):
        image, label = data[i]
        assert np.array_equal(images.numpy()[position], image.numpy()) and labels.tolist()[position] == label
    assert isinstance(images, Tensor) and images.dtype == np.float32 and labels.dtype == np.int64


def test_a_transform_for_single_images_gets_single_images() -> None:
    seen = []

    def shrink(image: np.ndarray) -> np.ndarray:
        seen.append(image.shape)
        return image[:, ::2, ::2]

    ((images, labels),) = DataLoader(SyntheticImages(size=5, transform=shrink), batch_size=5)
    assert seen == [(3, 32, 32)] * 5
    assert images.shape == (5, 3, 16, 16) and labels.shape == (5,)


def test_items_are_copies() -> None:
    data = SyntheticImages(size=2)
    before = data.images.copy()
    data[0][0].numpy()[:] = 0
    data.get_batch([0, 1])[0].numpy()[:] = 0
    assert np.array_equal(data.images, before)


def test_an_item_that_is_not_there() -> None:
    data = SyntheticImages(size=3)
    assert data[-1][1] == data.labels[2]
    with pytest.raises(IndexingError, match="below 3, found 3"):
        data[3]
    assert len(list(data)) == 3, "the sequence protocol ends at the last item"


def test_augmentation_of_single_items_follows_the_generator() -> None:
    from tinytorch import manual_seed
    from tinytorch.transforms import RandomCrop

    data = SyntheticImages(size=1, transform=RandomCrop(32, padding=4))
    manual_seed(4)
    first, second = data[0][0].numpy(), data[0][0].numpy()
    manual_seed(4)
    assert np.array_equal(data[0][0].numpy(), first) and not np.array_equal(first, second)
    assert np.array_equal(*(data.get_batch([0], Generator(1))[0].numpy() for _ in range(2)))
