"""Dropout: shares, masks, gradients; a prediction."""

from __future__ import annotations

import numpy as np
import pytest

from .cases import forward_as_before, made, normal

pytestmark = pytest.mark.usefixtures("one_thread")


def dropped(ns, rate: float, dtype="float64", seed=0, size=100_000):
    """A dropout, and what it makes of ones."""
    layer = ns.Dropout(rate).build((size // 4,), dtype=dtype, seed=seed)
    return layer, layer.forward(np.ones((4, size // 4)))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_takes_its_share_and_keeps_the_mean(either, dtype, rate):
    _, y = dropped(either, rate, dtype)
    kept = y != 0
    # Two roundings, of 1 - rate and of the quotient.
    np.testing.assert_allclose(y[kept], 1 / (1 - rate), rtol=2 * np.finfo(dtype).eps)
    # A share of n independent values has the standard deviation sqrt(rate * (1 - rate) / n), the mean of what is left
    # 1 / (1 - rate) times that; five times it happens by chance once in a million.
    deviation = np.sqrt(rate * (1 - rate) / y.size)
    assert abs((1 - kept.mean()) - rate) < 5 * deviation
    assert abs(y.mean(dtype=np.float64) - 1) < 5 * deviation / (1 - rate)


def test_masks_of_two_passes_or_two_seeds_have_nothing_in_common(either):
    layer, first = dropped(either, 0.5, seed=1)
    assert np.array_equal(first, dropped(either, 0.5, seed=1)[1])
    for one in (layer.forward(np.ones(first.shape)), dropped(either, 0.5, seed=2)[1], np.roll(first, 1)):
        both = ((first == 0) & (one == 0)).mean()
        assert abs(both - 1 / 4) < 5 * np.sqrt(1 / 4 * 3 / 4 / first.size)


def test_the_gradient_of_dropout_goes_where_the_values_went(either, dtype):
    layer, factors = dropped(either, 0.3, dtype, size=400)
    assert layer.backward(np.ones(factors.shape)).tobytes() == factors.tobytes()
    dy = normal(0, factors.shape, dtype)
    assert np.array_equal(layer.backward(dy), dy * factors)


def test_dropout_drops_nan_as_well(either, dtype):
    layer, factors = dropped(either, 0.3, dtype, size=400)
    for value in (layer.backward(np.full(factors.shape, np.nan)), forward_as_before(layer, np.full((4, 100), np.nan))):
        assert np.array_equal(np.isnan(value), factors != 0)
        assert not value[factors == 0].any()


def test_dropout_of_nothing_is_the_identity(either, dtype):
    layer = either.Dropout(0).build((4, 3, 2), dtype=dtype)
    x = normal(0, (5, 4, 3, 2), dtype)
    assert layer.forward(x).tobytes() == x.tobytes()
    assert layer.backward(x).tobytes() == x.tobytes()


def test_a_prediction_drops_nothing_and_draws_nothing(either, dtype):
    layer = made(either, "dropout", dtype)
    x = normal(0, (5, *layer.input_shape), dtype)
    y = layer.forward(x, training=False)
    assert y.tobytes() == x.tobytes()
    assert not np.shares_memory(x, y)
    with pytest.raises(RuntimeError, match="before forward"):
        layer.backward(y)
    assert layer.forward(x).tobytes() == made(either, "dropout", dtype).forward(x).tobytes()


def test_layers_after_a_dropout_begin_as_they_would_without_it(either):
    def parameters(*between):
        return either.Sequential([either.Dense(4), *between, either.Dense(3)], (5,), seed=3).executor.learned.parameters

    assert np.array_equal(parameters(), parameters(either.Dropout(0.5), either.Dropout(0.1)))
