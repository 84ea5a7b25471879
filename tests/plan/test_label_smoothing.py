"""Label smoothing in a fit."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn

from .nets import counterpart, dense_alone, noise

pytestmark = pytest.mark.usefixtures("two_threads")


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_smoothed_labels_give_the_loss_and_gradients_of_the_formula(implementation, dtype, smoothing):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(7)], (3, 2, 1), dtype=dtype, seed=0)
    net = counterpart(net, dtype) if implementation == "reference" else net
    w, b = (value.astype(np.float64) for value in net.parameters().values())
    x, y = noise(net, 12)
    history = net.fit(
        x, y, optimizer=cnn.SGD(1.0), batch_size=12, shuffle=False, progress=False, label_smoothing=smoothing
    )
    rows = x.reshape(12, 6).astype(np.float64)
    logits = rows @ w + b
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = (1 - smoothing) * np.eye(7)[y] + smoothing / 7
    dlogits = (p - targets) / 12
    # Fewer than 50 roundings, of logits and their sums, which are below 10 here.
    tolerance = 50 * 10 * float(np.finfo(dtype).eps)
    assert np.abs(logits).max() < 10
    assert history.loss == pytest.approx([-(targets * np.log(p)).sum(axis=1).mean()], abs=tolerance)
    moved = [w - rows.T @ dlogits, b - dlogits.sum(axis=0)]
    for value, exact in zip(net.parameters().values(), moved, strict=True):
        np.testing.assert_allclose(value, exact, rtol=0, atol=tolerance)


@pytest.mark.parametrize("bad", [-0.1, 1.5, math.nan, math.inf])
def test_a_label_smoothing_out_of_range_is_a_value_error(bad):
    net = dense_alone()
    with pytest.raises(ValueError, match=r"^label_smoothing must be finite and between 0 and 1"):
        net.fit(*noise(net, 4), label_smoothing=bad)


@pytest.mark.parametrize("bad", ["little", [0.1]])
def test_a_label_smoothing_of_another_type_is_a_type_error(bad):
    net = dense_alone()
    with pytest.raises(TypeError, match=r"^label_smoothing must be a number"):
        net.fit(*noise(net, 4), label_smoothing=bad)
