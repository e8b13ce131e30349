"""Transforms of whole batches, against loops over single pixels and resampled images from PyTorch."""

import colorsys
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import DTypeError, Generator, ShapeError, Tensor, TinyTorchError, tensor
from tinytorch.given.resampling import draw_boxes, resample
from tinytorch.given.transform_augment import OPERATIONS
from tinytorch.transforms import (
    CenterCrop,
    ColorJitter,
    Compose,
    CutMix,
    Cutout,
    Grayscale,
    Lambda,
    MixUp,
    Normalize,
    Pad,
    RandAugment,
    RandomApply,
    RandomCrop,
    RandomErasing,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
    ToFloat,
    ToTensor,
)
from tinytorch.utils.data import DataLoader, TensorDataset, default_collate

FROZEN = np.load(Path(__file__).parents[1] / "data" / "transforms.npz")


def pictures(count: int = 4, size: tuple[int, int] = (6, 8), channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, channels, *size), dtype=np.uint8)


ALL = [
    Pad(2), CenterCrop(4), Resize(5), Grayscale(3), ToTensor(), Lambda(lambda x: x[:, ::-1]), RandomVerticalFlip(),
    RandomResizedCrop(5), RandomGrayscale(0.5), ColorJitter(0.4, 0.4, 0.4, 0.1), RandomApply([RandomVerticalFlip(1.0)]),
    RandomErasing(1.0), Cutout(3), RandAugment(3, 20), RandomCrop(6, padding=2, padding_mode="reflect"),
]


@pytest.mark.parametrize("transform", ALL, ids=lambda t: type(t).__name__)
def test_a_batch_an_image_and_a_tensor_are_served_and_the_source_stays(transform: Callable) -> None:
    batch = pictures(20)
    before = batch.copy()
    out = transform(batch, Generator(1))
    assert np.array_equal(batch, before) and not np.shares_memory(out, batch)
    assert out.dtype == (np.float32 if isinstance(transform, ToTensor) else np.uint8) and len(out) == 20
    assert np.array_equal(transform(batch, Generator(1)), out), "a function of the generator's state"
    from_tensor = transform(Tensor(batch), Generator(1))
    assert isinstance(from_tensor, Tensor) and np.array_equal(from_tensor.numpy(), out)
    assert transform(batch[0], Generator(1)).shape == out.shape[1:] and transform.batched
    assert transform(batch[:0], Generator(1)).shape == (0, *out.shape[1:]), "an empty batch"


@pytest.mark.parametrize("transform", [t for t in ALL if "Random" in type(t).__name__ or "Jitter" in type(t).__name__])
def test_images_of_a_batch_are_changed_independently(transform: Callable) -> None:
    same = np.repeat(pictures(1, (12, 12)), 40, axis=0)
    assert len({image.tobytes() for image in transform(same, Generator(2))}) > 1


# ---- moving pixels ---------------------------------------------------------------------------------------------------


def source_of(place: int, size: int, mode: str) -> int | None:
    """Which pixel of a line of `size` a padded place shows; None: the filling."""
    if 0 <= place < size:
        return place
    if mode == "edge":
        return 0 if place < 0 else size - 1
    if mode == "reflect":
        return -place if place < 0 else 2 * (size - 1) - place
    if mode == "symmetric":
        return -place - 1 if place < 0 else 2 * size - 1 - place
    return None


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize(("padding", "sides"), [(2, (2,) * 4), ((1, 3), (1, 3, 1, 3)), ([0, 1, 2, 3], (0, 1, 2, 3))])
def test_padding_pixel_by_pixel(mode: str, padding: Any, sides: tuple) -> None:
    images, (left, top, right, bottom) = pictures(2, (4, 5)), sides
    out = Pad(padding, fill=[7, 8, 9], padding_mode=mode)(images)
    assert out.shape == (2, 3, 4 + top + bottom, 5 + left + right)
    for (n, c, row, column), value in np.ndenumerate(out):
        r, s = source_of(row - top, 4, mode), source_of(column - left, 5, mode)
        assert value == ((7, 8, 9)[c] if r is None or s is None else images[n, c, r, s])


