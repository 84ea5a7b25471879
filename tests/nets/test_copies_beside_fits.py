"""What is saved, pickled or copied while another thread trains the net is one state between two steps."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import cnn

from .cases import bits
from .shared import BATCH, EPOCHS, IMAGES, digest, fit_again_and_again, images, optimizer, train, wide

pytestmark = pytest.mark.usefixtures("one_thread")


def states_between_steps(epochs=EPOCHS, backend="compiled"):
    """The digests of the net before all steps of the fit below, and after each of them."""
    net, (x, y), rule = wide(backend), images(), optimizer()
    digests = [digest(net.state())]
    for start in [*range(0, IMAGES, BATCH)] * epochs:
        net.train_on_batch(x[start : start + BATCH], y[start : start + BATCH], rule)
        digests.append(digest(net.state()))
    assert len(set(digests)) == len(digests)
    return set(digests)


def saved(net, path):
    net.save(path)
    return cnn.load(path).state()


def pickled(net, path):
    return pickle.loads(pickle.dumps(net)).state()


def in_onnx(net, path):
    pytest.importorskip("onnx")
    net.export(path, "onnx")
    return cnn.from_onnx(path).state()


def in_pytorch(net, path):
    pytest.importorskip("torch")
    return cnn.from_torch(cnn.export.torch(net), net.input_shape).state()


COPIES = {
    "saved": saved,
    "pickled": pickled,
    "deep copied": lambda net, path: copy.deepcopy(net).state(),
    "copied": lambda net, path: copy.copy(net).state(),
    "in ONNX": in_onnx,
    "in PyTorch": in_pytorch,
    "snapshot": lambda net, path: net.snapshot(),
}


def each_after_a_pause(n):
    """The numbers below n; before each, other threads may run."""
    for i in range(n):
        time.sleep(0.0005)
        yield i


@pytest.mark.parametrize("copy_of", COPIES.values(), ids=COPIES)
def test_a_copy_beside_a_fit_is_a_state_between_two_steps(tmp_path, copy_of):
    legal, net = states_between_steps(), wide()
    with fit_again_and_again(net):
        copies = [copy_of(net, tmp_path / "net") for _ in each_after_a_pause(60)]
    assert {digest(state) for state in copies} <= legal
    assert len({digest(state) for state in copies}) > 3


@pytest.mark.slow
def test_a_thousand_files_beside_a_fit_load_and_are_states_between_two_steps(tmp_path):
    legal, net = states_between_steps(), wide()
    with fit_again_and_again(net):
        assert {digest(saved(net, tmp_path / "net")) for _ in range(1000)} <= legal


def test_neither_a_fit_nor_copies_of_its_net_keep_the_other_from_going_on():
    net = wide()
    with fit_again_and_again(net):
        seen = {digest(net.snapshot()) for _ in each_after_a_pause(500)}
    assert len(seen) > 3


def test_what_is_set_beside_copies_is_there_as_a_whole_or_not_at_all():
    net, ended = wide(), threading.Event()
    values = [{name: np.full_like(value, k) for name, value in net.state().items()} for k in (1, 2)]
    net.set_parameters(values[0])

    def work():
        while not ended.is_set():
            for each in values:
                net.set_parameters(each)

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(work)
        found = [{float(number) for value in net.snapshot().values() for number in value.ravel()} for _ in range(60)]
        ended.set()
        result.result(20)
    assert all(len(numbers) == 1 for numbers in found)


def test_a_callback_may_save_copy_and_set_the_net(tmp_path):
    class Saving(cnn.Callback):
        def on_epoch_end(self, net, logs):
            assert digest(saved(net, tmp_path / "net")) == digest(net.state()) == digest(pickled(net, None))
            net.set_parameters(net.parameters())

    one, other = wide(), wide()
    train(one, 2, [Saving()])
    train(other, 2)
    assert bits(one) == bits(other)


def test_a_checkpoint_beside_a_thread_that_sets_the_net_holds_one_state(tmp_path):
    class Setting(cnn.Callback):
        def on_epoch_end(self, net, logs):
            if not started.is_set():
                result.append(pool.submit(work, net))
                started.wait(20)

    def work(net):
        started.set()
        while not ended.is_set():
            for each in values:
                net.set_parameters(each)

    class Loading(cnn.Callback):
        comes_last = True

        def on_epoch_end(self, net, logs):
            numbers.append({float(n) for v in cnn.load(path).parameters().values() for n in v.ravel()})

    net, path, numbers, result = wide(), tmp_path / "net", [], []
    started, ended = threading.Event(), threading.Event()
    values = [{name: np.full_like(value, k) for name, value in net.state().items()} for k in (1, 2)]
    with ThreadPoolExecutor(1) as pool:
        try:
            x, y = images()
            callbacks = [Setting(), cnn.Checkpoint(path), Loading()]
            net.fit(x, y, 20, IMAGES, cnn.SGD(0.0), callbacks=callbacks, progress=False)
        finally:
            ended.set()
        result[0].result(20)
    # A step changes the running statistics, and no parameter at a rate of 0: these are those of one call.
    assert len(numbers) == 20
    assert all(len(each) == 1 for each in numbers)


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX systems")
def test_the_handler_of_a_signal_may_save_the_net_that_its_thread_trains(tmp_path):
    legal, net, files = states_between_steps(4), wide(), []

    def save(*_):
        files.append(tmp_path / str(len(files)))
        net.save(files[-1])
        signal.setitimer(signal.ITIMER_REAL, 0.002 if len(files) < 20 else 0)

    before = signal.signal(signal.SIGALRM, save)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.002)
        train(net, 4)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert files
    assert {digest(cnn.load(file).state()) for file in files} <= legal


def test_a_copy_beside_a_fit_in_numpy_draws_from_no_stream_of_that_fit():
    layers = [cnn.Dropout(0.5), cnn.Dense(64), cnn.ReLU(), cnn.Dense(4)]
    net = cnn.Sequential(layers, (40,), seed=0, backend="numpy")
    with fit_again_and_again(net):
        copies = [copy.deepcopy(net) for _ in each_after_a_pause(60)]
    assert all(layer.stream is None for twin in copies for layer in twin.layers)
