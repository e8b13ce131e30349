"""Beyond module 08's own tests: collating, splitting, refusals, and resume for every place to stop at."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch
from tinytorch import DTypeError, Generator, ShapeError, Tensor, TinyTorchError
from tinytorch.given.collate import fetch_batch
from tinytorch.given.seeds import fold_in, scramble
from tinytorch.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToFloat
from tinytorch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)


def numbers(count: int) -> TensorDataset:
    return TensorDataset(tinytorch.tensor(np.arange(count)))


# ---- collating -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "dtype", "values"),
    [
        ([1, 2], np.int64, [1, 2]),
        ([0.5, 2.0], np.float64, [0.5, 2.0]),  # as PyTorch: Python floats become float64
        ([True, False], np.bool_, [True, False]),
        ([np.float32(1), np.float32(2)], np.float32, [1.0, 2.0]),
        ([np.uint8([1, 2]), np.uint8([3, 4])], np.uint8, [[1, 2], [3, 4]]),
        ([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], np.float32, [[1.0, 2.0], [3.0, 4.0]]),
    ],
)
def test_collate_leaves(samples: list, dtype: type, values: list) -> None:
    batch = default_collate(samples)
    assert isinstance(batch, Tensor)
    assert batch.dtype == dtype
    assert batch.tolist() == values


def test_collate_keeps_structure() -> None:
    batch = default_collate([{"a": (i, "n" * i), "b": [np.ones(2) * i]} for i in range(3)])
    assert batch["a"][0].tolist() == [0, 1, 2]
    assert batch["a"][1] == ["", "n", "nn"]
    assert batch["b"][0].tolist() == [[0, 0], [1, 1], [2, 2]]


@pytest.mark.parametrize(
    ("samples", "error", "words"),
    [
        ([np.zeros(2), np.zeros(3)], ShapeError, ["(2,)", "(3,)", "collate_fn"]),
        ([(1, 2), (1,)], ShapeError, ["[1, 2] parts"]),
        ([object()], DTypeError, ["object", "collate_fn"]),
    ],
)
def test_collate_refuses_in_one_sentence(samples: list, error: type, words: list[str]) -> None:
    with pytest.raises(error) as caught:
        default_collate(samples)
    assert all(word in str(caught.value) for word in words), str(caught.value)


# ---- data sets -----------------------------------------------------------------------------------


class Doubled(TensorDataset):
    def __getitem__(self, index: int) -> tuple:
        return tuple(t * 2 for t in super().__getitem__(index))


class OwnBatch(Doubled):
    def get_batch(self, indices: Any, generator: Any = None) -> list:
        return ["own"]


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (numbers(9), [5, 3]),
        ([0, 10, 20, 30, 40, 50], [50, 30]),
        (Doubled(tinytorch.tensor(np.arange(9))), [10, 6]),
        (Subset(Doubled(tinytorch.tensor(np.arange(9))), range(1, 9)), [12, 8]),
        (Subset(numbers(9), range(8, -1, -1)), [3, 5]),
        (Subset(Subset(numbers(9), range(1, 9)), [7, 6, 5, 4, 3, 2]), [3, 5]),
    ],
)
def test_every_kind_of_data_set_gives_its_batch(dataset: Any, expected: list[int]) -> None:
    batch = fetch_batch(dataset, [5, 3])
    values = batch[0] if isinstance(batch, list) else batch
    assert values.tolist() == expected


def test_a_class_with_both_methods_is_taken_at_its_word() -> None:
    assert fetch_batch(OwnBatch(tinytorch.tensor([1])), [0]) == ["own"]


def test_dataset_without_getitem_says_so() -> None:
    class Empty(Dataset):
        pass

    with pytest.raises(TinyTorchError, match="Empty to define __getitem__"):
        Empty()[0]


@pytest.mark.parametrize("tensors", [(np.zeros(3), np.zeros(2)), (np.zeros(()),)])
def test_tensor_dataset_refuses_other_lengths(tensors: tuple) -> None:
    with pytest.raises(ShapeError, match="one length"):
        TensorDataset(*(tinytorch.tensor(t) for t in tensors))


@given(st.integers(1, 60), st.lists(st.floats(0.05, 1), min_size=1, max_size=4), st.integers(0, 99))
def test_random_split_deals_every_item_once(count: int, shares: list[float], seed: int) -> None:
    fractions = [share / sum(shares) for share in shares]
    parts = random_split(range(count), fractions, Generator(seed))
    assert sorted(i for part in parts for i in part.indices) == list(range(count))
    assert all(abs(len(p) - count * f) <= 1 for p, f in zip(parts, fractions, strict=True))


def test_random_split_is_random_repeatable_and_strict() -> None:
    first, again = (random_split(range(100), [60, 40], Generator(1)) for _ in range(2))
    other = random_split(range(100), [60, 40], Generator(2))
    assert first[0].indices == again[0].indices != other[0].indices
    assert first[0].indices != sorted(first[0].indices)
    with pytest.raises(ShapeError, match="100 items"):
        random_split(range(100), [60, 30])


# ---- seeds and samplers --------------------------------------------------------------------------


def test_scramble_is_splitmix64() -> None:
    assert scramble(0) == 0xE220A8397B1DCDAF  # the first two numbers of the published generator, seeds 0 and 1234567
    assert scramble(1234567) == 6457827717110365317


def test_fold_in_tells_its_numbers_apart() -> None:
    seeds = {fold_in(a, b, c) for a in range(10) for b in range(10) for c in range(10)}
    assert len(seeds) == 1000
    assert fold_in(7) == 7 and fold_in(1, 2) != fold_in(2, 1) and fold_in(1, 2, 3) == fold_in(fold_in(1, 2), 3)


@given(st.integers(0, 40), st.integers(1, 9), st.booleans())
def test_batch_sampler_length_is_what_it_yields(count: int, size: int, drop_last: bool) -> None:
    sampler = BatchSampler(range(count), size, drop_last)
    assert len(sampler) == len(list(sampler))


def test_random_order_is_uniform() -> None:
    counts = np.zeros((5, 5), dtype=int)
    sampler = RandomSampler(range(5), generator=Generator(0))
    for _ in range(1000):
        counts[np.arange(5), list(sampler)] += 1
    assert (abs(counts - 200) < 60).all(), counts


def test_samplers_are_samplers() -> None:
    for sampler in (SequentialSampler([1]), RandomSampler([1]), BatchSampler([1], 1, False)):
        assert isinstance(sampler, Sampler)


# ---- the loader ----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 23), size=st.integers(1, 8), shuffle=st.booleans(), drop_last=st.booleans(), data=st.data()
)
def test_resume_anywhere_continues_the_run(count: int, size: int, shuffle: bool, drop_last: bool, data: Any) -> None:
    def make(seed: int) -> DataLoader:
        return DataLoader(numbers(count), size, shuffle, drop_last=drop_last, generator=Generator(seed))

    whole = make(5)
    run = [x.tolist() for _ in range(3) for (x,) in whole]
    steps = data.draw(st.integers(0, 2 * len(whole)))
    stopped, taken = make(5), 0
    while taken < steps:
        for _ in stopped:
            taken += 1
            if taken == steps:
                break
    resumed = make(6)
    resumed.load_state_dict(json.loads(json.dumps(stopped.state_dict())))
    rest = [x.tolist() for (x,) in resumed]
    while len(rest) < len(run) - steps:
        rest += [x.tolist() for (x,) in resumed]
    assert rest[: len(run) - steps] == run[steps:]


@pytest.mark.parametrize("size", [1, 2, 7, 10, 11])
def test_shapes_hold_for_every_batch_size(size: int) -> None:
    images, labels = tinytorch.zeros(10, 3, 4, 4), tinytorch.zeros(10)
    for x, y in DataLoader(TensorDataset(images, labels), batch_size=size):
        assert x.shape == (len(y), 3, 4, 4) and y.shape == (len(y),)


def test_skipped_batches_are_not_read() -> None:
    class Counting(Dataset):
        read = 0

        def __len__(self) -> int:
            return 20

        def __getitem__(self, index: int) -> int:
            self.read += 1
            return index

    data = Counting()
    loader = DataLoader(data, batch_size=5)
    loader.load_state_dict({**loader.state_dict(), "position": 3})
    assert [x.tolist() for x in loader] == [[15, 16, 17, 18, 19]]
    assert data.read == 5


def test_manual_seed_decides_loaders_made_after_it() -> None:
    def order() -> list:
        return [x.tolist() for (x,) in DataLoader(numbers(30), 10, shuffle=True)]

    tinytorch.manual_seed(3)
    first, second = order(), order()
    tinytorch.manual_seed(3)
    assert [order(), order()] == [first, second]
    assert first != second


def test_two_loops_at_once_do_not_disturb_each_other() -> None:
    loader = DataLoader(numbers(12), 3, shuffle=True, generator=Generator(0))
    pairs = list(zip(loader, loader, strict=True))
    apart = DataLoader(numbers(12), 3, shuffle=True, generator=Generator(0))
    epochs = [[x.tolist() for (x,) in apart] for _ in range(2)]
    assert [[a[0].tolist() for a, _ in pairs], [b[0].tolist() for _, b in pairs]] == epochs


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"shuffle": True, "sampler": [0]}, "found both"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler alone"),
        ({"batch_size": 0}, "at least 1, found 0"),
        ({"batch_size": 2.5}, "found 2.5"),
        ({"batch_size": True}, "found True"),
    ],
)
def test_loader_refuses_contradictions(arguments: dict, words: str) -> None:
    with pytest.raises(TinyTorchError, match=words):
        DataLoader(numbers(4), **arguments)


def test_states_that_do_not_fit_are_refused_and_change_nothing() -> None:
    loader = DataLoader(numbers(10), 4, shuffle=True)
    before = loader.state_dict()
    with pytest.raises(TinyTorchError, match=r"'batch_size': 4.*'batch_size': 5"):
        loader.load_state_dict(DataLoader(numbers(10), 5).state_dict())
    with pytest.raises(TinyTorchError, match=r"'batches': 3.*'batches': 5"):
        loader.load_state_dict(DataLoader(numbers(20), 4).state_dict())
    with pytest.raises(TinyTorchError, match="without epoch, position"):
        loader.load_state_dict({"seed": 1, "batch_size": 4, "batches": 3})
    assert loader.state_dict() == before


# ---- transforms ----------------------------------------------------------------------------------


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 3), st.data())
def test_crop_windows_come_from_the_padded_image(height: int, width: int, padding: int, data: Any) -> None:
    size = (data.draw(st.integers(1, height + 2 * padding)), data.draw(st.integers(1, width + 2 * padding)))
    image = np.arange(1, 1 + height * width, dtype=np.uint8).reshape(1, 1, height, width)
    crop = RandomCrop(size, padding)(image, Generator(data.draw(st.integers(0, 50))))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(image[0, 0], padding), size)
    assert (crop[0, 0] == windows).all(axis=(2, 3)).any()


def test_crop_fills_the_border_with_a_colour() -> None:
    images = np.zeros((200, 3, 2, 2), np.uint8)
    crops = RandomCrop(2, padding=2, fill=[10, 20, 30])(images, Generator(0))
    for channel, colour in enumerate((10, 20, 30)):
        assert set(np.unique(crops[:, channel])) == {0, colour}
    assert set(np.unique(RandomCrop(2, padding=2, fill=7)(images, Generator(0)))) == {0, 7}


@pytest.mark.parametrize("transform", [RandomCrop(4, padding=1), RandomHorizontalFlip(), ToFloat(), Normalize(0, 1)])
def test_one_image_a_batch_and_tensors_are_all_served(transform: Callable) -> None:
    batch = np.random.default_rng(0).random((5, 3, 4, 4), dtype=np.float32)
    from_array, from_tensor = transform(batch, Generator(1)), transform(Tensor(batch), Generator(1))
    assert isinstance(from_tensor, Tensor) and np.array_equal(from_tensor.numpy(), from_array)
    assert transform(batch[0]).shape == from_array.shape[1:]
    assert not np.shares_memory(from_array, batch)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: RandomCrop(7)(np.zeros((1, 3, 4, 6))), ShapeError, r"\(7, 7\).*\(4, 6\)"),
        (lambda: Normalize([0, 0], [1, 1])(np.zeros((1, 3, 4, 4))), ShapeError, r"2 channels.*\(1, 3, 4, 4\)"),
        (lambda: Normalize(0, 1)(np.zeros((1, 1, 2, 2), np.uint8)), DTypeError, "uint8: put ToFloat"),
        (lambda: Normalize(0, 0), TinyTorchError, "above 0, found"),
        (lambda: ToFloat()(np.zeros((4, 4))), ShapeError, r"found shape \(4, 4\)"),
    ],
)
def test_transforms_refuse_in_one_sentence(call: Callable, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_compose_is_batched_only_if_all_are() -> None:
    assert Compose([ToFloat(), RandomHorizontalFlip()]).batched
    assert not Compose([ToFloat(), lambda image: image]).batched
    images = np.full((2, 1, 2, 2), 255, np.uint8)
    assert Compose([ToFloat(), lambda x: x * 3])(images).max() == 3
