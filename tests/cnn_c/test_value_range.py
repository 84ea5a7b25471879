"""The range of the first values of an array, as NumPy finds it."""

import math

import numpy as np
import pytest

import cnn_c


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 784, 8191, 8192])
def test_the_range_is_that_of_all_values_but_nan(level, dtype, n):
    rng = np.random.default_rng(n)
    x = rng.normal(0, 9, n).astype(dtype)
    x[rng.random(n) < 0.1] = np.nan
    expected = (np.nanmin(x), np.nanmax(x)) if np.isfinite(x).any() else (math.inf, -math.inf)
    assert cnn_c.KERNELS[dtype.char].value_range(x) == expected


def test_of_more_values_the_first_count(level, dtype):
    x = np.arange(20_000).astype(dtype)
    low, high = cnn_c.KERNELS[dtype.char].value_range(x)
    assert low == 0
    assert 784 <= high < 20_000
