"""The dense layer's map and its gradients, compared with sums in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..derivatives import numerical_gradient
from .cases import (
    FLOAT64,
    arguments_of,
    assert_rounded,
    assert_same_bits,
    leave_nan_in_freed_memory,
    normal,
)


def assert_dense(ops, rng, n, c_in, c_out, dtype):
    x, w, b = (normal(rng, shape, dtype) for shape in ((n, c_in), (c_in, c_out), (c_out,)))
    dy = normal(rng, (n, c_out), dtype)
    x64, w64, b64, dy64 = (a.astype(np.float64) for a in (x, w, b, dy))

    def total(a, b):
        return np.einsum("ik,kj->ij", a, b)

    magnitude = total(abs(x64), abs(w64)) + abs(b64)
    leave_nan_in_freed_memory((n, c_out), x.shape, w.shape, b.shape, dtype=dtype)
    assert_rounded(ops.dense_forward(x, w, b), total(x64, w64) + b64, c_in + 1, magnitude, dtype)
    dx, dw, db = ops.dense_backward(dy, x, w)
    assert_rounded(dx, total(dy64, w64.T), c_out, total(abs(dy64), abs(w64.T)), dtype)
    assert_rounded(dw, total(x64.T, dy64), n, total(abs(x64.T), abs(dy64)), dtype)
    assert_rounded(db, dy64.sum(axis=0), n, abs(dy64).sum(axis=0), dtype)


def test_dense_is_right_at_every_batch_size_and_number_of_units(ops, dtype):
    rng = np.random.default_rng(4)
    for n, units in {
        *itertools.product(range(34), (1, 17)),
        *itertools.product((1, 3, 14, 33), range(1, 41)),
    }:
        assert_dense(ops, rng, n, 5, units, dtype)


@given(st.integers(0, 70), st.integers(1, 200), st.integers(1, 140), st.integers(0, 2**32))
def test_any_dense_layer_equals_the_sums_in_float64(ops, dtype, n, c_in, c_out, seed):
    assert_dense(ops, np.random.default_rng(seed), n, c_in, c_out, dtype)


def test_dense_without_a_bias_is_that_with_zeros(ops, dtype):
    x, w, b = arguments_of("dense_forward", dtype)
    assert np.array_equal(ops.dense_forward(x, w, None), ops.dense_forward(x, w, np.zeros_like(b)))


def test_dense_gradients_are_finite_differences(ops):
    rng = np.random.default_rng(7)
    x, w, b, dy = (rng.standard_normal(shape) for shape in ((4, 5), (5, 3), (3,), (4, 3)))

    def loss():
        return float((dy * ops.dense_forward(x, w, b)).sum())

    magnitude = abs(dy * ops.dense_forward(abs(x), abs(w), abs(b))).sum()
    tolerance = 4 * dy.size * np.finfo(float).eps * magnitude
    for value, gradient in zip((x, w, b), ops.dense_backward(dy, x, w), strict=True):
        np.testing.assert_allclose(gradient, numerical_gradient(loss, value, 1.0), rtol=0, atol=tolerance)


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_nan_in_a_dense_layer_stays_in_its_row_or_column(ops, dtype, n):
    rng = np.random.default_rng(11)
    x, w, dy = normal(rng, (n, 19), dtype), normal(rng, (19, 21), dtype), normal(rng, (n, 21), dtype)
    x[n - 1, 18] = dy[0, 20] = np.nan
    assert np.argwhere(np.isnan(ops.dense_forward(x, w, None)))[:, 0].tolist() == [n - 1] * 21
    dx, dw, db = ops.dense_backward(dy, x, w)
    assert np.argwhere(np.isnan(dx))[:, 0].tolist() == [0] * 19
    expected = np.zeros(dw.shape, bool)
    expected[18], expected[:, 20] = True, True
    assert np.array_equal(np.isnan(dw), expected)
    assert np.flatnonzero(np.isnan(db)).tolist() == [20]


def test_nested_lists_are_arrays(checked_ops):
    x, w, b = arguments_of("dense_forward", FLOAT64)
    assert_same_bits(checked_ops.dense_forward(x.tolist(), w.tolist(), b.tolist()), checked_ops.dense_forward(x, w, b))


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("dense_forward", [(5, 3), (4, 2), (2,)], r"x must .*4.* got \(5, 3\)"),
        ("dense_forward", [(5, 4), (4, 2), (4,)], r"b must .*\(2,\) .*\(4,\)"),
        ("dense_backward", [(5, 3), (5, 4), (4, 2)], r"dy must .*2.* got \(5, 3\)"),
        ("dense_backward", [(4, 2), (5, 4), (4, 2)], r"dy must .*5.* got \(4, 2\)"),
    ],
)
def test_shapes_that_do_not_fit_are_a_value_error_naming_both(checked_ops, name, shapes, message):
    with pytest.raises(ValueError, match=message):
        getattr(checked_ops, name)(*(np.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_a_dense_layer_without_inputs_or_units_is_a_value_error(checked_ops, shape):
    x, dy, w = np.zeros((2, shape[0])), np.zeros((2, shape[1])), np.zeros(shape)
    for call in (
        lambda: checked_ops.dense_forward(x, w, None),
        lambda: checked_ops.dense_backward(dy, x, w),
        lambda: checked_ops.dense_input_gradient(dy, w),
        lambda: checked_ops.dense_weight_gradient(dy, x),
    ):
        with pytest.raises(ValueError, match="must have at least one"):
            call()
