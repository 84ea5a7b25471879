"""Flatten and Rescaling."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("one_thread")


def test_rescaling_takes_bytes_to_plus_and_minus_a_half(ns, dtype):
    layer = ns.Rescaling(1 / 255, -0.5).build((1, 1, 256), dtype=dtype)
    x = np.arange(256, dtype=np.uint8).reshape(1, 1, 1, 256)
    exact = np.arange(256) / 255 - 0.5
    # Three roundings, of 1 / 255, the product and the sum, each of something no larger than 1.
    np.testing.assert_allclose(layer.forward(x).ravel(), exact, rtol=0, atol=2 * np.finfo(dtype).eps)


def test_flatten_keeps_the_order_in_memory(ns):
    layer = ns.Flatten().build((2, 3, 2), dtype="float64")
    x = np.arange(24.0).reshape(2, 2, 3, 2)
    assert layer.forward(x).tolist() == [list(range(12)), list(range(12, 24))]
    assert layer.backward(layer.forward(x)).tolist() == x.tolist()
