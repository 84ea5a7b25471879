"""Activations: they select or scale elements, so there is no rounding to allow for."""

from __future__ import annotations

import numpy as np
import pytest

from ..derivatives import numerical_gradient
from .cases import normal


@pytest.mark.parametrize("shape", [(1,), (0,), (5, 3), (2, 3, 4, 5), (1000,), (3, 0, 2)])
def test_relu_keeps_what_is_positive_and_passes_its_gradient_only(ops, dtype, shape):
    rng = np.random.default_rng(5)
    x, dy = normal(rng, shape, dtype), normal(rng, shape, dtype)
    x.flat[::7] = 0
    y = ops.relu_forward(x)
    np.testing.assert_array_equal(y, np.where(x > 0, x, 0), strict=True)
    np.testing.assert_array_equal(ops.relu_backward(dy, y), np.where(x > 0, dy, 0), strict=True)


def test_relu_gradient_is_finite_differences(ops):
    x = np.array([-3.0, -1.0, -0.5, 0.5, 1.0, 4.0])
    dy = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    expected = numerical_gradient(lambda: (dy * ops.relu_forward(x)).sum(), x, 0.25)
    assert np.array_equal(ops.relu_backward(dy, ops.relu_forward(x)), expected)


def test_relu_keeps_nan_and_gives_it_no_gradient(ops, dtype):
    y = ops.relu_forward(np.array([np.nan, np.inf, -np.inf, -0.0], dtype))
    assert np.array_equal(y, np.array([np.nan, np.inf, 0, 0]), equal_nan=True)
    assert ops.relu_backward(np.ones(4, dtype), y).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("relu_backward", [(3, 4), (4, 3)], r"dy must .*\(4, 3\) .*\(3, 4\)"),
        ("relu_backward", [(12,), (4, 3)], r"dy must .*\(4, 3\) .*\(12,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_a_value_error_naming_both(checked_ops, name, shapes, message):
    with pytest.raises(ValueError, match=message):
        getattr(checked_ops, name)(*(np.zeros(shape) for shape in shapes))
