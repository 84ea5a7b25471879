"""Learning rates over a fit."""

import itertools
import math

import numpy as np
import pytest

import cnn


def test_cosine_falls_from_its_rate_to_zero_without_turning():
    rates = [cnn.schedules.Cosine(0.1).at(done) for done in np.linspace(0, 1, 101)]
    assert rates[0] == 0.1
    assert math.isclose(rates[50], 0.05)
    assert math.isclose(rates[-1], 0, abs_tol=1e-15)
    assert all(a > b for a, b in itertools.pairwise(rates))


@pytest.mark.parametrize("rate", [-1, math.nan, math.inf])
def test_a_rate_that_is_no_rate_is_refused(rate):
    with pytest.raises(ValueError, match="rate must be finite"):
        cnn.schedules.Cosine(rate)


def test_a_schedule_spans_the_steps_of_the_fit_it_is_given_to():
    optimizer = cnn.SGD(cnn.schedules.Cosine(1.0))
    optimizer.start(4)
    parameters, rates = np.zeros(3, np.float32), []
    for _ in range(4):
        rates.append(optimizer.rate())
        optimizer.step(parameters, np.ones(3, np.float32))
    assert np.allclose(rates, [cnn.schedules.Cosine(1.0).at(k / 4) for k in range(4)])
    assert np.allclose(parameters, -sum(rates))
    optimizer.start(4)
    assert optimizer.rate() == 1.0


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_every_step_of_a_fit_has_the_schedules_rate(backend):
    images, labels = np.random.default_rng(0).random((10, 2, 2)), np.arange(10) % 3
    layers = [[cnn.Flatten(), cnn.Dense(3)] for _ in range(2)]
    net, by_hand = (cnn.Sequential(of, input_shape=(2, 2, 1), seed=0, backend=backend) for of in layers)
    schedule = cnn.schedules.Cosine(0.1)
    optimizer = cnn.SGD(schedule)
    net.fit(images, labels, epochs=2, batch_size=4, optimizer=optimizer, shuffle=False, progress=False)
    for k, first in enumerate([0, 4, 8] * 2):
        batch = slice(first, first + 4)
        by_hand.train_on_batch(images[batch], labels[batch], cnn.SGD(schedule.at(k / 6)))
    for name, value in net.parameters().items():
        assert np.array_equal(value, by_hand.parameters()[name]), name
    assert optimizer.done == 6
    assert optimizer.rate() == schedule.at(1)


def test_the_rates_of_the_next_steps_are_those_that_come_one_by_one():
    optimizer = cnn.SGD(cnn.schedules.Cosine(1.0))
    optimizer.start(5)
    ahead = optimizer.rates(5)
    one_by_one = []
    for optimizer.done in range(5):
        one_by_one.append(optimizer.rate())
    assert ahead.dtype == np.float64
    assert ahead.tolist() == one_by_one == [cnn.schedules.Cosine(1.0).at(k / 5) for k in range(5)]
