"""Random numbers: number i of a stream is a function of (seed, i), whatever was drawn before, and by whom."""

import json
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch
from tinytorch import DTypeError, Generator, TinyTorchError
from tinytorch.core.engine import random_normal, random_uniform
from tinytorch.given.random import BLOCK, random_bits

SEEDS = st.integers(0, 2**64 - 1)
FLOATS = ("float16", "float32", "float64")
EXPECTED_BITS = [213000021201967259, 4455796210202625458]
EXPECTED_UNIFORM = [0.4082618259872465, 0.1689563422844781, 0.26179718354958037]
EXPECTED_NORMAL = [0.499381227618055, 0.8944274261318315, 0.33068549168958367]


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(0, 2**40), st.integers(0, 40), st.integers(0, 20))
def test_a_stream_can_be_cut_at_every_block(seed: int, offset: int, count: int, blocks: int) -> None:
    whole = random_bits(seed, offset, blocks * BLOCK + count)
    assert np.array_equal(whole[blocks * BLOCK :], random_bits(seed, offset + blocks, count))


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(0, 50), st.integers(0, 50))
def test_a_number_depends_on_its_place_alone(seed: int, count: int, more: int) -> None:
    for draw in (random_uniform, random_normal):
        short, long = draw(np, seed, 7, (count,), "float64"), draw(np, seed, 7, (count + more,), "float64")
        assert np.array_equal(short, long[:count]), f"{draw.__name__}: a longer draw must begin like a shorter one"


def test_shape_does_not_matter() -> None:
    flat = random_normal(np, 3, 0, (24,))
    assert np.array_equal(random_normal(np, 3, 0, (2, 3, 4)), flat.reshape(2, 3, 4))
    assert random_normal(np, 3, 0, ()).shape == () and random_uniform(np, 3, 0, (0, 5)).shape == (0, 5)


def test_the_stream_is_frozen() -> None:
    """A saved experiment repeats years later only if these never change."""
    assert random_bits(0, 0, 2).tolist() == EXPECTED_BITS
    assert np.allclose(random_uniform(np, 1, 2, (3,), "float64"), EXPECTED_UNIFORM, rtol=0, atol=1e-15)
    assert np.allclose(random_normal(np, 1, 2, (3,), "float64"), EXPECTED_NORMAL, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_numbers(dtype: str) -> None:
    n = 200_000
    x = Generator(11).uniform((n,), dtype)
    assert x.dtype == dtype and x.min() >= 0 and x.max() < 1, "in [0, 1) in every dtype"
    y = x.astype(np.float64) + 2.0 ** -(np.finfo(dtype).nmant + 2)      # the middle of the step
    counts = np.histogram(y, bins=64, range=(0, 1))[0]
    chi2 = ((counts - n / 64) ** 2 / (n / 64)).sum()
    assert 20 < chi2 < 125, f"chi² with 63 degrees of freedom: {chi2:.0f} (a fair source leaves 20…125 once in 100,000)"
    neighbours = np.corrcoef(y[:-1], y[1:])[0, 1]
    assert abs(neighbours) < 4.5 / n**0.5, f"neighbours are correlated: {neighbours:.4f}"


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_numbers(dtype: str) -> None:
    n = 200_000
    x = Generator(12).normal((n,), dtype)
    assert x.dtype == dtype and np.isfinite(x).all()
    x = x.astype(np.float64)
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        error = (x**power).mean() - moment
        assert abs(error) < 4.5 * (variance / n) ** 0.5 + 1e-3, f"moment {power} is off by {error:.4f}"
    assert abs((x > 1.959964).mean() - 0.025) < 4.5 * (0.025 / n) ** 0.5
    assert abs((x[::2] * x[1::2]).mean()) < 4.5 / (n / 2) ** 0.5, "the two numbers of a pair are independent"


def test_integers_and_permutations() -> None:
    generator = Generator(5)
    draws = generator.integers(-3, 4, (70_000,))
    counts = np.bincount(draws + 3, minlength=7)
    assert draws.dtype == np.int64 and draws.min() == -3 and draws.max() == 3
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 35, f"chi² with 6 degrees of freedom, counts {counts}"
    assert generator.integers(2**63 - 2, 2**63 - 1, (3,)).tolist() == [2**63 - 2] * 3
    order = generator.permutation(1000)
    assert sorted(order.tolist()) == list(range(1000)) and order.tolist() != list(range(1000))
    assert generator.permutation(0).tolist() == []
    firsts = np.array([generator.permutation(5)[0] for _ in range(5000)])
    assert ((np.bincount(firsts) - 1000) ** 2 / 1000).sum() < 30, "every element comes first equally often"


def test_state_round_trip() -> None:
    generator = Generator(9)
    generator.normal((13,))
    state = json.loads(json.dumps(generator.get_state()))
    first = generator.uniform((5,)), generator.normal((4,)), generator.permutation(6)
    other = Generator()
    other.set_state(state)
    second = other.uniform((5,)), other.normal((4,)), other.permutation(6)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert other.get_state() == generator.get_state() and other.initial_seed() == 9


def test_reserved_numbers_are_those_that_would_have_been_drawn() -> None:
    a, b = Generator(4), Generator(4)
    a.uniform((3,))
    b.uniform((3,))
    seed, offset = a.reserve(10)
    assert np.array_equal(random_uniform(np, seed, offset, (10,)), b.uniform((10,)))
    assert a.get_state() == b.get_state()


def test_threads_never_draw_the_same_numbers() -> None:
    generator, places = Generator(1), []

    def draw() -> None:
        for _ in range(200):
            places.append(generator.reserve(4)[1])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(places) == list(range(800))


def test_the_default_generator_is_seeded() -> None:
    assert tinytorch.manual_seed(3).initial_seed() == 3 == tinytorch.initial_seed()
    first = tinytorch.randn(4), tinytorch.rand(4), tinytorch.randint(0, 9, 4), tinytorch.randperm(4)
    tinytorch.manual_seed(3)
    second = tinytorch.randn(4), tinytorch.rand(4), tinytorch.randint(0, 9, 4), tinytorch.randperm(4)
    assert all(a.equal(b) for a, b in zip(first, second, strict=True))
    assert not tinytorch.randn(4).equal(first[0])


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True, "1", None])
def test_bad_seeds(seed: object) -> None:
    with pytest.raises(DTypeError, match="seed"):
        Generator(seed)


@pytest.mark.parametrize("state", [{}, {"seed": 1}, {"seed": 1, "offset": -1}, {"seed": 1, "offset": 1.5}, {"a": 1}])
def test_bad_states(state: dict) -> None:
    with pytest.raises(TinyTorchError, match="whole numbers 'seed' and 'offset'"):
        Generator().set_state(state)


@pytest.mark.parametrize(("low", "high"), [(3, 3), (4, 3), (0, 2.5), ("a", 3), (0, 2**63)])
def test_bad_ranges(low: object, high: object) -> None:
    with pytest.raises(TinyTorchError, match="low < high"):
        tinytorch.randint(low, high, 3)


def test_only_floating_dtypes_are_drawn() -> None:
    for draw in (tinytorch.rand, tinytorch.randn):
        with pytest.raises(DTypeError, match="randint"):
            draw(3, dtype="int64")
