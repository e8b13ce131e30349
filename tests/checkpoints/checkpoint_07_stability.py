"""Can I feed a deep network so that its activations stay in range down to the last layer?

First the feeding: batches, order, resume, statistics and transforms of module 08 against plain NumPy. Then the depth:
what layers do to raw bytes, to standardised inputs, and to standardised inputs with batch norm or layer norm between
the layers, against the closed form of a random ReLU network.
"""

if __name__ == "__main__":  # before the imports: a package that lacks a name is told in a sentence
    from tito.checkpoints import main

    raise SystemExit(main(__file__))

import json

import numpy as np
import pytest

import tinytorch
from tinytorch import nn
from tinytorch.core.dataloader import channel_statistics
from tinytorch.datasets import SyntheticImages
from tinytorch.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToFloat
from tinytorch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset


def numbered(count: int) -> TensorDataset:
    """Items (2 i, i)."""
    i = np.arange(count)
    return TensorDataset(tinytorch.tensor(2.0 * i), tinytorch.tensor(i))


def standardised(size: int) -> tuple[np.ndarray, DataLoader]:
    """Generated images, and a loader that standardises them in one batch."""
    data = SyntheticImages(size=size)
    data.transform = Compose([ToFloat(), Normalize(*channel_statistics(data.images))])
    return data.images, DataLoader(data, batch_size=size)


# ---- batches -------------------------------------------------------------------------------------------------------


def test_an_item_is_a_row_of_every_tensor() -> None:
    item = numbered(10)[7]
    assert isinstance(item, tuple), f"TensorDataset.__getitem__ must return a tuple, got {type(item).__name__}"
    values = [float(part.item()) for part in item]
    assert values == [14.0, 7.0], f"TensorDataset.__getitem__: item 7 of (2 i, i) is (14, 7), got {values}"


def test_a_batch_holds_the_rows_asked_for_in_their_order() -> None:
    x, y = numbered(10).get_batch([9, 0, 4, 0])
    assert y.tolist() == [9, 0, 4, 0], f"TensorDataset.get_batch: rows 9, 0, 4, 0 in this order, got {y.tolist()}"
    assert x.tolist() == [18, 0, 8, 0], f"TensorDataset.get_batch: inputs must belong to their labels, got {x.tolist()}"


@pytest.mark.parametrize(
    ("count", "drop_last", "expected"), [(7, False, [3, 3, 1]), (7, True, [3, 3]), (6, False, [3, 3]), (2, False, [2])]
)
def test_batches_are_full_but_for_the_last(count: int, drop_last: bool, expected: list[int]) -> None:
    batches = list(BatchSampler(range(count), 3, drop_last))
    assert [len(b) for b in batches] == expected, (
        f"BatchSampler.__iter__: {count} numbers by 3 (drop_last={drop_last}) have sizes {expected}, got {batches}"
    )
    flat = [i for b in batches for i in b]
    assert flat == list(range(sum(expected))), f"BatchSampler.__iter__: each number once, in order, got {batches}"


# ---- order ---------------------------------------------------------------------------------------------------------


def test_each_epoch_is_a_permutation_of_its_own() -> None:
    sampler = RandomSampler(range(40), generator=tinytorch.Generator(0))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == list(range(40)), f"RandomSampler.__iter__: every item exactly once, got {first}"
    assert first != list(range(40)), "RandomSampler.__iter__: the order is not shuffled"
    assert first != second, "RandomSampler.__iter__: the same order in every epoch: fold the epoch into the seed"


def test_the_order_does_not_depend_on_the_past() -> None:
    walked, jumped = (RandomSampler(range(40), generator=tinytorch.Generator(0)) for _ in range(2))
    for _ in range(3):
        list(walked)
    jumped.set_epoch(3)
    assert list(walked) == list(jumped), (
        "RandomSampler.__iter__: epoch 3 depends on the epochs before it: draw it from (seed, epoch) alone"
    )


