"""What an optimiser of one's own is given, what it keeps in checkpoints, and what happens where its `update` fails."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from .killed_fits import Kill, Killed, bits, data, small
from .test_updates_in_python import EITHER, Decayed, Momentum, Recorded, SignSGD, deep_net, fitted

pytestmark = pytest.mark.filterwarnings("ignore:the loss of epoch:RuntimeWarning")
MINE = {
    "sign": lambda: SignSGD(cnn.schedules.Cosine(0.01)),
    "momentum": lambda: Momentum(cnn.schedules.Cosine(0.05)),
    "decayed": lambda: Decayed(0.05, momentum=0.9),
    "clipped": lambda: Momentum(0.05, clip_norm=0.1),
}


@EITHER
@pytest.mark.parametrize("name", MINE)
def test_a_killed_fit_goes_on_to_the_same_bits(tmp_path, backend, name):
    path, straight, resumed = tmp_path / "checkpoint", deep_net(backend), deep_net(backend)
    fitted(straight, MINE[name]())
    with pytest.raises(Killed):
        fitted(deep_net(backend), MINE[name](), callbacks=[cnn.Checkpoint(path), Kill(2)])
    fitted(resumed, MINE[name](), resume=path)
    assert bits(resumed) == bits(straight)
    with pytest.raises(ValueError, match=r"^resume: the run in .* had optimizer "):
        fitted(deep_net(backend), cnn.Adam(), resume=path)


def test_a_checkpoint_holds_what_an_update_keeps(tmp_path):
    class Seen(Momentum):
        begun_with = None

        def update(self, parameters, gradients, rate):
            if self.begun_with is None:
                self.begun_with = self.done, self.state["velocity"].copy()
            super().update(parameters, gradients, rate)

    path, optimizer, resumed = tmp_path / "checkpoint", Seen(0.05), Seen(0.05)
    with pytest.raises(Killed):
        fitted(small(), optimizer, callbacks=[cnn.Checkpoint(path), Kill(2)])
    fitted(small(), resumed, resume=path)
    assert optimizer.begun_with[0] == 0
    assert not optimizer.begun_with[1].any()
    assert resumed.begun_with[0] == optimizer.done == 8
    assert np.array_equal(resumed.begun_with[1], optimizer.state["velocity"])
    assert np.abs(resumed.begun_with[1]).max() > 0


@EITHER
@pytest.mark.parametrize("schedule", [cnn.schedules.Cosine(0.1), cnn.schedules.OneCycle(0.1), 0.05], ids=str)
def test_each_step_is_given_the_rate_of_the_schedule_and_done_counts_it(backend, schedule):
    optimizer = Recorded(schedule)
    fitted(small(backend=backend), optimizer)
    steps = np.arange(16)
    expected = np.full(16, schedule) if isinstance(schedule, float) else schedule.at(steps / 16, 4)
    assert [done for done, _, _ in optimizer.seen] == steps.tolist()
    assert [rate for _, rate, _ in optimizer.seen] == expected.tolist()
    assert optimizer.done == 16


@EITHER
def test_train_on_batch_counts_its_steps(backend):
    net, optimizer = small(backend=backend), Recorded(0.1)
    for _ in range(3):
        net.train_on_batch(*data(8), optimizer)
    assert [done for done, _, _ in optimizer.seen] == [0, 1, 2]
    assert optimizer.done == 3


def test_any_number_of_threads_gives_the_same_bits(thread_counts):
    results = {bits(fitted(deep_net("compiled"), Momentum(0.05, clip_norm=0.1), batch_size=16)) for _ in thread_counts}
    assert len(results) == 1


class Failing(Momentum):
    """Changes half of the parameters, and then does something else in its step of a given number."""

    def __init__(self, learning_rate, at=99, what=None):
        super().__init__(learning_rate)
        self.at, self.what = at, what

    def update(self, parameters, gradients, rate):
        if self.done + 1 == self.at:
            parameters[: parameters.size // 2] = 7
            return self.what()
        return super().update(parameters, gradients, rate)


def raising(error):
    def raise_it():
        raise error

    return raise_it


WRONG = {
    "an array": (
        lambda: np.zeros(3),
        TypeError,
        r"^update must change the parameters in place and return None, got ndarray$",
    ),
    "a number": (lambda: 0.0, TypeError, r"^update must change .* got float$"),
    "an exception": (raising(ZeroDivisionError("mine")), ZeroDivisionError, r"^mine$"),
    "Ctrl-C": (raising(KeyboardInterrupt()), KeyboardInterrupt, None),
}


@EITHER
@pytest.mark.parametrize("step", [1, 3, 4])
@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize(("what", "error", "message"), WRONG.values(), ids=WRONG)
def test_an_update_that_fails_leaves_the_net_as_before_that_step(backend, step, batch_size, what, error, message):
    net, other = deep_net(backend), deep_net(backend)
    x, y = data()
    options = {"batch_size": batch_size, "shuffle": False, "progress": False}
    optimizer = Failing(0.05, step, what)
    with pytest.raises(error, match=message):
        net.fit(x, y, optimizer=optimizer, **options)
    n = batch_size * (step - 1)
    if n:
        other.fit(x[:n], y[:n], optimizer=Failing(0.05), **options)
    assert bits(net) == bits(other)
    for each in (net, other):
        each.fit(x, y, optimizer=Failing(0.05), **options)
    assert bits(net) == bits(other)


@EITHER
@pytest.mark.filterwarnings("ignore:(invalid value|overflow):RuntimeWarning")
def test_parameters_that_are_no_numbers_end_the_fit_at_the_beginning_of_the_epoch(backend):
    class Explodes(cnn.Optimizer):
        def update(self, parameters, gradients, rate):
            parameters *= np.nan if self.done == 6 else 1

    net = small(backend=backend)
    with pytest.raises(FloatingPointError, match=r"epoch 2, step 4; the parameters are set back"):
        fitted(net, Explodes(0.1))
    assert bits(net) == bits(small(backend=backend))


@pytest.mark.parametrize("states", ["velocity", ["velocity"], (1,)])
def test_names_of_states_are_checked(states):
    with pytest.raises(TypeError, match=r"^states of Mine must be a tuple of names, got "):
        type("Mine", (cnn.Optimizer,), {"states": states})


def test_an_optimiser_that_keeps_anothers_velocities_is_refused():
    optimizer = Momentum(0.05)
    optimizer.start(0)
    small().train_on_batch(*data(8), optimizer)
    with pytest.raises(ValueError, match=r"^optimizer holds the velocities or moments of another net"):
        small().train_on_batch(*data(8), optimizer)


def test_a_class_without_an_update_or_rule_is_an_error_and_the_net_stays():
    net = small()
    with pytest.raises(NotImplementedError):
        net.train_on_batch(*data(8), type("Mine", (cnn.Optimizer,), {})(0.1))
    assert bits(net) == bits(small())


@pytest.mark.parametrize("make", [cnn.SGD, Momentum])
def test_both_limits_at_once_are_an_error(make):
    with pytest.raises(ValueError, match=r"^clip_norm and clip_value exclude each other"):
        cnn.SGD(0.1, clip_norm=1, clip_value=1)
    optimizer = make(0.1, clip_norm=1.0)
    with pytest.raises(ValueError, match=r"^clip_norm and clip_value exclude each other"):
        optimizer.clip_value = 1
    for bad in (0, -1, np.nan, np.inf, "1"):
        with pytest.raises((TypeError, ValueError), match=r"^clip_norm must"):
            optimizer.clip_norm = bad
    optimizer.clip_norm = None
    optimizer.clip_value = 1
