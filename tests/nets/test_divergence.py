"""A fit whose loss or parameters are no numbers ends, and the net is as at the end of its last good epoch."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn
import cnn.models
import cnn.reference

from .cases import bits, data, fitted, small, values

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_pixel_stops_the_fit_and_says_where(backend, dtype, bad):
    net = small(dtype, backend=backend)
    x, y = data(40)
    x = x.astype(dtype)
    x[19, 4, 4, 0] = bad
    with pytest.raises(FloatingPointError, match="epoch 1, step 3"):
        fitted(net, x, y, shuffle=False)
    assert bits(net) == bits(small(dtype))
    fitted(net, *data(40))
    assert np.isfinite(values(net)).all()


def steps_that_explode(net, after_epoch: int):
    """A callback that lets the steps become huge after an epoch, and the bits that the net had then."""

    class Explosion:
        optimizer = cnn.SGD(0.01)
        epoch = 0
        good = bits(net)

        def on_epoch_end(self, net, logs):
            self.epoch += 1
            if self.epoch == after_epoch:
                self.good = bits(net)
                self.optimizer.learning_rate = 1e30

    return Explosion()


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
def test_a_fit_that_diverges_goes_back_to_the_end_of_the_last_good_epoch(backend):
    net = small(backend=backend)
    explosion = steps_that_explode(net, after_epoch=2)
    with pytest.raises(FloatingPointError, match=r"epoch 3, step [23]"):
        fitted(net, *data(40), epochs=9, optimizer=explosion.optimizer, callbacks=[explosion])
    assert bits(net) == explosion.good
    assert np.isfinite(net.evaluate(*data(40)).loss)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@pytest.mark.parametrize("epochs", [1, 3])
def test_a_fit_whose_last_step_of_an_epoch_diverges_keeps_the_epoch_before(backend, epochs):
    net = small(backend=backend)
    net.parameters()["dense_2.weights"][...] *= 1e8  # gradients below it of 1e8, times 1e35: beyond float32
    before = bits(net)
    with pytest.raises(FloatingPointError, match="epoch 1"):
        fitted(net, *data(40), epochs=epochs, batch_size=40, optimizer=cnn.SGD(1e35))
    assert bits(net) == before