def test_a_shuffled_epoch_loses_and_repeats_nothing() -> None:
    loader = DataLoader(numbered(25), batch_size=4, shuffle=True, generator=tinytorch.Generator(1))
    epochs = [[(x.tolist(), y.tolist()) for x, y in loader] for _ in range(2)]
    orders = [[i for _, y in batches for i in y] for batches in epochs]
    for order in orders:
        assert sorted(order) == list(range(25)), f"DataLoader._batches: an epoch holds each item once, got {order}"
    assert orders[0] != orders[1], "DataLoader._batches: two epochs in the same order: tell the sampler the epoch"
    for x, y in epochs[0]:
        assert x == [2 * label for label in y], f"DataLoader._batches: labels {y} came with the inputs {x}"


def test_augmentation_differs_from_epoch_to_epoch() -> None:
    data = SyntheticImages(size=64, transform=RandomCrop(32, padding=4))
    loader = DataLoader(data, batch_size=64, generator=tinytorch.Generator(2))
    first, second = (next(iter(loader))[0].numpy() for _ in range(2))
    assert not np.array_equal(first, second), (
        "DataLoader._batches: the augmentation is the same in every epoch: fold seed, epoch and position together"
    )


# ---- stop and resume -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("done", [0, 1, 5, 6])
def test_a_resumed_epoch_gives_the_remaining_batches(done: int) -> None:
    def loader(seed: int) -> DataLoader:
        data = SyntheticImages(size=48, transform=Compose([RandomCrop(32, padding=4), RandomHorizontalFlip()]))
        return DataLoader(data, batch_size=8, shuffle=True, generator=tinytorch.Generator(seed))

    whole = loader(3)
    epochs = [[x.numpy() for x, _ in whole] for _ in range(2)]
    stopped = loader(3)
    batches = iter(stopped)
    for _ in range(done):
        next(batches)
    state = json.loads(json.dumps(stopped.state_dict()))
    assert state["position"] == done, (
        f"DataLoader.state_dict: {done} batches went out, not {state['position']}: note the position before the yield"
    )
    resumed = loader(4)
    resumed.load_state_dict(state)
    rest = [x.numpy() for x, _ in resumed]
    assert len(rest) == 6 - done, f"DataLoader.load_state_dict: {6 - done} of 6 batches remain, got {len(rest)}"
    rest += [x.numpy() for x, _ in resumed]
    for position, (got, expected) in enumerate(zip(rest, epochs[0][done:] + epochs[1], strict=True), start=done):
        assert np.array_equal(got, expected), f"DataLoader.load_state_dict: batch {position} not that of the whole run"


# ---- images into range ---------------------------------------------------------------------------------------------


def test_statistics_are_those_of_all_pixels_of_a_channel() -> None:
    rng = np.random.default_rng(0)
    images = (rng.integers(0, 90, (53, 3, 6, 5)) + np.array([0, 60, 150]).reshape(3, 1, 1)).astype(np.uint8)
    images[:20] //= 2
    mean, std = channel_statistics(images, piece=16)
    pixels = images.transpose(1, 0, 2, 3).reshape(3, -1) / 255.0
    means, deviations = pixels.mean(axis=1), pixels.std(axis=1)
    assert np.allclose(mean, means), f"channel_statistics: means {means} expected, got {mean}"
    assert np.allclose(std, deviations), f"channel_statistics: deviations {deviations} expected, got {std}"


def test_bytes_become_float32_between_0_and_1() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    floats = ToFloat()(levels)
    assert floats.dtype == np.float32, f"ToFloat.apply: float32 expected, got {floats.dtype} (twice the memory)"
    assert np.array_equal(floats.ravel(), (np.arange(256) / 255).astype(np.float32)), (
        f"ToFloat.apply: byte b becomes b / 255, but 255 became {floats.max()}"
    )


