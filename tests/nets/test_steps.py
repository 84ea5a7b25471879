"""A step on a batch: along the gradient of the loss, and what layers one by one do."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import cnn
import cnn.models
import cnn.reference

from .cases import CLASSES, SHAPE, HasStep, bits, data, small, values

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_step_is_along_the_gradient_of_the_loss(backend):
    net = small("float64", backend=backend)
    x, y = data(6)
    start = {name: value.copy() for name, value in net.parameters().items()}
    loss = net.train_on_batch(x, y, cnn.SGD(1.0))
    assert loss == pytest.approx(math.log(CLASSES), rel=1)
    gradients = {name: start[name] - value for name, value in net.parameters().items()}
    for name, value in net.parameters().items():
        value[...] = start[name]

    def difference(value, i, h):
        kept = value[i]
        losses = []
        for value[i] in (kept + h, kept - h):
            losses.append(net.evaluate(x, y).loss)
        value[i] = kept
        return (losses[0] - losses[1]) / (2 * h)

    h = 2**-13
    rounding = 1000 * np.finfo(float).eps / h  # the terms of a loss, summed with an error of eps each
    for name, value in net.parameters().items():
        for i in itertools.islice(np.ndindex(value.shape), 0, None, 5):
            coarse, fine = difference(value, i, 2 * h), difference(value, i, h)
            # The error of a central difference grows with h * h: it is a third of what halving h changed.
            tolerance = abs(coarse - fine) + rounding
            assert tolerance < 1e-6
            assert abs(gradients[name][i] - fine) <= tolerance, (name, i)


def test_the_layers_run_one_by_one_do_what_a_fit_does(backend, dtype):
    x, y = data(8)
    net, by_hand = small(dtype, backend=backend), small(dtype, backend=backend)
    net.train_on_batch(x, y, cnn.SGD(0.5))
    ops = cnn.functional if backend == "compiled" else cnn.reference.functional
    out = x
    for layer in by_hand.layers:
        out = layer.forward(out)
    _, _, d = ops.softmax_cross_entropy(out, y)
    for layer in reversed(by_hand.layers):
        d = layer.backward(d)
    for layer in by_hand.layers:
        for name, value in layer.parameters.items():
            value -= dtype.type(0.5) * layer.gradients[name]
    # The longest sum is a weight's gradient, over the positions of all images, here perhaps in another order: it may be
    # off by its length times eps, and half of that goes into the weight.
    bound = 8 * SHAPE[0] * SHAPE[1] * np.finfo(dtype).eps
    np.testing.assert_allclose(values(net), values(by_hand), rtol=0, atol=bound * np.abs(values(net)).max())


def test_steps_on_batches_drop_other_values_each_time_also_with_a_new_optimizer(either):
    layers = [cnn.Flatten(), cnn.Dropout(0.5), cnn.Dense(CLASSES, bias=False)]
    net = cnn.Sequential(layers, (12, 1, 1), seed=0, backend=either)
    moved = []
    for _ in range(3):
        before = net.layers[-1].weights.copy()
        net.train_on_batch(np.ones((1, 12, 1, 1)), [0], cnn.SGD(0.1))
        moved.append((net.layers[-1].weights != before).any(axis=1).tolist())
    assert len(set(map(tuple, moved))) == 3


@pytest.mark.parametrize("bad", [None, 0.1, "sgd", cnn.SGD, HasStep()])
def test_a_batch_is_not_trained_on_by_what_is_no_optimizer(either, bad):
    net = small(backend=either)
    with pytest.raises(TypeError, match=r"^optimizer must be an optimiser, such as cnn\.SGD"):
        net.train_on_batch(*data(9), bad)
    assert bits(net) == bits(small())


def test_a_batch_with_a_bad_pixel_is_not_trained_on(backend, dtype):
    net = small(dtype, backend=backend)
    x, y = data(5)
    x = x.astype(dtype)
    x[2, 4, 4, 0] = math.nan
    with pytest.raises(FloatingPointError, match="loss"):
        net.train_on_batch(x, y, cnn.SGD(0.1))
    assert bits(net) == bits(small(dtype))
