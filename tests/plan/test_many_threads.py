"""Many more threads than cores, chunks or images: the same bits as with one."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
import cnn.models

from .nets import NETS, flat, noise
from .steps import fitted

THREADS = 64


def residual(seed=0, dtype="float32") -> cnn.Sequential:
    return cnn.models.resnet_small((9, 8, 3), 5, seed=seed, dtype=dtype)


@pytest.fixture(autouse=True)
def restored_threads():
    before = cnn.get_num_threads()
    yield
    cnn.set_num_threads(before)


@pytest.mark.parametrize("batch_size", [32, 256, 1024])
@pytest.mark.parametrize("name", [*NETS, "residual"])
def test_steps_and_predictions_are_the_same_bits_on_64_threads(name, batch_size):
    runs = set()
    for threads in (1, THREADS):
        cnn.set_num_threads(threads, fixed=True)
        net = (NETS | {"residual": residual})[name](seed=1)
        x, y = noise(net, batch_size + batch_size // 3)  # a whole batch and a smaller one
        history = fitted(net, x, y, batch_size, "nesterov", steps=2)
        runs.add((flat(net).tobytes(), *history.loss, net.predict_proba(x).tobytes()))
    assert len(runs) == 1


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_so_they_are_where_several_threads_share_an_image(batch_size):
    runs = set()
    for threads in (1, THREADS):
        cnn.set_num_threads(threads, fixed=True)
        net = cnn.models.pytorch_mnist(seed=1)
        x, y = noise(net, batch_size)
        fitted(net, x, y, batch_size, "nesterov", steps=1)
        runs.add((flat(net).tobytes(), net.predict_proba(x[:1]).tobytes()))
        if threads == THREADS:
            meetings, of_a_group = net.executor.trainer.meetings
            assert meetings > 0
            assert of_a_group > 0
    assert len(runs) == 1
    assert np.isfinite(np.frombuffer(runs.pop()[1], np.float32)).all()