def test_normalize_subtracts_the_mean_and_divides_by_the_deviation() -> None:
    image = np.array([0.5, 0.8], dtype=np.float32).reshape(1, 2, 1, 1)
    out = Normalize([0.25, 0.5], [0.5, 0.1])(image).ravel()
    assert np.allclose(out, [0.5, 3.0], atol=1e-5), (
        f"Normalize.apply: (0.5 - 0.25) / 0.5 and (0.8 - 0.5) / 0.1 are 0.5 and 3, got {out} (divide by the deviation)"
    )


def test_flips_mirror_left_and_right_image_by_image() -> None:
    images = np.random.default_rng(1).integers(0, 256, (300, 3, 5, 7)).astype(np.uint8)
    out = RandomHorizontalFlip(0.5)(images, tinytorch.Generator(0))
    flipped = (out == images[..., ::-1]).all(axis=(1, 2, 3))
    assert ((out == images).all(axis=(1, 2, 3)) ^ flipped).all(), (
        "RandomHorizontalFlip.apply: each image is unchanged or mirrored left to right (the last axis)"
    )
    assert 110 < flipped.sum() < 190, (
        f"RandomHorizontalFlip.apply: a coin for each image mirrors about 150 of 300, got {flipped.sum()}"
    )


def test_crops_reach_every_place_image_by_image() -> None:
    address = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)
    out = RandomCrop((3, 4), padding=1)(np.broadcast_to(address, (450, 2, 3, 4)), tinytorch.Generator(0))
    padded = np.pad(address, 1)
    places = [padded[r : r + 3, c : c + 4] for r in range(3) for c in range(3)]
    counts = [int((out[:, 0] == place).all(axis=(1, 2)).sum()) for place in places]
    assert sum(counts) == 450, f"RandomCrop.apply: {450 - sum(counts)} of 450 results are no window of the padded image"
    assert min(counts) > 20, f"RandomCrop.apply: a place for each image reaches all nine about 50 times, got {counts}"
    assert np.array_equal(out[:, 0], out[:, 1]), "RandomCrop.apply: the channels of an image were cut apart"


# ---- depth ---------------------------------------------------------------------------------------------------------


def test_the_first_layer_is_in_range_only_for_standardised_inputs() -> None:
    """A default Linear has weights of variance 1 / (3 d): the mean square of its outputs is a third of its inputs'."""
    raw, loader = standardised(256)
    ((x, _),) = loader
    tinytorch.manual_seed(0)
    layer = nn.Linear(3 * 32 * 32, 512, bias=False)
    rms = {}
    for name, inputs in (("raw bytes", raw.astype(np.float32)), ("standardised", x.numpy())):
        flat = inputs.reshape(256, -1)
        rms[name] = float(np.sqrt((layer(tinytorch.tensor(flat)).detach().numpy() ** 2).mean()))
        expected = float(np.sqrt((flat.astype(np.float64) ** 2).mean() / 3))
        assert rms[name] == pytest.approx(expected, rel=0.1), f"{name}: rms {expected:.3g}, got {rms[name]:.3g}"
    assert rms["standardised"] == pytest.approx(3**-0.5, rel=0.1), (
        f"Normalize, channel_statistics: standardised inputs give outputs of rms 0.58, got {rms['standardised']:.3g}"
    )
    assert rms["raw bytes"] > 30, f"raw bytes leave the range in the first layer, got rms {rms['raw bytes']:.3g}"


def activations(norm: type | None, depth: int = 30, width: int = 128) -> list[np.ndarray]:
    """What enters each ReLU of a deep network without biases, fed with a batch of standardised images."""
    ((x, _),) = standardised(256)[1]
    tinytorch.manual_seed(1)
    x, seen = x.reshape(256, -1), []
    for layer in range(depth):
        x = nn.Linear(3072 if layer == 0 else width, width, bias=False)(x)
        x = norm(width)(x) if norm else x
        seen.append(x.detach().numpy())
        x = nn.ReLU()(x)
    return seen


