"""Learning rates over a fit."""

import inspect
import itertools
import json
import math

import numpy as np
import pytest

import cnn
from cnn.schedules import Constant, Cosine, OneCycle, Step

SCHEDULES = [Constant(0.1), Step(0.1, 1, 0.3), Cosine(0.1), OneCycle(0.1, 0.3)]
EVERY_SCHEDULE = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


def test_constant_stays_at_its_rate():
    assert [Constant(0.1).at(done) for done in (0.0, 0.3, 1.0)] == [0.1, 0.1, 0.1]


def test_cosine_falls_from_its_rate_to_zero_without_turning():
    rates = [Cosine(0.1).at(done) for done in np.linspace(0, 1, 101)]
    assert rates[0] == 0.1
    assert math.isclose(rates[50], 0.05)
    assert math.isclose(rates[-1], 0, abs_tol=1e-15)
    assert all(a > b for a, b in itertools.pairwise(rates))


@pytest.mark.parametrize("epochs", [1, 3, 7, 10, 49, 100])
@pytest.mark.parametrize("steps", [1, 3, 10, 1875])
def test_a_step_falls_with_the_first_step_of_its_epoch(epochs, steps):
    """However the fraction of an epoch is rounded."""
    rates = Step(0.1, 2, 0.5).at(np.arange(epochs * steps) / (epochs * steps), epochs)
    assert rates.tolist() == [0.1 * 0.5 ** (epoch // 2) for epoch in range(epochs) for _ in range(steps)]


def test_one_cycle_climbs_to_its_peak_and_falls_to_next_to_nothing():
    rates = OneCycle(0.5, warmup=0.25).at(np.linspace(0, 1, 101))
    assert math.isclose(rates[0], 0.02)
    assert math.isclose(rates[25], 0.5)
    assert math.isclose(rates[-1], 0.5 / 250_000)
    assert (np.diff(rates[:26]) > 0).all()
    assert (np.diff(rates[25:]) < 0).all()


def test_one_cycle_goes_along_cosines():
    """The formula of PyTorch's `OneCycleLR`, phase by phase: end + (start - end) / 2 * (1 + cos(pi * part))."""

    def anneal(start, end, part):
        return end + (start - end) / 2 * (1 + math.cos(math.pi * part))

    schedule = OneCycle(1.0, warmup=0.2)
    for done in (0.0, 0.05, 0.1, 0.19):
        assert math.isclose(schedule.at(done), anneal(0.04, 1.0, done / 0.2))
    for done in (0.2, 0.3, 0.6, 0.99, 1.0):
        assert math.isclose(schedule.at(done), anneal(1.0, 0.04 / 1e4, (done - 0.2) / 0.8), rel_tol=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 5, 100, 1001])
@pytest.mark.parametrize("warmup", [0.01, 0.2, 0.5, 0.99])
def test_one_cycle_has_the_rates_of_pytorch_s_but_for_what_its_docstring_says(steps, warmup):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1)], momentum=0.9)
    its_schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.5, total_steps=steps + 1, pct_start=(steps * warmup + 1) / (steps + 1), cycle_momentum=False
    )
    rates = []
    for _ in range(steps + 1):
        rates += its_schedule.get_last_lr()
        optimizer.step()
        if len(rates) <= steps:
            its_schedule.step()
    np.testing.assert_allclose(OneCycle(0.5, warmup).at(np.arange(steps + 1) / steps), rates, rtol=1e-9)


def test_the_docstring_of_one_cycle_names_every_argument_of_pytorch_s_that_it_has_not():
    torch = pytest.importorskip("torch")
    arguments = inspect.signature(torch.optim.lr_scheduler.OneCycleLR).parameters
    of_every_scheduler = {"optimizer", "max_lr", "epochs", "steps_per_epoch", "last_epoch"}
    assert {name for name in arguments if f"`{name}" not in OneCycle.__doc__} == of_every_scheduler


@EVERY_SCHEDULE
def test_many_rates_at_once_are_those_that_come_one_by_one(schedule):
    done = np.arange(50) / 50
    for pieces in (np.split(done, 50), np.split(done, [1, 8, 11, 28])):
        assert np.concatenate([schedule.at(piece, 5) for piece in pieces]).tolist() == schedule.at(done, 5).tolist()
    assert [schedule.at(float(one), 5) for one in done] == schedule.at(done, 5).tolist()


@EVERY_SCHEDULE
def test_a_schedule_is_described_by_its_arguments(schedule):
    again = type(schedule)(**json.loads(json.dumps(vars(schedule))))
    assert repr(again) == repr(schedule)
    assert vars(again) == vars(schedule)
    assert again.at(0.4, 6) == schedule.at(0.4, 6)