def test_crops_may_be_padded_as_far_as_needed() -> None:
    small = pictures(30, (3, 9))
    out = RandomCrop((5, 7), pad_if_needed=True, fill=1)(small, Generator(0))
    padded = Pad((0, 2), fill=1)(small)
    for crop, image in zip(out, padded, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(image, (5, 7), axis=(1, 2))
        assert any(np.array_equal(crop, windows[:, r, c]) for r in range(windows.shape[1]) for c in range(3))
    edge = RandomCrop(6, padding=3, padding_mode="edge")(np.full((5, 1, 6, 6), 9, np.uint8), Generator(0))
    assert (edge == 9).all()


def test_vertical_flip_turns_over_some() -> None:
    images = pictures(400)
    out = RandomVerticalFlip(0.25)(images, Generator(0))
    turned = np.array([np.array_equal(a, b[:, ::-1]) for a, b in zip(out, images, strict=True)])
    same = np.array([np.array_equal(a, b) for a, b in zip(out, images, strict=True)])
    assert (turned ^ same).all() and 60 < turned.sum() < 140


def test_centre_crop_and_its_padding() -> None:
    line = np.arange(7, dtype=np.uint8).reshape(1, 1, 1, 7)
    assert CenterCrop((1, 3))(line).tolist() == [[[[2, 3, 4]]]]
    assert CenterCrop((1, 4))(line).ravel().tolist() == [2, 3, 4, 5]  # the half goes to the even number, as in PyTorch
    assert CenterCrop((3, 2))(line[..., :2]).tolist() == [[[[0, 0], [0, 1], [0, 0]]]]


@pytest.mark.parametrize("name", [name for name in FROZEN.files if name != "images"])
def test_resampling_is_that_of_pytorch(name: str) -> None:
    _, mode, antialias = name.split("_")
    out = Resize(FROZEN[name].shape[2:], mode, antialias == "True")(FROZEN["images"])
    np.testing.assert_allclose(out, FROZEN[name], atol=2e-6)


def test_the_shorter_side_is_resized_in_proportion() -> None:
    for size, expected in (((10, 25), (4, 10)), ((25, 10), (10, 4)), ((4, 4), (4, 4))):
        assert Resize(4)(pictures(1, size)).shape[2:] == expected
    flat = Resize((3, 5))(np.full((1, 1, 7, 9), 255, np.uint8))
    assert flat.dtype == np.uint8 and (flat == 255).all(), "a plain image stays plain"


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 12), st.integers(3, 12), st.integers(0, 99))
def test_a_batch_of_boxes_is_resampled_as_each_box_alone(height: int, width: int, seed: int) -> None:
    images = np.random.default_rng(seed).random((3, 2, height, width), dtype=np.float32)
    boxes, found = draw_boxes(Generator(seed), 3, (height, width), (0.2, 1.0), (0.5, 2.0))
    assert (boxes[:, 2:] >= 1).all() and (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= (height, width)).all()
    out = resample(images, boxes, (4, 5))
    for image, (top, left, h, w), got in zip(images, boxes, out, strict=True):
        alone = Resize((4, 5))(image[:, top : top + h, left : left + w])
        np.testing.assert_allclose(got, alone, atol=1e-6)
    assert found.any() or min(height, width) < 5


def test_resized_crops_have_the_asked_for_share_and_shape() -> None:
    boxes, found = draw_boxes(Generator(0), 4000, (60, 80), (0.1, 0.5), (0.5, 2.0))
    share, ratio = boxes[:, 2] * boxes[:, 3] / 4800, boxes[:, 3] / boxes[:, 2]
    assert found.mean() > 0.99 and share.min() > 0.09 and share.max() < 0.52 and abs(share.mean() - 0.3) < 0.02
    assert ratio.min() > 0.46 and ratio.max() < 2.2 and abs(np.log(ratio).mean()) < 0.05


def test_where_no_box_fits_the_middle_is_taken() -> None:
    whole = RandomResizedCrop(4, scale=(1, 1), ratio=(3, 3))(pictures(3, (8, 8)), Generator(0))
    assert np.array_equal(whole, Resize((4, 4))(pictures(3, (8, 8))[:, :, 2:5]))


# ---- colours ---------------------------------------------------------------------------------------------------------


def grey_of(red: float, green: float, blue: float, whole: bool) -> float:
    value = 0.2989 * red + 0.587 * green + 0.114 * blue
    return math.floor(value + 1e-4) if whole else value


