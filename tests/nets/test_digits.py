"""Nets of the package learn digits, by either backend."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
import cnn.models
import cnn.reference

from .cases import fitted

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("make", [cnn.models.tutorial, cnn.models.two_conv, cnn.models.lenet5])
def test_a_model_learns_digits_from_two_thousand_images(mnist_dataset, make):
    net = make(seed=0)
    x, y = mnist_dataset.train_images[:2000], mnist_dataset.train_labels[:2000]
    history = fitted(net, x, y, epochs=2, batch_size=16, optimizer=cnn.SGD(0.02, momentum=0.9), seed=0)
    assert history.loss[1] < history.loss[0]
    assert net.score(mnist_dataset.test_images[:1000], mnist_dataset.test_labels[:1000]) > 0.85


def test_both_backends_learn_the_same_from_digits(mnist_dataset):
    x, y = mnist_dataset.train_images[:300], mnist_dataset.train_labels[:300]
    losses = []
    for backend in ("compiled", "numpy"):
        layers = [cnn.Rescaling(1 / 255, -0.5), cnn.Conv2D(4, 3, stride=2), cnn.ReLU(), cnn.MaxPool2D(2)]
        net = cnn.Sequential(
            [*layers, cnn.Flatten(), cnn.Dense(10)], (28, 28, 1), dtype="float64", seed=0, backend=backend
        )
        losses += fitted(net, x, y, epochs=2, batch_size=10).loss
    # 60 steps that begin with roundings of 1e-14 or less; each of these small ones at most doubles them 0.3 times.
    np.testing.assert_allclose(losses[:2], losses[2:], rtol=1e-8)