def test_a_schedule_is_printed_as_it_is_written():
    assert repr(Step(np.float32(0.5), np.int64(3), 1)) == "Step(rate=0.5, every=3, factor=1.0)"


@pytest.mark.parametrize("rate", [-1, math.nan, math.inf, 1e39])
@pytest.mark.parametrize("make", [Constant, Cosine, OneCycle, lambda rate: Step(rate, 1, 0.5)])
def test_a_rate_that_is_no_rate_is_refused(make, rate):
    with pytest.raises(ValueError, match=r"^(rate|peak) must be finite and between 0 and"):
        make(rate)


@pytest.mark.parametrize(
    ("kind", "arguments", "error", "message"),
    [
        (Step, (0.1, 0, 0.5), ValueError, "every must be at least 1, got 0"),
        (Step, (0.1, 1.5, 0.5), TypeError, "every must be an integer, got 1.5"),
        (Step, (0.1, 1, -0.5), ValueError, "factor must be finite and at least 0"),
        (OneCycle, (math.inf,), ValueError, "peak must be finite"),
        (OneCycle, ("0.1",), TypeError, "peak must be a number"),
        (OneCycle, (0.1, 0), ValueError, "warmup must be above 0 and below 1, got 0"),
        (OneCycle, (0.1, 1.0), ValueError, "warmup must be above 0 and below 1, got 1"),
        (OneCycle, (0.1, math.nan), ValueError, "warmup must be finite"),
    ],
)
def test_arguments_that_make_no_schedule_are_refused(kind, arguments, error, message):
    with pytest.raises(error, match=message):
        kind(*arguments)


def test_a_schedule_spans_the_steps_of_the_fit_it_is_given_to():
    optimizer = cnn.SGD(Cosine(1.0))
    optimizer.start(4)
    parameters, rates = np.zeros(3, np.float32), []
    for _ in range(4):
        rates.append(optimizer.rate())
        optimizer.step(parameters, np.ones(3, np.float32))
    assert np.allclose(rates, [Cosine(1.0).at(k / 4) for k in range(4)])
    assert np.allclose(parameters, -sum(rates))
    optimizer.start(4)
    assert optimizer.rate() == 1.0


@EVERY_SCHEDULE
@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_every_step_of_a_fit_has_the_schedules_rate(schedule, backend):
    images, labels = np.random.default_rng(0).random((10, 2, 2)), np.arange(10) % 3
    layers = [[cnn.Flatten(), cnn.Dense(3)] for _ in range(2)]
    net, by_hand = (cnn.Sequential(of, input_shape=(2, 2, 1), seed=0, backend=backend) for of in layers)
    optimizer = cnn.SGD(schedule)
    net.fit(images, labels, epochs=4, batch_size=4, optimizer=optimizer, shuffle=False, progress=False)
    for k, first in enumerate([0, 4, 8] * 4):
        batch = slice(first, first + 4)
        by_hand.train_on_batch(images[batch], labels[batch], cnn.SGD(schedule.at(k / 12, 4)))
    for name, value in net.parameters().items():
        assert np.array_equal(value, by_hand.parameters()[name]), name
    assert optimizer.done == 12
    assert optimizer.rate() == schedule.at(1.0, 4)


def test_the_rates_of_the_next_steps_are_those_that_come_one_by_one():
    optimizer = cnn.SGD(Cosine(1.0))
    optimizer.start(5)
    ahead = optimizer.rates(5)
    one_by_one = []
    for optimizer.done in range(5):
        one_by_one.append(optimizer.rate())
    assert ahead.dtype == np.float64
    assert ahead.tolist() == one_by_one == [Cosine(1.0).at(k / 5) for k in range(5)]


@pytest.mark.parametrize("schedule", [Cosine(1.0), Step(1.0, 1, 0.5)])
def test_after_a_fit_a_schedule_stays_at_its_end(schedule):
    optimizer = cnn.SGD(schedule)
    optimizer.start(4, epochs=2)
    optimizer.done = 3
    assert optimizer.rates(5).tolist() == [schedule.at(3 / 4, 2), *[schedule.at(1.0, 2)] * 4]
    optimizer.done = 8
    assert optimizer.rate() == schedule.at(1.0, 2)


def test_outside_of_a_fit_a_schedule_stays_at_its_beginning():
    optimizer = cnn.SGD(OneCycle(1.0))
    optimizer.done = 100
    assert optimizer.rates(3).tolist() == [OneCycle(1.0).at(0.0)] * 3