def jitter_loop(image: np.ndarray, step: str, factor: float) -> np.ndarray:
    """One image (3, H, W), pixel by pixel."""
    whole, bound = image.dtype == np.uint8, 255 if image.dtype == np.uint8 else 1.0
    _, height, width = image.shape
    greys = [[grey_of(*map(float, image[:, r, c]), whole) for c in range(width)] for r in range(height)]
    mean = sum(map(sum, greys)) / (height * width)
    out = np.empty(image.shape)
    for c, r, s in np.ndindex(*image.shape):
        other = {"brightness": 0.0, "contrast": mean, "saturation": greys[r][s]}[step]
        out[c, r, s] = min(max(factor * float(image[c, r, s]) + (1 - factor) * other, 0), bound)
    return out


@pytest.mark.parametrize("step", ["brightness", "contrast", "saturation"])
@pytest.mark.parametrize("factor", [0.0, 0.6, 1.7])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_jitter_pixel_by_pixel(step: str, factor: float, dtype: type) -> None:
    images = pictures(3)
    images = images if dtype == np.uint8 else (images / np.float32(255))
    out = ColorJitter(**{step: (factor, factor)})(images, Generator(0))
    assert out.dtype == dtype
    for got, image in zip(out, images, strict=True):
        expected = jitter_loop(image, step, factor)
        if dtype == np.uint8:  # cut off, not rounded, as in PyTorch
            assert (np.floor(expected - 1e-3) <= got).all() and (got <= expected + 1e-3).all()
        else:
            np.testing.assert_allclose(got, expected, atol=1e-6)


def test_jitter_draws_factors_and_order_for_each_image() -> None:
    plain = np.full((2000, 3, 1, 1), 100, np.uint8)
    values = ColorJitter(brightness=0.5)(plain, Generator(0))[:, 0, 0, 0]
    assert values.min() in (49, 50, 51) and values.max() in (148, 149, 150) and abs(values.mean() - 99.5) < 3
    image = np.repeat(pictures(1, (2, 2)), 200, axis=0)
    both = ColorJitter(brightness=(0.5, 0.5), contrast=(3, 3))(image, Generator(0))
    assert len({one.tobytes() for one in both}) == 2, "brightness first, or contrast first"
    assert np.array_equal(ColorJitter()(image), image)


@pytest.mark.parametrize("shift", [-0.5, -0.2, 0.0, 0.3])
def test_hue_pixel_by_pixel(shift: float) -> None:
    images = pictures(2)
    images[1, :, :2] = 99  # grey, where no hue is
    images[1, 0, 2] = images[1, 1, 2]
    jitter = ColorJitter(hue=(shift, shift) if shift else (0.0, 1e-12))
    got, exact = jitter(images, Generator(0)), jitter(images / np.float32(255), Generator(0))
    for n, r, c in np.ndindex(2, 6, 8):
        h, s, v = colorsys.rgb_to_hsv(*(images[n, :, r, c] / 255))
        expected = np.array(colorsys.hsv_to_rgb((h + shift) % 1, s, v))
        np.testing.assert_allclose(exact[n, :, r, c], expected, atol=2e-6)
        assert np.abs(got[n, :, r, c] - expected * 255).max() <= 1
    assert np.array_equal(ColorJitter(hue=0.5)(images[:, :1]), images[:, :1])


def test_grey_pixel_by_pixel() -> None:
    images = pictures(2)
    out = Grayscale()(images)
    assert out.shape == (2, 1, 6, 8) and np.array_equal(Grayscale(3)(images), np.repeat(out, 3, axis=1))
    for (n, _, r, c), value in np.ndenumerate(out):
        assert value == grey_of(*map(float, images[n, :, r, c]), True)
    some = RandomGrayscale(0.5)(np.repeat(images, 100, axis=0), Generator(0))
    flat = (some == some[:, :1]).all(axis=(1, 2, 3))
    assert 60 < flat.sum() < 140 and np.array_equal(RandomGrayscale(0.0)(images), images)
    assert np.array_equal(Grayscale()(images[:, :1]), images[:, :1])


# ---- erasing ---------------------------------------------------------------------------------------------------------


