"""Counted random numbers: each word of a stream is as good as drawn, whatever stands beside it.

Seen through the reference; that the kernels have the same numbers is tested where they use them (`test_augment` for
noise, `test_plan` for dropout). Seeds are fixed, so that a test passes always or never; bounds are five standard
deviations, which a fair generator exceeds once in a million.
"""

from __future__ import annotations

import numpy as np
import pytest

from cnn.backends.numpy import random

SEEDS = pytest.mark.parametrize("seed", [0, 1, 2**63 - 1, 0x9E3779B97F4A7C15 >> 1])
IMAGES, COUNT = 300, 400


def words(seed: int, use: int = 0, images: int = IMAGES, count: int = COUNT) -> np.ndarray:
    return random.words(seed, np.arange(images), use, count)


def assert_evenly_spread(bins: np.ndarray, size: int):
    """A chi-square test of which of so many bins each value fell into; the statistic's variance is twice its mean."""
    expected = bins.size / size
    statistic = ((np.bincount(bins.ravel(), minlength=size) - expected) ** 2 / expected).sum()
    assert abs(statistic - (size - 1)) < 5 * np.sqrt(2 * (size - 1))


@SEEDS
@pytest.mark.parametrize("byte", range(4))
def test_every_byte_of_a_word_has_all_its_values_evenly(seed, byte):
    assert_evenly_spread((words(seed) >> np.uint32(8 * byte)) & np.uint32(255), 256)


@SEEDS
@pytest.mark.parametrize("bit", [0, 28])
def test_neighbours_know_nothing_of_each_other(seed, bit):
    def four_bits(w):
        return (w >> np.uint32(bit)) & np.uint32(15)

    here = words(seed)
    pairs = {
        "the next word": (here[:, 1:], here[:, :-1]),
        "the word after it": (here[:, 2:], here[:, :-2]),
        "the next image": (here[1:], here[:-1]),
        "the next image's next word": (here[1:, 1:], here[:-1, :-1]),
        "another use": (here, words(seed, use=1)),
        "the next seed": (here, words(seed + 1)),
    }
    for one, other in pairs.values():
        assert_evenly_spread(16 * four_bits(one) + four_bits(other), 256)


@SEEDS
def test_words_of_an_image_or_a_use_do_not_come_again_in_another(seed):
    streams = np.concatenate([words(seed, use).ravel() for use in (0, 1, 2)])
    # So many draws of 2**32 hold n * n / 2**33 equal pairs on average, with the root of that for deviation.
    equal = streams.size - np.unique(streams).size
    mean = streams.size**2 / 2**33
    assert abs(equal - mean) < 5 * np.sqrt(mean) + 1


@SEEDS
def test_an_image_has_its_words_whoever_asks_and_for_how_many(seed):
    every = words(seed)
    assert np.array_equal(random.words(seed, np.array([17, 4]), 0, 9), every[[17, 4], :9])


@SEEDS
def test_uniform_numbers_fill_minus_one_to_one(seed):
    u = random.uniform(words(seed))
    assert u.dtype == np.float64
    assert -1 <= u.min() < -0.999
    assert 0.999 < u.max() < 1
    # Variance 1/3; that of the square is 1/5 - 1/9.
    assert abs(u.mean()) < 5 * np.sqrt(1 / 3 / u.size)
    assert abs((u**2).mean() - 1 / 3) < 5 * np.sqrt(4 / 45 / u.size)


@SEEDS
def test_normal_numbers_have_mean_zero_and_variance_one(seed):
    z = random.normal(words(seed))
    assert np.abs(z).max() < 3.5
    # The sum of four equal bytes has the fourth moment 3 - 6/5/4 = 2.7.
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs((z**2).mean() - 1) < 5 * np.sqrt((2.7 - 1) / z.size)
    assert np.mean(np.abs(z) < 1) == pytest.approx(0.68, abs=0.02)


def test_the_largest_and_smallest_words_give_the_ends_of_the_ranges():
    ends = np.array([0, 2**32 - 1], np.uint32)
    assert random.uniform(ends).tolist() == [-1, 1 - 2**-23]
    assert random.normal(ends).tolist() == pytest.approx([-510 * 0.006765875087, 510 * 0.006765875087], rel=1e-15)
    # Of a byte's 256 values the variance is (256**2 - 1) / 12.
    assert pytest.approx(1 / np.sqrt(4 * (256**2 - 1) / 12), rel=1e-9) == 0.006765875087
