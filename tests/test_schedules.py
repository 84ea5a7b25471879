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


def test_fit_lets_the_rate_fall(monkeypatch):
    seen = []
    step = cnn.SGD.step
    monkeypatch.setattr(cnn.SGD, "step", lambda self, *args: (seen.append(self.rate()), step(self, *args)))
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], input_shape=(2, 2, 1), seed=0)
    images, labels = np.ones((10, 2, 2)), np.arange(10) % 3
    schedule = cnn.schedules.Cosine(0.1)
    net.fit(images, labels, epochs=2, batch_size=4, optimizer=cnn.SGD(schedule), progress=False)
    assert np.allclose(seen, [schedule.at(k / 6) for k in range(6)])
