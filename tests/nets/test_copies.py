"""Copies of nets: equal at first, and then on their own."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import cnn
import cnn.models
import cnn.reference

from .cases import bits

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("copy_of", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copied_net_predicts_the_same_and_trains_alone(copy_of):
    layers = [cnn.Conv2D(3, 3), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Flatten(), cnn.Dense(4)]
    net = cnn.Sequential(layers, input_shape=(8, 8, 1), seed=0)
    images, labels = np.random.default_rng(0).random((12, 8, 8)), np.arange(12) % 4
    before = net.predict_proba(images)
    twin = copy_of(net)
    assert np.array_equal(twin.predict_proba(images), before)
    twin.fit(images, labels, epochs=3, optimizer=cnn.SGD(0.5), seed=0, progress=False)
    assert np.array_equal(net.predict_proba(images), before)
    assert not np.array_equal(twin.predict_proba(images), before)
    net.fit(images, labels, epochs=3, optimizer=cnn.SGD(0.5), seed=0, progress=False)
    assert bits(net) == bits(twin)
