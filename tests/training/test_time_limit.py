"""`TimeLimit`: a fit ends at a call after the limit, and goes on from its checkpoint."""

from __future__ import annotations

import math
import time

import pytest

import cnn

from .killed_fits import bits, data, figures, small

pytestmark = pytest.mark.usefixtures("one_thread")


def fitted(net, callbacks, **options):
    options = {"epochs": 4, "batch_size": 8, "seed": 0, "progress": False} | options
    return net.fit(*data(30), callbacks=callbacks, **options)


def test_a_fit_that_would_take_for_ever_ends_in_time(hang_guard):
    net, start = small(), time.perf_counter()
    history = net.fit(*data(3000), epochs=10**6, batch_size=4, callbacks=[cnn.TimeLimit(0.3)], progress=False)
    assert 0.3 <= time.perf_counter() - start < 5
    assert 0 < len(history.loss) < 10**6


def test_it_ends_in_the_middle_of_an_epoch(hang_guard):
    net = small()
    x, y = data(30000)
    start = time.perf_counter()
    assert net.fit(x, y, batch_size=1, callbacks=[cnn.TimeLimit(0.0)], progress=False).loss == []
    assert time.perf_counter() - start < 1
    assert bits(net) != bits(small())  # what it has learned stays


class Slow(cnn.Callback):
    """Waits until the limit, after some epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, logs):
        if logs["epoch"] == self.epoch:
            time.sleep(max(0.0, net.current_fit.deadline - time.monotonic()))


@pytest.mark.parametrize("every", [1, 2])
def test_a_fit_that_it_ended_goes_on_to_the_same_bits(path, every):
    expected, net = small(), small()
    history = fitted(expected, [])
    assert len(fitted(small(), [cnn.TimeLimit(2), Slow(2), cnn.Checkpoint(path, every)]).loss) == 2
    assert figures(fitted(net, [cnn.TimeLimit(60)], resume=path)) == figures(history)
    assert bits(net) == bits(expected)


def test_the_time_counts_anew_in_each_fit():
    limit = cnn.TimeLimit(30)
    assert len(fitted(small(), [limit]).loss) == len(fitted(small(), [limit]).loss) == 4


def test_of_two_limits_the_first_counts():
    assert fitted(small(), [cnn.TimeLimit(0), cnn.TimeLimit(30)]).loss == []
    assert fitted(small(), [cnn.TimeLimit(30), cnn.TimeLimit(0)]).loss == []


@pytest.mark.parametrize(("bad", "error"), [(-1, ValueError), (math.inf, ValueError), ("60", TypeError)])
def test_what_is_no_time_is_refused(bad, error):
    with pytest.raises(error, match=r"^seconds must be"):
        cnn.TimeLimit(bad)
