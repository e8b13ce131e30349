"""Samplers that choose, collating in full, and data sets made of data sets."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch import DTypeError, Generator, IndexingError, ShapeError, Tensor, TinyTorchError, tensor
from tinytorch.datasets import Digits
from tinytorch.utils.data import (
    ChainDataset,
    ClassBalancedSampler,
    ConcatDataset,
    DataLoader,
    IterableDataset,
    RandomSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    random_split,
)

MAKERS = [
    lambda seed: SubsetRandomSampler([3, 1, 4, 15, 9, 2, 6], Generator(seed)),
    lambda seed: WeightedRandomSampler([1, 2, 0, 4, 3], 20, generator=Generator(seed)),
    lambda seed: WeightedRandomSampler(np.arange(30.0), 20, replacement=False, generator=Generator(seed)),
    lambda seed: ClassBalancedSampler([0, 0, 0, 0, 1, 1, 2], generator=Generator(seed)),
]


@pytest.mark.parametrize("make", MAKERS)
def test_the_order_is_a_function_of_seed_and_epoch(make: Callable) -> None:
    sampler, twin = make(1), make(1)
    epochs = [list(sampler) for _ in range(4)]
    twin.set_epoch(3)
    assert list(twin) == epochs[3] and len({tuple(order) for order in epochs}) == 4
    assert all(len(order) == len(sampler) for order in epochs) and all(type(i) is int for i in epochs[0])
    assert list(make(2)) != epochs[0]


@pytest.mark.parametrize("make", MAKERS)
def test_a_loader_with_such_a_sampler_resumes(make: Callable) -> None:
    data = TensorDataset(tensor(np.arange(30)))

    def loader(seed: int) -> DataLoader:
        return DataLoader(data, 2, sampler=make(seed))

    run = [x.tolist() for (x,) in loader(4)]
    stopped, other = loader(4), loader(5)
    next(iter(stopped))
    other.load_state_dict(stopped.state_dict())
    assert [x.tolist() for (x,) in other] == run[1:]


def test_a_subset_comes_whole() -> None:
    assert sorted(SubsetRandomSampler(tensor([5, 3, 8]))) == [3, 5, 8]
    assert list(SubsetRandomSampler([])) == []


def test_weighted_draws_follow_the_weights() -> None:
    counts = Counter(WeightedRandomSampler([1, 0, 3, 6, 0], 20_000, generator=Generator(0)))
    assert set(counts) == {0, 2, 3}
    for number, share in ((0, 0.1), (2, 0.3), (3, 0.6)):
        assert abs(counts[number] / 20_000 - share) < 0.012, counts
    firsts, pairs = Counter(), Counter()
    sampler = WeightedRandomSampler([1.0, 2.0, 5.0, 0.0], 2, replacement=False, generator=Generator(0))
    for _ in range(4000):
        order = tuple(sampler)
        firsts[order[0]] += 1
        pairs[order] += 1
    for number, share in ((0, 1 / 8), (1, 2 / 8), (2, 5 / 8)):
        assert abs(firsts[number] / 4000 - share) < 0.03, firsts
    assert abs(pairs[2, 1] / 4000 - 5 / 8 * 2 / 3) < 0.03, pairs
    assert all(a != b for a, b in pairs)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 60), st.integers(0, 9))
def test_balanced_classes_come_equally_often(labels: list[int], count: int, seed: int) -> None:
    drawn = list(ClassBalancedSampler(labels, count, Generator(seed)))
    classes = Counter(labels[i] for i in drawn)
    shares = [classes[label] for label in set(labels)]
    assert len(drawn) == count and max(shares) - min(shares) <= 1
    items = Counter(drawn)
    for label in set(labels):
        uses = [items[i] for i, other in enumerate(labels) if other == label]
        assert max(uses) - min(uses) <= 1, "an item comes again only after all others of its class"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: WeightedRandomSampler([0, 0], 1), TinyTorchError, "some of them above 0"),
        (lambda: WeightedRandomSampler([1, -1], 1), TinyTorchError, "at least 0"),
        (lambda: WeightedRandomSampler([1, float("nan")], 1), TinyTorchError, "finite weights"),
        (lambda: WeightedRandomSampler([[1, 2]], 1), ShapeError, r"shape \(1, 2\)"),
        (lambda: WeightedRandomSampler(["a"], 1), ShapeError, "weights as numbers"),
        (lambda: RandomSampler([1, 2], num_samples=0), TinyTorchError, "at least 1, found 0"),
        (lambda: WeightedRandomSampler([1, 2], None), TinyTorchError, "at least 1, found None"),
        (lambda: WeightedRandomSampler([1, 2], 0), TinyTorchError, "at least 1, found 0"),
        (lambda: WeightedRandomSampler([1, 0, 2], 3, replacement=False), TinyTorchError, "at most 2 samples"),
        (lambda: ClassBalancedSampler([]), DTypeError, r"integer labels of shape \(N,\)"),
        (lambda: ClassBalancedSampler([0.5]), DTypeError, "found float64"),
        (lambda: ClassBalancedSampler([1], 1.5), TinyTorchError, "found 1.5"),
        (lambda: random_split([1, 2], [-1, 3]), ShapeError, r"at least 0, found \[-1, 3\]"),
        (lambda: random_split([1, 2], ["a"]), ShapeError, "lengths or fractions"),
        (lambda: random_split([1, 2], [0.5, 1.5]), ShapeError, "2 items"),
        (lambda: ConcatDataset([]), TinyTorchError, "at least one data set"),
        (lambda: ConcatDataset([Counting(3)]), DTypeError, "ChainDataset"),
        (lambda: ChainDataset([[1]]), DTypeError, "found list: join it by ConcatDataset"),
        (lambda: StackDataset([1], [1, 2]), ShapeError, r"\[1, 2\] items"),
        (lambda: StackDataset(), TinyTorchError, "found none"),
        (lambda: StackDataset([1], x=[1]), TinyTorchError, "found both"),
        (lambda: ConcatDataset([[1], [2]])[2], IndexingError, "below 2, found 2"),
        (lambda: Subset([1, 2], [1])[1], IndexingError, "below 1, found 1"),
        (lambda: IterableDataset().__iter__(), TinyTorchError, r"define __iter__"),
    ],
)
def test_refusals_are_one_sentence(call: Callable, error: type, words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


# ---- collating -------------------------------------------------------------------------------------------------------


class Point(NamedTuple):
    x: Any
    tag: str


def test_collate_named_tuples_nested_bytes_and_mixed_numbers() -> None:
    batch = default_collate([{"p": Point((i, np.ones(2)), "a")} for i in range(2)])
    assert isinstance(batch["p"], Point) and batch["p"].tag == ["a", "a"]
    assert batch["p"].x[0].tolist() == [0, 1] and batch["p"].x[1].shape == (2, 2)
    assert default_collate([b"a", b"b"]) == [b"a", b"b"]
    assert default_collate([1, 0.5]).tolist() == [1.0, 0.5]
    assert default_collate([np.int16(1), np.int16(2)]).dtype == np.int16


@pytest.mark.parametrize(
    ("samples", "error", "words"),
    [
        ([1, "a"], DTypeError, "one kind in a batch, found int and str"),
        ([tensor([1]), np.ones(1)], DTypeError, "found Tensor and ndarray"),
        ([{"a": 1}, {"b": 1}], ShapeError, r"same keys, found \['a'\] and \['b'\]"),
        ([{"a": 1}, {"a": 1, "b": 1}], ShapeError, "same keys"),
        ([None, None], DTypeError, "found NoneType"),
        ([], DTypeError, "at least one item"),
        (3, DTypeError, "a list of at least one item to collate, found 3"),
    ],
)
def test_collate_refuses_in_one_sentence(samples: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        default_collate(samples)


def test_convert_changes_arrays_only() -> None:
    item = default_convert({"x": np.ones(2, np.float32), "p": Point(np.int64(3), "a"), "l": [np.ones(1), "s"], "n": 4})
    assert isinstance(item["x"], Tensor) and isinstance(item["p"], Point) and item["p"].x.item() == 3
    assert item["p"].tag == "a" and isinstance(item["l"][0], Tensor) and item["l"][1] == "s" and item["n"] == 4
    names = np.array(["a"])
    assert default_convert(names) is names


# ---- data sets made of data sets -------------------------------------------------------------------------------------


class Counting(IterableDataset):
    def __init__(self, count: int):
        self.count = count

    def __iter__(self) -> Any:
        return iter(range(self.count))


def test_concatenated_data_sets() -> None:
    parts = [[0, 1], [], [2], TensorDataset(tensor([30, 40]))]
    joined = ConcatDataset(parts)
    assert len(joined) == 5 and joined.cumulative_sizes == [2, 2, 3, 5]
    assert [joined[i] for i in range(3)] == [0, 1, 2] and joined[4][0].item() == 40 and joined[-1][0].item() == 40
    twice = Digits() + Digits(train=False)
    assert len(twice) == 1797 and np.array_equal(twice[1437][0].numpy(), Digits(train=False)[0][0].numpy())


def test_chained_streams() -> None:
    assert list(Counting(2) + Counting(3)) == [0, 1, 0, 1, 2]
    assert [b.tolist() for b in DataLoader(ChainDataset([Counting(2), Counting(3)]), 2)] == [[0, 1], [0, 1], [2]]


def test_stacked_data_sets() -> None:
    numbers = TensorDataset(tensor([1, 2, 3]))
    pairs = StackDataset(["a", "b", "c"], numbers)
    assert pairs[1][0] == "b" and pairs[1][1][0].item() == 2
    assert [(names, x.tolist()) for names, (x,) in DataLoader(pairs, 2)] == [(["a", "b"], [1, 2]), (["c"], [3])]
    named = StackDataset(x=[1, 2], y=[3, 4])
    assert named[0] == {"x": 1, "y": 3}
    (batch,) = DataLoader(Subset(named, [1, 0]), 2)
    assert {key: value.tolist() for key, value in batch.items()} == {"x": [2, 1], "y": [4, 3]}