def erased_box(before: np.ndarray, after: np.ndarray) -> tuple[int, int, int, int] | None:
    """(top, left, height, width) of the one box that differs; fails if what differs is no box."""
    rows, columns = np.nonzero((before != after).any(axis=0))
    if not len(rows):
        return None
    top, left, height, width = rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1
    assert height * width == len(rows)
    return int(top), int(left), int(height), int(width)


def test_erasing_takes_a_box_of_the_asked_for_size() -> None:
    images = np.full((500, 3, 32, 32), 200, np.uint8)
    out = RandomErasing(0.5, scale=(0.1, 0.2), ratio=(0.5, 2.0), value=[1, 2, 3])(images, Generator(0))
    boxes = [erased_box(a, b) for a, b in zip(images, out, strict=True)]
    found = np.array([box for box in boxes if box])
    assert 200 < len(found) < 300
    share, ratio = found[:, 2] * found[:, 3] / 1024, found[:, 2] / found[:, 3]
    assert share.min() > 0.08 and share.max() < 0.23 and ratio.min() > 0.4 and ratio.max() < 2.4
    assert {tuple(v) for v in out.transpose(0, 2, 3, 1).reshape(-1, 3)} == {(200, 200, 200), (1, 2, 3)}
    noise = RandomErasing(1.0, value="random")(np.full((50, 1, 16, 16), 9, np.float32), Generator(0))
    drawn = noise[noise != 9]
    assert abs(drawn.mean()) < 0.1 and abs(drawn.std() - 1) < 0.1


def test_cutout_is_centred_anywhere_and_cut_off_at_the_edge() -> None:
    images = np.ones((3000, 1, 6, 6), np.uint8)
    boxes = [erased_box(a, b) for a, b in zip(images, Cutout(3)(images, Generator(0)), strict=True)]
    sizes = {box[2:] for box in boxes if box}
    assert None not in boxes and sizes == {(a, b) for a in (2, 3) for b in (2, 3)}
    corner = sum(box == (0, 0, 2, 2) for box in boxes)
    assert 40 < corner < 130, "1 of 36 centres"


# ---- RandAugment -----------------------------------------------------------------------------------------------------


def look(image: np.ndarray, source: Callable) -> np.ndarray:
    """Each pixel (x, y), measured from the middle, taken from `source(x, y)`; black outside."""
    _, height, width = image.shape
    out = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            x, y = source(column - (width - 1) / 2, row - (height - 1) / 2)
            r, c = round(y + (height - 1) / 2), round(x + (width - 1) / 2)
            if 0 <= r < height and 0 <= c < width:
                out[:, row, column] = image[:, r, c]
    return out


def expected_operation(name: str, image: np.ndarray, s: float) -> np.ndarray:
    height, width = image.shape[1:]
    angle = math.radians(30 * s)
    cos, sin = math.cos(angle), math.sin(angle)
    moves = {
        "identity": lambda x, y: (x, y),
        "shear_x": lambda x, y: (x + 0.3 * s * y, y),
        "shear_y": lambda x, y: (x, y + 0.3 * s * x),
        "translate_x": lambda x, y: (x - math.trunc(150 / 331 * width * s), y),
        "translate_y": lambda x, y: (x, y - math.trunc(150 / 331 * height * s)),
        "rotate": lambda x, y: (cos * x - sin * y, sin * x + cos * y),
    }
    if name in moves:
        return look(image, moves[name])
    if name == "posterize":
        step = 2 ** round(4 * abs(s))
        return image // step * step
    if name == "solarize":
        return np.where(image >= 255 * (1 - abs(s)), 255 - image, image)
    if name == "autocontrast":
        stretched = [(ch - float(ch.min())) * 255 / max(1.0, float(ch.max()) - ch.min()) for ch in image]
        return np.stack([ch if ch.min() == ch.max() else new for ch, new in zip(image, stretched, strict=True)])
    return jitter_loop(image, name, 1 + 0.9 * s)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("strength", [-0.7, 0.0, 0.45])
def test_every_operation_pixel_by_pixel(name: str, strength: float) -> None:
    images = pictures(2, (7, 9)) // 2 + 40
    images[1, 0] = 60
    out = OPERATIONS[name](images, np.full(2, strength))
    for got, image in zip(out, images, strict=True):
        assert np.abs(got - np.floor(expected_operation(name, image, strength) + 1e-3)).max() <= (
            1 if name in ("brightness", "saturation", "contrast", "autocontrast") else 0
        )


