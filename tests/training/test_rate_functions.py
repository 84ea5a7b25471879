"""A learning rate that is a function of the step: when it is called, what it may give, checkpoints."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

import cnn

from .killed_fits import Kill, Killed, bits, data, small

pytestmark = pytest.mark.usefixtures("one_thread")


def linear(step, steps):
    return 0.1 * (1 - step / steps)


def other(step, steps):
    return 0.1


def scaled(peak, step, steps):
    return peak * (1 - step / steps)


class Linear:
    def at(self, done, epochs):
        return 0.1 * (1 - done)


def fitted(rate, kind=cnn.SGD, callbacks=(), backend="compiled", **options):
    net = small(backend=backend)
    options = {"epochs": 3, "batch_size": 8, "seed": 0, "progress": False} | options
    net.fit(*data(32), optimizer=kind(rate), callbacks=callbacks, **options)
    return bits(net)


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
@pytest.mark.parametrize("kind", [cnn.SGD, cnn.Adam, cnn.AdamW, cnn.RMSprop])
def test_a_function_of_the_step_is_the_schedule_of_the_same_rates(kind, backend):
    assert fitted(linear, kind, backend=backend) == fitted(Linear(), kind, backend=backend)


def test_it_is_asked_for_each_step_from_zero_with_the_steps_of_the_whole_fit():
    asked = []

    def rate(step, steps):
        asked.append((step, steps))
        return np.float32(0.1)

    fitted(rate)
    assert sorted(set(asked)) == [(step, 12) for step in range(12)]


def test_callbacks_are_told_the_rate_of_an_epochs_first_step():
    class Rates(cnn.Callback):
        def on_fit_begin(self, net, logs):
            self.seen = []

        def on_epoch_begin(self, net, logs):
            self.seen.append(logs["learning_rate"])

    rates = Rates()
    fitted(linear, callbacks=[rates])
    assert rates.seen == [linear(step, 12) for step in (0, 4, 8)]


def test_before_a_fit_it_stays_at_its_beginning_and_after_it_at_its_end():
    optimizer, net = cnn.SGD(linear), small()
    assert optimizer.rate() == 0.1
    net.train_on_batch(*data(8), optimizer)
    assert optimizer.rate() == 0.1
    net.fit(*data(32), batch_size=8, optimizer=optimizer, progress=False)
    before = bits(net)
    net.train_on_batch(*data(8), optimizer)
    assert (optimizer.rate(), bits(net)) == (0.0, before)


@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        (lambda step, steps: -1 if step == 2 else 0.1, ValueError, r"\(2, 12\) must be finite and between 0 and .* -1"),
        (lambda step, steps: math.nan, ValueError, r"\(0, 12\) must be finite and .*, got nan$"),
        (lambda step, steps: math.inf if step > 4 else 0.1, ValueError, r"\(5, 12\) must be finite .*, got inf$"),
        (lambda step, steps: None, TypeError, r"\(0, 12\) must be a number, got None$"),
        (lambda step, steps: "0.1", TypeError, r"\(0, 12\) must be a number, got '0.1'$"),
        (lambda step, steps: np.zeros(steps), TypeError, r"\(0, 12\) must be a number, got array"),
    ],
)
def test_what_it_gives_is_checked_before_its_step(rate, error, message):
    net = small()
    with pytest.raises(error, match=r"^learning_rate" + message):
        net.fit(*data(32), epochs=3, batch_size=8, optimizer=cnn.SGD(rate), seed=0, progress=False)
    assert all(np.isfinite(value).all() for value in net.state().values())


@pytest.mark.parametrize("bad", [lambda: 0.1, lambda step: 0.1, lambda step, steps, epochs: 0.1, lambda *, step: 0.1])
def test_a_function_of_other_arguments_is_refused_at_once(bad):
    optimizer = cnn.SGD(0.1)
    with pytest.raises(TypeError, match=r"^learning_rate must be .* or a function rate\(step, steps\), got"):
        cnn.SGD(bad)
    with pytest.raises(TypeError, match=r"^learning_rate must be a number, a schedule or a function"):
        optimizer.learning_rate = bad
    assert optimizer.learning_rate == 0.1


def test_an_optimiser_is_printed_with_the_name_of_its_function():
    assert repr(cnn.SGD(linear)).startswith("SGD(learning_rate=linear, momentum=0.0, ")


def test_an_error_in_it_is_its_own():
    with pytest.raises(ZeroDivisionError):
        fitted(lambda step, steps: 1 / step)


# ---- checkpoints -----------------------------------------------------------------------------------------------


def killed_at(path, rate):
    with pytest.raises(Killed):
        fitted(rate, callbacks=[cnn.Checkpoint(path), Kill(1)])


@pytest.mark.parametrize("make", [lambda: linear, lambda: functools.partial(scaled, 0.2), lambda: lambda step, of: 0.1])
def test_a_fit_that_is_resumed_with_the_same_function_ends_with_the_same_bits(path, make):
    killed_at(path, make())
    assert fitted(make(), resume=path) == fitted(make())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (other, r'learning_rate\.?.*"linear".*"other"'),
        (0.1, r'optimizer\.learning_rate {"name": "linear"}, not 0\.1'),
        (functools.partial(scaled, 0.1), r'"linear"}, not {"name": "partial", "function": {"name": "scaled"}'),
        (cnn.schedules.Cosine(0.1), r'"linear"}, not {"name": "Cosine"'),
    ],
)
def test_another_function_is_told_by_its_name(path, given, message):
    killed_at(path, linear)
    with pytest.raises(ValueError, match=message):
        fitted(given, resume=path)


def test_what_a_partial_function_holds_tells_it_from_another_one(path):
    killed_at(path, functools.partial(scaled, 0.1))
    with pytest.raises(ValueError, match=r"optimizer\.learning_rate\.arguments \[0\.1\], not \[0\.2\]$"):
        fitted(functools.partial(scaled, 0.2), resume=path)


def test_a_function_that_a_callback_puts_in_is_refused_when_the_checkpoint_is_written(path):
    class Replacing(cnn.Callback):
        def on_epoch_end(self, net, logs):
            net.current_fit.optimizer.learning_rate = other

    with pytest.raises(TypeError, match=r"^learning_rate was changed during the fit, and a checkpoint"):
        fitted(linear, callbacks=[Replacing(), cnn.Checkpoint(path)])
