"""Pooling: who takes the gradient."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("ties", "dx"),
    [("first", [[5, 0, 7, 0], [0, 0, 0, 0]]), ("all", [[5, 5, 7, 0], [5, 5, 0, 7]])],
)
def test_a_tied_gradient_goes_to_the_first_maximum_or_to_all(ns, dtype, ties, dx):
    layer = ns.MaxPool2D(2, ties=ties).build((2, 4, 1), dtype=dtype)
    x = np.array([[3, 3, 4, 1], [3, 3, 2, 4]])[None]
    assert layer.forward(x).ravel().tolist() == [3, 4]
    assert layer.backward(np.array([5, 7]).reshape(1, 1, 2, 1))[0, :, :, 0].tolist() == dx
