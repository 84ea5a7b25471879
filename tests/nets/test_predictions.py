"""Predictions: of few images, of many and of none."""

from __future__ import annotations

import re

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


@pytest.mark.parametrize("batch_size", [1, 3, 16, 17, np.int64(100), 599, 600, 10**9])
def test_a_batch_size_bounds_what_is_read_at_a_time_and_changes_no_bit(level, dtype, batch_size, monkeypatch):
    net, (x, y) = small(dtype), data(600)
    x = x.astype(np.int64)  # which are converted
    expected = [net.predict(x), net.predict_proba(x), net.predict_logits(x), net.evaluate(x, y)]
    sizes = []
    predict = net.executor.predict
    monkeypatch.setattr(net.executor, "predict", lambda x, p: sizes.append((len(x), x.dtype)) or predict(x, p))
    found = [getattr(net, name)(x, batch_size=batch_size) for name in ("predict", "predict_proba", "predict_logits")]
    found.append(net.evaluate(x, y, batch_size))
    assert max(sizes)[0] == min(batch_size, 600)
    assert {each for _, each in sizes} == {dtype}
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, other)
        assert np.asarray(one).dtype == np.asarray(other).dtype


@pytest.mark.parametrize("shape", [(600, *SHAPE[:2]), (600, 1, *SHAPE[:2]), (0, *SHAPE)])
def test_a_batch_size_takes_the_same_images(either, shape):
    net = small(backend=either)
    x = data(600)[0].reshape(shape) if shape[0] else np.zeros(shape)
    assert net.predict(x, 7).shape == (shape[0],)
    np.testing.assert_allclose(net.predict_proba(x, 7), net.predict_proba(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("bad", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("32", TypeError)])
def test_a_batch_size_that_is_none_is_refused(bad, error):
    x, y = data(8)
    for ask in (small().predict, small().predict_proba, small().predict_logits):
        with pytest.raises(error, match=r"^batch_size must be"):
            ask(x, batch_size=bad)
    with pytest.raises(error, match=r"^batch_size must be"):
        small().evaluate(x, y, batch_size=bad)


@pytest.mark.parametrize("x", [np.zeros((9, 4, 4)), np.zeros(()), np.zeros(5)])
def test_what_are_no_images_is_told_of_all_of_them(x):
    with pytest.raises(ValueError, match=rf"^x must have shape \(N, 8, 9, 1\) .* got {re.escape(str(x.shape))}$"):
        small().predict(x, batch_size=2)