def test_rotation_turns_against_the_clock() -> None:
    image = np.zeros((1, 1, 9, 9), np.uint8)
    image[0, 0, 4, 8] = 255  # to the right of the middle
    turned = OPERATIONS["rotate"](image, np.array([3.0]))  # three times 30 degrees
    assert np.argwhere(turned[0, 0]).tolist() == [[0, 4]], "it is now above the middle"


def test_randaugment_chooses_for_each_image() -> None:
    image = np.repeat(pictures(1, (16, 16)), 600, axis=0)
    one = {a.tobytes() for a in RandAugment(1, 15)(image, Generator(0))}
    two = {a.tobytes() for a in RandAugment(2, 15)(image, Generator(0))}
    assert 12 <= len(one) <= 20 < len(two), "twelve operations, eight of them in two directions"
    assert np.array_equal(RandAugment(0)(image), image)


# ---- functions and chains --------------------------------------------------------------------------------------------


def test_lambda_and_random_apply() -> None:
    images = pictures(400)
    assert np.array_equal(Lambda(lambda image: 255 - image)(images), 255 - images)
    assert np.array_equal(Lambda(lambda batch: batch[:, :1], whole=True)(images), images[:, :1])
    assert np.array_equal(Lambda(lambda image: tensor(image))(images), images)
    for inner in (Lambda(lambda image: 255 - image), lambda image: 255 - image):
        out = RandomApply([inner], p=0.25)(images, Generator(0))
        changed = (out == 255 - images).all(axis=(1, 2, 3))
        assert 60 < changed.sum() < 140 and np.array_equal(out[~changed], images[~changed])


def test_a_pytorch_recipe_runs_on_batches() -> None:
    chain = Compose([RandomCrop(32, 4), RandomHorizontalFlip(), ToTensor(), Normalize((0.5,) * 3, (0.25,) * 3)])
    out = chain(pictures(8, (32, 32)), Generator(0))
    assert chain.batched and out.dtype == np.float32 and out.shape == (8, 3, 32, 32)
    assert np.array_equal(ToTensor()(pictures()), ToFloat()(pictures()))


# ---- MixUp and CutMix ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MixUp, CutMix])
@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_mixing_pixel_by_pixel_and_the_targets_with_it(kind: type, alpha: float) -> None:
    images, labels = pictures(5) / np.float32(255), np.array([0, 2, 1, 2, 0])
    for seed in range(10):
        mixed, targets = kind(alpha=alpha, num_classes=3)(images, labels, Generator(seed))
        assert mixed.dtype == targets.dtype == np.float32
        share = float(targets[1, 2])  # image 1 is of class 2, the one before it of class 0
        others = np.roll(images, 1, axis=0)
        if kind is MixUp:
            np.testing.assert_allclose(mixed, share * images + (1 - share) * others, atol=1e-5)
        else:
            kept = (mixed == images).all(axis=(0, 1))
            assert np.array_equal(mixed, np.where(kept, images, others)) and abs(kept.mean() - share) < 1e-6
        eye = np.eye(3)[labels]
        np.testing.assert_allclose(targets, share * eye + (1 - share) * np.roll(eye, 1, axis=0), atol=1e-6)


def test_the_share_is_drawn_from_a_beta_distribution() -> None:
    images, labels = np.zeros((2, 1, 1, 1), np.float32), np.array([0, 1])
    for alpha in (0.3, 1.0, 4.0):
        mix, generator = MixUp(alpha=alpha, num_classes=2), Generator(1)
        shares = np.array([mix(images, labels, generator)[1][0, 0] for _ in range(1500)])
        assert abs(shares.mean() - 0.5) < 0.04 and abs(shares.var() - 1 / (4 * (2 * alpha + 1))) < 0.012


def test_mixing_as_collate_fn_is_repeatable_and_keeps_tensors() -> None:
    data = TensorDataset(tensor(pictures(12) / np.float32(255)), tensor(np.arange(12) % 3))
    mix = CutMix(num_classes=3)

    def run() -> list:
        loader = DataLoader(data, 4, collate_fn=lambda items: mix(*default_collate(items)), generator=Generator(3))
        return [(x.numpy(), y.numpy()) for x, y in loader]

    first, second = run(), run()
    assert all(np.array_equal(a, c) and np.array_equal(b, d) for (a, b), (c, d) in zip(first, second, strict=True))
    x, y = mix(tensor(pictures(2) / np.float32(255)), tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]))
    assert isinstance(x, Tensor) and isinstance(y, Tensor) and np.allclose(y.numpy().sum(1), 1)