def test_without_normalisation_depth_makes_the_signal_vanish() -> None:
    """Each layer multiplies the mean square by 1/3 (its weights) and by 1/2 (ReLU): 6⁻²⁹ is left after 30 layers."""
    seen = activations(None)
    ratio = np.log10((seen[-1] ** 2).mean(dtype=np.float64) / (seen[0] ** 2).mean(dtype=np.float64))
    expected = -29 * np.log10(6)
    assert ratio == pytest.approx(expected, abs=3), f"mean square: 10^{expected:.1f} of it is left, got 10^{ratio:.1f}"


@pytest.mark.parametrize(("norm", "axis"), [(nn.BatchNorm1d, 0), (nn.LayerNorm, 1)])
def test_with_normalisation_every_layer_is_in_range(norm: type, axis: int) -> None:
    """Batch norm standardises each feature over the batch (axis 0), layer norm each sample over its features (1)."""
    for depth, values in enumerate(activations(norm), start=1):
        layer = f"layer {depth} with {norm.__name__}"
        mean, std = values.mean(axis=axis, dtype=np.float64), values.std(axis=axis, dtype=np.float64)
        alive = std > 0.1  # a feature that ReLU has silenced for the whole batch has deviation 0
        assert np.abs(mean).max() < 1e-3, f"{layer}: mean 0 expected, got {np.abs(mean).max():.2g}"
        assert np.abs(std[alive] - 1).max() < 0.02, f"{layer}: deviations from {std[alive].min():.3g} up, not 1"
        assert alive.mean() > 0.95, f"{layer}: {(~alive).sum()} of {alive.size} are silent"


def test_batch_norm_keeps_single_images_in_range_after_training() -> None:
    """In evaluation the running statistics serve, so one image alone gives what it gives inside a batch."""
    _, loader = standardised(256)
    ((x, _),) = loader
    tinytorch.manual_seed(2)
    conv, norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
    found = conv(x).detach()
    for _ in range(60):
        norm(found)
    norm.eval()
    together = norm(found).detach().numpy()
    channels = together.transpose(1, 0, 2, 3).reshape(8, -1).astype(np.float64)
    mean, std = channels.mean(axis=1), channels.std(axis=1)
    assert np.abs(mean).max() < 0.05, f"BatchNorm2d in evaluation: channel means near 0 expected, got {mean}"
    assert np.abs(std - 1).max() < 0.05, f"BatchNorm2d in evaluation: channel deviations near 1 expected, got {std}"
    alone = norm(conv(x[7:8])).detach().numpy()
    assert np.allclose(alone[0], together[7], atol=1e-4), "an image alone must give what it gives inside a batch"


def test_numbers_drawn_with_replacement_and_beyond_the_size() -> None:
    drawn = list(RandomSampler(range(3), replacement=True, num_samples=50))
    assert set(drawn) == {0, 1, 2} and {type(i) for i in drawn} == {int}, (
        f"RandomSampler.__iter__: Python integers 0, 1 and 2, got {drawn}"
    )
    assert any(len(set(drawn[i : i + 3])) < 3 for i in range(0, 48, 3)), (
        f"RandomSampler.__iter__: with replacement each number is drawn by itself, these are permutations: {drawn}"
    )
    drawn = list(RandomSampler(range(2), num_samples=9))
    assert [sorted(drawn[i : i + 2]) for i in range(0, 8, 2)] == [[0, 1]] * 4 and len(drawn) == 9, (
        f"RandomSampler.__iter__: nine numbers, permutation after permutation, got {drawn}"
    )


def test_statistics_of_the_last_image_and_of_a_flat_one() -> None:
    images = np.zeros((3, 1, 2, 2), np.uint8)
    images[2] = 255
    mean, _ = channel_statistics(images, piece=2)
    assert abs(mean[0] - 1 / 3) < 1e-12, f"channel_statistics: the last image counts, mean 1/3, got {mean[0]}"
    for value in range(256):
        _, deviation = channel_statistics(np.full((7, 1, 3, 3), value, np.uint8))
        assert 0 <= deviation[0] < 1e-6, f"channel_statistics: all pixels {value}: deviation 0, got {deviation[0]}"
