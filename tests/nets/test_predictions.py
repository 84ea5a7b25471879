"""Predictions: of few images, of many and of none."""

from __future__ import annotations

import numpy as np
import pytest

from .cases import CLASSES, SHAPE, data, small

pytestmark = pytest.mark.usefixtures("one_thread")


def test_predictions_are_the_likeliest_classes_of_softmax(backend, dtype):
    net = small(dtype, backend=backend)
    x, y = data(600)  # more than are taken at a time
    p = net.predict_proba(x)
    assert (p.shape, p.dtype) == ((600, CLASSES), dtype)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=0, atol=CLASSES * np.finfo(dtype).eps)
    labels = net.predict(x)
    assert (labels.shape, labels.dtype) == ((600,), np.int64)
    assert np.array_equal(labels, p.argmax(axis=1))
    loss, accuracy = net.evaluate(x, y)
    assert accuracy == np.mean(labels == y) == net.score(x, y)
    # An element of p is right to a few eps, relatively; so is the loss, whose terms are of order 1.
    exact = -np.log(p[np.arange(600), y].astype(np.float64)).mean()
    assert abs(loss - exact) < 8 * CLASSES * np.finfo(dtype).eps


def test_the_images_of_a_large_set_are_predicted_as_in_a_small_one(backend):
    net = small("float64", backend=backend)
    x, _ = data(600)
    whole = net.predict_proba(x)
    # Sums of at most 40 terms in four layers, in perhaps another order.
    tolerance = 4 * 40 * np.finfo(float).eps
    for first in (0, 250, 255, 256, 257, 511, 512, 599):
        part = net.predict_proba(x[first : first + 3])
        np.testing.assert_allclose(part, whole[first : first + 3], rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", [(0, *SHAPE), (0, *SHAPE[:2])])
def test_no_images_give_an_empty_prediction_of_the_right_shape(backend, dtype, shape):
    net = small(dtype, backend=backend)
    x = np.zeros(shape, np.uint8)
    assert (net.predict(x).shape, net.predict(x).dtype) == ((0,), np.int64)
    assert (net.predict_proba(x).shape, net.predict_proba(x).dtype) == ((0, CLASSES), dtype)