# ---- refusals --------------------------------------------------------------------------------------------------------

FLOATS = np.zeros((2, 3, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Pad(-1), ShapeError, "at least 0, found -1"),
        (lambda: Pad((1, 2, 3)), ShapeError, r"one, two or four .* found \(1, 2, 3\)"),
        (lambda: Pad(1, padding_mode="wrap"), TinyTorchError, "found 'wrap'"),
        (lambda: Pad(1, fill=[1, 2])(FLOATS), ShapeError, "one fill value or 3"),
        (lambda: Resize(0), ShapeError, "at least 1, found 0"),
        (lambda: Resize("big"), ShapeError, "found 'big'"),
        (lambda: Resize(4, "cubic"), TinyTorchError, "nearest, bilinear, found 'cubic'"),
        (lambda: RandomCrop((1, 2, 3)), ShapeError, "one or two whole numbers"),
        (lambda: RandomHorizontalFlip("x"), TinyTorchError, "from 0 to 1, found 'x'"),
        (lambda: RandomVerticalFlip(1.5), TinyTorchError, "from 0 to 1, found 1.5"),
        (lambda: RandomResizedCrop(4, scale=(0.5, 0.1)), TinyTorchError, r"scale as \(low, high\)"),
        (lambda: RandomResizedCrop(4, ratio=(0, 1)), TinyTorchError, "ratio"),
        (lambda: RandomResizedCrop(4, ratio=3), TinyTorchError, "ratio as two numbers"),
        (lambda: ColorJitter(brightness=-1), TinyTorchError, "brightness as a number of at least 0"),
        (lambda: ColorJitter(hue=0.6), TinyTorchError, "0 to 0.5 or a range within -0.5 to 0.5, found 0.6"),
        (lambda: ColorJitter(hue=(-0.7, 0)), TinyTorchError, "hue as"),
        (lambda: ColorJitter(0.1)(np.zeros((1, 2, 3, 3), np.uint8)), ShapeError, "1 or 3 channels in ColorJitter"),
        (lambda: Grayscale()(np.zeros((1, 3, 3, 3), int)), DTypeError, "float images in Grayscale, found int64"),
        (lambda: Grayscale(2), ShapeError, "1 or 3 output channels"),
        (lambda: Lambda(3), DTypeError, "a function of an image, found 3"),
        (lambda: Lambda(lambda x: x[:, : 1 + x[0, 0, 0] % 5])(pictures(9)), ShapeError, "one shape from the function"),
        (lambda: RandomApply([ToFloat()], 1.0)(pictures(1)), ShapeError, "keep uint8 .* found float32"),
        (lambda: RandomErasing(value="random")(pictures(1)), DTypeError, "float images, or numbers"),
        (lambda: RandomErasing(value=[1, 2])(FLOATS), ShapeError, "one value or 3"),
        (lambda: RandAugment()(FLOATS), DTypeError, r"put RandAugment before ToFloat"),
        (lambda: RandAugment(magnitude=31), TinyTorchError, "below num_magnitude_bins=31, found .*magnitude=31"),
        (lambda: RandAugment(1.5), TinyTorchError, "whole numbers"),
        (lambda: MixUp(alpha=0), TinyTorchError, "above 0, found 0"),
        (lambda: MixUp()(FLOATS, np.array([0, 1])), TinyTorchError, "num_classes in MixUp"),
        (lambda: MixUp(num_classes=2)(FLOATS, np.array([0, 2])), TinyTorchError, "num_classes=2, found 0 to 2"),
        (lambda: MixUp(num_classes=2)(pictures(2), np.array([0, 1])), DTypeError, "float images in MixUp, found uint8"),
        (lambda: CutMix(num_classes=2)(FLOATS, np.array([0])), ShapeError, r"\(2, 3, 4, 4\) and \(1,\)"),
        (lambda: CutMix(num_classes=2)(FLOATS, np.array(["a", "b"])), DTypeError, "class numbers"),
    ],
)
def test_refusals_are_one_sentence(call: Callable, error: type, words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
