"""`LearningRateFinder`: the rates that it tries, when it ends, what it suggests, and that the net is as before."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn

from .killed_fits import bits, data, small

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore:the loss of epoch")]


def searched(finder, net=None, optimizer=None, n=200, **options):
    net = small() if net is None else net
    options = {"epochs": 4, "batch_size": 8, "seed": 0, "progress": False} | options
    optimizer = cnn.SGD(0.1, momentum=0.9) if optimizer is None else optimizer
    net.fit(*data(n), optimizer=optimizer, callbacks=[finder], **options)
    return net


class Losses(cnn.Callback):
    """The loss of each batch."""

    def __init__(self):
        self.seen = []

    def on_batch_end(self, net, logs):
        self.seen.append(logs["loss"])


def test_the_rates_grow_by_the_same_factor_from_the_lowest_to_the_highest():
    finder = cnn.LearningRateFinder(1e-4, 1e-2, steps=40)
    searched(finder)
    np.testing.assert_allclose(finder.rates, np.geomspace(1e-4, 1e-2, 40), rtol=1e-12)


def test_a_shorter_fit_tries_all_rates_in_fewer_steps():
    finder = cnn.LearningRateFinder(1e-4, 1e-2)
    searched(finder, n=30)
    np.testing.assert_allclose(finder.rates, np.geomspace(1e-4, 1e-2, 16), rtol=1e-12)


def test_the_steps_are_those_of_a_fit_with_these_rates_and_the_losses_are_smoothed():
    finder, losses = cnn.LearningRateFinder(1e-4, 1e-2, steps=40), Losses()
    searched(finder)
    searched(losses, optimizer=cnn.SGD(lambda step, steps: 1e-4 * 100 ** (step / 39), momentum=0.9), epochs=2)
    for i, smoothed in enumerate(finder.losses):
        weights = 0.98 ** np.arange(i, -1, -1)
        assert smoothed == pytest.approx(np.average(losses.seen[: i + 1], weights=weights), rel=1e-5)


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
@pytest.mark.parametrize("kind", [cnn.SGD, cnn.Adam])
def test_net_and_optimiser_are_as_before(backend, kind):
    net, optimizer = small(backend=backend), kind(0.01)
    searched(cnn.LearningRateFinder(steps=20), net, optimizer)
    assert bits(net) == bits(small())
    assert (optimizer.learning_rate, optimizer.done) == (0.01, 0)
    other = small(backend=backend)
    for each, of in ((net, optimizer), (other, kind(0.01))):
        each.train_on_batch(*data(8), of)
    assert bits(net) == bits(other)


def test_running_statistics_and_a_schedule_are_as_before():
    layers = [cnn.Conv2D(3, 3), cnn.BatchNorm(), cnn.ReLU(), cnn.Flatten(), cnn.Dense(4)]
    net, schedule = cnn.Sequential(layers, (6, 6, 1), seed=0), cnn.schedules.Cosine(0.1)
    before, optimizer = bits(net), cnn.SGD(schedule)
    searched(cnn.LearningRateFinder(steps=20), net, optimizer)
    assert bits(net) == before
    assert optimizer.learning_rate is schedule


def test_it_ends_where_the_loss_is_four_times_the_lowest():
    finder = cnn.LearningRateFinder(1e-3, 1e4)
    net = searched(finder, n=800, epochs=1)
    assert len(finder.rates) < 100
    assert finder.losses[-1] > 4 * min(finder.losses)
    assert not any(loss > 4 * min(finder.losses[: i + 1]) for i, loss in enumerate(finder.losses[:-1]))
    assert bits(net) == bits(small())


@pytest.mark.filterwarnings("ignore:(overflow|invalid value)")
def test_it_ends_at_a_loss_that_is_infinite_or_nan():
    finder = cnn.LearningRateFinder(1e-3, 1e38, steps=6)
    net = searched(finder)
    assert 0 < len(finder.rates) < 6
    assert np.isfinite(finder.losses).all()
    assert bits(net) == bits(small())


def test_the_suggestion_is_a_tenth_of_the_rate_of_the_lowest_loss():
    finder = cnn.LearningRateFinder()
    finder.rates, finder.losses = [1e-3, 1e-2, 1e-1, 1.0], [2.0, 1.5, 1.25, 4.0]
    assert finder.suggestion == pytest.approx(1e-2)


def test_without_losses_there_is_no_suggestion():
    with pytest.raises(RuntimeError, match=r"^LearningRateFinder has no losses: give it to fit"):
        _ = cnn.LearningRateFinder().suggestion


def test_another_callback_that_ends_the_fit_does_not_keep_the_net_from_being_set_back():
    class Stop(cnn.Callback):
        def on_batch_end(self, net, logs):
            net.stop_training = logs["batch"] == 3

    finder, net, optimizer = cnn.LearningRateFinder(), small(), cnn.SGD(0.1)
    net.fit(*data(80), batch_size=8, optimizer=optimizer, callbacks=[Stop(), finder], progress=False)
    assert (len(finder.rates), optimizer.learning_rate, bits(net)) == (3, 0.1, bits(small()))


def test_a_finder_may_be_used_again():
    finder = cnn.LearningRateFinder(steps=20)
    searched(finder)
    first = list(finder.losses)
    searched(finder)
    assert finder.losses == first


@pytest.mark.parametrize(
    ("options", "error", "name"),
    [
        ({"lowest": 0}, ValueError, "lowest"),
        ({"lowest": 1, "highest": 0.1}, ValueError, "lowest"),
        ({"highest": math.inf}, ValueError, "highest"),
        ({"lowest": "1e-5"}, TypeError, "lowest"),
        ({"steps": 1}, ValueError, "steps"),
        ({"steps": 10.5}, TypeError, "steps"),
    ],
)
def test_an_argument_out_of_range_is_named(options, error, name):
    with pytest.raises(error, match=f"^{name} must"):
        cnn.LearningRateFinder(**options)


def test_a_fit_of_one_step_is_refused():
    with pytest.raises(ValueError, match=r"^LearningRateFinder needs a fit of two steps or more, got 1$"):
        searched(cnn.LearningRateFinder(), n=8, epochs=1)


def test_it_finds_a_rate_with_which_digits_are_learned(bars):
    net = cnn.models.two_conv(seed=0)
    finder, x = cnn.LearningRateFinder(steps=60), bars.train_images
    net.fit(x, bars.train_labels, epochs=20, batch_size=16, callbacks=[finder], seed=0, progress=False)
    net.fit(x, bars.train_labels, 8, 16, optimizer=cnn.SGD(finder.suggestion), seed=0, progress=False)
    assert net.score(x, bars.train_labels) > 0.9
