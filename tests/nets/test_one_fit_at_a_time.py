"""A net is trained by one caller at a time, and by any other one afterwards, whatever the end of that was."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import cnn

from .cases import bits, data, fitted, small
from .shared import fit_again_and_again, images, train, wide

pytestmark = pytest.mark.usefixtures("one_thread")


def together(n, work):
    """What `work` returned or raised in n threads that began at the same moment."""
    barrier = threading.Barrier(n)

    def begin():
        barrier.wait(20)
        try:
            return work()
        except Exception as error:
            return error

    with ThreadPoolExecutor(n) as pool:
        return [result.result(60) for result in [pool.submit(begin) for _ in range(n)]]


class Slow:
    """Images that take a while to check: `begun` is set as soon as they are asked for, `go_on` lets them go."""

    def __init__(self, x):
        self.x, self.begun, self.go_on = x, threading.Event(), threading.Event()

    def __array__(self, dtype=None, copy=None):
        self.begun.set()
        self.go_on.wait(20)
        return self.x


@pytest.mark.parametrize("method", ["fit", "train_on_batch"])
def test_a_second_caller_is_refused_while_the_arguments_of_the_first_are_checked(either, method):
    net, (x, y) = small(backend=either), data(9)
    slow = Slow(x)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fitted, net, slow, y)
        slow.begun.wait(20)
        try:
            with pytest.raises(RuntimeError, match=f"^{method} was called while the net is being trained"):
                fitted(net, x, y) if method == "fit" else net.train_on_batch(x, y, cnn.SGD(0.1))
            assert net.current_fit is None
        finally:
            slow.go_on.set()
        first.result(20)
    alone = small(backend=either)
    fitted(alone, x, y)
    assert bits(net) == bits(alone)


def test_of_two_threads_that_begin_at_one_moment_the_second_is_refused():
    class Waiting(cnn.Callback):
        def on_fit_begin(self, net, logs):
            refused.wait(20)

    x, y = data(9)
    for _ in range(30):
        net, refused = small(), threading.Event()

        def work(net=net, refused=refused):
            try:
                return fitted(net, x, y, callbacks=[Waiting()])
            except RuntimeError as error:
                refused.set()
                return error

        results = together(2, work)
        assert sorted(isinstance(result, RuntimeError) for result in results) == [False, True]


@pytest.mark.parametrize("method", ["fit", "train_on_batch"])
def test_a_callback_cannot_train_the_net_of_its_fit(either, method):
    class Nested(cnn.Callback):
        def on_epoch_end(self, net, logs):
            fitted(net, *data(9)) if method == "fit" else net.train_on_batch(*data(9), cnn.SGD(0.1))

    net = small(backend=either)
    with pytest.raises(RuntimeError, match=f"^{method} was called while the net is being trained"):
        fitted(net, *data(9), callbacks=[Nested()])
    assert net.current_fit is None
    fitted(net, *data(9))


class Interrupting(cnn.Callback):
    def on_epoch_end(self, net, logs):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"epochs": -1}, ValueError),
        ({"optimizer": 3}, TypeError),
        ({"callbacks": [3]}, TypeError),
        ({"resume": "missing"}, OSError),
        ({"progress": "bar"}, ValueError),
        ({"callbacks": [Interrupting()]}, KeyboardInterrupt),
    ],
)
def test_a_net_may_be_trained_after_any_end_of_a_fit(options, error):
    net = small()
    with pytest.raises(error):
        fitted(net, *data(9), **options)
    assert net.current_fit is None
    net.train_on_batch(*data(9), cnn.SGD(0.1))
    with pytest.raises(ValueError, match="x must"):
        net.fit(np.zeros(3), [1])
    with pytest.raises(TypeError, match="optimizer must"):
        net.train_on_batch(*data(9), 3)
    fitted(net, *data(9))


def test_a_copy_of_a_net_that_is_trained_is_idle(either):
    class Copying(cnn.Callback):
        def on_epoch_end(self, net, logs):
            for twin in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
                assert net.current_fit is not None
                assert twin.current_fit is None
                fitted(twin, *data(9))
                assert bits(twin) != bits(net)

    fitted(small(backend=either), *data(9), callbacks=[Copying()])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("who", ["callback", "another thread"])
def test_after_a_fork_during_a_fit_the_net_of_the_child_is_usable(tmp_path, who):
    def child(net):
        signal.alarm(20)  # a child that hangs is ended by this
        assert net.current_fit is None
        net.predict(images()[0])
        net.save(tmp_path / "net")
        cnn.load(tmp_path / "net")
        copy.deepcopy(net)
        train(net, 1)

    def forked(net):
        if (pid := os.fork()) == 0:
            try:
                child(net)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    class Forking(cnn.Callback):
        def on_epoch_end(self, net, logs):
            forked(net)
            assert net.current_fit is not None

    net = wide()
    if who == "callback":
        train(net, 2, [Forking()])
        return
    with fit_again_and_again(net):
        for _ in range(10):
            forked(net)
