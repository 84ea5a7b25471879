"""Batches of a fit: their order, their sizes, their bytes, one with a bad pixel."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest

import cnn

from .nets import NETS, counterpart, flat, general, noise, normalised
from .steps import RULES, fitted

pytestmark = pytest.mark.usefixtures("two_threads")


@pytest.mark.parametrize("make", [general, functools.partial(normalised, rate=0.0)], ids=["general", "normalised"])
@pytest.mark.parametrize("batch_size", [1, 2, 15, 16, 17, 33, 1000])
def test_a_fit_is_its_batches_in_the_order_of_its_shuffling(level, dtype, batch_size, make):
    # 50 images: with most sizes the last batch is a smaller one. (Masks of a dropout follow from the fit's seed.)
    nets = shuffled, permuted, by_hand = [make(seed=1, dtype=dtype) for _ in range(3)]
    x, y = noise(shuffled, 50)
    order = np.random.default_rng(5).permutation(50)
    options = {"rule": "momentum", "steps": 1}  # an epoch
    histories = [
        fitted(shuffled, x, y, batch_size, seed=5, **options),
        fitted(permuted, x[order], y[order], batch_size, shuffle=False, **options),
    ]
    optimizer, total = RULES["momentum"](0.01), 0.0
    for first in range(0, 50, batch_size):
        batch = order[first : first + batch_size]
        total += by_hand.train_on_batch(x[batch], y[batch], optimizer) * len(batch)
    assert len({flat(net).tobytes() for net in nets}) == 1
    assert histories[0].loss == histories[1].loss == pytest.approx([total / 50], rel=1e-14)
    assert not np.array_equal(flat(shuffled), flat(make(seed=1, dtype=dtype)))


@pytest.mark.parametrize("make", [general, normalised])
def test_batches_of_other_sizes_and_threads_of_other_numbers_may_follow_each_other(level, thread_counts, make):
    net = make(seed=1)
    sizes = iter((1, 30, 2, 17, 5, 33, 33, 16))
    for _ in thread_counts:
        for n in (next(sizes), next(sizes)):
            alone = copy.deepcopy(net)
            x, y = noise(net, n, seed=n)
            losses = [either.train_on_batch(x, y, cnn.SGD(0.01)) for either in (net, alone)]
            assert losses[0] == losses[1]
            assert np.array_equal(flat(net), flat(alone))
            assert np.array_equal(net.predict_proba(x), alone.predict_proba(x))


@pytest.mark.parametrize("name", ["A", "unpooled", "dense alone", "normalised"])
def test_bytes_are_the_same_images_as_floats(level, dtype, name):
    runs = set()
    for kind in ("uint8", "float32", "float64", "float16", "int32"):
        net = NETS[name](seed=1, dtype=dtype)
        x, y = noise(net, 20, "uint8")
        history = fitted(net, x.astype(kind), y, 8, "momentum", steps=6)
        runs.add((flat(net).tobytes(), *history.loss, net.predict_proba(x.astype(kind)).tobytes()))
    assert len(runs) == 1


class Spoiling:
    """A callback that puts a NaN into an image after an epoch."""

    def __init__(self, x: np.ndarray, image: int, after_epoch: int):
        self.x, self.image, self.epochs_left = x, image, after_epoch

    def on_epoch_end(self, net, logs):
        self.good = flat(net)
        self.epochs_left -= 1
        if self.epochs_left == 0:
            self.x[self.image, 4, 4] = np.nan


@pytest.mark.parametrize("make", [general, normalised])
@pytest.mark.parametrize("optimizer", [cnn.SGD(0.01, momentum=0.9), cnn.Adam(0.001)])
def test_a_fit_that_meets_a_nan_counts_its_steps_and_names_the_one_that_failed(implementation, optimizer, make):
    net = make(seed=1)
    if implementation == "reference":
        net = counterpart(net)
    x, y = noise(net, 70, "float64")
    spoiling = Spoiling(x, image=67, after_epoch=2)
    with pytest.raises(FloatingPointError, match="epoch 3, step 23; the parameters are set back to the start of that"):
        net.fit(x, y, 5, batch_size=3, optimizer=optimizer, shuffle=False, callbacks=[spoiling], progress=False)
    assert optimizer.done == 24 + 24 + 22
    assert np.array_equal(flat(net), spoiling.good)
    assert np.isfinite(net.predict_proba(x[:60])).all()
    x[67] = 0
    net.fit(x, y, 2, batch_size=3, optimizer=optimizer, progress=False)
    assert optimizer.done == 48
    assert np.isfinite(flat(net)).all()
