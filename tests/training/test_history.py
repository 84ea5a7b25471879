"""`net.history`: the epochs that the last fit has done, while it runs and however it has ended."""

from __future__ import annotations

import copy
import os
import pickle
import signal

import numpy as np
import pytest

import cnn
from cnn.training.history import History

from .killed_fits import AtEpochBegin, figures, fitted, killed, small

pytestmark = pytest.mark.usefixtures("one_thread")


def interrupt():
    raise KeyboardInterrupt


def test_a_net_that_was_never_fitted_has_no_history():
    net = small()
    assert net.history is None
    net.train_on_batch(np.zeros((2, 6, 6)), [0, 1], cnn.SGD(0.1))
    assert net.history is None


def test_the_history_of_a_net_is_what_its_last_fit_returned():
    net = small()
    first, second = fitted(net, epochs=2), fitted(net, epochs=1)
    assert net.history is second
    assert (len(first.loss), len(second.loss)) == (2, 1)


def test_a_callback_sees_the_epochs_that_are_done():
    class Watcher(cnn.Callback):
        lengths, kept = [], []

        def on_fit_begin(self, net, logs):
            self.lengths.append(len(net.history.loss))

        def on_epoch_end(self, net, logs):
            assert net.history is net.current_fit.history
            assert net.history.loss[-1] == logs["loss"]
            self.lengths.append(len(net.history.loss))
            self.kept.append(net.history)

    fitted(small(), [Watcher()], epochs=3)
    assert Watcher.lengths == [0, 1, 2, 3]
    assert [len(history.loss) for history in Watcher.kept] == [1, 2, 3]  # what was looked at stays what it was


def test_the_history_holds_the_epochs_before_an_interrupt():
    net = small()
    with pytest.raises(KeyboardInterrupt):
        fitted(net, [AtEpochBegin(4, interrupt)])
    assert figures(net.history) == tuple(of[:3] for of in figures(fitted(small())))
    assert {len(of) for of in net.history} == {3}


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX systems")
def test_the_history_holds_the_epochs_before_a_signal_of_ctrl_c():
    net = small()
    with pytest.raises(KeyboardInterrupt):
        fitted(net, [AtEpochBegin(3, lambda: signal.raise_signal(signal.SIGINT))])
    assert {len(of) for of in net.history} == {2}


def test_the_history_holds_the_epochs_before_a_loss_that_is_not_finite():
    net = small()
    learned = net.parameters()["dense_1.weights"]
    with pytest.raises(FloatingPointError, match="in epoch 3"):
        fitted(net, [AtEpochBegin(3, lambda: learned.fill(np.nan))])
    assert {len(of) for of in net.history} == {2}


def test_arguments_that_are_refused_leave_the_last_history(path):
    net = small()
    history = fitted(net, epochs=1)
    with pytest.raises(ValueError, match="epochs"):
        fitted(net, epochs=-1)
    with pytest.raises(FileNotFoundError):
        fitted(net, resume=path)
    assert net.history is history


def test_the_history_of_a_resumed_fit_is_whole(path):
    whole = fitted(small())
    killed(path, 2)
    net = small()
    with pytest.raises(KeyboardInterrupt):
        fitted(net, [AtEpochBegin(5, interrupt)], resume=path)
    assert figures(net.history) == tuple(of[:4] for of in figures(whole))
    fitted(net, resume=path)
    assert figures(net.history) == figures(whole)


def test_a_fit_that_was_finished_already_gives_its_history_again(path):
    whole = fitted(small(), [cnn.Checkpoint(path)])
    net = small()
    assert fitted(net, [cnn.Checkpoint(path)], resume=path) is net.history
    assert net.history == whole


@pytest.mark.parametrize("copy_of", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copied_net_keeps_a_history_of_its_own(copy_of):
    net = small()
    history = fitted(net, epochs=2)
    twin = copy_of(net)
    assert twin.history == history
    assert twin.history is not history
    fitted(twin, epochs=1)
    assert net.history is history


def test_a_saved_net_has_no_history(tmp_path):
    net = small()
    fitted(net, epochs=1)
    net.save(tmp_path / "net")
    assert cnn.load(tmp_path / "net").history is None


def test_one_more_epoch_makes_a_new_history():
    history = History([0.5], [0.9], [], [], [1.0], [9.0])
    longer = history.with_epoch({"loss": 0.25, "accuracy": 0.95, "seconds": 2.0, "images_per_second": 8.0})
    assert longer == ([0.5, 0.25], [0.9, 0.95], [], [], [1.0, 2.0], [9.0, 8.0])
    assert history == ([0.5], [0.9], [], [], [1.0], [9.0])
