"""The floating-point mode of a thread is what it was after every call; subnormal numbers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

import cnn
import cnn.models


def subnormals_work() -> bool:
    """Whether NumPy reads and writes subnormal numbers in this thread, as it does from the start."""
    small = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float64).smallest_subnormal
    return all(
        (np.full(9, one) * 3 == 3 * float(one)).all() and (np.full(9, 2 * one) / 2 == one).all() for one in small
    )


def test_the_floating_point_mode_is_that_of_before_after_every_call(level, dtype, threads):
    assert subnormals_work()
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (20, 28, 28), dtype=np.uint8)
    y = np.arange(20) % 10
    net = cnn.models.two_conv(seed=0, dtype=dtype)
    conv, softmax = cnn.Conv3x3(8, dtype=dtype), cnn.Softmax(26 * 26 * 8, 10, dtype=dtype)
    for call in (
        lambda: net.predict(x),
        lambda: net.predict(x[:1]),
        lambda: net.evaluate(x, y),
        lambda: net.train_on_batch(x, y, cnn.SGD(0.1)),
        lambda: net.fit(x, y, progress=False),
        lambda: softmax.forward(conv.forward(x[0])),
        lambda: softmax.backprop(np.ones(10), 0.1),
        lambda: conv.backprop(np.ones((26, 26, 8)), 0.1),
        lambda: cnn.functional.softmax_cross_entropy(rng.standard_normal((9, 10)).astype(dtype), y[:9]),
    ):
        call()
        assert subnormals_work()
    with pytest.raises(FloatingPointError):
        net.train_on_batch(x * np.nan, y, cnn.SGD(0.1))
    assert subnormals_work()


def test_the_mode_of_other_threads_is_left_alone_too():
    net = cnn.models.two_conv(seed=0)
    x = np.zeros((20, 28, 28), np.uint8)
    barrier = Barrier(4)

    def work(_):
        barrier.wait()
        before = subnormals_work()
        net.predict(x)
        return before and subnormals_work()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    assert subnormals_work()


def test_subnormal_numbers_give_right_results(level, dtype, threads):
    # Whether a subnormal counts as itself or as zero, a result is off by no more than the smallest normal number
    # for each product.
    tiny = float(np.finfo(dtype).tiny)
    rng = np.random.default_rng(0)
    x = (rng.uniform(-1, 1, (6, 9, 9, 3)) * tiny).astype(dtype)
    w, b = rng.uniform(-1, 1, (3, 3, 3, 8)).astype(dtype), rng.uniform(-1, 1, 8).astype(dtype)
    terms = 3 * 3 * 3
    y = cnn.functional.conv2d_forward(x, w, None)
    exact = cnn.reference.conv2d_forward(x.astype(np.float64), w.astype(np.float64), None)
    assert (np.abs(y - exact) <= 2 * terms * tiny).all()
    assert np.array_equal(cnn.functional.conv2d_forward(x, w, b), np.broadcast_to(b, y.shape))
    y = cnn.functional.dense_forward(x.reshape(6, -1), rng.uniform(-1, 1, (243, 10)).astype(dtype), None)
    assert (np.abs(y) <= 2 * 243 * tiny).all()
    pooled, _ = cnn.functional.maxpool2d_forward(x, 3)
    assert np.array_equal(pooled, cnn.reference.maxpool2d_forward(x, 3)[0])


def test_a_net_whose_numbers_become_subnormal_predicts_as_with_zeros(level, dtype, threads):
    net = cnn.models.two_conv(seed=0, dtype=dtype)
    x = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    first = net.parameters()["conv2d_1.weights"]
    first *= np.finfo(dtype).tiny
    assert (np.abs(first[first != 0]) < 4 * np.finfo(dtype).tiny).all()
    small = net.predict_proba(x)
    first[...] = 0
    assert np.array_equal(net.predict_proba(x), small)
